# SPDX-License-Identifier: Apache-2.0
"""clients/python/holdfast.py, as a program of somebody else uses it: alerts that arrive once, signs of life,
work that must not fail silently."""

import asyncio
import contextlib
import importlib.util
import io
import os
import re
import socket
import sys
import threading
import time
import unittest
import unittest.mock

import harness
from test_alerts import BEARER
from test_gateway import TOKEN, HubCase

CLIENT = harness.ROOT / "clients" / "python" / "holdfast.py"
spec = importlib.util.spec_from_file_location("holdfast", CLIENT)
holdfast = importlib.util.module_from_spec(spec)
spec.loader.exec_module(holdfast)


class ClientCase(HubCase):
    def setUp(self):
        super().setUp()
        self.surroundings(HOLDFAST_URL=self.url("hub", ""), HOLDFAST_TOKEN="a-long-token")
        self.patience(holdfast.PATIENCE_SECONDS)

    def surroundings(self, **variables):
        """Of what the client looks at, exactly these."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("HOLDFAST_") and name != "NOTIFY_SOCKET"}
        patch = unittest.mock.patch.dict(os.environ, {**kept, **variables}, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def patience(self, seconds):
        patch = unittest.mock.patch.object(holdfast, "PATIENCE_SECONDS", seconds)
        patch.start()
        self.addCleanup(patch.stop)

    def one(self, number):
        return self.get(self.url("hub", f"/v1/alerts/{number}")).json

    def wait_delivered(self, number):
        return self.wait(f"alert {number} is delivered",
                         lambda: (a := self.one(number))["state"] == "delivered" and a)

    def kept(self):
        """All alerts that the hub has, oldest first."""
        return self.get(self.url("hub", "/v1/alerts?limit=100")).json["alerts"][::-1]

    @contextlib.contextmanager
    def said(self):
        """What is written to stderr meanwhile: one line, or none."""
        lines = []
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            yield lines
        lines.extend(stderr.getvalue().splitlines())

    def refused(self, *words, **named):
        """The one line that says why an alert was not accepted."""
        with self.said() as lines:
            self.assertIsNone(holdfast.alert(*words, **named))
        self.assertEqual(len(lines), 1, lines)
        self.assertNotIn(os.environ.get("HOLDFAST_TOKEN", "").strip() or "a-long-token", lines[0])
        return lines[0]

    def count_tries(self):
        """A list that grows with each try."""
        tries, post = [], holdfast._post

        def counted(*words):
            try:
                return post(*words)
            finally:
                tries.append(words)

        patch = unittest.mock.patch.object(holdfast, "_post", counted)
        patch.start()
        self.addCleanup(patch.stop)
        return tries

    def in_thread(self, work, *words, **named):
        """Its thread, and the list that gets what it returns."""
        results = []
        thread = threading.Thread(target=lambda: results.append(work(*words, **named)))
        thread.start()
        self.addCleanup(thread.join)
        return thread, results

    def between(self, answer):
        """A server on a port of its own: `answer(number, request)` gives the bytes for the N-th request, or
        None to close without a word. Returns its address and what it was sent."""
        heard, server = [], socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def serve():
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    request = b""
                    while not re.search(rb"\r\n\r\n.+", request, re.S) and (part := peer.recv(65536)):
                        request += part
                    heard.append(request)
                    peer.sendall(answer(len(heard), request) or b"")

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}", heard

    def through_to_the_hub(self, request):
        """The hub's own answer to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port("hub"))) as hub:
            hub.sendall(request)
            return b"".join(iter(lambda: hub.recv(65536), b""))


