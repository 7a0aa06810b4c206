"""The superblock of XFS: sizes, features, where things are.

Source: "XFS Algorithms & Data Structures", chapters "Superblocks" and "Variable length" tables of versions 4 and 5. All
numbers are big-endian but for checksums.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.filesystems.xfs import checksum

MAGIC = b"XFSB"
LENGTH = 512
"""Bytes of the superblock that are read: it lies in one sector, of 512 bytes at least."""
SMALLEST_GROUP = 1 << 20
"""Bytes of an allocation group, where there are several; mkfs makes none below 16 MiB."""
NONE = 0xFFFFFFFFFFFFFFFF
"""A number of an inode that is not there."""

_CRC_FIELD = 224
_DIR_V2 = 0x2000
_MORE_BITS = 0x8000
_FTYPE_V4 = 0x200
_FTYPE, _SPARSE, _META_UUID, _NEEDS_REPAIR = 0x1, 0x2, 0x4, 0x10
_ZONED = 0x200
_KNOWN_INCOMPATIBLE = 0x1FF


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the superblock says.

    Attributes:
        version: 4 or 5.
        block_size: Bytes in a block.
        sector_size: Bytes in a sector: the headers of an allocation group stand in one each.
        inode_size: Bytes in an inode.
        ag_blocks: Blocks in an allocation group, fewer in the last.
        ag_count: Allocation groups.
        ag_block_bits: Bits of a block number that count within a group.
        inodes_per_block_bits: Power of two of the inodes in a block.
        blocks: Blocks of the data section.
        root: Inode of the root directory.
        internal: Inodes without a name: bitmap and summary of the realtime section, quota.
        directory_block: Bytes in a block of a directory.
        log_start: Block where the log begins, 0 where it is on another device.
        log_blocks: Blocks of the log.
        realtime_blocks: Blocks of the realtime section, which is on another device.
        has_file_types: Names in directories carry the type of the file.
        has_sparse_inodes: Chunks of inodes may have holes.
        uuid: Identity that the structures of version 5 carry.
        notes: What does not hold, in words.
    """

    version: int
    block_size: int
    sector_size: int
    inode_size: int
    ag_blocks: int
    ag_count: int
    ag_block_bits: int
    inodes_per_block_bits: int
    blocks: int
    root: int
    internal: frozenset[int]
    directory_block: int
    log_start: int
    log_blocks: int
    realtime_blocks: int
    has_file_types: bool
    has_sparse_inodes: bool
    uuid: bytes
    notes: tuple[str, ...] = ()

    @property
    def has_checksums(self) -> bool:
        """Structures carry checksums, owner and place (version 5)."""
        return self.version == 5

    def ag_length(self, ag: int) -> int:
        """Blocks in an allocation group."""
        return min(self.ag_blocks, self.blocks - ag * self.ag_blocks)

    def block_offset(self, block: int) -> int:
        """Byte of the volume where a block begins; -1 where there is no such block."""
        within = block & ((1 << self.ag_block_bits) - 1)
        place = (block >> self.ag_block_bits) * self.ag_blocks + within
        return place * self.block_size if within < self.ag_blocks and place < self.blocks else -1

    def inode_offset(self, number: int) -> int:
        """Byte of the volume where an inode stands; -1 where none can."""
        if number < 0:
            return -1
        block = self.block_offset(number >> self.inodes_per_block_bits)
        within = number & ((1 << self.inodes_per_block_bits) - 1)
        return block + within * self.inode_size if block >= 0 else -1

    def inode_number(self, ag: int, within: int) -> int:
        """Number of an inode from its number in its allocation group."""
        return ag << (self.ag_block_bits + self.inodes_per_block_bits) | within


def is_superblock(data: bytes) -> bool:
    """True where bytes begin a superblock whose sizes hold; never raises."""
    try:
        parse_superblock(data)
    except UnsupportedFormatError:
        return True
    except CorruptStructureError:
        return False
    return True


