# SPDX-License-Identifier: Apache-2.0
"""K12: where `holdfast up` runs: as pid 1 of a container, under systemd, and how it is asked from
outside whether it is well. The systemd here is a real one, pid 1 of namespaces of its own, with the
unit that is shipped; a machine that lets nobody make those skips it."""

import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import harness

SLEEPER = {"command": "sleep 1000"}
LEAVER = """import os, time
# An orphan a turn: a grandchild whose parent is gone at once.
while True:
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            time.sleep(0.05)
        os._exit(0)
    os.wait()
    time.sleep(0.1)
"""
ENVIRONMENT = """import os, time
print({name: value for name, value in os.environ.items()
       if name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")}, flush=True)
time.sleep(1000)
"""


def children(pid):
    """{pid: state} of the children of a process."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(parent) == pid:
                found[int(entry.name)] = state
    return found


class PlacesCase(harness.Case):
    def script(self, name, text):
        (self.folder / name).write_text(text)
        return f"{sys.executable} {name}"


class ContainerTests(PlacesCase):
    """`unshare --pid --mount-proc` makes what a container engine makes, as far as pid 1 goes."""

    def up_as_pid_1(self, config):
        self.write_config(config)
        outer = self.start("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
                           self.bin / "holdfast", "up", "-c", self.config, "--run", self.run_folder)
        self.wait("there is a pid 1", lambda: children(outer.pid))
        self.anchor = next(iter(children(outer.pid)))
        return outer

    def inside(self, *words):
        return self.run_program("nsenter", "--target", self.anchor, "--pid", "--mount", "--", *words)

    def zombies(self):
        return [pid for pid, state in children(self.anchor).items() if state == "Z"]

    def test_reaps_what_anybody_leaves_and_ends_in_order(self):
        outer = self.up_as_pid_1({"services": {
            "leaver": {"command": self.script("leaver.py", LEAVER)},
            "a": SLEEPER, "b": {**SLEEPER, "needs": ["a"]}}})
        self.wait_ready("leaver", "a", "b")
        self.assertEqual(self.status()["pid"], 1)
        status = pathlib.Path(f"/proc/{self.anchor}/status").read_text()
        self.assertIn(f"NSpid:\t{self.anchor}\t1\n", status)
        # A stranger too, as `docker exec` would leave one: not below us until its parent is gone.
        self.inside("sh", "-c", f"(sleep 0.2; : > {self.folder}/stranger) & exit 0")
        self.wait("the stranger ended", (self.folder / "stranger").exists)
        self.wait("nobody is left as a zombie", lambda: not self.zombies())
        self.assertTrue(outer.running)
        os.kill(self.anchor, signal.SIGTERM)
        self.assertEqual(outer.wait(), 0, outer.stderr)
        self.assertEqual(self.leftovers(), [])

    def test_a_second_signal_tells_by_its_code(self):
        outer = self.up_as_pid_1({"services": {"a": {
            "command": self.script("deaf.py", "import signal, time\n"
                                   "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                                   "print('deaf', flush=True)\ntime.sleep(1000)"),
            "stop_timeout": "120s"}}})
        self.wait("it is deaf", lambda: "deaf" in self.log("a"))
        os.kill(self.anchor, signal.SIGTERM)
        self.wait_state("a", "stopping")
        os.kill(self.anchor, signal.SIGTERM)
        self.assertEqual(outer.wait(), 128 + signal.SIGTERM, outer.stderr)

    def test_a_stop_that_comes_before_the_anchor_works_is_not_lost(self):
        outer = self.up_as_pid_1({"services": {"a": SLEEPER}})
        self.wait("up begins", lambda: "data in" in outer.stderr)
        os.kill(self.anchor, signal.SIGTERM)
        self.assertEqual(outer.wait(), 0, outer.stderr)

    def test_kill_9_of_the_keeper_in_there(self):
        self.up_as_pid_1({"services": {"a": SLEEPER}})
        self.wait_ready("a")
        before = self.status()
        self.inside("kill", "-9", before["keeper_pid"])
        after = self.wait("another keeper", lambda: self.status()["keeper_pid"]
                          != before["keeper_pid"] and self.status())
        self.assertEqual([s["pid"] for s in after["services"]],
                         [s["pid"] for s in before["services"]])

    def test_health_as_a_container_engine_asks(self):
        """HEALTHCHECK runs inside, a load balancer's script outside; 0 and 1 are all they know."""
        sim = self.start_sim()
        outer = self.up_as_pid_1({
            "http": {"listen": f"127.0.0.1:{self.port('hub')}"},
            "bots": {"main": {"token": "123456:" + "A" * 35, "api_url": self.url("sim", "")}},
            "services": {"good": SLEEPER, "bad": {
                "command": "false", "restart": {"max": 0, "give_up": True}}}})
        self.wait_state("bad", "failed")
        words = [self.bin / "holdfast", "health", "-c", self.config, "--run", self.run_folder]
        self.wait("degraded is well enough", lambda: self.inside(*words).code == 0)
        self.wait("and says so", lambda: "degraded" in self.inside(*words).stdout)
        self.assertEqual(self.inside(*words, "--strict").code, 1)
        self.assertEqual(self.holdfast("health", "--port", self.port("hub")).code, 0)
        self.assertEqual(self.holdfast_json("health", "--strict", code=1)["status"], "degraded")
        os.kill(self.anchor, signal.SIGTERM)
        self.assertEqual(outer.wait(), 0, outer.stderr)
        sim.stop()
        self.assertIn("down", self.holdfast("health", "--port", self.port("hub"), code=1).stdout)


