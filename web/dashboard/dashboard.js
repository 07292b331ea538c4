// SPDX-License-Identifier: Apache-2.0
// The dashboard: listens to v1/events, shows, and presses buttons. Text from outside is only ever
// set as text.
"use strict";

const $ = (id) => document.getElementById(id);
const MARKS = { healthy: "✓", degraded: "!", unhealthy: "✕", unknown: "?", runs: "○", rests: "–" };
const SHOWN_SERVICES = 30, SHOWN_ROWS = 10, CURVE_POINTS = 120;
let language = (localStorage.getItem("language") || navigator.language || "en").startsWith("vi") ? "vi" : "en";
let state = null, services = null, figures = null, alerts = [], incidents = { incidents: [], uptime: {} }, monitors = [];
let heard = 0, lost = false, showAll = false, source = null, curves = null;

// ---- small things ----

function say(name, values = {}) {
  const text = WORDS[language][name] ?? name;
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name === "text") element.textContent = value;
    else if (name === "click") element.addEventListener("click", value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Keeps the focus where it was when a list is drawn anew.
function fill(list, rows) {
  const held = document.activeElement?.closest?.("[data-key]");
  const key = held && list.contains(held) ? held.dataset.key : null;
  const open = [...list.querySelectorAll("details[open]")].map((one) => one.dataset.details);
  list.replaceChildren(...rows);
  for (const one of list.querySelectorAll("details")) one.open = open.includes(one.dataset.details);
  if (key) [...list.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)?.focus();
}

function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const [name, size] = units.find(([, size]) => seconds >= size) ?? units[3];
  const value = seconds / size;
  return `${value < 10 && name !== "s" ? value.toFixed(1) : Math.floor(value)} ${name}`;
}

const clock = (time) => new Date(time).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moment = (time) => new Date(time).toLocaleString(language, { dateStyle: "short", timeStyle: "short" });
const mib = (bytes) => `${(bytes / 1048576).toFixed(bytes < 10485760 ? 1 : 0)} MiB`;

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $("toast").hidden = true; }, 6000);
}

// ---- questions to the person, and to the hub ----

function ask(title, text, yes, wantsToken) {
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-yes").textContent = yes;
  $("token-field").hidden = !wantsToken;
  $("token").value = "";
  $("ask").returnValue = "no";
  $("ask").showModal();
  if (wantsToken) $("token").focus();
  return new Promise((done) => {
    $("ask").addEventListener("close", () => done($("ask").returnValue === "yes"), { once: true });
  });
}

async function askToken(text) {
  if (!await ask(say("token_title"), text, say("send"), true) || !$("token").value) return false;
  sessionStorage.setItem("token", $("token").value);
  return true;
}

async function act(path, body, done) {
  if (state?.needs_token && !sessionStorage.getItem("token") && !await askToken(say("token_text"))) return;
  for (;;) {
    const token = sessionStorage.getItem("token");
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    try {
      const answer = await fetch(path, { method: "POST", headers, body: body && JSON.stringify(body) });
      if (answer.status === 401) {
        sessionStorage.removeItem("token");
        if (!await askToken(say("token_wrong"))) return;
        continue;
      }
      const said = await answer.json().catch(() => ({}));
      toast(answer.ok ? done : say("failed", { why: said.detail || `HTTP ${answer.status}` }));
    } catch (error) {
      toast(say("failed", { why: error.message }));
    }
    readRest();
    return;
  }
}

async function restart(name) {
  if (await ask(say("restart_title", { name }), say("restart_text"), say("restart"), false))
    await act(`restart/${encodeURIComponent(name)}`, null, say("restarted", { name }));
}

const button = (word, key, click, style = "small") =>
  make("button", { type: "button", class: style, text: say(word), "data-key": key, click });

// ---- what is so ----

