"""Items of the trees of Btrfs: inodes, names, roots, extents.

Source: "On-disk format" of the Btrfs documentation and ``btrfs_tree.h`` of the kernel's user headers, for the layout of
fields and the numbers of types.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.btrfs.blocks import Key
from triage.evidence.filesystems.btrfs.superblock import MAX_LEVEL, Pointer
from triage.model.entry import EntryType
from triage.model.times import Times

INODE_ITEM, INODE_REF, INODE_EXTREF, XATTR_ITEM = 1, 12, 13, 24
ORPHAN_ITEM, DIR_ITEM, DIR_INDEX, EXTENT_DATA = 48, 84, 96, 108
ROOT_ITEM, ROOT_REF = 132, 156
EXTENT_ITEM, METADATA_ITEM = 168, 169
FREE_SPACE_INFO, FREE_SPACE_EXTENT, FREE_SPACE_BITMAP = 198, 199, 200
DEV_ITEM, CHUNK_ITEM = 216, 228
EXTENT_TREE, TOP_TREE, ROOT_DIRECTORY, FREE_SPACE_TREE = 2, 5, 6, 10
FIRST_FREE, LAST_FREE = 256, (1 << 64) - 256
ORPHANS = (1 << 64) - 5
"""Object whose items name inodes that were deleted while open."""
LOG_TREE = (1 << 64) - 6
MOST = (1 << 64) - 1
VERITY = 1 << 32
"""Flag of an inode: its content is sealed by fs-verity."""
INLINE, REGULAR, PREALLOCATED = 0, 1, 2
EXTENT_HEADER = 21
_INODE = struct.Struct("<QQQQQIIIIQQQ32sqIqIqIqI")
_DIRECTORY = struct.Struct("<QBQQHHB")
_ROOT = struct.Struct("<QQQQQQQIQBQBB")
_ROOT_REF = struct.Struct("<QQH")
_EXTENT = struct.Struct("<QQBBHB")
_PLACE = struct.Struct("<QQQQ")
_TYPES = {0o040000: EntryType.DIRECTORY, 0o100000: EntryType.FILE, 0o120000: EntryType.SYMLINK}


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode as stored.

    Attributes:
        size: Bytes of its data.
        links: Names that lead to it.
        owner: User number.
        entry_type: By its mode.
        flags: As stored.
        times: All four.
    """

    size: int
    links: int
    owner: int
    entry_type: EntryType
    flags: int
    times: Times


@dataclass(frozen=True, slots=True)
class NameItem:
    """A name in a directory, or an extended attribute.

    Attributes:
        location: Key of what it leads to.
        name: As stored.
        value: Value of an attribute.
    """

    location: Key
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Root:
    """A tree of files.

    Attributes:
        number: Its object number.
        pointer: Where it begins.
        directory: Inode of its root directory.
        links: 0 where it was deleted and is not yet cleaned up.
        dropped: What comes before this key is gone.
    """

    number: int
    pointer: Pointer
    directory: int
    links: int
    dropped: Key


@dataclass(frozen=True, slots=True)
class Extent:
    """A part of a file.

    Attributes:
        offset: Bytes from the start of the file.
        length: Bytes of the file that it holds.
        kind: Inline, regular, preallocated.
        compression: Number of the method, 0 for none.
        decoded: Bytes of the whole extent when decoded.
        logical: Where the whole extent lies, 0 for a hole.
        stored: Bytes of it there.
        inside: Where the part begins in the decoded extent.
        data: Stored bytes of an inline extent.
        encryption: Number of the method, 0 for none.
    """

    offset: int
    length: int
    kind: int
    compression: int
    decoded: int
    logical: int
    stored: int
    inside: int
    data: bytes = b""
    encryption: int = 0


def parse_inode(data: bytes) -> Inode:
    """An inode item.

    Raises:
        CorruptStructureError: It is too short.
    """
    if len(data) < _INODE.size:
        raise CorruptStructureError(f"an inode item of {len(data)} bytes")
    (_generation, _transaction, size, _stored, _group, links, owner, _gid, mode, _device, flags, _sequence, _reserved,
     access, access_ns, change, change_ns, modify, modify_ns, create, create_ns) = _INODE.unpack_from(data)  # fmt: skip
    times = Times(
        mtime=modify * 1_000_000_000 + modify_ns,
        atime=access * 1_000_000_000 + access_ns,
        ctime=change * 1_000_000_000 + change_ns,
        crtime=create * 1_000_000_000 + create_ns if create or create_ns else None,
    )
    return Inode(size, links, owner, _TYPES.get(mode & 0o170000, EntryType.OTHER), flags, times)


