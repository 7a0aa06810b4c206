"""gzip files: one content, made of one or more members one after the other.

Specification: RFC 1952. Members are joined, as every reader does. Data behind the last member is told, zeros are not.
What inflates before a break or the end of the content is given.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import unpack_from

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, unpack
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason
from triage.model.times import Times

_STAGE = "gzip"
_HEADER_CHECKSUM, _EXTRA, _NAME, _COMMENT, _RESERVED = 2, 4, 8, 16, 0xE0
_MAX_FIELD = 65536
_OTHER_ENDINGS = {b"tgz": b"tar", b"svgz": b"svg", b"emz": b"emf", b"wmz": b"wmf", b"adz": b"adf"}


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """The one member of a gzip file; its name from the first header, else the name of the file without its ending."""
    parts: list[bytes] = []
    position, made, name, times = 0, 0, b"", Times()
    complaint: Problem | None = None
    while position < len(data) and complaint is None:
        header = _read_header(data, position)
        if header is None:
            complaint = _trailing(data, position, address) if parts else _broken_header(data, address)
            break
        if not parts:
            name = header.name
            times = Times(mtime=header.modified * 1_000_000_000 if header.modified else None)
        allow = budget.further(position, made)
        found = unpack(lambda: zlib.decompressobj(-15), data, header.start, len(data), allow)
        parts.append(found.data)
        made += len(found.data)
        position = found.end + 8
        if found.reason is None:
            complaint = _check(data, found.end, found.data, address)
        else:
            complaint = problem(address, _STAGE, found.reason, found.detail, lost=len(data) - found.end)
    if parts:
        content = parts[0] if len(parts) == 1 else b"".join(parts)
        budget.spend(len(content))
        yield Member(name or name_without_ending(address.name), content, times)
    if complaint is not None:
        yield complaint


@dataclass(frozen=True, slots=True)
class _Header:
    """Offset of the compressed data, name as stored, seconds since 1970 (0: none)."""

    start: int
    name: bytes
    modified: int


def _read_header(data: Data, at: int) -> _Header | None:
    """The header of one member, or None where there is no member."""
    if at + 10 > len(data):
        return None
    mark, method, flags, modified = unpack_from("<2sBBI", data, at)
    if mark != b"\x1f\x8b" or method != 8 or flags & _RESERVED:
        return None
    position = at + 10
    if flags & _EXTRA:
        if position + 2 > len(data):
            return None
        position += 2 + unpack_from("<H", data, position)[0]
    name = b""
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            text, zero, _ = bytes(data[position : position + _MAX_FIELD]).partition(b"\0")
            if not zero:
                return None
            position += len(text) + 1
            name = text if flag == _NAME else name
    if flags & _HEADER_CHECKSUM:
        position += 2
    return _Header(position, name, modified) if position <= len(data) else None


def _check(data: Data, at: int, content: bytes, address: Address) -> Problem | None:
    """Compare the checksum and the length behind a member with what came out."""
    if at + 8 > len(data):
        return problem(address, _STAGE, Reason.TRUNCATED, "the checksum at the end is missing", anyway=True)
    checksum, length = unpack_from("<II", data, at)
    if checksum != zlib.crc32(content):
        return problem(address, _STAGE, Reason.CORRUPT, "the checksum is wrong, the bytes are examined as they are")
    if length != len(content) & 0xFFFFFFFF:
        message = f"{len(content)} bytes come out of it where {length} are claimed"
        return problem(address, _STAGE, Reason.MISMATCH, message, anyway=True)
    return None


def _trailing(data: Data, at: int, address: Address) -> Problem | None:
    """What lies behind the last member; nothing to tell where it is zeros."""
    if not any(bytes(data[at : at + _MAX_FIELD])):
        return None
    rest = len(data) - at
    message = f"{rest} bytes behind the end of the stream, searched only as raw bytes"
    return problem(address, _STAGE, Reason.CORRUPT, message, anyway=True)


def _broken_header(data: Data, address: Address) -> Problem:
    return problem(address, _STAGE, Reason.CORRUPT, "the header does not hold", lost=len(data))


def name_without_ending(name: bytes) -> bytes:
    """The name of what a compressed file holds: its own without the ending; ``content`` where nothing is left."""
    stem, dot, ending = name.rpartition(b".")
    if not dot or not stem:
        return name or b"content"
    other = _OTHER_ENDINGS.get(ending.lower())
    return stem + b"." + other if other else stem
