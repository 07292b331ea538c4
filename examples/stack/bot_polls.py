# SPDX-License-Identifier: Apache-2.0
"""bot_polls.py BOT CONSUMER [ready]: 0 while the consumer asks the gateway for updates, 1 when it
stopped. When the hub itself does not answer, the bot is not to blame: 0. With `ready`: 0 once it asks."""

import json
import os
import sys
import urllib.error
import urllib.request

# The bot polls for 2 s at a time; after troubles its library pauses some seconds more each time.
SILENT_SECONDS = 15


def health():
    with open(os.path.join(os.environ["HOLDFAST_RUN"], "hub.port"), encoding="ascii") as file:
        url = f"http://127.0.0.1:{int(file.read())}/health"
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:  # 503 is an answer too
        return json.load(error)


def main():
    bot, name = sys.argv[1:3]
    starting = sys.argv[3:] == ["ready"]
    try:
        answer = health()
        consumer = answer["bots"][bot]["consumers"].get(name)
    except (OSError, ValueError, KeyError) as error:
        print(f"the hub does not tell: {error!r}")
        return int(starting)
    if starting:
        return int(not (consumer and consumer["polling"]))
    if consumer is None or consumer["polling"] or consumer["last_poll_ago"] is None:
        return 0
    # Before the hub was there, nobody could ask it.
    silent = min(consumer["last_poll_ago"], answer["uptime_seconds"])
    print(f"has not asked for updates for {silent} s")
    return int(silent > SILENT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
