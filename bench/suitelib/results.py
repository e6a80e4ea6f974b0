# SPDX-License-Identifier: MIT
"""The results of a run: the contents of results.json, and the figures computed from them."""

import dataclasses
import json
import pathlib
import statistics
from typing import Any

HERD = "herd"

# Bare bump allocators over prepared memory: no peer can be faster.
LIMITS = ("limit4k", "limithuge")


def with_threads(count: int) -> str:
    """The number of threads as words of a sentence."""
    return f"{count} thread" if count == 1 else f"{count} threads"


@dataclasses.dataclass(frozen=True)
class Spread:
    """The samples of one figure."""

    median: float
    least: float
    greatest: float


@dataclasses.dataclass(frozen=True, order=True)
class Cell:
    """The unit of sampling: a workload, a peer and a number of threads."""

    workload: str
    peer: str
    threads: int

    def __str__(self) -> str:
        return f"{self.workload} {self.peer}, {with_threads(self.threads)}"


class Results:
    """results.json in memory. Everything that is shown is computed from it alone."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @classmethod
    def read(cls, path: pathlib.Path) -> "Results":
        """Reads the results of an earlier run."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: pathlib.Path) -> None:
        """Writes results.json with one line per sample."""
        others = {name: value for name, value in self.data.items() if name != "samples"}
        lines = ",\n".join("  " + json.dumps(sample) for sample in self.data["samples"])
        head = json.dumps(others, indent=1).removesuffix("\n}")
        path.write_text(f'{head},\n "samples": [\n{lines}\n ]\n}}\n', encoding="utf-8")

    def workloads(self) -> list[str]:
        """The sampled workloads, in order."""
        return sorted({sample["workload"] for sample in self.data["samples"]})

    def peers(self, workload: str) -> list[str]:
        """The sampled peers, in the order of `peers` in results.json."""
        sampled = {sample["peer"] for sample in self.data["samples"]
                   if sample["workload"] == workload}
        return [peer for peer in self.data["peers"] if peer in sampled]

    def threads(self, workload: str, peer: str | None = None) -> list[int]:
        """The sampled thread counts."""
        return sorted({sample["threads"] for sample in self.data["samples"]
                       if sample["workload"] == workload and peer in (None, sample["peer"])})

    def samples(self, cell: Cell) -> list[dict[str, Any]]:
        """The samples of a cell, in the order in which they were taken."""
        return [sample for sample in self.data["samples"]
                if (sample["workload"], sample["peer"], sample["threads"])
                == (cell.workload, cell.peer, cell.threads)]

    def unit(self, workload: str) -> str:
        """The unit of the figures of a workload."""
        return str(next(sample["unit"] for sample in self.data["samples"]
                        if sample["workload"] == workload))

    def spread(self, cell: Cell, figure: str = "value") -> Spread | None:
        """A figure of a cell, "value" or an extra one; None if a sample lacks it."""
        samples = self.samples(cell)
        values = [sample["value"] if figure == "value" else sample["extra"].get(figure)
                  for sample in samples]
        if not values or None in values:
            return None
        return Spread(statistics.median(values), min(values), max(values))

    def median(self, cell: Cell, figure: str = "value") -> float | None:
        """The median of a figure; None if a sample lacks it."""
        spread = self.spread(cell, figure)
        return spread.median if spread is not None else None

    def instructions(self, peer: str, name: str) -> float | None:
        """Instructions per item, if counted, of "w1", "w1-table", "w1-aligned" or "w4"."""
        counted: dict[str, float] = self.data["instructions"].get(peer, {})
        return counted.get(name)

    def best(self, workload: str, threads: int, among: list[str]) -> tuple[str, float] | None:
        """The peer with the least median, and this median."""
        medians = [(self.median(Cell(workload, peer, threads)), peer) for peer in among]
        known = [(median, peer) for median, peer in medians if median is not None]
        if not known:
            return None
        median, peer = min(known)
        return peer, median

    def limit(self, workload: str, threads: int) -> tuple[str, float] | None:
        """The faster limit."""
        return self.best(workload, threads, list(LIMITS))

    def best_peer(self, workload: str, threads: int) -> tuple[str, float] | None:
        """The fastest peer that is neither herd nor a limit."""
        others = [peer for peer in self.peers(workload) if peer != HERD and peer not in LIMITS]
        return self.best(workload, threads, others)
