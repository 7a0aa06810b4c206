"""Where the chunks of an E01 lie: the tables, loaded when they are needed and checked when they are loaded.

A table holds one entry of 32 bits for each chunk: its highest bit says that the chunk is compressed, the others are
the offset behind the table's base. A chunk ends where the next one begins, the last of a table where the section ends
that it lies in. Entries out of order are followed all the same: each chunk carries its own checksum.

Source: Expert Witness Compression Format specification (Joachim Metz), sections "Table", "Table2".
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_right
from dataclasses import dataclass

from triage.errors import ReadFailedError
from triage.evidence.containers.ewf_sections import DESCRIPTOR, MAX_CHUNK, Table
from triage.evidence.containers.segment_file import shown_name
from triage.model.address import Address
from triage.model.problem import Problem, Reason

STAGE = "evidence/ewf"
MAX_ENTRIES_HELD = 1 << 21
"""Table entries kept, 8 MiB; one table of EnCase has 16,375."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk is stored in its segment file.

    Attributes:
        start: First byte.
        end: Byte behind the last one; may be too far where the end is not stated.
        compressed: The chunk is a zlib stream.
    """

    start: int
    end: int
    compressed: bool


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Entries of one table; ``wide_from`` is the first entry that uses all 32 bits as offset."""

    values: array[int]
    wide_from: int


class ChunkIndex:
    """Finds chunks.

    Args:
        tables: Placed tables, ascending by ``first``, not overlapping.
        size: Bytes of the media.
        chunk_size: Bytes in a chunk.
        evidence_name: For the addresses of Problems.

    Attributes:
        tables: As given.
        problems: Damaged tables met so far; whoever tells them takes them out.
    """

    def __init__(self, tables: list[Table], size: int, chunk_size: int, evidence_name: str) -> None:
        self.tables = tables
        self.problems: list[Problem] = []
        self._firsts = [table.first for table in tables]
        self._size = size
        self._chunk_size = chunk_size
        self._name = evidence_name
        self._loaded: dict[tuple[int, bool], _Loaded] = {}
        self._bounds: dict[int, list[int]] = {}
        self._told: set[int] = set()

    def clear(self) -> None:
        """Forget the loaded entries."""
        self._loaded.clear()

    def find(self, chunk: int) -> tuple[int, int]:
        """Index of the table that has a chunk and the entry in it; index -1 where none has it."""
        index = bisect_right(self._firsts, chunk) - 1
        if index < 0:
            return -1, 0
        entry = chunk - self._firsts[index]
        return (index, entry) if entry < self.tables[index].count else (-1, 0)

    def _load(self, index: int, backup: bool) -> _Loaded | None:
        """Entries of a table, or of its second copy where there is one."""
        key = (index, backup)
        loaded = self._loaded.get(key)
        if loaded is not None:
            return loaded
        table: Table | None = self.tables[index]
        if backup:
            table = self.tables[index].backup
        if table is None:
            return None
        values, holds = _read_entries(table)
        if not backup and not holds:
            values = self._choose(index, values)
        loaded = _Loaded(values, _wide_from(values) if _may_be_wide(table) else len(values))
        held = sum(len(other.values) for other in self._loaded.values())
        while self._loaded and held + len(values) > MAX_ENTRIES_HELD:
            held -= len(self._loaded.pop(next(iter(self._loaded))).values)
        self._loaded[key] = loaded
        return loaded

    def _choose(self, index: int, values: array[int]) -> array[int]:
        """Entries to use where the checksum of the first copy is wrong: the second copy's if they hold."""
        table = self.tables[index]
        rescued = False
        if table.backup is not None and table.backup.base == table.base:
            other, rescued = _read_entries(table.backup)
            values = other if rescued else values
        if index not in self._told:
            self._told.add(index)
            offset = table.first * self._chunk_size
            length = min(table.count * self._chunk_size, self._size - offset)
            self.problems.append(
                Problem(
                    str(Address(self._name, "p0", space="gap", offset=offset, length=length)),
                    STAGE,
                    Reason.CORRUPT,
                    f"wrong checksum of the table for chunks {table.first} to {table.first + table.count}, or it "
                    f"cannot be read, in {shown_name(table.segment.file.path)}; "
                    + ("the second table is used" if rescued else "used as it is, each chunk has its own checksum"),
                    "compare with another copy of the image",
                    examined_anyway=True,
                )
            )
        return values

    def _section_end(self, table: Table, offset: int) -> int:
        """Byte behind the section that holds an offset of the segment file."""
        key = table.segment.number
        bounds = self._bounds.get(key)
        if bounds is None:
            bounds = self._bounds[key] = [section.start for section in table.segment.sections]
        index = bisect_right(bounds, offset) - 1
        if index >= 0 and offset < table.segment.sections[index].end:
            return min(table.segment.sections[index].end, table.segment.file.size)
        return bounds[index + 1] - DESCRIPTOR if index + 1 < len(bounds) else table.segment.file.size

    def locate(self, index: int, entry: int, backup: bool = False) -> Place | None:
        """Where a chunk is stored; None where the entry cannot be right.

        Args:
            index: Of the table.
            entry: In the table.
            backup: Ask the second copy of the table.
        """
        loaded = self._load(index, backup)
        table = self.tables[index].backup if backup else self.tables[index]
        if loaded is None or table is None or entry >= len(loaded.values):
            return None
        value = loaded.values[entry]
        wide = entry >= loaded.wide_from
        start = table.base + (value if wide else value & 0x7FFFFFFF)
        most = start + self._chunk_size + (self._chunk_size >> 3) + 64
        end = 0
        if entry + 1 < len(loaded.values):
            following = loaded.values[entry + 1]
            end = table.base + (following if entry + 1 >= loaded.wide_from else following & 0x7FFFFFFF)
        if end == start:  # no bytes at all; what stands there is the next chunk
            return None
        if not start < end <= most:
            end = min(most, self._section_end(table, start))
        if end > table.segment.file.size or end <= start:
            return None
        return Place(start, end, not wide and value >= 0x80000000)


