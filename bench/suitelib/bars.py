# SPDX-License-Identifier: MIT
"""What herd must reach, workload by workload, and whether it did."""

import dataclasses
import functools
from collections.abc import Iterator

from .results import HERD, Cell, Results, with_threads


@dataclasses.dataclass(frozen=True)
class Bar:
    """One sentence, with the figure that met or missed it. None: it was not measured."""

    text: str
    figure: float | None
    most: float
    below: bool = False  # the figure has to be less, not at most as much

    def met(self) -> bool | None:
        """None: it was not measured."""
        if self.figure is None:
            return None
        return self.figure < self.most if self.below else self.figure <= self.most

    def __str__(self) -> str:
        verdict = {True: "met", False: "**missed**", None: "not measured"}[self.met()]
        figure = "" if self.figure is None else f" ({self.figure:.4g})"
        return f"{self.text}: {verdict}{figure}"


def ratio(results: Results, workload: str, threads: int, other: tuple[str, float] | None
          ) -> float | None:
    """herd's median divided by another one."""
    herd = results.median(Cell(workload, HERD, threads))
    if herd is None or other is None or other[1] == 0:
        return None
    return herd / other[1]


def named(other: tuple[str, float] | None) -> str:
    """For a sentence: which one is meant."""
    return f", {other[0]}" if other is not None else ""


def against_limit(results: Results, workload: str, threads: int, most: float) -> Bar:
    """Time against the faster limit."""
    limit = results.limit(workload, threads)
    text = f"time with {with_threads(threads)}, at most {most} times the limit{named(limit)}"
    return Bar(text, ratio(results, workload, threads, limit), most)


def against_best(results: Results, workload: str, threads: int, most: float) -> Bar:
    """Time against the best peer."""
    best = results.best_peer(workload, threads)
    text = f"time with {with_threads(threads)}, at most {most} times the best peer{named(best)}"
    return Bar(text, ratio(results, workload, threads, best), most)


def herd_figure(results: Results, workload: str, threads: int, figure: str) -> float | None:
    """One of herd's extra figures."""
    return results.median(Cell(workload, HERD, threads), figure)


def bars_w1(results: Results) -> Iterator[Bar]:
    """Hot."""
    yield Bar("instructions an allocation of a constant size, loop included, at most 10",
              results.instructions(HERD, "w1"), 10)
    yield Bar("instructions of one aligned to 16, loop included, at most 12",
              results.instructions(HERD, "w1-aligned"), 12)
    yield against_limit(results, "w1", 1, 1.10)


def bars_w2(results: Results) -> Iterator[Bar]:
    """List."""
    for threads in results.threads("w2", HERD):
        yield against_limit(results, "w2", threads, 1.15)


def bars_w3(results: Results) -> Iterator[Bar]:
    """Cold."""
    for threads in results.threads("w3", HERD):
        yield against_limit(results, "w3", threads, 1.15)
        if not results.data["options"]["quick"]:
            yield Bar(f"page faults with {with_threads(threads)}, fewer than 1,000",
                      herd_figure(results, "w3", threads, "faults"), 1000, below=True)


def bars_w4(results: Results) -> Iterator[Bar]:
    """Checkout."""
    for threads in results.threads("w4", HERD):
        most = 0.45 if threads == 1 else 0.08
        bumpalo = results.best("w4", threads, ["bumpalo"])
        yield Bar(f"time with {with_threads(threads)}, at most {most} times bumpalo's",
                  ratio(results, "w4", threads, bumpalo), most)
    costs = [herd_figure(results, "w4", threads, "cpu_ns")
             for threads in results.threads("w4", HERD) if threads <= 16]
    known = [cost for cost in costs if cost is not None]
    yield Bar("processor time a pair, 1 to 16 threads, the greatest at most 1.3 times the least",
              max(known) / min(known) if len(known) > 1 else None, 1.3)


def bars_w5(results: Results) -> Iterator[Bar]:
    """Phases."""
    for threads in results.threads("w5", HERD):
        yield against_best(results, "w5", threads, 1.05)
        yield Bar(f"page faults after the second phase with {with_threads(threads)}, none",
                  herd_figure(results, "w5", threads, "steady_faults"), 0)


def bars_w6(results: Results) -> Iterator[Bar]:
    """Mixed and cold."""
    for threads in results.threads("w6", HERD):
        yield against_limit(results, "w6", threads, 1.2)
        yield Bar(f"most memory held with {with_threads(threads)}, "
                  "at most 1.03 times what was asked for",
                  herd_figure(results, "w6", threads, "rss_ratio"), 1.03)


def bars_w7(results: Results) -> Iterator[Bar]:
    """Bulk free."""
    for figure, text in FIGURES_W7.items():
        yield Bar(f"microseconds for {text}, less than 10",
                  herd_figure(results, "w7", 1, figure), 10, below=True)


FIGURES_W7 = {
    "first_us_1m": "the first reset, of few objects",
    "first_us_10m": "the first reset, of ten times as many",
    "reset_us_1m": "a later reset, of few objects",
    "reset_us_10m": "a later reset, of ten times as many",
}


def bars_w8(results: Results) -> Iterator[Bar]:
    """Hand-over."""
    for threads in results.threads("w8", HERD):
        yield against_best(results, "w8", threads, 1.1)


def bars_p1(results: Results) -> Iterator[Bar]:
    """cJSON over messages."""
    if not results.data["options"]["quick"] and 2 in results.threads("p1", HERD):
        yield Bar("ns a byte with 2 threads, at most 1.43: 700 MB/s on the reference machine",
                  results.median(Cell("p1", HERD, 2)), 1 / 0.7)
    for threads in results.threads("p1", HERD):
        naive = results.best("p1", threads, ["limit4k"])
        yield Bar(f"time with {with_threads(threads)}, at most that of a naive bump{named(naive)}",
                  ratio(results, "p1", threads, naive), 1)
    yield from bars_of_program(results, "p1")


def bars_of_program(results: Results, workload: str) -> Iterator[Bar]:
    """A program around an outside library: herd is the fastest."""
    for threads in results.threads(workload, HERD):
        yield against_best(results, workload, threads, 1)


BARS = {"p1": bars_p1,
        **{workload: functools.partial(bars_of_program, workload=workload)
           for workload in ("p2", "p3", "p4", "p5", "p6")},
        "w1": bars_w1, "w2": bars_w2, "w3": bars_w3, "w4": bars_w4, "w5": bars_w5, "w6": bars_w6,
        "w7": bars_w7, "w8": bars_w8}


def bars_of(results: Results, workload: str) -> list[Bar]:
    """All that herd must reach in a workload; none where herd was not sampled."""
    if HERD not in results.peers(workload):
        return []
    return list(BARS.get(workload, lambda _: iter(()))(results))
