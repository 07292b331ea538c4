// SPDX-License-Identifier: Apache-2.0
// The market of the paper exchange beside the chat. It shows itself once somebody has called the
// exchange. Two long polls feed it, the market and the books of the first account; they run only
// while the panel can be seen. $, get, post, send, toast, pause and element are the chat page's.

const panel = { symbol: "BTCUSDT", market: null, books: null, polls: null, used: false, folded: false };
const away = new Set(); // which of the two polls have lost the simulator

/* --- figures ----------------------------------------------------------------------------------- */

const placesOf = (quote) => (quote.last.split(".")[1] || "").length;

function figure(value, places = 2) {
  return Number(value).toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
}

const signed = (value, places = 2) => (value < 0 ? "−" : "+") + figure(Math.abs(value), places);
const tone = (value) => value < 0 ? "bad" : value > 0 ? "good" : "";

const quoteOf = (symbol) => panel.market.symbols.find((quote) => quote.symbol === symbol);
const tickOf = (quote) => Number((quote.ask - quote.last).toFixed(placesOf(quote)));

/* --- what the account holds -------------------------------------------------------------------- */

const isOpen = (order) => ["New", "PartiallyFilled", "Untriggered"].includes(order.orderStatus);
const protects = (order) => ["StopLoss", "TakeProfit"].includes(order.stopOrderType);
const positions = () => panel.books ? panel.books.positions : [];
// The stop and target of a position are orders too; they are shown with it.
const orders = () => panel.books ? panel.books.orders.filter((order) => isOpen(order) && !protects(order)) : [];
const waitsFor = (order) => Number(order.triggerPrice || order.price);

function unrealised(position) {
  const moved = quoteOf(position.symbol).last - position.avgPrice;
  return moved * position.size * (position.side === "Buy" ? 1 : -1);
}

function linesOf(symbol) {
  const lines = [];
  const add = (kind, label, price, how = "") => { if (Number(price)) lines.push({ kind, label, price: Number(price), how }); };
  for (const position of positions().filter((p) => p.symbol === symbol)) {
    add("entry", "Entry", position.avgPrice);
    add("stop", "SL", position.stopLoss);
    add("take", "TP", position.takeProfit);
  }
  for (const order of orders().filter((o) => o.symbol === symbol)) {
    add("order", order.side, waitsFor(order), "waiting");
    add("stop", "SL", order.stopLoss, "waiting later"); // come to life when the order is filled
    add("take", "TP", order.takeProfit, "waiting later");
  }
  return lines;
}

/* --- the chart --------------------------------------------------------------------------------- */

const GUTTER = 118, LABEL = 14, EDGE = 9; // room for labels; the height of one; room above and below
const POINTS_MAX = 240; // what the simulator keeps; with fewer it knows the whole way from the start

function drawn(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function pricesOf(quote) {
  const prices = quote.points.map((point) => Number(point.price));
  if (prices.length < POINTS_MAX) prices.unshift(Number(quote.start));
  return prices.length < 2 ? [prices[0], prices[0]] : prices;
}

// A line far away must not flatten the rest: it is an arrow at the edge.
const isFar = (line, last) => Math.abs(line.price / last - 1) > .25;

// From price to height.
function scaleOf(prices, lines, height) {
  const last = prices.at(-1), near = lines.filter((line) => !isFar(line, last)).map((line) => line.price);
  let low = Math.min(...prices, ...near), high = Math.max(...prices, ...near);
  const least = last * .0008; // so that a still market is a line in the middle
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const room = height - 2 * EDGE;
  return (price) => EDGE + room * (1 - Math.min(1, Math.max(0, (price - low) / (high - low))));
}

// Labels where their lines are, moved apart where they would cover each other.
function spread(heights, height) {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a] - heights[b]), placed = [...heights];
  let least = EDGE;
  for (const i of order) { placed[i] = Math.max(placed[i], least); least = placed[i] + LABEL; }
  let most = height - EDGE;
  for (const i of order.reverse()) { placed[i] = Math.min(placed[i], most); most = placed[i] - LABEL; }
  return placed;
}

function drawLine(line, last, y, labelY, end, places) {
  const group = drawn("g", { class: `${line.kind} ${line.how}` }), far = isFar(line, last);
  const arrow = !far ? "" : line.price > last ? "↑ " : "↓ ";
  group.append(drawn("text", { x: end + 12, y: labelY + 4 }, `${arrow}${line.label} ${figure(line.price, places)}`));
  if (!far) {
    group.append(drawn("line", { class: "level", x1: 0, x2: end, y1: y, y2: y }),
      drawn("line", { class: "lead", x1: end, x2: end + 8, y1: y, y2: labelY }));
  }
  return group;
}

