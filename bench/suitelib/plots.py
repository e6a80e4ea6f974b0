# SPDX-License-Identifier: MIT
"""The pictures: SVG by gnuplot that is readable on a light and on a dark background."""

import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator

from .report import TITLES, number
from .results import HERD, LIMITS, Cell, Results, with_threads

# Half-way between black and white: text and lines stand out on both.
INK = "#767676"
HERD_COLOUR = "#e8590c"
LIMIT_COLOUR = "#8f9aa3"
OTHER_COLOUR = "#4b87c5"
COLOURS = ("#3a7fd5", "#2f9e44", "#ae3ec9", "#0c8599", "#c2871d", "#d6336c", "#5f6fd8", "#74962a",
           "#a0603a", "#1fa37f", "#8a63d2", "#b55a9a")

# The axis is logarithmic if the greatest figure is this many times the least one.
LOGARITHMIC = 30

# Workloads that have a picture with curves over threads besides the bars.
CURVES = ("w2", "w4", "w5")

# The pictures that --publish copies, by workload: an allocation beside a bare bump, checkouts and
# repeated phases over threads, and a program around an outside library.
PUBLISHED = {
    "p1": ("p1-2.svg",),
    "w1": ("w1-1.svg",),
    "w4": ("w4-threads.svg",),
    "w5": ("w5-threads.svg",),
}


def setup(width: int, height: int, title: str) -> Iterator[str]:
    """The beginning of both kinds of pictures; their background is transparent."""
    yield f"set terminal svg size {width},{height} dynamic font 'sans-serif,13' noenhanced"
    yield f"set title '{title}' textcolor '{INK}'"
    yield f"set border 3 linecolor '{INK}'"
    yield f"set tics nomirror textcolor '{INK}'"
    yield f"set grid linecolor '{INK}' linewidth 0.3 dashtype 3"
    yield f"set key textcolor '{INK}'"


def axis(name: str, label: str, values: list[float]) -> tuple[list[str], float]:
    """An axis, logarithmic if the values are far apart, and the value at which it begins."""
    least = min((value for value in values if value > 0), default=1.0)
    if max(values) > LOGARITHMIC * least:
        return [f"set logscale {name}",
                f"set {name}label '{label} (logarithmic)' textcolor '{INK}'",
                f"set {name}range [{least / 3}:{max(values) * 3}]"], least / 3
    return [f"set {name}label '{label}' textcolor '{INK}'",
            f"set {name}range [0:{max(values) * 1.2 or 1}]"], 0


def colours(results: Results) -> dict[str, str]:
    """A colour for the curve of each peer, the same in all pictures."""
    others = [peer for peer in results.data["peers"] if peer != HERD and peer not in LIMITS]
    found = {peer: COLOURS[at % len(COLOURS)] for at, peer in enumerate(others)}
    return {HERD: HERD_COLOUR, **{limit: LIMIT_COLOUR for limit in LIMITS}, **found}


def bar_colour(peer: str) -> int:
    """The colour of a bar: herd and the limits stand out, for each bar has its name beside it."""
    colour = {HERD: HERD_COLOUR, **{limit: LIMIT_COLOUR for limit in LIMITS}}
    return int(colour.get(peer, OTHER_COLOUR)[1:], 16)


def bars_script(results: Results, workload: str, threads: int) -> str:
    """A horizontal bar per peer, the fastest on top, with a line from least to greatest."""
    found = []
    for peer in results.peers(workload):
        spread = results.spread(Cell(workload, peer, threads))
        if spread is not None:
            found.append((spread.median, peer, spread))
    found.sort(reverse=True)
    count = f", {with_threads(threads)}" if len(results.threads(workload)) > 1 else ""
    lines = list(setup(760, 90 + 30 * len(found), TITLES.get(workload, workload) + count))
    setting, start = axis("x", results.unit(workload),
                          [end for _, _, s in found for end in (s.least, s.greatest)])
    lines += setting
    lines += ["unset key", "set grid noytics", f"set yrange [-0.7:{len(found) - 0.3}]",
              "set style fill solid 0.9 noborder",
              "set ytics scale 0 (" + ", ".join(
                  f"'{peer}' {row}" for row, (_, peer, _) in enumerate(found)) + ")",
              "$bars << END"]
    lines += [f"{median} {row} {spread.least} {spread.greatest} {bar_colour(peer)} "
              f"'  {number(median)}'"
              for row, (median, peer, spread) in enumerate(found)]
    lines += ["END",
              f"plot $bars using ({start}):2:({start}):1:($2-0.36):($2+0.36):5 with boxxyerror "
              "linecolor rgb variable, \\",
              f"$bars using 1:2:3:4 with xerrorbars pointtype 0 linecolor '{INK}', \\",
              "$bars using 4:2:6 with labels left "
              f"textcolor '{INK}'"]
    return "\n".join(lines) + "\n"


