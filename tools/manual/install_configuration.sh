#!/bin/sh
# install_configuration.sh SAMPLE DIRECTORY: a part of `meson install`. The sample becomes the
# configuration where there is none; one that is there belongs to whoever runs the server.
set -eu

target=${DESTDIR:-}$2/sluice.conf
[ ! -e "$target" ] || exit 0
mkdir -p "${target%/*}"
cp "$1" "$target"
chmod 644 "$target"
