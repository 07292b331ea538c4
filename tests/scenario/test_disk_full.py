# SPDX-License-Identifier: Apache-2.0
"""The disk of the logs is full: the service does not notice, what is lost is counted and said, and the
log goes on when there is room again."""
import os
import re
import unittest

import harness

WRITER = """
import sys, time
number = 0
while True:
    for _ in range(200):
        number += 1
        print(f"line {number} " + "x" * 80)
    sys.stdout.flush()
    with open(sys.argv[1], "w") as beat:  # on another disk: how far the service itself got
        beat.write(str(number))
    time.sleep(0.01)
"""


@unittest.skipUnless(os.geteuid() == 0, "needs root: mounts a small disk of its own")
class DiskFullTests(harness.Case):
    def beat(self):
        try:
            return int((self.folder / "beat").read_text() or 0)
        except FileNotFoundError:
            return 0

    def test_a_full_disk_holds_up_nobody(self):
        data = self.data_folder()
        data.mkdir()
        script = self.folder / "writer.py"
        script.write_text(WRITER)
        self.write_config({"services": {"w": {
            "command": ["/usr/bin/python3", str(script), str(self.folder / "beat")],
            "log": {"size": "64MB", "files": 2}}}})
        self.start("/usr/bin/unshare", "-m", "sh", "-c",
                   f"mount -t tmpfs -o size=3m none {data} && exec holdfast up -c {self.config} "
                   f"--run {self.run_folder}")
        self.wait("it is up", lambda: self.holdfast("status", "--json", code=None).code == 0)
        pid = self.wait_ready("w")[0]["pid"]
        keeper = self.status()["keeper_pid"]
        disk = f"/proc/{keeper}/root{data}"  # the mount is the keeper's alone
        self.wait("the full disk is said", lambda: "log_error" in self.service("w"))
        self.assertIn("No space left", self.service("w")["log_error"])
        self.wait("what is lost is counted", lambda: self.service("w")["log_dropped_bytes"] > 0)
        before = self.beat()
        self.wait("the service goes on all the same", lambda: self.beat() > before + 2000)
        with open(f"{disk}/logs/w.log") as log:
            complete = log.read().rsplit("\n", 1)[0].splitlines()
        self.assertEqual([int(line.split()[1]) for line in complete],
                         list(range(1, len(complete) + 1)), "no line was lost before the disk was full")
        os.truncate(f"{disk}/logs/w.log", 0)
        self.wait("the log goes on", lambda: "log_error" not in self.service("w"))

        def said():
            with open(f"{disk}/logs/w.log") as log:
                return re.search(r"\[holdfast: (\d+) bytes of this log were dropped", log.read())

        self.wait("the loss is said in the log", said)
        service = self.service("w")
        self.assertEqual((service["pid"], service["restarts"]), (pid, 0))
        self.assertEqual(self.status()["keeper_pid"], keeper)


if __name__ == "__main__":
    unittest.main()
