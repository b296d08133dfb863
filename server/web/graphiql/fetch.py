#!/usr/bin/env python3
"""Puts what GraphiQL is made of into a directory: by npm, as package-lock.json has pinned it.

Of each package only its bundle for browsers and its licence stay. Does nothing when all is there as the
lock has it; leaves nothing there when that cannot be done, and says why on standard error.

Usage: fetch.py NPM DIRECTORY
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = ["package.json", "package-lock.json", ".npmrc"]
# As meson.build names them too.
FILES = {
    "react.js": "react/umd/react.production.min.js",
    "react-dom.js": "react-dom/umd/react-dom.production.min.js",
    "graphiql.js": "graphiql/graphiql.min.js",
    "graphiql.css": "graphiql/graphiql.min.css",
    "graphql-ws.js": "graphql-ws/umd/graphql-ws.min.js",
}
LICENCES = {
    "react": "react/LICENSE",
    "react-dom": "react-dom/LICENSE",
    "graphiql": "graphiql/LICENSE",
    "graphql-ws": "graphql-ws/LICENSE.md",
}
TIMEOUT_S = 300


def install(npm, directory):
    for name in SOURCES:
        shutil.copy(HERE / name, directory)
    try:
        subprocess.run([npm, "ci", "--prefer-offline"], cwd=directory, check=True,
                       timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.CalledProcessError as error:
        sys.exit(f"npm ci failed: {error.output.strip()}")
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"npm ci failed: {error}")


def pick(packages, target):
    for name, source in FILES.items():
        shutil.copy(packages / source, target / name)
    texts = [f"{name}\n\n{(packages / source).read_text(encoding='utf-8').strip()}\n"
             for name, source in LICENCES.items()]
    (target / "licences.txt").write_text("\n\n".join(texts), encoding="utf-8")


def main(npm, directory):
    target = pathlib.Path(directory)
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = target / "installed-lock.json"
    if stamp.is_file() and stamp.read_bytes() == lock:
        return
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=target) as place:
        install(npm, pathlib.Path(place))
        pick(pathlib.Path(place) / "node_modules", target)
    stamp.write_bytes(lock)


if __name__ == "__main__":
    main(*sys.argv[1:])
