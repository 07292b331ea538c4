# SPDX-License-Identifier: Apache-2.0
"""What a review found: each of these once failed."""
import json
import os
import pathlib
import signal
import socket
import time
import unittest

import harness

NOTIFIER = """
import os, socket, sys, time
link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
link.connect(os.environ["NOTIFY_SOCKET"])
for line in sys.argv[1:]:
    link.send(line.encode())
time.sleep(1000)
"""


class EdgeCase(harness.Case):
    def kill_keeper(self):
        keeper = self.status()["keeper_pid"]
        os.kill(keeper, signal.SIGKILL)
        self.wait("there is a new keeper", lambda: self.status()["keeper_pid"] != keeper)

    def ask(self, line):
        """One raw line to the control socket; the answer, or None when the other end closed."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(harness.PATIENCE_SECONDS)
            link.connect(str(self.run_folder / "control.sock"))
            link.sendall(line if line.endswith(b"\n") else line + b"\n")
            answer = link.makefile("rb").readline()
        return json.loads(answer) if answer else None


class ConfigInForceTests(EdgeCase):
    SERVICES = {"a": {"command": "sleep 1000"}, "b": {"command": "sleep 1000"}}

    def test_a_half_edited_file_does_not_keep_the_keeper_away(self):
        self.up({"services": self.SERVICES})
        self.wait_ready("a", "b")
        before = self.pids()
        self.write_config("services: {a: {comm")
        self.kill_keeper()
        self.assertEqual(self.pids(), before)
        self.holdfast("restart", "a")
        self.wait_ready("a")

    def test_a_kill_applies_nothing_of_an_edited_file(self):
        self.up({"services": self.SERVICES})
        self.wait_ready("a", "b")
        before = self.pids()
        self.write_config({"services": {"a": {"command": "sleep 2000"}, "c": {"command": "sleep 9"}}})
        self.kill_keeper()
        self.assertEqual(self.pids(), before)
        self.holdfast("reload")
        self.wait_ready("a", "c")
        self.assertNotEqual(self.pids()["a"], before["a"], "the changed one was restarted")
        self.wait("the removed one is gone", lambda: not harness.alive(before["b"]))

    def test_a_new_up_takes_the_file_and_restarts_only_what_changed(self):
        up = self.up({"services": self.SERVICES})
        self.wait_ready("a", "b")
        before = self.pids()
        os.kill(self.status()["pid"], signal.SIGKILL)
        up.process.wait()
        self.up({"services": {**self.SERVICES, "a": {"command": "sleep 2000"}}})
        self.wait("the changed one runs anew", lambda: self.service("a")["state"] == "ready" and
                  self.pids()["a"] != before["a"])
        self.assertEqual(self.pids()["b"], before["b"])

    def test_removed_and_put_back(self):
        slow = {"command": ["sh", "-c", "trap 'sleep 1; exit' TERM; while :; do sleep 0.1; done"]}
        self.up({"services": {"a": {"command": "sleep 1000"}, "slow": slow}})
        self.wait_ready("a", "slow")
        self.write_config({"services": {"a": {"command": "sleep 1000"}}})
        self.holdfast("reload")
        self.write_config({"services": {"a": {"command": "sleep 1000"}, "slow": slow}})
        self.holdfast("reload")
        self.wait("it runs again", lambda: self.pids().get("slow"))
        self.wait_ready("slow")


class ExitTests(EdgeCase):
    def test_every_exit_is_known_through_kills(self):
        services = {f"s{number}": {"command": ["sh", "-c", f"sleep 0.0{number}; exit {40 + number}"],
                                   "restart": {"delay": "0s", "max": 1000000}}
                    for number in range(1, 9)}
        self.up({"services": services})
        self.wait("all have run", lambda: all(s["exits"] for s in self.status()["services"]))
        for _ in range(15):
            time.sleep(0.03)
            self.kill_keeper()
        deaths = sorted((self.run_folder / "deaths").iterdir())
        self.assertEqual(len(deaths), 8)
        for path in deaths:
            for death in json.loads(path.read_text()):
                self.assertTrue(death["known"], path.name)
                self.assertEqual(death["code"], 40 + int(path.name[1:]))
        for service in self.status()["services"]:
            self.assertNotIn("nobody was there", service["why"])

    def test_a_wait_for_a_change_survives_the_keeper(self):
        self.up({"services": {"a": {"command": ["sh", "-c", "exit 78"],
                                    "restart": {"retry": "200ms"}}}})
        self.wait_state("a", "failed")
        self.kill_keeper()
        time.sleep(0.6)
        self.assertEqual(self.service("a")["exits"], 1)

    def test_why_it_is_not_ready_is_said(self):
        port = self.port("nobody")
        self.up({"services": {"a": {"command": "sleep 1000", "start_timeout": "1s",
                                    "ready": {"tcp": f"127.0.0.1:{port}"},
                                    "restart": {"delay": "100s"}}}})
        self.wait("the reason is shown", lambda: "refused" in self.service("a")["why"])
        self.wait_state("a", "backoff")
        self.assertIn("refused", self.service("a")["why"])

    def test_a_log_removed_from_outside_is_made_anew(self):
        self.up({"services": {"a": {"command": ["sh", "-c",
                 "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done"]}}})
        log = self.data_folder() / "logs" / "a.log"
        self.wait("there is a log", log.exists)
        log.unlink()
        self.wait("there is one again", lambda: log.exists() and log.stat().st_size)


class QuietTests(EdgeCase):
    def processor_seconds(self, pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def assert_quiet(self):
        keeper = self.status()["keeper_pid"]
        before = self.processor_seconds(keeper)
        time.sleep(1)
        self.assertLess(self.processor_seconds(keeper) - before, 0.2)

    def test_services_that_have_ended_keep_nobody_busy(self):
        """The last writer of a log is gone: that is no news for ever."""
        self.up({"services": {
            "stopped": {"command": "sh -c 'echo hello; exec sleep 1000'"},
            "job": {"command": "sh -c 'echo done'", "every": "1h"},
            "broken": {"command": "sh -c 'echo no; exit 78'"}}})
        self.wait_ready("stopped")
        self.holdfast("stop", "stopped")
        self.wait("all have ended", lambda: all(not service["pid"] for service in self.status()["services"]))
        self.assert_quiet()
        self.holdfast("start", "stopped")
        self.wait_ready("stopped")
        self.kill_keeper()
        self.holdfast("stop", "stopped")
        self.assert_quiet()
        self.assertEqual(self.log("stopped").count("hello"), 2)


class HungKeeperTests(EdgeCase):
    def test_a_second_signal_ends_everything_though_the_keeper_hangs(self):
        up = self.up({"services": {"a": {"command": "sleep 1000"}}})
        pid = self.wait_ready("a")[0]["pid"]
        os.kill(self.status()["keeper_pid"], signal.SIGSTOP)
        up.signal(signal.SIGTERM)
        time.sleep(0.2)
        self.assertTrue(harness.alive(pid))
        up.signal(signal.SIGTERM)
        self.assertEqual(up.wait(15), 70)
        self.wait("the service is gone", lambda: not harness.alive(pid))


class ReplaceTests(EdgeCase):
    def test_replace_takes_over_in_an_orderly_way(self):
        first = self.up({"services": {"a": {"command": "sleep 1000"}}})
        self.wait_ready("a")
        before = self.pids()["a"]
        self.start("holdfast", "up", "--replace", "-c", self.config, "--run", self.run_folder)
        self.assertEqual(first.wait(20), 0, "the first one ended in order")
        self.wait("the second one runs it", lambda: self.holdfast(
            "status", "--json", code=None).code == 0 and self.pids()["a"] not in (0, before))


class NotifyTests(EdgeCase):
    def notifier(self, *lines, **more):
        script = self.folder / "notifier.py"
        script.write_text(NOTIFIER)
        return {"command": ["/usr/bin/python3", str(script), *lines], **more}

    def test_a_long_status_in_another_script(self):
        self.up({"services": {"a": self.notifier("READY=1", "STATUS=ab" + "\u1ec7" * 100,
                                                 ready="notify")}})
        self.wait_ready("a")
        self.wait("the status text is there", lambda: self.service("a")["status_text"])
        self.assertTrue(self.service("a")["status_text"].startswith("ab\u1ec7\u1ec7"))
        self.kill_keeper()
        self.assertTrue(self.service("a")["status_text"].startswith("ab\u1ec7\u1ec7"))

    def test_a_connected_notify_socket_outlives_the_keeper(self):
        script = self.folder / "beater.py"
        script.write_text(NOTIFIER.replace("time.sleep(1000)", "while True:\n    time.sleep(0.1)\n"
                                           "    link.send(b'WATCHDOG=1')"))
        self.up({"services": {"a": {"command": ["/usr/bin/python3", str(script), "READY=1"],
                                    "ready": "notify", "watchdog": "700ms"}}})
        pid = self.wait_ready("a")[0]["pid"]
        for _ in range(3):
            self.kill_keeper()
        time.sleep(1.5)
        self.assertEqual((self.service("a")["pid"], self.service("a")["state"]), (pid, "ready"))

    def test_a_heartbeat_before_ready_does_not_make_us_spin(self):
        self.up({"services": {"a": self.notifier("WATCHDOG=1", ready="notify", watchdog="200ms")}})
        self.wait_state("a", "starting")
        time.sleep(0.5)
        keeper = self.status()["keeper_pid"]

        def cpu_ticks():
            with open(f"/proc/{keeper}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        before = cpu_ticks()
        time.sleep(1.5)
        self.assertLess(cpu_ticks() - before, 30, "of 150 ticks")


class ProbeTests(EdgeCase):
    def test_exec_probes_do_not_kill_each_other(self):
        probe = {"exec": "sleep 0.3", "every": "100ms", "timeout": "1s", "failures": 1}
        self.up({"services": {name: {"command": "sleep 1000", "health": probe}
                              for name in "abcdef"}})
        self.wait_ready(*"abcdef")
        before = self.pids()
        time.sleep(4)
        self.assertEqual(self.pids(), before)


class ControlTests(EdgeCase):
    def test_nonsense_is_refused_and_harms_nothing(self):
        self.up({"services": {"a": {"command": "sleep 1000"}}})
        self.wait_ready("a")
        keeper = self.status()["keeper_pid"]
        for line in (b"", b"{", b"[]", b"null", b"5", b'{"do":5}', b'{"do":"stop"}', b"\xff\xfe",
                     b'{"do":"stop","all":true,"services":[1]}', b'{"do":"stop","services":"a"}',
                     b'{"do":"status","services":[null]}', b'{"do":"start","services":[{}]}',
                     b'{"do":"events","after":"x"}', b'{"id":{"a":1},"do":"nothing"}',
                     b"[" * 3000, b'{"do":"' + b"x" * 100000 + b'"}', b"x" * 2000000):
            try:
                answer = self.ask(line)
            except (ConnectionError, BrokenPipeError):
                answer = None  # a line that is too long ends the connection
            if line != b'{"do":"events","after":"x"}':
                self.assertFalse(answer and answer["ok"], line[:60])
        self.assertEqual(self.status()["keeper_pid"], keeper)
        self.assertEqual(self.service("a")["state"], "ready")


if __name__ == "__main__":
    unittest.main()
