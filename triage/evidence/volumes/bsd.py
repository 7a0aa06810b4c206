"""BSD disk labels: FreeBSD, NetBSD, OpenBSD, on a disk of their own or inside a partition.

The label stands in the second sector, or 64 bytes into the first. Its entries count from the start of the disk; entry
``c`` (or ``d``) covers the whole and says where the label's own partition begins.

Source: FreeBSD ``sys/sys/disk/bsd.h``, OpenBSD ``sys/sys/disklabel.h``.
"""

from __future__ import annotations

import struct

from triage.evidence.volumes.table import Part, Remark, Table
from triage.model.problem import Reason
from triage.model.stream import Stream

MAGIC = b"\x57\x45\x56\x82"
_ENTRY = struct.Struct("<IIIBBH")
_KINDS = {
    0: "unused",
    1: "swap",
    7: "4.2BSD",
    8: "MSDOS",
    9: "4.4LFS",
    11: "HPFS",
    12: "ISO9660",
    13: "boot",
    14: "vinum",
    15: "raid",
    17: "ext2",
    18: "NTFS",
    20: "ccd",
    27: "ZFS",
}


def read_bsd(media: Stream, start: int, length: int) -> Table | None:
    """The disk label of a disk or partition; None where there is none.

    Args:
        media: Decoded media.
        start: Byte of the media where the disk or partition begins.
        length: Bytes of it.

    Raises:
        ReadFailedError: The media cannot be read.
    """
    for offset in (512, 64, 4096):
        label = media.read_at(start + offset, 512) if offset + 512 <= length else b""
        if label[:4] == MAGIC and label[132:136] == MAGIC:
            return _read_label(label, start, length)
    return None


def _read_label(label: bytes, start: int, length: int) -> Table | None:
    sector_size = int.from_bytes(label[40:44], "little")
    count = int.from_bytes(label[138:140], "little")
    if sector_size not in (512, 1024, 2048, 4096):
        return None
    table = Table("bsd", sector_size, is_certain=True)
    if count > 22:
        table.remarks.append(Remark(Reason.CORRUPT, f"the disk label counts {count} partitions, at most 22 fit"))
    entries = [_ENTRY.unpack_from(label, 148 + 16 * index) for index in range(min(count, 22))]
    base = entries[2][1] if len(entries) > 2 else 0
    for index, (sectors, first, _, kind, _, _) in enumerate(entries):
        if not sectors:
            continue
        begin = (first - base if first >= base else first) * sector_size
        covers_all = begin == 0 and sectors * sector_size >= length - sector_size
        words = f"{chr(ord('a') + index)}: {_KINDS.get(kind, f'type {kind}')}"
        if index in (2, 3) and (covers_all or kind == 0):
            continue
        table.parts.append(Part(start + begin, sectors * sector_size, words))
    return table
