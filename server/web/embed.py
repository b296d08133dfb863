#!/usr/bin/env python3
"""Writes the table of server/http/assets.h as C: every file given, as it is and compressed.

    ETag    the beginning of the SHA-256 of the bytes as they are; that of the compressed ones has
            "-gzip" behind it, as they are another representation (RFC 9110 section 8.8.3.3)
    gzip    without a time and a name, so that the same files give the same bytes; left out where it
            would not be smaller
    CSP     of a page: nothing from elsewhere; of inline styles and scripts only those that stand in
            it, by their SHA-256, styles whose hash a comment "style-src 'sha256-…': why" names, and
            files of ours where the page names some; and the directives that a comment
            'policy "DIRECTIVE" "DIRECTIVE": why' names
    bytes   lie in DATA as struct arena (server/net/arena.h), with one reference that nobody drops:
            however many clients a file is sent to, it is there once. An assembler puts them into
            the program: no compiler has to read megabytes of numbers.

"@VERSION@" in a page becomes the server's version.

Usage: embed.py TABLE.c DATA.S DATA.bin DEPENDENCIES VERSION PATH=FILE ...   (PATH: of the URL)
"""
import base64
import gzip
import hashlib
import pathlib
import re
import struct
import sys

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
ETAG_DIGITS = 32
ARENA_HEAD = struct.Struct("<II")  # refs, capacity
ARENA_ALIGN = 64
SYMBOL = "web_assets_data"

POLICY = ("default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; "
          "img-src 'self' data:; {more}base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'")

SOURCE = """\
/* Made by server/web/embed.py. */
#include "server/http/assets.h"

extern uint8_t {symbol}[];

#define ARENA(offset) ((struct arena *)(void *)({symbol} + (offset)))

static const struct asset assets[] = {{
{rows}}};

const struct asset *asset_table(size_t *ret_count)
{{
    *ret_count = sizeof assets / sizeof *assets;
    return assets;
}}
"""

ASSEMBLY = """\
/* Made by server/web/embed.py. SHA-256 of the data: {digest} */
    .data
    .balign {align}
    .globl {symbol}
{symbol}:
    .incbin "{path}"
    .section .note.GNU-stack,"",%progbits
"""


class Data:
    """All bytes, as arenas one behind the other."""

    def __init__(self):
        self.bytes = bytearray()

    def add(self, data):
        """Returns the C initializer of a variant, but for its ETag."""
        offset = len(self.bytes)
        self.bytes += ARENA_HEAD.pack(1, len(data)) + data
        self.bytes += bytes(-len(self.bytes) % ARENA_ALIGN)
        return f"{SYMBOL} + {offset + ARENA_HEAD.size}, {len(data)}", f"ARENA({offset})"


def hashes_of(page, element):
    """The sources that allow the inline elements of this name: their hashes."""
    pattern = rb"<%s>(.*?)</%s>" % (element, element)
    digests = [hashlib.sha256(text).digest() for text in re.findall(pattern, page, re.S)]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def directives_of(page):
    """What the page itself adds to its policy."""
    comments = re.findall(rb'<!-- policy ("[^"]+"(?: "[^"]+")*): ', page)
    return [name.decode() for comment in comments for name in re.findall(rb'"([^"]+)"', comment)]


def policy_of(page):
    has_styles = re.search(rb"<link rel=\"stylesheet\"", page)
    has_scripts = re.search(rb"<script src=", page)
    style = hashes_of(page, b"style") + ["'self'"] * bool(has_styles)
    style += [source.decode() for source in re.findall(rb"<!-- style-src ('sha256-\S+'):", page)]
    script = hashes_of(page, b"script") + ["'self'"] * bool(has_scripts)
    return POLICY.format(style=" ".join(style) or "'none'", script=" ".join(script) or "'none'",
                         more="".join(f"{directive}; " for directive in directives_of(page)))


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def variant(data, content, etag):
    place, arena = data.add(content)
    tag = quoted(f'"{etag}"')
    return f"{{{place}, {tag}, {arena}}}"


def asset(data, path, file, version):
    """The row of one file, whose bytes go into @data."""
    content = file.read_bytes()
    is_page = file.suffix == ".html"
    if is_page:
        content = content.replace(b"@VERSION@", version.encode())
    packed = gzip.compress(content, 9, mtime=0)
    etag = hashlib.sha256(content).hexdigest()[:ETAG_DIGITS]
    row = [
        f".path = {quoted(path)}",
        f".content_type = {quoted(MEDIA_TYPES[file.suffix])}",
        f".plain = {variant(data, content, etag)}",
    ]
    if len(packed) < len(content):
        row.append(f".gzip = {variant(data, packed, etag + '-gzip')}")
    if is_page:
        row.append(f".policy = {quoted(policy_of(content))}")
    return "    {\n        " + ",\n        ".join(row) + ",\n    },\n"


def main(table, assembly, blob, dependencies, version, *arguments):
    data = Data()
    files = [argument.split("=", 1) for argument in arguments]
    rows = [asset(data, path, pathlib.Path(name), version) for path, name in files]
    pathlib.Path(blob).write_bytes(data.bytes)
    pathlib.Path(table).write_text(SOURCE.format(symbol=SYMBOL, rows="".join(rows)),
                                   encoding="ascii")
    pathlib.Path(assembly).write_text(
        ASSEMBLY.format(symbol=SYMBOL, align=ARENA_ALIGN, path=pathlib.Path(blob).resolve(),
                        digest=hashlib.sha256(data.bytes).hexdigest()), encoding="utf-8")
    names = " ".join(name.replace(" ", "\\ ") for _, name in files)
    pathlib.Path(dependencies).write_text(f"{table}: {names}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
