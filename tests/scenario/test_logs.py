# SPDX-License-Identifier: Apache-2.0
"""`holdfast logs` and `holdfast log-level`, words that raise events, services that print what no
service should, and a disk that hangs."""
import datetime
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import unittest

import harness

HOUR_MS = 3600 * 1000
NOON_MS = 1795521600 * 1000  # 2026-11-24 12:00:00 UTC


def iso(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).isoformat()


class ReadingTests(harness.Case):
    """The command reads files and asks nobody: here they are made by hand, so every time is known."""

    def setUp(self):
        super().setUp()
        self.logs = self.data_folder() / "logs"
        self.logs.mkdir(parents=True)
        self.write_config({"timezone": "Asia/Ho_Chi_Minh",
                           "services": {"a": {"command": "sleep 1"}}})

    def write_log(self, name, pieces, number=0):
        """`pieces`: (wall ms, text) in order; a piece without time is known by nobody."""
        suffix = f".{number}" if number else ""
        path = self.logs / f"{name}.log{suffix}"
        offset, index = 0, b""
        with open(path, "wb") as log:
            for ms, text in pieces:
                if ms is not None:
                    index += struct.pack("<QQ", offset, ms)
                offset += log.write(text.encode())
        head = b"hflog1\n\0" + struct.pack("<Q", path.stat().st_ino)
        (self.logs / f".{name}.log{suffix}.times").write_bytes(head + index)

    def lines(self, *words, **more):
        return self.holdfast("logs", *words, **more).stdout.splitlines()

    def three_files(self):
        self.write_log("a", [(NOON_MS, "one\ntwo\n"), (NOON_MS + HOUR_MS, "three\n")], 2)
        self.write_log("a", [(NOON_MS + 2 * HOUR_MS, "four\n"), (NOON_MS + 3 * HOUR_MS, "five\n")], 1)
        self.write_log("a", [(NOON_MS + 4 * HOUR_MS, "six\nseven\n")])

    def test_since_and_until_across_rotated_files(self):
        self.three_files()
        everything = ["one", "two", "three", "four", "five", "six", "seven"]
        self.assertEqual(self.lines("a"), everything)
        self.assertEqual(self.lines("a", "-n", "3"), everything[4:])
        self.assertEqual(self.lines("a", "--since", iso(NOON_MS + HOUR_MS)), everything[2:])
        self.assertEqual(self.lines("a", "--since", iso(NOON_MS + HOUR_MS + 5000)), everything[3:])
        self.assertEqual(self.lines("a", "--since", "2026-11-24 22:00"), everything[4:])  # +07:00
        self.assertEqual(self.lines("a", "--until", "2026-11-24T15:00Z", "-n", "2"), everything[3:5])
        self.assertEqual(self.lines("a", "--since", "2026-11-24T13:00Z", "--until",
                                    "2026-11-24T15:30Z"), everything[2:5])
        self.assertEqual(self.lines("a", "--since", "2030-01-01"), [])

    def test_times_are_shown_in_the_zone_of_the_config(self):
        self.three_files()
        shown = self.lines("a", "-t", "-n", "3")
        self.assertEqual(shown, ["2026-11-24 22:00:00 five", "2026-11-24 23:00:00 six",
                                 "2026-11-24 23:00:00 seven"])
        first = json.loads(self.lines("a", "--json", "-n", "1")[0])
        self.assertEqual(first, {"service": "a", "time": "2026-11-24T16:00:00.000Z", "text": "seven"})

    def test_several_services_in_the_order_of_writing(self):
        self.write_log("a", [(NOON_MS, "a one\n"), (NOON_MS + 4000, "a two\n")])
        self.write_log("long", [(NOON_MS + 2000, "b one\nb two\n"), (NOON_MS + 6000, "b three\n")])
        self.assertEqual(self.lines(), ["a    | a one", "long | b one", "long | b two", "a    | a two",
                                        "long | b three"])

    def test_a_torn_or_missing_index_changes_no_line(self):
        self.three_files()
        expected = self.lines("a", "-n", "100")
        for index in sorted(self.logs.glob(".a.log*.times")):
            whole = index.read_bytes()
            for size in {0, 1, 15, 16, 20, 31, len(whole) - 1}:
                index.write_bytes(whole[:size])
                self.assertEqual(self.lines("a", "-n", "100"), expected, (index.name, size))
                self.assertEqual(self.lines("a", "--since", "2026-11-24T16:00Z")[-2:], expected[-2:])
            index.write_bytes(os.urandom(100))
            self.assertEqual(self.lines("a", "-n", "100", "-t")[-1][-5:], "seven")
            index.unlink()
        self.assertEqual(self.lines("a", "--since", "1h"), expected)  # the files are that young

    def test_grep(self):
        self.write_log("a", [(NOON_MS, "an Error\nall well\nlỖi (1)\nerror 22\n")])
        self.assertEqual(self.lines("a", "--grep", "error"), ["error 22"])
        self.assertEqual(self.lines("a", "--grep", "error|lỗi", "-i"), ["an Error", "lỖi (1)", "error 22"])
        self.assertEqual(self.lines("a", "--grep", "[0-9]{2}$"), ["error 22"])
        self.assertEqual(self.lines("a", "--grep", "r", "-n", "1"), ["error 22"])
        wrong = self.holdfast("logs", "a", "--grep", "(", code=64)
        self.assertIn("'(' is not a regular expression", wrong.stderr)
        self.assertIn("expected a time such as 10m",
                      self.holdfast("logs", "a", "--since", "soon", code=64).stderr)

    def test_colours_on_a_terminal_only(self):
        self.write_log("a", [(NOON_MS, "an error here\n")])
        self.write_log("b", [(NOON_MS + 5000, "no match\n")])
        argv = [str(self.bin / "holdfast"), "logs", "-c", str(self.config), "--grep", "error"]
        for env, expected in (({}, "\x1b[31ma |\x1b[0m an \x1b[1;31merror\x1b[0m here"),
                              ({"NO_COLOR": "1"}, "a | an error here")):
            ours, theirs = pty.openpty()
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=theirs, env={**self.env, **env},
                           check=True)
            os.close(theirs)
            shown = os.read(ours, 4096).decode()
            os.close(ours)
            self.assertEqual(shown.rstrip("\r\n"), expected)
        self.assertEqual(self.lines("--grep", "error"), ["a | an error here"])


