# SPDX-License-Identifier: MIT
"""results.md: for each workload a table and, below it, the targets that herd met or missed."""

import collections
from collections.abc import Iterator

from .targets import targets_of
from .results import HERD, Cell, Results, with_threads

TITLES = {
    "w1": "W1, hot: 8 to 256 bytes into warm memory",
    "w2": "W2, list: 1M nodes of 16 bytes in all threads together, freed after each round",
    "w3": "W3, cold: 1 GiB of 64-byte objects from nothing",
    "w4": "W4, checkout: get, one allocation of 32 bytes, put",
    "w5": "W5, phases: 100,000 objects of 8 to 256 bytes per thread, then a reset",
    "w6": "W6, mixed and cold: 5M objects per thread, most of them small, some up to 64 KiB",
    "w7": "W7, bulk free: a reset after 10M objects of 32 bytes",
    "w8": "W8, hand-over: strings of 24 bytes through a ring of 1,024",
    "p1": "P1, cJSON: 32 MiB of generated short messages per thread, one document per line",
    "p2": "P2, cJSON: the records of iso-codes, one document per line, ten times per thread",
    "p3": "P3, expat: 32 MB of Unicode CLDR per thread, parsed into trees",
    "p4": "P4, Lua: a state for each of many short scripts",
    "p5": "P5, uthash: 2M words counted per thread, 300,000 of them different",
    "p6": "P6, binary-trees, depth 21",
}

PROGRAM_COLUMNS = (("processor time", "cpu"), ("faults", "faults"),
                   ("most resident MiB", "rss_mib"))

# Columns beside the time: the heading, and the extra figure that the column shows.
COLUMNS = {
    "w1": (("processor ns", "cpu_ns"), ("sizes from a table: ns", "table_ns"),
           ("processor ns", "table_cpu_ns"), ("faults", "faults")),
    "w2": (("processor ns", "cpu_ns"), ("faults", "faults")),
    "w3": (("processor ns", "cpu_ns"), ("faults", "faults"), ("resident KiB", "rss_kib"),
           ("memset ns", "memset_ns")),
    "w4": (("processor ns", "cpu_ns"), ("faults", "faults")),
    "w5": (("processor ns", "cpu_ns"), ("faults", "faults")),
    "w6": (("processor ns", "cpu_ns"), ("faults", "faults"),
           ("most held / asked for", "rss_ratio")),
    "w7": (("1M objects", "reset_us_1m"), ("first reset, 10M", "first_us_10m"),
           ("first reset, 1M", "first_us_1m"), ("faults", "faults")),
    "w8": (("processor ns", "cpu_ns"), ("faults", "faults")),
    "p1": (("MB/s", "millions_a_second"), *PROGRAM_COLUMNS),
    "p2": (("MB/s", "millions_a_second"), *PROGRAM_COLUMNS),
    "p3": (("MB/s", "millions_a_second"), *PROGRAM_COLUMNS),
    "p4": PROGRAM_COLUMNS,
    "p5": PROGRAM_COLUMNS,
    "p6": (("wall s", "wall"), ("faults", "faults"), ("most resident MiB", "rss_mib")),
}

# Columns of instructions: the heading, and the name of the count.
COUNTED = {
    "w1": (("instructions", "w1"), ("sizes from a table: instructions", "w1-table"),
           ("aligned to 16: instructions", "w1-aligned")),
    "w4": (("instructions", "w4"),),
}


def number(value: float | None) -> str:
    """Three digits, no exponent; empty where there is none."""
    if value is None:
        return ""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    digits = 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def ratio(value: float) -> str:
    """Two digits behind the point where they matter."""
    return number(value) if value >= 100 else f"{value:.2f}"


