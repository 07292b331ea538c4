# SPDX-License-Identifier: Apache-2.0
"""Layout by clang-format, and an SPDX line on top of each source file. style.py ROOT"""

import collections
import pathlib
import shutil
import subprocess
import sys

MARK = "SPDX-License-Identifier: Apache-2.0"
FOLDERS = ("src", "tests", "bench", "web", "clients", "packaging", "examples")
MARKED = {".c", ".h", ".py", ".sh", ".mjs", ".js", ".css", ".html"}
SKIPPED = {"node_modules", "__pycache__"}


def sources(root):
    for folder in FOLDERS:
        for path in sorted((pathlib.Path(root) / folder).rglob("*")):
            if path.is_file() and not SKIPPED & set(path.parts):
                yield path


def needs_mark(path):
    return path.suffix in MARKED


def problems(root):
    c_files = []
    for path in sources(root):
        if needs_mark(path) and MARK not in path.read_text(errors="replace")[:400]:
            yield f"{path}: no line with {MARK}"
        if path.suffix in {".c", ".h"}:
            c_files.append(path)
    if c_files:
        clang_format = shutil.which("clang-format-14") or shutil.which("clang-format")
        if not clang_format:
            yield "clang-format is not installed (./test installs it)"
            return
        done = subprocess.run([clang_format, "--dry-run", "-Werror", "--style=file", *c_files],
                              capture_output=True, text=True)
        if done.returncode != 0:
            places = collections.Counter(line.partition(":")[0] for line in done.stderr.splitlines()
                                         if "error:" in line)
            for path, count in sorted(places.items()):
                yield f"{path}: {count} places; to repair: clang-format -i {path}"


def main():
    found = list(problems(sys.argv[1]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
