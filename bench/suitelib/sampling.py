# SPDX-License-Identifier: MIT
"""
Taking the samples: each in its own process, all cells in turns, so that a machine whose speed
drifts, drifts for all.
"""

import dataclasses
import itertools
import json
import random
import subprocess
import sys
import time
from typing import Any

from . import machine
from .failure import reason_of
from .peers import Peer
from .results import HERD, LIMITS, Cell

# These are run with up to as many threads as there are processors.
SCALING = ("w2", "w4", "w5")

# Where it is close, herd and whoever it is measured by are sampled more often. On a virtual machine what
# the host takes back and gives again disturbs one sample of fresh memory (w3, w6) in four or five;
# loops of a nanosecond (w1, w2) have two speeds, and so has what two threads do (p1, p4, w5, w8), for
# their processors share more at one time than at another. Nothing that a process can see tells
# which, and of five samples the median is then an accident.
CLOSE = ("p1", "p4", "w1", "w2", "w3", "w5", "w6", "w8")
RIVALS = ("bumpalo", "mimalloc", "mi_heap")
CLOSE_TURNS = 3

# In seconds. A peer that takes longer for a sample gets no further one: it is many times slower than
# what is judged here, and the run would take twice as long.
PATIENCE = 10.0

# No program takes more.
MOST_THREADS = 64


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the command line asks for."""

    quick: bool
    samples: int
    workloads: list[str] | None
    threads: list[int] | None
    # No round of samples is begun that would end later than so many seconds after the first.
    seconds: float | None
    sample_seconds: float

    def turns(self, cell: Cell) -> int:
        """How many samples a round takes of a cell."""
        judged = cell.workload in CLOSE and cell.peer in (HERD, *LIMITS, *RIVALS)
        return CLOSE_TURNS if judged and not self.quick else 1


def thread_counts(workload: str, listed: list[int], plan: Plan) -> list[int]:
    """The counts that the peer lists, and where threads are the point, all powers of two up to the
    number of processors, and that number."""
    if plan.threads is not None:
        return [count for count in plan.threads if count in listed or workload in SCALING]
    counts = set(listed)
    if workload in SCALING:
        most = min(machine.processors(), MOST_THREADS)
        counts |= {most} | {1 << bit for bit in range(most.bit_length()) if 1 << bit <= most}
    return sorted(counts)


def cells_of(peers: list[Peer], plan: Plan) -> list[Cell]:
    """All that is to be sampled, so that the peers of a workload come one after the other."""
    cells = []
    for workload in sorted({name for peer in peers for name in peer.workloads}):
        if plan.workloads is not None and workload not in plan.workloads:
            continue
        counts = {peer.name: thread_counts(workload, peer.workloads[workload], plan)
                  for peer in peers if workload in peer.workloads}
        for threads in sorted({count for listed in counts.values() for count in listed}):
            cells += [Cell(workload, name, threads) for name, listed in counts.items()
                      if threads in listed]
    return cells


class Progress:
    """Says on stderr how far the run is: on a terminal all the time, else now and then."""

    EVERY = 15.0

    def __init__(self, samples: int) -> None:
        self.total = samples
        self.done = 0
        self.began = time.monotonic()
        self.took: dict[Cell, float] = {}
        self.said = 0.0

    def remaining(self) -> float:
        """Seconds, where a cell that was not run yet takes as long as the others."""
        if not self.took:
            return 0.0
        return sum(self.took.values()) / len(self.took) * (self.total - self.done)

    def round_takes(self) -> float:
        """Seconds for a sample of each cell."""
        return sum(self.took.values())

    def add(self, cell: Cell, seconds: float) -> None:
        """One more sample was taken."""
        self.took[cell] = seconds
        self.done += 1
        terminal = sys.stderr.isatty()
        if not terminal and time.monotonic() - self.said < self.EVERY:
            return
        self.said = time.monotonic()
        left = self.remaining()
        text = (f"{self.done} of {self.total} samples, about {int(left) // 60}:"
                f"{int(left) % 60:02d} left; {cell}")
        sys.stderr.write(f"\r\033[K{text}" if terminal else text + "\n")
        sys.stderr.flush()

    def drop(self, cell: Cell) -> None:
        """It is not sampled again."""
        del self.took[cell]

    def finish(self) -> None:
        """The line is done."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
        print(f"{self.done} samples in {time.monotonic() - self.began:.0f} seconds",
              file=sys.stderr)


