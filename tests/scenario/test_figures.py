# SPDX-License-Identifier: Apache-2.0
"""Figures of services and machine, what is told when they are too high, and development flags found
in what really runs."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import unittest

import harness

MB = 1 << 20

# Holds memory in a child, threads, descriptors; lets the memory go at SIGUSR1.
HOLDER = """
import os, signal, sys, threading, time
if os.fork() == 0:
    held = [bytearray(os.urandom(1 << 20) * int(sys.argv[1]))]
    def let_go(number, frame):
        held.clear()
        print("let go", flush=True)
    signal.signal(signal.SIGUSR1, let_go)
    open("holder.pid", "w").write(str(os.getpid()))
    while True:
        time.sleep(1000)
for _ in range(4):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
files = [open("/dev/null") for _ in range(40)]
while True:
    time.sleep(1000)
"""

BURNER = "import os\nos.fork()\nwhile True: pass\n"

# As the reloaders do it: the one that watches runs the one that serves.
RELOADER = """
import subprocess, sys, time
if "--child" not in sys.argv:
    subprocess.run([sys.executable, *sys.argv, "--child"])
time.sleep(1000)
"""


class FiguresCase(harness.Case):
    def ask(self, what, **more):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(harness.PATIENCE_SECONDS)
            connection.connect(str(self.run_folder / "control.sock"))
            connection.sendall(json.dumps({"id": 1, "do": what, **more}).encode() + b"\n")
            answer = json.loads(connection.makefile().readline())
        self.assertTrue(answer["ok"], answer)
        return answer["result"]

    def figures(self, name):
        return next(service for service in self.ask("figures")["services"]
                    if service["name"] == name)

    def script(self, name, text, *words):
        (self.folder / name).write_text(text)
        return [sys.executable, name, *map(str, words)]


class FiguresTests(FiguresCase):
    def test_the_whole_tree_is_counted_and_the_machine(self):
        self.up({"services": {"holder": {"command": self.script("holder.py", HOLDER, 60)},
                              "idle": {"command": "sleep 1000"},
                              "done": {"command": "true", "restart": "never"}}})
        self.wait("it holds", lambda: (self.folder / "holder.pid").read_text())
        self.wait_state("done", "done")
        answer = self.ask("figures")
        self.assertEqual([service["name"] for service in answer["services"]],
                         ["holder", "idle", "done"])
        holder, idle, done = answer["services"]
        self.assertEqual(holder["pid"], self.service("holder")["pid"])
        self.assertEqual(holder["state"], "ready")
        self.assertEqual((holder["processes"], idle["processes"], done["processes"]), (2, 1, 0))
        self.assertEqual((holder["threads"], idle["threads"]), (6, 1))
        self.assertGreaterEqual(holder["fds"], 46)
        self.assertEqual(idle["fds"], 3)
        self.assertGreater(holder["memory_bytes"], 60 * MB)
        self.assertLess(holder["memory_bytes"], 200 * MB)
        self.assertTrue(0 < idle["memory_bytes"] < 20 * MB, idle)
        self.assertNotIn("memory_is_rss", holder)
        self.assertEqual((done["pid"], done["memory_bytes"], done["cpu_percent"]), (0, 0, 0))
        self.assertEqual(holder["forecast"], {"kind": "too_little_data", "text": "too little data"})
        machine = answer["machine"]
        total = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) * 1024
        self.assertEqual(machine["memory_total"], total)
        for key in ("memory_percent", "disk_percent"):
            self.assertTrue(0 < machine[key] <= 100, machine)
        disk = os.statvfs(self.folder)
        self.assertEqual(machine["disk_total"], disk.f_blocks * disk.f_frsize)
        self.assertGreater(machine["uptime_ms"], 0)
        self.assertEqual(answer["cores"], os.cpu_count())
        self.assertEqual(machine["forecast"]["kind"], "too_little_data")
        self.assertGreater(answer["keeper"]["memory_bytes"], MB)

    def test_the_unrest_of_restarts_and_the_clock(self):
        once = "if [ -e $0.ran ]; then exec sleep 1000; fi; touch $0.ran; exit 3"
        services = {name: {"command": ["sh", "-c", once, str(self.folder / name)],
                           "restart": {"delay": "0s", "max": 100}} for name in ("a", "b", "c")}
        services["quiet"] = {"command": "sleep 1000"}
        self.up({"services": services})
        self.wait_ready(*services)
        self.wait("each was restarted", lambda: self.restarts()["services"] == 3)
        self.assertEqual(self.restarts()["count"], 3)
        self.assertAlmostEqual(self.restarts()["spread"], 0.889, 2)  # (1 - 1/3) / (1 - 1/4)
        self.holdfast("restart", "quiet")  # asked for: no unrest
        self.wait_ready("quiet")
        keeper = self.status()["keeper_pid"]
        os.kill(keeper, signal.SIGKILL)
        self.wait("another keeper", lambda: self.status()["keeper_pid"] != keeper)
        self.assertEqual(self.restarts()["text"],
                         "3 restarts in the last hour, of 3 services, most of them of a")
        clock = self.ask("figures")["machine"]["clock"]
        self.assertIn(clock["synchronized"], (True, False))
        self.assertEqual("error_ms" in clock, clock["synchronized"])

    def restarts(self):
        return self.ask("figures")["machine"]["restarts"]

    def test_cpu_of_a_tree_between_two_questions(self):
        self.up({"services": {"burner": {"command": self.script("burner.py", BURNER)},
                              "idle": {"command": "sleep 1000"}}})
        self.wait_ready("burner", "idle")
        first = self.ask("figures")
        self.assertEqual(first["interval_ms"], 0)  # since each began
        again = self.wait("two questions lie apart", lambda: (
            answer if (answer := self.ask("figures"))["interval_ms"] >= 500 else None))
        self.wait("it burns", lambda: self.figures("burner")["cpu_percent"] > 10)
        self.assertLess(self.figures("idle")["cpu_percent"], 5)
        self.assertTrue(0 < again["machine"]["cpu_percent"] <= 100 * again["cores"] + 50, again)

    def test_limits_are_told_once_each(self):
        watch = {"memory": "40MB", "cpu": 0}
        self.up({"services": {"holder": {"command": self.script("holder.py", HOLDER, 60),
                                         "watch": watch},
                              "burner": {"command": self.script("burner.py", BURNER),
                                         "watch": {"cpu": 2, "cpu_for": 0}}}})
        holder = int(self.wait("it holds", lambda: (self.folder / "holder.pid").read_text()))
        kinds = ("memory_high", "memory_normal", "cpu_high", "cpu_normal")

        def told(name):
            self.ask("figures")
            return [event["what"] for event in self.events(*kinds) if event["service"] == name]

        self.wait("both are told", lambda: told("holder") and told("burner"))
        for _ in range(5):
            self.ask("figures")
        self.assertEqual((told("holder"), told("burner")), (["memory_high"], ["cpu_high"]))
        self.assertIn("40 MB", self.events("memory_high")[0]["text"])
        self.assertIn("2 %", self.events("cpu_high")[0]["text"])
        keeper = self.status()["keeper_pid"]
        os.kill(keeper, signal.SIGKILL)
        self.wait("another keeper", lambda: self.status()["keeper_pid"] != keeper)
        self.wait("it sees both as high", lambda: self.figures("burner")["cpu_percent"] > 2 and
                  self.figures("holder")["memory_bytes"] > 40 * MB)
        self.assertEqual((told("holder"), told("burner")), (["memory_high"], ["cpu_high"]))
        os.kill(holder, signal.SIGUSR1)
        self.wait("told that it is normal", lambda: told("holder") == ["memory_high", "memory_normal"])
        self.holdfast("stop", "burner")
        self.wait("of who is stopped too", lambda: told("burner") == ["cpu_high", "cpu_normal"])

    def test_a_limit_is_changed_without_a_restart(self):
        config = {"services": {"idle": {"command": "sleep 1000", "watch": {"memory": "10GB"}}}}
        self.up(config)
        self.wait_ready("idle")
        pid = self.service("idle")["pid"]
        self.ask("figures")
        self.assertEqual(self.events("memory_high"), [])
        config["services"]["idle"]["watch"]["memory"] = "4KB"
        self.write_config(config)
        self.holdfast("reload")
        self.ask("figures")
        self.assertEqual(len(self.events("memory_high")), 1)
        self.assertEqual(self.service("idle")["pid"], pid)

    def test_what_fled_is_counted_by_its_marks_too(self):
        self.test_what_fled_is_counted_and_many_processes_are(cgroup=False)

    def test_what_fled_is_counted_and_many_processes_are(self, cgroup=True):
        many = "for i in $(seq 200); do sleep 1000 & done; setsid sleep 1000 & echo all; wait"
        self.up({"cgroup": cgroup,
                 "services": {"many": {"command": ["sh", "-c", many]},
                              "orphan": {"command": ["sh", "-c", "(setsid sleep 1000 &); sleep 1000"]}}})
        self.wait("all are counted", lambda: self.figures("many")["processes"] == 202)
        self.assertEqual(self.figures("orphan")["processes"], 3)  # sh, its sleep, who fled

    def test_nothing_wakes_when_nobody_asks(self):
        self.up({"profile": "development", "services": {"idle": {"command": "sleep 1000"}}})
        self.wait_ready("idle")
        self.ask("figures")
        keeper = self.status()["keeper_pid"]

        def switches():
            status = pathlib.Path(f"/proc/{keeper}/status").read_text()
            return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

        last = []

        def at_rest():  # a second without a single one
            last.append(switches())
            return len(last) > 50 and last[-50] == last[-1]

        self.wait("the keeper is at rest", at_rest)

    def test_no_such_option(self):
        self.write_config({"services": {"a": {"command": "sleep 1", "watch": {"memry": "1GB",
                                                                              "cpu": "much"}}}})
        said = self.holdfast("check", code=78).stderr
        self.assertIn("did you mean 'memory'", said)
        self.assertIn("much", said)


class DevelopmentTests(FiguresCase):
    def flags(self):
        return self.events("development_flag")

    def start_script(self, line):
        (self.folder / "start.sh").write_text(f"#!/bin/sh\nset -e\n{line}\n")
        (self.folder / "start.sh").chmod(0o755)

    def test_a_flag_that_a_script_adds_is_found_and_named(self):
        self.script("server.py", RELOADER)
        self.start_script(f"{sys.executable} server.py --reload; true")
        self.up({"services": {"web": {"command": "./start.sh", "watch": {"memory": 0}},
                              "good": {"command": "sleep 1000"}}})
        event = self.wait("it is told", self.flags)[0]
        self.assertEqual(event["service"], "web")
        self.assertIn("--reload", event["text"])
        self.assertIn("remove it", event["text"])
        findings = self.ask("doctor")["findings"]
        self.assertEqual({finding["service"] for finding in findings}, {"web"})
        self.assertEqual(len(findings), 2)  # who watches and who serves
        for finding in findings:
            self.assertEqual(finding["what"], "--reload")
            words = pathlib.Path(f"/proc/{finding['pid']}/cmdline").read_bytes().split(b"\0")
            self.assertIn(b"--reload", words)
            self.assertTrue(finding["advice"])
        self.assertTrue(any(f"process {finding['pid']} " in event["text"] for finding in findings))
        self.holdfast("restart", "web")
        self.wait("once for each life", lambda: len(self.flags()) == 2)

    def test_the_environment_that_a_script_sets_is_found(self):
        self.start_script("FLASK_DEBUG=1 sleep 1000; true")
        self.up({"services": {"web": {"command": "./start.sh"}}})
        self.assertIn("FLASK_DEBUG=1", self.wait("it is told", self.flags)[0]["text"])

    def test_the_development_profile_says_nothing(self):
        self.script("server.py", RELOADER)
        self.start_script(f"{sys.executable} server.py --reload; true")
        self.up({"profile": "development", "services": {"web": {"command": "./start.sh"}}})
        self.wait("both run", lambda: self.figures("web")["processes"] == 3)
        self.assertEqual(self.ask("doctor")["findings"], [])
        self.assertEqual(self.flags(), [])

    @unittest.skipUnless(subprocess.run(["/usr/bin/python3", "-c", "import uvicorn"],
                                        capture_output=True).returncode == 0,
                         "python3-uvicorn is not installed")
    def test_uvicorn_with_reload_is_found_and_without_it_a_git_pull_restarts_nothing(self):
        def git(folder, *words):
            subprocess.run(["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@localhost",
                            "-c", "commit.gpgsign=false", *words], check=True, capture_output=True,
                           env={**self.env, "GIT_CONFIG_GLOBAL": "/dev/null"})

        def serve(more):
            self.start_script(f"cd checkout\n/usr/bin/python3 -m uvicorn app:app --host 127.0.0.1 "
                              f"--port {self.port('web')} {more}; true")

        origin, checkout = self.folder / "origin", self.folder / "checkout"
        origin.mkdir()
        git(origin, "init", "-q", "-b", "main")
        app = origin / "app.py"
        app.write_text("""import os
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
""")
        git(origin, "add", "app.py")
        git(origin, "commit", "-q", "-m", "one")
        git(self.folder, "clone", "-q", str(origin), str(checkout))
        serve("--reload")
        self.up({"services": {"web": {"command": "./start.sh"}}})
        event = self.wait("it is told", self.flags, 60)[0]
        self.assertIn("--reload", event["text"])
        self.assertIn("uvicorn", pathlib.Path(
            f"/proc/{self.ask('doctor')['findings'][0]['pid']}/cmdline").read_text())
        serve("")
        self.holdfast("restart", "web")
        server = self.wait_http(self.url("web"), seconds=60).text
        self.wait("nothing is found", lambda: self.ask("doctor")["findings"] == [])
        app.write_text(app.read_text() + "# a change\n")
        git(origin, "commit", "-q", "-a", "-m", "two")
        before = (self.service("web")["pid"], self.service("web")["restarts"])
        git(checkout, "pull", "-q")
        self.assertIn("# a change", (checkout / "app.py").read_text())
        for _ in range(20):
            self.assertEqual(self.wait_http(self.url("web")).text, server)
            self.wait("a moment", lambda: True)
        self.assertEqual((self.service("web")["pid"], self.service("web")["restarts"]), before)
        self.assertEqual(len(self.flags()), 1)