class AlertTests(ClientCase):
    def test_words_and_fields_arrive(self):
        self.start_both()
        number = holdfast.alert("no room on /var", "HIGH", title="Disk", service="db", type="disk",
                                dedup_key="disk-var", group="disks")
        alert = self.wait_delivered(number)
        self.assertEqual({name: alert[name] for name in ("text", "priority", "title", "service", "type", "dedup_key",
                                                         "group")},
                         {"text": "no room on /var", "priority": "HIGH", "title": "Disk", "service": "db",
                          "type": "disk", "dedup_key": "disk-var", "group": "disks"})
        self.assertIn("no room on /var", self.bot_texts()[0])
        self.assertEqual(holdfast.alert("other words", "HIGH", dedup_key="disk-var"), number)
        plain = self.one(holdfast.alert("plain"))
        self.assertEqual((plain["priority"], plain["text"], plain.get("service")), ("MEDIUM", "plain", None))

    def test_what_is_the_same_alert(self):
        self.start_both()
        self.assertNotEqual(holdfast.alert("twice"), holdfast.alert("twice"))
        self.assertEqual(holdfast.alert("twice", type="t"), holdfast.alert("twice", type="t"))
        self.assertNotEqual(holdfast.alert("twice", type="t"), holdfast.alert("other", type="t"))

    def test_what_is_no_text(self):
        self.start_both()
        for given, text in ((ValueError("as it is"), "as it is"), (17, "17"), ("caf\u00e9 \U0001f525", None),
                            ("name \udcff of a file", "name ? of a file"), ("x" * 32768, None)):
            self.assertEqual(self.one(holdfast.alert(given))["text"], text or given)

    def test_as_the_keeper_says(self):
        """Without HOLDFAST_URL: the port that the hub wrote down, wherever it listens."""
        self.start_both()
        self.surroundings(HOLDFAST_RUN=str(self.run_folder), HOLDFAST_SERVICE="bot",
                          HOLDFAST_TOKEN=" a-long-token\n")
        self.assertEqual(self.one(holdfast.alert("x"))["service"], "bot")
        self.assertEqual(self.one(holdfast.alert("x", service="other"))["service"], "other")

    def test_many_threads(self):
        self.start_both("--sends-per-second", "0")
        self.post(self.url("hub", "/v1/alerts/breaker"), {"state": "open"}, headers=BEARER)
        threads = [self.in_thread(lambda: [holdfast.alert(f"{i}") for i in range(10)]) for _ in range(8)]
        for thread, _ in threads:
            thread.join()
        numbers = [number for _, results in threads for number in results[0]]
        self.assertEqual(sorted(numbers), list(range(1, 81)))

    def test_given_while_the_hub_is_killed_it_arrives_once(self):
        _, hub = self.start_both()
        first = holdfast.alert("before")
        self.wait_delivered(first)
        self.patience(harness.PATIENCE_SECONDS)
        for again in range(2):
            hub.kill()
            tries = self.count_tries()
            text = f"while it is away {again}"
            thread, results = self.in_thread(holdfast.alert, text, "HIGH")
            self.wait("it was tried in vain", lambda: len(tries) >= 3)
            hub = self.start_hub()
            thread.join()
            self.wait_delivered(results[0])
            self.assertEqual([a["text"] for a in self.kept()].count(text), 1)
            self.assertEqual(sum(text in said for said in self.bot_texts()), 1)

    def test_an_answer_that_is_lost_doubles_nothing(self):
        self.start_both()
        cuts = (0, 3, 10, 25, 60, -4)  # in the middle of the first line, of the head, of the body
        for fields in ({}, {"type": "t"}, {"dedup_key": "k"}):
            def lossy(number, request):
                answer = self.through_to_the_hub(request)
                return answer[:cuts[number - 1]] if number <= len(cuts) else answer
            url, heard = self.between(lossy)
            self.surroundings(HOLDFAST_URL=url, HOLDFAST_TOKEN="a-long-token")
            number = holdfast.alert(f"once {fields}", **fields)
            self.assertEqual(len(heard), len(cuts) + 1)
            self.assertEqual(number, self.kept()[-1]["id"])
            self.assertEqual([a["text"] for a in self.kept()].count(f"once {fields}"), 1)

    def test_nobody_there(self):
        self.patience(0.3)
        begun = time.monotonic()
        line = self.refused("the text is not lost")
        self.assertLess(time.monotonic() - begun, 5)
        for words in (f"no hub answers on 127.0.0.1:{self.port('hub')} (Connection refused)", "`holdfast up` starts it",
                      "HOLDFAST_URL names another", "It was: 'the text is not lost'"):
            self.assertIn(words, line)
        self.assertNotIn("nobody knows", line)
        with self.said() as lines, self.assertRaisesRegex(holdfast.NotAccepted, "no hub answers"):
            holdfast.alert("x", strict=True)
        self.assertEqual(lines, [])
        self.surroundings(HOLDFAST_RUN=str(self.folder / "none"))
        self.assertEqual(holdfast._hub_url(), "http://127.0.0.1:8001")

    def test_nobody_knows(self):
        """A request that was sent and never answered: told as such, in bounded time."""
        self.patience(0.6)
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        closing, _ = self.between(lambda number, request: None)
        short, _ = self.between(lambda number, request: b'HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\n{"id":1}')
        for url in (f"http://127.0.0.1:{silent.getsockname()[1]}", closing, short):
            self.surroundings(HOLDFAST_URL=url)
            begun = time.monotonic()
            self.assertRegex(self.refused("x"), "got it and did not answer .*nobody knows .*`holdfast alerts` shows")
            self.assertLess(time.monotonic() - begun, 5)

    def test_what_answers_is_no_hub(self):
        for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<p/>", b"SSH-2.0-x\r\n",
                       b"HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\n{\"error\": \"x\"}",
                       b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
                       b"HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\n{\"id\":null}"):
            url, heard = self.between(lambda number, request, answer=answer: answer)
            self.surroundings(HOLDFAST_URL=url, HOLDFAST_TOKEN="a-long-token")
            self.assertIn("is not the hub", self.refused("x"))
            self.assertEqual(len(heard), 1)  # asked once, and no redirect followed

    def test_addresses_that_are_none(self):
        for url in ("127.0.0.1:8001", "ftp://127.0.0.1", "http://", "http://127.0.0.1:none", "http://[::1",
                    "http://a b/", "http://127.0.0.1:99999"):
            with self.subTest(url=url):
                self.surroundings(HOLDFAST_URL=url)
                self.assertIn("HOLDFAST_URL is no address of a hub; expected is one such as http://127.0.0.1:8001",
                              self.refused("x"))

    def test_wrong_token(self):
        self.start_both()
        for token, said in (("another-token", "refuses this token"), ("", "refuses a request without a token"),
                            ("an other", "spaces"), ("t\u00f6ken", "spaces or letters"), ("two\nlines", "spaces")):
            with self.subTest(token=token):
                tries = self.count_tries()
                self.surroundings(HOLDFAST_URL=self.url("hub", ""), HOLDFAST_TOKEN=token)
                line = self.refused(f"the text has it too: {token}" if token else "x")
                self.assertIn(said, line)
                self.assertIn("must be http.token of holdfast.yaml", line)
                self.assertEqual(len(tries), 1)
        self.surroundings(HOLDFAST_URL=self.url("hub", ""), HOLDFAST_TOKEN="another-token")
        lines = [self.refused("x") for _ in range(8)]
        self.assertIn("too many wrong tokens", lines[-1])
        self.surroundings(HOLDFAST_URL=self.url("hub", ""), HOLDFAST_TOKEN="a-long-token")
        self.assertIsInstance(holdfast.alert("the right one passes"), int)
        self.assertEqual(len(self.kept()), 1)

    def test_a_refusal_says_what_to_change(self):
        self.start_both()
        for words, named, said in ((["x"], {"title": "t" * 300}, '"title" has 300 bytes; at most 256 are taken'),
                                   ([" "], {}, '"text" is missing or empty'),
                                   ([None], {}, '"text" is missing or empty'),
                                   (["x", "URGENT"], {}, "expected CRITICAL, HIGH, MEDIUM or LOW"),
                                   (["x" * 32769], {}, "has 32769 bytes; at most 32768")):
            with self.subTest(said=said):
                tries = self.count_tries()
                self.assertIn(said, self.refused(*words, **named))
                self.assertEqual(len(tries), 1)
        self.assertRegex(self.refused("x" * (5 << 20)), "refuses it: .*4")
        self.assertEqual(self.kept(), [])

    def test_a_refusal_before_all_was_read(self):
        body = b'{"detail":"more than 4 MiB"}'
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def serve():
            peer, _ = server.accept()
            with peer:  # closed with bytes unread: the client's send fails
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 413 Large\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        threading.Thread(target=serve, daemon=True).start()
        self.surroundings(HOLDFAST_URL=f"http://127.0.0.1:{server.getsockname()[1]}")
        self.assertIn("refuses it: more than 4 MiB", self.refused("x" * (64 << 20)))

    def test_too_many_wait(self):
        self.start_both()
        self.post(self.url("hub", "/v1/alerts/breaker"), {"state": "open"}, headers=BEARER)
        answer = self.post(self.url("hub", "/v1/alerts"), [{"text": f"t{i}", "priority": "LOW"} for i in range(1000)],
                           headers=BEARER)
        self.assertEqual(answer.status, 202, answer)
        self.assertRegex(self.refused("one more", "LOW"), r"1000 LOW alerts wait already.*\(again in \d+ s\)")
        self.assertIsInstance(holdfast.alert("urgent ones go through", "HIGH"), int)

    def test_a_hub_that_says_later_is_asked_again(self):
        body = b'{"detail": "the disk is full"}'
        full = b"HTTP/1.1 507 Full\r\nRetry-After: 0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        self.start_both()
        url, heard = self.between(lambda number, request: full if number < 3 else self.through_to_the_hub(request))
        self.surroundings(HOLDFAST_URL=url, HOLDFAST_TOKEN="a-long-token")
        self.assertEqual(holdfast.alert("x"), 1)
        self.assertEqual(len(heard), 3)

    def test_without_stderr(self):
        self.patience(0.1)
        for stderr in (None, io.StringIO()):
            if stderr:
                stderr.close()
            stdout = io.StringIO()
            with unittest.mock.patch.multiple(sys, stderr=stderr, stdout=stdout):
                self.assertIsNone(holdfast.alert("x"))
            self.assertEqual(stdout.getvalue(), "")


