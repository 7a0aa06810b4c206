"""Extended attributes of an inode: those within it, then those of its attribute node, as one list."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAGIC = 0xF2F52011
_HEADER_BYTES = 24
_PREFIXES = {
    1: b"user.",
    2: b"system.posix_acl_access",
    3: b"system.posix_acl_default",
    4: b"trusted.",
    6: b"security.",
    7: b"system.advise",
    9: b"encryption.",
    11: b"verity.",
}
MAX_ATTRIBUTES = 4096


def attributes_of(area: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and values in an area; ends where the list does or does not hold any more.

    Args:
        area: Inline attributes and the content of the attribute node, one after the other.
    """
    if len(area) < _HEADER_BYTES or struct.unpack_from("<I", area)[0] != MAGIC:
        return
    place = _HEADER_BYTES
    for _ in range(MAX_ATTRIBUTES):
        if place + 4 > len(area) or area[place : place + 4] == b"\0\0\0\0":
            return
        index, name_length, value_length = struct.unpack_from("<BBH", area, place)
        value_at = place + 4 + name_length
        end = value_at + value_length
        if end > len(area):
            return
        prefix = _PREFIXES.get(index, b"index%d." % index)
        yield prefix + area[place + 4 : value_at], area[value_at:end]
        place += 4 + (name_length + value_length + 3) // 4 * 4
