# SPDX-License-Identifier: Apache-2.0
"""The hub beside a keeper: what services do shows in /health and in alerts; restarts on request."""

import os
import signal
import unittest

import harness
from test_gateway import TOKEN, HubCase

BEARER = {"Authorization": "Bearer a-long-token"}


class Hub(HubCase):
    def up_with(self, services):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        program = self.up(self.config_of(services=services))
        self.wait_http(self.url("hub", "/ping"))
        return program

    def health(self):
        return self.get(self.url("hub", "/health"))

    def services(self):
        return self.health().json["services"]

    def test_failed_critical_service_is_told_and_makes_it_unhealthy(self):
        self.up_with({"doomed": {"command": ["sh", "-c", "exit 1"], "critical": True,
                                 "restart": {"max": 1, "delay": "100ms"}}})
        harness.wait("503", lambda: self.health().status == 503)
        self.assertEqual(self.services()["doomed"]["status"], "unhealthy")
        harness.wait("the alert", lambda: "CRITICAL" in self.bot_texts()[0]
                     and "doomed" in self.bot_texts()[0])

    def test_restart_on_request(self):
        self.up_with({"one": {"command": "sleep 1000"}, "two": {"command": "sleep 1000"}})
        self.wait_ready("one", "two")
        before = self.pids()
        harness.wait("the hub knows the services", lambda: "one" in self.services())
        answer = self.post(self.url("hub", "/restart/one"), headers=BEARER)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(set(answer.json), {"message", "timestamp"})
        harness.wait("one has another pid", lambda: self.pids()["one"] not in (0, before["one"]))
        self.assertEqual(self.pids()["two"], before["two"])
        self.assertEqual(self.post(self.url("hub", "/restart/three"), headers=BEARER).status, 404)
        self.assertEqual(self.post(self.url("hub", "/restart"), headers=BEARER).status, 200)
        harness.wait("two has another pid", lambda: self.pids()["two"] not in (0, before["two"]))
        self.assertEqual(self.pids()["hub"], before["hub"])

    def test_killed_hub_comes_back_at_its_port_and_tells_nothing_twice(self):
        self.up_with({"doomed": {"command": ["sh", "-c", "exit 1"],
                                 "restart": {"max": 1, "delay": "100ms"}}})
        harness.wait("the alert", lambda: len(self.bot_texts()) == 1)
        pid = self.pids()["hub"]
        os.kill(pid, signal.SIGKILL)
        harness.wait("another hub", lambda: self.pids()["hub"] not in (0, pid))
        self.wait_http(self.url("hub", "/ping"))
        harness.wait("it knows the services", lambda: "doomed" in self.services())
        self.assertEqual(len(self.bot_texts()), 1)


if __name__ == "__main__":
    unittest.main()
