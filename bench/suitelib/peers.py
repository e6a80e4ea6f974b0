# SPDX-License-Identifier: MIT
"""The peers: the packages that they need, how they are built, and which of them exist."""

import dataclasses
import os
import pathlib
import subprocess

from . import programs
from .failure import reason_of

# What each peer needs besides a C compiler, in the form of tests/lib/need.sh: KIND:WHAT:PACKAGE. An
# executable bench_NAME that is not listed here is run as well.
NEEDS: dict[str, tuple[str, ...]] = {
    "herd": (),
    "limit4k": (),
    "limithuge": (),
    "malloc": (),
    "jemalloc": ("pc:jemalloc:libjemalloc-dev",),
    "mimalloc": ("hdr:mimalloc.h:libmimalloc-dev",),
    "mi_heap": ("hdr:mimalloc.h:libmimalloc-dev",),
    "obstack": (),
    "apr": ("pc:apr-1:libapr1-dev",),
    "talloc": ("pc:talloc:libtalloc-dev",),
    "pmr": ("cmd:c++:g++",),
    "bumpalo": ("cmd:rustc:rustc",),
}


TOOLS = (
    "cmd:cc:gcc",
    "hdr:stdio.h:libc6-dev",
    "cmd:meson:meson",
    "cmd:ninja:ninja-build",
    "cmd:pkg-config:pkg-config",
    "pc:ck:libck-dev",
)
WISHES = ("cmd:gnuplot:gnuplot-nox", "cmd:valgrind:valgrind", "hdr:valgrind/valgrind.h:valgrind")

# The programs of bench/load that are no peers.
NO_PEERS = ("steps",)

PACKAGES = """
. "$1/tests/lib/need.sh"; shift
tools=$1; wishes=$2; crate=$3
need $tools
want $wishes
if [ -n "$need_missing" ]; then # one unavailable package stops the others
    for wish in $wishes; do want "$wish"; done
fi
registry=${CARGO_REGISTRY:-/usr/share/cargo/registry}
if [ -n "$crate" ] && ! ls -d "$registry"/bumpalo-[0-9]* >/dev/null 2>&1; then
    need_install librust-bumpalo-dev
fi
need_packages $wishes
"""


class BuildFailed(Exception):
    """The tree could not be built. The message is the end of the build log."""


@dataclasses.dataclass
class Peer:
    """A peer: its executables, or the reason why there are none."""

    name: str
    program: pathlib.Path | None = None
    reason: str | None = None
    # Thread counts by workload, from --list.
    workloads: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    # The executable of each workload: `program`, or one around an outside library.
    programs: dict[str, pathlib.Path] = dataclasses.field(default_factory=dict)


def install(root: pathlib.Path, names: list[str], workloads: list[str] | None) -> set[str]:
    """Installs missing packages if permitted; returns the packages that are still missing."""
    wishes = {wish for name in names for wish in NEEDS.get(name, ())} | set(WISHES)
    wishes |= programs.needs(workloads)
    crate = "yes" if "bumpalo" in names else ""
    done = subprocess.run(
        ["sh", "-c", PACKAGES, "sh", str(root), " ".join(TOOLS), " ".join(sorted(wishes)), crate],
        stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed("a required package is missing")
    return set(done.stdout.split())


def run_logged(command: list[str], log: pathlib.Path) -> None:
    """Runs a step of a build; raises BuildFailed with the end of its output if it fails."""
    with log.open("a", encoding="utf-8") as output:
        done = subprocess.run(command, stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        raise BuildFailed("\n".join(tail))


def build(root: pathlib.Path, folder: pathlib.Path, *targets: str, blind: bool = False) -> None:
    """
    Builds the tree for a release. A blind build does not notice valgrind, under which herd would
    keep red zones. It is for callgrind only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    log.unlink(missing_ok=True)
    again = ["--reconfigure"] if (folder / "build.ninja").exists() else []
    arguments = ["-Dc_args=-DNVALGRIND", "-Dcpp_args=-DNVALGRIND"] if blind else []
    run_logged(["meson", "setup", *again, "--buildtype=release", "-Dbench=true", "-Dtests=false",
                "-Dexamples=false", *arguments, str(folder), str(root)], log)
    run_logged(["ninja", "-C", str(folder), *targets], log)


def build_bumpalo(root: pathlib.Path, folder: pathlib.Path) -> str | None:
    """Builds the peer in Rust and its binary-trees; returns the reason if that fails."""
    script = str(root / "bench/peer/bumpalo/build")
    try:
        run_logged([script, str(folder / "bench/load/bench_bumpalo")], folder / "build.log")
        run_logged([script, str(folder / "bench/programs/bench_trees_bumpalo"),
                    str(root / "bench/programs/trees.rs")], folder / "build.log")
    except BuildFailed as failure:
        return str(failure).splitlines()[-1]
    return None


def read_list(peer: Peer, program: pathlib.Path) -> None:
    """Reads from an executable of the peer which workloads it can run."""
    try:
        done = subprocess.run([str(program), "--list"], capture_output=True, text=True,
                              check=True, timeout=60)
        for line in done.stdout.splitlines():
            workload, threads = line.split()
            peer.workloads[workload] = [int(count) for count in threads.split(",")]
            peer.programs[workload] = program
    except (OSError, subprocess.SubprocessError, ValueError) as failure:
        peer.reason = f"--list failed: {reason_of(failure)}"
        peer.program = None


def executables(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Every bench_NAME in the build folder, by name."""
    found = {path.name.removeprefix("bench_"): path
             for path in sorted(folder.glob("bench/load/bench_*"))
             if path.is_file() and os.access(path, os.X_OK)}
    return {name: path for name, path in found.items() if name not in NO_PEERS}


def discover(folder: pathlib.Path, wanted: list[str] | None, missing: set[str]) -> list[Peer]:
    """All peers in a fixed order, herd first; a missing one has its reason."""
    found = executables(folder)
    names = list(NEEDS) + sorted(set(found) - set(NEEDS))
    peers = []
    for name in names:
        if wanted is not None and name not in wanted:
            continue
        peer = Peer(name, found.get(name))
        lacking = {need.rpartition(":")[2] for need in NEEDS.get(name, ())} & missing
        if peer.program is not None:
            for program in [peer.program, *programs.executables(folder, name)]:
                read_list(peer, program)
        elif lacking:
            peer.reason = "not installed: " + ", ".join(sorted(lacking))
        else:
            peer.reason = "not built"
        peers.append(peer)
    return peers
