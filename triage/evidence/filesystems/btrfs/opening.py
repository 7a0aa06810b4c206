"""Recognising and opening a Btrfs file system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from triage.errors import EvidenceError
from triage.evidence.filesystems.btrfs.superblock import MAGIC, PLACES, SIZE, Superblock, parse, read_superblock
from triage.evidence.filesystems.btrfs.tree import BtrfsTree
from triage.evidence.filesystems.btrfs.volume import BtrfsVolume, open_volume
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.tree import TreeFileSystem
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.stream import Stream
from triage.model.volume import Volume


class BtrfsFileSystem(TreeFileSystem):
    """A Btrfs file system; tells as well what was wrong with it and could be helped.

    Args:
        opened: The opened volume.
        volume: Where it lies.
        evidence_name: For the addresses of entries.
    """

    def __init__(self, opened: BtrfsVolume, volume: Volume, evidence_name: str) -> None:
        super().__init__(BtrfsTree(opened), opened.stream, volume, evidence_name)
        self.label = opened.superblock.label
        self._notes = opened.blocks.notes

    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries; see :class:`TreeFileSystem`. What came up on the way is told at the end."""
        yield from super().walk(skip=skip, entering=entering)
        for note in self._notes:
            yield self._problem(b"", note.reason, note.words, anyway=note.helped)


def detect_file_system(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """Whether a Btrfs file system stands at a place; never raises.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.

    Returns:
        ``btrfs`` and bytes in a sector, else ``("", 0)``.
    """
    stream = VolumeStream(media, image_offset, length)
    try:
        first = stream.read_at(PLACES[0], SIZE)
        if first[64:72] == MAGIC:
            return "btrfs", read_superblock(stream)[0].sector_size
        copy = _proven_copy(stream)
        if copy is not None and (not any(first) or first[32:48] == copy.pool) and not any(stream.read_at(0, PLACES[0])):
            return "btrfs", copy.sector_size
    except EvidenceError:
        pass
    return "", 0


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> BtrfsFileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        EvidenceError: It cannot be opened.
    """
    return open_devices((VolumeStream(media, volume.image_offset, volume.length),), volume, evidence_name)


def open_devices(streams: Sequence[Stream], volume: Volume, evidence_name: str) -> BtrfsFileSystem:
    """The file system on several devices.

    Args:
        streams: One for each device; the first decides which file system it is, those of others are left out.
        volume: For the name and, where there is one device, the place of what is in it.
        evidence_name: For the addresses of entries.

    Raises:
        EvidenceError: It cannot be opened.
    """
    return BtrfsFileSystem(open_volume(streams), volume, evidence_name)


def _proven_copy(stream: Stream) -> Superblock | None:
    """The first copy of the superblock, where the first superblock itself is lost and the copy holds."""
    data = stream.read_at(PLACES[1], SIZE)
    if data[64:72] != MAGIC:
        return None
    found = parse(data, PLACES[1])
    return found if found.is_proven else None
