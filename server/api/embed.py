#!/usr/bin/env python3
"""Writes a text file as C: model_built_in, and how many bytes it has.

Usage: embed.py INPUT OUTPUT
"""
import pathlib
import sys

BYTES_PER_LINE = 16


def main():
    source, output = map(pathlib.Path, sys.argv[1:])
    data = source.read_bytes()
    lines = [", ".join(f"0x{byte:02x}" for byte in data[at:at + BYTES_PER_LINE])
             for at in range(0, len(data), BYTES_PER_LINE)]
    output.write_text('#include "server/api/model_built_in.h"\n\n'
                      "const unsigned char model_built_in[] = {\n    " + ",\n    ".join(lines) +
                      ",\n};\nconst size_t model_built_in_bytes = sizeof model_built_in;\n",
                      encoding="ascii")


if __name__ == "__main__":
    main()
