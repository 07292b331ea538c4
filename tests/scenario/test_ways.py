# SPDX-License-Identifier: Apache-2.0
"""Ways out beside Telegram: webhook, ntfy and mail, each with its own queue, tries and breaker;
escalation; mute hours; what mutes what follows from it."""

import datetime
import email
import email.header
import http.server
import json
import pathlib
import threading
import time
import unittest

import harness
from test_alerts import BEARER
from test_gateway import TOKEN, HubCase

MAIL_SERVER = pathlib.Path(__file__).with_name("mail_server.py")


class Receiver:
    """An HTTP server that keeps what it is sent; `status` and `headers` are what it answers, after `seconds`."""

    def __init__(self, port):
        receiver, self.status, self.came, self.asked = self, 200, [], 0
        self.headers, self.seconds = {}, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked += 1
                time.sleep(receiver.seconds)
                if receiver.status == 200:
                    receiver.came.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class WayCase(HubCase):
    def receiver(self, name):
        receiver = Receiver(self.port(name))
        self.addCleanup(receiver.close)
        return receiver

    def open(self, *arguments, **alerts):
        self.arguments = arguments or ("--breaker-open", "1s", "--chat-sends-per-second", "0")
        self.alerts = {"bot": "main", "chat": 42, "group_interval": "0s", **alerts}
        return self.start_both(*self.arguments, alerts=self.alerts)

    def again(self, **alerts):
        self.alerts.update(alerts)
        return self.start_hub(*self.arguments, alerts=self.alerts)

    def alert(self, text, priority="HIGH", **more):
        answer = harness.http("POST", self.url("hub", "/v1/alerts"),
                              {"text": text, "priority": priority, **more}, BEARER)
        self.assertEqual(answer.status, 202, answer)
        return answer.json["id"]

    def all(self):
        return self.get(self.url("hub", "/v1/alerts?limit=100")).json["alerts"]

    def copy_is(self, origin, way, state):
        return self.wait(f"the copy of {origin} for {way} is {state}", lambda: [
            alert for alert in self.all()
            if alert.get("origin") == origin and alert.get("way") == way and alert["state"] == state])[0]

    def way(self, name):
        return self.get(self.url("hub", "/health")).json["alerts"]["ways"][name]


class WithoutTelegram(WayCase):
    def test_the_first_way_takes_them(self):
        hook = self.receiver("hook")
        self.start_hub(alerts={"also": {"hook": {"webhook": self.url("hook", "/in"), "from": "HIGH"}}})
        number = self.alert("no Telegram here")
        self.wait("it came", lambda: hook.came)
        self.wait("delivered", lambda: self.get(
            self.url("hub", f"/v1/alerts/{number}")).json["state"] == "delivered")
        self.assertEqual([alert["id"] for alert in self.all()], [number])  # no copy that waits for ever
        self.assertEqual(self.get(self.url("hub", "/health")).json["alerts"]["problem"], "")