const stateWord = (name) => WORDS[language][`state_${name}`] ?? name;
const openIncident = (subject) => incidents.incidents.find((one) => one.subject === subject && !one.ended);
const isDown = (service) => service.level === "unhealthy" || service.level === "degraded";

function levelOf(service) {
  if (service.level !== "unknown") return service.level;
  if (service.state === "ready") return "runs";
  return ["scheduled", "done", "stopped"].includes(service.state) ? "rests" : "unknown";
}

function wrongThings() {
  const things = [];
  for (const service of state.services.filter(isDown)) {
    const incident = openIncident(`service ${service.name}`);
    things.push({ level: service.level === "degraded" && service.state !== "failed" ? "degraded" : "unhealthy",
                  title: `${service.name} ${stateWord(service.state)}${service.health === "unhealthy" ? ", " + say("unhealthy") : ""}`,
                  why: incident?.cause, lines: incident?.last_lines, key: `service ${service.name}`,
                  buttons: [["restart", () => restart(service.name), "strong"]] });
  }
  for (const part of state.parts.filter((one) => one.level === "degraded" || one.level === "unhealthy"))
    things.push({ level: part.level, title: `${say(part.kind)} ${part.name}`.trim(), why: part.problem,
                  key: `${part.kind} ${part.name}`, buttons: [] });
  for (const [id, monitor] of Object.entries(state.monitors.ill))
    if (monitor.status !== "warning")
      things.push({ level: monitor.status === "critical" ? "unhealthy" : "degraded", title: `${id}: ${say(`monitor_${monitor.status}`)}`,
                    why: [monitor.cause, monitor.message].filter(Boolean).join(": "), key: `monitor ${id}`, buttons: [] });
  return things.sort((a, b) => (b.level === "unhealthy") - (a.level === "unhealthy"));
}

function verdict(things) {
  if (!state.keeper) return ["unknown", say("unknown")];
  if (things.length === 1) return [things[0].level, say("one_wrong")];
  if (things.length) return [things[0].level, say("many_wrong", { n: things.length })];
  if (state.status !== "healthy") return [state.status, say("nothing_checked")];
  return ["healthy", say("well")];
}

function drawVerdict(things) {
  const [level, sentence] = verdict(things);
  const band = $("verdict"), text = lost ? say("stale") : sentence;
  band.dataset.level = lost ? "unknown" : level;
  if ($("sentence").textContent !== text) $("sentence").textContent = text;
  document.title = `${lost ? "?" : MARKS[level]} ${state.bot} · Holdfast`;
  const up = state.services.filter((one) => one.state === "ready").length;
  $("detail").textContent = lost ? say("stale_since", { time: clock(heard) })
    : state.keeper ? `${say("detail", { up, all: state.services.length })} · ${say("detail_time", { time: clock(heard) })}` : "";
  $("bot").textContent = state.bot;
  $("version").textContent = `Holdfast ${state.version}`;
  document.body.classList.toggle("stale", lost);
}

function drawWrong(things) {
  $("wrong").hidden = things.length === 0;
  fill($("wrong-list"), things.map((thing) => make("li", { "data-level": thing.level },
    make("b", { text: thing.title }),
    thing.why ? make("span", { class: "text", text: thing.why }) : null,
    thing.lines ? details(`wrong ${thing.key}`, say("lines"), make("pre", { text: thing.lines })) : null,
    thing.buttons.length ? make("p", { class: "buttons" },
      ...thing.buttons.map(([word, click, style]) => button(word, `${word} ${thing.key}`, click, style))) : null)));
}

function details(key, title, ...children) {
  return make("details", { "data-details": key }, make("summary", { text: title, "data-key": `details ${key}` }), ...children);
}

