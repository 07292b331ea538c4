# SPDX-License-Identifier: Apache-2.0
"""The dashboard, in a real browser on real services; and its stream of events, by hand."""

import gzip
import http.client
import json
import os
import re
import resource
import signal
import socket
import time
import unittest

import harness
from browser import Browser
from test_gateway import TOKEN, HubCase

BEARER = {"Authorization": "Bearer a-long-token"}
BAD = '<img src=x onerror="window.broken=1">'


class Listener:
    """One client of /v1/events."""

    def __init__(self, case):
        self.connection = http.client.HTTPConnection("127.0.0.1", case.port("hub"), timeout=20)
        self.connection.request("GET", "/v1/events")
        self.answer = self.connection.getresponse()
        case.addCleanup(self.connection.close)

    def next(self, kind="state"):
        what = None
        while line := self.answer.readline().decode():
            if line.startswith("event: "):
                what = line[7:].strip()
            elif line.startswith("data: ") and what == kind:
                return json.loads(line[6:])
        raise AssertionError("the stream ended")


def memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


class Events(HubCase):
    def test_what_changes_is_told(self):
        self.start_both()
        listener = Listener(self)
        self.assertEqual(listener.answer.headers["Content-Type"], "text/event-stream")
        state = listener.next()
        self.assertEqual((state["bot"], state["keeper"], state["needs_token"]), ("test", False, True))
        begun = time.monotonic()
        self.post(self.url("hub", "/v1/alerts"), {"text": "x"}, headers=BEARER)
        while listener.next()["alerts"]["delivered"] == 0:
            pass
        self.assertLess(time.monotonic() - begun, 5)

    def test_who_reads_nothing_costs_little_and_holds_up_nobody(self):
        _, hub = self.start_both()
        before, silent = memory_kib(hub.pid), []
        for _ in range(300):
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            peer.connect(("127.0.0.1", self.port("hub")))
            peer.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            silent.append(peer)
            self.addCleanup(peer.close)
        listener = Listener(self)
        listener.next()
        for number in range(40):
            self.post(self.url("hub", "/v1/monitors/" + "m" * 150 + f"{number}/beat/fail"), headers=BEARER)
        self.wait("the one that reads hears it", lambda: listener.next()["monitors"]["count"] == 40)
        self.assertLess(memory_kib(hub.pid) - before, 300 * 96)  # with what the sanitizer adds
        for peer in silent:
            peer.close()
        self.assertEqual(self.get(self.url("hub", "/ping")).status, 200)

    def test_two_thousand_may_listen(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 3000:
            self.skipTest(f"needs 3000 descriptors; the hard limit here is {hard} (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.start_both()
        peers = []
        for _ in range(2000):
            peer = socket.create_connection(("127.0.0.1", self.port("hub")))
            peer.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            peers.append(peer)
        self.assertIn(b"200 OK", peers[-1].recv(100))
        refused = self.get(self.url("hub", "/v1/events"))
        self.assertEqual(refused.status, 503)
        self.assertIn("2000 listen already", refused.json["detail"])
        for peer in peers:
            peer.close()
        self.assertEqual(self.get(self.url("hub", "/ping")).status, 200)

    def test_a_stop_ends_the_stream(self):
        _, hub = self.start_both()
        listener = Listener(self)
        listener.next()
        hub.signal(signal.SIGTERM)
        self.assertEqual(hub.wait(), 0)
        with self.assertRaises((AssertionError, http.client.HTTPException, OSError)):
            while listener.next():
                pass


class Files(HubCase):
    def test_how_they_are_sent(self):
        self.start_both()
        html = {"Accept": "text/html,*/*", "Accept-Encoding": "gzip"}
        page = self.get(self.url("hub", "/"), headers=html)
        self.assertIn("text/html", page.headers["Content-Type"])
        self.assertNotIn("unsafe", page.headers["Content-Security-Policy"])
        self.assertEqual(self.get(self.url("hub", "/")).json["bot"], "test")  # for all others as ever
        total = 0
        for name in ("dashboard.html", "dashboard.css", "dashboard.js", "words.js", "chart.min.js", "icon.svg"):
            url = self.url("hub", f"/dashboard/{name}")
            small = self.get(url, headers={"Accept-Encoding": "gzip"})
            self.assertEqual(small.headers["Content-Encoding"], "gzip", name)
            self.assertEqual(gzip.decompress(small.body), self.get(url).body, name)
            again = self.get(url, headers={"If-None-Match": small.headers["ETag"]})
            self.assertEqual((again.status, again.body), (304, b""), name)
            total += len(small.body)
        print(f"test_dashboard: first view {total / 1000:.1f} kB compressed", flush=True)
        self.assertLess(total, 150_000)
        self.assertEqual(self.get(self.url("hub", "/dashboard/../hub.db")).status, 404)
        self.assertEqual(self.get(self.url("hub", "/dashboard/none.js")).status, 404)


class Page(HubCase):
    def start_stack(self, services, **more):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.up(self.config_of(services=services, **more))
        self.wait_ready("hub")
        self.wait_http(self.url("hub", "/ping"))

    def open_page(self, width=1280, height=800, **more):
        browser = Browser(width, height, **more)
        self.addCleanup(browser.close)
        browser.open(self.url("hub", "/"))
        return browser

    def reads(self, browser, words, seconds=harness.PATIENCE_SECONDS):
        return self.wait(f"the page says '{words}'", lambda: words in browser.run(
            "return document.body.innerText"), seconds)

    def level(self, browser):
        return browser.run("return document.getElementById('verdict').dataset.level")

    def test_from_well_to_ill_and_back(self):
        broken = self.folder / "broken"
        self.start_stack({"web": {"command": ["sh", "-c", f"echo listening; test ! -e {broken} || exit 78; exec sleep 1000"]}})
        self.wait_ready("web")
        browser = self.open_page()
        self.reads(browser, "services run")
        self.reads(browser, "runs, no probe")
        self.assertIn(self.level(browser), ("healthy", "degraded"))
        broken.touch()
        os.kill(self.service("web")["pid"], signal.SIGKILL)
        self.reads(browser, "web has failed")
        self.reads(browser, "exit code 78")
        self.assertIn("needs you", browser.run("return document.getElementById('sentence').textContent"))
        self.assertEqual(self.level(browser), "unhealthy")
        broken.unlink()
        # By keyboard alone: the button, the confirmation, a wrong token, the right one.
        focus = "document.querySelector('[data-key=\"restart service web\"]').focus(); return document.activeElement.textContent"
        self.assertEqual(browser.run(focus), "Restart")
        browser.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [
            {"type": "keyDown", "value": "\ue007"}, {"type": "keyUp", "value": "\ue007"}]}]})  # Enter
        self.reads(browser, "Restart web?")
        browser.run("document.getElementById('ask-yes').click()")
        self.reads(browser, "Your token")
        for token, then in (("wrong", "That token is wrong"), ("a-long-token", "web is being restarted")):
            browser.run(f"document.getElementById('token').value = '{token}'; document.getElementById('ask-yes').click()")
            self.reads(browser, then)
        self.wait_state("web", "ready")
        self.wait("it is well again", lambda: browser.run("return document.getElementById('wrong').hidden"))
        self.assertEqual([error for error in browser.console() if "401" not in error], [])
        origins = browser.run("return performance.getEntriesByType('resource').map(e => new URL(e.name).origin)")
        self.assertEqual(set(origins), {self.url("hub", "").rstrip("/")})

    def test_a_lost_connection(self):
        self.start_stack({"web": {"command": ["sleep", "1000"]}})
        browser = self.open_page()
        self.reads(browser, "services run")
        self.holdfast("stop", "hub")
        self.reads(browser, "Connection lost")
        self.reads(browser, "What you see is from")
        self.assertEqual(self.level(browser), "unknown")
        self.holdfast("start", "hub")
        self.reads(browser, "services run", seconds=30)

    def test_text_stays_text(self):
        self.start_stack({"web": {"command": ["sleep", "1000"]}})
        self.post(self.url("hub", "/v1/alerts"), {"text": BAD, "priority": "CRITICAL", "service": BAD}, headers=BEARER)
        harness.http("POST", self.url("hub", "/v1/monitors/%3Cimg%20src=x%20onerror=%22window.broken=1%22%3E/beat"),
                     {"status": "critical", "message": BAD}, headers=BEARER)
        browser = self.open_page()
        self.reads(browser, BAD)
        time.sleep(1)
        self.assertIsNone(browser.run("return window.broken ?? null"))
        self.assertEqual(browser.run("return document.querySelectorAll('img').length"), 0)

    def test_a_phone_and_another_language(self):
        self.start_stack({"web": {"command": ["sleep", "1000"]}, "prices": {"command": ["sleep", "1000"]}})
        browser = self.open_page(360, 740, dark=True)
        self.reads(browser, "services run")
        wide = browser.run("return document.documentElement.scrollWidth")
        self.assertLessEqual(wide, 360)
        browser.run("document.getElementById('language').click()")
        self.reads(browser, "dịch vụ đang chạy")
        self.assertEqual(browser.run("return document.documentElement.lang"), "vi")
        self.assertLessEqual(browser.run("return document.documentElement.scrollWidth"), 360)

    def test_two_hundred_services(self):
        services = {f"worker-{number:03}": {"command": ["sleep", "1000"]} for number in range(199)}
        services["worker-150"] = {"command": ["sh", "-c", "exit 78"]}
        self.start_stack(services)
        self.wait_state("worker-150", "failed")
        browser = self.open_page()
        self.reads(browser, "Show all 200")
        self.reads(browser, "worker-150 has failed")
        first = browser.run("return document.querySelector('#service-list b').textContent")
        self.assertEqual(first, "worker-150")  # the ill one first
        browser.run("const f = document.getElementById('filter'); f.value = '042'; f.dispatchEvent(new Event('input'))")
        self.assertEqual(browser.run("return [...document.querySelectorAll('#service-list b')].map(e => e.textContent)"),
                         ["worker-042"])

    def test_a_newcomer(self):
        self.start_stack({})
        browser = self.open_page()
        self.reads(browser, "No services yet")
        self.reads(browser, "holdfast.yaml")


if __name__ == "__main__":
    unittest.main()
