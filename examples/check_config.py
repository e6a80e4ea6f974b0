#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the trees of config_parser with those of Python's configparser: of made files, and of this machine's.

Usage: check_config.py CONFIG_PARSER
"""
import configparser
import glob
import json
import os
import random
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # next to the sources
import tap  # pylint: disable=wrong-import-position

PROGRAM = sys.argv[1]

# As the files of these programs are, and what is unusual in them.
FILES = {
    "a unit of systemd": b"""#  SPDX-License-Identifier: LGPL-2.1-or-later
[Unit]
Description=Network Time: "Synchronization"
After=a.service
After=b.service
[Service]
ExecStart=!!/usr/lib/systemd/systemd-timesyncd --a=b \\
  --c
Environment=A=1 B:2
[Install]
WantedBy=
""",
    "fail2ban": b"""[INCLUDES]
before = common.conf
[DEFAULT]
_daemon = sshd
[Definition]
failregex = ^%(__prefix_line)sFailed .* from <HOST>: \\d+$
            ^%(__prefix_line)s[aA]uth = <HOST>

            # not a part
            ^third$
ignoreregex =
maxretry : 3
""",
    "supervisor": b"""; Sample
[unix_http_server]
file=/tmp/supervisor.sock   ; the path
[program:cat]
command=/bin/cat
environment=A="1",
\tB="2",
\tC="%(x)s"
;[x]
""",
    "mariadb": b"""#
[client-server]
# Port
!includedir /etc/mysql/conf.d/
[mysqld]
skip-external-locking
bind-address            = 127.0.0.1
  quick
[mysqld]
port=1
""",
    "avahi": b"[server]\n#host-name=foo\nuse-ipv4=yes\n\n[wide-area]\nenable-wide-area=yes\n[rlimits]\n",
    "samba": b"""[global]
## Browsing ##
   workgroup = WORKGROUP
;   interfaces = 127.0.0.0/8 eth0

   log file = /var/log/samba/log.%m
[homes]
   comment = Home Directories
   valid users = %S
[print$]
   browseable = yes
""",
    "git": b"""[user]
