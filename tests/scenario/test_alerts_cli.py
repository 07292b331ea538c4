# SPDX-License-Identifier: Apache-2.0
"""`holdfast alert` and `holdfast alerts`: what a cron job and a person do with alerts."""

import json
import os
import re
import resource
import shlex
import signal
import socket
import threading
import unittest

import harness
from test_alerts import BEARER
from test_cli import Screen
from test_gateway import TOKEN, HubCase


class CliCase(HubCase):
    def send(self, *words, code=0, **more):
        return self.holdfast("alert", *words, code=code, **more)

    def alerts(self, *words, code=0, **more):
        return self.holdfast("alerts", *words, code=code, **more)

    def accepted(self, *words):
        return int(re.fullmatch(r"accepted as alert (\d+)\n", self.send(*words).stdout)[1])

    def piped(self, data, *words, code=0):
        """`holdfast alert` with `data` on its stdin."""
        file = self.folder / "stdin"
        file.write_bytes(data)
        line = shlex.join(map(str, [self.bin / "holdfast", "alert", "-c", self.config, "--run",
                                    self.run_folder, *words]))
        done = self.run_program("sh", "-c", f"{line} <{shlex.quote(str(file))}")
        self.assertEqual(done.code, code, done.stdout + done.stderr)
        return done

    def one(self, number):
        return self.get(self.url("hub", f"/v1/alerts/{number}")).json

    def wait_one(self, number, state):
        return self.wait(f"alert {number} is {state}",
                         lambda: (a := self.one(number))["state"] == state and a)

    def chat(self, state):
        self.post(self.url("sim", "/sim/chats"), {"chat_id": 42, "state": state})

    def start_failing(self):
        """No pauses, and a chat that takes nothing."""
        self.start_both("--chat-sends-per-second", "0", "--sends-per-second", "0")
        self.post(self.url("sim", "/sim/limits"), {"per_chat": 0, "global": 0, "group": 0})
        self.chat("blocked")


