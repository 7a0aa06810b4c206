"""Pages, b-trees and tables of an SQLite database.

Everything is read from the bytes given: no library opens the file, so that a damaged one gives what it has, and nothing
in it (views, triggers, virtual tables) is ever run. Pages are visited once; lengths and page numbers are believed only
as far as the file goes.

Source: "Database File Format" of the SQLite project, sections 1.2 to 1.7 and 2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.content.sqlite.columns import columns_of
from triage.content.sqlite.records import ENCODINGS, Row, parse_record, varint
from triage.errors import CorruptStructureError

MAGIC = b"SQLite format 3\x00"
HEADER = 100
LEAF, INTERIOR = 0x0D, 0x05
INDEX_LEAF, INDEX_INTERIOR = 0x0A, 0x02
MAX_DEPTH = 64
MAX_TABLES = 20_000
MAX_PAYLOAD = 64 << 20
"""Bytes of one row that are read."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: As the schema has it.
        root: Number of its first page.
        columns: Names, in order.
        rowid_column: Number of the column that stands for the row number and is stored as NULL; -1 where none.
        is_index: Rows lie in an index (WITHOUT ROWID), its key columns first.
    """

    name: str
    root: int
    columns: tuple[str, ...]
    rowid_column: int = -1
    is_index: bool = False


class Database:
    """A database in memory.

    Args:
        data: The whole file.

    Attributes:
        page_size: Bytes of a page.
        pages: Pages of the file, a part of one at the end counted.
        encoding: Of text, as ``codecs`` names it.
        visited: Numbers of the pages that a table, an index or one of their rows owns, as far as they were walked.
        damage: What did not hold, in words, each once.

    Raises:
        CorruptStructureError: It is no SQLite database.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        if len(data) < HEADER or bytes(data[:16]) != MAGIC:
            raise CorruptStructureError("no SQLite database: the header is missing")
        size = struct.unpack_from(">H", data, 16)[0]
        self.page_size = 65536 if size == 1 else size
        if self.page_size < 512 or self.page_size & self.page_size - 1:
            raise CorruptStructureError(f"impossible page size of an SQLite database: {self.page_size}")
        self._data = data
        self.usable = self.page_size - data[20]
        self.pages = -(-len(data) // self.page_size)
        self.encoding = ENCODINGS.get(struct.unpack_from(">I", data, 56)[0], "utf-8")
        self.visited: set[int] = set()
        self.damage: dict[str, None] = {}

    # --- pages ----------------------------------------------------------------------------------------------------
    def page(self, number: int) -> memoryview | bytes:
        """The bytes of a page, fewer at the end of a file that is cut; empty where there is none."""
        if not 1 <= number <= self.pages:
            return b""
        return self._data[(number - 1) * self.page_size : number * self.page_size]

    def place(self, number: int) -> int:
        """Offset of a page in the file."""
        return (number - 1) * self.page_size

    def free_pages(self) -> list[int]:
        """Numbers of the pages on the free list, as far as it holds."""
        trunk, count = struct.unpack_from(">II", self._data, 32)
        found: dict[int, None] = {}
        while trunk and trunk not in found and len(found) <= min(count, self.pages):
            page = self.page(trunk)
            if len(page) < 8:
                self.damage["the list of free pages leads out of the file"] = None
                break
            found[trunk] = None
            following, leaves = struct.unpack_from(">II", page, 0)
            for index in range(min(leaves, (len(page) - 8) // 4)):
                (leaf,) = struct.unpack_from(">I", page, 8 + 4 * index)
                if 1 <= leaf <= self.pages:
                    found.setdefault(leaf)
            trunk = following
        return list(found)

    # --- tables ---------------------------------------------------------------------------------------------------
    def tables(self) -> list[Table]:
        """The tables of the schema, virtual ones and indexes left out."""
        out: list[Table] = []
        for row in self.rows(Table("sqlite_schema", 1, ("type", "name", "tbl_name", "rootpage", "sql"))):
            kind, name, _, root, sql = (*row.values, None, None, None, None, None)[:5]
            if kind != "table" or not isinstance(name, str) or not isinstance(root, int) or root < 1:
                continue
            if len(out) >= MAX_TABLES:
                self.damage[f"more than {MAX_TABLES} tables"] = None
                break
            columns, rowid_column, is_index = columns_of(sql if isinstance(sql, str) else "")
            out.append(Table(name, root, columns, rowid_column, is_index))
        return out

    def rows(self, table: Table) -> Iterator[Row]:
        """The rows of a table, in the order of its tree."""
        stack = [(table.root, 0)]
        while stack:
            number, depth = stack.pop()
            page = self.page(number)
            if len(page) < 8 or number in self.visited or depth > MAX_DEPTH:
                self.damage[f"the tree of {table.name} does not hold"] = None
                continue
            self.visited.add(number)
            begin = HEADER if number == 1 else 0
            kind = page[begin]
            if kind in (LEAF, INDEX_LEAF):
                yield from self._leaf(number, page, table)
            elif kind in (INTERIOR, INDEX_INTERIOR):
                if kind == INDEX_INTERIOR and table.is_index:
                    yield from self._leaf(number, page, table)
                stack += [(child, depth + 1) for child in reversed(self.children(page, begin))]
            else:
                self.damage[f"the tree of {table.name} does not hold"] = None

    def children(self, page: memoryview | bytes, begin: int) -> list[int]:
        """Numbers of the pages below an inner page whose header begins at ``begin``."""
        out = [
            struct.unpack_from(">I", page, cell)[0] for cell in cell_offsets(page, begin, 12) if cell + 4 <= len(page)
        ]
        if begin + 12 <= len(page):
            out.append(struct.unpack_from(">I", page, begin + 8)[0])
        return out

    def _leaf(self, number: int, page: memoryview | bytes, table: Table) -> Iterator[Row]:
        begin = HEADER if number == 1 else 0
        kind = page[begin]
        for cell in cell_offsets(page, begin, 12 if kind == INDEX_INTERIOR else 8):
            row = self.row_at(number, page, cell, kind)
            if row is None:
                self.damage[f"a row of {table.name} does not hold"] = None
            elif row.values and 0 <= table.rowid_column < len(row.values) and row.values[table.rowid_column] is None:
                column = table.rowid_column
                yield Row(row.rowid, (*row.values[:column], row.rowid, *row.values[column + 1 :]), row.offset, number)
            else:
                yield row

    def row_at(self, number: int, page: memoryview | bytes, cell: int, kind: int, *, strict: bool = True) -> Row | None:
        """The row of a cell; None where there is none.

        Args:
            number: Of the page.
            page: Its bytes.
            cell: Offset of the cell in it.
            kind: Of the page: where the cell has a row number and a left child.
            strict: Pages that continue it are marked as visited.
        """
        position = cell + (4 if kind == INDEX_INTERIOR else 0)
        size, position = varint(page, position)
        rowid = -1
        if kind == LEAF:
            rowid, position = varint(page, position)
        if size < 1 or position >= len(page) or size > MAX_PAYLOAD:
            return None
        payload = self._payload(page, position, size, kind, strict=strict)
        values = parse_record(payload, self.encoding)
        return None if values is None else Row(rowid, values, self.place(number) + position, number)

    def _payload(
        self, page: memoryview | bytes, position: int, size: int, kind: int, *, strict: bool
    ) -> memoryview | bytes:
        """The bytes of a record, followed through its overflow pages."""
        most = self.usable - 35 if kind == LEAF else (self.usable - 12) * 64 // 255 - 23
        if size <= most:
            return page[position : position + size]
        least = (self.usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (self.usable - 4)
        local = local if local <= most else least
        parts = [bytes(page[position : position + local])]
        left = size - local
        following = int.from_bytes(page[position + local : position + local + 4], "big")
        seen: set[int] = set()
        while left > 0 and following and following not in seen:
            seen.add(following)
            more = self.page(following)
            if len(more) < 4 or (strict and following in self.visited):
                break
            parts.append(bytes(more[4 : min(self.usable, 4 + left)]))
            left -= len(parts[-1])
            following = int.from_bytes(more[:4], "big")
        if strict:
            self.visited |= seen
        return b"".join(parts)


def cell_offsets(page: memoryview | bytes, begin: int, header: int) -> list[int]:
    """Offsets of the cells of a b-tree page whose header begins at ``begin``, those inside the page."""
    count = int.from_bytes(page[begin + 3 : begin + 5], "big")
    first = begin + header
    count = min(count, max(0, (len(page) - first) // 2))
    offsets = struct.unpack_from(f">{count}H", page, first)
    return [offset for offset in offsets if first <= offset < len(page)]
