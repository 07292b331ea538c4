# SPDX-License-Identifier: Apache-2.0
"""What every measurement needs: packages, a release build, programs that end for sure, a table."""
import contextlib
import http.client
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build-bench")
TOKEN = "110201543:bench-token-of-the-simulator-AAAAAA"
OTHER_TOKEN = "110201544:bench-token-of-the-simulator-BBBBBB"


def say(text):
    print(text, file=sys.stderr, flush=True)


def stop(text):
    say("bench/run: " + text)
    sys.exit(1)


def packages(why, *names):
    """Installs Debian packages that are missing. A peer that cannot be had fails the measurement."""
    missing = [n for n in names if subprocess.run(
        ["dpkg-query", "-W", "-f=${Status}", n], capture_output=True, text=True
    ).stdout != "install ok installed"]
    if not missing:
        return
    say(f"Installing {' '.join(missing)} with apt ({why}).")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    install = sudo + ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q",
                      "--no-install-recommends", *missing]
    if subprocess.run(install, stdout=subprocess.DEVNULL).returncode:
        subprocess.run(sudo + ["apt-get", "update", "-q"], stdout=subprocess.DEVNULL)
        if subprocess.run(install, stdout=subprocess.DEVNULL).returncode:
            stop(f"a peer could not be installed: {' '.join(missing)}")


def build(*targets):
    """A release build in a folder of its own; only what the measurement runs. Installs what a build needs."""
    needs = ". packaging/packages.sh && need_debian && need_build && install_missing"
    if subprocess.run(["bash", "-euc", needs], cwd=ROOT, stdout=sys.stderr).returncode:
        stop("what the build needs could not be installed")
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        run(["meson", "setup", BUILD, ROOT, "--buildtype=release", "--optimization=2"])
    run(["ninja", "-C", BUILD, *targets])


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        stop(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
    return done.stdout


def program(name):
    return os.path.join(BUILD, "src" if name.startswith("holdfast") else "bench", name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, seconds=5):
    """(status, body), or (0, why) while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def wait_for(port, path, statuses=(200,), seconds=20):
    end = time.monotonic() + seconds
    while True:
        status, body = get(port, path)
        if status in statuses:
            return body
        if time.monotonic() > end:
            stop(f"http://127.0.0.1:{port}{path} answers {status} {body[:300]!r} after {seconds} s")
        time.sleep(0.05)


def machine_is_quiet():
    """Warns when others use the processors: a ratio then says little."""
    def busy_and_all():
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(x) for x in file.readline().split()[1:9]]
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks)

    first = busy_and_all()
    time.sleep(1)
    last = busy_and_all()
    share = (last[0] - first[0]) / max(1, last[1] - first[1])
    if share > 0.05:
        say(f"Warning: other programs use {share:.0%} of this machine; measure again when it is quiet.")


class Bench(contextlib.ExitStack):
    """A scratch folder and the programs started in it; all of it is gone at the end."""

    def __enter__(self):
        super().__enter__()
        self.folder = tempfile.mkdtemp(prefix="holdfast-bench-")
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.log = open(os.path.join(self.folder, "output"), "wb")
        self.callback(self.log.close)
        return self

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, command):
        """Its own process group, so that its children end with it."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                   stderr=self.log, start_new_session=True, cwd=self.folder)
        self.callback(self.end, process)
        return process

    @staticmethod
    def end(process, seconds=10):
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, number)
            try:
                process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                pass

    def up(self, config):
        """The whole house: anchor, keeper and the services of the config. Returns the anchor's id."""
        path = self.write("holdfast.yaml", config)
        process = self.start([program("holdfast"), "-c", path, "--run", self.path("run"), "up"])
        end = time.monotonic() + 20
        while subprocess.run([program("holdfast"), "-c", path, "--run", self.path("run"), "status"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            if process.poll() is not None or time.monotonic() > end:
                with open(self.path("output"), encoding="utf-8", errors="replace") as file:
                    stop("holdfast up did not come up:\n" + file.read()[-3000:])
            time.sleep(0.05)
        return process.pid


def children(pid):
    """pid and all below it, as far as /proc tells."""
    found, queue = [], [pid]
    while queue:
        at = queue.pop()
        found.append(at)
        try:
            for task in os.listdir(f"/proc/{at}/task"):
                with open(f"/proc/{at}/task/{task}/children", encoding="ascii") as file:
                    queue += [int(x) for x in file.read().split()]
        except OSError:
            pass
    return found


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


median = statistics.median


class Table:
    """Rows of (measure, ours, best peer, which, ratio, bar, verdict)."""

    def __init__(self):
        self.rows = [("measure", "ours", "best peer", "which", "ratio", "bar", "verdict")]
        self.missed = False

    def add(self, measure, ours, peer, which, ratio, bar, met):
        self.missed |= met is False
        verdict = {True: "met", False: "MISSED", None: "-"}[met]
        self.rows.append((measure, ours, peer, which, ratio, bar, verdict))

    def show(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(7)]
        for row in self.rows:
            print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
        return 1 if self.missed else 0
