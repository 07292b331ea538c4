# SPDX-License-Identifier: Apache-2.0
"""Each check finds what it is there for: a rule that cannot be broken is not checked."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

import docs
import includes
import needed
import style
import symbols

MARK = "/* SPDX-License-Identifier: Apache-2.0 */\n"


class ChecksTests(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-checks-"))
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def library(self, folder, name, text):
        """A static library as the build lays it down: src/FOLDER/libFOLDER.a"""
        source = self.write(f"src/{folder}/{name}.c", text)
        made = source.with_suffix(".c.o")
        subprocess.run(["gcc", "-O0", "-c", source, "-o", made], check=True)
        subprocess.run(["ar", "rcsT", source.parent / f"lib{folder}.a", made], check=True)

    def test_includes_of_a_higher_floor_and_of_a_sister_program(self):
        self.write("src/base/a.c", '#include "base/a.h"\n#include "model/b.h"\n')
        self.write("src/keeper/k.c", '#include "engine/e.h"\n#include "store/s.h"\n')
        self.write("src/hub/h.c", '#include "keeper/k.h"\n#include "h.h"\n')
        found = "\n".join(includes.problems(self.root))
        self.assertIn('a.c:2: base may not include "model/b.h"', found)
        self.assertIn('k.c:2: keeper may not include "store/s.h"', found)
        self.assertIn('h.c:1: hub may not include "keeper/k.h"', found)
        self.assertIn('h.c:2: "h.h": write it from src/ on', found)
        self.assertEqual(len(found.splitlines()), 4)

    def test_includes_of_a_new_folder(self):
        self.write("src/attic/a.c", "")
        self.assertEqual(len(list(includes.problems(self.root))), 1)

    def test_symbols_of_clock_file_and_output(self):
        for folder in ("model", "mimic"):
            self.library(folder, folder, f"int {folder}_x;")
        self.library("base", "clock", "long clock_ms(void) { return 1; }")
        self.library("policy", "good", "unsigned long strlen(const char *);\n"
                     "unsigned long good(const char *t) { return strlen(t); }")
        self.library("engine", "bad", "long time(long *); int puts(const char *); long clock_ms();"
                     "int open(const char *, int);\n"
                     "long bad(void) { puts(\"x\"); return time(0) + clock_ms() + open(\"f\", 0); }")
        found = list(symbols.problems(self.root))
        for name in ("clock_ms", "open", "puts", "time"):
            self.assertTrue(any(f"engine/bad.c: calls {name}:" in line for line in found), found)
        self.assertEqual(len(found), 4, found)

    def test_symbols_of_a_library_that_is_not_there(self):
        self.assertEqual(len(list(symbols.problems(self.root))), 5)

    def test_needed_compares_both_ways(self):
        source = self.write("m.c", "double sqrt(double);\n"
                            "int main(int c, char **v) { return (int)sqrt(c + 0.5); }")
        (self.root / "src").mkdir()
        program = self.root / "src" / "m"
        subprocess.run(["gcc", "-O0", source, "-o", program, "-lm"], check=True)
        right = needed.parse("m: libm.so.6 libc.so.6 # comment\n# m: nothing\n")
        self.assertEqual(list(needed.problems(self.root, right)), [])
        self.assertEqual(len(list(needed.problems(self.root, {"m": ["libc.so.6"]}))), 1)
        more = {"m": ["libc.so.6", "libm.so.6", "libz.so.1"]}
        self.assertEqual(len(list(needed.problems(self.root, more))), 1)
        self.assertEqual(len(list(needed.problems(self.root, {"none": []}))), 1)

    def test_docs_without_an_option_and_with_a_dead_link(self):
        self.write("src/wire/config.c", '{{"retry", OPTION_INT, 0},\n {"delay", OPTION_INT, 0}}')
        self.write("docs/config.md", "| `delay` | see [the map](map.md), [more](no.md) |")
        self.write("docs/map.md", "")
        found = list(docs.problems(self.root))
        self.assertEqual(len(found), 2, found)
        self.assertIn("option retry", found[0])
        self.assertIn("links to no.md", found[1])

    def test_style_finds_layout_and_a_missing_mark(self):
        shutil.copy(pathlib.Path(__file__).parents[2] / ".clang-format", self.root)
        self.write("src/a.c", MARK + "int a(void) {\n    return 1;\n}\n")
        self.assertEqual(list(style.problems(self.root)), [])
        self.write("src/b.c", MARK + "int b( void ){return 1;}\n")
        self.assertRegex(list(style.problems(self.root))[0], r"b\.c: \d+ places")
        self.write("src/b.c", "int b(void) {\n    return 1;\n}\n")
        self.assertIn("b.c: no line with SPDX", list(style.problems(self.root))[0])


if __name__ == "__main__":
    unittest.main()