class FedCase(harness.Case):
    """Services that print exactly what the test writes into their pipe."""

    def feed(self, name, text):
        with open(self.folder / f"{name}.pipe", "wb", buffering=0) as pipe:
            pipe.write(text if isinstance(text, bytes) else text.encode())

    def fed_service(self, name, **log):
        path = self.folder / f"{name}.pipe"
        if not path.exists():
            os.mkfifo(path)
        return {"command": ["sh", "-c", f"exec 3<>{path}; exec cat <&3"], "log": log}


class LivingTests(FedCase):
    def test_followed_lines_carry_the_time_of_their_writing(self):
        self.up({"services": {"a": self.fed_service("a"), "b": self.fed_service("b")}})
        self.wait_ready("a", "b")
        before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
        follower = self.start("holdfast", "logs", "-f", "--json", "-c", self.config)
        for number in range(3):
            for name in "ab":
                self.feed(name, f"{name} {number}\n")
                self.wait("it is followed", lambda: f"{name} {number}" in follower.stdout)
        shown = [json.loads(line) for line in follower.stdout.splitlines()]
        self.assertEqual([line["text"] for line in shown],
                         ["a 0", "b 0", "a 1", "b 1", "a 2", "b 2"])
        after = datetime.datetime.now(datetime.timezone.utc)
        for line in shown:
            self.assertLessEqual(before, datetime.datetime.fromisoformat(line["time"][:-1] + "+00:00"))
            self.assertLessEqual(datetime.datetime.fromisoformat(line["time"][:-1] + "+00:00"), after)
        follower.stop()

    def test_a_follower_goes_through_rotations(self):
        self.up({"services": {"a": self.fed_service("a", size="4KB", files=3)}})
        self.wait_ready("a")
        follower = self.start("holdfast", "logs", "-f", "-c", self.config, "a")
        self.feed("a", "line 0\n")
        self.wait("it follows", lambda: "line 0\n" in follower.stdout)
        for number in range(1, 9):
            self.feed("a", f"line {number}\n" + "x" * 1500 + "\n")
            self.wait("it is followed", lambda: f"line {number}\n" in follower.stdout)
        self.assertEqual(re.findall(r"^line (\d+)$", follower.stdout, re.M),
                         [str(number) for number in range(9)])
        follower.stop()
        indexes = sorted(path.name for path in (self.data_folder() / "logs").glob(".a.*"))
        self.assertEqual(indexes, [".a.log.1.times", ".a.log.2.times", ".a.log.times"])

    def test_a_word_raises_one_event_and_then_a_count(self):
        token = "123456789:" + "A" * 35
        self.up({"services": {"a": self.fed_service("a", cooldown="1s")}})
        self.wait_ready("a")
        self.feed("a", f"all well\nValueError with {token} {'y' * 300}\nan error\nERROR\nfine\n")
        first = self.wait("the event", lambda: self.events("log_pattern"))[0]
        self.assertEqual((first["service"], first["pattern"]), ("a", "error"))
        self.assertTrue(first["line"].startswith("ValueError with ***"), first)
        self.assertNotIn(token, json.dumps(first))
        self.assertEqual(len(first["line"]), 160)
        more = self.wait("the count", lambda: self.events("log_pattern")[1:])[0]
        self.assertEqual((more["pattern"], more["line"], more["more"]), ("error", None, 2))
        self.feed("a", "an exception\n")
        self.wait("another word", lambda: self.events("log_pattern")[2:])
        self.assertEqual(self.events("log_pattern")[2]["line"], "an exception")

    def test_patterns_change_without_a_restart_and_our_own_are_not_scanned(self):
        services = {"a": self.fed_service("a", patterns=["panic"]),
                    "sim": {"command": ["holdfast-sim", "--port", str(self.port("sim"))],
                            "log": {"patterns": ["sim"]}}}
        self.up({"services": services})
        pid = self.wait_ready("a", "sim")[0]["pid"]
        self.feed("a", "error\nPANIC at once\n")
        self.wait("the event", lambda: self.events("log_pattern"))
        services["a"]["log"] = {"patterns": ["other"]}
        self.write_config({"services": services})
        self.holdfast("reload")
        self.feed("a", "error\npanic\nAnother\n")
        self.wait("the new word", lambda: self.events("log_pattern")[1:])
        self.assertEqual([event["line"] for event in self.events("log_pattern")],
                         ["PANIC at once", "Another"])
        self.assertEqual(self.service("a")["pid"], pid)
        self.assertIn("sim", self.log("sim"))  # and yet no event of it

    def test_wrong_patterns_are_told_with_their_place(self):
        self.write_config('services:\n  a:\n    command: sleep 1\n    log: {patterns: [error, x]}\n')
        self.assertIn("holdfast.yaml:4:", self.holdfast("check", code=78).stderr)


