# SPDX-License-Identifier: Apache-2.0
"""The stack of examples/stack, from real packages: PostgreSQL, API, web page, polling bot. Each is
killed, hung and touched while numbered messages arrive; only the one concerned restarts, no signal
reaches another, and each message is answered once."""

import contextlib
import getpass
import os
import shutil
import signal
import sys
import threading
import time
import unittest

import harness

EXAMPLE = harness.ROOT / "examples" / "stack"
STACK = ("sim", "hub", "db", "api", "web", "bot")
MESSAGES_PER_SECOND = 8  # below the gateway's 30 a second, each in a chat of its own
CHATS_FROM = 1000

WITNESS = """
  witness:
    command: [{python}, witness.py]
"""
WITNESS_PROGRAM = """
import signal
for number in range(1, 32):
    if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda number, frame: print("signal", number, flush=True))
signal.signal(signal.SIGTERM, lambda *_: (print("signal 15", flush=True), exit(0)))
print("watching", flush=True)
while True:
    signal.pause()
"""


class StackCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.stack = self.folder / "stack"
        shutil.copytree(EXAMPLE, self.stack)
        self.config = self.stack / "holdfast.yaml"
        with open(self.config, "a", encoding="utf-8") as file:
            file.write(WITNESS.format(python=sys.executable))
        (self.stack / "witness.py").write_text(WITNESS_PROGRAM)
        database = self.folder / "pg"
        database.mkdir(mode=0o700)
        user = getpass.getuser()
        if os.geteuid() == 0:
            user = "postgres"
            shutil.chown(database, user)
        sim = f"http://127.0.0.1:{self.port('sim')}"
        self.env |= {"STACK_DATA": str(self.data_folder()), "STACK_DB_FOLDER": str(database / "db"),
                     "STACK_DB_USER": user, "TELEGRAM_API_URL": sim,
                     "SIM_PORT": str(self.port("sim")), "PORT": str(self.port("http")),
                     "STACK_DB_PORT": str(self.port("db")), "STACK_API_PORT": str(self.port("api")),
                     "STACK_WEB_PORT": str(self.port("web"))}
        self.sent = 0
        self.keeper = self.up()
        self.wait_ready(*STACK, "witness", seconds=90)
        self.wait("the witness watches", lambda: "watching" in self.log("witness"))

    # --- numbered messages ------------------------------------------------------------------------

    def send_one(self):
        self.sent += 1
        self.say(str(self.sent), chat=CHATS_FROM + self.sent)

    @contextlib.contextmanager
    def flow(self):
        """Messages arrive all the time while the block runs."""
        ended, errors = threading.Event(), []

        def send():
            try:
                while not ended.wait(1 / MESSAGES_PER_SECOND):
                    self.send_one()
            except Exception as error:
                errors.append(error)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield
        finally:
            ended.set()
            sender.join()
        self.assertEqual(errors, [])

    def answers(self, number):
        return self.bot_texts(CHATS_FROM + number)

    def wait_quiet(self, seconds=60):
        """Every message sent so far has its answer, and the bot's note of it is written."""
        for number in range(1, self.sent + 1):
            self.wait(f"message {number} is answered", lambda: self.answers(number), seconds)
        self.wait("all are written down", lambda: self.written() == self.sent, seconds)

    def written(self):
        return self.get(self.url("api", "/handled")).json["count"]

    def assert_each_answered_once(self):
        self.wait_quiet()
        for number in range(1, self.sent + 1):
            self.assertEqual(self.answers(number), [f"handled {number}"])
        self.assertEqual(self.written(), self.sent)

    # --- who restarted ----------------------------------------------------------------------------

    def processes(self):
        return {name: (pid, harness.started(pid)) for name, pid in self.pids().items() if pid}

    def assert_only(self, name, before):
        after = self.processes()
        self.assertNotEqual(after.get(name), before[name])
        del after[name]
        self.assertEqual(after, {other: pid for other, pid in before.items() if other != name})
        self.assertEqual(self.log("witness"), "watching\n")

    def wait_new(self, name, before, seconds=60):
        def is_new():
            service = self.service(name)
            return service["state"] == "ready" and service["pid"] != before[name][0]

        self.wait(f"{name} is another process, and ready", is_new, seconds)


class StackTests(StackCase):
    def test_starts_in_order_and_works(self):
        started = {name: start for name, (_, start) in self.processes().items()}
        self.assertLess(started["db"], started["api"])
        self.assertLess(started["api"], started["web"])
        self.assertLess(started["api"], started["bot"])
        with self.flow():
            time.sleep(2)
        self.assert_each_answered_once()
        page = self.get(self.url("web", "/"))
        self.assertIn(f"<h1>{self.sent}</h1>", page.text)
        self.keeper.signal(signal.SIGTERM)
        self.assertEqual(self.keeper.wait(60), 0, self.keeper.stderr)
        self.assertEqual(self.leftovers(), [])

    def test_kill_each(self):
        # The bot answers first and confirms later, and the hub may hold an answer of which nobody
        # can know whether it arrived: these two die when nothing is on its way, and messages come
        # before they are back.
        for name in ("web", "api", "db"):
            with self.subTest(name=name):
                before = self.processes()
                with self.flow():
                    time.sleep(0.5)
                    os.kill(before[name][0], signal.SIGKILL)
                    self.wait_new(name, before)
                    time.sleep(0.5)
                self.assert_each_answered_once()
                self.assert_only(name, before)
        for name in ("bot", "hub"):
            with self.subTest(name=name):
                before = self.processes()
                os.kill(before[name][0], signal.SIGKILL)
                with self.flow():
                    self.wait_new(name, before)
                self.assert_each_answered_once()
                self.assert_only(name, before)

    def test_kill_the_keeper(self):
        before = self.processes()
        with self.flow():
            for _ in range(3):
                keeper = self.status()["keeper_pid"]
                os.kill(keeper, signal.SIGKILL)
                self.wait("there is a new keeper", lambda: self.status()["keeper_pid"] != keeper)
        self.assert_each_answered_once()
        self.assertEqual(self.processes(), before)
        self.assertEqual(self.log("witness"), "watching\n")

    def test_hang_each(self):
        for name in ("web", "api", "db"):
            with self.subTest(name=name):
                before = self.processes()
                with self.flow():
                    time.sleep(0.3)
                    os.kill(before[name][0], signal.SIGSTOP)
                    self.wait_new(name, before)
                self.assert_each_answered_once()
                self.assert_only(name, before)
        for name in ("bot", "hub"):
            with self.subTest(name=name):
                before = self.processes()
                os.kill(before[name][0], signal.SIGSTOP)
                with self.flow():
                    self.wait_new(name, before, seconds=90)
                self.assert_each_answered_once()
                self.assert_only(name, before)

    def test_a_git_pull_restarts_nothing(self):
        before = self.processes()
        with self.flow():
            for _ in range(3):
                for path in filter(harness.pathlib.Path.is_file, list(self.stack.iterdir())):
                    text = path.read_bytes()
                    path.unlink()  # as git does: a new file under the old name
                    path.write_bytes(text + b"\n")
                time.sleep(0.7)
        self.assert_each_answered_once()
        self.assertEqual(self.processes(), before)
        self.assertEqual(self.log("witness"), "watching\n")


if __name__ == "__main__":
    unittest.main()
