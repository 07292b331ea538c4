# SPDX-License-Identifier: Apache-2.0
"""Anchor, keeper and command line with real processes: what they promise in the spec's rows K1-K9."""

import fcntl
import json
import os
import re
import signal
import sys
import time
import unittest

import harness

# Counts up, a line each, and writes down every signal it can catch.
COUNTER = """
import signal, sys, time
def note(number, frame):
    print("signal", signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(0)
for number in range(1, 32):
    if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):
        signal.signal(number, note)
number = 0
while True:
    number += 1
    print("line", number, flush=True)
    time.sleep(float(sys.argv[1]))
"""

# Ignores SIGTERM, and its grandchild has left session, group and parent.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    open("grandchild.pid", "w").write(str(os.getpid()))
    time.sleep(1000)
    os._exit(0)
os.wait()
print("stubborn", flush=True)
time.sleep(1000)
"""

# Says when it begins and when it is asked to end, in a file shared by all services.
ORDERED = """
import os, signal, sys, time
def say(what):
    with open("order.txt", "a") as file:
        file.write(f"{what} {os.environ['HOLDFAST_SERVICE']}\\n")
def end(number, frame):
    time.sleep(0.1)
    say("ends")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
time.sleep(0.2)
say("begins")
open(os.environ["HOLDFAST_SERVICE"] + ".ready", "w").close()
time.sleep(1000)
"""


def numbers(log):
    return [int(number) for number in re.findall(r"^line (\d+)$", log, re.M)]


class KeeperCase(harness.Case):
    def script(self, name, text):
        (self.folder / name).write_text(text)
        return f"{sys.executable} {name}"

    def counter(self, pause=0.01):
        return {"command": self.script("counter.py", COUNTER) + f" {pause}"}

    def ordered(self, *needs):
        return {"command": self.script("ordered.py", ORDERED), "needs": list(needs),
                "env": {"PYTHONUNBUFFERED": "1"}}


class LifeTests(KeeperCase):
    def test_starts_in_order_and_stops_in_reverse(self):
        services = {"web": self.ordered("api"), "api": self.ordered("db"), "db": self.ordered()}
        for name, service in services.items():
            service["ready"] = {"exec": ["test", "-f", f"{name}.ready"]}
        up = self.up({"services": services})
        self.wait_ready("db", "api", "web")
        order = self.folder / "order.txt"
        self.assertEqual(order.read_text().split("\n")[:3],
                         ["begins db", "begins api", "begins web"])
        up.signal(signal.SIGTERM)
        self.assertEqual(up.wait(), 0, up.stderr)
        self.assertEqual(order.read_text().split("\n")[3:6], ["ends web", "ends api", "ends db"])
        self.assertEqual(self.leftovers(), [])

    def test_interrupt_from_the_terminal_is_orderly_too(self):
        up = self.up({"services": {"a": self.counter()}})
        self.wait("it counts", lambda: self.log("a"))
        os.killpg(up.pid, signal.SIGINT)
        self.assertEqual(up.wait(), 0, up.stderr)
        self.assertIn("signal SIGTERM", self.log("a"))
        self.assertNotIn("signal SIGINT", self.log("a"))

    def test_a_second_signal_is_immediate(self):
        up = self.up({"services": {"a": {"command": self.script("stubborn.py", STUBBORN),
                                         "stop_timeout": "120s"}}})
        self.wait("stubborn runs", lambda: "stubborn" in self.log("a"))
        up.signal(signal.SIGTERM)
        self.wait_state("a", "stopping")
        start = time.monotonic()
        up.signal(signal.SIGTERM)
        self.assertNotEqual(up.wait(), 0)
        self.assertLess(time.monotonic() - start, 10)
        self.wait("nothing is left", lambda: not self.leftovers())

    def test_down(self):
        up = self.up({"services": {"a": self.counter()}})
        self.wait_ready("a")
        self.holdfast("down")
        self.assertEqual(up.wait(), 0, up.stderr)
        self.assertEqual(self.leftovers(), [])
        after = self.holdfast("status", code=None)
        self.assertNotEqual(after.code, 0)
        self.assertRegex(after.stderr, r"not running|holdfast up")

    def test_a_stop_takes_the_whole_tree(self):
        self.up({"services": {"a": {"command": self.script("stubborn.py", STUBBORN),
                                    "stop_timeout": "300ms"}, "b": self.counter()}})
        self.wait("stubborn runs", lambda: "stubborn" in self.log("a"))
        pid = self.service("a")["pid"]
        grandchild = self.wait("the grandchild fled",
                               lambda: int((self.folder / "grandchild.pid").read_text()))
        before = self.service("b")["pid"]
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        self.wait("the service is gone", lambda: not harness.alive(pid))
        self.wait("its fled grandchild is gone", lambda: not harness.alive(grandchild))
        self.assertEqual(self.service("b")["pid"], before)

    def test_a_crash_takes_the_rest_of_its_tree(self):
        self.up({"services": {"a": {"command": self.script("stubborn.py", STUBBORN),
                                    "restart": {"delay": "100ms"}}}})
        self.wait("stubborn runs", lambda: "stubborn" in self.log("a"))
        grandchild = self.wait("the grandchild fled",
                               lambda: int((self.folder / "grandchild.pid").read_text()))
        os.kill(self.service("a")["pid"], signal.SIGKILL)
        self.wait("the fled grandchild is gone", lambda: not harness.alive(grandchild))
        self.wait("it was started again", lambda: self.service("a")["restarts"] == 1)


class CommandTests(KeeperCase):
    def test_status_tells_what_is_so(self):
        self.up({"name": "mine", "services": {"a": self.counter(), "b": {"command": "true",
                                                                         "restart": "never"}}})
        self.wait_ready("a")
        self.wait_state("b", "done")
        status = self.status()
        self.assertEqual(status["name"], "mine")
        a, b = [self.service(name) for name in "ab"]
        self.assertTrue(harness.alive(a["pid"]))
        self.assertTrue(a["ready"])
        self.assertEqual(b["last_exit"]["code"], 0)
        text = self.holdfast("status").stdout
        self.assertRegex(text, r"(?m)^\W*a\b.*ready")
        self.assertRegex(text, r"(?m)^\W*b\b.*done")
        self.assertNotIn("\x1b", text)  # no colours into a file

    def test_stop_start_restart_concern_only_what_was_named(self):
        self.up({"services": {"a": self.counter(), "b": self.counter(), "c": self.counter()}})
        self.wait_ready("a", "b", "c")
        before = self.pids()
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        self.assertFalse(harness.alive(before["a"]))
        self.holdfast("start", "a")
        self.wait_ready("a")
        self.holdfast("restart", "b")
        self.wait("b is a new process", lambda: self.service("b")["pid"] not in (before["b"], 0, None))
        after = self.pids()
        self.assertEqual(after["c"], before["c"])
        self.assertNotEqual(after["a"], before["a"])
        self.assertNotIn("signal", self.log("c"))

    def test_an_unknown_service_is_named(self):
        self.up({"services": {"alpha": self.counter()}})
        for command in ("start", "stop", "restart", "logs"):
            done = self.holdfast(command, "alhpa", code=None)
            self.assertNotEqual(done.code, 0, command)
            self.assertIn("alhpa", done.stderr, command)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_every_command_speaks_json(self):
        self.up({"services": {"a": self.counter()}})
        self.wait_ready("a")
        for command in (["status"], ["restart", "a"], ["stop", "a"], ["start", "a"], ["check"]):
            with self.subTest(command=command):
                self.assertIsInstance(self.holdfast_json(*command, code=None), dict)
        for line in self.holdfast("logs", "a", "--json").stdout.splitlines():
            self.assertIsInstance(json.loads(line), dict)
        self.assertIsInstance(self.holdfast_json("down"), dict)

    def test_logs_follow(self):
        self.up({"services": {"a": self.counter(0.05)}})
        self.wait_ready("a")
        follower = self.start("holdfast", "logs", "-c", self.config, "--run", self.run_folder,
                              "-f", "a")
        self.wait("lines come", lambda: len(numbers(follower.stdout.replace("a | ", ""))) or
                  follower.stdout.count("line ") > 20)
        self.assertTrue(follower.running)
        follower.signal(signal.SIGINT)
        follower.wait()

    def test_init_writes_a_config_that_holds(self):
        empty = self.folder / "new"
        empty.mkdir()
        done = self.run_program("holdfast", "init", cwd=empty)
        self.assertEqual(done.code, 0, done.stderr)
        written = empty / "holdfast.yaml"
        self.assertTrue(written.exists(), done.stdout)
        content = written.read_text()
        again = self.run_program("holdfast", "init", cwd=empty)
        self.assertNotEqual(again.code, 0)
        self.assertEqual(written.read_text(), content)

    def test_help_and_wrong_use(self):
        self.assertEqual(self.run_program("holdfast", "--help").code, 0)
        self.assertIn("0.", self.run_program("holdfast", "--version").stdout)
        self.assertEqual(self.run_program("holdfast", "frobnicate").code, 64)
        self.assertEqual(self.run_program("holdfast", "status", "--frobnicate").code, 64)


class SurroundingsTests(KeeperCase):
    SHOW = "import os; print(os.getcwd(), oct(os.umask(0)), os.environ.get('A'), " \
           "os.environ.get('B'), os.environ.get('HOLDFAST_SERVICE'), os.geteuid(), flush=True); " \
           "import resource; print('files', resource.getrlimit(resource.RLIMIT_NOFILE)[0], " \
           "flush=True); import time; time.sleep(1000)"

    def test_folder_env_umask_and_files(self):
        (self.folder / "sub").mkdir()
        (self.folder / "more.env").write_text("A=from file\nB='from file'\n")
        (self.folder / ".env").write_text("A=from .env\nFROM_DOTENV=1\n")
        self.up({"services": {"a": {"command": [sys.executable, "-c", self.SHOW], "folder": "sub",
                                    "env_file": "more.env", "env": {"B": "${FROM_DOTENV} of env"},
                                    "umask": "0027", "nofile": 333}}})
        self.wait("it says where it is", lambda: "files" in self.log("a"))
        self.assertEqual(self.log("a").splitlines(),
                         [f"{self.folder}/sub 0o27 from file 1 of env a {os.geteuid()}",
                          "files 333"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_user(self):
        import pwd
        nobody = pwd.getpwnam("nobody")
        self.up({"services": {"a": {"command": ["sh", "-c", "id -u; id -g; id -G; sleep 1000"],
                                    "user": "nobody"}}})
        self.wait("it says who it is", lambda: self.log("a").count("\n") == 3)
        self.assertEqual(self.log("a").split(), [str(nobody.pw_uid)] + [str(nobody.pw_gid)] * 2)

    def test_nothing_of_ours_leaks_into_a_service(self):
        self.up({"services": {"a": {"command": ["sh", "-c", "ls -l /proc/self/fd; cat "
                                                "/proc/self/status; sleep 1000"]}}})
        self.wait("it has listed", lambda: "SigIgn" in self.log("a"))
        log = self.log("a")
        self.assertEqual(len(re.findall(r" \d+ -> ", log)), 4, log)  # 0, 1, 2 and ls's own
        for name in ("SigBlk", "SigIgn"):
            self.assertRegex(log, rf"{name}:\s*0+\n")

    def test_dependents_stop_with_what_they_need_and_start_what_they_need(self):
        self.up({"services": {"db": self.counter(), "api": {**self.counter(), "needs": ["db"]},
                              "web": {**self.counter(), "needs": ["api"]}, "other": self.counter()}})
        self.wait_ready("db", "api", "web", "other")
        other = self.service("other")["pid"]
        self.holdfast("stop", "db")
        for name in ("db", "api", "web"):
            self.wait_state(name, "stopped")
        self.holdfast("start", "web")
        self.wait_ready("db", "api", "web")
        self.assertEqual(self.service("other")["pid"], other)

    def test_ready_by_tcp(self):
        port = self.port("tcp")
        go = self.folder / "go"
        listen = (f"import os, socket, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
                  f"s = socket.create_server(('127.0.0.1', {port})); print('listening', flush=True)\n"
                  "time.sleep(1000)")
        self.up({"services": {
            "a": {"command": [sys.executable, "-c", listen], "ready": {"tcp": f"127.0.0.1:{port}"}},
            "b": {"command": ["sh", "-c", "echo started; sleep 1000"], "needs": ["a"]}}})
        self.assertEqual(self.service("a")["state"], "starting")
        self.assertEqual(self.service("b")["state"], "waiting")
        go.write_text("")
        self.wait_ready("a", "b")
        self.assertIn("listening", self.log("a"))

    def test_never_ready_is_given_up_and_tried_again(self):
        self.up({"services": {"a": {"command": "sleep 1000", "ready": {"exec": ["false"]},
                                    "start_timeout": "300ms", "stop_timeout": "200ms",
                                    "restart": {"delay": "50ms"}}}})
        self.wait("it was restarted", lambda: self.service("a")["restarts"] >= 2)
        self.assertEqual(self.log("a"), "")


class WrongInputTests(KeeperCase):
    BAD = """name: x
