# SPDX-License-Identifier: Apache-2.0
"""The supervisors of `bench/run keeper`: for each, what is prepared in a Place (keeper.py) and the command
that starts it. All run the same program; logs are captured with 10 MB x 5 where the supervisor does that.
Nothing waits before a restart as far as the supervisor can be told so."""
import json
import os
import shutil

import tools

LOG_BYTES, LOG_FILES = 10 * 1024 * 1024, 5
PM2 = os.path.join(tools.ROOT, "bench", "pm2")


def script(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


def holdfast(place):
    lines = [f"name: bench\ndata: {place.disk}\nservices:\n"]
    for name in place.names:
        words = json.dumps(place.command(name))
        lines.append(f"  {name}: {{command: {words}, restart: {{delay: 0s, max: 1000000}}}}\n")
    config = place.write("holdfast.yaml", "".join(lines))
    return [tools.program("holdfast"), "-c", config, "--run", place.path("run"), "up"]


def bare(place):
    """No supervisor: the least that one can do."""
    return [tools.program("bench-keeper-bare"), place.program, place.record, *place.names]


def scan_folder(place, logger):
    """As runit, s6 and daemontools want it. `run` is the program itself: no shell before it."""
    for name in place.names:
        folder = place.path(os.path.join("sv", name))
        os.makedirs(os.path.join(folder, "log"))
        os.symlink(place.program, os.path.join(folder, "run"))
        logs = os.path.join(place.disk, name)
        os.makedirs(logs)
        script(os.path.join(folder, "log", "run"), f"exec {logger} {logs}\n")
    return place.path("sv")


def runit(place):
    folder = scan_folder(place, "svlogd -b 65536")
    for name in place.names:
        with open(os.path.join(place.disk, name, "config"), "w", encoding="ascii") as file:
            file.write(f"s{LOG_BYTES}\nn{LOG_FILES - 1}\n")
    return ["runsvdir", folder]


def s6(place):
    return ["s6-svscan", "-c", str(2 * len(place.names) + 10),
            scan_folder(place, f"s6-log n{LOG_FILES - 1} s{LOG_BYTES}")]


def daemontools(place):
    return ["svscan", scan_folder(place, f"multilog s{LOG_BYTES} n{LOG_FILES}")]


def supervisor(place):
    lines = [f"[supervisord]\nnodaemon=true\nlogfile={place.path('supervisord.log')}\nminfds=20000\n"
             f"pidfile={place.path('supervisord.pid')}\nchildlogdir={place.folder}\nuser=root\n"]
    for name in place.names:
        lines.append(f"[program:{name}]\ncommand={' '.join(place.command(name))}\nautorestart=true\n"
                     f"startsecs=0\nredirect_stderr=true\nstdout_logfile={place.disk}/{name}.log\n"
                     f"stdout_logfile_maxbytes={LOG_BYTES}\nstdout_logfile_backups={LOG_FILES - 1}\n")
    return ["supervisord", "-n", "-c", place.write("supervisord.conf", "".join(lines))]


def monit(place):
    """It goes by pid files, looks once a second at best, and captures no logs."""
    lines = ["set daemon 1\n" + "".join(f"set {what} {place.path(what)}\n"
                                         for what in ("pidfile", "idfile", "statefile"))]
    for name in place.names:
        pid_file = place.path(name + ".pid")
        command = " ".join([*place.command(name), "pidfile", pid_file])
        lines.append(f'check process {name} with pidfile {pid_file}\n  start program = "{command}"\n')
    config = place.write("monitrc", "".join(lines))
    os.chmod(config, 0o600)
    return ["monit", "-I", "-c", config]


def pm2(place):
    apps = [{"name": name, "script": place.program, "args": place.command(name)[1:],
             "interpreter": "none", "cwd": place.folder, "max_restarts": 1000000, "restart_delay": 0,
             "min_uptime": 100, "vizion": False, "pmx": False, "automation": False,
             "out_file": f"{place.disk}/{name}.log", "error_file": f"{place.disk}/{name}.err",
             "pid_file": place.path(name + ".pid")} for name in place.names]
    place.leaves = True
    config = place.write("apps.json", json.dumps({"apps": apps}))
    place.env.update(PM2_HOME=place.path("pm2"), HOME=place.folder, NO_COLOR="1",
                     PM2_DISABLE_VERSION_CHECK="true")
    return ["node", os.path.join(PM2, "node_modules", "pm2", "bin", "pm2"), "start", config]


def own_groups():
    """Folders of control groups to be made for a manager: it takes over the one that it is in."""
    found = []
    with open("/proc/self/cgroup", encoding="ascii") as file:
        for line in file.read().splitlines():
            number, kinds, path = line.split(":", 2)
            names = ("systemd",) if kinds == "name=systemd" else ("unified", "") if number == "0" else ()
            base = next((b for b in (os.path.join("/sys/fs/cgroup", n) for n in names)
                         if os.path.exists(os.path.join(b, "cgroup.procs"))), None)
            if base:
                found.append(f"{base}{path.rstrip('/')}/holdfast-bench-{os.getpid()}")
    return found


def systemd(place):
    """A user manager, in control groups of its own. It refuses to run where no system manager runs: there
    it gets a /run of its own in which one seems to. No journal: the services write to their files."""
    if os.geteuid() != 0:
        place.cannot("needs root, to give it control groups of its own")
    units = place.path("units")
    os.makedirs(units)
    for name in place.names:
        with open(os.path.join(units, name + ".service"), "w", encoding="ascii") as file:
            file.write(f"[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\n"
                       f"ExecStart={' '.join(place.command(name))}\nRestart=always\nRestartSec=0\n"
                       f"StandardOutput=append:{place.disk}/{name}.log\n")
    with open(os.path.join(units, "bench.target"), "w", encoding="ascii") as file:
        file.write("[Unit]\nDefaultDependencies=no\n" + "".join(f"Wants={n}.service\n" for n in place.names))
    groups = own_groups()
    if not groups:
        place.cannot("no control groups that it could have")
    place.groups = groups
    booted = os.path.isdir("/run/systemd/system")
    enter = "".join(f"mkdir -p {g}\necho $$ > {g}/cgroup.procs\n" for g in groups)
    pretend = "" if booted else "mount -t tmpfs tmpfs /run\nmkdir -p /run/systemd/system\n"
    script(place.path("systemd.sh"), "set -e\n" + enter + pretend +
           "exec /usr/bin/systemd --user --unit=bench.target\n")
    place.env.update(XDG_RUNTIME_DIR=place.folder, SYSTEMD_UNIT_PATH=units + ":", SYSTEMD_LOG_LEVEL="err",
                     HOME=place.folder, DBUS_SESSION_BUS_ADDRESS="unix:path=" + place.path("bus"))
    return ([] if booted else ["unshare", "--mount"]) + [place.path("systemd.sh")]


# name: (how, it captures logs, as many services as it is asked to take, why not more)
PEERS = {
    "supervisor": (supervisor, True, 100, "half a minute"),
    "runit": (runit, True, 1000, ""),
    "s6": (s6, True, 1000, ""),
    "daemontools": (daemontools, True, 1000, ""),
    "monit": (monit, False, 100, "starts them one after the other, with a look at each"),
    "pm2": (pm2, True, 100, "minutes"),
    "systemd": (systemd, False, 1000, ""),
}
RESTART = {  # said in the table: the least delay before a restart that each can be told
    "holdfast": "delay 0", "bare": "", "supervisor": "its loop looks once a second",
    "runit": "none after 1 s of life", "s6": "1 s after each death (2.11)",
    "daemontools": "none after 1 s of life", "monit": "looks once a second",
    "pm2": "restart_delay 0", "systemd": "RestartSec=0",
}


def install():
    tools.packages("peers of the keeper's measurement; supervisor and monit bring a daemon that Debian "
                   "starts", "supervisor", "runit", "s6", "daemontools", "monit", "systemd")
    if not shutil.which("node") or not shutil.which("npm"):
        tools.packages("to run pm2", "nodejs", "npm")
    if not os.path.isdir(os.path.join(PM2, "node_modules", "pm2")):
        tools.say("Fetching pm2 with npm.")
        if tools.subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=PM2,
                                stdout=tools.subprocess.DEVNULL,
                                stderr=tools.subprocess.DEVNULL).returncode:
            tools.say("npm could not fetch pm2")
