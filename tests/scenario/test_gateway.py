# SPDX-License-Identifier: Apache-2.0
"""The hub as a gateway: a simulated Telegram on one side, a bot that polls on the other, no keeper.
What is promised: no update is lost and none comes again after its confirmation, whatever dies."""

import resource
import socket
import threading
import time
import unittest

import harness

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class HubCase(harness.Case):
    def config_of(self, **more):
        return {"name": "test", "data": str(self.folder / "data"),
                "http": {"listen": f"127.0.0.1:{self.port('hub')}", "token": "a-long-token"},
                "bots": {"main": {"token": TOKEN, "api_url": self.url("sim", "")}},
                "alerts": {"bot": "main", "chat": 42}, **more}

    def start_hub(self, *arguments, **more):
        self.write_config(self.config_of(**more))
        hub = self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder,
                         *arguments)
        self.wait_http(self.url("hub", "/ping"))
        return hub

    def start_both(self, *arguments, **more):
        sim = self.start_sim("--bot", f"{TOKEN}=main_bot")
        return sim, self.start_hub(*arguments, **more)

    def call(self, method, who="main", seconds=harness.PATIENCE_SECONDS, **parameters):
        return harness.http("POST", self.url("hub", f"/telegram/bot{who}/{method}"), parameters,
                            seconds=seconds)

    def updates(self, who="main", **parameters):
        answer = self.call("getUpdates", who, **parameters)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["result"]

    def bot_health(self):
        return self.get(self.url("hub", "/health")).json["bots"]["main"]


