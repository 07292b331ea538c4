// SPDX-License-Identifier: Apache-2.0
// The chat page of holdfast-sim. Everything a bot says is put on the page as text nodes and known
// elements, never as HTML. Two long polls feed it: the list of chats, and the open chat.
"use strict";

const $ = (id) => document.getElementById(id);
const state = {
  chats: [], bots: new Map(), open: null, after: 0, shown: new Map(), online: new Map(),
  typingUntil: 0, busy: new Map(), poll: null, faults: [], lost: false, offered: null, hidden: null,
};

/* --- talking to the simulator ---------------------------------------------------------------- */

async function get(path, options) {
  const answer = await fetch(path, { cache: "no-store", ...options });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail || answer.statusText), { refused: true });
  }
  return answer.json();
}

const post = (path, body) => get(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function setLost(lost) {
  state.lost = lost;
  $("lost").hidden = !lost;
  showStatus();
}

/* --- small things ----------------------------------------------------------------------------- */

function element(tag, classes, text) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (text !== undefined) made.textContent = text;
  return made;
}

const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });

function day(seconds) {
  const date = new Date(seconds * 1000), today = new Date();
  if (date.toDateString() === today.toDateString()) return "Today";
  return date.toLocaleDateString([], { day: "numeric", month: "long" });
}

function tint(name) {
  let sum = 0;
  for (const c of name) sum = (sum * 31 + c.codePointAt(0)) % 9973;
  return `avatar tint-${sum % 5}`;
}

// In a group only Ann (42) is the person at this page; the others have a name above their words.
const isMine = (message) => !message.from_bot && (state.open.type === "private" || message.from.id === 42);
const sideOf = (message) => isMine(message) ? "me" : message.from ? message.from.id : "channel";
const key = (chat) => `${chat.bot}/${chat.id}`;
const nameOf = (chat) => chat.type === "private" ? chat.bot : `${chat.title} (${chat.bot})`;

function summary(message) {
  if (!message) return "No messages yet";
  const text = message.text || message.caption || (message.photo ? "Photo" : message.document ? "File" : "Service message");
  const others = message.from_bot || message.chat.type !== "private";
  return (others ? "" : "You: ") + text.replace(/\s+/g, " ");
}

let toastTimer = 0;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 3500);
}

/* --- text with entities ------------------------------------------------------------------------ */

function safeLink(url, children) {
  if (!/^(https?|mailto|tg):/i.test(url)) return element("span");
  const link = element("a");
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.append(...children);
  return link;
}

function wrap(entity, text, children) {
  const simple = { bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code",
    pre: "pre", blockquote: "blockquote", expandable_blockquote: "blockquote" }[entity.type];
  let made;
  if (simple) {
    made = element(simple);
    if (entity.type === "pre" && entity.language) made.dataset.language = entity.language;
  } else if (entity.type === "url" || entity.type === "text_link") {
    made = safeLink(entity.url || text, []);
  } else if (entity.type === "bot_command") {
    made = element("button", "command");
    made.type = "button";
    made.addEventListener("click", () => send(text));
  } else if (entity.type === "spoiler") {
    made = element("button", "spoiler");
    made.type = "button";
    made.setAttribute("aria-label", "Hidden text, press to show");
    made.addEventListener("click", () => { made.classList.add("shown"); made.removeAttribute("aria-label"); });
    const inner = element("span");
    inner.append(...children);
    children = [inner];
  } else {
    made = element("span", entity.type === "mention" || entity.type === "hashtag" ? "mention" : "");
  }
  made.append(...children);
  return made;
}

// Entities are sorted by offset, outer ones first; offsets are UTF-16 units, as in strings here.
function formatted(text, entities, from = 0, to = text.length) {
  const nodes = [];
  let at = from;
  for (let i = 0; i < entities.length; i++) {
    const entity = entities[i], end = Math.min(entity.offset + entity.length, to);
    if (entity.offset < at || entity.offset >= to) continue;
    if (entity.offset > at) nodes.push(document.createTextNode(text.slice(at, entity.offset)));
    const inner = entities.slice(i + 1).filter((e) => e.offset < end);
    nodes.push(wrap(entity, text.slice(entity.offset, end), formatted(text, inner, entity.offset, end)));
    at = end;
    // a block ends its line already
    if (/^(pre|blockquote|expandable_blockquote)$/.test(entity.type) && text[at] === "\n") at++;
  }
  if (at < to) nodes.push(document.createTextNode(text.slice(at, to)));
  return nodes;
}

