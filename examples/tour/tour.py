# SPDX-License-Identifier: Apache-2.0
"""./run --tour: about half a minute with a bot that is killed, hung and cut off, and loses nothing.

Starts a demo of its own (simulated Telegram, hub, bot) in a temporary folder on free ports. Each line
that ends well was checked just then; the first check that fails ends the tour with exit code 1.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build")) / "src"
PERSON = 42
BOT_TOKEN = "110201543:tour-token-of-the-simulator-AAAAAAA"
TRADER_TOKEN = "110201544:tour-token-of-the-simulator-BBBBBBB"
TRADER = "trader_bot"
HTTP_TOKEN = "tour-token-for-alerts"
PATIENCE_SECONDS = 15
COUNTER = """
number=0
while :; do number=$((number + 1)); echo "line $number"; sleep 0.02; done
"""


class Failed(Exception):
    pass


class Screen:
    """What the visitor sees. Colours only on a terminal, and not against NO_COLOR."""

    def __init__(self):
        self.colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.start = time.monotonic()
        self.checks = 0

    def paint(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text

    def title(self, text):
        print(f"\n{self.paint('1', text)}", flush=True)

    def tell(self, text):
        print(f"    {self.paint('2', text)}", flush=True)

    def good(self, text):
        self.checks += 1
        seconds = self.paint("2", f"{time.monotonic() - self.start:5.1f} s")
        print(f"  {self.paint('32', '✓')} {text}  {seconds}", flush=True)

    def bad(self, text):
        print(f"  {self.paint('31', '✗')} {text}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def http(method, url, body=None, headers=None):
    """Status and answer; the status of a refusal is an answer too."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json",
                                                 **(headers or {})}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, json.loads(answer.read() or b"null")