def curves_script(results: Results, workload: str) -> str:
    """A curve for each peer over the number of threads."""
    colour = colours(results)
    lines = list(setup(760, 440, TITLES.get(workload, workload)))
    blocks, plots, values = [], [], []
    for at, peer in enumerate(results.peers(workload)):  # pylint: disable=invalid-name
        points = [(threads, results.median(Cell(workload, peer, threads)))
                  for threads in results.threads(workload, peer)]
        values += [median for _, median in points if median is not None]
        blocks += [f"$p{at} << END", *(f"{x} {y}" for x, y in points), "END"]
        width = 3 if peer == HERD else 1.5
        dash = " dashtype 2" if peer in LIMITS else ""
        plots.append(f"$p{at} using 1:2 with linespoints title '{peer}' linecolor '{colour[peer]}' "
                     f"linewidth {width}{dash} pointtype {at % 13 + 1} pointsize 0.8")
    threads = results.threads(workload)
    lines += axis("y", results.unit(workload), values)[0]
    lines += ["set logscale x 2", f"set xlabel 'threads' textcolor '{INK}'",
              f"set xrange [{threads[0] * 0.9}:{threads[-1] * 1.1}]",
              "set xtics (" + ", ".join(str(count) for count in threads) + ")",
              "set key outside right", *blocks, "plot " + ", \\\n".join(plots)]
    return "\n".join(lines) + "\n"


def draw(script: str, path: pathlib.Path) -> None:
    """Runs gnuplot; raises ValueError with its error message."""
    done = subprocess.run(["gnuplot"], input=f"set output '{path.name}'\n{script}", text=True,
                          capture_output=True, check=False, cwd=path.parent)
    # gnuplot reads the script to its end and returns 0 even if a command in it fails.
    if done.returncode != 0 or "line " in done.stderr:
        raise ValueError(f"{path.name}: gnuplot: {done.stderr.strip()}")
    path.write_text(slim(path.read_text(encoding="utf-8")), encoding="utf-8")


def slim(svg: str) -> str:
    """The picture without blanks between its elements and without elements that draw nothing: some
    pictures are committed."""
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r"<filter.*?</filter>", "", svg)
    return re.sub(r"<g [^>]*></g>", "", svg)


def draw_all(results: Results, folder: pathlib.Path) -> dict[str, list[str]]:
    """Draws all pictures; returns their file names by workload, and none if gnuplot is missing."""
    if shutil.which("gnuplot") is None:
        return {}
    pictures: dict[str, list[str]] = {}
    for old in folder.glob("[pw][0-9]*.svg"):
        old.unlink()
    for workload in results.workloads():
        names = [f"{workload}-{threads}.svg" for threads in shown_threads(results, workload)]
        for name, threads in zip(names, shown_threads(results, workload)):
            draw(bars_script(results, workload, threads), folder / name)
        if workload in CURVES and len(results.threads(workload)) > 1:
            names.append(f"{workload}-threads.svg")
            draw(curves_script(results, workload), folder / names[-1])
        pictures[workload] = names
    return pictures


def published(pictures: dict[str, list[str]]) -> dict[str, list[str]]:
    """Those of the pictures that are committed."""
    kept = {workload: [name for name in names if name in PUBLISHED.get(workload, ())]
            for workload, names in pictures.items()}
    return {workload: names for workload, names in kept.items() if names}


def shown_threads(results: Results, workload: str) -> list[int]:
    """The thread counts with bars: the least, and the greatest with a processor for each thread."""
    threads = results.threads(workload)
    processors = int(results.data["machine"]["processors"])
    return sorted({threads[0], max((count for count in threads if count <= processors),
                                   default=threads[0])})
