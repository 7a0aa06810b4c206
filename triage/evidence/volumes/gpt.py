"""GUID partition tables, with the second table at the end of the media and what the MBR in front of them says.

A header in sector 1 (``EFI PART``) names the sector of the entries, their number and size, and carries CRC-32 of
itself and of them. The same stands at the end. Both are read; where they differ, both readings become parts.

Source: UEFI specification, section 5.3 "GUID Partition Table (GPT) Disk Layout".
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass

from triage.evidence.volumes.mbr import PROTECTIVE, describe
from triage.evidence.volumes.table import MAX_PARTS, Part, Remark, Table
from triage.model.address import escape_name
from triage.model.problem import Reason
from triage.model.stream import Stream

SIGNATURE = b"EFI PART"
MAX_ENTRY_BYTES = 16 << 20
"""Bytes of entries that are read; 16 KiB is usual."""
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")

_NAMES = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI System",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Basic data",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "LDM metadata",
    "af9b60a0-1431-4f62-bc68-3311714a69ad": "LDM data",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": "Storage Spaces",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux filesystem",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": "LUKS",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
    "933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
    "48465300-0000-11aa-aa11-00306543ecac": "Apple HFS",
    "7c3457ef-0000-11aa-aa11-00306543ecac": "Apple APFS",
    "53746f72-6167-11aa-aa11-00306543ecac": "Apple CoreStorage",
    "426f6f74-0000-11aa-aa11-00306543ecac": "Apple boot",
    "52414944-0000-11aa-aa11-00306543ecac": "Apple RAID",
    "6a898cc3-1dd2-11b2-99a6-080020736631": "ZFS",
    "516e7cb4-6ecf-11d6-8ff8-00022d09712b": "FreeBSD",
    "516e7cb6-6ecf-11d6-8ff8-00022d09712b": "FreeBSD UFS",
    "fe3a2a5d-4f32-41a7-b725-accc3285a309": "ChromeOS kernel",
    "3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec": "ChromeOS root",
}


@dataclass(frozen=True, slots=True)
class _Reading:
    """One of the two tables as it stands on the media."""

    lba: int
    other_lba: int
    entries_lba: int
    entry_bytes: int
    parts: tuple[Part, ...]
    empty: tuple[str, ...]
    header_holds: bool
    entries_hold: bool

    @property
    def holds(self) -> bool:
        return self.header_holds and self.entries_hold


def _read(media: Stream, lba: int, sector_size: int) -> _Reading | None:
    """The table whose header stands at a sector; None where there is none or its numbers are impossible."""
    raw = media.read_at(lba * sector_size, sector_size) if lba > 0 else b""
    if len(raw) < _HEADER.size or raw[:8] != SIGNATURE:
        return None
    fields = _HEADER.unpack_from(raw)
    header_size, checksum = fields[2], fields[3]
    other_lba, entries_lba, count, entry_size, entries_checksum = fields[6], *fields[10:14]
    if not 92 <= header_size <= sector_size or entry_size < 128 or entry_size % 8 or entry_size > 4096:
        return None
    if not 0 < count <= MAX_PARTS or count * entry_size > MAX_ENTRY_BYTES:
        return None
    header_holds = zlib.crc32(raw[:16] + bytes(4) + raw[20:header_size]) == checksum
    data = media.read_at(entries_lba * sector_size, count * entry_size)
    entries_hold = len(data) == count * entry_size and zlib.crc32(data) == entries_checksum
    parts: list[Part] = []
    empty: list[str] = []
    for index in range(len(data) // entry_size):
        kind, _, first, last, _, name = _ENTRY.unpack_from(data, index * entry_size)
        if kind == bytes(16):
            continue
        words = _describe(kind, name)
        if last < first:
            empty.append(f"partition entry {index + 1}, {words}, has length 0 or less")
            continue
        parts.append(Part(first * sector_size, (last - first + 1) * sector_size, words))
    return _Reading(
        lba, other_lba, entries_lba, count * entry_size, tuple(parts), tuple(empty), header_holds, entries_hold
    )


def _describe(kind: bytes, name: bytes) -> str:
    identifier = str(uuid.UUID(bytes_le=kind))
    words = _NAMES.get(identifier, identifier)
    text = name.decode("utf-16-le", "replace").split("\x00", 1)[0]
    shown = escape_name(text.encode("utf-8"), syntax=False)
    return f"{words}: {shown}" if shown else words


def read_gpt(media: Stream, sector_size: int) -> Table | None:
    """The GUID partition table of the media; None where there is neither a first nor a second one.

    Args:
        media: Decoded media.
        sector_size: As the container states it; others are tried after it.

    Raises:
        ReadFailedError: The media cannot be read.
    """
    for size in dict.fromkeys((sector_size, 512, 4096, 2048, 1024)):
        first = _read(media, 1, size)
        last_sector = media.size // size - 1
        ends = [last_sector] if first is None else [first.other_lba, last_sector]
        second = next((found for lba in ends if (found := _read(media, lba, size)) and found.lba > 1), None)
        if first is not None or (second is not None and second.holds):
            return _combine(media, size, first, second)
    return None


def _combine(media: Stream, size: int, first: _Reading | None, second: _Reading | None) -> Table | None:
    """One table of two readings, either of which may be missing or damaged."""
    table = Table("gpt", size)
    use = first
    if first is None or (not first.holds and second is not None and second.holds):
        use = second
        message = "the first GPT is missing or damaged, the second one at the end is used"
        table.remarks.append(Remark(Reason.CORRUPT, message, anyway=True))
    elif not first.holds:
        message = "the GPT does not match its checksum, and there is no second one that does; it is used as it is"
        table.remarks.append(Remark(Reason.CORRUPT, message, "compare with another copy of the image"))
    elif first.other_lba * size >= media.size:
        missing = (first.other_lba + 1) * size - media.size
        message = f"the media end {missing} bytes before the second GPT: the image is shorter than the disk was"
        table.remarks.append(Remark(Reason.TRUNCATED, message, "compare with another copy of the image", missing))
    elif second is None or not second.holds:
        message = "the second GPT at the end is missing or damaged, the first one holds"
        table.remarks.append(Remark(Reason.CORRUPT, message, anyway=True))
    if use is None:
        return None
    table.is_certain = use.holds
    for reading in (first, second):
        if reading is not None:
            table.parts.append(Part(reading.lba * size, size, "GPT header", metadata=True))
            table.parts.append(Part(reading.entries_lba * size, reading.entry_bytes, "GPT entries", metadata=True))
    table.parts += use.parts
    table.remarks += [Remark(Reason.CORRUPT, message) for message in use.empty]
    other = second if use is first else None
    if other is not None and other.holds and _places(other.parts) != _places(use.parts):
        known = _places(use.parts)
        extra = [part for part in other.parts if (part.start, part.length) not in known]
        table.parts += [Part(part.start, part.length, part.description + " (second GPT only)") for part in extra]
        message = f"the two GPT differ; {len(extra)} partitions of the second one are listed after those of the first"
        table.remarks.append(Remark(Reason.MISMATCH, message, anyway=True))
    return table


def _places(parts: tuple[Part, ...] | list[Part]) -> set[tuple[int, int]]:
    return {(part.start, part.length) for part in parts}


def add_hybrid(table: Table, mbr: Table | None) -> None:
    """Compare a GPT with the MBR in front of it, and list what only the MBR has.

    Args:
        table: A GPT; gets the parts and a remark.
        mbr: The MBR of the same media, or None.
    """
    if mbr is None:
        table.remarks.append(Remark(Reason.MISMATCH, "there is a GPT but no protective MBR before it", anyway=True))
        return
    known = _places(table.parts)
    extra = [part for part in mbr.allocated if part.kind != PROTECTIVE and (part.start, part.length) not in known]
    if not extra:
        return
    protected = any(part.kind == PROTECTIVE for part in mbr.allocated)
    table.parts += [Part(part.start, part.length, describe(part.kind) + " (MBR only)") for part in extra]
    message = f"MBR and GPT disagree: {len(extra)} partitions stand in the MBR only"
    message += "" if protected else ", which does not mark the disk as GPT"
    table.remarks.append(Remark(Reason.MISMATCH, message + "; they are listed after those of the GPT", anyway=True))
