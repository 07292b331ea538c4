# SPDX-License-Identifier: Apache-2.0
"""The keeper beside seven other supervisors: memory, wake-ups, time to a replacement, cold start, log capture,
thousands of services. All with the same static program (keeper_service.c), which tells its first instruction;
`bare` is a loop of vfork and wait (keeper_bare.c): the kernel's part of the times."""
import glob
import os
import subprocess
import time

import keeper_peers
import tools
from keeper_place import CannotRun, Place, adopt_orphans, end_all, reap

PSS_MIB = {1: 1.5, 10: 1.8, 100: 3.0}
IDLE_SECONDS, SETTLE_SECONDS = 60, 1
LOOKS_SECONDS = 33  # ours looks at the tree of a new service twice, after 3 and 33 s
KILLS, KILL_SERVICES, KILL_EVERY = 100, 10, 0.12  # so each lives longer than throttles of 1 s
KILL_SECONDS_MAX = 20
KILL_MS, COLD_MS = 1.5, 100
LOG_LINES_BYTES, LOG_SECONDS_MAX = 1 << 30, 12
SPLICE_SHARE, RING_MIB = 0.9, 1.25  # the bounded buffer of a service under full load
MANY, FLAT_RATIO = (1000, 5000), 1.25
MANY_SECONDS_MAX = 90
WAKE_UPS, IDLE_CPU = f"wake-ups in {IDLE_SECONDS} s, 100 services", "CPU in that time, ms"
ROUNDS, START_SECONDS_MAX = 3, 90
ALL_SECONDS_MAX = 520  # after that no peer is asked for thousands of services any more


class Results:
    """figures[measure][who] = [values]; who could not be run, and why."""

    def __init__(self):
        self.figures, self.failed = {}, {}
        self.who = {"holdfast": keeper_peers.holdfast, "bare": keeper_peers.bare}
        self.who.update({name: peer[0] for name, peer in keeper_peers.PEERS.items()})

    def add(self, measure, who, value):
        tools.say(f"  {who}: {measure} {value:.4g}")
        self.figures.setdefault(measure, {}).setdefault(who, []).append(value)

    def get(self, measure, who):
        values = self.figures.get(measure, {}).get(who)
        return tools.median(values) if values else None

    def best(self, measure, better=min):
        peers = [w for w in self.figures.get(measure, {}) if w in keeper_peers.PEERS]
        return better(peers, key=lambda who: self.get(measure, who)) if peers else None

    def try_it(self, who, run, *arguments):
        """A peer that cannot be run is said so and fails the measurement; ours stops it."""
        if who in self.failed:
            return
        try:
            run(self, who, *arguments)
        except CannotRun as error:
            if who in ("holdfast", "bare"):
                tools.stop(f"{who} could not be run: {error}")
            tools.say(f"  {who} could not be run: {error}")
            self.failed[who] = str(error)

    def place(self, who, count, lines=None):
        return Place(who, self.who[who], count, lines)


# ---- memory and cold start ----

def size_and_start(results, who, count, seconds=START_SECONDS_MAX):
    with results.place(who, count) as place:
        results.add(f"{count} from cold, ms", who, place.start(seconds))
        if who != "bare":
            time.sleep(SETTLE_SECONDS)
            results.add(f"{count} services, PSS MiB", who, place.pss())


def sizes_and_starts(results):
    for count in (1, 10):
        tools.say(f"memory with {count}")
        for who in results.who:
            results.try_it(who, size_and_start, count)
    for number in range(ROUNDS):
        tools.say(f"100 services from cold, round {number + 1}")
        for who in results.who:
            if number == 0 or results.get("100 from cold, ms", who) is None or \
                    results.get("100 from cold, ms", who) < 3000:
                results.try_it(who, size_and_start, 100)


# ---- idle ----

def idle(results):
    """All at once: what is counted is each one's own."""
    tools.say(f"{IDLE_SECONDS} s idle with 100 services")
    places = []
    try:
        for who in results.who:
            def begin(_, who):
                if who != "bare":
                    places.append(results.place(who, 100).__enter__())
                    places[-1].start(START_SECONDS_MAX)
                    places[-1].counted = places[-1].supervisors()
            results.try_it(who, begin)
        for place in places:  # later ones are not its own
            place.supervisors = lambda counted=getattr(place, "counted", []): counted
        time.sleep(LOOKS_SECONDS + 5)
        before = [place.load() for place in places]
        time.sleep(IDLE_SECONDS)
        for place, (switches, nanoseconds) in zip(places, before):
            if place.name not in results.failed:
                after = place.load()
                results.add(WAKE_UPS, place.name, after[0] - switches)
                results.add(IDLE_CPU, place.name, (after[1] - nanoseconds) / 1e6)
    finally:
        end_all()
        for place in places:
            place.__exit__()


