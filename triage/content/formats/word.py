"""Word binary documents (Word 97 to 2003, and Word 6 and 95): the texts, put together from their pieces.

Specification: [MS-DOC] 2.4.1 (retrieving text), 2.5 (FIB); for Word 6 and 95 the FIB as published for WinWord 6. A
document that was saved fast holds its text in pieces in another order than the bytes; here they stand in the order of
reading. Not handled: encrypted documents, and what was deleted but is still in the file (a search of the raw bytes
finds that).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import unpack_from

from triage.content.formats.compound import Compound

STREAM = "WordDocument"
_TABLES = ("0Table", "1Table")
_PARTS = (
    ("text", 76), ("footnotes", 80), ("headers", 84), ("macros", 88), ("comments", 92), ("endnotes", 96),
    ("text boxes", 100), ("text boxes of headers", 104),
)  # fmt: skip
_WORD_97 = 105
_MAX_PIECES = 200_000
_PAGES = {
    1: "cp1256", 2: "cp1251", 4: "gb18030", 5: "cp1250", 8: "cp1253", 13: "cp1255", 14: "cp1250", 17: "cp932",
    18: "cp949", 21: "cp1250", 24: "cp1250", 25: "cp1251", 26: "cp1250", 27: "cp1250", 30: "cp874", 31: "cp1254",
    34: "cp1251", 35: "cp1251", 36: "cp1250", 37: "cp1257", 38: "cp1257", 39: "cp1257", 42: "cp1258", 47: "cp1251",
}  # fmt: skip
"""By primary language: the code page of Word 6 and 95, else Windows-1252."""
_BREAKS = {"\r": "\n", "\x07": "\t", "\x0b": "\n", "\x0c": "\n", "\x0e": "\n", "\x13": " ", "\x14": " ", "\x15": " ",
           "\x1e": "-", "\x1f": "", "\xad": "", "\xa0": " "}  # fmt: skip
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f\xa0\xad]")


def is_encrypted(main: bytes) -> bool:
    """Whether the document is encrypted or obfuscated with a password."""
    return len(main) >= 12 and bool(unpack_from("<H", main, 10)[0] & 0x0100)


def texts(compound: Compound, path: tuple[str, ...], limit: int) -> Iterator[tuple[str, str]]:
    """Names and texts of the parts of a document.

    Args:
        compound: Holds it.
        path: Storage in which it lies.
        limit: Characters in all.
    """
    found = compound.stream(*path, STREAM)
    if found is None or len(found.data) < 0x60 or is_encrypted(found.data):
        return
    main = found.data
    version, flags = unpack_from("<H", main, 2)[0], unpack_from("<H", main, 10)[0]
    if version < _WORD_97:
        yield from _old_texts(main, flags, limit)
        return
    table = compound.stream(*path, _TABLES[flags >> 9 & 1])
    place = unpack_from("<II", main, 0x1A2) if len(main) >= 0x1AA else (0, 0)
    clx = table.data[place[0] : place[0] + place[1]] if table is not None else b""
    units = _joined(main, clx, limit)
    if not units:
        # Without its table the text of a document that was saved at once stands between two marks.
        first, last = unpack_from("<II", main, 0x18)
        yield "text", _cleaned(main[first:last][: 2 * limit].decode("cp1252", "replace"))
        return
    position = 0
    for name, at in _PARTS:
        count = unpack_from("<I", main, at)[0] if len(main) >= at + 4 else 0
        part = units[position : position + 2 * count]
        position += 2 * count
        if part:
            yield name, _cleaned(part.decode("utf-16-le", "replace"))
    if position < len(units):
        yield "more text", _cleaned(units[position:].decode("utf-16-le", "replace"))


def _old_texts(main: bytes, flags: int, limit: int) -> Iterator[tuple[str, str]]:
    """Texts of Word 6 and 95: 8-bit, in one piece unless it was saved fast."""
    first, last = unpack_from("<II", main, 0x18)
    language = unpack_from("<H", main, 6)[0]
    codec = _PAGES.get(language & 0x3FF, "cp1252")
    raw = main[first : min(last, first + limit)]
    if flags & 4 and len(main) >= 0x168:
        at, length = unpack_from("<II", main, 0x160)
        pieces = list(_pieces(main[at : at + length]))
        joined = b"".join(main[place : place + count] for count, place in pieces)[:limit]
        raw = joined or raw
    yield "text", _cleaned(raw.decode(codec, "replace"))


def _pieces(clx: bytes) -> Iterator[tuple[int, int]]:
    """Characters and stored place of each piece, in the order of reading."""
    position = 0
    while position + 5 <= len(clx) and clx[position] == 1:
        position += 3 + unpack_from("<H", clx, position + 1)[0]
    if position + 5 > len(clx) or clx[position] != 2:
        return
    length = min(unpack_from("<I", clx, position + 1)[0], len(clx) - position - 5)
    base, count = position + 5, min((length - 4) // 12, _MAX_PIECES)
    for number in range(count):
        low, high = unpack_from("<II", clx, base + 4 * number)
        place = unpack_from("<I", clx, base + 4 * (count + 1) + 8 * number + 2)[0]
        if high > low:
            yield high - low, place


def _joined(main: bytes, clx: bytes, limit: int) -> bytes:
    """The whole text as UTF-16: a character of it is a position in the document."""
    out: list[bytes] = []
    left = limit
    for count, place in _pieces(clx):
        count = min(count, left, len(main))
        if place & 0x40000000:
            start = (place & 0x3FFFFFFF) // 2
            piece = main[start : start + count].decode("cp1252", "replace").encode("utf-16-le")
        else:
            start = place & 0x3FFFFFFF
            piece = main[start : start + 2 * count]
        # What the file lacks is kept as a gap, so that later parts stay in their places.
        out.append(piece + bytes(2 * count - len(piece)))
        left -= count
        if left <= 0:
            break
    return b"".join(out)


def _cleaned(text: str) -> str:
    """Text with marks of Word turned into breaks."""
    return _SPECIAL.sub(lambda match: _BREAKS.get(match[0], ""), text)
