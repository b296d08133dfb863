#!/usr/bin/env python3
"""Checks what no compiler checks: who may include whom, and the size and names of files.

    layers      #include "..." only along the arrows of ARCHITECTURE.md (the table LAYERS below)
    libraries   a library's header only where that library is wrapped (FOREIGN)
    atomics     C11 atomics in bus/ only; bus/layout.h is included by bus/ only. Tests may do both
    poison      functions that cannot know the size of what they write to
    headers     a guard named after the file; each one compiles alone, and twice
    length      no file over 700 lines, unless a line "Length:" in its opening comment says why

Usage: check_layers.py [--no-compile]. Prints one line per finding; exit status 1 if there is any.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TREES = ["bus", "store", "server", "tools", "tests"]
LENGTH_MAX = 700

# The longest matching folder decides. What a layer may include besides its own files.
BASE = ["bus", "store"]
NET = BASE + ["server/net"]
HTTP = NET + ["server/http", "server/json"]
WEBSOCKET = HTTP + ["server/websocket"]
TOPICS = WEBSOCKET + ["server/topics"]
API = TOPICS + ["server/graphql", "server/api"]
PROTOCOL = API + ["server/protocol"]
LAYERS = {
    "bus": [],
    "store": ["bus"],
    "server/json": ["bus/check.h"],
    "server/net": BASE,
    "server/http": NET + ["server/json"],
    "server/websocket": HTTP,
    "server/graphql": ["bus/check.h", "bus/hash.h", "server/json"],
    "server/topics": WEBSOCKET,
    "server/api": API,
    "server/protocol": PROTOCOL,
    # main, master, child, worker, writer: only they know the configuration and the log.
    "server": PROTOCOL,
    "tools": BASE,
    "tests": TREES,
}

# Where the header of a library may be seen: behind these a library can be exchanged. "x/*" is the
# files of that folder without those of the folders in it.
FOREIGN = {
    "lmdb.h": ["store"],
    "wslay/": ["server/websocket"],
    "http_parser.h": ["server/http"],
    "nghttp2/": ["server/http"],
    "zlib.h": ["server/websocket"],
    "ini.h": ["server/*"],
    "systemd/": ["server/*"],
    "xxhash.h": ["bus", "store"],
    "curl/": ["tools"],
    "json-c/": ["tools"],
    "openssl/ssl.h": ["server/net", "tools/sluice-bench"],
    "sys/epoll.h": ["server/net", "server/*", "tools"],
}

POISON = ["strcpy", "strcat", "sprintf", "vsprintf", "strtok", "gets", "alloca", "atoi", "atol"]
ATOMICS = re.compile(r"<stdatomic\.h>|\b_Atomic\b|\b__atomic_\w+|\b__sync_\w+")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)
NOT_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def is_within(path, place):
    return path == place or path.startswith(place.rstrip("/") + "/")


def is_home(path, place):
    if place.endswith("/*"):
        return os.path.dirname(path) == place[:-2]
    return is_within(path, place)


def layer_of(path):
    """The folder of LAYERS that a file belongs to: the longest one that holds it."""
    return max((layer for layer in LAYERS if is_within(path, layer)), key=len)


def without_comments(text):
    """The code alone; line breaks stay, so that line numbers do."""
    return NOT_CODE.sub(lambda match: "\n" * match.group().count("\n"), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_own_include(path, name):
    if not (ROOT / name).is_file():
        return f'"{name}" is not a path from the root (or the file is missing)'
    layer, target = layer_of(path), layer_of(name)
    if name == "bus/layout.h" and layer not in ("bus", "tests"):
        return "bus/layout.h is for bus/ and the tests only"
    if layer == target or layer == "tests":
        return None
    # A file named in the table is that file; a folder named is what belongs to its layer.
    if name in LAYERS[layer] or target in LAYERS[layer]:
        return None
    return f"{layer} may not include {name}"


def check_foreign_include(path, name):
    if layer_of(path) == "tests":
        return None
    for prefix, places in FOREIGN.items():
        is_hit = name == prefix or (prefix.endswith("/") and name.startswith(prefix))
        if is_hit and not any(is_home(path, place) for place in places):
            return f"<{name}> belongs to {', '.join(places)}"
    return None


def check_includes(path, text):
    for match in INCLUDE.finditer(text):
        is_own, name = match.group(1) == '"', match.group(2)
        problem = check_own_include(path, name) if is_own else check_foreign_include(path, name)
        if problem:
            yield line_of(text, match.start()), problem


def check_words(path, text):
    code = without_comments(text)
    layer = layer_of(path)
    if layer not in ("bus", "tests"):
        for match in ATOMICS.finditer(code):
            yield line_of(code, match.start()), f"{match.group()}: atomics live in bus/ only"
    for match in re.finditer(r"\b(" + "|".join(POISON) + r")\s*\(", code):
        yield line_of(code, match.start()), f"{match.group(1)} is poisoned (STYLE part 4)"
    for match in re.finditer(r"\b(TODO|FIXME|XXX)\b(?! ?\(?#\d)", text):
        yield line_of(text, match.start()), f"{match.group(1)} without an issue number"


def check_length(path, text):
    count = text.count("\n")
    opening = re.match(r"\s*/\*.*?\*/", text, re.S)
    has_reason = opening and re.search(r"^ \* Length +\S|^ \* Length: +\S", opening.group(), re.M)
    if count > LENGTH_MAX and not has_reason:
        yield count, f"{count} lines, over {LENGTH_MAX}: split it, or say why (Length: …) at its top"


def check_guard(path, text):
    if path.endswith(".h"):
        guard = re.sub(r"[^A-Z0-9]", "_", path.upper())
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            yield 1, f"no guard {guard}"


def check_compiles_alone(path):
    """Included twice, with nothing before it."""
    compiler = os.environ.get("CC", "cc")
    source = f'#include "{path}"\n#include "{path}"\n'
    command = [compiler, "-std=c17", "-D_GNU_SOURCE", '-DSLUICE_VERSION="0"', "-Wall", "-Wextra",
               "-Werror", "-fsyntax-only", "-I", str(ROOT), "-x", "c", "-"]
    result = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return []
    reasons = [line for line in result.stderr.splitlines() if "error:" in line]
    return [(path, 1, "does not compile alone: " + (reasons or [result.stderr.strip()])[0])]


def check_file(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    for check in (check_includes, check_words, check_length, check_guard):
        for line, problem in check(path, text):
            yield path, line, problem


def find_files():
    for tree in TREES:
        for folder, folders, names in os.walk(ROOT / tree):
            folders[:] = sorted(set(folders) - {"node_modules", "corpus"})
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield str((pathlib.Path(folder) / name).relative_to(ROOT))


def main():
    paths = list(find_files())
    findings = [finding for path in paths for finding in check_file(path)]
    headers = [path for path in paths if path.endswith(".h")]
    if "--no-compile" not in sys.argv[1:]:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for found in pool.map(check_compiles_alone, headers):
                findings += found
    for path, line, problem in findings:
        print(f"{path}:{line}: {problem}")
    print(f"layers: {len(paths)} files, {len(headers)} headers, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
