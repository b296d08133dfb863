# Sourced by the scripts beside it: what they need from Debian, and how to get it.
# shellcheck shell=bash disable=SC2034

PACKAGES_BUILD=(gcc libc6-dev meson ninja-build pkg-config libcurl4-openssl-dev
    libhttp-parser-dev libinih-dev libjson-c-dev liblmdb-dev libnghttp2-dev libssl-dev libsystemd-dev libwslay-dev
    libxxhash-dev uthash-dev zlib1g-dev)
PACKAGES_TEST=(libcmocka-dev)
PACKAGES_E2E=(chromium curl man-db mandoc nghttp2-client zsh libseccomp2 strace)
TOOLS_E2E=(haproxy nginx prometheus systemd) # unpacked, not installed: see unpack_tools
PACKAGES_CHECK=(clang clang-format clang-tidy cppcheck shellcheck)
PACKAGES_FUZZ=(clang llvm)

# Where build-release, build-test and the like are made: the checkout, unless told otherwise. (Not
# SLUICE_…: those are options of the server.)
build_root=${BUILD_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}

# Progress and trouble; the only thing on standard output is what a script is for.
say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$(basename "$0"): $*"
    exit 1
}

# again COMMAND... : up to three times: a mirror or a registry that does not answer once, or a lock that
# another apt has (it waits for dpkg's, not for that of its lists).
again() {
    local pause
    for pause in 5 15; do
        "$@" && return
        sleep "$pause"
    done
    "$@"
}

# install_missing PACKAGE... : by apt, as root or with sudo, and only what is not there.
install_missing() {
    local package missing=() as_root=()
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        command -v meson >/dev/null || die "no apt here: install what Debian calls $*"
        return 0
    fi
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "needs root or sudo to install: ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    run_logged apt again "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get update -q &&
            apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
    ' sh "${missing[@]}"
}

# download_package PACKAGE DIRECTORY : its .deb, once more with new lists if these know none that is there.
download_package() {
    local as_root=()
    (cd "$2" && apt-get download -q "$1") && return
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || return
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -q && (cd "$2" && apt-get download -q "$1")
}

# needs_libraries DIRECTORY : whether a program in it lacks any.
needs_libraries() {
    local found
    found=$(find "$1" -type f -path '*bin/*' -perm -u+x -exec ldd {} + 2>/dev/null || true)
    [[ $found == *'not found'* ]]
}

# unpack_tool PACKAGE DIRECTORY : all of it or nothing, whoever else does the same at this moment. A
# program's libraries are installed: a library starts nothing.
unpack_tool() {
    local package=$1 directory=$2 work libraries
    mkdir -p "${directory%/*}"
    work=$(mktemp -d "${directory%/*}/.$package.XXXXXX")
    run_logged download again download_package "$package" "$work"
    run_logged unpack dpkg -x "$work/$package"_*.deb "$work/tree"
    if needs_libraries "$work/tree"; then
        mapfile -t libraries < <(dpkg-deb -f "$work/$package"_*.deb Pre-Depends Depends |
            tr ',' '\n' | sed 's/^[^:]*Depends: //; s/^ *//; s/[ :|(].*//' |
            grep -E '^z?lib' | grep -v '^libjs-' | sort -u)
        install_missing "${libraries[@]}"
    fi
    mv -T "$work/tree" "$directory" 2>/dev/null || [ -d "$directory" ] ||
        die "cannot unpack $package into $directory"
    rm -rf "$work"
}

# unpack_tools PACKAGE... : programs that tests run, each in $build_root/build-tools/PACKAGE, without
# installing what may be a service of this machine then. Who has it installed has it on the PATH.
unpack_tools() {
    local package missing=()
    for package in "$@"; do
        [ ! -d "$build_root/build-tools/$package" ] || continue
        if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
            missing+=("$package")
        elif [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
            say "unpacking $package"
            unpack_tool "$package" "$build_root/build-tools/$package"
        fi
    done
    [ ${#missing[@]} -eq 0 ] ||
        say "no apt here: tests need the programs of what Debian calls ${missing[*]} on the PATH"
}

# run_logged NAME COMMAND... : quiet when all is well, otherwise its last lines, and the end.
run_logged() {
    local name=$1 log
    shift
    log=$(mktemp "${TMPDIR:-/tmp}/sluice-$name.XXXXXX")
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "failed: $name (all of it: $log)"
    fi
    rm -f "$log"
}

# build DIRECTORY TARGETS -- MESON-OPTION... : sets DIRECTORY up once, then builds what changed.
# TARGETS are separated by spaces; none is everything. An interrupted or outdated setup is made anew.
build() {
    local directory=$1 targets source made_as
    read -ra targets <<<"$2"
    shift 3
    source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    made_as="$directory of $source: $*"
    if [ "$(cat "$directory/made-as" 2>/dev/null)" != "$made_as" ]; then
        say "building into $directory"
        rm -rf "$directory"
        run_logged setup meson setup "$directory" "$source" "$@"
        printf '%s\n' "$made_as" >"$directory/made-as"
    fi
    run_logged build ninja --quiet -k 0 -C "$directory" "${targets[@]}"
}

# Before npm is installed: with it apt installs ca-certificates, which writes the system's bundle anew,
# and whoever reaches the registry by a certificate that was put only there would lose it on the way.
keep_certificates() {
    local directory=$build_root/build-npm
    if [ -r "${NODE_EXTRA_CA_CERTS:-}" ] && [ "${NODE_EXTRA_CA_CERTS%/*}" != "$directory" ]; then
        mkdir -p "$directory"
        cp "$NODE_EXTRA_CA_CERTS" "$directory/extra-ca-certificates.crt"
        export NODE_EXTRA_CA_CERTS=$directory/extra-ca-certificates.crt
    fi
}

# Node and npm, unless they are there.
install_npm() {
    local major
    keep_certificates
    major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
    if [ "$major" -lt 18 ]; then
        install_missing nodejs npm
    elif ! command -v npm >/dev/null; then
        install_missing npm
    fi
}

# install_node SUITE... : node, npm and the packages of tests/SUITE.
install_node() {
    local suite source
    install_npm
    source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    for suite in "$@"; do
        (
            cd "$source/tests/$suite" || exit
            cmp -s package-lock.json node_modules/.installed-lock && exit
            say "installing what tests/$suite uses"
            run_logged npm again npm ci --no-audit --no-fund
            cp package-lock.json node_modules/.installed-lock
        )
    done
}
