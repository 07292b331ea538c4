# SPDX-License-Identifier: Apache-2.0
"""Jobs: services that run at the slots of a calendar. Slots themselves are reckoned in the unit test
of policy/calendar, decisions at jumps of the clock in that of engine/services_jobs; here are whole
programs, with a wall clock that the test sets (clock_jump.c)."""

import datetime
import json
import os
import signal
import struct
import time
import unittest
import zoneinfo

import harness
from test_gateway import TOKEN, HubCase

# Begins, says so in a file, and ends when it is told to (or after `seconds`) with the code given.
JOB = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
with open(folder / "runs", "a") as runs:
    runs.write(f"begin {os.getpid()} {' '.join(sys.argv[2:])}\\n")
while (folder / "hold").exists():
    time.sleep(0.02)
with open(folder / "runs", "a") as runs:
    runs.write(f"end {os.getpid()}\\n")
sys.exit(int((folder / "code").read_text()) if (folder / "code").exists() else 0)
"""
FAR = {"at": "00:00", "days": ["mon"], "timezone": "Pacific/Kiritimati"}


class JobCase(harness.Case):
    def job(self, *words, **options):
        (self.folder / "job.py").write_text(JOB)
        return {"command": ["python3", str(self.folder / "job.py"), str(self.folder), *words],
                **options}

    def runs(self):
        path = self.folder / "runs"
        return path.read_text().splitlines() if path.exists() else []

    def begun(self):
        return [line for line in self.runs() if line.startswith("begin")]

    def hold(self):
        (self.folder / "hold").touch()

    def let_go(self):
        (self.folder / "hold").unlink()

    def wait_event(self, what, count=1):
        return self.wait(f"{count} x {what}",
                         lambda: len(self.events(what)) >= count and self.events(what))

    def kill_keeper(self):
        keeper = self.status()["keeper_pid"]
        os.kill(keeper, signal.SIGKILL)
        self.wait("there is a new keeper", lambda: self.status()["keeper_pid"] != keeper)


class JobTests(JobCase):
    def test_runs_at_each_slot_and_is_told(self):
        self.up({"services": {"tick": self.job(every="1s")}})
        self.wait("three runs", lambda: len(self.begun()) >= 3)
        self.wait_event("job_done", 3)
        self.wait_state("tick", "scheduled")
        seen = self.service("tick")
        self.assertEqual(seen["timezone"], "UTC")
        last = datetime.datetime.fromisoformat(seen["last_run"].replace("Z", "+00:00"))
        following = datetime.datetime.fromisoformat(seen["next_run"].replace("Z", "+00:00"))
        self.assertLess(last, following)
        self.assertEqual(following.microsecond, 0)
        self.assertEqual(self.events("exited", "restarting"), [])

    def test_never_two_at_once(self):
        self.hold()
        self.up({"services": {"slow": self.job(every="1s")}})
        missed = self.wait_event("job_missed")
        self.assertIn("the run before it is still going", missed[0]["text"])
        self.assertEqual(len(self.runs()), 1)
        self.assertEqual(self.service("slow")["state"], "running")
        self.let_go()
        self.wait("it runs again", lambda: len(self.begun()) >= 2)
        order = [line.split()[0] for line in self.runs()]
        for one, other in zip(order, order[1:]):
            self.assertNotEqual((one, other), ("begin", "begin"), order)

    def test_start_runs_it_now_and_restart_all_does_not(self):
        self.up({"services": {"report": self.job(**FAR), "other": {"command": "sleep 1000"}}})
        self.wait_ready("other")
        before = self.wait_state("report", "scheduled")
        self.assertIsNone(before["last_run"])
        self.holdfast("start", "all")
        self.holdfast("restart", "all")
        self.assertEqual(self.runs(), [])
        self.holdfast("start", "report")
        self.wait_event("job_done")
        self.assertEqual(len(self.begun()), 1)
        after = self.wait_state("report", "scheduled")
        self.assertEqual(after["next_run"], before["next_run"])
        self.assertIsNotNone(after["last_run"])
        self.assertEqual(after["last_outcome"], "done")
        self.assertRegex(self.holdfast("status").stdout,
                         r"report +scheduled .*next 20\d\d-.*; last done 20\d\d-.*, took \d")

    def test_stopped_and_started_by_hand(self):
        self.hold()
        self.up({"services": {"report": self.job(**FAR)}})
        self.wait_state("report", "scheduled")
        self.holdfast("start", "report")
        self.wait("it runs", self.begun)
        self.holdfast("stop", "report")
        seen = self.wait_state("report", "stopped")
        self.assertEqual(seen["last_outcome"], "stopped")
        self.assertIsNone(seen["next_run"])
        self.assertEqual(self.events("job_failed"), [])

    def test_a_long_run_is_stopped_with_its_whole_tree(self):
        command = ["sh", "-c", "setsid sleep 1000 & echo $! > child; trap '' TERM; "
                               "while :; do sleep 0.1; done"]
        self.up({"services": {"long": {"command": command, "timeout": "300ms",
                                       "stop_timeout": "200ms", **FAR}}})
        self.wait_state("long", "scheduled")
        self.holdfast("start", "long")
        failed = self.wait_event("job_failed")
        self.assertIn("ran longer than its timeout of 300 ms", failed[0]["text"])
        child = int((self.folder / "child").read_text())
        self.wait("its child is gone", lambda: not harness.alive(child))
        self.assertEqual(self.wait_state("long", "scheduled")["last_outcome"], "failed")

    def test_a_failed_run_is_retried_as_often_as_said(self):
        (self.folder / "code").write_text("3")
        self.up({"services": {"flaky": self.job(**FAR, retry=2, restart={"delay": "50ms"}),
                              "once": self.job("once", **FAR)}})
        self.wait_state("flaky", "scheduled")
        self.holdfast("start", "flaky")
        failed = self.wait_event("job_failed", 3)
        self.assertEqual(["trying again" in event["text"] for event in failed],
                         [True, True, False])
        self.assertEqual(len(self.begun()), 3)
        self.holdfast("start", "once")
        self.wait_event("job_failed", 4)
        seen = self.wait_state("once", "scheduled")
        self.assertEqual(seen["last_outcome"], "failed")
        self.assertIn("exit code 3", seen["why"])
        self.assertIn("exit code 3", self.holdfast("status").stdout)

    def test_kill_9_of_the_keeper_in_the_middle_of_a_run(self):
        self.hold()
        self.up({"services": {"report": self.job(**FAR)}})
        planned = self.wait_state("report", "scheduled")["next_run"]
        self.holdfast("start", "report")
        self.wait("it runs", self.begun)
        self.wait_state("report", "running")
        self.kill_keeper()
        self.assertEqual(self.service("report")["state"], "running")
        self.let_go()
        self.wait_event("job_done")
        seen = self.wait_state("report", "scheduled")
        self.assertEqual(seen["next_run"], planned)
        self.kill_keeper()
        self.assertEqual(self.service("report")["state"], "scheduled")
        self.assertEqual(len(self.begun()), 1)

    def test_a_keeper_that_is_killed_again_and_again_misses_no_slot_in_silence(self):
        self.up({"services": {"tick": self.job(every="1s")}})
        for number in range(4):
            self.wait("one more run", lambda: len(self.begun()) > number)
            self.kill_keeper()
        self.wait("one more run", lambda: len(self.begun()) > 5)
        ends = self.wait_event("job_done", 5)
        self.assertGreaterEqual(len(ends), 5)
        self.assertEqual(self.events("job_failed"), [])

    def test_reload_keeps_schedule_run_and_last_slot(self):
        self.hold()
        self.up({"services": {"report": self.job("old", **FAR)}})
        planned = self.wait_state("report", "scheduled")["next_run"]
        self.holdfast("start", "report")
        self.wait("it runs", self.begun)
        pid = self.wait_state("report", "running")["pid"]
        self.write_config({"services": {"report": self.job("new", **FAR)}})
        self.holdfast("reload")
        self.assertEqual(self.service("report")["pid"], pid)
        self.let_go()
        self.wait_event("job_done")
        seen = self.wait_state("report", "scheduled")
        self.assertEqual(seen["next_run"], planned)
        self.holdfast("start", "report")
        self.wait("it runs as it is now", lambda: "new" in "".join(self.begun()[1:]))

    def test_a_service_becomes_a_job_and_back(self):
        self.hold()
        self.up({"services": {"a": self.job()}})
        self.wait_ready("a")
        pid = self.pids()["a"]
        self.write_config({"services": {"a": self.job(**FAR)}})
        self.holdfast("reload")
        self.wait_state("a", "scheduled")
        self.assertFalse(harness.alive(pid))
        self.write_config({"services": {"a": self.job()}})
        self.holdfast("reload")
        self.wait_ready("a")

    def test_a_disk_that_refuses_the_slot_does_not_stop_the_run(self):
        up = self.up({"services": {"report": self.job(**FAR)}})
        self.wait_state("report", "scheduled")
        self.wait("its slot is kept", lambda: (self.data_folder() / "jobs/report.json").exists())
        jobs = self.data_folder() / "jobs"
        (jobs / "report.json").unlink()
        jobs.rmdir()
        jobs.write_text("in the way")
        self.holdfast("start", "report")
        self.wait_event("job_done")
        self.wait("it is said", lambda: "its last slot cannot be written" in up.stderr)

    def test_the_zone_of_a_service_is_its_own(self):
        show = {"command": ["sh", "-c", "echo zone=$${TZ-none}; exec sleep 1000"]}
        self.up({"timezone": "Europe/Berlin",
                 "services": {"show": show, "own": {**show, "env": {"TZ": "Asia/Tokyo"}},
                              "report": self.job(at="03:00")}})
        self.wait_ready("show", "own")
        self.wait("both say it", lambda: "zone=none" in self.log("show") and
                  "zone=Asia/Tokyo" in self.log("own"))
        self.assertEqual(self.service("report")["timezone"], "Europe/Berlin")
        following = self.service("report")["next_run"].replace("Z", "+00:00")
        local = datetime.datetime.fromisoformat(following).astimezone(
            zoneinfo.ZoneInfo("Europe/Berlin"))
        self.assertEqual((local.hour, local.minute), (3, 0))


class ClockTests(JobCase):
    """The wall clock of the programs under test is the test's."""

    def setUp(self):
        super().setUp()
        self.ahead = self.folder / "ahead"
        self.ahead.write_bytes(struct.pack("q", 0))
        library = harness.build_folder() / "tests" / "scenario" / "libclock_jump.so"
        self.clock_env = {"LD_PRELOAD": str(library), "CLOCK_JUMP_FILE": str(self.ahead),
                          "ASAN_OPTIONS": self.env["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}

    def set_clock(self, text, zone="UTC"):
        """What the clock shows from now on, local time of the zone; the keeper is told, as the
        kernel tells of a clock that is set."""
        local = datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))
        with open(self.ahead, "r+b") as file:
            file.write(struct.pack("q", int((local.timestamp() - time.time()) * 1000)))
        if self.programs and self.programs[0].running:
            os.kill(self.status()["keeper_pid"], signal.SIGRTMIN + 3)

    def up_at(self, text, config, zone="UTC"):
        self.set_clock(text, zone)
        return self.up(config, env=self.clock_env)

    def daily(self, **more):
        return {"services": {"backup": self.job(at="03:00", **more)}}

    def down(self, up):
        self.holdfast("down")
        up.wait()
        self.programs.remove(up)

    def test_at_its_time(self):
        self.up_at("2026-05-01 02:59:58", self.daily())
        self.assertEqual(self.service("backup")["next_run"], "2026-05-01T03:00:00.000Z")
        self.wait_event("job_done")
        self.assertEqual(len(self.begun()), 1)
        seen = self.service("backup")
        self.assertEqual(seen["next_run"], "2026-05-02T03:00:00.000Z")
        self.assertTrue(seen["last_run"].startswith("2026-05-01T03:00:0"), seen["last_run"])

    def test_forward_over_a_slot_it_comes_late_once(self):
        self.up_at("2026-05-01 02:00:00", self.daily())
        self.set_clock("2026-05-01 03:30:00")
        late = self.wait_event("job_late")
        self.assertIn("30 m", late[0]["text"])
        self.wait_event("job_done")
        self.set_clock("2026-05-01 03:40:00")
        self.wait("the clock is seen", lambda: self.service("backup")["state"] == "scheduled")
        self.assertEqual(len(self.begun()), 1)

    def test_forward_over_days_it_is_missed_and_said(self):
        self.up_at("2026-05-01 02:00:00", self.daily())
        self.set_clock("2026-05-04 12:00:00")
        missed = self.wait_event("job_missed")
        self.assertIn("4 runs were left out, the last of 2026-05-04 03:00", missed[0]["text"])
        seen = self.service("backup")
        self.assertEqual(seen["next_run"], "2026-05-05T03:00:00.000Z")
        self.assertEqual(seen["last_outcome"], "missed")
        self.assertEqual(self.runs(), [])

    def test_back_nothing_runs_twice(self):
        self.up_at("2026-05-01 02:59:58", self.daily())
        self.wait_event("job_done")
        self.set_clock("2026-05-01 02:30:00")
        self.set_clock("2026-05-01 02:59:59")
        self.set_clock("2026-05-01 03:20:00")
        self.set_clock("2026-05-02 02:59:59") # the next slot is a new one
        self.wait_event("job_done", 2)
        self.assertEqual(len(self.begun()), 2)
        self.assertEqual(self.service("backup")["next_run"], "2026-05-03T03:00:00.000Z")

    def test_a_clock_that_was_wrong_by_years_is_forgiven(self):
        self.up_at("2040-01-01 00:00:00", self.daily())
        self.wait("its slot is kept", lambda: (self.data_folder() / "jobs/backup.json").exists())
        self.set_clock("2026-05-01 02:59:58")
        self.wait_event("job_done")
        self.assertEqual(self.service("backup")["next_run"], "2026-05-02T03:00:00.000Z")

    def test_a_time_that_does_not_exist_and_one_that_exists_twice(self):
        config = {"timezone": "Europe/Berlin", "services": {"backup": self.job(at="02:30")}}
        self.up_at("2026-03-29 01:59:58", config, "Europe/Berlin")
        self.assertEqual(self.service("backup")["next_run"], "2026-03-29T01:00:00.000Z")
        self.wait_event("job_done") # at 03:00, the first moment after the gap
        self.set_clock("2026-10-25 00:29:58") # UTC; 02:29:58 for the first time
        self.wait_event("job_done", 2)
        self.set_clock("2026-10-25 01:29:58") # ... for the second time
        self.set_clock("2026-10-25 01:30:30")
        self.wait("the clock is seen", lambda: self.service("backup")["next_run"] ==
                  "2026-10-26T01:30:00.000Z")
        self.assertEqual(len(self.begun()), 2)

    def test_a_reboot_neither_repeats_nor_forgets_a_slot(self):
        up = self.up_at("2026-05-01 02:59:58", self.daily())
        self.wait_event("job_done")
        self.down(up)
        up = self.up_at("2026-05-01 03:10:00", self.daily())
        seen = self.wait_state("backup", "scheduled")
        self.assertEqual((seen["next_run"], seen["last_outcome"]),
                         ("2026-05-02T03:00:00.000Z", "done"))
        self.assertEqual(len(self.begun()), 1)
        self.down(up)
        up = self.up_at("2026-05-02 03:10:00", self.daily())
        self.wait_event("job_late")
        self.wait("it came late", lambda: len(self.begun()) == 2)
        self.wait_state("backup", "scheduled")
        self.down(up)
        self.up_at("2026-05-05 12:00:00", self.daily())
        self.assertIn("3 runs were left out", self.wait_event("job_missed")[-1]["text"])
        self.assertEqual(len(self.begun()), 2)

    def test_the_slot_is_on_disk_before_its_run(self):
        look = ["sh", "-c", f"cat {self.data_folder()}/jobs/look.json > seen"]
        self.up_at("2026-05-01 02:59:58",
                   {"services": {"look": {"command": look, "at": "03:00"}}})
        self.wait_event("job_done")
        slot = json.loads((self.folder / "seen").read_text())["slot_done_ms"]
        self.assertEqual(slot, 1777604400000)


class AlertTests(HubCase):
    def test_a_failed_run_is_an_alert(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.up(self.config_of(services={"backup": {"command": ["sh", "-c", "exit 3"], **FAR}}))
        self.wait_http(self.url("hub", "/ping"))
        self.wait_state("backup", "scheduled")
        self.holdfast("start", "backup")
        self.wait("the alert", lambda: any("backup has not done its work: exit code 3" in text
                                           for text in self.bot_texts()))


if __name__ == "__main__":
    unittest.main()
