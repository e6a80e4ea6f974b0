# SPDX-License-Identifier: MIT
"""
Instructions per item: the difference of a long and a short run, divided by the difference of their
items. They are counted by the processor if perf can read its counters, else by callgrind.
"""

import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable

from . import machine, peers
from .failure import reason_of

Counter = Callable[[list[str]], int]

# By workload: the --rounds of a short and of a long run, and the items per round.
LENGTHS = {
    "w1": (1, 3, 60_000),
    "w1-table": (1, 3, 10_000),
    "w1-aligned": (1, 3, 60_000),
    "w4": (10_000, 30_000, 2),  # each pair is done twice, the first time to warm up
}

# The peers that have a workload, if not all do.
PEERS = {"w1-aligned": ("herd", "limit4k", "limithuge")}

TIMEOUT = 120


def by_perf(command: list[str]) -> int:
    """Counts the instructions outside the kernel by the processor."""
    done = subprocess.run(["perf", "stat", "-x", ",", "-e", "instructions:u", *command],
                          capture_output=True, text=True, check=True, timeout=TIMEOUT)
    for line in done.stderr.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[2].startswith("instructions"):
            return int(fields[0])
    raise ValueError("perf printed no count")


def by_valgrind(command: list[str]) -> int:
    """Counts the instructions outside the kernel by callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *command],
            capture_output=True, text=True, check=True, timeout=TIMEOUT)
    found = re.search(r"Collected *: *([0-9]+)", done.stderr)
    if found is None:
        raise ValueError("valgrind printed no count")
    return int(found.group(1))


def counter() -> tuple[str, Counter] | None:
    """The function that counts on this machine, with its name; None if there is no way."""
    if shutil.which("perf") is not None:
        try:
            by_perf(["true"])
            return "perf", by_perf
        except (OSError, ValueError, subprocess.SubprocessError):
            pass  # a machine without counters, or without the right to read them
    if shutil.which("valgrind") is not None:
        return "callgrind", by_valgrind
    return None


def count(program: pathlib.Path, workload: str, counts: Counter) -> float:
    """The instructions per item of a workload."""
    short, long, items = LENGTHS[workload]
    runs = [counts([str(program), workload, "--rounds", str(rounds)]) for rounds in (short, long)]
    return round((runs[1] - runs[0]) / ((long - short) * items), 3)


def count_all(jobs_of: dict[str, tuple[pathlib.Path, list[str]]], counts: Counter
              ) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """
    The instructions per item by peer and workload, and the reasons of the peers that failed.
    `jobs_of` has the program and the workloads of each peer. Counts do not depend on other load, so
    as many run at a time as there are processors.
    """
    by_peer: dict[str, dict[str, float]] = {name: {} for name in jobs_of}
    failures: dict[str, str] = {}
    with concurrent.futures.ThreadPoolExecutor(machine.processors()) as pool:
        jobs = {pool.submit(count, program, workload, counts): (name, workload)
                for name, (program, workloads) in jobs_of.items() for workload in workloads}
        for job in concurrent.futures.as_completed(jobs):
            name, workload = jobs[job]
            try:
                by_peer[name][workload] = job.result()
            except (OSError, ValueError, subprocess.SubprocessError) as failure:
                failures[name] = f"{workload}: {reason_of(failure)}"
    return by_peer, failures


def blind_herd(root: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Builds a bench_herd that does not notice valgrind. Otherwise every allocation would be a call
    that keeps red zones, and the count that of other code."""
    peers.build(root, folder, "bench/load/bench_herd", blind=True)
    return peers.executables(folder)["herd"]
