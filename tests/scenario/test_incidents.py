# SPDX-License-Identifier: Apache-2.0
"""The timeline: what broke, why, what was done, when it ended; and grey where nobody looked."""

import os
import signal
import time
import unittest
import xml.dom.minidom

import harness
from test_gateway import TOKEN, HubCase


class IncidentCase(HubCase):
    def timeline(self, subject=None, **more):
        answer = self.get(self.url("hub", "/v1/incidents" + (f"?subject={subject.replace(' ', '%20')}"
                                                              if subject else "")), **more)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def incidents(self, subject):
        return self.timeline(subject)["incidents"]

    def wait_incident(self, subject, **fields):
        def found():
            return [one for one in self.incidents(subject) if fields.items() <= one.items()]
        return self.wait(f"{subject}: {fields}", found)[0]

    def start_stack(self, services, **more):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.up(self.config_of(services=services, **more))
        self.wait_ready("hub")
        self.wait_http(self.url("hub", "/ping"))


class Services(IncidentCase):
    def test_a_service_that_is_killed(self):
        self.start_stack({"web": {"command": ["sh", "-c", "echo the last word; exec sleep 1000"],
                                  "restart": {"delay": "1s"}}})
        self.wait_ready("web")
        self.wait("it is known", lambda: "service web" in self.timeline()["uptime"])
        self.assertEqual(self.incidents("service web"), [])
        os.kill(self.service("web")["pid"], signal.SIGKILL)
        over = self.wait("its end", lambda: [one for one in self.incidents("service web") if one["ended"]])[0]
        self.assertEqual((over["what"], over["times"]), ("down", 1))
        self.assertIn("SIGKILL", over["cause"])
        self.assertTrue(over["done"][0].startswith("restarting: in "), over)
        self.assertIsNone(self.incidents("service web")[0]["last_lines"])  # they may be private
        bearer = {"Authorization": "Bearer a-long-token"}
        self.wait("the last lines", lambda: "the last word" in (
            self.timeline("service web", headers=bearer)["incidents"][0]["last_lines"] or ""))
        self.assertTrue(0.5 < over["seconds"] < 10, over)
        up = self.timeline()["uptime"]["service web"]
        self.assertLess(up["day"], 1)
        self.assertEqual(up["beats"][:40], "u" * 40)  # nobody looked yesterday
        self.assertEqual(up["beats"][-1], "x")
        os.kill(self.service("web")["pid"], signal.SIGKILL)  # soon after: the same incident
        self.wait_incident("service web", times=2)
        self.assertEqual(len(self.incidents("service web")), 1)

    def test_what_people_do_is_no_incident(self):
        self.start_stack({"web": {"command": ["sleep", "1000"]}})
        self.wait_ready("web")
        for words in (("restart", "web"), ("stop", "web"), ("start", "web")):
            self.holdfast(*words)
        self.wait_ready("web")
        time.sleep(1)
        self.assertEqual(self.timeline()["incidents"], [])

    def test_failed_and_mended(self):
        self.start_stack({"broken": {"command": ["sh", "-c", "echo no permission >&2; exit 78"]}})
        one = self.wait("it is told why", lambda: [
            one for one in self.incidents("service broken") if "78" in (one["cause"] or "")])[0]
        self.assertEqual((one["what"], one["ended"]), ("down", None))
        self.assertTrue(any(done.startswith("failed: ") for done in one["done"]), one)
        badge = self.get(self.url("hub", "/v1/badge/service/broken.svg"))
        self.assertEqual(badge.headers["Content-Type"], "image/svg+xml")
        self.assertIn("ill, ", badge.text)
        xml.dom.minidom.parseString(badge.body)

    def test_a_job(self):
        self.start_stack({"nightly": {"command": ["sh", "-c", "test -e ok"], "every": "2s",
                                      "folder": str(self.folder)}})
        self.wait_incident("service nightly", what="down", ended=None)
        (self.folder / "ok").touch()
        self.wait("it is over", lambda: self.incidents("service nightly")[0]["ended"])

    def test_what_the_hub_missed_is_asked_for(self):
        """The hub is killed; meanwhile a service dies and comes back: the timeline has it."""
        self.start_stack({"web": {"command": ["sleep", "1000"]}})
        self.wait_ready("web")
        self.wait("it is known", lambda: "service web" in self.timeline()["uptime"])
        hub = self.service("hub")["pid"]
        os.kill(hub, signal.SIGSTOP)
        os.kill(self.service("web")["pid"], signal.SIGKILL)
        self.wait("a new one", lambda: self.service("web")["state"] == "ready" and self.service("web")["restarts"])
        os.kill(hub, signal.SIGKILL)
        self.wait("another hub", lambda: self.service("hub")["pid"] not in (hub, 0, None))
        self.wait_http(self.url("hub", "/ping"))
        one = self.wait("it is told", lambda: self.incidents("service web"))[0]
        self.assertIn("SIGKILL", one["cause"])
        self.assertIsNotNone(one["ended"])
        self.assertLess(one["seconds"], 10)


