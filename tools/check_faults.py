#!/usr/bin/env python3
"""Shows that every call of bus/ and store/ that can fail does so in a test.

What their libraries call and neither defines has to be in `fault_calls` of tests/unit/meson.build, which
the linker sends to tests/unit/faults.c, or below, with the reason why it cannot fail. Names of both that
nothing calls any more are findings, too.

Usage: check_faults.py libbus.a libstore.a. Prints one line per finding; exit status 1 if there is any.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = "tests/unit/meson.build"
WRAPPERS = "tests/unit/faults.c"

CANNOT_FAIL = {
    "memory": """memchr memcmp memcpy memmove memset strchr strcmp strlen strtod snprintf vsnprintf
        strerror strsignal free explicit_bzero XXH3_64bits XXH3_64bits_withSeed __errno_location qsort
        bsearch strnlen timegm gmtime_r mdb_cmp mdb_dcmp mdb_strerror mdb_cursor_txn mdb_txn_id
        mdb_env_set_assert""",
    "ends something: there is nobody to tell": """_exit abort close closedir munmap mdb_cursor_close
        mdb_env_close mdb_txn_abort mdb_txn_reset pthread_mutexattr_destroy dprintf kill""",
    "with what it is called with here it always succeeds": """clock_gettime getpid getppid geteuid
        sysconf signal prctl nanosleep pthread_mutex_consistent pthread_mutex_unlock""",
    "a result that is no failure; test_ring_deaths.c, test_ring_kills.c": """pthread_mutex_clocklock
        pthread_mutex_timedlock pthread_mutex_trylock""",
    "EAGAIN is as good as success, all else ends the process; test_wake.c": "eventfd_read eventfd_write",
    "asks whether a descriptor is open; tests/e2e/10_basic.test.mjs": "fcntl64",
}

# Of the compiler and its sanitizers.
FOREIGN = re.compile(r"__(asan|ubsan|sanitizer|tsan|stack_chk|gcov|llvm|start|stop)_?|_GLOBAL_OFFSET")


def symbols(libraries, option):
    output = subprocess.run(["nm", option, *libraries], check=True, text=True, stdout=subprocess.PIPE)
    lines = (line.split() for line in output.stdout.splitlines())
    return {words[-1] for words in lines if len(words) >= 2}


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: check_faults.py libbus.a libstore.a")
    libraries = sys.argv[1:]
    called = symbols(libraries, "-u") - symbols(libraries, "--defined-only")
    called = {name for name in called if not FOREIGN.match(name)}
    text = (ROOT / LIST).read_text(encoding="utf-8")
    listed = re.search(r"^fault_calls = \[(.*?)\]", text, re.M | re.S).group(1)
    wrapped = set(re.findall(r"'([^']+)'", listed))
    excused = {name for names in CANNOT_FAIL.values() for name in names.split()}
    code = (ROOT / WRAPPERS).read_text(encoding="utf-8")

    findings = [f"{LIST}: {name} can fail, and is not in fault_calls" for name in called - wrapped - excused]
    findings += [f"{LIST}: nothing calls {name} any more" for name in wrapped - called]
    findings += [f"{LIST}: {name} can fail, says check_faults.py cannot" for name in wrapped & excused]
    findings += [f"{WRAPPERS}: there is no {name}" for name in wrapped
                 if not re.search(rf"\b(__wrap_{name}\(|WRAP(_CODE)?\((.*, )?{name}\b)", code)]
    for finding in sorted(findings):
        print(finding)
    print(f"faults: {len(called)} calls of bus/ and store/, {len(called & wrapped)} made to fail, "
          f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
