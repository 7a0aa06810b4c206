"""Which bytes of a volume are free, by the allocation maps of NTFS, exFAT, FAT12/16/32 and HFS+.

The maps are read by us: the library's own walk over blocks costs a call for each. A map that cannot be read counts as
free, so that what lies there is searched all the same, and the error comes after the last run.

Source: the NTFS documentation of the Linux-NTFS project (boot sector, ``$Bitmap``); Microsoft's exFAT file system
specification, sections 3.1, 4.1 and 7.1; Microsoft's "FAT: General Overview of On-Disk Format" 1.03; Apple's technical
note TN1150 (volume header, allocation file, HFS wrapper).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from triage.errors import CorruptStructureError, ReadFailedError
from triage.evidence.filesystems import tsk_library as tsk
from triage.evidence.filesystems.free_bits import PIECE, free_bits, zero_runs
from triage.model.stream import Stream

Runs = Iterator[tuple[int, int]]
"""Offset in the volume and length, bytes, ascending; runs may touch."""
NTFS_BITMAP, HFS_ALLOCATION = 6, 6
MAX_DIRECTORY = 4096
"""Clusters of an exFAT root directory that are followed."""
MAX_SLOTS = 1 << 16
"""Bytes of each of them that are looked at; the bitmap stands among the first entries."""


def ntfs(volume: Stream, library: Any) -> Runs:
    """Free clusters of NTFS by ``$Bitmap``."""
    boot = volume.read_at(0, 512)
    sector, code, sectors = struct.unpack_from("<HB26xQ", boot, 11)
    unit = sector * code if code <= 0x80 else sector << min(31, 0x100 - code)
    if not 256 <= unit <= 1 << 26:
        raise CorruptStructureError(f"cluster size of NTFS makes no sense: {unit}")
    count = min(sectors * sector, volume.size) // unit
    yield from _from_bitmap(_special(library, NTFS_BITMAP, tsk.ATTRIBUTE_DATA), 0, unit, count)


def hfs(volume: Stream, library: Any) -> Runs:
    """Free blocks of HFS+ by the allocation file; an HFS wrapper is stepped over, the space in it is not told."""
    start = hfs_start(volume)
    header = volume.read_at(start + 1024, 512)
    if header[:2] not in (b"H+", b"HX"):
        raise CorruptStructureError("no volume header of HFS+")
    unit, count = struct.unpack_from(">II", header, 40)
    if not 512 <= unit <= 1 << 26:
        raise CorruptStructureError(f"block size of HFS+ makes no sense: {unit}")
    count = min(count, max(0, volume.size - start) // unit)
    yield from _from_bitmap(_special(library, HFS_ALLOCATION, 0), start, unit, count, high_first=True)


def hfs_start(volume: Stream) -> int:
    """Byte of the volume where HFS+ begins: behind the start of an HFS wrapper where there is one."""
    block = volume.read_at(1024, 512)
    if block[:2] != b"BD" or len(block) < 130 or block[124:126] not in (b"H+", b"HX"):
        return 0
    (unit,), (first,) = struct.unpack_from(">I", block, 20), struct.unpack_from(">H", block, 28)
    (embedded,) = struct.unpack_from(">H", block, 126)
    return int(first * 512 + embedded * unit)


def exfat(volume: Stream, library: Any) -> Runs:
    """Free clusters of exFAT by the allocation bitmap that the root directory names, and what no cluster holds."""
    boot = volume.read_at(0, 512)
    if len(boot) < 512 or not (9 <= boot[108] <= 12 and boot[108] + boot[109] <= 25):
        raise CorruptStructureError("boot sector of exFAT makes no sense")
    sectors, fat, _, heap, count, root = struct.unpack_from("<QIIIII", boot, 72)
    unit = 1 << boot[108] + boot[109]
    heap_offset, fat_offset = heap << boot[108], fat << boot[108]
    count = min(count, max(0, volume.size - heap_offset) // unit)
    first, size = 0, 0
    for cluster in _exfat_chain(volume, fat_offset, root, count):
        slots = volume.read_at(heap_offset + (cluster - 2) * unit, min(unit, MAX_SLOTS))
        for place in range(0, len(slots) - 31, 32):
            if slots[place] == 0x81 and not slots[place + 1] & 1:
                first, size = struct.unpack_from("<IQ", slots, place + 20)
                break
        if first or 0 in slots[::32]:
            break
    if not 2 <= first < count + 2:
        yield heap_offset, count * unit
        raise CorruptStructureError("no allocation bitmap in the root directory: every cluster counts as free")
    size = min(size, (count + 7) // 8)
    yield from _from_bitmap(_pieces(volume, heap_offset + (first - 2) * unit, size), heap_offset, unit, count)
    end = min(sectors << boot[108], volume.size)
    yield heap_offset + count * unit, max(0, end - heap_offset - count * unit)


def fat(volume: Stream, library: Any) -> Runs:
    """Free clusters of FAT12, FAT16 and FAT32, and the sectors behind the last cluster that make none."""
    layout = FatLayout(volume)
    failed: ReadFailedError | None = None
    width = layout.bits
    per_step = PIECE * 8 // width // 2 * 2  # even: two entries of FAT12 share three bytes
    for number in range(0, layout.count + 2, per_step):
        entries = min(per_step, layout.count + 2 - number)
        place, length = layout.fat + number * width // 8, (entries * width + 7) // 8
        try:
            data = volume.read_at(place, length)
        except ReadFailedError as error:
            failed, data = error, error.partial
        values = fat_entries(data.ljust(length, b"\0"), width, entries)
        for index, count in zero_runs(values != 0):
            low = max(number + index, 2)
            yield layout.data + (low - 2) * layout.unit, (number + index + count - low) * layout.unit
    after = layout.data + layout.count * layout.unit
    yield after, max(0, min(layout.size, volume.size) - after)
    if failed is not None:
        raise ReadFailedError(f"the FAT cannot be read: {failed.message}") from failed


def fat_entries(data: bytes, bits: int, count: int) -> np.ndarray[tuple[int], Any]:
    """Entries of a FAT as numbers; those of FAT32 without their reserved bits.

    Args:
        data: From an even entry on, long enough.
        bits: 12, 16 or 32.
        count: Entries.
    """
    if bits == 16:
        return np.frombuffer(data, dtype="<u2", count=count)
    if bits == 32:
        return np.frombuffer(data, dtype="<u4", count=count) & 0x0FFF_FFFF
    triples = np.frombuffer(data.ljust((count + 1) // 2 * 3, b"\0"), dtype=np.uint8).astype(np.uint16)
    first, middle, last = triples[0::3], triples[1::3], triples[2::3]
    values = np.empty(len(first) * 2, dtype=np.uint16)
    values[0::2] = first | (middle & 0x0F) << 8
    values[1::2] = middle >> 4 | last << 4
    return values[:count]


class FatLayout:
    """Where the parts of a FAT file system lie.

    Args:
        volume: Bytes of the volume.

    Attributes:
        unit: Bytes of a cluster.
        fat: Byte where the first FAT begins.
        data: Byte where cluster 2 begins.
        count: Clusters.
        bits: 12, 16 or 32.
        size: Bytes of the file system.

    Raises:
        CorruptStructureError: The boot sector makes no sense.
    """

    def __init__(self, volume: Stream) -> None:
        boot = volume.read_at(0, 512)
        if len(boot) < 90 or boot[510:512] != b"\x55\xaa":
            backup = volume.read_at(6 * 512, 512)
            boot = backup if backup[510:512] == b"\x55\xaa" else boot
        if len(boot) < 90:
            raise CorruptStructureError("no boot sector of FAT")
        sector, per_cluster, reserved, fats, root, sectors16, _, fat16 = struct.unpack_from("<HBHBHHBH", boot, 11)
        sectors32, fat32 = struct.unpack_from("<II", boot, 32)
        sectors, fat_sectors = sectors16 or sectors32, fat16 or fat32
        if sector not in (512, 1024, 2048, 4096) or not per_cluster or not reserved or not fats or not fat_sectors:
            raise CorruptStructureError("boot sector of FAT makes no sense")
        self.unit = sector * per_cluster
        self.fat = reserved * sector
        self.data = self.fat + fats * fat_sectors * sector + (root * 32 + sector - 1) // sector * sector
        self.size = sectors * sector
        clusters = max(0, self.size - self.data) // self.unit
        self.bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
        if not fat16 and not root:
            self.bits = 32
        reached = fat_sectors * sector * 8 // self.bits - 2
        self.count = max(0, min(clusters, reached, max(0, volume.size - self.data) // self.unit))


def _exfat_chain(volume: Stream, fat_offset: int, cluster: int, count: int) -> Iterator[int]:
    """Clusters of a chain, bounded; its first one whatever the FAT says."""
    for _ in range(MAX_DIRECTORY):
        if not 2 <= cluster < count + 2:
            return
        yield cluster
        cluster = int.from_bytes(volume.read_at(fat_offset + cluster * 4, 4), "little")


def _from_bitmap(pieces: Iterator[bytes], start: int, unit: int, count: int, *, high_first: bool = False) -> Runs:
    """Free bytes by a bitmap that comes in pieces; what it does not reach counts as free, then its error comes."""
    first = 0
    failed: ReadFailedError | None = None
    try:
        for data in pieces:
            described = min(count - first, len(data) * 8)
            if described <= 0:
                break
            for index, length in free_bits(data, described, high_first=high_first):
                yield start + (first + index) * unit, length * unit
            first += described
    except ReadFailedError as error:
        failed = error
    if first < count:
        yield start + first * unit, (count - first) * unit
        words = failed.message if failed is not None else "it ends too early"
        raise ReadFailedError(f"the allocation map cannot be read from unit {first} on: {words}") from failed


def _pieces(volume: Stream, place: int, size: int) -> Iterator[bytes]:
    for position in range(0, size, PIECE):
        yield volume.read_at(place + position, min(PIECE, size - position))


def _special(library: Any, number: int, kind: int) -> Iterator[bytes]:
    """Content of a file of the file system itself, in pieces.

    Raises:
        ReadFailedError: The library cannot read it.
    """
    own = getattr(library, "special", None)
    if own is not None:  # another library, which gives the content itself
        yield from own(number)
        return
    try:
        file = library.open_meta(number)
        key: tuple[int, ...] = ()
        size = int(file.info.meta.size)
        if kind:
            found = next(a.info for a in file if a.info.type == kind and not a.info.name)
            size, key = int(found.size), (kind, int(found.id))
        for position in range(0, size, PIECE):
            yield bytes(file.read_random(position, min(PIECE, size - position), *key))
    except (*tsk.LIBRARY_ERRORS, StopIteration) as error:
        raise ReadFailedError(tsk.said(error)) from error