# ---- kill -9 ----

def kills(results, who):
    """In a steady beat, one service after the other; who is not back yet when its turn comes is waited for."""
    with results.place(who, KILL_SERVICES) as place:
        place.start()
        time.sleep(SETTLE_SECONDS)
        due = time.monotonic()
        end = due + KILL_SECONDS_MAX
        killed, times = {}, []

        def take(wait):
            reap()  # a zombie that left its session is ours now, and to monit it still lives
            for name, _, at in place.records(1, wait):
                if name in killed:
                    times.append((at - killed.pop(name)) / 1e6)

        for number in range(KILLS):
            due = max(due + KILL_EVERY, time.monotonic())
            name = place.names[number % KILL_SERVICES]
            while time.monotonic() < end and (time.monotonic() < due or name in killed):
                take(max(0.001, due - time.monotonic()))
            if time.monotonic() >= end:
                break
            killed[name] = time.monotonic_ns()
            os.kill(place.pids[name], 9)
        while killed and time.monotonic() < end:
            take(0.5)
        if len(times) < 2:
            place.cannot(f"only {len(times)} services came back after kill -9 within "
                         f"{KILL_SECONDS_MAX} s")
        results.add("kill -9 to first instruction, ms", who, tools.median(times))


# ---- log capture ----

def newest_line(place):
    """Number of the last whole line that the supervisor has written."""
    found = 0
    for path in glob.glob(place.disk + "/**/*", recursive=True):
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 220))
                lines = file.read().split(b"\n")
        except OSError:
            continue
        found = max([found] + [int(line[:10]) for line in lines if len(line) == 99 and line[:10].isdigit()])
    return found


def log(results, who, sample=False):
    last = LOG_LINES_BYTES // 100
    with results.place(who, 1, LOG_LINES_BYTES) as place:
        place.start()
        begin = time.monotonic()
        first_pss, most = (place.pss(), 0) if sample else (0, 0)
        while time.monotonic() - begin < LOG_SECONDS_MAX and not place.records(1, 0.1):
            most = max(most, place.pss()) if sample else 0
        while time.monotonic() - begin < LOG_SECONDS_MAX and (number := newest_line(place)) < last:
            time.sleep(0.002)
        seconds, number = time.monotonic() - begin, newest_line(place)
        if sample:
            results.add("PSS that 1 GiB of log adds, MiB", who, most - first_pss)
        elif number == 0:
            place.cannot("nothing of the log was written")
        else:
            results.add("log MB/s", who, number * 100 / seconds / 1e6)


def splice(results):
    """Nothing between the pipe and the file: what the machine can do with this stream."""
    with Place("splice", None, 1, LOG_LINES_BYTES) as place:
        reader, writer = os.pipe()
        with open(os.path.join(place.disk, "log"), "wb") as file:
            process = subprocess.Popen(place.command("s0"), stdout=writer, start_new_session=True)
            os.close(writer)
            place.records(1, 10)
            begin, left = time.monotonic(), LOG_LINES_BYTES // 100 * 100
            while left and (moved := os.splice(reader, file.fileno(), 1 << 20)):
                left -= moved
            results.add("log MB/s", "splice", (LOG_LINES_BYTES - left) / (time.monotonic() - begin) / 1e6)
        os.close(reader)
        process.kill()


def logs(results):
    tools.say("1 GiB of log")
    for number in range(ROUNDS):
        splice(results)
        for who in ("holdfast", "supervisor"):
            results.try_it(who, log)
    for who, (_, captures, _, _) in keeper_peers.PEERS.items():
        if captures and who != "supervisor":
            results.try_it(who, log)
    results.try_it("holdfast", log, True)


# ---- thousands ----

def many(results, begin):
    for count in MANY:
        tools.say(f"{count} services")
        try:
            size_and_start(results, "holdfast", count, MANY_SECONDS_MAX)
        except CannotRun as error:
            tools.say(f"  holdfast: {error}")
            results.failed[f"holdfast with {count} services"] = str(error)
        results.try_it("bare", size_and_start, count, MANY_SECONDS_MAX)
        for who, (_, _, most, _) in keeper_peers.PEERS.items():
            if count <= most and who not in results.failed:
                if time.monotonic() - begin > ALL_SECONDS_MAX:
                    tools.say(f"  {who}: no time left")
                    continue
                try:
                    size_and_start(results, who, count, 30)
                except CannotRun as error:
                    tools.say(f"  {who}: {error}")


# ---- the table ----

