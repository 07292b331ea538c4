# SPDX-License-Identifier: Apache-2.0
"""A service prints as fast as it can, its log rotates all the time, the keeper is killed at any moment:
no line is lost, torn or doubled."""
import os
import random
import re
import signal
import time
import unittest

import harness

KILLS = 40

WRITER = """
import sys, time
for number in range(1, 10**9):
    sys.stdout.write(f"line {number} {'x' * (number % 97)}\\n")
"""


class LogKillTests(harness.Case):
    def test_no_line_is_lost_through_kills_at_full_speed(self):
        script = self.folder / "writer.py"
        script.write_text(WRITER)
        self.up({"services": {"w": {"command": ["/usr/bin/python3", str(script)],
                                    "log": {"size": "2MB", "files": 500}}}})
        pid = self.wait_ready("w")[0]["pid"]
        chance = random.Random(5)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.0, 0.05))
            keeper = self.status()["keeper_pid"]
            os.kill(keeper, signal.SIGKILL)
            self.wait("there is a new keeper", lambda: self.status()["keeper_pid"] != keeper)
        service = self.service("w")
        self.assertEqual((service["pid"], service["restarts"]), (pid, 0))
        self.assertEqual(service["log_dropped_bytes"], 0)
        self.holdfast("stop", "w")
        self.holdfast("down")
        # What a keeper that was just killed had dropped would be said in the log itself.
        logs = self.data_folder() / "logs"
        files = sorted(logs.glob("w.log*"), key=lambda path: -int((path.suffix + "0")[1:-1] or 0)
                       if path.suffix != ".log" else 0)
        expected = 1
        for path in files:
            lines = path.read_text().splitlines()
            for line in lines:
                found = re.fullmatch(r"line (\d+) (x*)", line)
                last = path == files[-1] and line == lines[-1]
                if last and not (found and len(found[2]) == expected % 97):
                    break  # the service ended in the middle of it
                self.assertTrue(found, f"{path.name}: torn: {line!r}")
                self.assertEqual(int(found[1]), expected, path.name)
                self.assertEqual(len(found[2]), expected % 97)
                expected += 1
        self.assertGreater(expected, 100000)
        print(f"{expected - 1} lines through {KILLS} kills, {len(files)} files")


if __name__ == "__main__":
    unittest.main()
