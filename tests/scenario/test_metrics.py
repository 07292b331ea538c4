# SPDX-License-Identifier: Apache-2.0
"""/metrics, and what is shipped for it (rules, dashboard), with Prometheus itself: its promtool judges the
text and the rules, and a server of it reads a hub while things break."""

import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import unittest
import urllib.parse

import harness
from test_alerts import BEARER
from test_gateway import TOKEN, HubCase

PACKAGING = harness.ROOT / "packaging"
RULES = PACKAGING / "prometheus" / "holdfast.rules.yml"
DASHBOARD = PACKAGING / "grafana" / "holdfast.json"
# What Prometheus makes itself.
OF_PROMETHEUS = {"up", "ALERTS"}
SAMPLE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def promtool(*words, stdin=None):
    """What it prints, when it is content."""
    done = subprocess.run(["promtool", *map(str, words)], input=stdin, capture_output=True, text=True,
                          timeout=60, check=False)
    if done.returncode:
        raise AssertionError(f"promtool {words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Metrics(dict):
    """Values by (name, labels as a sorted tuple of pairs)."""

    def __init__(self, text):
        super().__init__()
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        for line in text.splitlines():
            if not line.startswith("#"):
                match = SAMPLE.match(line)
                assert match, line
                labels = [(name, re.sub(r"\\.", lambda found: ESCAPES[found[0]], value))
                          for name, value in LABEL.findall(match[2] or "")]
                key = (match[1], tuple(sorted(labels)))
                assert key not in self, line
                self[key] = float(match[3])

    def value(self, name, **labels):
        """None: there is no such sample."""
        return self.get((name, tuple(sorted(labels.items()))))

    def chosen(self, name, label, **labels):
        """Which word of a choice is 1; all others must be 0 or absent."""
        mine = {dict(key[1])[label]: value for key, value in self.items()
                if key[0] == name and labels.items() <= dict(key[1]).items()}
        ones = [word for word, value in mine.items() if value == 1]
        assert len(ones) == 1 and set(mine.values()) <= {0, 1}, mine
        return ones[0]

    def names(self):
        return {name for name, _ in self}


class MetricsCase(HubCase):
    def scrape(self):
        answer = self.get(self.hub_url("/metrics"))
        self.assertEqual(answer.status, 200, answer)
        return Metrics(answer.text)


class TextTests(MetricsCase):
    def test_promtool_finds_nothing_to_say(self):
        self.start_both()
        self.updates()
        answer = self.get(self.hub_url("/metrics"))
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(promtool("check", "metrics", stdin=answer.text), "")
        heads = re.findall(r"^# (HELP|TYPE) (\S+)", answer.text, re.M)
        self.assertEqual(len(heads), len(set(heads)))
        head = harness.http("HEAD", self.hub_url("/metrics"))
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["Content-Type"], answer.headers["Content-Type"])
        self.assertEqual(self.post(self.hub_url("/metrics")).status, 405)

    def test_what_is_not_known_has_no_sample(self):
        self.start_both()
        metrics = self.scrape()
        for name in ("holdfast_bot_last_poll_timestamp_seconds", "holdfast_bot_oldest_unconfirmed_seconds",
                     "holdfast_heartbeat_failing", "holdfast_services_known", "holdfast_service_status",
                     "holdfast_alerts_oldest_waiting_seconds", "holdfast_alerts_last_delivered_timestamp_seconds"):
            self.assertNotIn(name, metrics.names() | set(metrics.types))
        self.assertEqual(metrics.value("holdfast_bot_read", bot="main"), 0)
        self.assertEqual(metrics.value("holdfast_bot_updates_total", bot="main"), 0)  # that is counted

    def test_figures_are_those_of_health(self):
        self.start_both()
        self.updates()
        for text in ("one", "two", "three"):
            said = self.say(text)["update_id"]
        self.wait("all came", lambda: len(self.updates(timeout=1)) == 3)
        self.updates(offset=said)  # two are confirmed
        self.call("sendMessage", chat_id=42, text="hello")
        self.assertEqual(self.call("sendMessage", chat_id="no such", text="x").status, 400)
        self.fault("delay", method="sendMessage", ms=200)
        sent = self.post(self.hub_url("/v1/alerts"), {"priority": "HIGH", "text": "x"}, headers=BEARER)
        self.assertEqual(sent.status, 202, sent)

        def delivered():
            self.seen = self.scrape()
            return self.seen.value("holdfast_alerts_delivered_total") == 1

        self.wait("the alert is delivered", delivered)
        metrics, health = self.seen, self.get(self.hub_url("/health")).json
        bot = health["bots"]["main"]
        names = ("updates", "duplicates", "errors", "sends", "sends_429", "sends_failed")
        self.assertEqual({name: metrics.value(f"holdfast_bot_{name}_total", bot="main") for name in names},
                         {name: bot[name] for name in names})
        self.assertGreaterEqual(bot["sends"], 2)
        self.assertEqual(metrics.value("holdfast_bot_updates_held", bot="main"), 1)
        mine = {"bot": "main", "consumer": "default"}
        self.assertEqual(metrics.value("holdfast_consumer_updates_confirmed_total", **mine), 2)
        self.assertEqual(metrics.value("holdfast_consumer_updates_waiting", **mine), 1)
        for name in ("consumer_last_poll", "bot_last_poll", "bot_last_update"):
            labels = mine if name.startswith("consumer") else {"bot": "main"}
            moment = metrics.value(f"holdfast_{name}_timestamp_seconds", **labels)
            self.assertLess(abs(time.time() - moment), harness.PATIENCE_SECONDS, name)
        self.assertEqual(metrics.chosen("holdfast_bot_status", "status", bot="main"), bot["status"])
        self.assertEqual(metrics.chosen("holdfast_health_status", "status", part="all"), health["status"])
        self.assertEqual(metrics.value("holdfast_alerts_accepted_total"), 1)
        self.assertEqual(metrics.value("holdfast_alerts_delivery_seconds_count", priority="HIGH"), 1)
        took = metrics.value("holdfast_alerts_delivery_seconds_sum", priority="HIGH")
        self.assertTrue(0.2 <= took < harness.PATIENCE_SECONDS, took)
        self.assertEqual(metrics.value("holdfast_alerts_waiting", way="telegram", priority="HIGH"), 0)
        self.assertEqual(metrics.chosen("holdfast_alerts_breaker_state", "state", way="telegram"), "closed")
        self.assertGreaterEqual(metrics.value("holdfast_store_records_total"), 4)

    def test_the_process_is_the_hub(self):
        _, hub = self.start_both()
        hold = [socket.create_connection(("127.0.0.1", self.port("hub"))) for _ in range(20)]
        self.wait("they are open", lambda: len(os.listdir(f"/proc/{hub.pid}/fd")) > 20)
        metrics = self.scrape()
        proc = pathlib.Path(f"/proc/{hub.pid}")
        self.assertLess(abs(metrics.value("process_open_fds") - len(os.listdir(proc / "fd"))), 3)
        for connection in hold:
            connection.close()
        pages = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        self.assertLess(abs(metrics.value("process_resident_memory_bytes") / pages - 1), 0.2)
        booted = int(re.search(r"^btime (\d+)", pathlib.Path("/proc/stat").read_text(), re.M)[1])
        since = booted + harness.started(hub.pid) / os.sysconf("SC_CLK_TCK")
        started = metrics.value("process_start_time_seconds")
        self.assertLess(abs(started - since), 2)
        self.assertLess(metrics.value("process_cpu_seconds_total"), time.time() - started + 5)
        self.assertGreater(metrics.value("process_cpu_seconds_total"), 0)
        self.assertEqual(self.scrape().value("process_start_time_seconds"), started)

    def test_times_of_answers(self):
        self.start_both()
        count = "holdfast_http_request_duration_seconds_count"
        before = self.scrape()
        for _ in range(3):
            self.get(self.hub_url("/health"))
        self.get(self.hub_url("/no-such-path"))
        self.updates(timeout=1)  # waits on purpose
        self.fault("delay", method="sendMessage", ms=400)
        self.assertEqual(self.call("sendMessage", chat_id=42, text="slow").status, 200)
        metrics = self.scrape()
        grown = {route: metrics.value(count, route=route) - before.value(count, route=route)
                 for route in ("health", "other", "telegram", "metrics", "alerts")}
        self.assertEqual(grown, {"health": 3, "other": 1, "telegram": 1, "metrics": 1, "alerts": 0})
        bucket = {bound: metrics.value("holdfast_http_request_duration_seconds_bucket", route="telegram", le=bound)
                  for bound in ("0.3", "10", "+Inf")}
        self.assertEqual(bucket, {"0.3": 0, "10": 1, "+Inf": 1})
        self.assertGreater(metrics.value("holdfast_http_request_duration_seconds_sum", route="telegram"), 0.4)


