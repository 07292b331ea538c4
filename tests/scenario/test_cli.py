# SPDX-License-Identifier: Apache-2.0
"""The command line as people meet it: words, help, status, events, top in a real terminal (tmux),
completions in real shells, man pages."""

import json
import os
import re
import shlex
import signal
import subprocess
import unittest

import harness

PAGES = "cli/pages"
WRITER = """
import os, socket, sys, time
address = os.environ["NOTIFY_SOCKET"]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect("\\0" + address[1:] if address[0] == "@" else address)
notify.send(b"READY=1\\nSTATUS=" + sys.argv[1].encode())
print("first line", flush=True)
print("\\x1b[31mred line\\x1b[0m", flush=True)
time.sleep(1000)
"""


class Screen:
    """A terminal of its own, by a tmux of its own."""

    def __init__(self, case, command, columns=80, lines=24, env=None):
        self.case = case
        self.socket = case.folder / f"tmux-{len(list(case.folder.glob('tmux-*')))}"
        case.addCleanup(self.tmux, "kill-server", check=False)
        options = [f"{name}={value}" for name, value in (env or {}).items()]
        line = " ".join(["env", *map(shlex.quote, options), command])
        self.tmux("new-session", "-d", "-x", columns, "-y", lines, f"{line}; echo exit $?; cat")

    def tmux(self, *arguments, check=True):
        env = {**self.case.env, "TERM": "xterm-256color"}
        done = subprocess.run(["tmux", "-S", str(self.socket), "-f", "/dev/null",
                               *map(str, arguments)], env=env, cwd=self.case.folder,
                              capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"tmux {arguments}: {done.stderr}")
        return done.stdout

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, columns, lines):
        self.tmux("resize-window", "-x", columns, "-y", lines)

    def text(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def wait(self, pattern, absent=False):
        """Until the pattern is (not) on the screen; returns the screen."""
        def seen():
            self.last = self.text()
            return self.last if bool(re.search(pattern, self.last)) != absent else None
        try:
            return harness.wait(f"on the screen: {pattern}", seen)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.last}") from None


class CliCase(harness.Case):
    def writer(self, status="at work", **more):
        script = self.folder / "writer.py"
        script.write_text(WRITER)
        return {"command": ["python3", str(script), status], "ready": "notify", **more}

    def failing(self, words="no such table: users"):
        return {"command": ["sh", "-c", f"echo {shlex.quote(words)}; exit 3"],
                "restart": {"max": 0, "give_up": True}}

    def command(self, name, *words):
        return shlex.join([str(self.bin / "holdfast"), name, "-c", str(self.config), "--run",
                           str(self.run_folder), *words])


