"""One block of names of a directory, and the short form in the inode.

Source: "XFS Algorithms & Data Structures", chapter "Directories" (short form, block, data blocks of versions 4 and 5).
A name that was deleted keeps its bytes until its space is used again: in a block, two bytes of the inode number become
the mark of free space and two its length, so the lower half of the number still stands; each name ends with its own
place in the block, by which it is known again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_TYPES = 8
"""Types of files in names: 0 is unknown, 1 file, 2 directory, 3 to 6 special files, 7 symbolic link, 8 whiteout."""
_FREE = b"\xff\xff"
_HEAD = struct.Struct(">QB")


@dataclass(frozen=True, slots=True)
class Record:
    """One name.

    Attributes:
        name: As stored.
        number: Inode that it leads to.
        kind: Type of the file as the directory has it, 0 where it has none.
    """

    name: bytes
    number: int
    kind: int = 0


@dataclass(slots=True)
class Records:
    """What stands in a block.

    Attributes:
        live: Names, in stored order, with ``.`` and ``..``.
        deleted: Names that stand in free space.
        errors: Parts that do not hold, in words.
    """

    live: list[Record] = field(default_factory=list)
    deleted: list[Record] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def is_name(name: bytes) -> bool:
    """True for bytes that can be a name."""
    return bool(name) and b"/" not in name and b"\0" not in name and name not in (b".", b"..")


def parse_block(data: bytes, start: int, end: int, typed: bool, parent: int) -> Records:
    """Names between the header and the tail of a block.

    Args:
        data: The block.
        start: Behind its header.
        end: Where the names end.
        typed: Names carry a type.
        parent: Inode of the directory, whose upper half a deleted name shares.
    """
    out = Records()
    live, position, broken = out.live, start, False
    extra = 11 + typed + 7
    unpack = _HEAD.unpack_from
    while position + 16 <= end:
        if data[position : position + 2] == _FREE:
            length = int.from_bytes(data[position + 2 : position + 4], "big")
            if length >= 8 and not length % 8 and position + length <= end:
                _scan_free(out.deleted, data, position, position + length, typed, parent)
                position += length
                broken = False
                continue
        else:
            number, length = unpack(data, position)
            size = (length + extra) & ~7
            last = position + size
            if length and last <= end and data[last - 2 : last] == position.to_bytes(2, "big"):
                behind = position + 9 + length
                live.append(Record(data[position + 9 : behind], number, data[behind] if typed else 0))
                position = last
                broken = False
                continue
        if not broken:
            out.errors.append(f"names do not hold from byte {position} of the block")
            broken = True
        position += 8
    return out


def _scan_free(out: list[Record], data: bytes, start: int, end: int, typed: bool, parent: int) -> None:
    """Names in free space; each ends with its own place, the last one with that of the space."""
    position = start
    while position + 16 <= end:
        number, length = _HEAD.unpack_from(data, position)
        last = position + ((length + 18 + typed) & ~7)
        if length and last <= end:
            tag = int.from_bytes(data[last - 2 : last], "big")
            name = data[position + 9 : position + 9 + length]
            kind = data[position + 9 + length] if typed else 0
            if (tag == position or (last == end and tag == start)) and kind <= _TYPES and is_name(name):
                if number >> 48 == 0xFFFF:
                    number = (parent & ~0xFFFFFFFF) | (number & 0xFFFFFFFF)
                out.append(Record(name, number, kind))
                position = last
                continue
        position += 8


def parse_short(data: bytes, size: int, typed: bool) -> Records:
    """Names of a directory in the short form.

    Args:
        data: The data fork.
        size: Bytes of it that are in use; behind them names that were deleted may stand.
        typed: Names carry a type.
    """
    out = Records()
    if len(data) < 6:
        out.errors.append("the directory does not fit into its inode")
        return out
    width = 8 if data[1] else 4
    position = 2 + width
    end = min(size, len(data))
    for _ in range(data[0]):
        record, position = _short_name(data, position, end, width, typed)
        if record is None:
            out.errors.append("names in the inode do not hold")
            break
        out.live.append(record)
    if len(out.live) < data[0] and not out.errors:
        out.errors.append("the directory declares more names than it has")
    behind = max(position, end) if not out.errors else end
    while behind + 4 + width <= len(data):
        record, after = _short_name(data, behind, len(data), width, typed)
        offset = int.from_bytes(data[behind + 1 : behind + 3], "big")
        if record is not None and is_name(record.name) and record.kind <= _TYPES and offset and offset % 8 == 0:
            out.deleted.append(record)
            behind = after
        else:
            behind += 1
    return out


def _short_name(data: bytes, position: int, end: int, width: int, typed: bool) -> tuple[Record | None, int]:
    """The name at a place, and the place behind it; None where none fits."""
    if position >= end:
        return None, position
    length = data[position]
    behind = position + 3 + length
    last = behind + typed + width
    if not length or last > end:
        return None, position
    number = int.from_bytes(data[behind + typed : last], "big")
    return Record(data[position + 3 : behind], number, data[behind] if typed else 0), last
