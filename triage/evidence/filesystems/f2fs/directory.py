"""Directory entries, in blocks and inline: those in use, and those whose slots still hold a deleted name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError

_SLOT_BYTES = 8
_ENTRY = struct.Struct("<IIHB")
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One name as it stands.

    Attributes:
        name: As stored; ciphertext in an encrypted directory.
        inode: The inode it leads to.
        file_type: 0-7, as the directory says.
        allocated: Its slot is in use.
    """

    name: bytes
    inode: int
    file_type: int
    allocated: bool


def entries_of(area: bytes) -> Iterator[DirectoryEntry | EvidenceError]:
    """Entries of a directory block, or of the inline area of an inode.

    Args:
        area: The whole block or area; its slots fill it from the end.
    """
    slots = len(area) * 8 // ((_ENTRY.size + _SLOT_BYTES) * 8 + 1)
    map_bytes = (slots + 7) // 8
    entries_at = len(area) - (_ENTRY.size + _SLOT_BYTES) * slots
    names_at = entries_at + _ENTRY.size * slots
    if slots <= 0 or entries_at < map_bytes:
        yield CorruptStructureError(f"a directory area of {len(area)} bytes has no place for names")
        return
    bits = int.from_bytes(area[:map_bytes], "little")
    slot = 0
    while slot < slots:
        used = bool(bits >> slot & 1)
        _, inode, length, file_type = _ENTRY.unpack_from(area, entries_at + slot * _ENTRY.size)
        count = max(1, -(-length // _SLOT_BYTES))
        if not 0 < length <= MAX_NAME or slot + count > slots or not inode or file_type > 7:
            if used and (length or inode):
                yield CorruptStructureError(f"a name in slot {slot} of a directory does not hold")
            slot += 1
            continue
        span = (1 << count) - 1
        if not used and bits >> slot & span:
            slot += 1
            continue
        place = names_at + slot * _SLOT_BYTES
        name = area[place : place + length]
        if used or _is_name(name):
            yield DirectoryEntry(name, inode, file_type, used)
        slot += count if used else 1


def _is_name(name: bytes) -> bool:
    """What stands in unused slots looks like a name."""
    return b"\0" not in name and b"/" not in name
