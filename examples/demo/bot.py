# SPDX-License-Identifier: Apache-2.0
"""The example bot: a greeting, an echo, a counter with buttons.

It is an ordinary bot on python-telegram-bot 13 (the version in Debian 12). Two things are special:
 - its base URL is Holdfast's gateway, so its token is a placeholder and the real one stays there;
 - it asks for the next updates only when the last ones are answered, because asking confirms them:
   killed in the middle, it gets them again. (Updater.start_polling() confirms before it handles.)
"""

import logging
import os
import signal
import socket
import sys
import time

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, Unauthorized
from telegram.ext import CallbackQueryHandler, CommandHandler, Dispatcher, Filters, MessageHandler
from telegram.utils.request import Request

# Shown only in the demo: on the real Telegram no passer-by shall be able to stop the bot.
MAY_DIE = os.environ.get("DEMO_MODE") == "1"
THINK_SECONDS = float(os.environ.get("DEMO_THINK_SECONDS", "0"))
HELP = "/start - begin\n/counter - a counter with buttons\n/id - your user id\n/help - this list"
HELP_DEMO = "\n/crash - I die at once\n/hang - I stop answering\n(and Holdfast brings me back)"


def notify(state):
    """Tells the keeper how we are (sd_notify); without a keeper there is nobody to tell."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as keeper:
            keeper.sendto(state.encode(), path.replace("@", "\0", 1))


def buttons(*rows):
    return InlineKeyboardMarkup([[InlineKeyboardButton(text, callback_data=data)
                                  for text, data in row] for row in rows])


def counter_buttons(number):
    return buttons([("−", f"count:{number - 1}"), ("＋", f"count:{number + 1}")],
                   [("Reset", "count:0")])


def start(update, context):
    rows = [[("Counter", "count:0"), ("Help", "help")]]
    if MAY_DIE:
        rows.append([("Crash me", "crash"), ("Hang me", "hang")])
    update.effective_message.reply_text(
        f"Hello {update.effective_user.first_name}! Write something and I say it back, "
        "or press a button.", reply_markup=buttons(*rows))


def show_help(update, context):
    update.effective_message.reply_text(HELP + (HELP_DEMO if MAY_DIE else ""))


def show_id(update, context):
    update.effective_message.reply_text(f"Your user id is {update.effective_user.id}.")


def counter(update, context):
    update.effective_message.reply_text("Counter: 0", reply_markup=counter_buttons(0))


def echo(update, context):
    if THINK_SECONDS:
        update.effective_chat.send_action("typing")
        time.sleep(THINK_SECONDS)
    update.effective_message.reply_text(f"You said: {update.effective_message.text}")


def press(update, context):
    query = update.callback_query
    query.answer()
    if query.data == "help":
        show_help(update, context)
    elif query.data == "crash" and MAY_DIE:
        crash(update, context)
    elif query.data == "hang" and MAY_DIE:
        hang(update, context)
    elif query.data.startswith("count:"):
        number = int(query.data.partition(":")[2])
        try:
            query.edit_message_text(f"Counter: {number}", reply_markup=counter_buttons(number))
        except BadRequest as error:  # "message is not modified": Reset on a zero
            logging.info("not edited: %s", error)


def crash(update, context):
    update.effective_message.reply_text("Goodbye. I am back in a moment: write to me.")
    context.bot_data["last_words"] = lambda: os.kill(os.getpid(), signal.SIGKILL)


def hang(update, context):
    update.effective_message.reply_text("Now I hang. My watchdog will find it: write to me.")
    context.bot_data["last_words"] = lambda: os.kill(os.getpid(), signal.SIGSTOP)


def make_dispatcher(bot):
    dispatcher = Dispatcher(bot, None, workers=0)
    commands = {"start": start, "help": show_help, "id": show_id, "counter": counter}
    if MAY_DIE:
        commands |= {"crash": crash, "hang": hang}
    for name, handler in commands.items():
        dispatcher.add_handler(CommandHandler(name, handler))
    dispatcher.add_handler(CallbackQueryHandler(press))
    dispatcher.add_handler(MessageHandler(Filters.text, echo))
    dispatcher.add_error_handler(
        lambda update, context: logging.error("not handled: %s", context.error))
    return dispatcher


def poll_seconds():
    """Short enough that a healthy bot always reports in time, however quiet its chat is."""
    watchdog = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
    return max(1, min(10, int(watchdog / 3))) if watchdog else 10


class Stop:
    """SIGTERM ends us at once while we wait, and after the answer while we answer."""

    def __init__(self):
        self.answering = self.wanted = False
        signal.signal(signal.SIGTERM, self.on_signal)
        signal.signal(signal.SIGINT, self.on_signal)

    def on_signal(self, number, frame):
        self.wanted = True
        if not self.answering:
            sys.exit(0)


def fetch(bot, offset, seconds):
    """New updates; asking for those from `offset` on confirms all before. None: try again."""
    try:
        return bot.get_updates(offset=offset, timeout=seconds)
    except RetryAfter as error:
        time.sleep(error.retry_after)
    except (InvalidToken, Unauthorized) as error:
        sys.exit(f"bot: the gateway refuses us: {error}")
    except NetworkError as error:
        logging.warning("no answer from the gateway, trying again: %s", error)
        time.sleep(0.5)
    return None


def run(bot, stop):
    dispatcher = make_dispatcher(bot)
    offset, ready = 0, False
    while True:
        updates = fetch(bot, offset, poll_seconds() if ready else 0)
        notify("WATCHDOG=1")
        if updates is None:
            continue
        if not ready:
            notify("READY=1")
            ready = True
        stop.answering = True
        for update in updates:
            dispatcher.process_update(update)
            offset = update.update_id + 1
            notify("WATCHDOG=1")
            last_words = dispatcher.bot_data.pop("last_words", None)
            if stop.wanted or last_words:
                fetch(bot, offset, 0)  # confirm what is answered, or it is answered again
                (last_words or sys.exit)()
        stop.answering = False


def main():
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    stop = Stop()
    token = os.environ.get("BOT_TOKEN")
    if not token:
        sys.exit("bot: BOT_TOKEN is not set: start me with ./run, or set BOT_TOKEN yourself")
    bot = Bot(token, base_url=os.environ.get("TELEGRAM_BASE_URL"),
              request=Request(con_pool_size=2, connect_timeout=5, read_timeout=20))
    print("bot: polling", flush=True)
    run(bot, stop)


if __name__ == "__main__":
    main()
