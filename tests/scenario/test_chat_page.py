#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The chat page of holdfast-sim in a real browser, with a small bot behind it.

HOLDFAST_BUILD names the build folder (default: build). With HOLDFAST_SHOTS=FOLDER pictures of the
page are kept there.
"""
import json
import math
import os
import pathlib
import re
import struct
import subprocess
import sys
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from browser import Browser  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("HOLDFAST_BUILD", "build")
SHOTS = os.environ.get("HOLDFAST_SHOTS")
TOKEN = "1001:demo"


def http(method, url, body=None, timeout=70):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


class Simulator:
    def __init__(self):
        program = BUILD / "src" / "holdfast-sim"
        self.process = subprocess.Popen([program, "--port", "0", "--bot", TOKEN + "=demo_bot"],
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.url = re.search(r"http://127\.0\.0\.1:\d+", line).group(0)

    def control(self, path, body=None, method=None):
        return http(method or ("GET" if body is None else "POST"), f"{self.url}/sim/{path}", body)

    def stop(self):
        self.process.terminate()
        said = self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait(10), said


def picture():
    """A small PNG: a graph on dark ground."""
    width, height = 480, 240
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            line = 160 - x / 6 + 18 * math.sin(x / 23) + 9 * math.sin(x / 7)
            rows += bytes((94, 176, 242)) if abs(y - line) < 3 else bytes((24, 36, 48))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b""))


class Bot(threading.Thread):
    """Answers like a small trading bot; one thread, long polling."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.api = f"{url}/bot{TOKEN}/"
        self.stopping = threading.Event()
        self.start_count = 0

    def call(self, method, **params):
        try:
            return http("POST", self.api + method, params)["result"]
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (urllib.error.URLError, OSError):
            return None

    def send_photo(self, chat_id):
        mark = "XXpartXX"
        body = (f"--{mark}\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n{chat_id}\r\n"
                f"--{mark}\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\nBTCUSDT, 24 h\r\n"
                f"--{mark}\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n"
                "Content-Type: image/png\r\n\r\n").encode() + picture() + f"\r\n--{mark}--\r\n".encode()
        request = urllib.request.Request(self.api + "sendPhoto", body, method="POST", headers={
            "Content-Type": f"multipart/form-data; boundary={mark}"})
        urllib.request.urlopen(request, timeout=10).close()

    def on_text(self, chat_id, text):
        buttons = {"inline_keyboard": [
            [{"text": "✅ Confirm", "callback_data": "yes"}, {"text": "✖ Cancel", "callback_data": "no"}],
            [{"text": "Chart", "url": "https://example.org/"}]]}
        if text.startswith("/buy"):
            self.call("sendMessage", chat_id=chat_id, parse_mode="HTML", reply_markup=buttons,
                      text="<b>Buy 0.01 BTCUSDT</b>\nPrice <code>64,210.50</code>, stop <i>62,900</i>\n"
                           "Risk <tg-spoiler>12.40 USDT</tg-spoiler>, see "
                           "<a href=\"https://example.org/?a&amp;b\">the rules</a>")
        elif text == "/chart":
            self.send_photo(chat_id)
        elif text == "/pre":
            self.call("sendMessage", chat_id=chat_id, parse_mode="MarkdownV2",
                      text="```python\nprint('1 < 2')\n```\n>quoted\n*bold _both_*")
        elif text == "/keys":
            self.call("sendMessage", chat_id=chat_id, text="Choose", reply_markup={
                "keyboard": [["Balance", "Positions"], [{"text": "Help"}]], "resize_keyboard": True})
        elif text == "/hostile":
            self.call("sendMessage", chat_id=chat_id, text="<img src=x onerror=document.title='owned'>")
        elif text == "/think":
            self.call("sendChatAction", chat_id=chat_id, action="typing")
        else:
            self.call("sendMessage", chat_id=chat_id, text=f"You said: {text}")

    def on_press(self, query):
        message = query["message"]
        done = "confirmed" if query["data"] == "yes" else "cancelled"
        self.call("answerCallbackQuery", callback_query_id=query["id"], text=f"Order {done}",
                  show_alert=query["data"] == "no")
        self.call("editMessageText", chat_id=message["chat"]["id"], message_id=message["message_id"],
                  text=f"Order {done}.")

    def run(self):
        self.call("setMyCommands", commands=[
            {"command": "buy", "description": "Buy with a preview"},
            {"command": "chart", "description": "A picture of the last day"},
            {"command": "keys", "description": "Keys instead of letters"}])
        offset = 0
        while not self.stopping.is_set():
            updates = self.call("getUpdates", offset=offset, timeout=2)
            if not isinstance(updates, list):
                self.stopping.wait(0.2)
                continue
            for update in updates:
                offset = update["update_id"] + 1
                if "message" in update:
                    self.on_text(update["message"]["chat"]["id"], update["message"].get("text", ""))
                elif "callback_query" in update:
                    self.on_press(update["callback_query"])

    def stop(self):
        self.stopping.set()
        self.join(10)