class MonitorTests(ClientCase):
    def test_an_exception_is_told_and_goes_on(self):
        self.start_both()
        for _ in range(2):  # the same within 300 s is one alert
            with self.assertRaises(ZeroDivisionError):
                with holdfast.monitor("nightly report", service="reports"):
                    1 / 0
        alert, = self.kept()
        self.assertEqual((alert["priority"], alert["title"], alert["service"]), ("HIGH", "nightly report", "reports"))
        self.assertRegex(alert["text"],
                         r"^ZeroDivisionError: division by zero\n\S+test_client_python.py:\d+ in test_an_exc")
        with self.assertRaises(KeyError):  # another failure is another alert
            with holdfast.monitor("nightly report", service="reports", priority="CRITICAL"):
                raise KeyError("k" * 9000)
        self.assertEqual([a["priority"] for a in self.kept()], ["HIGH", "CRITICAL"])

    def test_what_is_no_failure(self):
        self.start_both()
        for error in (SystemExit(0), SystemExit(None), KeyboardInterrupt(), GeneratorExit(),
                      asyncio.CancelledError()):
            with self.assertRaises(type(error)):
                with holdfast.monitor("work", seconds=60):
                    raise error
        with holdfast.monitor("work", seconds=60) as watch:
            pass
        self.assertFalse(watch.timer.is_alive())
        self.assertEqual(self.kept(), [])
        with self.assertRaises(SystemExit), holdfast.monitor("work"):
            sys.exit("no such file")
        self.assertIn("SystemExit: no such file", self.kept()[0]["text"])

    def test_too_long_is_told_while_it_hangs(self):
        self.start_both()
        with holdfast.monitor("backup", seconds=0.2):
            alert = self.wait("it is told", lambda: self.kept() and self.kept()[0])
        self.assertEqual((alert["priority"], alert["title"], alert["text"]),
                         ("HIGH", "backup", "takes longer than 0.2 s"))
        self.assertEqual(len(self.kept()), 1)

    def test_too_long_is_told_when_no_other_thread_ran(self):
        self.start_both()
        watch = holdfast.monitor("backup", seconds=0.2)
        with unittest.mock.patch.object(threading.Timer, "run", lambda timer: None), watch:
            self.wait("the time is over", lambda: time.monotonic() > watch.begun + 0.2)
        self.assertEqual([a["text"] for a in self.kept()], ["takes longer than 0.2 s"])

    def test_the_program_may_end_while_work_is_watched(self):
        script = ("import contextlib, holdfast\n"
                  "stack = contextlib.ExitStack()\n"
                  "stack.enter_context(holdfast.monitor('work', seconds=1000))\n")
        done = self.run_program(sys.executable, "-c", script, env={"PYTHONPATH": str(CLIENT.parent)})
        self.assertEqual((done.code, done.stderr), (0, ""))

    def test_on_functions(self):
        self.start_both()

        @holdfast.monitor(seconds=60)
        def half(number):
            """Halves."""
            return number / (number != 13)

        @holdfast.monitor("answers")
        async def answer(number):
            await asyncio.sleep(0)
            return half(number)

        self.assertEqual((half(4), half.__doc__, asyncio.run(answer(6))), (4, "Halves.", 6))
        with self.assertRaises(ZeroDivisionError):
            half(13)
        with self.assertRaises(ZeroDivisionError):
            asyncio.run(answer(13))
        self.assertEqual([a["title"] for a in self.kept()],
                         [half.__qualname__, "answers"])  # half's second is the same as its first
        threads = [self.in_thread(half, number) for number in range(12)]
        for thread, _ in threads:
            thread.join()
        self.assertEqual([results[0] for _, results in threads], list(range(12)))

    def test_wrong_use_is_told_at_once(self):
        with self.assertRaisesRegex(TypeError, r"write @holdfast.monitor\(\)"):
            @holdfast.monitor
            def bare():
                pass
        with self.assertRaisesRegex(TypeError, "is a generator.*inside it"):
            @holdfast.monitor()
            def generator():
                yield 1
        watch = holdfast.monitor("a")
        with watch, self.assertRaisesRegex(RuntimeError, "make one for each"):
            watch.__enter__()
        with watch:  # one after the other is fine
            pass

    def test_without_a_hub_the_exception_is_the_same(self):
        self.patience(0.1)
        with self.said() as lines, self.assertRaisesRegex(ValueError, "^its own words$"):
            with holdfast.monitor("work"):
                raise ValueError("its own words")
        self.assertRegex("".join(lines), "no hub answers.*It was: 'ValueError: its own words")


