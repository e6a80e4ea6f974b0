# SPDX-License-Identifier: MIT
"""A page of section 3, in mdoc(7), of the symbols that it describes."""

import re

import doxml
import errors
import mdoc
from doxml import Block, Code, Doc, Items, Symbol, Table, Text
from examples import Example
from mdoc import Piece, Word

SAFETY = re.compile(r"\bMT-(?:Safe|Unsafe)")


def spaced(kind: str, name: str) -> str:
    """A declaration of a type and a name."""
    kind = kind.replace("(*)", "(*\0)")
    if "\0" in kind:
        return re.sub(r"(\w)\(\*", r"\1 (*", kind).replace("\0", name)
    return kind + ("" if kind.endswith("*") else " ") + name


def take(text: list[Word], chosen: "re.Pattern[str]") -> tuple[list[Word], list[Word]]:
    """The sentences of a text in which the pattern is, and the others."""
    matching: list[Word] = []
    others: list[Word] = []
    for sentence in mdoc.sentences(text):
        whole = " ".join(mdoc.plain(word) for word in sentence)
        (matching if chosen.search(whole) else others).extend(sentence)
    return matching, others


def all_words(blocks: list[Block]) -> list[Word]:
    """The words of paragraphs and of the items of lists."""
    found: list[Word] = []
    for block in blocks:
        if isinstance(block, Text):
            found += block.words
        elif isinstance(block, Items):
            found += [word for item in block.items for word in all_words(item)]
    return found


