# SPDX-License-Identifier: Apache-2.0
"""What a hostile or sick neighbour does to the hub: Telegram, the keeper, a web page, the disk."""

import http.server
import json
import os
import signal
import socket
import threading
import time
import unittest

import harness
from test_gateway import TOKEN, HubCase

BEARER = {"Authorization": "Bearer a-long-token"}


class Telegram:
    """Answers each method as `answers` says: (status, body) or a function of the call's number."""

    def __init__(self, port, **answers):
        self.calls = []  # (seconds, method)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                method = self.path.split("?")[0].split("/")[-1]
                outer.calls.append((time.monotonic(), method))
                if method == "getUpdates" and method not in answers:
                    time.sleep(0.5)
                status, body = answers.get(method, (200, {"ok": True, "result": []}))
                text = json.dumps(body).encode()
                self.send_response_only(status, "So")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def times(self, method):
        return [at for at, name in self.calls if name == method]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Edges(HubCase):
    def telegram(self, **answers):
        fake = Telegram(self.port("sim"), **answers)
        self.addCleanup(fake.close)
        return fake

    def alert(self, text, priority="CRITICAL", **more):
        answer = harness.http("POST", self.url("hub", "/v1/alerts"),
                              {"text": text, "priority": priority, **more}, BEARER)
        self.assertEqual(answer.status, 202, answer)
        return answer.json["id"]

    def test_status_666_is_no_answer(self):
        self.telegram(getMe=(666, {"ok": True}))
        hub = self.start_hub()
        self.assertEqual(self.call("getMe").status, 504)
        self.assertTrue(hub.running)

    def test_429_holds_an_alert_back_at_once(self):
        fake = self.telegram(sendMessage=(429, {"ok": False, "error_code": 429,
                                                "description": "Too Many Requests",
                                                "parameters": {"retry_after": 20}}))
        self.start_hub()
        self.alert("a")
        harness.wait("the first try", lambda: fake.times("sendMessage"))
        time.sleep(1)
        self.assertEqual(len(fake.times("sendMessage")), 1)

    def test_good_polls_do_not_wake_a_breaker_that_rests(self):
        fake = self.telegram(
            getUpdates=(200, {"ok": True, "result": []}),
            sendMessage=(500, {"ok": False, "error_code": 500, "description": "Internal"}))
        self.start_hub()
        self.updates()
        for i in range(5):
            self.alert(f"a {i}", "HIGH")
        time.sleep(6)
        self.assertLess(len(fake.times("sendMessage")), 6)

    def test_absurd_numbers_of_telegram(self):
        big = {"update_id": 9223372036854775807, "message": {"text": "x"}}
        self.telegram(getUpdates=(200, {"ok": True, "result": [big]}))
        hub = self.start_hub()
        self.assertEqual(self.updates(), [])
        time.sleep(0.5)
        self.assertTrue(hub.running)
        self.assertEqual(hub.stop(), 0)

    def test_updates_of_a_declared_consumer_survive_a_kill(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        services = {name: {"command": "sleep 1000", "consumer": "main"} for name in ("a", "b")}
        hub = self.start_hub(services=services)
        said = [self.say(f"text {i}")["update_id"] for i in range(3)]
        harness.wait("all three", lambda: len(self.updates("main.a")) == 3)
        self.updates("main.a", offset=said[-1] + 1)
        hub.kill()
        self.start_hub(services=services)
        self.assertEqual([u["update_id"] for u in self.updates("main.b", timeout=5)], said)

    def test_escalation_is_no_repeat(self):
        self.start_both()
        low = self.alert("disk 80 %", "LOW", dedup_key="disk")
        critical = self.alert("disk 99 %", "CRITICAL", dedup_key="disk")
        self.assertNotEqual(low, critical)
        self.assertEqual(self.alert("disk 80 %", "LOW", dedup_key="disk"), critical)
        harness.wait("the critical one", lambda: any("99 %" in t for t in self.bot_texts()))

    def test_page_of_a_stranger_may_not_act(self):
        self.start_both()
        body = {"text": "x"}
        for origin in ("http://stranger.example", "null", "http://127.0.0.1.stranger.example"):
            answer = self.post(self.url("hub", "/v1/alerts"), body,
                               headers={**BEARER, "Origin": origin})
            self.assertEqual(answer.status, 403, answer)
            self.assertEqual(answer.json["status"], 403)
        own = self.url("hub", "")
        answer = self.post(self.url("hub", "/v1/alerts"), body, headers={**BEARER, "Origin": own})
        self.assertEqual(answer.status, 202, answer)
        answer = self.get(self.url("hub", "/telegram/botmain/getMe"),
                          headers={"Sec-Fetch-Site": "cross-site"})
        self.assertEqual(answer.status, 403, answer)

    def test_bot_that_nobody_reads_is_unknown(self):
        self.start_both()
        health = self.get(self.url("hub", "/health")).json
        self.assertEqual(health["bots"]["main"]["status"], "unknown")
        self.assertEqual(health["status"], "healthy")

    def test_changed_port_is_followed(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.assertEqual(self.start_hub().stop(), 0)
        other = harness.free_port()
        self.start_hub_at(other)
        self.assertEqual((self.run_folder / "hub.port").read_text(), f"{other}\n")

    def start_hub_at(self, port):
        config = self.config_of()
        config["http"]["listen"] = f"127.0.0.1:{port}"
        self.write_config(config)
        self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder)
        self.wait_http(f"http://127.0.0.1:{port}/ping")

    def test_own_methods_take_no_large_body(self):
        self.start_both()
        answer = self.call("getUpdates", timeout=0, padding="x" * 100000)
        self.assertEqual(answer.status, 413)
        self.assertEqual(answer.json["ok"], False)


class SickKeeper(HubCase):
    """A keeper that takes questions and answers only those that a test wants answered."""

    def keeper(self, events=()):
        self.run_folder.mkdir(exist_ok=True)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(self.run_folder / "control.sock"))
        server.listen()
        self.addCleanup(server.close)
        self.asked = []

        def serve(client):
            for line in client.makefile():
                question = json.loads(line)
                self.asked.append(question)
                for event in events if question["do"] == "events" else ():
                    if event["number"] > question["after"]:
                        client.sendall(json.dumps({"event": event}).encode() + b"\n")

        def accept():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def services(self):
        return {"x": {"command": "sleep 1000"}}

    def test_stop_while_a_restart_is_asked_for(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.keeper()
        hub = self.start_hub(services=self.services())
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            self.post(self.url("hub", "/restart/x"), headers=BEARER)))
        thread.start()
        harness.wait("the question", lambda: any(q["do"] == "restart" for q in self.asked))
        self.assertEqual(hub.stop(), 0)
        thread.join(10)
        self.assertEqual(answers[0].status, 503)

    def test_event_is_remembered_when_its_alert_is_on_disk(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.keeper([{"number": 7, "time": "2026-01-01T00:00:00Z", "service": "x",
                      "what": "failed", "text": "exit code 1"}])
        hub = self.start_hub(services=self.services())
        harness.wait("the number", lambda: (self.run_folder / "hub.events").exists())
        self.assertEqual((self.run_folder / "hub.events").read_text(), "7\n")
        self.assertEqual(hub.stop(), 0)

    def test_silent_keeper_makes_services_unknown(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.keeper()
        self.start_hub(services=self.services())
        time.sleep(5.5)
        health = self.get(self.url("hub", "/health")).json
        self.assertEqual(health["services"], "unknown")
        self.assertEqual(health["status"], "degraded")


if __name__ == "__main__":
    unittest.main()
