# SPDX-License-Identifier: Apache-2.0
"""Nothing that dies takes a service along: keeper and anchor are killed at any moment while services
write as fast as they can, end, and are started again. KEEPER_KILLS and ANCHOR_KILLS say how often."""
import json
import os
import pathlib
import random
import re
import signal
import socket
import time
import unittest

import harness

KEEPER_KILLS = int(os.environ.get("KEEPER_KILLS", "40"))
ANCHOR_KILLS = int(os.environ.get("ANCHOR_KILLS", "5"))
KILLS_A_ROUND = 20  # then the logs are read, so that they need no room

WRITER = """
import sys
for number in range(1, 10**9):
    sys.stdout.write(f"line {number} {'x' * (number % 97)}\\n")
"""
# Writes each life down, then ends with a code that tells which it was.
MORTAL = """
import os, sys, time
with open(sys.argv[1], "a+") as file:
    file.seek(0)
    life = len(file.readlines())
    file.write(f"{os.getpid()}\\n")
time.sleep(0.02)
print(f"last words of {life}", flush=True)
os._exit(life % 100 + 1)
"""
WITNESS = """
import signal, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, lambda n, frame: print("signal", n, flush=True))
print("watching", flush=True)
while True:
    time.sleep(1000)
"""


class KillTests(harness.Case):
    def config_text(self):
        for name, text in (("writer", WRITER), ("mortal", MORTAL), ("witness", WITNESS)):
            (self.folder / f"{name}.py").write_text(text)
        python, lives = "/usr/bin/python3", str(self.folder / "lives")
        log = {"size": "2MB", "files": 900}
        return {"services": {
            "a": {"command": [python, str(self.folder / "writer.py")], "log": log},
            "b": {"command": [python, str(self.folder / "writer.py")], "log": log},
            "mortal": {"command": [python, str(self.folder / "mortal.py"), lives],
                       "restart": {"max": 1000000, "delay": "0s", "max_delay": "20ms"}},
            "witness": {"command": [python, str(self.folder / "witness.py")]}}}

    def running(self):
        return {name: (self.service(name)["pid"], self.service(name)["restarts"])
                for name in ("a", "b", "witness")}

    def check_lines(self, name):
        logs = self.data_folder() / "logs"
        files = sorted((path for path in logs.glob(f"{name}.log*")
                        if re.fullmatch(r"\w+\.log(\.\d+)?", path.name)),
                       key=lambda path: -int((path.name.partition(".log.")[2] or "0")))
        expected = 1
        for path in files:
            lines = path.read_text().splitlines()
            for i, line in enumerate(lines):
                last = path == files[-1] and i == len(lines) - 1
                if line != f"line {expected} {'x' * (expected % 97)}":
                    self.assertTrue(last, f"{path.name}: expected line {expected}, found {line!r}")
                    break  # the service ended in the middle of it
                expected += 1
        self.assertGreater(expected, 10000)
        return expected - 1

    def exits_told(self):
        """[code, or how else it ended] of every exit of the mortal that an event told, oldest first; events of
        an earlier round are still there."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(harness.PATIENCE_SECONDS)
            control.connect(str(self.run_folder / "control.sock"))
            control.sendall(b'{"id":1,"do":"events","after":%d}\n{"id":2,"do":"ping"}\n'
                            % self.events_seen)
            text = b""
            while b'"pong"' not in text:
                text += control.recv(1 << 20)
        events = [json.loads(line).get("event") for line in text.decode().splitlines()]
        codes = []
        for event in filter(None, events):
            self.events_seen = event["number"]
            if event["service"] == "mortal" and event["what"] == "exited":
                found = re.match(r"exit code (\d+)", event["text"])
                codes.append(int(found[1]) if found else event["text"])
        return codes

    events_seen = 0

    def lives(self):
        return len((self.folder / "lives").read_text().splitlines())

    def stop_and_check(self, before):
        # A keeper that was killed before it had taken over is made again ever later, up to 5 s.
        self.wait("a keeper answers", lambda: self.holdfast("status", code=None).code == 0)
        self.assertEqual(self.running(), before)
        self.assertEqual(self.log("witness"), "watching\n")
        for name in ("a", "b"):
            self.assertEqual(self.service(name)["log_dropped_bytes"], 0)
        self.holdfast("stop", "all")
        codes, lives = self.exits_told(), self.lives()
        self.holdfast("down")
        lines = self.check_lines("a") + self.check_lines("b")
        for path in (self.data_folder() / "logs").iterdir():
            path.unlink()
        (self.folder / "lives").unlink()
        return lines, codes, lives

    def test_kills_of_the_keeper(self):
        chance = random.Random(7)
        config, left, lines, all_lives = self.config_text(), KEEPER_KILLS, 0, 0
        while left > 0:
            self.up(config)
            self.wait_ready("a", "b", "witness")
            self.wait("the witness watches", lambda: self.log("witness"))
            before = self.running()
            for _ in range(min(left, KILLS_A_ROUND)):
                time.sleep(chance.choice((0, 0, 0.003, 0.01, 0.03)) * chance.random() * 2)
                keeper = self.wait("a keeper runs", self.keeper_pid)
                os.kill(keeper, signal.SIGKILL)
                self.wait("there is a new keeper",
                          lambda: self.keeper_pid() not in (None, keeper))
            left -= KILLS_A_ROUND
            more, codes, lives = self.stop_and_check(before)
            # The events kept are the newest; the last life may have been stopped by us.
            self.assertEqual([code for code in codes if not isinstance(code, int)], [])
            expected = [life % 100 + 1 for life in range(lives)]
            ended = [code for code in codes if code]
            self.assertIn(ended, (expected[-len(ended):], expected[:-1][-len(ended):]))
            lines, all_lives = lines + more, all_lives + lives
        print(f"{KEEPER_KILLS} kills of the keeper: {lines} lines, {all_lives} lives")

    def keeper_pid(self):
        """Of the child of the anchor: asked of the kernel, which does not wait for the keeper. By its first word: a
        service that the anchor is just making has all the words of the anchor, the keeper's name among them."""
        anchor = int((self.data_folder() / "lock").read_text())
        for child in pathlib.Path(f"/proc/{anchor}/task/{anchor}/children").read_text().split():
            try:
                program = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]
                if program.endswith(b"/holdfast-keeper"):
                    if harness.alive(int(child)):
                        return int(child)
            except OSError:
                continue
        return None

    def test_kills_of_the_anchor(self):
        chance = random.Random(8)
        config, left, lines = self.config_text(), ANCHOR_KILLS, 0
        while left > 0:
            program = self.up(config)
            self.wait_ready("a", "b", "witness")
            self.wait("the witness watches", lambda: self.log("witness"))
            before = self.running()
            for _ in range(min(left, KILLS_A_ROUND)):
                time.sleep(chance.choice((0, 0.02, 0.2)) * chance.random())
                anchor = self.status()["pid"]
                os.kill(anchor, signal.SIGKILL)
                program.wait(harness.PATIENCE_SECONDS)
                time.sleep(chance.choice((0, 0, 0.05)) * chance.random())
                program = self.up()
                self.assertNotEqual(self.status()["pid"], anchor)
                self.assertEqual(self.running(), before)
            left -= KILLS_A_ROUND
            more, codes, lives = self.stop_and_check(before)
            lines += more
            # One that ended while no anchor lived is told as such; no two lived at once.
            self.assertGreater(lives, 0)
        print(f"{ANCHOR_KILLS} kills of the anchor: {lines} lines")


if __name__ == "__main__":
    unittest.main()
