# SPDX-License-Identifier: Apache-2.0
"""The alerts API of the hub beside BullMQ on redis-server (an fsync before each answer) and alertmanager (which
answers before anything is on disk): intake, in and out, the most important one behind a backlog, a million
waiting, kill -9. Ours answers when an alert is on disk."""
import contextlib
import json
import os
import tempfile
import time

import tools
from alerts_peers import PEERS, Hub, install
from keeper_place import CannotRun, adopt_orphans, end_all, read

ROUNDS, SECONDS = 3, 3
SINGLE, BATCHES = "intake, one a request, alerts/s", "intake, 100 a request, alerts/s"
FLIGHT, BATCH, BATCH_FLIGHT = 50, 100, 16
SINGLE_BAR, BATCHES_BAR = 40000, 150000
BOTH = "in and out, alerts/s"
BOTH_ROUNDS, BOTH_COUNT, BOTH_SECONDS, BOTH_BAR, BOTH_RATIO = 2, 60000, 12, 15000, 1.3
WIRE = "CRITICAL to the wire, p99 ms"
BACKLOG, CRITICALS, CRITICALS_S, WIRE_MS, FIRST_CRITICAL = 100000, 200, 50, 5, 10**9
FEW, MILLION, SAMPLE, STEP, LOAD_BATCH, LOAD_SECONDS_MAX = 1000, 1000000, 30000, 50000, 1000, 120
FLAT_RATIO, PSS_MB = 1.25, 64
KILLS = int(os.environ.get("KILLS", "20"))
LOST, TWICE = f"answered and lost in {KILLS} kills", f"came twice unmarked in {KILLS} kills"
SILENT_SECONDS_MAX = 20
DISK = "/var/tmp"  # /tmp may be in memory


class Results:
    """figures[measure][who] = [values]; who could not be run, and why."""

    def __init__(self):
        self.figures, self.failed, self.of = {}, {}, {}

    def add(self, measure, who, value, more=""):
        tools.say(f"  {who}: {measure}: {value:,.5g}{more}")
        self.figures.setdefault(measure, {}).setdefault(who, []).append(value)

    def get(self, measure, who="holdfast"):
        values = self.figures.get(measure, {}).get(who)
        return tools.median(values) if values else None

    def best(self, measure, better=max):
        peers = [who for who in self.figures.get(measure, {}) if who in PEERS]
        return better(peers, key=lambda who: self.get(measure, who)) if peers else None

    def try_it(self, who, run, *arguments):
        """A peer that cannot be run is said so and fails the measurement; ours stops it."""
        if who in self.failed:
            return
        try:
            run(self, who, *arguments)
        except CannotRun as error:
            if who == "holdfast":
                tools.stop(f"{who} could not be run: {error}")
            tools.say(f"  {who} could not be run: {error}")
            self.failed[who] = str(error)


def server(who, held=True):
    return Hub(held) if who == "holdfast" else PEERS[who]()


# ---- intake ----

def intake(results, who, measure, flight, batch):
    with server(who) as it:
        got = it.intake(SECONDS, flight, batch)
        results.add(measure, who, got["alerts_s"], f", p50 {got['p50_us'] / 1000:.2f} ms, "
                                                   f"p99 {got['p99_us'] / 1000:.2f} ms a request")


def intakes(results):
    for measure, flight, batch in ((SINGLE, FLIGHT, 1), (BATCHES, BATCH_FLIGHT, BATCH)):
        for number in range(ROUNDS):
            tools.say(f"{measure}, {flight} in flight, round {number + 1}")
            for who in ("holdfast", *PEERS):
                results.try_it(who, intake, measure, flight, batch)


# ---- in and out ----

def in_and_out(results, who):
    """From the first POST until all have come to the simulator, or as many as had when the time was over."""
    with Hub(held=False) as hub:
        begun = time.monotonic_ns()
        hub.start(hub.load_command(alerts=BOTH_COUNT, connections=FLIGHT))
        end = begun + BOTH_SECONDS * 10**9
        while time.monotonic_ns() < end and len(read(hub.times).splitlines()) < BOTH_COUNT:
            time.sleep(0.25)
        came = sorted(at for _, _, at in hub.arrivals() if at <= end)
        if not came:
            raise CannotRun("no alert came to the simulator")
        until = came[-1] if len(came) == BOTH_COUNT else end
        results.add(BOTH, who, len(came) / (until - begun) * 1e9, f", {len(came):,} came")