class Page:
    """One page."""

    def __init__(self, name: str, about: str, header: doxml.Header, symbols: list[Symbol],
                 overview: bool) -> None:
        self.name = name
        self.about = about
        self.header = header
        self.symbols = symbols
        self.overview = overview
        self.links: dict[str, str] = {}  # every name that has a page, and the page
        self.rules: dict[str, list[Word]] = {}  # what an errno value means where nothing is said
        self.threads: list[Word] = []  # what the header says of threads
        self.examples: dict[str, Example] = {}
        self.siblings: list[str] = []  # the pages of the same header
        self.seen: set[tuple[str, str]] = set()  # pages that the text refers to
        self.safety: dict[str, list[Word]] = {}
        self.known = {name for symbol in symbols for _, name in symbol.params}
        self.known |= {member.name for symbol in symbols for member in symbol.members}

    # --- text

    def resolve(self, piece: Piece) -> Piece:
        """A piece with a macro of mdoc."""
        if piece.macro == mdoc.FUNCTION:
            if self.links.get(piece.text, self.name) == self.name:
                return Piece(piece.text, "Fn")
            self.seen.add(("3", self.links[piece.text]))
            return Piece(piece.text, "Xr 3")
        if piece.macro == mdoc.CODE:
            bare = piece.text.removesuffix("()")
            if piece.text in self.known:
                return Piece(piece.text, "Fa")
            if bare in self.links and "(" not in bare:
                return self.resolve(Piece(bare, mdoc.FUNCTION))
            return Piece(piece.text, "Ql")
        if piece.macro.startswith("Xr "):
            self.seen.add((piece.macro[3:], piece.text))
        return piece

    def text(self, text: list[Word]) -> list[str]:
        """The lines of a paragraph."""
        return mdoc.render([[self.resolve(piece) for piece in word] for word in text])

    def blocks(self, blocks: list[Block]) -> list[str]:
        """The lines of blocks, with `.Pp` between paragraphs."""
        lines: list[str] = []
        for block in blocks:
            if isinstance(block, Text):
                lines += ([".Pp"] if lines else []) + self.text(block.words)
            elif isinstance(block, Code):
                lines += mdoc.display(block.text)
            elif isinstance(block, Items):
                lines += [".Bl -bullet"]
                for item in block.items:
                    lines += [".It"] + self.blocks(item)
                lines += [".El"]
            else:
                lines += self.table(block)
        return lines

    def table(self, table: Table) -> list[str]:
        """The rows as items: the first cell, and then the others by their headings."""
        headings = [" ".join(mdoc.plain(word) for word in cell) for cell in table.rows[0]]
        lines = [".Bl -tag -width Ds"]
        for row in table.rows[1:]:
            tag = " ".join(mdoc.plain(word) for word in row[0])
            lines.append(".It " + " ".join(mdoc.argument(part) for part in tag.split()))
            for heading, cell in zip(headings[1:], row[1:]):
                if heading != headings[1]:
                    lines.append(mdoc.escape(heading.lower()))
                last = [*cell[-1], Piece("." if cell is row[-1] else ",")]
                lines += self.text([*cell[:-1], last])
        return [".Pp", *mdoc.render([[Piece(word)] for word in (headings[0] + ":").split()])] + \
            lines + [".El"]

    # --- sections

    def lines(self, version: str, date: str) -> list[str]:
        """The page."""
        description = self.description()
        lines = ['.\\" Made of the comments in herd/' + self.header.name + " by src/doc/man/pages.",
                 f".Dd {date}", f".Dt {self.name.upper()} 3", ".Os", ".Sh NAME", *self.names(),
                 ".Nd " + mdoc.escape(self.about),
                 ".Sh LIBRARY", f"herd {version}",
                 ".Pq libherd , Fl lherd ;",
                 "with the flags of", ".Ql pkg-config \\-\\-cflags \\-\\-libs herd".replace(
                     "pkg", '"pkg') + '"',
                 ".Sh SYNOPSIS", f".In herd/{self.header.name}"]
        for symbol in self.symbols:
            lines += self.synopsis(symbol)
        lines += [".Sh DESCRIPTION", *description]
        for title, section in (("RETURN VALUES", self.returns()), ("EXAMPLES", self.shown()),
                               ("ERRORS", self.errors()), ("SEE ALSO", self.see_also())):
            if section:
                lines += [".Sh " + title, *section]
            if title == "ERRORS" and self.safety_lines():
                lines += [".Sh THREAD SAFETY", *self.safety_lines()]
        return lines

    def names(self) -> list[str]:
        """The names that the page describes."""
        names = [self.name] + [s.name for s in self.symbols if s.name != self.name]
        return [f".Nm {name}" + (" ," if name != names[-1] else "") for name in names]

    @staticmethod
    def synopsis(symbol: Symbol) -> list[str]:
        """The declaration."""
        if symbol.kind == "struct":
            return [f".Vt {symbol.name} ;"]
        if symbol.kind == "variable":
            return [f'.Vt "extern {symbol.type}" {symbol.name} ;']
        if symbol.kind == "define" and not symbol.params:
            return [".Fd " + mdoc.argument(f"#define {symbol.name} {symbol.value}")]
        if symbol.kind == "typedef" and not symbol.params:
            return [f".Vt {symbol.name} ;"]
        if symbol.kind == "define":
            return [f".Fn {symbol.name} " + " ".join(name for _, name in symbol.params)]
        kind = ("typedef " if symbol.kind == "typedef" else "") + symbol.type
        lines = [".Ft " + kind, f".Fo {symbol.name}"]
        lines += [".Fa " + mdoc.argument(spaced(*param).strip()) for param in symbol.params]
        return lines + [".Fc"]

    def tag(self, symbol: Symbol) -> str:
        """The item under which a symbol is described."""
        if symbol.kind in ("function", "define") and symbol.params:
            return f".It Fn {symbol.name} " + " ".join(n or "..." for _, n in symbol.params)
        if symbol.kind in ("struct", "typedef"):
            return f".It Vt {symbol.name}"
        return (".It Dv " if symbol.kind == "define" else ".It Va ") + symbol.name

    def description(self) -> list[str]:
        """The header's comment, and those of sections and symbols."""
        lines: list[str] = []
        if self.overview:
            lines += self.blocks(self.header.doc.blocks)
        section, within = None, False
        for symbol in self.symbols:
            if symbol.section != section and symbol.section in self.header.sections:
                lines += [".El"] if within else []
                within = False
                if self.overview:
                    lines.append(".Ss " + mdoc.escape(symbol.section))
                elif lines:
                    lines.append(".Pp")
                lines += self.blocks(self.header.sections[symbol.section].blocks)
            section = symbol.section or section
            if not within:
                lines += [".Bl -tag -width Ds"]
                within = True
            lines += [self.tag(symbol), *self.described(symbol)]
        return lines + ([".El"] if within else [])

    def described(self, symbol: Symbol) -> list[str]:
        """What is said of a symbol, but for what has a section of its own."""
        lines: list[str] = []
        for block in symbol.doc.blocks + self.costs(symbol):
            if isinstance(block, Text):
                safety, rest = take(block.words, SAFETY)
                self.safety.setdefault(symbol.name, []).extend(safety)
                if rest:
                    lines += ([".Pp"] if lines else []) + self.text(rest)
            else:
                lines += self.blocks([block])
        for name, blocks in symbol.doc.params:
            if (name, blocks) == symbol.doc.params[0]:
                lines.append(".Bl -tag -width Ds")
            lines += [f".It Fa {name}", *self.parameter(symbol, blocks)]
        lines += [".El"] if symbol.doc.params else []
        return lines + self.members(symbol)

    def parameter(self, symbol: Symbol, blocks: list[Block]) -> list[str]:
        """What is said of a parameter."""
        lines: list[str] = []
        for block in blocks:
            if isinstance(block, Text):
                safety, rest = take(block.words, SAFETY)
                self.safety.setdefault(symbol.name, []).extend(safety)
                lines += self.text(rest)
            else:
                lines += self.blocks([block])
        return lines

    def members(self, symbol: Symbol) -> list[str]:
        """The members of a struct that are documented."""
        members = [m for m in symbol.members if m.doc.blocks]
        lines = [".Bl -tag -width Ds"] if members else []
        for member in members:
            shown = spaced(member.type, member.name) + member.value
            if member.type.endswith("(*"):
                shown = f"{member.type}{member.name}{member.value}"
            lines += [".It Fa " + mdoc.argument(shown), *self.blocks(member.doc.blocks)]
        return lines + ([".El"] if members else [])

    RESULT = re.compile(r"^(?:Cost:|Misuse:)")

    def costs(self, symbol: Symbol) -> list[Block]:
        """What follows the result in its paragraph, and is not about the result."""
        found: list[Block] = []
        for block in symbol.doc.returns:
            if isinstance(block, Text):
                found.append(Text(take(block.words, SAFETY)[0]))
                found.append(Text(take(block.words, self.RESULT)[0]))
        return [block for block in found if block.words]

    def result(self, symbol: Symbol) -> list[Block]:
        """What a function returns: paragraphs, and lists of errno values."""
        found: list[Block] = []
        for block in symbol.doc.returns:
            if isinstance(block, Text):
                block = Text(take(take(block.words, SAFETY)[1], self.RESULT)[1])
                if not block.words:
                    continue
                if not found:
                    # A colon stays where a list follows it.
                    end = ":" if isinstance(symbol.doc.returns[-1], Items) else "."
                    block = Text(errors.as_sentence(block.words, end))
            found.append(block)
        return found

    def returns(self) -> list[str]:
        """What the functions return; those that return the same together."""
        tags: dict[str, tuple[list[Block], list[str]]] = {}
        for symbol in self.symbols:
            blocks = self.result(symbol)
            if blocks:
                key = " ".join(mdoc.plain(word) for word in all_words(blocks))
                tags.setdefault(key, (blocks, []))[1].append(symbol.name)
        lines = [".Bl -tag -width Ds"] if tags else []
        for blocks, names in tags.values():
            lines += [".It " + " , ".join(f"Fn {name}" for name in names), *self.blocks(blocks)]
        return lines + ([".El"] if tags else [])

    def found_errors(self) -> dict[str, dict[str, tuple[list[Word], list[str]]]]:
        """Each errno value: its explanations, and the functions that they are for."""
        found: dict[str, dict[str, tuple[list[Word], list[str]]]] = {}
        for symbol in self.symbols:
            if symbol.kind not in ("function", "define"):
                continue
            said = all_words(symbol.doc.blocks)
            told: dict[str, list[Word]] = {}
            for errno, explained, part in errors.clauses(all_words(self.result(symbol))):
                told[errno] = explained or self.rules.get(errno) or part
            for errno, explained, part in errors.clauses(said):
                if errno not in told:
                    told[errno] = explained or part
            for errno, text in told.items():
                key = " ".join(mdoc.plain(word) for word in text)
                found.setdefault(errno, {}).setdefault(key, (text, []))[1].append(symbol.name)
        return found

    def errors(self) -> list[str]:
        """The errno values."""
        lines = []
        found = self.found_errors()
        for errno in sorted(found):
            lines.append(f".It Bq Er {errno}")
            for i, (text, names) in enumerate(found[errno].values()):
                lines += [".Pp"] if i > 0 else []
                if len(found[errno]) > 1:
                    lines += [f".Fn {name} ," for name in names[:-1]] + [f".Fn {names[-1]} :"]
                lines += self.text(text)
        return [".Bl -tag -width Er", *lines, ".El"] if lines else []

    def safety_lines(self) -> list[str]:
        """What is said of threads: of single functions, and of all others of the header."""
        own: dict[str, tuple[list[Word], list[str]]] = {}
        others = False
        for symbol in self.symbols:
            if symbol.kind == "function" or (symbol.kind == "define" and symbol.params):
                text = self.safety.get(symbol.name, [])
                key = " ".join(mdoc.plain(word) for word in text)
                if text:
                    own.setdefault(key, (text, []))[1].append(symbol.name)
                others = others or not text
        if not own:
            return self.text(self.threads) if others else []
        lines = [".Bl -tag -width Ds"]
        for text, names in own.values():
            lines += [".It " + " , ".join(f"Fn {name}" for name in names), *self.text(text)]
        if others and self.threads:
            lines += [".It the others", *self.text(self.threads)]
        return lines + [".El"]

    def shown(self) -> list[str]:
        """The examples, each once, with the functions that it shows."""
        texts: dict[str, list[str]] = {}
        for symbol in self.symbols:
            if symbol.name in self.examples:
                texts.setdefault(self.examples[symbol.name].text, []).append(symbol.name)
        lines = []
        for text, names in texts.items():
            lines += [".Pp"] if lines else []
            lines += [f".{self.macro(name)} {name} ," for name in names[:-1]]
            lines += [f".{self.macro(names[-1])} {names[-1]} :"]
            lines += mdoc.display(text)
        return lines

    def macro(self, name: str) -> str:
        """What a symbol is set with."""
        symbol = next(symbol for symbol in self.symbols if symbol.name == name)
        if symbol.kind in ("function", "define"):
            return "Fn" if symbol.params else "Dv"
        return "Va" if symbol.kind == "variable" else "Vt"

    def see_also(self) -> list[str]:
        """The pages that the text refers to, the overview of the header, and herd(7)."""
        pages = set(self.seen) | {("7", "herd")}
        of_header = self.siblings if self.overview else \
            self.links.get("overview " + self.header.name, "").split()
        pages |= {("3", page) for page in of_header}
        order = sorted(pages - {("3", self.name)}, key=lambda entry: (entry[0], entry[1].lower()))
        return [f".Xr {name} {section}" + (" ," if (section, name) != order[-1] else "")
                for section, name in order]


def thread_rule(doc: Doc) -> list[Word]:
    """The sentence of a header's comment that says which functions threads may call."""
    for block in doc.blocks:
        inner = [b for item in block.items for b in item] if isinstance(block, Items) else [block]
        for part in inner:
            if isinstance(part, Text):
                found = take(part.words, SAFETY)[0]
                if found:
                    return found[1:] if mdoc.plain(found[0]) == "Threads." else found
    return []


def errno_rules(doc: Doc) -> dict[str, list[Word]]:
    """What errno values mean for all functions of a header."""
    said = errors.clauses(all_words(doc.blocks))
    return {errno: text for errno, text, _ in said if text}
