"""cramfs, read-only, by a reader of our own.

Follows the description in the kernel's documentation (Documentation/filesystems/cramfs.rst and fs/cramfs/README): both
byte orders, holes, and the extended block pointers of later kernels. Inodes are numbered by their place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.block_codecs import decompress_zlib
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.cut_stream import PieceCache, PieceStream
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.tree import Name, Node, TreeFileSystem
from triage.evidence.interface import FileSystem
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import Stream
from triage.model.volume import Volume

_MAGIC = 0x28CD3D45
_SIGNATURE = b"Compressed ROMFS"
_PLACES = (0, 512)
_BLOCK = 4096
_SHIFTED_ROOT, _EXTENDED_POINTERS = 0x400, 0x800
_KNOWN_FLAGS = 0xFFF
_STORED, _DIRECT = 1 << 31, 1 << 30
_TYPES = {0x8: EntryType.FILE, 0x4: EntryType.DIRECTORY, 0xA: EntryType.SYMLINK}


def detect_file_system(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """``("cramfs", bytes in a block)`` where one begins, else ``("", 0)``; never raises.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.
    """
    try:
        _place(VolumeStream(media, image_offset, length))
    except EvidenceError:
        return "", 0
    return "cramfs", _BLOCK


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
    return TreeFileSystem(CramfsTree(stream), stream, volume, evidence_name)


def _place(stream: Stream) -> tuple[int, str]:
    """Where the superblock lies, and the byte order.

    Raises:
        UnsupportedFormatError: There is none.
    """
    head = stream.read_at(0, 1024)
    for place in _PLACES:
        if head[place + 16 : place + 32] == _SIGNATURE:
            for order in "<>":
                if head[place : place + 4] == struct.pack(order + "I", _MAGIC):
                    return place, order
    raise UnsupportedFormatError("no cramfs superblock")


class CramfsTree:
    """A :class:`~triage.evidence.filesystems.tree.Tree` over cramfs.

    Args:
        stream: Bytes of the volume.

    Raises:
        EvidenceError: It cannot be opened.
    """

    name = "cramfs"

    def __init__(self, stream: Stream) -> None:
        place, self._order = _place(stream)
        self.block_size = 0  # contents are packed without a gap: no unit has slack
        self._reader = BlockReader(stream, _BLOCK)
        self._size, flags = struct.unpack(self._order + "2I", self._reader.bytes_at(place + 4, 8))
        if flags & ~_KNOWN_FLAGS:
            raise UnsupportedFormatError(f"cramfs with flags {flags & ~_KNOWN_FLAGS:#x} is not read")
        self._has_pointers = bool(flags & _EXTENDED_POINTERS)
        self.root = place + 64
        self._cache = PieceCache(1 << 20)

    def _inode(self, place: int) -> tuple[int, int, int, int, int]:
        """Mode, user, size, bytes of the name and place of the content of the inode at a place."""
        if not 64 <= place < min(self._size, 1 << 28):
            raise CorruptStructureError(f"an inode at {place} lies outside the file system")
        mode, user, middle, last = struct.unpack(self._order + "HHII", self._reader.bytes_at(place, 12))
        if self._order == "<":
            return mode, user, middle & 0xFFFFFF, (last & 63) * 4, (last >> 6) * 4
        return mode, user, middle >> 8, (last >> 26) * 4, (last & 0x3FFFFFF) * 4

    def node(self, number: int) -> Node:
        """The record of an inode.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        mode, user, size, _, _ = self._inode(number)
        kind = _TYPES.get(mode >> 12, EntryType.OTHER)
        return Node(number, kind, 0 if kind is EntryType.OTHER else size, owner=str(user))

    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """Names in a directory, in stored order.

        Raises:
            EvidenceError: The directory cannot be read.
        """
        mode, _, size, _, start = self._inode(number)
        if mode >> 12 != 0x4:
            raise CorruptStructureError(f"inode {number} is not a directory")
        if self.root == number and self._reader.stream.size < self._size:
            message = f"the file system claims {self._size} bytes, the volume has {self._reader.stream.size}"
            yield CorruptStructureError(message, hint="the image may be cut short")
        end = start + size
        while start + 12 < end:
            _, _, _, length, _ = self._inode(start)
            name = self._reader.bytes_at(start + 12, length).rstrip(b"\0")
            if not name or start + 12 + length > end:
                yield CorruptStructureError(f"a name at {start} does not hold")
                return
            yield Name(name, start)
            start += 12 + length

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """The content, unpacked block by block.

        Raises:
            EvidenceError: It cannot be read.
        """
        _, _, size, _, start = self._inode(node.number)
        if node.entry_type not in (EntryType.FILE, EntryType.SYMLINK) or not size:
            return ()
        count = -(-size // _BLOCK)
        pointers = struct.unpack(f"{self._order}{count}I", self._reader.bytes_at(start, 4 * count))

        def piece(index: int) -> bytes:
            want = min(_BLOCK, size - index * _BLOCK)
            place, length, is_stored = self._block(pointers, index, start + 4 * count, want)
            if not length:
                return bytes(want)
            return self._cache.get(place << 1 | is_stored, lambda: self._unpack(place, length, is_stored))

        def places() -> Iterator[tuple[int, int]]:
            with suppress(EvidenceError):
                for index in range(count):
                    yield self._block(pointers, index, start + 4 * count, min(_BLOCK, size - index * _BLOCK))[:2]

        return PieceStream(size, _BLOCK, piece, places)

    def _block(self, pointers: tuple[int, ...], index: int, first: int, want: int) -> tuple[int, int, bool]:
        """Place and length of a block, and whether it is stored as it is."""
        pointer = pointers[index]
        before = pointers[index - 1] if index else first
        if not self._has_pointers:
            if not before <= pointer:
                raise CorruptStructureError(f"a block pointer does not hold: {pointer} after {before}")
            return before, pointer - before, False
        is_stored = bool(pointer & _STORED)
        value = pointer & (_DIRECT - 1)
        if pointer & _DIRECT:
            place = value << 2
            return (place, want, True) if is_stored else (place + 2, self._short(place), False)
        if index and before & _DIRECT:
            place = (before & (_DIRECT - 1)) << 2
            place += _BLOCK if before & _STORED else 2 + self._short(place)
        else:
            place = before & (_DIRECT - 1) if index else first
        if value < place:
            raise CorruptStructureError(f"a block pointer does not hold: {value} after {place}")
        return place, value - place, is_stored

    def _short(self, place: int) -> int:
        return int(struct.unpack(self._order + "H", self._reader.bytes_at(place, 2))[0])

    def _unpack(self, place: int, length: int, is_stored: bool) -> bytes:
        if length > 2 * _BLOCK:
            raise CorruptStructureError(f"a block of {length} bytes at {place} does not hold")
        raw = self._reader.bytes_at(place, length)
        return raw[:_BLOCK] if is_stored else decompress_zlib(raw, _BLOCK)

    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """None: the format keeps nothing that was deleted."""
        return ()

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """What lies in the volume behind the file system."""
        if self._reader.stream.size > self._size:
            yield self._size, self._reader.stream.size - self._size
