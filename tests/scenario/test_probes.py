# SPDX-License-Identifier: Apache-2.0
"""How a service says that it works, and how its silence is found: probes of each kind, sd_notify
MAINPID and STOPPING, and the bugs of others with dependencies and probes."""

import os
import signal
import socket
import time
import unittest

import harness

# Says words to NOTIFY_SOCKET.
NOTIFY = """
import os, signal, socket, subprocess, sys, time
def say(*lines):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.connect(os.environ["NOTIFY_SOCKET"])
        link.send("\\n".join(lines).encode())
def note(text):
    with open("notes", "a") as notes:
        notes.write(text + "\\n")
"""


class ProbeCase(harness.Case):
    def python(self, name, text, **options):
        path = self.folder / f"{name}.py"
        path.write_text(NOTIFY + text)
        return {"command": ["python3", str(path)], **options}

    def notes(self):
        path = self.folder / "notes"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def words(self, service):
        return [event["what"] for event in self.events(service=service)]

    def wait_word(self, service, what, count=1):
        self.wait(f"{service}: {what}", lambda: self.words(service).count(what) >= count)

    def wait_another(self, name, before):
        """Another process of the service is ready, by one and the same status."""
        def another():
            seen = self.service(name)
            return seen["state"] == "ready" and seen["pid"] != before
        self.wait(f"another {name} is ready", another)

    def kill_keeper(self):
        keeper = self.status()["keeper_pid"]
        os.kill(keeper, signal.SIGKILL)
        self.wait("there is a new keeper", lambda: self.status()["keeper_pid"] != keeper)


class HangTests(ProbeCase):
    """Each kind finds a process that is there and does nothing; what follows has one order. (The
    time it takes is in docs/config.md; bench/ measures.)"""

    QUICK = {"every": "100ms", "timeout": "1s", "failures": 3}

    def check_hang(self, service, why):
        before = self.wait_ready("a")[0]["pid"]
        self.wait("it is looked at", lambda: self.service("a")["health"] == "healthy")
        os.kill(before, signal.SIGSTOP)
        self.wait_another("a", before)
        words = self.words("a")
        self.assertEqual(words[:3], ["started", "ready", "unhealthy"], self.events(service="a"))
        self.assertEqual([word for word in words[2:7] if word != "stopping"][:5],
                         ["unhealthy", "exited", "restarting", "started", "ready"],
                         self.events(service="a"))
        told = [event["text"] for event in self.events(service="a") if event["what"] == "unhealthy"][0]
        self.assertIn(why, told)
        self.assertFalse(harness.alive(before))

    def service_that(self, text, **options):
        return {"services": {"a": self.python("a", text, restart={"delay": "50ms"},
                                              stop_timeout="300ms", **options)}}

    def test_tcp(self):
        # The kernel accepts for a stopped process until its backlog is full.
        port = self.port("a")
        self.up(self.service_that(f"""
link = socket.socket()
link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
link.bind(("127.0.0.1", {port}))
link.listen(0)
while True:
    link.accept()[0].close()
""", ready={"tcp": f"127.0.0.1:{port}"}, health={"tcp": f"127.0.0.1:{port}", **self.QUICK}))
        self.check_hang("a", "3 health probes in a row failed: no answer within 1 s")

    def test_http(self):
        port = self.port("a")
        (self.folder / "health").write_text("fine")
        url = f"http://127.0.0.1:{port}/health"
        self.up({"services": {"a": {
            "command": ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)],
            "restart": {"delay": "50ms"}, "stop_timeout": "300ms", "ready": {"http": url},
            "health": {"http": url, **self.QUICK}}}})
        self.check_hang("a", "3 health probes in a row failed: no answer within 1 s")

    def test_exec(self):
        self.up(self.service_that("""
while True:
    open("beat", "w").write(str(time.time()))
    time.sleep(0.02)
""", ready={"exec": "test -s beat", "every": "50ms"}, health={"exec": [
    "sh", "-c", "a=$(cat beat); sleep 0.5; test \"$a\" != \"$(cat beat)\""],
             **self.QUICK, "timeout": "5s"}))
        self.check_hang("a", "3 health probes in a row failed: the probe ended with 1")

    def test_file_age(self):
        self.up(self.service_that("""
while True:
    open("beat", "w").write("x")
    time.sleep(0.02)
""", ready={"file": "beat", "every": "50ms"},
                                  health={"file": "beat", "max_age": "2s", **self.QUICK}))
        self.check_hang("a", "3 health probes in a row failed: its file was last written")

    def test_watchdog(self):
        self.up(self.service_that("""
say("READY=1")
while True:
    say("WATCHDOG=1")
    time.sleep(0.05)
""", ready="notify", watchdog="3s"))
        self.check_hang("a", "no sd_notify WATCHDOG=1 for 3 s")