/* --- one message -------------------------------------------------------------------------------- */

function inlineButton(message, button) {
  if (button.url) {
    const link = safeLink(button.url, [`${button.text} ↗`]);
    return link;
  }
  const made = element("button", "", button.text);
  made.type = "button";
  if (button.callback_data === undefined) {
    made.disabled = true;
    made.title = "What this button does is not simulated";
    return made;
  }
  made.addEventListener("click", () => press(message, button.callback_data, made));
  return made;
}

function rows(keyboard, make) {
  return keyboard.map((row) => {
    const line = element("div");
    line.append(...row.map(make));
    return line;
  });
}

function mediaOf(message) {
  if (message.photo) {
    const image = element("img", "photo");
    image.src = `/sim/file?id=${encodeURIComponent(message.photo.at(-1).file_id)}`;
    image.alt = message.caption || "Photo from the bot";
    return [image];
  }
  if (message.document) {
    const link = element("a", "document", `📄 ${message.document.file_name}`);
    link.href = `/sim/file?id=${encodeURIComponent(message.document.file_id)}`;
    link.download = message.document.file_name;
    return [link];
  }
  return [];
}

function bubbleOf(message) {
  const bubble = element("div", "bubble");
  if (state.open.type !== "private" && !isMine(message) && message.from) {
    bubble.append(element("div", "sender", message.from.first_name));
  }
  if (message.reply_to_message) bubble.append(element("div", "reply", summary(message.reply_to_message).replace(/^You: /, "")));
  bubble.append(...mediaOf(message));
  const body = element("div", "body");
  body.append(...formatted(message.text || message.caption || "", message.entities || message.caption_entities || []));
  const meta = element("span", "meta", (message.edited ? "edited " : "") + time(message.date));
  body.append(meta);
  bubble.append(body);
  return bubble;
}

function messageOf(message) {
  if (!message.text && !message.caption && !message.photo && !message.document) {
    return element("div", "service", "The chat has moved to a new id");
  }
  const made = element("article", isMine(message) ? "message mine" : "message");
  const author = element("span", "unseen", isMine(message) ? "You: " : `${message.from ? message.from.first_name : state.open.title}: `);
  made.dataset.id = message.message_id;
  made.append(author, bubbleOf(message));
  const keyboard = message.reply_markup && message.reply_markup.inline_keyboard;
  if (keyboard && keyboard.length) {
    const buttons = element("div", "buttons");
    buttons.append(...rows(keyboard, (button) => inlineButton(message, button)));
    made.append(buttons);
  }
  return made;
}

/* --- the open chat -------------------------------------------------------------------------------- */

const nearEnd = () => $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 80;
const toEnd = () => { $("log").scrollTop = $("log").scrollHeight; };

function emptyState() {
  const made = element("div", "empty");
  const start = element("button", "", "/start");
  start.type = "button";
  start.addEventListener("click", () => send("/start"));
  made.append(element("strong", "", "Nothing said yet"), "Write something below, or begin with ", start);
  return made;
}

// Days, groups and the empty state follow from what is there; drawn anew from the kept articles.
function arrange() {
  const log = $("log"), atEnd = nearEnd();
  const list = [...state.shown.values()].sort((a, b) => a.message.message_id - b.message.message_id);
  const nodes = [];
  let lastDay = "", lastSide = null;
  for (const entry of list) {
    const date = day(entry.message.date);
    if (date !== lastDay) {
      nodes.push(element("div", "day", date));
      lastSide = null;
    }
    entry.node.classList.toggle("first", lastSide !== sideOf(entry.message));
    lastDay = date;
    lastSide = sideOf(entry.message);
    nodes.push(entry.node);
  }
  if (!list.length) nodes.push(emptyState());
  if (Date.now() < state.typingUntil) nodes.push(typingBubble());
  place(log, nodes);
  if (atEnd) toEnd();
  $("down").hidden = nearEnd();
}

// Puts `nodes` into the log, moving no node that is in its place already (a focus would be lost).
function place(log, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...log.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, i) => { if (log.children[i] !== node) log.insertBefore(node, log.children[i] || null); });
}

function typingBubble() {
  const made = element("div", "message typing"), bubble = element("div", "bubble");
  bubble.append(element("i"), element("i"), element("i"));
  made.setAttribute("aria-label", "The bot is typing");
  made.append(bubble);
  return made;
}

