# SPDX-License-Identifier: Apache-2.0
"""Who takes alerts in for `bench/run alerts`: the hub, BullMQ on redis-server, alertmanager. Each in a scratch
folder on the same disk, with the same interface: start(), intake(), kill() and what is there after it."""
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import tools
from keeper_place import CannotRun

PACKAGE = os.path.join(tools.ROOT, "bench", "bullmq")
SCRIPT = os.path.join(tools.ROOT, "bench", "alerts_bullmq.js")
TEXT = "bench-alert-########## the queue of orders is 1,234 long and grows"
NUMBER = re.compile(r"bench-alert-(\d{10})")
CONFIG = """name: bench
data: data
http: {{listen: "127.0.0.1:{hub}"}}
bots:
  main: {{token: "{token}", api_url: "http://127.0.0.1:{sim}"}}
alerts: {{bot: main, chat: 42}}
"""
NO_BUDGET = ["--sends-per-second", "0", "--chat-sends-per-second", "0", "--group-sends-per-minute", "0"]
KILL_RATE, KILL_FLIGHT, KILL_AFTER = 2000, 50, (0.02, 0.4)


def install():
    tools.packages("peers of the alerts' measurement; redis-server brings a daemon that Debian starts",
                   "redis-server", "prometheus-alertmanager")
    if not shutil.which("node") or not shutil.which("npm"):
        tools.packages("to run BullMQ", "nodejs", "npm")
    if not os.path.isdir(os.path.join(PACKAGE, "node_modules", "bullmq")):
        tools.say("Fetching BullMQ with npm.")
        if subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=PACKAGE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            tools.say("npm could not fetch BullMQ")


def said(done):
    """The line of JSON at the end of what a program printed."""
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise CannotRun(f"{' '.join(done.args)[:120]}: {' '.join((done.stderr + done.stdout).split())[-300:]}")
    return json.loads(lines[-1])


def numbers_of(path):
    """{number: the rest of its line}; an unfinished last line is left out."""
    try:
        with open(path, encoding="ascii") as file:
            lines = file.read().split("\n")[:-1]
    except OSError:
        return {}
    return {int(line.split()[0]): [int(x) for x in line.split()[1:]] for line in lines if line}