function beatBar(subject) {
  const beats = incidents.uptime[subject]?.beats;
  if (!beats) return null;
  const ill = [...beats].filter((one) => one === "x" || one === "d").length;
  const words = /[hdx]/.test(beats) ? ill ? say("beats_ill", { n: ill }) : say("beats_well") : say("beats_none");
  const bar = make("div", { class: "beats under", role: "img", "aria-label": say("last_day", { words }), title: say("last_day", { words }) });
  for (const one of beats) bar.append(make("i", { class: one }));
  return bar;
}

function row(level, title, under, side, ...more) {
  return make("li", { "data-level": level },
    make("span", { class: "mark", text: MARKS[level], role: "img", "aria-label": say(level === "unknown" ? "level_unknown" : level === "runs" ? "no_probe" : level) }),
    make("div", { class: "what" }, make("b", { text: title }), under ? make("div", { class: "faint text", text: under }) : null),
    make("div", { class: "side" }, side), ...more);
}

function drawServices() {
  const order = { unhealthy: 0, degraded: 1, unknown: 2, runs: 3, healthy: 3, rests: 4 };
  const wanted = $("filter").value.trim().toLowerCase();
  const measured = new Map((figures?.services ?? []).map((one) => [one.name, one]));
  const all = [...state.services].sort((a, b) => order[levelOf(a)] - order[levelOf(b)] || a.name.localeCompare(b.name))
    .filter((one) => one.name.toLowerCase().includes(wanted));
  const some = showAll ? all : all.slice(0, SHOWN_SERVICES);
  $("services").hidden = state.services.length === 0;
  $("empty").hidden = !state.keeper || state.services.some((one) => one.name !== "hub");
  $("filter").hidden = state.services.length < 10;
  const rows = some.map((service) => {
    const figure = measured.get(service.name), level = levelOf(service);
    const words = [stateWord(service.state)];
    if (level === "runs") words[0] = say("no_probe");
    if (service.restarts) words.push(service.restarts === 1 ? say("one_restart") : say("restarts", { n: service.restarts }));
    if (figure?.pid) words.push(`CPU ${figure.cpu_percent >= 0 ? figure.cpu_percent.toFixed(1) : "?"} %`, mib(figure.memory_bytes));
    return row(level, service.name, words.join(" · "),
      service.name === "hub" ? null : button("restart", `restart-row ${service.name}`, () => restart(service.name)),
      beatBar(`service ${service.name}`));
  });
  if (some.length < all.length)
    rows.push(make("li", {}, make("span"), button("show_all", "show-all", () => { showAll = true; draw(); })));
  const last = rows.at(-1)?.querySelector?.('[data-key="show-all"]');
  if (last) last.textContent = say("show_all", { n: all.length });
  fill($("service-list"), rows);
}

function drawParts() {
  $("parts").hidden = state.parts.length === 0;
  fill($("part-list"), state.parts.map((part) =>
    row(part.level, `${say(part.kind)} ${part.name}`.trim(), part.problem || say(part.level === "unknown" ? "level_unknown" : part.level), null,
        beatBar(`${part.kind} ${part.name}`.trim()))));
}

function drawMonitors() {
  const levels = { healthy: "healthy", warning: "degraded", recovering: "degraded", critical: "unhealthy" };
  const ill = (one) => one.status === "critical" ? 0 : one.status === "recovering" ? 1 : one.status === "warning" ? 2 : 3;
  $("monitors").hidden = monitors.length === 0;
  fill($("monitor-list"), [...monitors].sort((a, b) => ill(a) - ill(b) || a.id.localeCompare(b.id)).slice(0, 50).map((one) => {
    const words = [say(`monitor_${one.status}`)];
    if (one.cause) words.push(one.cause);
    if (one.last_beat_ago !== null) words.push(say("last_beat", { time: duration(one.last_beat_ago) }));
    if (one.response_ms !== null) words.push(`${one.response_ms} ms`);
    if (one.memory_bytes !== null) words.push(mib(one.memory_bytes));
    if (one.message) words.push(one.message);
    return row(levels[one.status] ?? "unknown", one.id, words.join(" · "), null, beatBar(`monitor ${one.id}`));
  }));
}