def wait(what, condition, seconds=PATIENCE_SECONDS):
    """Waits for the condition; what cannot be asked yet counts as not yet so."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except (OSError, ValueError, KeyError, StopIteration):
            pass
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not so after {seconds} s")
        time.sleep(0.02)


class Demo:
    """The instance of the tour: its folder, its processes, its chat."""

    def __init__(self, folder):
        self.folder = folder
        self.sim = f"http://127.0.0.1:{free_port()}"
        self.hub = f"http://127.0.0.1:{free_port()}"
        self.config = folder / "holdfast.yaml"
        self.config.write_text(json.dumps(self.make_config(), indent=2))
        self.env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1",
                    "HOLDFAST_TOUR": str(folder)}
        self.output = open(folder / "up.log", "wb")
        self.options = ["-c", self.config, "--run", folder / "run"]
        self.up = subprocess.Popen([BIN / "holdfast", "up", *self.options], env=self.env, cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=self.output,
                                   stderr=subprocess.STDOUT, start_new_session=True)

    def make_config(self):
        return {
            "name": "tour",
            "http": {"listen": self.hub.removeprefix("http://"), "token": HTTP_TOKEN},
            "bots": {"main": {"token": BOT_TOKEN, "api_url": self.sim, "owner": PERSON},
                     "trade": {"token": TRADER_TOKEN, "api_url": self.sim, "owner": PERSON}},
            "alerts": {"bot": "main", "chat": PERSON},
            "trader": {"bot": "trade", "mode": "paper", "api_url": self.sim},
            "services": {
                "sim": {"command": ["holdfast", "sim", "--port", self.sim.rpartition(":")[2],
                                    "--market", "still", "--bot", f"{BOT_TOKEN}=tour_bot",
                                    "--bot", f"{TRADER_TOKEN}={TRADER}"], "ready": "notify"},
                "bot": {"command": ["/usr/bin/python3", "-W", "ignore",
                                    str(ROOT / "examples/demo/bot.py")],
                        "needs": ["sim", "hub"], "consumer": "main", "ready": "notify",
                        "watchdog": "3s", "stop_timeout": "500ms", "restart": {"delay": "500ms"},
                        "env": {"DEMO_THINK_SECONDS": "0.4"}},
                "counter": {"command": ["sh", "-c", COUNTER]},
            },
        }

    def status(self):
        done = subprocess.run([BIN / "holdfast", "status", *self.options, "--json"], env=self.env,
                              capture_output=True, timeout=10)
        return json.loads(done.stdout)

    def services(self):
        return {service["name"]: service for service in self.status()["services"]}

    def pids(self):
        return {name: service["pid"] for name, service in self.services().items()}

    def all_ready(self):
        return all(service["state"] == "ready" for service in self.services().values())

    def wait_new(self, name, pid):
        def runs_again():
            service = self.services()[name]
            return service["pid"] if service["state"] == "ready" and service["pid"] != pid else None

        return wait(f"the {name} runs again", runs_again)

    def wait_new_bot(self, pid):
        return self.wait_new("bot", pid)

    def log_numbers(self):
        files = sorted((self.folder / "data" / "logs").glob("counter.log*"), reverse=True)
        words = "".join(path.read_text() for path in files).split()
        return [int(number) for number in words[1::2]]

    # --- the chat -----------------------------------------------------------------------------

    def say(self, text, **bot):
        status, _ = http("POST", f"{self.sim}/sim/message",
                         {"chat_id": PERSON, "from_id": PERSON, "first_name": "Ann", "text": text,
                          **bot})
        if status != 200:
            raise Failed(f"the simulator refused a message: {status}")

    def press(self, message, data, **bot):
        http("POST", f"{self.sim}/sim/press", {"chat_id": PERSON, "from_id": PERSON, "data": data,
                                               "message_id": message["message_id"], **bot})

    def book(self, bot=""):
        """What stands in the chat now, in order; an edit moves nothing."""
        _, page = http("GET", f"{self.sim}/sim/messages?chat_id={PERSON}&after=0{bot}")
        latest = {}
        for message in page["messages"]:
            latest[message["message_id"]] = message
        return list(latest.values())

    def from_bot(self, beginning):
        return [message for message in self.book()
                if message["from_bot"] and message["text"].startswith(beginning)]

    def wait_text(self, beginning, seconds=PATIENCE_SECONDS):
        return wait(f"the bot writes “{beginning}”", lambda: self.from_bot(beginning), seconds)[-1]

    # --- the trading bot, and the exchange it trades on -------------------------------------------

    def ask_trader(self, text, part):
        """Writes to the trader, and returns its next message with `part` in it."""
        before = len(self.book(f"&bot={TRADER}"))
        self.say(text, bot=TRADER)
        return self.wait_trader(part, before)

    def wait_trader(self, part, after=0):
        def found():
            return [message for message in self.book(f"&bot={TRADER}")[after:]
                    if message["from_bot"] and part in message["text"]]

        return wait(f"the trader writes “{part}”", found)[-1]

    def confirm(self, message):
        buttons = [button for row in message["reply_markup"]["inline_keyboard"] for button in row]
        data = next(button["callback_data"] for button in buttons if button["text"] == "Confirm")
        self.press(message, data, bot=TRADER)

    def price(self):
        _, market = http("GET", f"{self.sim}/sim/exchange/market")
        return float(next(s["last"] for s in market["symbols"] if s["symbol"] == "BTCUSDT"))

    def push_price(self, price):
        http("POST", f"{self.sim}/sim/exchange/price", {"symbol": "BTCUSDT", "price": f"{price:.1f}"})

    def exchange(self):
        return http("GET", f"{self.sim}/sim/exchange/books?key=paper")[1]

    def entries(self):
        """Orders that the trader sent (the exchange makes stops and targets by itself)."""
        return [order for order in self.exchange()["orders"] if order["orderLinkId"]]

    def position(self):
        return next((p for p in self.exchange()["positions"] if float(p["size"] or 0)), None)

    def kill_trader(self):
        pid = self.pids()["trader"]
        os.kill(pid, signal.SIGKILL)
        return pid

    def calls(self, method):
        return http("GET", f"{self.sim}/sim/calls?after=0&method={method}")[1]["calls"]


def check(condition, what):
    if not condition:
        raise Failed(what)


def start_ticks(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def tour_start(screen, demo):
    screen.title("1. The stack starts in order")
    wait("all services are ready", demo.all_ready, 30)
    pids = demo.pids()
    ticks = {name: start_ticks(pid) for name, pid in pids.items()}
    check(ticks["bot"] > max(ticks["sim"], ticks["hub"]), "the bot started before what it needs")
    screen.good("simulated Telegram and hub first; the bot when both said that they are ready")
    screen.tell(f"chat page {demo.sim}/   health {demo.hub}/health")


def tour_chat(screen, demo):
    screen.title("2. A person chats with the bot")
    demo.say("/start")
    hello = demo.wait_text("Hello Ann")
    check(hello["reply_markup"], "the greeting has no buttons")
    screen.good("/start is answered, with buttons")
    demo.press(hello, "count:0")
    counter = hello
    wait("the button opens the counter", lambda: demo.from_bot("Counter: 0"))
    demo.press(counter, "count:1")
    demo.wait_text("Counter: 1")
    screen.good("a button is pressed, and the message changes in place")


def tour_kill(screen, demo):
    screen.title("3. The bot is killed with -9 while three messages are on their way")
    before = demo.pids()
    thinking = len(demo.calls("sendChatAction"))
    for word in ("one", "two", "three"):
        demo.say(word)
    wait("the bot works on the first", lambda: len(demo.calls("sendChatAction")) > thinking)
    os.kill(before["bot"], signal.SIGKILL)
    check(not demo.from_bot("You said: "), "it was faster than the kill")
    screen.tell(f"killed process {before['bot']} in the middle of its first answer")
    pid = demo.wait_new_bot(before["bot"])
    screen.good(f"it runs again as process {pid}")
    for word in ("one", "two", "three"):
        demo.wait_text(f"You said: {word}")
    time.sleep(0.7)
    answers = [message["text"] for message in demo.from_bot("You said: ")]
    check(answers == [f"You said: {word}" for word in ("one", "two", "three")],
          f"the answers were {answers}")
    screen.good("all three messages are answered, each once, in order")
    after = demo.pids()
    check(all(after[name] == before[name] for name in before if name != "bot"),
          "another service restarted")
    screen.good("nothing else was restarted")


def tour_hang(screen, demo):
    screen.title("4. The bot hangs (SIGSTOP)")
    pid = demo.pids()["bot"]
    os.kill(pid, signal.SIGSTOP)
    demo.say("are you there?")
    screen.tell("its watchdog beats every second or so; after three silent ones it counts as hung")
    demo.wait_new_bot(pid)
    screen.good("the hang is found, and the bot is restarted")
    demo.wait_text("You said: are you there?")
    time.sleep(0.7)
    check(len(demo.from_bot("You said: are you there?")) == 1, "answered more than once")
    screen.good("the message written meanwhile is answered, once")


def tour_keeper(screen, demo):
    screen.title("5. The keeper itself is killed with -9")
    before, keeper = demo.pids(), demo.status()["keeper_pid"]
    lines = demo.log_numbers()[-1]
    os.kill(keeper, signal.SIGKILL)
    wait("there is a new keeper", lambda: demo.status()["keeper_pid"] != keeper)
    check(demo.pids() == before, "a service was restarted")
    screen.good("a new keeper is at work; every service has the same process as before")
    wait("the log goes on", lambda: demo.log_numbers()[-1] > lines + 50)
    numbers = demo.log_numbers()
    check(numbers == list(range(numbers[0], numbers[0] + len(numbers))), "a log line is missing")
    screen.good(f"the log of a service went on: {len(numbers)} lines, none missing")


def send_alert(demo, priority, text):
    status, answer = http("POST", f"{demo.hub}/v1/alerts", {"priority": priority, "text": text},
                          {"Authorization": f"Bearer {HTTP_TOKEN}"})
    check(200 <= status < 300, f"the alert was refused: {status} {answer}")


def tour_trade(screen, demo):
    screen.title("6. An order from the chat to its target, with the trader killed at each step")
    price = demo.price()
    entry, stop, target = price - 200, price - 1200, price + 1800
    preview = demo.ask_trader(f"/limitbuy BTC {entry:.1f} {stop:.1f} 2R", "Place this order?")
    screen.good("/limitbuy shows what it would do: risk, quantity, target; nothing is placed yet")
    demo.confirm(preview)
    pid = demo.kill_trader()
    screen.tell(f"confirmed, and process {pid} killed at once: the order may have left, or may not")
    demo.wait_new("trader", pid)
    screen.tell("the next trader asks the exchange until no late request can arrive any more")
    wait("the order is at the exchange", demo.entries, 30)
    check(len(demo.entries()) == 1, "it was sent twice")
    screen.good("the order is at the exchange, once")
    pid = demo.kill_trader()
    demo.wait_new("trader", pid)
    check(not demo.position(), "the order was filled too early")
    demo.push_price(entry - 1)
    position = wait("the position is open", demo.position)
    check(float(position["stopLoss"]) == stop, f"the stop loss is {position['stopLoss']}")
    pid = demo.kill_trader()
    demo.wait_new("trader", pid)
    screen.good("the price fills it, and its stop loss is at the exchange with it")
    wait("the trader knows it",
         lambda: "protected" in demo.ask_trader("/status", "Exchange")["text"], 30)
    check(len(demo.entries()) == 1, "there is a second order")
    screen.good("killed twice more: one order, one position, protected")
    demo.push_price(target + 10)
    told = wait("the alert arrives", lambda: [m for m in demo.book()
                                              if "Take profit hit" in m["text"]], 30)
    check(len(told) == 1 and not demo.position(), "the position is still open")
    screen.good("the target is hit, and the alert tells of it: " + told[0]["text"].splitlines()[-2])


def tour_outage(screen, demo):
    screen.title("7. Telegram is down for some seconds")
    alerts = [("LOW", "backup is done"), ("MEDIUM", "disk is half full"),
              ("HIGH", "an order waits"), ("CRITICAL", "the database is gone")]
    http("POST", f"{demo.sim}/sim/faults", {"method": "*", "kind": "5xx", "count": 100000})
    for priority, text in alerts:
        send_alert(demo, priority, f"tour: {text}")
    time.sleep(3)
    check(not any("tour: " in message["text"] for message in demo.book()),
          "an alert arrived although Telegram is down")
    screen.good("four alerts are accepted and on disk while Telegram does not answer")
    http("DELETE", f"{demo.sim}/sim/faults")

    def arrived():
        texts = [message["text"] for message in demo.book() if "tour: " in message["text"]]
        return texts if len(texts) == len(alerts) else None

    texts = wait("every alert arrives", arrived, 100)
    screen.good("Telegram is back, and every alert arrives")
    check("the database is gone" in texts[0], f"the first was: {texts[0]}")
    screen.good("the CRITICAL one came first, though it was sent last")


def tour_stop(screen, demo):
    screen.title("8. Orderly stop")
    pids = demo.pids()
    demo.up.send_signal(signal.SIGTERM)
    try:
        code = demo.up.wait(30)
    except subprocess.TimeoutExpired:
        raise Failed("it does not end") from None
    check(code == 0, f"exit code {code}")
    check(not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids.values()),
          "a service is still there")
    screen.good("everything ended in reverse order; no process is left")


STEPS = (tour_start, tour_chat, tour_kill, tour_hang, tour_keeper, tour_trade, tour_outage, tour_stop)


def end_rest(demo):
    """After a failed check: the processes of this tour, known by their folder in the environment."""
    if demo.up.poll() is None:
        demo.up.terminate()
        try:
            demo.up.wait(15)
        except subprocess.TimeoutExpired:
            demo.up.kill()
            demo.up.wait()
    mark = f"HOLDFAST_TOUR={demo.folder}".encode()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                pass


def main():
    if not (BIN / "holdfast").exists():
        sys.exit("tour: holdfast is not built here: use ./run --tour")
    screen = Screen()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-tour-"))
    demo = Demo(folder)
    try:
        for step in STEPS:
            step(screen, demo)
    except (Failed, OSError, ValueError, KeyError, KeyboardInterrupt) as error:
        screen.bad(str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}")
        print(f"The tour failed; its logs are in {folder}.", flush=True)
        return 1
    finally:
        end_rest(demo)
        demo.output.close()
    shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{screen.checks} checks, all as promised. "
          "Now ./run, and talk to the bot yourself.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
