# SPDX-License-Identifier: Apache-2.0
"""An ordinary polling bot on python-telegram-bot 13. One thing was changed for Holdfast: base_url.

Each update it handled is written down through the API, so that one which comes again (the bot was
stopped between answering and confirming) is not answered again. While the API is away it waits.
"""

import json
import logging
import os
import time
import urllib.error
import urllib.request

from telegram.ext import Filters, MessageHandler, Updater

API_URL = os.environ["API_URL"]


def ask_api(path, data=None):
    body = None if data is None else json.dumps(data).encode()
    while True:
        try:
            with urllib.request.urlopen(f"{API_URL}{path}", body, timeout=5) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            logging.warning("the API is away, waiting: %s", error)
            time.sleep(0.2)


def answer(update, context):
    if ask_api(f"/handled/{update.update_id}")["handled"]:
        logging.info("update %d came again: already answered", update.update_id)
        return
    update.message.reply_text(f"handled {update.message.text}")
    ask_api("/handled", {"update_id": update.update_id, "text": update.message.text})


def main():
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    updater = Updater(os.environ["BOT_TOKEN"], base_url=os.environ.get("TELEGRAM_BASE_URL"))
    updater.dispatcher.add_handler(MessageHandler(Filters.text, answer))
    updater.start_polling(timeout=2)
    print("bot: polling", flush=True)
    updater.idle()


if __name__ == "__main__":
    main()