class Listener:
    """What systemd is towards a service: a datagram socket, and who sent what."""

    def __init__(self, path):
        self.path, self.messages = path, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(str(path))

    def read(self, seconds=0.0):
        """Takes what is there, or waits for the next; true when something came."""
        came = False
        while select.select([self.socket], [], [], 0 if came else seconds)[0]:
            data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
            pid = struct.unpack("iII", ancillary[0][2][:12])[0]
            self.messages += [(pid, line) for line in data.decode().splitlines()]
            came = True
        return came

    def lines(self):
        self.read()
        return [line for _, line in self.messages]

    def is_quiet(self, seconds=1.0):
        """Nothing more comes, once what was under way is in."""
        while self.read(0.5):
            pass
        return not self.read(seconds)


class NotifyTests(PlacesCase):
    def setUp(self):
        super().setUp()
        self.listener = Listener(self.folder / "notify")
        self.addCleanup(self.listener.socket.close)

    def up_told(self, config, **more):
        return self.up(config, env={"NOTIFY_SOCKET": str(self.listener.path), **more})

    def wait_line(self, line):
        self.wait(line, lambda: line in self.listener.lines())

    def test_ready_status_reload_and_stop(self):
        up = self.up_told({"services": {"a": SLEEPER, "b": SLEEPER}})
        self.wait_line("READY=1")
        self.wait_line("STATUS=2 of 2 services ready")
        self.holdfast("stop", "a")
        self.wait_line("STATUS=1 of 1 services ready")
        self.listener.messages.clear()
        self.write_config({"services": {"b": SLEEPER, "c": {
            "command": "false", "restart": {"max": 0, "give_up": True}}}})
        up.signal(signal.SIGHUP)
        self.wait_line("STATUS=1 of 2 services ready; failed: c")
        lines = self.listener.lines()
        self.assertLess(lines.index("RELOADING=1"), lines.index("READY=1"), lines)
        self.assertTrue(any(line.startswith("MONOTONIC_USEC=") for line in lines), lines)
        self.listener.messages.clear()
        up.stop()
        self.wait_line("STOPPING=1")
        self.assertEqual({pid for pid, _ in self.listener.messages}, {up.pid})
        self.assertNotIn("WATCHDOG=1", self.listener.lines())  # nobody asked for it

    def test_ready_does_not_wait_for_a_broken_service(self):
        self.up_told({"services": {"bad": {"command": "sleep 1000", "ready": "notify"}}})
        self.wait_line("READY=1")
        self.wait_line("STATUS=0 of 1 services ready")

    def test_the_watchdog_is_fed_only_while_keeper_and_anchor_live(self):
        up = self.up_told({"services": {"a": SLEEPER}}, WATCHDOG_USEC="400000")
        self.wait_line("WATCHDOG=1")
        for pid in (self.status()["keeper_pid"], up.pid):
            os.kill(pid, signal.SIGSTOP)
            self.assertTrue(self.listener.is_quiet(), f"beats of a stopped {pid}")
            os.kill(pid, signal.SIGCONT)
            self.listener.messages.clear()
            self.wait_line("WATCHDOG=1")
        before = self.status()["keeper_pid"]
        os.kill(before, signal.SIGKILL)
        self.wait("another keeper", lambda: self.status()["keeper_pid"] != before)
        self.listener.messages.clear()
        self.wait_line("WATCHDOG=1")

    def test_a_watchdog_of_somebody_else_is_not_fed(self):
        self.up_told({"services": {"a": SLEEPER}}, WATCHDOG_USEC="400000", WATCHDOG_PID="1")
        self.wait_line("STATUS=1 of 1 services ready")
        self.assertTrue(self.listener.is_quiet())

    def test_nothing_of_it_reaches_a_service(self):
        self.up_told({"services": {"a": {"command": self.script("env.py", ENVIRONMENT)}}},
                     WATCHDOG_USEC="30000000", WATCHDOG_PID="1")
        self.wait("it printed", lambda: self.log("a"))
        self.assertEqual(self.log("a").strip(), "{}")

    def test_who_listens_and_never_reads_stops_nothing(self):
        self.listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.up_told({"services": {"a": SLEEPER}}, WATCHDOG_USEC="2000")
        self.wait_ready("a")
        first = self.service("a")["pid"]
        time.sleep(1)  # some hundred beats into a full socket
        os.kill(first, signal.SIGKILL)
        self.wait("the anchor works on", lambda: self.service("a")["exits"] == 1)


