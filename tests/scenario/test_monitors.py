# SPDX-License-Identifier: Apache-2.0
"""Monitors: what a bot tells of itself, what is done about it, and who hears of it in the end."""

import http.server
import json
import pathlib
import socket
import sys
import threading
import time
import unittest
import urllib.parse

import harness
from test_gateway import TOKEN, HubCase
from trader import TraderCase

FAST = ("--monitor-check", "200ms", "--chat-sends-per-second", "0")
BEARER = {"Authorization": "Bearer a-long-token"}
BOT = pathlib.Path(__file__).with_name("monitored_bot.py")
QUICK = {"failures": 3, "retry": "1s", "stale_after": "1s"}


class MonitorCase(HubCase):
    bearer = BEARER

    def path(self, name, more=""):
        return self.url("hub", f"/v1/monitors/{urllib.parse.quote(name, safe='')}{more}")

    def put(self, name, code=(200, 201), **wishes):
        answer = harness.http("PUT", self.path(name), wishes, headers=self.bearer)
        self.assertIn(answer.status, code if isinstance(code, tuple) else (code,), answer)
        return answer

    def beat(self, name, word="", code=200, **figures):
        answer = harness.http("POST", self.path(name, f"/beat{word}"), figures or None,
                              headers=self.bearer)
        self.assertEqual(answer.status, code, answer)
        return answer.json

    def monitor(self, name):
        return self.get(self.path(name)).json

    def wait_status(self, name, *statuses, seconds=harness.PATIENCE_SECONDS):
        return self.wait(f"{name} is {statuses}", lambda: self.monitor(name)["status"] in statuses and
                         self.monitor(name), seconds)

    def told(self, words):
        return [text for text in self.bot_texts() if words in text]


