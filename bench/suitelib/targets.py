# SPDX-License-Identifier: MIT
"""The targets of herd, workload by workload, and whether herd met them."""

import dataclasses
import functools
from collections.abc import Iterator

from .results import HERD, Cell, Results, with_threads


@dataclasses.dataclass(frozen=True)
class Target:
    """A sentence, and the figure that meets or misses it; None if it was not measured."""

    text: str
    figure: float | None
    most: float
    below: bool = False  # the figure must be less than `most`; else it may be equal

    def met(self) -> bool | None:
        """Whether the figure meets the target; None if it was not measured."""
        if self.figure is None:
            return None
        return self.figure < self.most if self.below else self.figure <= self.most

    def __str__(self) -> str:
        verdict = {True: "Met", False: "**Missed**", None: "Not measured"}[self.met()]
        figure = "" if self.figure is None else f" with {self.figure:.4g}"
        return f"{self.text}. {verdict}{figure}."


def ratio(results: Results, workload: str, threads: int, other: tuple[str, float] | None
          ) -> float | None:
    """The median of herd divided by another one."""
    herd = results.median(Cell(workload, HERD, threads))
    if herd is None or other is None or other[1] == 0:
        return None
    return herd / other[1]


def named(other: tuple[str, float] | None) -> str:
    """The name of the peer, as an insertion into a sentence."""
    return f" ({other[0]})" if other is not None else ""


def against_limit(results: Results, workload: str, threads: int, most: float) -> Target:
    """The time of herd against that of the faster limit."""
    limit = results.limit(workload, threads)
    text = (f"time with {with_threads(threads)}: at most {most} times that of the faster limit"
            f"{named(limit)}")
    return Target(text, ratio(results, workload, threads, limit), most)


def against_best(results: Results, workload: str, threads: int, most: float) -> Target:
    """The time of herd against that of the fastest peer."""
    best = results.best_peer(workload, threads)
    times = "that" if most == 1 else f"{most} times that"
    text = f"time with {with_threads(threads)}: at most {times} of the fastest peer{named(best)}"
    return Target(text, ratio(results, workload, threads, best), most)


def herd_figure(results: Results, workload: str, threads: int, figure: str) -> float | None:
    """One of herd's extra figures."""
    return results.median(Cell(workload, HERD, threads), figure)


def targets_w1(results: Results) -> Iterator[Target]:
    """Hot."""
    yield Target("instructions per allocation of a constant size, loop included: at most 10",
                 results.instructions(HERD, "w1"), 10)
    yield Target("instructions per allocation aligned to 16, loop included: at most 12",
                 results.instructions(HERD, "w1-aligned"), 12)
    yield against_limit(results, "w1", 1, 1.10)


def targets_w2(results: Results) -> Iterator[Target]:
    """List."""
    for threads in results.threads("w2", HERD):
        yield against_limit(results, "w2", threads, 1.15)


def targets_w3(results: Results) -> Iterator[Target]:
    """Cold."""
    for threads in results.threads("w3", HERD):
        yield against_limit(results, "w3", threads, 1.15)
        if not results.data["options"]["quick"]:
            yield Target(f"page faults with {with_threads(threads)}: fewer than 1,000",
                         herd_figure(results, "w3", threads, "faults"), 1000, below=True)


def targets_w4(results: Results) -> Iterator[Target]:
    """Checkout."""
    for threads in results.threads("w4", HERD):
        most = 0.45 if threads == 1 else 0.08
        bumpalo = results.best("w4", threads, ["bumpalo"])
        yield Target(f"time with {with_threads(threads)}: at most {most} times that of bumpalo",
                     ratio(results, "w4", threads, bumpalo), most)
    costs = [herd_figure(results, "w4", threads, "cpu_ns")
             for threads in results.threads("w4", HERD) if threads <= 16]
    known = [cost for cost in costs if cost is not None]
    yield Target("processor time per pair with 1 to 16 threads: "
                 "the greatest at most 1.3 times the least",
                 max(known) / min(known) if len(known) > 1 else None, 1.3)


def targets_w5(results: Results) -> Iterator[Target]:
    """Phases."""
    for threads in results.threads("w5", HERD):
        yield against_best(results, "w5", threads, 1.05)
        yield Target(f"page faults after the second phase with {with_threads(threads)}: none",
                     herd_figure(results, "w5", threads, "steady_faults"), 0)


def targets_w6(results: Results) -> Iterator[Target]:
    """Mixed and cold."""
    for threads in results.threads("w6", HERD):
        yield against_limit(results, "w6", threads, 1.2)
        yield Target(f"most memory held with {with_threads(threads)}: "
                     "at most 1.03 times the bytes requested",
                     herd_figure(results, "w6", threads, "rss_ratio"), 1.03)


def targets_w7(results: Results) -> Iterator[Target]:
    """Bulk free."""
    for figure, text in FIGURES_W7.items():
        yield Target(f"microseconds for {text}: less than 10",
                     herd_figure(results, "w7", 1, figure), 10, below=True)


FIGURES_W7 = {
    "first_us_1m": "the first reset of few objects",
    "first_us_10m": "the first reset of ten times as many objects",
    "reset_us_1m": "a later reset of few objects",
    "reset_us_10m": "a later reset of ten times as many objects",
}


def targets_w8(results: Results) -> Iterator[Target]:
    """Hand-over."""
    for threads in results.threads("w8", HERD):
        yield against_best(results, "w8", threads, 1.1)


def targets_p1(results: Results) -> Iterator[Target]:
    """cJSON over messages."""
    if not results.data["options"]["quick"] and 2 in results.threads("p1", HERD):
        yield Target("ns per byte with 2 threads: at most 1.43, which is 700 MB/s",
                     results.median(Cell("p1", HERD, 2)), 1 / 0.7)
    for threads in results.threads("p1", HERD):
        naive = results.best("p1", threads, ["limit4k"])
        yield Target(f"time with {with_threads(threads)}: "
                     f"at most that of the naive bump{named(naive)}",
                     ratio(results, "p1", threads, naive), 1)
    yield from targets_of_program(results, "p1")


def targets_of_program(results: Results, workload: str) -> Iterator[Target]:
    """A program around an outside library: herd must be the fastest."""
    for threads in results.threads(workload, HERD):
        yield against_best(results, workload, threads, 1)


TARGETS = {
    "p1": targets_p1,
    **{workload: functools.partial(targets_of_program, workload=workload)
       for workload in ("p2", "p3", "p4", "p5", "p6")},
    "w1": targets_w1, "w2": targets_w2, "w3": targets_w3, "w4": targets_w4, "w5": targets_w5,
    "w6": targets_w6, "w7": targets_w7, "w8": targets_w8,
}


def targets_of(results: Results, workload: str) -> list[Target]:
    """The targets of herd in a workload; none if herd was not sampled."""
    if HERD not in results.peers(workload):
        return []
    return list(TARGETS.get(workload, lambda _: iter(()))(results))
