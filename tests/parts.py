# SPDX-License-Identifier: Apache-2.0
"""Runs the parts of ./test and adds up what passed and what failed.

  checks    warnings of gcc and clang, the rules about includes, symbols and libraries, layout
  unit      the tests beside the code, under ASan and UBSan
  fuzz      each parser: its seeds, then a bounded run of new inputs
  scenario  whole programs (tests/scenario)
  peers     clients that nobody here wrote (tests/peers)
  world     deterministic simulation (tests/world)

Build folders: build-test (gcc, sanitizers), build-clang, build-plain (gcc, as installed), build-fuzz.
FUZZ_SECONDS=8: time of each fuzzer. WORLD_SEEDS=60: how many runs of the world.
WORLD_CRASH_STEPS=300: after how many steps of one run a crash is tried, one after the other.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
MODULE_SECONDS = 420
WORKERS = 3  # modules at once: most of their time they wait
CORES = os.cpu_count() or 2
LONG_MODULES = ("test_stack", "test_trader_kills")  # begun first
# With the programs as they are installed: they start services in another way (anchor_clone.c).
PLAIN_MODULES = ("test_services", "test_isolation", "test_kills", "test_keeper_places")
PLAIN_ONLY = ("test_kills", "test_keeper_places")  # many kills at full speed
# gcc with sanitizers sees NULL where there is none (format-overflow); build-plain asks without them.
SANITIZED = ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dwerror=true",
             "-Dc_args=-Wno-format-overflow"]


class Tally:
    def __init__(self):
        self.passed, self.failed, self.failures = 0, 0, []
        self.lock = threading.Lock()

    def add(self, what, passed, failed, output=""):
        with self.lock:
            self.passed += passed
            self.failed += failed
            if failed:
                self.failures.append(what)
                print(output.rstrip()[-12000:])
            print(f"  {'ok  ' if not failed else 'FAIL'} {what}: {passed} passed, {failed} failed",
                  flush=True)


def run(argv, seconds=600, env=None, cwd=ROOT):
    """Exit code (None: took too long) and all output of a command."""
    process = subprocess.Popen(list(map(str, argv)), cwd=cwd, env={**os.environ, **(env or {})},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output.decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 15)
        try:
            output, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
        return None, output.decode(errors="replace") + f"\nnot done after {seconds} s"


def complaints(output):
    """What the compilers said, without their command lines."""
    words = ("error", "warning", "undefined reference", "FAILED", "ERROR")
    lines = [line for line in output.splitlines()
             if any(word in line for word in words) and not re.match(r"\S*(gcc|clang|cc) ", line)]
    return "\n".join(lines[:80] or output.splitlines()[-40:])


def build(tally, folder, options, targets=(), env=None):
    """Sets a build folder up and builds; one result in the tally. A folder that was set up in
    another way is made anew: meson keeps some old options through --reconfigure."""
    setup, note = ["meson", "setup", ROOT / folder, *options], ROOT / folder / "set-up-with"
    if (ROOT / folder / "build.ninja").exists():
        same = note.exists() and note.read_text() == repr((options, env))
        setup.append("--reconfigure" if same else "--wipe")
    code, output = run(setup, env=env)
    if code == 0:
        note.write_text(repr((options, env)))
    if code == 0:
        code, output = run(["ninja", "-k", "0", "-C", ROOT / folder, *targets], seconds=900, env=env)
    tally.add(f"build {folder}", int(code == 0), int(code != 0), complaints(output))
    return code == 0


def build_sanitized(tally):
    if not hasattr(tally, "sanitized"):
        tally.sanitized = build(tally, "build-test", SANITIZED, env={"CC": "gcc"})
    return tally.sanitized


def count_cmocka(text, good):
    """cmocka says how many of a program's tests passed; any other program counts as one."""
    passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", text)))
    failed = sum(map(int, re.findall(r"\[  FAILED  \] \S+: (\d+) test", text)))
    if not good:
        return passed, max(failed, 1)
    return (passed, 0) if passed else (1, 0)