def table(heads: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table in Markdown: the first column to the left, the others to the right."""
    yield "| " + " | ".join(heads) + " |"
    yield "|:--|" + "--:|" * (len(heads) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def row_of(results: Results, cell: Cell) -> list[str]:
    """The row of a cell; empty if it has no samples."""
    spread = results.spread(cell)
    if spread is None:
        return []
    herd = results.median(Cell(cell.workload, HERD, cell.threads))
    row = [cell.peer, str(cell.threads), number(spread.median),
           f"{number(spread.least)} to {number(spread.greatest)}",
           ratio(spread.median / herd) if herd else ""]
    row += [number(results.instructions(cell.peer, name))
            for _, name in COUNTED.get(cell.workload, ())]
    row += [number(results.median(cell, figure)) for _, figure in COLUMNS.get(cell.workload, ())]
    return row


def workload_table(results: Results, workload: str) -> Iterator[str]:
    """The table of a workload, sorted by threads and then by time."""
    heads = ["peer", "threads", results.unit(workload), "least to greatest", "ratio to herd"]
    heads += [head for head, _ in COUNTED.get(workload, ())]
    heads += [head for head, _ in COLUMNS.get(workload, ())]
    order = []
    for threads in results.threads(workload):
        for peer in results.peers(workload):
            median = results.median(Cell(workload, peer, threads))
            if median is not None:
                order.append((threads, median, peer))
    rows = [row_of(results, Cell(workload, peer, threads)) for threads, _, peer in sorted(order)]
    yield from table(heads, [[f"**{row[0]}**" if row[0] == HERD else row[0], *row[1:]]
                             for row in rows])


def workload_section(results: Results, workload: str, pictures: list[str]) -> Iterator[str]:
    """The table, the targets and the pictures of a workload."""
    yield f"## {TITLES.get(workload, workload)}"
    yield ""
    yield from workload_table(results, workload)
    yield ""
    targets = targets_of(results, workload)
    if targets:
        yield "Targets of herd:"
        yield ""
        yield from (f"- {target}" for target in targets)
        yield ""
    for picture in pictures:
        yield f"![{TITLES.get(workload, workload)}]({picture})"
        yield ""


def machine_section(results: Results) -> Iterator[str]:
    """Where and how it was measured."""
    yield from table(["machine", ""],
                     [["commit of herd" if name == HERD else name, value]
                      for name, value in results.data["machine"].items()])
    yield ""
    samples = results.data["samples"]
    counts = collections.Counter((s["workload"], s["peer"], s["threads"]) for s in samples)
    least, most = min(counts.values()), max(counts.values())
    number_of = f"{least}" if least == most else f"{least} to {most}"
    yield (f"Figures are medians of {number_of} samples. Each sample is a process of its own, and "
           "the peers are sampled alternately. Other processes used a tenth of a processor or more "
           f"during {sum(sample['disturbed'] for sample in samples)} of {len(samples)} samples. "
           "A ratio to herd above 1 means that herd is faster.")
    if results.data["options"]["quick"]:
        yield "This run used --quick: it did a tenth of the work, which is too little to judge by."
    if results.data["counter"]:
        yield (f"Instructions were counted by {results.data['counter']}. They include the loop of "
               "the workload.")
    yield ""


def left_out(results: Results) -> Iterator[str]:
    """What the tables do not contain, with the reasons."""
    lines = [f"- {name}: {peer['reason']}"
             for name, peer in results.data["peers"].items() if peer["reason"]]
    lines += [f"- {workload.upper()}: {reason}"
              for workload, reason in results.data.get("gaps", {}).items()]
    lines += [f"- {failed['workload'].upper()} of {failed['peer']} with "
              f"{with_threads(failed['threads'])}: {failed['reason']}"
              for failed in results.data["failures"]]
    for name, peer in results.data["peers"].items():
        lacking = [workload.upper() for workload in results.workloads()
                   if peer["reason"] is None and workload not in peer["workloads"]]
        if lacking:
            lines.append(f"- {name}: not built for {', '.join(lacking)}")
    lines += [f"- instructions of {name}: {reason}"
              for name, reason in results.data["instruction_failures"].items()]
    if lines:
        yield "## Left out"
        yield ""
        yield from (" ".join(line.split()) for line in lines)
        yield ""


def summary(results: Results) -> Iterator[str]:
    """How many targets herd met, and which ones it missed."""
    targets = [(workload, target) for workload in results.workloads()
               for target in targets_of(results, workload)]
    missed = [(workload, target) for workload, target in targets if target.met() is False]
    if not targets:
        return
    met = sum(target.met() is True for _, target in targets)
    rest = len(targets) - met - len(missed)
    yield (f"Of {len(targets)} targets, herd met {met} and missed {len(missed)}"
           f"{f'; {rest} were not measured' if rest else ''}.")
    yield ""
    if missed:
        yield from (f"- {workload.upper()}, {target}" for workload, target in missed)
        yield ""


def markdown(results: Results, pictures: dict[str, list[str]]) -> str:
    """The whole of results.md. `pictures` are the names of the files beside it, by workload."""
    lines = ["# Results", ""]
    lines += machine_section(results)
    lines += summary(results)
    for workload in results.workloads():
        lines += workload_section(results, workload, pictures.get(workload, []))
    lines += left_out(results)
    return "\n".join(lines)
