# SPDX-License-Identifier: MIT
"""
The examples of the public functions: what stands between two lines with the comment `[NAME]` in a
program of this folder. `shared` names the functions that are shown in the example of another one.
"""

import pathlib
import re
import textwrap

FOLDER = pathlib.Path(__file__).resolve().parent
MARKER = re.compile(r"^\s*(?:/\*|//) \[([\w:]+)\](?: \*/)?$")


class Example:
    """One example: its file, its name, its text."""

    def __init__(self, file: pathlib.Path, name: str, lines: list[str]) -> None:
        self.file = file.name
        self.name = name
        self.text = textwrap.dedent("\n".join(lines).replace("\t", "        "))


def in_file(file: pathlib.Path) -> list[Example]:
    """The examples of a program; a marker that is not closed is an error."""
    found, name, lines = [], "", []
    for line in file.read_text(encoding="utf-8").splitlines():
        marker = MARKER.match(line)
        if not marker:
            lines.append(line)
        elif not name:
            name, lines = marker[1], []
        elif name == marker[1]:
            found.append(Example(file, name, lines))
            name = ""
        else:
            raise ValueError(f"{file}: [{marker[1]}] within [{name}]")
    if name:
        raise ValueError(f"{file}: [{name}] has no end")
    return found


def shared() -> dict[str, str]:
    """The functions without an example of their own, and whose they share."""
    pairs = {}
    for line in (FOLDER / "shared").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            whose, *names = line.split()
            pairs |= {name: whose.rstrip(":") for name in names}
    return pairs


def all_examples() -> dict[str, Example]:
    """Each function that has an example, and that example."""
    found: dict[str, Example] = {}
    for file in sorted(FOLDER.glob("*.c")) + sorted(FOLDER.glob("*.cpp")):
        for example in in_file(file):
            if example.name in found:
                raise ValueError(f"{file}: there are two [{example.name}]")
            found[example.name] = example
    for name, whose in shared().items():
        if name in found:
            raise ValueError(f"shared: {name} has an example of its own")
        found[name] = found[whose]
    return found
