#!/usr/bin/env bash
# What Sluice must reach, measured: an optimised build beside the yardstick, in turns.
#
#   fanout   1,000 subscribers, 128 bytes, 2 workers: server CPU per delivery, with 64 messages on
#            their way and with one, against the yardstick's one send() per delivery
#   latency  publish to delivery on an idle server, also while another publisher's messages are
#            committed one by one
#   publish  buffered publishes over 8 pipelining broker connections
#   durable  durable publishes from 256 connections, one outstanding each, against one fdatasync
#            per message on the same disk
#   idle     user memory of each of 15,000 idle room connections
#
#   tests/bench/run.sh                all
#   tests/bench/run.sh fanout idle    only these
#
# Prints one line per number, with its goal. Environment: ROUNDS (3; the median counts), DURATION
# (5s, of each run), BENCH_DIR (/var/tmp; where the store is, on the disk to be measured),
# BENCH_PORT (18790), BENCH_BUILD (build-bench; with Sluice and the bench, optimised).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

rounds=${ROUNDS:-3}
duration=${DURATION:-5s}
port=${BENCH_PORT:-18790}
build_directory=${BENCH_BUILD:-$root/build-bench}
temporary=
sluice_pid=
yardstick_pid=
yardstick_port=

sluice_stop() {
    [ -n "$sluice_pid" ] || return 0
    kill "$sluice_pid" 2>/dev/null || true
    wait "$sluice_pid" || say "sluice ended with status $?"
    sluice_pid=
}

yardstick_stop() {
    [ -n "$yardstick_pid" ] || return 0
    kill "$yardstick_pid" 2>/dev/null || true
    wait "$yardstick_pid" 2>/dev/null || true
    yardstick_pid=
}

clean_up() {
    sluice_stop
    yardstick_stop
    [ -z "$temporary" ] || rm -rf "$temporary" "$ring"
}

# A fresh server with a fresh store.
sluice_start() {
    local log="$temporary/log" tries
    sluice_stop
    rm -rf "$temporary/data"
    : >"$log" # the last server's said that it is ready, too
    "$build_directory/server/sluice" --listen "127.0.0.1:$port" --workers 2 --tick 0 \
        --data "$temporary/data" --run-dir "$ring" --max-connections 16000 \
        --log-connections off 2>"$log" &
    sluice_pid=$!
    for ((tries = 0; tries < 400; tries++)); do
        grep -q ' ready: ' "$log" && return 0
        kill -0 "$sluice_pid" 2>/dev/null || break
        sleep 0.05
    done
    cat "$log" >&2
    die "sluice does not become ready"
}

yardstick_start() {
    local line
    yardstick_stop
    exec 3< <(exec "$build_directory/tests/bench/yardstick" --port 0 --workers 2 "$@")
    yardstick_pid=$!
    IFS= read -r -t 20 line <&3 || die "the yardstick does not start"
    yardstick_port=$(sed -n 's/.*on port \([0-9]*\),.*/\1/p' <<<"$line")
}

# bench PORT PID ARGUMENT... : one line of JSON. What is not clean is said, but does not end it.
bench() {
    local at=$1 pid=$2 line
    shift 2
    line=$("$build_directory/tools/sluice-bench" --url "ws://127.0.0.1:$at" --pids "$pid" \
        --children --json "$@") || say "NOT CLEAN: sluice-bench $*: $line"
    printf '%s\n' "$line"
}

