# SPDX-License-Identifier: Apache-2.0
"""Bad input from every side of the hub: clients, texts, chats, the store's file, Telegram itself.

Elsewhere, and not repeated here: malformed, half and huge requests one by one, a hundred that drip,
paths and methods (test_gateway.BadRequests); the full disk, 507 (test_gateway.FullDisk,
test_alerts_cli.SendTests.test_full_disk); a store that is damaged, newer or taken at the start
(test_gateway.Starts); faults of Telegram that the simulator has (test_gateway, test_hub_edges);
refusals of silences and of the command line (test_alerts, test_alerts_cli).

HOLDFAST_SEED=N replays a run of the fuzzer with that seed.
"""

import gzip
import json
import os
import pathlib
import random
import re
import resource
import select
import shlex
import socket
import sqlite3
import subprocess
import threading
import time
import unittest

import harness
from test_gateway import TOKEN, HubCase

BEARER = {"Authorization": "Bearer a-long-token"}
HEAD = b"Host: x\r\nAuthorization: Bearer a-long-token\r\n"
FAST = ("--chat-sends-per-second", "0", "--sends-per-second", "0")
FREE = {"per_chat": 0, "global": 0, "group": 0}
ALERT_BYTES_MAX = 32768
LARGE, LONG = 50_000_000, 15_000_000  # a file, the answer of a method


def memory(program):
    """Resident bytes."""
    status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def memory_most(program):
    """The same, at most since it began."""
    status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def descriptors(program):
    return len(os.listdir(f"/proc/{program.pid}/fd"))


class BadCase(HubCase):
    def setUp(self):
        super().setUp()
        # What was freed is given back: memory is looked at here.
        self.env["ASAN_OPTIONS"] += ":quarantine_size_mb=4:thread_local_quarantine_size_kb=64"

    def start_free(self, **more):
        """Simulator and hub without limits of sends."""
        both = self.start_both(*FAST, **more)
        self.assertEqual(self.post(self.url("sim", "/sim/limits"), FREE).status, 200)
        return both[1]

    def alert(self, text, priority="HIGH", status=202, **more):
        answer = harness.http("POST", self.url("hub", "/v1/alerts"),
                              {"text": text, "priority": priority, "group": "", **more}, BEARER,
                              seconds=60)
        self.assertEqual(answer.status, status, answer)
        return answer.json["id"] if status == 202 else self.problem(answer, status)

    def one(self, number):
        return self.get(self.url("hub", f"/v1/alerts/{number}")).json

    def wait_one(self, number, state):
        return self.wait(f"alert {number} is {state}",
                         lambda: (a := self.one(number))["state"] == state and a)

    def problem(self, answer, status):
        """The detail of a refusal in RFC 9457's form."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json", answer)
        said = answer.json
        self.assertEqual(said["status"], status, answer)
        self.assertEqual(said["type"], "about:blank")
        self.assertGreater(len(said["title"]), 4, answer)
        self.assertGreater(len(said["detail"].split()), 3, answer)
        if status in (429, 503) and "silences already" not in said["detail"]:  # that takes a person
            self.assertGreater(int(answer.headers["Retry-After"]), 0, answer)
        return said["detail"]

    def connect(self, seconds=10):
        return socket.create_connection(("127.0.0.1", self.port("hub")), timeout=seconds)

    def ask(self, data, seconds=10):
        """What comes back until the end of the stream, as an Answer; a reset counts as the end."""
        with self.connect(seconds) as peer:
            peer.sendall(data)
            return self.read_answer(peer)

    def read_answer(self, peer):
        came = b""
        try:
            while data := peer.recv(65536):
                came += data
        except ConnectionResetError:
            pass
        head, _, body = came.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return harness.Answer(int(lines[0].split()[1]), headers, body)

    def assert_prompt(self, seconds=2):
        begun = time.monotonic()
        self.assertEqual(self.get(self.url("hub", "/ping")).json["pong"], True)
        self.assertLess(time.monotonic() - begun, seconds)

    def assert_back(self, hub, before, slack=100 << 20):
        """Descriptors and memory as before."""
        self.wait("the clients' connections are closed", lambda: self.connections() <= 1, 40)
        self.wait("the memory is back", lambda: memory(hub) <= before[1] + slack)
        self.assert_prompt()

    def connections(self):
        """Of the hub with its clients, in whatever state but closed; TIME_WAIT (06) is the kernel's."""
        lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
        mine = f":{self.port('hub'):04X}"
        return len([line for line in lines if line.split()[1].endswith(mine)
                    and line.split()[3] not in ("06", "0A")])

    def measure(self, hub):
        self.assert_prompt()
        return descriptors(hub), memory(hub)


