r"""Text of RTF documents.

Specification: Rich Text Format 1.9.1. Handled: groups, ``\ansicpg``, fonts with a character set of their own, ``\'xx``,
``\uN`` with its fallback, paragraph, line, cell and tab marks, binary data, destinations that hold no text. Not
handled: East Asian double-byte letters written as ``\'xx`` pairs whose second byte is a plain character. One pass, no
recursion; the nesting is a list of bounded size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from triage.content.extractors.interface import MAX_BYTES, Data
from triage.content.extractors.text_builder import TextBuilder
from triage.model.content import ContentType, TextSegment

_TOKEN = re.compile(
    rb"\\(?:([a-zA-Z]{1,32})(-?\d{1,10})? ?|'([0-9a-fA-F]{2})|([^a-zA-Z']))|([{}])|([^\\{}\r\n]+)|[\r\n]+"
)
_HEX_PAIR = re.compile(rb"\\'([0-9a-fA-F]{2})")
_LOW_HALF = re.compile(rb"(?:\?|\\'3f| )?\\u(-?\d{1,6}) ?")
_SKIPPED = frozenset(
    b"fonttbl colortbl stylesheet pict objdata themedata colorschememapping datastore latentstyles generator listtable "
    b"listoverridetable rsidtbl xmlnstbl filetbl revtbl fontemb fontfile panose falt blipuid bliptag mmathPr pgptbl "
    b"wgrffmtfilter datafield private nonesttables sp".split()
)
_KEPT_STARRED = frozenset(b"fldinst shptxt annotation atnauthor bkmkstart do shpinst dptxbxtext".split())
_CHARACTERS = {
    **dict.fromkeys((b"pard", b"title", b"author", b"operator", b"subject", b"keywords", b"doccomm", b"company"), "\n"),
    b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n", b"page": "\n", b"nestrow": "\n",
    b"cell": "\t", b"nestcell": "\t", b"tab": "\t",
}  # fmt: skip
_SPELLED = {
    b"emdash": "\u2014", b"endash": "\u2013", b"lquote": "\u2018", b"rquote": "\u2019", b"ldblquote": "\u201c",
    b"rdblquote": "\u201d", b"bullet": "\u2022", b"emspace": " ", b"enspace": " ",
}  # fmt: skip
_SYMBOLS = {b"\\": "\\", b"{": "{", b"}": "}", b"~": " ", b"_": "-"}
_CHARSETS = {
    0: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "big5hkscs", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250",
}  # fmt: skip
_PAGES = {
    437: "cp437", 850: "cp850", 852: "cp852", 866: "cp866", 874: "cp874", 932: "cp932", 936: "gb18030", 949: "cp949",
    950: "big5hkscs", 10000: "mac-roman", 10007: "mac-cyrillic", 65001: "utf-8",
    **{page: f"cp{page}" for page in range(1250, 1259)},
}  # fmt: skip
_MAX_DEPTH = 10_000
_MAX_FONTS = 10_000


@dataclass(frozen=True, slots=True)
class _Group:
    r"""What holds within one group: skipped or not, fallback characters per ``\u``, codec, inside the font table."""

    skipped: bool = False
    fallback: int = 1
    codec: str = ""
    in_fonts: bool = False


def extract(content_type: ContentType, data: Data) -> tuple[TextSegment, ...]:
    """The text of the document with the way back to its bytes."""
    raw = bytes(data[:MAX_BYTES])
    reader = _Reader(raw)
    reader.read()
    return reader.builder.segments("", len(data))


class _Reader:
    """One document while it is read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        # Plain characters should be ASCII, but some writers put bytes of the code page there.
        self.builder = TextBuilder("cp1252")
        self.page = "cp1252"
        self.group = _Group()
        self.stack: list[_Group] = []
        self.too_deep = 0
        self.fonts: dict[int, str] = {}
        self.font = 0
        self.starred = False
        self.to_drop = 0

    def read(self) -> None:
        """Read the whole document."""
        position = 0
        while position >= 0 and not self.builder.is_full:
            start, position = position, -1
            for match in _TOKEN.finditer(self.data, start):
                jump = self.token(match)
                if jump >= 0:
                    position = jump
                    break
                if self.builder.is_full:
                    break

    def token(self, match: re.Match[bytes]) -> int:
        """Take in one token; the offset to go on at where that is not behind it, else -1."""
        word, number, pair, symbol, brace, text = match.groups()
        if text is not None:
            self.plain(text, match.start())
        elif word is not None:
            return self.control(word, int(number) if number else None, match)
        elif pair is not None:
            return self.escaped(match.start())
        elif brace is not None:
            self.brace(brace)
        elif symbol == b"*":
            self.starred = True
        elif symbol in (b"\n", b"\r"):
            self.line_break("\n")
        elif symbol in _SYMBOLS and not self.group.skipped and not self.dropped():
            self.builder.add_spelled(_SYMBOLS[symbol], *match.span())
        return -1

    def dropped(self) -> bool:
        """Whether the next character is the fallback of a Unicode character and so is left out."""
        if self.to_drop:
            self.to_drop -= 1
            return True
        return False

    def brace(self, brace: bytes) -> None:
        """Open or close a group."""
        self.starred = False
        self.to_drop = 0
        if brace == b"{":
            if len(self.stack) < _MAX_DEPTH:
                self.stack.append(self.group)
            else:
                self.too_deep += 1
        elif self.too_deep:
            self.too_deep -= 1
        elif self.stack:
            self.group = self.stack.pop()

    def plain(self, text: bytes, start: int) -> None:
        """Take in characters that stand for themselves."""
        if self.group.skipped:
            return
        if self.to_drop:
            cut = min(self.to_drop, len(text))
            self.to_drop -= cut
            text, start = text[cut:], start + cut
        self.builder.add_bytes(text, start)

    def line_break(self, character: str) -> None:
        """Add a break unless the group is skipped."""
        if not self.group.skipped:
            self.builder.add_break(character)

    def control(self, word: bytes, number: int | None, match: re.Match[bytes]) -> int:
        """Take in a control word; the offset behind binary data, else -1."""
        if word == b"bin" and number is not None:
            return min(match.end() + max(number, 0), len(self.data))
        starred, self.starred = self.starred, False
        if word in _SKIPPED or (starred and word not in _KEPT_STARRED):
            self.group = replace(self.group, skipped=True, in_fonts=word == b"fonttbl")
        elif word == b"u" and number is not None:
            self.unicode(number, match)
        elif word == b"uc" and number is not None:
            self.group = replace(self.group, fallback=min(max(number, 0), 100))
        elif word == b"ansicpg" and number is not None:
            self.page = _PAGES.get(number, self.page)
            if not self.builder.end:
                # The map of a segment has one encoding: a page that comes behind text holds for escapes alone.
                self.builder.encoding = self.page
        elif word == b"f" and number is not None:
            self.font = number
            if not self.group.in_fonts:
                self.group = replace(self.group, codec=self.fonts.get(number, ""))
        elif word == b"fcharset" and number is not None:
            if self.group.in_fonts and number in _CHARSETS and number and len(self.fonts) < _MAX_FONTS:
                self.fonts[self.font] = _CHARSETS[number]
        elif word == b"plain":
            self.group = replace(self.group, codec="")
        elif word in _CHARACTERS:
            self.line_break(_CHARACTERS[word])
        elif word in _SPELLED and not self.group.skipped and not self.dropped():
            self.builder.add_spelled(_SPELLED[word], *match.span())
        return -1

    def unicode(self, number: int, match: re.Match[bytes]) -> None:
        r"""Take in ``\uN``: 16 bits, signed, two of them for characters beyond."""
        code = number & 0xFFFF
        self.to_drop = self.group.fallback
        if self.group.skipped:
            return
        if 0xD800 <= code <= 0xDBFF:
            low = _LOW_HALF.match(self.data, match.end())
            code_low = int(low[1]) & 0xFFFF if low else 0
            if 0xDC00 <= code_low <= 0xDFFF:
                code = 0x10000 + ((code - 0xD800) << 10) + code_low - 0xDC00
        elif 0xDC00 <= code <= 0xDFFF:
            return
        character = "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code) if code >= 32 else " "
        self.builder.add_spelled(" " if character == "\u00a0" else character, *match.span())

    def escaped(self, start: int) -> int:
        r"""Take in ``\'xx``; in a double-byte code page two of them may be one character. The offset behind."""
        first = _HEX_PAIR.match(self.data, start)
        if first is None:
            return start + 1
        if self.group.skipped or self.dropped():
            return -1
        codec = self.group.codec or self.page
        value = bytes((int(first[1], 16),))
        second = _HEX_PAIR.match(self.data, first.end()) if value > b"\x80" else None
        for behind, meant in ((second.end() if second else 0, value), (first.end(), value)):
            if behind and second is not None and behind == second.end():
                meant += bytes((int(second[1], 16),))
            try:
                text = meant.decode(codec)
            except UnicodeDecodeError:
                continue
            if behind and len(text) == 1:
                self.builder.add_spelled(" " if text in "\u00a0\0" else text, start, behind)
                return behind
        self.builder.add_spelled("\ufffd", start, first.end())
        return -1
