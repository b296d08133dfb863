#!/usr/bin/env python3
"""Writes the table of server/http/assets.h as C: every file given, as it is and compressed.

    ETag    the beginning of the SHA-256 of the bytes as they are; that of the compressed ones has
            "-gzip" behind it, as they are another representation (RFC 9110 section 8.8.3.3)
    gzip    without a time and a name, so that the same files give the same bytes; left out where it
            would not be smaller
    CSP     of a page: nothing from elsewhere, and of inline styles and scripts only those that
            stand in it, by their SHA-256

"@VERSION@" in a page becomes the server's version.

Usage: embed.py OUTPUT VERSION PATH=FILE ...   (PATH: of the URL)
"""
import base64
import gzip
import hashlib
import pathlib
import re
import sys

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
ETAG_DIGITS = 32
BYTES_PER_LINE = 16

POLICY = ("default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; "
          "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


def hashes_of(page, element):
    """The sources that allow the inline elements of this name: their hashes, or nothing."""
    pattern = rb"<%s>(.*?)</%s>" % (element, element)
    digests = [hashlib.sha256(text).digest() for text in re.findall(pattern, page, re.S)]
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def policy_of(page):
    return POLICY.format(style=hashes_of(page, b"style") or "'none'",
                         script=hashes_of(page, b"script") or "'none'")


def array(name, data):
    lines = [", ".join(f"0x{byte:02x}" for byte in data[at:at + BYTES_PER_LINE])
             for at in range(0, len(data), BYTES_PER_LINE)]
    return f"static const uint8_t {name}[] = {{\n    " + ",\n    ".join(lines) + ",\n};\n"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def asset(index, path, file, version):
    """The arrays of one file, and its row of the table."""
    data = file.read_bytes()
    is_page = file.suffix == ".html"
    if is_page:
        data = data.replace(b"@VERSION@", version.encode())
    packed = gzip.compress(data, 9, mtime=0)
    etag = hashlib.sha256(data).hexdigest()[:ETAG_DIGITS]
    arrays = array(f"plain_{index}", data)
    row = [
        f".path = {quoted(path)}",
        f".content_type = {quoted(MEDIA_TYPES[file.suffix])}",
        f".plain = {{plain_{index}, sizeof plain_{index}, {quoted(chr(34) + etag + chr(34))}}}",
    ]
    if len(packed) < len(data):
        arrays += array(f"gzip_{index}", packed)
        row.append(f".gzip = {{gzip_{index}, sizeof gzip_{index}, "
                   f"{quoted(chr(34) + etag + '-gzip' + chr(34))}}}")
    if is_page:
        row.append(f".policy = {quoted(policy_of(data))}")
    return arrays, "    {\n        " + ",\n        ".join(row) + ",\n    },\n"


def main(output, version, *files):
    parts = [asset(index, path, pathlib.Path(name), version)
             for index, (path, name) in enumerate(file.split("=", 1) for file in files)]
    text = ("/* Made by server/web/embed.py. */\n"
            '#include "server/http/assets.h"\n\n'
            + "\n".join(arrays for arrays, _ in parts)
            + "\nstatic const struct asset assets[] = {\n" + "".join(row for _, row in parts)
            + "};\n\n"
            "const struct asset *asset_table(size_t *ret_count)\n{\n"
            "    *ret_count = sizeof assets / sizeof *assets;\n"
            "    return assets;\n}\n")
    pathlib.Path(output).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
