#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast-sim as a whole program over HTTP: every kind of body, long polls, faults as they reach a
client, the control API, bad input, start and end. HOLDFAST_BUILD names the build folder (build)."""
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("HOLDFAST_BUILD", "build")
PROGRAM = BUILD / "src" / "holdfast-sim"
TOKEN = "1001:demo"
API = f"/bot{TOKEN}/"


class Running:
    def __init__(self, *options, env=None):
        self.process = subprocess.Popen([PROGRAM, "--port", "0", *options], stderr=subprocess.PIPE,
                                        text=True, env={**os.environ, **(env or {})})
        self.port = int(re.search(r":(\d+)", self.process.stderr.readline().split("http:", 1)[1]).group(1))

    def request(self, method, path, body=None, headers=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def call(self, method, /, **params):
        _, body = self.request("POST", API + method, json.dumps(params), {"Content-Type": "application/json"})
        return json.loads(body)

    def control(self, verb, path, /, **params):
        answer, body = self.request(verb, "/sim/" + path, json.dumps(params) if params else None,
                                    {"Content-Type": "application/json"})
        return answer.status, json.loads(body)

    def raw(self, data, wait=1.0):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            connection.settimeout(wait)
            got = b""
            try:
                while chunk := connection.recv(65536):
                    got += chunk
            except (TimeoutError, ConnectionResetError):
                pass
            return got

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        said = self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait(10), said


class Simulator(unittest.TestCase):
    def setUp(self):
        self.sim = Running("--bot", TOKEN + "=demo_bot")

    def tearDown(self):
        code, said = self.sim.stop()
        self.assertEqual((code, said), (0, ""))

    def test_every_kind_of_body(self):
        markup = {"inline_keyboard": [[{"text": "t", "callback_data": "d"}]]}
        form = {"chat_id": 42, "text": "a b&c", "reply_markup": json.dumps(markup)}
        encoded = urllib.parse.urlencode(form)
        multipart = "".join(f'--M\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                            for name, value in form.items()) + "--M--\r\n"
        ways = [
            ("POST", "", json.dumps({**form, "reply_markup": markup}), "application/json"),
            ("POST", "", encoded, "application/x-www-form-urlencoded"),
            ("POST", "", multipart, "multipart/form-data; boundary=M"),
            ("GET", "?" + encoded, None, None),
            ("POST", "?chat_id=42", urllib.parse.urlencode({**form, "chat_id": 42}), None),
        ]
        for method, query, body, kind in ways:
            answer, got = self.sim.request(method, API + "sendMessage" + query, body,
                                           {"Content-Type": kind} if kind else {})
            self.assertEqual(answer.status, 200, got)
            self.assertEqual(answer.getheader("Content-Type"), "application/json")
            self.assertEqual(json.loads(got)["result"]["text"], "a b&c")
            self.assertEqual(json.loads(got)["result"]["reply_markup"], markup)

    def test_long_poll(self):
        got = []
        poller = threading.Thread(target=lambda: got.append(self.sim.call("getUpdates", timeout=20)))
        begin = time.monotonic()
        poller.start()
        time.sleep(0.3)
        self.sim.control("POST", "message", chat_id=42, text="wake up")
        poller.join(5)
        self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual(got[0]["result"][0]["message"]["text"], "wake up")

    def test_abandoned_poll_takes_no_update_along(self):
        with socket.create_connection(("127.0.0.1", self.sim.port)) as connection:
            connection.sendall(f"GET {API}getUpdates?timeout=30 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.2)
        time.sleep(0.2)
        self.sim.control("POST", "message", chat_id=42, text="kept")
        updates = self.sim.call("getUpdates", offset=0)["result"]
        self.assertEqual(updates[0]["message"]["text"], "kept")

    def test_faults_reach_the_client(self):
        def arm(kind, **more):
            self.sim.control("POST", "faults", method="getMe", kind=kind, **more)
        arm("429", retry_after=7)
        answer, body = self.sim.request("GET", API + "getMe")
        self.assertEqual((answer.status, answer.getheader("Retry-After")), (429, "7"))
        self.assertEqual(json.loads(body)["parameters"], {"retry_after": 7})
        arm("html")
        answer, body = self.sim.request("GET", API + "getMe")
        self.assertEqual((answer.status, answer.getheader("Content-Type")), (502, "text/html"))
        self.assertIn(b"502 Bad Gateway", body)
        arm("reset")
        with self.assertRaises((ConnectionResetError, http.client.RemoteDisconnected)):
            self.sim.request("GET", API + "getMe")
        arm("half")
        with self.assertRaises(http.client.IncompleteRead) as cut:
            self.sim.request("GET", API + "getMe")
        self.assertTrue(cut.exception.partial.startswith(b'{"ok":true'))
        arm("delay", ms=400)
        begin = time.monotonic()
        self.assertTrue(self.sim.call("getMe")["ok"])
        self.assertGreaterEqual(time.monotonic() - begin, 0.39)
        self.sim.control("POST", "faults", method="sendMessage", kind="lost")
        with self.assertRaises((ConnectionResetError, http.client.RemoteDisconnected)):
            self.sim.call("sendMessage", chat_id=42, text="arrives all the same")
        _, book = self.sim.control("GET", "messages?chat_id=42")
        self.assertEqual(book["messages"][0]["text"], "arrives all the same")

    def test_outage_breaks_parked_polls(self):
        failed = []

        def poll():
            try:
                self.sim.call("getUpdates", timeout=30)
            except (ConnectionResetError, http.client.RemoteDisconnected) as error:
                failed.append(error)
        poller = threading.Thread(target=poll)
        poller.start()
        time.sleep(0.3)
        self.sim.control("POST", "faults", method="*", kind="reset", count=0)
        poller.join(5)
        self.assertEqual(len(failed), 1)
        self.sim.control("DELETE", "faults")
        self.assertTrue(self.sim.call("getMe")["ok"])

    def test_control_long_poll_and_clock(self):
        got = []
        waiting = threading.Thread(target=lambda: got.append(
            self.sim.control("GET", "messages?chat_id=42&after=0&timeout=20")))
        waiting.start()
        time.sleep(0.3)
        self.sim.call("sendMessage", chat_id=42, text="news")
        waiting.join(5)
        self.assertEqual(got[0][1]["messages"][0]["text"], "news")
        begin = time.monotonic()
        _, empty = self.sim.control("GET", f"messages?chat_id=42&after={got[0][1]['next']}&timeout=1")
        self.assertEqual(empty["messages"], [])
        self.assertGreaterEqual(time.monotonic() - begin, 0.99)
        parked = threading.Thread(target=lambda: got.append(self.sim.call("getUpdates", timeout=50)))
        parked.start()
        time.sleep(0.3)
        self.sim.control("POST", "clock", advance_ms=50000)
        parked.join(5)
        self.assertEqual(got[1], {"ok": True, "result": []})

    def test_control_refusals(self):
        for method, path, params, status in [
                ("POST", "message", {"chat_id": "x", "text": "a"}, 400), ("GET", "nothing", {}, 404),
                ("GET", "message", {}, 405), ("POST", "clock", {"advance_ms": -1}, 400),
                ("POST", "faults", {"kind": "odd"}, 400), ("GET", "file?id=x", {}, 404)]:
            found, answer = self.sim.control(method, path, **params)
            self.assertEqual(found, status, path)
            self.assertEqual(answer["type"], "about:blank")
        answer, _ = self.sim.request("POST", "/sim/message", "{}", {"Origin": "http://elsewhere.example"})
        self.assertEqual(answer.status, 403)

    def test_page_and_its_headers(self):
        for path, kind in [("/", "text/html"), ("/chat.css", "text/css"), ("/chat.js", "text/javascript"),
                           ("/icon.svg", "image/svg+xml")]:
            answer, body = self.sim.request("GET", path)
            self.assertEqual(answer.status, 200, path)
            self.assertTrue(answer.getheader("Content-Type").startswith(kind))
            self.assertIn("default-src 'self'", answer.getheader("Content-Security-Policy"))
            self.assertTrue(body)
        answer, body = self.sim.request("GET", "/ping")
        self.assertTrue(json.loads(body)["pong"])
        answer, body = self.sim.request("GET", "/nothing")
        self.assertEqual(json.loads(body), {"ok": False, "error_code": 404, "description": "Not Found"})

    def test_document_up_and_down(self):
        data = os.urandom(300000)
        body = (b'--M\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n42\r\n--M\r\nContent-Disposition: '
                b'form-data; name="document"; filename="d.bin"\r\n\r\n' + data + b"\r\n--M--\r\n")
        _, got = self.sim.request("POST", API + "sendDocument", body,
                                  {"Content-Type": "multipart/form-data; boundary=M"})
        file_id = json.loads(got)["result"]["document"]["file_id"]
        path = self.sim.call("getFile", file_id=file_id)["result"]["file_path"]
        _, back = self.sim.request("GET", f"/file/bot{TOKEN}/{path}")
        self.assertEqual(back, data)
        answer, _ = self.sim.request("GET", f"/file/bot9:x/{path}")
        self.assertEqual(answer.status, 404)
        answer, page = self.sim.request("GET", "/sim/file?id=" + file_id)
        self.assertEqual((answer.getheader("Content-Disposition"), page), ("attachment", data))

    def test_bad_bodies(self):
        for body, kind in [("{", "application/json"), ("[]", "application/json"), ("a=%ff", None),
                           ("x", "multipart/form-data; boundary=M"), ("x", "multipart/form-data"),
                           ('{"a":' + "[" * 100000, "application/json"), ("a=%00", None)]:
            answer, got = self.sim.request("POST", API + "sendMessage", body, {"Content-Type": kind} if kind else {})
            self.assertEqual(answer.status, 400)
            self.assertEqual(json.loads(got)["error_code"], 400)
        self.assertTrue(self.sim.call("getMe")["ok"])

    def test_bad_requests(self):
        garbage = [b"\0" * 100, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"POST " + API.encode() + b"getMe HTTP/1.1\r\n"
                   b"Host: x\r\nContent-Length: -5\r\n\r\n", b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n",
                   b"POST " + API.encode() + b"getMe HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n",
                   os.urandom(5000), b"GET /bot%00/x HTTP/1.1\r\nHost: x\r\n\r\n",
                   b"GET /bot\xff\xfe/getMe HTTP/1.1\r\nHost: x\r\n\r\n",
                   b"GET " + API.encode() + b"get\xff HTTP/1.1\r\nHost: x\r\n\r\n"]
        for data in garbage:
            self.sim.raw(data, wait=0.3)
            self.assertTrue(self.sim.call("getMe")["ok"])

    def test_dripping_and_half_requests(self):
        head = f"POST {API}sendMessage HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n".encode()
        drips = [socket.create_connection(("127.0.0.1", self.sim.port)) for _ in range(20)]
        for sent in range(len(head) + 5):
            for drip in drips:
                drip.sendall((head + b"x" * 20)[sent:sent + 1])
        self.assertTrue(self.sim.call("getMe")["ok"])
        for drip in drips:
            drip.close()
        self.assertTrue(self.sim.call("getMe")["ok"])

    def test_it_ends_with_polls_parked(self):
        polls = [socket.create_connection(("127.0.0.1", self.sim.port)) for _ in range(3)]
        polls[0].sendall(f"GET {API}getUpdates?timeout=50 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        polls[1].sendall(b"GET /sim/messages?chat_id=42&timeout=50 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        begin = time.monotonic()
        code, said = self.sim.stop(signal.SIGINT)
        self.assertEqual((code, said), (0, ""))
        self.assertLess(time.monotonic() - begin, 3)
        for poll in polls:
            poll.close()
        self.sim = Running("--bot", TOKEN + "=demo_bot")  # for tearDown


class Start(unittest.TestCase):
    def run_it(self, *options):
        done = subprocess.run([PROGRAM, *options], capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout + done.stderr

    def test_mistakes(self):
        for options, word in [(["--bot", "x"], "TOKEN=username"), (["--bot", "nonsense=a"], "token"),
                              (["--bot", "1:a=b", "--bot", "1:a=b"], "twice"), (["--port", "x"], "--port"),
                              (["--port", "70000"], "65535"), (["--listen", "nowhere"], "nowhere"),
                              (["extra"], "extra"), (["--odd"], "odd")]:
            code, said = self.run_it(*options)
            self.assertEqual(code, 64, said)
            self.assertIn(word, said)
        code, said = self.run_it("--help")
        self.assertEqual(code, 0)
        self.assertIn("--seed", said)

    def test_port_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            code, said = self.run_it("--port", str(taken.getsockname()[1]))
        self.assertEqual(code, 69)
        self.assertIn("--port", said)

    def test_notify(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in (f"{folder}/notify", f"\0holdfast-test-{os.getpid()}"):
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box:
                    box.bind(name)
                    box.settimeout(10)
                    sim = Running(env={"NOTIFY_SOCKET": name.replace("\0", "@")})
                    self.assertEqual(box.recv(100), b"READY=1")
                    self.assertEqual(sim.stop()[0], 0)
                    self.assertEqual(box.recv(100), b"STOPPING=1")

    def test_token_is_never_said(self):
        sim = Running("--bot", "1001:very-secret-token=demo_bot")
        sim.request("GET", "/bot1001:very-secret-token/getMe")
        sim.request("GET", "/bot1001:very-secret-token/nothing")
        _, calls = sim.request("GET", "/sim/calls")
        _, bots = sim.request("GET", "/sim/bots")
        code, said = sim.stop()
        self.assertEqual(code, 0)
        self.assertNotIn("very-secret", said + calls.decode() + bots.decode())


class Exchange(unittest.TestCase):
    def setUp(self):
        self.sim = Running("--market", "still", "--account", "me=my-secret", "--balance", "5000.5")

    def tearDown(self):
        code, said = self.sim.stop()
        self.assertEqual((code, said), (0, ""))

    def v5(self, method, path, payload, key="me", secret="my-secret", sign=None):
        now = str(int(time.time() * 1000))
        text = payload if method == "POST" else urllib.parse.urlencode(payload)
        made = hmac.new(secret.encode(), (now + key + "5000" + text).encode(), hashlib.sha256).hexdigest()
        headers = {"X-BAPI-API-KEY": key, "X-BAPI-TIMESTAMP": now, "X-BAPI-RECV-WINDOW": "5000",
                   "X-BAPI-SIGN": sign or made, "Content-Type": "application/json"}
        target = path if method == "POST" or not text else f"{path}?{text}"
        answer, body = self.sim.request(method, target, text if method == "POST" else None, headers)
        return answer, json.loads(body)

    def order(self, **more):
        return json.dumps({"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit",
                           "qty": "0.01", "price": "63000", **more})

    def test_exchange_over_http(self):
        answer, body = self.v5("POST", "/v5/order/create", self.order(orderLinkId="a", stopLoss="62000"))
        self.assertEqual((answer.status, body["retCode"]), (200, 0))
        self.assertEqual(answer.headers["X-Bapi-Limit"], "10")
        self.assertEqual(answer.headers["X-Bapi-Limit-Status"], "9")
        self.assertIn("X-Bapi-Limit-Reset-Timestamp", answer.headers)
        self.assertEqual(self.sim.control("POST", "exchange/price", symbol="BTCUSDT", price="61000")[0], 200)
        _, body = self.v5("GET", "/v5/execution/list", {"category": "linear"})
        self.assertEqual([row["stopOrderType"] for row in body["result"]["list"]], ["StopLoss", ""])
        _, books = self.sim.control("GET", "exchange/books?key=me")
        self.assertEqual(books["executions"], body["result"]["list"])
        answer, body = self.v5("GET", "/v5/no/such", {})
        self.assertEqual((answer.status, body["retCode"]), (404, 10017))

    def test_signatures_over_http(self):
        wallet = {"accountType": "UNIFIED", "coin": "USDT"}
        _, body = self.v5("GET", "/v5/account/wallet-balance", wallet)
        self.assertEqual(body["result"]["list"][0]["totalEquity"], "5000.50000000")
        # The signature is over the bytes as sent: spaces and all.
        self.assertEqual(self.v5("POST", "/v5/order/create", self.order().replace(", ", " ,  "))[1]["retCode"], 0)
        for key, secret, sign, code in (("me", "other", None, 10004), ("you", "my-secret", None, 10003),
                                        ("me", "my-secret", "0" * 64, 10004), ("me", "my-secret", "", 0)):
            _, body = self.v5("GET", "/v5/account/wallet-balance", wallet, key, secret, sign)
            self.assertEqual(body["retCode"], code)

    def test_waiting_for_the_market_and_the_books(self):
        for path in ("market", "books"):
            _, now = self.sim.control("GET", f"exchange/{path}")
            got = []
            waiting = threading.Thread(target=lambda: got.append(
                self.sim.control("GET", f"exchange/{path}?after={now['next']}&timeout=20")))
            waiting.start()
            time.sleep(0.3)
            self.assertEqual(got, [])
            self.v5("POST", "/v5/order/create", self.order())
            self.sim.control("POST", "exchange/price", symbol="BTCUSDT", percent="-2")
            waiting.join(10)
            self.assertTrue(got[0][1]["changed"])

    def test_a_walk_goes_on_while_somebody_waits(self):
        self.sim.control("POST", "exchange/market", mode="walk")
        _, now = self.sim.control("GET", "exchange/market")
        begin = time.monotonic()
        _, then = self.sim.control("GET", f"exchange/market?after={now['next']}&timeout=20")
        self.assertTrue(then["changed"])
        self.assertLess(time.monotonic() - begin, 5)

    def test_faults_of_the_exchange_reach_the_client(self):
        for kind in ("lost", "reset", "half"):
            self.sim.control("POST", "exchange/faults", kind=kind, path="/v5/account/info")
            with self.assertRaises((ConnectionError, http.client.HTTPException)):
                self.v5("GET", "/v5/account/info", {})
        self.sim.control("POST", "exchange/faults", kind="html")
        answer, body = self.sim.request("GET", "/v5/market/time")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (502, "text/html"))
        self.sim.control("POST", "exchange/faults", kind="delay", ms=700)
        begin = time.monotonic()
        self.assertEqual(self.v5("GET", "/v5/account/info", {})[1]["retCode"], 0)
        self.assertGreater(time.monotonic() - begin, 0.6)

    def test_foreign_pages_cannot_trade(self):
        headers = {"Content-Type": "application/json", "Origin": "http://evil.example"}
        body = json.dumps({"symbol": "BTCUSDT", "price": "1"})
        answer, _ = self.sim.request("POST", "/sim/exchange/price", body, headers)
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.sim.request("PUT", "/sim/exchange/price", body)[0].status, 405)

    def test_secrets_are_never_said(self):
        self.v5("GET", "/v5/account/info", {})
        for path in ("calls", "books", "market"):
            self.assertNotIn("my-secret", json.dumps(self.sim.control("GET", f"exchange/{path}")))

    def test_bad_options(self):
        for options in (["--account", "x"], ["--account", "=x"], ["--account", "x="], ["--balance", "-1"],
                        ["--balance", "x"], ["--market", "fly"],
                        ["--account", "a=b", "--account", "a=c"]):
            done = subprocess.run([PROGRAM, "--port", "0", *options], capture_output=True, timeout=20)
            self.assertEqual(done.returncode, 64, options)

    def test_paper_is_the_account_when_none_is_given(self):
        sim = Running("--market", "still")
        _, books = sim.control("GET", "exchange/books")
        self.assertEqual((books["key"], books["wallet"]["totalEquity"]), ("paper", "10000.00000000"))
        self.assertEqual(sim.stop(), (0, ""))


class Documentation(unittest.TestCase):
    def test_every_row_names_a_test_or_says_that_it_is_not_simulated(self):
        page = (ROOT / "docs" / "simulator.md").read_text()
        tests = set()
        for path in [*ROOT.glob("src/*/*_test.c"), *ROOT.glob("tests/scenario/*.py")]:
            tests.update(re.findall(r"(?:static void|def) (test_\w+)\(", path.read_text()))
        exchange = page.index("## What is simulated of Bybit")
        self.check_table(page[page.index("## What is simulated"):exchange], 60, tests)
        self.check_table(page[exchange:page.index("## Bounds")], 70, tests)
        bounds = re.findall(r"\btest_\w+\b", page[page.index("## Bounds"):])
        self.assertEqual([name for name in bounds if name not in tests], [])

    def check_table(self, table, least, tests):
        rows = re.findall(r"^\| (?!rule|---)(.*?) \| (.*?) \|$", table, re.M)
        self.assertGreater(len(rows), least)
        for rule, test in rows:
            named = re.findall(r"\btest_\w+\b(?!\.py)", test)
            self.assertTrue(named or "not simulated" in test, rule)
            self.assertEqual([name for name in named if name not in tests], [], rule)


if __name__ == "__main__":
    unittest.main(verbosity=2)
