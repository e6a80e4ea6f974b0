#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what csv_to_json prints with what Python's csv and json modules make of the same bytes.

Usage: check_csv.py CSV_TO_JSON
"""
import csv
import io
import json
import os
import random
import sys
import tempfile

sys.dont_write_bytecode = True  # next to the sources
import tap  # pylint: disable=wrong-import-position

PROGRAM = sys.argv[1]

# The cases of csv-spectrum, and their neighbours.
TABLES = {
    "a comma in quotes": b'first,last,address\nJohn,Doe,"120 any st., Anytown, WW"\n',
    "empty cells": b'a,b,c\n1,"",""\n2,3,4\n,,\n',
    "empty cells, CRLF": b'a,b,c\r\n1,"",""\r\n2,3,4\r\n',
    "two quotes for one": b'a,b\n1,"ha ""ha"" ha"\n3,4\n',
    "two quotes for one at both ends": b'a,b\n"""x""",""""\n',
    "JSON inside": b'key,val\n1,"{""type"": ""Point"", ""coordinates"": [102.0, 0.5]}"\n',
    "backslashes and control characters": b'a,b\n"C:\\n","\t\x01\x1f\x7f"\n',
    "newlines in quotes": b'a,b,c\n1,2,3\n"Once upon \na time",5,6\n7,8,9\n',
    "newlines in quotes, CRLF": b'a,b,c\r\n1,2,3\r\n"Once upon \r\na time",5,6\r\n7,8,9\r\n',
    "carriage returns in quotes": b'a,b\n"1\r2","\r"\n',
    "simple": b"a,b,c\n1,2,3\n",
    "simple, CRLF": b"a,b,c\r\n1,2,3\r\n",
    "lines that end in CR": b"a,b,c\r1,2,3\r4,5,6\r",
    "lines that end differently": b"a,b\r1,2\r\n3,4\n5,6\r\r\n7,8",
    "UTF-8": "a,b,c\n1,2,3\n4,5,\u02a4\n\U0001f40e,\u2028,\u4f00\n".encode(),
    "no newline at the end": b"a,b\n1,2",
    "a comma at the end": b"a,b\n1,",
    "a quoted cell at the end": b'a,b\n1,"2"',
    "one column": b"a\n1\n\n2\n",
    "empty lines": b"\n\na,b\n\n1,2\n\r\n\n3,4\n\n",
    "a line of two quotes": b'a\n""\n1\n',
    "no rows": b"a,b\n",
    "nothing": b"",
    "a newline": b"\n",
    "blanks are kept": b'a, b \n 1 , "2"\n',
    "text after a closing quote": b'a,b\n"1"x,"1" "2"\n"1"x"y"",2\n',
    "quotes within a cell": b'a,b\n2"3,x"\n4"",5\n',
    "a byte order mark": b"\xef\xbb\xbfa,b\n1,2\n",
    "a byte order mark before a quote": b'\xef\xbb\xbf"a ""b""",b\n1,2\n',
    "a byte order mark and nothing": b"\xef\xbb\xbf",
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbfa\n1\n",
    "a name twice": b"a,a\n1,2\n",
    "Latin-1": b"name\nM\xfcller\n",
    "a byte order mark of UTF-16": b"\xff\xfe\n\xfe\xff\n",
    "overlong forms": b"a\n\xc0\xaf\n\xc1\xbf\n\xe0\x80\xaf\n\xe0\x9f\xbf\n\xf0\x80\x80\xaf\n\xf0\x8f\xbf\xbf\n",
    "surrogates": b"a\n\xed\xa0\x80\n\xed\xbf\xbf\n\xed\xa0\xbd\xed\xb8\x80\n\xed\x9f\xbf\n\xee\x80\x80\n",
    "above U+10FFFF": b"a\n\xf4\x90\x80\x80\n\xf5\x80\x80\x80\n\xff\n\xf4\x8f\xbf\xbf\n",
    "characters that are cut": b'a,b\n\xe4,\xe4\xbc\n\xf0\x9f\x90,\xf0\x9f\n"\xe4"\xbc\x80,\x80\xbf\n\xc3',
}

UNCLOSED = {
    "at the end of the file": (b'a,b\n1,"2', 2),
    "before more lines": (b'a,b\n1,2\n"3,4\n5,6\n7,8\n', 3),
    "in the first line": (b'"a,b\n1,2\n', 1),
    "after lines that end in CR and CRLF": (b'a,b\r1,2\r\n3,"4\r\n', 3),
    "after newlines in quotes": (b'a,b\n"1\n\n",2\n3,""""4\n5,"', 6),
}


csv.field_size_limit(1 << 30)


