# SPDX-License-Identifier: Apache-2.0
"""What the hub's gateway adds: the same call to the simulator directly and through the hub, in turns
from one program, one at a time; and how many updates a second a bot reads and answers by each way. An
update is on disk before a bot sees it; the direct way is not."""
import json
import statistics

import tools

ANSWERED, SENDERS, ROUNDS, RATIO = 10000, 8, 5, 0.6  # updates of one round, connections that answer
COUNT = {"send": 2000, "update": 1000}
BAR_MS = 0.5
CONFIG = """name: bench
data: data
http: {{listen: "127.0.0.1:{hub}"}}
bots:
  main: {{token: "{token}", api_url: "http://127.0.0.1:{sim}"}}
"""
WHAT = {"send": "sendMessage", "update": "update to a waiting getUpdates"}


def post(port, path, body):
    connection = tools.http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        tools.stop(f"POST {path}: {answer.status} {text[:300]!r}")
    return json.loads(text)


def start_sim(bench):
    sim = tools.free_port()
    bench.start([tools.program("holdfast-sim"), "--port", str(sim),
                 "--bot", tools.TOKEN + "=direct_bot", "--bot", tools.OTHER_TOKEN + "=gateway_bot"])
    tools.wait_for(sim, "/ping")
    post(sim, "/sim/limits", {"per_chat": 0, "global": 0, "group": 0})
    return sim


def start_hub(bench, sim):
    """The hub alone, without its budget for sends and without a keeper: both would be measured too."""
    hub = tools.free_port()
    config = bench.write("holdfast.yaml", CONFIG.format(hub=hub, sim=sim, token=tools.OTHER_TOKEN))
    tools.os.mkdir(bench.path("run"))
    bench.start([tools.program("holdfast-hub"), "--config", config, "--run", bench.path("run"),
                 "--sends-per-second", "0", "--chat-sends-per-second", "0",
                 "--group-sends-per-minute", "0"])
    tools.wait_for(hub, "/ping")
    return hub


def write_to_the_bot(sim, token):
    connection = tools.http.client.HTTPConnection("127.0.0.1", sim, timeout=10)
    body = json.dumps({"chat_id": 42, "from_id": 42, "text": "/price BTCUSDT", "token": token})
    for _ in range(ANSWERED):
        connection.request("POST", "/sim/message", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            tools.stop(f"POST /sim/message: {answer.status} {answer.read()[:300]!r}")
        answer.read()
    connection.close()


def answered_a_second(through_the_hub):
    """All updates wait at the simulator before the bot, or the hub and then the bot, begin."""
    with tools.Bench() as bench:
        sim = start_sim(bench)
        write_to_the_bot(sim, tools.OTHER_TOKEN if through_the_hub else tools.TOKEN)
        port, path = sim, "/bot" + tools.TOKEN
        if through_the_hub:
            port, path = start_hub(bench, sim), "/telegram/botmain"
        out = json.loads(tools.run([tools.program("bench-bot"), str(ANSWERED), str(SENDERS), str(port), path]))
        return out["answered"] / out["seconds"]


def throughput(table):
    tools.say(f"{ROUNDS} x {ANSWERED:,} updates read and answered by each way, in turns, {SENDERS} answers at once")
    rounds = [(answered_a_second(False), answered_a_second(True)) for _ in range(ROUNDS)]
    direct, gateway = (statistics.median(way) for way in zip(*rounds))
    table.add("updates read and answered/s", f"{gateway:,.0f}", f"{direct:,.0f}", "direct, not durable",
              f"{gateway / direct:.2f}", f"{RATIO} x", gateway >= RATIO * direct)


def measure():
    tools.build("src/holdfast-hub", "src/holdfast-sim", "bench/bench-latency", "bench/bench-bot")
    table = tools.Table()
    throughput(table)
    with tools.Bench() as bench:
        sim = start_sim(bench)
        hub = start_hub(bench, sim)
        for what, count in COUNT.items():
            tools.say(f"{count} x {WHAT[what]} by each way, in turns")
            out = json.loads(tools.run([
                tools.program("bench-latency"), what, str(count), str(sim),
                str(sim), "/bot" + tools.TOKEN, tools.TOKEN,
                str(hub), "/telegram/botmain", tools.OTHER_TOKEN]))
            for percentile in ("p50", "p99"):
                direct, gateway = out["a"][percentile] / 1000, out["b"][percentile] / 1000
                added = gateway - direct
                bar = f"+{BAR_MS} ms" if percentile == "p50" else "-"
                table.add(f"{WHAT[what]}, {percentile}, ms", f"{gateway:.3f}", f"{direct:.3f}",
                          f"direct; added {added:+.3f}", f"{gateway / direct:.2f}", bar,
                          added <= BAR_MS if percentile == "p50" else None)
    return table.show()
