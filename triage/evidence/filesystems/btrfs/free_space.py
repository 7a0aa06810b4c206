"""Space of a Btrfs device that no file and no tree owns.

Source: "On-disk format" of the Btrfs documentation (free space tree, extent tree, chunks). Where the free space tree
cannot be believed or does not hold, the gaps of the extent tree are taken. What the superblocks take is no free space.
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.btrfs import items
from triage.evidence.filesystems.btrfs.chunks import Chunk, ChunkMap
from triage.evidence.filesystems.btrfs.forest import Forest
from triage.evidence.filesystems.btrfs.search import Searcher
from triage.evidence.filesystems.btrfs.superblock import PLACES, SIZE, Superblock

MAX_RANGES = 4_000_000
"""Free ranges of one chunk that are held."""
Range = tuple[int, int]
"""Start and length."""


class FreeSpace:
    """Tells the free space of the devices that are there.

    Args:
        searcher: For the trees.
        superblock: For sizes and features.
        chunks: Where logical addresses lie.
        forest: For the roots of the trees.
        devices: Of each device: where it begins in the joined devices and its bytes.
    """

    def __init__(
        self, searcher: Searcher, superblock: Superblock, chunks: ChunkMap, forest: Forest, devices: tuple[Range, ...]
    ) -> None:
        self._searcher = searcher
        self._superblock = superblock
        self._chunks = chunks
        self._forest = forest
        self._devices = devices
        self._last: tuple[int, list[Range]] = (-1, [])

    def runs(self) -> Iterator[Range]:
        """Free runs in the joined devices, ascending, neighbours joined.

        Raises:
            EvidenceError: A tree does not hold.
        """
        start = end = 0
        for place, length in self._pieces():
            if place > end or start == end:
                if end > start:
                    yield start, end - start
                start, end = place, place + length
            else:
                end = max(end, place + length)
        if end > start:
            yield start, end - start

    def _pieces(self) -> Iterator[Range]:
        """Free pieces, ascending, not overlapping, without the superblocks."""
        taken = sorted(
            (base + place, base + place + SIZE)
            for base, size in self._devices
            for place in PLACES
            if place + SIZE <= size
        )
        position, index = 0, 0
        for place, length in self._with_superblocks():
            place, end = max(place, position), place + length
            while index < len(taken) and taken[index][1] <= place:
                index += 1
            here = index
            while here < len(taken) and taken[here][0] < end:
                if taken[here][0] > place:
                    yield place, taken[here][0] - place
                place = max(place, taken[here][1])
                here += 1
            if end > place:
                yield place, end - place
            position = max(position, end)

    def _with_superblocks(self) -> Iterator[Range]:
        stripes = sorted(
            (place, index, chunk.start, chunk)
            for chunk in self._chunks.chunks
            for index, (device, offset) in enumerate(chunk.stripes)
            if (place := self._chunks.place(device, offset)) >= 0
        ) if self._devices else []  # fmt: skip
        at = 0
        for base, size in self._devices:
            position = base
            while at < len(stripes) and stripes[at][0] < base + size:
                place, index, _start, chunk = stripes[at]
                at += 1
                if place > position:
                    yield position, place - position
                for start, length in self._in_stripe(place, index, chunk):
                    if start < base + size:
                        yield start, min(length, base + size - start)
                position = max(position, place + chunk.on_device)
            if position < base + size:
                yield position, base + size - position

    def _in_stripe(self, place: int, index: int, chunk: Chunk) -> Iterator[Range]:
        for start, length in self._of_chunk(chunk):
            for inside, part in chunk.on_stripe(index, start - chunk.start, length):
                yield place + inside, part

    def _of_chunk(self, chunk: Chunk) -> list[Range]:
        """Free logical ranges of a chunk, ascending; those of the last one are kept, for its other copies."""
        if self._last[0] == chunk.start:
            return self._last[1]
        ranges: list[Range] | None = None
        if self._superblock.has_free_space_tree and items.FREE_SPACE_TREE in self._forest.others:
            try:
                ranges = self._by_free_space_tree(chunk)
            except EvidenceError:
                ranges = None
        if ranges is None:
            ranges = self._by_extent_tree(chunk)
        self._last = (chunk.start, ranges)
        return ranges

    def _by_free_space_tree(self, chunk: Chunk) -> list[Range] | None:
        root = self._forest.others[items.FREE_SPACE_TREE]
        beyond = chunk.start + chunk.length
        ranges: list[Range] = []
        is_told = False
        for found in self._searcher.items(root, (chunk.start, 0, 0), (beyond - 1, 255, items.MOST)):
            if isinstance(found, EvidenceError):
                raise found
            (start, kind, length), data = found
            if kind == items.FREE_SPACE_INFO:
                is_told = True
            elif kind == items.FREE_SPACE_EXTENT:
                _add(ranges, start, length, beyond)
            elif kind == items.FREE_SPACE_BITMAP:
                for first, count in _ones(data):
                    unit = self._superblock.sector_size
                    _add(ranges, start + first * unit, count * unit, beyond)
        return ranges if is_told else None

    def _by_extent_tree(self, chunk: Chunk) -> list[Range]:
        root = self._forest.others.get(items.EXTENT_TREE)
        if root is None:
            raise CorruptStructureError("there is no extent tree, so free space cannot be told")
        position, beyond = chunk.start, chunk.start + chunk.length
        ranges: list[Range] = []
        for part in self._searcher.slices(root, (chunk.start, 0, 0), (beyond - 1, 255, items.MOST)):
            if isinstance(part, EvidenceError):
                raise part
            for start, kind, offset in part.block.keys[part.first : part.end]:
                if kind not in (items.EXTENT_ITEM, items.METADATA_ITEM):
                    continue
                if start > position:
                    _add(ranges, position, start - position, beyond)
                length = offset if kind == items.EXTENT_ITEM else self._superblock.node_size
                position = max(position, start + length)
        if position < beyond:
            _add(ranges, position, beyond - position, beyond)
        return ranges


def _add(ranges: list[Range], start: int, length: int, beyond: int) -> None:
    """Put a range behind others; neighbours are joined."""
    if ranges:
        last = ranges[-1]
        if start <= last[0] + last[1]:
            end = min(beyond, max(last[0] + last[1], start + length))
            ranges[-1] = (last[0], end - last[0])
            return
    if len(ranges) >= MAX_RANGES:
        raise CorruptStructureError(f"more than {MAX_RANGES} free ranges in one chunk")
    if start < beyond and length:
        ranges.append((start, min(length, beyond - start)))


def _ones(bitmap: bytes) -> Iterator[tuple[int, int]]:
    """Runs of ones, the lowest bit of a byte first: index and count."""
    text = bin(int.from_bytes(bitmap, "little") | 1 << (8 * len(bitmap)))[:2:-1]
    position = 0
    while (first := text.find("1", position)) >= 0:
        position = text.find("0", first)
        if position < 0:
            position = len(text)
        yield first, position - first