SERVICE = """
import pathlib, sys, time
sys.path.insert(0, {client!r})
import holdfast
here = pathlib.Path({folder!r})
holdfast.status("warming\\nup")
while not (here / "go").exists():
    time.sleep(0.02)
print("alert", holdfast.alert("from a service", "HIGH"), flush=True)
assert holdfast.ready("at work")
beats = 0
while True:
    if not (here / "hang").exists():
        assert holdfast.beat()
        beats += 1
        (here / "beats.new").write_text(str(beats))
        (here / "beats.new").rename(here / "beats")
    time.sleep(0.1)
"""


class LifeTests(ClientCase):
    def test_a_service_under_the_keeper(self):
        """Not ready before it says so, alive as long as it beats, restarted when it stops to; its alert finds the
        hub without a word of configuration."""
        self.surroundings()
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        script = self.folder / "service.py"
        script.write_text(SERVICE.format(client=str(CLIENT.parent), folder=str(self.folder)))
        self.up(self.config_of(services={"worker": {
            "command": ["/usr/bin/python3", str(script)], "needs": ["hub"], "ready": "notify", "watchdog": "1s",
            "stop_timeout": "300ms", "restart": {"delay": "100ms"}}}), env={"HOLDFAST_TOKEN": "a-long-token"})
        self.wait_ready("hub")
        self.wait("it says what it does", lambda: self.service("worker")["status_text"] == "warming up")
        self.assertEqual(self.service("worker")["state"], "starting")
        (self.folder / "go").touch()
        self.wait_ready("worker")
        before = self.service("worker")
        self.assertEqual(before["status_text"], "at work")
        self.wait("it beat for three times its watchdog", lambda: int((self.folder / "beats").read_text()) > 30)
        self.assertEqual((self.service("worker")["pid"], self.service("worker")["restarts"]), (before["pid"], 0))
        alert = self.get(self.hub_url("/v1/alerts")).json["alerts"][-1]
        self.assertEqual((alert["text"], alert["service"]), ("from a service", "worker"))
        (self.folder / "hang").touch()
        self.wait("its silence is found", lambda: self.service("worker")["pid"] not in (0, None, before["pid"]))

    def test_sockets(self):
        self.assertFalse(holdfast.beat())
        self.surroundings(NOTIFY_SOCKET=str(self.folder / "none"))
        self.assertFalse(holdfast.ready())
        self.surroundings(NOTIFY_SOCKET="/" + "x" * 200)
        self.assertFalse(holdfast.status("x"))
        name = f"holdfast-test-{os.getpid()}"
        for variable, address in (("@" + name, "\0" + name), (str(self.folder / "notify"),) * 2):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as keeper:
                keeper.bind(address)
                keeper.settimeout(harness.PATIENCE_SECONDS)
                self.surroundings(NOTIFY_SOCKET=variable)
                for call, words in ((holdfast.beat, b"WATCHDOG=1"), (holdfast.ready, b"READY=1"),
                                    (lambda: holdfast.ready("a\nREADY=1"), b"READY=1\nSTATUS=a READY=1"),
                                    (lambda: holdfast.status("\udcff" + "x" * 5000), b"STATUS=?" + b"x" * 999)):
                    self.assertTrue(call())
                    self.assertEqual(keeper.recv(65536), words)

    def test_a_keeper_that_hangs_holds_nobody_up(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as keeper:
            keeper.bind(str(self.folder / "notify"))
            self.surroundings(NOTIFY_SOCKET=str(self.folder / "notify"))
            self.wait("its socket is full", lambda: not holdfast.beat())


WORK = """
import types

def jobs():
    return [types.SimpleNamespace(run=lambda: None)] * 3

def make_the_report():
    raise RuntimeError("the report has no figures")

async def fetch_prices():
    raise RuntimeError("no prices")
"""


class DocsTests(ClientCase):
    """What docs/clients.md shows works as it stands."""

    def setUp(self):
        super().setUp()
        self.start_both()
        self.variables = {"HOLDFAST_URL": self.url("hub", ""), "HOLDFAST_TOKEN": "a-long-token",
                          "PYTHONPATH": str(CLIENT.parent), "NOTIFY_SOCKET": str(self.folder / "notify")}
        (self.folder / "work.py").write_text(WORK)

    def blocks(self, language, word):
        text = (harness.ROOT / "docs" / "clients.md").read_text()
        found = [block for block in re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M) if word in block]
        self.assertGreater(len(found), 1)
        return found

    def test_each_python_block(self):
        seen = set()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as keeper:
            keeper.bind(self.variables["NOTIFY_SOCKET"])
            keeper.setblocking(False)
            for block in self.blocks("python", "import holdfast"):
                with self.subTest(block=block):
                    (self.folder / "block.py").write_text(block)
                    before = len(self.kept())
                    done = self.run_program(sys.executable, "block.py", env=self.variables)
                    fails = "monitor(" in block
                    self.assertEqual(done.code, int(fails), done.stderr)
                    self.assertNotIn("told nobody", done.stdout)
                    told = self.kept()[before:]
                    self.assertEqual(len(told), len(re.findall(r"\.(?:alert|monitor)\(", block)))
                    for alert in told:
                        self.assertIn(alert["title"] if fails else f'"{alert["text"]}"', block)
                    heard = [keeper.recv(4096) for _ in range(7)] if "beat()" in block else []
                    self.assertEqual(heard.count(b"WATCHDOG=1"), 3 * bool(heard))
                    self.assertEqual(heard[:1], [b"READY=1\nSTATUS=connected"] * bool(heard))
                    seen.update(re.findall(r"holdfast\.(\w+)\(", block))
        self.assertEqual(seen, set(holdfast.__all__) - {"NotAccepted"})

    def test_each_line_of_curl(self):
        for block in self.blocks("sh", "curl"):
            with self.subTest(block=block):
                before = len(self.kept())
                done = self.run_program("/bin/sh", "-eu", "-c", block, env=self.variables)
                self.assertEqual(done.code, 0, done.stderr)
                told = self.kept()[before:]
                self.assertEqual(re.findall(r'"id":(\d+)', done.stdout), [str(alert["id"]) for alert in told])
                self.assertEqual(len(told), len(re.findall(r"\bcurl ", block)))


if __name__ == "__main__":
    unittest.main()
