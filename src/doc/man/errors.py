# SPDX-License-Identifier: MIT
"""
What doc comments say about errno values: "EINVAL where into is from", "ENOMEM (no memory)", or an item
of a list, "EBUSY: a member is out".
"""

import mdoc
from mdoc import Piece, Word

Clause = tuple[str, list[Word]]

# An explanation begins with one of these, with a colon, or with a parenthesis.
BEGINS = ("where", "while", "as", "also", "if", "with")


def errno_in(word: Word) -> str:
    """The errno value that a word names, or nothing."""
    return next((piece.text for piece in word if piece.macro == "Er"), "")


def tail(word: Word) -> str:
    """What follows the errno value in its word."""
    at = next(i for i, piece in enumerate(word) if piece.macro == "Er")
    return mdoc.plain(word[at + 1:])


def in_parentheses(text: list[Word]) -> list[Word]:
    """A text that begins with a parenthesis, up to the one that closes it, without both."""
    depth, found = 0, []
    for word in text:
        depth += mdoc.plain(word).count("(") - mdoc.plain(word).count(")")
        found.append(word)
        if depth <= 0:
            break
    first = [Piece(found[0][0].text[1:], found[0][0].macro)] + found[0][1:]
    found[0] = [piece for piece in first if piece.text]
    last = found[-1][-1]
    found[-1] = found[-1][:-1] + [Piece(last.text[:last.text.rindex(")")], last.macro)]
    return [word for word in found if mdoc.plain(word)]


def up_to_next(text: list[Word]) -> list[Word]:
    """A text up to its first semicolon, or up to the next errno value."""
    found = []
    for word in text:
        if errno_in(word):
            break
        found.append(word)
        if mdoc.plain(word).endswith(";"):
            break
    while found and mdoc.plain(found[-1]) in ("or", "and"):
        found.pop()
    return found


def as_sentence(text: list[Word], end: str = ".") -> list[Word]:
    """The same with a full stop and a capital, where the first word is one of the language."""
    if not text:
        return []
    text = [list(word) for word in text]
    last = text[-1][-1]
    if last.macro:
        text[-1].append(Piece(end))
    else:
        text[-1][-1] = Piece(last.text.rstrip(";,.:") + end)
    first = text[0][0]
    if not first.macro and first.text.rstrip(".,:").isalpha():
        text[0][0] = Piece(first.text[0].upper() + first.text[1:])
    return text


def segment(sentence: list[Word], at: int) -> list[Word]:
    """The part of a sentence between semicolons in which the word at `at` stands."""
    first, last = at, at
    while first > 0 and not mdoc.plain(sentence[first - 1]).endswith(";"):
        first -= 1
    while last + 1 < len(sentence) and not mdoc.plain(sentence[last]).endswith(";"):
        last += 1
    found = sentence[first:last + 1]
    # "or EBUSY, and nothing happens, while ...": the value itself is the item that this goes to.
    while len(found) > 1 and (mdoc.plain(found[0]) in ("or", "and", "0,") or
                              (found[0] is sentence[at] and tail(found[0]) == ",")):
        found = found[1:]
    happens = " ".join(mdoc.plain(word) for word in found[:2])
    return found[2:] if happens == "nothing happens," else found


def clauses(text: list[Word]) -> list[tuple[str, list[Word], list[Word]]]:
    """The errno values that a text names, each with its explanation, or with none; and with the
    part of the text that it stands in."""
    found = []
    for sentence in mdoc.sentences(text):
        for at, word in enumerate(sentence):
            errno = errno_in(word)
            if not errno:
                continue
            rest, following = tail(word), sentence[at + 1:]
            start = mdoc.plain(following[0]) if following else ""
            explained: list[Word] = []
            if rest == "" and start.startswith("("):
                explained = in_parentheses(following)
            elif rest == ":" or (rest == "" and start in BEGINS):
                explained = up_to_next(following)
            found.append((errno, as_sentence(explained), as_sentence(segment(sentence, at))))
    return found
