# SPDX-License-Identifier: Apache-2.0
"""What scenarios of the trader share: simulated Telegram and exchange, hub, trader, and one owner who
writes in the chat. No keeper: the test itself starts and kills."""

import hmac
import json
import re
import time

import harness

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
OWNER, STRANGER = 42, 43


class TraderCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.sim = self.start_sim("--bot", f"{TOKEN}=trader_bot", "--chat", str(STRANGER),
                                  "--market", "still")
        self.post(self.url("sim", "/sim/limits"), {"per_chat": 0, "global": 0, "group": 0})

    def make_config(self, **trader):
        return self.write_config({
            "name": "test", "data": str(self.folder / "data"),
            "http": {"listen": f"127.0.0.1:{self.port('hub')}"},
            "bots": {"main": {"token": TOKEN, "api_url": self.url("sim", ""), "owner": OWNER}},
            "alerts": {"bot": "main", "chat": OWNER},
            "trader": {"bot": "main", "api_url": self.url("sim", ""), **trader}})

    def start_hub(self):
        self.run_folder.mkdir(exist_ok=True)
        self.hub = self.start("holdfast-hub", "--config", self.config, "--run", self.run_folder,
                              "--sends-per-second", "0", "--chat-sends-per-second", "0")
        self.wait_http(self.url("hub", "/ping"))

    def start_trader(self, **env):
        self.trader = self.start("holdfast-trader", "--config", self.config, "--run",
                                 self.run_folder, "--read-every", "200ms", env=env)

    def start_all(self, **trader):
        self.make_config(**trader)
        self.start_hub()
        self.start_trader()
        self.wait_exchange()

    def wait_exchange(self):
        self.wait("the exchange is known", lambda: "instruments" in self.trader.stderr)

    # --- the chat ---------------------------------------------------------------------------------

    def ask(self, text, beginning, chat=OWNER):
        """Writes, and returns the first new message of the bot that has `beginning` in it."""
        before = len(self.book(chat))
        self.say(text, chat=chat)
        return self.wait_message(beginning, before, chat)

    def wait_message(self, part, after=0, chat=OWNER, seconds=harness.PATIENCE_SECONDS):
        def found():
            return [m for m in self.book(chat)[after:] if m["from_bot"] and part in m["text"]]

        return self.wait(f"the bot writes {part!r}", found, seconds)[-1]

    def messages(self, part, chat=OWNER):
        return [m for m in self.book(chat) if m["from_bot"] and part in m["text"]]

    def button(self, message, label):
        for row in message["reply_markup"]["inline_keyboard"]:
            for button in row:
                if button["text"].startswith(label):
                    return button["callback_data"]
        self.fail(f"no button {label} at {message['text']!r}: {message.get('reply_markup')}")

    def press(self, message, label, chat=OWNER, person=OWNER):
        return self.press_data(message, self.button(message, label), chat, person)

    def press_data(self, message, data, chat=OWNER, person=OWNER, may_be_gone=False):
        answer = self.post(self.url("sim", "/sim/press"),
                           {"chat_id": chat, "from_id": person, "data": data,
                            "message_id": message["message_id"]})
        if not (may_be_gone and answer.status == 404):
            self.assertEqual(answer.status, 200, answer)
        return answer.json

    # --- the exchange -----------------------------------------------------------------------------

    def books(self, key="paper"):
        return self.get(self.url("sim", f"/sim/exchange/books?key={key}")).json

    def price(self, symbol="BTCUSDT"):
        market = self.get(self.url("sim", "/sim/exchange/market")).json
        return float(next(s for s in market["symbols"] if s["symbol"] == symbol)["last"])

    def move(self, price, symbol="BTCUSDT"):
        answer = self.post(self.url("sim", "/sim/exchange/price"),
                           {"symbol": symbol, "price": f"{price:.1f}"})
        self.assertEqual(answer.status, 200, answer)

    def signed(self, path, body, key="paper", secret="paper"):
        """A request to the exchange by somebody else with the same key."""
        text, now = json.dumps(body), str(int(time.time() * 1000))
        signature = hmac.new(secret.encode(), (now + key + "5000" + text).encode(), "sha256")
        return harness.http("POST", self.url("sim", path), text.encode(),
                            {"Content-Type": "application/json", "X-BAPI-API-KEY": key,
                             "X-BAPI-TIMESTAMP": now, "X-BAPI-RECV-WINDOW": "5000",
                             "X-BAPI-SIGN": signature.hexdigest()}).json

    def exchange_fault(self, path, kind, count=1, **more):
        answer = self.post(self.url("sim", "/sim/exchange/faults"),
                           {"path": path, "kind": kind, "count": count, **more})
        self.assertEqual(answer.status, 200, answer)

    def our_orders(self):
        """Orders that the trader sent, by the simulator's books."""
        return [o for o in self.books()["orders"] if re.match(r"h\w+-\d+-\w+-e1$", o["orderLinkId"])]

    def position(self, symbol="BTCUSDT"):
        for position in self.books()["positions"]:
            if position["symbol"] == symbol and float(position["size"] or 0):
                return position
        return None

    # --- whole trades -----------------------------------------------------------------------------

    def preview(self, entry, stop, side="buy", symbol="BTCUSDT", take="2R"):
        return self.ask(f"/limit{side} {symbol} {entry:.1f} {stop:.1f} {take}", "Place this order?")

    def open_position(self):
        """A limit buy at the market price, filled at once; returns (entry, stop, take)."""
        last = self.price()
        entry, stop = round(last + 10, 1), round(last * 0.99, 1)
        message = self.preview(entry, stop)
        self.press(message, "Confirm")
        self.wait("the position is open", self.position)
        return entry, stop, round(entry + 2 * (entry - stop), 1)


def pretty(value):
    return json.dumps(value, indent=1)
