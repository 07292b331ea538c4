// SPDX-License-Identifier: Apache-2.0
// node alerts_bullmq.js PORT MODE ...: BullMQ on the redis-server at PORT, for `bench/run alerts`.
//   add SECONDS FLIGHT BATCH       FLIGHT queue.add() at a time; BATCH > 1: addBulk() of so many
//   both COUNT SECONDS HTTP        FLIGHT 50 adds, and at the same time a worker (a thread with a loop of its
//                                  own) that POSTs each job to port HTTP; until all are out or the time is over
//   kill RATE FLIGHT FILE FIRST    adds with ids of their own (a-FIRST and on) until redis is gone; says "begun"
//                                  after the first answer; FILE: the number of each one that was answered
// Prints a line of JSON.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const { Worker: Thread, isMainThread, parentPort, workerData } = require("node:worker_threads");
const { Queue, Worker } = require("./bullmq/node_modules/bullmq");

const FLIGHT = 50;
const QUEUE = "alerts";
// As small as BullMQ keeps a job: nothing of those that are done, and no tries to be counted.
const OPTIONS = { removeOnComplete: true, removeOnFail: true };

function connection(port, more) {
  return { host: "127.0.0.1", port, maxRetriesPerRequest: null, ...more };
}

function data(number) {
  const text = `bench-alert-${String(number).padStart(10, "0")} the queue of orders is 1,234 long and grows`;
  return { priority: "HIGH", service: "orders", title: "queue", text };
}

function percentile(sorted, share) {
  return sorted.length ? sorted[Math.floor((sorted.length - 1) * share)] : 0;
}

async function add(port, seconds, flight, batch) {
  const queue = new Queue(QUEUE, { connection: connection(port) });
  await queue.waitUntilReady();
  const begun = performance.now(), end = begun + seconds * 1000, took = [];
  let number = 0;
  async function one() {
    while (performance.now() < end) {
      const at = performance.now();
      if (batch > 1) {
        const jobs = [];
        for (let i = 0; i < batch; i++) jobs.push({ name: "alert", data: data(number++), opts: OPTIONS });
        await queue.addBulk(jobs);
      } else {
        await queue.add("alert", data(number++), OPTIONS);
      }
      took.push(performance.now() - at);
    }
  }
  await Promise.all(Array.from({ length: flight }, one));
  const passed = (performance.now() - begun) / 1000;
  took.sort((a, b) => a - b);
  return { alerts: took.length * batch, seconds: passed, alerts_s: (took.length * batch) / passed,
    p50_us: percentile(took, 0.5) * 1000, p99_us: percentile(took, 0.99) * 1000 };
}

function post(agent, port, body) {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
    const request = http.request({ agent, port, host: "127.0.0.1", method: "POST", path: "/", headers },
      (answer) => {
        answer.resume();
        answer.on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error("not 200"))));
      });
    request.on("error", reject);
    request.end(body);
  });
}

function work() {
  const { port, httpPort, count } = workerData;
  const agent = new http.Agent({ keepAlive: true, maxSockets: FLIGHT });
  let done = 0;
  const worker = new Worker(QUEUE, (job) => post(agent, httpPort, JSON.stringify(job.data)),
    { connection: connection(port), concurrency: FLIGHT });
  worker.on("completed", () => {
    if (++done === count) parentPort.postMessage(done);
  });
  worker.on("failed", (_, error) => { throw error; });
  worker.waitUntilReady().then(() => parentPort.postMessage(0));
  parentPort.on("message", () => parentPort.postMessage(done));
}

async function both(port, count, seconds, httpPort) {
  const queue = new Queue(QUEUE, { connection: connection(port) });
  await queue.waitUntilReady();
  const thread = new Thread(__filename, { workerData: { port, httpPort, count } });
  const next = () => new Promise((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
  });
  await next();
  const begun = performance.now();
  let number = 0;
  const enough = () => number >= count || performance.now() - begun >= seconds * 1000;
  const one = async () => { while (!enough()) await queue.add("alert", data(number++), OPTIONS); };
  const timer = setTimeout(() => thread.postMessage("how many"), seconds * 1000);
  const [done] = await Promise.all([next(), ...Array.from({ length: FLIGHT }, one)]);
  clearTimeout(timer);
  const passed = (performance.now() - begun) / 1000;
  return { alerts: done, seconds: passed, alerts_s: done / passed, added: number };
}

function kill(port, rate, flight, file, first) {
  const queue = new Queue(QUEUE, { connection: connection(port, { retryStrategy: () => null }) });
  const answered = [];
  let number = 0, gone = false, wake;
  const over = new Promise((resolve) => { wake = resolve; });
  const end = () => { gone = true; wake(); };
  queue.on("error", end);
  queue.on("ioredis:close", end);
  const started = queue.waitUntilReady().then(() => performance.now());
  async function one() {
    const begun = await started;
    while (!gone) {
      const wait = (number / rate) * 1000 - (performance.now() - begun);
      if (wait > 0) {
        await new Promise((resolve) => { setTimeout(resolve, wait); });
        continue;
      }
      const mine = first + number++;
      await queue.add("alert", data(mine), { ...OPTIONS, jobId: `a-${mine}` });
      if (answered.push(mine) === 1) console.log("begun");
    }
  }
  for (let i = 0; i < flight; i++) one().catch(end);
  return over.then(() => {
    fs.writeFileSync(file, answered.join("\n"));
    return { alerts: answered.length };
  });
}

async function main() {
  const [port, mode, ...rest] = process.argv.slice(2);
  const run = { add, both, kill }[mode];
  const values = rest.map((word) => (/^\d+$/.test(word) ? Number(word) : word));
  console.log(JSON.stringify(await run(Number(port), ...values)));
  process.exit(0);
}

if (isMainThread) main().catch((error) => { console.error(error); process.exit(1); });
else work();
