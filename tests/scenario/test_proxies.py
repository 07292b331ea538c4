# SPDX-License-Identifier: Apache-2.0
"""The way to Telegram through real proxies: tinyproxy for http, microsocks for socks5h. What they are
asked for is in their logs; the words of a login are nowhere."""

import os
import shutil
import unittest

import harness
from test_alerts import BEARER
from test_gateway import TOKEN, HubCase
from test_ways import Receiver

USER, PASSWORD = "ann", "proxy-password-7"
NAME = "telegram.invalid"  # no resolver of this machine knows it


class ProxyCase(HubCase):
    def start_proxy(self, login=False):
        """tinyproxy; its log is the list of what it was asked for."""
        config, self.asked = self.folder / "tinyproxy.conf", self.folder / "tinyproxy.log"
        config.write_text(f"Port {self.port('proxy')}\nListen 127.0.0.1\nAllow 127.0.0.1\nLogLevel Connect\n"
                          f"LogFile \"{self.asked}\"\nPidFile \"{self.folder / 'tinyproxy.pid'}\"\n" +
                          (f"BasicAuth {USER} {PASSWORD}\n" if login else ""))
        proxy = self.start("tinyproxy", "-d", "-c", config)
        self.wait("the proxy listens", lambda: harness.http("GET", self.url("proxy", "/")).status)
        return proxy

    def start_socks(self, login=False, hosts=None):
        """microsocks; `hosts`: what it, and nobody else here, takes for /etc/hosts."""
        words = ["microsocks", "-i", "127.0.0.1", "-p", str(self.port("proxy"))]
        words += ["-u", USER, "-P", PASSWORD] if login else []
        if hosts:
            file = self.folder / "hosts"
            file.write_text(hosts)
            words = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', file, *words]
        proxy = self.start(*words)
        self.wait("the proxy listens", self.proxy_listens)
        return proxy

    def proxy_listens(self):
        with harness.socket.create_connection(("127.0.0.1", self.port("proxy")), 1):
            return True

    def proxy_url(self, scheme, login=""):
        return f"{scheme}://{login}{'@' if login else ''}127.0.0.1:{self.port('proxy')}"

    def begin(self, proxy, api_url=None, **more):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        return self.start_hub(bots={"main": {"token": TOKEN, "api_url": api_url or self.url("sim", ""),
                                             "proxy": proxy}}, **more)

    def alert(self, text):
        answer = harness.http("POST", self.url("hub", "/v1/alerts"), {"text": text, "priority": "HIGH"}, BEARER)
        self.assertEqual(answer.status, 202, answer)
        return answer.json["id"]

    def assert_all_ways_work(self):
        """Updates, sends of a bot, alerts."""
        self.updates()
        said = self.say("through the proxy")["update_id"]
        self.wait("the update", lambda: said in [u["update_id"] for u in self.updates(timeout=1)])
        self.assertEqual(self.call("sendMessage", chat_id=42, text="from the bot").status, 200)
        number = self.alert("an alert")
        self.wait("the alert", lambda: self.get(
            self.url("hub", f"/v1/alerts/{number}")).json["state"] == "delivered")

    def assert_no_secret(self, hub):
        shown = [self.get(self.url("hub", path)).text for path in ("/health", "/v1/alerts")]
        shown += [hub.stderr, hub.stdout, self.holdfast("check").stdout]
        printed = self.holdfast("check", "--print").stdout
        self.assertIn("proxy", printed)
        for text in (*shown, printed):
            self.assertNotIn(PASSWORD, text)
        for pid in os.listdir("/proc"):
            if pid.isdigit() and "hub" in self.words_of(pid):
                self.assertNotIn(PASSWORD, self.words_of(pid))

    def words_of(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


@unittest.skipUnless(shutil.which("tinyproxy"), "tinyproxy is not installed")
class Http(ProxyCase):
    def test_all_goes_through_it(self):
        self.start_proxy()
        hub = self.begin(self.proxy_url("http"))
        self.assert_all_ways_work()
        asked = self.asked.read_text()
        for method in ("getUpdates", "sendMessage"):
            self.assertIn(method, asked)
        self.assertTrue(hub.running)

    def test_login(self):
        self.start_proxy(login=True)
        hub = self.begin(self.proxy_url("http", f"{USER}:{PASSWORD}"))
        self.assert_all_ways_work()
        self.assert_no_secret(hub)

    def test_wrong_login_is_named(self):
        self.start_proxy(login=True)
        hub = self.begin(self.proxy_url("http", f"{USER}:{PASSWORD}x"))
        self.updates()
        self.wait("it is named", lambda: "HTTP 401" in self.bot_health()["problem"])
        number = self.alert("waits")
        self.assertIn(self.get(self.url("hub", f"/v1/alerts/{number}")).json["state"], ("waiting", "sending"))
        self.assert_no_secret(hub)

    def test_away_and_back(self):
        proxy = self.start_proxy()
        self.begin(self.proxy_url("http"))
        self.updates()
        self.wait("polled", lambda: self.bot_health()["last_completed_poll_ago"] is not None)
        proxy.stop()
        number = self.alert("kept")
        self.say("kept too")
        self.wait("it is named", lambda: "proxy" in self.bot_health()["problem"].lower() or
                  "connect" in self.bot_health()["problem"].lower())
        self.assertEqual(self.bot_texts(), [])  # nothing went past it
        self.start_proxy()
        self.wait("the alert", lambda: self.get(
            self.url("hub", f"/v1/alerts/{number}")).json["state"] == "delivered")
        self.wait("the update", lambda: [u["message"]["text"] for u in self.updates(timeout=1)] == ["kept too"])

    def test_another_way_out_has_its_own(self):
        self.start_proxy()
        hook = Receiver(self.port("hook"))
        self.addCleanup(hook.close)
        self.start_hub(alerts={"also": {"hook": {"webhook": self.url("hook", "/in"), "from": "LOW",
                                                 "proxy": self.proxy_url("http")}}})
        self.alert("by webhook")
        self.wait("it came", lambda: hook.came)
        self.assertIn(f"127.0.0.1:{self.port('hook')}", self.asked.read_text())


@unittest.skipUnless(shutil.which("microsocks"), "microsocks is not installed")
class Socks(ProxyCase):
    @unittest.skipUnless(os.geteuid() == 0, "needs root: a file of its own over /etc/hosts")
    def test_names_are_looked_up_by_the_proxy(self):
        self.start_socks(hosts=f"127.0.0.1 localhost {NAME}\n")
        self.begin(self.proxy_url("socks5h"), api_url=f"http://{NAME}:{self.port('sim')}")
        self.assert_all_ways_work()

    def test_login(self):
        self.start_socks(login=True)
        hub = self.begin(self.proxy_url("socks5h", f"{USER}:{PASSWORD}"))
        self.assert_all_ways_work()
        self.assert_no_secret(hub)

    def test_wrong_login_is_named(self):
        self.start_socks(login=True)
        hub = self.begin(self.proxy_url("socks5h", f"{USER}:{PASSWORD}x"))
        self.updates()
        self.wait("it is named", lambda: self.bot_health()["problem"])
        self.assertRegex(self.bot_health()["problem"].lower(), "socks|proxy")
        self.assert_no_secret(hub)


if __name__ == "__main__":
    unittest.main()