class FileTests(ProbeCase):
    def why(self, service, words):
        self.wait(words, lambda: any(words in event["text"] for event in self.events(service=service)))

    def test_ready_by_a_file_of_this_life(self):
        (self.folder / "beat").write_text("of yesterday")
        self.up({"services": {"a": {
            "command": ["sh", "-c", "while [ ! -e go ]; do sleep 0.05; done; : > beat; "
                                    "exec sleep 1000"],
            "ready": {"file": "beat", "every": "50ms"}}}})
        self.wait("it was looked at", lambda: "last written" in self.service("a")["why"])
        self.assertEqual(self.service("a")["state"], "starting")
        (self.folder / "go").touch()
        self.wait_ready("a")

    def test_a_missing_file_a_folder_and_a_fifo(self):
        (self.folder / "folder").mkdir()
        os.mkfifo(self.folder / "fifo")
        quick = {"every": "100ms", "failures": 2}
        self.up({"services": {
            name: {"command": "sleep 1000", "health": {"file": name, **quick}}
            for name in ("missing", "folder", "fifo")}})
        self.why("missing", "its file: no such file or directory")
        self.why("folder", "its file is no regular file, but a folder")
        self.why("fifo", "its file is no regular file, but a FIFO")


class MainPidTests(ProbeCase):
    # The launcher starts the main process, tells of it and ends, as old daemons do.
    DAEMON = """
if len(sys.argv) > 1:
    signal.signal(signal.SIGTERM, lambda *_: (note("TERM at main"), sys.exit(0)))
    note(f"main {os.getpid()}")
    child = subprocess.Popen(["sleep", "1000"])
    note(f"child {child.pid}")
    while not os.path.exists("end"):
        time.sleep(0.02)
    sys.exit(7)
main = subprocess.Popen([sys.executable, __file__, "main"], start_new_session=True)
say(f"MAINPID={main.pid}", "READY=1")
if os.path.exists("stay"):
    signal.signal(signal.SIGTERM, lambda *_: note("TERM at launcher"))
    while True:
        time.sleep(1)
os._exit(0)
"""

    def daemon(self, **options):
        return {"services": {"a": self.python("a", self.DAEMON, ready="notify",
                                              restart={"delay": "50ms"}, **options)}}

    def noted(self, what, count=1):
        """The newest pid noted under a name."""
        def found():
            pids = [int(line.split()[1]) for line in self.notes() if line.startswith(what + " ")]
            return pids[-1] if len(pids) >= count else None
        return self.wait(f"{what} was noted", found)

    def test_the_service_is_its_main_process(self):
        self.up(self.daemon())
        self.wait_ready("a")
        main = self.noted("main")
        self.wait("the main process is known", lambda: self.pids()["a"] == main)
        time.sleep(0.3)
        self.assertEqual(self.words("a").count("started"), 1)
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        self.assertIn("TERM at main", self.notes())
        self.assertFalse(harness.alive(main))
        child = self.noted("child")
        self.wait("what it left is gone", lambda: not harness.alive(child))

    def test_its_exit_is_the_services(self):
        self.up(self.daemon())
        self.wait_ready("a")
        main, child = self.noted("main"), self.noted("child")
        self.wait("the main process is known", lambda: self.pids()["a"] == main)
        (self.folder / "end").touch()
        self.wait_word("a", "exited")
        (self.folder / "end").unlink()
        exited = [event for event in self.events(service="a") if event["what"] == "exited"][0]
        self.assertIn("exit code 7", exited["text"]) # the anchor reaped it: a subreaper's child
        self.wait("what it left is gone", lambda: not harness.alive(child))
        again = self.noted("main", 2)
        self.wait("it runs anew", lambda: self.pids()["a"] == again)

    def test_a_launcher_that_stays_ends_with_it(self):
        (self.folder / "stay").touch()
        self.up(self.daemon())
        self.wait_ready("a")
        main = self.noted("main")
        self.wait("the main process is known", lambda: self.pids()["a"] == main)
        launcher = harness.parent(main)
        os.kill(main, signal.SIGKILL)
        self.wait_word("a", "exited")
        self.wait("the launcher is gone", lambda: not harness.alive(launcher))
        again = self.noted("main", 2)
        self.wait("it runs anew", lambda: self.pids()["a"] == again)
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        ends = [line for line in (self.run_folder / "events").read_text().splitlines()
                if '"service":"a"' in line and ('"exited"' in line or '"stopped"' in line)]
        self.assertEqual(len(ends), 2, ends)  # of the main ones; a launcher is no life of its own
        self.assertIn("TERM at main", self.notes())
        self.assertNotIn("TERM at launcher", self.notes())

    def check_survives(self, kill):
        for stays in (False, True):
            if stays:
                (self.folder / "stay").touch()
                self.holdfast("restart", "a")
            main = self.noted("main", 2 if stays else 1)
            self.wait("the main process is known", lambda: self.pids()["a"] == main)
            kill()
            self.wait("it is known as before", lambda: (seen := self.service("a")) and
                      (seen["state"], seen["pid"]) == ("ready", main))
        os.kill(main, signal.SIGKILL)
        self.wait_word("a", "exited")
        self.noted("main", 3)
        self.wait_ready("a")

    def test_kill_9_of_the_keeper(self):
        self.up(self.daemon())
        self.wait_ready("a")
        self.check_survives(self.kill_keeper)

    def test_kill_9_of_the_anchor(self):
        self.up(self.daemon())
        self.wait_ready("a")

        def kill():
            os.kill(self.status()["pid"], signal.SIGKILL)
            self.programs[0].process.wait()
            self.programs.pop(0)
            up = self.up()
            self.programs.remove(up)
            self.programs.insert(0, up)

        self.check_survives(kill)

    def test_a_watchdog_follows(self):
        self.up({"services": {"a": self.python("a", """
if len(sys.argv) > 1:
    note(f"main {os.getpid()}")
    while True:
        say("WATCHDOG=1")
        time.sleep(0.05)
main = subprocess.Popen([sys.executable, __file__, "main"])
say(f"MAINPID={main.pid}", "READY=1")
os._exit(0)
""", ready="notify", watchdog="2s", stop_timeout="300ms", restart={"delay": "50ms"})}})
        main = self.noted("main")
        self.wait("the main process is known", lambda: self.pids()["a"] == main)
        os.kill(main, signal.SIGSTOP)
        self.wait_word("a", "unhealthy")
        self.noted("main", 2)
        self.assertFalse(harness.alive(main))

    def test_a_stranger_is_refused(self):
        up = self.up({"services": {
            "other": {"command": "sleep 1000"},
            "a": self.python("a", """
pid = int(open("stranger").read())
say(f"MAINPID={pid}", "MAINPID=1", "MAINPID=0", "MAINPID=-1", "MAINPID=x", "READY=1")
time.sleep(1000)
""", ready="notify", needs=["other"])}})
        (self.folder / "stranger").write_text(str(self.wait_ready("other")[0]["pid"]))
        self.holdfast("restart", "a")
        own = self.wait_ready("a")[0]["pid"]
        self.wait("it is said", lambda: "no process of its own tree" in up.stderr)
        self.assertEqual(self.pids()["a"], own)
        self.holdfast("stop", "a")
        self.wait_state("a", "stopped")
        self.assertEqual(self.service("other")["state"], "ready")


