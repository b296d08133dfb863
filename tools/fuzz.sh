#!/usr/bin/env bash
# Fuzzes the parsers with libFuzzer, and a whole server with mutated streams (target `streams`:
# tests/fuzz/streams.mjs), all with AddressSanitizer and UndefinedBehaviourSanitizer.
#
#   tools/fuzz.sh                    each target for 60 seconds
#   tools/fuzz.sh 3600 json http     these two, an hour each
#   tools/fuzz.sh --seed 7 60        with the chance of this number, not of the moment
#
# As many at a time as there are processors. The corpora in tests/fuzz/corpus are read, never
# written: what is found grows in build-fuzz/corpus. An input that crashes is kept in
# build-fuzz/crashes; add it to the corpus and fix the crash. `streams` takes the server of
# $SLUICE_BIN if that is set, else its own. Ends with "N passed, N failed" (targets).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

seed=
if [ "${1:-}" = --seed ]; then
    seed=${2:?a number belongs behind --seed}
    shift 2
fi
seconds=60
case ${1:-} in
[0-9]*)
    seconds=$1
    shift
    ;;
esac

build_dir=$build_root/build-fuzz
corpora=$root/tests/fuzz/corpus
logs=$build_dir/logs
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(streams)
    for file in "$root"/tests/fuzz/fuzz_*.c; do
        file=$(basename "$file" .c)
        targets+=("${file#fuzz_}")
    done
fi

programs=()
for target in "${targets[@]}"; do
    if [ "$target" != streams ]; then
        programs+=("tests/fuzz/fuzz_$target")
    elif [ -z "${SLUICE_BIN:-}" ]; then
        programs+=(server/sluice)
        export SLUICE_BIN=$build_dir/server/sluice
    fi
done
if [ ${#programs[@]} -gt 0 ]; then
    install_missing "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_FUZZ[@]}"
    CC=clang build "$build_dir" "${programs[*]}" -- -Dfuzz=true -Dtests=enabled -Dgraphiql=disabled \
        -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fno-sanitize-recover=all
fi
mkdir -p "$build_dir/crashes" "$logs"
case " ${targets[*]} " in
*" streams "*) install_node e2e ;;
esac

# fuzz TARGET: becomes the program that does it.
fuzz() {
    local target=$1 options=()
    if [ "$target" = streams ]; then
        exec node "$root/tests/fuzz/streams.mjs" --seconds "$seconds" ${seed:+--seed "$seed"}
    fi
    mkdir -p "$build_dir/corpus/$target"
    [ ! -e "$corpora/$target.dict" ] || options+=("-dict=$corpora/$target.dict")
    exec "$build_dir/tests/fuzz/fuzz_$target" "${options[@]}" -max_total_time="$seconds" \
        -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$build_dir/crashes/$target-" ${seed:+-seed="$seed"} \
        "$build_dir/corpus/$target" "$corpora/$target"
}

# run TARGET: fuzzes it and says how that ended.
run() {
    local target=$1 log=$logs/$1.log status=0
    rm -f "$logs/$target.passed"
    fuzz "$target" >"$log" 2>&1 &
    # shellcheck disable=SC2064 # this pid
    trap "kill $!; exit 1" TERM
    wait $! || status=$?
    trap - TERM
    if [ "$status" -eq 0 ]; then
        touch "$logs/$target.passed"
        echo "$target: $(grep -E '^#[0-9]+.*(DONE|cov:)|^seed ' "$log" | tail -n 1)"
    else
        echo "$target: FAILED (all of it: $log)"
        tail -n 40 "$log"
    fi
}

# Whoever interrupts this is rid of all of it.
trap 'kill $(jobs -rp) 2>/dev/null; wait; exit 1' INT TERM

for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
        wait -n || true
    done
    run "$target" &
done
wait

passed=0
for target in "${targets[@]}"; do
    [ ! -e "$logs/$target.passed" ] || passed=$((passed + 1))
done
echo "$passed passed, $((${#targets[@]} - passed)) failed"
[ "$passed" -eq ${#targets[@]} ]