class SendTests(CliCase):
    def test_words_and_fields_arrive(self):
        self.start_both()
        number = self.accepted("-p", "high", "--title", "Nightly", "--service", "backup", "--type",
                               "job", "--dedup-key", "k1", "--group", "g1", "backup", "failed", "--", "-5 files")
        self.assertEqual(number, 1)
        alert = self.wait_one(number, "delivered")
        self.assertEqual({key: alert[key] for key in ("priority", "title", "service", "type",
                                                      "dedup_key", "group", "text")},
                         {"priority": "HIGH", "title": "Nightly", "service": "backup",
                          "type": "job", "dedup_key": "k1", "group": "g1", "text": "backup failed -5 files"})
        self.assertIn("backup failed -5 files", self.bot_texts()[0])
        self.assertEqual(self.accepted("--dedup-key", "k1", "again"), number)
        self.assertEqual(self.one(self.accepted("plain"))["priority"], "MEDIUM")
        self.assertEqual(self.holdfast_json("alert", "x"), {"id": number + 2})

    def test_stdin(self):
        self.start_both()
        for words, data, text in (([], b"two\nlines\n\n", "two\nlines"),
                                  (["-"], b"from a pipe", "from a pipe"),
                                  (["-p", "LOW"], b"caf\xc3\xa9 \xff\x00.\r\n", "café ??."),
                                  ([], b"x" * 32768 + b"\n", "x" * 32768)):
            with self.subTest(words=words, data=data[:20]):
                said = self.piped(data, *words).stdout
                self.assertEqual(self.one(re.search(r"\d+", said)[0])["text"], text)
        self.assertIn("tail -c 32768", self.piped(b"x" * 32769, code=65).stderr)
        self.assertIn("more than 32768", self.piped(b"x" * 1000000, code=65).stderr)
        for empty in (b"", b"\n\n"):
            self.assertIn("missing or empty", self.piped(empty, code=65).stderr)

    def test_a_terminal_as_stdin(self):
        self.start_both()
        words = shlex.join([str(self.bin / "holdfast"), "alert", "-c", str(self.config)])
        self.assertIn("alert what?", Screen(self, words).wait("exit 64"))

    def test_wrong_words(self):
        self.write_config(self.config_of())
        for words, said in ((["-p", "URGENT", "x"], "expected CRITICAL, HIGH, MEDIUM or LOW"),
                            (["-p", "hgih", "x"], "did you mean 'high'"),
                            (["--prioriti", "LOW", "x"], "did you mean '--priority'"),
                            (["--title"], "needs a value"),
                            (["--state", "failed", "x"], "not an option of `holdfast alert`")):
            with self.subTest(words=words):
                done = self.send(*words, code=64)
                self.assertIn(said, done.stderr)
                self.assertEqual((done.stdout, len(done.stderr.splitlines())), ("", 1))

    def test_the_hub_refuses(self):
        self.start_both()
        self.assertIn("\"title\" has 300 bytes; at most 256",
                      self.send("--title", "t" * 300, "x", code=65).stderr)
        self.assertIn("missing or empty", self.send(" ", code=65).stderr)

    def test_too_many_wait(self):
        self.start_both()
        self.alerts("breaker", "open")
        answer = self.post(self.url("hub", "/v1/alerts"),
                           [{"text": f"t{i}", "priority": "LOW"} for i in range(1000)],
                           headers=BEARER)
        self.assertEqual(answer.status, 202, answer)
        done = self.send("-p", "low", "one more", code=75)
        self.assertRegex(done.stderr, r"1000 LOW alerts wait already.*\(again in \d+ s\)")
        self.assertEqual(done.stdout, "")
        self.accepted("-p", "HIGH", "urgent ones go through")
        footer = self.alerts("-n", "1").stdout
        self.assertIn("1001 wait; the breaker was opened by hand", footer)

    def test_full_disk(self):
        _, hub = self.start_both()
        self.accepted("before")
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        self.assertRegex(self.send("x", code=75).stderr, r"disk .* is full.*\(again in \d+ s\)")
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        self.wait("accepted again", lambda: self.send("after", code=None).code == 0)

    def test_token(self):
        self.start_both()
        wrong = self.folder / "wrong.yaml"
        for token, said in (("another-token", "refuses this token"),
                            ("${NO_SUCH:-}", "a request without a token")):
            config = self.config_of()
            config["http"]["token"] = token
            wrong.write_text(json.dumps(config))
            done = self.run_program("holdfast", "alert", "-c", wrong, "--run", self.run_folder, "x")
            self.assertEqual(done.code, 77, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertIn(f"http.token in {wrong}", done.stderr)
            self.assertNotIn("another-token", done.stderr)
        for _ in range(5):
            done = self.run_program("holdfast", "alerts", "-c", wrong, "--run", self.run_folder,
                                    "breaker", "open")
            self.assertEqual(done.code, 77, done.stderr)
        self.assertIn("too many wrong tokens", done.stderr)
        self.accepted("the right one passes")

    def test_nobody_there(self):
        self.write_config(self.config_of())
        for done in (self.send("x", code=69), self.alerts(code=69),
                     self.alerts("replay", "failed", code=69), self.alerts("1", code=69)):
            self.assertIn(f"no hub answers on 127.0.0.1:{self.port('hub')}", done.stderr)
            self.assertIn("holdfast up", done.stderr)
            self.assertEqual((done.stdout, len(done.stderr.splitlines())), ("", 1))
        done = self.run_program("holdfast", "alert", "x", cwd="/")
        self.assertEqual(done.code, 66)
        self.assertIn("holdfast init", done.stderr)

    def test_a_hub_that_is_just_restarted(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.write_config(self.config_of())
        waiting = self.start("holdfast", "alert", "-c", self.config, "--run", self.run_folder, "x")
        self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder)
        self.assertEqual((waiting.wait(), waiting.stdout), (0, "accepted as alert 1\n"))

    def test_a_config_with_errors_elsewhere_loses_no_alert(self):
        config = self.config_of(services={"a": {"command": "sleep 1000"}})
        self.up(config)
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.wait_ready("hub")
        self.write_config(json.dumps(config).replace("sleep 1000", "${NOT_SET_ANYWHERE}"))
        self.accepted("by the config in force")
        (self.run_folder / "config.in-force").unlink()
        done = self.send("x", code=78)
        self.assertIn("http.token of", done.stderr)
        self.assertIn("NOT_SET_ANYWHERE", done.stderr)

    def strange(self, answer):
        """Something that is no hub on the hub's port; what it was sent."""
        heard = []
        server = socket.create_server(("127.0.0.1", self.port("hub")))
        self.addCleanup(server.close)

        def serve():
            for reply in answer:
                peer, _ = server.accept()
                with peer:
                    heard.append(peer.recv(65536))
                    peer.sendall(reply)
        threading.Thread(target=serve, daemon=True).start()
        self.write_config(self.config_of())
        return heard

    def test_what_answers_is_no_hub(self):
        page = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<p/>"
        other = b"HTTP/1.1 404 Not Found\r\n\r\n{\"error\": \"x\"}"
        empty = b"HTTP/1.1 200 OK\r\n\r\n{}"
        heard = self.strange([page, other, b"SSH-2.0-x\r\n", empty, empty])
        for _ in range(4):
            done = self.send("x", code=69)
            self.assertIn("is not the hub", done.stderr)
            self.assertEqual(done.stdout, "")
        self.assertIn(b"\r\nAuthorization: Bearer a-long-token\r\n", heard[0])
        self.assertIn("is not the hub", self.alerts(code=69).stderr)

    def test_an_answer_that_is_lost_is_told(self):
        self.strange([b"", b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\n{\"id\":1}"])
        for _ in range(2):
            self.assertIn("nobody knows whether it is done", self.send("x", code=69).stderr)


class ListTests(CliCase):
    def test_nothing(self):
        self.start_both()
        self.assertEqual(self.alerts().stdout, "No alerts; what has ended is kept for 30 days.\n")
        self.assertEqual(self.alerts("--state", "failed").stdout, "No alert is failed.\n")
        self.assertEqual(self.holdfast_json("alerts"), {"alerts": []})

    def test_the_table(self):
        self.start_failing()
        bad = self.accepted("-p", "HIGH", "--title", "Disk", "--service", "db", "no \x1b[31m room")
        self.wait_one(bad, "failed")
        self.chat("member")
        good = self.accepted("two\nlines")
        self.wait_one(good, "delivered")
        lines = self.alerts().stdout.splitlines()
        self.assertRegex(lines[0], r"^ID  WHEN +PRIORITY  STATE +TEXT$")
        self.assertRegex(lines[1], rf"^ {good}  \d\d:\d\d:\d\d  MEDIUM    delivered  two lines$")
        self.assertRegex(lines[2], rf"^ {bad}  .*HIGH      failed     db: Disk: no  \[31m room$")
        self.assertRegex(lines[3], r"^    why: .*blocked")
        self.assertEqual(len(lines), 4)
        self.assertEqual(len(self.alerts("-n", "1").stdout.splitlines()), 2)
        only = self.alerts("--state", "FAILED").stdout.splitlines()
        self.assertEqual(len(only), 3)
        listed = self.holdfast_json("alerts")["alerts"]
        self.assertEqual(listed, [self.one(good), self.one(bad)])

    def test_fits_the_terminal(self):
        self.start_failing()
        self.wait_one(self.accepted("long " * 60 + "日本語" * 40), "failed")
        self.wait_one(self.accepted("-p", "CRITICAL", "日本語" * 60), "failed")
        self.alerts("breaker", "open")
        self.accepted("-p", "HIGH", "waits")
        line = shlex.join([str(self.bin / "holdfast"), "alerts", "-c", str(self.config), "--run",
                           str(self.run_folder)])
        for columns in (80, 60, 40):
            shown = Screen(self, line, columns=columns, lines=30).wait("exit 0")
            rows = shown.partition("\n\n")[0].splitlines()
            self.assertEqual(len(rows), 6, shown)  # no row became two
            self.assertEqual(sum(row.endswith("…") for row in rows if "why:" not in row), 2, shown)
            self.assertIn("1 waits; the breaker was opened by hand", " ".join(shown.split()))
        coloured = Screen(self, line)
        coloured.wait("exit 0")
        self.assertRegex(coloured.text("-e"), r"31m.*CRITICAL")

    def test_pages(self):
        self.start_both()
        self.alerts("breaker", "open")
        answer = self.post(self.url("hub", "/v1/alerts"), [{"text": f"t{i}"} for i in range(230)],
                           headers=BEARER)
        self.assertEqual(answer.status, 202, answer)
        for count, expected in ((1, 1), (100, 100), (150, 150), (1000, 230)):
            listed = self.holdfast_json("alerts", "-n", str(count))["alerts"]
            self.assertEqual([a["id"] for a in listed], list(range(230, 230 - expected, -1)))
        self.assertEqual(len(self.holdfast_json("alerts")["alerts"]), 20)

    def test_one_as_a_whole(self):
        self.start_failing()
        self.write_config(self.config_of(timezone="Asia/Kathmandu"))
        number = self.accepted("--title", "Disk", "--service", "db", "--type", "t", "--dedup-key",
                               "k", "first\nsecond \x1b[2J " + "long " * 100)
        alert = self.wait_one(number, "failed")
        text = self.alerts(str(number)).stdout
        self.assertRegex(text, rf"^alert {number}: failed\n  why +.*blocked")
        for name, value in (("priority", "MEDIUM"), ("service", "db"), ("title", "Disk"),
                            ("type", "t"), ("dedup key", "k")):
            self.assertRegex(text, rf"(?m)^  {name} +{value}$")
        hour, minute = map(int, re.search(r"T(\d\d):(\d\d)", alert["created"]).groups())
        minutes = (hour * 60 + minute + 5 * 60 + 45) % 1440
        self.assertRegex(text, rf"(?m)^  came +\d{{4}}-\d\d-\d\d {minutes // 60:02}:{minutes % 60:02}:")
        self.assertRegex(text, r"(?m)^  ended +\d{4}-")
        self.assertIn("\n\nfirst\nsecond  [2J " + "long " * 100, text)
        self.assertEqual(self.holdfast_json("alerts", str(number)), self.one(number))
        self.assertIn("no alert with this id", self.alerts("77", code=64).stderr)
        both = self.alerts("77", str(number), code=64)
        self.assertIn(f"alert {number}: failed", both.stdout)

    def test_wrong_words(self):
        self.write_config(self.config_of())
        for words, said in ((["replya", "1"], "did you mean 'replay'"),
                            (["breakr"], "did you mean 'breaker'"),
                            (["failed"], "did you mean '--state failed'"),
                            (["1", "x"], "expected an id, ack, replay or breaker"),
                            (["0"], "expected an id"),
                            (["replay"], "ids of alerts, or 'failed'"),
                            (["replay", "faild"], "did you mean 'failed'"),
                            (["replay", "failed", "1"], "or 'failed' alone"),
                            (["breaker"], "'open' holds all alerts back"),
                            (["breaker", "opne"], "did you mean 'open'"),
                            (["breaker", "open", "telegram", "now"], "then at most a way"),
                            (["--state", "fialed"], "did you mean 'failed'"),
                            (["--state", "lost"], "expected waiting, sending, delivered"),
                            (["-n", "5", "1"], "of the list alone"),
                            (["replay", "1", "--state", "failed"], "of the list alone"),
                            (["-n", "0"], "from 1 to 1000000")):
            with self.subTest(words=words):
                done = self.alerts(*words, code=64)
                self.assertIn(said, done.stderr)
                self.assertEqual((done.stdout, len(done.stderr.splitlines())), ("", 1))


class AckTests(CliCase):
    def test_one_and_all(self):
        self.start_both("--chat-sends-per-second", "0")
        self.assertEqual(self.alerts("ack", "all").stdout, "no alert waits for an acknowledgement\n")
        numbers = [self.accepted("-p", "critical", f"fire {i}") for i in range(3)]
        for number in numbers:
            self.wait_one(number, "delivered")
        self.assertIn("3 CRITICAL not acknowledged", self.alerts().stdout)
        self.assertIn("nobody has yet", self.alerts(str(numbers[0])).stdout)
        done = self.alerts("ack", str(numbers[0]), env={"USER": "ann"})
        self.assertEqual(done.stdout, "1 alert acknowledged\n")
        self.assertRegex(self.alerts(str(numbers[0])).stdout, r"(?m)^  by +ann$")
        self.assertIn("acknowledged before", self.alerts("ack", str(numbers[0]), code=65).stderr)
        self.assertEqual(self.holdfast_json("alerts", "ack", "all"),
                         {"acknowledged": numbers[1:]})
        self.assertNotIn("not acknowledged", self.alerts().stdout)
        for words, said in ((["ack"], "acknowledge what?"), (["ack", "al"], "did you mean 'all'")):
            self.assertIn(said, self.alerts(*words, code=64).stderr)


class ReplayTests(CliCase):
    def test_one(self):
        self.start_failing()
        number = self.accepted("nobody hears")
        self.wait_one(number, "failed")
        self.chat("member")
        self.assertEqual(self.alerts("replay", str(number)).stdout, "1 alert replayed\n")
        self.wait_one(number, "delivered")
        self.assertIn("nobody hears", self.bot_texts()[0])
        done = self.alerts("replay", "77", str(number), code=64)
        self.assertIn("alert 77 was not replayed", done.stderr)
        self.assertEqual(done.stdout, "1 of 2 alerts replayed\n")
        self.wait("twice", lambda: len(self.bot_texts()) == 2)

    def test_one_that_is_still_on_its_way(self):
        self.start_both()
        self.alerts("breaker", "open")
        number = self.accepted("held")
        done = self.alerts("replay", str(number), code=65)
        self.assertIn("still on its way", done.stderr)
        self.assertEqual(self.holdfast_json("alerts", "replay", str(number), code=65),
                         {"replayed": []})

    def test_all_that_failed(self):
        self.start_failing()
        self.assertEqual(self.alerts("replay", "failed").stdout,
                         "no alert has failed; nothing to replay\n")
        count = 130  # more than a page
        answer = self.post(self.url("hub", "/v1/alerts"),
                           [{"text": f"n{i}"} for i in range(count)], headers=BEARER)
        self.assertEqual(answer.status, 202, answer)
        self.wait_one(count, "failed")
        self.wait("all failed",
                  lambda: self.get(self.url("hub", "/health")).json["alerts"]["failed"] == count)
        self.chat("member")
        ids = self.holdfast_json("alerts", "replay", "failed")["replayed"]
        self.assertEqual(ids, list(range(1, count + 1)))
        self.wait("all arrived", lambda: len(self.bot_texts()) == count)
        self.assertEqual([text.split("\n")[1] for text in self.bot_texts()],
                         [f"n{i}" for i in range(count)])
        self.assertEqual(self.holdfast_json("alerts", "replay", "failed"), {"replayed": []})


class StatsTests(CliCase):
    def test_what_became_of_them(self):
        self.start_both("--chat-sends-per-second", "0")
        self.assertEqual(self.alerts("stats").stdout, "No alert came in that time.\n")
        for i in range(3):
            self.accepted("--type", "probe", "--service", "db", "--group", "", f"probe {i}")
        self.wait_one(3, "delivered")
        self.holdfast("silence", "--type", "disk", "--for", "1h")
        self.accepted("--type", "disk", "full")
        self.chat("blocked")
        self.wait_one(self.accepted("-p", "high", "nobody reads it"), "failed")
        self.chat("member")
        lines = self.alerts("stats").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["PRIORITY", "CAME", "SENT", "FAILED", "UNKNOWN", "SILENCED",
                                            "WAIT", "P50", "P95"])
        self.assertEqual(lines[1].split()[:7], ["HIGH", "1", "0", "1", "0", "0", "0"])
        self.assertEqual(lines[1].split()[7:], ["-", "-"])
        self.assertEqual(lines[2].split()[:7], ["MEDIUM", "4", "3", "0", "0", "1", "0"])
        self.assertLessEqual(max(map(len, lines)), 80)
        by_type = self.holdfast_json("alerts", "stats", "--by", "type", "--for", "7d", "--every", "1d")
        self.assertEqual((by_type["by"], by_type["every_seconds"]), ("type", 86400))
        self.assertEqual([(row["type"], row["accepted"]) for row in by_type["stats"]],
                         [("", 1), ("disk", 1), ("probe", 3)])
        self.assertGreaterEqual(by_type["stats"][2]["latency_ms"]["max"], 0)
        self.assertIsNone(by_type["stats"][0]["latency_ms"])
        self.assertRegex(self.alerts("stats", "--by", "service", "--every", "1d").stdout.splitlines()[2],
                         r"^\d{4}-\d\d-\d\d  db +3 +3 ")

    def test_wrong_words(self):
        self.start_both()
        for words, code, said in ((("stats", "x"), 64, "takes no word"),
                                  (("--by", "type"), 64, "of 'alerts stats' alone"),
                                  (("stats", "--by", "colour"), 65, "priority, type, service, way"),
                                  (("stats", "--for", "1y"), 65, "from 1m to 31d"),
                                  (("stats", "--every", "1s&x=y"), 65, "from 1m to 31d"),
                                  (("stats", "-n", "3"), 64, "of the list alone")):
            with self.subTest(words=words):
                self.assertIn(said, self.alerts(*words, code=code).stderr)

    def test_many_pages(self):
        self.start_both()
        self.alerts("breaker", "open")
        for start in range(0, 3000, 500):
            answer = self.post(self.url("hub", "/v1/alerts"),
                               [{"text": f"t{start + i}", "priority": "HIGH"} for i in range(500)],
                               headers=BEARER)
            self.assertEqual(answer.status, 202, answer)
        row, = self.holdfast_json("alerts", "stats")["stats"]
        self.assertEqual((row["accepted"], row["waiting"], row["delivered"]), (3000, 3000, 0))


class BreakerTests(CliCase):
    def test_held_back_and_let_go(self):
        self.start_both()
        self.assertIn("holdfast alerts breaker closed", self.alerts("breaker", "open").stdout)
        number = self.accepted("held")
        self.assertIn("1 waits; the breaker was opened by hand", self.alerts().stdout)
        self.assertRegex(self.alerts(str(number)).stdout, r"(?m)^  next try +\d")
        self.assertEqual(self.holdfast_json("alerts", "breaker", "closed"), {"state": "closed"})
        self.wait_one(number, "delivered")
        self.assertNotIn("wait", self.alerts().stdout)

    def test_opened_by_an_outage(self):
        sim = self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.start_hub()
        self.updates()
        sim.stop()
        self.accepted("-p", "CRITICAL", "during an outage")
        self.wait("the breaker opens", lambda: "the breaker is open: the way out failed" in
                  self.alerts().stdout, 60)  # five failures, 1 to 30 s apart
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.assertEqual(self.alerts("breaker", "closed").stdout,
                         "the breaker is closed: alerts go out\n")
        self.wait_one(1, "delivered")

    def test_a_hub_that_hangs_is_told(self):
        _, hub = self.start_both()
        os.kill(hub.pid, signal.SIGSTOP)
        waiting = self.start("holdfast", "health", "-c", self.config, "--run", self.run_folder)
        try:
            self.assertEqual(waiting.wait(), 1)
        finally:
            os.kill(hub.pid, signal.SIGCONT)
        self.assertIn("timed out", waiting.stdout)


class SilenceTests(CliCase):
    def test_begin_list_and_end(self):
        self.start_both()
        self.assertIn("No silences", self.holdfast("silences").stdout)
        said = self.holdfast("silence", "--service", "db*", "-p", "high", "--for", "2h", "new", "disk").stdout
        self.assertEqual(said, "silence 1, for 2h; `holdfast silences end 1` ends it\n")
        self.wait_one(self.accepted("-p", "HIGH", "--service", "db-main", "slow"), "silenced")
        self.wait_one(self.accepted("--service", "db-main", "slow, but MEDIUM"), "delivered")
        row = self.holdfast("silences").stdout.splitlines()[1]
        self.assertRegex(row, r"^   1  active  \d{4}-\d\d-\d\d \d\d:\d\d  service db\*, HIGH: new disk \(")
        self.assertEqual(self.holdfast("silences", "end", "1").stdout, "silence 1 has ended\n")
        self.assertIn("   1  ended ", self.holdfast("silences").stdout)
        self.wait_one(self.accepted("-p", "HIGH", "--service", "db-main", "slow again"), "delivered")
        self.assertEqual(self.holdfast_json("silences")["silences"][0]["state"], "ended")
        listed = self.alerts("--state", "silenced").stdout
        self.assertIn("silence 1 of ", listed)

    def test_wrong_words(self):
        self.start_both()
        for words, said in ((["silence", "--service", "db"], "how long?"),
                            (["silences", "1"], "holdfast silences end ID"),
                            (["silences", "end"], "which one?"), (["silences", "end", "x"], "not the number")):
            self.assertIn(said, self.holdfast(*words, code=64).stderr)
        for words, said in ((["silence", "--for", "2h"], "silence everything"),
                            (["silence", "--for", "soon", "--service", "db"], 'such as "30m"'),
                            (["silence", "--for", "2h", "-p", "urgent"], "CRITICAL, HIGH, MEDIUM, LOW")):
            self.assertIn(said, self.holdfast(*words, code=65).stderr)
        self.assertIn("no silence with this id", self.holdfast("silences", "end", "7", code=64).stderr)


if __name__ == "__main__":
    unittest.main()