class StoppingTests(ProbeCase):
    ENDS = """
say("READY=1")
while not os.path.exists("end"):
    time.sleep(0.02)
say("STOPPING=1")
note("says it stops")
while os.path.exists("hold"):
    time.sleep(0.02)
"""

    def test_what_follows_is_what_restart_says(self):
        (self.folder / "hold").touch()
        self.up({"services": {
            "often": self.python("often", self.ENDS, ready="notify", restart={"delay": "50ms"}),
            "once": self.python("once", self.ENDS, ready="notify", restart="on-failure")}})
        self.wait_ready("often", "once")
        (self.folder / "end").touch()
        seen = self.wait_state("once", "stopping")
        self.assertIn("it says that it is stopping", seen["why"])
        self.wait_state("often", "stopping")
        (self.folder / "end").unlink()
        (self.folder / "hold").unlink()
        self.wait_state("once", "done")
        self.wait_ready("often")
        self.assertEqual(self.words("once").count("restarting"), 0)
        self.assertEqual(self.words("often").count("restarting"), 1)

    def test_one_that_does_not_end_is_killed(self):
        (self.folder / "hold").touch()
        self.up({"services": {"a": self.python("a", self.ENDS, ready="notify",
                                               stop_timeout="200ms", restart={"delay": "50ms"})}})
        self.wait_ready("a")
        (self.folder / "end").touch()
        self.wait_word("a", "exited")
        (self.folder / "end").unlink()
        self.wait_ready("a")
        told = [event["text"] for event in self.events(service="a")]
        self.assertTrue(any("did not end within 200 ms of its own STOPPING=1" in text
                            for text in told), told)


