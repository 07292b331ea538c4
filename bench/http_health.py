# SPDX-License-Identifier: Apache-2.0
"""GET /health of the hub beside nginx serving a static file of the same size and Flask on Waitress.

One thread each; load: wrk, 1 thread, 32 connections kept alive."""
import re

import tools

ROUNDS, SECONDS = 5, 3
BARS = {"nginx": 1.0, "Flask": 30.0}
WHY = "peers and load of the http measurement"

NGINX = """{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=10;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5; default_type application/json;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
"""
FLASK = """import flask, waitress
app = flask.Flask("bench")
with open("www/health", "rb") as file:
    BODY = file.read()

@app.get("/health")
def health():
    return flask.Response(BODY, mimetype="application/json")

waitress.serve(app, host="127.0.0.1", port={port}, threads=1)
"""
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


def load(port, seconds=SECONDS):
    out = tools.run(["wrk", "-t1", "-c32", f"-d{seconds}",
                     f"http://127.0.0.1:{port}/health"])
    if "Non-2xx" in out or "Socket errors" in out:
        tools.stop(f"errors under load on port {port}:\n{out}")
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", out).group(1))


def start_all(bench):
    """name -> (port, id of the process that serves)."""
    ports = {name: tools.free_port() for name in ("hub", "sim", "nginx", "Flask")}
    anchor = bench.up(CONFIG.format(hub=ports["hub"], sim=ports["sim"], token=tools.TOKEN,
                                    program=tools.program("holdfast-sim")))
    body = tools.wait_for(ports["hub"], "/health")
    tools.os.mkdir(bench.path("www"))
    bench.write("www/health", body.decode())
    user = "" if tools.os.geteuid() else "user root;"  # else its worker may not read the folder
    nginx = bench.start(["nginx", "-p", bench.folder, "-c", bench.write(
        "nginx.conf", NGINX.format(user=user, folder=bench.folder, port=ports["nginx"]))])
    flask = bench.start(["/usr/bin/python3", bench.write(
        "flask_app.py", FLASK.format(port=ports["Flask"]))])
    for name in ("nginx", "Flask"):
        if tools.wait_for(ports[name], "/health") != body:
            tools.stop(f"{name} does not answer with the same body")
    hub = next(p for p in tools.children(anchor) if tools.name_of(p).startswith("holdfast-hub"))
    worker = next(p for p in tools.children(nginx.pid) if p != nginx.pid)
    tools.say(f"/health is {len(body)} bytes; {ROUNDS} rounds of {SECONDS} s each, in turns")
    return {"ours": (ports["hub"], hub), "nginx": (ports["nginx"], worker),
            "Flask": (ports["Flask"], flask.pid)}


def measure():
    nginx = [] if tools.shutil.which("nginx") else ["nginx-light"]
    tools.packages(WHY, *nginx, "python3-flask", "python3-waitress", "wrk")
    tools.build("src/holdfast", "src/holdfast-anchor", "src/holdfast-keeper", "src/holdfast-hub",
                "src/holdfast-sim")
    rates, costs = {}, {}
    with tools.Bench() as bench:
        servers = start_all(bench)
        for port, _ in servers.values():
            load(port, 1)
        for _ in range(ROUNDS):
            for name, (port, pid) in servers.items():
                before = tools.cpu_seconds(pid)
                rate = load(port)
                rates.setdefault(name, []).append(rate)
                costs.setdefault(name, []).append(
                    (tools.cpu_seconds(pid) - before) / (rate * SECONDS) * 1e6)
    return report({n: tools.median(r) for n, r in rates.items()},
                  {n: tools.median(c) for n, c in costs.items()})


def report(rate, cost):
    table = tools.Table()
    for name, bar in BARS.items():
        ratio = rate["ours"] / rate[name]
        table.add("GET /health, requests/s", f"{rate['ours']:,.0f}", f"{rate[name]:,.0f}",
                  "nginx, static file" if name == "nginx" else "Flask on Waitress", f"{ratio:.2f}",
                  f">= {bar:.1f} x", ratio >= bar)
    table.add("CPU of the server a request, us", f"{cost['ours']:.1f}", f"{cost['nginx']:.1f}",
              "nginx, static file", f"{cost['ours'] / cost['nginx']:.2f}", "-", None)
    return table.show()