class WordsTests(CliCase):
    def words(self, *words, code=0, env=None):
        done = self.run_program("holdfast", *words, env=env)
        self.assertEqual(done.code, code, done.stdout + done.stderr)
        return done

    def all_commands(self):
        return json.loads(self.words("help", "--json").stdout)["commands"]

    def test_each_command_has_help_that_fits(self):
        commands = self.all_commands()
        self.assertGreater(len(commands), 12)
        whole = self.words("--help").stdout
        for command in commands:
            self.assertRegex(whole, rf"(?m)^  {command['name']} ")
            if command["name"] in ("sim", "help"):
                continue
            text = self.words(command["name"], "--help").stdout
            self.assertEqual(text, self.words("help", command["name"]).stdout)
            self.assertIn(f"usage: holdfast {command['name']}", text)
            for option in command["options"]:
                self.assertIn(f"--{option['name']}", text)
            whole += text
        self.assertEqual([line for line in whole.splitlines() if len(line) > 80], [])

    def test_an_option_is_refused_where_it_means_nothing(self):
        for command in self.all_commands():
            takes = {option["name"] for option in command["options"]}
            self.assertTrue(command["name"] == "sim" or {"json", "help"} <= takes)
            if command["name"] != "sim" and "strict" not in takes:
                said = self.words(command["name"], "--strict", code=64).stderr
                self.assertIn(f"not an option of `holdfast {command['name']}`", said)

    def test_wrong_words(self):
        for words, said in ((["statsu"], "did you mean 'status'"),
                            (["frobnicate"], "holdfast --help"),
                            (["status", "--jsno"], "did you mean '--json'"),
                            (["status", "--frobnicate"], "holdfast status --help"),
                            (["logs", "-n"], "needs a value"),
                            (["logs", "-n", "0"], "from 1 to 1000000"),
                            (["logs", "-nx"], "'x' was found"),
                            (["health", "--port=70000"], "from 1 to 65535"),
                            (["status", "--json=yes"], "takes no value"),
                            (["down", "bot"], "takes no words"),
                            (["help", "bot"], "not a command"),
                            (["stop"], "name services, or 'all'")):
            with self.subTest(words=words):
                done = self.words(*words, code=64)
                self.assertIn(said, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("usage:", self.words(code=64).stdout)
        self.assertIn("usage:", self.words("-c", "x.yaml", code=64).stdout)

    def test_options_stand_where_one_likes(self):
        self.up({"services": {"a": self.writer()}})
        self.wait_ready("a")
        self.wait("its lines are there", lambda: "red line" in self.log("a"))
        place = ["-c", self.config, "--run", self.run_folder]
        for words in (["--json", *place, "status"], [*place, "status", "--json", "a"],
                      [f"--config={self.config}", f"--run={self.run_folder}", "status", "--json"]):
            self.assertEqual(json.loads(self.words(*words).stdout)["services"][0]["name"], "a")
        for words in (["-n", "1"], ["-n1"], ["--lines=1"], ["--lines", "1"]):
            self.assertEqual(self.words("logs", *place, *words, "--", "a").stdout.strip(),
                             "\x1b[31mred line\x1b[0m")
        self.words("status", env={"HOLDFAST_CONFIG": str(self.folder / "none.yaml")}, code=66)

    def test_json_of_each_command(self):
        self.write_config({"http": {"listen": f"127.0.0.1:{self.port('hub')}"},
                           "services": {"a": self.writer()}})
        seen = {"sim", "init", "deploy"}
        self.assertEqual(json.loads(self.run_program("holdfast", "init", "--json", cwd=self.folder,
                                                     env={"HOLDFAST_CONFIG": "first.yaml"}).stdout),
                         {"config": "first.yaml", "env": True})
        self.assertEqual(self.holdfast_json("up", "-d"), {"up": True})
        self.wait_ready("a", "hub")
        lines = {"logs": 2, "events": 4}
        for name, words in (("check", []), ("status", ["a"]), ("top", []), ("start", ["a"]),
                            ("restart", ["a"]), ("stop", ["a"]), ("doctor", []), ("upgrade", []),
                            ("log-level", []), ("reload", []), ("help", []),
                            ("version", []), ("health", []), ("logs", ["a"]), ("events", ["a"]),
                            ("alert", ["hello"]), ("alerts", []),
                            ("silence", ["--for", "1h", "--service", "a"]), ("silences", []),
                            ("down", []), ("health", [])):
            done = self.holdfast(name, *words, "--json", code=None)
            shown = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertGreaterEqual(len(shown), lines.get(name, 1), (name, done.stderr))
            self.assertTrue(all(isinstance(one, dict) for one in shown), name)
            seen.add(name)
        self.assertEqual({command["name"] for command in self.all_commands()} - seen, {"up"})


class StatusTests(CliCase):
    LONG = "a-service-with-a-very-long-name1"

    def test_what_is_wrong_and_what_to_type(self):
        self.up({"name": "my-vps", "services": {"good": self.writer(), "bot": self.failing()}})
        self.wait_ready("good")
        self.wait_state("bot", "failed")
        text = self.holdfast("status").stdout
        self.assertEqual(text.splitlines()[0], "my-vps: 2 services: 1 ready, 1 failed")
        self.assertRegex(text, r"(?m)^bot failed: exit code 3 after")
        self.assertRegex(text, r"last words: +no such table: users")
        self.assertRegex(text, r"(?m)^good .*at work$")
        # What it says to type can be typed.
        found = re.search(r"next: +holdfast (.*)", text)[1]
        done = self.run_program("holdfast", *shlex.split(found))
        self.assertEqual(done.code, 0, done.stderr)
        self.assertIn("no such table: users", done.stdout)
        found = re.search(r"then: +holdfast (.*)", text)[1]
        done = self.run_program("holdfast", *shlex.split(found, comments=True))
        self.assertEqual(done.code, 0, done.stderr)
        self.assertRegex(done.stdout, r"bot: \w+")
        good = self.holdfast("status", "good").stdout
        self.assertNotIn("next:", good)
        self.assertIn("good: has not ended yet", good)

    def test_all_is_well(self):
        self.up({"services": {"a": self.writer(), "b": self.writer()}})
        self.wait_ready("a", "b")
        text = self.holdfast("status").stdout
        self.assertIn("2 services: 2 ready\n", text)
        self.assertNotIn("next:", text)
        self.assertEqual([line for line in text.splitlines() if line != line.rstrip()], [])

    def test_no_service(self):
        self.up("services: {}")
        text = self.holdfast("status").stdout
        self.assertIn("0 services\n", text)
        self.assertIn("No services: add one", text)

    def test_long_names_and_notes_fit_the_terminal(self):
        note = "\u65e5\u672c\u8a9e \x1b[2J\x07 " + "a long note " * 20
        self.up({"services": {self.LONG: self.writer(note), "b": self.writer(note),
                              self.LONG[:-1] + "2": self.failing("words " * 40)}})
        self.wait_ready(self.LONG, "b")
        self.wait_state(self.LONG[:-1] + "2", "failed")
        text = self.holdfast("status").stdout
        self.assertIn("a long note a long note", text)  # whole in a pipe
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\x07", text)
        for columns in (80, 60, 40):
            screen = Screen(self, self.command("status"), columns=columns, lines=60)
            shown = screen.wait("exit 0")
            table = shown.partition("SERVICE")[2].partition("\n\n")[0].splitlines()
            self.assertEqual(len(table), 4, shown)  # no row became two
            self.assertRegex(shown, r"(?m)^b +ready ")
            for name in (self.LONG, "b") if columns > 40 else ():
                self.assertRegex(shown, rf"(?m)^{name} +ready .*\u65e5.*…$")
            coloured = screen.text("-e")
            self.assertRegex(coloured, r"\x1b\[32mready")
            self.assertRegex(coloured, r"31mfailed")
        plain = Screen(self, self.command("status"), env={"NO_COLOR": "1"})
        plain.wait("exit 0")
        self.assertNotIn("\x1b", plain.text("-e"))

    def test_two_hundred_services(self):
        bad = {f"bad{i}": self.failing() | {"ready": "notify"} for i in range(5)}
        self.up({"services": bad | {f"s{i:03}": {"command": "true", "needs": ["bad0"]}
                                    for i in range(195)}})
        for name in bad:
            self.wait_state(name, "failed")
        text = self.holdfast("status").stdout
        self.assertIn("200 services: 195 waiting, 5 failed", text)
        self.assertEqual(text.count("next:"), 4)
        self.assertIn("and 1 more", text)


class EventsTests(CliCase):
    def test_times_names_and_numbers(self):
        self.up({"timezone": "Asia/Kathmandu", "services": {"a": self.writer(),
                                                            "b": self.failing()}})
        self.wait_ready("a")
        self.wait_state("b", "failed")
        events = [json.loads(line) for line in
                  self.holdfast("events", "--json").stdout.splitlines()]
        numbers = [event["number"] for event in events]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual({event["service"] for event in events} - {""}, {"a", "b"})
        only = self.holdfast("events", "b").stdout.splitlines()
        self.assertTrue(only and all(re.search(r"  b  ", line) for line in only), only)
        self.assertRegex(only[-1], r"failed +exit code 3")
        last = self.holdfast("events", "-n", "1", "b").stdout
        self.assertEqual(last.splitlines(), only[-1:])
        utc = re.search(r"T(\d\d):(\d\d)", [event for event in events if event["service"] == "b"
                                            ][-1]["time"])
        minutes = (int(utc[1]) * 60 + int(utc[2]) + 5 * 60 + 45) % 1440
        self.assertRegex(last, rf"(^| ){minutes // 60:02}:{minutes % 60:02}:")
        refused = self.holdfast("events", "c", code=64)
        self.assertIn("'c' is not a service", refused.stderr)

    def test_follow_goes_on_after_a_killed_keeper(self):
        self.up({"services": {"a": self.writer()}})
        self.wait_ready("a")
        follower = self.start("holdfast", "events", "-f", "-n", "1", "-c", self.config, "--run",
                              self.run_folder)
        self.wait("the last event", lambda: follower.stdout.count("\n") == 1)
        before = self.status()["keeper_pid"]
        os.kill(before, signal.SIGKILL)
        self.wait("another keeper", lambda: self.status()["keeper_pid"] != before)
        self.holdfast("restart", "a")
        self.wait("what followed", lambda: re.search(r"keeper_restarted[^\0]*\ba +ready",
                                                     follower.stdout))
        lines = follower.stdout.splitlines()
        self.assertEqual(len(lines), len(set(lines)), lines)
        self.assertTrue(follower.running)


class TopTests(CliCase):
    def open(self, **more):
        self.up({"name": "my-vps", "services": {
            "good": self.writer("at work"), "bot": self.failing(), "other": self.writer("too")}})
        self.wait_ready("good", "other")
        self.wait_state("bot", "failed")
        return Screen(self, self.command("top"), **more)

    def row(self, screen, name):
        return next(line for line in screen.text().splitlines() if re.match(rf" {name} ", line))

    def order(self, screen):
        return re.findall(r"(?m)^ (good|bot|other) +(?:ready|failed|stopped) .*\d",
                          screen.text().rpartition("\n\n")[0])

    def test_shows_what_runs(self):
        screen = self.open()
        shown = screen.wait("3 services: 2 ready, 1 failed")
        self.assertIn("my-vps", shown)
        self.assertRegex(self.row(screen, "bot"), r"failed .*exit code 3 after")
        self.assertRegex(self.row(screen, "good"), rf"ready .* {self.service('good')['pid']} ")
        self.assertRegex(screen.text("-e"), r"31mfailed")
        self.assertLessEqual(max(map(len, shown.splitlines())), 80)
        screen.keys("?")
        screen.wait("sort by memory")
        screen.keys("x")
        self.assertEqual(self.order(screen) or screen.wait("2 ready") and self.order(screen),
                         ["good", "bot", "other"])
        screen.keys("n")
        self.wait("by name", lambda: self.order(screen) == ["bot", "good", "other"])
        screen.keys("o")
        self.wait("as in the config", lambda: self.order(screen) == ["good", "bot", "other"])
        screen.keys("w")
        self.wait("the worst first", lambda: self.order(screen) == ["bot", "good", "other"])
        screen.keys("q")
        screen.wait("exit 0")

    def test_keys_do_things_after_a_yes(self):
        screen = self.open()
        screen.wait("2 ready")
        before = self.service("good")["pid"]
        screen.keys("r")
        screen.wait(r"Restart good\? y/n")
        screen.keys("n")
        screen.wait(r"y/n", absent=True)
        self.assertEqual(self.service("good")["pid"], before)
        screen.keys("r", "y")
        self.wait("another process", lambda: self.service("good")["pid"] not in (0, before))
        self.wait_ready("good")
        screen.wait(rf"(?m)^ good +ready .* {self.service('good')['pid']} ")
        screen.keys("s", "y")
        self.wait_state("good", "stopped")
        screen.wait("1 ready, 1 stopped, 1 failed")
        screen.keys("s")  # nothing is lost by a start
        self.wait_ready("good")
        screen.wait("2 ready")
        screen.keys("Down", "l")
        self.assertIn("no such table: users", screen.wait("log of bot"))
        screen.keys("Escape")
        screen.wait("2 ready")
        screen.keys("Up", "l")
        self.assertRegex(screen.wait("log of good"), r"(?m)^ red line$")  # no rubbish of colours
        screen.keys("q")
        screen.wait("2 ready")

    def test_keeper_away_and_back(self):
        screen = self.open()
        screen.wait("2 ready")
        before = self.status()["keeper_pid"]
        os.kill(before, signal.SIGSTOP)
        screen.wait("the keeper does not answer")
        self.assertRegex(self.row(screen, "good"), "ready")  # what was known last
        os.kill(before, signal.SIGCONT)
        screen.wait("2 ready, 1 failed")
        os.kill(before, signal.SIGKILL)
        self.wait("another keeper", lambda: self.status()["keeper_pid"] != before)
        self.holdfast("stop", "other")
        screen.wait("1 ready, 1 stopped, 1 failed")
        self.holdfast("down")
        screen.wait("the keeper does not answer")
        screen.keys("q")
        screen.wait("exit 0")

    def test_small_and_changing_terminals(self):
        screen = self.open(columns=120, lines=30)
        screen.wait(r"good +ready .* at work")
        for columns, lines in ((80, 24), (50, 12), (30, 8), (12, 3), (80, 24)):
            screen.resize(columns, lines)
            self.wait(f"{columns}x{lines}", lambda: "r res" in screen.text().rstrip().splitlines()[-1])
            self.assertLessEqual(max(map(len, screen.text().splitlines())), columns)
            screen.keys("Down", "Up", "?", "x", "l", "l")
        screen.wait("2 ready, 1 failed")
        screen.keys("q")
        screen.wait("exit 0")

    def test_terminals_without_colours_and_none(self):
        screen = self.open(env={"TERM": "vt100"})
        screen.wait("2 ready, 1 failed")
        self.assertNotRegex(screen.text("-e"), r"\x1b\[[0-9;]*3[0-7]m")
        plain = Screen(self, self.command("top"), env={"NO_COLOR": "1"})
        plain.wait("2 ready, 1 failed")
        self.assertNotRegex(plain.text("-e"), r"\x1b\[[0-9;]*3[0-7]m")
        unknown = Screen(self, self.command("top"), env={
            "TERM": "no-such-terminal", "ASAN_OPTIONS": "detect_leaks=0"})  # ncurses keeps a part
        self.assertIn("no-such-terminal", unknown.wait("exit 64"))
        self.assertIn("needs a terminal", self.holdfast("top", code=64).stderr)
        both = self.holdfast_json("top")
        self.assertEqual(len(both["status"]["services"]), 3)
        self.assertIn("figures", both)


class PagesTests(CliCase):
    def page(self, name):
        file = harness.programs_folder() / PAGES / name
        self.assertTrue(file.exists(), f"{file} was not built: is scdoc installed?")
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-P", "cat", "-l", str(file)],
                              capture_output=True, text=True,
                              env={**self.env, "MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
        self.assertEqual([line for line in text.splitlines() if len(line) > 80], [])
        return text

    def test_page_of_the_command(self):
        text = self.page("holdfast.1")
        commands = json.loads(self.run_program("holdfast", "help", "--json").stdout)["commands"]
        for command in commands:
            self.assertRegex(text, rf"(?m)^       {command['name']}( |$)")
            for option in command["options"]:
                self.assertRegex(text, rf"(?m)^ +(-\w, )?--{option['name']}")
        for code in (64, 66, 69, 73, 78):
            self.assertRegex(text, rf"(?m)^       {code}$")

    def test_page_of_the_config(self):
        text = self.page("holdfast.yaml.5")
        names = set()
        for path in (harness.ROOT / "src" / "wire").glob("config*.c"):
            names |= set(re.findall(r'\{"(\w+)",\s*OPTION_', path.read_text()))
        self.assertGreater(len(names), 40)
        for name in names:
            self.assertRegex(text, rf"(?m)^       {name}$")
        self.assertRegex(text, r"max_delay\n +Longest wait\. .*\n? *.*Default: 300s")


class CompletionTests(CliCase):
    ASKED = {
        "st": ["start", "status", "stop"],
        "status b": ["bot", "box"],
        "help ev": ["events"],
        "up --re": ["--replace"],
        "status --str": [],
        "alert --pr": ["--priority"],
        "alerts --st": ["--state"],
    }

    def setUp(self):
        super().setUp()
        self.write_config("services: {bot: {command: 'true'}, box: {command: 'true'}, "
                          "api: {command: 'true'}}")
        self.pages = harness.programs_folder() / PAGES

    def questions(self):
        """The words behind `holdfast`, with the config where it is asked about services."""
        for words, expected in self.ASKED.items():
            yield words, expected
        yield f"-c {self.config} restart bo", ["bot", "box"]
        yield f"--config={self.config} logs -n 5 bo", ["bot", "box"]

    def test_bash(self):
        for words, expected in self.questions():
            # As readline does it: the words, cut at '=' too, then the function.
            script = """
                source "$1"; line="holdfast $2"
                compopt() { :; }
                read -ra COMP_WORDS <<<"${line//=/ = }"
                COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                _holdfast; printf '%s\\n' "${COMPREPLY[@]}" """
            done = self.run_program("bash", "-c", script, "bash", self.pages / "holdfast", words)
            self.assertEqual(done.stderr, "")
            self.assertEqual(sorted(done.stdout.split()), expected, words)

    def typed(self, shell, words, pattern):
        """A real shell at a real terminal; the end of the line is the Tab key."""
        screen = Screen(self, shell, env={"PS1": "$ ", "HISTFILE": "/dev/null"}, columns=100)
        screen.wait(r"ready\$")
        screen.keys(words, "Tab")
        return screen, screen.wait(pattern)

    def test_bash_at_a_terminal(self):
        start = self.folder / "bashrc"
        start.write_text(f"source {self.pages / 'holdfast'}; PS1='ready$ '\n")
        shell = f"bash --noprofile --rcfile {start} -i"
        self.typed(shell, "holdfast rel", r"(?m)holdfast reload$")
        self.typed(shell, "holdfast status ap", r"(?m)holdfast status api$")
        self.typed(shell, "holdfast check -c hol", r"check -c holdfast\.yaml")

    def test_zsh_at_a_terminal(self):
        folder = self.folder / "zsh"
        folder.mkdir()
        (folder / ".zshrc").write_text(
            f"fpath=({self.pages} $fpath); autoload -Uz compinit; compinit -u -d {folder}/dump; "
            "PS1='ready$ '; zstyle ':completion:*' menu no\n")
        shell = f"env ZDOTDIR={folder} zsh -d -i"
        self.typed(shell, "holdfast rel", r"(?m)holdfast reload$")
        self.typed(shell, "holdfast status ap", r"(?m)holdfast status api$")
        self.typed(shell, "holdfast up --rep", r"(?m)holdfast up --replace$")
        screen, shown = self.typed(shell, "holdfast st", r"start services and what they need")
        self.assertIn("stop services", shown)

    def test_fish(self):
        for words, expected in self.questions():
            done = self.run_program("fish", "-N", "-c", 'source $argv[1]; complete -C $argv[2]',
                                    self.pages / "holdfast.fish", f"holdfast {words}",
                                    env={"XDG_DATA_HOME": str(self.folder)})
            self.assertEqual(done.stderr, "")
            found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
            self.assertEqual(sorted(found), expected, words)


if __name__ == "__main__":
    unittest.main()
