"""What a library does not tell of an ext2, ext3 or ext4 inode: its flags, its time of deletion, content that is in it.

Source: the kernel's ``Documentation/filesystems/ext4`` (super block, group descriptors, index nodes,
inline data, extended attributes).
"""

from __future__ import annotations

import struct

from triage.errors import EvidenceError
from triage.evidence.filesystems.free_ext import ExtLayout
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.model.stream import Stream

FLAG_ENCRYPTED = 0x800
"""``EXT4_ENCRYPT_FL``: contents and names are encrypted by fscrypt."""
FLAG_INLINE = 0x1000_0000
"""``EXT4_INLINE_DATA_FL``: the content is in the inode."""
_BLOCK_PLACE, _BLOCK_SIZE = 40, 60
"""Where an inode has its map of blocks, or the beginning of what is inline."""
_ATTRIBUTES_MAGIC, _SYSTEM = 0xEA020000, 7
_INCOMPAT_META_BG, _INCOMPAT_64BIT, _INCOMPAT_ENCRYPT = 0x10, 0x80, 0x10000


def has_scattered_descriptors(media: Stream, image_offset: int) -> bool:
    """True where group descriptors lie among the groups (``meta_bg``): The Sleuth Kit looks for them in one place.

    It would then list what it takes for directories and give other files' bytes. Never raises.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
    """
    try:
        block = media.read_at(image_offset + 1024, 1024)
        if len(block) < 1024 or not int.from_bytes(block[96:100], "little") & _INCOMPAT_META_BG:
            return False
        return ExtLayout(VolumeStream(media, image_offset, media.size - image_offset)).is_scattered
    except (EvidenceError, struct.error):
        return False


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
        self._layout: ExtLayout | None = None
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

    def inline_data(self, inode: int, size: int) -> bytes | None:
        """Content that an inode has in itself, None where it has none or less than that.

        Args:
            inode: Its number.
            size: Bytes of the content.
        """
        if not self.flags(inode) & FLAG_INLINE:
            return None
        record = self._inode(inode, self._inode_size)
        data = record[_BLOCK_PLACE : _BLOCK_PLACE + _BLOCK_SIZE]
        if size > len(data):
            data += _system_data(record)
        return data[:size] if len(data) >= size else None

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
            self._layout = ExtLayout(VolumeStream(self._media, self._start, self._media.size - self._start))
        wide = bool(incompatible & _INCOMPAT_64BIT)
        self._block_size = 1024 << shift
        self._descriptor_size = max(32, struct.unpack_from("<H", block, 254)[0]) if wide else 32
        self._descriptors = (first_block + 1) * self._block_size
        self._inode_size = max(128, struct.unpack_from("<H", block, 88)[0]) if revision else 128

    def _inode(self, inode: int, length: int = 128) -> bytes:
        """First bytes of an inode, empty where they cannot be read."""
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
            record = self._media.read_at(place, length)
        except EvidenceError:
            return b""
        return record if len(record) == length else b""

    def _table(self, group: int) -> int:
        """Block where the inode table of a group begins, 0 where that cannot be told."""
        if self._layout is not None:
            return self._layout.places(group)[2] if group < self._layout.groups else 0
        size = self._descriptor_size
        descriptor = self._media.read_at(self._start + self._descriptors + group * size, size)
        if len(descriptor) < size:
            return 0
        high = descriptor[40:44] if size >= 64 else b""
        return int.from_bytes(descriptor[8:12] + high, "little")


def _system_data(record: bytes) -> bytes:
    """Value of the attribute ``system.data`` in a whole inode, empty where there is none."""
    if len(record) < 132:
        return b""
    place = 128 + int.from_bytes(record[128:130], "little")
    if int.from_bytes(record[place : place + 4], "little") != _ATTRIBUTES_MAGIC:
        return b""
    first = place = place + 4
    while place + 16 <= len(record) and record[place : place + 4] != bytes(4):
        count, index, offset, _, size = struct.unpack_from("<BBHII", record, place)
        if index == _SYSTEM and record[place + 16 : place + 16 + count] == b"data":
            return record[first + offset : first + offset + size]
        place += 16 + count + 3 & ~3
    return b""
