#!/usr/bin/env bash
# Everything that can be said about the code without running it:
#
#   format      clang-format, every C file
#   scripts     shellcheck
#   layers      tools/check_layers.py: who may include whom, poisoned calls, lengths, guards
#   gcc, clang  everything built with warnings as errors
#   blocking    tools/check_blocking.py: what a worker calls, against tools/blocking.txt
#   tidy        clang-tidy (.clang-tidy says what and why)
#   cppcheck    with the suppressions below
#
#   tools/check.sh               all
#   tools/check.sh format tidy   only these
#
# Ends with one line, and status 1 if there is any finding.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"
cd "$root"

jobs=$(nproc)
clang_build=$build_root/build-check-clang
failed=()

c_files() {
    find bus store server tools tests -name node_modules -prune -o -name "$1" -print | sort
}

check_format() {
    c_files '*.[ch]' | xargs clang-format --dry-run -Werror
}

check_scripts() {
    shellcheck -x tools/*.sh tools/completions/*.bash .ci/run
    find tests -name node_modules -prune -o -name '*.sh' -print0 |
        xargs -0 --no-run-if-empty shellcheck -x
}

check_layers() {
    tools/check_layers.py
}

# The analysers read the compile commands of the clang build.
check_gcc() {
    CC=gcc build "$build_root/build-check-gcc" "" -- --werror -Dtests=enabled -Dgraphiql=disabled
}

check_clang() {
    CC=clang build "$clang_build" "" -- --werror -Dtests=enabled -Dgraphiql=disabled
}

check_blocking() {
    tools/check_blocking.py "$build_root/build-check-gcc"
}

# A file that several programs are made of is looked at once.
check_tidy() {
    mkdir -p "$clang_build/tidy"
    python3 - "$clang_build" <<'PYTHON' |
import json, os, sys
entries = {}
for entry in json.load(open(sys.argv[1] + "/compile_commands.json")):
    if not entry["file"].endswith(".c"):
        continue
    path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
    entries.setdefault(path, entry | {"file": path})
with open(sys.argv[1] + "/tidy/compile_commands.json", "w") as database:
    json.dump(list(entries.values()), database)
print(*sorted(entries), sep="\n")
PYTHON
        xargs -P "$jobs" -n 1 clang-tidy -p "$clang_build/tidy" --quiet
}

check_cppcheck() {
    # missingIncludeSystem, unusedFunction: one file at a time is looked at, without the system's
    # headers. unmatchedSuppression: a suppression may outlive its reason on another version.
    # constParameterPointer, constParameterCallback: the types of callbacks are given.
    # varFuncNullUB: NULL is a pointer in glibc, and may end a list of arguments.
    # duplicateAssignExpression: two cursors that begin in one place are no mistake.
    # uninitvar in tests: f(buffer, fill(buffer)) is taken for a read of an empty buffer.
    # checkersReport: statistics.
    cppcheck --quiet --error-exitcode=1 --std=c11 --language=c -j "$jobs" \
        --enable=warning,performance,portability --inline-suppr --force \
        --suppress=missingIncludeSystem --suppress=unusedFunction \
        --suppress=unmatchedSuppression --suppress=constParameterPointer \
        --suppress=constParameterCallback --suppress=varFuncNullUB --suppress=checkersReport \
        --suppress=duplicateAssignExpression '--suppress=uninitvar:tests/*' \
        -D_GNU_SOURCE -D__linux__ -D__x86_64__ '-DSLUICE_VERSION="0"' -I . \
        bus store server tools tests/unit tests/fuzz tests/bench
}

# run NAME: what a check says is shown only if it fails.
run() {
    local start=$SECONDS log
    log=$(mktemp "${TMPDIR:-/tmp}/sluice-check.XXXXXX")
    # A subshell, so that one failure does not hide what the other checks have to say.
    if (set -e; "check_$1") >"$log" 2>&1; then
        say "$(printf '%-10s fine (%d s)' "$1" $((SECONDS - start)))"
    else
        failed+=("$1")
        say "$(printf '%-10s FAILED' "$1")"
        grep -vE '^[0-9]+ (warning|error)s? |^Suppressed |^Use -|^Error while' "$log" |
            head -n 200 >&2
    fi
    rm -f "$log"
}

[ $# -gt 0 ] || set -- format scripts layers gcc clang blocking tidy cppcheck
install_missing "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_CHECK[@]}"
for name in "$@"; do
    declare -F "check_$name" >/dev/null || die "unknown check: $name"
    run "$name"
done

if [ ${#failed[@]} -eq 0 ]; then
    echo "check: all fine ($*)"
else
    echo "check: FAILED: ${failed[*]}"
    exit 1
fi
