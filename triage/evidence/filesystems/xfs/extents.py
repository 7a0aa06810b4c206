"""Where a fork of an inode lies: extent lists in the inode and B+trees of extents.

Source: "XFS Algorithms & Data Structures", chapters "Data Extents" (extent list, B+tree extent list) and "B+trees"
(long format).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.xfs import checksum, inode
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.model.byte_run import ByteRun
from triage.model.stream import Stream

MAX_EXTENTS = 1 << 22
"""Extents of one file that are followed."""
MAX_BAD = 64
"""Parts of one file that do not hold and are told one by one; behind the last all is bad."""
MAX_NOTES = 4
"""Blocks with a wrong checksum that are named for one file."""
END = 1 << 54
"""Blocks that a file can have at most."""

_SHORT_LIST = 8
_PAIR = struct.Struct(">QQ")
_MAGICS = (b"BMAP", b"BMA3")
_LONG, _LONG_CRC = 24, 72
_LONG_CRC_FIELD, _OWNER_FIELD = 64, 56
_MOST_LEVELS = 12


@dataclass(frozen=True, slots=True)
class Bad:
    """Bytes of a fork whose place cannot be told.

    Attributes:
        start: First byte of them.
        end: Behind the last.
        message: Why.
    """

    start: int
    end: int
    message: str


@dataclass(slots=True)
class ForkMap:
    """Where a fork lies.

    Attributes:
        runs: By place in the fork, not overlapping; those that were never written have no place in the volume.
        bad: Parts whose place cannot be told, ascending.
        extents: How many were read.
        unwritten: Bytes set aside and never written.
        notes: What was wrong and used all the same.
    """

    runs: list[ByteRun] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    extents: int = 0
    unwritten: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Bytes up to the end of the last run."""
        return self.runs[-1].file_offset + self.runs[-1].length if self.runs else 0

    def add_bad(self, start: int, end: int, message: str) -> None:
        """Note a part whose place cannot be told."""
        if len(self.bad) < MAX_BAD:
            self.bad.append(Bad(start, end, message))
        else:
            self.bad[-1] = Bad(self.bad[-1].start, max(end, self.bad[-1].end), "many parts of it do not hold")


