"""Records of SQLite: numbers of variable length, serial types, values with the place of each.

Source: "Database File Format" of the SQLite project, sections 1.6 and 2.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_COLUMNS = 2000
"""As many as SQLite itself allows by default."""
ENCODINGS = {1: "utf-8", 2: "utf-16-le", 3: "utf-16-be"}

Value = None | int | float | str | bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        rowid: Its number; -1 where that is lost.
        values: In the order of the columns.
        offset: Of its record in the file, bytes.
        page: Number of the page, from 1.
    """

    rowid: int
    values: tuple[Value, ...]
    offset: int
    page: int


def varint(data: bytes | memoryview, offset: int) -> tuple[int, int]:
    """A number of one to nine bytes, and the offset behind it; (-1, offset) where the data end."""
    value = 0
    for index in range(offset, min(offset + 8, len(data))):
        byte = data[index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index + 1
    if offset + 8 < len(data):
        value = value << 8 | data[offset + 8]
        return (value - (1 << 64) if value >= 1 << 63 else value), offset + 9
    return -1, offset


def serial_types(header: bytes | memoryview, start: int, end: int) -> list[int] | None:
    """The types in a record header between two offsets; None where they make no sense."""
    types: list[int] = []
    while start < end:
        kind, start = varint(header, start)
        if kind < 0 or kind in (10, 11) or start > end or len(types) >= MAX_COLUMNS:
            return None
        types.append(kind)
    return types


_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


def size_of(kind: int) -> int:
    """Bytes of a value of a serial type."""
    return _SIZES[kind] if kind < 10 else (kind - 12) // 2


def value_of(kind: int, raw: bytes, encoding: str) -> Value:
    """The value of a serial type; text that does not decode keeps what does."""
    if kind == 0:
        return None
    if kind <= 6:
        return int.from_bytes(raw, "big", signed=True)
    if kind == 7:
        return float(struct.unpack(">d", raw)[0]) if len(raw) == 8 else None
    if kind in (8, 9):
        return kind - 8
    return raw.decode(encoding, "replace") if kind % 2 else raw


def parse_record(payload: bytes | memoryview, encoding: str) -> tuple[Value, ...] | None:
    """The values of a whole record; None where it is none.

    A record whose end is missing keeps the values that are there.
    """
    size, start = varint(payload, 0)
    if size < 1 or size > len(payload):
        return None
    types = serial_types(payload, start, size)
    if types is None:
        return None
    values: list[Value] = []
    position = size
    for kind in types:
        length = size_of(kind)
        if position + length > len(payload) and length:
            break
        values.append(value_of(kind, bytes(payload[position : position + length]), encoding))
        position += length
    return tuple(values)
