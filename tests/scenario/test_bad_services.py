# SPDX-License-Identifier: Apache-2.0
"""Services that cannot run, clients that do not ask, a machine without room: anchor and keeper never
spin, never grow, never exit on their own."""
import os
import pathlib
import shutil
import signal
import socket
import time
import unittest

import harness

PIDS = pathlib.Path("/sys/fs/cgroup/pids")


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class BadServiceTests(harness.Case):
    def test_each_that_cannot_run_says_why_and_harms_nobody(self):
        (self.folder / "folder").mkdir()
        (self.folder / "plain").write_text("#!/bin/sh\n")
        (self.folder / "strange").write_text("#!/no/such/interpreter\n")
        (self.folder / "strange").chmod(0o755)
        (self.folder / "noise").write_bytes(os.urandom(1000))
        (self.folder / "noise").chmod(0o755)
        once = {"max": 1, "delay": "10ms", "max_delay": "10ms"}
        commands = {"missing": "./missing", "folder": "./folder", "plain": "./plain",
                    "strange": "./strange", "noise": "./noise", "quick": "true",
                    "forker": ["sh", "-c", "sleep 1000 & exit 0"]}
        self.up({"services": {"good": {"command": "sleep 1000"},
                              **{name: {"command": command, "restart": once}
                                 for name, command in commands.items()}}})
        good = self.wait_ready("good")[0]["pid"]
        for name in commands:
            self.assertEqual(self.wait_state(name, "failed")["restarts"], 1, name)
        words = {"missing": "exit code 127", "folder": "exit code 12", "plain": "exit code 12",
                 "strange": "exit code 127", "noise": "exit code 126", "quick": "exit code 0",
                 "forker": "exit code 0"}
        for name, word in words.items():
            self.assertIn(word, self.service(name)["why"], name)
        self.assertIn("cannot find the interpreter of", self.log("strange"))
        self.assertEqual((self.service("good")["pid"], self.service("good")["restarts"]), (good, 0))

    def test_the_run_folder_is_removed(self):
        program = self.up({"services": {"s": {"command": "sleep 1000"}}})
        pid, keeper = self.wait_ready("s")[0]["pid"], self.status()["keeper_pid"]
        shutil.rmtree(self.run_folder)
        before = cpu_ticks(keeper)
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)
        self.assertTrue(harness.alive(keeper))
        self.assertTrue(program.running)
        self.assertLess(cpu_ticks(keeper) - before, 50)  # half a second: it does not spin
        program.signal(signal.SIGTERM)
        self.assertEqual(program.wait(), 0)

    @unittest.skipUnless(os.access(PIDS, os.W_OK), "no pids cgroup can be made here")
    def test_a_full_process_table(self):
        program = self.up({"services": {
            "s": {"command": "sleep 1000", "restart": {"delay": "100ms", "max": 1000000}}}})
        self.wait_ready("s")
        anchor, keeper = self.status()["pid"], self.status()["keeper_pid"]
        group = PIDS / f"holdfast-test-{os.getpid()}"
        group.mkdir()
        try:
            for pid in (anchor, keeper):
                (group / "cgroup.procs").write_text(str(pid))
            (group / "pids.max").write_text("1")
            os.kill(self.service("s")["pid"], signal.SIGKILL)
            self.wait("no process can be made, and that is said",
                      lambda: "no process could be made" in program.stderr)
            self.assertEqual(self.status()["keeper_pid"], keeper)
            (group / "pids.max").write_text("max")
            self.wait_ready("s")
            self.holdfast("down")
        finally:
            self.wait("the group is empty", lambda: not (group / "cgroup.procs").read_text())
            group.rmdir()


class ControlTests(harness.Case):
    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(harness.PATIENCE_SECONDS)
        try:
            client.connect(str(self.run_folder / "control.sock"))
        except OSError:
            client.close()
            raise
        return client

    def test_a_thousand_clients_that_say_half_a_word(self):
        self.up({"services": {"s": {"command": "sleep 1000"}}})
        self.wait_ready("s")
        keeper = self.status()["keeper_pid"]
        clients = []
        for number in range(1000):
            try:
                clients.append(self.connect())
                clients[-1].sendall(b'{"id":1,"do":"sta'[:number % 17])
            except OSError:
                pass  # refused or closed: an answer too
        for client in clients[::2]:
            client.close()
        self.assertTrue(harness.alive(keeper))
        for client in clients:
            client.close()
        self.wait("it answers", lambda: self.status()["keeper_pid"] == keeper)

    def test_garbage_and_long_lines(self):
        self.up({"services": {"s": {"command": "sleep 1000"}}})
        self.wait_ready("s")
        keeper = self.status()["keeper_pid"]
        for text in (os.urandom(5000), b"\n" * 10000, b"[" * 100000 + b"\n", b"x" * (1 << 22),
                     b'{"do":"status","services":[' + b'"a",' * 10000 + b'"a"]}\n',
                     b'{"do":"events","after":-9223372036854775808,"follow":true}\n',
                     b'{"do":"start","services":[1,null,{}]}\n', b'{"do":7}\n', b"\xff\xfe\n"):
            with self.connect() as client:
                try:
                    client.sendall(text)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except OSError:
                    pass
        self.assertEqual(self.status()["keeper_pid"], keeper)
        self.assertEqual(self.service("s")["restarts"], 0)


if __name__ == "__main__":
    unittest.main()
