// SPDX-License-Identifier: Apache-2.0
// A bot on a library that nobody here wrote, run against a Bot API server:
//   node conversation.mjs ROOT_URL TOKEN telegraf|grammy CONTROL_URL [TRANSCRIPT]
// ROOT_URL is the simulator itself or the hub's gateway (http://127.0.0.1:8001/telegram); CONTROL_URL
// is always the simulator, where people write and faults are armed. TRANSCRIPT gets every answer,
// identifiers and times replaced, so that compare.mjs can tell whether a bot sees a difference.
import { writeFileSync } from "node:fs";
import { Bot, GrammyError } from "grammy";
import { Telegraf, TelegramError } from "telegraf";

const [root, token, library, controlUrl, transcriptPath] = process.argv.slice(2);
if (!["telegraf", "grammy"].includes(library) || !controlUrl) {
  console.error("usage: node conversation.mjs ROOT_URL TOKEN telegraf|grammy CONTROL_URL [TRANSCRIPT]");
  process.exit(64);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/* --- the transcript --------------------------------------------------------------------------- */

const first = 500000 + Math.floor(Date.now() / 1000) % 100000 * 100; // the chats of this run: 100 from here
const transcript = [];
const seen = new Map();
const CHANGING = new Set(["message_id", "update_id", "date", "edit_date", "file_id", "file_unique_id", "file_path"]);

// The n-th different value of a kind becomes "kind#n": equal stays equal, and runs can be compared.
function normalised(value, key = "") {
  if (CHANGING.has(key)) {
    const kind = key.endsWith("date") ? "date" : key;
    if (kind === "date") return "date";
    const known = seen.get(kind) ?? new Map();
    seen.set(kind, known);
    if (!known.has(value)) known.set(value, `${kind}#${known.size + 1}`);
    return known.get(value);
  }
  if (typeof value === "number" && value >= first && value < first + 100) return `chat#${value - first}`;
  if (Array.isArray(value)) return value.map((each) => normalised(each));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, normalised(each, name)]));
  }
  return value;
}

const record = (step, answer) => transcript.push({ step, answer: normalised(answer) });

/* --- the two libraries behind one face ------------------------------------------------------------ */

function telegrafBot(handlers) {
  // telegraf resolves "./bot..." against its root as a browser would: the slash keeps the folder
  const bot = new Telegraf(token, { telegram: { apiRoot: `${root}/`, webhookReply: false } });
  bot.on("message", (context) => handlers.message(context.message));
  bot.on("callback_query", (context) => handlers.press(context.callbackQuery));
  return {
    start: () => new Promise((started, failed) => {
      bot.launch({ dropPendingUpdates: true }, started).catch(failed);
    }),
    stop: async () => bot.stop(),
    call: (method, params) => bot.telegram.callApi(method, params),
    errorOf: (error) => error instanceof TelegramError ? error.response : null,
  };
}

function grammyBot(handlers) {
  const bot = new Bot(token, { client: { apiRoot: root } });
  bot.on("message", (context) => handlers.message(context.message));
  bot.on("callback_query", (context) => handlers.press(context.callbackQuery));
  return {
    start: () => new Promise((started, failed) => {
      bot.start({ drop_pending_updates: true, onStart: started }).catch(failed);
    }),
    stop: () => bot.stop(),
    // grammY takes a first payload of {} beside its own empty one for a mistake
    call: (method, params) => Object.keys(params).length ? bot.api.raw[method](params) : bot.api.raw[method](),
    errorOf: (error) => error instanceof GrammyError
      ? { ok: false, error_code: error.error_code, description: error.description, parameters: error.parameters } : null,
  };
}

/* --- people ------------------------------------------------------------------------------------------ */

async function control(method, path, body) {
  const answer = await fetch(`${controlUrl}/sim/${path}`, {
    method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body),
  });
  const json = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${json.detail}`);
  return json;
}

const write = (chat_id, text) => control("POST", "message", { chat_id, text, first_name: "Ann" });
const book = async (chat_id) => (await control("GET", `messages?chat_id=${chat_id}`)).messages;

async function until(what, condition, ms = 10000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await pause(20);
  }
}

/* --- checks --------------------------------------------------------------------------------------------- */

let passed = 0, failed = 0;

async function check(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok      ${library}: ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${library}: ${name}: ${error.message}`);
  }
}

function same(found, wanted, what) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
  }
}

const chat = first, received = [];
let answer = async () => {};
const handlers = {
  message: async (message) => {
    received.push({ text: message.text, chat: message.chat.id, at: performance.now() });
    await answer(message);
  },
  press: async (query) => {
    await send("edit", "editMessageText", {
      chat_id: query.message.chat.id, message_id: query.message.message_id, text: `Pressed ${query.data}`,
    });
    await send("answer the press", "answerCallbackQuery", { callback_query_id: query.id, text: "Done" });
  },
};
const bot = library === "telegraf" ? telegrafBot(handlers) : grammyBot(handlers);

// Sends as a careful bot does: 429 is waited out. step null: not for the transcript.
async function send(step, method, params) {
  for (;;) {
    try {
      const result = await bot.call(method, params);
      if (step) record(step, { ok: true, result });
      return result;
    } catch (error) {
      const refusal = bot.errorOf(error);
      if (!refusal) throw error;
      if (refusal.error_code === 429) {
        await pause(refusal.parameters.retry_after * 1000 + 50);
        continue;
      }
      if (step) record(step, refusal);
      return refusal;
    }
  }
}

async function refused(step, method, params, description) {
  const refusal = await send(step, method, params);
  same(refusal.description, description, step);
}