\tname = A. U. Thor
\temail = a@example.org
[remote "origin"]
\turl = git@example.org:x.git
\tfetch = +refs/heads/*:refs/remotes/origin/*
[alias]
\tlg = "log --format='%h %s'"
\tbare
""",
    "CRLF": b"[a]\r\nx = 1\r\n  2\r\n\r\ny\r\n",
    "CR": b"[a]\rx = 1\r  2\r\ry\r",
    "a byte order mark": b"\xef\xbb\xbf[a]\nx=1\n",
    "a byte order mark and a comment": b"\xef\xbb\xbf# x\n[a]\nx=1",
    "nothing": b"",
    "comments alone": b"# x\n; y\n\n  # z\n",
    "an empty section": b"[a]\n[b]\n[a]\n",
    "a section twice": b"[a]\nx=1\n[b]\ny=2\n[a]\nz=3\nx=4\n",
    "equal keys": b"[a]\nx=1\nx=2\ny\ny=3\nz=4\nz\nX=5\n",
    "delimiters": b"[a]\na=b:c\nd:e=f\ng==h\ni := j\nk = = l\nm  n = o\n",
    "empty values": b"[a]\nx=\ny =   \nz:\n",
    "brackets": b"[a]b]\nx=1\n[ c ]\ny=1\n[d] # e\nz=1\n[]\n[]]\nw=1\n[unclosed\n[f]=g\n",
    "a value of several lines": b"[a]\nx =\n  1\n\n\n   2\n\t3\n\ny = 4\n",
    "a value with comments within": b"[a]\nx = 1\n# c\n  2\n  ; c\n  3 # no comment\ny = 4 ; none\n",
    "indented deeper and less": b"[a]\n    x = 1\n      y = 2\n    z = 3\n  w = 4\n   v = 5\n  [b]\n u = 6\n",
    "a section that is indented": b"[a]\nx = 1\n  [b]\n  y = 2\n[c]\n  [d]\n  z = 3\n",
    "blanks at ends": b"[a]\t \nx\t=\v1 \f\n \t\n",
    "backslashes": b"[a]\nx = C:\\temp\\\ny = \\\n",
    "quotes and control characters": b'[a "\x01"]\nx = "\x7f\x1b"\n',
    "in no section": b"x = 1\n[a]\n",
    "in no section, indented": b"  x\n",
    "no key": b"[a]\n= 1\n",
    "no key, a colon": b"[a]\nx = 1\n: 2\n",
    "Latin-1": b"[M\xfcller]\nna\xefve = caf\xe9\n",
    "characters that are cut": b"[a]\nx = \xe4\xbc\ny\xf0\x9f = \xed\xa0\x80\n",
}

# The dialect of systemd: which tree is right was read in systemd's own parser.
SYSTEMD = {
    "a backslash joins lines": (b"[a]\nx=1 \\\n  2\\\n3\ny=4", {"a": {"x": "1    2 3", "y": "4"}}),
    "comments between joined lines": (b"[a]\nx=1\\\n# c \\\n  ; d\n2\n", {"a": {"x": "1 2"}}),
    "a comment is not joined": (b"[a]\n# c \\\nx=1\n", {"a": {"x": "1"}}),
    "two backslashes stand for themselves": (b"[a]\nx=1\\\\\ny=\\\\\\\nz\n", {"a": {"x": "1\\\\", "y": "\\\\ z"}}),
    "an empty line ends it": (b"[a]\nx=1\\\n\ny=2\n", {"a": {"x": "1", "y": "2"}}),
    "the file ends it": (b"[a]\nx=1\\", {"a": {"x": "1"}}),
    "CRLF": (b"[a]\r\nx=1\\\r\n2\r\n", {"a": {"x": "1 2"}}),
    "keys that repeat": (b"[a]\nx=1\n[b]\n[a]\nx=\nx=3\n", {"a": {"x": ["1", "", "3"]}, "b": {}}),
    "a colon is no delimiter": (b"[a]\nx:y=1\n  z : 2\n", {"a": {"x:y": "1", "z : 2": None}}),
    "indentation": (b"[a]\nx=1\n  y=2\n", {"a": {"x": "1", "y": "2"}}),
    "a section that is not closed": (b"[a\n", None),
    "text after a section": (b"[a] # b\n", None),
}


class Unsupported(Exception):
    """The module does not say what is right."""


def expect(text):
    """Returns what configparser makes of a text; None for an error."""
    parser = configparser.ConfigParser(strict=False, allow_no_value=True, interpolation=None,
                                       comment_prefixes=("#", ";"), empty_lines_in_values=True,
                                       default_section="\0")
    parser.optionxform = str
    try:
        parser.read_file(text.splitlines_like_open())
    except configparser.Error:
        return None
    except AttributeError as error:  # before Python 3.13, where a key without a value is continued
        raise Unsupported from error
    return {name: dict(parser.items(name)) for name in parser.sections()}


class Text(str):
    """As a file that was opened yields lines: \\n, \\r\\n and \\r end them, and nothing else does."""

    def splitlines_like_open(self):
        return self.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def trees(printed):
    """The objects that were printed one after another."""
    text = printed.decode()
    decoder = json.JSONDecoder()
    found = []
    while text:
        tree, end = decoder.raw_decode(text)
        found.append(tree)
        text = text[end:].lstrip()
    return found


def compare(files):
    """Compares the trees of (path, bytes). Returns how many are right, how many refused, and what is wrong."""
    good, bad = [], []
    for path, data in files:
        try:
            expected = expect(Text(data.decode("utf-8-sig", errors="replace")))
        except Unsupported:
            continue
        if expected is None:
            bad.append(path)
        else:
            good.append((path, data, expected))
    status, printed, messages = tap.run(PROGRAM, *bad)
    refused = {line.split(":")[0] for line in messages.splitlines() if "U+FFFD" not in line}
    if bad and (status != 1 or printed or refused != set(bad)):
        return 0, 0, f"not refused: {set(bad) - refused or printed}"
    status, printed, messages = tap.run(PROGRAM, *[path for path, _, _ in good])
    if good and status != 0:
        return 0, 0, messages
    for (path, data, expected), found in zip(good, trees(printed) if good else []):
        # The order is a part of it, too.
        if json.dumps(found) != json.dumps(expected):
            return 0, 0, f"{path}: {data[:1000]!r}: {found!r} instead of {expected!r}"
    return len(good), len(bad), ""


def made_problem(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return compare([(path, data)])[2]


def random_problem(folder):
    chance = random.Random(1)
    pieces = [b"[", b"]", b"=", b":", b" ", b"  ", b"\t", b"\n", b"\n", b"\n\n", b"\r\n", b"\r", b"#", b";", b"x",
              b"y", b"[a]\n", b"\n[b]\n", b"x = 1\n", b"\n  2", b"\\\n", b'"', b"\xc3\xa4", b"\xff", b"key", b" : "]
    files = []
    for i in range(2000):
        data = b"[s]\n" * (chance.random() < 0.8) + b"".join(chance.choices(pieces, k=chance.randrange(20)))
        path = os.path.join(folder, f"random{i}.ini")
        with open(path, "wb") as file:
            file.write(data)
        files.append((path, data))
    return compare(files)[2]


def systemd_problem(path, data, expected):
    with open(path, "wb") as file:
        file.write(data)
    status, printed, messages = tap.run(PROGRAM, "--systemd", path)
    if expected is None:
        return "" if status == 1 and not printed and f"{path}:1: " in messages else f"{status} {printed} {messages}"
    return "" if status == 0 and json.loads(printed) == expected else f"{status} {printed} {messages}"


def machine_files():
    """Configuration files, or what looks like them: those that are none have to be refused as by configparser."""
    patterns = ["/etc/**/*.conf", "/etc/**/*.cnf", "/etc/**/*.cfg", "/etc/**/*.ini", "/etc/**/*.desktop",
                "/etc/fail2ban/**/*", "/etc/gitconfig", "/usr/lib/systemd/**/*", os.path.expanduser("~/.gitconfig"),
                "/usr/share/applications/*.desktop", "/usr/lib/tmpfiles.d/*", "/usr/share/samba/*.conf"]
    names = {os.path.realpath(name) for pattern in patterns for name in glob.glob(pattern, recursive=True)}
    return sorted(name for name in names if os.path.isfile(name))