class LogLevelTests(FedCase):
    def levels(self, *words):
        answer = self.holdfast_json("log-level", *words)
        return {one["program"]: one["level"] for one in answer["levels"]}

    def test_levels_change_at_once_and_survive_restarts(self):
        up = self.up({"services": {"a": self.fed_service("a"), "sim": {
            "command": ["holdfast-sim", "--port", str(self.port("sim"))]}}})
        self.wait_ready("a", "sim")
        self.assertEqual(self.levels(), {"keeper": "info", "sim": "info"})
        self.assertEqual(self.levels("error"), {"keeper": "error", "sim": "error"})
        self.assertEqual(self.levels("debug", "sim"), {"sim": "debug"})
        said = up.stderr
        keeper = self.status()["keeper_pid"]
        os.kill(keeper, signal.SIGKILL)
        self.wait("there is a new keeper", lambda: self.status()["keeper_pid"] != keeper)
        self.holdfast("restart", "sim")
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped", "down")
        self.assertEqual(self.levels(), {"keeper": "error", "sim": "debug"})
        self.assertNotIn("info", up.stderr[len(said):])
        self.levels("info", "keeper")
        self.holdfast("start", "a")
        self.wait("it says more again", lambda: "info" in up.stderr[len(said):])
        self.assertIn("did you mean 'keeper'",
                      self.holdfast("log-level", "debug", "keper", code=64).stderr)


