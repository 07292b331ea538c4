# SPDX-License-Identifier: Apache-2.0
"""answering_bot.py BASE: a bot that answers each message, as most bots are: it keeps nothing on disk,
confirms what it has answered, and tries again what was not answered with 200. Each try has a mark of
its own, so that what arrives twice was doubled by somebody else."""

import json
import sys
import time
import urllib.error
import urllib.request
import uuid

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method, **parameters):
    """The result, or None."""
    request = urllib.request.Request(f"{sys.argv[1]}/{method}", json.dumps(parameters).encode(),
                                     {"Content-Type": "application/json"})
    try:
        with opener.open(request, timeout=20) as answer:
            return json.load(answer)["result"]
    except (OSError, ValueError):
        time.sleep(0.01)
        return None


offset = 0
while True:
    for update in call("getUpdates", offset=offset, timeout=5) or []:
        while call("sendMessage", chat_id=42, text=f"{update['message']['text']} {uuid.uuid4()}") is None:
            pass
        offset = update["update_id"] + 1
