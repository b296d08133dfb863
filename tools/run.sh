#!/usr/bin/env bash
# Builds Sluice and starts it on http://127.0.0.1:8000 (store: ./sluice-data).
# Arguments go to the server: tools/run.sh --listen 0.0.0.0:9000 --workers 4; see --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

install_missing "${PACKAGES_BUILD[@]}"
# Who would rather not have npm installed says GRAPHIQL=disabled.
graphiql=${GRAPHIQL:-auto}
if [ "$graphiql" != disabled ]; then
    keep_certificates # for us; what follows may fail
    (install_npm) || graphiql=disabled
fi
build "$build_root/build-release" "server/sluice tools/sluicectl" -- \
    --buildtype=release -Db_lto=true -Dtests=disabled -Dbench=false "-Dgraphiql=$graphiql"
[ -e "$build_root/build-release/server/web/graphiql/installed-lock.json" ] ||
    say "without GraphiQL, which needs npm: http://127.0.0.1:8000/graphql says how to get it"

say "look at it from another terminal: $build_root/build-release/tools/sluicectl top (--help: more)"

# In this process's place: signals reach the server, and its exit status is ours.
exec "$build_root/build-release/server/sluice" "$@"