class OwnLogTests(harness.Case):
    def test_the_log_of_a_detached_up_is_rotated_too(self):
        self.write_config({"services": {"a": {"command": "sleep 1000"}}})
        self.holdfast("up", "-d")
        self.wait_ready("a")
        token = "123456789:" + "A" * 35
        logs = self.data_folder() / "logs"
        self.wait("it is written", lambda: "a" in (logs / "holdfast.log").read_text())
        with open(self.run_folder / "log" / "holdfast.fifo", "w") as fifo:
            for number in range(110000):
                fifo.write(f"number {number} {'x' * 90}\n")
            fifo.write(f"{token}\nthe end\n")
        self.wait("the last line", lambda: "the end\n" in (logs / "holdfast.log").read_text())
        text = (logs / "holdfast.log.1").read_text() + (logs / "holdfast.log").read_text()
        self.assertEqual([int(n) for n in re.findall(r"^number (\d+) x{90}$", text, re.M)],
                         list(range(110000)))
        self.assertNotIn(token, text)
        self.assertLessEqual((logs / "holdfast.log.1").stat().st_size, 10 << 20)
        self.holdfast("down")


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class BadPrinterTests(harness.Case):
    def setUp(self):
        super().setUp()
        self.env["ASAN_OPTIONS"] += ":quarantine_size_mb=1"  # else what was freed counts as used

    def up_script(self, text, **log):
        script = self.folder / "printer.py"
        script.write_text(text)
        self.up({"services": {"w": {"command": ["/usr/bin/python3", str(script)], "log": log}}})
        return self.wait_ready("w")[0]

    def pieces(self):
        logs = self.data_folder() / "logs"
        files = sorted(logs.glob("w.log*"), key=lambda path: -int(("0" + path.suffix[1:])
                       if path.suffix != ".log" else 0))
        return b"".join(path.read_bytes() for path in files)

    def test_a_hundred_megabytes_without_a_newline(self):
        self.up_script("import sys, time\nfor _ in range(100): sys.stdout.write('x' * (1 << 20))\n"
                       "sys.stdout.flush()\nprint('\\nthe end', flush=True)\ntime.sleep(1000)\n",
                       size="20MB", files=10)
        keeper = self.status()["keeper_pid"]
        before = rss(keeper)
        self.wait("the end", lambda: b"the end\n" in self.pieces()[-100:], seconds=60)
        self.assertLess(rss(keeper) - before, 16 * 1024)
        self.assertEqual(self.service("w")["log_dropped_bytes"], 0)
        self.assertEqual(self.pieces(), b"x" * (100 << 20) + b"\nthe end\n")
        tail = self.holdfast("logs", "w", "-n", "1").stdout
        self.assertEqual(tail, "the end\n")

    def test_nul_bytes_and_what_is_not_utf_8(self):
        self.up_script("import os, time\nos.write(1, b'a\\0b\\xff\\xfe c\\nlast\\n')\n"
                       "os.close(1); os.close(2)\ntime.sleep(1000)\n")
        self.wait("both lines", lambda: self.pieces() == b"a b\xff\xfe c\nlast\n")
        shown = self.holdfast("logs", "w", "--json").stdout.splitlines()
        self.assertEqual([json.loads(line)["text"] for line in shown], ["a b?? c", "last"])
        self.assertEqual(self.service("w")["state"], "ready")  # its output is closed: no matter

    def test_full_speed_through_a_rotation_each_100_kilobytes(self):
        count = 300000
        self.up_script(f"import sys, time\nfor n in range({count}):\n"
                       "    sys.stdout.write(f'line {n} ' + 'x' * (n % 97) + '\\n')\n"
                       "print('the end', flush=True)\ntime.sleep(1000)\n", size="100KB", files=1000)
        keeper = self.status()["keeper_pid"]
        before = rss(keeper)
        self.wait("the end", lambda: (self.data_folder() / "logs" / "w.log").read_bytes()
                  .endswith(b"the end\n"), seconds=60)
        self.assertLess(rss(keeper) - before, 16 * 1024)
        lines = self.pieces().decode().splitlines()
        self.assertEqual(len(lines), count + 1)
        for number, line in enumerate(lines[:-1]):
            if line != f"line {number} " + "x" * (number % 97):
                self.fail(f"torn or lost at {number}: {line!r}")


@unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/loop-control"),
                     "needs root and loop devices: freezes a file system of its own")
class HungDiskTests(FedCase):
    """The folder of the logs is on a file system that is frozen: each write of the log hangs in the
    kernel until it thaws."""

    def test_a_hung_disk_holds_up_nobody(self):
        logs = self.data_folder() / "logs"
        logs.mkdir(parents=True)
        image = self.folder / "image"
        with open(image, "wb") as disk:
            disk.truncate(16 << 20)
        self.assertEqual(self.run_program("/usr/sbin/mkfs.ext4", "-q", image).code, 0)
        services = {"w": {"command": ["sh", "-c", "while :; do echo line; done"],
                          "log": {"size": "512KB", "files": 10}}, "a": self.fed_service("a")}
        self.write_config({"services": services})
        mounted = self.run_program("/usr/bin/mount", "-o", "loop", image, logs)
        if mounted.code != 0:
            self.skipTest(f"no loop mount here: {mounted.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(logs)])
        self.up()
        self.wait_ready("w", "a")
        pids = self.pids()
        self.assertEqual(self.run_program("/usr/sbin/fsfreeze", "-f", logs).code, 0)
        self.frozen = True
        self.addCleanup(self.thaw, logs)
        self.wait("what is lost is counted", lambda: self.service("w")["log_dropped_bytes"] > 0)
        self.wait("it is said", lambda: self.events("log_failing"))
        self.assertIn("does not move", self.service("w")["log_error"])
        self.write_config({"services": {"a": services["a"]}})
        self.holdfast("reload")  # closes the log whose writer hangs
        self.wait("it is gone", lambda: "w" not in self.pids())
        services["new"] = {"command": ["sh", "-c", "while :; do echo new line; sleep 0.01; done"]}
        self.write_config({"services": services})
        self.holdfast("reload")  # and opens it again, and one that was never there
        self.wait_ready("w", "new")
        self.wait("what a new service says is lost and counted",
                  lambda: self.service("new")["log_dropped_bytes"] > 0)
        self.feed("a", "kept through the hang\n")
        self.assertEqual(self.service("a")["pid"], pids["a"])
        self.thaw(logs)
        self.wait("the new one's log begins", lambda: self.log("new").endswith("new line\n"))
        self.assertIn("were dropped", self.log("new"))
        self.wait("its log goes on", lambda: "kept through the hang\n" in self.log("a"))
        self.wait("the loss is said", lambda: "were dropped" in self.log("w"))
        # A line cut by the end of the service while the ring was full may be followed by the next.
        for line in self.log("w").splitlines():
            self.assertRegex(line, r"^((l?i?n?e?){1,2}|\[holdfast: \d+ bytes of this log were dropped.*)$")

    def thaw(self, folder):
        if self.frozen:
            subprocess.run(["/usr/sbin/fsfreeze", "-u", str(folder)], check=True)
        self.frozen = False


if __name__ == "__main__":
    unittest.main()