# As root, in namespaces of its own: a cgroup2 below which systemd is the first process.
MACHINE = r"""set -eu
folder=$1; shift
mount --make-rprivate /
if [ "${INSIDE:-}" != yes ]; then
    mkdir -p "$folder/groups"
    mount -t cgroup2 cgroup2 "$folder/groups"
    mkdir "$folder/groups/holdfast-test-$$"
    echo $$ >"$folder/groups/holdfast-test-$$/cgroup.procs"
    echo "$folder/groups/holdfast-test-$$" >"$folder/group"
    export INSIDE=yes
    exec unshare --mount --pid --fork --kill-child --cgroup --ipc --uts bash "$folder/machine.sh" "$folder"
fi
mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
umount -R -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
[ -e /etc/machine-id ] || : >/etc/machine-id
mount --bind "$folder/machine-id" /etc/machine-id
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin HOLDFAST_TEST="$HOLDFAST_TEST" \
    SYSTEMD_UNIT_PATH="$folder/units" /lib/systemd/systemd --system --unit=test.target \
    --log-target=console --show-status=0
"""
UNITS = {
    "test.target": "[Unit]\nRequires=holdfast.service\n",
    # What every unit of a machine finds.
    "sysinit.target": "[Unit]\n", "basic.target": "[Unit]\n", "shutdown.target": "[Unit]\n",
    "network-online.target": "[Unit]\n", "time-sync.target": "[Unit]\n",
}
DROP_IN = """[Service]
ExecStart=
ExecStart={bin}/holdfast up -c {config} --run {run}
ExecReload=
ExecReload={bin}/holdfast reload -c {config} --run {run}
WorkingDirectory={folder}
StandardOutput=append:{folder}/unit.log
StandardError=append:{folder}/unit.log
Environment={environment}
"""


