"""What The Sleuth Kit does not tell of an ext2, ext3 or ext4 inode: its flags and its time of deletion.

Source: the kernel's ``Documentation/filesystems/ext4`` (super block, group descriptors, index nodes). Not handled:
``meta_bg`` layouts, where nothing is told.
"""

from __future__ import annotations

import struct

from triage.errors import EvidenceError
from triage.model.stream import Stream

FLAG_ENCRYPTED = 0x800
"""``EXT4_ENCRYPT_FL``: contents and names are encrypted by fscrypt."""
_INCOMPAT_META_BG, _INCOMPAT_64BIT, _INCOMPAT_ENCRYPT = 0x10, 0x80, 0x10000


class ExtFacts:
    """Reads inodes of one file system.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.

    Attributes:
        has_encryption: The file system may hold encrypted files.
    """

    def __init__(self, media: Stream, image_offset: int) -> None:
        self._media = media
        self._start = image_offset
        self._tables: dict[int, int] = {}
        self._inode_size = 0
        self.has_encryption = False
        try:
            block = media.read_at(image_offset + 1024, 1024)
            self._read_super_block(block)
        except (EvidenceError, struct.error):
            self._inode_size = 0

    def flags(self, inode: int) -> int:
        """Flags of an inode, 0 where it cannot be read."""
        record = self._inode(inode)
        return int.from_bytes(record[32:36], "little") if record else 0

    def deletion_time(self, inode: int) -> int | None:
        """Nanoseconds since 1970 at which an inode was deleted, None where it was not or nothing is told.

        The field also chains inodes that were open when deleted; such small numbers are no times.
        """
        record = self._inode(inode)
        seconds = int.from_bytes(record[20:24], "little") if record else 0
        return seconds * 1_000_000_000 if seconds > 0x1000_0000 else None

    def _read_super_block(self, block: bytes) -> None:
        (magic,) = struct.unpack_from("<H", block, 56)
        first_block, shift = struct.unpack_from("<II", block, 20)
        (self._per_group,) = struct.unpack_from("<I", block, 40)
        (revision,) = struct.unpack_from("<I", block, 76)
        (incompatible,) = struct.unpack_from("<I", block, 96)
        if magic != 0xEF53 or shift > 6 or not self._per_group:
            return
        self.has_encryption = bool(incompatible & _INCOMPAT_ENCRYPT)
        if incompatible & _INCOMPAT_META_BG:
            return
        wide = bool(incompatible & _INCOMPAT_64BIT)
        self._block_size = 1024 << shift
        self._descriptor_size = max(32, struct.unpack_from("<H", block, 254)[0]) if wide else 32
        self._descriptors = (first_block + 1) * self._block_size
        self._inode_size = max(128, struct.unpack_from("<H", block, 88)[0]) if revision else 128

    def _inode(self, inode: int) -> bytes:
        """First 128 bytes of an inode, empty where they cannot be read."""
        if not self._inode_size or inode < 1:
            return b""
        group, index = divmod(inode - 1, self._per_group)
        try:
            table = self._tables.get(group)
            if table is None:
                table = self._tables[group] = self._table(group)
            if not table:
                return b""
            place = self._start + table * self._block_size + index * self._inode_size
            record = self._media.read_at(place, 128)
        except EvidenceError:
            return b""
        return record if len(record) == 128 else b""

    def _table(self, group: int) -> int:
        """Block where the inode table of a group begins, 0 where that cannot be told."""
        size = self._descriptor_size
        descriptor = self._media.read_at(self._start + self._descriptors + group * size, size)
        if len(descriptor) < size:
            return 0
        high = descriptor[40:44] if size >= 64 else b""
        return int.from_bytes(descriptor[8:12] + high, "little")
