# SPDX-License-Identifier: Apache-2.0
"""The web page of the stack: how many updates the bot handled, by asking the API."""

import asyncio
import json
import os
import urllib.error
import urllib.request

API_URL = os.environ["API_URL"]


def count():
    with urllib.request.urlopen(f"{API_URL}/handled", timeout=2) as answer:
        return json.load(answer)["count"]


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    status, text = 200, "pong"
    if scope["path"] != "/ping":
        try:
            text = f"<!doctype html><title>Stack</title><h1>{await asyncio.to_thread(count)}</h1>" \
                   "<p>updates handled</p>"
        except (OSError, urllib.error.URLError):
            status, text = 503, "the API does not answer; try again in a moment"
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"text/html; charset=utf-8")]})
    await send({"type": "http.response.body", "body": text.encode()})