class Api(MonitorCase):
    def test_a_life(self):
        self.start_both(*FAST)
        made = self.put("prices", advice="call the exchange")
        self.assertEqual((made.status, made.json["status"]), (201, "new"))
        self.assertEqual(self.put("prices", memory_max="100MB").status, 200)
        self.assertEqual(self.beat("prices", memory="20MB", cpu=3.5, response_ms=12, connected=True),
                         {"status": "healthy", "cause": "", "action": None})
        seen = self.monitor("prices")
        self.assertEqual((seen["status"], seen["cpu_percent"], seen["response_ms"], seen["connected"]),
                         ("healthy", 3.5, 12, True))
        self.assertIsNone(seen["advice"])  # a PUT says all that is wished
        self.assertEqual(self.beat("prices", memory=200_000_000)["status"], "warning")
        self.assertEqual(self.monitor("prices")["cause"], "memory")
        self.assertEqual(self.beat("prices")["status"], "healthy")
        self.assertEqual(self.get(self.url("hub", "/v1/monitors?status=healthy")).json["monitors"][0]["id"],
                         "prices")
        self.assertEqual(self.get(self.url("hub", "/v1/monitors?status=critical")).json["monitors"], [])
        gone = harness.http("DELETE", self.path("prices"), headers=BEARER)
        self.assertEqual(gone.status, 204)
        self.assertEqual(self.get(self.path("prices")).status, 404)

    def test_jobs_by_curl_alone(self):
        """A beat of nobody makes a monitor: one line in a crontab is all."""
        self.start_both(*FAST)
        self.assertEqual(self.beat("backup", "/start")["status"], "new")
        self.assertTrue(self.monitor("backup")["running"])
        time.sleep(0.3)
        self.assertEqual(self.beat("backup", "/0")["status"], "healthy")
        self.assertGreater(self.monitor("backup")["duration_ms"], 250)
        self.assertEqual(self.beat("backup", "/3")["status"], "warning")
        self.assertEqual(self.monitor("backup")["exit_code"], 3)

    def test_health_counts_them(self):
        self.start_both(*FAST)
        self.put("loop", critical=True, attempts=0)
        self.beat("loop")
        health = self.get(self.url("hub", "/health")).json["monitors"]
        self.assertEqual((health["status"], health["healthy"]), ("healthy", 1))
        for _ in range(3):
            self.beat("loop", "/fail")
        answer = self.get(self.url("hub", "/health"))
        self.assertEqual((answer.status, answer.json["monitors"]["status"]), (503, "unhealthy"))
        self.assertEqual(answer.json["monitors"]["ill"],
                         {"loop": {"status": "critical", "cause": "errors", "critical": True}})
        self.beat("loop")
        self.wait("well", lambda: self.get(self.url("hub", "/health")).status == 200)

    def test_refusals(self):
        self.start_both(*FAST)
        for name, status in (("x" * 200, 201), ("x" * 201, 400), ("x" * 10_000, 400), ("a\tb", 400),
                             ("ти/ши на", 201), ("<script>alert(1)</script>", 201)):
            self.assertEqual(self.put(name, code=status).status, status, name)
        names = [m["id"] for m in self.get(self.url("hub", "/v1/monitors")).json["monitors"]]
        self.assertIn("<script>alert(1)</script>", names)
        self.assertEqual(self.beat("ти/ши на")["status"], "healthy")
        self.assertIn("no service of the name", self.put("a", code=400, service="nobody").json["detail"])
        self.assertIn("did you mean", self.put("a", code=400, servce="x").json["detail"])
        self.beat("a", "/maybe", code=404)
        self.beat("a", "/256", code=404)
        self.beat("a", status="splendid", code=400)
        wrong = harness.http("PUT", self.path("a"), {}, headers={"Authorization": "Bearer no"})
        self.assertEqual(wrong.status, 401)
        self.assertEqual(harness.http("POST", self.path("a", "/beat")).status, 401)
        huge = harness.http("PUT", self.path("a"), b"{" + b" " * 70_000 + b"}", headers=BEARER)
        self.assertEqual(huge.status, 413)
        self.assertEqual(harness.http("DELETE", self.path("none"), headers=BEARER).status, 404)

    def test_counters_survive(self):
        _, hub = self.start_both(*FAST)
        self.put("loop", **{**QUICK, "stale_after": "2s"})
        for _ in range(20):
            self.beat("loop", warnings=1)
        self.beat("loop", "/fail")
        self.wait("the check has kept them", lambda: time.sleep(0.5) or True)
        hub.kill()
        hub = self.start_hub(*FAST)
        seen = self.monitor("loop")
        self.assertEqual((seen["beats"], seen["warnings"], seen["failures"]), (21, 20, 1))
        self.assertEqual(seen["consecutive_failures"], 1)
        self.assertEqual(seen["status"], "unknown")  # nobody has looked yet
        self.wait_status("loop", "warning", "recovering")  # it stays silent: that is known in time
        self.beat("loop")
        hub.stop()
        self.start_hub(*FAST)
        self.assertEqual(self.monitor("loop")["beats"], 22)

    def test_paused_ones_are_left_alone(self):
        self.start_both(*FAST)
        self.put("loop", **QUICK)
        self.beat("loop")
        self.assertEqual(harness.http("POST", self.path("loop", "/pause"), headers=BEARER).json["status"], "paused")
        time.sleep(2.5)
        self.assertEqual(self.monitor("loop")["failures"], 0)
        self.assertEqual(harness.http("POST", self.path("loop", "/resume"), headers=BEARER).json["status"], "healthy")
        self.wait_status("loop", "recovering")

    def test_the_end_of_the_ladder_is_told(self):
        self.start_both(*FAST)
        self.put("prices", **QUICK, advice="call the exchange")
        self.beat("prices", message="page 7 < page 8")
        self.wait_status("prices", "critical", seconds=30)
        [text] = self.wait("it is told", lambda: self.told("monitor prices is critical"))
        for words in ("no sign of life for", "tried 3 times", "FORCE_REFRESH", "page 7 < page 8",
                      "what to do: call the exchange"):
            self.assertIn(words, text)
        self.assertEqual(len(self.told("attempt 1 of 3")), 1)
        self.beat("prices")
        self.wait("its end is told", lambda: self.told("monitor prices is well again"))


