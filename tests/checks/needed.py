# SPDX-License-Identifier: Apache-2.0
"""Which shared libraries each program needs, compared with needed.txt. needed.py BUILD_FOLDER"""

import pathlib
import re
import subprocess
import sys

EXPECTED = pathlib.Path(__file__).with_name("needed.txt")


def parse(text):
    """Lines of "program: library library ..."; # begins a comment."""
    lists = {}
    for line in text.splitlines():
        name, colon, libraries = line.partition("#")[0].partition(":")
        if colon:
            lists[name.strip()] = sorted(libraries.split())
    return lists


def needed(program):
    output = subprocess.run(["readelf", "-d", program], check=True, capture_output=True, text=True)
    return sorted(re.findall(r"\(NEEDED\).*\[(.*)\]", output.stdout))


def problems(build, expected):
    for name, libraries in expected.items():
        program = pathlib.Path(build) / "src" / name
        if not program.is_file():
            yield f"{name}: not built"
            continue
        found = needed(program)
        for library in sorted(set(found) - set(libraries)):
            yield f"{name}: needs {library}, which tests/checks/needed.txt does not expect"
        for library in sorted(set(libraries) - set(found)):
            yield f"{name}: does not need {library} any more: take it out of tests/checks/needed.txt"


def main():
    found = list(problems(sys.argv[1], parse(EXPECTED.read_text())))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