def meson_suite(tally, folder, suite):
    log = ROOT / folder / "meson-logs" / f"testlog-{suite}.json"
    log.unlink(missing_ok=True)
    _, output = run(["meson", "test", "-C", ROOT / folder, "--suite", suite, "--no-rebuild",
                     "--timeout-multiplier", "4",
                     "--logbase", f"testlog-{suite}"], env={
                         "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1",
                         "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1"})
    if not log.exists():
        tally.add(f"meson suite {suite}", 0, 1, output)
        return
    for line in log.read_text().splitlines():
        result = json.loads(line)
        text = result.get("stdout", "") + result.get("stderr", "")
        good = result["result"] == "OK"
        name = result["name"].rpartition(" / ")[2] or result["name"]
        tally.add(name, *count_cmocka(text, good), text)


def tests_of(folder, module):
    """Names of its tests, as unittest takes them."""
    names, case = [], ""
    for kind, name in re.findall(r"^(class|    def) (\w+)", (folder / f"{module}.py").read_text(), re.M):
        if kind == "class":
            case = name
        elif name.startswith("test_"):
            names.append(f"{module}.{case}.{name}")
    return names


def unittest_module(tally, folder, module, env=None, how="", tests=()):
    """One module, or these of its tests, in a process of its own. A skipped test has not passed: it is not
    counted."""
    start = time.monotonic()
    code, output = run([PYTHON, "-W", "ignore", "-m", "unittest", "-v", *(tests or [module])],
                       seconds=MODULE_SECONDS, env=env, cwd=folder)
    ran = re.search(r"^Ran (\d+) test", output, re.M)
    counts = {name: int(number) for name, number in
              re.findall(r"(failures|errors|skipped)=(\d+)", output.rpartition("\n\n")[2])}
    bad = counts.get("failures", 0) + counts.get("errors", 0)
    if code is None or not ran or (code != 0 and not bad):
        bad += 1
    good = max(0, (int(ran[1]) if ran else 0) - bad - counts.get("skipped", 0))
    took = f"{how}, " * bool(how) + f"{time.monotonic() - start:.0f} s"
    tally.add(f"{module} ({took})", good, bad, output)


def build_plain(tally):
    if not hasattr(tally, "plain"):
        tally.plain = build(tally, "build-plain",
                            ["--buildtype=release", "--optimization=2", "-Dwerror=true"],
                            env={"CC": "gcc"})
    return tally.plain


def part_checks(tally):
    if build_plain(tally):
        meson_suite(tally, "build-plain", "checks")
    build(tally, "build-clang", ["-Dwerror=true"], env={"CC": "clang"})
    unittest_module(tally, ROOT / "tests" / "checks", "test_checks")


def part_unit(tally):
    if build_sanitized(tally):
        meson_suite(tally, "build-test", "unit")


def part_fuzz(tally):
    fuzzers = sorted(path.stem for path in (ROOT / "tests" / "fuzz").glob("*_fuzz.c"))
    if not fuzzers:
        print("  no fuzzer yet")
        return
    options = ["-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false",
               "-Dc_args=-fsanitize=fuzzer-no-link"]
    targets = [f"tests/fuzz/{name}" for name in fuzzers]
    if not build(tally, "build-fuzz", options, targets, env={"CC": "clang"}):
        return
    seconds = int(os.environ.get("FUZZ_SECONDS", "8"))
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda name: run_fuzzer(tally, name, seconds), fuzzers))


