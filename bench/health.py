# SPDX-License-Identifier: Apache-2.0
"""The hub as the one who is asked how things are: GET /health with 200 services and 50 monitors beside
nginx's static file and Flask on Waitress; while every service hangs and the store is busy; 1,000
listeners; 100,000 monitors; the first view of the dashboard."""
import json
import re
import selectors
import socket
import statistics
import sys
import threading
import time

import http_health
import tools

SERVICES, MONITORS, LISTENERS, MANY, EVERY_S = 200, 50, 1000, 100_000, 30
CONFIG = """name: bench
data: data
http: {{listen: "127.0.0.1:{hub}"}}
bots:
  main: {{token: "{token}", api_url: "http://127.0.0.1:{sim}"}}
services:
  sim:
    command: {program} --port {sim} --bot {token}=bench_bot
    ready: {{notify: true}}
"""


def memory_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"Pss:\s+(\d+)", file.read()).group(1)) / 1024


def post(connection, path, body="{}"):
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    if answer.status >= 300:
        tools.stop(f"POST {path}: {answer.status}")


def hub_of(anchor):
    return next(p for p in tools.children(anchor) if tools.name_of(p).startswith("holdfast-hub"))


class Stack:
    """Hub and keeper with 200 services and 50 monitors, nginx and Flask beside them."""

    def __init__(self, bench):
        self.ports = {name: tools.free_port() for name in ("hub", "sim", "nginx", "Flask")}
        workers = "".join(f"  worker-{n:03}: {{command: sleep 100000}}\n" for n in range(SERVICES))
        self.anchor = bench.up(CONFIG.format(hub=self.ports["hub"], sim=self.ports["sim"], token=tools.TOKEN,
                                             program=tools.program("holdfast-sim")) + workers)
        tools.wait_for(self.ports["hub"], "/health")
        self.hub = hub_of(self.anchor)
        self.link = tools.http.client.HTTPConnection("127.0.0.1", self.ports["hub"], timeout=20)
        for number in range(MONITORS):
            post(self.link, f"/v1/monitors/monitor-{number}/beat")
        time.sleep(2)
        tools.os.mkdir(bench.path("www"))
        body = tools.wait_for(self.ports["hub"], "/health")
        bench.write("www/health", body.decode())
        user = "" if tools.os.geteuid() else "user root;"
        bench.start(["nginx", "-p", bench.folder, "-c", bench.write("nginx.conf", http_health.NGINX.format(
            user=user, folder=bench.folder, port=self.ports["nginx"]))])
        bench.start(["/usr/bin/python3", bench.write("flask_app.py", http_health.FLASK.format(
            port=self.ports["Flask"]))])
        for name in ("nginx", "Flask"):
            tools.wait_for(self.ports[name], "/health")
        tools.say(f"/health is {len(body)} bytes with {SERVICES} services and {MONITORS} monitors")


def rates(stack, table):
    names = {"ours": "hub", "nginx": "nginx", "Flask": "Flask"}
    found = {name: [] for name in names}
    for _ in range(3):
        for name, port in names.items():
            found[name].append(http_health.load(stack.ports[port]))
    rate = {name: statistics.median(list_) for name, list_ in found.items()}
    for peer, bar, words in (("nginx", 0.8, "nginx, static file"), ("Flask", 25, "Flask on Waitress")):
        ratio = rate["ours"] / rate[peer]
        table.add("GET /health, requests/s", f"{rate['ours']:,.0f}", f"{rate[peer]:,.0f}", words, f"{ratio:.2f}",
                  f">= {bar} x", ratio >= bar)


