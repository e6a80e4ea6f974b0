# SPDX-License-Identifier: MIT
"""
Takes the samples, each in its own process. All cells are sampled alternately: if the speed of the
machine drifts, it drifts for all of them.
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

# Where results are close, herd and its rivals are sampled more often. On a virtual machine one
# sample of fresh memory (w3, w6) in four or five is disturbed, since the host takes memory back
# and gives it again. Loops of a nanosecond (w1, w2) have two speeds, and so have two threads (p1,
# p4, w5, w8), since their processors share more at one time than at another. A process cannot see
# at which speed it runs, and a median of five samples is then an accident.
CLOSE = ("p1", "p4", "w1", "w2", "w3", "w5", "w6", "w8")
RIVALS = ("bumpalo", "mimalloc", "mi_heap")
CLOSE_TURNS = 3

# In seconds. A peer whose sample takes longer is not sampled again: it is many times slower than
# the peers that are compared, and would double the time of the run.
PATIENCE = 10.0

# The most that the programs accept.
MOST_THREADS = 64


@dataclasses.dataclass(frozen=True)
class Plan:
    """The options of the command line."""

    quick: bool
    samples: int
    workloads: list[str] | None
    threads: list[int] | None
    # A round that would end later than this after the start is not begun. None: no limit.
    seconds: float | None
    sample_seconds: float

    def turns(self, cell: Cell) -> int:
        """The number of samples of a cell per round."""
        judged = cell.workload in CLOSE and cell.peer in (HERD, *LIMITS, *RIVALS)
        return CLOSE_TURNS if judged and not self.quick else 1


def thread_counts(workload: str, listed: list[int], plan: Plan) -> list[int]:
    """The counts that the peer lists; for SCALING also the powers of two up to the number of
    processors, and that number."""
    if plan.threads is not None:
        return [count for count in plan.threads if count in listed or workload in SCALING]
    counts = set(listed)
    if workload in SCALING:
        most = min(machine.processors(), MOST_THREADS)
        counts |= {most} | {1 << bit for bit in range(most.bit_length()) if 1 << bit <= most}
    return sorted(counts)


def cells_of(peers: list[Peer], plan: Plan) -> list[Cell]:
    """All cells to sample; the peers of a workload follow each other."""
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
    """Shows the progress on stderr: on a terminal after each sample, elsewhere now and then."""

    EVERY = 15.0

    def __init__(self, samples: int) -> None:
        self.total = samples
        self.done = 0
        self.began = time.monotonic()
        self.took: dict[Cell, float] = {}
        self.said = 0.0

    def remaining(self) -> float:
        """Remaining seconds, if a cell that was not run yet takes as long as the others."""
        if not self.took:
            return 0.0
        return sum(self.took.values()) / len(self.took) * (self.total - self.done)

    def round_takes(self) -> float:
        """Seconds for one sample of each cell."""
        return sum(self.took.values())

    def add(self, cell: Cell, seconds: float) -> None:
        """Counts one more sample."""
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
        """Forgets a cell that is not sampled again."""
        del self.took[cell]

    def finish(self) -> None:
        """Ends the line of progress."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
        print(f"{self.done} samples in {time.monotonic() - self.began:.0f} seconds",
              file=sys.stderr)


def checked(line: str, cell: Cell) -> dict[str, Any]:
    """Parses the line of JSON that a program printed; ValueError if it is not of this cell."""
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
    """Takes all samples. A cell that fails once is not tried again; its reason is recorded."""

    # This share of all samples may be repeated because other processes ran meanwhile.
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
        """The number of samples of the run."""
        return sum(self.plan.turns(cell) for cell in self.cells) * self.plan.samples

    def round_of(self, number: int) -> list[Cell]:
        """The cells of a round. The peers of a workload have another order each time: a sample leaves
        something to the next one, such as recently touched memory. In the first round herd comes
        first: the results of the others are compared with its result."""
        order = []
        for key, group in itertools.groupby(self.cells, lambda cell: (cell.workload, cell.threads)):
            cells = [cell for cell in group for _ in range(self.plan.turns(cell))]
            if number > 0:
                random.Random(f"{key} {number}").shuffle(cells)
            order += cells
        return order

    def run(self) -> None:
        """Takes round after round, each with one or a few samples of every cell."""
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
        """Takes one sample, and repeats it while it is disturbed and retakes are left."""
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
        """Runs the program once, and checks its output."""
        command = [str(self.programs[cell.peer][cell.workload]), cell.workload,
                   "--threads", str(cell.threads)]
        done = subprocess.run(command + ["--quick"] * self.plan.quick, capture_output=True,
                              text=True, check=True, timeout=self.plan.sample_seconds)
        sample = checked(done.stdout, cell)
        self.compare(cell, sample)
        return sample

    def compare(self, cell: Cell, sample: dict[str, Any]) -> None:
        """Raises ValueError if the peer computed something else than the first peer did."""
        check = sample["extra"].get("check")
        first = self.checks.setdefault((cell.workload, cell.threads), (check, cell.peer))
        if check != first[0]:
            raise ValueError(f"its result is {check}, that of {first[1]} {first[0]}")

    def fail(self, cell: Cell, failure: Exception) -> None:
        """Records that the cell failed, removes its samples, and does not try it again."""
        reason = reason_of(failure)
        self.failures.append({**dataclasses.asdict(cell), "reason": reason})
        self.cells.remove(cell)
        self.samples = [sample for sample in self.samples
                        if Cell(sample["workload"], sample["peer"], sample["threads"]) != cell]
        print(f"{cell} failed: {reason}", file=sys.stderr)
