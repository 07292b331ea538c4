# SPDX-License-Identifier: Apache-2.0
"""What a service may have beside its command: hooks, limits, instances."""
import os
import pathlib
import signal
import unittest

import harness


class HookTests(harness.Case):
    def note(self, text):
        return ["sh", "-c", f"echo {text} >> {self.folder}/notes"]

    def notes(self):
        path = self.folder / "notes"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def test_before_each_start_and_after_each_end(self):
        self.up({"services": {"s": {
            "before_start": self.note("before"),
            "command": ["sh", "-c", f"echo runs >> {self.folder}/notes; sleep 1000"],
            "after_stop": self.note("after $HOLDFAST_HOOK $HOLDFAST_EXIT_CODE $HOLDFAST_EXIT_SIGNAL"),
            "restart": {"delay": "0s"}}}})
        self.wait("it runs", lambda: self.notes() == ["before", "runs"])
        pid = self.service("s")["pid"]
        os.kill(pid, signal.SIGKILL)
        self.wait("it runs again", lambda: self.notes()[2:] ==
                  ["after after_stop -1 9", "before", "runs"])
        self.holdfast("down")
        self.assertEqual(self.notes()[5:], ["after after_stop -1 15"])

    def test_a_failing_hook_starts_nothing(self):
        self.up({"services": {"s": {"before_start": ["sh", "-c", "echo no room; exit 3"],
                                    "command": "sleep 1000",
                                    "restart": {"max": 1, "delay": "10ms"}},
                              "t": {"command": "sleep 1000", "needs": ["s"]}}})
        self.wait_state("s", "failed")
        self.assertEqual(self.service("s")["why"], "before_start: exit code 3")
        self.assertEqual(self.service("t")["state"], "waiting")
        self.assertIn("no room", self.log("s"))

    def test_a_hook_ends_with_its_time_and_with_a_stop(self):
        self.up({"services": {
            "slow": {"before_start": "sleep 1000", "command": "sleep 1000", "start_timeout": "300ms",
                     "restart": {"max": 0}},
            "stopped": {"before_start": "sleep 1001", "command": "sleep 1000"}}})
        self.wait_state("slow", "failed")
        self.wait_state("stopped", "preparing")
        self.holdfast("stop", "stopped")
        self.wait_state("stopped", "stopped")
        self.holdfast("down")

    def test_a_hook_that_runs_on_after_the_anchor_ends_before_the_next(self):
        """Nobody can say how it ends: it is ended, and its start is tried again as a whole."""
        script = (f"echo begin $$ >> {self.folder}/notes; sleep $(cat {self.folder}/time); "
                  f"echo end $$ >> {self.folder}/notes")
        (self.folder / "time").write_text("1000\n")
        program = self.up({"services": {"s": {"before_start": ["sh", "-c", script],
                                              "command": "sleep 1000",
                                              "restart": {"delay": "0s", "max": 1000}}}})
        self.wait("a hook has begun", self.notes)
        hook = int(self.notes()[0].split()[1])
        os.kill(self.status()["pid"], signal.SIGKILL)
        program.wait(harness.PATIENCE_SECONDS)
        self.assertTrue(harness.alive(hook))
        (self.folder / "time").write_text("0\n")
        self.up()
        self.wait_ready("s")
        self.assertFalse(harness.alive(hook))
        words = [line.split() for line in self.notes()]
        self.assertEqual([word for word, _ in words], ["begin", "begin", "end"])
        self.assertEqual(words[1][1], words[2][1])

    def test_a_killed_keeper_runs_no_hook_twice(self):
        script = f"echo begin >> {self.folder}/notes; sleep 0.4; echo end >> {self.folder}/notes"
        self.up({"services": {"s": {"before_start": ["sh", "-c", script],
                                    "command": "sleep 1000",
                                    "after_stop": ["sh", "-c", script],
                                    "restart": {"delay": "0s", "max": 1000}}}})
        for _ in range(5):
            pid = self.wait_ready("s")[0]["pid"]
            begun = self.notes().count("begin")
            os.kill(pid, signal.SIGKILL)
            for more in (1, 2):  # the one after, and the one before the next start
                self.wait("a hook has begun", lambda: self.notes().count("begin") == begun + more)
                os.kill(self.wait("the keeper answers", lambda: self.status()["keeper_pid"]),
                        signal.SIGKILL)
            self.wait("it runs again", lambda: self.service("s")["pid"] not in (0, pid))
        self.holdfast("down")
        self.assertEqual(self.notes(), ["begin", "end"] * (len(self.notes()) // 2))


class LimitTests(harness.Case):
    def test_limits(self):
        self.up({"services": {"s": {
            "command": ["sh", "-c", "awk '/Max processes/ {print $3}' /proc/self/limits; ulimit -c; nice; cat /proc/self/oom_score_adj; "
                        "sleep 1000"],
            "limits": {"processes": 12345, "core": "0", "nice": 7, "oom_score_adj": 321}}}})
        self.wait("it has printed", lambda: self.log("s").count("\n") == 4)
        self.assertEqual(self.log("s").split(), ["12345", "0", "7", "321"])

    def test_address_space(self):
        self.up({"services": {"s": {
            "command": ["/usr/bin/python3", "-c", "bytearray(300 << 20)"],
            "limits": {"address_space": "200MB"}, "restart": "never"}}})
        self.wait("it has ended", lambda: self.service("s")["last_exit"])
        self.assertIn("MemoryError", self.log("s"))


class InstanceTests(harness.Case):
    def config_of(self, count):
        return {"services": {
            "w": {"command": ["sh", "-c", "echo I am $HOLDFAST_INSTANCE; sleep 1000"],
                  "instances": count},
            "after": {"command": "sleep 1000", "needs": ["w"]}}}

    def test_each_is_a_service_and_all_have_one_name(self):
        self.up(self.config_of(3))
        self.wait_ready("w-1", "w-2", "w-3", "after")
        for number in (1, 2, 3):
            self.wait("it has said who it is",
                      lambda: self.log(f"w-{number}") == f"I am {number}\n")
        before = self.pids()
        self.holdfast("restart", "w-2")
        after = self.pids()
        self.assertNotEqual(after.pop("w-2"), before.pop("w-2"))
        self.assertEqual(after, before)
        self.holdfast("stop", "w")
        for name in ("w-1", "w-2", "w-3", "after"):
            self.wait_state(name, "stopped")

    def test_more_and_fewer_leave_the_rest_alone(self):
        self.up(self.config_of(2))
        self.wait_ready("w-1", "w-2", "after")
        before = self.pids()
        self.write_config(self.config_of(4))
        self.holdfast("reload")
        self.wait_ready("w-3", "w-4")
        self.assertEqual(self.pids()["w-1"], before["w-1"])
        self.write_config(self.config_of(2))
        self.holdfast("reload")
        self.wait("two are gone", lambda: "w-3" not in self.pids() and "w-4" not in self.pids())
        self.assertEqual(self.pids()["w-2"], before["w-2"])

    def test_wrong(self):
        self.write_config({"services": {"w": {"command": "sleep 1", "instances": 2},
                                        "w-1": {"command": "sleep 1"},
                                        "c": {"command": "sleep 1", "instances": 2,
                                              "consumer": "b"}},
                           "bots": {"b": {"token": "1:x"}}})
        said = self.holdfast("check", code=78).stderr
        self.assertIn("'w-1' is also the name of an instance of 'w'", said)
        self.assertIn("instances of one consumer", said)


if __name__ == "__main__":
    unittest.main()
