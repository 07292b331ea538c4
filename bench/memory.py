# SPDX-License-Identifier: Apache-2.0
"""Memory of what keeps one service alive and logs it: PSS (each shared page divided by its users),
summed over the processes, the service itself left out. Beside runit and s6, which capture logs in the
same way and do less."""
import os
import time

import tools

MIB = 1024 * 1024
SMALL = """name: bench
data: data
services:
  idle: {command: sleep 1000000}
"""
WITH_HUB = """name: bench
data: data
http: {{listen: "127.0.0.1:{hub}"}}
bots:
  main: {{token: "{token}", api_url: "http://127.0.0.1:{sim}"}}
services:
  idle: {{command: sleep 1000000}}
"""
WITH_TRADER = WITH_HUB.replace('"http://127.0.0.1:{sim}"}}', '"http://127.0.0.1:{sim}", owner: 42}}') + """
trader: {{bot: main, api_url: "http://127.0.0.1:{sim}"}}
"""
NOT_OURS = {"sleep", "holdfast-sim"}


def pss(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0  # ended while we looked


def total(pid, expected):
    """Waits for the processes that must be there, lets them settle, sums up."""
    end = time.monotonic() + 15
    while True:
        names = {p: tools.name_of(p) for p in tools.children(pid)}
        if expected <= set(names.values()) and "sleep" in names.values():
            break
        if time.monotonic() > end:
            tools.stop(f"expected {sorted(expected)}, running are {sorted(names.values())}")
        time.sleep(0.1)
    time.sleep(3)
    counted = [p for p, name in names.items() if name not in NOT_OURS]
    tools.say("  " + ", ".join(f"{names[p]} {pss(p) / MIB:.2f}" for p in counted) + " MiB")
    return sum(pss(p) for p in counted) / MIB


def script(bench, name, text):
    path = bench.path(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    bench.write(name, "#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


def runit():
    with tools.Bench() as bench:
        script(bench, "sv/idle/run", "exec 2>&1\nexec sleep 1000000\n")
        script(bench, "sv/idle/log/run", f"mkdir -p {bench.folder}/l\nexec svlogd {bench.folder}/l\n")
        process = bench.start(["runsvdir", bench.path("sv")])
        return total(process.pid, {"runsvdir", "runsv", "svlogd"})


def s6():
    with tools.Bench() as bench:
        script(bench, "sv/idle/run", "exec 2>&1\nexec sleep 1000000\n")
        script(bench, "sv/idle/log/run", f"exec s6-log t s1000000 {bench.folder}/l\n")
        process = bench.start(["s6-svscan", bench.path("sv")])
        return total(process.pid, {"s6-svscan", "s6-supervise", "s6-log"})


def holdfast():
    with tools.Bench() as bench:
        return total(bench.up(SMALL), {"holdfast-anchor", "holdfast-keeper"})


def holdfast_with_hub(config=WITH_HUB, programs=("holdfast-hub",)):
    """The hub polls a simulator that is none of the services, as it polls Telegram."""
    with tools.Bench() as bench:
        hub, sim = tools.free_port(), tools.free_port()
        bench.start([tools.program("holdfast-sim"), "--port", str(sim),
                     "--bot", tools.TOKEN + "=bench_bot"])
        tools.wait_for(sim, "/ping")
        anchor = bench.up(config.format(hub=hub, sim=sim, token=tools.TOKEN))
        tools.wait_for(hub, "/ping")
        return total(anchor, {"holdfast-anchor", "holdfast-keeper", *programs})


def holdfast_with_trader():
    """It knows the instruments and reads the exchange, as it does while nothing is open."""
    return holdfast_with_hub(WITH_TRADER, ("holdfast-hub", "holdfast-trader"))


def measure():
    tools.packages("peers of the memory measurement; they start nothing by themselves", "runit", "s6")
    tools.build("src/holdfast", "src/holdfast-anchor", "src/holdfast-keeper", "src/holdfast-hub",
                "src/holdfast-sim", "src/holdfast-trader")
    rounds = {name: [] for name in ("ours", "hub", "trader", "runit", "s6")}
    for _ in range(3):
        for name, run in (("ours", holdfast), ("runit", runit), ("s6", s6),
                          ("hub", holdfast_with_hub), ("trader", holdfast_with_trader)):
            tools.say(name)
            rounds[name].append(run())
    size = {name: tools.median(values) for name, values in rounds.items()}
    best = min(("runit", "s6"), key=size.get)
    table = tools.Table()
    table.add("anchor + keeper, 1 service, PSS MiB", f"{size['ours']:.2f}", f"{size[best]:.2f}", best,
              f"{size['ours'] / size[best]:.2f}", "<= 1.5", size["ours"] <= 1.5)
    table.add("the same with hub, PSS MiB", f"{size['hub']:.2f}", "-", "none does this", "-",
              "<= 15", size["hub"] <= 15)
    table.add("the same with hub and trader, PSS MiB", f"{size['trader']:.2f}", "-",
              "none does this", "-", "<= 30", size["trader"] <= 30)
    return table.show()
