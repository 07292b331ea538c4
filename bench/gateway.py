# SPDX-License-Identifier: Apache-2.0
"""What the hub's gateway adds: the same call to the simulator directly and through the hub, in turns
from one program, one at a time. An update is on disk before a bot sees it; the direct way is not."""
import json

import tools

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


def start_all(bench):
    """The hub alone, without its budget for sends and without a keeper: both would be measured too."""
    sim, hub = tools.free_port(), tools.free_port()
    bench.start([tools.program("holdfast-sim"), "--port", str(sim),
                 "--bot", tools.TOKEN + "=direct_bot", "--bot", tools.OTHER_TOKEN + "=gateway_bot"])
    tools.wait_for(sim, "/ping")
    post(sim, "/sim/limits", {"per_chat": 0, "global": 0, "group": 0})
    config = bench.write("holdfast.yaml", CONFIG.format(hub=hub, sim=sim, token=tools.OTHER_TOKEN))
    tools.os.mkdir(bench.path("run"))
    bench.start([tools.program("holdfast-hub"), "--config", config, "--run", bench.path("run"),
                 "--sends-per-second", "0", "--chat-sends-per-second", "0",
                 "--group-sends-per-minute", "0"])
    tools.wait_for(hub, "/ping")
    return sim, hub


def measure():
    tools.build("src/holdfast-hub", "src/holdfast-sim", "bench/bench-latency")
    table = tools.Table()
    with tools.Bench() as bench:
        sim, hub = start_all(bench)
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