class Gateway(HubCase):
    def test_update_is_delivered_until_it_is_confirmed(self):
        self.start_both()
        self.assertEqual(self.updates(), [])
        said = self.say("one")["update_id"]
        first = self.updates(timeout=10)
        self.assertEqual([u["update_id"] for u in first], [said])
        self.assertEqual(self.updates(), first)  # not confirmed: again
        self.assertEqual(self.updates(offset=said + 1), [])
        self.assertEqual(self.updates(), [])  # confirmed: gone, whatever offset
        self.assertEqual(self.bot_health()["consumers"]["default"]["updates_confirmed"], 1)

    def test_nothing_is_lost_or_repeated_when_the_hub_is_killed(self):
        _, hub = self.start_both()
        self.updates()
        sent, seen, confirmed = [], [], 0
        for i in range(12):
            sent.append(self.say(f"text {i}")["update_id"])
            if i % 3 == 2:  # killed with updates on their way, held, or just confirmed
                hub.kill()
                hub = self.start_hub()
            for update in self.updates(offset=confirmed, timeout=2) if i % 2 else []:
                self.assertGreaterEqual(update["update_id"], confirmed)
                seen.append(update["update_id"])
                confirmed = update["update_id"] + 1
        harness.wait("all updates came", lambda: self.drain(seen, confirmed) == sent)

    def drain(self, seen, confirmed):
        for update in self.updates(offset=max([confirmed - 1, *seen]) + 1, timeout=1):
            seen.append(update["update_id"])
        return seen

    def test_confirmation_survives_the_hub_and_the_bot(self):
        _, hub = self.start_both()
        self.updates()
        said = self.say("one")["update_id"]
        self.assertEqual(len(self.updates(timeout=10)), 1)
        self.assertEqual(self.updates(offset=said + 1), [])  # answered: promised
        hub.kill()
        self.start_hub()
        self.assertEqual(self.updates(timeout=1), [])  # a bot that knows nothing any more

    def test_second_poller_gets_409_like_at_telegram(self):
        self.start_both()
        answers = []
        first = threading.Thread(target=lambda: answers.append(self.call("getUpdates", timeout=30)))
        first.start()
        harness.wait("the first one polls",
                     lambda: self.bot_health()["consumers"]["default"]["polling"])
        second = self.call("getUpdates", timeout=1)
        first.join()
        self.assertEqual(answers[0].status, 409)
        self.assertEqual(answers[0].json["error_code"], 409)
        self.assertEqual(second.json, {"ok": True, "result": []})

    def test_consumers_do_not_take_from_each_other(self):
        self.start_both()
        for who in ("main.one", "7:main.two"):
            self.assertEqual(self.updates(who), [])
        said = self.say("both")["update_id"]
        self.assertEqual(len(self.updates("main.one", timeout=10)), 1)
        self.assertEqual(self.updates("main.one", offset=said + 1), [])
        self.assertEqual(len(self.updates("main.two", timeout=10)), 1)

    def test_sends_and_reads_go_through_as_they_are(self):
        self.start_both()
        direct = self.get(self.url("sim", f"/bot{TOKEN}/getMe"))
        for who in ("main", TOKEN, "999:main", "main.any"):
            through = self.call("getMe", who)
            self.assertEqual((through.status, through.body), (direct.status, direct.body))
        for root in ("/bot", "/telegram//bot", "/telegram/bot"):  # as libraries join it
            self.assertEqual(self.get(self.hub_url(f"{root}main/getMe")).body, direct.body, root)
        afar = {"X-Forwarded-For": "192.0.2.1"}
        self.assertEqual(self.get(self.hub_url("/telegram/botmain/getMe"), headers=afar).status, 401)
        self.assertEqual(self.get(self.hub_url(f"/telegram/bot{TOKEN}/getMe"), headers=afar).status, 200)
        sent = self.call("sendMessage", chat_id=42, text="hello")
        self.assertEqual(sent.json["result"]["text"], "hello")
        self.assertEqual(self.bot_texts(), ["hello"])
        unknown = self.call("noSuchMethod")
        self.assertEqual((unknown.status, unknown.json["ok"]), (404, False))
        self.assertEqual(self.call("getMe", "nobody").status, 401)

    def test_a_declared_consumer_is_owed_its_updates_before_its_first_poll(self):
        services = {name: {"command": "true", "consumer": "main"} for name in ("one", "two")}
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        hub = self.start_hub(services=services)
        for text in ("first", "second"):
            self.say(text)
        self.wait("the first has them", lambda: len(self.updates("main.one")) == 2)
        last = self.updates("main.one")[-1]["update_id"]
        self.assertEqual(self.updates("main.one", offset=last + 1), [])
        hub.kill()
        self.start_hub(services=services)
        self.assertEqual([u["message"]["text"] for u in self.updates("main.two", timeout=10)],
                         ["first", "second"])

    def test_dropped_backlog_never_comes(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        for number in range(150):  # more than one poll brings
            self.say(f"old {number}")
        hub = self.start_hub()
        answer = self.call("deleteWebhook", drop_pending_updates=True)
        self.assertTrue(answer.json["result"], answer)
        hub.kill()
        self.start_hub()
        self.say("new")
        got = self.updates(timeout=10)
        self.assertEqual([u["message"]["text"] for u in got], ["new"])

    def test_last_one_of_a_backlog(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        for text in ("first", "second", "third"):
            self.say(text)
        self.start_hub()
        self.assertEqual([u["message"]["text"] for u in self.updates(offset=-1)], ["third"])

    def test_own_methods_never_reach_telegram(self):
        self.start_both()
        self.updates()
        # The hub's own deleteWebhook, once before its first poll, is not meant here.
        harness.wait("the first poll is done",
                     lambda: self.bot_health()["last_completed_poll_ago"] is not None)
        before = len(self.get(self.url("sim", "/sim/calls?after=0")).json["calls"])
        for method in ("deleteWebhook", "getWebhookInfo", "close", "logOut"):
            self.assertTrue(self.call(method).json["ok"], method)
        self.assertEqual(self.call("setWebhook", url="http://example.org/x").status, 400)
        calls = self.get(self.url("sim", "/sim/calls?after=0")).json["calls"][before:]
        self.assertEqual([c for c in calls if c["method"].lower() != "getupdates"], [])

    def test_what_is_older_than_wished_is_let_go(self):
        token = {"token": TOKEN, "api_url": self.url("sim", "")}
        _, hub = self.start_both(bots={"main": token})
        self.updates()
        hub.kill()
        self.say("long ago")
        time.sleep(2.1)
        self.post(self.url("sim", "/sim/clock"), {"advance_ms": 60000})  # whatever this machine's pace
        self.say("just now")
        self.start_hub(bots={"main": {**token, "old_after": "1s"}})
        self.assertEqual([u["message"]["text"] for u in self.updates(timeout=10)], ["just now"])
        health = self.bot_health()
        self.assertEqual((health["updates_old"], health["consumers"]["default"]["updates_waiting"]), (1, 1))

    def test_429_is_waited_out_for_the_caller(self):
        self.start_both()
        self.fault("429", "sendMessage", retry_after=1)
        begun = time.monotonic()
        answer = self.call("sendMessage", chat_id=42, text="patience")
        self.assertTrue(answer.json["ok"], answer)
        self.assertGreater(time.monotonic() - begun, 1)
        self.assertEqual(self.bot_texts(), ["patience"])

    def test_429_beyond_the_limit_is_passed_on(self):
        self.start_both()
        self.fault("429", "sendMessage", retry_after=300)
        answer = self.call("sendMessage", chat_id=42, text="too long")
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.json["parameters"]["retry_after"], 300)
        self.assertEqual(answer.headers["Retry-After"], "300")

    def test_lost_answer_is_told_and_not_repeated(self):
        self.start_both()
        self.fault("lost", "sendMessage")
        answer = self.call("sendMessage", chat_id=42, text="once")
        self.assertEqual(answer.status, 504, answer)
        self.assertIn("may have been sent; Holdfast does not repeat it", answer.json["description"])
        time.sleep(1)
        self.assertEqual(self.bot_texts(), ["once"])

    def test_failed_connects_are_retried(self):
        sim, _ = self.start_both()
        sim.stop()
        answers = []
        caller = threading.Thread(target=lambda: answers.append(
            self.call("sendMessage", chat_id=42, text="later", seconds=40)))
        caller.start()
        time.sleep(1)
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        caller.join()
        self.assertTrue(answers[0].json["ok"], answers[0])
        self.assertEqual(self.bot_texts(), ["later"])

    def test_nonsense_of_telegram_harms_nothing(self):
        self.start_both()
        self.updates()
        for kind in ("html", "half", "5xx", "reset", "lost", "duplicate"):
            self.fault(kind, "getUpdates")
            said = self.say(f"after {kind}")["update_id"]
            got = harness.wait(f"the update after {kind}", lambda: self.updates(timeout=5))
            self.assertEqual([u["update_id"] for u in got], [said], kind)
            self.assertEqual(self.updates(offset=said + 1), [], kind)
        self.assertGreater(self.bot_health()["errors"], 0)

    def test_refused_token_is_named(self):
        self.start_sim("--bot", "999999:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=other_bot")
        hub = self.start_hub()
        self.call("getUpdates")
        problem = harness.wait("the problem is named", lambda: self.bot_health()["problem"])
        self.assertIn("does not accept the token", problem)
        self.assertNotIn(TOKEN, hub.stderr + self.get(self.url("hub", "/health")).text)

    def test_orderly_stop_answers_who_waits(self):
        _, hub = self.start_both()
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(self.call("getUpdates", timeout=30)))
        waiting.start()
        harness.wait("it polls", lambda: self.bot_health()["consumers"]["default"]["polling"])
        self.assertEqual(hub.stop(), 0)
        waiting.join()
        self.assertEqual(answers[0].json, {"ok": True, "result": []})


    def test_stopping_hub_answers_bots_in_their_own_shape(self):
        """A library that is told in another one dies of it (python-telegram-bot 13: KeyError in its
        polling thread, which then never polls again)."""
        _, hub = self.start_both()
        answers, ended = [], threading.Event()

        def ask(method):
            while not ended.is_set():
                try:
                    answers.append((method, self.call(method, seconds=8)))
                except OSError:  # refused or cut: every library knows that
                    time.sleep(0.01)

        threads = [threading.Thread(target=ask, args=[method])
                   for method in ("getUpdates", "getMe", "sendMessage") * 3]
        self.fault("delay", method="sendMessage", count=0, ms=7000)  # longer than a stop may take
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        self.assertEqual(hub.stop(), 0)
        ended.set()
        for thread in threads:
            thread.join()
        self.assertGreater(len(answers), 20)
        for method, answer in answers:
            self.assertIn("ok", answer.json, (method, answer))
            self.assertIn("result" if answer.json["ok"] else "description", answer.json, answer)


