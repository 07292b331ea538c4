# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the trader before and after each commit and each write to a socket while it opens a
position. The places are not chosen by hand: a first run writes down those that the program passes
(kill_at.c), and each of them is then the end of one trader. Whatever happens, the exchange has one
order, its position has its stop, the next trader knows it, and the target is told of once."""

import os
import unittest

import harness
import trader

BEHIND = 3  # places are passed in a slightly different order each time: so many more than counted


class Kills(trader.TraderCase):
    def setUp(self):
        super().setUp()
        self.flag = self.folder / "counting"
        self.places = self.folder / "places"

    def start_counting_trader(self, **env):
        library = harness.build_folder() / "tests" / "scenario" / "libkill_at.so"
        options = self.env["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
        self.start_trader(LD_PRELOAD=str(library), ASAN_OPTIONS=options,
                          KILL_AT_FLAG=str(self.flag), KILL_AT_LOG=str(self.places), **env)
        self.wait_exchange()

    def confirm(self, order=""):
        """Asks for an order that fills at once; places count from the press on."""
        last = self.price()
        self.entry, self.stop = round(last + 10, 1), round(last * 0.99, 1)
        message = self.preview(self.entry, self.stop)
        self.wait("the outbox is empty", lambda: "/help" in self.ask("/help", "/help")["text"])
        message = self.preview(self.entry, self.stop)
        self.flag.write_text(order)
        self.press(message, "Confirm")

    def assert_one_protected_position(self, orders):
        position = self.wait("the position is open", self.position, 40)
        self.assertEqual(float(position["stopLoss"]), self.stop)
        self.assertEqual(len(self.our_orders()), orders)

    def finish(self, trades):
        """The next trader knows of it, and tells of its end once."""
        self.wait("it is known", lambda: "protected" in self.ask("/status", "Exchange")["text"])
        self.move(self.entry + 2 * (self.entry - self.stop) + 10)
        self.wait("the target is told of",
                  lambda: len(self.messages("Take profit hit")) >= trades, 40)
        self.assertIsNone(self.position())
        self.assertEqual(len(self.messages("Take profit hit")), trades)
        self.assertEqual(len(self.our_orders()), trades)
        self.move(64000)

    def learn(self):
        self.start_all()
        self.trader.stop()
        self.start_counting_trader()
        self.confirm()
        self.assert_one_protected_position(1)
        self.wait_message("is filled")
        self.flag.unlink()
        self.finish(1)
        self.trader.stop()
        return self.places.read_text().splitlines()

    def one_death(self, place, when, trades):
        self.start_counting_trader()
        self.confirm(f"{place} {when}")
        try:
            code = self.trader.wait(3)
        except harness.subprocess.TimeoutExpired:
            code = None  # it has passed fewer places this time
        self.flag.unlink(missing_ok=True)
        if code is None:
            self.trader.stop()
        else:
            self.assertEqual(code, -harness.signal.SIGKILL, self.trader.stderr)
        self.start_trader()
        self.wait_exchange()
        self.assert_one_protected_position(trades)
        self.finish(trades)
        self.trader.stop()
        return code is not None

    def test_before_and_after_each_commit_and_write(self):
        places = self.learn()
        sends = [p for p in places if " send POST /v5/order/create" in p]
        self.assertEqual(len(sends), 1, places)
        self.assertGreater(len([p for p in places if " commit" in p]), 1, places)
        trades, deaths = 1, 0
        for place in range(len(places) + BEHIND):
            for when in ("before", "after"):
                trades += 1
                with self.subTest(place=place, when=when):
                    deaths += self.one_death(place, when, trades)
        print(f"{len(places)} places, {deaths} deaths", flush=True)
        self.assertGreaterEqual(deaths, 2 * (len(places) - BEHIND))


if __name__ == "__main__":
    if "HOLDFAST_BUILD" not in os.environ:
        print("see tests/scenario/harness.py")
    unittest.main()