def run_fuzzer(tally, name, seconds):
    """The seeds as they are, then new inputs from a copy of them. A finding stays as a file."""
    program = ROOT / "build-fuzz" / "tests" / "fuzz" / name
    seeds = ROOT / "tests" / "fuzz" / "seeds" / name.removesuffix("_fuzz")
    work = ROOT / "build-fuzz" / "corpus" / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    files = sorted(path for path in seeds.glob("*") if path.is_file())
    code, output = run([program, "-timeout=10", *files], seconds=120)
    tally.add(f"{name}: {len(files)} seeds", int(code == 0), int(code != 0), output)
    code, output = run([program, f"-max_total_time={seconds}", "-max_len=65536", "-timeout=10",
                        "-rss_limit_mb=1024", "-print_final_stats=1",
                        f"-artifact_prefix={work}/finding-", work,
                        *([seeds] if files else [])], seconds=seconds + 120)
    executed = re.search(r"number_of_executed_units: (\d+)", output)
    tally.add(f"{name}: {executed[1] if executed else 'no'} new inputs", int(code == 0),
              int(code != 0), output)


def part_scenario(tally):
    if not build_sanitized(tally) or not build_plain(tally):
        return
    folder = ROOT / "tests" / "scenario"
    names = sorted((path.stem for path in folder.glob("test_*.py")),
                   key=lambda name: (name not in LONG_MODULES, name))
    runs = [(name, "build-test") for name in names if name not in PLAIN_ONLY]
    runs += [(name, "build-plain") for name in PLAIN_MODULES]

    def run_one(name_and_build):
        name, programs = name_and_build
        unittest_module(tally, folder, name, {"HOLDFAST_BUILD": str(ROOT / programs)},
                        programs.removeprefix("build-"))

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(run_one, runs))


def part_peers(tally):
    folder = ROOT / "tests" / "peers"
    modules = sorted(folder.glob("*.mjs"))
    if not modules:
        print("  no peer yet")
        return
    if not build_sanitized(tally):
        return
    # No scripts of packages: none is needed, and one of them would compile.
    code, output = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
    if code != 0:
        tally.add("npm ci", 0, 1, output)
        return
    for path in modules:
        code, output = run(["node", "--test", path.name], cwd=folder, seconds=MODULE_SECONDS,
                           env={"HOLDFAST_BUILD": str(ROOT / "build-test")})
        passed = sum(map(int, re.findall(r"^[#ℹ] pass (\d+)", output, re.M)))
        failed = sum(map(int, re.findall(r"^[#ℹ] (?:fail|cancelled) (\d+)", output, re.M)))
        if code != 0 or not passed:
            failed = max(failed, 1)
        tally.add(path.name, passed, failed, output)


def part_world(tally):
    """Each seed is a run of its own, a crash after each step in turn too; the planted bugs are one
    test each."""
    if not build_sanitized(tally):
        return
    seeds = int(os.environ.get("WORLD_SEEDS", "60"))
    steps = int(os.environ.get("WORLD_CRASH_STEPS", "300"))
    runs = {f"world_sim, {seeds} seeds": (["--seeds", f"1..{seeds}"], seeds),
            f"world_sim, a crash after each of {steps} steps": (
                ["--crash-each", "--seed", "3", "--steps", f"{steps}"], steps)}
    for name, (arguments, count) in runs.items():
        start = time.monotonic()
        code, output = run([ROOT / "build-test" / "tests" / "world" / "world_sim", *arguments],
                           seconds=MODULE_SECONDS)
        print("  " + (output.strip().splitlines() or ["no output"])[-1])
        tally.add(f"{name} ({time.monotonic() - start:.0f} s)", count if code == 0 else 0,
                  int(code != 0), output)
    folder = ROOT / "tests" / "world"
    tests = tests_of(folder, "plants")
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda first: unittest_module(
            tally, folder, "plants", {"HOLDFAST_BUILD": str(ROOT / "build-test")},
            f"{first + 1} of {CORES}", tests[first::CORES]), range(CORES)))


def main():
    tally, start = Tally(), time.monotonic()
    for part in sys.argv[1:]:
        print(f"{part}:", flush=True)
        globals()[f"part_{part}"](tally)
    if tally.failures:
        print("failed: " + ", ".join(tally.failures))
    print(f"({time.monotonic() - start:.0f} s)")
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
