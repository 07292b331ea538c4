# SPDX-License-Identifier: Apache-2.0
"""What every scenario needs: real programs in a folder of their own, conditions with a deadline, and
a clean machine afterwards.

    class Tests(harness.Case):
        def test_something(self):
            sim = self.start("holdfast-sim", "--port", self.port("sim"))
            self.wait_http(self.url("sim", "/ping"))
            self.up("services: {a: {command: sleep 1000}}")
            self.wait_state("a", "ready")
            pid = self.service("a")["pid"]

Programs come from the build folder in HOLDFAST_BUILD (else build-test or build beside the sources).
At the end of each test every process of its own is stopped (found by a marker in its environment,
never by name), and a report of a sanitizer or of must() in any output fails the test.
HOLDFAST_KEEP=1 keeps the folders; a failed test prints the end of every log.
"""

import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("holdfast", "holdfast-top", "holdfast-anchor", "holdfast-keeper", "holdfast-hub",
            "holdfast-sim", "holdfast-trader")
POLL_SECONDS = 0.02
# Sanitized programs on a busy machine are slow: no promise is tested by this number.
PATIENCE_SECONDS = 20.0
# Reports of sanitizers, and of must() in our own programs.
FAULT_MARKS = (b"Sanitizer", b"runtime error: ", b"holdfast: bug: ")

# A shell's background job ignores SIGINT, and so would all that is started here.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def build_folder():
    named = os.environ.get("HOLDFAST_BUILD")
    for folder in [named] if named else [ROOT / "build-test", ROOT / "build"]:
        if (pathlib.Path(folder) / "build.ninja").exists():
            return pathlib.Path(folder).resolve()
    raise RuntimeError("no build folder: run ./test, or set HOLDFAST_BUILD")


def programs_folder():
    return build_folder() / "src"


def wait(what, condition, seconds=PATIENCE_SECONDS):
    """Calls `condition` until it answers something true, and returns that; fails after `seconds`.
    An assertion or an error of the network inside it counts as "not yet"."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (AssertionError, OSError, KeyError, IndexError, ValueError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not so: {what} (last: {last!r})")
        time.sleep(POLL_SECONDS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(pid):
    """True while the process exists and is not a zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def started(pid):
    """Start time of a process in ticks: with the pid it names one process for ever."""
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Answer:
    """An HTTP answer. Any status is an answer; only a missing one is an error (OSError)."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


def http(method, url, body=None, headers=None, seconds=PATIENCE_SECONDS):
    """`body`: bytes are sent as they are, anything else but None as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(url, body, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=seconds) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as answer:
        with answer:
            return Answer(answer.code, answer.headers, answer.read())
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error


