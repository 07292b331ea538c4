# SPDX-License-Identifier: Apache-2.0
"""K16: a new version of a service from a real git repository or an archive, the way back when it is
not well, and a deploy that is killed at each of its steps."""

import json
import os
import pathlib
import subprocess
import tarfile

import harness

# Prints its version; a broken one dies soon after it was ready. Slow steps wait for a file.
APP = """import os, socket, sys, time
print("version", {version!r}, flush=True)
if "NOTIFY_SOCKET" in os.environ:
    to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    to.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
if {broken}:
    time.sleep(0.3)
    print("last words: no such table", flush=True)
    sys.exit(3)
time.sleep(10000)
"""


class DeployCase(harness.Case):
    def git(self, *words, folder=None):
        done = subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
                              cwd=folder or self.work, env=self.env, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def app(self, version, broken=False):
        return APP.format(version=version, broken=broken)

    def up_app(self, **deploy):
        """The service `app` in self.app_folder, its checks as given."""
        self.keeper = self.up({"services": {
            "app": {"command": "python3 app.py", "folder": "app", "ready": "notify",
                    "restart": {"delay": "100ms"}, "deploy": {"stays": "1500ms", **deploy}},
            "other": {"command": "sleep 1000"}}})
        self.wait_ready("app", "other")

    def version(self):
        return self.log("app").split("version ")[-1].split()[0]

    def deploy_app(self, *words, code=0):
        return self.holdfast("deploy", "app", *words, code=code, seconds=60)

    def events(self):
        text = (self.run_folder / "events").read_text()
        events = [json.loads(line)["event"] for line in text.splitlines()]
        return [event["text"] for event in events if event["what"] == "deploy"]

    def note(self):
        path = self.data_folder() / "deploy" / "app.json"
        return json.loads(path.read_text()) if path.exists() else None

    def finding(self):
        for finding in self.holdfast_json("doctor", code=None)["findings"]:
            if finding["what"].startswith("deploy"):
                return finding
        return None

    def command_line(self, pid):
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""

    def kill_at(self, step, *words, when=lambda: True):
        """kill -9 of the command once its note says `step`, and `when`; the service must not notice."""
        program = self.start("holdfast", "deploy", "-c", self.config, "--run", self.run_folder,
                             "app", *words)
        self.wait(f"step {step}", lambda: self.note() and self.note()["step"] == step and when(), 60)
        program.kill()


