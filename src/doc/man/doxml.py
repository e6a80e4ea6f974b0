# SPDX-License-Identifier: MIT
"""
Doxygen's XML as what a page is made of: symbols, and blocks of text. An element that is not known
here is an error, so that no text gets lost.
"""

import pathlib
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Union

import mdoc

Element = ET.Element


@dataclass
class Text:
    """A paragraph."""
    words: list[mdoc.Word]


@dataclass
class Code:
    """Lines of code."""
    text: str


@dataclass
class Items:
    """A list; each item has blocks."""
    items: "list[list[Block]]"


@dataclass
class Table:
    """Rows of cells; the first are the headings."""
    rows: list[list[list[mdoc.Word]]]


Block = Union[Text, Code, Items, Table]


@dataclass
class Doc:
    """What a doc comment says."""
    blocks: list[Block] = field(default_factory=list)
    params: list[tuple[str, list[Block]]] = field(default_factory=list)
    returns: list[Block] = field(default_factory=list)


@dataclass
class Symbol:
    """A function, a macro, a type, a member of a type, or a variable."""
    name: str
    kind: str
    type: str
    params: list[tuple[str, str]]  # type and name
    doc: Doc
    file: str
    section: str = ""
    value: str = ""
    members: "list[Symbol]" = field(default_factory=list)


@dataclass
class Header:
    """A header: its comment, those of its sections, its symbols."""
    name: str
    doc: Doc
    sections: dict[str, Doc]
    symbols: list[Symbol]


