"""Which blocks of ext2, ext3 and ext4 are free, by the block bitmaps of their groups.

Handles 32- and 64-bit group descriptors, ``meta_bg``, ``flex_bg``, ``bigalloc`` and groups whose bitmap was never
written (``BLOCK_UNINIT``), of which only the file system's own blocks are in use. A group whose bitmap cannot be read
counts as free, and the error comes after the last run.

Source: the kernel's ``Documentation/filesystems/ext4`` (super block, group descriptors, block bitmaps).
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from triage.errors import CorruptStructureError, ReadFailedError
from triage.evidence.filesystems.free_bits import free_bits, joined, without
from triage.evidence.filesystems.free_maps import Runs
from triage.model.stream import Stream

_COMPAT_SPARSE_SUPER2 = 0x200
_INCOMPAT_META_BG, _INCOMPAT_64BIT = 0x10, 0x80
_RO_SPARSE_SUPER, _RO_GDT_CSUM, _RO_BIGALLOC, _RO_METADATA_CSUM = 0x1, 0x10, 0x200, 0x400
_BLOCK_UNINIT = 2
MIN_GROUP = 256
"""Blocks of the smallest group that mke2fs makes; fewer would be too many groups."""
MAX_GROUPS = 1 << 24
"""Groups of 2 PiB with blocks of 4 KiB."""


def ext(volume: Stream, library: Any) -> Runs:
    """Free blocks, bytes; ``library`` is not asked."""
    layout = ExtLayout(volume)
    failed: list[int] = []
    for first, count in joined(_free_blocks(layout, failed)):
        yield first * layout.block, count * layout.block
    if failed:
        shown = ", ".join(map(str, failed[:8])) + (" ..." if len(failed) > 8 else "")
        raise ReadFailedError(f"the block bitmaps of {len(failed)} groups cannot be read, they count as free: {shown}")


class ExtLayout:
    """Super block and group descriptors.

    Args:
        volume: Bytes of the volume.

    Attributes:
        block: Bytes of a block.
        first: First block that a bitmap describes.
        blocks: Blocks of the file system that the volume has.
        ratio: Blocks of an allocation cluster; 1 without ``bigalloc``.
        per_group: Blocks of a group.
        groups: How many.

    Raises:
        CorruptStructureError: The super block makes no sense.
    """

    def __init__(self, volume: Stream) -> None:
        self.volume = volume
        data = volume.read_at(1024, 1024)
        if len(data) < 1024 or data[56:58] != b"\x53\xef":
            raise CorruptStructureError("no super block of ext")
        numbers: tuple[int, ...] = struct.unpack_from("<I12xIIII", data, 4)
        blocks, self.first, shift, cluster_shift, self.per_group = numbers
        self._compat, self._incompat, self._ro = struct.unpack_from("<III", data, 92)
        inodes_per_group, inode_size = struct.unpack_from("<I", data, 40)[0], struct.unpack_from("<H", data, 88)[0]
        if shift > 6 or self.per_group < MIN_GROUP or not inodes_per_group:
            raise CorruptStructureError("super block of ext makes no sense")
        if not struct.unpack_from("<I", data, 76)[0]:
            inode_size, self._compat, self._incompat, self._ro = 128, 0, 0, 0
        self.block = 1024 << shift
        is_clustered = bool(self._ro & _RO_BIGALLOC) and cluster_shift > shift
        self.ratio: int = 1 << min(20, cluster_shift - shift) if is_clustered else 1
        wide = bool(self._incompat & _INCOMPAT_64BIT)
        if wide:
            blocks |= struct.unpack_from("<I", data, 0x150)[0] << 32
        self._descriptor = min(1024, max(32, struct.unpack_from("<H", data, 254)[0])) if wide else 32
        self._all_groups = -(-max(0, blocks - self.first) // self.per_group)
        self.blocks = min(blocks, volume.size // self.block)
        self.groups = min(MAX_GROUPS, -(-max(0, self.blocks - self.first) // self.per_group))
        self._first_meta_group = int.from_bytes(data[260:264], "little")
        self._reserved = int.from_bytes(data[206:208], "little")
        self._table_blocks = -(-inodes_per_group * max(128, inode_size) // self.block)
        self._backups = struct.unpack_from("<II", data, 0x24C)
        self._chunk: tuple[int, bytes] = (-1, b"")

    def descriptor(self, group: int) -> bytes:
        """Bytes of a group descriptor.

        Raises:
            ReadFailedError: It cannot be read.
        """
        per_block = self.block // self._descriptor
        index, inside = divmod(group, per_block)
        if self._chunk[0] != index:
            data = self.volume.read_at(self._descriptor_block(index, per_block) * self.block, self.block)
            self._chunk = (index, data)
        return self._chunk[1][inside * self._descriptor : (inside + 1) * self._descriptor].ljust(64, b"\0")

    def places(self, group: int) -> tuple[int, int, int, bool]:
        """Blocks of block bitmap, inode bitmap and inode table of a group, and whether the bitmap was written."""
        data = self.descriptor(group)
        low = struct.unpack_from("<III", data)
        high = struct.unpack_from("<III", data, 32) if self._descriptor >= 64 else (0, 0, 0)
        block, inode, table = (a | b << 32 for a, b in zip(low, high, strict=True))
        checked = self._ro & (_RO_GDT_CSUM | _RO_METADATA_CSUM)
        written = not (checked and struct.unpack_from("<H", data, 18)[0] & _BLOCK_UNINIT)
        return block, inode, table, written

    def own_blocks(self) -> list[tuple[int, int]]:
        """Bitmaps and inode tables of every group, ascending; with ``flex_bg`` they lie in other groups."""
        found: list[tuple[int, int]] = []
        for group in range(self.groups):
            try:
                block, inode, table, _ = self.places(group)
            except ReadFailedError:
                continue
            found += [(block, 1), (inode, 1), (table, self._table_blocks)]
        return list(joined(sorted(found)))

    def head(self, group: int) -> int:
        """Blocks at the start of a group that hold copies of super block and descriptors."""
        per_block = self.block // self._descriptor
        meta = group // per_block
        has_super = self._has_super(group)
        if self._incompat & _INCOMPAT_META_BG and meta >= self._first_meta_group:
            return has_super + (group % per_block in (0, 1, per_block - 1))
        if not has_super:
            return 0
        old = self._first_meta_group if self._incompat & _INCOMPAT_META_BG else -(-self._all_groups // per_block)
        return 1 + old + self._reserved

    @property
    def is_scattered(self) -> bool:
        """Not all group descriptors lie behind the first super block."""
        first_blocks = max(1, self._first_meta_group) * (self.block // self._descriptor)
        return bool(self._incompat & _INCOMPAT_META_BG) and self._all_groups > first_blocks

    def _descriptor_block(self, index: int, per_block: int) -> int:
        if not self._incompat & _INCOMPAT_META_BG or index < self._first_meta_group:
            return self.first + 1 + index + (self.block == 1024 and self.first == 0)
        group = index * per_block
        return self.first + group * self.per_group + self._has_super(group)

    def _has_super(self, group: int) -> bool:
        if self._compat & _COMPAT_SPARSE_SUPER2:
            return group == 0 or group in self._backups
        if group < 2 or not self._ro & _RO_SPARSE_SUPER:
            return True
        return any(_is_power(group, base) for base in (3, 5, 7))


def _is_power(number: int, base: int) -> bool:
    while number % base == 0:
        number //= base
    return number == 1


def _free_blocks(layout: ExtLayout, failed: list[int]) -> Iterator[tuple[int, int]]:
    """First block and count, ascending; groups without a readable bitmap go to ``failed``."""
    own: list[tuple[int, int]] | None = None
    starts: list[int] = []
    for group in range(layout.groups):
        first = layout.first + group * layout.per_group
        count = min(layout.per_group, layout.blocks - first)
        try:
            place, _, _, written = layout.places(group)
            bitmap = _bitmap(layout, place, count) if written else b""
        except ReadFailedError:
            failed.append(group)
            yield first, count
            continue
        if written:
            for index, length in free_bits(bitmap, -(-count // layout.ratio)):
                begin = index * layout.ratio
                yield first + begin, min(count - begin, length * layout.ratio)
            continue
        if own is None:
            own = layout.own_blocks()
            starts = [start for start, _ in own]
        low = max(0, bisect_left(starts, first) - 1)
        high = bisect_left(starts, first + count)
        used = [(first, min(count, layout.head(group))), *own[low:high]]
        yield from without([(first, count)], list(joined(sorted(used))))


def _bitmap(layout: ExtLayout, place: int, count: int) -> bytes:
    """The bitmap of a group.

    Raises:
        ReadFailedError: It lies outside the file system or cannot be read.
    """
    size = -(-count // layout.ratio // 8)
    if not 0 < place < layout.blocks or size > layout.block:
        raise ReadFailedError(f"block bitmap outside the file system: block {place}")
    data = layout.volume.read_at(place * layout.block, layout.block)
    if len(data) < size:
        raise ReadFailedError(f"block bitmap beyond the end of the volume: block {place}")
    return data
