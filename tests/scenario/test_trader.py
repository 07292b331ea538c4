# SPDX-License-Identifier: Apache-2.0
"""The trader as its owner meets it: one order from the chat to the take-profit, wrong input in the
chat, and an exchange that answers nonsense or not at all."""

import os
import resource
import time
import unittest

import harness
import trader
from trader import OWNER, STRANGER


class Trading(trader.TraderCase):
    def test_from_chat_to_take_profit(self):
        self.start_all()
        self.assertIn("PAPER", self.ask("/start", "limit orders")["text"])
        last = self.price()
        entry, stop = last - 100, last - 1100
        self.ask("/limitbuy", "Which symbol?")
        self.ask("btc", "Type the entry")
        self.ask(f"{entry:.1f}", "Type the stop loss")
        message = self.ask(f"{stop:.1f}", "take profit?")
        before = len(self.book())
        self.press(message, "2R")
        message = self.wait_message("Place this order?", before)
        self.assertIn("Quantity: 0.1", message["text"])  # 100 USDT / 1000
        self.press(message, "Confirm")
        order = self.wait("the order is at the exchange", self.our_orders)[0]
        self.assertEqual((order["symbol"], order["side"], order["qty"]), ("BTCUSDT", "Buy", "0.100"))
        self.assertEqual(float(order["price"]), entry)
        self.assertEqual(float(order["stopLoss"]), stop)  # it travels with the entry
        self.assertIn("open", self.ask("/status", "Exchange: connected")["text"])
        self.move(entry - 1)
        position = self.wait("the position is open", self.position)
        self.assertEqual(float(position["stopLoss"]), stop)
        self.wait_message("is filled")
        self.assertIn("protected", self.ask("/status", "BTCUSDT long")["text"])
        self.move(entry + 2 * (entry - stop) + 5)
        told = self.wait_message("Take profit hit")
        self.assertIn("USDT after", told["text"])
        self.assertIsNone(self.position())
        self.assertIn("No open position", self.ask("/status", "Exchange")["text"])
        self.assertEqual(len(self.our_orders()), 1)
        self.assertEqual(len(self.messages("Take profit hit")), 1)

    def test_stop_loss_is_told_before_all_else(self):
        self.start_all()
        _, stop, _ = self.open_position()
        self.move(stop - 50)
        told = self.wait_message("Stop loss hit")
        self.assertIn("-", told["text"])
        alerts = self.get(self.url("hub", "/v1/alerts")).json["alerts"]
        self.assertEqual([a["priority"] for a in alerts if a.get("type") == "sl_hit"], ["CRITICAL"])

    def test_short(self):
        self.start_all()
        last = self.price()
        message = self.preview(last - 10, last * 1.01, side="sell")
        self.press(message, "Confirm")
        position = self.wait("the position is open", self.position)
        self.assertEqual(position["side"], "Sell")
        self.move(last * 0.95)
        self.assertIn("short", self.wait_message("Take profit hit")["text"])

    def test_a_stop_that_somebody_removed_is_placed_again(self):
        self.start_all()
        _, stop, _ = self.open_position()
        self.wait_message("is filled")
        answer = self.signed("/v5/position/trading-stop",
                             {"category": "linear", "symbol": "BTCUSDT", "positionIdx": 0,
                              "tpslMode": "Full", "stopLoss": "0"})
        self.assertEqual(answer["retCode"], 0, answer)
        self.wait("the stop is there again",
                  lambda: float(self.position()["stopLoss"] or 0) == stop)


