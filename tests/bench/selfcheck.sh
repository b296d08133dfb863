#!/bin/bash
# Usage: selfcheck.sh SLUICE_BENCH YARDSTICK
# Short runs of sluice-bench against the yardstick: every message must reach every subscriber,
# once and in order; and what must fail does. Nothing is measured.
set -euo pipefail

bench=$1
yardstick=$2
output=$(mktemp)
yardstick_pid=
port=

stop_yardstick() {
    if [ -n "$yardstick_pid" ]; then
        kill "$yardstick_pid" 2>/dev/null || true
        wait "$yardstick_pid" 2>/dev/null || true
        yardstick_pid=
    fi
}
trap 'stop_yardstick; rm -f "$output"' EXIT

# Starts the yardstick on a free port; its first line says which.
start_yardstick() {
    local line
    exec 3< <(exec "$yardstick" --port 0 --workers 2 "$@")
    yardstick_pid=$!
    IFS= read -r -t 20 line <&3
    port=$(sed -n 's/.*on port \([0-9]*\),.*/\1/p' <<<"$line")
    [ -n "$port" ]
}

# run STATUS PATTERN ARGUMENT...: the bench's exit status and a part of what it prints.
run() {
    local wanted=$1 pattern=$2 status=0
    shift 2
    "$bench" --url "ws://127.0.0.1:$port" --warmup 0 --timeout 20s "$@" >"$output" 2>&1 || status=$?
    if [ "$status" -ne "$wanted" ] || ! grep -q -- "$pattern" "$output"; then
        echo "sluice-bench $* ended with $status, wanted $wanted and \"$pattern\":"
        cat "$output"
        exit 1
    fi
}

whole='"lost":0,"duplicates":0,"order_errors":0'
for mode in "" --batch; do
    start_yardstick ${mode:+"$mode"}
    run 0 "\"delivered\":4000,.*$whole" --json --connections 20 --messages 200
    run 0 "\"delivered\":4000,.*$whole" --json --connections 20 --messages 200 --window 1
    run 0 "\"delivered\":4000,.*$whole" --json --connections 20 --messages 200 --rate 2000 \
        --publishers 3 --processes 2
    run 0 "\"delivered\":2000,.*$whole" --json --connections 20 --messages 100 --size 20000
    run 0 "\"acknowledged\":210,.*\"delivered\":1470,.*$whole" --json --protocol broker \
        --connections 21 --topics 3 --messages 210 --publishers 2 --processes 2
    run 0 "\"acknowledged\":2000," --json --protocol broker --publish-only --publishers 4 \
        --messages 2000
    run 0 "an idle connection" --idle --connections 50 --hold 1ms --pids "$yardstick_pid" --children
    stop_yardstick
done

# The last process of the yardstick may end after the one that was waited for.
while (exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    sleep 0.05
done
run 1 "Connection refused" --connections 1 --messages 1
run 2 "is out of range" --size 10
run 2 "needs --protocol broker" --topics 2
run 2 "only one of" --window 1 --flat-out
run 0 "Usage: sluice-bench" --help
echo "sluice-bench and the yardstick agree"