class HttpWays(WayCase):
    def test_a_webhook_gets_what_is_important_enough(self):
        hook = self.receiver("hook")
        self.open(also={"hook": {"webhook": self.url("hook", "/in"), "token": "a-secret-word", "from": "HIGH"}})
        first = self.alert("disk full", service="db", title="T")
        self.alert("only for the chat", "MEDIUM")
        self.copy_is(first, "hook", "delivered")
        self.wait("both are in the chat", lambda: len(self.bot_texts()) == 2)
        self.assertEqual(len(hook.came), 1)
        path, headers, body = hook.came[0]
        self.assertEqual((path, headers["Authorization"], body["version"], body["from"]),
                         ("/in", "Bearer a-secret-word", 1, "test"))
        self.assertLessEqual({"text": "disk full", "service": "db", "title": "T", "priority": "HIGH",
                              "origin": first}.items(), body["alerts"][0].items())

    def test_ntfy(self):
        push = self.receiver("push")
        self.open(also={"push": {"ntfy": self.url("push", "/my-topic"), "from": "LOW"}})
        self.copy_is(self.alert("hỏng rồi", "CRITICAL", service="db"), "push", "delivered")
        self.copy_is(self.alert("fine", "LOW"), "push", "delivered")
        path, headers, body = push.came[0]
        self.assertEqual((path, body["topic"], body["priority"]), ("/", "my-topic", 5))
        self.assertEqual((body["title"], body["message"]), ("CRITICAL - db: hỏng rồi", "hỏng rồi\n"))
        self.assertNotIn("Authorization", headers)
        self.assertEqual(push.came[1][2]["priority"], 2)

    def test_one_that_is_down_holds_up_nobody_and_loses_nothing(self):
        sim, hub = self.open(also={"hook": {"webhook": self.url("hook", "/in")}})
        numbers = [self.alert(f"n{i}") for i in range(8)]
        self.wait("the chat has them", lambda: len(self.bot_texts()) == 8)
        health = self.wait("it is told", lambda: (way := self.way("hook"))["problem"] and way)
        self.assertEqual((health["status"], health["waiting"]), ("degraded", 8))
        self.assertIn("connect", health["problem"].lower())
        hub.kill()
        self.again()
        hook = self.receiver("hook")
        for number in numbers:
            self.copy_is(number, "hook", "delivered")
        self.assertEqual([body["alerts"][0]["text"] for _, _, body in hook.came], [f"n{i}" for i in range(8)])
        self.assertEqual(len(self.bot_texts()), 8)
        # And the other way round: Telegram is down, the webhook goes on.
        sim.stop()
        self.copy_is(self.alert("Telegram is down"), "hook", "delivered")

    def test_refusals(self):
        hook = self.receiver("hook")
        self.open(also={"hook": {"webhook": self.url("hook", "/in")}})
        hook.status = 404
        number = self.alert("nobody home")
        self.assertIn("HTTP 404", self.copy_is(number, "hook", "failed")["reason"])
        hook.status = 503
        number = self.alert("later")
        self.wait("it is tried", lambda: self.way("hook")["problem"])
        hook.status = 200
        self.copy_is(number, "hook", "delivered")

    def test_breaker_by_hand_and_a_way_that_leaves_the_config(self):
        hook = self.receiver("hook")
        _, hub = self.open(also={"hook": {"webhook": self.url("hook", "/in")}})
        answer = harness.http("POST", self.url("hub", "/v1/alerts/breaker"),
                              {"state": "open", "way": "hook"}, BEARER)
        self.assertEqual(answer.status, 200)
        number = self.alert("held")
        self.wait("the chat has it", lambda: len(self.bot_texts()) == 1)
        self.copy_is(number, "hook", "waiting")
        self.assertEqual(harness.http("POST", self.url("hub", "/v1/alerts/breaker"),
                                      {"state": "open", "way": "hok"}, BEARER).status, 400)
        hub.stop()
        self.again(also={})
        self.assertIn("no longer in the config", self.copy_is(number, "hook", "failed")["reason"])
        self.assertEqual(hook.came, [])

    def test_grouping_holds_there_too(self):
        hook = self.receiver("hook")
        self.open(also={"hook": {"webhook": self.url("hook", "/in")}}, group_interval="1s")
        for i in range(20):
            self.alert(f"probe {i} failed", type="probe", service="api")
        self.wait("all came", lambda: sum(len(body["alerts"]) for _, _, body in hook.came) == 20)
        self.assertLessEqual(len(hook.came), 3)

    def test_a_way_that_wants_peace_has_it(self):
        hook = self.receiver("hook")
        hook.status, hook.headers = 429, {"Retry-After": "9223372036854775807"}
        self.open(also={"hook": {"webhook": self.url("hook", "/in"), "from": "LOW"}})
        for i in range(5):
            self.alert(f"n{i}", "LOW")
        self.wait("it came", lambda: hook.asked)
        time.sleep(2)
        self.assertEqual(hook.asked, 1)

    def test_a_stop_waits_for_what_is_on_its_way(self):
        hook = self.receiver("hook")
        hook.seconds = 1
        _, hub = self.open(also={"hook": {"webhook": self.url("hook", "/in"), "from": "LOW"}})
        for i in range(3):
            self.alert(f"n{i}", "MEDIUM")
        self.wait("the first is on its way", lambda: hook.asked)
        hub.stop()
        hook.seconds = 0
        self.again()
        self.wait("all have ended", lambda: all(
            alert["state"] not in ("waiting", "sending") for alert in self.all()))
        self.assertEqual({alert["state"] for alert in self.all()}, {"delivered"})
        self.assertEqual([body["alerts"][0]["text"] for _, _, body in hook.came], ["n0", "n1", "n2"])


