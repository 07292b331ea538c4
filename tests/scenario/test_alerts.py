# SPDX-License-Identifier: Apache-2.0
"""Alerts: accepted means on disk, the important ones first, and an end for each that is told."""

import threading
import time
import unittest

import harness
from test_gateway import TOKEN, HubCase

BEARER = {"Authorization": "Bearer a-long-token"}


class Alerts(HubCase):
    def alert(self, text, priority="HIGH", status=202, **more):
        answer = harness.http("POST", self.url("hub", "/v1/alerts"),
                              {"text": text, "priority": priority, **more}, BEARER)
        self.assertEqual(answer.status, status, answer)
        return answer.json.get("id") or answer.json

    def state(self, number):
        return self.get(self.url("hub", f"/v1/alerts/{number}")).json

    def wait_state(self, number, state):
        return harness.wait(f"alert {number} is {state}",
                            lambda: (a := self.state(number))["state"] == state and a)

    def arrived(self):
        """The words of each alert, without its head line."""
        return [text.split("\n", 1)[1] for text in self.bot_texts()]

    def test_one_and_many(self):
        self.start_both()
        one = self.alert("one <b> & more", title="T", service="api")
        self.wait_state(one, "delivered")
        self.assertIn("one <b> & more", self.bot_texts()[0])
        answer = harness.http("POST", self.url("hub", "/v1/alerts"),
                              [{"text": "a"}, {"text": "b", "priority": "LOW"}], BEARER)
        self.assertEqual([a["id"] for a in answer.json["alerts"]], [one + 1, one + 2])
        self.wait_state(one + 2, "delivered")

    def test_refusals_say_what_to_change(self):
        self.start_both()
        problem = self.alert("x", priority="URGENT", status=400)
        self.assertIn("CRITICAL, HIGH, MEDIUM or LOW", problem["detail"])
        answer = self.post(self.url("hub", "/v1/alerts"), {"text": "no token"})
        self.assertEqual(answer.status, 401)
        self.assertEqual(self.get(self.url("hub", "/v1/alerts?state=lost")).status, 400)
        self.assertEqual(self.get(self.url("hub", "/v1/alerts/77")).status, 404)

    def test_after_an_outage_all_arrive_and_the_critical_one_first(self):
        sim = self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.start_hub("--breaker-open", "1s", "--chat-sends-per-second", "0")
        self.updates()
        sim.stop()
        numbers = [self.alert(f"low {i}", "LOW") for i in range(3)]
        numbers.append(self.alert("medium", "MEDIUM"))
        time.sleep(2)
        numbers.append(self.alert("critical", "CRITICAL"))
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        for number in numbers:
            self.assertEqual(self.wait_state(number, "delivered")["failed_attempts"], 0)
        self.assertEqual(self.arrived()[0], "critical")
        self.assertEqual(sorted(self.arrived()),
                         sorted(["low 0", "low 1", "low 2", "medium", "critical"]))

    def test_each_accepted_one_arrives_though_the_hub_is_killed(self):
        _, hub = self.start_both("--chat-sends-per-second", "0", "--sends-per-second", "0")
        accepted, stop = [], threading.Event()

        def pour():
            for i in range(400):
                try:
                    answer = harness.http("POST", self.url("hub", "/v1/alerts"),
                                          {"text": f"n{i}", "priority": "HIGH"}, BEARER, seconds=5)
                    if answer.status == 202:
                        accepted.append(f"n{i}")
                except OSError:
                    time.sleep(0.01)
                if stop.is_set():
                    return

        self.post(self.url("sim", "/sim/limits"), {"per_chat": 0, "global": 0, "group": 0})
        source = threading.Thread(target=pour)
        source.start()
        for _ in range(3):
            time.sleep(0.4)
            hub.kill()
            hub = self.start_hub("--chat-sends-per-second", "0", "--sends-per-second", "0")
        stop.set()
        source.join()
        self.assertGreater(len(accepted), 5)
        harness.wait("each accepted alert arrived", lambda: set(accepted) <= set(self.arrived()))
        # Twice only where nobody can know, and then it says so.
        repeats = [text for text in self.bot_texts() if "possible repeat" in text.split("\n")[0]]
        words = self.arrived()
        for word in set(w for w in words if words.count(w) > 1):
            self.assertTrue(any(text.endswith("\n" + word) for text in repeats), word)

    def test_lost_answer_repeats_the_urgent_and_marks_it(self):
        self.start_both()
        self.fault("lost", "sendMessage")
        number = self.alert("urgent", "CRITICAL")
        self.assertTrue(self.wait_state(number, "delivered")["possible_repeat"])
        self.assertEqual(self.arrived(), ["urgent", "urgent"])
        self.assertIn("(possible repeat)", self.bot_texts()[1])
        self.fault("lost", "sendMessage")
        number = self.alert("whatever", "LOW")
        self.assertIn("may have arrived", self.wait_state(number, "unknown")["reason"])

    def test_a_storm_becomes_few_messages(self):
        self.start_both("--chat-sends-per-second", "0", alerts={"bot": "main", "chat": 42, "group_interval": "2s"})
        begun, numbers = time.monotonic(), []
        for i in range(500):
            numbers.append(self.alert(f"probe {i} of the storm failed", type="probe", service="api"))
            time.sleep(max(0, begun + i * 4 / 500 - time.monotonic()))
        other = self.alert("the disk is full", type="disk")
        self.wait_state(other, "delivered")
        for number in (numbers[0], numbers[250], numbers[499]):
            self.wait_state(number, "delivered")
        storm = [text for text in self.bot_texts() if "of the storm" in text]
        self.assertLessEqual(len(storm), 3)
        self.assertEqual(sum(int(text.split(" alerts")[0].split()[-1]) if " alerts" in text else 1
                             for text in storm), 500)
        self.assertIn("probe 0 of the storm failed", storm[0])
        self.assertIn("\u2022 probe 1 of the storm failed", storm[1])
        told_alone = self.get(self.url("hub", "/v1/alerts?state=waiting")).json["alerts"]
        self.assertEqual(told_alone, [])

    def silence(self, status=201, **fields):
        answer = harness.http("POST", self.url("hub", "/v1/silences"), fields, BEARER)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def test_a_silence_outlives_the_hub_and_ends(self):
        _, hub = self.start_both()
        number = self.silence(**{"for": "1h", "service": "db*", "author": "ops", "comment": "new disk"})["id"]
        quiet = self.alert("db is slow", service="db-main")
        seen = self.wait_state(quiet, "silenced")
        self.assertEqual(seen["reason"], f"silence {number} of ops: new disk")
        hub.kill()
        self.start_hub()
        self.wait_state(self.alert("db is slow still", service="db-main"), "silenced")
        self.wait_state(self.alert("web is slow", service="web"), "delivered")
        self.wait_state(self.alert("db is lost", "CRITICAL", service="db-main"), "delivered")
        silences = self.get(self.url("hub", "/v1/silences")).json["silences"]
        self.assertEqual([(s["id"], s["state"], s["service"]) for s in silences], [(number, "active", "db*")])
        health = self.get(self.url("hub", "/health")).json["alerts"]
        self.assertEqual((health["silences"], health["silenced"]), (1, 1))
        done = harness.http("DELETE", self.url("hub", f"/v1/silences/{number}"), None, BEARER)
        self.assertEqual(done.status, 200, done)
        self.assertEqual(self.get(self.url("hub", "/v1/silences")).json["silences"][0]["state"], "ended")
        self.wait_state(self.alert("db is well", service="db-main"), "delivered")
        again = harness.http("POST", self.url("hub", f"/v1/alerts/{quiet}/replay"), {}, BEARER)
        self.assertEqual(again.status, 202, again)
        self.wait_state(quiet, "delivered")

    def test_silences_that_are_refused_say_what_to_change(self):
        self.start_both()
        self.assertIn("silence everything", self.silence(400, **{"for": "1h"})["detail"])
        self.assertIn("how long", self.silence(400, service="db")["detail"])
        answer = harness.http("POST", self.url("hub", "/v1/silences/77/end"), {}, BEARER)
        self.assertEqual(answer.status, 404)
        answer = harness.http("POST", self.url("hub", "/v1/silences"), {"for": "1h", "service": "db"})
        self.assertEqual(answer.status, 401)

    def test_blocked_chat_ends_it_and_it_can_be_replayed(self):
        self.start_both()
        self.post(self.url("sim", "/sim/chats"), {"chat_id": 42, "state": "blocked"})
        number = self.alert("nobody hears", "CRITICAL")
        self.assertIn("blocked", self.wait_state(number, "failed")["reason"])
        listed = self.get(self.url("hub", "/v1/alerts?state=failed&limit=5")).json["alerts"]
        self.assertEqual([a["id"] for a in listed], [number])
        self.post(self.url("sim", "/sim/chats"), {"chat_id": 42, "state": "member"})
        again = self.post(self.url("hub", f"/v1/alerts/{number}/replay"), headers=BEARER)
        self.assertEqual(again.status, 202, again)
        self.wait_state(number, "delivered")
        self.assertEqual(self.arrived(), ["nobody hears"])

    def test_a_long_one_comes_in_parts_and_429_uses_no_attempt(self):
        self.start_both()
        self.fault("429", "sendMessage", retry_after=1)
        number = self.alert("word " * 2000, "HIGH")
        self.assertEqual(self.wait_state(number, "delivered")["failed_attempts"], 0)
        self.assertEqual(" ".join(self.arrived()).split(), ["word"] * 2000)

    def test_duplicates_by_key(self):
        self.start_both()
        first = self.alert("tp1", dedup_key="order-7")
        self.assertEqual(self.alert("tp1 again", dedup_key="order-7"), first)
        self.assertNotEqual(self.alert("tp2", dedup_key="order-8"), first)

    def test_breaker_by_hand(self):
        self.start_both()
        url = self.url("hub", "/v1/alerts/breaker")
        self.assertEqual(self.post(url, {"state": "open"}, headers=BEARER).status, 200)
        number = self.alert("held", "CRITICAL")
        time.sleep(0.5)
        self.assertEqual(self.state(number)["state"], "waiting")
        health = self.get(self.url("hub", "/health")).json
        self.assertEqual(health["alerts"]["breaker"]["state"], "open")
        self.post(url, {"state": "closed"}, headers=BEARER)
        self.wait_state(number, "delivered")


if __name__ == "__main__":
    unittest.main()
