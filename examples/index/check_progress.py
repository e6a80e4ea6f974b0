#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The bar of the index fits terminals of any width, and leaves nothing behind.

Usage: check_progress.py INDEX
"""
import fcntl
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import termios

sys.dont_write_bytecode = True  # next to the sources
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import tap  # pylint: disable=wrong-import-position

PROGRAM = sys.argv[1]


def lines_at(columns, folder):
    """Runs the index with messages on a terminal. Returns what it drew there, piece by piece."""
    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([PROGRAM, "--threads", "1", folder], stdout=subprocess.DEVNULL, stderr=inner) as program:
        os.close(inner)
        drawn = b""
        while True:
            try:
                piece = os.read(outer, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            drawn += piece
    os.close(outer)
    assert program.returncode == 0, program.returncode
    return drawn.decode().split("\r")


def problem_at(columns, shape, folder):
    lines = lines_at(columns, folder)
    if lines[-1] != "\x1b[K":
        return f"left behind: {lines[-1]!r}"
    texts = [line.replace("\x1b[K", "") for line in lines[:-1] if line.replace("\x1b[K", "")]
    wrong = [text for text in texts if columns > 0 and len(text) >= columns or not re.fullmatch(shape, text)]
    if wrong:
        return f"{len(wrong)} lines like {wrong[0]!r}"
    return "" if texts or not shape else "nothing is drawn"


def main():
    with tempfile.TemporaryDirectory() as folder:
        for i in range(50):
            with open(os.path.join(folder, str(i)), "w", encoding="ascii") as file:
                file.write("some words\n")
        for columns, shape in (
                (0, r"phase [12] \[#* *\] +\d+%"),
                (200, r"phase [12] \[[# ]{40}\] [ \d]{3}%"),
                (80, r"phase [12] \[[# ]{40}\] [ \d]{3}%"),
                (24, r"phase [12] \[[# ]{8}\] [ \d]{3}%"),
                (17, r"phase [12] \[[# ]\] [ \d]{3}%"),
                (16, r"phase [12] [ \d]{3}%"),
                (13, r"phase [12] [ \d]{3}%"),
                (12, r"[ \d]{3}%"),
                (5, r"[ \d]{3}%"),
                (4, "")):
            tap.check(f"{columns} columns" if columns > 0 else "a terminal of unknown width",
                      problem_at(columns, shape, folder))
    tap.finish()


main()
