"""Node blocks: inodes with their inline areas, and the footer that every node carries."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.f2fs.layout import FEATURE_CRTIME, FEATURE_FLEXIBLE_XATTR, Superblock
from triage.model.entry import EntryType
from triage.model.times import Times

FOOTER_BYTES = 24
ADDRESSES_AT = 360
NODE_IDS_BYTES = 20

INLINE_XATTR, INLINE_DATA, INLINE_DENTRY, EXTRA_ATTR = 0x01, 0x02, 0x04, 0x20
ADVISE_ENCRYPTED, ADVISE_ENCRYPTED_NAME, ADVISE_VERITY = 0x04, 0x08, 0x40
FLAG_COMPRESSED = 0x4
_DEFAULT_XATTR_WORDS = 50
_TYPES = {0x8: EntryType.FILE, 0x4: EntryType.DIRECTORY, 0xA: EntryType.SYMLINK}


@dataclass(frozen=True, slots=True)
class Footer:
    """End of a node block.

    Attributes:
        node: Its number.
        inode: Inode that it belongs to.
        flags: Bit 0 cold, bit 1 fsync, bit 2 dentry; from bit 3 its place among the nodes of the inode.
        version: Checkpoint that it was written under.
        following: Block that the next node was to be written to.
    """

    node: int
    inode: int
    flags: int
    version: int
    following: int


def read_footer(block: bytes) -> Footer:
    """The footer of a node block."""
    return Footer(*struct.unpack_from("<IIIQI", block, len(block) - FOOTER_BYTES))


@dataclass(frozen=True, slots=True)
class Inode:
    """One inode.

    Attributes:
        number: Its number.
        mode: Type and permissions.
        advise: Hint bits, encryption among them.
        inline: What lies within.
        user: Owner.
        links: Names that lead to it.
        size: Bytes, as declared.
        times: As stored.
        xattr_node: Node with extended attributes, 0 where there is none.
        flags: As ``lsattr`` shows them.
        parent: Directory it was made in.
        name: Name it was made under.
        extra_words: Words of ``block`` before the first address, for extra attributes.
        xattr_words: Words at the end of the addresses, for extended attributes.
        algorithm: Compression: 0 LZO, 1 LZ4, 2 zstd, 3 LZO-RLE.
        cluster: Logarithm of the blocks in a cluster.
        block: The whole block.
        version: Checkpoint that the block was written under.
    """

    number: int
    mode: int
    advise: int
    inline: int
    user: int
    links: int
    size: int
    times: Times
    xattr_node: int
    flags: int
    parent: int
    name: bytes
    extra_words: int
    xattr_words: int
    algorithm: int
    cluster: int
    block: bytes
    version: int

    @property
    def entry_type(self) -> EntryType:
        """File, directory, symbolic link, other."""
        return _TYPES.get(self.mode >> 12, EntryType.OTHER)

    @property
    def is_encrypted(self) -> bool:
        """Content, or the names in it, are encrypted."""
        return bool(self.advise & ADVISE_ENCRYPTED)

    @property
    def is_compressed(self) -> bool:
        """A regular file that may have compressed clusters."""
        return bool(self.flags & FLAG_COMPRESSED) and self.entry_type is EntryType.FILE and self.cluster > 0

    @property
    def address_words(self) -> int:
        """Block addresses in the inode."""
        words = (len(self.block) - ADDRESSES_AT - NODE_IDS_BYTES - FOOTER_BYTES) // 4
        return words - self.extra_words - self.xattr_words

    def inline_area(self) -> bytes:
        """Bytes of inline data or of an inline directory."""
        start = ADDRESSES_AT + 4 * (self.extra_words + 1)
        return self.block[start : start + 4 * (self.address_words - 1)]

    def inline_xattr(self) -> bytes:
        """Bytes of extended attributes in the inode."""
        end = len(self.block) - NODE_IDS_BYTES - FOOTER_BYTES
        return self.block[end - 4 * self.xattr_words : end]

    def addresses(self) -> tuple[int, ...]:
        """Block addresses in the inode."""
        start = ADDRESSES_AT + 4 * self.extra_words
        return struct.unpack_from(f"<{self.address_words}I", self.block, start)

    def node_ids(self) -> tuple[int, ...]:
        """Nodes with further addresses: two direct, two indirect, one double indirect."""
        return struct.unpack_from("<5I", self.block, len(self.block) - FOOTER_BYTES - NODE_IDS_BYTES)


def parse_inode(block: bytes, number: int, superblock: Superblock) -> Inode:
    """The inode in a node block.

    Raises:
        CorruptStructureError: The block is not this inode, or its fields do not hold.
    """
    footer = read_footer(block)
    if footer.node != number or footer.inode != number:
        raise CorruptStructureError(f"the block of inode {number} says that it is node {footer.node}")
    mode, advise, inline, user, _, links, size = struct.unpack_from("<HBBIIIQ", block, 0)
    xattr_node, flags, parent, name_length = struct.unpack_from("<4I", block, 76)
    extra, xattr_words, algorithm, cluster = _extra(block, inline, superblock)
    words = (len(block) - ADDRESSES_AT - NODE_IDS_BYTES - FOOTER_BYTES) // 4
    if extra + xattr_words + 2 > words:
        raise CorruptStructureError(f"inode {number}: areas of {extra} and {xattr_words} words do not fit in it")
    return Inode(
        *(number, mode, advise, inline, user, links, size),
        _times(block, extra, superblock),
        *(xattr_node, flags, parent, block[92 : 92 + min(name_length, 255)], extra, xattr_words, algorithm),
        *(cluster, block, footer.version),
    )


def _extra(block: bytes, inline: int, superblock: Superblock) -> tuple[int, int, int, int]:
    """Words of extra and of extended attributes; algorithm and cluster of compression."""
    extra = 0
    algorithm = cluster = 0
    flexible = 0
    if inline & EXTRA_ATTR:
        extra_bytes, flexible = struct.unpack_from("<2H", block, ADDRESSES_AT)
        extra = extra_bytes // 4
        if extra_bytes >= 36:
            algorithm, cluster = struct.unpack_from("<BB", block, ADDRESSES_AT + 32)
    if superblock.features & FEATURE_FLEXIBLE_XATTR and inline & EXTRA_ATTR:
        return extra, flexible, algorithm, min(cluster, 16)
    words = _DEFAULT_XATTR_WORDS if inline & (INLINE_XATTR | INLINE_DENTRY) else 0
    return extra, words, algorithm, min(cluster, 16)


def _times(block: bytes, extra: int, superblock: Superblock) -> Times:
    access, change, modify = struct.unpack_from("<3q", block, 32)
    fractions = struct.unpack_from("<3I", block, 56)
    born: int | None = None
    if superblock.features & FEATURE_CRTIME and extra * 4 >= 24:
        seconds, fraction = struct.unpack_from("<qI", block, ADDRESSES_AT + 12)
        born = _nanoseconds(seconds, fraction)
    return Times(
        mtime=_nanoseconds(modify, fractions[2]),
        atime=_nanoseconds(access, fractions[0]),
        ctime=_nanoseconds(change, fractions[1]),
        crtime=born,
    )


def _nanoseconds(seconds: int, fraction: int) -> int:
    return seconds * 1_000_000_000 + (fraction if fraction < 1_000_000_000 else 0)
