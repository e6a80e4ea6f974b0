# SPDX-License-Identifier: MIT
"""The programs around outside libraries: the packages that they need, and their executables."""

import os
import pathlib

# What each needs beyond a C compiler, to be built and as its data, as tests/lib/need.sh says it.
PROGRAMS: dict[str, tuple[str, ...]] = {
    "p1": ("hdr:cjson/cJSON.h:libcjson-dev",),
    "p2": ("hdr:cjson/cJSON.h:libcjson-dev",
           "file:/usr/share/iso-codes/json/iso_639-3.json:iso-codes"),
    "p3": ("hdr:expat.h:libexpat1-dev",
           "file:/usr/share/unicode/cldr/common/main/en.xml:unicode-cldr-core"),
    "p4": ("pc:lua5.4:liblua5.4-dev",),
    "p5": ("hdr:uthash.h:uthash-dev",),
    "p6": (),
}


def wanted(workloads: list[str] | None) -> list[str]:
    """The selected programs; None selects all."""
    return [name for name in PROGRAMS if workloads is None or name in workloads]


def needs(workloads: list[str] | None) -> set[str]:
    """What the selected programs need."""
    return {need for name in wanted(workloads) for need in PROGRAMS[name]}


def gaps(workloads: list[str] | None, missing: set[str]) -> dict[str, str]:
    """The selected programs that cannot run because a package is missing, with the reason."""
    found = {}
    for name in wanted(workloads):
        lacking = {need.rpartition(":")[2] for need in PROGRAMS[name]} & missing
        if lacking:
            found[name] = "not installed: " + ", ".join(sorted(lacking))
    return found


def executables(folder: pathlib.Path, peer: str) -> list[pathlib.Path]:
    """The executables of a peer that were built: bench_LIBRARY_PEER."""
    return [path for path in sorted(folder.glob(f"bench/programs/bench_*_{peer}"))
            if path.is_file() and os.access(path, os.X_OK)
            and path.name.split("_", 2)[2] == peer]
