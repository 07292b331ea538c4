# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the keeper before and after each file that it puts in place and each message that it sends,
while a service crashes, is restarted with its hooks, and a job runs. The places are not chosen by hand: the
keeper dies at the first, the second, ... that it passes, until it passes no more (kill_at.c). Whatever
happens, every service runs once, a crash is followed by one new life and told once, and a run of a job
happens at most once."""
import itertools
import json
import os
import signal
import unittest

import harness

BEHIND = 2  # orders in a row that kill nobody: then all places are passed
# One life at a time holds the lock; each life and each second one at the same time leaves a line.
ALONE = """
import fcntl, os, sys, time
name = sys.argv[1]
lock = open(name + ".lock", "a")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    word = "alone"
except OSError:
    word = "TWO"
with open(name, "a") as file:
    file.write(f"{word} {os.getpid()}\\n")
time.sleep(float(sys.argv[2]))
"""


class PlaceTests(harness.Case):
    def setUp(self):
        super().setUp()
        self.flag = self.folder / "order"
        (self.folder / "alone.py").write_text(ALONE)

    def alone(self, name, seconds=10000):
        return ["/usr/bin/python3", "-ES", str(self.folder / "alone.py"), str(self.folder / name), str(seconds)]

    def up_counting(self, services, program="holdfast-keeper"):
        library = harness.build_folder() / "tests" / "scenario" / "libkill_at.so"
        self.counting = {
            "LD_PRELOAD": str(library), "KILL_AT_PROGRAM": program, "KILL_AT_LOCAL": "1",
            "KILL_AT_FLAG": str(self.flag), "KILL_AT_LOG": str(self.folder / "places"),
            "ASAN_OPTIONS": self.env["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}
        return self.up({"services": {name: {"restart": {"delay": "0s", "max": 1000}, **service}
                                     for name, service in services.items()}}, env=self.counting)

    def lives(self, name):
        lines = (self.folder / name).read_text().splitlines()
        self.assertEqual([line for line in lines if not line.startswith("alone ")], [], f"{name}: two at once")
        return [int(line.split()[1]) for line in lines]

    def runs_once(self, name):
        service = self.service(name)
        return service["state"] == "ready" and self.lives(name)[-1] == service["pid"] and \
            harness.alive(service["pid"])

    def keeper(self):
        """Its pid; one that has just died may not have a successor that answers yet."""
        def answers():
            told = self.holdfast("status", "--json", code=None).stdout
            return told.startswith("{") and json.loads(told)["keeper_pid"]
        return self.wait("a keeper answers", answers)

    def deaths(self, act, check):
        """How many keepers died; `act` does something, `check` says when all that follows has happened."""
        died, spared = 0, 0
        for place in itertools.count():
            for when in ("before", "after"):
                keeper = self.keeper()
                self.flag.write_text(f"{place} {when}")
                act()
                self.wait(f"all is well after a death {when} place {place}", check)
                dead = not self.flag.exists()
                self.flag.unlink(missing_ok=True)
                self.assertTrue(not dead or self.keeper() != keeper)
                died, spared = died + dead, 0 if dead else spared + 1
            if spared > BEHIND:
                return died

    def test_a_crash(self):
        self.up_counting({"crashy": {"command": self.alone("crashy")}})
        self.wait("it runs", lambda: self.runs_once("crashy"))
        crashes = 0

        def crash():
            nonlocal crashes
            crashes += 1
            os.kill(self.lives("crashy")[-1], signal.SIGKILL)

        died = self.deaths(crash, lambda: len(self.lives("crashy")) > crashes and self.runs_once("crashy"))
        self.assertEqual(len(self.lives("crashy")), crashes + 1)
        self.assertEqual(self.service("crashy")["restarts"], crashes)
        told = [event["text"].partition(" after")[0] for event in self.events("exited", service="crashy")]
        self.assertEqual(told, ["killed by SIGKILL"] * crashes)
        history = self.holdfast_json("status", "crashy")["services"][0]["deaths"]
        kept = self.lives("crashy")[:-1][-20:]
        self.assertEqual([death["pid"] for death in history], kept)
        print(f"a crash: {died} deaths")
        self.assertGreater(died, 6)

    def test_the_anchor_over_a_crash(self):
        """Killed before and after each message of its own; the next `up` adopts what it had made."""
        anchor = self.up_counting({"crashy": {"command": self.alone("crashy")}}, "holdfast-anchor")
        self.wait("it runs", lambda: self.runs_once("crashy"))
        crashes, died, spared = 0, 0, 0
        for place in itertools.count():
            for when in ("before", "after"):
                self.flag.write_text(f"{place} {when}")
                crashes += 1
                os.kill(self.lives("crashy")[-1], signal.SIGKILL)
                self.wait("the anchor dies, or all goes on",
                          lambda: not anchor.running or (len(self.lives("crashy")) > crashes and
                                                         self.runs_once("crashy")))
                dead = not anchor.running
                self.flag.unlink(missing_ok=True)
                if dead:
                    anchor.wait()
                    anchor = self.up(env=self.counting)
                self.wait(f"it runs once after a death {when} place {place}",
                          lambda: len(self.lives("crashy")) > crashes and self.runs_once("crashy"))
                died, spared = died + dead, 0 if dead else spared + 1
            if spared > BEHIND:
                break
        self.assertEqual(len(self.lives("crashy")), crashes + 1)
        print(f"the anchor over a crash: {died} deaths")
        self.assertGreater(died, 3)

    def test_a_restart_with_hooks(self):
        hook = ["/bin/true"]
        self.up_counting({"plain": {"command": self.alone("plain")},
                          "hooked": {"command": self.alone("hooked"), "before_start": hook, "after_stop": hook}})
        both = lambda: self.runs_once("plain") and self.runs_once("hooked")
        self.wait("they run", both)
        asked = 0

        def restart():
            nonlocal asked
            asked += 1
            self.holdfast("restart", "plain", "hooked", code=None)

        died = self.deaths(restart, both)
        for name in ("plain", "hooked"):
            self.assertLessEqual(len(self.lives(name)), asked + 1)
        print(f"a restart with hooks: {died} deaths")
        self.assertGreater(died, 20)

    def test_a_run_of_a_job(self):
        self.up_counting({"report": {"command": self.alone("report", 0.05), "at": "00:00", "days": ["mon"]}})
        (self.folder / "report").touch()
        asked = 0

        def run():
            nonlocal asked
            asked += 1
            self.holdfast("start", "report", code=None)

        died = self.deaths(run, lambda: self.service("report")["state"] == "scheduled")
        self.assertLessEqual(len(self.lives("report")), asked)
        print(f"a run of a job: {died} deaths")
        self.assertGreater(died, 6)


if __name__ == "__main__":
    unittest.main()
