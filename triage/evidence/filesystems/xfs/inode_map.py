"""Which inodes are in use: what the inode B+trees of all allocation groups say.

Source: "XFS Algorithms & Data Structures", chapter "Allocation Groups" (inode B+trees, sparse inodes).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from triage.errors import EvidenceError
from triage.evidence.filesystems.xfs.blocks import INODES, Blocks

CHUNK = 64
"""Inodes in a chunk."""
ALL = (1 << CHUNK) - 1
MAX_STALE = 1 << 14
"""Records of chunks that are gone, kept."""
MAX_ERRORS = 1000
"""Errors of the trees that are kept."""

_SPARSE_RECORD = struct.Struct(">IHBBQ")


class State(Enum):
    """What the trees say of an inode."""

    USED = "used"
    FREE = "free"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class _Group:
    starts: list[int] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of inodes.

    Attributes:
        start: Number of the first one in the file system.
        free: A bit for each that is free, the lowest for the first.
        absent: A bit for each that has no place (sparse chunks).
    """

    start: int
    free: int
    absent: int


class InodeMap:
    """Chunks of inodes of all allocation groups, read on first use.

    Args:
        blocks: The volume.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._geometry = blocks.geometry
        self._groups: dict[int, _Group] = {}
        self._stale: dict[int, set[int]] = {}
        self.errors: list[EvidenceError] = []

    def state(self, number: int) -> State:
        """What the trees say of an inode."""
        bits = self._geometry.ag_block_bits + self._geometry.inodes_per_block_bits
        group = self._group(number >> bits)
        within = number & ((1 << bits) - 1)
        index = bisect_right(group.starts, within) - 1
        if index >= 0 and within - group.starts[index] < CHUNK:
            bit = 1 << (within - group.starts[index])
            if not group.absent[index] & bit:
                return State.FREE if group.free[index] & bit else State.USED
        return State.GONE if group.is_whole else State.UNKNOWN

    def chunks(self, ag: int) -> Iterator[Chunk]:
        """Chunks of an allocation group, ascending."""
        group = self._group(ag)
        for start, free, absent in zip(group.starts, group.free, group.absent, strict=True):
            yield Chunk(self._geometry.inode_number(ag, start), free, absent)

    def stale(self, ag: int) -> list[int]:
        """First inodes of chunks of an allocation group that are gone and whose record still stands in a leaf."""
        group = self._group(ag)
        known = set(group.starts)
        return [self._geometry.inode_number(ag, start) for start in sorted(self._stale.get(ag, set()) - known)]

    def _group(self, ag: int) -> _Group:
        found = self._groups.get(ag)
        if found is None:
            found = self._groups[ag] = self._read(ag) if 0 <= ag < self._geometry.ag_count else _Group()
        return found

    def _read(self, ag: int) -> _Group:
        out = _Group()
        stale = self._stale.setdefault(ag, set())
        try:
            header = self._blocks.header(ag, 2, b"XAGI")
        except EvidenceError as error:
            self._tell(error)
            out.is_whole = False
            return out
        root, levels = struct.unpack_from(">II", header, 20)
        last = -CHUNK
        for leaf in self._blocks.short_leaves(INODES, ag, root, levels):
            if isinstance(leaf, EvidenceError):
                self._tell(leaf)
                out.is_whole = False
                continue
            records, _, rest = leaf
            for start, holes, _, _, free in _SPARSE_RECORD.iter_unpack(records):
                if start < last + CHUNK:
                    out.is_whole = False
                    continue
                last = start
                out.starts.append(start)
                out.free.append(free)
                out.absent.append(_spread(holes) if self._geometry.has_sparse_inodes else 0)
            if len(stale) < MAX_STALE:
                whole = rest[: len(rest) // 16 * 16]
                stale |= {start for start, *_ in _SPARSE_RECORD.iter_unpack(whole) if self._can_start(ag, start)}
        return out

    def _tell(self, error: EvidenceError) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(error)

    def _can_start(self, ag: int, start: int) -> bool:
        within = start >> self._geometry.inodes_per_block_bits
        return 0 < within < self._geometry.ag_length(ag) and not start % (1 << self._geometry.inodes_per_block_bits)


def _spread(holes: int) -> int:
    """A bit for each inode of a chunk from the 16 bits of its holes, each of which stands for four."""
    out = 0
    for bit in range(16):
        if holes >> bit & 1:
            out |= 0xF << (4 * bit)
    return out
