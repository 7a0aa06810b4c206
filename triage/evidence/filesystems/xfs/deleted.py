"""Inodes that no name leads to: free ones that still say where their content was, and those of chunks that are gone.

When a file is deleted the kernel sets type and size of its inode to 0 and frees its blocks, but the list of extents (or
the root of their tree) stays in the inode until it is used again. A chunk of which every inode is free is given back
as a whole; its inodes then stand in free space, often as they were before.
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.xfs import inode
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.evidence.filesystems.xfs.extents import ExtentReader, ForkMap
from triage.evidence.filesystems.xfs.free_space import FreeMap, FreeSpace
from triage.evidence.filesystems.xfs.inode import Inode, InodeTable
from triage.evidence.filesystems.xfs.inode_map import CHUNK, InodeMap

PROBES = 1 << 16
"""Places in free space where a chunk of inodes that is gone is looked for, shared out between allocation groups."""
_LONGEST = 1 << 63
"""Bytes that a file can have at most."""


class Deleted:
    """Reads what deletion left.

    Args:
        blocks: The volume.
        table: Its inodes.
        extents: Reads maps of forks.
        map_: Which inodes are in use.
    """

    def __init__(self, blocks: Blocks, table: InodeTable, extents: ExtentReader, map_: InodeMap) -> None:
        self._blocks = blocks
        self._geometry = blocks.geometry
        self._table = table
        self._extents = extents
        self._map = map_
        self._free: FreeMap | None = None

    # --- one inode ----------------------------------------------------------------------------------------------
    def former_map(self, found: Inode) -> ForkMap:
        """Where the content of a deleted file was; empty where nothing says so.

        Args:
            found: An inode that is free or gone.
        """
        if found.mode and found.format in (inode.EXTENTS, inode.BTREE):
            try:
                return self._extents.fork(found.format, found.fork, found.extents, found.number, strict=True)
            except CorruptStructureError:
                return ForkMap()
        if found.mode:
            return ForkMap()
        return self._former_list(found.fork) or self._former_tree(found) or ForkMap()

    def _former_list(self, fork: bytes) -> ForkMap | None:
        """Extents that stand in the fork, up to the first one that does not hold."""
        out = ForkMap()
        first = 4 * self._geometry.sector_size
        for place in range(0, len(fork) - 15, 16):
            one = ForkMap()
            self._extents.add_records(one, fork[place : place + 16])
            if one.bad or not one.runs or one.runs[0].file_offset < out.end or one.end >= _LONGEST:
                break
            offset = one.runs[0].fs_offset
            if offset >= 0 and offset % (self._geometry.ag_blocks * self._geometry.block_size) < first:
                break
            out.runs += one.runs
            out.extents += 1
            out.unwritten += one.unwritten
        return out if out.runs else None

    def _former_tree(self, found: Inode) -> ForkMap | None:
        """The tree whose root stands in the fork, for each size that the fork can have had."""
        count = int.from_bytes(found.fork[2:4], "big")
        level = int.from_bytes(found.fork[:2], "big")
        most = (len(found.fork) - 4) // 16
        if not 1 <= level <= 8 or not 0 < count <= most:
            return None
        for size in range(most, count - 1, -1):
            fork = found.fork[: 4 + 16 * size]
            try:
                tree = self._extents.fork(inode.BTREE, fork, 0, found.number, strict=True)
            except CorruptStructureError:
                continue
            if tree.runs:
                return tree
        return None

    def caveat(self, where: ForkMap) -> str:
        """What has become of the blocks where a content was."""
        if self._free is None:
            runs: list[tuple[int, int]] = []
            try:
                runs.extend(FreeSpace(self._blocks).runs())
            except EvidenceError:
                pass  # told by free space itself
            self._free = FreeMap(runs)
        stored = [run for run in where.runs if run.fs_offset >= 0]
        total = sum(run.length for run in stored)
        free = sum(self._free.free_bytes(run.fs_offset, run.length) for run in stored)
        if free == total:
            return "deleted: its blocks are still free, but may have been used by another file in between"
        return f"deleted: {total - free} of {total} bytes of its blocks belong to something else now"

    # --- all of them --------------------------------------------------------------------------------------------
    def candidates(self, reached: dict[int, int], lost: bool) -> Iterator[Inode | EvidenceError]:
        """Inodes without a name that may be worth telling, in order of their numbers in each allocation group.

        Args:
            reached: Inodes that a name led to: a bit for each, by their number divided by 64.
            lost: Those in use that no name led to as well.
        """
        told = 0
        for ag in self._blocks.groups:
            stale = self._map.stale(ag)
            yield from self._map.errors[told:]
            told = len(self._map.errors)
            for chunk in self._map.chunks(ag):
                for number in self._without(reached, chunk.start, chunk.absent):
                    is_free = chunk.free >> (number - chunk.start) & 1
                    yield from self._worth(number, bool(is_free), lost)
            for start in stale:
                yield from self._gone(reached, start)
            for start in self._in_free_space(ag, set(stale)):
                yield from self._gone(reached, start)

    @staticmethod
    def _without(reached: dict[int, int], start: int, absent: int) -> Iterator[int]:
        """Numbers of a chunk that are there and that no name led to."""
        low = reached.get(start >> 6, 0) >> (start & 63)
        high = reached.get((start >> 6) + 1, 0) << (CHUNK - (start & 63)) if start & 63 else 0
        known = low | high | absent
        return (start + bit for bit in range(CHUNK) if not known >> bit & 1)

    def _worth(self, number: int, is_free: bool, lost: bool) -> Iterator[Inode | EvidenceError]:
        try:
            found = self._table.inode(number)
        except EvidenceError as error:
            if not is_free:
                yield error
            return
        if is_free:
            if found.fork.count(0, 0, 16) < 16:
                yield found
        elif lost or not found.nlink:
            yield found

    def _gone(self, reached: dict[int, int], start: int) -> Iterator[Inode | EvidenceError]:
        """Inodes of a chunk that is gone, where they still stand as such."""
        for number in self._without(reached, start, 0):
            try:
                found = self._table.inode(number)
            except EvidenceError:
                continue
            if found.checksum_holds and found.is_own and found.fork.count(0, 0, 16) < 16:
                yield found

    def _in_free_space(self, ag: int, known: set[int]) -> Iterator[int]:
        """First inodes of blocks in free space that begin like a chunk of inodes."""
        geometry = self._geometry
        step = max(1, CHUNK >> geometry.inodes_per_block_bits)
        probes = PROBES // len(self._blocks.groups)
        for start, count in FreeSpace(self._blocks).group(ag, []):
            for block in range(-(-start // step) * step, start + count, step):
                if not probes:
                    return
                probes -= 1
                number = geometry.inode_number(ag, block << geometry.inodes_per_block_bits)
                offset = geometry.inode_offset(number)
                try:
                    head = self._blocks.stream.read_at(offset, 2) if offset >= 0 else b""
                except EvidenceError:
                    continue
                if head == b"IN" and number not in known:
                    yield number
