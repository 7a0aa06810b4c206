"""Superblocks of Linux software RAID (md): versions 0.90 and 1.x.

Layout after ``md(4)`` and ``mdadm --examine``. Version 0.90 is 4 KiB in the byte order of the machine, in the last but
one 64 KiB that are aligned to it; 1.0 stands 8 KiB before the end, 1.1 at the beginning, 1.2 at byte 4096, all
little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triage.model.stream import Stream

MAGIC = 0xA92B4EFC
SECTOR = 512
MAX_DISKS = 4096

_SPARE = 0xFFFD
_V0_ALIGN = 65536
_RESHAPE, _BITMAP_MASK = 0x4, 0x1
_V0_DISKS = 27


@dataclass(frozen=True, slots=True)
class Superblock:
    """What a member says of its array.

    Attributes:
        version: ``0.90``, ``1.2`` ...
        array: Identifier of the array, 16 bytes.
        name: Of the array, empty where it has none.
        level: 0, 1, 4, 5, 6, 10; -1 is linear.
        layout: Number of the layout.
        chunk: Bytes in a chunk, 0 where the level has none.
        disks: Members that the array has.
        role: Place of this member, -1 for a spare or faulty one.
        size: Bytes that each member gives, 0 where they differ (linear, RAID 0).
        data_offset: Where its data begin, bytes.
        data_size: Bytes of its data.
        events: Counts the changes: the member with fewer is out of date.
        reshaping: The array was being changed in shape.
        sound: The checksum fits.
    """

    version: str
    array: bytes
    name: str
    level: int
    layout: int
    chunk: int
    disks: int
    role: int
    size: int
    data_offset: int
    data_size: int
    events: int
    reshaping: bool
    sound: bool


def find_superblock(stream: Stream) -> Superblock | None:
    """The superblock of a member, None where there is none.

    Raises:
        ReadFailedError: The bytes cannot be read.
    """
    size = stream.size
    for version, place in (("1.2", 4096), ("1.1", 0), ("1.0", (size // SECTOR - 16 & ~7) * SECTOR)):
        if place < 0 or place + 256 > size:
            continue
        head = stream.read_at(place, 4096)
        if len(head) >= 256 and struct.unpack_from("<II", head) == (MAGIC, 1):
            found = _version_1(head, version, place)
            if found is not None:
                return found
    place = (size & ~(_V0_ALIGN - 1)) - _V0_ALIGN
    if place < 0:
        return None
    head = stream.read_at(place, 4096)
    for order in "<>":
        if len(head) == 4096 and struct.unpack_from(f"{order}3I", head) == (MAGIC, 0, 90):
            return _version_0(head, order, place)
    return None


def _version_1(head: bytes, version: str, place: int) -> Superblock | None:
    features = struct.unpack_from("<I", head, 8)[0]
    level, layout, size, chunk, disks = struct.unpack_from("<iIQII", head, 72)
    offset, data_size, own = struct.unpack_from("<QQQ", head, 128)
    number = struct.unpack_from("<I", head, 160)[0]
    events = struct.unpack_from("<Q", head, 200)[0]
    stored, most = struct.unpack_from("<II", head, 216)
    if own * SECTOR != place or not 0 < disks <= MAX_DISKS:
        return None
    end = 256 + 2 * min(most, (len(head) - 256) // 2)
    roles = struct.unpack_from(f"<{(end - 256) // 2}H", head, 256)
    role = roles[number] if number < len(roles) else 0xFFFF
    name = head[32:64].split(b"\0")[0].decode("utf-8", "replace")
    return Superblock(
        version, head[16:32], name, level, layout, chunk * SECTOR, disks, -1 if role >= _SPARE else role,
        size * SECTOR, offset * SECTOR, data_size * SECTOR, events, bool(features & _RESHAPE),
        stored == _checksum_1(head[:end]),
    )  # fmt: skip


def _checksum_1(head: bytes) -> int:
    """Sum of the words without the checksum itself, folded to 32 bits."""
    data = head[:216] + bytes(4) + head[220:]
    total = sum(struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))
    if len(data) % 4:
        total += int.from_bytes(data[-2:], "little")
    return int((total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF)


def _version_0(head: bytes, order: str, place: int) -> Superblock | None:
    words = struct.unpack(f"{order}1024I", head)
    level = words[7] - (1 << 32) if words[7] >> 31 else words[7]
    disks, stored = words[10], words[38]
    if not 0 < disks <= _V0_DISKS:
        return None
    total = sum(words) - stored
    role, state = words[992 + 3], words[992 + 4]
    events = words[39] | words[40] << 32 if order == "<" else words[40] | words[39] << 32
    active = state & 6 == 6 and not state & 1 and role < disks
    return Superblock(
        "0.90", b"".join(word.to_bytes(4, "little") for word in (words[5], *words[13:16])), "", level, words[64],
        words[65], disks, role if active else -1, words[8] * 1024, 0, place, events, False,
        stored == (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF,
    )  # fmt: skip