function take(message, fresh) {
  const old = state.shown.get(message.message_id);
  if (message.deleted) {
    state.shown.delete(message.message_id);
    return;
  }
  const focused = old && old.node.contains(document.activeElement);
  const node = messageOf(message);
  if (fresh && !old) node.classList.add("new");
  if (old) old.node.replaceWith(node);
  state.shown.set(message.message_id, { message, node });
  if (focused) $("input").focus();
}

function showAnswer(answer) {
  const button = state.busy.get(answer.callback_query_id);
  if (button) button.removeAttribute("aria-busy");
  state.busy.delete(answer.callback_query_id);
  if (answer.show_alert && answer.text) {
    $("alert-text").textContent = answer.text;
    $("alert").showModal();
  } else if (answer.text) {
    toast(answer.text);
  }
}

function showTyping(typing) {
  state.typingUntil = typing ? Date.now() + 5000 : 0;
  if (typing) setTimeout(() => { arrange(); showStatus(); }, 5100);
}

function showKeyboard(markup) {
  const text = JSON.stringify(markup);
  if (state.offered === text) return;
  state.offered = text;
  const area = $("keyboard");
  area.hidden = !markup;
  area.replaceChildren(...rows(markup ? markup.keyboard : [], (button) => {
    const label = typeof button === "string" ? button : button.text;
    const made = element("button", "", label);
    made.type = "button";
    made.addEventListener("click", () => { area.hidden = markup.one_time_keyboard === true; send(label); });
    return made;
  }));
  toEnd();
}

async function followChat(chat, signal) {
  let first = true;
  while (!signal.aborted) {
    try {
      const wait = first || state.lost ? 0 : 25;
      const query = new URLSearchParams({ bot: chat.bot, chat_id: chat.id, after: state.after, timeout: wait });
      const news = await get(`/sim/messages?${query}`, { signal });
      if (state.lost) setLost(false);
      state.after = news.next;
      if (first) state.shown.clear();
      for (const message of news.messages) take(message, !first);
      if (!first) news.answers.forEach(showAnswer);
      showTyping(news.typing);
      showKeyboard(news.keyboard);
      arrange();
      showStatus();
      if (first) toEnd();
      first = false;
    } catch (error) {
      if (signal.aborted) return;
      setLost(true);
      first = true; // it may be another simulator when it comes back: read its book from the start
      state.after = 0;
      await pause(1000);
    }
  }
}

function openChat(chat) {
  if (state.poll) state.poll.abort();
  state.poll = new AbortController();
  Object.assign(state, { open: chat, after: 0, typingUntil: 0, offered: null });
  state.shown.clear();
  state.busy.clear();
  $("log").replaceChildren();
  $("chat").hidden = false;
  $("app").classList.add("open");
  $("title").textContent = nameOf(chat);
  $("avatar").className = tint(nameOf(chat));
  $("avatar").textContent = nameOf(chat)[0];
  document.title = `${nameOf(chat)} – Holdfast chat simulator`;
  location.hash = key(chat);
  showKeyboard(null);
  showChats();
  showStatus();
  showMenuButton();
  followChat(chat, state.poll.signal);
  if (matchMedia("(min-width: 701px)").matches) $("input").focus();
}

function closeChat() {
  if (state.poll) state.poll.abort();
  state.open = null;
  $("chat").hidden = true;
  $("app").classList.remove("open");
  history.replaceState(null, "", "#");
  showChats();
  const first = document.querySelector("#chats button");
  if (first) first.focus();
}

function showStatus() {
  const bot = state.open && state.bots.get(state.open.bot), status = $("status");
  if (!state.open) return;
  const typing = Date.now() < state.typingUntil;
  const online = Date.now() - (state.online.get(state.open.bot) || 0) < 6000;
  const waiting = bot ? bot.pending_updates : 0;
  status.classList.toggle("active", typing || (online && !state.lost));
  status.textContent = state.lost ? "connecting…"
    : typing ? "typing…"
      : state.open.state && state.open.state !== "member" ? state.open.state
        : online ? "online"
          : `bot is not polling${waiting ? `, ${waiting} waiting for it` : ""}`;
}

/* --- what the person does ---------------------------------------------------------------------- */

