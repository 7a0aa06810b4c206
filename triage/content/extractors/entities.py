"""Character references of XML and HTML.

Entities that a document defines itself are not expanded: they stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.entities import html5

REFERENCE = re.compile(rb"&(?:#(?:[xX]([0-9A-Fa-f]{1,8})|([0-9]{1,9}));?|([A-Za-z][A-Za-z0-9]{1,31});)")
TELLING = re.compile(rb"&(?!(?:amp|quot|lt|gt|apos);)(?:#|[A-Za-z][A-Za-z0-9]{1,31};)")
"""A reference behind which a letter may hide from a search of the raw bytes."""

_BLANKS = frozenset("\u00a0\u2002\u2003\u2009\u202f")


def find_references(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, str]]:
    """Character references in a range, ascending.

    Yields:
        Offset of the reference, offset behind it, and its text: one character as a rule, a blank for each kind of
        blank; two UTF-16 halves that follow each other are one.
    """
    half: tuple[int, int, int] | None = None
    for match in REFERENCE.finditer(data, start, stop):
        code = _code(match)
        if half is not None:
            at, behind, high = half
            half = None
            if 0xDC00 <= code <= 0xDFFF and match.start() == behind:
                yield at, match.end(), chr(0x10000 + ((high - 0xD800) << 10) + code - 0xDC00)
                continue
            yield at, behind, "\ufffd"
        if 0xD800 <= code <= 0xDBFF:
            half = match.start(), match.end(), code
        elif code >= 0:
            yield match.start(), match.end(), _character(code)
        else:
            text = html5.get(match[3].decode("ascii") + ";")
            if text is not None:
                yield match.start(), match.end(), " " if text in _BLANKS else text
    if half is not None:
        yield half[0], half[1], "\ufffd"


def _code(match: re.Match[bytes]) -> int:
    """The code point of a numeric reference, -1 for a named one."""
    if match[1]:
        return int(match[1], 16)
    return int(match[2]) if match[2] else -1


def _character(code: int) -> str:
    """The character of a code point; what none has becomes U+FFFD, and 128 to 159 mean Windows-1252, as in HTML."""
    if code > 0x10FFFF or code == 0 or 0xDC00 <= code <= 0xDFFF:
        return "\ufffd"
    if 0x80 <= code <= 0x9F:
        return bytes((code,)).decode("cp1252", "replace")
    character = chr(code)
    if character in _BLANKS or (code < 32 and character not in "\t\n"):
        return " "
    return character
