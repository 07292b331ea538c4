# SPDX-License-Identifier: Apache-2.0
"""K17 and K9: `holdfast doctor` and `holdfast check --online`: what is wrong, and what to do. The
simulator is Telegram and the exchange."""

import json
import shutil
import signal
import socket
import subprocess

import harness

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
OWNER = 42  # the simulator knows this person
SLEEPER = {"command": "sleep 1000"}


class DoctorCase(harness.Case):
    def doctor(self, *words, code=None, env=None):
        done = self.holdfast("doctor", "--json", *words, code=None, env=env, seconds=60)
        self.whole = json.loads(done.stdout)
        self.assertEqual(done.code, 0 if self.whole["fine"] else 1, done.stdout + done.stderr)
        if code is not None:
            self.assertEqual(done.code, code, done.stdout)
        self.assertEqual(self.whole["fine"], all(f["fine"] for f in self.whole["findings"]))
        for finding in self.whole["findings"]:
            self.assertEqual(finding["advice"] == "", finding["fine"], finding)
            self.assertTrue(finding["text"], finding)
        return self.whole["findings"]

    def of(self, what, findings=None):
        found = [f for f in findings or self.doctor() if f["what"] == what]
        self.assertTrue(found, f"nothing about {what}: {self.whole}")
        return found[0]

    def is_wrong(self, what, part, findings=None):
        bad = [f for f in findings or self.doctor() if f["what"] == what and not f["fine"]]
        self.assertTrue(any(part in f["text"] for f in bad), self.whole)
        return bad[0]


class OfflineTests(DoctorCase):
    def test_what_is_well_is_said_to_be_so(self):
        self.up({"services": {"a": SLEEPER}})
        self.wait_ready("a")
        findings = self.doctor()
        for what in ("config", "programs", "anchors", "data folder", "run folder", "logs",
                     "deploys", "time zone", "open files", "processes"):
            self.assertTrue(self.of(what, findings)["fine"], self.of(what, findings))
        for what in ("clock", "memory", "cgroup v2", "cores"):
            self.of(what, findings)
        text = self.holdfast("doctor", code=None).stdout
        self.assertIn("ok     config: ", text)
        self.assertNotIn("\033", text)

    def test_the_clock_is_as_the_kernel_says(self):
        self.write_config({"services": {"a": SLEEPER}})
        asked = subprocess.run(["adjtimex", "--print"], capture_output=True, text=True,
                               check=False) if shutil.which("adjtimex") else None
        clock = self.of("clock")
        if asked:
            unsynchronised = "status: 64" in asked.stdout or "return value = 5" in asked.stdout
            self.assertEqual(clock["fine"], not unsynchronised, asked.stdout)
        else:
            self.assertRegex(clock["text"], "synchronised|corrected|cannot be read")

    def test_a_wrong_config_a_missing_program_and_a_taken_port(self):
        self.write_config("services: {a: {comand: x}}")
        self.is_wrong("config", "did you mean 'command'?")
        self.write_config({"timezone": "Mars/Olympus", "services": {"a": SLEEPER}})
        self.is_wrong("config", "Mars/Olympus")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.write_config({"services": {
                "a": {"command": "no-such-program"},
                "b": {**SLEEPER, "ready": {"tcp": f"127.0.0.1:{taken.getsockname()[1]}"}}}})
            findings = self.doctor(code=1)
            self.is_wrong("programs", "no-such-program", findings)
            self.is_wrong("ports", str(taken.getsockname()[1]), findings)
        self.config.unlink()
        self.assertEqual(self.holdfast("doctor", code=66).stderr, "")

    def test_another_time_zone_is_told_and_not_wrong(self):
        self.write_config({"timezone": "Asia/Ho_Chi_Minh", "services": {"a": SLEEPER}})
        zone = self.of("time zone")
        self.assertTrue(zone["fine"], zone)
        self.assertIn("the machine's own is", zone["text"])

    def test_folders(self):
        data = self.data_folder()
        data.mkdir(mode=0o700)
        data.chmod(0o777)
        self.write_config({"services": {"a": {**SLEEPER, "log": {"size": "900GB", "files": 900}}}})
        findings = self.doctor(code=1)
        self.is_wrong("data folder", "written by everybody", findings)
        self.is_wrong("logs", "they may grow to", findings)
        self.assertIn("not made yet", self.of("run folder", findings)["text"])
        data.chmod(0o750)
        self.assertTrue(self.of("data folder")["fine"])

    def test_a_data_folder_in_memory_and_a_full_one(self):
        script = (f"mount -t tmpfs -o size=3M,mode=755 tmpfs {self.folder}/data && "
                  f"exec {self.bin}/holdfast doctor --json -c {self.config} --run {self.run_folder}")
        self.data_folder().mkdir()
        self.write_config({"services": {"a": SLEEPER}})
        done = self.run_program("unshare", "--mount", "sh", "-c", script)
        findings = json.loads(done.stdout)["findings"]
        texts = [f["text"] for f in findings if f["what"] == "data folder" and not f["fine"]]
        self.assertTrue(any("lies in memory" in text for text in texts), texts)
        self.assertTrue(any("free in" in text for text in texts), texts)

    def test_limits_of_files(self):
        self.write_config({"services": {f"a{i}": SLEEPER for i in range(50)}})
        done = self.run_program("sh", "-c", f"ulimit -n 100; exec {self.bin}/holdfast doctor --json "
                                f"-c {self.config} --run {self.run_folder}")
        finding = [f for f in json.loads(done.stdout)["findings"] if f["what"] == "open files"][0]
        self.assertFalse(finding["fine"])
        self.assertIn("100", finding["text"])

    def test_services_that_go_on_without_an_anchor(self):
        up = self.up({"services": {"a": SLEEPER, "bad": {
            "command": "false", "restart": {"max": 0, "give_up": True}}}})
        self.wait_ready("a")
        self.wait_state("bad", "failed")
        self.is_wrong("service bad", "failed")
        keeper = self.status()["keeper_pid"]
        up.signal(signal.SIGKILL)
        up.wait()
        self.wait("the keeper is gone", lambda: not harness.alive(keeper))
        self.is_wrong("anchors", "go on without one")
        self.assertIn("adopts", self.is_wrong("anchors", "go on without one")["advice"])

    def test_an_anchor_whose_keeper_does_not_answer(self):
        up = self.up({"services": {"a": SLEEPER}})
        self.wait_ready("a")
        (self.run_folder / "control.sock").unlink()
        self.is_wrong("anchors", f"process {up.pid} is an anchor whose keeper")