def parse(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def expect(data):
    """Returns what Python's modules make of it; None where a quote is not closed, or a line is too long or short."""
    text = data.decode("utf-8-sig", errors="replace")
    if parse(text + "\nEND\n")[-1] != ["END"]:
        return None
    rows = [row for row in parse(text) if row]
    if any(len(row) != len(rows[0]) for row in rows):
        return None
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def problem_with(path, data):
    with open(path, "wb") as file:
        file.write(data)
    status, printed, messages = tap.run(PROGRAM, path)
    expected = expect(data)
    if expected is None:
        return f"{data!r}: status {status}, {printed!r}" if status != 1 or printed or path not in messages else ""
    if status != 0:
        return f"{data!r}: status {status}: {messages}"
    try:
        found = json.loads(printed.decode())  # strict: neither invalid UTF-8 nor control characters
    except ValueError as error:
        return f"{data!r}: {printed!r}: {error}"
    if found != expected:
        return f"{data!r}: {found!r} instead of {expected!r}"
    replaced = "\ufffd" in data.decode(errors="replace") and b"\xef\xbf\xbd" not in data
    return f"{data!r}: said {messages!r}" if replaced != ("U+FFFD" in messages) else ""


def random_table(chance):
    """Cells as a program would quote them, with a broken byte here and there; or a jumble of what has a meaning."""
    pieces = [b",", b'"', b'""', b"\n", b"\r\n", b"\r", b" ", b"x", b"\xc3\xa4", "\U0001f40e".encode(), b"\xe4",
              b"\xbc", b"\x80", b"\xf0\x9f", b"\xed\xa0\x80", b"\xff", b"\xef\xbb\xbf", b"\\", b"\x01"]
    if chance.random() < 0.5:
        return b"".join(chance.choices(pieces, k=chance.randrange(12)))
    columns = chance.randrange(1, 5)
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
                        lineterminator=chance.choice(["\n", "\r\n"]))
    for _ in range(chance.randrange(6)):
        writer.writerow("".join(chance.choices('a,"\n\r \u00e4\U0001f40e\\', k=chance.randrange(5)))
                        for _ in range(columns))
    data = bytearray(out.getvalue().encode())
    if data and chance.random() < 0.3:
        data[chance.randrange(len(data))] = chance.choice(b'\x80\xff\xc3",\n')
    return bytes(data)


def random_problem(path):
    chance = random.Random(1)
    for _ in range(60 if os.environ.get("HERD_TEST_QUICK") == "1" else 300):
        problem = problem_with(path, random_table(chance))
        if problem:
            return problem
    return ""


def unclosed_problem(path, data, line):
    with open(path, "wb") as file:
        file.write(data)
    status, printed, messages = tap.run(PROGRAM, path)
    if status == 1 and not printed and messages == f"{path}:{line}: this quote is not closed\n":
        return ""
    return f"status {status}, printed {printed!r}, said {messages!r}"


def several_problem(folder):
    """A file that can't be converted does not keep the others from it."""
    good, bad = os.path.join(folder, "good"), os.path.join(folder, "bad")
    for path, data in (good, b"a\n1\n"), (bad, b"a\n1,2\n"):
        with open(path, "wb") as file:
            file.write(data)
    status, printed, messages = tap.run(PROGRAM, good, os.path.join(folder, "missing"), folder, bad, "-", good,
                                        stdin=b"a\n2\n")
    expected = b'[{"a": "1"}]\n[{"a": "2"}]\n[{"a": "1"}]\n'
    return "" if (status, printed, len(messages.splitlines())) == (1, expected, 3) else f"{printed!r} {messages}"


def nul_problem():
    found = tap.run(PROGRAM, "-", stdin=b"a\n1\0\n")
    return "" if found[:2] == (1, b"") and "NUL" in found[2] else found


def proc_problem():
    """The size of files in /proc is 0."""
    found = tap.run(PROGRAM, "/proc/self/comm")
    if found != (0, b"[]\n", ""):
        return found
    _, printed, messages = tap.run(PROGRAM, "/proc/meminfo")
    return "" if b"MemFree: " in printed else f"printed {printed!r}, said {messages!r}"


def long_problem(path):
    """Cells and lines of any length; the result does not fit a buffer of stdio."""
    long = b"x" * 1000000
    return problem_with(path, b"a,b\n" + b'"' + long + b'\n",2\n' + b"1,2\n" * 50000)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "table.csv")
        for name, data in TABLES.items():
            tap.check(name, problem_with(path, data))
        for name, (data, line) in UNCLOSED.items():
            tap.check(f"a quote that is not closed, {name}", unclosed_problem(path, data, line))
        tap.check("random tables", random_problem(path))
        tap.check("long cells, many lines", long_problem(path))
        tap.check("several files, some of which are missing or wrong", several_problem(folder))
        tap.check("a NUL is refused", nul_problem())
        if os.path.exists("/proc/meminfo"):
            tap.check("a file of /proc", proc_problem())
        tap.check("fifos", tap.fifos(PROGRAM, folder, b"a\n1\n", b'[{"a": "1"}]\n'))
    tap.check("--help", tap.help_text(PROGRAM))
    tap.check("a full disk", tap.full_disk(PROGRAM))
    tap.check("a full disk, much output", tap.full_disk(PROGRAM, "-", stdin=b"a\n" + b"1\n" * 10000))
    tap.check("a full disk, help", tap.full_disk(PROGRAM, "--help"))
    tap.finish()


main()