class Others(IncidentCase):
    def test_a_bot_whose_token_is_refused(self):
        sim, _ = self.start_both()
        self.call("getUpdates", timeout=0)
        self.wait("it is known", lambda: "bot main" in self.timeline()["uptime"])
        sim.stop()
        one = self.wait_incident("bot main", ended=None)
        self.assertEqual(one["what"], "degraded")
        self.assertTrue(one["cause"])
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.wait("it is over", lambda: self.incidents("bot main")[0]["ended"])

    def test_a_monitor(self):
        self.start_both("--monitor-check", "200ms")
        bearer = {"Authorization": "Bearer a-long-token"}
        url = self.url("hub", "/v1/monitors/%3Cb%3Efeed")
        wish = {"failures": 1, "retry": "1s", "attempts": 1}
        self.assertEqual(harness.http("PUT", url, wish, headers=bearer).status, 201)
        harness.http("POST", url + "/beat", {}, headers=bearer)
        self.wait("it is known", lambda: "monitor <b>feed" in self.timeline()["uptime"])
        fail = {"status": "fail", "message": "page 7"}
        harness.http("POST", url + "/beat", fail, headers=bearer)
        self.wait_incident("monitor %3Cb%3Efeed", what="degraded", cause="errors: page 7", ended=None)
        time.sleep(1.1)
        harness.http("POST", url + "/beat", fail, headers=bearer)
        one = self.wait_incident("monitor %3Cb%3Efeed", what="down", ended=None)
        self.assertEqual(one["done"], ["RESTART_MONITOR, attempt 1"])
        badge = self.get(self.url("hub", "/v1/badge/monitor/%3Cb%3Efeed.svg"))
        self.assertNotIn("<b>", badge.text)
        xml.dom.minidom.parseString(badge.body)
        harness.http("POST", url + "/beat", {}, headers=bearer)
        self.wait("it is over", lambda: self.incidents("monitor %3Cb%3Efeed")[0]["ended"])
        harness.http("POST", self.url("hub", "/v1/monitors/gone/beat/critical"), headers=bearer)
        self.wait_incident("monitor gone", ended=None)
        self.assertEqual(harness.http("DELETE", self.url("hub", "/v1/monitors/gone"), headers=bearer).status, 204)
        self.wait("it is over with its monitor", lambda: self.incidents("monitor gone")[0]["ended"])
        self.assertNotIn("monitor gone", self.timeline()["uptime"])

    def test_the_time_without_a_hub_is_grey(self):
        _, hub = self.start_both()
        self.call("getUpdates", timeout=0)
        self.wait("it is known", lambda: "bot main" in self.timeline()["uptime"])
        hub.stop()
        time.sleep(6)
        begun = time.time()
        self.start_hub()
        self.call("getUpdates", timeout=0)
        self.wait("the way there", lambda: "bot main" in self.timeline()["uptime"])
        self.assertEqual(self.timeline()["incidents"], [])  # nobody looked: that is no incident
        self.assertEqual(self.timeline()["uptime"]["bot main"]["day"], 1.0)
        self.assertEqual(self.get(self.url("hub", "/v1/badge/bot/nobody.svg")).text.count("unknown"), 3)
        self.assertLess(time.time() - begun, 30)

    def test_words_that_are_none(self):
        self.start_both()
        for query in ("limit=0", "limit=many", "before=-1", "limit=501"):
            self.assertEqual(self.get(self.url("hub", f"/v1/incidents?{query}")).status, 400, query)
        for path in ("bot", "x", ".svg", "a/b.png"):
            self.assertEqual(self.get(self.url("hub", f"/v1/badge/{path}")).status, 404, path)
        self.assertEqual(self.timeline("no such")["incidents"], [])


if __name__ == "__main__":
    unittest.main()