# field NAME, or NAME.PART: a number out of a line of JSON on standard input.
field() {
    local name=${1%%.*} part=${1#*.}
    if [ "$name" = "$part" ]; then
        sed -n "s/.*\"$name\":\(-\{0,1\}[0-9.]*\).*/\1/p"
    else
        sed -n "s/.*\"$name\":{[^}]*\"$part\":\([0-9.]*\).*/\1/p"
    fi
}

median() {
    sort -g | awk '{ value[NR] = $1 } END { if (NR > 0) print value[int((NR + 1) / 2)] }'
}

# calculate EXPRESSION: three digits behind the point.
calculate() {
    awk "BEGIN { printf \"%.3f\", $1 }"
}

heading() {
    printf '\n%-46s %12s %12s %9s  %s\n' "$1" sluice "$2" ratio goal
}

# row WHAT SLUICE OTHER GOAL
row() {
    local ratio=-
    [ "$3" = - ] || ratio=$(calculate "$2 / $3")
    printf '%-46s %12s %12s %9s  %s\n' "$1" "$2" "$3" "$ratio" "$4"
}

section_fanout() {
    local window goal round load sluice each batched
    heading "fan-out: server CPU us per delivery" "one send()"
    for window in 64 1; do
        goal="ratio at most 0.5"
        [ "$window" = 64 ] || goal="ratio at most 1.3"
        load=(--connections 1000 --size 128 --window "$window" --duration "$duration")
        sluice=() each=() batched=()
        sluice_start
        for ((round = 0; round < rounds; round++)); do
            sluice+=("$(bench "$port" "$sluice_pid" "${load[@]}" | field cpu_us_per_delivery)")
            yardstick_start
            each+=("$(bench "$yardstick_port" "$yardstick_pid" "${load[@]}" |
                field cpu_us_per_delivery)")
            yardstick_start --batch
            batched+=("$(bench "$yardstick_port" "$yardstick_pid" "${load[@]}" |
                field cpu_us_per_delivery)")
            yardstick_stop
        done
        row "$window on their way" "$(printf '%s\n' "${sluice[@]}" | median)" \
            "$(printf '%s\n' "${each[@]}" | median)" "$goal"
        row "$window on their way, yardstick with 64 a write" \
            "$(printf '%s\n' "${sluice[@]}" | median)" \
            "$(printf '%s\n' "${batched[@]}" | median)" "-"
        sluice_stop
    done
}

# latency_measure PORT PID: p50 and p99 in us, by the round whose p99 is the median.
latency_measure() {
    local round
    for ((round = 0; round < rounds; round++)); do
        bench "$1" "$2" --protocol broker --connections 2 --rate 100 --duration "$duration" |
            sed -n 's/.*"delivery_us":{"p50":\([0-9.]*\),.*"p99":\([0-9.]*\),"p99.9.*"acknow.*/\2 \1/p'
    done | sort -g | awk '{ line[NR] = $2 " " $1 } END { print line[int((NR + 1) / 2)] }'
}

section_latency() {
    local quiet busy other committer
    heading "latency: publish to delivery, us" yardstick
    sluice_start
    yardstick_start
    read -r -a quiet <<<"$(latency_measure "$port" "$sluice_pid")"
    read -r -a other <<<"$(latency_measure "$yardstick_port" "$yardstick_pid")"
    yardstick_stop
    row "idle, p50" "${quiet[0]}" "${other[0]}" "below 150"
    row "idle, p99" "${quiet[1]}" "${other[1]}" "below 1000"

    # Ended by us when the measuring is done: until then it has work.
    "$build_directory/tools/sluice-bench" --url "ws://127.0.0.1:$port" --protocol broker \
        --publish-only --durable --rate 200 --topic committed --duration 1h >/dev/null &
    committer=$!
    read -r -a busy <<<"$(latency_measure "$port" "$sluice_pid")"
    kill -INT "$committer"
    wait "$committer" || say "NOT CLEAN: the durable publisher beside the latency"
    row "with 200 durable publishes a second, p50" "${busy[0]}" - "below 150"
    row "with 200 durable publishes a second, p99" "${busy[1]}" - "below 1000"
    sluice_stop
}

# publish_measure ARGUMENT... : acknowledged a second, server CPU us per publish, bench CPU s.
publish_measure() {
    local round line
    for ((round = 0; round < rounds; round++)); do
        line=$(bench "$port" "$sluice_pid" --protocol broker --publish-only --flat-out \
            --duration "$duration" "$@")
        printf '%s %s\n' "$(field acknowledged_per_s <<<"$line")" \
            "$(field cpu_us_per_publish <<<"$line")"
    done | sort -g | awk '{ line[NR] = $0 } END { print line[int((NR + 1) / 2)] }'
}

section_publish() {
    local result
    heading "publish: 8 pipelining broker connections" -
    sluice_start
    read -r -a result <<<"$(publish_measure --publishers 8 --pipeline 256)"
    row "acknowledged a second" "${result[0]}" - "200,000, or"
    row "server CPU us per publish" "${result[1]}" - "at most 4"
    sluice_stop
}

section_durable() {
    local result single
    heading "durable: 256 connections, one outstanding" fdatasync
    sluice_start
    read -r -a result <<<"$(publish_measure --publishers 256 --pipeline 1 --durable)"
    sluice_stop
    single=$("$build_directory/tests/bench/fdatasync_rate" "$temporary" 3)
    row "acknowledged a second" "${result[0]}" "$single" "ratio at least 10"
    row "server CPU us per publish" "${result[1]}" - -
}

section_idle() {
    local line
    heading "idle: 15,000 room connections" -
    sluice_start
    line=$(bench "$port" "$sluice_pid" --idle --connections 15000 --hold 3s)
    row "bytes of user memory each" "$(field bytes_per_connection <<<"$line")" - "at most 1024"
    row "connections a second" "$(field connections_per_s <<<"$line")" - -
    sluice_stop
}

sections=("$@")
[ ${#sections[@]} -gt 0 ] || sections=(fanout latency publish durable idle)
for section in "${sections[@]}"; do
    declare -F "section_$section" >/dev/null || die "there is no section $section"
done

install_missing "${PACKAGES_BUILD[@]}"
build "$build_directory" \
    "server/sluice tools/sluice-bench tests/bench/yardstick tests/bench/fdatasync_rate" -- \
    --buildtype=release -Db_lto=true -Dtests=disabled -Dbench=true
trap clean_up EXIT
temporary=$(mktemp -d "${BENCH_DIR:-/var/tmp}/sluice-bench.XXXXXX")
ring=$(mktemp -d /dev/shm/sluice-bench.XXXXXX)

printf 'sluice %s, %s, %s CPUs, Linux %s\n' \
    "$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)" \
    "$(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo)" "$(nproc)" "$(uname -r)"
for section in "${sections[@]}"; do
    "section_$section"
done