class SystemdTests(PlacesCase):
    def setUp(self):
        super().setUp()
        if not shutil.which("/lib/systemd/systemd"):
            self.skipTest("systemd is not installed")
        if os.geteuid() != 0:
            self.skipTest("only root makes the namespaces for it")

    def boot(self, config, more=""):
        self.write_config(config)
        units = self.folder / "units"
        (units / "holdfast.service.d").mkdir(parents=True)
        for name, text in UNITS.items():
            (units / name).write_text(text)
        shutil.copy(harness.build_folder() / "packaging/systemd/holdfast.service", units)
        environment = " ".join(f'"{name}={value}"' for name, value in self.env.items())
        (units / "holdfast.service.d" / "test.conf").write_text(DROP_IN.format(
            bin=self.bin, config=self.config, run=self.run_folder, folder=self.folder,
            environment=environment) + more)
        (self.folder / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        (self.folder / "machine.sh").write_text(MACHINE)
        machine = self.start("unshare", "--mount", "bash", self.folder / "machine.sh", self.folder)
        self.addCleanup(self.shut_down)

        def is_up():
            if not machine.running:
                self.skipTest(f"no systemd can be had here: {machine.stderr.strip()[-300:]}")
            found = children(machine.pid)
            self.systemd = next(iter(found)) if found else None
            return self.systemd and self.show("ActiveState") not in ("", "inactive", "activating")

        self.wait("systemd has started the unit", is_up, 40)

    def shut_down(self):
        """Its first process takes all others along; then its group can go."""
        for program in self.programs:
            program.kill()
        groups = self.folder / "groups"
        if (self.folder / "group").exists():
            name = pathlib.Path((self.folder / "group").read_text().strip()).name
            subprocess.run(["unshare", "--mount", "bash", "-c",
                            f"mount -t cgroup2 cgroup2 {groups} && for i in $(seq 100); do "
                            f"find {groups}/{name} -depth -type d -exec rmdir {{}} + && break; "
                            "sleep 0.05; done"], stderr=subprocess.DEVNULL, check=False)

    def systemctl(self, *words, code=0):
        done = self.run_program("nsenter", "--target", self.systemd, "--all", "systemctl",
                                *words, seconds=60)
        if code is not None:
            self.assertEqual(done.code, code, done.stderr + self.unit_log())
        return done.stdout.strip()

    def show(self, name):
        return self.systemctl("show", "holdfast.service", "--value", "-p", name, code=None)

    def unit_log(self):
        path = self.folder / "unit.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def of_the_unit(self):
        """Processes in the unit's group, as the machine outside sees them."""
        return [pid for pid in self._own_pids()
                if "holdfast.service" in pathlib.Path(f"/proc/{pid}/cgroup").read_text()]

    def host_pid(self, pid):
        for entry in self.of_the_unit():
            status = pathlib.Path(f"/proc/{entry}/status").read_text()
            if f"NSpid:\t{entry}\t{pid}\n" in status:
                return entry
        raise KeyError(pid)

    def wait_restarted(self, main):
        self.wait("systemd has started it again",
                  lambda: self.show("MainPID") not in (main, "0") and
                  self.show("ActiveState") == "active", 60)

    def test_start_reload_and_stop(self):
        self.boot({"services": {"a": SLEEPER, "b": {
            "command": self.script("leaver.py", LEAVER), "needs": ["a"]}}})
        self.assertEqual(self.show("ActiveState"), "active", self.unit_log())
        self.wait_ready("a", "b")
        self.assertEqual(self.show("MainPID"), str(self.status()["pid"]))
        self.wait("the status", lambda: self.show("StatusText") == "2 of 2 services ready")
        before = self.pids()
        self.write_config({"services": {"a": SLEEPER, "c": SLEEPER}})
        self.systemctl("reload", "holdfast")
        self.wait_ready("c")
        self.assertEqual(self.pids()["a"], before["a"])
        self.config.write_text("services: {a: {comand: x}}")
        self.systemctl("reload", "holdfast", code=1)
        self.wait("active all the same", lambda: self.show("ActiveState") == "active")
        self.assertEqual(self.pids()["a"], before["a"])
        self.systemctl("stop", "holdfast")
        self.assertEqual(self.show("Result"), "success")
        self.assertEqual(self.of_the_unit(), [])

    def test_kill_9_of_the_anchor(self):
        self.boot({"services": {"a": SLEEPER, "b": SLEEPER}})
        self.wait_ready("a", "b")
        before, main = self.pids(), self.show("MainPID")
        os.kill(self.host_pid(main), signal.SIGKILL)
        self.wait_restarted(main)
        self.wait_ready("a", "b")
        self.assertEqual(self.pids(), before)
        self.systemctl("stop", "holdfast")
        self.assertEqual(self.of_the_unit(), [])

    def test_a_keeper_that_hangs_is_found_by_the_watchdog(self):
        self.boot({"services": {"a": SLEEPER}}, "WatchdogSec=6s\n")
        self.wait_ready("a")
        before, main = self.pids(), self.show("MainPID")
        hung = self.host_pid(self.status()["keeper_pid"])
        os.kill(hung, signal.SIGSTOP)
        self.wait_restarted(main)
        self.wait_ready("a")
        self.assertEqual(self.pids(), before)
        self.assertFalse(harness.alive(hung), "the old keeper is still there")
        self.systemctl("stop", "holdfast")
        self.assertEqual(self.of_the_unit(), [])

    def test_a_stop_leaves_nothing_even_when_the_keeper_hangs(self):
        self.boot({"services": {"a": SLEEPER}}, "TimeoutStopSec=2s\n")
        self.wait_ready("a")
        os.kill(self.host_pid(self.status()["keeper_pid"]), signal.SIGSTOP)
        self.systemctl("stop", "holdfast")
        self.assertEqual(self.show("Result"), "timeout")
        self.wait("nothing is left", lambda: not self.of_the_unit())

    def test_asked_to_end_it_stays_down_and_a_wrong_config_is_not_tried_for_ever(self):
        self.boot({"services": {"a": SLEEPER}})
        self.wait_ready("a")
        self.holdfast("down")
        self.wait("it stays down", lambda: self.show("ActiveState") == "inactive")
        self.config.write_text("services: {a: {comand: x}}")
        self.systemctl("start", "holdfast", code=1)
        self.assertEqual(self.show("ExecMainStatus"), "78")
        self.assertEqual(self.show("NRestarts"), "0")


class InstallTests(PlacesCase):
    def meson(self, *words):
        return self.run_program("meson", *words, env={"DESTDIR": str(self.folder / "root")})

    def test_what_is_installed_works_and_an_uninstall_leaves_nothing(self):
        root, build = self.folder / "root", harness.build_folder()
        done = self.meson("install", "-C", build, "--no-rebuild")
        self.assertEqual(done.code, 0, done.stdout + done.stderr)
        programs = {path.name for path in root.glob("**/bin/*")}
        self.assertEqual(programs, set(harness.PROGRAMS))
        units = sorted(str(path.relative_to(root)).partition("lib/")[2]
                       for path in root.glob("**/*.service"))
        self.assertEqual(units, ["systemd/system/holdfast.service",
                                 "systemd/system/holdfast@.service",
                                 "systemd/user/holdfast.service"])
        self.assertTrue(list(root.glob("**/doc/holdfast/install.md")))
        self.bin = next(root.glob("**/bin"))
        up = self.up({"services": {"a": SLEEPER}})
        self.wait_ready("a")
        self.assertEqual(up.stop(), 0, up.stderr)
        done = self.run_program("ninja", "-C", build, "uninstall")
        self.assertEqual(done.code, 0, done.stdout + done.stderr)
        self.assertEqual([path for path in root.rglob("*") if not path.is_dir()], [])