class GitTests(DeployCase):
    def setUp(self):
        super().setUp()
        self.work, self.app_folder = self.folder / "work", self.folder / "app"
        self.work.mkdir()
        self.git("init", "-q", "--bare", "../origin.git")
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", "../origin.git")
        self.publish("one")
        self.git("symbolic-ref", "HEAD", "refs/heads/main", folder=self.folder / "origin.git")
        self.git("clone", "-q", "origin.git", "app", folder=self.folder)

    def publish(self, version, broken=False, checked=True):
        (self.work / "app.py").write_text(self.app(version, broken))
        (self.work / "checked").write_text("yes" if checked else "no")
        self.git("add", ".")
        self.git("commit", "-q", "-m", version)
        self.git("push", "-q", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def head(self):
        return self.git("rev-parse", "HEAD", folder=self.app_folder)

    def test_instances_one_after_the_other_and_back_at_the_first_that_is_unwell(self):
        # Each instance says what it runs; of a version named "half" the second is broken.
        script = ("import os, socket, sys, time\n"
                  "mine, number = open('app.py').read(), os.environ['HOLDFAST_INSTANCE']\n"
                  "with open('../lives', 'a') as file:\n"
                  "    file.write(f'{number} {os.path.getsize(\"app.py\")}\\n')\n"
                  "if '\\'half\\'' in mine and number == '2': sys.exit(3)\n"
                  "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"
                  ".sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
                  "time.sleep(10000)\n")
        (self.folder / "script.py").write_text(script)
        self.up({"services": {"app": {
            "command": ["python3", str(self.folder / "script.py")], "folder": "app",
            "instances": 3, "ready": "notify", "restart": {"delay": "100ms"},
            "deploy": {"stays": "300ms", "pull": "git pull --ff-only"}}}})
        names = ("app-1", "app-2", "app-3")
        self.wait_ready(*names)
        one, before = self.head(), self.pids()
        self.publish("three")
        self.deploy_app()
        lives = [line.split()[0] for line in (self.folder / "lives").read_text().splitlines()]
        self.assertEqual(lives[3:], ["1", "2", "3"])
        three, now = self.head(), self.pids()
        self.assertNotEqual(one, three)
        self.assertTrue(all(now[name] != before[name] for name in names))
        self.publish("half")
        done = self.deploy_app(code=1)
        self.assertIn("going back", done.stderr)
        self.assertEqual(self.head(), three)
        self.wait_ready(*names)
        self.assertEqual(self.pids()["app-3"], now["app-3"])  # its turn never came
        lives = [line.split() for line in (self.folder / "lives").read_text().splitlines()]
        size = str((self.app_folder / "app.py").stat().st_size)
        self.assertEqual([life for number, life in lives if number in "12"][-2:], [size, size])

    def test_a_new_version_and_then_nothing_new(self):
        self.up_app(pull="git pull --ff-only", check="grep -q yes checked")
        before = self.pids()
        two = self.publish("two")
        self.deploy_app()
        self.assertEqual((self.version(), self.head()), ("two", two))
        self.assertEqual(self.pids()["other"], before["other"])
        self.assertIsNone(self.note())
        self.assertTrue(any("pulled" in text for text in self.events()), self.events())
        self.assertTrue(any("is ready" in text for text in self.events()), self.events())
        pid = self.pids()["app"]
        self.assertIn("nothing new", self.deploy_app().stderr)
        self.assertEqual(self.pids()["app"], pid)

    def test_a_broken_version_goes_back(self):
        self.up_app(pull="git pull --ff-only")
        one = self.head()
        self.publish("two", broken=True)
        done = self.deploy_app(code=1)
        self.assertIn("last words: no such table", done.stderr)
        self.assertIn("back at", done.stderr)
        self.wait_ready("app")
        self.assertEqual((self.version(), self.head()), ("one", one))
        self.assertIsNone(self.note())
        three = self.publish("three")
        self.deploy_app()
        self.assertEqual((self.version(), self.head()), ("three", three))

    def test_one_that_never_becomes_ready_goes_back(self):
        self.up({"services": {"app": {
            "command": "python3 app.py", "folder": "app", "start_timeout": "2s",
            "ready": {"exec": ["test", "-f", "checked"]}, "stop_timeout": "2s",
            "deploy": {"pull": "git pull --ff-only"}}}})
        self.wait_ready("app")
        one = self.head()
        (self.work / "app.py").write_text(self.app("two"))
        self.git("rm", "-q", "checked")
        self.git("commit", "-q", "-a", "-m", "two")
        self.git("push", "-q", "origin", "main")
        self.deploy_app(code=1)
        self.wait_ready("app")
        self.assertEqual((self.version(), self.head()), ("one", one))

    def test_a_check_that_fails_restarts_nothing(self):
        self.up_app(pull="git pull --ff-only", check="grep yes checked")
        one, pid = self.head(), self.pids()["app"]
        self.publish("two", checked=False)
        self.assertIn("check: failed", self.deploy_app(code=1).stderr)
        self.assertEqual((self.pids()["app"], self.head()), (pid, one))
        self.assertIsNone(self.note())

    def test_a_pull_that_fails_or_takes_too_long(self):
        self.up_app(pull="sleep 1234", timeout="1s")
        pid = self.pids()["app"]
        self.assertIn("pull: failed", self.deploy_app(code=1).stderr)
        self.assertEqual(self.pids()["app"], pid)
        self.assertNotIn(b"sleep\x001234\x00", [self.command_line(p) for p in self._own_pids()])
        self.assertIsNone(self.note())
        self.write_config(self.config.read_text().replace("sleep 1234", "git pull nowhere"))
        self.assertIn("nowhere", self.deploy_app(code=1).stderr)
        self.assertEqual(self.pids()["app"], pid)

    def test_refuses_what_has_no_way_back(self):
        self.up_app(pull="git pull --ff-only")
        pid = self.pids()["app"]
        (self.app_folder / "app.py").write_text("# my own change")
        self.publish("two")
        self.assertIn("not committed", self.deploy_app(code=1).stderr)
        self.assertEqual((self.app_folder / "app.py").read_text(), "# my own change")
        self.git("checkout", "-q", "--", ".", folder=self.app_folder)
        (self.app_folder / ".git").rename(self.folder / "moved")
        self.assertIn("no way back", self.deploy_app(code=1).stderr)
        self.assertEqual(self.pids()["app"], pid)
        self.assertIn("does not say how", self.holdfast("deploy", "other", code=64).stderr)
        self.keeper.stop()
        self.holdfast("deploy", "app", code=69)

    def test_one_at_a_time_and_killed_at_each_step(self):
        """pull and check wait for a file, so that there is a moment to kill in."""
        wait = "while [ ! -e {0}/go ]; do sleep 0.05; done".format(self.folder)
        self.up_app(pull=["sh", "-c", f"touch {self.folder}/pulls && git pull -q --ff-only && {wait}"],
                    check=["sh", "-c", wait])
        one, pid, go = self.head(), self.pids()["app"], self.folder / "go"
        two = self.publish("two")
        self.kill_at("pull", when=(self.folder / "pulls").exists)  # the note comes before it
        self.assertEqual(self.pids()["app"], pid)
        # What was begun ends by itself, and nobody else begins before.
        self.assertIn("under way", self.deploy_app(code=75).stderr)
        self.assertIn("under way", self.finding()["text"])
        go.touch()
        self.wait("the pull ends", lambda: "interrupted at 'pull'" in self.finding()["text"])
        self.assertFalse(self.finding()["fine"])
        self.assertIn(one, self.finding()["text"])
        self.wait("and has worked", lambda: self.head() == two)
        go.unlink()
        program = self.start("holdfast", "deploy", "-c", self.config, "--run", self.run_folder,
                             "app")
        self.wait("it pulls", lambda: self.note()["pid"] == program.pid)
        program.kill()
        go.touch()
        self.wait("it may go on", lambda: "interrupted" in self.finding()["text"])
        self.kill_at("restart")
        self.wait("the service runs", lambda: self.service("app")["state"] == "ready")
        self.assertIn("interrupted at 'restart'", self.finding()["text"])
        self.assertIn(one, self.finding()["text"])
        done = self.deploy_app()
        self.assertIn("interrupted at 'restart'", done.stderr)
        self.assertEqual((self.version(), self.head()), ("two", two))
        self.assertIsNone(self.note())
        self.assertTrue(self.finding()["fine"])

    def test_the_way_back_survives_a_kill(self):
        self.up_app(pull="git pull --ff-only")
        one = self.head()
        self.publish("two", broken=True)
        self.kill_at("restart")
        self.assertEqual(self.note()["before"], one)
        self.kill_at("back")
        self.deploy_app(code=1)
        self.wait_ready("app")
        self.assertEqual((self.version(), self.head()), ("one", one))
        self.assertIsNone(self.note())


class ArchiveTests(DeployCase):
    def archive(self, version, broken=False, top=""):
        source = self.folder / f"source-{version}"
        source.mkdir()
        (source / "app.py").write_text(self.app(version, broken))
        path = self.folder / f"{version}.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            tar.add(source / "app.py", f"{top}app.py")
        return path

    def setUp(self):
        super().setUp()
        (self.folder / "app").mkdir()
        (self.folder / "app" / "app.py").write_text(self.app("one"))

    def current(self):
        return os.readlink(self.folder / "app")

    def releases(self):
        return sorted(path.name for path in (self.folder / "releases").iterdir())

    def test_a_folder_becomes_a_link_and_versions_come_and_go(self):
        self.up_app(keep=2, check="test -f app.py")
        self.deploy_app("--from", self.archive("two"))
        self.assertEqual((self.version(), self.current()), ("two", "releases/2"))
        self.deploy_app("--from", self.archive("three", top="app-3.0/"))
        self.assertEqual((self.version(), self.current()), ("three", "releases/3"))
        self.assertEqual(self.releases(), ["2", "3"])

    def test_a_broken_one_goes_back(self):
        self.up_app()
        done = self.deploy_app("--from", self.archive("two", broken=True), code=1)
        self.assertIn("last words", done.stderr)
        self.wait_ready("app")
        self.assertEqual((self.version(), self.current()), ("one", "releases/1"))

    def test_what_is_no_archive_or_fails_its_check_changes_nothing(self):
        self.up_app(check="test -f settings")
        pid = self.pids()["app"]
        (self.folder / "bad.tar.gz").write_bytes(b"\x1f\x8b no archive")
        self.assertIn("unpacking", self.deploy_app("--from", self.folder / "bad.tar.gz",
                                                   code=1).stderr)
        self.assertIn("check:", self.deploy_app("--from", self.archive("two"), code=1).stderr)
        self.deploy_app("--from", self.folder / "none.tar.gz", code=1)
        self.assertEqual((self.pids()["app"], self.current()), (pid, "releases/1"))
        self.assertEqual(self.releases(), ["1"])
        self.assertIsNone(self.note())

    def test_killed_at_each_step(self):
        wait = "while [ ! -e {0}/go ]; do sleep 0.05; done".format(self.folder)
        self.up_app(check=["sh", "-c", wait])
        pid, two, go = self.pids()["app"], self.archive("two"), self.folder / "go"
        self.kill_at("check", "--from", two)
        self.assertEqual((self.pids()["app"], self.current()), (pid, "releases/1"))
        go.touch()
        self.wait("the check ends", lambda: "interrupted" in self.finding()["text"])
        self.kill_at("restart", "--from", two)
        self.wait_ready("app")
        self.assertIn("releases/1", self.finding()["text"])
        self.kill_at("restart", "--from", self.archive("three", broken=True))
        self.deploy_app("--from", self.archive("four", broken=True), code=1)
        self.wait_ready("app")
        self.assertEqual((self.version(), self.current()), ("one", "releases/1"))
        self.assertIsNone(self.note())
        self.assertEqual([name for name in self.releases() if "new" in name], [])