function drawChart() {
  const chart = $("chart"), width = chart.clientWidth, height = chart.clientHeight, quote = quoteOf(panel.symbol);
  const prices = pricesOf(quote), lines = linesOf(panel.symbol), places = placesOf(quote);
  const end = width - (lines.length ? GUTTER : 6), scale = scaleOf(prices, lines, height);
  const x = (i) => (i / (prices.length - 1)) * (end - 6);
  const path = prices.map((price, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${scale(price).toFixed(1)}`).join("");
  const labels = spread(lines.map((line) => scale(line.price)), height);
  chart.replaceChildren(...lines.map((line, i) => drawLine(line, prices.at(-1), scale(line.price), labels[i], end, places)),
    drawn("path", { class: "path", d: path }),
    drawn("circle", { class: "now", cx: x(prices.length - 1), cy: scale(prices.at(-1)), r: 3.5 }));
  chart.setAttribute("aria-label", `${panel.symbol} from ${figure(prices[0], places)} to ${figure(prices.at(-1), places)}`
    + lines.map((line) => `, ${line.label} at ${figure(line.price, places)}`).join(""));
}

/* --- the list ---------------------------------------------------------------------------------- */

function rowOf(title, right, rightTone, ...notes) {
  const row = element("li"), top = element("div", "top");
  top.append(element("span", "", title), element("span", rightTone, right));
  row.append(top, ...notes);
  return row;
}

function positionRow(position) {
  const gain = unrealised(position), places = placesOf(quoteOf(position.symbol));
  const take = Number(position.takeProfit) ? `, take profit ${figure(position.takeProfit, places)}` : "";
  const tick = Number(position.stopLoss)
    ? element("span", "good protected", `✓ Protected: stop loss ${figure(position.stopLoss, places)}`)
    : element("span", "naked", "NO STOP");
  return rowOf(`${position.side === "Buy" ? "Long" : "Short"} ${position.size} ${position.symbol}`,
    `${signed(gain)} USDT`, tone(gain), element("small", "", `Entry ${figure(position.avgPrice, places)}${take}`), tick);
}

function orderRow(order) {
  const quote = quoteOf(order.symbol), places = placesOf(quote), price = waitsFor(order);
  const percent = (price / quote.last - 1) * 100;
  const after = [["stop loss", order.stopLoss], ["take profit", order.takeProfit]].filter(([, at]) => Number(at))
    .map(([name, at]) => `${name} ${figure(at, places)}`).join(", ");
  return rowOf(`${order.side} ${order.leavesQty} ${order.symbol} at ${figure(price, places)}`, "", "",
    element("small", "", `Waits until the price ${percent < 0 ? "falls" : "rises"} ${figure(Math.abs(percent))} %`),
    element("small", "", after && `Then ${after}`));
}

function emptyRow() {
  const row = element("li", "none"), button = element("button", "", "/limitbuy");
  button.type = "button";
  button.addEventListener("click", () => send("/limitbuy"));
  row.append("No order and no position. Write ", button, " to the bot, then push the price to your entry.");
  return row;
}

function showHoldings() {
  const held = positions().length + orders().length > 0;
  if (!held && $("holdings").querySelector(".none")) return; // its button may have the focus
  $("holdings").replaceChildren(...positions().map(positionRow), ...orders().slice(0, 20).map(orderRow),
    ...(held ? [] : [emptyRow()]));
}

function showEquity() {
  $("equity").hidden = !panel.books;
  if (!panel.books) return;
  const open = positions().reduce((sum, position) => sum + unrealised(position), 0);
  $("equity").querySelector("b").textContent = `${figure(Number(panel.books.wallet.totalWalletBalance) + open)} USDT`;
}

/* --- pushing ----------------------------------------------------------------------------------- */

const say = (text) => { $("market-said").textContent = text; };

// The line that a button pushes the price through: of several orders, the nearest.
function target(kind) {
  const last = quoteOf(panel.symbol).last, far = (line) => Math.abs(line.price - last);
  const lines = linesOf(panel.symbol).filter((line) => line.kind === kind && !line.how.includes("later"));
  return lines.sort((a, b) => far(a) - far(b))[0];
}

async function push(change) {
  try {
    const quote = await post("/sim/exchange/price", { symbol: panel.symbol, ...change });
    say(`${quote.symbol} ${figure(quote.last, placesOf(quote))}`);
  } catch (error) {
    toast(error.refused ? error.message : "Not pushed: the simulator does not answer");
  }
}

function pushTo(kind) {
  const quote = quoteOf(panel.symbol), line = target(kind);
  if (!line) return;
  const beyond = line.price + Math.sign(line.price - quote.last) * tickOf(quote);
  push({ price: beyond.toFixed(placesOf(quote)) });
}

function showTargets() {
  const buttons = [...$("targets").children], focused = document.activeElement;
  for (const button of buttons) button.hidden = !target(button.dataset.to);
  if (focused && focused.hidden) (buttons.find((b) => !b.hidden) || $("pushes").firstElementChild).focus();
}

async function setWalk() {
  try {
    await post("/sim/exchange/market", { mode: $("walk").checked ? "walk" : "still" });
  } catch (error) {
    $("walk").checked = !$("walk").checked;
    toast("The simulator does not answer");
  }
}

/* --- what is new ------------------------------------------------------------------------------- */

function show() {
  if (!panel.market) return;
  const quote = quoteOf(panel.symbol), change = Number(quote.change_percent);
  $("price").textContent = figure(quote.last, placesOf(quote));
  $("change").textContent = `${signed(change)} %`;
  $("change").className = tone(change);
  $("walk").checked = panel.market.mode !== "still";
  drawChart();
  showTargets();
  showHoldings();
  showEquity();
}

function choose(symbol) {
  panel.symbol = symbol;
  $("symbols").querySelector(`[value=${symbol}]`).checked = true;
  show();
}

const takeMarket = (market) => { panel.market = market; };

// What has just been ordered is what one wants to see; the rest is for those who listen.
function takeBooks(books) {
  const before = positions(), known = panel.books && orders().map((order) => order.orderId);
  panel.books = books;
  for (const position of books.positions) {
    if (!before.some((p) => p.symbol === position.symbol)) say(`Position open in ${position.symbol}`);
  }
  if (before.length > books.positions.length) say("Position closed");
  const fresh = known && orders().find((order) => !known.includes(order.orderId));
  const held = [...books.positions, ...orders()];
  if (fresh) choose(fresh.symbol);
  else if (held.length && !held.some((each) => each.symbol === panel.symbol)) choose(held[0].symbol);
}

function setAway(path, lost) {
  if (lost) away.add(path);
  else away.delete(path);
  $("market-lost").hidden = away.size === 0;
  for (const button of $("market").querySelectorAll(".pushes button")) button.disabled = away.has("market");
}

/* --- following the exchange -------------------------------------------------------------------- */

async function follow(path, take, signal) {
  let after = -1, wait = 1000;
  while (!signal.aborted) {
    try {
      const news = await get(`/sim/exchange/${path}?after=${after}&timeout=${after < 0 ? 0 : 25}`, { signal });
      after = news.next;
      wait = 1000;
      take(news);
      setAway(path, false);
      show();
      await pause(100); // a market that runs need not be drawn more often
    } catch (error) {
      if (signal.aborted) return;
      if (!error.refused) setAway(path, true);
      after = -1; // it may be another simulator when it comes back
      await pause(wait);
      wait = Math.min(wait * 2, 8000);
    }
  }
}

function wakeOrSleep() {
  const wanted = panel.used && !panel.folded && !document.hidden;
  if (wanted === (panel.polls !== null)) return;
  if (wanted) {
    panel.polls = new AbortController();
    follow("market", takeMarket, panel.polls.signal);
    follow("books", takeBooks, panel.polls.signal);
  } else {
    panel.polls.abort();
    panel.polls = null;
  }
}

function fold(folded) {
  panel.folded = folded;
  $("market").classList.toggle("folded", folded);
  $("market-fold").setAttribute("aria-expanded", String(!folded));
  wakeOrSleep();
}

async function untilUsed() {
  for (;;) {
    const market = document.hidden ? null : await get("/sim/exchange/market").catch(() => null);
    if (market && market.used) return;
    await pause(3000);
  }
}

function listen() {
  $("market-fold").addEventListener("click", () => fold(!panel.folded));
  $("symbols").addEventListener("change", (event) => choose(event.target.value));
  $("walk").addEventListener("change", setWalk);
  for (const button of $("pushes").children) button.addEventListener("click", () => push({ percent: button.dataset.percent }));
  for (const button of $("targets").children) button.addEventListener("click", () => pushTo(button.dataset.to));
  document.addEventListener("visibilitychange", wakeOrSleep);
  new ResizeObserver(() => { if (!panel.folded) show(); }).observe($("chart"));
}

listen();
fold(!matchMedia("(min-width: 1000px)").matches);
await untilUsed();
panel.used = true;
$("market").hidden = false;
$("app").classList.add("trading");
wakeOrSleep();
