"""Text of HTML, XML and the XML parts of Office and OpenDocument files, without tags.

Own scanner over the bytes, because every character needs its way back to them. It knows tags, comments, CDATA,
processing instructions and character references. It does not build a tree, does not read a DTD, expands no entity that
a document defines, fetches nothing, and runs no script. One pass, linear in the length on any input: a tag that does
not end is text, and the search for a missing end mark is made once.

Words that are split over elements join (``deb`` + ``t`` in two runs of a Word document); paragraphs, rows and line
breaks become newlines, cells become tabs. Attribute values that hide letters behind character references come as a
segment of their own.
"""

from __future__ import annotations

import re

from triage.content.extractors.dialects import HTML, SHEET, XML, Act, Dialect, find_dialect
from triage.content.extractors.encodings import find_encoding
from triage.content.extractors.entities import TELLING, find_references
from triage.content.extractors.interface import MAX_BYTES, Data
from triage.content.extractors.text_builder import TextBuilder
from triage.model.content import ContentType, TextSegment

# Possessive throughout. That a tag which does not end costs no more than its length, summed over all, holds because
# the three states (outside quotes, in one kind, in the other) of two attempts never meet.
_TOKEN = re.compile(rb"<(?:(/?[A-Za-z_][^\s<>/\"'=]*+)((?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>|(!--|!\[CDATA\[|[!?]))")
_ATTRIBUTE = re.compile(rb"=\s{0,20}(?:\"([^\"]*+)\"|'([^']*+)')")
_BLANKS = b" \t\r\n\f"
_BLANKS_ALIKE = bytes.maketrans(b"\t\r\n\f", b"    ")
_ENDS = {b"!--": b"-->", b"![CDATA[": b"]]>", b"!": b">", b"?": b">"}
_INDEX_CELL = re.compile(rb"\bt\s?=\s?[\"']s[\"']")


def extract(content_type: ContentType, data: Data) -> tuple[TextSegment, ...]:
    """Text segments of a marked-up document: its text, and attribute values with hidden letters.

    Nothing where the document holds no more than its raw bytes say: plain XML without character references.
    """
    size = len(data)
    raw = bytes(data[:MAX_BYTES])
    encoding, mark = find_encoding(raw)
    wide = encoding.startswith(("utf-16", "utf-32"))
    flat = raw[mark:].decode(encoding, "replace").encode("utf-8") if wide else raw
    dialect = find_dialect(flat, content_type.mime)
    if dialect is XML and TELLING.search(flat) is None:
        return ()
    reader = _Reader(flat, dialect, "utf-8" if wide else encoding)
    reader.read(0 if wide else mark)
    found = (*reader.body.segments("", size), *reader.attributes.segments("attributes", size))
    if not reader.saw_markup:
        return ()
    return tuple(_widen(segment, flat, encoding, mark) for segment in found) if wide else found


