# SPDX-License-Identifier: Apache-2.0
"""bot_polls.py BOT CONSUMER [ready]: 0 while the consumer asks the gateway for updates, 1 when it
stopped. When the hub itself does not answer, the bot is not to blame: 0. With `ready`: 0 once it asks."""

import json
import os
import sys
import urllib.error
import urllib.request

SILENT_SECONDS = 15  # the bot polls for 2 s at a time
# After troubles its library pauses longer each time, up to 30 s: so long it may need to find a hub
# that was away.
SILENT_SECONDS_AFTER_THE_HUB = 40


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
    came_back = consumer["last_poll_ago"] < answer["uptime_seconds"]
    silent = min(consumer["last_poll_ago"], answer["uptime_seconds"])
    print(f"has not asked for updates for {silent} s")
    return int(silent > (SILENT_SECONDS if came_back else SILENT_SECONDS_AFTER_THE_HUB))


if __name__ == "__main__":
    sys.exit(main())