class WrongInput(trader.TraderCase):
    """Each is answered by what helps, and nothing is placed."""

    def test_in_the_chat(self):
        self.start_all()
        last = self.price()
        self.ask("/limitbuy", "Which symbol?")
        self.ask("nosuchcoin", "nosuchcoin")
        self.ask("BTC", "Type the entry")
        for wrong in ("abc", "-5", "1e5", "0", f"{last:.1f}07", "99999999999999999999"):
            self.ask(wrong, "entry")
        self.ask(f"{last - 100:.1f}", "Type the stop loss")
        self.ask(f"{last + 500:.1f}", "below")  # the wrong side
        self.ask(f"{last - 100.1:.1f}", "")  # so near that the order would be too large
        self.assertEqual(self.books()["orders"], [])
        self.ask("/cancel", "Nothing was placed")

    def test_buttons_of_others_and_twice(self):
        self.start_all()
        last = self.price()
        message = self.preview(last - 100, last - 1100)
        data = self.button(message, "Confirm")
        self.say("let me in", chat=STRANGER)
        self.wait_message("owner only", chat=STRANGER)
        self.press_data(message, data, person=STRANGER)
        for _ in range(3):  # as fast as a thumb can; soon the buttons are gone
            self.press_data(message, data, may_be_gone=True)
        self.wait("the order is at the exchange", self.our_orders)
        self.press_data(message, data, may_be_gone=True)
        self.ask("/status", "Exchange")  # all before it is handled
        self.assertEqual(len(self.our_orders()), 1)
        self.assertIn("was refused", self.trader.stderr)

    def test_config(self):
        self.make_config(mode="live")
        refused = self.run_program("holdfast-trader", "--config", self.config)
        self.assertEqual(refused.code, 78)
        self.assertIn("api_key", refused.stderr)
        self.make_config(risk="much", mode="papr")
        refused = self.run_program("holdfast-trader", "--config", self.config)
        self.assertEqual(refused.code, 78)
        self.assertIn("'much'", refused.stderr)
        self.assertIn("paper", refused.stderr)

    def test_live_asks_for_a_sentence_once(self):
        self.post(self.url("sim", "/sim/exchange/accounts"),
                  {"key": "live-key", "secret": "live-secret-value", "balance": "10000"})
        self.start_all(mode="live", api_key="live-key", api_secret="live-secret-value")
        last = self.price()
        message = self.preview(last - 100, last - 1100)
        self.assertIn("LIVE", message["text"])
        self.press(message, "Confirm")
        self.wait_message("I trade real money on test")
        self.assertEqual(self.books("live-key")["orders"], [])
        self.ask("I trade real money on test", "possible from now on")
        self.trader.stop()
        self.start_trader()
        self.wait_exchange()
        message = self.preview(last - 100, last - 1100)
        self.press(message, "Confirm")
        self.wait("the order is at the exchange", lambda: self.books("live-key")["orders"])
        self.assertNotIn("live-secret-value", self.trader.stderr)


class BadExchange(trader.TraderCase):
    """Whatever it answers: UNKNOWN or a clear error, never a crash, never "not found"."""

    def place(self):
        last = self.price()
        self.press(self.preview(last - 100, last - 1100), "Confirm")

    def assert_one_order(self):
        self.wait("the order is open", lambda: "open" in self.ask("/status", "Exchange")["text"])
        self.assertEqual(len(self.our_orders()), 1)

    def test_answers_of_create(self):
        """Effect or no effect, with every kind of broken answer: one order in the end."""
        self.start_all()
        for kind in ("lost", "html", "10016_done", "10006", "half", "truncated", "wrong_type",
                     "10000"):
            with self.subTest(kind=kind):
                before = len(self.our_orders())
                self.exchange_fault("/v5/order/create", kind)
                self.place()
                self.wait("one more order", lambda: len(self.our_orders()) == before + 1, 30)
                self.wait("none is unknown",
                          lambda: "NOT KNOWN" not in self.ask("/status", "Exchange")["text"], 30)
                self.assertEqual(len(self.our_orders()), before + 1)
        ids = [o["orderLinkId"] for o in self.our_orders()]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertTrue(self.trader.running)

    def test_reads_of_nonsense(self):
        self.start_all()
        self.place()
        self.assert_one_order()
        kinds = ("html", "half", "truncated", "wrong_type", "oversize", "5xx", "10016", "reset")
        paths = ("/v5/order/realtime", "/v5/execution/list", "/v5/position/list")
        for number, kind in enumerate(kinds):
            self.exchange_fault(paths[number % len(paths)], kind)
            self.wait("the fault is used up",
                      lambda: not self.get(self.url("sim", "/sim/exchange/faults")).json["faults"])
            self.wait("all is well again",
                      lambda: "Exchange: connected" in self.ask("/status", "Exchange")["text"])
        self.assert_one_order()
        self.assertEqual(self.messages("cancelled"), [])
        self.assertEqual(self.messages("refused"), [])
        self.assertTrue(self.trader.running)

    def test_clock_of_the_exchange_is_off(self):
        self.post(self.url("sim", "/sim/exchange/clock"), {"skew_ms": -7000})
        self.start_all()
        self.place()
        self.assert_one_order()
        self.post(self.url("sim", "/sim/exchange/clock"), {"skew_ms": 9000})
        self.place()
        self.wait("two orders", lambda: len(self.our_orders()) == 2)

    def test_wrong_key(self):
        self.make_config(api_key="nobody", api_secret="nothing")
        self.start_hub()
        self.start_trader()
        self.wait("it is named", lambda: "not allowed" in self.trader.stderr)
        self.assertIn("not allowed", self.ask("/status", "Exchange")["text"])