class Server(tools.Bench):
    """One program that takes alerts in, and what loads it."""

    path_in, body, lists = "", {}, False  # where alerts are posted to, one of them, and whether never alone

    def __enter__(self):
        super().__enter__()
        self.port, self.pours = tools.free_port(), 0
        self.process = None
        self.body_file = self.write("body", json.dumps(self.body))
        self.prepare()
        self.start_it()
        return self

    def prepare(self):
        pass

    def command(self):
        raise NotImplementedError

    def is_up(self):
        return tools.get(self.port, self.path_up)[0] == 200

    def start_it(self, seconds=20):
        try:
            self.process = self.start(self.command())
        except OSError as error:
            raise CannotRun(str(error)) from error
        end = time.monotonic() + seconds
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > end:
                with open(self.path("output"), encoding="utf-8", errors="replace") as file:
                    raise CannotRun("it does not come up: " + " ".join(file.read().split())[-300:])
            time.sleep(0.005)

    def load_command(self, **options):
        command = [tools.program("bench-alerts-load"), "--port", str(self.port), "--path", self.path_in]
        options.setdefault("body", self.body_file)
        if self.lists:
            options["batch"] = options.get("batch") or 1
        for name, value in options.items():
            command += [f"--{name}", str(value)] if value else []
        return command

    def load(self, **options):
        return said(subprocess.run(self.load_command(**options), capture_output=True, text=True))

    def intake(self, seconds, flight, batch):
        """Alerts a second; batch 1: one a request."""
        return self.load(seconds=seconds, connections=flight, batch=batch if batch > 1 else 0)

    def pour_command(self, notes, first):
        return self.load_command(rate=KILL_RATE, connections=KILL_FLIGHT, seconds=30, notes=notes, first=first)

    def kill_while_pouring(self):
        """kill -9 at a random moment after the first answer. The numbers of those that were answered."""
        self.pours += 1
        notes = self.path(f"notes-{self.pours}")
        pouring = subprocess.Popen(self.pour_command(notes, self.pours * 1000000), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        self.callback(self.end, pouring)
        if not select.select([pouring.stdout], [], [], 20)[0] or pouring.stdout.readline() != b"begun\n":
            raise CannotRun("nothing was answered")
        time.sleep(random.uniform(*KILL_AFTER))
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        pouring.wait(20)
        pouring.stdout.close()
        with open(notes, encoding="ascii") as file:
            return {int(line.split()[0]) for line in file}

    def there(self, numbers):
        """Which of these it has, after a restart."""
        raise NotImplementedError


class Hub(Server):
    """With the simulator, all budgets off. `held`: its breaker is open, so that nothing goes out meanwhile."""

    path_in, path_up = "/v1/alerts", "/ping"
    body = {"priority": "HIGH", "service": "orders", "title": "queue", "text": TEXT}

    def __init__(self, held):
        super().__init__()
        self.held, self.seen = held, 0

    def prepare(self):
        self.sim, self.times = tools.free_port(), self.path("times")
        library = os.path.join(tools.BUILD, "bench", "libalerts_times.so")
        self.start(["env", f"LD_PRELOAD={library}", f"ALERTS_TIMES={self.times}", tools.program("holdfast-sim"),
                    "--port", str(self.sim), "--bot", tools.TOKEN + "=bench_bot", "--market", "still"])
        tools.wait_for(self.sim, "/ping")
        self.post(self.sim, "/sim/limits", {"per_chat": 0, "global": 0, "group": 0})
        self.config = self.write("holdfast.yaml",
                                 CONFIG.format(hub=self.port, sim=self.sim, token=tools.TOKEN))
        os.mkdir(self.path("run"))

    def start_it(self, seconds=60):
        super().start_it(seconds)
        if self.held:
            self.breaker("open")

    def command(self):
        return [tools.program("holdfast-hub"), "--config", self.config, "--run", self.path("run"), *NO_BUDGET]

    def breaker(self, state):
        self.post(self.port, "/v1/alerts/breaker", {"state": state})

    @staticmethod
    def post(port, path, body):
        connection = tools.http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            raise CannotRun(f"POST {path}: {answer.status} {text[:300]!r}")

    def figures(self):
        return json.loads(tools.get(self.port, "/health", 30)[1])["alerts"]

    def arrivals(self):
        """[(number, marked, ns)] as the simulator received them."""
        try:
            with open(self.times, encoding="ascii") as file:
                return [tuple(int(x) for x in line.split()) for line in file.read().split("\n")[:-1]]
        except OSError:
            return []

    def there(self, numbers):
        """Pages of the newest ones, back to what was there before."""
        found, before, newest = set(), "", self.seen
        while True:
            status, text = tools.get(self.port, f"/v1/alerts?limit=500{before}", 30)
            if status != 200:
                raise CannotRun(f"GET /v1/alerts: {status} {text[:200]!r}")
            page = [a for a in json.loads(text)["alerts"] if a["id"] > self.seen]
            found |= {int(NUMBER.search(a["text"])[1]) for a in page}
            newest = max([newest] + [a["id"] for a in page])
            if len(page) < 500:
                self.seen = newest
                return found & numbers
            before = f"&before={page[-1]['id']}"


class Alertmanager(Server):
    """It keeps alerts in memory: answered does not mean on disk."""

    path_in, path_up, lists = "/api/v2/alerts", "/-/ready", True
    body = {"labels": {"alertname": "bench-alert-##########", "severity": "HIGH", "service": "orders"},
            "annotations": {"summary": "queue", "description": "the queue of orders is 1,234 long and grows"}}

    def prepare(self):
        self.config = self.write("alertmanager.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")

    def command(self):
        return ["prometheus-alertmanager", f"--config.file={self.config}", f"--storage.path={self.path('data')}",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]

    def there(self, numbers):
        status, text = tools.get(self.port, self.path_in, 120)
        if status != 200:
            raise CannotRun(f"GET {self.path_in}: {status} {text[:200]!r}")
        return {int(NUMBER.search(a["labels"]["alertname"])[1]) for a in json.loads(text)} & numbers


class Bullmq(Server):
    """redis-server with an fsync before each answer; what loads it is the script beside this file."""

    def prepare(self):
        os.mkdir(self.path("data"))

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--appendonly", "yes",
                "--appendfsync", "always", "--save", "", "--dir", self.path("data"), "--daemonize", "no"]

    def ask(self, *lines, seconds=20):
        """Answers of a line each to commands of a line each."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as s, s.makefile("rwb") as stream:
            stream.write("".join(line + "\r\n" for line in lines).encode())
            stream.flush()
            return [stream.readline().decode().strip() for _ in lines]

    def is_up(self):
        try:
            return self.ask("PING") == ["+PONG"]
        except OSError:
            return False

    def script(self, *words):
        return ["node", SCRIPT, str(self.port), *[str(word) for word in words]]

    def intake(self, seconds, flight, batch):
        return said(subprocess.run(self.script("add", seconds, flight, batch), capture_output=True, text=True))

    def in_and_out(self, count, seconds):
        """A worker posts each job to a trivial server while they are added."""
        http = tools.free_port()
        self.start([tools.program("bench-http-server"), str(http), "20"])
        tools.wait_for(http, "/")
        return said(subprocess.run(self.script("both", count, seconds, http), capture_output=True, text=True))

    def pour_command(self, notes, first):
        return self.script("kill", KILL_RATE, KILL_FLIGHT, notes, first)

    def there(self, numbers):
        order = sorted(numbers)
        found = set()
        for at in range(0, len(order), 500):
            some = order[at:at + 500]
            answers = self.ask(*[f"EXISTS bull:alerts:a-{n}" for n in some])
            found |= {n for n, answer in zip(some, answers) if answer == ":1"}
        return found


PEERS = {"BullMQ": Bullmq, "alertmanager": Alertmanager}
