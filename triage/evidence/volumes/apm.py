"""Apple partition maps: Macs before Intel, many Apple disk images, CDs that start on a Mac.

Block 0 begins with ``ER`` and states the block size, which is not always the true one; from block 1 on each entry of
the map fills a block and begins with ``PM``. The first entry says how many there are.

Source: Inside Macintosh: Devices, chapter 3 "SCSI Manager", "The Structure of Block Devices".
"""

from __future__ import annotations

import struct

from triage.evidence.volumes.table import MAX_PARTS, Part, Remark, Table
from triage.model.address import escape_name
from triage.model.problem import Reason
from triage.model.stream import Stream

_ENTRY = struct.Struct(">2s2xIII32s32s")
_NO_VOLUME = frozenset({b"Apple_Free", b"Apple_Void", b"Apple_Scratch"})
_METADATA = frozenset({b"Apple_partition_map", b"Apple_Driver", b"Apple_Driver43", b"Apple_Driver_ATA"})


def read_apm(media: Stream) -> Table | None:
    """The Apple partition map of the media; None where there is none.

    Args:
        media: Decoded media.

    Raises:
        ReadFailedError: The media cannot be read.
    """
    head = media.read_at(0, 4)
    stated = int.from_bytes(head[2:4], "big") if head[:2] == b"ER" else 512
    for size in dict.fromkeys((stated, 512, 2048, 4096)):
        if size >= 512 and media.read_at(size, 2) == b"PM":
            return _read_map(media, size)
    return None


def _text(raw: bytes) -> bytes:
    return raw.split(b"\x00", 1)[0]


def _read_map(media: Stream, size: int) -> Table | None:
    table = Table("apm", size)
    count = 1
    index = 1
    while index <= count:
        raw = media.read_at(index * size, _ENTRY.size)
        if len(raw) < _ENTRY.size or raw[:2] != b"PM":
            message = f"the partition map should have {count} entries, entry {index} cannot be read"
            table.remarks.append(Remark(Reason.CORRUPT, message))
            break
        _, entries, first, blocks, name, kind = _ENTRY.unpack(raw)
        if index == 1:
            count = min(entries, MAX_PARTS)
            if entries > MAX_PARTS:
                table.remarks.append(Remark(Reason.LIMIT, f"the partition map counts {entries} entries"))
        kind, name = _text(kind), _text(name)
        index += 1
        if kind in _NO_VOLUME:
            continue
        words = escape_name(kind, syntax=False) + (f": {escape_name(name, syntax=False)}" if name else "")
        if not blocks:
            table.remarks.append(Remark(Reason.CORRUPT, f"partition entry {index - 1}, {words}, has length 0"))
            continue
        metadata = kind in _METADATA or kind.startswith(b"Apple_Driver")
        table.parts.append(Part(first * size, blocks * size, words, metadata))
    table.is_certain = bool(table.parts)
    return table
