#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The fenced blocks of a Markdown file, for all tests that compile or run what a document shows.

blocks.py FILE KIND prints the first block of FILE whose fence is exactly KIND: c, cpp, text, sh.
"""
import re
import sys
from pathlib import Path

BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.M | re.S)


def blocks(text):
    """For each block: its kind, its text, where it begins and ends in the document."""
    for match in BLOCK.finditer(text):
        yield match.group(1), match.group(2), match.start(), match.end()


def main():
    for kind, body, _, _ in blocks(Path(sys.argv[1]).read_text()):
        if kind == sys.argv[2]:
            print(body, end='')
            return 0
    return 1


if __name__ == '__main__':
    sys.exit(main())
