# SPDX-License-Identifier: Apache-2.0
"""Turns what a terminal showed (standard input, colours included) into an SVG (standard output):
    ./run --tour | python3 docs/picture.py './run --tour' > docs/tour.svg"""

import html
import re
import sys

COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "36": "#76e3ea"}
WIDTH, LINE, MARGIN, TOP = 8.4, 20, 20, 52


def spans(line):
    """Pieces of a line with the style that holds for each."""
    style = ""
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", piece)
        if not code:
            if piece:
                yield style, piece
        elif code[1] in COLOURS:
            style = f' fill="{COLOURS[code[1]]}"'
        else:
            style = {"1": ' font-weight="bold"', "2": ' fill="#8b949e"'}.get(code[1], "")


def main():
    lines = [f"\x1b[32m$\x1b[0m {sys.argv[1]}", *sys.stdin.read().rstrip("\n").split("\n")]
    columns = max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)
    width, height = int(columns * WIDTH + 2 * MARGIN), TOP + LINE * len(lines) + MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
          f'height="{height}" role="img" aria-label="{html.escape(sys.argv[1])} in a terminal">')
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>')
    for index, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f")):
        print(f'<circle cx="{22 + 20 * index}" cy="22" r="6" fill="{colour}"/>')
    print('<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" '
          'fill="#e6edf3" style="white-space:pre">')
    for number, line in enumerate(lines):
        text = "".join(f"<tspan{style}>{html.escape(piece).replace(chr(32), chr(160))}</tspan>" for style, piece in spans(line))
        print(f'<text x="{MARGIN}" y="{TOP + LINE * number}">{text}</text>')
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
