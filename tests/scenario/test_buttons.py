# SPDX-License-Identifier: Apache-2.0
"""What people say to Holdfast itself in a chat: buttons below alerts and /holdfast. The bot that
reads the same token never sees it, and a kill of the hub takes nothing away."""

import os
import signal
import time
import unittest

import harness
from test_alerts import BEARER
from test_gateway import TOKEN, HubCase

STRANGER = 77


class ButtonCase(HubCase):
    def open(self, *services, **alerts):
        self.alerts = {"bot": "main", "chat": 42, "repeat_interval": "1h", **alerts}
        return self.start_both("--chat-sends-per-second", "0", alerts=self.alerts)

    def again(self):
        return self.start_hub("--chat-sends-per-second", "0", alerts=self.alerts)

    def alert(self, text, **more):
        answer = harness.http("POST", self.url("hub", "/v1/alerts"),
                              {"text": text, "priority": "CRITICAL", **more}, BEARER)
        self.assertEqual(answer.status, 202, answer)
        return answer.json["id"]

    def alert_is(self, number, **fields):
        return self.wait(f"alert {number} has {fields}", lambda: fields.items() <= self.get(
            self.url("hub", f"/v1/alerts/{number}")).json.items())

    def messages(self, words):
        """Messages of the bot as they stand now, the newest last."""
        latest = {message["message_id"]: message for message in self.book() if message["from_bot"]}
        return [message for message in latest.values() if words in message["text"]]

    def message(self, words):
        return self.wait(f"a message with '{words}'", lambda: self.messages(words))[-1]

    @staticmethod
    def buttons(message):
        rows = (message.get("reply_markup") or {}).get("inline_keyboard", [])
        return {button["text"].strip("\u2714 "): button["callback_data"] for row in rows for button in row}

    def press(self, message, button, person=42):
        answer = self.post(self.url("sim", "/sim/press"),
                           {"chat_id": 42, "from_id": person, "message_id": message["message_id"],
                            "data": self.buttons(message)[button], "first_name": "Ann"})
        self.assertEqual(answer.status, 200, answer)
        return answer.json["callback_query_id"]

    def toast(self, query):
        """What the person who pressed was shown."""
        return self.wait("the press is answered", lambda: [
            call["params"]["text"]
            for call in self.get(self.url("sim", "/sim/calls?method=answerCallbackQuery")).json["calls"]
            if call["params"]["callback_query_id"] == query])[0]