def checked(line: str, cell: Cell) -> dict[str, Any]:
    """The line of JSON that a program printed; ValueError where it is not what was asked for."""
    sample: dict[str, Any] = json.loads(line)
    try:
        printed = Cell(sample["workload"], sample["peer"], sample["threads"])
        sensible = sample["value"] >= 0 and sample["items"] > 0 and bool(sample["unit"])
    except (KeyError, TypeError) as failure:
        raise ValueError(f"a figure is missing: {line.strip()}") from failure
    if printed != cell or not sensible:
        raise ValueError(f"it printed something else: {line.strip()}")
    sample.setdefault("extra", {})
    return sample


class Sampler:
    """Takes all samples; what fails once is not tried again, and is named with its reason."""

    # Of all samples, this share may be taken again because other processes worked meanwhile.
    RETAKES = 0.1

    def __init__(self, peers: list[Peer], plan: Plan) -> None:
        self.programs = {peer.name: peer.programs for peer in peers}
        self.plan = plan
        self.cells = cells_of(peers, plan)
        self.samples: list[dict[str, Any]] = []
        self.failures: list[dict[str, Any]] = []
        self.checks: dict[tuple[str, int], tuple[float | None, str]] = {}
        self.retakes_left = 0 if plan.quick else int(
            self.RETAKES * self.count())

    def count(self) -> int:
        """All samples of the run."""
        return sum(self.plan.turns(cell) for cell in self.cells) * self.plan.samples

    def round_of(self, number: int) -> list[Cell]:
        """The cells of a round, the peers of a workload in another order each time: what a sample
        leaves behind, such as memory that was touched lately, is found by another peer then. In the
        first one herd comes first: its result is what others are compared with."""
        order = []
        for key, group in itertools.groupby(self.cells, lambda cell: (cell.workload, cell.threads)):
            cells = [cell for cell in group for _ in range(self.plan.turns(cell))]
            if number > 0:
                random.Random(f"{key} {number}").shuffle(cells)
            order += cells
        return order

    def run(self) -> None:
        """Round after round; each takes a sample of every cell, or a few."""
        progress = Progress(self.count())
        for number in range(self.plan.samples):
            if number > 0 and not self.time_left(progress):
                break
            for cell in self.round_of(number):
                if cell not in self.cells:
                    continue  # it failed earlier in this round
                began = time.monotonic()
                self.take(cell, number)
                seconds = time.monotonic() - began
                progress.add(cell, seconds)
                if seconds > PATIENCE and cell in self.cells and \
                        cell.peer not in (HERD, *LIMITS):
                    self.cells.remove(cell)
                    progress.drop(cell)
                if cell not in self.cells:
                    progress.total -= (self.plan.samples - number - 1) * self.plan.turns(cell)
        progress.finish()

    def time_left(self, progress: Progress) -> bool:
        """Whether another round would end in time."""
        spent = time.monotonic() - progress.began
        return self.plan.seconds is None or spent + progress.round_takes() <= self.plan.seconds

    def take(self, cell: Cell, number: int) -> None:
        """One sample; again where the machine did something else, as long as that may be."""
        while True:
            quiet = machine.Quiet()
            try:
                sample = self.execute(cell)
            except (OSError, ValueError, subprocess.SubprocessError) as failure:
                self.fail(cell, failure)
                return
            disturbed = not quiet.held()
            if not disturbed or self.retakes_left == 0:
                break
            self.retakes_left -= 1
        self.samples.append({**sample, "sample": number + 1, "disturbed": disturbed})

    def execute(self, cell: Cell) -> dict[str, Any]:
        """Runs the program once, and looks whether it printed what it should."""
        command = [str(self.programs[cell.peer][cell.workload]), cell.workload,
                   "--threads", str(cell.threads)]
        done = subprocess.run(command + ["--quick"] * self.plan.quick, capture_output=True,
                              text=True, check=True, timeout=self.plan.sample_seconds)
        sample = checked(done.stdout, cell)
        self.compare(cell, sample)
        return sample

    def compare(self, cell: Cell, sample: dict[str, Any]) -> None:
        """Whether the peer computed what the first one did, where a workload computes anything."""
        check = sample["extra"].get("check")
        first = self.checks.setdefault((cell.workload, cell.threads), (check, cell.peer))
        if check != first[0]:
            raise ValueError(f"its result is {check}, that of {first[1]} {first[0]}")

    def fail(self, cell: Cell, failure: Exception) -> None:
        """Names the cell as failed; it is not tried again, and its samples do not count."""
        reason = reason_of(failure)
        self.failures.append({**dataclasses.asdict(cell), "reason": reason})
        self.cells.remove(cell)
        self.samples = [sample for sample in self.samples
                        if Cell(sample["workload"], sample["peer"], sample["threads"]) != cell]
        print(f"{cell} failed: {reason}", file=sys.stderr)
