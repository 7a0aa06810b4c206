"""Rows in a write-ahead log: pages that the database did not have yet, or has had.

Source: "Database File Format" of the SQLite project, section 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.content.sqlite.database import HEADER, LEAF, Database, cell_offsets
from triage.content.sqlite.records import Row

MAGICS = (0x377F0682, 0x377F0683)
FRAME = 24
LOG_HEADER = 32


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row in a log.

    Attributes:
        row: The row; its offset counts in the log, its page in the database.
        frame: Number of the frame, from 1.
        is_old: The frame is left from an earlier round of the log.
    """

    row: Row
    frame: int
    is_old: bool


def log_rows(data: bytes | memoryview) -> Iterator[LogRow]:
    """Rows of table pages in a log, each once though its page was written again and again.

    Args:
        data: The whole log.
    """
    if len(data) < LOG_HEADER:
        return
    magic, _, size, _, salt_1, salt_2 = struct.unpack_from(">6I", data, 0)
    size = 65536 if size == 1 else size
    if magic not in MAGICS or size < 512 or size & size - 1 or size > 65536:
        return
    told: set[tuple[int, object]] = set()
    encoding = _encoding(data, size)
    for number, offset in enumerate(range(LOG_HEADER, len(data) - FRAME - size + 1, FRAME + size), 1):
        page_number, _, first, second = struct.unpack_from(">4I", data, offset)
        page = data[offset + FRAME : offset + FRAME + size]
        begin = HEADER if page_number == 1 else 0
        if page[begin] != LEAF:
            continue
        reader = _Pages(size, encoding)
        for cell in cell_offsets(page, begin, 8):
            row = reader.row_at(page_number, page, cell, LEAF, strict=False)
            if row is None or (row.rowid, row.values) in told:
                continue
            told.add((row.rowid, row.values))
            inside = row.offset - reader.place(page_number)
            yield LogRow(
                Row(row.rowid, row.values, offset + FRAME + inside, page_number),
                number,
                (first, second) != (salt_1, salt_2),
            )


def _encoding(data: bytes | memoryview, size: int) -> int:
    """Number of the encoding, from a first page in the log; UTF-8 where there is none."""
    for offset in range(LOG_HEADER, len(data) - FRAME - size + 1, FRAME + size):
        if int.from_bytes(data[offset : offset + 4], "big") == 1:
            return int.from_bytes(data[offset + FRAME + 56 : offset + FRAME + 60], "big")
    return 1


class _Pages(Database):
    """A database of which only single pages are there."""

    def __init__(self, page_size: int, encoding: int) -> None:
        header = bytearray(HEADER)
        header[:16] = b"SQLite format 3\x00"
        struct.pack_into(">H", header, 16, 1 if page_size == 65536 else page_size)
        struct.pack_into(">I", header, 56, encoding)
        super().__init__(bytes(header))
        self.pages = 0
