"""Archives made by hand, with any field wrong; and the loop that opens them to the last level."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from triage.content.decoders import Budget, Member, decode
from triage.content.identify import HEAD_LENGTH, identify
from triage.model.address import Address
from triage.model.problem import Problem

HERE = Address("image.dd", "p1", b"/box")
STAMP = (0x6000, 0x5874)  # 12:00:00, 2024-03-20


def deflate(data: bytes, level: int = 9) -> bytes:
    """Raw deflate."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@dataclass
class Part:
    """One member of a ZIP as it shall be written; None means what is right."""

    name: bytes
    data: bytes = b""
    method: int = 8
    packed: bytes | None = None
    flags: int = 0
    crc: int | None = None
    claimed_size: int | None = None
    claimed_packed: int | None = None
    extra: bytes = b""
    local_name: bytes | None = None
    local_method: int | None = None
    listed: bool = True
    offset: int | None = None
    stored: bool = True
    local_extra: bytes = b""


def make_zip(parts: Iterable[Part], *, prefix: bytes = b"", comment: bytes = b"", count: int | None = None,
             end: bool = True, between: bytes = b"") -> bytes:  # fmt: skip
    """A ZIP file of parts, as wrong as they say."""
    body, central, listed = bytearray(prefix), bytearray(), 0
    for part in parts:
        packed = part.packed if part.packed is not None else deflate(part.data) if part.method == 8 else part.data
        crc = zlib.crc32(part.data) if part.crc is None else part.crc
        size = len(part.data) if part.claimed_size is None else part.claimed_size
        packed_size = len(packed) if part.claimed_packed is None else part.claimed_packed
        offset = len(body) - len(prefix) if part.offset is None else part.offset
        behind = part.flags & 8
        if part.stored:
            name = part.name if part.local_name is None else part.local_name
            method = part.method if part.local_method is None else part.local_method
            sizes = (0, 0, 0) if behind else (crc, packed_size, size)
            body += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, part.flags, method, *STAMP, *sizes, len(name),
                                len(part.local_extra)) + name + part.local_extra + packed  # fmt: skip
            if behind:
                body += struct.pack("<4sIII", b"PK\7\x08", crc, packed_size, size)
            body += between
        if part.listed:
            listed += 1
            central += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, part.flags, part.method, *STAMP, crc,
                                   packed_size, size, len(part.name), len(part.extra), 0, 0, 0, 0,
                                   offset) + part.name + part.extra  # fmt: skip
    if not end:
        return bytes(body)
    count = min(listed, 0xFFFF) if count is None else count
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(central), len(body) - len(prefix), len(comment))
    return bytes(body + central) + tail + comment


def open_once(data: bytes | memoryview, budget: Budget | None = None, address: Address = HERE,
              mime: str = "") -> tuple[list[Member], list[Problem]]:  # fmt: skip
    """Members and problems of one content, without stepping into members."""
    found = identify(bytes(data[:HEAD_LENGTH]), len(data), address.name)
    assert not mime or found.mime == mime, found
    members: list[Member] = []
    problems: list[Problem] = []
    for item in decode(found, data, address, budget or Budget()) or ():
        if isinstance(item, Member):
            members.append(item)
        else:
            problems.append(item)
    return members, problems


def open_all(data: bytes, budget: Budget, address: Address = HERE) -> tuple[list[tuple[Address, int]], list[Problem]]:
    """Addresses and sizes of all members to the last level, and the problems; keeps no data."""
    found = identify(data[:HEAD_LENGTH], len(data), address.name)
    members: list[tuple[Address, int]] = []
    problems: list[Problem] = []
    for item in decode(found, data, address, budget) or ():
        if isinstance(item, Problem):
            problems.append(item)
            continue
        place = address.child(item.name)
        members.append((place, len(item.data)))
        inner, trouble = open_all(item.data, budget, place)
        members += inner
        problems += trouble
    return members, problems