def read_machine_file(name):
    try:
        with open(name, "rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return None
    return data if b"\0" not in data and len(data) < 1 << 20 else None


def units_problem():
    """In systemd's dialect a unit has no line that is a key without a value."""
    units = [name for name in machine_files() if name.startswith("/usr/lib/systemd/system/")]
    if not units:
        return 0, ""
    status, printed, messages = tap.run(PROGRAM, "--systemd", *units)
    if status != 0:
        return 0, messages
    for name, tree in zip(units, trees(printed)):
        for section in tree.values():
            if None in section.values():
                return 0, f"{name}: {section}"
    return len(units), ""


def large_problem(path):
    """As many keys, sections and lines of a value as there may be: none of them takes time that grows faster."""
    with open(path, "w", encoding="ascii") as file:
        file.write("[a]\n" + "".join(f"k{i} = {i}\n" for i in range(100000)) + "x =\n" + " line\n" * 100000)
        file.write("".join(f"[s{i}]\n" for i in range(50000)))
    began = time.monotonic()
    status, printed, messages = tap.run(PROGRAM, path)
    took = time.monotonic() - began
    if status != 0:
        return messages
    tree = json.loads(printed)
    if len(tree) != 50001 or len(tree["a"]) != 100001 or tree["a"]["x"] != "\nline" * 100000:
        return "the tree is wrong"
    return "" if took < 20 else f"it took {took} s"


def valueless_problem(path):
    """A key without a value can't be continued: what is indented after it is a key."""
    with open(path, "wb") as file:
        file.write(b"[a]\nbare\n  x = 1\n")
    found = tap.run(PROGRAM, path)
    return "" if found[0] == 0 and json.loads(found[1]) == {"a": {"bare": None, "x": "1"}} else found


def several_problem(folder):
    """A file that can't be parsed does not keep the others from it."""
    path = os.path.join(folder, "bad.ini")
    with open(path, "wb") as file:
        file.write(b"\n\n# \nx\n")
    status, printed, messages = tap.run(PROGRAM, folder, path, "/nowhere", "-", stdin=b"[a]\nx\n")
    if status != 1 or json.loads(printed) != {"a": {"x": None}} or len(messages.splitlines()) != 3:
        return f"{status} {printed} {messages}"
    return "" if f"{path}:4: in no section: x\n" in messages else messages


def proc_problem():
    """The size of files in /proc is 0. This one begins with lines outside of any section."""
    found = tap.run(PROGRAM, "/proc/meminfo")
    return "" if found[:2] == (1, b"") and found[2].startswith("/proc/meminfo:1: in no section: MemTotal") else found


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "made.ini")
        for name, data in FILES.items():
            tap.check(name, made_problem(path, data))
        for name, (data, expected) in SYSTEMD.items():
            tap.check(f"systemd: {name}", systemd_problem(path, data, expected))
        tap.check("random files", random_problem(folder))
        tap.check("a large file", large_problem(path))
        tap.check("a key without a value is not continued", valueless_problem(path))
        tap.check("several files, some of which are missing or wrong", several_problem(folder))
        tap.check("fifos", tap.fifos(PROGRAM, folder, b"[a]\n", b'{\n  "a": {}\n}\n'))
    files = [(name, read_machine_file(name)) for name in machine_files()]
    parsed, refused, problem = compare([(name, data) for name, data in files if data is not None])
    tap.check(f"files of this machine: {parsed} parsed, {refused} refused as by configparser", problem)
    count, problem = units_problem()
    tap.check(f"systemd: {count} units of this machine", problem)
    if os.path.exists("/proc/meminfo"):
        tap.check("a file of /proc", proc_problem())
    tap.check("--help", tap.help_text(PROGRAM))
    tap.check("a full disk", tap.full_disk(PROGRAM))
    tap.check("a full disk, a tree", tap.full_disk(PROGRAM, "-", stdin=b"[a]\n"))
    tap.check("a full disk, help", tap.full_disk(PROGRAM, "--help"))
    tap.finish()


main()
