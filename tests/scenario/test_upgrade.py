# SPDX-License-Identifier: Apache-2.0
"""`holdfast upgrade`: anchor and keeper are replaced under running services."""
import os
import pathlib
import shutil
import signal
import time
import unittest

import harness

PRINTER = """
import sys, time
for number in range(1, 10**9):
    print(f"line {number}", flush=True)
    time.sleep(0.0005)
"""


class UpgradeTests(harness.Case):
    def program(self, pid):
        return pathlib.Path(f"/proc/{pid}/exe").stat().st_ino

    def test_services_notice_nothing(self):
        (self.folder / "printer.py").write_text(PRINTER)
        os.mkfifo(self.folder / "go")
        self.up({"services": {"p": {"command": ["python3", str(self.folder / "printer.py")]},
                              "n": {"command": ["sh", "-c", "systemd-notify --ready; exec sleep 1000"],
                                    "ready": "notify"} if shutil.which("systemd-notify") else
                                   {"command": "sleep 1000"},
                              "e": {"command": ["sh", "-c", "read x < go; exit 7"],
                                    "restart": "never"}}})
        before = {name: self.wait_ready(name)[0]["pid"] for name in ("p", "n")}
        anchor, keeper = self.status()["pid"], self.status()["keeper_pid"]
        for _ in range(5):
            said = self.holdfast("upgrade").stdout
            self.assertIn("ran on", said)
            self.assertEqual(self.status()["pid"], anchor)
            self.assertNotEqual(self.status()["keeper_pid"], keeper)
            keeper = self.status()["keeper_pid"]
        for name, pid in before.items():
            self.assertEqual((self.service(name)["pid"], self.service(name)["restarts"]), (pid, 0))
        # Still our children: how they end is known, also after several upgrades.
        os.kill(before["n"], signal.SIGUSR1)
        self.wait("its end is known", lambda: self.service("n")["last_exit"]["signal"] == 10)
        self.wait_ready("n")
        (self.folder / "go").write_text("go\n")
        self.wait("its exit code is known", lambda: self.service("e")["last_exit"]["code"] == 7)
        self.holdfast("down")
        lines = self.log("p").splitlines()
        self.assertEqual(lines, [f"line {n}" for n in range(1, len(lines) + 1)])
        self.assertGreater(len(lines), 100)

    def test_the_end_of_a_service_in_the_middle_is_known(self):
        code = "import time, sys; time.sleep(float(sys.argv[1])); print('last words'); sys.exit(42)"
        self.up({"services": {f"e{i}": {"command": ["python3", "-c", code, f"{1 + i * 0.01}"],
                                        "restart": "never"} for i in range(40)}})
        end = time.monotonic() + 2
        while time.monotonic() < end:
            self.holdfast("upgrade")
        for i in range(40):
            self.wait("it has ended", lambda: self.service(f"e{i}")["last_exit"])
            self.assertEqual(self.service(f"e{i}")["last_exit"]["code"], 42, f"e{i}")
            self.assertEqual(self.log(f"e{i}"), "last words\n")

    def copy_programs(self):
        folder = self.folder / "programs"
        folder.mkdir()
        for name in harness.PROGRAMS:
            if (harness.programs_folder() / name).exists():
                shutil.copy(harness.programs_folder() / name, folder / name)
        self.bin = folder
        self.env["PATH"] = f"{folder}:{self.env['PATH']}"
        return folder

    def replace(self, path, text):
        (path.parent / "new").write_text(text)
        (path.parent / "new").chmod(0o755)
        (path.parent / "new").rename(path)

    def test_a_new_program_runs_and_a_broken_one_does_not(self):
        folder = self.copy_programs()
        self.up({"services": {"s": {"command": "sleep 1000"}}})
        pid = self.wait_ready("s")[0]["pid"]
        anchor, old = self.status()["pid"], self.program(self.status()["pid"])
        for name in ("holdfast-anchor", "holdfast-keeper"):  # a new file under the old name
            shutil.copy(folder / name, folder / "new")
            (folder / "new").rename(folder / name)
        self.holdfast("upgrade")
        self.assertEqual(self.status()["pid"], anchor)
        self.assertNotEqual(self.program(anchor), old)
        self.assertEqual(self.service("s")["pid"], pid)
        # A build that does not run is not tried at all.
        self.replace(folder / "holdfast-keeper", "#!/bin/sh\nexit 3\n")
        refused = self.holdfast("upgrade", code=72)
        self.assertIn("does not run; nothing was replaced", refused.stderr)
        self.assertEqual(self.service("s")["pid"], pid)

    def test_a_keeper_that_crashes_at_each_start_harms_no_service(self):
        folder = self.copy_programs()
        (self.folder / "printer.py").write_text(PRINTER)
        self.up({"services": {"s": {"command": ["python3", str(self.folder / "printer.py")]}}})
        pid = self.wait_ready("s")[0]["pid"]
        shutil.copy(folder / "holdfast-keeper", folder / "good")
        self.replace(folder / "holdfast-keeper",
                     f"#!/bin/sh\necho x >> {self.folder}/tries\nkill -SEGV $$\n")
        os.kill(self.status()["keeper_pid"], signal.SIGKILL)
        tries = self.folder / "tries"
        self.wait("it was tried again and again",
                  lambda: tries.exists() and len(tries.read_text()) >= 2 * 6)
        self.assertTrue(harness.alive(pid))
        (folder / "good").rename(folder / "holdfast-keeper")
        self.wait("the good one takes over", lambda: self.status()["keeper_pid"])
        self.assertEqual((self.service("s")["pid"], self.service("s")["restarts"]), (pid, 0))
        self.holdfast("down")
        lines = self.log("s").splitlines()
        self.assertEqual(lines, [f"line {n}" for n in range(1, len(lines) + 1)])


if __name__ == "__main__":
    unittest.main()
