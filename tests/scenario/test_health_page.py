# SPDX-License-Identifier: Apache-2.0
"""/health as somebody sees it who opens it in a browser: the truth, also while a service hangs."""
import json
import unittest

import harness
from browser import Browser


class HealthPageTests(harness.Case):
    def seen(self):
        self.browser.open(self.url("hub", "/health"))
        return json.loads(self.browser.text("pre")[0])

    def test_health_in_a_browser(self):
        self.browser = Browser(390, 844)
        self.addCleanup(self.browser.close)
        self.start_sim("--bot", "110201543:health-page-token-0123456789=page_bot")
        self.up({"http": {"listen": f"127.0.0.1:{self.port('hub')}"},
                 "bots": {"main": {"token": "110201543:health-page-token-0123456789",
                                   "api_url": self.url("sim", "")}},
                 "services": {"a": {"command": "sleep 1000", "critical": True},
                              "b": {"command": ["sh", "-c", "exit 1"], "critical": True,
                                    "restart": "never", "needs": ["hub", "a"]}}})
        self.wait_state("b", "failed")
        self.wait("the failed critical service is told",
                  lambda: self.seen()["services"]["b"]["status"] == "unhealthy")
        shown = self.seen()
        self.assertEqual(shown["status"], "unhealthy")
        self.assertEqual(set(shown) >= {"status", "uptime_seconds", "last_update_ago",
                                        "total_updates", "total_errors", "error_rate",
                                        "timestamp", "bot_version"}, True, shown)


if __name__ == "__main__":
    unittest.main()