async function send(text) {
  const chat = state.open;
  if (!chat || !text.trim()) return false;
  try {
    await post("/sim/message", { bot: chat.bot, chat_id: chat.id, text });
    toEnd();
    return true;
  } catch (error) {
    toast(error.refused ? error.message : "Not sent: the simulator does not answer");
    return false;
  }
}

async function press(message, data, button) {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  try {
    const chat = state.open;
    const made = await post("/sim/press", { bot: chat.bot, chat_id: chat.id, message_id: message.message_id, data });
    state.busy.set(made.callback_query_id, button);
    setTimeout(() => button.removeAttribute("aria-busy"), 15000);
  } catch (error) {
    button.removeAttribute("aria-busy");
    toast(error.refused ? error.message : "Not pressed: the simulator does not answer");
  }
}

/* --- the composer and its menu of commands ------------------------------------------------------- */

let picked = 0;

const commandsOf = () => (state.open && state.bots.get(state.open.bot) || { commands: [] }).commands;

function showMenuButton() {
  $("menu").hidden = commandsOf().length === 0;
}

function fitInput() {
  const input = $("input");
  input.style.height = "auto";
  input.style.height = `${Math.min(input.scrollHeight, 140)}px`;
  $("send").disabled = !input.value.trim();
}

function matching() {
  const typed = /^\/(\w*)$/.exec($("input").value);
  return typed ? commandsOf().filter((c) => c.command.startsWith(typed[1].toLowerCase())) : [];
}

