# SPDX-License-Identifier: Apache-2.0
"""An order: from the decision (and from the press of Confirm) to its first byte, durable on the way;
and what it costs to sign and send one, beside bybit-api and ccxt (npm), against the same simulator,
one order after the other."""
import json
import os
import shutil
import subprocess

import tools

PRESSES = 150
ORDERS = {"ours": 3000, "bybit-api": 1500, "ccxt": 1500}
OVER_FSYNC_MS = 0.3
TIMES = 10
OWNER = 42
CONFIG = """name: bench
data: data
http: {{listen: "127.0.0.1:{hub}"}}
bots:
  main: {{token: "{token}", api_url: "http://127.0.0.1:{sim}", owner: 42}}
trader: {{bot: main, api_url: "http://127.0.0.1:{sim}"}}
"""


def request(port, method, path, body=None):
    connection = tools.http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, json.dumps(body) if body is not None else None,
                       {"Content-Type": "application/json"} if body is not None else {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        tools.stop(f"{method} {path}: {answer.status} {text[:300]!r}")
    return json.loads(text)


def start_sim(bench, *arguments):
    sim = tools.free_port()
    bench.start([tools.program("holdfast-sim"), "--port", str(sim), "--market", "still",
                 "--balance", "100000000", "--bot", tools.TOKEN + "=bench_bot", *arguments])
    tools.wait_for(sim, "/ping")
    request(sim, "POST", "/sim/limits", {"per_chat": 0, "global": 0, "group": 0})
    request(sim, "POST", "/sim/exchange/limits", {"percent": 0, "address": 0})
    return sim


class Chat:
    def __init__(self, sim):
        self.sim, self.after = sim, 0

    def wait_for(self, part, seconds=20):
        end = tools.time.monotonic() + seconds
        while tools.time.monotonic() < end:
            page = request(self.sim, "GET",
                           f"/sim/messages?chat_id={OWNER}&after={self.after}&timeout=5")
            self.after = page["next"]
            for message in page["messages"]:
                if message["from_bot"] and part in message["text"]:
                    return message
        tools.stop(f"the trader did not write {part!r}")

    def say(self, text):
        request(self.sim, "POST", "/sim/message", {"chat_id": OWNER, "from_id": OWNER, "text": text})

    def confirm(self, message):
        buttons = [b for row in message["reply_markup"]["inline_keyboard"] for b in row]
        data = next(b["callback_data"] for b in buttons if b["text"] == "Confirm")
        request(self.sim, "POST", "/sim/press", {"chat_id": OWNER, "from_id": OWNER, "data": data,
                                                 "message_id": message["message_id"]})


def decision_times(bench):
    """[(press, decision, write)] in ms, measured inside the trader by a preloaded library."""
    sim, hub = start_sim(bench), tools.free_port()
    config = bench.write("holdfast.yaml", CONFIG.format(hub=hub, sim=sim, token=tools.TOKEN))
    os.mkdir(bench.path("run"))
    times = bench.path("times")
    bench.start([tools.program("holdfast-hub"), "--config", config, "--run", bench.path("run"),
                 "--sends-per-second", "0", "--chat-sends-per-second", "0"])
    tools.wait_for(hub, "/ping")
    library = os.path.join(tools.BUILD, "bench", "liborder_times.so")
    bench.start(["env", f"LD_PRELOAD={library}", f"ORDER_TIMES={times}",
                 tools.program("holdfast-trader"), "--config", config, "--run", bench.path("run")])
    chat = Chat(sim)
    tools.time.sleep(1)
    for _ in range(PRESSES):
        chat.say("/limitbuy BTC 60000 59000 2R")
        message = chat.wait_for("Place this order?")
        tools.time.sleep(0.05)  # what the preview wrote is on disk
        chat.confirm(message)
        chat.wait_for("Confirmed")
    tools.time.sleep(0.5)
    with open(times, encoding="ascii") as file:
        rows = [[int(x) / 1000 for x in line.split()] for line in file]
    if len(rows) < PRESSES * 0.9:
        tools.stop(f"only {len(rows)} of {PRESSES} orders were seen")
    return rows


def client_costs(bench, sim):
    url = f"http://127.0.0.1:{sim}"
    costs = {}
    for name, count in ORDERS.items():
        tools.say(f"{count} orders by {name}")
        command = [tools.program("bench-order-client"), url + "/v5/order/create", str(count)]
        if name != "ours":
            command = ["node", os.path.join(tools.ROOT, "bench", "order_peers.mjs"), name, url,
                       str(count)]
        costs[name] = json.loads(tools.run(command).splitlines()[-1])
    return costs


def peers():
    if not shutil.which("node") or not shutil.which("npm"):
        tools.packages("run the peers of this measurement", "nodejs", "npm")
    folder = os.path.join(tools.ROOT, "tests", "peers")
    if not os.path.isdir(os.path.join(folder, "node_modules", "bybit-api")):
        tools.say("Fetching bybit-api and ccxt with npm.")
        if subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            tools.stop("npm could not fetch bybit-api and ccxt")


def measure():
    peers()
    tools.build("src/holdfast-hub", "src/holdfast-sim", "src/holdfast-trader",
                "bench/bench-order-client", "bench/liborder_times.so")
    table = tools.Table()
    with tools.Bench() as bench:
        tools.say(f"{PRESSES} orders from the chat")
        rows = decision_times(bench)
    press, decision, write = (tools.median(column) for column in zip(*rows))
    over = tools.median([b - c for a, b, c in rows])
    table.add("decision to first byte, p50, ms", f"{decision:.3f}", f"{write:.3f}",
              f"one durable write; {over:.3f} beside it", f"{decision / write:.2f}",
              f"+{OVER_FSYNC_MS} ms", over <= OVER_FSYNC_MS)
    table.add("the same, from the update with the press", f"{press:.3f}", f"{write:.3f}",
              "one durable write", f"{press / write:.2f}", "-", None)
    with tools.Bench() as bench:
        sim = start_sim(bench, *[x for name in ORDERS for x in ("--account", f"{name}={name}")])
        costs = client_costs(bench, sim)
    best = min((name for name in costs if name != "ours"), key=lambda name: costs[name]["cpu_us"])
    ratio = costs[best]["cpu_us"] / costs["ours"]["cpu_us"]
    table.add("sign and send an order, processor us", f"{costs['ours']['cpu_us']:.0f}",
              f"{costs[best]['cpu_us']:.0f}", best, f"{ratio:.1f}", f"{TIMES} x", ratio >= TIMES)
    for name in costs:
        table.add(f"the same, p50 with the answer, us: {name}", f"{costs['ours']['p50_us']:.0f}",
                  f"{costs[name]['p50_us']:.0f}", name,
                  f"{costs[name]['p50_us'] / costs['ours']['p50_us']:.1f}", "-", None)
    return table.show()
