# SPDX-License-Identifier: MIT
"""What the tests of the examples have in common: they print TAP, and run programs that may hang or crash."""
import os
import subprocess
import sys

_count = 0
_failed = 0


def check(name, problem):
    """One test. `problem` is empty where it passes, and otherwise says what is wrong."""
    global _count, _failed
    _count += 1
    print(f"{'not ok' if problem else 'ok'} {_count} - {name}")
    if problem:
        _failed += 1
        print("".join(f"# {line}\n" for line in str(problem).splitlines()), end="")


def skip(name, reason):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {reason}")


def finish():
    print(f"1..{_count}")
    sys.exit(_failed != 0)


def run(program, *arguments, stdin=b"", stdout=subprocess.PIPE):
    """Runs a program. Returns (status, bytes printed, messages); a status below 0 is a crash, or that it hangs."""
    try:
        done = subprocess.run([program, *arguments], input=stdin, stdout=stdout, stderr=subprocess.PIPE,
                              timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return -1, b"", "it hangs"
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def full_disk(program, *arguments, stdin=b""):
    """What is wrong with how a program ends whose output can't be written."""
    if not os.path.exists("/dev/full"):
        return ""
    with open("/dev/full", "wb") as full:
        status, _, messages = run(program, *arguments, stdin=stdin, stdout=full)
    if status < 1:
        return f"status {status}"
    return "" if "can't be written" in messages else f"it says: {messages!r}"


def help_text(program):
    status, printed, messages = run(program, "--help")
    if status != 0 or not printed.startswith(b"Usage: ") or messages:
        return f"status {status}, printed {printed!r}, said {messages!r}"
    status, printed, messages = run(program, "--unknown")
    return f"--unknown: status {status}" if status != 2 or printed or "--help" not in messages else ""


def fifos(program, folder, text, expected):
    """What is wrong with how a program reads fifos: one that has a writer, even a late one, and one that has none."""
    path = os.path.join(folder, "fifo")
    os.mkfifo(path)
    with subprocess.Popen(["sh", "-c", 'sleep 0.2; cat >"$1"', "sh", path], stdin=subprocess.PIPE) as writer:
        writer.stdin.write(text)
        writer.stdin.close()
        found = run(program, path)
    if found[:2] != (0, expected):
        return f"with a writer: {found}"
    found = run(program, path)
    return f"without a writer: {found}" if found[:2] != (1, b"") or "fifo" not in found[2] else ""