class Buttons(ButtonCase):
    def test_acknowledge_ends_the_repeats_and_no_bot_sees_it(self):
        self.open(repeat_interval="1s")
        self.updates()
        first = self.alert("the database is down", service="db")
        second = self.alert("the disk is full", service="disk")
        self.alert_is(second, state="delivered", acknowledge="wanted")
        reminder = self.message("2 CRITICAL alerts are not acknowledged")
        self.assertIn(f"{first} \u00b7 db: the database is down", reminder["text"])
        self.press(self.messages("disk is full")[0], "Acknowledge")
        self.alert_is(second, acknowledge="done", acknowledged_by="Ann")
        self.alert_is(first, acknowledge="wanted")
        self.message("1 CRITICAL alert is not acknowledged")
        self.press(self.messages("CRITICAL alert is not acknowledged")[-1], "Acknowledge all")
        self.alert_is(first, acknowledge="done")
        self.wait("the button shows who", lambda: any(
            "Ann" in text for text in self.buttons(self.message("1 CRITICAL alert is not"))))
        told = len(self.messages("not acknowledged"))
        self.say("for the bot")
        self.assertEqual([update["message"]["text"] for update in self.updates(timeout=5)], ["for the bot"])
        time.sleep(3)
        self.assertEqual(len(self.messages("not acknowledged")), told)

    def test_a_press_outlives_the_hub(self):
        _, hub = self.open()
        self.updates()
        number = self.alert("the database is down")
        message = self.message("database is down")
        hub.kill()
        self.press(message, "Acknowledge")
        hub = self.again()
        self.alert_is(number, acknowledge="done")
        hub.kill()
        self.again()
        self.alert_is(number, acknowledge="done", acknowledged_by="Ann")

    def test_reminders_go_on_after_a_restart(self):
        _, hub = self.open(repeat_interval="1s")
        self.updates()
        self.alert("the database is down")
        self.message("1 CRITICAL alert is not acknowledged")
        hub.kill()
        told = len(self.messages("not acknowledged"))
        self.again()
        self.wait("told again", lambda: len(self.messages("not acknowledged")) > told)

    def test_strangers_may_nothing(self):
        self.open()
        self.updates()
        number = self.alert("the database is down")
        query = self.press(self.message("database is down"), "Acknowledge", STRANGER)
        self.assertIn("Only the owner", self.toast(query))
        self.alert_is(number, acknowledge="wanted")
        self.say("/holdfast ack all", from_id=STRANGER)
        self.message("Only the owner")
        self.say("/holdfast ack all", from_id=STRANGER)  # told once a minute, not as often as it likes
        self.say("/holdfast help")
        self.message("/holdfast restart SERVICE")
        self.assertEqual(len(self.messages("Only the owner")), 1)
        self.alert_is(number, acknowledge="wanted")

    def test_where_nobody_reads_the_bot_there_are_none(self):
        self.open()
        self.alert("the database is down")
        self.assertEqual(self.buttons(self.message("database is down")), {})
        self.assertEqual(self.bot_health()["poller"], "off")

    def test_always_reads_the_bot_for_them_alone(self):
        self.open(buttons="always")
        number = self.alert("the database is down")
        self.press(self.message("database is down"), "Acknowledge")
        self.alert_is(number, acknowledge="done")

    def test_silence_below_an_alert(self):
        self.open()
        self.updates()
        first = self.alert("the database is down", service="db")
        self.press(self.message("database is down"), "Silence 1 h")
        self.message("Silenced for 1 h")
        self.alert_is(first, acknowledge="done", acknowledged_by="Ann")  # who silences it, knows of it
        self.alert_is(self.alert("down again", service="db"), state="silenced")
        self.alert_is(self.alert("elsewhere", service="web"), state="delivered")

    def test_a_silence_fits_what_it_was_pressed_for_alone(self):
        self.open()
        self.updates()
        self.alert("[*] 100 % of the disk?")
        self.press(self.message("of the disk"), "Silence 1 h")
        self.message("Silenced for 1 h")
        self.alert_is(self.alert("[*] 100 % of the disk?"), state="silenced")
        self.alert_is(self.alert("[a] 100 % of the disk!"), state="delivered")

    def test_what_was_said_hours_ago_silences_and_restarts_nothing(self):
        _, hub = self.open()
        self.updates()
        number = self.alert("the database is down", service="db")
        message = self.message("database is down")
        hub.kill()
        self.press(message, "Silence 1 h")
        self.say("/holdfast silence web 30m")
        self.post(self.url("sim", "/sim/clock"), {"advance_ms": 7200000})
        self.say("/holdfast silence cache 1h")
        self.again()
        self.message("Nothing was silenced")
        self.message("Silenced for 1 h")
        self.alert_is(number, acknowledge="wanted")
        self.alert_is(self.alert("down again", service="db"), state="delivered")

    def test_commands(self):
        self.open()
        self.updates()
        self.say("/holdfast")
        self.message("0 wait, 0 not acknowledged")
        self.say("/holdfast@other_bot help")
        self.say("/holdfast@Main_Bot dance")
        self.message("/holdfast restart SERVICE")
        self.assertEqual(len(self.messages("/holdfast restart SERVICE")), 1)
        number = self.alert("the database is down")
        self.alert_is(number, acknowledge="wanted")
        self.say("/holdfast ack all")
        self.alert_is(number, acknowledge="done")
        self.say("/holdfast ack")
        self.message("No alert waits for an acknowledgement")
        self.say("/holdfast restart nothing")
        self.message("takes the name of a service")
        self.post(self.url("sim", "/sim/chats"), {"chat_id": 42, "state": "blocked"})
        failed = self.alert("nobody reads me")
        self.alert_is(failed, state="failed")
        self.post(self.url("sim", "/sim/chats"), {"chat_id": 42, "state": "member"})
        self.say("/holdfast retry")
        self.alert_is(failed, state="delivered")
        self.say("/holdfastest")  # another program's
        self.assertEqual([update["message"]["text"] for update in self.updates(timeout=5)], ["/holdfastest"])

    def test_the_api_acknowledges_too(self):
        self.open()
        one, two = self.alert("one", type="probe"), self.alert("two", type="probe")
        other = self.alert("three")
        self.alert_is(other, acknowledge="wanted")
        answer = harness.http("POST", self.url("hub", f"/v1/alerts/{one}/ack"), {"by": "ops"}, BEARER)
        self.assertEqual((answer.status, answer.json), (200, {"alerts": [{"id": one}]}))
        self.alert_is(one, acknowledge="done", acknowledged_by="ops")
        self.assertEqual(harness.http("POST", self.url("hub", f"/v1/alerts/{one}/ack"), None, BEARER).status, 409)
        self.alert_is(two, state="waiting")  # its kind was told of seconds ago
        for wrong in (b"[]", b"x", b'{"by":7}'):
            self.assertEqual(harness.http("POST", self.url("hub", "/v1/alerts/ack"), wrong, BEARER).status, 400)
        answer = harness.http("POST", self.url("hub", "/v1/alerts/ack"), {}, BEARER)
        self.assertEqual(answer.json, {"alerts": [{"id": other}]})
        self.assertEqual(self.get(self.url("hub", "/health")).json["alerts"]["unacknowledged"], 0)


