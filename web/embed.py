#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns files of a page into a C file: embed.py OUTPUT HEADER ARRAY FILE...

HEADER declares the struct of the array's rows (path, content type, bytes, size); a row's path is
"/" and the name of its file.
"""
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def main():
    output, header, array, *files = sys.argv[1:]
    struct = array.removesuffix("s")
    lines = ["/* made by web/embed.py */", f'#include "{header}"']
    rows = []
    for number, path in enumerate(sorted(files, key=os.path.basename)):
        with open(path, "rb") as file:
            data = file.read()
        name = os.path.basename(path)
        lines.append(f"static const unsigned char bytes_{number}[] = {{")
        for at in range(0, len(data), 20):
            lines.append("    " + ",".join(str(byte) for byte in data[at:at + 20]) + ",")
        lines.append("};")
        kind = TYPES[os.path.splitext(name)[1]]
        rows.append(f'    {{"/{name}", "{kind}", bytes_{number}, sizeof bytes_{number}}},')
    lines += [f"const struct {struct} {array}[] = {{", *rows, "    {0},", "};", ""]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main()
