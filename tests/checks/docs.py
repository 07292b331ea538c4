# SPDX-License-Identifier: Apache-2.0
"""Every option of the config is in docs/config.md, and every file that the docs link to is there.
docs.py ROOT"""

import pathlib
import re
import sys

OPTION = re.compile(r'\{"(\w+)",\s*OPTION_')
LINK = re.compile(r"\]\(([^)#:]+)\)")


def problems(root):
    root = pathlib.Path(root)
    told = (root / "docs/config.md").read_text() if (root / "docs/config.md").exists() else ""
    for path in sorted((root / "src/wire").glob("config*.c")):
        for name in OPTION.findall(path.read_text()):
            if f"`{name}`" not in told:
                yield f"{path}: option {name} is not in docs/config.md"
    for path in sorted([*root.glob("*.md"), *(root / "docs").glob("*.md"),
                        *(root / "examples").glob("*/*.md")]):
        for link in LINK.findall(path.read_text()):
            if not (path.parent / link).exists():
                yield f"{path}: links to {link}, which is not there"


def main():
    found = list(problems(sys.argv[1]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