class FullDisk(HubCase):
    def limit(self, hub, size):
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_full_disk_loses_nothing(self):
        _, hub = self.start_both()
        self.updates()
        first = self.say("before")["update_id"]
        self.assertEqual(len(self.updates(timeout=10)), 1)
        harness.wait("it is on disk", lambda: self.bot_health()["poller"] == "polling")
        self.limit(hub, 4096)  # files of the hub may not grow: as good as a full disk
        bearer = {"Authorization": "Bearer a-long-token"}
        refused = self.post(self.url("hub", "/v1/alerts"), {"text": "x"}, headers=bearer)
        self.assertEqual(refused.status, 507, refused)
        said = self.say("while it is full")["update_id"]
        # Given out at once, kept by Telegram, and no further ones are fetched.
        self.assertIn([u["update_id"] for u in self.updates(timeout=1)], ([first], [first, said]))
        got = harness.wait("the update", lambda: self.updates(offset=first + 1, timeout=5))
        self.assertEqual([u["update_id"] for u in got], [said])
        later = self.say("later")["update_id"]
        self.assertEqual([u["update_id"] for u in self.updates(offset=first + 1, timeout=1)], [said])
        harness.wait("it is said", lambda: "cannot be kept" in self.bot_health()["problem"])
        self.assertEqual(self.get(self.url("hub", "/health")).json["status"], "degraded")
        self.limit(hub, resource.RLIM_INFINITY)
        got = harness.wait("the update", lambda: self.updates(offset=said + 1, timeout=5))
        self.assertEqual([u["update_id"] for u in got], [later])
        taken = self.post(self.url("hub", "/v1/alerts"), {"text": "x"}, headers=bearer)
        self.assertEqual(taken.status, 202, taken)