class _Reader:
    """One document while it is read."""

    def __init__(self, data: bytes, dialect: Dialect, encoding: str) -> None:
        self.data = data
        self.dialect = dialect
        self.body = TextBuilder(encoding)
        self.attributes = TextBuilder(encoding)
        self.saw_markup = False
        self.in_text = not dialect.texts
        self.keeps_blanks = not dialect.folds_blanks
        self.drops_blank_runs = not dialect.texts
        self.skips_value = False
        self.missing: set[bytes] = set()

    def read(self, position: int) -> None:
        """Read the whole document from an offset on."""
        data, tag = self.data, self.tag
        text = self.text if b"&" in data else self.plain
        begun = position
        while position >= 0:
            next_position = -1
            for match in _TOKEN.finditer(data, position):
                start = match.start()
                if start > begun and self.in_text:
                    text(begun, start)
                begun = match.end()
                special = match[3]
                if special is not None:
                    next_position = begun = self.special(special, begun)
                    break
                skipped_to = tag(match[1], match)
                if skipped_to >= 0:
                    next_position = begun = skipped_to
                    break
                if self.body.is_full:
                    return
            position = next_position
        if begun < len(data) and self.in_text:
            text(begun, len(data))

    def tag(self, name: bytes, match: re.Match[bytes]) -> int:
        """Take in one tag; the offset to go on at where that is not behind it, else -1."""
        self.saw_markup = True
        if match.end(2) - match.start(2) > 3 and self.data.find(b"&", match.start(2), match.end(2)) >= 0:
            self.attribute_values(match)
        act = self.dialect.act(name)
        if act == Act.JOIN:
            return -1
        if act == Act.LINE:
            self.body.add_break("\n")
        elif act == Act.TEXT_BEGINS:
            is_empty = self.data[match.end() - 2] == 0x2F
            self.in_text = not is_empty and not (self.skips_value and name.endswith(b"v"))
        elif act == Act.TEXT_ENDS:
            self.in_text = False
        elif act == Act.CELL:
            self.body.add_break("\t")
            # A cell that holds an index into the shared strings holds no value of its own.
            self.skips_value = self.dialect is SHEET and _INDEX_CELL.search(match[2]) is not None
        elif act == Act.BLANK:
            self.body.add_break(" ")
        elif act == Act.SKIP:
            return self.skip(name, match)
        else:
            self.body.add_break("\n")
            self.keeps_blanks = act == Act.KEEP_BLANKS
            self.drops_blank_runs = not self.keeps_blanks
        return -1

    def special(self, kind: bytes, position: int) -> int:
        """Step over a comment, a processing instruction or a declaration; take in CDATA. The offset behind it."""
        self.saw_markup = True
        end_mark = _ENDS[kind]
        end = self.find_once(end_mark, position)
        if end < 0:
            return position
        if kind == b"![CDATA[" and self.in_text:
            self.plain(position, end)
        return end + len(end_mark)

    def skip(self, name: bytes, match: re.Match[bytes]) -> int:
        """The offset of the closing tag of an element without text; -1 where there is none."""
        if self.data[match.end() - 2] == 0x2F and self.dialect is not HTML:
            return -1
        self.body.add_break("\n")
        key = b"</" + name.lower()
        if key in self.missing:
            return -1
        found = re.compile(re.escape(key), re.IGNORECASE).search(self.data, match.end())
        if found is None:
            self.missing.add(key)
            return -1
        return found.start()

    def find_once(self, mark: bytes, position: int) -> int:
        """Offset of a mark, -1 where none follows; what was missing once is not looked for again."""
        if mark in self.missing:
            return -1
        found = self.data.find(mark, position)
        if found < 0:
            self.missing.add(mark)
        return found

    def text(self, start: int, stop: int) -> None:
        """Take in text between tags."""
        data = self.data
        if data.find(b"&", start, stop) < 0:
            self.plain(start, stop)
            return
        for at, behind, character in find_references(data, start, stop):
            self.saw_markup = True
            if at > start:
                self.plain(start, at)
            if character != " " or self.body.last not in " \n\t":
                self.body.add_spelled(character, at, behind)
            start = behind
        if start < stop:
            self.plain(start, stop)

    def plain(self, start: int, stop: int) -> None:
        """Take in text without references."""
        raw = self.data[start:stop]
        if self.keeps_blanks:
            if not self.drops_blank_runs or not raw.isspace():
                self.body.add_bytes(raw, start)
            return
        rest = raw.lstrip(_BLANKS)
        if len(rest) < len(raw):
            self.body.add_break(" ")
            start += len(raw) - len(rest)
        self.body.add_folded(rest.translate(_BLANKS_ALIKE), start)

    def attribute_values(self, match: re.Match[bytes]) -> None:
        """Take in the attribute values of a tag that hide letters behind references."""
        for value in _ATTRIBUTE.finditer(self.data, match.start(2), match.end(2)):
            start, stop = value.span(1) if value[1] is not None else value.span(2)
            if TELLING.search(self.data, start, stop) is None:
                continue
            self.attributes.add_break("\n")
            body, self.body = self.body, self.attributes
            before = self.keeps_blanks, self.drops_blank_runs
            self.keeps_blanks, self.drops_blank_runs = True, False
            self.text(start, stop)
            self.body = body
            self.keeps_blanks, self.drops_blank_runs = before


def _widen(segment: TextSegment, flat: bytes, encoding: str, mark: int) -> TextSegment:
    """The segment with its map in the bytes of UTF-16 or UTF-32 rather than in those of their UTF-8 form."""
    offsets: list[tuple[int, int]] = []
    position, wide = 0, mark
    for index, offset in segment.offsets:
        wide += len(flat[position:offset].decode("utf-8", "replace").encode(encoding))
        position = offset
        offsets.append((index, wide))
    return TextSegment(segment.text, tuple(offsets), encoding, segment.label)
