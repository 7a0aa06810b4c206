"""Partition tables and boot sectors, built field by field after their specifications."""

from __future__ import annotations

import struct
import uuid
import zlib

SECTOR = 512
LINUX_DATA = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le


def mbr_entry(kind: int, first: int, sectors: int, *, status: int = 0) -> bytes:
    return struct.pack("<B3xB3xII", status, kind, first, sectors)


def boot_record(*entries: bytes, code: bytes = b"") -> bytes:
    """A master or extended boot record."""
    return code[:446].ljust(446, b"\x00") + b"".join(entries).ljust(64, b"\x00") + b"\x55\xaa"


def put(disk: bytearray, offset: int, data: bytes) -> None:
    disk[offset : offset + len(data)] = data


def ext_like(size: int = 4096) -> bytes:
    """Bytes with the signature of ReFS: recognised, not read."""
    raw = bytearray(size)
    raw[3:11] = b"ReFS\x00\x00\x00\x00"
    return bytes(raw)


def gpt_entry(first: int, last: int, name: str = "data", kind: bytes = LINUX_DATA) -> bytes:
    return struct.pack("<16s16sQQQ72s", kind, bytes(range(16)), first, last, 0, name.encode("utf-16-le"))


def gpt_header(lba: int, other: int, entries_lba: int, entries: bytes, count: int, *, sectors: int, size: int = 128,
               sector_size: int = SECTOR) -> bytes:  # fmt: skip
    def pack(checksum: int) -> bytes:
        return struct.pack(
            "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, checksum, 0, lba, other, 34, sectors - 34, bytes(16),
            entries_lba, count, size, zlib.crc32(entries),
        )  # fmt: skip

    return pack(zlib.crc32(pack(0))).ljust(sector_size, b"\x00")


def gpt_disk(
    partitions: list[bytes], sectors: int, *, backup: list[bytes] | None = None, sector_size: int = SECTOR
) -> bytearray:
    """A disk with a protective MBR and two GPTs; the second one as given, or like the first."""
    disk = bytearray(sectors * sector_size)
    put(disk, 0, boot_record(mbr_entry(0xEE, 1, sectors - 1)))
    count = 128
    table_sectors = count * 128 // sector_size
    for lba, other, entries_lba, parts in (
        (1, sectors - 1, 2, partitions),
        (sectors - 1, 1, sectors - 1 - table_sectors, partitions if backup is None else backup),
    ):
        entries = b"".join(parts).ljust(count * 128, b"\x00")
        put(disk, entries_lba * sector_size, entries)
        head = gpt_header(lba, other, entries_lba, entries, count, sectors=sectors, sector_size=sector_size)
        put(disk, lba * sector_size, head)
    return disk


def apm_disk(partitions: list[tuple[int, int, bytes]], blocks: int, *, block_size: int = 512) -> bytearray:
    """A disk with an Apple partition map; parts are first block, blocks, type."""
    disk = bytearray(blocks * block_size)
    put(disk, 0, b"ER" + struct.pack(">HI", block_size, blocks))
    parts = [(1, 63, b"Apple_partition_map"), *partitions]
    for index, (first, count, kind) in enumerate(parts, 1):
        put(disk, index * block_size, struct.pack(">2s2xIII32s32s", b"PM", len(parts), first, count, b"name", kind))
    return disk


def bsd_label(partitions: list[tuple[int, int, int]], *, sector_size: int = SECTOR) -> bytes:
    """A BSD disk label; parts are sectors, first sector, type."""
    raw = bytearray(512)
    raw[0:4] = raw[132:136] = b"\x57\x45\x56\x82"
    raw[40:44] = struct.pack("<I", sector_size)
    raw[138:140] = struct.pack("<H", len(partitions))
    for index, (sectors, first, kind) in enumerate(partitions):
        raw[148 + 16 * index : 164 + 16 * index] = struct.pack("<IIIBBH", sectors, first, 0, kind, 0, 0)
    return bytes(raw)
