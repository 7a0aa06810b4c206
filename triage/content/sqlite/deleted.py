"""Rows that were deleted: on free pages, in free blocks of pages, and in the bytes between their pointers and cells.

Deleting a row links its cell into a list of free blocks, which overwrites its first four bytes; deleting many leaves
whole pages on the free list. A cell that is whole is taken by its own lengths; of one that lost its beginning, the
serial types that are left must describe a row with the columns of a table of this database.

Source: "Database File Format" of the SQLite project, sections 1.5 and 1.6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from triage.content.sqlite.database import HEADER, INTERIOR, LEAF, Database, Table, cell_offsets
from triage.content.sqlite.records import MAX_COLUMNS, Row, Value, size_of, value_of, varint

MAX_ROWS = 200_000
"""Deleted rows of one database."""
_MOST_STEPS = 4 << 20
"""Places that are tried in one database."""
_NEAR = 48
_MOST_TABLES = 8
"""Tables that a headless row on a free page is tried as."""
_FITS_INTEGER = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 6: 5, 8: 6}


@dataclass(frozen=True, slots=True)
class Deleted:
    """A row that was deleted.

    Attributes:
        table: That it fits, empty where several or none do.
        row: What is left of it.
        place: ``free page``, ``free block`` or ``unused bytes``.
    """

    table: str
    row: Row
    place: str


def deleted_rows(database: Database, tables: Sequence[Table]) -> Iterator[Deleted]:
    """Deleted rows, by page.

    Args:
        database: Its live rows must have been read, so that it knows whose each page is.
        tables: Of its schema.
    """
    yield from _Search(database, tables).rows()


class _Search:
    def __init__(self, database: Database, tables: Sequence[Table]) -> None:
        self._database = database
        self._tables = [table for table in tables if table.columns and not table.is_index]
        self._by_count: dict[int, list[Table]] = {}
        for table in self._tables:
            self._by_count.setdefault(len(table.columns), []).append(table)
        self._steps = _MOST_STEPS
        self._found = 0

    def rows(self) -> Iterator[Deleted]:
        owners = {page: table for table in self._tables for page in _leaves(self._database, table)}
        free = self._database.free_pages()
        for number in sorted({*owners, *free}):
            table = owners.get(number)
            source = self._unused(number, table) if table is not None else self._free_page(number)
            for found in source:
                if self._found >= MAX_ROWS:
                    self._database.damage[f"more than {MAX_ROWS} deleted rows"] = None
                    return
                self._found += 1
                yield found
            if self._steps <= 0:
                self._database.damage["the search for deleted rows stopped at its limit"] = None
                return

    # --- pages ----------------------------------------------------------------------------------------------------
    def _free_page(self, number: int) -> Iterator[Deleted]:
        """Rows on a page of the free list: those of its old pointers, else whatever reads as a cell."""
        page = self._database.page(number)
        taken: list[tuple[int, int]] = []
        if len(page) > 8 and page[0] == LEAF:
            for cell in cell_offsets(page, 0, 8):
                row = self._database.row_at(number, page, cell, LEAF, strict=False)
                if row is not None and self._is_text(row.values):
                    taken.append((cell, cell + 4))
                    yield Deleted(self._fits(row.values), row, "free page")
        if taken:
            return
        blocks = _free_blocks(page, 0) if page[:1] == b"\x0d" else []
        for start, end in blocks or [(8, len(page))]:
            for row in self._block(number, page, start, end, None):
                yield Deleted(self._fits(row.values), row, "free page")

    def _unused(self, number: int, table: Table) -> Iterator[Deleted]:
        """Rows in the free blocks of a live page, and in front of its cells."""
        page = self._database.page(number)
        begin = HEADER if number == 1 else 0
        count, content = (int.from_bytes(page[begin + at : begin + at + 2], "big") for at in (3, 5))
        first = begin + 8 + 2 * count
        for row in self._whole_cells(number, page, first, min(content or 65536, len(page)), table):
            yield Deleted(table.name, row, "unused bytes")
        for start, end in _free_blocks(page, begin):
            for row in self._block(number, page, start, end, table):
                yield Deleted(table.name, row, "free block")

    def _block(self, number: int, page: memoryview | bytes, start: int, end: int, table: Table | None) -> Iterator[Row]:
        """Rows in bytes that were freed cell by cell: each may be whole or without its beginning.

        Cells lie side by side: one without its beginning is looked for close behind the start, and behind another.
        """
        tables = [table] if table is not None else self._tables[:_MOST_TABLES]
        near = start + _NEAR
        while start + 4 < end and self._steps > 0:
            self._steps -= 1
            found = self._cell(number, page, start, end, table)
            for each in tables if start < near else ():
                found = found or self._headless(number, page, start, end, each)
            if found is None:
                start += 1
                continue
            row, start = found
            near = start + _NEAR
            yield row

    # --- cells ----------------------------------------------------------------------------------------------------
    def _whole_cells(
        self, number: int, page: memoryview | bytes, start: int, end: int, table: Table | None
    ) -> Iterator[Row]:
        """Cells whose lengths agree, one behind another; of a table, or of any."""
        position = start
        while position + 4 < end:
            self._steps -= 1
            if self._steps <= 0:
                return
            if not page[position]:
                position += 1
                continue
            found = self._cell(number, page, position, end, table)
            if found is None:
                position += 1
                continue
            row, position = found
            yield row

    def _cell(
        self, number: int, page: memoryview | bytes, position: int, end: int, table: Table | None
    ) -> tuple[Row, int] | None:
        size, at = varint(page, position)
        if size < 2 or size > end - at:
            return None
        rowid, at = varint(page, at)
        if rowid < 0 or at + size > end:
            return None
        length, types_at = varint(page, at)
        if not 1 < length <= size or length > 9 * MAX_COLUMNS:
            return None
        read = self._types(page, types_at, at + length, None)
        if read is None or sum(map(size_of, read)) != size - length:
            return None
        if not self._may_be(read, table):
            return None
        values = self._values(page, at + length, read)
        if values is None or not self._is_text(values):
            return None
        return Row(rowid, values, self._database.place(number) + at, number), at + size

    def _may_be(self, kinds: Sequence[int], table: Table | None) -> bool:
        """Whether a row of such types may be one of a table, or of any."""
        tables = [table] if table is not None else self._by_count.get(len(kinds), [])
        return any(
            len(kinds) == len(each.columns) and (each.rowid_column < 0 or not kinds[each.rowid_column])
            for each in tables
        )

    def _headless(
        self, number: int, page: memoryview | bytes, start: int, end: int, table: Table
    ) -> tuple[Row, int] | None:
        """The row of a cell without its first four bytes, and the offset behind it."""
        count = len(table.columns)
        for types_at, lost in ((start + 4, 0), (start + 4, 1), (start + 5, 0), (start + 6, 0), (start + 7, 0)):
            read = self._types(page, types_at, end, count - lost)
            if read is None:
                continue
            body = types_at + _width(page, types_at, count - lost)
            size = sum(map(size_of, read))
            first = end - body - size
            if first < 0:
                continue
            if lost and table.rowid_column == 0:
                kinds, stop = [0, *read], body + size
            elif lost:
                kinds, stop = [_FITS_INTEGER.get(first, 13 + 2 * first), *read], end
            else:
                kinds, stop = read, body + size
            if stop > end or (table.rowid_column >= 0 and kinds[table.rowid_column]):
                continue
            values = self._values(page, body, kinds)
            if values is not None and self._is_text(values):
                return Row(-1, values, self._database.place(number) + types_at, number), stop
        return None

    def _types(self, page: memoryview | bytes, start: int, end: int, count: int | None) -> list[int] | None:
        """Serial types from a place on: so many, or up to ``end``."""
        out: list[int] = []
        while start < end and (count is None or len(out) < count):
            kind, start = varint(page, start)
            if kind < 0 or kind in (10, 11) or start > end or len(out) >= MAX_COLUMNS:
                return None
            if size_of(kind) > len(page):
                return None
            out.append(kind)
        return out if out and (count is None or len(out) == count) else None

    def _values(self, page: memoryview | bytes, start: int, kinds: Sequence[int]) -> tuple[Value, ...] | None:
        """Values of these types; None where a text is none."""
        out: list[Value] = []
        for kind in kinds:
            raw = bytes(page[start : start + size_of(kind)])
            if len(raw) < size_of(kind):
                return None
            if kind >= 13 and kind % 2:
                try:
                    text = raw.decode(self._database.encoding)
                except UnicodeDecodeError:
                    return None
                if any(character < " " and character not in "\t\r\n" for character in text):
                    return None
            out.append(value_of(kind, raw, self._database.encoding))
            start += len(raw)
        return tuple(out)

    def _is_text(self, values: Sequence[Value]) -> bool:
        """Whether there is anything in a row that a person may have written."""
        return any(isinstance(value, str) and len(value.strip()) > 1 for value in values)

    def _fits(self, values: Sequence[Value]) -> str:
        tables = self._by_count.get(len(values), [])
        return tables[0].name if len(tables) == 1 else ""


def _free_blocks(page: memoryview | bytes, begin: int) -> list[tuple[int, int]]:
    """Free blocks of a page whose header begins at ``begin``: start and end."""
    out: list[tuple[int, int]] = []
    block = int.from_bytes(page[begin + 1 : begin + 3], "big")
    while block + 4 <= len(page) and block > (out[-1][0] if out else begin):
        out.append((block, min(block + int.from_bytes(page[block + 2 : block + 4], "big"), len(page))))
        block = int.from_bytes(page[block : block + 2], "big")
    return out


def _width(page: memoryview | bytes, start: int, count: int) -> int:
    """Bytes of so many numbers."""
    at = start
    for _ in range(count):
        _, at = varint(page, at)
    return at - start


def _leaves(database: Database, table: Table) -> Iterator[int]:
    """Numbers of the leaf pages of a table."""
    stack, seen = [table.root], set()
    while stack:
        number = stack.pop()
        page = database.page(number)
        begin = HEADER if number == 1 else 0
        if number in seen or len(page) < begin + 12:
            continue
        seen.add(number)
        if page[begin] == LEAF:
            yield number
        elif page[begin] == INTERIOR:
            stack += database.children(page, begin)
