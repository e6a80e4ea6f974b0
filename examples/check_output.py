#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program that can't write its results reports that, and fails.

Usage: check_output.py PROGRAM...
"""
import os
import sys

sys.dont_write_bytecode = True  # next to the sources
import tap  # pylint: disable=wrong-import-position

for program in sys.argv[1:]:
    name = os.path.basename(program)
    if os.path.exists("/dev/full"):
        tap.check(name, tap.full_disk(program))
    else:
        tap.skip(name, "there is no /dev/full")
tap.finish()