class Watch(trader.TraderCase):
    """The watch over positions, and what people know of it."""

    def test_many_fills_at_once(self):
        """More of them in one read than any buffer of a fixed size would hold."""
        self.post(self.url("sim", "/sim/exchange/market"), {"mode": "still", "depth": "0.004"})
        self.start_all()
        last = self.price()
        self.press(self.preview(last - 100, last - 1100), "Confirm")
        self.wait("the order is at the exchange", self.our_orders)
        self.trader.stop()
        for _ in range(30):  # 0.1 in pieces of 0.004
            self.move(last - 101)
            self.move(last)
        self.start_trader()
        self.wait("the position is known",
                  lambda: "protected" in self.ask("/status", "Exchange")["text"])
        fills = [e for e in self.books()["executions"] if e["side"] == "Buy"]
        self.assertGreater(len(fills), 20)
        self.move(last + 3000)
        self.wait_message("Take profit hit")

    def test_a_list_that_cannot_be_read_does_not_end_the_watch(self):
        self.start_all()
        _, stop, _ = self.open_position()
        self.wait_message("is filled")
        for path in ("/v5/execution/list", "/v5/order/realtime", "/v5/account/wallet-balance"):
            self.exchange_fault(path, "html", count=1000)
        self.signed("/v5/position/trading-stop",
                    {"category": "linear", "symbol": "BTCUSDT", "positionIdx": 0,
                     "tpslMode": "Full", "stopLoss": "0"})
        self.wait("the stop is there again",
                  lambda: float(self.position()["stopLoss"] or 0) == stop)

    def test_people_are_told_when_positions_cannot_be_seen(self):
        self.start_all()
        self.open_position()
        self.wait_message("is filled")
        self.exchange_fault("/v5/position/list", "html", count=1000)
        self.wait_message("cannot be watched")
        status = self.wait("the tick is gone", lambda: "not seen for a while" in
                           self.ask("/status", "Exchange")["text"], 90)
        self.assertTrue(status)
        harness.http("DELETE", self.url("sim", "/sim/exchange/faults"))
        self.wait_message("they are watched", seconds=40)

    def test_another_mode_is_another_store(self):
        """A paper order never meets the real exchange, and a paper position is not closed there."""
        self.start_all()
        self.open_position()
        self.wait_message("is filled")
        self.trader.stop()
        self.post(self.url("sim", "/sim/exchange/accounts"),
                  {"key": "live-key", "secret": "live-secret-value", "balance": "10000"})
        self.make_config(mode="live", api_key="live-key", api_secret="live-secret-value")
        self.start_trader()
        self.wait_exchange()
        self.assertIn("No open position", self.ask("/status", "LIVE")["text"])
        self.trader.stop()
        self.make_config(api_key="live-key", api_secret="live-secret-value")
        refused = self.run_program("holdfast-trader", "--config", self.config, "--run",
                                   self.run_folder)
        self.assertEqual(refused.code, 78)
        self.assertIn("belong to another account", refused.stderr)
        self.assertEqual(self.messages("closed"), [])
        self.assertEqual(self.books("live-key")["orders"], [])


class Disk(trader.TraderCase):
    def test_full_disk_places_nothing(self):
        self.start_all()
        last = self.price()
        message = self.preview(last - 100, last - 1100)
        time.sleep(0.5)  # what the preview wrote is on disk
        resource.prlimit(self.trader.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        self.press(message, "Confirm")
        self.wait_message("nothing was done")
        self.wait_message("refuses writes")
        self.assertEqual(self.our_orders(), [])
        resource.prlimit(self.trader.pid, resource.RLIMIT_FSIZE,
                         (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.wait_message("The disk takes writes again")  # what was refused is tried again by itself
        self.assertEqual(self.our_orders(), [])
        self.press(self.preview(last - 100, last - 1100), "Confirm")
        self.wait("one order", lambda: len(self.our_orders()) == 1)

    def test_stores_that_cannot_be_used(self):
        self.make_config()
        store = self.folder / "data" / "trader"
        store.mkdir(parents=True)
        (store / "paper.db").write_text("this is no database, and longer than its head would be" * 9)
        refused = self.run_program("holdfast-trader", "--config", self.config)
        self.assertEqual(refused.code, 65)
        self.assertIn("damaged", refused.stderr)
        os.remove(store / "paper.db")
        self.start_hub()
        self.start_trader()
        self.wait("it runs", lambda: "trading" in self.trader.stderr)
        refused = self.run_program("holdfast-trader", "--config", self.config)
        self.assertEqual(refused.code, 69)
        self.assertIn("in use", refused.stderr)


if __name__ == "__main__":
    unittest.main()