class Program:
    """A process that the test itself started, with its output in files of the test's folder."""

    count = 0

    def __init__(self, name, argv, folder, env, cwd):
        self.name = name
        Program.count += 1
        self.stdout_path = folder / f"{Program.count:04}-{name}.stdout"
        self.stderr_path = folder / f"{Program.count:04}-{name}.stderr"
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            env=env, cwd=cwd, start_new_session=True)
        self.pid = self.process.pid
        self.tidy = False  # short-lived: its files are not kept

    @functools.cached_property
    def _ended_output(self):
        """Of a process that has ended well: its files go, unless there is a fault to be found."""
        both = [path.read_bytes() for path in (self.stdout_path, self.stderr_path)]
        if not any(mark in text for mark in FAULT_MARKS for text in both):
            self.stdout_path.unlink()
            self.stderr_path.unlink()
        return [text.decode(errors="replace") for text in both]

    @property
    def stdout(self):
        return self._ended_output[0] if self.tidy else self.stdout_path.read_text(errors="replace")

    @property
    def stderr(self):
        return self._ended_output[1] if self.tidy else self.stderr_path.read_text(errors="replace")

    @property
    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=PATIENCE_SECONDS):
        """Exit code; negative: the signal that ended it."""
        return self.process.wait(seconds)

    def stop(self, seconds=PATIENCE_SECONDS):
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        if self.running:
            self.process.kill()
        self.process.wait()


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-test-")).resolve()
        self.folder.chmod(0o755)  # services may run as somebody else
        self.run_folder = self.folder / "run"
        self.config = self.folder / "holdfast.yaml"
        self.bin = programs_folder()
        self.programs = []
        self.ports = {}
        self.env = {
            "PATH": f"{self.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "HOLDFAST_TEST": str(self.folder),  # the marker by which we know our own
            "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
        }
        self.addCleanup(self._clean)

    # --- programs ---------------------------------------------------------------------------------

    def start(self, name, *arguments, env=None, cwd=None):
        """Starts one of ours by name, or any program by path."""
        path = self.bin / name if name in PROGRAMS else name
        argv = [str(path), *map(str, arguments)]
        program = Program(pathlib.Path(name).name, argv, self.folder, {**self.env, **(env or {})},
                          cwd or self.folder)
        self.programs.append(program)
        return program

    def run_program(self, name, *arguments, env=None, cwd=None, seconds=PATIENCE_SECONDS):
        """Runs to the end; returns the Program: its .code, .stdout, .stderr."""
        program = self.start(name, *arguments, env=env, cwd=cwd)
        try:
            program.code = program.wait(seconds)
            program.tidy = program.code == 0
            self.programs.remove(program)
            _ = program.stdout
        except subprocess.TimeoutExpired:
            self.fail(f"{name} {' '.join(map(str, arguments))}: not done after {seconds:g} s")
        return program

    def holdfast(self, *arguments, code=0, env=None, seconds=PATIENCE_SECONDS):
        """`holdfast COMMAND -c CONFIG ...`; fails unless it exits with `code` (None: any)."""
        command, *rest = arguments
        done = self.run_program("holdfast", command, "-c", self.config, "--run", self.run_folder,
                                *rest, env=env, seconds=seconds)
        if code is not None and done.code != code:
            self.fail(f"holdfast {' '.join(map(str, arguments))}: exit {done.code}, not {code}\n"
                      f"{done.stdout}{done.stderr}")
        return done

    def holdfast_json(self, *arguments, code=0, env=None, seconds=PATIENCE_SECONDS):
        done = self.holdfast(*arguments, "--json", code=code, env=env, seconds=seconds)
        return json.loads(done.stdout)

    # --- the keeper and its services --------------------------------------------------------------

    def write_config(self, text):
        """`text`: YAML, or a dict (JSON is YAML)."""
        if not isinstance(text, str):
            text = json.dumps(text, indent=2)
        self.config.write_text(text)
        return self.config

    def up(self, config=None, *arguments, env=None):
        """Writes the config, starts `holdfast up` in the foreground, waits until it answers."""
        if config is not None:
            self.write_config(config)
        program = self.start("holdfast", "up", "-c", self.config, "--run", self.run_folder,
                             *arguments, env=env)

        def answers():
            if not program.running:
                self.fail(f"holdfast up ended with {program.wait()}: {program.stderr}")
            return self.holdfast("status", "--json", code=None).code == 0

        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers():
            self.assertLess(time.monotonic(), deadline, f"up does not answer: {program.stderr}")
            time.sleep(POLL_SECONDS)
        return program

    def status(self):
        return self.holdfast_json("status", code=None)

    def service(self, name):
        """What `holdfast status --json` says of one service."""
        for service in self.status()["services"]:
            if service["name"] == name:
                return service
        raise KeyError(name)

    def pids(self):
        return {service["name"]: service["pid"] for service in self.status()["services"]}

    def wait_state(self, name, *states, seconds=PATIENCE_SECONDS):
        def reached():
            self.last_seen = self.service(name)
            return self.last_seen if self.last_seen["state"] in states else None

        return wait(f"service {name} is {' or '.join(states)}", reached, seconds)

    def wait_ready(self, *names, seconds=PATIENCE_SECONDS):
        return [self.wait_state(name, "ready", seconds=seconds) for name in names]

    def log(self, service):
        """The captured output of a service, all its files, oldest first."""
        logs = self.data_folder() / "logs"
        files = sorted(logs.glob(f"{service}.log*"), key=lambda path: path.stat().st_mtime_ns)
        return "".join(path.read_text(errors="replace") for path in files)

    def events(self, *what, service=None):
        """Of these kinds (all: none named), of one service or of all; oldest first."""
        lines = (self.run_folder / "events").read_text().splitlines()
        events = [json.loads(line)["event"] for line in lines]
        return [event for event in events
                if (not what or event["what"] in what) and service in (None, event["service"])]

    def data_folder(self):
        return self.folder / "data"

    # --- network ----------------------------------------------------------------------------------

    def port(self, name):
        """A free port, the same for the same name during this test."""
        if name not in self.ports:
            self.ports[name] = free_port()
        return self.ports[name]

    def url(self, name, path="/"):
        return f"http://127.0.0.1:{self.port(name)}{path}"

    def hub_url(self, path="/"):
        """The port that the hub really listens on, by its own word."""
        port = wait("the hub wrote its port",
                    lambda: int((self.run_folder / "hub.port").read_text()))
        return f"http://127.0.0.1:{port}{path}"

    def get(self, url, **more):
        return http("GET", url, **more)

    def post(self, url, body=None, **more):
        return http("POST", url, b"" if body is None else body, **more)

    def wait(self, what, condition, seconds=PATIENCE_SECONDS):
        return wait(what, condition, seconds)

    def wait_http(self, url, status=200, seconds=PATIENCE_SECONDS):
        def answered():
            self.last_seen = http("GET", url)
            return self.last_seen if self.last_seen.status == status else None

        return wait(f"GET {url} is {status}", answered, seconds)

    # --- the simulator ----------------------------------------------------------------------------

    def start_sim(self, *arguments):
        """A Telegram of our own on port `sim`."""
        sim = self.start("holdfast-sim", "--port", self.port("sim"), *arguments)
        self.wait_http(self.url("sim", "/ping"))
        return sim

    def say(self, text, chat=42, **more):
        """A person writes to the bot."""
        answer = self.post(self.url("sim", "/sim/message"),
                           {"chat_id": chat, "from_id": chat, "text": text, **more})
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def book(self, chat=42):
        """All messages of a chat, oldest first, as the simulator wrote them down."""
        messages, after = [], 0
        while True:
            page = self.get(self.url("sim", f"/sim/messages?chat_id={chat}&after={after}")).json
            if not page["messages"]:
                return messages
            messages += page["messages"]
            after = page["next"]

    def bot_texts(self, chat=42):
        return [message["text"] for message in self.book(chat) if message["from_bot"]]

    def fault(self, kind, method="*", count=1, **more):
        answer = self.post(self.url("sim", "/sim/faults"),
                           {"method": method, "kind": kind, "count": count, **more})
        self.assertEqual(answer.status, 200, answer)
        return answer.json["id"]

    def no_faults(self):
        self.assertEqual(http("DELETE", self.url("sim", "/sim/faults")).status, 200)

    # --- the end ----------------------------------------------------------------------------------

    def _own_pids(self):
        """Processes that carry our marker: ours and all they started, wherever they fled to."""
        marker = os.fsencode(self.folder)
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if marker in (entry / "environ").read_bytes() and alive(int(entry.name)):
                        yield int(entry.name)
                except (PermissionError, FileNotFoundError, ProcessLookupError):
                    pass

    def leftovers(self):
        """Own processes beside those that the test itself started and still runs."""
        started_here = {program.pid for program in self.programs if program.running}
        return [pid for pid in self._own_pids() if pid not in started_here]

    def _clean(self):
        for program in reversed(self.programs):
            if program.running:
                program.signal(signal.SIGTERM)
                try:
                    program.wait(15)
                except subprocess.TimeoutExpired:
                    pass
        deadline = time.monotonic() + 10
        while (pids := list(self._own_pids())) and time.monotonic() < deadline:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(POLL_SECONDS)
        for program in self.programs:
            program.kill()
        self._remove_cgroups()
        reports = list(self._fault_reports())
        if reports or self._failed():
            self._print_logs()
        if not os.environ.get("HOLDFAST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        self.assertEqual(reports, [], "a program reports a fault of its own")

    def _remove_cgroups(self):
        """Of a keeper that was killed; one that ended has removed its own."""
        try:
            root = pathlib.Path((self.run_folder / "cgroup").read_text())
            for folder in sorted(root.rglob("*/"), reverse=True) + [root]:
                folder.rmdir()
        except OSError:
            pass

    def _failed(self):
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        if result is None:
            return False
        mine = [test for test, _ in result.failures + result.errors
                if getattr(test, "test_case", test) is self]
        return bool(mine) or not getattr(outcome, "success", True)

    def _outputs(self):
        patterns = ("*.stdout", "*.stderr", "**/logs/*", "**/*.log")
        return sorted({path for pattern in patterns for path in self.folder.glob(pattern)
                       if path.is_file()})

    def _fault_reports(self):
        for path in self._outputs():
            content = path.read_bytes()
            for mark in FAULT_MARKS:
                if mark in content:
                    at = content.index(mark)
                    yield f"{path.name}: {content[max(0, at - 200):at + 3000].decode(errors='replace')}"
                    break

    def _print_logs(self):
        print(f"\n--- logs of {self.id()}", file=sys.stderr)
        shown = set()
        for path in self._outputs():
            lines = path.read_text(errors="replace").splitlines()[-25:]
            if lines and tuple(lines) not in shown:
                shown.add(tuple(lines))
                print(f"--- {path.relative_to(self.folder)}", file=sys.stderr)
                print("\n".join(lines), file=sys.stderr)