class Fuzz(BadCase):
    """Raw bytes over real sockets; at the end the hub is as it was."""

    ROUNDS, CROWD = 24, 30

    def body(self, r):
        texts = ["", "x", "\x00", "\u20ac" * 9, "A" * r.choice((10, 5000, 40000)), "<b>", "\U0001f600"]
        values = [None, True, 0, -1, 1e300, 2 ** 70, [], {}, [[]], *texts]
        names = ["text", "priority", "title", "type", "service", "dedup_key", "group", "state", "way",
                 "by", "for", "author", "comment", "chat_id", "offset", "limit", "timeout", "url",
                 "allowed_updates", "drop_pending_updates", r.choice(texts)]
        made = json.dumps({r.choice(names): r.choice(values) for _ in range(r.randrange(6))}).encode()
        kind = r.randrange(10)
        if kind > 7:
            return json.dumps({"text": r.choice(("x", "y" * 5000)), "priority": "LOW"}).encode()
        if kind == 0:
            return b"[" * r.choice((3, 100, 100000))
        if kind == 1:
            return made[:r.randrange(len(made) + 1)]
        if kind == 2:
            return bytes(r.randrange(256) for _ in range(r.randrange(300)))
        if kind == 3:
            return b"[" + b",".join([made] * r.choice((1, 50))) + b"]"
        return made

    def target(self, r):
        if r.random() < 0.3:
            return b"/v1/alerts"
        return r.choice((b"/", b"/ping", b"/health", b"/v1/alerts", b"/v1/alerts/1", b"/v1/alerts/ack",
                         b"/v1/alerts/1/ack", b"/v1/alerts/9/replay", b"/v1/alerts/breaker",
                         b"/v1/alerts?state=x&limit=-1", b"/v1/alerts/stats?by=type&for=1h",
                         b"/v1/silences", b"/v1/silences/1/end", b"/restart/x", b"/dashboard",
                         b"/dashboard/dashboard.js", b"/v1/monitors", b"/v1/monitors/m",
                         b"/v1/monitors/m/beat", b"/v1/monitors/m/beat/3", b"/v1/monitors/m/pause",
                         b"/v1/monitors/%00", b"/v1/monitors//beat/beat", b"/v1/incidents?limit=5",
                         b"/v1/incidents?subject=%ff&before=1", b"/v1/badge/bot/main.svg", b"/v1/badge/.svg",
                         b"/telegram/botmain/getMe", b"/telegram/botmain/sendMessage",
                         b"/telegram/botmain/getUpdates?timeout=0", b"/telegram/botmain/setWebhook",
                         b"/telegram/botmain/deleteWebhook", b"/telegram/bot%00/x", b"/%ff%fe",
                         b"//", b"/telegram/file/botmain/a/b", b"*", b"/" + b"a" * 9000))

    def request(self, r):
        body = self.body(r)
        length = b"Content-Length: %d\r\n" % (len(body) + r.choice((0, 0, 0, 0, 7, -3)))
        if r.random() < 0.2:
            cuts = sorted(r.randrange(len(body) + 1) for _ in range(3))
            pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)])]
            size = r.choice((b"%x\r\n", b"%x\r\n", b"%X;a=b\r\n", b"-%x\r\n", b"0x%x\r\n"))
            body = b"".join(size % len(p) + p + b"\r\n" for p in pieces if p) + b"0\r\n\r\n"
            length = b"Transfer-Encoding: " + r.choice((b"chunked", b"Chunked", b"gzip")) + b"\r\n"
        more = r.choice((b"", b"", b"", b"X: " + b"y" * r.choice((100, 30000, 70000)) + b"\r\n",
                         b"A: b\r\n" * 600, b"Content-Length: 5\r\n", b"Expect: 100-continue\r\n",
                         b" folded\r\n", b"no colon\r\n", b"\x00: \xff\r\n", b"Connection: close\r\n",
                         b"Content-Type: multipart/form-data; boundary=\r\n", b"Host: y\r\n",
                         b"Content-Type: application/x-www-form-urlencoded\r\n"))
        line = b" ".join((r.choice((b"GET", b"POST", b"POST", b"POST", b"DELETE", b"PUT", b"HEAD", b"?")),
                          self.target(r), r.choice((b"HTTP/1.1",) * 9 + (b"HTTP/1.0", b"HTTP/7.7", b""))))
        return line + b"\r\n" + HEAD + length + more + b"\r\n" + body

    def bytes(self, r):
        data = self.request(r)
        kind = r.randrange(6)
        if kind == 0:  # pipelined
            return b"".join(self.request(r) for _ in range(r.randrange(2, 8)))
        if kind == 1:  # half of it
            return data[:r.randrange(len(data))]
        if kind == 2:  # a few bytes changed
            changed = bytearray(data)
            for _ in range(r.randrange(1, 6)):
                changed[r.randrange(min(len(changed), 400))] = r.randrange(256)
            return bytes(changed)
        return data

    def crowd(self, sent):
        """Sends all at once, reads what comes for a while, and is gone in one of three ways."""
        answers, peers = [], {}
        for data in sent:
            peer = self.connect()
            peer.setblocking(False)
            try:
                peer.send(data)
            except OSError:
                pass
            peers[peer] = b""
        waiting, deadline = set(peers), time.monotonic() + 0.4
        while waiting and (left := deadline - time.monotonic()) > 0:
            for peer in select.select(waiting, (), (), left)[0]:
                try:
                    data = peer.recv(65536)
                except OSError:
                    data = b""
                peers[peer] += data
                if not data:
                    waiting.discard(peer)
        for number, (peer, came) in enumerate(peers.items()):
            if number % 3 == 0:  # a reset
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
            answers.append(came)
        return answers

    def check(self, data, came):
        """The first answer of a connection, if there is any."""
        if not came or came.startswith(b"HTTP/1.1 100"):
            return
        self.assertRegex(came, rb"^HTTP/1\.1 [2345]\d\d ", data[:300])
        head, _, body = came.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        self.assertNotEqual(status, 500, (data[:300], came[:300]))
        if b"application/problem+json" in head and data.startswith((b"POST", b"DELETE", b"PUT")):
            said = json.JSONDecoder().raw_decode(body.decode())[0]
            self.assertEqual(said["status"], status)
            self.assertTrue(said["detail"], came[:300])

    def test_raw_bytes(self):
        seed = int(os.environ.get("HOLDFAST_SEED") or random.randrange(1 << 32))
        print(f"test_bad_input: HOLDFAST_SEED={seed}", flush=True)
        r = random.Random(seed)
        hub = self.start_free()
        self.crowd([self.bytes(r) for _ in range(self.CROWD)])
        before = self.measure(hub)
        statuses = set()
        for _ in range(self.ROUNDS):
            sent = [self.bytes(r) for _ in range(self.CROWD)]
            for data, came in zip(sent, self.crowd(sent)):
                self.assertTrue(hub.running, (seed, data[:500]))
                self.check(data, came)
                statuses.add(came[9:12])
        self.assertLessEqual({b"200", b"202", b"400", b"404", b"405"}, statuses, seed)  # it got through
        self.assert_back(hub, before)
        harness.http("POST", self.url("hub", "/v1/alerts/breaker"), {"state": "closed"}, BEARER)
        for silence in self.get(self.url("hub", "/v1/silences")).json["silences"]:
            harness.http("DELETE", self.url("hub", f"/v1/silences/{silence['id']}"), None, BEARER)
        self.wait_one(self.alert("after all that", "CRITICAL"), "delivered")
        self.assertEqual(self.call("getMe").json["result"]["username"], "main_bot")
        said = self.say("still there?")["update_id"]
        self.wait("the update", lambda: said in [u["update_id"] for u in self.updates(timeout=1)])
        self.assertEqual(hub.stop(), 0)

    WRONG = [True, 0, -1.5, 1e300, 2 ** 80, [], {}, ["x"], {"a": "b"}, [[[]]]]

    def test_wrong_types_in_every_field(self):
        """What is refused names the field; nothing is half accepted."""
        self.start_free()
        fields = {
            "/v1/alerts": ({"text": "x"}, ("text", "priority", "title", "type", "service", "dedup_key",
                                           "group")),
            "/v1/silences": ({"for": "1h", "service": "never"}, ("for", "priority", "type", "service",
                                                                 "title", "text", "author", "comment")),
            "/v1/alerts/breaker": ({"state": "closed"}, ("state", "way")),
            "/v1/alerts/1/ack": ({}, ("by",)),
        }
        for path, (good, names) in fields.items():
            for name in names:
                for value in self.WRONG:
                    if (path, name, value) == ("/v1/silences", "priority", []):
                        continue  # an empty list names none
                    answer = harness.http("POST", self.url("hub", path), {**good, name: value}, BEARER)
                    detail = self.problem(answer, 400)
                    self.assertIn(f'"{name}"' if path != "/v1/silences" or name != "for" else "for",
                                  detail)
                self.assertNotIn("never", self.get(self.url("hub", "/v1/silences")).text)
            for body in (b"", b"{", b"null", b"7", b'"x"', b"{}x", b"\xff", b'{"text":"\xc0\xaf"}',
                         b"[" * 200000, b'{"a":' * 200000, b"[" + b"[]," * 99999 + b"[]]"):
                answer = harness.http("POST", self.url("hub", path), body, BEARER)
                if path == "/v1/alerts/1/ack" and not body:
                    self.problem(answer, 409)  # a good request: nobody waits for it
                    continue
                self.problem(answer, 413 if len(body) > 65536 and "silences" in path else 400)
        monitor = self.url("hub", "/v1/monitors/m")
        for method, url, names in (
                ("PUT", monitor, ("service", "url", "advice", "stale_after", "retry", "memory_max", "response_ms_max",
                                  "failures", "attempts", "critical", "paused", "actions")),
                ("POST", monitor + "/beat", ("status", "exit", "errors", "warnings", "response_ms", "memory",
                                             "connected", "sync", "message", "cpu"))):
            for name in names:
                for value in self.WRONG:
                    fits = (value is True and name in ("critical", "paused", "connected", "sync"),
                            value == 0 and value is not False and name in (
                                "memory_max", "response_ms_max", "attempts", "exit", "errors", "warnings",
                                "response_ms", "memory", "cpu"),
                            value == {} and name == "actions")
                    if not any(fits):
                        answer = harness.http(method, url, {name: value}, BEARER)
                        self.assertIn(f'"{name}"' if value != {"a": "b"} or name != "actions" else "actions",
                                      self.problem(answer, 400), (name, value))
            for body in (b"{", b"null", b"7", b'"x"', b"{}x", b"\xff", b"[" * 60000, b'{"a":' * 12000):
                self.problem(harness.http(method, url, body, BEARER), 400)
        for name in ("offset", "limit", "timeout", "allowed_updates", "drop_pending_updates", "url"):
            for value in self.WRONG:
                for method in ("getUpdates", "deleteWebhook", "setWebhook"):
                    if method == "getUpdates" and name == "offset":
                        continue  # a number may be a good one
                    answer = self.call(method, **{name: value})
                    self.assertIn(answer.status, (200, 400, 501), (method, name, value, answer))
                    self.assertIn(answer.json["ok"], (True, False))
        self.assertEqual(self.get(self.url("hub", "/v1/alerts")).json["alerts"], [])

    def test_a_head_request_with_a_body(self):
        """Telegram's answer to it was waited for until the 60 s of a call were over."""
        self.start_free()
        answer = self.ask(b"HEAD /telegram/botmain/getMe HTTP/1.1\r\nConnection: close\r\n" + HEAD +
                          b"Content-Length: 2\r\n\r\n{}")
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_a_chunk_with_an_endless_head(self):
        """It kept the hub from everybody else for 75 s."""
        hub = self.start_free()
        with self.connect() as peer:
            peer.sendall(b"POST /v1/alerts HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;" +
                         b"a" * 100000)
            self.assert_prompt(0.9)
            self.assertIn("size of a chunk", self.problem(self.read_answer(peer), 400))
        self.assertEqual(hub.stop(), 0)