class Reader:
    """Reads doc comments."""

    def inline(self, element: Element) -> list[mdoc.Word]:
        """Text without blocks."""
        return self.join([self.piece(element.text or "")] +
                         [part for child in element for part in self.inline_child(child)])

    def piece(self, text: str) -> tuple[str, str]:
        """Plain text."""
        return (text, "")

    def inline_child(self, child: Element) -> list[tuple[str, str]]:
        """A child of inline text, and what follows it."""
        if child.tag == "ref":
            mine = ["".join(child.itertext()), ""]
        elif child.tag == "computeroutput":
            mine = ["".join(child.itertext()), mdoc.CODE]
        elif child.tag == "sp":
            mine = [" ", ""]
        else:
            raise ValueError(f"<{child.tag}> in text is not known")
        return [(mine[0], mine[1]), self.piece(child.tail or "")]

    def join(self, parts: list[tuple[str, str]]) -> list[mdoc.Word]:
        """Words of parts: a part with a macro sticks to plain text without a blank."""
        found: list[mdoc.Word] = []
        sticks = False
        for text, macro in self.merged(parts):
            if macro:
                more, blank = [[mdoc.Piece(text, macro)]], False
            else:
                more = mdoc.words(text)
                blank = text[:1].isspace()
            if found and sticks and more and not blank:
                found[-1] = found[-1] + more.pop(0)
            found += more
            if text:
                sticks = not text[-1].isspace()
        return found

    @staticmethod
    def merged(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The same with neighbours that are plain as one."""
        found: list[tuple[str, str]] = []
        for text, macro in parts:
            if found and not macro and not found[-1][1]:
                found[-1] = (found[-1][0] + text, "")
            elif text:
                found.append((text, macro))
        return found

    def code(self, element: Element) -> str:
        """A listing."""
        lines = []
        for row in element:
            if row.tag != "codeline":
                raise ValueError(f"<{row.tag}> in code is not known")
            lines.append("".join(self.code_text(part) for part in row))
        return "\n".join(lines)

    def code_text(self, element: Element) -> str:
        """Code, with its blanks."""
        if element.tag not in ("highlight", "sp", "ref"):
            raise ValueError(f"<{element.tag}> in code is not known")
        text = " " if element.tag == "sp" else element.text or ""
        return text + "".join(self.code_text(child) + (child.tail or "") for child in element)

    def blocks(self, element: Element, doc: Doc) -> list[Block]:
        """Paragraphs and what stands in them; parameters and results go to `doc`."""
        found: list[Block] = []
        inline: list[tuple[str, str]] = []

        def flush() -> None:
            text = self.join(inline)
            inline.clear()
            if text:
                found.append(Text(text))

        inline.append(self.piece(element.text or ""))
        for child in element:
            if child.tag in ("ref", "computeroutput", "sp"):
                inline += self.inline_child(child)
                continue
            flush()
            self.block(child, doc, found)
            inline.append(self.piece(child.tail or ""))
        flush()
        return found

    def block(self, child: Element, doc: Doc, found: list[Block]) -> None:
        """One block."""
        if child.tag == "para":
            found += self.blocks(child, doc)
        elif child.tag == "programlisting":
            found.append(Code(self.code(child)))
        elif child.tag == "itemizedlist":
            found.append(Items([self.blocks(item, doc) for item in child]))
        elif child.tag == "table":
            found.append(Table([[self.inline(paragraph) for entry in row for paragraph in entry]
                                for row in child]))
        elif child.tag == "parameterlist" and child.get("kind") == "param":
            for item in child:
                name = "".join(item.find("parameternamelist").itertext()).strip()
                doc.params.append((name, self.blocks(item.find("parameterdescription"), doc)))
        elif child.tag == "simplesect" and child.get("kind") == "return":
            doc.returns += self.blocks(child, doc)
        else:
            raise ValueError(f"<{child.tag} {child.attrib}> is not known")

    def doc(self, element: Element) -> Doc:
        """A doc comment."""
        doc = Doc()
        for tag in ("briefdescription", "detaileddescription"):
            part = element.find(tag)
            if part is not None:
                doc.blocks += self.blocks(part, doc)
        return doc

    def symbol(self, member: Element, section: str) -> Symbol:
        """A member of a file or of a struct."""
        params = []
        for param in member.findall("param"):
            kind = "".join(param.find("type").itertext()) if param.find("type") is not None else ""
            params.append((kind, param.findtext("declname") or param.findtext("defname") or ""))
        kind = "".join(member.find("type").itertext()) if member.find("type") is not None else ""
        return Symbol(member.findtext("name"), member.get("kind"), kind, params, self.doc(member),
                      pathlib.PurePath(member.find("location").get("file")).name, section,
                      "".join(member.find("initializer").itertext()).strip()
                      if member.find("initializer") is not None else "")


def args_of_typedef(member: Element) -> list[tuple[str, str]]:
    """The parameters of a function type, which doxygen gives as one string."""
    text = member.findtext("argsstring") or ""
    found = []
    for part in text.strip("()").split(","):
        if part.strip():
            at = max(part.rfind(" "), part.rfind("*")) + 1
            found.append((part[:at].strip(), part[at:].strip()))
    return found


def read_header(reader: Reader, path: pathlib.Path) -> Header:
    """A header, without the types' members."""
    compound = ET.parse(path).find("compounddef")
    header = Header(compound.findtext("compoundname"), reader.doc(compound), {}, [])
    for section in compound.findall("sectiondef"):
        title = section.findtext("header") or ""
        if section.find("description") is not None:
            doc = Doc()
            doc.blocks = reader.blocks(section.find("description"), doc)
            header.sections[title] = doc
        for member in section.findall("memberdef"):
            symbol = reader.symbol(member, title)
            if symbol.kind == "typedef":
                symbol.params = args_of_typedef(member)
            header.symbols.append(symbol)
    return header


def read_struct(reader: Reader, path: pathlib.Path) -> Symbol:
    """A struct and its members."""
    compound = ET.parse(path).find("compounddef")
    symbol = Symbol(compound.findtext("compoundname"), "struct", "", [], reader.doc(compound),
                    pathlib.PurePath(compound.find("location").get("file")).name)
    for member in compound.iter("memberdef"):
        made = reader.symbol(member, "")
        made.value = member.findtext("argsstring") or ""
        symbol.members.append(made)
    return symbol


def read(folder: pathlib.Path) -> list[Header]:
    """All headers, with the structs that they declare."""
    reader = Reader()
    headers = [read_header(reader, path) for path in sorted(folder.glob("*_8h.xml"))]
    for path in sorted(folder.glob("struct*.xml")):
        struct = read_struct(reader, path)
        for header in headers:
            if header.name == struct.file:
                header.symbols = [s for s in header.symbols if s.name != struct.name]
                header.symbols.append(struct)
    return headers