class KeeperSocket:
    """Stands for a keeper: answers `status` with these services."""

    def __init__(self, path, services):
        self.services = services
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rwb") as lines:
            for line in lines:
                asked = json.loads(line)
                if asked["do"] == "status":
                    answer = {"id": asked["id"], "ok": True, "result": {"services": self.services}}
                    lines.write(json.dumps(answer).encode() + b"\n")
                    lines.flush()


class ServiceTests(MetricsCase):
    def start_with(self, reported, **more):
        self.run_folder.mkdir()
        keeper = KeeperSocket(self.run_folder / "control.sock", reported)
        self.addCleanup(keeper.server.close)
        self.start_both(**more)
        self.wait("services are known", lambda: self.scrape().value("holdfast_services_known"))

    def test_names_from_hell(self):
        names = ['quote"d', "back\\slash", "two\nlines", '"} 1\nfalse_total{x="', "тест", "\\n", "{},=# ", "\t\x01"]
        self.start_with([{"name": name, "state": "ready", "health": "healthy", "critical": number % 2 == 0,
                          "restarts": number} for number, name in enumerate(names)])
        answer = self.get(self.hub_url("/metrics"))
        self.assertEqual(promtool("check", "metrics", stdin=answer.text), "")
        metrics = Metrics(answer.text)
        self.assertNotIn("false_total", metrics.names())
        for number, name in enumerate(names):
            self.assertEqual(metrics.value("holdfast_service_restarts_total", service=name), number)
            self.assertEqual(metrics.value("holdfast_service_critical", service=name), number % 2 == 0)
            self.assertEqual(metrics.chosen("holdfast_service_status", "status", service=name), "healthy")

    def test_unknown_is_not_healthy(self):
        self.start_with([{"name": "seen", "state": "ready", "health": "healthy"},
                         {"name": "unseen", "state": "ready", "health": "unknown"},
                         {"name": "ill", "state": "ready", "health": "unhealthy"},
                         {"name": "dead", "state": "failed", "health": "unknown", "critical": True}])
        metrics = self.scrape()
        self.assertEqual([metrics.chosen("holdfast_service_status", "status", service=name)
                          for name in ("seen", "unseen", "ill", "dead")],
                         ["healthy", "unknown", "degraded", "unhealthy"])
        self.assertEqual([metrics.chosen("holdfast_service_health", "health", service=name)
                          for name in ("seen", "unseen", "ill", "dead")],
                         ["healthy", "unknown", "unhealthy", "unknown"])
        self.assertEqual(metrics.chosen("holdfast_service_state", "state", service="dead"), "failed")

    def test_two_hundred_services_are_read_in_a_moment(self):
        self.start_with([{"name": f"service-{i}", "state": "ready", "health": "healthy", "restarts": i}
                         for i in range(200)])
        name, route = "holdfast_http_request_duration_seconds", {"route": "metrics"}
        before, took = self.scrape(), []
        for _ in range(20):
            after = self.scrape()
            took.append(after.value(f"{name}_sum", **route) - before.value(f"{name}_sum", **route))
            before = after
        self.assertEqual(after.value("holdfast_service_restarts_total", service="service-199"), 199)
        # With sanitizers and on a busy machine; without, it is 3 ms.
        self.assertLess(sorted(took)[2], 0.1)

    def test_every_family_is_told_in_the_docs(self):
        services = {"a": {"command": "true"}}
        self.start_with([{"name": "a", "state": "ready", "health": "healthy"}], services=services,
                        heartbeat={"url": self.url("sim", "/ping"), "every": "1s"},
                        alerts={"bot": "main", "chat": 42, "also": {"hook": {"webhook": self.url("sim", "/ping")}}})
        self.updates()
        self.say("one")
        self.wait("it came", lambda: self.updates(timeout=1))
        self.call("sendMessage", chat_id=42, text="hello")
        self.post(self.hub_url("/v1/alerts"), {"priority": "HIGH", "text": "x"}, headers=BEARER)
        self.wait("it is delivered", lambda: self.scrape().value("holdfast_alerts_delivered_total") == 1)
        self.fault("5xx", "sendMessage", count=0)
        self.post(self.hub_url("/v1/alerts"), {"priority": "HIGH", "text": "y"}, headers=BEARER)
        told = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", (harness.ROOT / "docs/metrics.md").read_text(), re.M))
        seen = {}

        def all_seen():
            seen.update(self.scrape().types)
            return set(told) <= set(seen)

        try:
            self.wait("all families of the docs are exported", all_seen)
        finally:
            self.assertEqual(seen, told)


