# SPDX-License-Identifier: Apache-2.0
"""The example bot: what it answers, and that the two configs of ./run are right."""

import os
import signal
import unittest

import harness

TOKEN = "110201543:demo-token-of-the-simulator-AAAAAAA"
DEMO = harness.ROOT / "examples" / "demo"


class BotTests(harness.Case):
    """Directly on the simulator: what the bot does is its own doing."""

    def setUp(self):
        super().setUp()
        self.start_sim("--bot", f"{TOKEN}=demo_bot")
        self.bot = self.start_bot()

    def start_bot(self, **env):
        bot = self.start("/usr/bin/python3", "-W", "ignore", DEMO / "bot.py",
                         env={"BOT_TOKEN": TOKEN, "TELEGRAM_BASE_URL": self.url("sim", "/bot"), **env})
        self.wait("the bot polls", lambda: "polling" in bot.stdout)
        return bot

    def messages(self, beginning):
        """Messages of the bot as they stand now."""
        latest = {message["message_id"]: message for message in self.book() if message["from_bot"]}
        return [message for message in latest.values() if message["text"].startswith(beginning)]

    def wait_message(self, beginning):
        return self.wait(f"the bot writes {beginning}", lambda: self.messages(beginning))[-1]

    def press(self, message, data):
        answer = self.post(self.url("sim", "/sim/press"),
                           {"chat_id": 42, "from_id": 42, "message_id": message["message_id"],
                            "data": data})
        self.assertEqual(answer.status, 200, answer)

    def test_greets_echoes_and_counts(self):
        self.say("/start", first_name="Ann")
        hello = self.wait_message("Hello Ann")
        self.assertNotIn("crash", str(hello["reply_markup"]))
        self.say("how are you? <b>&")
        self.wait_message("You said: how are you? <b>&")
        self.say("/counter")
        counter = self.wait_message("Counter: 0")
        self.press(counter, "count:1")
        self.wait_message("Counter: 1")
        self.press(counter, "count:0")
        self.wait_message("Counter: 0")
        self.press(counter, "count:0")  # "message is not modified" is no trouble
        self.say("/help")
        self.wait_message("/start")
        self.assertTrue(self.bot.running)

    def test_killed_while_it_thinks_it_answers_once(self):
        self.bot.stop()
        bot = self.start_bot(DEMO_THINK_SECONDS="0.5")
        for word in ("one", "two", "three"):
            self.say(word)
        calls = self.url("sim", "/sim/calls?after=0&method=sendChatAction")
        self.wait("it thinks", lambda: self.get(calls).json["calls"])
        bot.signal(signal.SIGKILL)
        bot.wait()
        self.assertEqual(self.bot_texts(), [])
        self.start_bot()
        self.wait_message("You said: three")
        self.assertEqual(self.bot_texts(), [f"You said: {word}" for word in ("one", "two", "three")])

    def test_asked_to_end_it_finishes_its_answer_and_confirms(self):
        self.bot.stop()
        bot = self.start_bot(DEMO_THINK_SECONDS="0.5")
        self.say("one")
        self.say("two")
        calls = self.url("sim", "/sim/calls?after=0&method=sendChatAction")
        self.wait("it thinks", lambda: self.get(calls).json["calls"])
        self.assertEqual(bot.stop(), 0)
        self.start_bot()
        self.wait_message("You said: two")
        self.assertEqual(self.bot_texts(), ["You said: one", "You said: two"])


class ConfigTests(harness.Case):
    def test_both_configs_of_run_are_right(self):
        done = self.run_program("holdfast", "check", "-c", DEMO / "holdfast.yaml")
        self.assertEqual(done.code, 0, done.stderr)
        for owner in ("", "OWNER_USER_ID=\n", "OWNER_USER_ID=42\n"):
            with self.subTest(owner=owner):
                place = self.folder / "checkout"
                (place / "examples").mkdir(parents=True, exist_ok=True)
                if not (place / "examples/demo").exists():
                    os.symlink(DEMO, place / "examples/demo")
                source = harness.ROOT / "examples/real/holdfast.yaml"
                (place / "holdfast.yaml").write_text(source.read_text())
                (place / ".env").write_text(f"BOT_TOKEN={TOKEN}\n{owner}")
                done = self.run_program("holdfast", "check", "-c", place / "holdfast.yaml")
                self.assertEqual(done.code, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
