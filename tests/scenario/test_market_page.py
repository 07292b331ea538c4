#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The market panel of the chat page in a real browser: a visitor orders in the chat, pushes the price
and sees the order filled, the position protected and the target hit.

HOLDFAST_BUILD names the build folder. With HOLDFAST_SHOTS=FOLDER pictures of the page are kept there.
"""

import os
import unittest

import harness
import trader
from browser import Browser

SHOTS = os.environ.get("HOLDFAST_SHOTS")
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1366, "height": 860}


class PageCase(trader.TraderCase):
    def open(self, **view):
        self.page = Browser(**{**WIDE, **view})
        self.addCleanup(self.page.close)
        self.page.open(self.url("sim", "/#trader_bot/42"))
        return self.page

    def shot(self, name):
        if SHOTS:
            self.page.wait(lambda: self.page.run("return document.getAnimations().length") == 0,
                           "the page never rests")
            self.page.shot(os.path.join(SHOTS, f"market-{name}.png"))

    def shown(self, css):
        """Whether the first such element takes room on the page."""
        return self.page.run("const e = document.querySelector(arguments[0]);"
                             "return Boolean(e && e.offsetWidth && e.offsetHeight)", css)

    def click(self, css, label=""):
        """Clicks what fits and has this label, the newest when there are several."""
        def clicked():
            return self.page.run(
                "const fits = [...document.querySelectorAll(arguments[0])].filter("
                "(e) => e.innerText.trim().startsWith(arguments[1]) && e.offsetWidth && !e.disabled);"
                "if (fits.length) fits.at(-1).click();"
                "return fits.length", css, label)

        self.page.wait(clicked, f"no {css} {label!r} to click", harness.PATIENCE_SECONDS)

    def write(self, text):
        self.page.wait(lambda: self.page.run("return document.querySelector('#input')?.offsetWidth"),
                       "no place to write", harness.PATIENCE_SECONDS)
        self.page.type(self.page.find("#input"), text + "\ue007")  # Enter

    def wait_bot(self, text):
        self.page.wait_text(".message:not(.mine) .body", text, harness.PATIENCE_SECONDS)

    def wait_panel(self, css, text):
        self.page.wait_text(f"#market {css}", text, harness.PATIENCE_SECONDS)

    def labels(self):
        return self.page.run("return [...document.querySelectorAll('#chart text')].map(e => e.textContent)")

    def order(self, entry=63900, stop=62900, symbol="BTC"):
        """Writes an order in the page and confirms it there."""
        self.write(f"/limitbuy {symbol} {entry} {stop} 2R")
        self.wait_bot("Place this order?")
        self.click(".buttons button", "Confirm")
        self.wait_panel(".holdings", "Waits until the price falls")

    def assert_clean(self):
        """No script error, nothing refused by the content policy, nothing asked from elsewhere."""
        self.assertEqual(self.page.console(), [])
        asked = self.page.run("return performance.getEntriesByType('resource').map(e => e.name)")
        self.assertTrue(asked)
        for name in asked:
            self.assertTrue(name.startswith(self.url("sim")), name)


class Trading(PageCase):
    def test_from_the_chat_to_the_target(self):
        self.start_all()
        self.open()
        self.wait_panel("#price", "64,000.00")
        self.wait_panel(".paper", "no real money")
        self.wait_panel(".equity", "10,000.00 USDT")
        self.shot("empty")
        self.order()
        self.assertEqual(self.labels(), ["Buy 63,900.00", "SL 62,900.00", "TP 65,900.00"])
        self.assertEqual(self.page.text("#targets button:not([hidden])"), ["To the entry"])
        self.shot("waiting")
        self.click("#targets button", "To the entry")
        self.wait_panel(".holdings", "Long 0.100 BTCUSDT")
        self.wait_panel(".protected", "✓ Protected: stop loss 62,900.00")
        self.wait_bot("is filled")
        self.assertEqual(self.labels(), ["Entry 63,900.00", "SL 62,900.00", "TP 65,900.00"])
        self.assertEqual(self.page.text("#targets button:not([hidden])"), ["To stop loss", "To take profit"])
        self.click("#pushes button", "+1 %")
        self.wait_panel(".holdings .good", "+")
        self.shot("position")
        self.click("#targets button", "To take profit")
        self.wait_bot("Take profit hit")
        self.wait_panel(".holdings", "No order and no position")
        self.page.wait(lambda: "10,1" in self.page.text("#equity b")[0], "the equity has not grown")
        self.shot("target-hit")
        self.assertGreater(self.price(), 65900)
        self.assert_clean()

    def test_stop_and_a_stop_that_is_gone(self):
        self.start_all()
        self.open(dark=True)
        self.order()
        self.click("#targets button", "To the entry")
        self.wait_panel(".protected", "62,900.00")
        self.wait_bot("is filled")
        self.trader.stop()  # or it would put the stop back at once
        answer = self.signed("/v5/position/trading-stop",
                             {"category": "linear", "symbol": "BTCUSDT", "positionIdx": 0,
                              "tpslMode": "Full", "stopLoss": "0"})
        self.assertEqual(answer["retCode"], 0, answer)
        self.wait_panel(".naked", "NO STOP")
        self.assertEqual(self.page.text("#targets button:not([hidden])"), ["To take profit"])
        self.shot("no-stop-dark")
        self.start_trader()
        self.wait_panel(".protected", "62,900.00")
        self.click("#targets button", "To stop loss")
        self.wait_bot("Stop loss hit")
        self.shot("stop-hit-dark")
        self.assert_clean()

    def test_phone(self):
        self.start_all()
        self.open(**PHONE)
        self.page.wait(lambda: self.shown("#market"), "the strip is not shown")
        self.assertFalse(self.shown("#market-body"))
        self.shot("phone-folded")
        self.click("#market-fold")
        self.wait_panel("#price", "64,000.00")
        self.shot("phone-empty")
        self.order()
        self.shot("phone-waiting")
        self.click("#targets button", "To the entry")
        self.wait_panel(".protected", "62,900.00")
        self.wait_bot("is filled")
        self.shot("phone-position")
        self.assertLessEqual(self.page.run("return document.documentElement.scrollWidth"), 390)
        small = self.page.run("return [...document.querySelectorAll('.pushes button, #market-fold, .walk')]"
                              ".filter(e => e.offsetHeight && e.offsetHeight < 40).map(e => e.innerText)")
        self.assertEqual(small, [])
        self.page.devtools("Emulation.setEmulatedMedia",
                           {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        self.shot("phone-dark")
        self.click("#targets button", "To take profit")
        self.wait_bot("Take profit hit")
        self.assert_clean()


class Panel(PageCase):
    def test_hidden_until_the_exchange_is_used(self):
        self.make_config()
        self.open()
        self.page.wait_text("#title", "trader_bot")
        self.assertFalse(self.shown("#market"))
        self.assertFalse(self.get(self.url("sim", "/sim/exchange/market")).json["used"])
        self.assertEqual(self.page.run(
            "return getComputedStyle(document.getElementById('app')).gridTemplateColumns.split(' ').length"), 2)
        self.start_hub()
        self.start_trader()
        self.page.wait(lambda: self.shown("#market"), "the panel does not come", harness.PATIENCE_SECONDS)
        self.assert_clean()

    def test_the_empty_state_writes_to_the_bot(self):
        self.start_all()
        self.open()
        self.click(".holdings .none button", "/limitbuy")
        self.page.wait_text(".message.mine .body", "/limitbuy")
        self.wait_bot("Which symbol?")

    def test_symbols_pushes_and_walk(self):
        self.start_all()
        self.open()
        self.click("#symbols label", "ETHUSDT")
        self.wait_panel("#price", "3,200.00")
        self.click("#pushes button", "−1 %")
        self.wait_panel("#price", "3,168.00")
        self.wait_panel("#change", "−1.00 %")
        self.page.wait_text("#market-said", "ETHUSDT 3,168.00")
        self.assertEqual(self.price(), 64000)
        self.click("#walk")
        self.page.wait(lambda: self.page.text("#price") != ["3,168.00"], "the price does not walk")
        self.click("#walk")
        self.wait("the market is still",
                  lambda: self.get(self.url("sim", "/sim/exchange/market")).json["mode"] == "still")
        self.click("#symbols label", "SOLUSDT")
        self.order(63000, 62000)  # the panel turns to what has been ordered
        self.page.wait(lambda: "Buy 63,000.00" in self.labels(), "the line of the order")
        self.assertEqual(self.page.run("return document.querySelector('[name=symbol]:checked').value"), "BTCUSDT")
        self.assert_clean()

    def test_a_line_far_away_is_an_arrow(self):
        """It is at the edge of the chart, but not where the price is."""
        self.start_all()
        self.open()
        self.order(63000, 30000)
        self.assertEqual(self.labels(), ["Buy 63,000.00", "↓ SL 30,000.00", "↑ TP 129,000.00"])
        self.assertEqual(self.page.run("return document.querySelectorAll('#chart .level').length"), 1)
        self.assert_clean()

    def test_keyboard(self):
        self.start_all()
        self.open()
        self.wait_panel("#price", "64,000.00")
        self.page.run("document.querySelector('[name=symbol]').focus()")
        self.press_key("\ue014")  # right
        self.wait_panel("#price", "3,200.00")
        self.press_key("\ue004\ue004 ")  # over the switch to -1 %, and press it
        self.wait_panel("#price", "3,168.00")
        named = self.page.run("return [...document.querySelectorAll('#market button, #market input')].every("
                              "e => e.innerText || e.getAttribute('aria-label') || e.labels?.[0].innerText)")
        self.assertTrue(named)
        self.assertIn("ETHUSDT from", self.page.run("return document.getElementById('chart').ariaLabel"))

    def press_key(self, keys):
        focused = self.page.call("GET", "/element/active")
        self.page.type(next(iter(focused.values())), keys)

    def test_nothing_runs_while_folded_or_hidden(self):
        self.start_all()
        self.open()
        self.wait_panel("#price", "64,000.00")
        self.click("#market-fold")
        self.assertFalse(self.shown("#market-body"))
        before = self.asked()
        self.move(65000)
        self.move(66000)
        self.assertEqual(self.page.run("return document.getElementById('price').textContent"), "64,000.00")
        self.assertEqual(self.asked(), before)
        self.click("#market-fold")
        self.wait_panel("#price", "66,000.00")
        self.set_hidden(True)
        before = self.asked()
        self.move(67000)
        self.set_hidden(False)
        self.wait_panel("#price", "67,000.00")
        self.assertLessEqual(self.asked() - before, 6)

    def asked(self):
        return self.page.run("return performance.getEntriesByType('resource')"
                             ".filter(e => e.name.includes('/sim/exchange/')).length")

    def set_hidden(self, hidden):
        self.page.run("Object.defineProperty(document, 'hidden', {configurable: true, value: arguments[0]});"
                      "document.dispatchEvent(new Event('visibilitychange'))", hidden)

    def test_connection_lost_and_back(self):
        self.start_all()
        self.open()
        self.wait_panel("#price", "64,000.00")
        self.assertFalse(self.shown("#market-lost"))
        self.sim.stop()
        self.page.wait(lambda: self.shown("#market-lost"), "no word of it")
        self.page.wait(lambda: self.page.run("return document.querySelector('#pushes button').disabled"),
                       "buttons that can do nothing")
        self.start_sim("--bot", f"{trader.TOKEN}=trader_bot", "--market", "still")
        self.page.wait(lambda: not self.shown("#market-lost"), "the panel does not come back", 30)
        self.click("#pushes button", "+1 %")
        self.wait_panel("#price", "64,640.00")

    def test_no_account(self):
        """Somebody calls the exchange, whose only account has another name and no money."""
        self.sim.stop()
        self.start_sim("--account", "other=other", "--balance", "0")
        self.get(self.url("sim", "/v5/market/time"))
        self.open()
        self.wait_panel(".holdings", "No order and no position")
        self.wait_panel(".equity", "0.00 USDT")
        self.assert_clean()


if __name__ == "__main__":
    unittest.main(verbosity=2)
