#!/usr/bin/env bash
# Fuzzes the parsers with libFuzzer, AddressSanitizer and UndefinedBehaviourSanitizer.
#
#   tools/fuzz.sh                    each target for 60 seconds
#   tools/fuzz.sh 3600 json http     these two, an hour each
#
# The corpora in tests/fuzz/corpus are read, never written: what is found grows in build-fuzz. An
# input that crashes is kept in build-fuzz/crashes; add it to the corpus and fix the crash. Ends
# with "N passed, N failed" (targets).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

seconds=60
case ${1:-} in
[0-9]*)
    seconds=$1
    shift
    ;;
esac

build_dir=$build_root/build-fuzz
corpora=$root/tests/fuzz/corpus
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in "$root"/tests/fuzz/fuzz_*.c; do
        file=$(basename "$file" .c)
        targets+=("${file#fuzz_}")
    done
fi

install_missing "${PACKAGES_BUILD[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_FUZZ[@]}"
export CC=clang
build "$build_dir" "${targets[*]/#/tests/fuzz/fuzz_}" -- -Dfuzz=true -Dtests=enabled \
    -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fno-sanitize-recover=all
mkdir -p "$build_dir/crashes"

# fuzz TARGET: its progress on standard output.
fuzz() {
    local target=$1 options=()
    mkdir -p "$build_dir/corpus/$target"
    [ ! -e "$corpora/$target.dict" ] || options+=("-dict=$corpora/$target.dict")
    "$build_dir/tests/fuzz/fuzz_$target" "${options[@]}" -max_total_time="$seconds" \
        -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$build_dir/crashes/$target-" \
        "$build_dir/corpus/$target" "$corpora/$target" 2>&1
}

passed=0
failed=0
for target in "${targets[@]}"; do
    log=$build_dir/$target.log
    if fuzz "$target" >"$log"; then
        passed=$((passed + 1))
        echo "$target: $(grep -E '^#[0-9]+.*(DONE|cov:)' "$log" | tail -n 1)"
    else
        failed=$((failed + 1))
        echo "$target: FAILED"
        tail -n 40 "$log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