def expressions(dashboard):
    """(panel, expression) with the variables as Grafana fills them in."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "5s").replace("$instance", ".*")
            assert "$" not in expression, expression
            yield panel["title"], expression


def names_in(expression):
    """Metrics that an expression asks for."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)|\[\w+\]|\{[^}]*\}", "", bare)
    return set(re.findall(r"\b(?:holdfast|process|go|node)_\w+|\bup\b|\bALERTS\b", bare))


class ShippedTests(unittest.TestCase):
    def test_promtool_accepts_what_is_shipped(self):
        self.assertIn("SUCCESS", promtool("check", "config", PACKAGING / "prometheus" / "prometheus.example.yml"))
        self.assertIn("SUCCESS", promtool("check", "rules", RULES))

    def test_every_alert_fires_when_it_should_and_then_only(self):
        tests = PACKAGING / "prometheus" / "tests.yml"
        self.assertIn("SUCCESS", promtool("test", "rules", tests))
        alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
        self.assertGreater(len(alerts), 20)
        for alert in alerts:
            self.assertIn(f'ALERTS{{alertname="{alert}"', tests.read_text())
            self.assertIn(f"name: {alert}, all is well", tests.read_text())

    def test_every_alert_says_what_to_do(self):
        for rule in re.split(r"\n      - ", RULES.read_text())[1:]:
            if rule.startswith("alert:"):
                for word in ("severity:", "summary:", "description:"):
                    self.assertIn(word, rule)

    def test_only_what_is_exported_is_asked_for(self):
        told = set(re.findall(r"^\| `(\w+)` \|", (harness.ROOT / "docs/metrics.md").read_text(), re.M))
        told |= {f"holdfast_http_request_duration_seconds_{part}" for part in ("bucket", "count", "sum")}
        told |= {f"holdfast_alerts_delivery_seconds_{part}" for part in ("count", "sum")} | OF_PROMETHEUS
        texts = [text for _, text in expressions(json.loads(DASHBOARD.read_text()))]
        rules = re.sub(r"^ *#.*$|^ *(summary|description): .*(\n {12}.*)*", "", RULES.read_text(), flags=re.M)
        for text in [*texts, rules]:
            self.assertTrue(names_in(text), text)
            self.assertEqual(names_in(text) - told, set(), text)

    def test_the_dashboard_is_one(self):
        dashboard = json.loads(DASHBOARD.read_text())
        self.assertGreaterEqual(dashboard["schemaVersion"], 36)
        source = dashboard["templating"]["list"][0]
        self.assertEqual((source["name"], source["type"]), ("datasource", "datasource"))
        panels = dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken = set()
        for panel in panels:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, f"{panel['title']} covers another panel")
            taken |= cells
            if panel["type"] != "row":
                self.assertEqual(panel["datasource"]["uid"], "${datasource}")