def while_all_hangs(stack, table):
    """Every service stands still, alerts are written without a pause."""
    workers = [p for p in tools.children(stack.anchor) if tools.name_of(p) == "sleep"]
    for pid in workers:
        tools.os.kill(pid, 19)
    stop = threading.Event()

    def write():
        link = tools.http.client.HTTPConnection("127.0.0.1", stack.ports["hub"], timeout=20)
        alerts = json.dumps([{"text": f"alert {n}", "priority": "HIGH"} for n in range(20)])
        while not stop.is_set():
            post(link, "/v1/alerts", alerts)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    link, took = tools.http.client.HTTPConnection("127.0.0.1", stack.ports["hub"], timeout=20), []
    for _ in range(2000):
        begun = time.monotonic()
        link.request("GET", "/health")
        link.getresponse().read()
        took.append((time.monotonic() - begun) * 1000)
        time.sleep(0.001)
    stop.set()
    writer.join()
    for pid in workers:
        tools.os.kill(pid, 18)
    p99 = sorted(took)[len(took) * 99 // 100]
    table.add(f"/health while {len(workers)} services hang and the store is busy, p99 ms", f"{p99:.1f}", "-", "-", "-",
              "<= 20", p99 <= 20)


def listeners(stack, table):
    """An event is a monitor that falls ill; each of 1,000 is to hear of it."""
    before = memory_mb(stack.hub)
    selector, peers = selectors.DefaultSelector(), []
    for _ in range(LISTENERS):
        peer = socket.create_connection(("127.0.0.1", stack.ports["hub"]))
        peer.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        peer.setblocking(False)
        selector.register(peer, selectors.EVENT_READ, {"seen": b""})
        peers.append(peer)

    def read(seconds, wanted=None, heard=None):
        end = time.monotonic() + seconds
        while time.monotonic() < end and (heard is None or len(heard) < LISTENERS):
            for key, _ in selector.select(0.05):
                data = key.fileobj.recv(1 << 18)
                tail = key.data["seen"][-200:] + data
                key.data["seen"] = tail[-400:]
                if wanted and wanted in tail and key.fd not in heard:
                    heard[key.fd] = time.monotonic()

    read(3)
    after = memory_mb(stack.hub)
    delays = []
    for number in range(10):
        name, heard = f"event-{number}", {}
        begun = time.monotonic()
        post(stack.link, f"/v1/monitors/{name}/beat/fail")
        read(5, f'"{name}"'.encode(), heard)
        if len(heard) < LISTENERS:
            tools.stop(f"{LISTENERS - len(heard)} listeners did not hear of an event")
        delays += [(at - begun) * 1000 for at in heard.values()]
    for peer in peers:
        selector.unregister(peer)
        peer.close()
    p99 = sorted(delays)[len(delays) * 99 // 100]
    table.add("1,000 listeners: memory more, MB", f"{after - before:.1f}", "-", "-", "-", "<= 16", after - before <= 16)
    table.add("an event to 1,000 listeners, p99 ms", f"{p99:.0f}", "-", "-", "-", "<= 50", p99 <= 50)


def many_monitors(table):
    """100,000 monitors, each beating every 30 s, evenly; the sender only writes and drains."""
    with tools.Bench() as bench:
        hub = tools.free_port()
        config = bench.write("holdfast.yaml", f'name: bench\ndata: data\nhttp: {{listen: "127.0.0.1:{hub}"}}\n')
        tools.os.mkdir(bench.path("run"))
        process = bench.start([tools.program("holdfast-hub"), "--config", config, "--run", bench.path("run")])
        tools.wait_for(hub, "/ping")
        link = socket.create_connection(("127.0.0.1", hub))
        threading.Thread(target=lambda: [None for _ in iter(lambda: link.recv(1 << 20), b"")], daemon=True).start()
        body = b'{"memory":20000000,"response_ms":12,"connected":true}'

        def round_of_beats():
            begun, slice_ = time.monotonic(), 200
            for at in range(0, MANY, slice_):
                link.sendall(b"".join(
                    b"POST /v1/monitors/monitor-%d/beat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (n, len(body), body) for n in range(at, at + slice_)))
                wait = begun + EVERY_S * (at + slice_) / MANY - time.monotonic()
                time.sleep(max(wait, 0))

        round_of_beats()
        cpu, begun = tools.cpu_seconds(process.pid), time.monotonic()
        round_of_beats()
        used = (tools.cpu_seconds(process.pid) - cpu) / (time.monotonic() - begun) * 100
        memory = memory_mb(process.pid)
        link.close()
    table.add("100,000 monitors every 30 s: CPU, percent", f"{used:.1f}", "-", "-", "-", "<= 5", used <= 5)
    table.add("100,000 monitors: memory, MB", f"{memory:.0f}", "-", "-", "-", "<= 100", memory <= 100)


def first_view(stack, table):
    sys.path.insert(0, tools.os.path.join(tools.os.path.dirname(tools.os.path.dirname(
        tools.os.path.abspath(__file__))), "tests", "scenario"))
    from browser import Browser
    browser = Browser(390, 844)
    times = []
    try:
        for _ in range(5):
            browser.devtools("Network.clearBrowserCache", {})
            begun = time.monotonic()
            browser.open(f"http://127.0.0.1:{stack.ports['hub']}/")
            browser.wait(lambda: browser.run("return !document.getElementById('services').hidden"), "no services")
            times.append((time.monotonic() - begun) * 1000)
        entries = browser.run("return performance.getEntriesByType('resource').concat(performance.getEntriesByType("
                              "'navigation')).map(e => [new URL(e.name).pathname, e.transferSize])")
    finally:
        browser.close()
    files = [size for path, size in entries if not path.startswith("/v1/")]
    table.add("first view: kB of files, compressed", f"{sum(files) / 1000:.0f}", "-", "-", "-", "<= 150",
              sum(files) <= 150_000)
    table.add("first view: requests", str(len(entries)), "-", "-", "-", "-", None)
    table.add("first view with 200 services: time to data, ms", f"{statistics.median(times):.0f}", "-", "-", "-",
              "<= 500", statistics.median(times) <= 500)


def measure():
    nginx = [] if tools.shutil.which("nginx") else ["nginx-light"]
    tools.packages("peers and load of the health measurement", *nginx, "python3-flask", "python3-waitress", "wrk",
                   "chromium", "chromium-driver")
    tools.build("src/holdfast", "src/holdfast-anchor", "src/holdfast-keeper", "src/holdfast-hub",
                "src/holdfast-sim")
    table = tools.Table()
    with tools.Bench() as bench:
        stack = Stack(bench)
        rates(stack, table)
        while_all_hangs(stack, table)
        first_view(stack, table)
        listeners(stack, table)
    many_monitors(table)
    return table.show()