class HeartbeatTests(WayCase):
    def test_the_watcher_hears_and_is_told_of_trouble(self):
        heard, watcher = [], self.receiver("watcher")
        watcher.server.RequestHandlerClass.do_GET = lambda handler: (
            heard.append(handler.path), handler.send_response(200), handler.end_headers())
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        config = self.config_of(heartbeat={"url": self.url("watcher", "/id"), "every": "1s"}, services={
            "web": {"command": ["sh", "-c", "while :; do [ -e bad ] && exit 1; sleep 0.1; done"], "critical": True,
                    "restart": {"max": 1, "delay": "100ms"}}})
        self.up(config)
        self.wait("it hears", lambda: len(heard) >= 2)
        self.assertEqual(set(heard), {"/id"})
        part = lambda: self.get(self.url("hub", "/health")).json["heartbeat"]
        self.assertEqual((part()["status"], part()["network"]), ("healthy", "up"))
        (self.folder / "bad").touch()
        path, _, body = self.wait("it is told", lambda: watcher.came)[0]
        self.assertEqual((path, body["status"], body["services"]["web"]["status"]),
                         ("/id/fail", "unhealthy", "unhealthy"))
        watcher.close()
        self.wait("that nobody hears is shown", lambda: part()["problem"])
        self.assertEqual(part()["network"], "unknown")  # Telegram can be reached


class Escalation(WayCase):
    def test_what_nobody_acknowledges_goes_further_once(self):
        push = self.receiver("push")
        _, hub = self.open(also={"push": {"ntfy": self.url("push", "/t"), "after": "1s"}})
        known, unknown = self.alert("known", "CRITICAL"), self.alert("the database is down", "CRITICAL", service="db")
        self.wait("both are told", lambda: len(self.bot_texts()) == 2)
        harness.http("POST", self.url("hub", f"/v1/alerts/{known}/ack"), None, BEARER)
        self.alert("not critical", "HIGH")
        body = self.wait("it goes further", lambda: push.came)[0][2]
        self.assertEqual(body["message"], "Nobody has acknowledged 1 CRITICAL alert:\n"
                                          f"{unknown} · db: the database is down\n")
        hub.kill()
        self.again()
        time.sleep(2)
        self.assertEqual(len(push.came), 1)
        self.alert("another one", "CRITICAL")
        self.wait("the next one too", lambda: len(push.came) == 2)
        self.assertNotIn("database", push.came[1][2]["message"])

    def test_what_telegram_does_not_take_goes_further(self):
        push = self.receiver("push")
        sim, _ = self.open(also={"push": {"ntfy": self.url("push", "/t"), "after": "1s"}})
        sim.stop()
        self.alert("the house burns", "CRITICAL")
        body = self.wait("it goes further", lambda: push.came)[0][2]
        self.assertIn("not delivered by Telegram: the house burns", body["message"])


class Mail(WayCase):
    def start_mail(self, *arguments):
        server = self.start("/usr/bin/python3", MAIL_SERVER, self.port("mail"), self.folder / "mails", *arguments)
        self.wait("the mail server listens", lambda: "ready" in server.stdout)
        return server

    def mails(self):
        folder = self.folder / "mails"
        return [email.message_from_bytes(path.read_bytes())
                for path in sorted(folder.glob("*.eml"))] if folder.exists() else []

    def way_of(self, **more):
        return {"mail": {"smtp": f"smtp://127.0.0.1:{self.port('mail')}", "sender": "bot@example.org",
                         "to": ["ann@example.org", "bob@example.org"], **more}}

    def test_a_mail_arrives(self):
        self.start_mail()
        self.open(also=self.way_of())
        number = self.alert("Ổ đĩa đầy\n.\nline", service="db", title="Disk")
        self.copy_is(number, "mail", "delivered")
        mail = self.mails()[0]
        subject = str(email.header.make_header(email.header.decode_header(mail["Subject"])))
        self.assertEqual(subject, "HIGH - db: Disk")
        self.assertEqual((mail["From"], " ".join(mail["To"].split())),
                         ("<bot@example.org>", "<ann@example.org>, <bob@example.org>"))
        self.assertTrue(mail.get_payload(decode=True).decode().replace("\r", "").startswith(
            "Disk\n\nỔ đĩa đầy\n.\nline\n"), mail.get_payload(decode=True))
        self.assertEqual(mail["X-RcptTo"], "ann@example.org, bob@example.org")

    def test_login_and_refusals(self):
        self.start_mail("--password", "right-password")
        _, hub = self.open(also=self.way_of(user="bot", token="right-password"))
        self.copy_is(self.alert("in"), "mail", "delivered")
        hub.stop()
        self.again(also=self.way_of(user="bot", token="wrong-password"))
        self.assertIn("mail:", self.copy_is(self.alert("out"), "mail", "failed")["reason"])
        self.assertEqual(len(self.mails()), 1)
        for path in self.folder.rglob("*.stderr"):
            self.assertNotIn("wrong-password", path.read_text())

    def test_a_server_that_is_away_and_one_that_says_later(self):
        self.open(also=self.way_of())
        number = self.alert("patience")
        self.wait("it is told", lambda: self.way("mail")["problem"])
        server = self.start_mail("--later", "2")
        self.copy_is(number, "mail", "delivered")
        self.assertEqual(len(self.mails()), 1)
        self.assertEqual(server.stdout.count("later"), 2)

    def test_one_receiver_who_is_not_known(self):
        self.start_mail("--unknown", "bob@example.org")
        self.open(also=self.way_of())
        self.alert("disk full")
        self.wait("it has ended", lambda: [
            a for a in self.all() if a.get("way") == "mail" and a["state"] in ("delivered", "failed")])
        self.assertEqual(len(self.mails()), 1)


