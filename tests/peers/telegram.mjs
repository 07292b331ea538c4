// SPDX-License-Identifier: Apache-2.0
// node --test telegram.mjs: bots on telegraf and grammY talk to the simulator directly and through
// the hub's gateway, and see no difference. Each way has a simulator of its own: the hub polls without
// end, and one token bears one poller. HOLDFAST_BUILD names the build folder (../../build).
import assert from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import test, { after, before } from "node:test";

const build = resolve(process.env.HOLDFAST_BUILD ?? join(import.meta.dirname ?? ".", "../../build"));
const bots = join(import.meta.dirname ?? ".", "bots");
const folder = mkdtempSync(join(tmpdir(), "holdfast-peers-"));
const TOKEN = "110201543:peers-token-of-the-simulator-AAAAAA";
const running = [];
let direct, behind, gateway;

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function start(program, options, url) {
  const child = spawn(join(build, program), options, { stdio: ["ignore", "ignore", "pipe"] });
  const one = { child, said: "" };
  child.stderr.on("data", (text) => { one.said += text; });
  running.push(one);
  for (let i = 0; i < 200; i++) {
    assert.equal(child.exitCode, null, one.said);
    if (await fetch(`${url}/ping`).then((answer) => answer.ok, () => false)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail(`${program} does not answer: ${one.said}`);
}

async function startSimulator() {
  const url = `http://127.0.0.1:${await freePort()}`;
  await start("src/holdfast-sim", ["--port", new URL(url).port, "--bot", `${TOKEN}=peers_bot`], url);
  return url;
}

before(async () => {
  direct = await startSimulator();
  behind = await startSimulator();
  gateway = `http://127.0.0.1:${await freePort()}`;
  writeFileSync(join(folder, "holdfast.yaml"), JSON.stringify({
    name: "peers", data: join(folder, "data"), http: { listen: new URL(gateway).host },
    bots: { main: { token: TOKEN, api_url: behind, owner: 42 } },
  }));
  await start("src/holdfast-hub", ["--config", join(folder, "holdfast.yaml"), "--run", join(folder, "run")], gateway);
});

after(async () => {
  for (const { child } of running.reverse()) {
    child.kill("SIGTERM");
    await new Promise((done) => { child.exitCode === null ? child.once("exit", done) : done(); });
  }
  rmSync(folder, { recursive: true, force: true });
  for (const { child, said } of running) assert.equal(child.exitCode, 0, said);
});

// Runs a script of bots/; every line "ok" or "FAILED" of it is a test of its own.
async function run(t, script, ...options) {
  let output;
  try {
    output = execFileSync(process.execPath, [join(bots, script), ...options], { encoding: "utf8", timeout: 150000 });
  } catch (error) {
    output = `${error.stdout ?? ""}${error.stderr ?? ""}`;
    if (!/^FAILED/m.test(output)) throw new Error(output || error.message);
  }
  for (const [, verdict, name] of output.matchAll(/^(ok|FAILED)\s+(.*)$/gm)) {
    await t.test(name, () => assert.equal(verdict, "ok", name));
  }
}

for (const library of ["telegraf", "grammy"]) {
  const transcript = (way) => join(folder, `${library}.${way}`);
  test(`${library} directly`, (t) => run(t, "conversation.mjs", direct, TOKEN, library, direct, transcript("direct")));
  test(`${library} through the gateway`, (t) => run(t, "conversation.mjs", `${gateway}/telegram`,
    `110201543:main.${library}`, library, behind, transcript("gateway")));
  test(`${library} sees no difference`, (t) => run(t, "compare.mjs", transcript("direct"), transcript("gateway")));
}
