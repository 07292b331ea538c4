// SPDX-License-Identifier: Apache-2.0
// node --test exchange.mjs: bybit-api and ccxt trade at random against the simulated exchange; after
// each block what they understand of orders, fills, positions and money equals the simulator's own
// books. HOLDFAST_BUILD names the build folder (../../build), HOLDFAST_SEED the random numbers.
import assert from "node:assert";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import test, { after, before } from "node:test";
import { RestClientV5 } from "bybit-api";
import ccxt from "ccxt";

const build = resolve(process.env.HOLDFAST_BUILD ?? join(import.meta.dirname ?? ".", "../../build"));
const seed = Number(process.env.HOLDFAST_SEED ?? 1);
const BLOCKS = 16;
const OPERATIONS = 20; // of a block
const INSTRUMENTS = {
  BTCUSDT: { tick: 0.1, places: 1, step: 0.001, qtyPlaces: 3, most: 30, start: 64000 },
  ETHUSDT: { tick: 0.01, places: 2, step: 0.01, qtyPlaces: 2, most: 60, start: 3200 },
  SOLUSDT: { tick: 0.01, places: 2, step: 0.1, qtyPlaces: 1, most: 100, start: 150 },
};
const SYMBOLS = Object.keys(INSTRUMENTS);
const ACCEPTED = new Set([0, 10001, 34040, 110001, 110003, 110007, 110008, 110009, 110010, 110012, 110017,
  110043, 110092, 110093, 110094]);
let url, child, said = "";

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

before(async () => {
  url = `http://127.0.0.1:${await freePort()}`;
  child = spawn(join(build, "src/holdfast-sim"), ["--port", new URL(url).port, "--market", "still",
    "--account", "native=first-secret", "--account", "unified=other-secret", "--balance", "100000"],
  { stdio: ["ignore", "ignore", "pipe"] });
  child.stderr.on("data", (text) => { said += text; });
  for (let i = 0; i < 200; i++) {
    assert.equal(child.exitCode, null, said);
    if (await fetch(`${url}/ping`).then((answer) => answer.ok, () => false)) break;
    await new Promise((done) => setTimeout(done, 50));
  }
  await control("limits", { percent: 0, address: 0 });
});

after(async () => {
  child.kill("SIGTERM");
  await new Promise((done) => { child.exitCode === null ? child.once("exit", done) : done(); });
  assert.equal(child.exitCode, 0, said);
});

async function control(path, body) {
  const options = body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(`${url}/sim/exchange/${path}`, options);
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
}

