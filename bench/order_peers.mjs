// SPDX-License-Identifier: Apache-2.0
// node order_peers.mjs LIBRARY URL COUNT: the same orders as bench-order-client through bybit-api or
// ccxt, one after the other. Prints a line of JSON: microseconds an order at p50, and processor time.
import { createRequire } from "node:module";

const [library, url, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const require = createRequire(new URL("../tests/peers/", import.meta.url));
const WARM_UP = 100;

async function bybitApi() {
  const { RestClientV5 } = require("bybit-api");
  const client = new RestClientV5({ key: library, secret: library, baseUrl: url });
  return async (id) => {
    const answer = await client.submitOrder({ category: "linear", symbol: "BTCUSDT", side: "Buy",
      orderType: "Market", qty: "0.001", timeInForce: "IOC", positionIdx: 0,
      stopLoss: "59000", tpslMode: "Full", orderLinkId: id });
    if (answer.retCode !== 0) throw new Error(JSON.stringify(answer));
  };
}

async function unified() {
  const ccxt = require("ccxt");
  const client = new ccxt.bybit({ apiKey: library, secret: library, enableRateLimit: false });
  for (const name of Object.keys(client.urls.api)) client.urls.api[name] = url;
  client.options.fetchMarkets = { types: ["linear"] };
  client.options.enableUnifiedMargin = false;
  client.options.enableUnifiedAccount = true;
  client.has.fetchCurrencies = false;
  await client.loadMarkets();
  return (id) => client.createOrder("BTC/USDT:USDT", "market", "buy", 0.001, undefined,
    { orderLinkId: id, stopLoss: { triggerPrice: 59000 }, positionIdx: 0 });
}

const place = library === "ccxt" ? await unified() : await bybitApi();
const took = [];
let cpu;
for (let i = -WARM_UP; i < count; i++) {
  if (i === 0) cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  await place(`${library}-${i}`);
  if (i >= 0) took.push(Number(process.hrtime.bigint() - start) / 1000);
}
cpu = process.cpuUsage(cpu);
took.sort((a, b) => a - b);
console.log(JSON.stringify({ p50_us: took[count >> 1], cpu_us: (cpu.user + cpu.system) / count }));
process.exit(0);
