# SPDX-License-Identifier: Apache-2.0
"""Local webhooks: a bot that says setWebhook to the gateway is given its updates by POST, in order, each
until it has answered 2xx, whatever dies; and nobody else is disturbed."""

import http.server
import json
import random
import resource
import threading
import time
import unittest

import harness
from test_gateway import TOKEN, HubCase


class Bot:
    """A bot's web server. `answers`: what it says next, (status, headers, body); then 200 without a word."""

    def __init__(self, port):
        bot, self.came, self.answers, self.seconds = self, [], [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                update = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bot.came.append((update["message"]["text"], self.path, dict(self.headers)))
                time.sleep(bot.seconds)
                status, headers, body = bot.answers.pop(0) if bot.answers else (200, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def texts(self):
        return [text for text, _, _ in self.came]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class WebhookCase(HubCase):
    def bot(self):
        bot = Bot(self.port("bot"))
        self.addCleanup(bot.close)
        return bot

    def set_webhook(self, who="main", path="/hook", **parameters):
        answer = self.call("setWebhook", who, url=self.url("bot", path), **parameters)
        self.assertEqual((answer.status, answer.json.get("description")), (200, "Webhook was set"), answer)

    def info(self, who="main"):
        return self.call("getWebhookInfo", who).json["result"]

    def wait_texts(self, bot, texts):
        self.wait(f"{texts} came", lambda: bot.texts() == texts)

    def consumer(self, name="default"):
        return self.bot_health()["consumers"][name]

    def wait_all_confirmed(self, count):
        self.wait("all is confirmed", lambda: (self.consumer()["updates_waiting"],
                                               self.consumer()["updates_confirmed"]) == (0, count))


class Webhook(WebhookCase):
    def test_updates_come_by_post_in_order(self):
        self.start_both()
        bot = self.bot()
        self.set_webhook(secret_token="A-secret_1", max_connections=7)
        texts = [f"text {i}" for i in range(30)]
        for text in texts:
            self.say(text)
        self.wait_texts(bot, texts)
        _, path, headers = bot.came[0]
        self.assertEqual((path, headers["X-Telegram-Bot-Api-Secret-Token"], headers["Content-Type"]),
                         ("/hook", "A-secret_1", "application/json"))
        self.wait_all_confirmed(30)
        info = self.info()
        self.assertEqual((info["url"], info["pending_update_count"], info["max_connections"]),
                         (self.url("bot", "/hook"), 0, 7))
        self.assertNotIn("last_error_date", info)
        calls = self.get(self.url("sim", "/sim/calls?method=setWebhook")).json["calls"]
        self.assertEqual(calls, [])  # Telegram never hears of it

    def test_each_until_it_is_taken(self):
        self.start_both()
        bot = self.bot()
        bot.answers = [(500, {}, b"oh"), (302, {"Location": self.url("bot", "/elsewhere")}, b""),
                       (429, {"Retry-After": "1"}, b"")]
        self.set_webhook()
        begun = time.monotonic()
        self.say("one")
        self.say("two")
        self.wait_texts(bot, ["one"] * 4 + ["two"])
        self.assertGreater(time.monotonic() - begun, 1)  # as it asked
        self.assertEqual({path for _, path, _ in bot.came}, {"/hook"})  # a redirect is not followed
        self.wait_all_confirmed(2)
        info = self.info()
        self.assertEqual(info["last_error_message"], "Wrong response from the webhook: HTTP 429")
        self.assertAlmostEqual(info["last_error_date"], time.time(), delta=60)
        self.assertEqual(self.consumer()["webhook"], {"failures_in_row": 0, "problem": ""})

    def test_a_bot_that_is_away_and_back(self):
        self.start_both()
        self.set_webhook()
        self.say("one")
        self.say("two")
        self.wait("it is told", lambda: self.consumer()["webhook"]["failures_in_row"] > 1)
        self.assertIn("connect", self.consumer()["webhook"]["problem"].lower())
        self.assertEqual(self.info()["pending_update_count"], 2)
        self.assertNotIn("/hook", self.get(self.url("hub", "/health")).text)
        self.assertEqual(self.bot_health()["status"], "degraded")
        self.wait_texts(self.bot(), ["one", "two"])
        self.wait_all_confirmed(2)

    def test_a_slow_one_disturbs_nobody(self):
        self.start_both()
        bot = self.bot()
        bot.seconds = 3
        self.set_webhook("main.slow")
        self.assertEqual(self.updates("main.quick"), [])
        self.say("one")
        begun = time.monotonic()
        self.assertEqual([update["message"]["text"] for update in self.updates("main.quick", timeout=10)],
                         ["one"])
        self.assertEqual(self.call("sendMessage", chat_id=42, text="meanwhile").status, 200)
        self.assertLess(time.monotonic() - begun, 2)
        self.wait_texts(bot, ["one"])

    def test_it_outlives_the_hub_that_is_killed_again_and_again(self):
        dice = random.Random(7)
        _, hub = self.start_both()
        bot = self.bot()
        self.set_webhook(secret_token="kept")
        texts = [f"text {i}" for i in range(60)]
        for i, text in enumerate(texts):
            self.say(text)
            if i % 6 == 5:
                time.sleep(dice.random() ** 2 * 0.1)
                hub.kill()
                hub = self.start_hub()
        self.wait("all came", lambda: set(bot.texts()) == set(texts))
        firsts = list(dict.fromkeys(bot.texts()))
        self.assertEqual(firsts, texts)  # in order; one that was on its way comes again
        self.assertLessEqual(len(bot.came), len(texts) + 10)
        self.assertEqual({headers["X-Telegram-Bot-Api-Secret-Token"] for _, _, headers in bot.came}, {"kept"})

    def test_a_hub_that_stops_waits_for_the_answer(self):
        _, hub = self.start_both()
        bot = self.bot()
        self.set_webhook()
        bot.seconds = 1
        self.say("one")
        self.wait_texts(bot, ["one"])
        hub.stop()
        bot.seconds = 0
        self.start_hub()
        self.say("two")
        self.wait("the second came", lambda: "two" in bot.texts())
        self.assertEqual(bot.texts(), ["one", "two"])  # what was answered is not repeated

    def test_deleted_and_read_with_get_updates(self):
        _, hub = self.start_both()
        bot = self.bot()
        self.set_webhook()
        answer = self.call("getUpdates")
        self.assertEqual(answer.status, 409)
        self.assertIn("can't use getUpdates method while webhook is active", answer.json["description"])
        self.say("one")
        self.wait_texts(bot, ["one"])
        self.wait_all_confirmed(1)
        for description in ("Webhook was deleted", "Webhook is already deleted"):
            self.assertEqual(self.call("deleteWebhook").json["description"], description)
        self.assertEqual(self.info()["url"], "")
        self.say("two")
        self.assertEqual([update["message"]["text"] for update in self.updates(timeout=10)], ["two"])
        hub.kill()
        self.start_hub()
        self.assertEqual(self.info()["url"], "")
        self.assertEqual(bot.texts(), ["one"])

    def test_what_waits_is_let_go(self):
        self.start_both()
        self.updates()
        self.say("old")
        self.wait("it waits", lambda: self.consumer()["updates_waiting"] == 1)
        bot = self.bot()
        self.set_webhook(drop_pending_updates=True)
        self.say("new")
        self.wait_texts(bot, ["new"])

    def test_a_method_in_the_answer(self):
        self.start_both("--chat-sends-per-second", "0")
        bot = self.bot()
        form = b"method=sendMessage&chat_id=42&text=by+form"
        bot.answers = [
            (200, {"Content-Type": "application/json"},
             json.dumps({"method": "sendMessage", "chat_id": 42, "text": "by JSON"}).encode()),
            (200, {"Content-Type": "application/x-www-form-urlencoded"}, form),
            (200, {"Content-Type": "application/json"}, b'{"method":"../getMe"}'),
            (200, {"Content-Type": "application/json"}, b"not JSON")]
        self.set_webhook()
        for i in range(5):
            self.say(f"text {i}")
        self.wait("both are sent", lambda: self.bot_texts() == ["by JSON", "by form"])
        self.wait_all_confirmed(5)

    def test_the_kinds_that_it_wants_are_kept_with_it(self):
        _, hub = self.start_both()
        self.set_webhook(allowed_updates=["callback_query"])
        hub.kill()
        self.start_hub()
        bot = self.bot()
        self.wait("it reads", lambda: self.consumer()["polling"])
        self.say("not wanted")
        self.wait("the hub has it", lambda: self.bot_health()["updates"] == 1)
        self.set_webhook(allowed_updates=["message"])
        self.say("wanted")
        self.wait_texts(bot, ["wanted"])

    def test_another_one_takes_its_place(self):
        self.start_both()
        bot = self.bot()
        self.set_webhook(path="/first")
        self.set_webhook(path="/second", allowed_updates=["message"])
        self.say("one")
        self.wait("it came", lambda: bot.came)
        self.assertEqual([path for _, path, _ in bot.came], ["/second"])
        self.wait_all_confirmed(1)

    def test_what_is_refused(self):
        self.start_both()
        for parameters, said in (
                ({"url": "http://example.org/x"}, "HTTPS URL must be provided"),
                ({"url": "ftp://127.0.0.1/x"}, "must begin with https://"),
                ({"url": "http://127.0.0.1/", "secret_token": "no spaces"}, "unallowed characters"),
                ({"url": "http://127.0.0.1/", "max_connections": 101}, "from 1 to 100"),
                ({"url": "http://127.0.0.1/", "certificate": "x"}, "takes no certificate"),
                ({"url": "http://127.0.0.1/", "ip_address": "127.0.0.1"}, "takes no ip_address")):
            with self.subTest(parameters=parameters):
                answer = self.call("setWebhook", **parameters)
                self.assertEqual((answer.status, answer.json["ok"], answer.json["error_code"]), (400, False, 400))
                self.assertIn(said, answer.json["description"])
        self.assertEqual(self.info()["url"], "")

    def test_from_another_machine_it_leads_to_none_of_this_network(self):
        self.start_both()
        answer = harness.http("POST", self.url("hub", f"/telegram/bot{TOKEN}/setWebhook"),
                              {"url": "http://127.0.0.1:9/"}, {"X-Forwarded-For": "203.0.113.7"})
        self.assertEqual(answer.status, 400, answer)
        self.assertIn("only https://", answer.json["description"])

    def test_a_full_disk_sets_nothing(self):
        _, hub = self.start_both()
        self.updates()
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        answer = self.call("setWebhook", url=self.url("bot", "/hook"))
        self.assertEqual(answer.status, 500)
        self.assertIn("nothing was changed", answer.json["description"])
        self.assertEqual(self.info()["url"], "")
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        self.wait("it is taken", lambda: self.call(
            "setWebhook", url=self.url("bot", "/hook")).status == 200)

    def test_own_methods_in_an_answer_never_reach_telegram(self):
        self.start_both()
        bot = self.bot()
        bot.answers = [(200, {"Content-Type": "application/json"}, json.dumps(body).encode()) for body in (
            {"method": "deleteWebhook", "drop_pending_updates": True}, {"method": "logOut"},
            {"method": "setWebhook", "url": "https://example.org/x"})]
        self.set_webhook()
        for i in range(4):
            self.say(f"text {i}")
        self.wait_texts(bot, [f"text {i}" for i in range(4)])
        time.sleep(1)
        for method in ("logOut", "setWebhook"):
            self.assertEqual(self.get(self.url("sim", f"/sim/calls?method={method}")).json["calls"], [], method)

    def test_stop_while_a_bot_takes_four_seconds(self):
        _, hub = self.start_both()
        bot = self.bot()
        self.set_webhook()
        bot.seconds = 5
        self.say("one")
        self.wait_texts(bot, ["one"])
        time.sleep(3.2)
        hub.stop()
        bot.seconds = 0
        self.start_hub()
        self.say("two")
        self.wait("the second came", lambda: "two" in bot.texts())
        self.assertEqual(bot.texts(), ["one", "two"])

    def test_an_old_one_is_let_go_for_a_webhook_too(self):
        bots = {"main": {"token": TOKEN, "api_url": self.url("sim", ""), "old_after": "2s"}}
        self.start_both(bots=bots)
        self.set_webhook()  # the bot is away
        self.say("sell all")
        self.wait("it fails", lambda: self.consumer()["webhook"]["failures_in_row"] > 0)
        time.sleep(5)
        bot = self.bot()
        time.sleep(8)
        self.assertEqual(bot.texts(), [])


if __name__ == "__main__":
    unittest.main()
