#!/usr/bin/env bash
# Runs every test against a build with AddressSanitizer and UndefinedBehaviourSanitizer, and ends
# with one line "N passed, N failed".
#
#   tools/test.sh             all: unit graphql e2e fault fuzz
#   tools/test.sh unit e2e    only those
#   tools/test.sh e2e/30      only the end-to-end (or graphql, or fault) files whose names begin so
#
# graphql: the engine beside graphql-js (SEED, SCHEMAS: tests/graphql/random.test.mjs).
# fault: tests/fault/*, each with --short. fuzz: tools/fuzz.sh, a minute for each target, with the same
# chance each time: who looks for what is new calls it by itself. Without clang, only the target that
# needs none.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

build_dir=$build_root/build-test
logs=$build_dir/logs
jobs=$(nproc)
passed=0
failed=0

export SLUICE_BIN=$build_dir/server/sluice
export SLUICE_BUILD=$build_dir
export SLUICE_TOOLS=$build_root/build-tools
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export CMOCKA_MESSAGE_OUTPUT=TAP

# add NAME SECONDS PASSED FAILED
add() {
    say "$(printf '%-36s %4d passed, %d failed (%d s)' "$1" "$3" "$4" "$2")"
    passed=$((passed + $3))
    failed=$((failed + $4))
}

run_unit() {
    local start=$SECONDS status=0 counts
    rm -f "$build_dir/meson-logs/testlog.json"
    meson test -C "$build_dir" --no-rebuild --num-processes "$jobs" --timeout-multiplier 4 \
        >"$logs/unit.log" 2>&1 &
    wait $! || status=$?
    if ! counts=$("$root/tools/count_tests.py" meson "$build_dir/meson-logs/testlog.json" "$status"); then
        tail -n 40 "$logs/unit.log" >&2
        counts="0 1"
    fi
    # shellcheck disable=SC2086
    add unit $((SECONDS - start)) $counts
}

# One file of tests/graphql, tests/e2e or tests/fault: its output goes into a log, its counts beside it.
run_file() {
    local kind=$1 file=$2 start=$SECONDS status=0 format=line log command counts
    log=$logs/$kind-$(basename "$file")
    case $file in
    *.test.mjs) command=(node --test-reporter=tap "$file") format=tap ;;
    *.mjs) command=(node "$file" --short) ;;
    *) command=(bash "$file" --short) ;;
    esac
    timeout --kill-after=10 600 "${command[@]}" >"$log.log" 2>&1 &
    # shellcheck disable=SC2064 # this pid
    trap "kill $!; exit 1" TERM
    wait $! || status=$?
    trap - TERM
    counts=$("$root/tools/count_tests.py" "$format" "$log.log" "$status") || counts="0 1"
    echo "$counts" >"$log.counts"
    # shellcheck disable=SC2086
    add "$kind/$(basename "$file")" $((SECONDS - start)) $counts
}

# run_files KIND PREFIX: every file of tests/KIND whose name begins so, $jobs at a time.
run_files() {
    local kind=$1 prefix=$2 files=() file counts file_passed file_failed
    mapfile -t files < <(find "$root/tests/$kind" -maxdepth 1 -name "$prefix*" \
        \( -name '*.test.mjs' -o -path '*/fault/*.mjs' -o -path '*/fault/*.sh' \) | sort)
    rm -f "$logs/$kind"-*
    for file in "${files[@]}"; do
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
            wait -n || true
        done
        run_file "$kind" "$file" &
    done
    wait
    for file in "${files[@]}"; do
        counts=$logs/$kind-$(basename "$file").counts
        [ -s "$counts" ] || echo "0 1" >"$counts" # who ran it was killed
        read -r file_passed file_failed <"$counts"
        passed=$((passed + file_passed))
        failed=$((failed + file_failed))
    done
}

# The parsers need clang's libFuzzer; the server that is thrown streams at is the one under test.
run_fuzz() {
    local start=$SECONDS status=0 counts targets=()
    if ! command -v clang >/dev/null; then
        say "fuzz: no clang here: of the parsers only the corpora were replayed"
        targets=(streams)
    fi
    "$root/tools/fuzz.sh" --seed 1 60 "${targets[@]}" >"$logs/fuzz.log" 2>&1 &
    wait $! || status=$?
    counts=$("$root/tools/count_tests.py" line "$logs/fuzz.log" "$status")
    # shellcheck disable=SC2086
    add fuzz $((SECONDS - start)) $counts
}

install_missing "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}"
install_npm # the server has GraphiQL from it, and the tests their clients
build "$build_dir" "" -- -Db_sanitize=address,undefined -Dtests=enabled \
    -Dc_args=-fno-sanitize-recover=all
mkdir -p "$logs"

# Whoever interrupts this is rid of all of it: test files end their servers on SIGTERM. What is waited
# for runs in the background, as a trap waits for what does not.
trap 'kill $(jobs -rp) 2>/dev/null; wait; exit 1' INT TERM

[ $# -gt 0 ] || set -- unit graphql e2e fault fuzz
case " $*" in
*" e2e"* | *" fault"* | *" fuzz"*)
    install_node e2e # before the next, which may write the certificates anew
    install_missing "${PACKAGES_E2E[@]}"
    unpack_tools "${TOOLS_E2E[@]}"
    ;;
esac
case " $*" in
*" graphql"*) install_node graphql ;;
esac
for suite in "$@"; do
    case $suite in
    unit) run_unit ;;
    graphql | graphql/*) run_files graphql "$(expr "$suite" : 'graphql/\(.*\)' || true)" ;;
    e2e | e2e/*) run_files e2e "$(expr "$suite" : 'e2e/\(.*\)' || true)" ;;
    fault | fault/*) run_files fault "$(expr "$suite" : 'fault/\(.*\)' || true)" ;;
    fuzz) run_fuzz ;;
    *) die "unknown suite: $suite" ;;
    esac
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
