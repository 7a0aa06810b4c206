"""romfs, read-only, by a reader of our own.

Follows the kernel's documentation (Documentation/filesystems/romfs.rst). Numbers are big-endian, nothing is
compressed; inodes are numbered by the place of their headers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.tree import Name, Node, TreeFileSystem
from triage.evidence.interface import FileSystem
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import Stream
from triage.model.volume import Volume

_MAGIC = b"-rom1fs-"
_HEAD = 16
_LINK, _DIRECTORY, _FILE, _SYMLINK = range(4)
_TYPES = {_DIRECTORY: EntryType.DIRECTORY, _FILE: EntryType.FILE, _SYMLINK: EntryType.SYMLINK}
MAX_NAME = 1024


def detect_file_system(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """``("romfs", 16)`` where one begins, else ``("", 0)``; never raises.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.
    """
    try:
        RomfsTree(VolumeStream(media, image_offset, length))
    except EvidenceError:
        return "", 0
    return "romfs", _HEAD


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> FileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        EvidenceError: It cannot be opened.
    """
    stream = VolumeStream(media, volume.image_offset, volume.length)
    return TreeFileSystem(RomfsTree(stream), stream, volume, evidence_name)


class RomfsTree:
    """A :class:`~triage.evidence.filesystems.tree.Tree` over romfs.

    Args:
        stream: Bytes of the volume.

    Raises:
        EvidenceError: It cannot be opened.
    """

    name = "romfs"

    def __init__(self, stream: Stream) -> None:
        self._reader = BlockReader(stream, 1024)
        head = stream.read_at(0, _HEAD)
        if len(head) < _HEAD or not head.startswith(_MAGIC):
            raise UnsupportedFormatError("no romfs superblock")
        self.block_size = _HEAD
        (self._size,) = struct.unpack_from(">I", head, 8)
        if self._size < 48:
            raise CorruptStructureError(f"romfs of {self._size} bytes")
        _, self.root = self._name(_HEAD)

    def _name(self, place: int) -> tuple[bytes, int]:
        """The name at a place, and where what follows it begins."""
        data = self._reader.stream.read_at(place, MAX_NAME)
        end = data.find(b"\0")
        if end < 0:
            raise CorruptStructureError(f"a name at {place} does not end")
        return data[:end], place + (end // _HEAD + 1) * _HEAD

    def _header(self, place: int) -> tuple[int, int, int, int]:
        """Place of the next header, type, special field and size."""
        if place % _HEAD or not _HEAD <= place < self._size:
            raise CorruptStructureError(f"no header at {place}")
        following, special, size = struct.unpack(">3I", self._reader.bytes_at(place, 12))
        return following & ~15, following & 7, special, size

    def node(self, number: int) -> Node:
        """The record of a header.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        _, kind, _, size = self._header(number)
        entry_type = _TYPES.get(kind, EntryType.OTHER)
        return Node(number, entry_type, size if entry_type in (EntryType.FILE, EntryType.SYMLINK) else 0)

    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """Names in a directory, in stored order.

        Raises:
            EvidenceError: The directory cannot be read.
        """
        _, kind, place, _ = self._header(number)
        if kind != _DIRECTORY:
            raise CorruptStructureError(f"the header at {number} is not one of a directory")
        if number == self.root and self._reader.stream.size < self._size:
            message = f"the file system claims {self._size} bytes, the volume has {self._reader.stream.size}"
            yield CorruptStructureError(message, hint="the image may be cut short")
        place &= ~15
        seen: set[int] = set()
        while place:
            if place in seen:
                yield CorruptStructureError(f"the chain of names leads back to {place}")
                return
            seen.add(place)
            following, kind, special, _ = self._header(place)
            name, _ = self._name(place + _HEAD)
            if name not in (b".", b"..", b""):
                yield Name(name, special & ~15 if kind == _LINK else place)
            place = following

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """Where the content lies: behind its name.

        Raises:
            EvidenceError: It cannot be read.
        """
        if not node.size:
            return ()
        _, start = self._name(node.number + _HEAD)
        return (ByteRun(0, start, -1, node.size),)

    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """None: the format keeps nothing that was deleted."""
        return ()

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """What lies in the volume behind the file system."""
        if self._reader.stream.size > self._size:
            yield self._size, self._reader.stream.size - self._size
