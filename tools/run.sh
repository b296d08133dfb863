#!/usr/bin/env bash
# Builds Sluice and starts it on http://127.0.0.1:8000 (store: ./sluice-data).
# Arguments go to the server: tools/run.sh --listen 0.0.0.0:9000 --workers 4; see --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

install_missing "${PACKAGES_BUILD[@]}"
build "$build_root/build-release" server/sluice -- \
    --buildtype=release -Db_lto=true -Dtests=disabled -Dbench=false

# In this process's place: signals reach the server, and its exit status is ours.
exec "$build_root/build-release/server/sluice" "$@"