STRING = r'"(?:[^"\\]|\\.)*"'
SOURCES = harness.ROOT / "src"
# Which sentences are produced where, if not in test_each_refusal.
ELSEWHERE = {
    "nothing was accepted: %s, and send again": "Store, here",
    "the store cannot be read now: %s, and ask again": "Store, here",
    "the request was not whole in time": "Store.test_locked_by_another_program_while_clients_drip",
    "the line with the size of a chunk": "Fuzz.test_a_chunk_with_an_endless_head",
    "no token is configured; set http.token in the config to allow": "the config refuses such a hub first",
    "the hub is shutting down": "test_gateway test_stopping_hub_answers_bots_in_their_own_shape",
    "the server is going down": "unit link http_server; the hub has its own",
    "the keeper did not restart it": "when a keeper refuses in no words",
    "the keeper went away before it answered": "test_hub_edges test_stop_while_a_restart_is_asked_for",
    "the config has no services to restart": "the hub itself is a service, so there always is one",
    "the way out '%s' is no longer in the config": "test_ways HttpWays",
    "this would be more than 2000 rows": "unit policy alert_stats",
    "2000 listen already": "test_dashboard test_two_thousand_may_listen",
}


class Refusals(BadCase):
    """Each has RFC 9457's form and says what to change."""

    def sentences(self):
        """Every detail that the sources hold, as they write it."""
        found = set()
        for path in [*(SOURCES / "hub").glob("hub_*.c"), *(SOURCES / "engine").glob("alerts*.c"),
                     SOURCES / "link" / "http_server.c"]:
            if path.name.endswith("_test.c"):
                continue
            text = path.read_text()
            for call in re.finditer(r"\b(hub_problem|alerts_refuse|http_respond_problem)\(|"
                                    r"static const struct refusal \w+ = \{", text):
                depth, end = 1, call.end()
                while depth:
                    string = re.match(STRING, text[end:])
                    depth += 0 if string else (text[end] in "({") - (text[end] in ")}")
                    end += string.end() if string else 1
                for group in re.findall(rf"{STRING}(?:\s*{STRING})*", text[call.end():end]):
                    words = "".join(json.loads(part) for part in re.findall(STRING, group))
                    if len(words.split()) > 3 and not words.endswith("\r\n"):
                        found.add(words)
        return found

    def test_each_refusal(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        hub = self.start_hub(*FAST, services={"x": {"command": "sleep 1000"}})
        details = set()

        def refuse(status, method, path, body=None, headers=BEARER):
            answer = harness.http(method, self.url("hub", path), body, headers)
            details.add(self.problem(answer, status))
            return answer

        def refuse_raw(status, data):
            details.add(self.problem(self.ask(data), status))

        refuse(413, "POST", "/v1/alerts", b"[" + b" " * (4 << 20))
        refuse(400, "POST", "/v1/alerts", b"{")
        for body in ({}, {"state": "half"}):
            refuse(400, "POST", "/v1/alerts/breaker", body)
        refuse(400, "POST", "/v1/alerts/breaker", {"state": "open", "way": "nobody"})
        refuse(400, "POST", "/v1/alerts/ack", {"by": 7})
        refuse(409, "POST", "/v1/alerts/99/ack", {"by": "me"})
        for path in ("x", "1/x", "0/ack", "99999999999999999999/ack", "/ack", "-1/replay"):
            refuse(404, "POST", f"/v1/alerts/{path}", {})
        refuse(404, "POST", "/v1/alerts/99/replay", {})
        for path in ("x", "99", "-1", "1e3", "99999999999999999999"):
            refuse(404, "GET", f"/v1/alerts/{path}")
        for query in ("state=x", "limit=0", "limit=501", "limit=x", "before=-1"):
            refuse(400, "GET", f"/v1/alerts?{query}")
        for query in ("by=x", "for=x", "for=99d", "every=1"):
            refuse(400, "GET", f"/v1/alerts/stats?{query}")
        refuse(413, "POST", "/v1/silences", b" " * 70000)
        refuse(400, "POST", "/v1/silences", {"for": "1h"})
        for method, path in (("POST", "x"), ("POST", "1"), ("DELETE", "x"), ("DELETE", "1/end"),
                             ("POST", "77/end"), ("DELETE", "77")):
            refuse(404, method, f"/v1/silences/{path}", {} if method == "POST" else None)
        for path in ("x/hum", "x/beat/maybe"):
            refuse(404, "POST", f"/v1/monitors/{path}", {})
        refuse(404, "GET", "/v1/monitors/x")
        refuse(413, "PUT", "/v1/monitors/x", b" " * 70000)
        refuse(400, "PUT", "/v1/monitors/x", {"service": "nobody"})
        refuse(400, "PUT", "/v1/monitors/" + "x" * 300, {})
        refuse(400, "GET", "/v1/incidents?limit=0")
        refuse(404, "GET", "/v1/badge/x")
        refuse(404, "GET", "/dashboard/none.js")
        refuse(404, "GET", "/nothing/here")
        allowed = {"/restart": "POST", "/health": "GET", "/v1/silences/1": "POST, DELETE"}
        for path, methods in allowed.items():
            answer = refuse(405, "PUT", path, {})
            self.assertEqual(answer.headers["Allow"], methods)
        refuse(403, "POST", "/v1/alerts", {"text": "x"}, {**BEARER, "Origin": "http://stranger.example"})
        refuse(404, "POST", "/restart/nobody", {})
        for path in ("/restart", "/restart/x"):
            refuse(503, "POST", path, {})
        self.assertEqual(refuse(401, "POST", "/v1/alerts", {}, {}).headers["WWW-Authenticate"], "Bearer")
        self.wait("429", lambda: harness.http("POST", self.url("hub", "/restart")).status == 429)
        refuse(429, "POST", "/restart", {}, {"Authorization": "Basic eDp4"})

        self.assertEqual(harness.http("POST", self.url("hub", "/v1/alerts/breaker"), {"state": "open"},
                                      BEARER).status, 200)
        many = [{"text": "x", "priority": "LOW"}] * 1000
        self.assertEqual(harness.http("POST", self.url("hub", "/v1/alerts"), many, BEARER).status, 202)
        refuse(503, "POST", "/v1/alerts", many[:1])
        refuse(400, "POST", "/v1/alerts", many + many[:1])
        refuse(409, "POST", "/v1/alerts/1/replay", {})
        for number in range(1000):
            answer = harness.http("POST", self.url("hub", "/v1/silences"),
                                  {"for": "1h", "service": f"never {number}"}, BEARER)
            self.assertEqual(answer.status, 201, answer)
        refuse(503, "POST", "/v1/silences", {"for": "1h", "service": "one more"})

        def two_count():
            with self.connect() as one, self.connect() as two:
                for peer in (one, two):
                    peer.sendall(b"GET /v1/alerts/stats HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n")
                second = self.read_answer(two)
                return second if second.status == 503 else None

        details.add(self.problem(self.wait("two count at once", two_count), 503))

        head = b"POST /v1/alerts HTTP/1.1\r\nConnection: close\r\n" + HEAD
        refuse_raw(400, head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ")
        refuse_raw(400, head + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        refuse_raw(413, head + b"Content-Length: 67108865\r\n\r\n")
        refuse_raw(414, b"GET /ping?" + b"a&" * 300 + b" HTTP/1.1\r\n" + HEAD + b"\r\n")
        refuse_raw(400, b"GET /ping%00 HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n")
        peers = [self.connect() for _ in range(5)]
        for peer in peers:
            peer.sendall(head + b"Content-Length: 60000000\r\n\r\n")
            try:
                for _ in range(59):
                    peer.sendall(b" " * 1000000)
            except ConnectionError:
                pass  # refused already
        details.add(self.problem(self.read_answer(peers[-1]), 503))
        for peer in peers:
            peer.close()
        self.assert_prompt()
        self.assertEqual(hub.stop(), 0)

        config = self.config_of(services={"x": {"command": "sleep 1000"}})
        del config["http"]["token"]
        self.write_config(config)
        self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder)
        self.wait_http(self.url("hub", "/ping"))
        refuse(403, "POST", "/restart", {}, {})

        known = self.sentences()
        self.assertGreater(len(known), 30)
        missing = []
        for words in known:
            pattern = re.sub(r"%(?:ll|z)?[dsu]", ".*", re.escape(words))
            if not any(re.search(pattern, detail) for detail in details):
                missing += [words] if not any(words.startswith(other) for other in ELSEWHERE) else []
        self.assertEqual(missing, [], "no test produces these refusals")

    def test_what_is_no_http(self):
        """The library answers these itself, or closes: a status of 4xx or 505, in HTML, and the end."""
        hub = self.start_free()
        post = b"POST /v1/alerts HTTP/1.1\r\n" + HEAD
        for status, data in ((505, b"GET / HTTP/9.9\r\n\r\n"), (400, b"GET /ping\r\n\r\n"),
                             (400, b"GET /ping HTTP/1.1\r\nno colon\r\n\r\n"),
                             (431, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 3000 + b"\r\n"),
                             (414, b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n"),
                             (400, post + b"Content-Length: -5\r\n\r\n"),
                             (413, post + b"Content-Length: 99999999999999999999999\r\n\r\n"),
                             (400, post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")):
            answer = self.ask(data)
            self.assertEqual((answer.status, answer.headers["Connection"]), (status, "close"), data[:60])
        self.assert_prompt()
        self.assertEqual(hub.stop(), 0)


class Crowds(BadCase):
    """Many clients that hold on to what they have."""

    def test_ten_thousand_silent_connections(self):
        count = 10000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < count + 500:
            self.skipTest(f"needs {count + 500} descriptors; the hard limit here is {hard} (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        hub = self.start_free()
        self.updates()
        before, silent, longest, most = self.measure(hub), [], 0, (0, 0)
        for number in range(count):
            silent.append(self.connect())
            if number % 500 == 499:
                begun = time.monotonic()
                self.assert_prompt()
                self.wait_one(self.alert(f"alert {number}"), "delivered")
                longest = max(longest, time.monotonic() - begun)
                most = max(most, (descriptors(hub), memory(hub)))
        held = most[0] - before[0]
        each = (most[1] - before[1]) / held
        print(f"test_bad_input: {count} silent connections: {held} held, {each / 1024:.0f} KiB each, "
              f"an alert accepted and delivered within {longest * 1000:.0f} ms", flush=True)
        self.assertLess(held, 5200)  # 4096, and 1024 that may come at once
        self.assertLess(each, 64 << 10)
        self.assertEqual(silent[0].recv(1), b"")  # gave way
        last = silent[-1]  # the younger ones are still welcome
        last.sendall(b"GET /ping HTTP/1.1\r\n" + HEAD + b"\r\n")
        self.assertIn(b"200 OK", last.recv(100))
        for peer in silent:
            peer.close()
        self.wait("all descriptors are closed", lambda: descriptors(hub) <= before[0] + 2)
        self.assert_prompt()

    def leave_unread(self, hub, path, count):
        """-> the peers, and how much more memory the hub held meanwhile."""
        before, peers, most = memory(hub), [], 0
        for _ in range(count):
            peer = socket.socket()
            peer.settimeout(20)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", self.port("hub")))
            peer.sendall(b"GET /telegram/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path)
            self.assertEqual(peer.recv(12), b"HTTP/1.1 200")
            peers.append(peer)
            most = max(most, memory(hub) - before)
            self.assert_prompt()
        print(f"test_bad_input: {count} answers, {path.decode()}, that nobody reads: {most >> 20} MiB held "
              "at most", flush=True)
        return peers, most

    def test_answers_that_nobody_reads(self):
        """Of 600 MB 256 MiB are held, the youngest; who reads nothing holds up nobody."""
        fake = RawTelegram(self.port("sim"))
        self.addCleanup(fake.server.close)
        hub = self.start_hub(*FAST)
        before = self.measure(hub)
        peers, most = self.leave_unread(hub, b"botmain/long", 40)
        self.assertLess(most, 420 << 20)  # and one that is passed on, twice
        self.assertLess(self.rest(peers[0]), LONG)
        self.assertGreater(self.rest(peers[-1]), LONG)
        for peer in peers:
            peer.close()
        self.assert_back(hub, (before[0] + 2, before[1]))  # a connection to Telegram is kept

    def test_files_that_nobody_reads(self):
        """They wait at Telegram; whoever reads on after all gets the whole one."""
        fake = RawTelegram(self.port("sim"))
        self.addCleanup(fake.server.close)
        hub = self.start_hub(*FAST)
        before = self.measure(hub)
        peers, most = self.leave_unread(hub, b"file/botmain/large", 12)
        self.assertLess(most, 48 << 20)
        self.assertGreater(self.rest(peers[0]), LARGE)
        self.assertGreater(self.rest(peers[-1]), LARGE)
        for peer in peers:
            peer.close()
        self.assert_back(hub, (before[0] + 14, before[1]))  # connections to Telegram are kept

    def rest(self, peer):
        size = 0
        try:
            while data := peer.recv(1 << 20):
                size += len(data)
        except ConnectionResetError:
            pass
        return size

    def test_wrong_tokens(self):
        self.start_free()
        url, stop, seen = self.url("hub", "/v1/alerts"), threading.Event(), []

        def guess():
            while not stop.is_set():
                seen.append(harness.http("POST", url, {"text": "x"}, {"Authorization": "Bearer wrong"}))

        guesser = threading.Thread(target=guess)
        guesser.start()
        try:
            self.wait("they are limited", lambda: any(a.status == 429 for a in seen))
            begun = time.monotonic()
            for number in range(50):
                self.alert(f"alert {number}")
            self.assertLess(time.monotonic() - begun, 10)
        finally:
            stop.set()
            guesser.join()
        told = [answer for answer in seen if answer.status == 401]
        self.assertLessEqual(len(told), 7)  # a burst of 5, then 10 a minute
        for answer in seen:
            detail = self.problem(answer, 401 if answer in told else 429)
            self.assertIn("token", detail)
        self.assertEqual(len(self.get(url + "?limit=500").json["alerts"]), 50)


class Texts(BadCase):
    """What is accepted arrives whole, what is refused is told what to change."""

    EMOJI = "\U0001f680"
    GOOD = {"one": "a", "4096": "a" * 4096, "4097": "a" * 4097, "most": "a" * ALERT_BYTES_MAX,
            "4096 emoji": EMOJI * 4096, "4097 emoji": EMOJI * 4097, "8192 emoji": EMOJI * 8192,
            "html": "<b>broken <i>html</b> & &amp; &nbsp; <script>x</script> <a href='", "<": "<" * 5000,
            "joined": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 900, "rtl": "\u202eabc\u05d0\ufeff",
            "markdown": "*_`[x](y)~||", "control": "a\u0001\u001b[31mb\u007f"}

    def arrived(self):
        """The words of each alert: those of its parts, without their head lines, joined."""
        found = {}
        for text in self.bot_texts():
            self.assertLessEqual(len(text), 4096)  # code points, as Telegram counts
            head, _, words = text.partition("\n")
            name = re.search(r" \u00b7 (.*?)(?: \(\d+/\d+\))?$", head)[1]
            found[name] = found.get(name, "") + words
        return found

    def test_through_the_api(self):
        self.start_free()
        numbers = {name: self.alert(text, title=name) for name, text in self.GOOD.items()}
        for name, number in numbers.items():
            self.wait_one(number, "delivered")
        arrived = self.arrived()
        for name, text in self.GOOD.items():
            shown = re.sub(r"[\x00-\x08\x0b-\x1f]", " ", text)  # what Telegram makes of controls
            got = re.sub(r"[\x00-\x08\x0b-\x1f]", " ", arrived.get(name, ""))
            self.assertEqual(got == shown, True, (name, len(got), len(shown), got[:80]))
        self.assertIn('"text" is missing or empty', self.alert("", status=400))
        self.assertIn('"text" is missing or empty', self.alert(" \n\t ", status=400))
        for text in ("a" * (ALERT_BYTES_MAX + 1), "a" * 100000, self.EMOJI * 25000):
            detail = self.alert(text, status=400)
            self.assertIn(f"has {len(text.encode())} bytes; at most {ALERT_BYTES_MAX}", detail)
        for body, word in ((b'{"text":"a\xff"}', "UTF-8"), (b'{"text":"a\x00b"}', "UTF-8"),
                           (b'{"text":"a\\u0000b"}', "NUL"), (b'{"text":"\\ud800"}', "surrogate"),
                           (b'{"text":"\xed\xa0\x80"}', "UTF-8")):
            answer = harness.http("POST", self.url("hub", "/v1/alerts"), body, BEARER)
            self.assertIn(word, self.problem(answer, 400))
        self.assertEqual(len(self.get(self.url("hub", "/v1/alerts?limit=100")).json["alerts"]),
                         len(self.GOOD))

    def piped(self, data, title):
        file = self.folder / "stdin"
        file.write_bytes(data)
        line = shlex.join(map(str, [self.bin / "holdfast", "alert", "-c", self.config, "--run",
                                    self.run_folder, "--title", title, "--type", title]))
        return self.run_program("sh", "-c", f"{line} <{shlex.quote(str(file))}")

    def test_through_the_command_line(self):
        self.start_free()
        good = {"4096": ("a" * 4096,) * 2, "4097": ("a" * 4097,) * 2, "emoji": (self.EMOJI * 4097,) * 2,
                "html": ("<b>broken & <i>",) * 2, "nul": (b"a\x00b", "a?b"), "bytes": (b"a\xff\xfeb", None)}
        for name, (data, _) in good.items():
            done = self.piped(data if isinstance(data, bytes) else data.encode(), name)
            self.assertEqual(done.code, 0, done.stderr)
            self.wait_one(int(re.search(r"\d+", done.stdout)[0]), "delivered")
        arrived = self.arrived()
        for name, (_, text) in good.items():
            if text is None:
                self.assertRegex(arrived[name], r"^a\W+b$")
            else:
                self.assertEqual(arrived[name] == text, True, (name, arrived[name][:80]))
        done = self.piped(b"a" * 100000, "long")
        self.assertEqual(done.code, 65, done.stderr)
        self.assertIn(f"tail -c {ALERT_BYTES_MAX}", done.stderr)
        done = self.piped(b"", "empty")
        self.assertIn(done.code, (64, 65), done.stderr)
        self.assertIn("missing or empty", done.stderr)

    def test_a_chat_that_never_existed(self):
        """Alerts for it end with the reason; the bot's own chats do not notice."""
        hub = self.start_free(alerts={"bot": "main", "chat": 777000111})
        numbers = [self.alert(f"alert {i}", priority) for i in range(5)
                   for priority in ("CRITICAL", "LOW")]
        for i in range(20):
            answer = self.call("sendMessage", chat_id=42, text=f"text {i}")
            self.assertEqual(answer.status, 200, answer)
            lost = self.call("sendMessage", chat_id=888000111, text="x")
            self.assertEqual((lost.status, lost.json["description"]),
                             (400, "Bad Request: chat not found"))
        for number in numbers:
            self.assertIn("chat not found", self.wait_one(number, "failed")["reason"])
        self.assertEqual(self.bot_texts(), [f"text {i}" for i in range(20)])
        health = self.get(self.url("hub", "/health")).json["alerts"]
        self.assertIn("chat not found", health["problem"])
        self.assertEqual(health["breaker"]["state"], "closed")  # the way itself works
        self.assertTrue(hub.running)


class Store(BadCase):
    """The store's file in somebody else's hands."""

    def database(self):
        return self.data_folder() / "hub" / "hub.db"

    def drip(self, ends):
        """Clients with a byte a second, in a thread: half of them in the head, half in the body.
        `ends` gets what each was answered, and when."""
        head = b"POST /v1/alerts HTTP/1.1\r\n" + HEAD
        body = head + b"Content-Length: 1000\r\n\r\n"
        peers = [self.connect() for _ in range(60)]
        begun = time.monotonic()

        def run():
            waiting = set(peers)
            for number, peer in enumerate(peers):
                peer.sendall(body if number % 2 else head)
            while waiting:
                for peer in select.select(waiting, (), (), 1)[0]:
                    ends.append((time.monotonic() - begun, self.read_answer(peer)))
                    waiting.discard(peer)
                    peer.close()
                for peer in waiting:
                    try:
                        peer.send(b"X")
                    except OSError:
                        pass  # it is about to be read

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def post_later(self, text):
        """Posts in a thread of its own; returns it and a list for (seconds, answer)."""
        results, begun = [], time.monotonic()

        def post():
            answer = harness.http("POST", self.url("hub", "/v1/alerts"),
                                  {"text": text, "priority": "HIGH", "group": ""}, BEARER, seconds=90)
            results.append((time.monotonic() - begun, answer))

        thread = threading.Thread(target=post, daemon=True)
        thread.start()
        return thread, results

    def post_that_waits(self):
        """While the pause after the full disk lasts, one is refused at once."""
        while True:
            thread, results = self.post_later("refused")
            thread.join(1)
            if thread.is_alive():
                return thread, results
            self.problem(results[0][1], 507)

    def test_locked_by_another_program_while_clients_drip(self):
        """Two waits of 30 s at once: the lock, and 60 clients with a byte a second each. Nobody can
        take the lock from a hub at work; so it lets go for a moment, as after a full disk."""
        hub = self.start_free()
        self.updates()
        kept = [self.alert(f"before {i}", "CRITICAL") for i in range(3)]
        other = sqlite3.connect(self.database(), timeout=0, isolation_level=None)
        self.addCleanup(other.close)
        with self.assertRaisesRegex(sqlite3.OperationalError, "locked"):
            other.execute("BEGIN EXCLUSIVE")
        kept.append(self.alert("nobody noticed"))
        for number in kept:
            self.wait_one(number, "delivered")
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        self.assertIn("disk of the data folder is full", self.alert("x" * 30000, status=507))

        def lock():
            try:
                return other.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                return None

        self.wait("the lock is taken", lock)
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        dripped = []
        dripping = self.drip(dripped)
        thread, refused = self.post_that_waits()
        shell = self.start("holdfast", "alert", "-c", self.config, "--run", self.run_folder, "from a shell")
        self.wait("it is said", lambda: "another program has locked" in self.get(
            self.url("hub", "/health")).json["store"]["problem"])
        said = self.say("while it is locked")["update_id"]
        self.wait("the bot has it", lambda: said in [u["update_id"] for u in self.updates(timeout=1)])
        self.assertEqual(self.call("sendMessage", chat_id=42, text="an answer").status, 200)
        self.assert_prompt()
        thread.join(20)  # not answered before that; then another one begins to wait
        later, taken = self.post_later("taken")
        thread.join(30)
        seconds, answer = refused[0]
        self.assertIn("another program has locked", self.problem(answer, 503))
        self.assertTrue(29 < seconds < 34, seconds)
        self.assertEqual(shell.wait(), 75)
        self.assertIn("another program has locked", shell.stderr)
        other.execute("ROLLBACK")
        other.close()
        later.join(20)
        self.assertEqual(taken[0][1].status, 202, taken)
        kept += [taken[0][1].json["id"], self.alert("after")]
        for number in kept:
            self.wait_one(number, "delivered")
        self.wait("all is well", lambda: self.get(self.url("hub", "/health")).json["store"]["problem"] == "")
        self.assertEqual([u["update_id"] for u in self.updates()], [said])
        self.assertEqual([text.partition("\n")[2] for text in self.bot_texts() if "\n" in text],
                         ["before 0", "before 1", "before 2", "nobody noticed", "taken", "after"])
        self.assertIn("store: another program has locked", hub.stderr)
        dripping.join(15)
        self.assertEqual(len(dripped), 60)
        for seconds, answer in dripped:
            self.assertIn("not whole in time", self.problem(answer, 408))
            self.assertTrue(29 < seconds < 34, seconds)

    @unittest.skipUnless(os.geteuid() == 0, "needs root: mounts a small disk of its own")
    def test_a_disk_that_becomes_read_only(self):
        """As a file system does after an error of its disk. One that is written to cannot be set so;
        so it is full first, and the hub lets go of its files."""
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.post(self.url("sim", "/sim/limits"), FREE)
        data = self.data_folder()
        data.mkdir()
        self.write_config(self.config_of())
        hub = self.start("/usr/bin/unshare", "-m", "sh", "-c",
                         f"mount -t tmpfs -o size=3m none {data} && exec holdfast-hub --config "
                         f"{self.config} --run {self.run_folder} {' '.join(FAST)}")
        self.wait_http(self.url("hub", "/ping"))

        def remount(how):
            done = subprocess.run(["nsenter", "-t", str(hub.pid), "-m", "mount", "-o", f"remount,{how}",
                                   str(data)], capture_output=True, check=False)
            return done.returncode == 0

        def status(text):
            return harness.http("POST", self.url("hub", "/v1/alerts"), {"text": text}, BEARER)

        kept = [self.alert(f"before {i}") for i in range(3)]
        for number in kept:
            self.wait_one(number, "delivered")
        filler = pathlib.Path(f"/proc/{hub.pid}/root{data}/filler")
        with open(filler, "wb", buffering=0) as file, self.assertRaises(OSError):
            while True:
                file.write(b"x" * 4096)
        answer = self.wait("it is full", lambda: (a := status("x" * 30000)).status == 507 and a)
        self.assertIn("disk of the data folder is full", self.problem(answer, 507))
        self.wait("it is read-only", lambda: remount("ro"))
        answer = self.wait("that is said", lambda: (a := status("no")).status == 503 and a)
        detail = self.problem(answer, 503)
        self.assertIn("read-only", detail)
        self.assertIn("make the data folder writable", detail)
        health = self.get(self.url("hub", "/health")).json
        self.assertIn("read-only", health["store"]["problem"])
        self.assertEqual(health["status"], "degraded")
        self.assertIn("read-only", self.problem(self.get(self.url("hub", "/v1/alerts")), 503))
        self.assertTrue(remount("rw"))
        filler.unlink()
        answer = self.wait("it recovers", lambda: (a := status("after")).status == 202 and a)
        for number in (*kept, answer.json["id"]):
            self.wait_one(number, "delivered")
        self.assertTrue(hub.running)


class RawTelegram:
    """Answers as `mode` says: a function of the socket, or None: like a sound Bot API."""

    def __init__(self, port):
        self.mode, self.updates, self.sent, self.bad_polls = None, [], [], 0
        self.changed = threading.Condition()
        self.server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def set(self, mode):
        with self.changed:
            self.mode = mode
            self.changed.notify_all()

    def say(self, text):
        with self.changed:
            number = len(self.updates) + 1
            self.updates.append({"update_id": number, "message": {
                "message_id": number, "date": 1, "text": text,
                "chat": {"id": 42, "type": "private"}, "from": {"id": 42, "is_bot": False,
                                                                "first_name": "Ann"}}})
            self.changed.notify_all()
        return number

    def serve(self, peer):
        with peer:
            stream = peer.makefile("rb")
            while line := stream.readline():
                size = 0
                while (header := stream.readline().strip()):
                    if header.lower().startswith(b"content-length:"):
                        size = int(header.split(b":")[1])
                body = json.loads(stream.read(size) or b"{}")
                method = line.split()[1].decode().split("/")[-1]
                mode = self.mode
                try:
                    if mode is None or (method != "getUpdates" and mode in ONLY_UPDATES):
                        peer.sendall(self.good(method, body))
                    else:
                        mode(peer)
                        self.bad_polls += method == "getUpdates"
                        return
                except OSError:
                    return

    def good(self, method, body):
        result = True
        if method in ("large", "long"):
            size = LARGE if method == "large" else LONG
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        if method == "sendMessage":
            self.sent.append(body["text"])
            result = {"message_id": len(self.sent), "date": 1, "chat": {"id": 42, "type": "private"}}
        if method == "getUpdates":
            with self.changed:
                self.changed.wait_for(lambda: self.mode or self.after(body), 1)
                result = self.after(body)
        text = json.dumps({"ok": True, "result": result}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
            len(text), text)

    def after(self, body):
        return [u for u in self.updates if u["update_id"] >= body.get("offset", 0)]


def answer_of(body, more=b"", size=None, status=b"200 OK"):
    length = len(body) if size is None else size
    data = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, length, more, body)
    return lambda peer: peer.sendall(data)


def flood(head, pieces):
    def send(peer):
        peer.sendall(head)
        for _ in range(pieces):
            peer.sendall(b"x" * (1 << 16))

    return send


OK = b'{"ok":true,"result":[]}'
HTML = b"<html><body><h1>Captive portal</h1></body></html>"
NO_UPDATES = answer_of(b'{"ok":true,"result":[7,null,{"update_id":"x"},{}]}')
ONLY_UPDATES = (NO_UPDATES,)  # to a send this would mean: it is done
NONSENSE = {
    "HTML with 200": answer_of(HTML, b"Content-Type: text/html\r\n"),
    "an empty body": answer_of(b""),
    "truncated JSON": answer_of(OK[:-4], b"Content-Type: application/json\r\n"),
    "other JSON": answer_of(b'[{"ok":"true"}]'),
    "updates that are none": NO_UPDATES,
    "no UTF-8": answer_of(b'{"ok":true,"result":[{"update_id":1,"message":{"text":"\xff"}}]}'),
    "less than promised": answer_of(OK, size=1000),
    "more than promised": answer_of(OK + b"HTTP/1.1 200 OK\r\n\r\nxxxx", size=5),
    "an absurd length": lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n" + OK),
    "500 with HTML": answer_of(HTML, b"Content-Type: text/html\r\n", status=b"500 Oops"),
    "a cut in the head": lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a cut in the body": lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
    "no answer at all": lambda peer: None,
    "no HTTP": lambda peer: peer.sendall(b"\x00\xff\x16\x03SSH-2.0\r\n\r\n"),
    "gzip that nobody asked for": answer_of(gzip.compress(OK), b"Content-Encoding: gzip\r\n"),
    "100 MB": flood(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", 1600),
    "an endless body": flood(b"HTTP/1.1 200 OK\r\n\r\n", 1 << 30),
    "endless headers": flood(b"HTTP/1.1 200 OK\r\nX: ", 1 << 30),
}


class NonsenseOfTelegram(BadCase):
    def test_whatever_telegram_answers(self):
        """Updates come once each, alerts arrive, the memory stays, /health has a sentence."""
        fake = RawTelegram(self.port("sim"))
        self.addCleanup(fake.server.close)
        hub = self.start_hub(*FAST, "--breaker-open", "1s")
        self.updates(timeout=1)
        self.wait("polls are well", lambda: self.bot_health()["status"] == "healthy")
        before, offset, numbers = self.measure(hub), 0, {}
        for name, mode in NONSENSE.items():
            polls = fake.bad_polls
            fake.set(mode)
            numbers[name] = self.alert(name)
            said = fake.say(name)
            answer = self.call("sendMessage", chat_id=42, text="x")
            self.assertIn(answer.status, (200, 500, 502, 504), (name, answer))
            if answer.status > 500:
                self.assertIn(answer.json["ok"], (False,), name)
            self.wait(f"a bad poll: {name}", lambda: fake.bad_polls > polls or self.bot_health()["problem"])
            problem = self.wait(f"it is said: {name}", lambda: self.bot_health()["problem"])
            self.assertGreater(len(problem.split()), 4, name)
            self.assertNotIn(TOKEN, problem)
            self.assertTrue(hub.running, name)
            fake.set(None)
            got = self.wait(f"the update after {name}", lambda: self.updates(offset=offset, timeout=5))
            self.assertEqual([u["update_id"] for u in got], [said], name)
            offset = said + 1
            self.wait(f"well again after {name}", lambda: not self.bot_health()["problem"])
        most = memory_most(hub) - before[1]
        print(f"test_bad_input: {len(NONSENSE)} kinds of nonsense: {most >> 20} MiB more at most", flush=True)
        self.assertLess(most, 150 << 20)
        for name, number in numbers.items():
            self.wait(f"the alert {name} arrives", lambda: self.one(number)["state"] == "delivered", 60)
        for name in numbers:
            self.assertEqual(len([t for t in fake.sent if t.partition("\n")[2] == name]), 1, name)
        self.assert_back(hub, (before[0] + 6, before[1]))  # connections to Telegram are kept
        self.assertNotIn(TOKEN, hub.stderr)


if __name__ == "__main__":
    unittest.main()
