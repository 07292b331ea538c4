# SPDX-License-Identifier: Apache-2.0
"""Hub and bot are killed at random moments while people write: every message is answered, and nothing
that was sent arrives twice. GATEWAY_KILLS says how often, GATEWAY_SEED repeats a run."""

import collections
import os
import pathlib
import random
import sys
import time
import unittest

from test_gateway import TOKEN, HubCase

KILLS = int(os.environ.get("GATEWAY_KILLS", "40"))
SEED = int(os.environ.get("GATEWAY_SEED", "0")) or random.randrange(1, 1 << 31)
BOT = pathlib.Path(__file__).with_name("answering_bot.py")
WRITTEN_AT_ONCE, PAUSE_SECONDS = 5, 0.2


class Kills(HubCase):
    def start_bot(self):
        return self.start(sys.executable, BOT, self.url("hub", "/telegram/botmain"))

    def read_answers(self):
        """What has come to the chat since the last look."""
        answer = self.get(self.url("sim", f"/sim/messages?chat_id=42&after={self.read}&timeout=0")).json
        self.read = answer["next"]
        for message in answer["messages"]:
            if message["from_bot"]:
                self.arrived[message["text"]] += 1

    def answered(self):
        return {text.split()[0] for text in self.arrived}

    def test_nothing_is_lost_and_nothing_is_doubled(self):
        dice = random.Random(SEED)
        self.read, self.arrived, written = 0, collections.Counter(), 0
        no_limits = ("--sends-per-second", "0", "--chat-sends-per-second", "0")
        self.start_sim("--bot", f"{TOKEN}=main_bot")
        self.post(self.url("sim", "/sim/limits"), {"per_chat": 0, "global": 0, "group": 0})
        hub, bot = self.start_hub(*no_limits), self.start_bot()
        for _ in range(KILLS):
            for _ in range(dice.randint(1, WRITTEN_AT_ONCE)):
                self.say(f"m{written}")
                written += 1
            time.sleep(dice.random() ** 4 * PAUSE_SECONDS)  # mostly in the middle of the answers
            if dice.random() < 0.6:
                hub.kill()
                hub = self.start_hub(*no_limits)
            else:
                bot.kill()
                bot = self.start_bot()
            self.read_answers()
        self.wait(f"all {written} are answered (GATEWAY_SEED={SEED})",
                  lambda: self.read_answers() or len(self.answered()) == written, 60)
        doubled = [text for text, count in self.arrived.items() if count > 1]
        self.assertEqual(doubled, [], f"GATEWAY_SEED={SEED}")
        print(f"{KILLS} kills: {written} messages, {len(self.arrived)} answers, seed {SEED}")


if __name__ == "__main__":
    unittest.main()
