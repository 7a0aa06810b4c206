"""Which fragments of UFS 1 and 2 are free, by the maps in their cylinder groups, in either byte order.

Source: ``sys/ufs/ffs/fs.h`` of FreeBSD (``struct fs``, ``struct cg``). A group that does not hold counts as free, and
the error comes after the last run.
"""

from __future__ import annotations

import struct
from typing import Any

from triage.errors import CorruptStructureError, ReadFailedError
from triage.evidence.filesystems.free_bits import free_bits
from triage.evidence.filesystems.free_maps import Runs
from triage.model.stream import Stream

_PLACES = (65536, 8192, 0, 262144)
_UFS1, _UFS2 = 0x011954, 0x19540119
_CG_MAGIC = 0x090255
MAX_GROUPS = 1 << 22


def ufs(volume: Stream, library: Any) -> Runs:
    """Free fragments, bytes; ``library`` is not asked."""
    order, block = _super_block(volume)
    magic = struct.unpack_from(order + "I", block, 1372)[0]
    group_block, offset, mask = struct.unpack_from(order + "i8x2i", block, 12)
    groups, _, unit = struct.unpack_from(order + "3i", block, 44)
    (per_group,) = struct.unpack_from(order + "i", block, 188)
    size = struct.unpack_from(order + "q", block, 1080)[0] if magic == _UFS2 else 0
    size = size or struct.unpack_from(order + "I", block, 36)[0]
    if not (512 <= unit <= 65536 and per_group > 0 and 0 < groups <= MAX_GROUPS and group_block > 0 and size > 0):
        raise CorruptStructureError("super block of UFS makes no sense")
    size = min(size, volume.size // unit)
    failed = 0
    for group in range(min(groups, -(-size // per_group))):
        first = group * per_group
        count = min(per_group, size - first)
        start = first + (offset * (group & ~mask) if magic == _UFS1 else 0)
        try:
            bitmap = _bitmap(volume, order, (start + group_block) * unit, count, group)
        except ReadFailedError:
            failed += 1
            yield first * unit, count * unit
            continue
        for index, length in free_bits(bitmap, count, free=1):
            yield (first + index) * unit, length * unit
    if failed:
        raise ReadFailedError(f"{failed} cylinder groups cannot be read, they count as free")


def _super_block(volume: Stream) -> tuple[str, bytes]:
    """Byte order and bytes of the super block.

    Raises:
        CorruptStructureError: There is none.
    """
    for place in _PLACES:
        block = volume.read_at(place, 1376)
        if len(block) < 1376:
            continue
        for order in "<>":
            if struct.unpack_from(order + "I", block, 1372)[0] in (_UFS1, _UFS2):
                return order, block
    raise CorruptStructureError("no super block of UFS")


def _bitmap(volume: Stream, order: str, place: int, count: int, group: int) -> bytes:
    """Map of free fragments of a group.

    Raises:
        ReadFailedError: The group does not hold, or cannot be read.
    """
    head = volume.read_at(place, 104)
    if len(head) < 104:
        raise ReadFailedError("cylinder group beyond the end of the volume")
    magic, number = struct.unpack_from(order + "I4xI", head, 4)
    (where,) = struct.unpack_from(order + "I", head, 96)
    if magic != _CG_MAGIC or number != group or not 104 <= where < 1 << 20:
        raise ReadFailedError("cylinder group does not hold")
    size = (count + 7) // 8
    data = volume.read_at(place + where, size)
    if len(data) < size:
        raise ReadFailedError("cylinder group beyond the end of the volume")
    return data