def parse_names(data: bytes) -> Iterator[NameItem]:
    """Names in an item of a directory, or attributes in one of an inode.

    Raises:
        CorruptStructureError: The item does not hold; what came before was given.
    """
    position = 0
    while position < len(data):
        start = position + _DIRECTORY.size
        if start > len(data):
            raise CorruptStructureError("a name is cut short")
        number, kind, offset, _transaction, value, name, _type = _DIRECTORY.unpack_from(data, position)
        position = start + name + value
        if position > len(data):
            raise CorruptStructureError("a name is longer than its item")
        yield NameItem((number, kind, offset), data[start : start + name], data[start + name : position])


def parse_root(number: int, data: bytes) -> Root:
    """A root item.

    Raises:
        CorruptStructureError: It does not hold.
    """
    if len(data) < _INODE.size + _ROOT.size:
        raise CorruptStructureError(f"the root item of tree {number} is cut short")
    (generation, directory, logical, _limit, _used, _snapshot, _flags, links, gone, gone_kind, gone_offset,
     _gone_level, level) = _ROOT.unpack_from(data, _INODE.size)  # fmt: skip
    if level > MAX_LEVEL or not logical:
        raise CorruptStructureError(f"the root item of tree {number} does not hold")
    dropped = (gone, gone_kind, gone_offset)
    return Root(number, Pointer(logical, generation, level), directory, links, dropped)


def parse_root_ref(data: bytes) -> tuple[int, int, bytes]:
    """Where a subvolume stands in another: directory, sequence, name.

    Raises:
        CorruptStructureError: It does not hold.
    """
    if len(data) < _ROOT_REF.size:
        raise CorruptStructureError("a reference to a subvolume is cut short")
    directory, sequence, length = _ROOT_REF.unpack_from(data)
    name = data[_ROOT_REF.size : _ROOT_REF.size + length]
    if len(name) < length:
        raise CorruptStructureError("the name of a subvolume is longer than its item")
    return directory, sequence, name


def parse_links(key: Key, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Names of an inode by its back references: parent directory and name; stops where the item does not hold."""
    position, extended = 0, key[1] == INODE_EXTREF
    header = 18 if extended else 10
    while position + header <= len(data):
        length = int.from_bytes(data[position + header - 2 : position + header], "little")
        parent = int.from_bytes(data[position : position + 8], "little") if extended else key[2]
        name = data[position + header : position + header + length]
        if len(name) < length:
            return
        yield parent, name
        position += header + length


def parse_extent(offset: int, data: bytes) -> Extent:
    """A part of a file.

    Raises:
        CorruptStructureError: It does not hold.
    """
    if len(data) < EXTENT_HEADER:
        raise CorruptStructureError(f"the extent at byte {offset} of a file is cut short")
    _generation, decoded, compression, encryption, other, kind = _EXTENT.unpack_from(data)
    encryption = encryption or other
    if kind == INLINE:
        length = decoded if compression or encryption else min(decoded, len(data) - EXTENT_HEADER)
        return Extent(offset, length, kind, compression, decoded, 0, 0, 0, data[EXTENT_HEADER:], encryption)
    if kind not in (REGULAR, PREALLOCATED) or len(data) < EXTENT_HEADER + _PLACE.size:
        raise CorruptStructureError(f"the extent at byte {offset} of a file does not hold")
    logical, stored, inside, length = _PLACE.unpack_from(data, EXTENT_HEADER)
    if offset + length >= 1 << 64 or logical + stored >= 1 << 64:
        raise CorruptStructureError(f"the extent at byte {offset} of a file does not hold")
    if logical and inside + length > (decoded if compression else stored):
        raise CorruptStructureError(f"the extent at byte {offset} of a file is longer than what is stored")
    return Extent(offset, length, kind, compression, decoded, logical, stored, inside, b"", encryption)