function drawAlerts() {
  const words = { delivered: "delivered", waiting: "waiting", sending: "sending", failed: "alert_failed", silenced: "silenced_state" };
  const levels = { CRITICAL: "unhealthy", HIGH: "degraded" };
  $("alerts").hidden = false;
  $("alert-counts").textContent = say("counts", state.alerts);
  const rows = alerts.slice(0, SHOWN_ROWS).map((alert) => {
    const open = alert.acknowledge === "wanted";
    const buttons = make("div", { class: "buttons" },
      open ? button("acknowledge", `ack ${alert.id}`, () => act(`v1/alerts/${alert.id}/ack`, null, say("acknowledged", { id: alert.id }))) : null,
      open && alert.service ? button("silence", `silence ${alert.id}`, () =>
        act("v1/silences", { for: "1h", service: alert.service, comment: "dashboard" }, say("silenced", { name: alert.service }))) : null);
    const line = make("div", { class: "what" },
      make("span", { class: "chip", "data-level": levels[alert.priority], text: alert.priority }), " ",
      make("span", { class: "faint", text: `${moment(alert.created)} · ${say(words[alert.state] ?? alert.state)}${
        alert.acknowledge === "done" ? " · " + say("acked", { who: alert.acknowledged_by ?? "?" }) : ""}` }),
      make("div", { class: "text", text: alert.text }), buttons.childElementCount ? buttons : null);
    return make("li", { "data-level": levels[alert.priority] ?? "unknown" }, make("span", { class: "mark", "aria-hidden": "true", text: "•" }), line);
  });
  fill($("alert-list"), rows.length ? rows : [make("li", {}, make("span"), make("span", { class: "faint", text: say("no_alerts") }))]);
}

function drawIncidents() {
  const rows = incidents.incidents.slice(0, SHOWN_ROWS).map((one) => {
    const level = one.ended ? "rests" : one.what === "down" ? "unhealthy" : "degraded";
    const words = [moment(one.began), one.ended ? duration(one.seconds) : say("open")];
    if (one.times > 1) words.push(say("times", { n: one.times }));
    const more = one.done.length || one.last_lines ? details(`incident ${one.id}`, say("more"),
      ...(one.done.length ? [make("p", { class: "faint", text: say("done") }), make("pre", { text: one.done.join("\n") })] : []),
      ...(one.last_lines ? [make("p", { class: "faint", text: say("lines") }), make("pre", { text: one.last_lines })] : [])) : null;
    if (more) more.classList.add("under");
    return row(level, one.subject, [one.cause, words.join(" · ")].filter(Boolean).join("\n"), null, more);
  });
  $("incidents").hidden = false;
  fill($("incident-list"), rows.length ? rows : [make("li", {}, make("span"), make("span", { class: "faint", text: say("no_incidents") }))]);
}

// ---- curves ----

function curve(id, top) {
  const css = getComputedStyle(document.documentElement);
  const faint = css.getPropertyValue("--faint").trim(), line = css.getPropertyValue("--line").trim();
  return new Chart($(id), {
    type: "line",
    data: { labels: [], datasets: [{ data: [], borderColor: css.getPropertyValue("--accent").trim(), borderWidth: 2, pointRadius: 0, tension: .2 }] },
    options: { animation: false, responsive: true, maintainAspectRatio: false, plugins: { legend: { display: false }, tooltip: { enabled: false } },
               scales: { x: { ticks: { color: faint, maxTicksLimit: 4, maxRotation: 0 }, grid: { display: false } },
                         y: { min: 0, ...top, ticks: { color: faint, maxTicksLimit: 5 }, grid: { color: line } } } },
  });
}

function addPoint(chart, value) {
  const { labels, datasets: [{ data }] } = chart.data;
  labels.push(clock(Date.now()));
  data.push(value);
  if (labels.length > CURVE_POINTS) { labels.shift(); data.shift(); }
  chart.update();
}

