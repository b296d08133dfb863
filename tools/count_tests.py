#!/usr/bin/env python3
"""Counts the single tests that ran, from the log of whatever ran them. For tools/test.sh.

    count_tests.py meson TESTLOG.json STATUS
                                          what `meson test` left: cmocka programs and scripts
    count_tests.py tap LOG STATUS         a Node test file's TAP, and its exit status
    count_tests.py line LOG STATUS        a script that ends with "N passed, N failed"

Prints "PASSED FAILED". Failures are shown on standard error: the names, and what was said about
them. A program that failed without naming a failed test (a crash, a leak found at exit) counts as
one failure, and so does one that ran nothing.
"""
import json
import re
import sys

TAP_LINE = re.compile(r"^(?P<indent> *)(?P<result>ok|not ok) \d+(?P<rest>.*)$")
CMOCKA_PASSED = re.compile(r"\[  PASSED  \] (\d+) test\(s\)")
CMOCKA_FAILED = re.compile(r"\[  FAILED  \] (\d+) test\(s\)")
CLOSING_LINE = re.compile(r"^(\d+) passed, (\d+) failed", re.M)
TAIL_LINES = 40


def complain(name, text):
    tail = text.rstrip("\n").split("\n")[-TAIL_LINES:]
    print(f"--- {name} failed:", *tail, sep="\n    ", file=sys.stderr)


def count_tap(text):
    """Counts leaves: a result whose subtests were counted is only their sum.

    Returns (passed, failed, the failed results with their diagnosis)."""
    passed, failed, blocks = 0, 0, []
    below = {}  # indentation -> [results, failures] seen since the last result further out
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = TAP_LINE.match(line)
        if not match:
            continue
        indent, is_ok = len(match["indent"]), match["result"] == "ok"
        inner = [counts for depth, counts in below.items() if depth > indent]
        inner_results = sum(counts[0] for counts in inner)
        inner_failures = sum(counts[1] for counts in inner)
        below = {depth: counts for depth, counts in below.items() if depth <= indent}
        own = below.setdefault(indent, [0, 0])
        own[0] += 1
        own[1] += not is_ok
        if re.search(r"# (SKIP|TODO)\b", match["rest"], re.I):
            continue
        if is_ok:
            passed += inner_results == 0
        elif inner_failures == 0:
            failed += 1
            blocks.append("\n".join(lines[number:number + TAIL_LINES]).split("\n" + " " * indent +
                                                                            "  ...")[0])
    return passed, failed, blocks


def count_program(name, text, status):
    """One cmocka program, in either of its two manners, or any other program."""
    passed, failed, _ = count_tap(text)
    if passed + failed == 0:
        passed = sum(int(count) for count in CMOCKA_PASSED.findall(text))
        failed = sum(int(count) for count in CMOCKA_FAILED.findall(text))
    if passed + failed == 0:
        passed = int(status == 0)
    if status != 0 and failed == 0:
        failed = 1
    if failed:
        complain(name, f"{text}\n(exit status {status})")
    return passed, failed


def count_meson(path, status_of_all):
    passed, failed = 0, 0
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            test = json.loads(line)
            if test["result"] == "SKIP":
                continue
            status = test["returncode"]
            if status == 0 and test["result"] not in ("OK", "EXPECTEDFAIL"):
                status = 1
            text = test.get("stdout", "") + "\n" + test.get("stderr", "")
            result = count_program(test["name"], text, status)
            passed, failed = passed + result[0], failed + result[1]
    if status_of_all != 0 and failed == 0:  # killed, and what it had yet to run is not there
        failed = 1
        complain("meson test", f"exit status {status_of_all}")
    return passed, failed


def count_node(path, status):
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    passed, failed, blocks = count_tap(text)
    for block in blocks:
        complain("test", block)
    if (status != 0 or passed == 0) and failed == 0:
        failed = 1
        complain(path, f"{text}\n(exit status {status})")
    return passed, failed


def count_line(path, status):
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    closing = CLOSING_LINE.findall(text)
    passed, failed = (int(closing[-1][0]), int(closing[-1][1])) if closing else (0, 0)
    if (status != 0 or passed == 0) and failed == 0:
        failed = 1
    if failed:
        complain(path, f"{text}\n(exit status {status})")
    return passed, failed


def main():
    kind, path, status = sys.argv[1], sys.argv[2], int(sys.argv[3])
    counts = {"meson": count_meson, "tap": count_node, "line": count_line}[kind](path, status)
    print(*counts)


if __name__ == "__main__":
    main()
