"""Records of the tree of files of APFS: inodes, names, attributes, extents. Format: see :mod:`.objects`."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.tree import Name
from triage.model.entry import EntryType

INODE, XATTR, FILE_EXTENT, NAME = 3, 4, 8, 9
LOWEST = 64
"""Bits of the number of a key that tell records of one object and kind apart."""
ROOT_DIRECTORY, PRIVATE_DIRECTORY = 2, 3

_ID = (1 << 60) - 1
_DSTREAM, _SPARSE_BYTES = 8, 13
_DATA_STREAM, _EMBEDDED = 1, 2
_COMPRESSED = 0x20
_FORMATS = {0o040000: EntryType.DIRECTORY, 0o100000: EntryType.FILE, 0o120000: EntryType.SYMLINK}


def key_number(key: bytes) -> int:
    """The number of a key: object, kind, and for extents the place in the file."""
    head = int.from_bytes(key[:8], "little")
    if len(key) < 8:
        raise struct.error("key of less than 8 bytes")
    place = int.from_bytes(key[8:16], "little") if head >> 60 == FILE_EXTENT else 0
    return ((head & _ID) << 4 | head >> 60) << LOWEST | place


def span(identifier: int, first: int, last: int = 0) -> tuple[int, int]:
    """Numbers of the keys of an object's records of one kind, or of the kinds from one to another."""
    return (identifier << 4 | first) << LOWEST, ((identifier << 4 | (last or first)) + 1) << LOWEST


def owner_of(number: int) -> tuple[int, int]:
    """Object and kind of the number of a key."""
    return number >> LOWEST + 4, number >> LOWEST & 15


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode.

    Attributes:
        parent: Directory of one of its names.
        data: Identifier of its extents.
        times: Created, modified, changed, accessed: nanoseconds since 1970.
        links: Names of a file, entries of a directory.
        compressed: Flag of a file whose content stands compressed in its attributes.
        owner: User number.
        entry_type: File, directory, symbolic link, other.
        size: Bytes of its data stream; None where it has none.
    """

    parent: int
    data: int
    times: tuple[int, int, int, int]
    links: int
    compressed: bool
    owner: int
    entry_type: EntryType
    size: int | None


def parse_inode(value: bytes) -> Inode:
    """An inode from its record.

    Raises:
        CorruptStructureError: The record is too short.
    """
    if len(value) < 92:
        raise CorruptStructureError("APFS: the record of an inode is too short")
    parent, data, created, modified, changed, accessed = struct.unpack_from("<QQqqqq", value)
    links, flags, owner, _, mode = struct.unpack_from("<i8xIIIH", value, 56)
    kind = _FORMATS.get(mode & 0o170000, EntryType.OTHER)
    size = None
    for number, start, length in _extended(value, 92):
        if number == _DSTREAM and length >= 8:
            size = struct.unpack_from("<Q", value, start)[0]
    times = (created, modified, changed, accessed)
    return Inode(parent, data, times, links, bool(flags & _COMPRESSED), owner, kind, size)


def _extended(value: bytes, start: int) -> list[tuple[int, int, int]]:
    """Extended fields behind a record: number, where its data begins, bytes."""
    if len(value) < start + 4:
        return []
    count = struct.unpack_from("<H", value, start)[0]
    position = start + 4 + 4 * count
    found: list[tuple[int, int, int]] = []
    for index in range(count):
        entry = start + 4 + 4 * index
        if position > len(value) or entry + 4 > len(value):
            break
        number, _, length = struct.unpack_from("<BBH", value, entry)
        if position + length <= len(value):
            found.append((number, position, length))
        position += length + 7 & ~7
    return found


def parse_name(key: bytes, value: bytes, *, hashed: bool) -> Name:
    """A name in a directory from its record.

    Raises:
        CorruptStructureError: The record is too short.
    """
    start = 12 if hashed else 10
    if len(key) < start or len(value) < 18:
        raise CorruptStructureError("APFS: the record of a name is too short")
    length = int.from_bytes(key[8:start], "little") & (0x3FF if hashed else 0xFFFF)
    if start + length > len(key):
        raise CorruptStructureError("APFS: a name reaches beyond its record")
    return Name(key[start : start + length].split(b"\0")[0], struct.unpack_from("<Q", value)[0])


@dataclass(frozen=True, slots=True)
class Extended:
    """An extended attribute.

    Attributes:
        name: As stored.
        embedded: Its bytes where they stand in the record.
        stream: Identifier of its extents, 0 where embedded.
        size: Bytes.
    """

    name: bytes
    embedded: bytes
    stream: int
    size: int


def parse_attribute(key: bytes, value: bytes) -> Extended:
    """An extended attribute from its record.

    Raises:
        CorruptStructureError: The record does not hold.
    """
    if len(key) < 10 or len(value) < 4:
        raise CorruptStructureError("APFS: the record of an extended attribute is too short")
    name = key[10 : 10 + int.from_bytes(key[8:10], "little")].split(b"\0")[0]
    flags, length = struct.unpack_from("<HH", value)
    if flags & _DATA_STREAM:
        if len(value) < 20:
            raise CorruptStructureError("APFS: the record of an extended attribute is too short")
        stream, size = struct.unpack_from("<QQ", value, 4)
        return Extended(name, b"", stream, size)
    if 4 + length > len(value):
        raise CorruptStructureError("APFS: an extended attribute reaches beyond its record")
    return Extended(name, value[4 : 4 + length], 0, length)


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes of a content that lie together.

    Attributes:
        offset: In the content, bytes.
        length: Bytes.
        block: First block, 0 for a hole.
        tweak: Where the key stream begins, for encrypted volumes.
    """

    offset: int
    length: int
    block: int
    tweak: int


def parse_extent(number: int, value: bytes) -> Extent:
    """An extent from its record.

    Raises:
        CorruptStructureError: The record is too short.
    """
    if len(value) < 16:
        raise CorruptStructureError("APFS: the record of an extent is too short")
    length, block = struct.unpack_from("<QQ", value)
    tweak = struct.unpack_from("<Q", value, 16)[0] if len(value) >= 24 else 0
    return Extent(number & (1 << LOWEST) - 1, length & (1 << 56) - 1, block, tweak)
