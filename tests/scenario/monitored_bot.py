# SPDX-License-Identifier: Apache-2.0
"""A bot with a monitor: it beats to the hub, does what the hub asks for, and writes down what is so.

    monitored_bot.py HUB_URL MONITOR STATE_FILE [FEED_PORT]

STATE_FILE is read too: {"leak": true} lets its cache grow, {"feed": "stuck"} lets its data stand
still, {"broken": true} makes each beat a failure."""

import json
import os
import pathlib
import socket
import sys
import time
import urllib.parse
import urllib.request

hub, name, state_file = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
feed_port = int(sys.argv[4]) if len(sys.argv) > 4 else 0
cache, feed, refreshed, actions = [], None, 0, []
wishes_file = state_file.with_suffix(".wishes")


def connect():
    try:
        return socket.create_connection(("127.0.0.1", feed_port), timeout=2)
    except OSError:
        return None


def connected():
    if not feed_port:
        return True
    try:
        feed.setblocking(False)
        return feed.recv(1) != b""
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        return False


def beat(**figures):
    body = json.dumps(figures).encode()
    path = urllib.parse.quote(name, safe="")
    request = urllib.request.Request(f"{hub}/v1/monitors/{path}/beat", body, method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read())["action"]


feed = connect() if feed_port else None
while True:
    try:
        wishes = json.loads(wishes_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        wishes = {}
    if wishes.get("leak"):
        cache.append(bytes(1 << 20))
    stuck = wishes.get("feed") == "stuck" and refreshed == 0
    try:
        action = beat(status="fail" if wishes.get("broken") else "ok", memory=len(cache) << 20,
                      connected=connected(), sync=not stuck)
    except OSError:
        action = None
    if action:
        actions.append(action)
    if action == "CLEAR_CACHE":
        cache.clear()
    elif action == "RECONNECT_SERVICES":
        feed = connect()
    elif action == "FORCE_REFRESH":
        refreshed += 1
    told = state_file.with_suffix(".new")
    told.write_text(json.dumps({"pid": os.getpid(), "cache_mib": len(cache), "refreshed": refreshed,
                                "actions": actions, "connected": connected()}), encoding="utf-8")
    told.rename(state_file)
    time.sleep(0.1)