// Only once there is something to draw: the first view does not wait for it.
function loadCurves() {
  if (curves) return;
  curves = {};
  const script = make("script", { src: "dashboard/chart.min.js" });
  script.addEventListener("load", () => { curves = { cpu: curve("curve-cpu", { suggestedMax: 100 }), memory: curve("curve-memory", { max: 100 }) }; });
  document.head.append(script);
}

function drawMachine() {
  const machine = figures?.machine;
  $("machine").hidden = !machine;
  if (!machine) return;
  const round = (value) => typeof value === "number" && value >= 0 ? Math.round(value) : "?";
  $("machine-text").textContent = say("machine_text", { cpu: round(machine.cpu_percent), memory: round(machine.memory_percent),
    disk: round(machine.disk_percent), load: machine.load1?.toFixed?.(2) ?? "?" });
  for (const [name, value] of [["cpu", machine.cpu_percent], ["memory", machine.memory_percent]])
    $(`curve-${name}`).setAttribute("aria-label", `${say(`curve_${name}`)}: ${round(value)}`);
}

// ---- all of it ----

function draw() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]"))
    if (element.id !== "sentence" || !state?.services) element.textContent = say(element.dataset.word);
  $("language").textContent = say("other");
  $("language").lang = language === "en" ? "vi" : "en";
  $("filter").placeholder = say("filter");
  $("filter").setAttribute("aria-label", say("filter"));
  if (!state?.services) return;
  const things = wrongThings();
  drawVerdict(things);
  drawWrong(things);
  drawServices();
  drawMonitors();
  drawParts();
  drawAlerts();
  drawIncidents();
  drawMachine();
}

async function readJson(path) {
  const token = sessionStorage.getItem("token"); // with it the last lines of services are shown, too
  const answer = await fetch(path, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  return answer.ok ? answer.json() : null;
}

async function readRest() {
  try {
    const [a, i, m] = await Promise.all([readJson("v1/alerts?limit=20"), readJson("v1/incidents?limit=20"),
      state?.monitors.count ? readJson("v1/monitors") : { monitors: [] }]);
    alerts = a?.alerts ?? alerts;
    incidents = i ?? incidents;
    monitors = m?.monitors ?? monitors;
    draw();
  } catch { /* the stream says that the connection is lost */ }
}

function setLost(now) {
  if (lost === now) return;
  lost = now;
  if (!state?.services && now) $("sentence").textContent = say("stale");
  if (state?.services) draw();
}

function changed() {
  if (!state || !services) return;
  state.services = services;
  heard = Date.now();
  setLost(false);
  draw();
  clearTimeout(changed.timer);
  changed.timer = setTimeout(readRest, 100);
}

function listen() {
  source = new EventSource("v1/events");
  source.addEventListener("services", (event) => {
    services = JSON.parse(event.data);
    changed();
  });
  source.addEventListener("state", (event) => {
    state = JSON.parse(event.data);
    changed();
  });
  source.addEventListener("figures", (event) => {
    figures = JSON.parse(event.data);
    heard = Date.now();
    loadCurves();
    if (curves.cpu && figures.machine?.cpu_percent >= 0) addPoint(curves.cpu, figures.machine.cpu_percent);
    if (curves.memory && figures.machine) addPoint(curves.memory, figures.machine.memory_percent);
    setLost(false);
    if (state?.services) { drawServices(); drawMachine(); drawVerdict(wrongThings()); }
  });
  source.addEventListener("error", () => {
    setLost(true);
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000); // it was refused
  });
}

$("language").addEventListener("click", () => {
  language = language === "en" ? "vi" : "en";
  localStorage.setItem("language", language);
  draw();
});
$("filter").addEventListener("input", () => { if (state?.services) drawServices(); });
setInterval(readRest, 15000);
draw();
listen();
