r"""Text from evidence made safe to look at: what has no glyph, or moves other glyphs, becomes a visible escape.

Shown as escapes: control characters (ESC, BEL, C1 ...), format characters (bidi overrides, zero-width, soft hyphen,
tags), lone surrogates, private-use and unassigned characters, line separators, and letters and marks without a
glyph (Hangul fillers, combining grapheme joiner ...). Of a pile of combining marks the first six stay.

Forms: ``\x1b`` for ASCII controls and for a byte that was not valid UTF-8, ``\u202e`` and ``\U000e0041`` for the rest.
A backslash stays as it is: addresses arrive already escaped by :func:`triage.model.address.escape_name`.
Markup (HTML, rich) and spreadsheet formulas are the concern of the reporter that has them.
"""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
MAX_MARKS = 6
"""Combining marks kept on one character; Thai, Hebrew and Burmese text stays below."""

MAX_LINE = 4000
"""Characters of one line of a message; a name can be 64 KiB long."""

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
# Assigned as letters, marks or symbols, but drawn as nothing (Unicode: Default_Ignorable_Code_Point, and U+2800).
_NO_GLYPH = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0})
_MARKS = frozenset({"Mn", "Me"})
_BLANKS = re.compile(r"[ \t\r\n\v\f\x85\u2028\u2029]+")


def escape_code(code: int) -> str:
    """The visible escape of one code point."""
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Escapes(dict[int, "str | int"]):
    """Translation table filled as characters are met; one entry for each distinct character seen."""

    def __init__(self, keep: str) -> None:
        super().__init__({ord(character): ord(character) for character in keep})

    def __missing__(self, code: int) -> str | int:
        unsafe = code in _NO_GLYPH or unicodedata.category(chr(code)) in _UNSAFE_CATEGORIES
        shown: str | int = escape_code(code) if unsafe else code
        self[code] = shown
        return shown


_SINGLE = _Escapes("")
_MULTI = _Escapes("\n\t")


def visible(text: str, *, multiline: bool = False) -> str:
    r"""``text`` with every character that could hide, reorder or command shown as an escape.

    Args:
        text: Any text, lone surrogates included.
        multiline: Keep line feeds and tabs; a carriage return before a line feed is dropped.

    Returns:
        Text that encodes as UTF-8 and holds no control, bidi or zero-width character but the kept ones.
    """
    if text.isascii():
        if text.isprintable():
            return text
        return text.replace("\r\n", "\n").translate(_MULTI) if multiline else text.translate(_SINGLE)
    shown = text.replace("\r\n", "\n").translate(_MULTI) if multiline else text.translate(_SINGLE)
    return _bounded_piles(shown)


def safe_line(text: str) -> str:
    """``text`` as one line of a terminal or log: like :func:`visible`, at most :data:`MAX_LINE` characters of it."""
    return visible(cut(text, MAX_LINE))


def one_line(text: str) -> str:
    """Like :func:`visible`, with every run of blanks and line ends as one blank and none at the ends."""
    return visible(_BLANKS.sub(" ", text).strip(" "))


def _bounded_piles(text: str) -> str:
    """Combining marks beyond :data:`MAX_MARKS` on one character as escapes."""
    marks = 0
    out: list[str] = []
    for character in text:
        if character.isascii() or unicodedata.category(character) not in _MARKS:
            marks = 0
            out.append(character)
            continue
        marks += 1
        out.append(character if marks <= MAX_MARKS else escape_code(ord(character)))
    return "".join(out)


def cell_width(text: str) -> int:
    """Terminal columns that ``text`` takes: wide characters 2, combining marks 0."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def elide_end(text: str, width: int) -> str:
    """``text`` cut to ``width`` terminal columns, with an ellipsis where something was cut."""
    if cell_width(text) <= width:
        return text
    return _head(text, width - 1) + ELLIPSIS if width > 0 else ""


def elide_middle(text: str, width: int, *, tail: float = 0.6) -> str:
    """``text`` cut in the middle to ``width`` terminal columns; of a path the end says most.

    Args:
        text: Sanitised text without line ends.
        width: Columns, 0 or more.
        tail: Share of the columns that the end gets.
    """
    if cell_width(text) <= width:
        return text
    if width < 3:
        return elide_end(text, width)
    behind = max(1, int((width - 1) * tail))
    return _head(text, width - 1 - behind) + ELLIPSIS + _tail(text, behind)


def cut(text: str, limit: int) -> str:
    """``text`` with at most ``limit`` characters, and how many are missing said at the end."""
    return text if len(text) <= limit else f"{text[:limit]}{ELLIPSIS} [{len(text) - limit} more characters]"


def _head(text: str, width: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += _character_width(character)
        if used > width:
            return text[:index]
    return text


def _tail(text: str, width: int) -> str:
    used = 0
    start = len(text)
    for index in range(len(text) - 1, -1, -1):
        used += _character_width(text[index])
        if used > width:
            break
        start = index
    while start < len(text) and unicodedata.category(text[start]) in _MARKS:  # a mark needs the base it lost
        start += 1
    return text[start:]
