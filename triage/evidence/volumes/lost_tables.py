"""What is left of partition tables: a GPT header somewhere, extended boot records, an MBR whose signature is gone.

None of them is a table that can be trusted: they only support what a search finds, and say how long a volume is whose
format does not (LUKS).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from triage.evidence.volumes.gpt import MAX_ENTRY_BYTES, SIGNATURE
from triage.evidence.volumes.lost_found import Pieces, number
from triage.evidence.volumes.mbr import EXTENDED, PROTECTIVE

SECTOR = 512
MAX_HINTS = 4096
"""Remembered parts; what comes after them supports nothing."""
_ENTRY = struct.Struct("<B3xB3xII")


@dataclass(frozen=True, slots=True)
class Hint:
    """A part that something left of a table names.

    Attributes:
        start: Byte of the media.
        length: Bytes.
        words: What names it.
    """

    start: int
    length: int
    words: str


def hints_of_gpt(media: Pieces, at: int) -> list[Hint]:
    """Parts of a GPT whose header stands at a place and holds; the disk is taken to begin where the media do."""
    for size in (512, 4096):
        head = media.get(at, size)
        length, count, entry = (number(head, place, 4) for place in (12, 80, 84))
        if head[:8] != SIGNATURE or not 92 <= length <= size or number(head, 24, 8) * size != at:
            continue
        if zlib.crc32(head[:16] + bytes(4) + head[20:length]) != number(head, 16, 4):
            continue
        if not 128 <= entry <= 4096 or not 0 < count * entry <= MAX_ENTRY_BYTES:
            continue
        data = media.get(number(head, 72, 8) * size, count * entry)
        if zlib.crc32(data) != number(head, 88, 4):
            continue
        words = f"a GPT whose header is left at {at}"
        parts = [data[place : place + entry] for place in range(0, len(data), entry)][:MAX_HINTS]
        places = [(number(part, 32, 8), number(part, 40, 8)) for part in parts if any(part[:16])]
        return [Hint(first * size, (last - first + 1) * size, words) for first, last in places if first <= last]
    return []


def hints_of_record(sector: bytes, at: int) -> list[Hint]:
    """Parts of a boot record at a place: of the whole disk at 0, signature or not, else an extended one."""
    if len(sector) < SECTOR:
        return []
    entries = [_ENTRY.unpack_from(sector, place) for place in range(446, 510, 16)]
    used = [entry for entry in entries if entry[1] and entry[3]]
    if not used or any(entry[0] not in (0, 0x80) for entry in entries) or (at and any(sector[478:510])):
        return []
    if at and (len(used) > 2 or not all(entry[2] for entry in used)):
        return []
    words = f"an extended boot record left at {at}" if at else "the remains of the master boot record"
    return [
        Hint(at + first * SECTOR, sectors * SECTOR, words)
        for _, kind, first, sectors in used
        if kind not in EXTENDED and kind != PROTECTIVE
    ]