class BadRequests(HubCase):
    """Whatever comes in: the hub answers or closes, and goes on."""

    def raw(self, data, seconds=3, then_close=False):
        with socket.create_connection(("127.0.0.1", self.port("hub")), timeout=seconds) as peer:
            peer.sendall(data)
            if then_close:
                return b""
            try:
                return peer.recv(65536)
            except OSError:
                return b""

    def test_malformed_half_and_huge(self):
        _, hub = self.start_both()
        head = b"POST /telegram/botmain/sendMessage HTTP/1.1\r\nHost: x\r\n"
        for data in (b"\r\n\r\n", b"\x00\xff" * 500, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                     head + b"Content-Length: -5\r\n\r\n", head + b"Content-Length: 99999999999\r\n\r\n",
                     head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
                     b"GET /telegram/bot HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"GET /telegram/botmain/ HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"GET /telegram/botmain/..%2f..%2fx HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"GET /telegram/file/botmain/../../x HTTP/1.1\r\nHost: x\r\n\r\n"):
            self.raw(data)
            self.assertTrue(hub.running, data[:60])
        for _ in range(20):
            self.raw(head + b"Content-Length: 1000\r\n\r\nhalf", then_close=True)
        for body in (b"{", b"[]", b"\xff", b'{"chat_id":[],"text":{}}', b"[" * 100000):
            answer = harness.http("POST", self.url("hub", "/telegram/botmain/sendMessage"), body,
                                  {"Content-Type": "application/json"})
            self.assertIn(answer.status, (200, 400), body[:20])
        for body in (b'{"offset":"x","limit":-1,"timeout":1e9,"allowed_updates":{}}',
                     b'{"offset":-9223372036854775808,"limit":9223372036854775807}'):
            answer = harness.http("POST", self.url("hub", "/telegram/botmain/getUpdates"), body,
                                  {"Content-Type": "application/json"})
            self.assertEqual(answer.json["ok"], True, body)
        self.assertEqual(self.get(self.url("hub", "/ping")).json["pong"], True)
        self.assertTrue(hub.running)

    def test_health_answers_while_a_hundred_drip(self):
        self.start_both()
        peers = [socket.create_connection(("127.0.0.1", self.port("hub"))) for _ in range(100)]
        for peer in peers:
            peer.sendall(b"POST /v1/alerts HTTP/1.1\r\nHost: x\r\nContent-Le")
        begun = time.monotonic()
        self.assertEqual(self.get(self.url("hub", "/health")).status, 200)
        self.assertLess(time.monotonic() - begun, 2)
        for peer in peers:
            peer.close()

    def test_paths_and_methods(self):
        self.start_both()
        lost = self.get(self.url("hub", "/nothing"))
        self.assertEqual((lost.status, lost.headers["Content-Type"]), (404, "application/problem+json"))
        wrong = self.get(self.url("hub", "/restart"))
        self.assertEqual((wrong.status, wrong.headers["Allow"]), (405, "POST"))
        url = self.url("hub", "/restart")
        self.assertEqual(self.post(url).status, 401)
        for _ in range(10):
            last = self.post(url, headers={"Authorization": "Bearer wrong"})
        self.assertEqual(last.status, 429)
        right = self.post(url, headers={"Authorization": "Bearer a-long-token"})
        self.assertEqual(right.status, 503)  # no keeper here: said, not hidden


class Starts(HubCase):
    """What keeps a hub from starting is one sentence with the next step, and nothing is touched."""

    def refused(self, code, *words):
        hub = self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder)
        self.assertEqual(hub.wait(), code, hub.stderr)
        self.assertEqual(len(hub.stderr.strip().splitlines()), 1, hub.stderr)
        for word in words:
            self.assertIn(word, hub.stderr)

    def database(self):
        return self.folder / "data" / "hub" / "hub.db"

    def test_corrupt_store(self):
        self.write_config(self.config_of())
        self.database().parent.mkdir(parents=True)
        self.database().write_bytes(b"no database" * 1000)
        self.refused(65, "hub.db", "damaged", "Move it away")
        self.assertEqual(self.database().read_bytes(), b"no database" * 1000)

    def test_newer_store(self):
        hub = self.start_hub()
        hub.stop()
        data = bytearray(self.database().read_bytes())
        data[63] = 200  # user_version, big-endian, at byte 60 of an SQLite file
        self.database().write_bytes(data)
        self.refused(65, "newer Holdfast")

    def test_unwritable_folder(self):
        (self.folder / "data").write_text("a file, not a folder")
        self.write_config(self.config_of())
        self.refused(73, "data", "check the")

    def test_second_hub(self):
        self.start_hub()
        self.refused(69, "in use by another program", "stop the other")

    def test_taken_port_falls_back_and_is_remembered(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.port("hub")))
            taken.listen()
            self.write_config(self.config_of())
            hub = self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder)
            self.wait_http(self.hub_url("/ping"))
            other = int((self.run_folder / "hub.port").read_text())
            self.assertNotEqual(other, self.port("hub"))
            self.assertEqual(hub.stop(), 0)
        hub = self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder)
        self.wait_http(f"http://127.0.0.1:{other}/ping")  # who was told of it finds it again


if __name__ == "__main__":
    unittest.main()