servces: {}
services:
  a:
    command: sleep 10
    needs: [bb]
    stop_timeout: soon
  b:
    comand: sleep 10
  c:
    command: uvicorn api:app --reload
"""

    def test_every_error_at_once_with_its_place(self):
        self.write_config(self.BAD)
        for command in ("check", "up"):
            done = self.holdfast(command, code=78)
            said = done.stderr + done.stdout
            for line, words in ((2, "services"), (6, "bb"), (7, "soon"), (9, "command"),
                                (11, "--reload")):
                self.assertRegex(said, rf"holdfast\.yaml:{line}:\d+: .*{re.escape(words)}")
        answer = self.holdfast_json("check", code=78)
        self.assertGreaterEqual(len(answer["errors"]), 5)

    def test_broken_yaml(self):
        self.write_config("services: {a: [\n")
        self.assertRegex(self.holdfast("check", code=78).stderr, r"holdfast\.yaml:\d+:\d+: ")

    def test_no_config(self):
        done = self.holdfast("check", code=66)
        self.assertIn("holdfast.yaml", done.stderr)
        self.assertIn("init", done.stderr)

    def test_missing_token(self):
        self.write_config("bots: {main: {token: '${BOT_TOKEN}'}}\nservices: {a: {command: sleep 9}}")
        said = self.holdfast("up", code=78).stderr
        self.assertRegex(said, r"holdfast\.yaml:1:\d+: .*BOT_TOKEN")
        self.assertIn(".env", said)

    def test_unwritable_data_folder(self):
        (self.folder / "file").write_text("")
        self.write_config("data: ./file/data\nservices: {a: {command: sleep 1000}}")
        done = self.holdfast("up", code=73)
        self.assertIn(str(self.folder / "file/data"), done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_print_shows_what_holds_and_no_secret(self):
        token = "123456789:" + "A" * 35
        self.write_config({"http": {"token": "a-secret-of-the-http-side"},
                           "bots": {"main": {"token": token}}, "services": {"a": {"command": "true"}}})
        shown = self.holdfast("check", "--print").stdout
        self.assertIn("stop_timeout", shown)
        self.assertNotIn(token, shown)
        self.assertNotIn("a-secret-of-the-http-side", shown)

    def test_command_that_is_not_there(self):
        self.write_config("services: {a: {command: no-such-program-here}}")
        self.assertIn("no-such-program-here", self.holdfast("check", code=78).stderr)


class RestartTests(KeeperCase):
    def test_a_crash_is_restarted_and_told(self):
        self.up({"services": {"a": {"command": ["sh", "-c", "echo here; sleep 0.2; exit 3"],
                                    "restart": {"delay": "100ms", "max": 2, "give_up": True}}}})
        self.wait_state("a", "failed")
        service = self.service("a")
        self.assertEqual(service["last_exit"]["code"], 3)
        self.assertEqual(self.log("a").count("here"), 3)  # the first and two restarts

    def test_a_config_error_of_the_service_waits_for_a_change(self):
        self.up({"services": {"a": {"command": ["sh", "-c", "echo here; exit 78"],
                                    "restart": {"delay": "50ms"}}}})
        self.wait_state("a", "failed")
        time.sleep(0.5)
        self.assertEqual(self.log("a").count("here"), 1)

    def test_a_clean_exit_of_on_failure_is_the_end(self):
        self.up({"services": {"a": {"command": "true",
                                    "restart": {"when": "on-failure", "delay": "50ms"}}}})
        self.wait_state("a", "done")

    def test_a_hung_service_is_found_by_its_probe(self):
        port = self.port("hung")
        self.up({"services": {
            "a": {"command": [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
                  "ready": {"http": f"http://127.0.0.1:{port}/"},
                  "health": {"http": f"http://127.0.0.1:{port}/", "every": "200ms",
                             "timeout": "300ms", "failures": 2},
                  "stop_timeout": "300ms", "restart": {"delay": "100ms"}},
            "b": self.counter()}})
        self.wait_ready("a", "b")
        before = self.pids()
        os.kill(before["a"], signal.SIGSTOP)
        self.wait("a is another process",
                  lambda: self.service("a")["pid"] not in (None, 0, before["a"]))
        self.wait_ready("a")
        self.assertFalse(harness.alive(before["a"]))
        self.assertEqual(self.service("b")["pid"], before["b"])
        self.assertNotIn("signal", self.log("b"))

    def test_a_hung_service_is_found_by_its_watchdog(self):
        beats = ("import os, socket, time\n"
                 "keeper = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                 "keeper.connect(os.environ['NOTIFY_SOCKET'])\n"
                 "keeper.send(b'READY=1')\n"
                 "while True:\n    keeper.send(b'WATCHDOG=1')\n    time.sleep(0.1)\n")
        self.up({"services": {"a": {"command": self.script("beats.py", beats), "ready": "notify",
                                    "watchdog": "1s", "stop_timeout": "300ms",
                                    "restart": {"delay": "100ms"}}}})
        self.wait_ready("a")
        time.sleep(1.5)
        before = self.service("a")
        self.assertEqual(before["restarts"], 0)
        os.kill(before["pid"], signal.SIGSTOP)
        self.wait("a is another process",
                  lambda: self.service("a")["pid"] not in (None, 0, before["pid"]))


    def test_a_quick_exec_probe_is_not_killed_by_an_older_timer(self):
        self.up({"services": {"a": {**self.counter(), "health": {
            "exec": ["sleep", "0.5"], "every": "50ms", "timeout": "2s", "failures": 1}}}})
        self.wait("it is healthy", lambda: self.service("a")["health"] == "healthy")
        time.sleep(6)
        self.assertEqual(self.service("a")["restarts"], 0)


class IsolationTests(KeeperCase):
    def test_no_signal_reaches_another(self):
        self.up({"services": {"a": self.counter(), "b": {**self.counter(),
                                                         "restart": {"delay": "100ms"}}}})
        self.wait_ready("a", "b")
        a, b = self.service("a")["pid"], self.service("b")["pid"]
        self.assertEqual(os.getsid(a), a)
        self.assertEqual(os.getpgid(b), b)
        os.killpg(os.getpgid(b), signal.SIGTERM)
        self.wait("b is another process", lambda: self.service("b")["pid"] not in (None, 0, b))
        os.killpg(self.service("b")["pid"], signal.SIGKILL)
        self.wait("b was restarted twice", lambda: self.service("b")["restarts"] == 2)
        self.assertEqual(self.service("a")["pid"], a)
        self.assertNotIn("signal", self.log("a"))

    def test_a_changed_file_restarts_nothing(self):
        self.up({"services": {"a": self.counter()}})
        self.wait("it counts", lambda: self.log("a"))
        before = self.pids()
        for path in self.folder.glob("*.*"):
            os.utime(path)
        self.config.write_text(self.config.read_text() + "\n")
        (self.folder / "counter.py").write_text("raise SystemExit('a new version')")
        time.sleep(1)
        self.assertEqual(self.pids(), before)


class ReloadTests(KeeperCase):
    def test_only_what_changed_is_restarted(self):
        services = {"a": self.counter(), "b": self.counter(), "c": self.counter()}
        self.up({"services": services})
        self.wait_ready("a", "b", "c")
        before = self.pids()
        services["b"] = {**services["b"], "env": {"NEW": "1"}}
        services["d"] = self.counter()
        del services["c"]
        self.write_config({"services": services})
        self.holdfast("reload")
        self.wait_ready("d")
        self.wait("b is another process", lambda: self.service("b")["pid"] not in (None, 0, before["b"]))
        self.wait("c is gone", lambda: not harness.alive(before["c"]) and "c" not in self.pids())
        self.assertEqual(self.service("a")["pid"], before["a"])
        self.assertNotIn("signal", self.log("a"))

    def test_a_wrong_config_changes_nothing(self):
        up = self.up({"services": {"a": self.counter()}})
        self.wait_ready("a")
        before = self.pids()
        self.write_config("services:\n  a: {comand: x}\n  b: {command: sleep 9}\n")
        done = self.holdfast("reload", code=None)
        self.assertNotEqual(done.code, 0)
        self.assertRegex(done.stderr + done.stdout + up.stderr, r"holdfast\.yaml:2:\d+")
        self.assertEqual(self.pids(), before)


class KillTests(KeeperCase):
    def test_a_keeper_waits_for_the_last_lines_of_a_former_one(self):
        """Two at one ring would tear the log; the former one is played by who holds its lock."""
        self.run_folder.mkdir(exist_ok=True)
        self.write_config({"services": {"a": {"command": "sleep 1000"}}})
        with open(self.run_folder / "keeper.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.start("holdfast", "up", "-c", self.config, "--run", self.run_folder)
            self.wait("the keeper is there", lambda: (self.run_folder / "log").exists())
            time.sleep(0.5)
            self.assertFalse((self.run_folder / "log" / "a.fifo").exists())
        self.wait_ready("a")

    def test_kill_9_of_the_keeper(self):
        self.up({"services": {"a": self.counter(0.002), "b": {
            "command": ["sh", "-c", "sleep 1.5; exit 7"], "restart": "never"}}})
        self.wait_ready("a")
        before = self.status()
        pid = self.service("a")["pid"]
        for _ in range(3):
            keeper = self.status()["keeper_pid"]
            os.kill(keeper, signal.SIGKILL)
            self.wait("there is a new keeper", lambda: self.status()["keeper_pid"] != keeper)
        self.wait_state("b", "done", "failed")
        self.assertEqual(self.service("b")["last_exit"]["code"], 7)
        self.assertEqual(self.service("a")["pid"], pid)
        self.assertEqual(self.service("a")["restarts"], 0)
        self.assertEqual(self.status()["pid"], before["pid"])
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        seen = numbers(self.log("a"))
        self.assertGreater(len(seen), 100)
        self.assertEqual(seen, list(range(1, len(seen) + 1)), "a log line was lost or doubled")

    def test_an_exit_while_there_is_no_keeper_is_known(self):
        self.up({"services": {"a": {"command": self.script("counter.py", COUNTER) + " 0.01",
                                    "restart": "never"}}})
        self.wait_ready("a")
        pid, keeper = self.service("a")["pid"], self.status()["keeper_pid"]
        os.kill(keeper, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        os.kill(keeper, signal.SIGKILL)
        self.wait("there is a new keeper", lambda: self.status()["keeper_pid"] != keeper)
        self.wait_state("a", "failed", "done")
        self.assertEqual(self.service("a")["last_exit"]["signal"], signal.SIGKILL)

    def test_kill_9_of_the_anchor_and_adoption(self):
        up = self.up({"services": {"a": self.counter(0.005)}})
        self.wait_ready("a")
        pid = self.service("a")["pid"]
        start = harness.started(pid)
        os.kill(self.status()["pid"], signal.SIGKILL)
        up.process.wait()
        time.sleep(0.3)
        self.assertTrue(harness.alive(pid))
        self.up()
        self.wait_ready("a")
        self.assertEqual(self.service("a")["pid"], pid)
        self.assertEqual(harness.started(pid), start)
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        seen = numbers(self.log("a"))
        self.assertEqual(seen, list(range(1, len(seen) + 1)), "a log line was lost or doubled")


class LockTests(KeeperCase):
    def test_a_second_up_says_who_holds_it(self):
        up = self.up({"services": {"a": self.counter()}})
        self.wait_ready("a")
        before = self.pids()
        second = self.holdfast("up", code=69)
        self.assertIn(str(up.pid), second.stderr)
        self.assertEqual(len(second.stderr.strip().splitlines()), 1, second.stderr)
        self.assertEqual(self.pids(), before)


    def test_replace_takes_over_in_order(self):
        first = self.up({"services": {"a": self.counter()}})
        self.wait_ready("a")
        before = self.service("a")["pid"]
        second = self.start("holdfast", "up", "-c", self.config, "--run", self.run_folder, "--replace")
        self.assertEqual(first.wait(), 0, first.stderr)
        self.assertFalse(harness.alive(before))
        self.wait("the second holds it", lambda: self.status()["pid"] == second.pid)
        self.wait_ready("a")


class LogTests(KeeperCase):
    def test_rotation_cuts_no_line_and_keeps_its_bounds(self):
        words = "x" * 50
        self.up({"services": {"a": {
            "command": ["sh", "-c", f"i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; "
                                    f"echo {words}; done; sleep 1000"],
            "log": {"size": "16KB", "files": 3}}}})
        self.wait("the last line is there", lambda: "line 2000\n" in self.log("a"))
        files = sorted((self.data_folder() / "logs").glob("a.log*"))
        self.assertLessEqual(len(files), 3)
        for path in files:
            self.assertLessEqual(path.stat().st_size, 16 * 1024)
            for line in path.read_text().splitlines():
                self.assertRegex(line, rf"^(line \d+|{words})$")
        seen = numbers(self.log("a"))
        self.assertEqual(seen, list(range(seen[0], 2001)))

    def test_a_token_is_masked(self):
        token = "123456789:" + "A" * 35
        self.up({"services": {"a": {"command": ["sh", "-c", f"echo {token} end; sleep 1000"]}}})
        self.wait("the line is there", lambda: " end" in self.log("a"))
        self.assertNotIn(token, self.log("a"))


if __name__ == "__main__":
    unittest.main()
