"""File systems whose first structure is damaged, read through the copies that they keep of it.

The media stay as they are: a view of them has the copy in the place of what is damaged. Copies are taken only where
the first structure does not hold, and only where they fit the volume that they stand in.

Handled: the boot sector of NTFS (copy in the last sector) and the first records of its MFT (``$MFTMirr``); the boot
sector of FAT32 (sector 6); the boot region of exFAT (sector 12); super block and group descriptors of ext2, ext3 and
ext4 (group 1); the volume header of HFS+ (1024 bytes before the end). Not handled: ``meta_bg``, ``sparse_super2``.

Source: the NTFS documentation of the Linux-NTFS project; Microsoft's "FAT: General Overview of On-Disk Format" 1.03
and its exFAT file system specification, section 2; the kernel's ``Documentation/filesystems/ext4``; Apple's TN1150.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from triage.errors import EvidenceError
from triage.evidence.filesystems.backups_ext import Repair, ext, read_padded
from triage.evidence.filesystems.free_maps import FatLayout
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.volumes.lost_found import PatchedStream
from triage.model.stream import Stream

_FOUR = 4
"""MFT records that ``$MFTMirr`` has copies of."""


def find_repair(media: Stream, image_offset: int, length: int, file_system: str = "") -> Repair | None:
    """How a damaged file system can be read, None where none is known there or its first structures hold.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.
        file_system: Look for this one, empty for any.
    """
    volume = VolumeStream(media, image_offset, length)
    for family, finder in _FINDERS.items():
        if file_system and not file_system.startswith(family):
            continue
        found = _tried(finder, volume)
        if found is not None:
            return found if found.patches else None
    return None


def recognise_damaged(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """A file system that its usual reader refuses, by its first structures or their copies; never raises.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.

    Returns:
        Name and bytes in a data unit, 0 where they are not known; ``("", 0)`` where nothing is known.
    """
    volume = VolumeStream(media, image_offset, length)
    if volume.size < 4096:
        return "", 0
    for finder in _FINDERS.values():
        found = _tried(finder, volume)
        if found is not None:
            return found.file_system, found.block_size
    if _is_exfat_boot(read_padded(volume, 0, 512)):
        return "exfat", 0
    if _is_volume_header(read_padded(volume, 1024, 512)):
        return "hfs+", 0
    try:
        layout = FatLayout(volume)
    except (EvidenceError, struct.error):
        return "", 0
    return (f"fat{layout.bits}", layout.unit) if layout.count and layout.size <= 2 * volume.size else ("", 0)


def _tried(finder: Callable[[Stream], Repair | None], volume: Stream) -> Repair | None:
    try:
        return finder(volume)
    except (EvidenceError, struct.error, ValueError, ZeroDivisionError):
        return None


def repaired(media: Stream, image_offset: int, repair: Repair) -> Stream:
    """The view of media in which a volume holds."""
    return PatchedStream(media, tuple((image_offset + at, data) for at, data in repair.patches))


# --- NTFS -----------------------------------------------------------------------------------------------------------
def _ntfs(volume: Stream) -> Repair | None:
    boot = read_padded(volume, 0, 512)
    patches: list[tuple[int, bytes]] = []
    if not _is_ntfs_boot(boot):
        place = volume.size // 512 * 512 - 512
        boot = read_padded(volume, place, 512)
        (sector,), (sectors,) = struct.unpack_from("<H", boot, 11), struct.unpack_from("<Q", boot, 40)
        if not _is_ntfs_boot(boot) or sectors * sector + sector - 512 != place:
            return None
        patches.append((0, boot))
    sector, per_cluster = struct.unpack_from("<HB", boot, 11)
    cluster = sector * (per_cluster if per_cluster <= 0x80 else 1 << min(31, 0x100 - per_cluster))
    first, mirror = struct.unpack_from("<QQ", boot, 48)
    (code,) = struct.unpack_from("<b", boot, 64)
    size = 1 << -code if code < 0 else code * cluster
    is_there = not patches
    if 512 <= size <= 65536 and 512 <= cluster <= 1 << 26:
        for number in range(_FOUR):
            record = read_padded(volume, first * cluster + number * size, size)
            copy = read_padded(volume, mirror * cluster + number * size, size)
            if not _is_record(record, number) and _is_record(copy, number):
                patches.append((first * cluster + number * size, copy))
            is_there = is_there or _is_record(record, number) or _is_record(copy, number)
    return Repair("ntfs", cluster, tuple(patches)) if is_there else None


def _is_ntfs_boot(boot: bytes) -> bool:
    sector, per_cluster = struct.unpack_from("<HB", boot, 11)
    (sectors,) = struct.unpack_from("<Q", boot, 40)
    return boot[3:11] == b"NTFS    " and sector in (512, 1024, 2048, 4096) and per_cluster > 0 and sectors > 0


def _is_record(record: bytes, number: int) -> bool:
    """A FILE record with its own number and sound fixups."""
    if record[:4] != b"FILE":
        return False
    start, count, stride = *struct.unpack_from("<HH", record, 4), 512
    if count != len(record) // stride + 1 or start + 2 * count > len(record):
        return False
    mark = record[start : start + 2]
    sound = all(record[end - 2 : end] == mark for end in range(stride, len(record) + 1, stride))
    (stated,) = struct.unpack_from("<I", record, 44)
    return sound and (start < 48 or stated == number)


# --- FAT ------------------------------------------------------------------------------------------------------------
def _fat32(volume: Stream) -> Repair | None:
    if _is_fat32_boot(read_padded(volume, 0, 512)):
        return None
    for sector in (512, 1024, 2048, 4096):
        copy = read_padded(volume, 6 * sector, 512)
        if _is_fat32_boot(copy) and struct.unpack_from("<H", copy, 11)[0] == sector:
            (sectors,) = struct.unpack_from("<I", copy, 32)
            if sectors * sector <= volume.size + (1 << 20):
                return Repair("fat32", sector * copy[13], ((0, copy),))
    return None


def _is_fat32_boot(boot: bytes) -> bool:
    sector, per_cluster, reserved, fats, root, sectors16, _, fat16 = struct.unpack_from("<HBHBHHBH", boot, 11)
    sectors32, fat32 = struct.unpack_from("<II", boot, 32)
    return bool(
        boot[510:512] == b"\x55\xaa"
        and sector in (512, 1024, 2048, 4096)
        and per_cluster.bit_count() == 1
        and reserved > 6
        and fats in (1, 2)
        and not (root or sectors16 or fat16)
        and sectors32
        and fat32
    )


def _exfat(volume: Stream) -> Repair | None:
    if _is_exfat_boot(read_padded(volume, 0, 512)):
        return None
    for shift in range(9, 13):
        copy = read_padded(volume, 12 << shift, 12 << shift)
        if _is_exfat_boot(copy) and copy[108] == shift:
            return Repair("exfat", 1 << shift + copy[109], ((0, copy),))
    return None


def _is_exfat_boot(boot: bytes) -> bool:
    sectors, fat, fat_length, heap, clusters, root = struct.unpack_from("<QIIIII", boot, 72)
    sound = boot[3:11] == b"EXFAT   " and boot[510:512] == b"\x55\xaa" and 9 <= boot[108] <= 12 and boot[109] <= 25
    return sound and 0 < fat < heap < sectors and fat_length > 0 and 2 <= root < clusters + 2


# --- HFS+ -----------------------------------------------------------------------------------------------------------
def _hfs(volume: Stream) -> Repair | None:
    if _is_volume_header(read_padded(volume, 1024, 512)) or read_padded(volume, 1024, 2) == b"BD":
        return None
    copy = read_padded(volume, volume.size // 512 * 512 - 1024, 512)
    if not _is_volume_header(copy):
        return None
    unit, blocks = struct.unpack_from(">II", copy, 40)
    (catalog,) = struct.unpack_from(">I", copy, 272 + 16)
    node = read_padded(volume, catalog * unit, 14)  # the first node of the catalogue is a header
    if node[8:10] != b"\x01\x00" or not 0 <= volume.size - unit * blocks < unit + 1024:
        return None
    return Repair("hfs+", unit, ((1024, copy),))


def _is_volume_header(header: bytes) -> bool:
    unit, blocks = struct.unpack_from(">II", header, 40)
    return header[:4] in (b"H+\x00\x04", b"HX\x00\x05") and unit >= 512 and unit.bit_count() == 1 and blocks > 0


_FINDERS: dict[str, Callable[[Stream], Repair | None]] = {
    "ntfs": _ntfs,
    "ext": ext,
    "exfat": _exfat,
    "fat32": _fat32,
    "hfs": _hfs,
}
"""By the beginning of the name of a file system."""
