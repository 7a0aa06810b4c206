"""The opened volume: devices joined, superblock, chunks, trees.

Source: "On-disk format" of the Btrfs documentation. From the superblock the system chunks lead to the chunk tree, that
leads to all others. Where the roots of the last transaction do not hold, those of the backups are taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.filesystems.btrfs import items
from triage.evidence.filesystems.btrfs.blocks import BlockReader
from triage.evidence.filesystems.btrfs.chunks import ChunkMap, parse_chunk
from triage.evidence.filesystems.btrfs.forest import Forest, read_forest
from triage.evidence.filesystems.btrfs.search import Searcher
from triage.evidence.filesystems.btrfs.superblock import Pointer, Superblock, read_superblock
from triage.model.problem import Reason
from triage.model.stream import Stream

_FIRST_CHUNK_TREE = 256


class JoinedStream:
    """Streams one after the other as one.

    Args:
        parts: At least one; stay the caller's to close.
    """

    def __init__(self, parts: Sequence[Stream]) -> None:
        self._parts = tuple(parts)
        self.starts: list[int] = []
        position = 0
        for part in parts:
            self.starts.append(position)
            position += part.size
        self._size = position

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes of one part, not beyond its end; see :class:`~triage.model.stream.Stream`."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        index = bisect_right(self.starts, offset) - 1
        return self._parts[index].read_at(offset - self.starts[index], length)

    def close(self) -> None:
        """Nothing to release: the parts are their owner's to close."""


@dataclass(slots=True)
class BtrfsVolume:
    """What reading a file system needs.

    Attributes:
        stream: The devices, joined.
        superblock: Of the device with the highest generation.
        chunks: Where logical addresses lie.
        blocks: Reader of tree blocks.
        searcher: For the trees.
        forest: The trees.
        devices: Of each device that is there: where it begins in ``stream`` and its bytes.
    """

    stream: Stream
    superblock: Superblock
    chunks: ChunkMap
    blocks: BlockReader
    searcher: Searcher
    forest: Forest
    devices: tuple[tuple[int, int], ...]


def open_volume(streams: Sequence[Stream]) -> BtrfsVolume:
    """A file system from the devices that are there.

    Args:
        streams: One for each device, the first decides which file system it is; those of others are left out.

    Raises:
        EvidenceError: It cannot be opened.
    """
    first, notes = read_superblock(streams[0])
    found = {first.device: (first, streams[0])}
    for stream in streams[1:]:
        try:
            other, more = read_superblock(stream)
        except EvidenceError:
            continue
        if other.pool == first.pool and other.device not in found:
            found[other.device] = (other, stream)
            notes += more
    joined = JoinedStream([stream for _, stream in found.values()])
    stream = joined if len(found) > 1 else streams[0]
    superblock = max((each for each, _ in found.values()), key=lambda each: (each.is_proven, each.generation))
    chunks = ChunkMap(dict(zip(found, joined.starts, strict=True)))
    blocks = BlockReader(stream, superblock, chunks)
    for words in notes:
        blocks.note(words, helped=True)
    searcher = Searcher(blocks)
    _system_chunks(superblock, chunks, blocks)
    _all_chunks(superblock, chunks, searcher)
    missing = chunks.missing()
    names = ", ".join(str(device) for device in missing[:20])
    try:
        forest = _forest(superblock, searcher)
    except EvidenceError as error:
        if not missing:
            raise
        words = f"the trees cannot be read without device {names} of {superblock.devices}: {error}"
        raise ReadFailedError(words, hint="give all devices of the file system") from error
    if missing:
        words = f"{len(missing)} of {superblock.devices} devices are not there: {names}"
        blocks.note(words, helped=False, reason=Reason.UNREADABLE)
    devices = tuple(zip(joined.starts, (each.size for _, each in found.values()), strict=True))
    return BtrfsVolume(stream, superblock, chunks, blocks, searcher, forest, devices)


def _system_chunks(superblock: Superblock, chunks: ChunkMap, blocks: BlockReader) -> None:
    data, position = superblock.chunks, 0
    while position + 17 <= len(data):
        kind = data[position + 8]
        start = int.from_bytes(data[position + 9 : position + 17], "little")
        try:
            if kind != items.CHUNK_ITEM:
                raise CorruptStructureError(f"the array of system chunks holds an item of type {kind}")
            chunk, position = parse_chunk(start, data, position + 17)
        except CorruptStructureError as error:
            blocks.note(error.message, helped=False)
            return
        chunks.add(chunk)


def _all_chunks(superblock: Superblock, chunks: ChunkMap, searcher: Searcher) -> None:
    """Put the chunks of the chunk tree in, that of now or the newest of the backups that holds."""
    errors: list[EvidenceError] = []
    tried: set[Pointer] = set()
    for root in (superblock.chunk_root, *(pair[1] for pair in superblock.backups)):
        if root in tried:
            continue
        tried.add(root)
        try:
            searcher.blocks.read(root.logical, root.generation, root.level)
        except EvidenceError as error:
            errors.append(error)
            continue
        if errors:
            searcher.blocks.note(
                f"the chunk tree was taken from generation {root.generation}: {errors[0]}", helped=True
            )
        _chunks_of(root, chunks, searcher)
        return
    searcher.blocks.note(f"the chunk tree cannot be read: {errors[0]}", helped=False)


def _chunks_of(root: Pointer, chunks: ChunkMap, searcher: Searcher) -> None:
    low = (_FIRST_CHUNK_TREE, items.CHUNK_ITEM, 0)
    for found in searcher.items(root, low, (_FIRST_CHUNK_TREE, items.CHUNK_ITEM, items.MOST)):
        try:
            if isinstance(found, EvidenceError):
                raise found
            chunks.add(parse_chunk(found[0][2], found[1])[0])
        except EvidenceError as error:
            searcher.blocks.note(error.message, helped=False)


def _forest(superblock: Superblock, searcher: Searcher) -> Forest:
    """The trees of now, or of the newest backup that holds and names a tree of files.

    Raises:
        EvidenceError: None of the roots holds.
    """
    first: EvidenceError | None = None
    for root in (superblock.root, *(pair[0] for pair in superblock.backups)):
        try:
            forest = read_forest(searcher, root)
            tree = forest.files.get(forest.default)
            if tree is None:
                raise CorruptStructureError("the tree of roots names no tree of files")
            searcher.blocks.read(tree.pointer.logical, tree.pointer.generation, tree.pointer.level)
        except EvidenceError as error:
            first = first or error
            continue
        if first is not None:
            words = f"the trees of generation {root.generation} are listed, not {superblock.generation}: {first}"
            searcher.blocks.note(words, helped=False)
        return forest
    raise first or CorruptStructureError("the tree of roots cannot be read")
