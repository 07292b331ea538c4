#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns files of a page into a C file: embed.py [--gzip] OUTPUT HEADER ARRAY FILE...

HEADER declares the struct of the array's rows (path, content type, bytes, size; with --gzip also the
compressed bytes, their size, and a tag of the content); a row's path is "/" and the name of its file.
"""
import gzip
import hashlib
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def add_bytes(lines, name, data):
    lines.append(f"static const unsigned char {name}[] = {{")
    for at in range(0, len(data), 20):
        lines.append("    " + ",".join(str(byte) for byte in data[at:at + 20]) + ",")
    lines.append("};")


def main():
    words = sys.argv[1:]
    both = words[0] == "--gzip"
    output, header, array, *files = words[both:]
    struct = array.removesuffix("s")
    lines = ["/* made by web/embed.py */", f'#include "{header}"']
    rows = []
    for number, path in enumerate(sorted(files, key=os.path.basename)):
        with open(path, "rb") as file:
            data = file.read()
        name = os.path.basename(path)
        kind = TYPES[os.path.splitext(name)[1]]
        add_bytes(lines, f"bytes_{number}", data)
        more = ""
        if both:
            add_bytes(lines, f"gzip_{number}", gzip.compress(data, 9, mtime=0))
            tag = hashlib.sha256(data).hexdigest()[:16]
            more = f', gzip_{number}, sizeof gzip_{number}, "\\"{tag}\\""'
        rows.append(f'    {{"/{name}", "{kind}", bytes_{number}, sizeof bytes_{number}{more}}},')
    lines += [f"const struct {struct} {array}[] = {{", *rows, "    {0},", "};", ""]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main()