class WithServices(ButtonCase):
    def test_restart_and_logs(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.up(self.config_of(services={"web": {"command": ["sh", "-c", "echo began; exec sleep 1000"],
                                                 "consumer": "main"},
                                         "nightly": {"command": ["true"], "every": "24h"},
                                         "broken": {"command": ["sh", "-c", "exit 78"]}}))
        self.wait_ready("hub", "web")
        self.wait_state("broken", "failed")
        self.wait_http(self.url("hub", "/ping"))
        before = self.service("web")["pid"]
        self.alert("web is slow", service="web")
        message = self.message("web is slow")
        self.press(message, "Logs")
        self.message("began")
        query = self.press(message, "Restart")
        self.assertIn("Restarting", self.toast(query))
        self.message("web is being restarted")
        self.press(message, "Acknowledge")
        self.assertEqual(set(self.buttons(self.wait("it is shown", lambda: [
            m for m in self.messages("web is slow") if "Acknowledge" not in self.buttons(m)])[0])) & {"Restart", "Logs"},
            {"Restart", "Logs"})
        self.wait("another process", lambda: self.service("web")["pid"] not in (before, None, 0))
        self.say("/holdfast")
        told = self.wait("its state is told", lambda: [
            m for m in self.messages("web: ") if "Alerts:" in m["text"]])[0]["text"]
        self.assertIn("\N{LARGE GREEN CIRCLE} web: ready", told)
        self.assertRegex(told, "\N{MEDIUM WHITE CIRCLE} nightly: (scheduled|done)")  # it need not run now
        self.assertIn("\N{LARGE RED CIRCLE} broken: failed", told)

    def test_a_keeper_that_hangs_holds_up_no_other_press(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.up(self.config_of(services={"web": {"command": ["sleep", "1000"], "consumer": "main"}}))
        self.wait_ready("hub", "web")
        self.wait_http(self.url("hub", "/ping"))
        number = self.alert("web is slow", service="web")
        message = self.message("web is slow")
        keeper = self.status()["keeper_pid"]
        os.kill(keeper, signal.SIGSTOP)
        self.addCleanup(os.kill, keeper, signal.SIGCONT)
        self.press(message, "Restart")
        time.sleep(2)
        self.press(message, "Acknowledge")
        try:
            self.alert_is(number, acknowledge="done")
        finally:
            os.kill(keeper, signal.SIGCONT)


if __name__ == "__main__":
    unittest.main()