class BugsOfOthersTests(ProbeCase):
    """Named after the issue of process-compose that each was."""

    def db(self, **options):
        """Ready by a probe that a test can make fail."""
        return {"command": "sleep 1000", "restart": {"delay": "50ms"},
                "ready": {"exec": "test -e good", "every": "50ms"}, **options}

    def test_189_readiness_survives_restarts(self):
        (self.folder / "good").touch()
        self.up({"services": {"db": self.db(), "api": {"command": "sleep 1000", "needs": ["db"]}}})
        self.wait_ready("db", "api")
        before = self.pids()
        (self.folder / "good").unlink() # who asked again now would find it not ready
        self.kill_keeper()
        self.assertEqual([self.service(name)["state"] for name in ("db", "api")],
                         ["ready", "ready"])
        self.holdfast("restart", "api")
        self.wait_another("api", before["api"])
        self.assertEqual(self.pids()["db"], before["db"])
        (self.folder / "good").touch()
        os.kill(before["db"], signal.SIGKILL) # a restart of db itself: ready again by its probe
        self.wait_another("db", before["db"])
        self.holdfast("restart", "api")
        self.wait_ready("api")

    def test_403_killed_on_a_failed_probe_and_started_again(self):
        (self.folder / "good").touch()
        health = {"exec": "test -e good", "every": "50ms", "failures": 2}
        self.up({"services": {"db": self.db(health=health)}})
        first = self.wait_ready("db")[0]["pid"]
        (self.folder / "good").unlink()
        self.wait_word("db", "unhealthy")
        self.wait_word("db", "exited")
        self.assertFalse(harness.alive(first))
        (self.folder / "good").touch()
        self.wait_another("db", first)

    def test_530_a_restart_while_waiting_makes_no_duplicate(self):
        marker = "1000.530"
        self.up({"services": {"db": self.db(), "api": {"command": f"sleep {marker}",
                                                       "needs": ["db"]}}})
        self.wait_state("api", "waiting")
        for _ in range(3):
            self.holdfast("restart", "api")
            self.holdfast("start", "api")
        self.assertEqual(self.service("api")["state"], "waiting")
        (self.folder / "good").touch()
        self.wait_ready("api")
        self.holdfast("restart", "api")
        self.wait_ready("api")
        self.assertEqual(len(self.copies(marker)), 1)
        self.assertEqual(self.words("api").count("started"), 2)

    def test_544_a_dependent_is_not_skipped_after_a_passing_loss(self):
        health = {"exec": "test -e good", "every": "50ms", "failures": 2}
        self.up({"services": {"db": self.db(health=health),
                              "api": {"command": "sleep 1000", "needs": ["db"]}}})
        (self.folder / "good").touch()
        self.wait_ready("db", "api")
        self.holdfast("stop", "api")
        (self.folder / "good").unlink()
        self.wait_word("db", "unhealthy")
        self.holdfast("start", "api") # at a moment when what it needs is lost
        self.assertIn(self.service("api")["state"], ("waiting",))
        (self.folder / "good").touch()
        self.wait_ready("db", "api")

    def copies(self, marker):
        found = []
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if file.read() == f"sleep\0{marker}\0".encode():
                        found.append(entry)
            except OSError:
                continue
        return found


if __name__ == "__main__":
    unittest.main()