// mulberry32: the same numbers for the same seed.
function randomOf(number) {
  let state = number >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

class Trader {
  constructor(key, random) {
    this.key = key;
    this.random = random;
    this.count = 0;
    this.links = [];
    this.seen = new Map(); // operation -> how often it worked
  }

  pick(list) { return list[this.random(list.length)]; }

  // A price some per mille from the last one.
  priceNear(symbol, last, perMille) {
    const { tick, places } = INSTRUMENTS[symbol];
    return (Math.round(last * (1 + perMille / 1000) / tick) * tick).toFixed(places);
  }

  draft() {
    const symbol = this.pick(SYMBOLS), { step, qtyPlaces, most } = INSTRUMENTS[symbol];
    const side = this.pick(["Buy", "Sell"]), up = side === "Buy" ? 1 : -1, last = this.last[symbol];
    const market = this.random(3) === 0, offset = market ? 0 : -up * (this.random(40) - 5);
    const order = {
      symbol, side, orderType: market ? "Market" : "Limit",
      qty: (step * (1 + this.random(most))).toFixed(qtyPlaces),
      orderLinkId: `${this.key}-${++this.count}`,
    };
    if (!market) order.price = this.priceNear(symbol, last, offset);
    if (!market) order.timeInForce = this.pick(["GTC", "GTC", "GTC", "IOC", "FOK", "PostOnly"]);
    const away = () => (market ? 3 : 40) + this.random(20);
    if (this.random(3) === 0) order.stopLoss = this.priceNear(symbol, last, -up * away());
    if (this.random(3) === 0) order.takeProfit = this.priceNear(symbol, last, up * away());
    if (!order.stopLoss && !order.takeProfit && this.random(8) === 0) order.reduceOnly = true;
    this.links.push({ symbol, orderLinkId: order.orderLinkId });
    return order;
  }

  async refresh() {
    const market = await control("market");
    this.last = Object.fromEntries(market.symbols.map(({ symbol, last }) => [symbol, Number(last)]));
  }

  async step() {
    await this.refresh();
    const names = ["create", "create", "create", "create", "amend", "cancel", "batch", "stops", "leverage", "trigger",
      "price", "price", "price", "depth"];
    const name = this.pick(names);
    if (await this[name]() !== false) this.seen.set(name, (this.seen.get(name) ?? 0) + 1);
  }

  async price() {
    const symbol = this.pick(SYMBOLS), { start } = INSTRUMENTS[symbol];
    const back = this.last[symbol] > start ? -1 : 1; // stays around the first price
    await control("price", { symbol, percent: back * this.random(30) / 10 - back * 0.7 });
  }

  async depth() {
    const symbol = this.pick(SYMBOLS), { step, most } = INSTRUMENTS[symbol];
    await control("market", { symbol, depth: this.random(2) ? 0 : step * (1 + this.random(most)) });
  }
}

// --- bybit-api ------------------------------------------------------------------------------

class NativeTrader extends Trader {
  constructor(random) {
    super("native", random);
    this.client = new RestClientV5({ key: "native", secret: "first-secret", baseUrl: url, parseAPIRateLimits: true });
  }

  ok(answer) {
    assert.ok(ACCEPTED.has(answer.retCode), `${answer.retCode} ${answer.retMsg}`);
    return answer.retCode === 0;
  }

  async create() { return this.ok(await this.client.submitOrder({ category: "linear", ...this.draft() })); }

  known() { return this.links[Math.max(0, this.links.length - 1 - this.random(15))] ?? { symbol: "BTCUSDT", orderLinkId: "none" }; }

  async amend() {
    const order = this.known();
    return this.ok(await this.client.amendOrder({ category: "linear", ...order,
      price: this.priceNear(order.symbol, this.last[order.symbol], this.random(20) - 10) }));
  }

  async cancel() { return this.ok(await this.client.cancelOrder({ category: "linear", ...this.known() })); }

  async batch() {
    const answer = this.random(2)
      ? await this.client.batchSubmitOrders("linear", [this.draft(), this.draft(), this.draft()])
      : await this.client.batchCancelOrders("linear", [this.known(), this.known()]);
    assert.equal(answer.retCode, 0);
    for (const { code, msg } of answer.retExtInfo.list) assert.ok(ACCEPTED.has(code), `${code} ${msg}`);
    return answer.retExtInfo.list.some(({ code }) => code === 0);
  }

  async stops() {
    const symbol = this.pick(SYMBOLS), near = (by) => this.priceNear(symbol, this.last[symbol], by);
    const away = this.pick([-12, 12]);
    return this.ok(await this.client.setTradingStop({ category: "linear", symbol, tpslMode: "Full", positionIdx: 0,
      stopLoss: near(away), takeProfit: this.random(3) ? near(-away) : "0" }));
  }

  async leverage() {
    const leverage = String(1 + this.random(25));
    return this.ok(await this.client.setLeverage({ category: "linear", symbol: this.pick(SYMBOLS), buyLeverage: leverage, sellLeverage: leverage }));
  }

  async trigger() {
    const order = this.draft(), rises = this.random(2) === 0;
    delete order.stopLoss;
    delete order.takeProfit;
    order.triggerDirection = rises ? 1 : 2;
    order.triggerPrice = this.priceNear(order.symbol, this.last[order.symbol], (rises ? 1 : -1) * (2 + this.random(10)));
    if (order.price) order.price = order.triggerPrice;
    return this.ok(await this.client.submitOrder({ category: "linear", ...order }));
  }

  async all(ask, params) {
    const rows = [];
    let cursor;
    do {
      const answer = await ask.call(this.client, { category: "linear", limit: 50, ...params, ...(cursor && { cursor }) });
      assert.equal(answer.retCode, 0, answer.retMsg);
      rows.push(...answer.result.list);
      cursor = answer.result.nextPageCursor;
    } while (cursor);
    return rows;
  }

  async compare() {
    const { client } = this, books = await control(`books?key=${this.key}`);
    const open = await this.all(client.getActiveOrders, { settleCoin: "USDT" });
    const ended = await this.all(client.getHistoricOrders, {});
    const isOpen = ({ orderStatus }) => ["New", "PartiallyFilled", "Untriggered"].includes(orderStatus);
    assert.deepEqual(open, books.orders.filter(isOpen));
    assert.deepEqual(ended, books.orders.filter((order) => !isOpen(order)));
    assert.deepEqual(await this.all(client.getExecutionList, {}), books.executions);
    assert.deepEqual(await this.all(client.getPositionInfo, { settleCoin: "USDT" }), books.positions);
    const wallet = await client.getWalletBalance({ accountType: "UNIFIED" });
    assert.deepEqual(wallet.result.list, [books.wallet]);
    return books;
  }
}

// --- ccxt -----------------------------------------------------------------------------------

class UnifiedTrader extends Trader {
  constructor(random) {
    super("unified", random);
    this.exchange = new ccxt.bybit({ apiKey: "unified", secret: "other-secret", enableRateLimit: false,
      options: { defaultType: "swap", fetchMarkets: { types: ["linear"] }, enableUnifiedAccount: true, enableUnifiedMargin: false } });
    for (const name of Object.keys(this.exchange.urls.api)) this.exchange.urls.api[name] = url;
    this.exchange.options.unifiedMarginStatus = 5;
    this.exchange.has.fetchCurrencies = false; // deposits and withdrawals: nothing of the kind here
  }

  unified(symbol) { return `${symbol.slice(0, -4)}/USDT:USDT`; }

  // What the exchange refuses in one of the accepted ways is false; all else fails.
  async ok(promise) {
    try {
      await promise;
      return true;
    } catch (error) {
      const code = Number(/"retCode":(\d+)/.exec(error.message)?.[1] ?? -1);
      assert.ok(ACCEPTED.has(code), `${error.constructor.name}: ${error.message}`);
      return false;
    }
  }

  arguments(order) {
    const { symbol, side, orderType, qty, price, ...rest } = order;
    return [this.unified(symbol), orderType.toLowerCase(), side.toLowerCase(), Number(qty), price && Number(price), rest];
  }

  async create() {
    const order = this.draft();
    try {
      const made = await this.exchange.createOrder(...this.arguments(order));
      assert.equal(made.clientOrderId, order.orderLinkId);
      this.links.at(-1).id = made.id;
    } catch (error) {
      return this.ok(Promise.reject(error));
    }
  }

  known() {
    const made = this.links.filter(({ id }) => id);
    return made[Math.max(0, made.length - 1 - this.random(15))] ?? { symbol: "BTCUSDT", id: "none" };
  }

  async amend() {
    const { symbol, id } = this.known(), price = Number(this.priceNear(symbol, this.last[symbol], this.random(20) - 10));
    return this.ok(this.exchange.editOrder(id, this.unified(symbol), "limit", "buy", undefined, price));
  }

  async cancel() {
    const { symbol, id } = this.known();
    return this.ok(this.exchange.cancelOrder(id, this.unified(symbol)));
  }

  async batch() {
    const orders = [this.draft(), this.draft()].map((order) => {
      const [symbol, type, side, amount, price, params] = this.arguments(order);
      return { symbol, type, side, amount, price, params };
    });
    return this.ok(this.exchange.createOrders(orders));
  }

  async stops() { return this.ok(this.exchange.cancelAllOrders(this.unified(this.pick(SYMBOLS)))); }

  async leverage() { return this.ok(this.exchange.setLeverage(1 + this.random(25), this.unified(this.pick(SYMBOLS)))); }

  async trigger() {
    const order = this.draft(), rises = this.random(2) === 0;
    delete order.stopLoss;
    delete order.takeProfit;
    const [symbol, type, side, amount, , params] = this.arguments(order);
    const triggerPrice = Number(this.priceNear(order.symbol, this.last[order.symbol], (rises ? 1 : -1) * (2 + this.random(10))));
    return this.ok(this.exchange.createOrder(symbol, type, side, amount, order.price && triggerPrice,
      { ...params, triggerPrice, triggerDirection: rises ? "ascending" : "descending" }));
  }

  status(order) {
    return { New: "open", PartiallyFilled: "open", Untriggered: "open", Filled: "closed", Cancelled: "canceled",
      Deactivated: "canceled", Rejected: "rejected" }[order.orderStatus];
  }

  sameOrder(unified, order) {
    assert.equal(unified.id, order.orderId);
    assert.equal(unified.clientOrderId ?? "", order.orderLinkId);
    assert.equal(unified.symbol, this.unified(order.symbol));
    assert.equal(unified.side, order.side.toLowerCase());
    assert.equal(unified.type, order.orderType.toLowerCase());
    assert.equal(unified.amount, Number(order.qty));
    assert.equal(unified.filled, Number(order.cumExecQty));
    assert.equal(unified.status, this.status(order), JSON.stringify(order));
    assert.equal(unified.average ?? 0, Number(order.avgPrice));
    assert.equal(unified.reduceOnly, order.reduceOnly);
    assert.equal(unified.triggerPrice ?? 0, Number(order.triggerPrice));
    // ccxt takes every reducing order that waits for a price for a stop or a target.
    const closes = order.reduceOnly && Number(order.triggerPrice) > 0;
    const stops = closes && (order.triggerDirection === 1) === (order.side === "Buy");
    assert.equal(unified.stopLossPrice ?? 0, stops ? Number(order.triggerPrice) : Number(order.stopLoss));
    assert.equal(unified.takeProfitPrice ?? 0, closes && !stops ? Number(order.triggerPrice) : Number(order.takeProfit));
    assert.equal(unified.timestamp, Number(order.createdTime));
  }

  sameTrade(unified, execution) {
    assert.equal(unified.id, execution.execId);
    assert.equal(unified.order, execution.orderId);
    assert.equal(unified.side, execution.side.toLowerCase());
    assert.equal(unified.price, Number(execution.execPrice));
    assert.equal(unified.amount, Number(execution.execQty));
    assert.equal(unified.takerOrMaker, execution.isMaker ? "maker" : "taker");
    assert.equal(unified.fee.cost, Number(execution.execFee));
    assert.equal(unified.fee.currency, "USDT");
  }

  samePosition(unified, position) {
    assert.equal(unified.symbol, this.unified(position.symbol));
    assert.equal(unified.side, position.side === "Buy" ? "long" : "short");
    assert.equal(unified.contracts, Number(position.size));
    assert.equal(unified.entryPrice, Number(position.avgPrice));
    assert.equal(unified.leverage, Number(position.leverage));
    assert.equal(unified.unrealizedPnl ?? 0, Number(position.unrealisedPnl)); // ccxt leaves zero out
    assert.equal(unified.stopLossPrice ?? 0, Number(position.stopLoss));
    assert.equal(unified.takeProfitPrice ?? 0, Number(position.takeProfit));
  }

  sameList(list, rows, same, id, rowId) {
    const byId = new Map(rows.map((row) => [row[rowId], row]));
    assert.equal(list.length, rows.length);
    for (const one of list) same.call(this, one, byId.get(one[id]));
  }

  async compare() {
    const { exchange } = this, books = await control(`books?key=${this.key}`);
    const isOpen = (order) => this.status(order) === "open";
    const open = await exchange.fetchOpenOrders(undefined, undefined, 50, { paginate: false, settleCoin: "USDT" });
    const openRows = books.orders.filter(isOpen);
    this.sameList(open, openRows.slice(0, 50), this.sameOrder, "id", "orderId");
    const ended = await exchange.fetchCanceledAndClosedOrders(undefined, undefined, 50);
    this.sameList(ended, books.orders.filter((order) => !isOpen(order)).slice(0, 50), this.sameOrder, "id", "orderId");
    const trades = await exchange.fetchMyTrades(undefined, undefined, 100);
    this.sameList(trades, books.executions.slice(0, 100), this.sameTrade, "id", "execId");
    const positions = await exchange.fetchPositions(undefined, { settle: "USDT", settleCoin: "USDT" });
    assert.equal(positions.length, books.positions.length);
    positions.forEach((position) => this.samePosition(position, books.positions.find(({ symbol }) => this.unified(symbol) === position.symbol)));
    const balance = await exchange.fetchBalance();
    assert.equal(balance.USDT.total, Number(books.wallet.coin[0].walletBalance));
    return books;
  }
}

// --- the tests ------------------------------------------------------------------------------

async function trade(t, trader) {
  for (let block = 1; block <= BLOCKS; block++) {
    await t.test(`block ${block}`, async () => {
      for (let i = 0; i < OPERATIONS; i++) await trader.step();
      await trader.compare();
    });
  }
  const books = await trader.compare();
  assert.ok(books.executions.length > 50, `only ${books.executions.length} fills`);
  for (const name of ["create", "amend", "cancel", "batch", "stops", "leverage", "trigger", "price", "depth"])
    assert.ok(trader.seen.get(name) > 0, `${name} never worked`);
  assert.ok(books.executions.some(({ stopOrderType }) => ["StopLoss", "TakeProfit"].includes(stopOrderType)),
    "no stop or target was hit");
}

test("bybit-api trades and reads what the books say", (t) => trade(t, new NativeTrader(randomOf(seed))));

test("bybit-api reads the market and the limits", async () => {
  const client = new RestClientV5({ key: "native", secret: "first-secret", baseUrl: url, parseAPIRateLimits: true });
  const info = await client.getInstrumentsInfo({ category: "linear" });
  assert.deepEqual(info.result.list.map(({ symbol }) => symbol), SYMBOLS);
  const tickers = await client.getTickers({ category: "linear", symbol: "ETHUSDT" });
  assert.ok(Number(tickers.result.list[0].ask1Price) > Number(tickers.result.list[0].bid1Price));
  const book = await client.getOrderbook({ category: "linear", symbol: "ETHUSDT" });
  assert.equal(book.result.a[0][0], tickers.result.list[0].ask1Price);
  const fees = await client.getFeeRate({ category: "linear", symbol: "ETHUSDT" });
  assert.equal(fees.result.list[0].takerFeeRate, "0.00055");
  assert.equal(fees.rateLimitApi.maxRequests, 5);
  assert.ok(Math.abs((await client.getServerTime()).time - Date.now()) < 5000);
  const wrong = new RestClientV5({ key: "native", secret: "wrong", baseUrl: url });
  assert.equal((await wrong.getAccountInfo()).retCode, 10004);
});

test("ccxt trades and reads what the books say", async (t) => {
  const trader = new UnifiedTrader(randomOf(seed + 1));
  await trader.exchange.loadMarkets();
  await trade(t, trader);
});

test("ccxt reads the market", async () => {
  const { exchange } = new UnifiedTrader(randomOf(1));
  const markets = await exchange.loadMarkets();
  const market = markets["BTC/USDT:USDT"];
  assert.deepEqual([market.precision.price, market.precision.amount, market.limits.amount.min, market.limits.cost.min],
    [0.1, 0.001, 0.001, 5]);
  const ticker = await exchange.fetchTicker("BTC/USDT:USDT");
  const book = await exchange.fetchOrderBook("BTC/USDT:USDT");
  assert.ok(ticker.bid < ticker.last && ticker.last < ticker.ask);
  assert.equal(book.bids[0][0], ticker.bid);
  const candles = await exchange.fetchOHLCV("BTC/USDT:USDT", "1m");
  assert.equal(candles.at(-1)[4], ticker.last);
  assert.ok(Math.abs(await exchange.fetchTime() - Date.now()) < 5000);
});