async function checkBasics() {
  await check("getMe", async () => {
    const me = await send("getMe", "getMe", {});
    same(me.is_bot, true, "is_bot");
  });
  await check("deleteWebhook and polling", async () => {
    await control("POST", "chats", { chat_id: chat, state: "member" });
    await Promise.race([bot.start(), pause(10000).then(() => { throw new Error("does not start"); })]);
    same((await send("getWebhookInfo", "getWebhookInfo", {})).url, "", "url");
  });
  await check("commands", async () => {
    await send("setMyCommands", "setMyCommands", { commands: [{ command: "buy", description: "Buy" }] });
    same(await send("getMyCommands", "getMyCommands", {}), [{ command: "buy", description: "Buy" }], "commands");
  });
}

async function checkConversation() {
  const keyboard = { inline_keyboard: [[{ text: "Yes", callback_data: "yes" }, { text: "No", callback_data: "no" }]] };
  await check("a message is answered", async () => {
    answer = (message) => send("reply", "sendMessage", {
      chat_id: message.chat.id, text: "<b>Sure?</b>", parse_mode: "HTML", reply_markup: keyboard,
      reply_parameters: { message_id: message.message_id },
    });
    await write(chat, "/buy 0.01");
    const reply = await until("the reply", async () => (await book(chat)).find((m) => m.from_bot));
    same(reply.text, "Sure?", "text");
    same(reply.entities, [{ offset: 0, length: 5, type: "bold" }], "entities");
  });
  await check("a button is pressed, the message edited, the press answered", async () => {
    const reply = (await book(chat)).find((m) => m.from_bot);
    await control("POST", "press", { chat_id: chat, message_id: reply.message_id, data: "yes" });
    await until("the edit", async () => (await book(chat)).find((m) => m.text === "Pressed yes" && m.edited));
    const { answers } = await until("the answer", async () => {
      const news = await control("GET", `messages?chat_id=${chat}`);
      return news.answers.length && news;
    });
    same(answers[0].text, "Done", "answer");
  });
  await check("a parked poll is woken at once", async () => {
    answer = async () => {};
    await pause(1500); // nothing happens: the poll is parked
    received.length = 0;
    const written = performance.now();
    await write(chat, "wake up");
    const update = await until("the update", () => received[0]);
    if (update.at - written > 500) throw new Error(`took ${Math.round(update.at - written)} ms`);
  });
}

async function checkRefusals() {
  const text = "x";
  await check("refusals have Telegram's texts", async () => {
    await refused("empty", "sendMessage", { chat_id: chat, text: "" }, "Bad Request: message text is empty");
    await refused("unknown chat", "sendMessage", { chat_id: 5, text }, "Bad Request: chat not found");
    await refused("bad markup", "sendMessage", { chat_id: chat, text: "<b", parse_mode: "HTML" },
      "Bad Request: can't parse entities: Unclosed start tag at byte offset 0");
    await refused("too long", "sendMessage", { chat_id: chat, text: "x".repeat(4097) }, "Bad Request: message is too long");
    await refused("edit nothing", "editMessageText", { chat_id: chat, message_id: 999999, text },
      "Bad Request: message to edit not found");
    await refused("old press", "answerCallbackQuery", { callback_query_id: "1" },
      "Bad Request: query is too old and response timeout expired or query ID is invalid");
    await refused("unknown method", "getNothing", {}, "Not Found: method not found");
  });
  await check("blocked and migrated chats", async () => {
    await control("POST", "chats", { chat_id: chat + 1, state: "blocked" });
    await refused("blocked", "sendMessage", { chat_id: chat + 1, text }, "Forbidden: bot was blocked by the user");
    await control("POST", "chats", { chat_id: -77, state: "member", migrate_to: -1000000000077 });
    const refusal = await send("migrated", "sendMessage", { chat_id: -77, text });
    same(refusal.parameters, { migrate_to_chat_id: -1000000000077 }, "parameters");
  });
}

async function checkLimits() {
  await check("429 is waited out and sent once", async () => {
    await control("POST", "faults", { method: "sendMessage", kind: "429", retry_after: 1, count: 1 });
    const begin = performance.now();
    await send("after 429", "sendMessage", { chat_id: chat, text: "patience" });
    if (performance.now() - begin < 900) throw new Error("was not waited for");
    same((await book(chat)).filter((m) => m.text === "patience").length, 1, "messages");
  });
  await check("60 messages arrive in order and are answered once each", async () => {
    const chats = Array.from({ length: 20 }, (_, i) => first + 10 + i), texts = [];
    answer = (message) => send(null, "sendMessage", { chat_id: message.chat.id, text: `answer to ${message.text}` });
    received.length = 0;
    for (let i = 0; i < 60; i++) {
      texts.push(`message ${i}`);
      await write(chats[i % 20], texts[i]);
    }
    await until("all answers", async () => {
      const books = await Promise.all(chats.map(book));
      return books.flat().filter((m) => m.from_bot).length >= 60;
    }, 60000);
    await pause(300); // a second answer would come now
    same(received.map((update) => update.text), texts, "received");
    const books = (await Promise.all(chats.map(book))).flat().filter((m) => m.from_bot);
    same(books.map((m) => m.text).sort(), texts.map((t) => `answer to ${t}`).sort(), "answers");
  });
}

await checkBasics();
await checkConversation();
await checkRefusals();
await checkLimits();
await check("stops", async () => {
  await Promise.race([bot.stop(), pause(10000).then(() => { throw new Error("does not stop"); })]);
});
if (transcriptPath) writeFileSync(transcriptPath, JSON.stringify(transcript, null, 1));
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