def _read_entries(table: Table) -> tuple[array[int], bool]:
    """Entries of a table and whether their checksum holds; old writers have none, which holds."""
    try:
        raw = table.segment.file.read_at(table.entries, table.count * 4 + 4)
    except ReadFailedError:
        return array("I"), False
    values: array[int] = array("I")
    values.frombytes(raw[: min(len(raw), table.count * 4) & ~3])
    if sys.byteorder == "big":
        values.byteswap()
    holds = table.header_holds
    if table.section.size >= 24 + table.count * 4 + 4 and not _has_data_behind(table):
        holds = holds and zlib.adler32(raw[: table.count * 4]) == int.from_bytes(raw[table.count * 4 :], "little")
    return values, holds


def _has_data_behind(table: Table) -> bool:
    """True where chunks follow the entries inside the section, as SMART writes them, without a checksum between."""
    return table.section.size > 24 + table.count * 4 + 4 + 12


def _may_be_wide(table: Table) -> bool:
    """True where an offset in the segment file may need the 32nd bit."""
    return table.segment.file.size - table.base > 0x7FFFFFFF


def _wide_from(values: array[int]) -> int:
    """First entry that uses its highest bit for the offset.

    EnCase 6.7 writes segment files over 2 GiB without a base: once an offset passes 2 GiB the bit is no flag any more,
    and the chunks behind are stored as they are. Seen by an offset that falls back.
    Source: libewf ``libewf_chunk_group.c``, the overflow rule.
    """
    previous = -1
    for index, value in enumerate(values):
        offset = value & 0x7FFFFFFF
        if offset < previous:
            overflows = previous > 0x7FFFFFFF - 2 * MAX_CHUNK and value > previous
            return index if overflows else len(values)
        previous = offset
    return len(values)
