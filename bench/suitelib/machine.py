# SPDX-License-Identifier: MIT
"""Describes the machine, and detects whether other processes used it during a sample."""

import datetime
import os
import pathlib
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")

# Seconds: the error of /proc/stat on two processors.
STAT_ERROR = 0.02


def first_line(*command: str) -> str | None:
    """The first line that a command prints; None if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return (done.stdout.splitlines() or [""])[0].strip() or None


def read_text(path: str) -> str | None:
    """The contents of a file of /proc or /sys without the line end; None if there is none."""
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def value_of(path: str, key: str) -> str | None:
    """The first value of a key in a file such as /proc/cpuinfo."""
    for line in (read_text(path) or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def describe(root: pathlib.Path) -> dict[str, str]:
    """What a reader of the figures must know of the machine, without what cannot be found."""
    uname = os.uname()
    huge = "/sys/kernel/mm/transparent_hugepage/"
    found = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": value_of("/proc/cpuinfo", "model name") or uname.machine,
        "processors": str(processors()),
        "memory": value_of("/proc/meminfo", "MemTotal"),
        "kernel": f"{uname.sysname} {uname.release}",
        "transparent huge pages": read_text(huge + "enabled"),
        "huge page defrag": read_text(huge + "defrag"),
        "governor": read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cc": first_line("cc", "--version"),
        "c++": first_line("c++", "--version"),
        "rustc": first_line("rustc", "--version"),
        "libc": first_line("getconf", "GNU_LIBC_VERSION"),
        "herd": first_line("git", "-C", str(root), "describe", "--always", "--dirty", "--tags"),
    }
    return {name: value for name, value in found.items() if value is not None}


def busy_seconds() -> float:
    """Seconds that the processors worked for any process, or that a hypervisor took."""
    fields = [int(field) for field in (read_text("/proc/stat") or "").split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / TICKS


def own_seconds() -> float:
    """Seconds that this process and its finished children worked."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Quiet:
    """
    Detects whether other processes used a tenth of a processor or more since it was created.
    Threads contend only while they run at the same time, and a shared processor is slower: such a
    sample is worth little.
    """

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.others = busy_seconds() - own_seconds()

    def held(self) -> bool:
        """Whether no other process disturbed the sample."""
        elapsed = time.monotonic() - self.since
        return busy_seconds() - own_seconds() - self.others < elapsed / 10 + STAT_ERROR
