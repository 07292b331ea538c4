// SPDX-License-Identifier: Apache-2.0
// node --test clients.mjs: the bots of examples/clients on telegraf and grammY behind a hub that is killed.
// The test does what the keeper would: it starts the hub again, and a bot that ended. HOLDFAST_BUILD names
// the build folder (../../build). python-telegram-bot: tests/scenario/test_client_bots.py.
import assert from "node:assert";
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import test, { after } from "node:test";

const here = import.meta.dirname ?? ".";
const build = resolve(process.env.HOLDFAST_BUILD ?? join(here, "../../build"));
const folder = mkdtempSync(join(tmpdir(), "holdfast-clients-"));
const TOKEN = "110201543:clients-token-of-the-simulator-AAAA";
const running = new Set();
symlinkSync(resolve(here, "node_modules"), join(folder, "node_modules")); // where node looks from the bots' folder

after(async () => {
  for (const one of [...running].reverse()) await end(one, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function until(what, condition, seconds = 40) {
  const deadline = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < deadline) {
    last = await Promise.resolve().then(condition).catch((error) => { last = error; return false; });
    if (last) return last;
    await new Promise((done) => setTimeout(done, 20));
  }
  return assert.fail(`after ${seconds} s still not so: ${what}`);
}

function start(program, options, more = {}) {
  const child = spawn(program, options, { stdio: ["ignore", "ignore", "pipe"], ...more });
  const ended = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
  const one = { child, said: "", ended };
  child.stderr.on("data", (text) => { one.said += text; });
  running.add(one);
  return one;
}

async function end(one, signal) {
  one.child.kill(signal);
  const how = await one.ended;
  running.delete(one);
  assert.doesNotMatch(one.said, /Sanitizer|runtime error: |holdfast: bug: /);
  return how;
}

async function ask(url, body) {
  const headers = { "Content-Type": "application/json" };
  const options = body && { method: "POST", body: JSON.stringify(body), headers };
  const answer = await fetch(url, options);
  assert.ok(answer.ok, `${url}: ${answer.status}`);
  return answer.json();
}

// A simulator, a hub and a bot of their own.
async function world(t, script) {
  const telegram = `http://127.0.0.1:${await freePort()}`;
  const hubUrl = `http://127.0.0.1:${await freePort()}`;
  const config = join(folder, `${script}.yaml`);
  copyFileSync(join(here, "../../examples/clients", script), join(folder, script));
  writeFileSync(config, JSON.stringify({
    name: "clients", data: mkdtempSync(join(folder, "data-")), http: { listen: new URL(hubUrl).host },
    bots: { main: { token: TOKEN, api_url: telegram, owner: 42 } },
  }));
  const run = mkdtempSync(join(folder, "run-"));
  const w = {
    async startHub() {
      w.hub = start(join(build, "src/holdfast-hub"), ["--config", config, "--run", run]);
      await until("the hub answers", () => ask(`${hubUrl}/ping`));
    },
    startBot() {
      const env = { ...process.env, BOT_TOKEN: "110201543:main", TELEGRAM_API_ROOT: `${hubUrl}/telegram` };
      w.bot = start(process.execPath, [join(folder, script)], { env });
    },
    // Starts it again whenever it ends, until the end of the test.
    async keepBot() {
      for (w.ends = 0; ; w.ends++) {
        await w.bot.ended;
        running.delete(w.bot);
        if (w.over) return;
        w.startBot();
      }
    },
    consumer: async () => (await ask(`${hubUrl}/health`)).bots.main.consumers.default,
    say: (text, chat) => ask(`${telegram}/sim/message`, { chat_id: chat, from_id: chat, text }),
    async answers(chat) {
      const { messages } = await ask(`${telegram}/sim/messages?chat_id=${chat}&after=0`);
      return messages.filter((message) => message.from_bot).map((message) => message.text);
    },
    // The bot is stopped with an update in its hand: the hub gave it, nobody has answered it.
    async freezeWith(text, chat) {
      await until("the bot polls", async () => (await w.consumer()).polling);
      w.bot.child.kill("SIGSTOP");
      await w.say(text, chat);
      await until("the bot was given it", async () => !(await w.consumer()).polling);
    },
    answered: (text, chat) => until(`"${text}" is answered (${w.bot.said.slice(-2000)})`,
      async () => (await w.answers(chat)).includes(`You said: ${text}`)),
  };
  const options = ["--port", new URL(telegram).port, "--bot", `${TOKEN}=clients_bot`];
  const sim = start(join(build, "src/holdfast-sim"), options);
  await until("the simulator answers", () => ask(`${telegram}/ping`));
  await w.startHub();
  w.startBot();
  t.after(async () => {
    w.over = true;
    await end(w.bot, "SIGKILL");
    assert.equal(await end(w.hub, "SIGTERM"), 0, w.hub.said);
    assert.equal(await end(sim, "SIGTERM"), 0, sim.said);
  });
  return w;
}

for (const script of ["bot_telegraf.mjs", "bot_grammy.mjs"]) {
  test(`${script}: no update is lost by a hub that is killed`, async (t) => {
    const w = await world(t, script);
    w.keepBot();
    let chat = 100; // one for each text: Telegram takes one message a second in a chat
    const sayNext = () => w.say(`text ${chat}`, chat++);
    for (let round = 0; round < 5; round++) {
      await until("the bot polls", async () => (await w.consumer()).polling);
      for (let i = 0; i < round; i++) await sayNext(); // none: it is killed while the bot waits
      await end(w.hub, "SIGKILL");
      await sayNext(); // while it is away
      await sayNext();
      await w.startHub();
      await sayNext();
      for (let each = 100; each < chat; each++) await w.answered(`text ${each}`, each);
    }
    let doubled = 0;
    for (let each = 100; each < chat; each++) doubled += (await w.answers(each)).length - 1;
    assert.ok(doubled <= w.ends, `${doubled} answers too many, though the bot ended ${w.ends} times`);
  });

  test(`${script}: a send at the moment of the kill ends it, started again it answers`, async (t) => {
    const w = await world(t, script);
    await w.freezeWith("unlucky", 100);
    await end(w.hub, "SIGKILL");
    w.bot.child.kill("SIGCONT");
    assert.notEqual(await w.bot.ended, 0, w.bot.said);
    running.delete(w.bot);
    await w.startHub();
    w.startBot();
    await w.answered("unlucky", 100);
    await w.say("lucky", 101);
    await w.answered("lucky", 101);
    assert.deepEqual(await w.answers(100), ["You said: unlucky"]);
  });
}