class Actions(MonitorCase):
    """Each action changes something in another process."""

    def start_bot(self, *more, **wishes):
        self.state = self.folder / "bot.json"
        self.start_both(*FAST)
        self.bearer = None
        self.put_open("feed", **{**QUICK, **wishes})
        return self.start_python(BOT, self.url("hub", ""), "feed", self.state, *more)

    def config_of(self, **more):
        config = super().config_of(**more)
        config["http"] = {"listen": f"127.0.0.1:{self.port('hub')}"}  # a bot on this machine needs no token
        return config

    def put_open(self, name, **wishes):
        answer = harness.http("PUT", self.path(name), wishes)
        self.assertEqual(answer.status, 201, answer)

    def start_python(self, *arguments):
        return self.start(sys.executable, *arguments)

    def wish(self, **wishes):
        self.state.with_suffix(".wishes").write_text(json.dumps(wishes), encoding="utf-8")

    def so(self):
        try:
            return json.loads(self.state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def test_clear_cache(self):
        self.start_bot(memory_max="8MB")
        self.wait("it beats", lambda: self.so().get("pid"))
        self.wish(leak=True)
        self.wait("it was asked to", lambda: "CLEAR_CACHE" in self.so()["actions"])
        self.assertLess(self.so()["cache_mib"], 14)
        self.wish()
        self.wait_status("feed", "healthy")
        self.assertGreaterEqual(self.monitor("feed")["recoveries"], 1)

    def test_reconnect_services(self):
        feed = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(feed.close)
        self.start_bot(feed.getsockname()[1])
        first, _ = feed.accept()
        self.wait("it beats", lambda: self.so().get("connected"))
        first.close()  # the other side is lost
        feed.settimeout(20)
        again, _ = feed.accept()
        self.addCleanup(again.close)
        self.assertEqual(self.wait("it tells so", lambda: self.so()["actions"]), ["RECONNECT_SERVICES"])
        self.wait_status("feed", "healthy")

    def test_force_refresh(self):
        self.start_bot()
        self.wait("it beats", lambda: self.so().get("pid"))
        self.wish(feed="stuck")
        self.wait("it has refreshed", lambda: self.so()["refreshed"] == 1)
        self.wait_status("feed", "healthy")

    def test_by_url(self):
        """A bot that hangs in its loop may still have a thread that listens."""
        heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.start_both(*FAST)
        self.bearer = None
        self.put_open("hung", **QUICK, url=f"http://127.0.0.1:{server.server_port}/act")
        self.beat("hung")
        self.wait("three times", lambda: len(heard) == 3)
        self.assertEqual(heard[0], {"monitor": "hung", "action": "FORCE_REFRESH", "cause": "stale", "attempt": 1})
        self.assertEqual([one["attempt"] for one in heard], [1, 2, 3])

    def up_with_service(self, **wishes):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.state = self.folder / "bot.json"
        command = ["python3", str(BOT), self.url("hub", ""), "feed", str(self.state)]
        self.up(self.config_of(services={"bot": {"command": command}}))
        self.wait_ready("hub")
        self.wait_http(self.url("hub", "/ping"))
        self.wait("it beats", lambda: self.so().get("pid"))
        answer = harness.http("PUT", self.path("feed"), {**QUICK, **wishes, "service": "bot"})
        self.assertIn(answer.status, (200, 201), answer)

    def test_restart_monitor(self):
        self.up_with_service()
        before = self.so()["pid"]
        self.wish(broken=True)
        self.wait("another process", lambda: self.so()["pid"] != before)
        self.assertEqual(self.service("bot")["pid"], self.so()["pid"])
        self.assertIn("RESTART_MONITOR", self.monitor("feed")["action"])
        self.wish()
        self.wait_status("feed", "healthy")

    def test_emergency_stop(self):
        self.up_with_service(critical=True)
        harness.http("POST", self.path("feed", "/beat/critical"))
        self.wait_state("bot", "stopped")
        [text] = self.wait("it is told", lambda: self.told("monitor feed is critical"))
        self.assertIn("it says that it is critical", text)
        self.assertIn("its service is bot", text)


class Protection(TraderCase):
    def test_an_emergency_stop_leaves_the_stop_loss(self):
        """The trader is stopped by the keeper; its stop loss stands at the exchange, and works."""
        self.write_config({
            "name": "test", "data": str(self.folder / "data"),
            "http": {"listen": f"127.0.0.1:{self.port('hub')}"},
            "bots": {"main": {"token": TOKEN, "api_url": self.url("sim", ""), "owner": 42}},
            "alerts": {"bot": "main", "chat": 42},
            "trader": {"bot": "main", "api_url": self.url("sim", "")}})
        self.up(json.loads(pathlib.Path(self.config).read_text(encoding="utf-8")))
        self.wait_ready("hub", "trader")
        self.wait("the exchange is known", lambda: "instruments" in self.log("trader"))
        _, stop, _ = self.open_position()
        self.wait_message("is filled")
        url = self.url("hub", "/v1/monitors/risk")
        self.assertEqual(harness.http("PUT", url, {"service": "trader", "critical": True}).status, 201)
        pid = self.service("trader")["pid"]
        self.assertEqual(harness.http("POST", url + "/beat/critical").json["status"], "critical")
        self.wait_state("trader", "stopped")
        self.wait("it has ended", lambda: not harness.alive(pid))
        self.wait_message("monitor risk is critical")
        self.assertEqual(float(self.position()["stopLoss"]), stop)
        self.move(stop - 50)
        self.wait("the stop loss works without anybody", lambda: self.position() is None)


if __name__ == "__main__":
    unittest.main()
