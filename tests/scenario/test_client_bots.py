# SPDX-License-Identifier: Apache-2.0
"""examples/clients: a bot as its library's first page has it, with one line changed, while the hub is killed.
Those on telegraf and grammY are held by tests/peers/clients.mjs."""

import collections
import os
import re
import signal
import unittest

import harness
from test_gateway import TOKEN, HubCase

FOLDER = harness.ROOT / "examples" / "clients"
BOT = FOLDER / "bot_ptb.py"


class BotCase(HubCase):
    def consumer(self):
        """What the hub says of the one program that reads the bot (the hub reads it too)."""
        consumers = self.get(self.hub_url("/health")).json["bots"]["main"]["consumers"]
        return consumers.get("bot") or consumers["default"]

    def freeze_with(self, pid, text, chat):
        """The bot is stopped with an update in its hand: the hub gave it, nobody has answered it."""
        self.wait("the bot polls", lambda: self.consumer()["polling"])
        os.kill(pid, signal.SIGSTOP)
        self.say(text, chat=chat)
        self.wait("the bot was given it", lambda: not self.consumer()["polling"])

    def answers(self, chats):
        """How often each was answered."""
        return dict(collections.Counter(text for chat in chats for text in self.bot_texts(chat)))


class PythonTelegramBotTests(BotCase):
    def test_no_update_is_lost_by_a_hub_that_is_killed(self):
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.up(self.config_of(services={"bot": {"command": ["/usr/bin/python3", str(BOT)], "needs": ["hub"],
                                                 "consumer": "main", "stop_timeout": "1s"}}))
        self.wait_ready("hub", "bot")
        bot = self.service("bot")
        chats = range(100, 112)  # one for each text: Telegram takes one message a second in a chat
        texts = [f"text {chat}" for chat in chats]

        def say(*which):
            for i in which:
                self.say(texts[i], chat=chats[i])

        say(0)
        self.wait("the bot answers", lambda: self.bot_texts(chats[0]))
        for i in range(1, len(chats) - 3, 3):
            self.freeze_with(bot["pid"], texts[i], chats[i])
            hub = self.service("hub")["pid"]
            os.kill(hub, signal.SIGKILL)
            say(i + 1)  # while it is away
            self.wait("the hub is back", lambda: self.service("hub")["pid"] not in (0, None, hub))
            self.wait_ready("hub")
            os.kill(bot["pid"], signal.SIGCONT)
            say(i + 2)
            self.wait("each is answered", lambda: all(map(self.bot_texts, chats[:i + 3])))
        say(len(chats) - 2, len(chats) - 1)
        once = {f"You said: {text}": 1 for text in texts}
        self.wait("each is answered once", lambda: self.answers(chats) == once)
        self.assertEqual((self.service("bot")["pid"], self.service("bot")["restarts"]), (bot["pid"], 0))
        self.assertEqual(self.service("hub")["restarts"], 3)
        self.assertEqual(self.answers(chats), once)

    def test_a_send_at_the_moment_of_the_kill_fails_and_says_so(self):
        """As any lost connection: this library logs it and goes on (docs/clients.md says what to do)."""
        _, hub = self.start_both()
        bot = self.start("/usr/bin/python3", BOT, env={"BOT_TOKEN": "123456:main",
                                                       "TELEGRAM_BASE_URL": self.url("hub", "/telegram/bot")})
        self.addCleanup(bot.kill)  # it would end its poll first
        self.freeze_with(bot.pid, "unlucky", 101)
        hub.kill()
        bot.signal(signal.SIGCONT)
        self.wait("it says that it could not answer", lambda: "/sendMessage" in bot.stderr)
        self.start_hub()
        self.say("lucky", chat=102)
        self.wait("the next is answered", lambda: self.bot_texts(102) == ["You said: lucky"])
        self.assertEqual(self.bot_texts(101), [])
        self.assertTrue(bot.running)


class DocsTests(unittest.TestCase):
    def test_the_docs_show_these_bots(self):
        blocks = re.findall(r"^```\w+\n(.*?)^```$", (harness.ROOT / "docs" / "clients.md").read_text(), re.S | re.M)
        bots = sorted(path for path in FOLDER.iterdir() if path.suffix in (".py", ".mjs"))
        self.assertEqual(len(bots), 3)
        for path in bots:
            text = path.read_text()
            shown = re.sub(r'\A[#/]+ SPDX.*\n((//|""").*\n)+\n?', "", text)
            self.assertIn(shown, blocks, path)
            self.assertEqual(text.count("changed:"), 1, path)


if __name__ == "__main__":
    unittest.main()