function showCommands(list) {
  const menu = $("commands");
  picked = Math.max(0, Math.min(picked, list.length - 1));
  menu.hidden = !list.length;
  $("menu").setAttribute("aria-expanded", String(!menu.hidden));
  menu.replaceChildren(...list.map((command, i) => {
    const item = element("li");
    item.id = `command-${i}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(i === picked));
    item.append(element("b", "", `/${command.command}`), element("span", "", command.description));
    item.addEventListener("click", () => choose(command));
    return item;
  }));
  if (list.length) $("input").setAttribute("aria-activedescendant", `command-${picked}`);
  else $("input").removeAttribute("aria-activedescendant");
}

function choose(command) {
  $("input").value = "";
  showCommands([]);
  fitInput();
  $("input").focus();
  send(`/${command.command}`);
}

function submit() {
  const text = $("input").value;
  if (!text.trim()) return;
  $("input").value = "";
  fitInput();
  showCommands([]);
  send(text).then((sent) => {
    if (sent || $("input").value) return;
    $("input").value = text;
    fitInput();
  });
}

function onKey(event) {
  const list = $("commands").hidden ? [] : matching().length ? matching() : commandsOf();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (list.length && step) {
    picked = (picked + step + list.length) % list.length;
    showCommands(list);
  } else if (list.length && (event.key === "Tab" || (event.key === "Enter" && $("input").value !== `/${list[picked].command}`))) {
    choose(list[picked]);
  } else if (list.length && event.key === "Escape") {
    showCommands([]);
  } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    submit();
  } else {
    return;
  }
  event.preventDefault();
}

/* --- the list of chats ------------------------------------------------------------------------------ */

function chatButton(chat) {
  const item = element("li"), button = element("button");
  const name = nameOf(chat);
  button.type = "button";
  button.setAttribute("aria-current", String(state.open && key(state.open) === key(chat)));
  const avatar = element("span", tint(name), name[0]);
  avatar.setAttribute("aria-hidden", "true");
  button.append(avatar, element("span", "name", name),
    element("span", "time", chat.last ? time(chat.last.date) : ""), element("span", "last", summary(chat.last)));
  button.addEventListener("click", () => openChat(chat));
  item.append(button);
  return item;
}

function showChats() {
  const focused = document.activeElement && document.activeElement.closest("#chats li");
  const index = focused ? [...$("chats").children].indexOf(focused) : -1;
  const list = [...state.chats].sort((a, b) => b.seq - a.seq);
  $("chats").replaceChildren(...list.map(chatButton));
  $("no-chats").hidden = list.length > 0;
  $("nothing").firstElementChild.textContent = list.length ? "Choose a chat" : "Waiting for a bot";
  if (index >= 0 && $("chats").children[index]) $("chats").children[index].firstChild.focus();
}

async function refreshBots() {
  const { bots } = await get("/sim/bots");
  for (const bot of bots) {
    state.bots.set(bot.username, bot);
    if (bot.polling || bot.webhook) state.online.set(bot.username, Date.now());
  }
  showMenuButton();
  showStatus();
}

function openFirst() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const chat = state.chats.find((c) => key(c) === wanted);
  if (chat) openChat(chat);
  else if (state.chats.length && matchMedia("(min-width: 701px)").matches) openChat(state.chats[0]);
}

async function followChats() {
  let after = -1;
  for (;;) {
    try {
      const news = await get(`/sim/chats?after=${after}&timeout=${after < 0 || state.lost ? 0 : 25}`);
      if (state.lost) setLost(false);
      after = news.next;
      state.chats = news.chats;
      if (state.open) state.open = state.chats.find((c) => key(c) === key(state.open)) || state.open;
      showChats();
      await refreshBots();
      if (!state.open && !state.opened) {
        state.opened = state.chats.length > 0;
        openFirst();
      }
    } catch (error) {
      setLost(true);
      after = -1;
      await pause(1000);
    }
  }
}

/* --- faults ------------------------------------------------------------------------------------------- */

const faults = [
  { title: "Telegram is down", hint: "every call of a bot is cut off", method: "*", kind: "reset" },
  { title: "Bad gateway", hint: "every call gets an HTML page with 502", method: "*", kind: "html" },
  { title: "Too many requests", hint: "sending gets 429, retry after 2 s", method: "sendmessage", kind: "429", retry_after: 2 },
  { title: "Answers get lost", hint: "a message is sent, but the bot is not told", method: "sendmessage", kind: "lost" },
  { title: "Slow", hint: "every answer comes 2 s late", method: "*", kind: "delay", ms: 2000 },
  { title: "Updates arrive twice", hint: "each update is delivered a second time", method: "getupdates", kind: "duplicate" },
];

const armed = (fault) => state.faults.filter((f) => f.method === fault.method && f.kind === fault.kind);

async function showFaults() {
  state.faults = (await get("/sim/faults")).faults;
  for (const box of document.querySelectorAll("#fault-list input")) box.checked = armed(faults[box.value]).length > 0;
  for (const badge of document.querySelectorAll(".badge")) {
    badge.hidden = !state.faults.length;
    badge.textContent = state.faults.length;
  }
}

async function switchFault(fault, on) {
  try {
    const { method, kind, retry_after, ms } = fault;
    if (on) await post("/sim/faults", { method, kind, retry_after, ms, count: 0 });
    else for (const { id } of armed(fault)) await get(`/sim/faults?id=${id}`, { method: "DELETE" });
    await showFaults();
  } catch (error) {
    toast("The simulator does not answer");
  }
}

function makeFaults() {
  $("fault-list").replaceChildren(...faults.map((fault, i) => {
    const label = element("label", "switch"), box = element("input");
    box.type = "checkbox";
    box.value = i;
    box.setAttribute("role", "switch");
    box.addEventListener("change", () => switchFault(fault, box.checked));
    label.append(element("span", "", fault.title), element("small", "", fault.hint), box);
    return label;
  }));
}

async function clearFaults() {
  await get("/sim/faults", { method: "DELETE" }).catch(() => toast("The simulator does not answer"));
  await showFaults().catch(() => {});
}

function openFaults() {
  showFaults().catch(() => {});
  $("faults").showModal();
}

/* --- start --------------------------------------------------------------------------------------------- */

function listen() {
  $("form").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  $("input").addEventListener("keydown", onKey);
  $("input").addEventListener("input", () => { picked = 0; fitInput(); showCommands(matching()); });
  $("menu").addEventListener("click", () => { showCommands($("commands").hidden ? commandsOf() : []); $("input").focus(); });
  $("back").addEventListener("click", closeChat);
  $("down").addEventListener("click", toEnd);
  $("log").addEventListener("scroll", () => { $("down").hidden = nearEnd(); }, { passive: true });
  $("faults-open").addEventListener("click", openFaults);
  $("faults-open-side").addEventListener("click", openFaults);
  $("faults-clear").addEventListener("click", clearFaults);
  document.addEventListener("click", (event) => { if (!event.target.closest(".composer")) showCommands([]); });
  window.addEventListener("resize", () => { if (state.open) toEnd(); });
}

$("base").textContent = location.origin;
makeFaults();
listen();
fitInput();
followChats();
showFaults().catch(() => {});
setInterval(() => { if (!document.hidden && !state.lost) refreshBots().catch(() => {}); }, 2000);