class PrometheusTests(MetricsCase):
    """The rules as they are shipped, but for how long a thing must last."""

    def start_prometheus(self):
        rules = self.folder / "rules.yml"
        text, count = re.subn(r"^( +for:) \w+$", r"\1 1s", RULES.read_text(), flags=re.M)
        self.assertGreater(count, 15)
        rules.write_text(text)
        config = self.folder / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "holdfast", "static_configs": [
                {"targets": [f"127.0.0.1:{self.port('hub')}"]}]}]}))
        self.start("/usr/bin/prometheus", "--config.file", config, "--storage.tsdb.path", self.folder / "tsdb",
                   "--web.listen-address", f"127.0.0.1:{self.port('prometheus')}", "--log.level", "warn",
                   env={"GOMAXPROCS": "1"})
        self.wait_http(self.url("prometheus", "/-/ready"))

    def ask(self, path, **parameters):
        answer = self.get(self.url("prometheus", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json["data"]

    def query(self, text):
        return self.ask("query", query=text)["result"]

    def firing(self):
        return {(alert["labels"]["alertname"], alert["labels"].get("service") or alert["labels"].get("bot"))
                for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}

    def test_alerts_fire_and_resolve_and_the_dashboard_has_data(self):
        began = time.time()
        broken = self.folder / "broken"
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.up({"data": str(self.folder / "data"),
                 "http": {"listen": f"127.0.0.1:{self.port('hub')}", "token": "a-long-token"},
                 "bots": {"main": {"token": TOKEN, "api_url": self.url("sim", "")}},
                 "alerts": {"bot": "main", "chat": 42},
                 "services": {"steady": {"command": "sleep 1000"},
                              "b": {"command": ["sh", "-c", f"test -e {broken} && exit 1; exec sleep 1000"],
                                    "restart": {"delay": "100ms", "max": 2}}}})
        self.wait_ready("steady", "b")
        self.start_prometheus()
        self.updates(timeout=1)
        said = self.say("one")["update_id"]
        self.wait("the update comes", lambda: self.updates(timeout=1))
        up = 'up{job="holdfast"} == 1'
        self.wait("Prometheus reads the hub", lambda: self.query(up))
        self.wait("the service is seen ready", lambda: self.query('holdfast:service_up{service="b"} == 1'))
        self.wait("all is well", lambda: self.firing() == set())  # before the first scrape it was absent

        broken.touch()
        os.kill(self.service("b")["pid"], 9)
        self.wait_state("b", "failed")
        self.fault("5xx", "getUpdates", count=0)
        self.updates(offset=said + 1)
        failed, ill = ("HoldfastServiceFailed", "b"), ("HoldfastBotIll", "main")
        self.wait("both alerts fire", lambda: {failed, ill} <= self.firing())
        self.assertNotIn(("HoldfastServiceFailed", "steady"), self.firing())
        self.assertEqual(self.query('holdfast:service_up{service="b"}')[0]["value"][1], "0")

        broken.unlink()
        self.no_faults()
        self.holdfast("restart", "b")
        self.wait("the alert of the service ends", lambda: failed not in self.firing())
        self.wait("it counts as up again", lambda: self.query('holdfast:service_up{service="b"} == 1'))

        self.wait("and so does that of the bot", lambda: ill not in self.firing())

        delivered = "increase(holdfast_alerts_delivery_seconds_count[1h]) > 0"
        self.wait("the failed service was told in the chat", lambda: self.query(delivered))
        for group in self.ask("rules")["groups"]:
            for rule in group["rules"]:
                self.assertEqual((rule["health"], rule.get("lastError")), ("ok", None), rule["name"])
        self.check_dashboard(began)

    def check_dashboard(self, began):
        empty = []
        for title, text in expressions(json.loads(DASHBOARD.read_text())):
            data = self.ask("query_range", query=text, start=began, end=time.time(), step=1)
            numbers = [float(point[1]) for series in data["result"] for point in series["values"]]
            if not any(number == number for number in numbers):
                empty.append(title)
        self.assertEqual(empty, [])


if __name__ == "__main__":
    unittest.main()
