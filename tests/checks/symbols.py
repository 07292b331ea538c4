# SPDX-License-Identifier: Apache-2.0
"""policy, engine and mimic are pure: what they call from outside stays in this list: no clock, no
random, no file, no socket, no output. symbols.py BUILD_FOLDER (built without sanitizers)"""

import pathlib
import re
import subprocess
import sys

PURE = ("policy", "engine", "mimic")
# Parts of base that are pure themselves, beside model. (must() prints and ends: our bug, allowed.)
PURE_BASE = {"buffer", "common", "text", "secret", "option", "decimal", "hash"}
LIBC = {
    "abort", "calloc", "free", "malloc", "realloc", "reallocarray",
    "memchr", "memcmp", "memcpy", "memmem", "memmove", "memrchr", "memset", "explicit_bzero",
    "strcasecmp", "strchr", "strchrnul", "strcmp", "strcpy", "strcspn", "strdup", "strlen",
    "strncasecmp", "strncmp", "strndup", "strnlen", "strpbrk", "strrchr", "strspn", "strstr",
    "strcasestr", "stpcpy", "strerror",
    "strtod", "strtol", "strtoll", "strtoul", "strtoull", "bsearch", "qsort", "qsort_r",
    "tdelete", "tdestroy", "tfind", "tsearch",
    "snprintf", "vsnprintf", "asprintf", "vasprintf", "sscanf",
    "tolower", "toupper", "timegm", "gmtime_r",
    "__ctype_b_loc", "__ctype_tolower_loc", "__ctype_toupper_loc", "__errno_location",
    "__stack_chk_fail", "__isoc99_sscanf", "__isoc99_strtol", "__isoc99_strtoll",
    "floor", "ceil", "pow", "exp", "exp2", "log", "log2", "fmod", "ldexp", "lround", "llround",
    "__popcountdi2", "__divti3", "__modti3", "__udivti3", "__umodti3", "__muloti4",
    "_GLOBAL_OFFSET_TABLE_",
}
# jansson works on values in memory; these functions of it do more.
JANSSON_IMPURE = {"json_load_file", "json_loadf", "json_loadfd", "json_dump_file", "json_dumpf",
                  "json_dumpfd", "json_object_seed"}


def symbols(library):
    """{object: (defined, undefined)} of a static library, thin or not."""
    output = subprocess.run(["nm", "-A", library], check=True, capture_output=True, text=True)
    objects = {}
    for line in output.stdout.splitlines():
        # Meson's archives are thin: the object is named with its path.
        found = re.match(r"[^:]*:([^:]+):\s*\S* ([A-Za-z]) (\S+)$", line)
        if found:
            name = found[1].rpartition("/")[2].removesuffix(".o").removesuffix(".c")
            defined, undefined = objects.setdefault(name, (set(), set()))
            (undefined if found[2] in "Uw" else defined).add(found[3])
    return objects


def allowed(symbol, own):
    if symbol in own or symbol in LIBC:
        return True
    fortified = re.fullmatch(r"__(\w+)_chk", symbol)
    if fortified and fortified[1] in LIBC:
        return True
    return symbol.startswith("json_") and symbol not in JANSSON_IMPURE


def problems(build):
    source = pathlib.Path(build) / "src"
    own, libraries = set(), {}
    for folder in ("base", "model", *PURE):
        archives = sorted((source / folder).glob("lib*.a"))
        if not archives:
            yield f"{source / folder}: no library is built, so none is checked"
        libraries[folder] = {}
        for archive in archives:
            libraries[folder] |= symbols(archive)
        for name, (defined, _) in libraries[folder].items():
            if folder != "base" or name in PURE_BASE:
                own |= defined
    for folder in PURE:
        for name, (_, undefined) in libraries.get(folder, {}).items():
            for symbol in sorted(undefined):
                if not allowed(symbol, own):
                    yield f"{folder}/{name}.c: calls {symbol}: not among the pure ones"


def main():
    found = list(problems(sys.argv[1]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
