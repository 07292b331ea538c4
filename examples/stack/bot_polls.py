# SPDX-License-Identifier: Apache-2.0
"""bot_polls.py BOT CONSUMER: 0 while the consumer asks the gateway for updates, 1 when it stopped.
When the hub itself does not answer, the bot is not to blame: 0."""

import json
import os
import sys
import urllib.error
import urllib.request

SILENT_SECONDS = 6


def health():
    with open(os.path.join(os.environ["HOLDFAST_RUN"], "hub.port"), encoding="ascii") as file:
        url = f"http://127.0.0.1:{int(file.read())}/health"
    try:
        with urllib.request.urlopen(url, timeout=1.5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:  # 503 is an answer too
        return json.load(error)


def main():
    bot, name = sys.argv[1:]
    try:
        consumers = health().get("consumers", [])
    except (OSError, ValueError) as error:
        print(f"the hub does not answer: {error}")
        return 0
    for consumer in consumers:
        if (consumer["bot"], consumer["consumer"]) == (bot, name):
            silent = consumer["last_poll_ago"]
            return int(silent is not None and silent > SILENT_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