def parse_superblock(data: bytes) -> Geometry:
    """The geometry of a file system.

    Args:
        data: Its first sector, or the 512 bytes it begins with.

    Raises:
        CorruptStructureError: The sizes do not hold.
        UnsupportedFormatError: A version that is not read.
    """
    if len(data) < LENGTH or data[:4] != MAGIC:
        raise CorruptStructureError("no superblock of XFS")
    block_size, blocks, rt_blocks = struct.unpack_from(">IQQ", data, 4)
    log_start, root, rbm, rsum = struct.unpack_from(">4Q", data, 48)
    ag_blocks, ag_count, _, log_blocks, bits, sector, inode, per_block = struct.unpack_from(">4I4H", data, 84)
    block_log, sector_log, inode_log, per_block_log, ag_log = data[120:125]
    version = bits & 0xF
    directory = block_size << data[192] if data[192] <= 7 else 0
    group = ag_blocks * block_size
    sizes_hold = (
        _are_powers(block_size, block_log, sector, sector_log, inode, inode_log)
        and per_block == 1 << per_block_log == block_size // inode
        and ag_count > 0
        and ag_blocks > 0
        and 1 << max(0, ag_log - 1) <= ag_blocks <= 1 << ag_log <= 1 << 31
        and (ag_count - 1) * ag_blocks < blocks <= ag_count * ag_blocks
        and 4 * sector <= group
        and (ag_count == 1 or group >= SMALLEST_GROUP)
        and 0 < directory <= 65536
        and 1 <= version <= 5
    )
    if not sizes_hold:
        raise CorruptStructureError("the sizes in the superblock of XFS do not hold")
    if version < 4 or not bits & _DIR_V2:
        raise UnsupportedFormatError("XFS with directories of version 1 is not read", hint="mount it on an old system")
    features2 = struct.unpack_from(">I", data, 200)[0] if bits & _MORE_BITS else 0
    incompatible = struct.unpack_from(">I", data, 216)[0] if version == 5 else 0
    quota = struct.unpack_from(">2Q", data, 160)
    internal = {rbm, rsum, *quota} | ({struct.unpack_from(">Q", data, 232)[0]} if version == 5 else set())
    return Geometry(
        version=version,
        block_size=block_size,
        sector_size=sector,
        inode_size=inode,
        ag_blocks=ag_blocks,
        ag_count=ag_count,
        ag_block_bits=ag_log,
        inodes_per_block_bits=per_block_log,
        blocks=blocks,
        root=root,
        internal=frozenset(internal - {0, NONE}),
        directory_block=directory,
        log_start=log_start,
        log_blocks=log_blocks,
        realtime_blocks=rt_blocks,
        has_file_types=bool(incompatible & _FTYPE if version == 5 else features2 & _FTYPE_V4),
        has_sparse_inodes=bool(incompatible & _SPARSE),
        uuid=data[248:264] if incompatible & _META_UUID else data[32:48],
        notes=_notes(data, version, incompatible, sector),
    )


def _are_powers(block: int, block_log: int, sector: int, sector_log: int, inode: int, inode_log: int) -> bool:
    """True where the sizes of block, sector and inode are in their bounds and the powers of two stated beside them."""
    return (
        512 <= block <= 65536
        and 512 <= sector <= 32768
        and 256 <= inode <= 2048
        and (block, sector, inode) == (1 << block_log, 1 << sector_log, 1 << inode_log)
    )


def _notes(data: bytes, version: int, incompatible: int, sector: int) -> tuple[str, ...]:
    """What a reader of results must know of the file system."""
    out = []
    if data[126]:
        out.append("the file system was being made when the image was taken, it may not be whole")
    if version == 5 and len(data) >= sector and not checksum.holds(data[:sector], _CRC_FIELD):
        out.append("the checksum of the superblock is wrong")
    if incompatible & _NEEDS_REPAIR:
        out.append("the file system is marked as in need of repair")
    if incompatible & _ZONED:
        out.append("the file system is zoned: content in its zones is on the realtime section, which is not read")
    elif incompatible & ~_KNOWN_INCOMPATIBLE:
        out.append(f"features that are not known are in use: {incompatible & ~_KNOWN_INCOMPATIBLE:#x}")
    return tuple(out)