class Rules(WayCase):
    def test_what_follows_is_muted_until_all_is_well(self):
        rule = {"when": {"type": "exchange_down"}, "mute": {"service": "trader"}, "for": "1h",
                "until": {"type": "exchange_up"}}
        _, hub = self.open(inhibit=[rule])
        state = lambda number: self.get(self.url("hub", f"/v1/alerts/{number}")).json["state"]
        before = self.alert("order late", service="trader")
        self.wait("told", lambda: state(before) == "delivered")
        self.alert("the exchange is down", "CRITICAL", type="exchange_down", service="trader")
        follows = self.alert("order late again", service="trader")
        self.assertEqual(state(follows), "silenced")
        hub.kill()
        hub = self.again()
        self.assertEqual(state(self.alert("and again", "CRITICAL", service="trader")), "silenced")
        still = self.alert("still down", "CRITICAL", type="exchange_down", service="trader")
        self.wait("what explains is never muted", lambda: state(still) == "delivered")
        listed = self.get(self.url("hub", "/v1/silences")).json["silences"]
        self.assertEqual([(silence["author"], silence["comment"]) for silence in listed],
                         [("inhibition", "the exchange is down")])
        self.alert("it is up", type="exchange_up")
        after = self.alert("order late", service="trader", dedup_key="new")
        self.wait("told again", lambda: state(after) == "delivered")

    def test_mute_hours_hold_what_is_not_urgent_over_a_restart(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        clock = lambda minutes: (now + datetime.timedelta(minutes=minutes)).strftime("%H:%M")
        _, hub = self.open(mute=f"{clock(-2)}-{clock(30)}")
        held, urgent = self.alert("held", "MEDIUM"), self.alert("urgent", "HIGH")
        state = lambda number: self.get(self.url("hub", f"/v1/alerts/{number}")).json["state"]
        self.wait("the urgent one goes", lambda: state(urgent) == "delivered")
        hub.kill()
        hub = self.again()
        self.assertTrue(self.get(self.url("hub", "/health")).json["alerts"]["muted"])
        time.sleep(1)
        self.assertEqual(state(held), "waiting")
        hub.stop()
        self.again(mute=f"{clock(-30)}-{clock(-2)}")  # the night is over
        self.wait("it goes", lambda: state(held) == "delivered")

    def test_a_night_ends_by_itself(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        end = now + datetime.timedelta(seconds=4)
        self.open(mute=f"{(now - datetime.timedelta(hours=1)).strftime('%H:%M')}-{end.strftime('%H:%M:%S')}")
        number = self.alert("held", "LOW")
        self.assertEqual(self.bot_texts(), [])
        self.wait("it goes", lambda: self.bot_texts())
        self.assertGreaterEqual(datetime.datetime.now(datetime.timezone.utc), end - datetime.timedelta(seconds=1))
        self.assertEqual(self.get(self.url("hub", f"/v1/alerts/{number}")).json["state"], "delivered")

    def test_the_daily_report(self):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
        self.open(report=at.strftime("%H:%M:%S"))
        text = self.wait("it comes", lambda: [t for t in self.bot_texts() if "Daily report" in t])[0]
        self.assertIn(at.strftime("Daily report, %Y-%m-%d"), text)
        self.assertIn("bot main: 0 updates", text)

    def test_a_report_whose_minute_was_slept_over_comes_late_and_once(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        at = (now + datetime.timedelta(seconds=4)).strftime("%H:%M:%S")
        reports = lambda: [text for text in self.bot_texts() if "Daily report" in text]
        _, hub = self.open(report=at)
        self.wait("its start is on disk", lambda: self.get(self.url("hub", "/health")).json["store"]["commits"])
        hub.kill()
        time.sleep(5)
        self.assertEqual(reports(), [])
        hub = self.again(report=at)
        self.wait("it comes late", reports)
        hub.stop()
        self.again(report=at)
        time.sleep(1)
        self.assertEqual(len(reports()), 1)


if __name__ == "__main__":
    unittest.main()