def row(results, table, measure, bar, met, unit="{:.2f}", better=min, peer=None):
    mine, peer = results.get(measure, "holdfast"), peer or results.best(measure, better)
    theirs = results.get(measure, peer) if peer else None
    if mine is None:
        table.add(measure, "-", "-", "-", "-", bar, False if met else None)
        return
    ratio = f"{mine / theirs:.2f}" if theirs else "-"
    table.add(measure, unit.format(mine), unit.format(theirs) if theirs is not None else "-", peer or "-",
              ratio, bar, met(mine) if met else None)


def flat_memory(results, table):
    """What one service more costs among thousands, beside what it costs among a hundred."""
    one, hundred, most = (results.get(f"{n} services, PSS MiB", "holdfast") for n in (1, 100, MANY[-1]))
    few = many_more = None
    if None not in (one, hundred, most):
        few, many_more = (hundred - one) * 1024 / 99, (most - one) * 1024 / (MANY[-1] - 1)
    flat(table, f"a service more at {MANY[-1]} and at 100, PSS KiB", many_more, few)


def flat_start(results, table):
    """Beside the bare loop: what a process costs the kernel grows with their number by itself."""
    shares = []
    for count in (MANY[-1], 100):
        mine, bare = (results.get(f"{count} from cold, ms", who) for who in ("holdfast", "bare"))
        shares.append(mine / bare if mine and bare else None)
    flat(table, f"{MANY[-1]} and 100 from cold, x bare", *shares)


def flat(table, name, most, few):
    if most is None or few is None:
        table.add(name, "-", "-", "ours at 100", "-", f"<= {FLAT_RATIO} x", False)
        return
    table.add(name, f"{most:.2f}", f"{few:.2f}", "ours at 100", f"{most / few:.2f}", f"<= {FLAT_RATIO} x",
              most <= FLAT_RATIO * few)


def show(results):
    table = tools.Table()
    for count, most in PSS_MIB.items():
        row(results, table, f"{count} services, PSS MiB", f"<= {most}", lambda x, most=most: x <= most)
    row(results, table, WAKE_UPS, "0", lambda x: x == 0, "{:.0f}")
    row(results, table, IDLE_CPU, "0", lambda x: x == 0, "{:.1f}")
    row(results, table, "kill -9 to first instruction, ms", f"<= {KILL_MS}", lambda x: x <= KILL_MS)
    row(results, table, "kill -9 to first instruction, ms", "-", None, peer="bare")
    row(results, table, "100 from cold, ms", f"<= {COLD_MS}", lambda x: x <= COLD_MS, "{:.0f}")
    row(results, table, "100 from cold, ms", "-", None, "{:.0f}", peer="bare")
    spliced, supervised = results.get("log MB/s", "splice"), results.get("log MB/s", "supervisor")
    row(results, table, "log MB/s", f">= {SPLICE_SHARE} x", lambda x: x >= SPLICE_SHARE * spliced, "{:.0f}",
        peer="splice")
    if supervised:
        row(results, table, "log MB/s", "ahead", lambda x: x > supervised, "{:.0f}", peer="supervisor")
    row(results, table, "log MB/s", "-", None, "{:.0f}", max)
    row(results, table, "PSS that 1 GiB of log adds, MiB", f"<= {RING_MIB}", lambda x: x <= RING_MIB)
    for count in MANY:
        row(results, table, f"{count} services, PSS MiB", "-", None)
        row(results, table, f"{count} from cold, ms", "-", None, "{:.0f}")
    flat_memory(results, table)
    flat_start(results, table)
    for who, why in results.failed.items():
        table.add(f"{who} could not be run", "-", "-", why[:60], "-", "runs", False)
    code = table.show()
    show_all(results)
    return code


def show_all(results):
    """What each of them did; `-`: it does not do that, or was not asked to."""
    measures = list(results.figures)
    rows = [["each, median"] + [who for who in [*results.who, "splice"]]]
    for measure in measures:
        cells = [results.get(measure, who) for who in rows[0][1:]]
        rows.append([measure] + ["-" if x is None else f"{x:.4g}" if x < 1000 else f"{x:,.0f}" for x in cells])
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    print()
    for cells in rows:
        print("  ".join(text.ljust(width) for text, width in zip(cells, widths)).rstrip())
    print("\nRestart: " + "; ".join(f"{who}: {how}" for who, how in keeper_peers.RESTART.items() if how))


def measure():
    keeper_peers.install()
    tools.build("src/holdfast", "src/holdfast-anchor", "src/holdfast-keeper", "bench/bench-keeper-service",
                "bench/bench-keeper-bare")
    adopt_orphans()
    results, begin = Results(), time.monotonic()
    try:
        sizes_and_starts(results)
        idle(results)
        tools.say(f"kill -9, {KILLS} times")
        for who in results.who:
            results.try_it(who, kills)
        logs(results)
        many(results, begin)
    finally:
        end_all()
    tools.say(f"Measured in {time.monotonic() - begin:.0f} s.")
    return show(results)