class OnlineTests(DoctorCase):
    def setUp(self):
        super().setUp()
        self.start_sim("--bot", f"{TOKEN}=good_bot", "--market", "still")

    def config_of(self, **trader):
        config = {"bots": {"main": {"token": TOKEN, "api_url": self.url("sim", ""),
                                    "owner": OWNER}},
                  "alerts": {"bot": "main", "chat": OWNER}, "services": {"a": SLEEPER},
                  "http": {"listen": f"127.0.0.1:{self.port('hub')}"}}
        if trader:
            config["trader"] = {"bot": "main", "api_url": self.url("sim", ""), **trader}
        return config

    def online(self, config, code=1):
        self.write_config(config)
        done = self.holdfast("check", "--online", "--json", code=None, seconds=60)
        self.assertEqual(done.code, 78 if code else 0, done.stdout + done.stderr)
        self.assertNotIn(TOKEN, done.stdout + done.stderr)
        self.whole = json.loads(done.stdout)
        return self.whole["findings"]

    def account(self, key, **more):
        answer = self.post(self.url("sim", "/sim/exchange/accounts"),
                           {"key": key, "secret": "secret-of-it", **more})
        self.assertEqual(answer.status, 200, answer)
        return {"mode": "testnet", "api_key": key, "api_secret": "secret-of-it"}

    def test_all_is_well(self):
        findings = self.online(self.config_of(mode="paper"), code=0)
        self.assertIn("@good_bot", self.of("bot main: token", findings)["text"])
        for what in ("bot main: webhook", "bot main: other pollers", "bot main: owner",
                     "exchange: clock", "exchange: key"):
            self.assertTrue(self.of(what, findings)["fine"])
        self.assertIn("may trade and not withdraw", self.of("exchange: key", findings)["text"])
        calls = self.get(self.url("sim", "/sim/calls?after=0&timeout=0")).json["calls"]
        self.assertFalse([c for c in calls if "offset" in str(c.get("params", ""))], calls)

    def test_without_online_nobody_is_asked(self):
        self.write_config(self.config_of(mode="paper"))
        self.holdfast("check")
        self.doctor()
        self.assertEqual(self.get(self.url("sim", "/sim/calls?after=0&timeout=0")).json["calls"], [])

    def test_a_token_that_is_refused_and_chats_that_are_not_there(self):
        config = self.config_of()
        config["bots"]["other"] = {"token": "999:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
                                   "api_url": self.url("sim", "")}
        config["bots"]["main"]["owner"] = 777
        config["bots"]["away"] = {"token": TOKEN, "api_url": "http://127.0.0.1:1"}
        config["alerts"]["chat"] = -100500
        findings = self.online(config)
        self.assertIn("@BotFather", self.is_wrong("bot other: token", "refuses", findings)["advice"])
        self.assertIn("/start", self.is_wrong("bot main: owner", "777", findings)["advice"])
        self.is_wrong("bot main: chat of alerts", "chat not found", findings)
        self.is_wrong("bot away: token", "cannot be reached", findings)

    def test_a_webhook_and_another_poller(self):
        self.post(self.url("sim", f"/bot{TOKEN}/setWebhook"), {"url": "https://e.org/secret-path"})
        findings = self.online(self.config_of())
        self.assertNotIn("secret-path",
                         self.is_wrong("bot main: webhook", "at e.org", findings)["text"])
        self.post(self.url("sim", f"/bot{TOKEN}/deleteWebhook"), {})
        poller = subprocess.Popen(
            ["python3", "-c", "import sys, time, urllib.request\n"
             "while True:\n"
             "    try: urllib.request.urlopen(sys.argv[1] + '/getUpdates?timeout=50').read()\n"
             "    except OSError: time.sleep(0.05)", self.url("sim", f"/bot{TOKEN}")],
            env=self.env)
        try:
            self.wait("it polls", lambda: self.get(self.url(
                "sim", "/sim/calls?after=0&timeout=0&method=getUpdates")).json["calls"])
            self.assertIn("another program polls", self.is_wrong(
                "bot main: other pollers", "Conflict", self.online(self.config_of()))["advice"])
        finally:
            poller.kill()
            poller.wait()

    def test_the_running_hub_is_not_disturbed(self):
        up = self.up(self.config_of())
        self.wait_ready("hub", "a")
        findings = self.doctor("--online")
        self.assertTrue(self.of("bot main: token", findings)["fine"])
        self.assertFalse([f for f in findings if f["what"] == "bot main: other pollers"])
        self.assertNotRegex(self.log("hub"), r"(?<!\.)409")  # but a time may end in .409Z
        up.stop()

    def test_a_key_that_may_withdraw_is_refused(self):
        findings = self.online(self.config_of(**self.account("rich", withdraw=True)))
        self.assertIn("without Withdraw",
                      self.is_wrong("exchange: key", "may withdraw", findings)["advice"])
        findings = self.online(self.config_of(**self.account("reader", read_only=True)))
        self.is_wrong("exchange: key", "may not trade", findings)
        self.online(self.config_of(**self.account("trader")), code=0)
        wrong = {"mode": "testnet", "api_key": "trader", "api_secret": "not-the-secret"}
        self.is_wrong("exchange: key", "10004", self.online(self.config_of(**wrong)))
        self.assertNotIn("not-the-secret", json.dumps(self.whole))

    def test_a_clock_that_is_wrong(self):
        self.post(self.url("sim", "/sim/exchange/clock"), {"skew_ms": 90000})
        findings = self.online(self.config_of(mode="paper"))
        self.is_wrong("exchange: clock", "behind the exchange's", findings)
        self.assertTrue(self.of("exchange: key", findings)["fine"])  # asked on its clock

    def test_an_exchange_that_does_not_answer(self):
        config = self.config_of(mode="paper")
        config["trader"]["api_url"] = "http://127.0.0.1:1"
        self.is_wrong("exchange", "does not answer", self.online(config))


