# SPDX-License-Identifier: Apache-2.0
"""One supervisor with its services in a scratch folder, and what can be seen of it. Whatever it starts, also
what leaves its session, comes to us when its parent ends (subreaper) and is ended by its id."""
import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

import tools

PR_SET_CHILD_SUBREAPER, F_SETPIPE_SZ, PIPE_BYTES = 36, 1031, 1 << 20
SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def adopt_orphans():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(143)))


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def ours():
    return set(tools.children(os.getpid())) - {os.getpid()}


def end_all(keep=frozenset(), seconds=20):
    """Parents first, so that nobody starts again what was ended; until nothing is left."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left = [p for p in tools.children(os.getpid())[1:] if p not in keep]
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
        reap()
    tools.say(f"not ended: {left}")


def read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""  # ended while we looked


class CannotRun(Exception):
    pass


class Place:
    def __init__(self, name, how, count, lines=None):
        self.name, self.how, self.lines, self.groups = name, how, lines, []
        self.leaves = False  # its command ends once the supervisor runs
        self.names = [f"s{i}" for i in range(count)]
        self.program = tools.program("bench-keeper-service")

    def __enter__(self):
        self.known = ours()
        self.folder = tempfile.mkdtemp(prefix="holdfast-bench-", dir=SHM)
        self.disk = tempfile.mkdtemp(prefix="holdfast-bench-")
        self.record = self.path("record")
        os.mkfifo(self.record)
        self.fd = os.open(self.record, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self.fd, F_SETPIPE_SZ, PIPE_BYTES)
        self.rest, self.pids = b"", {}
        self.env = dict(os.environ, BENCH_RECORD=self.record)
        if self.lines:
            self.env["BENCH_LINES"] = str(self.lines)
        return self

    def __exit__(self, *_):
        end_all(self.known)
        os.close(self.fd)
        for group in self.groups:
            for path, _, _ in os.walk(group, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def command(self, name):
        return [self.program, self.record, name] + (["lines", str(self.lines)] if self.lines else [])

    def cannot(self, why):
        raise CannotRun(why)

    def start(self, seconds=90):
        """All services run; returns milliseconds from the supervisor's exec to the last first instruction."""
        command = self.how(self)
        with open(self.path("output"), "wb") as output:
            begin = time.monotonic_ns()
            try:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                                stderr=output, env=self.env, cwd=self.folder,
                                                start_new_session=True)
            except OSError as error:
                self.cannot(str(error))
        records = self.records(len(self.names), seconds)
        if len(self.pids) < len(self.names):
            said = " ".join(read(self.path("output"))[-300:].split())
            self.cannot(f"{len(self.pids)} of {len(self.names)} services ran after {seconds} s {said}")
        if self.leaves:
            self.process.wait(seconds)
        return (max(at for _, _, at in records) - begin) / 1e6

    def records(self, count, seconds):
        """[(name, pid, ns)] of what began, at most until `seconds` have passed."""
        found, end = [], time.monotonic() + seconds
        while len(found) < count and (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            *lines, self.rest = (self.rest + os.read(self.fd, PIPE_BYTES)).split(b"\n")
            for line in lines:
                name, pid, at = line.split()
                found.append((name.decode(), int(pid), int(at)))
                self.pids[name.decode()] = int(pid)
        return found

    def supervisors(self):
        """Its processes and helpers, the services left out."""
        found = []
        for pid in ours() - self.known:
            try:
                if os.readlink(f"/proc/{pid}/exe") != self.program:
                    found.append(pid)
            except OSError:
                pass  # ended
        return found

    def pss(self):
        """MiB."""
        total = 0
        for pid in self.supervisors():
            total += sum(int(line.split()[1]) for line in read(f"/proc/{pid}/smaps_rollup").splitlines()
                         if line.startswith("Pss:"))
        return total / 1024

    def load(self):
        """Context switches so far, and nanoseconds of processor, of all threads."""
        switches = nanoseconds = 0
        for pid in self.supervisors():
            try:
                threads = os.listdir(f"/proc/{pid}/task")
            except OSError:
                continue
            for thread in threads:
                switches += sum(int(line.split()[1])
                                for line in read(f"/proc/{pid}/task/{thread}/status").splitlines()
                                if "ctxt_switches" in line)
                nanoseconds += int((read(f"/proc/{pid}/task/{thread}/schedstat") or "0").split()[0])
        return switches, nanoseconds
