# SPDX-License-Identifier: MIT
"""
Text as mdoc(7). A text is a list of words, and a word a list of pieces: plain ones, and those that
have a macro, `Er` for an errno value say. Each sentence begins on a new line.
"""

import re
from typing import NamedTuple

WIDTH = 78
OPENING = "([\u201c\""
CLOSING = ".,:;)]?!"
# Words that end in a full stop, and end no sentence.
SHORT = ("e.g.", "i.e.", "...")
MACROS = re.compile(r"^(?:[A-Z][a-z]|%[A-Z]|Bsx|Brq|Bro|Brc|Fx|Nx|Ox|Dx)$")


# What each page has a macro of its own for, by the names that it knows.
FUNCTION = "function"
CODE = "code"


class Piece(NamedTuple):
    """A part of a word; no macro means that it is plain."""
    text: str
    macro: str = ""


Word = list[Piece]

NAME = re.compile(r"\b(?:(?P<page>\w+)\((?P<section>\d)\)|(?P<function>\w+)\(\)|"
                  r"(?P<errno>E[A-Z]{3,})|(?P<constant>NULL|SIZE_MAX|PTRDIFF_MAX))(?!\w)")


def escape(text: str, literal: bool = False) -> str:
    """Text in which roff sees no command; in code, characters that a reader may copy."""
    text = text.replace("\\", "\\e")
    if literal:
        for char, name in (("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"), ("^", "\\(ha"),
                           ("~", "\\(ti")):
            text = text.replace(char, name)
    return text


def line(text: str) -> str:
    """A line of text, which is no macro."""
    return "\\&" + text if text.startswith((".", "'")) else text


def argument(text: str, literal: bool = False) -> str:
    """One argument of a macro."""
    text = escape(text, literal)
    if MACROS.match(text) or (len(text) == 1 and text in CLOSING + OPENING + "|"):
        return "\\&" + text
    if literal and text[-1] in CLOSING:
        text += "\\&"  # which would stand behind the quote
    if '"' in text or " " in text or not text:
        return '"' + text.replace('"', "\\(dq") + '"'
    return text


def named(match: re.Match[str]) -> Piece:
    """What a name in the text is."""
    if match["page"]:
        return Piece(match["page"], "Xr " + match["section"])
    if match["function"]:
        return Piece(match["function"], FUNCTION)
    return Piece(match[0], "Er" if match["errno"] else "Dv")


def words(text: str) -> list[Word]:
    """The words of plain text, with the names in them found."""
    found = []
    for part in text.split():
        word, at = [], 0
        for name in NAME.finditer(part):
            word += [Piece(part[at:name.start()]), named(name)]
            at = name.end()
        word.append(Piece(part[at:]))
        found.append([piece for piece in word if piece.text])
    return found


def plain(word: Word) -> str:
    """The word without macros."""
    return "".join(piece.text for piece in word)


def ends_sentence(word: Word) -> bool:
    """Whether a sentence ends with the word."""
    text = plain(word[-1:]).rstrip(")\"'")
    return text.endswith((".", "?", "!")) and not plain(word).endswith(SHORT)


def sentences(text: list[Word]) -> list[list[Word]]:
    """The sentences of a text."""
    found: list[list[Word]] = [[]]
    for word in text:
        found[-1].append(word)
        if ends_sentence(word):
            found.append([])
    return [sentence for sentence in found if sentence]


def macro_line(word: Word) -> str:
    """A word in which something has a macro: a line of its own."""
    parts: list[str] = []
    for i, piece in enumerate(word):
        if piece.macro:
            name, _, rest = piece.macro.partition(" ")
            parts += ["Ns"] if i > 0 and word[i - 1].macro else []
            parts += [name, argument(piece.text, name == "Ql")] + ([rest] if rest else [])
        elif i + 1 < len(word) and i == 0:
            parts += ["Pf", argument(piece.text)]
        else:
            parts += after(piece.text)
            if i + 1 < len(word):
                parts.append("Ns")
    return "." + " ".join(parts)


def after(text: str) -> list[str]:
    """Text that sticks to a macro before it: punctuation as such."""
    parts = []
    while text and text[0] in CLOSING:
        parts.append(text[0])
        text = text[1:]
    if text:
        parts += ([] if parts else ["Ns"]) + [argument(text)]
    return parts


def render(text: list[Word]) -> list[str]:
    """The lines of a text."""
    lines = []
    for sentence in sentences(text):
        current = ""
        for word in sentence:
            if any(piece.macro for piece in word):
                if current:
                    lines.append(line(current))
                lines.append(macro_line(word))
                current = ""
                continue
            more = escape(plain(word))
            if current and len(current) + 1 + len(more) > WIDTH:
                lines.append(line(current))
                current = ""
            current = f"{current} {more}" if current else more
        if current:
            lines.append(line(current))
    return lines


def display(code: str) -> list[str]:
    """Lines of code."""
    text = [line(escape(row, literal=True)) or "\\&" for row in code.splitlines()]
    return [".Bd -literal -offset indent"] + [row if row != "\\&" else "" for row in text] + [".Ed"]