def peer_in_and_out(results, who):
    with server(who) as it:
        got = it.in_and_out(BOTH_COUNT, BOTH_SECONDS)
        results.add(BOTH, who, got["alerts_s"], f", {got['alerts']:,} came")


def both(results):
    for number in range(BOTH_ROUNDS):
        tools.say(f"{BOTH}, round {number + 1}")
        results.try_it("holdfast", in_and_out)
        results.try_it("BullMQ", peer_in_and_out)


# ---- the most important one behind a backlog ----

def fill(hub, count, first=0):
    return hub.load(alerts=count, batch=LOAD_BATCH, connections=1, first=first)


def to_the_wire(results, who):
    with Hub(held=True) as hub:
        fill(hub, BACKLOG)
        body = hub.write("critical", json.dumps({**hub.body, "priority": "CRITICAL"}))
        hub.breaker("closed")
        time.sleep(0.5)  # the backlog has begun to flow
        notes = hub.path("notes")
        hub.load(body=body, alerts=CRITICALS, rate=CRITICALS_S, first=FIRST_CRITICAL, notes=notes)
        waiting = hub.figures()["waiting"]["HIGH"]
        time.sleep(0.5)
        came = {number: at for number, _, at in reversed(hub.arrivals())}
        with open(notes, encoding="ascii") as file:
            begun = dict([int(x) for x in line.split()[:2]] for line in file)
        took = sorted((came[n] - at) / 1e6 for n, at in begun.items() if n in came)
        if len(took) < CRITICALS:
            tools.stop(f"only {len(took)} of {CRITICALS} CRITICAL alerts came to the simulator")
        results.add(WIRE, who, took[(CRITICALS - 1) * 99 // 100],
                    f", p50 {tools.median(took):.2f} ms, max {took[-1]:.2f} ms; {waiting:,} waited at the end")


# ---- a million ----

def processor_ns(pid):
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        total += int((read(f"/proc/{pid}/task/{thread}/schedstat") or "0").split()[0])
    return total


def pss_mib(pid):
    rows = read(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:")) / 1024


def cost(hub, first):
    """Microseconds (processor, wall) an alert over the next SAMPLE ones."""
    time.sleep(0.5)  # what the store tidies when it is idle is done
    before = processor_ns(hub.process.pid)
    wall = fill(hub, SAMPLE, first)["seconds"]
    time.sleep(0.5)
    return (processor_ns(hub.process.pid) - before) / 1000 / SAMPLE, wall * 1e6 / SAMPLE


def million(results, who):
    with Hub(held=True) as hub:
        fill(hub, FEW)
        few, empty = cost(hub, FEW), pss_mib(hub.process.pid)
        have, begun = FEW + SAMPLE, time.monotonic()
        while have < MILLION - SAMPLE and time.monotonic() - begun < LOAD_SECONDS_MAX:
            step = min(STEP, MILLION - SAMPLE - have)
            fill(hub, step, have)
            have += step
        if have < MILLION - SAMPLE:
            results.of["million"] = f"{have:,} after {LOAD_SECONDS_MAX} s"
            tools.say(f"  loading a million would take more than {LOAD_SECONDS_MAX} s: {have:,} wait now")
        many = cost(hub, have)
        have += SAMPLE
        results.of["waiting"] = have
        for name, at_first, at_last in zip(("processor", "wall"), few, many):
            results.add(f"{name} at {FEW:,}", who, at_first, " us an alert")
            results.add(f"{name} at the end", who, at_last, f" us an alert, {have:,} waiting")
        results.add("PSS, MiB", who, pss_mib(hub.process.pid), f", {empty:.1f} with {FEW + SAMPLE:,}")


# ---- kill -9 ----

def kills(results, who):
    answered, lost = set(), 0
    with server(who, held=False) as it:
        for _ in range(KILLS):
            some = it.kill_while_pouring()
            it.start_it()
            lost += len(some - it.there(some))
            answered |= some
        results.of[who] = len(answered)
        results.add(LOST, who, lost, f" of {len(answered):,}")
        if who == "holdfast":
            came_once(results, it, answered)


def came_once(results, hub, answered):
    """All that were answered come; of those that come more than once all but one are marked."""
    have, last = -1, time.monotonic()
    while not answered <= {n for n, _, _ in hub.arrivals()} and time.monotonic() - last < SILENT_SECONDS_MAX:
        time.sleep(0.5)
        now = len(hub.arrivals())
        have, last = (now, time.monotonic()) if now != have else (have, last)
    clean, marked = {}, 0
    for number, repeat, _ in hub.arrivals():
        clean[number] = clean.get(number, 0) + (not repeat)
        marked += repeat
    results.add("did not come", "holdfast", len(answered - set(clean)))
    results.add(TWICE, "holdfast", sum(n > 1 for n in clean.values()), f", {marked} marked as possible repeats")


# ---- the table ----

def rate(results, table, measure, bar, words, met):
    mine, peer = results.get(measure), results.best(measure)
    theirs = results.get(measure, peer) if peer else None
    which = f"{peer}, not durable" if peer == "alertmanager" else peer or "-"
    table.add(measure, f"{mine:,.0f}", f"{theirs:,.0f}" if theirs else "-", which,
              f"{mine / theirs:.2f}" if theirs else "-", words, bool(theirs) and met(mine, theirs, bar))


def flat(results, table, name):
    first, last = results.get(f"{name} at {FEW:,}"), results.get(f"{name} at the end")
    whole = "million" not in results.of
    which = f"ours at {FEW:,}" + ("" if whole else f"; {results.of['million']}")
    table.add(f"{name} time an alert, {results.of['waiting']:,} waiting, us", f"{last:.2f}", f"{first:.2f}", which,
              f"{last / first:.2f}", f"<= {FLAT_RATIO} x", whole and last <= FLAT_RATIO * first)


def killed(results, table):
    mine, peer = results.get(LOST), results.best(LOST, min)
    theirs = f"{results.get(LOST, peer):.0f} of {results.of[peer]:,}" if peer else "-"
    table.add(LOST, f"{mine:.0f} of {results.of['holdfast']:,}", theirs, peer or "-", "-", "0", mine == 0)
    for measure in ("did not come", TWICE):
        value = results.get(measure)
        table.add(measure, f"{value:.0f}", "-", "-", "-", "0", value == 0)


def show(results):
    table = tools.Table()
    for measure, bar in ((SINGLE, SINGLE_BAR), (BATCHES, BATCHES_BAR)):
        rate(results, table, measure, bar, f">= {bar:,}", lambda mine, _, bar: mine >= bar)
    rate(results, table, BOTH, BOTH_BAR, f">= {BOTH_BAR:,}, {BOTH_RATIO} x",
         lambda mine, theirs, bar: mine >= bar and mine >= BOTH_RATIO * theirs)
    wire = results.get(WIRE)
    table.add(f"{WIRE}, {BACKLOG:,} HIGH waiting", f"{wire:.2f}", "-", "-", "-", f"<= {WIRE_MS}", wire <= WIRE_MS)
    for name in ("processor", "wall"):
        flat(results, table, name)
    pss, whole = results.get("PSS, MiB"), "million" not in results.of
    table.add(f"PSS with {results.of['waiting']:,} waiting, MiB", f"{pss:.1f}", "-", "-", "-", f"<= {PSS_MB}",
              whole and pss <= PSS_MB)
    killed(results, table)
    for who, why in results.failed.items():
        table.add(f"{who} could not be run", "-", "-", why[:60], "-", "runs", False)
    code = table.show()
    show_all(results)
    return code


def show_all(results):
    rows = [["each, median", "holdfast", *PEERS]]
    for measure in (SINGLE, BATCHES, BOTH, LOST):
        cells = [results.get(measure, who) for who in rows[0][1:]]
        of = [f" of {results.of.get(who, 0):,}" if measure == LOST else "" for who in rows[0][1:]]
        rows.append([measure] + ["-" if x is None else f"{x:,.0f}{n}" for x, n in zip(cells, of)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print()
    for cells in rows:
        print("  ".join(text.ljust(width) for text, width in zip(cells, widths)).rstrip())
    print(f"\n{FLIGHT} requests in flight, {BATCH_FLIGHT} with {BATCH} alerts each. Answered means on disk for "
          "holdfast and BullMQ (appendfsync always), not for alertmanager.")


def measure():
    install()
    tools.build("src/holdfast-hub", "src/holdfast-sim", "bench/bench-alerts-load", "bench/bench-http-server",
                "bench/libalerts_times.so")
    adopt_orphans()
    tempfile.tempdir = DISK
    results, begin = Results(), time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.callback(end_all)
        intakes(results)
        both(results)
        tools.say(WIRE)
        results.try_it("holdfast", to_the_wire)
        tools.say(f"{MILLION:,} waiting")
        results.try_it("holdfast", million)
        tools.say(f"kill -9, {KILLS} times each")
        for who in ("holdfast", *PEERS):
            results.try_it(who, kills)
    tools.say(f"Measured in {time.monotonic() - begin:.0f} s.")
    return show(results)