class ChatPage(unittest.TestCase):
    def setUp(self):
        self.simulator = Simulator()
        self.bot = Bot(self.simulator.url)
        self.browser = None
        self.bot.start()

    def tearDown(self):
        self.bot.stop()
        if self.browser:
            self.browser.close()
        code, said = self.simulator.stop()
        self.assertEqual(code, 0, said)
        self.assertNotIn(TOKEN, said)

    def open(self, **view):
        self.browser = Browser(**view)
        self.browser.open(self.simulator.url + "/")
        return self.browser

    def say(self, text):
        self.browser.type(self.browser.find("#input"), text + "\ue007")  # Enter

    def shot(self, name):
        if SHOTS:
            self.browser.wait(lambda: self.browser.run("return document.getAnimations().length") == 0,
                              "the page never rests")
            self.browser.shot(os.path.join(SHOTS, name + ".png"))

    def test_talk_press_and_see(self):
        page = self.open()
        page.wait_text(".notice", "This is a simulator; no message leaves this machine.")
        page.wait_text("#title", "demo_bot")
        page.wait_text(".empty", "Nothing said yet")
        page.wait_text("#status", "online")
        self.say("hello")
        page.wait_text(".message.mine .body", "hello")
        page.wait_text(".message:not(.mine) .body", "You said: hello")
        self.say("/buy BTCUSDT 0.01")
        page.wait_text(".buttons button", "Confirm")
        self.assertEqual(page.text(".message:not(.mine) strong"), ["Buy 0.01 BTCUSDT"])
        self.assertEqual(page.text(".message:not(.mine) code"), ["64,210.50"])
        self.assertEqual(page.run("return document.querySelector('.message .body a').href"),
                         "https://example.org/?a&b")
        self.shot("talk")
        page.click(page.find(".buttons button"))
        page.wait_text("#toast", "Order confirmed")
        page.wait_text(".message:not(.mine) .body", "Order confirmed.")
        page.wait_text(".meta", "edited")
        self.assertEqual(page.text(".buttons button"), [])
        calls = [call["method"] for call in self.simulator.control("calls")["calls"]]
        self.assertIn("answerCallbackQuery", calls)
        self.assertEqual(page.console(), [])

    def test_alert_delete_and_service(self):
        page = self.open()
        page.wait_text("#title", "demo_bot")
        self.say("/buy")
        page.wait_text(".buttons button", "Cancel")
        page.click(page.find(".buttons button:nth-child(2)"))
        page.wait_text("#alert[open] p", "Order cancelled")
        page.click(page.find("#alert button"))
        message_id = page.run("return document.querySelector('.message:not(.mine)').dataset.id")
        self.bot.call("deleteMessage", chat_id=42, message_id=message_id)
        page.wait(lambda: not page.text(".message:not(.mine)"), "the deleted message is still there")

    def test_what_a_bot_says_stays_text(self):
        page = self.open()
        page.wait_text("#title", "demo_bot")
        self.say("/hostile")
        page.wait_text(".message:not(.mine) .body", "<img src=x onerror=document.title='owned'>")
        self.assertNotEqual(page.run("return document.title"), "owned")
        self.assertEqual(page.run("return document.querySelectorAll('.log img').length"), 0)
        self.say("/pre")
        page.wait_text("pre", "print('1 < 2')")
        self.assertEqual(page.text("blockquote"), ["quoted"])
        self.assertEqual(page.text("strong em"), ["both"])

    def test_commands_keyboard_and_picture(self):
        page = self.open()
        page.wait_text("#title", "demo_bot")
        page.wait(lambda: page.run("return !document.getElementById('menu').hidden"), "no command menu")
        page.type(page.find("#input"), "/")
        page.wait_text("#commands li", "/buy")
        self.shot("commands")
        page.type(page.find("#input"), "ch\ue007")
        page.wait(lambda: page.run("const i = document.querySelector('img.photo');"
                                   "return i && i.complete && i.naturalWidth"), "the picture is not shown")
        self.say("/keys")
        page.wait_text("#keyboard button", "Positions")
        self.shot("keys")
        page.click(page.find("#keyboard button"))
        page.wait_text(".message:not(.mine) .body", "You said: Balance")
        self.assertEqual(page.console(), [])

    def test_typing_and_status(self):
        page = self.open()
        page.wait_text("#status", "online")
        self.say("/think")
        page.wait_text("#status", "typing")
        page.find(".typing")
        self.bot.stop()
        page.wait_text("#status", "not polling", 15)

    def test_group(self):
        for name, person in (("Bob", 7), ("Ann", 42)):
            self.simulator.control("message", {"chat_id": -1001000000005, "title": "Desk", "from_id": person,
                                               "first_name": name, "text": "I am " + name})
        page = self.open()
        page.wait_text("#chats .name", "Desk")
        page.run("[...document.querySelectorAll('#chats button')].find(b => b.innerText.includes('Desk')).click()")
        page.wait_text(".message:not(.mine) .sender", "Bob")
        page.wait_text(".message.mine .body", "I am Ann")
        page.wait_text(".message:not(.mine) .sender", "demo_bot")

    def test_faults_panel(self):
        page = self.open()
        page.wait_text("#status", "online")
        page.click(page.find("#faults-open"))
        page.wait_text("#faults[open] .switch", "Telegram is down")
        page.click(page.find("#fault-list input"))
        page.wait(lambda: self.simulator.control("faults")["faults"], "the fault is not armed")
        self.shot("faults")
        page.click(page.find("#faults .primary"))
        self.say("while down")
        page.wait_text(".message.mine .body", "while down")
        self.assertEqual(page.text(".message:not(.mine) .body"), [])
        page.click(page.find("#faults-open"))
        page.click(page.find("#fault-list input"))
        page.wait(lambda: not self.simulator.control("faults")["faults"], "the fault is still armed")
        page.wait_text(".message:not(.mine) .body", "You said: while down")

    def test_dark(self):
        page = self.open(dark=True)
        page.wait_text("#title", "demo_bot")
        self.say("hello")
        page.wait_text(".message:not(.mine) .body", "You said: hello")
        self.say("/buy BTCUSDT 0.01")
        page.wait_text(".buttons button", "Confirm")
        dark = page.run("return getComputedStyle(document.querySelector('.log')).color")
        self.assertEqual(dark, "rgb(242, 245, 247)")
        self.say("/pre")
        page.wait_text("pre", "print")
        page.wait(lambda: page.run("return document.getAnimations().length") == 0, "still moving")
        self.shot("dark")
        page.view(390, 844)
        self.shot("phone-dark")

    def test_phone(self):
        page = self.open(width=390, height=844)
        page.wait_text("#chats .name", "demo_bot")
        self.assertFalse(page.run("return document.getElementById('chat').offsetWidth"))
        self.shot("phone-chats")
        page.click(page.find("#chats button"))
        self.say("/buy BTCUSDT 0.01")
        page.wait_text(".buttons button", "Confirm")
        self.say("/pre")
        page.wait_text("pre", "print")
        self.shot("phone-talk")
        self.say("hello from a phone")
        page.wait_text(".message:not(.mine) .body", "You said: hello from a phone")
        self.assertLessEqual(page.run("return document.documentElement.scrollWidth"), 390)
        page.click(page.find("#back"))
        page.wait_text("#chats .last", "You said: hello from a phone")

    def test_connection_lost_and_back(self):
        page = self.open()
        page.wait_text("#status", "online")
        self.say("before")
        page.wait_text(".message.mine .body", "before")
        port = int(self.simulator.url.rsplit(":", 1)[1])
        self.simulator.stop()
        page.wait(lambda: not page.run("return document.getElementById('lost').hidden"), "no word of it")
        program = BUILD / "src" / "holdfast-sim"
        self.simulator.process = subprocess.Popen(
            [program, "--port", str(port), "--bot", TOKEN + "=demo_bot"],
            stderr=subprocess.PIPE, text=True)
        page.wait(lambda: page.run("return document.getElementById('lost').hidden"), "the page does not come back", 20)
        self.say("back again")
        page.wait_text(".message.mine .body", "back again")
        self.assertEqual(len(page.text(".message.mine .body")), 1)  # another simulator, another book


if __name__ == "__main__":
    unittest.main(verbosity=2)
