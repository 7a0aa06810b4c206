"""Free space: what the B+trees by block of all allocation groups say, compared with their headers.

Source: "XFS Algorithms & Data Structures", chapter "Allocation Groups" (free space B+trees, free list).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.xfs.blocks import FREE_SPACE, Blocks

_LIST_HEADER = 36
_MOST_LISTED = 1 << 10


class FreeSpace:
    """Reads what no file owns.

    Args:
        blocks: The volume.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._geometry = blocks.geometry

    def runs(self) -> Iterator[tuple[int, int]]:
        """Offset and length of free space in the volume, bytes, ascending; whole, as far as it can be told.

        Raises:
            CorruptStructureError: At the end: some of it could not be told.
        """
        geometry = self._geometry
        problems: list[str] = []
        last, length = 0, 0
        for ag in self._blocks.groups:
            base = ag * geometry.ag_blocks * geometry.block_size
            for start, count in self.group(ag, problems):
                place = base + start * geometry.block_size
                if place == last + length:
                    length += count * geometry.block_size
                    continue
                if length:
                    yield last, length
                last, length = place, count * geometry.block_size
        if length:
            yield last, length
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise CorruptStructureError(f"free space is not told whole: {problems[0]}{more}")

    def group(self, ag: int, problems: list[str]) -> list[tuple[int, int]]:
        """Free blocks of an allocation group: first and how many, ascending; ``problems`` gets what does not hold."""
        try:
            header = self._blocks.header(ag, 1, b"XAGF")
        except EvidenceError as error:
            problems.append(error.message)
            return []
        root, levels = int.from_bytes(header[16:20], "big"), int.from_bytes(header[28:32], "big")
        free, longest = struct.unpack_from(">2I", header, 52)
        found: list[tuple[int, int]] = []
        before = len(problems)
        for leaf in self._blocks.short_leaves(FREE_SPACE, ag, root, levels):
            if isinstance(leaf, EvidenceError):
                problems.append(leaf.message)
            else:
                found += struct.iter_unpack(">II", leaf[0])
        total = sum(count for _, count in found)
        if len(problems) == before and (total != free or max((count for _, count in found), default=0) != longest):
            problems.append(f"allocation group {ag}: {total} blocks free by its tree, {free} by its header")
        try:
            listed = self._listed(ag, header)
        except EvidenceError as error:
            listed = []
            problems.append(error.message)
        return self._ordered(ag, found + listed, problems)

    def _listed(self, ag: int, header: bytes) -> list[tuple[int, int]]:
        """Blocks that are kept ready for the trees; nothing of theirs stands in them yet."""
        first, last, count = struct.unpack_from(">3I", header, 40)
        size = self._geometry.sector_size
        if self._geometry.has_checksums:
            data = self._blocks.header(ag, 3, b"XAFL")[_LIST_HEADER:]
        else:
            offset = ag * self._geometry.ag_blocks * self._geometry.block_size + 3 * size
            data = self._blocks.read_at(offset, size, f"free list of allocation group {ag}")
        places = len(data) // 4
        if not count:
            return []
        if first >= places or last >= places or count > min(places, _MOST_LISTED * 8):
            raise CorruptStructureError(f"allocation group {ag}: the free list does not hold")
        numbers = struct.unpack_from(f">{places}I", data)
        return [(numbers[(first + at) % places], 1) for at in range(count)]

    def _ordered(self, ag: int, found: list[tuple[int, int]], problems: list[str]) -> list[tuple[int, int]]:
        """Ascending, in the group, without overlaps."""
        end, most = 0, self._geometry.ag_length(ag)
        out: list[tuple[int, int]] = []
        wrong = False
        for start, count in sorted(found):
            if start < end or not count or start + count > most:
                wrong = True
                continue
            out.append((start, count))
            end = start + count
        if wrong:
            problems.append(f"allocation group {ag}: free space overlaps or lies outside of it")
        return out


class FreeMap:
    """Which bytes of the volume are free, for questions about single places.

    Args:
        runs: Ascending, as :meth:`FreeSpace.runs` gives them.
    """

    def __init__(self, runs: list[tuple[int, int]]) -> None:
        self._starts = [start for start, _ in runs]
        self._ends = [start + length for start, length in runs]

    def free_bytes(self, offset: int, length: int) -> int:
        """How many bytes of a range are free."""
        index = max(0, bisect_right(self._starts, offset) - 1)
        end, total = offset + length, 0
        while index < len(self._starts) and self._starts[index] < end:
            total += max(0, min(end, self._ends[index]) - max(offset, self._starts[index]))
            index += 1
        return total
