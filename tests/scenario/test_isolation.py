# SPDX-License-Identifier: Apache-2.0
"""What a stop takes along: everything that a service ever started, in both ways by which it is found
(cgroup v2, and where none is writable session and marks), through kills of keeper and anchor."""

import os
import pathlib
import re
import signal
import sys

import harness

# Its child leaves session, parent and environment, and ignores SIGTERM.
FLEES = """
import os, signal, subprocess, sys, time
child = ("import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
         "os.setsid(); os.fork() and os._exit(0); "
         "open(sys.argv[1], 'a').write(str(os.getpid()) + chr(10)); time.sleep(1000)")
subprocess.run(["env", "-i", sys.executable, "-c", child, os.path.abspath(sys.argv[1])], check=True)
print("fled", flush=True)
time.sleep(1000)
"""

# Pairs that watch each other in sessions of their own: whoever sees the other die makes a new one.
# (Each line of them ends after some lives, lest a broken stop leaves a storm behind.)
STORM = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def hydra(lives):
    while lives:
        lives -= 1
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.setsid()
            os.close(writing)
            os.read(reading, 1)
            os.close(reading)
            continue
        os.close(reading)
        os.wait()
        os.close(writing)
    os._exit(0)
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        hydra(30)
print("storm", flush=True)
time.sleep(1000)
"""


class IsolationCase(harness.Case):
    def script(self, name, text, *words):
        (self.folder / name).write_text(text)
        return [sys.executable, name, *map(str, words)]

    def fleeing(self, name="a", **more):
        return {"command": self.script("flees.py", FLEES, f"{name}.pids"), "stop_timeout": "300ms",
                **more}

    def fled(self, name="a", count=1):
        """The newest of the pids that fled so far."""
        def pid():
            pids = (self.folder / f"{name}.pids").read_text().split()
            return int(pids[-1]) if len(pids) >= count else None
        return self.wait("the child fled", pid)

    def tree_of(self, name):
        """Every living process that carries the marks of the service."""
        mark = f"HOLDFAST_SERVICE={name}".encode()
        found = []
        for pid in self._own_pids():
            try:
                if mark in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found.append(pid)
            except OSError:
                pass
        return found

    def storm_is_ended(self):
        self.wait("it storms", lambda: "storm" in self.log("a"), 60)
        self.wait("all are there", lambda: len(self.tree_of("a")) >= 301, 60)
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        self.wait("nobody of it is left", lambda: not self.tree_of("a"))
        self.assertTrue(harness.alive(self.service("b")["pid"]))


class CgroupTests(IsolationCase):
    def up(self, *arguments, **more):
        program = super().up(*arguments, **more)
        isolation = self.status()["isolation"]
        if not isolation.startswith("cgroup v2 /"):
            self.skipTest("no cgroup v2 is writable on this machine")
        self.cgroup = pathlib.Path(isolation.removeprefix("cgroup v2 "))
        self.addCleanup(self.remove_cgroups)
        return program

    def remove_cgroups(self):
        """After a test that failed."""
        for folder in [*self.cgroup.glob("*/"), self.cgroup] if self.cgroup.exists() else []:
            (folder / "cgroup.kill").write_text("1")
            self.wait("the cgroup can be removed", lambda: folder.rmdir() or True)

    def pids_in(self, name):
        return list(map(int, (self.cgroup / name / "cgroup.procs").read_text().split()))

    def test_a_stop_finds_what_has_no_mark_left(self):
        up = self.up({"services": {"a": self.fleeing(), "b": {"command": "sleep 1000"}}})
        fled = self.fled()
        self.assertIn(fled, self.pids_in("a"))
        self.assertEqual(self.pids_in("b"), [self.service("b")["pid"]])
        self.assertEqual(pathlib.Path(f"/proc/{fled}/environ").read_bytes(), b"")
        self.assertEqual(self.status()["isolation"], f"cgroup v2 {self.cgroup}")
        self.assertIn(", cgroup v2\n", self.holdfast("status").stdout)
        b = self.service("b")["pid"]
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        self.wait("the fled one is gone", lambda: not harness.alive(fled))
        self.assertEqual(self.service("b")["pid"], b)
        up.signal(signal.SIGTERM)
        self.assertEqual(up.wait(), 0, up.stderr)
        self.assertFalse(self.cgroup.exists(), "an empty cgroup stayed")
        self.assertFalse((self.run_folder / "cgroup").exists())

    def test_a_crash_and_a_second_signal_take_it_along_too(self):
        up = self.up({"services": {"a": self.fleeing(restart={"delay": "50ms"}),
                                   "b": self.fleeing("b", stop_timeout="120s")}})
        first, other = self.fled(), self.fled("b")
        os.kill(self.service("a")["pid"], signal.SIGKILL)
        self.wait("the fled one is gone", lambda: not harness.alive(first))
        second = self.fled(count=2)
        self.assertIn(second, self.pids_in("a"))
        up.signal(signal.SIGTERM)
        up.signal(signal.SIGTERM)
        up.wait()
        self.wait("all are gone", lambda: not harness.alive(second) and not harness.alive(other))

    def test_a_storm_is_ended(self):
        self.up({"services": {"a": {"command": self.script("storm.py", STORM, 150),
                                    "stop_timeout": "300ms"}, "b": {"command": "sleep 1000"}}})
        self.storm_is_ended()

    def test_probes_and_users_are_in_it(self):
        user = {"user": "nobody"} if os.geteuid() == 0 else {}
        self.up({"services": {"a": {"command": ["sh", "-c", "cat /proc/self/cgroup; sleep 1000"],
                                    "ready": {"exec": ["grep", "-q", "/a$", "/proc/self/cgroup"]},
                                    **user}}})
        self.wait_ready("a")
        self.assertRegex(self.log("a"), rf"(?m)^0::.*/{re.escape(self.cgroup.name)}/a$")
        self.assertNotIn("cannot", self.log("a"))

    def test_keeper_and_anchor_killed_the_same_cgroup_serves_on(self):
        up = self.up({"services": {"a": self.fleeing()}})
        fled, pid = self.fled(), self.service("a")["pid"]
        before = self.status()
        os.kill(before["keeper_pid"], signal.SIGKILL)
        self.wait("another keeper", lambda: self.status()["keeper_pid"] != before["keeper_pid"])
        self.assertEqual(self.status()["isolation"], before["isolation"])
        up.kill()
        up = self.up(None)
        self.assertEqual(self.status()["isolation"], before["isolation"])
        self.assertEqual(self.service("a")["pid"], pid)
        self.assertTrue(harness.alive(fled))
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        self.wait("the fled one is gone", lambda: not harness.alive(fled))
        self.assertEqual(up.stop(), 0)
        self.assertFalse(self.cgroup.exists())

    def test_the_next_up_cleans_after_a_kill_of_everything(self):
        up = self.up({"services": {"a": self.fleeing(), "old": {"command": "sleep 1000"}}})
        fled, old = self.fled(), self.service("old")["pid"]
        keeper, pid = self.status()["keeper_pid"], self.service("a")["pid"]
        up.kill()
        for number in (keeper, pid, old):
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.assertTrue(harness.alive(fled))
        up = self.up({"services": {"b": {"command": "sleep 1000"}}})
        self.wait("the fled one is gone", lambda: not harness.alive(fled))
        self.wait_ready("b")
        self.assertEqual(up.stop(), 0)
        self.assertFalse(self.cgroup.exists())

    def test_a_service_that_leaves_the_config_leaves_no_cgroup(self):
        self.up({"services": {"a": {"command": "sleep 1000"}, "b": {"command": "sleep 1000"}}})
        self.wait_ready("a", "b")
        self.write_config({"services": {"b": {"command": "sleep 1000"}}})
        self.holdfast("reload")
        self.wait("a is gone", lambda: "a" not in self.pids())
        self.write_config({"services": {"b": {"command": "sleep 1000"}}, "name": "again"})
        self.holdfast("reload")
        self.wait("its cgroup too", lambda: not (self.cgroup / "a").exists())
        self.assertTrue((self.cgroup / "b").exists())


class SubreaperTests(IsolationCase):
    def test_without_cgroup_status_says_so_and_a_storm_is_ended(self):
        self.up({"cgroup": False,
                 "services": {"a": {"command": self.script("storm.py", STORM, 150),
                                    "stop_timeout": "300ms"}, "b": {"command": "sleep 1000"}}})
        self.assertEqual(self.status()["isolation"], "subreaper")
        self.assertFalse((self.run_folder / "cgroup").exists())
        self.storm_is_ended()

    def test_what_kept_its_marks_is_found(self):
        keeps = FLEES.replace('"env", "-i", ', "")
        self.assertNotEqual(keeps, FLEES)
        self.up({"cgroup": False,
                 "services": {"a": {"command": self.script("keeps.py", keeps, "a.pids"),
                                    "stop_timeout": "300ms"}}})
        fled = self.fled()
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        self.wait("the fled one is gone", lambda: not harness.alive(fled))
