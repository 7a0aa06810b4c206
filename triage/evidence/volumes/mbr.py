"""Master boot records with extended partitions (DOS, Windows, most removable media).

Sector 0 ends in ``55 AA`` and holds four entries of 16 bytes at 446: status, CHS, type, CHS, first sector, sectors. An
entry of an extended type points at a chain of boot records in which entries count from that record, and the link to
the next one from the start of the extended partition.

A boot sector of FAT or NTFS ends in ``55 AA`` as well, with code where the entries would be; an entry counts only if
its status is 0 or 0x80. Chains are followed through each record once.

Source: Microsoft "Basic Disk Layout"; TSK ``tsk/vs/dos.c`` for the reading of logical entries.
"""

from __future__ import annotations

import struct
from collections import deque

from triage.evidence.volumes.table import MAX_PARTS, Part, Remark, Table
from triage.model.problem import Reason
from triage.model.stream import Stream

PROTECTIVE = 0xEE
EXTENDED = frozenset({0x05, 0x0F, 0x15, 0x1F, 0x85, 0x91, 0x9B, 0xC5, 0xCF, 0xD5})
_ENTRY = struct.Struct("<B3xB3xII")

_NAMES = {
    0x01: "DOS FAT12",
    0x04: "DOS FAT16",
    0x06: "DOS FAT16",
    0x07: "NTFS / exFAT",
    0x0B: "Win95 FAT32",
    0x0C: "Win95 FAT32",
    0x0E: "Win95 FAT16",
    0x11: "DOS FAT12 hidden",
    0x12: "OEM recovery",
    0x14: "DOS FAT16 hidden",
    0x16: "DOS FAT16 hidden",
    0x17: "NTFS / exFAT hidden",
    0x1B: "Win95 FAT32 hidden",
    0x1C: "Win95 FAT32 hidden",
    0x1E: "Win95 FAT16 hidden",
    0x27: "Windows recovery",
    0x39: "Plan 9",
    0x42: "Windows LDM",
    0x63: "UNIX",
    0x81: "MINIX",
    0x82: "Linux swap / Solaris",
    0x83: "Linux",
    0x84: "Hibernation",
    0x86: "NTFS volume set",
    0x87: "NTFS volume set",
    0x88: "Linux plaintext",
    0x8E: "Linux LVM",
    0xA0: "Hibernation",
    0xA5: "FreeBSD",
    0xA6: "OpenBSD",
    0xA8: "Mac OS X",
    0xA9: "NetBSD",
    0xAB: "Mac OS X boot",
    0xAF: "Mac OS X HFS",
    0xB7: "BSDI",
    0xBE: "Solaris boot",
    0xBF: "Solaris",
    0xDA: "Non-FS data",
    0xDE: "Dell utility",
    0xE8: "LUKS",
    0xEB: "BeFS",
    0xEE: "GPT protective",
    0xEF: "EFI System",
    0xFB: "VMware VMFS",
    0xFC: "VMware swap",
    0xFD: "Linux RAID",
}


def describe(kind: int) -> str:
    """Name and number of a partition type, for instance ``Linux (0x83)``."""
    return f"{_NAMES.get(kind, 'Unknown type')} (0x{kind:02x})"


def _entries(sector: bytes) -> list[tuple[int, int, int, int]] | None:
    """Status, type, first sector and sectors of the four entries; None where no record stands there."""
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
        return None
    return [_ENTRY.unpack_from(sector, 446 + 16 * index) for index in range(4)]


def read_mbr(media: Stream, sector_size: int) -> Table | None:
    """The table of a master boot record; None where none stands, or none with an entry that makes sense.

    Args:
        media: Decoded media.
        sector_size: Bytes that a sector number stands for.

    Raises:
        ReadFailedError: The media cannot be read.
    """
    entries = _entries(media.read_at(0, 512))
    if entries is None:
        return None
    used = [entry for entry in entries if entry[1] and entry[3]]
    sound = [entry for entry in used if entry[0] in (0x00, 0x80) and entry[2] * sector_size < media.size]
    if not sound:
        return None
    table = Table("mbr", sector_size)
    table.is_certain = all(entry[0] in (0x00, 0x80) for entry in entries)
    table.parts.append(Part(0, sector_size, "master boot record", metadata=True))
    for index, (status, kind, first, sectors) in enumerate(entries):
        if not kind:
            continue
        if status not in (0x00, 0x80):
            message = f"partition entry {index + 1} has status 0x{status:02x}"
            table.remarks.append(Remark(Reason.CORRUPT, message, anyway=True))
        if not sectors:
            message = f"partition entry {index + 1}, {describe(kind)}, has length 0"
            table.remarks.append(Remark(Reason.CORRUPT, message))
        elif kind not in EXTENDED:
            table.parts.append(Part(first * sector_size, sectors * sector_size, describe(kind), kind=kind))
    for _, kind, first, sectors in entries:
        if kind in EXTENDED and sectors and first:
            _read_extended(media, table, first)
    return table


def _read_extended(media: Stream, table: Table, base: int) -> None:
    """Follow a chain of extended boot records, each once.

    Args:
        media: Decoded media.
        table: Gets the parts and remarks.
        base: Sector of the first record; links count from it.
    """
    sector_size = table.sector_size
    seen: set[int] = set()
    todo = deque([base])
    while todo:
        here = todo.popleft()
        if here in seen:
            message = f"the chain of extended partitions leads back to sector {here}"
            table.remarks.append(Remark(Reason.LOOP, message, "what the chain had before is examined"))
            continue
        seen.add(here)
        if len(table.parts) >= MAX_PARTS:
            table.remarks.append(Remark(Reason.LIMIT, f"more than {MAX_PARTS} partitions; the others are not read"))
            return
        entries = _entries(media.read_at(here * sector_size, 512))
        if entries is None:
            gone = here * sector_size >= media.size
            message = f"the chain of extended partitions leads to sector {here}, "
            message += "which lies beyond the end of the media" if gone else "which holds no boot record"
            table.remarks.append(Remark(Reason.TRUNCATED if gone else Reason.CORRUPT, message))
            continue
        table.parts.append(Part(here * sector_size, sector_size, "extended boot record", metadata=True))
        for _, kind, first, sectors in entries:
            if kind in EXTENDED and sectors:
                todo.append(base + first)
            elif kind and sectors:
                start = (here + first) * sector_size
                table.parts.append(Part(start, sectors * sector_size, describe(kind), kind=kind))
