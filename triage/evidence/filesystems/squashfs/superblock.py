"""The superblock of a SquashFS, and decompression of its blocks."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.block_codecs import (
    decompress_lz4,
    decompress_xz,
    decompress_zlib,
    decompress_zstd,
)
from triage.evidence.filesystems.lzo import decompress_lzo1x
from triage.model.stream import Stream

NONE = 0xFFFFFFFFFFFFFFFF
_HEAD = struct.Struct("<4s4I6H8Q")
_MAGIC, _MAGIC_BIG = b"hsqs", b"sqsh"
Decompress = Callable[[bytes, int], bytes]
DECOMPRESSORS: dict[int, Decompress] = {
    1: decompress_zlib,
    2: decompress_xz,
    3: decompress_lzo1x,
    4: decompress_xz,
    5: decompress_lz4,
    6: decompress_zstd,
}


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock says; places in bytes from the start of the volume, ``NONE`` where a table is absent.

    Attributes:
        inodes: Number of inodes.
        block_size: Bytes in a data block.
        fragments: Number of fragment blocks.
        compression: Number of the algorithm.
        ids: Number of user and group numbers.
        root: Reference of the root directory: place of its metadata block and offset in it.
        used: Bytes of the file system.
        id_table: Pointers to the blocks of user and group numbers.
        xattr_table: Head of the extended attributes.
        inode_table: First block of inodes.
        directory_table: First block of directories, the end of the inodes.
        fragment_table: Pointers to the blocks of the fragment table.
        export_table: Pointers to the blocks of references by inode number.
    """

    inodes: int
    block_size: int
    fragments: int
    compression: int
    ids: int
    root: int
    used: int
    id_table: int
    xattr_table: int
    inode_table: int
    directory_table: int
    fragment_table: int
    export_table: int


def detect(stream: Stream) -> tuple[str, int]:
    """Name and block size where a superblock of any version stands, else ``("", 0)``; never raises."""
    try:
        head = stream.read_at(0, 96)
    except EvidenceError:
        return "", 0
    version = _version(head)
    if not 1 <= version <= 4:
        return "", 0
    try:
        return "squashfs", read_superblock(stream).block_size
    except UnsupportedFormatError:
        return "squashfs", 0
    except EvidenceError:
        return "", 0


def _version(head: bytes) -> int:
    """Major version; 0 where no superblock stands."""
    if len(head) < 96 or head[:4] not in (_MAGIC, _MAGIC_BIG):
        return 0
    order = "<" if head[:4] == _MAGIC else ">"
    return int(struct.unpack_from(order + "H", head, 28)[0])


def read_superblock(stream: Stream) -> Superblock:
    """The superblock.

    Raises:
        UnsupportedFormatError: There is none, or of a version or compression that is not read.
        CorruptStructureError: It does not hold.
    """
    head = stream.read_at(0, 96)
    version = _version(head)
    if version != 4 or head[:4] != _MAGIC:
        what = f"SquashFS version {version}" if version else "no SquashFS superblock"
        raise UnsupportedFormatError(f"{what} is not read" if version else what, hint="read it with unsquashfs")
    fields = _HEAD.unpack_from(head)
    inodes, _, block_size, fragments, compression, log, _, ids = fields[1:9]
    root, used, id_table, xattr_table, inode_table, directory_table, fragment_table, export_table = fields[11:]
    if not 12 <= log <= 20 or block_size != 1 << log:
        raise CorruptStructureError(f"SquashFS superblock: blocks of {block_size} bytes")
    if not 96 <= inode_table < directory_table <= used:
        raise CorruptStructureError("SquashFS superblock: the tables are out of order")
    if compression not in DECOMPRESSORS:
        raise UnsupportedFormatError(f"SquashFS with compression {compression} is not read")
    return Superblock(
        *(inodes, block_size, fragments, compression, ids, root, used),
        *(id_table, xattr_table, inode_table, directory_table, fragment_table, export_table),
    )
