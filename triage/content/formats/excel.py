"""Excel binary workbooks (BIFF8 of Excel 97 to 2003, BIFF5 of Excel 5 and 95): what stands in the cells, by sheet.

Specification: [MS-XLS]. A row is a line that begins with the address of its first cell. Text, numbers, results of
formulas, comments, text boxes, hyperlinks, headers and footers are given; hidden sheets and rows say so. Numbers are
given as stored, so a date is a count of days. Not handled: encrypted workbooks, number formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import unpack_from

from triage.content.formats.codepages import codec_of_number

_EOF, _CONTINUE, _FILEPASS, _BOF = 0x0A, 0x3C, 0x2F, 0x809
_HIDDEN = {1: " (hidden)", 2: " (very hidden)"}
_MAX_SHEETS = 10_000
_MAX_STRINGS = 4_000_000
_LINK_TEXT = re.compile(rb"(?:[\x20-\x7e]\x00|[\x01-\xff][\x04-\x06]){5,2000}")


@dataclass(slots=True)
class _Book:
    """A workbook while it is read."""

    data: bytes
    codec: str = "cp1252"
    is_wide: bool = True
    strings: list[str] = field(default_factory=list)
    sheets: list[tuple[str, int]] = field(default_factory=list)
    left: int = 0
    is_encrypted: bool = False


def _records(data: bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """Type, offset and end of each record from an offset on; ends where they do not hold."""
    while position + 4 <= len(data):
        kind, length = unpack_from("<HH", data, position)
        yield kind, position + 4, min(position + 4 + length, len(data))
        position += 4 + length


def is_encrypted(data: bytes) -> bool:
    """Whether a workbook stream says that its records are encrypted."""
    for number, (kind, _, _) in enumerate(_records(data, 0)):
        if kind == _FILEPASS:
            return True
        if kind == _EOF or number > 200:
            break
    return False


def texts(data: bytes, limit: int) -> Iterator[tuple[str, str]]:
    """Names and texts of the sheets of a workbook stream.

    Args:
        data: The stream.
        limit: Characters in all.
    """
    if is_encrypted(data):
        return
    book = _Book(data, left=limit)
    _read_globals(book)
    seen: set[int] = set()
    for name, place in book.sheets:
        if place in seen or book.left <= 0:
            continue
        seen.add(place)
        words = "\n".join(_sheet(book, place))
        if words:
            yield name, words
    if not seen:
        yield "strings", "\n".join(filter(None, book.strings))


def _read_globals(book: _Book) -> None:
    """Names and places of the sheets, and the strings that they share."""
    data = book.data
    for kind, start, end in _records(data, 0):
        if kind == _BOF and end - start >= 4:
            book.is_wide = unpack_from("<H", data, start)[0] >= 0x600
        elif kind == 0x42 and end - start >= 2:
            book.codec = codec_of_number(unpack_from("<H", data, start)[0]) or "cp1252"
        elif kind == 0x85 and end - start >= 8 and len(book.sheets) < _MAX_SHEETS:
            place, state, _, count = unpack_from("<IBBB", data, start)
            if book.is_wide:
                name = _characters(data, start + 8, end, count, data[start + 7])[0]
            else:
                name = data[start + 7 : min(start + 7 + count, end)].decode(book.codec, "replace")
            book.sheets.append((f"sheet {name}{_HIDDEN.get(state & 3, '')}", place))
        elif kind == 0xFC:
            book.strings = _shared_strings(data, start, end, book.left)
            book.left -= sum(map(len, book.strings)) // 2
        elif kind == _EOF:
            break


def _characters(data: bytes, start: int, end: int, count: int, flags: int) -> tuple[str, int]:
    """Text of so many characters, 8 or 16 bits each, and the offset behind it."""
    if flags & 1:
        stop = min(start + 2 * count, end)
        return data[start:stop].decode("utf-16-le", "replace"), stop
    stop = min(start + count, end)
    return data[start:stop].decode("latin-1"), stop


def _shared_strings(data: bytes, start: int, end: int, limit: int) -> list[str]:
    """The table of strings, which goes on in the records behind it; each of them may cut a string."""
    blocks = [(start, end)]
    for kind, low, high in _records(data, end):
        if kind != _CONTINUE:
            break
        blocks.append((low, high))
    reader = _StringReader(data, blocks)
    wanted = min(unpack_from("<I", data, start + 4)[0] if end - start >= 8 else 0, _MAX_STRINGS)
    reader.position = start + 8
    out: list[str] = []
    while len(out) < wanted and limit > 0:
        text = reader.next()
        if text is None:
            break
        out.append(text)
        limit -= len(text)
    return out


class _StringReader:
    """Reads strings over a row of blocks."""

    def __init__(self, data: bytes, blocks: list[tuple[int, int]]) -> None:
        self.data = data
        self.blocks = blocks
        self.block = 0
        self.position = blocks[0][0]

    def skip(self, length: int) -> bool:
        """Step over bytes that may go on in the next blocks; False at the end."""
        while True:
            if length <= (here := self.blocks[self.block][1] - self.position):
                self.position += length
                return True
            length -= max(here, 0)
            if not self.advance():
                return False

    def advance(self) -> bool:
        """Go to the next block; False where there is none."""
        if self.block + 1 >= len(self.blocks):
            return False
        self.block += 1
        self.position = self.blocks[self.block][0]
        return True

    def next(self) -> str | None:
        """The next string, None at the end."""
        if self.position >= self.blocks[self.block][1] and not self.advance():
            return None
        if self.position + 3 > self.blocks[self.block][1]:
            return None
        count, flags = unpack_from("<HB", self.data, self.position)
        self.position += 3
        runs = extra = 0
        if flags & 8:
            runs = int.from_bytes(self.data[self.position : self.position + 2], "little")
            self.position += 2
        if flags & 4:
            extra = int.from_bytes(self.data[self.position : self.position + 4], "little")
            self.position += 4
        parts: list[str] = []
        while count > 0:
            end = self.blocks[self.block][1]
            text, self.position = _characters(self.data, self.position, end, count, flags)
            parts.append(text)
            count -= len(text.encode("utf-16-le", "replace")) // 2
            if count > 0:
                if not self.advance() or self.position >= self.blocks[self.block][1]:
                    break
                flags = self.data[self.position]  # a cut string says again how wide it is
                self.position += 1
        if not self.skip(4 * runs + extra):
            self.position = self.blocks[-1][1]
        return "".join(parts)


def _sheet(book: _Book, place: int) -> Iterator[str]:
    """Lines of one sheet: rows, then comments and the like."""
    data = book.data
    rows: dict[int, dict[int, str]] = {}
    hidden: set[int] = set()
    others: list[str] = []
    formula = (-1, -1)
    depth = 0
    for kind, start, end in _records(data, place):
        if kind == _BOF:
            depth += 1
        elif kind == _EOF:
            depth -= 1
            if depth <= 0:
                break
        elif kind == 0x207:  # the result of the formula in front, where it is text
            _put(book, rows, *formula, _long_text(book, start, end))
        elif kind == 0x208 and end - start >= 14:
            if data[start + 12] & 0x20:
                hidden.add(unpack_from("<H", data, start)[0])
        elif kind in (0x14, 0x15, 0x1B6, 0x1B8, 0x1C):
            others.extend(_other(book, kind, start, end))
        elif end - start >= 6:
            row, column = unpack_from("<HH", data, start)
            formula = (row, column) if kind == 6 else formula
            for offset, value in enumerate(_cell(book, kind, start, end)):
                _put(book, rows, row, column + offset, value)
        if book.left <= 0:
            break
    for row in sorted(rows):
        cells = rows[row]
        first = min(cells)
        mark = "(hidden row) " if row in hidden else ""
        yield f"{mark}{column_name(first)}{row + 1}\t" + "\t".join(cells[column] for column in sorted(cells))
    yield from (text for text in others if text.strip())


def _put(book: _Book, rows: dict[int, dict[int, str]], row: int, column: int, value: str) -> None:
    if value and row >= 0:
        rows.setdefault(row, {})[column] = value.replace("\n", " ").replace("\r", " ").replace("\t", " ")
        book.left -= len(value)


def _cell(book: _Book, kind: int, start: int, end: int) -> list[str]:
    """What a cell record shows, one text a cell."""
    data, size = book.data, end - start
    if kind == 0xFD and size >= 10:
        index = unpack_from("<I", data, start + 6)[0]
        return [book.strings[index] if index < len(book.strings) else ""]
    if kind in (0x204, 0xD6) and size >= 8:
        return [_long_text(book, start + 6, end)]
    if kind == 0x203 and size >= 14:
        return [_shown(unpack_from("<d", data, start + 6)[0])]
    if kind == 0x27E and size >= 10:
        return [_shown(_packed(unpack_from("<I", data, start + 6)[0]))]
    if kind == 0xBD and size >= 12:
        count = (size - 6) // 6
        return [_shown(_packed(unpack_from("<I", data, start + 6 + 6 * number)[0])) for number in range(count)]
    if kind == 6 and size >= 14 and data[start + 12 : start + 14] != b"\xff\xff":
        return [_shown(unpack_from("<d", data, start + 6)[0])]
    return []


def _long_text(book: _Book, start: int, end: int) -> str:
    """A text with its length in 16 bits in front."""
    data = book.data
    if end - start < 3:
        return ""
    count = unpack_from("<H", data, start)[0]
    if book.is_wide:
        return _characters(data, start + 3, end, count, data[start + 2])[0]
    return data[start + 2 : min(start + 2 + count, end)].decode(book.codec, "replace")


def _other(book: _Book, kind: int, start: int, end: int) -> list[str]:
    """Text beside the cells: headers and footers, comments and text boxes, hyperlinks."""
    data = book.data
    if kind in (0x14, 0x15):
        return [_long_text(book, start, end)]
    if kind == 0x1C:  # who wrote a comment, and where it stands
        if book.is_wide and end - start >= 11:
            row, column = unpack_from("<HH", data, start)
            return [f"comment at {column_name(column)}{row + 1} by {_long_text(book, start + 8, end)}"]
        return [data[start + 6 : end].decode(book.codec, "replace")]
    if kind == 0x1B8:
        return [match[0].decode("utf-16-le", "replace") for match in _LINK_TEXT.finditer(data, start, end)]
    following = next(_records(data, end), (0, 0, 0))
    if following[0] == _CONTINUE and following[2] > following[1] and end - start >= 12:
        count = unpack_from("<H", data, start + 10)[0]
        return [_characters(data, following[1] + 1, following[2], count, data[following[1]])[0].replace("\r", "\n")]
    return []


def _shown(value: float) -> str:
    return f"{value:.15g}"


def _packed(value: int) -> float:
    """A number of 30 bits (RK)."""
    if value & 2:
        number = float((value >> 2) - (1 << 30 if value & 0x80000000 else 0))
    else:
        number = float(unpack_from("<d", bytes(4) + (value & 0xFFFFFFFC).to_bytes(4, "little"))[0])
    return number / 100 if value & 1 else number


def column_name(column: int) -> str:
    """Letters of a column, counted from 0."""
    name = ""
    column += 1
    while column > 0:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name
