"""Super block and group descriptors of ext2, ext3 and ext4 from their copies; and what every such repair is.

Source: the kernel's ``Documentation/filesystems/ext4`` (super block, group descriptors).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triage.errors import ReadFailedError
from triage.evidence.crc32c import crc32c
from triage.model.stream import Stream

_MAX_DESCRIPTORS = 16 << 20
"""Bytes of group descriptors that are taken from their copy: those of 32 TiB."""
_META_BG, _WIDE, _METADATA_CSUM = 0x10, 0x80, 0x400
_BIGALLOC = 0x02
"""In the second byte of the read-only features: ``bigalloc``, which The Sleuth Kit does not open."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What stands in for what is damaged.

    Attributes:
        file_system: Its name.
        block_size: Bytes in a data unit.
        patches: Byte of the volume, and the bytes that belong there.
    """

    file_system: str
    block_size: int
    patches: tuple[tuple[int, bytes], ...]


def read_padded(volume: Stream, offset: int, length: int) -> bytes:
    """Bytes of a volume; what cannot be read or is not there is zeros."""
    if offset < 0:
        return bytes(length)
    try:
        return volume.read_at(offset, length).ljust(length, b"\0")
    except ReadFailedError as error:
        return error.partial[:length].ljust(length, b"\0")


def ext(volume: Stream) -> Repair | None:
    """The repair of a volume; without patches where it holds, None where it is none of these."""
    block = read_padded(volume, 1024, 1024)
    patches: list[tuple[int, bytes]] = []
    holds = _is_super_block(block, 0)
    for shift in range(7) if not holds else (min(6, int.from_bytes(block[24:28], "little")),):
        size = 1024 << shift
        place = (8 * size + (size == 1024)) * size
        copy = read_padded(volume, place, 1024)
        if not _is_super_block(copy, 1) or int.from_bytes(copy[24:28], "little") != shift:
            continue
        if not holds:
            if not _fits(copy, volume.size):
                continue
            block = _as_first(copy)
            patches.append((1024, block))
        descriptors = _descriptors(volume, block, size, place)
        if descriptors is not None:
            patches.append(descriptors)
        return Repair(_ext_name(block), size, tuple(patches))
    return Repair(_ext_name(block), 0, ()) if holds else None


def _is_super_block(block: bytes, group: int) -> bool:
    inodes, blocks = struct.unpack_from("<II", block, 0)
    shift, per_group, inodes_per_group = *struct.unpack_from("<I", block, 24), *struct.unpack_from("<I4xI", block, 32)
    (stated,) = struct.unpack_from("<H", block, 90)
    cluster = struct.unpack_from("<I", block, 28)[0] if block[101] & _BIGALLOC else shift
    most = 8 << 10 + min(shift, 6) + max(0, min(cluster - shift, 20))  # a bitmap has a bit for each cluster
    sound = inodes and blocks and shift <= 6 and 256 <= per_group <= most and inodes_per_group
    return bool(block[56:58] == b"\x53\xef" and sound and stated == group)


def _fits(block: bytes, size: int) -> bool:
    """The file system is about as large as its volume, so the copy is none of another volume."""
    unit = 1024 << int.from_bytes(block[24:28], "little")
    blocks = int.from_bytes(block[4:8], "little")
    if int.from_bytes(block[96:100], "little") & _WIDE:
        blocks |= int.from_bytes(block[336:340], "little") << 32
    return size // 2 <= blocks * unit <= size + size // 8


def _as_first(copy: bytes) -> bytes:
    """A copy of the super block as the one of group 0, its checksum made anew."""
    block = bytearray(copy)
    block[90:92] = bytes(2)
    if int.from_bytes(block[100:104], "little") & _METADATA_CSUM:
        block[1020:1024] = (crc32c(bytes(block[:1020])) ^ 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(block)


def _descriptors(volume: Stream, block: bytes, size: int, place: int) -> tuple[int, bytes] | None:
    """Group descriptors from their copy behind the second super block, where the first ones do not hold."""
    incompatible = int.from_bytes(block[96:100], "little")
    (blocks,), (first,), (per_group,) = (struct.unpack_from("<I", block, at) for at in (4, 20, 32))
    width = max(32, int.from_bytes(block[254:256], "little")) if incompatible & _WIDE else 32
    length = -(-(-(-(blocks - first) // per_group) * width) // size) * size
    if incompatible & _META_BG or not 0 < length <= _MAX_DESCRIPTORS:
        return None
    own = read_padded(volume, (first + 1) * size, length)
    copy = read_padded(volume, place // size * size + size, length)
    if not _is_descriptor(own, blocks) and _is_descriptor(copy, blocks):
        return (first + 1) * size, copy
    return None


def _is_descriptor(data: bytes, blocks: int) -> bool:
    """The first group descriptor points into the file system."""
    places = struct.unpack_from("<III", data, 0)
    return all(0 < place < blocks for place in places) and len(set(places)) == len(places)


def _ext_name(block: bytes) -> str:
    compatible, incompatible, read_only = struct.unpack_from("<III", block, 92)
    if incompatible & 0x2C0 or read_only & 0x78:  # extents, 64 bits, flex_bg; huge files and what came with them
        return "ext4"
    return "ext3" if compatible & 4 else "ext2"