class DamagedStream:
    """Content of which parts cannot be placed: reading up to them works, reading into them fails.

    Args:
        runs: What could be placed.
        bad: Parts that could not be.
    """

    def __init__(self, runs: Stream, bad: Sequence[Bad]) -> None:
        self._runs = runs
        self._bad = sorted(bad, key=lambda part: part.start)

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._runs.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: With what stands before the part that cannot be placed in ``partial``.
        """
        end = min(self.size, offset + length)
        for part in self._bad:
            if part.start >= end or part.end <= offset:
                continue
            before = self._runs.read_at(offset, part.start - offset) if part.start > offset else b""
            raise ReadFailedError(part.message, partial=before)
        return self._runs.read_at(offset, length)

    def close(self) -> None:
        """Nothing to release."""


def fork_stream(blocks: Blocks, found: ForkMap, size: int) -> Stream | tuple[ByteRun, ...]:
    """The content of a fork: its runs, or a stream that fails where a part of it cannot be placed."""
    bad = [part for part in found.bad if part.start < size]
    if bad:
        return DamagedStream(RunStream(blocks.stream, found.runs, size), bad)
    return tuple(found.runs)


class ExtentReader:
    """Reads the maps of forks.

    Args:
        blocks: The volume.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._geometry = blocks.geometry

    def fork(self, form: int, data: bytes, extents: int, owner: int, *, strict: bool = False) -> ForkMap:
        """The map of a fork.

        Args:
            form: Format of the fork: extents or B+tree.
            data: Its bytes in the inode.
            extents: How many the inode declares.
            owner: Number of the inode.
            strict: Blocks of another owner do not count (deleted inodes, whose blocks may be another's now).

        Raises:
            CorruptStructureError: The fork has no map.
        """
        found = ForkMap()
        if form == inode.EXTENTS:
            fitting = len(data) // 16
            self.add_records(found, data[: min(extents, fitting) * 16])
            if extents > fitting:
                found.add_bad(found.end, END * self._geometry.block_size, "the inode declares more extents than it has")
        elif form == inode.BTREE:
            self._tree(found, data, owner, strict)
            if found.extents != extents and not found.bad and not strict:
                found.notes.append(f"the inode declares {extents} extents, its tree has {found.extents}")
        else:
            raise CorruptStructureError(f"inode {owner}: a fork of format {form} has no extents")
        return found

    def is_plain(self, data: bytes, extents: int) -> bool:
        """True for a short list in which every extent was written and lies in the file system, one behind the other.

        That is nearly every file, and a listing needs to know no more of it.
        """
        if extents > _SHORT_LIST or extents * 16 > len(data):
            return False
        end = 0
        offset = self._geometry.block_offset
        for high, low in _PAIR.iter_unpack(data[: extents * 16]):
            count = low & 0x1FFFFF
            block = (high & 0x1FF) << 43 | low >> 21
            start = high >> 9  # the mark of what was never written makes it too large
            place = offset(block)
            if start < end or start >= END or not count or place < 0:
                return False
            if count > 1 and offset(block + count - 1) != place + (count - 1) * self._geometry.block_size:
                return False
            end = start + count
        return True

    def add_records(self, found: ForkMap, records: bytes) -> None:
        """Add packed extents to a map; those that do not hold become bad parts."""
        geometry = self._geometry
        size = geometry.block_size
        runs = found.runs
        end = found.end
        for high, low in _PAIR.iter_unpack(records):
            start = ((high >> 9) & 0x3FFFFFFFFFFFFF) * size
            count = low & 0x1FFFFF
            block = (high & 0x1FF) << 43 | low >> 21
            length = count * size
            place = geometry.block_offset(block)
            found.extents += 1
            if start < end or not count:
                found.add_bad(start, start + max(length, size), "extents that are empty or overlap")
                continue
            end = start + length
            if place < 0 or geometry.block_offset(block + count - 1) != place + length - size:
                found.add_bad(start, end, f"an extent lies outside of the file system: block {block}")
            elif high >> 63:
                found.unwritten += length
                runs.append(ByteRun(start, -1, -1, length))
            elif (
                runs
                and runs[-1].fs_offset >= 0
                and runs[-1].file_offset + runs[-1].length == start
                and runs[-1].fs_offset + runs[-1].length == place
            ):
                last = runs.pop()
                runs.append(ByteRun(last.file_offset, last.fs_offset, -1, last.length + length))
            else:
                runs.append(ByteRun(start, place, -1, length))

    def _tree(self, found: ForkMap, data: bytes, owner: int, strict: bool) -> None:
        """Follow a B+tree from its root in the inode, without recursion, in the order of the file."""
        level, count = struct.unpack_from(">HH", data)
        most = (len(data) - 4) // 16
        if not 1 <= level <= _MOST_LEVELS or not 0 < count <= most:
            raise CorruptStructureError(f"inode {owner}: the root of its extents does not hold")
        stack = self._children(data, 4, most, count, level, END)
        seen: set[int] = set()
        size = self._geometry.block_size
        while stack:
            block, level, start, end = stack.pop()
            if found.extents > MAX_EXTENTS:
                found.add_bad(start * size, END * size, f"more than {MAX_EXTENTS} extents")
                return
            try:
                if block in seen:
                    raise CorruptStructureError(f"inode {owner}: block {block} of its extents is reached again")
                seen.add(block)
                content, head, count = self._block(found, block, level, owner, strict)
            except EvidenceError as error:
                found.add_bad(start * size, end * size, error.message)
                continue
            if level:
                most = (len(content) - head) // 16
                stack += self._children(content, head, most, count, level, end)
            else:
                self.add_records(found, content[head : head + count * 16])

    @staticmethod
    def _children(
        data: bytes, start: int, most: int, count: int, level: int, end: int
    ) -> list[tuple[int, int, int, int]]:
        """Blocks below a node, last first: number, level, and the part of the file in blocks that they stand for."""
        keys = struct.unpack_from(f">{count}Q", data, start)
        pointers = struct.unpack_from(f">{count}Q", data, start + most * 8)
        ends = (*keys[1:], end)
        return [(pointers[at], level - 1, keys[at], ends[at]) for at in reversed(range(count))]

    def _block(self, found: ForkMap, block: int, level: int, owner: int, strict: bool) -> tuple[bytes, int, int]:
        """A block of the tree: its bytes, where its records begin, how many there are."""
        modern = self._geometry.has_checksums
        data = self._blocks.block(block, f"inode {owner}: a block of its extents")
        head = _LONG_CRC if modern else _LONG
        count = int.from_bytes(data[6:8], "big")
        if (
            data[:4] != _MAGICS[modern]
            or int.from_bytes(data[4:6], "big") != level
            or count > (len(data) - head) // 16
            or (modern and strict and int.from_bytes(data[_OWNER_FIELD : _OWNER_FIELD + 8], "big") != owner)
        ):
            raise CorruptStructureError(f"inode {owner}: block {block} of its extents does not hold")
        if modern and len(found.notes) < MAX_NOTES and not checksum.holds(data, _LONG_CRC_FIELD):
            found.notes.append(f"the checksum of block {block} of its extents is wrong, it was used as it stands")
        return data, head, count
