# SPDX-License-Identifier: Apache-2.0
"""The floors of the house: which folder of src/ may include from which. includes.py ROOT"""

import pathlib
import re
import sys

LIBRARIES = {"base", "model", "wire", "policy", "engine", "mimic", "store", "link"}
MAY_INCLUDE = {
    "base": set(),
    "model": {"base"},
    "wire": {"base", "model"},
    "policy": {"base", "model"},
    "engine": {"base", "model", "policy"},
    "mimic": {"base", "model"},
    "store": {"base", "model"},
    "link": {"base"},
    "anchor": {"base"},
    "keeper": LIBRARIES - {"store"},
    "hub": LIBRARIES,
    "sim": LIBRARIES,
    "trader": LIBRARIES,
    "cli": LIBRARIES,
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def problems(root):
    source = pathlib.Path(root) / "src"
    for path in sorted([*source.rglob("*.c"), *source.rglob("*.h")]):
        folder = path.relative_to(source).parts[0]
        if folder not in MAY_INCLUDE:
            yield f"{path}: folder {folder} is not in the table of tests/checks/includes.py"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            target = found[1].partition("/")[0] if "/" in found[1] else None
            if target is None:
                yield f'{path}:{number}: "{found[1]}": write it from src/ on ("{folder}/{found[1]}")'
            elif target not in {folder, *MAY_INCLUDE[folder]}:
                yield f'{path}:{number}: {folder} may not include "{found[1]}"'


def main():
    found = list(problems(sys.argv[1]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