class OriginTests(DoctorCase):
    def test_print_says_where_each_value_came_from(self):
        (self.folder / ".env").write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\n")
        (self.folder / "secret").write_text("word-of-the-file\n")
        self.write_config("name: here\n"
                          "http:\n  token: ${HTTP_WORD}\n"
                          "bots: {main: {token: '${BOT_TOKEN}', owner: '${OWNER_USER_ID:-}'}}\n"
                          "services:\n  a:\n    command: [sleep, '${SECONDS_TO_SLEEP}']\n"
                          "    env: {COST: $${not}}\n    deploy: {pull: git pull}\n")
        done = self.holdfast("check", "--print", env={
            "SECONDS_TO_SLEEP": "1000", "PORT": "9001",
            "HTTP_WORD_FILE": str(self.folder / "secret")})
        self.assertNotIn(TOKEN, done.stdout)
        self.assertNotIn("word-of-the-file", done.stdout)
        origins = json.loads(done.stdout)["origins"]
        self.assertEqual(
            {name: origins[name] for name in (
                "name", "data", "run", "http.listen", "http.token", "bots.main.token",
                "bots.main.owner", "bots.main.api_url", "services.a.command", "services.a.env.COST",
                "services.a.deploy.pull", "services.a.stop_timeout")},
            {"name": "holdfast.yaml:1:7", "data": "default", "run": "--run", "http.listen": "PORT",
             "http.token": "holdfast.yaml:3:10; HTTP_WORD from the file it names",
             "bots.main.token": "holdfast.yaml:4:22; TELEGRAM_BOT_TOKEN from .env",
             "bots.main.owner":
                 "holdfast.yaml:4:45; OWNER_USER_ID is not set: the default behind it",
             "bots.main.api_url": "default",
             "services.a.command":
                 "holdfast.yaml:7:14; SECONDS_TO_SLEEP from the environment",
             "services.a.env.COST": "holdfast.yaml:8:17",
             "services.a.deploy.pull": "holdfast.yaml:9:20",
             "services.a.stop_timeout": "default"})
        self.assertTrue(origins["services.hub.command"].startswith("(the hub"), origins)
