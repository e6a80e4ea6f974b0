# SPDX-License-Identifier: MIT
"""The machine: what it is, and whether it did something else meanwhile."""

import datetime
import os
import pathlib
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")

# Seconds that /proc/stat may be off by, on two processors.
STAT_ERROR = 0.02


def first_line(*command: str) -> str | None:
    """The first line that a command prints; None where it can't be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return (done.stdout.splitlines() or [""])[0].strip() or None


def read_text(path: str) -> str | None:
    """A file of /proc or /sys, without its line end; None where there is none."""
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def value_of(path: str, key: str) -> str | None:
    """What stands behind "key :" in a file such as /proc/cpuinfo, the first time."""
    for line in (read_text(path) or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def describe(root: pathlib.Path) -> dict[str, str]:
    """What has to be known of the machine to read the figures; what can't be found is left out."""
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
    """What the processors worked, for whomever, and what a hypervisor took from them."""
    fields = [int(field) for field in (read_text("/proc/stat") or "").split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / TICKS


def own_seconds() -> float:
    """What this process and its children that have ended worked."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Quiet:
    """
    Says whether other processes had a tenth of a processor or more since it was made. Threads
    contend only while they run at the same time, and a processor that is shared is slower: such a
    sample says little.
    """

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.others = busy_seconds() - own_seconds()

    def held(self) -> bool:
        """Whether nobody else worked."""
        elapsed = time.monotonic() - self.since
        return busy_seconds() - own_seconds() - self.others < elapsed / 10 + STAT_ERROR
