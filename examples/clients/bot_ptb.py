# SPDX-License-Identifier: Apache-2.0
"""A bot on python-telegram-bot 13 (the version in Debian 12). One line was changed for Holdfast."""

import os

from telegram.ext import Filters, MessageHandler, Updater

TOKEN = os.environ["BOT_TOKEN"]


def answer(update, context):
    update.message.reply_text(f"You said: {update.message.text}")


updater = Updater(
    TOKEN,
    base_url=os.environ["TELEGRAM_BASE_URL"],  # changed: the gateway, http://127.0.0.1:8001/telegram/bot
)
updater.dispatcher.add_handler(MessageHandler(Filters.text, answer))
updater.start_polling()
updater.idle()
