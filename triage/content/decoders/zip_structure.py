"""The headers of a ZIP file: end records, central directory, local headers.

Specification: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.4. Handled: ZIP64, data in front of the archive, several
end records, a broken directory. Not handled: archives split over several files, an encrypted central directory. All
offsets are bytes from the start of the content; every field is a claim and checked against the content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct, error, unpack_from

from triage.content.decoders.interface import Data
from triage.model.times import Times

ENCRYPTED_FLAG = 1
SIZES_BEHIND_FLAG = 8
_LOCAL = Struct("<4sHHHHHIIIHH")
_CENTRAL = Struct("<4sHHHHHHIIIHHHHHII")
_END = Struct("<4sHHHHIIH")
_END_TAIL = 65535 + _END.size
_MAX_END_RECORDS = 8
_LOCAL_MARK = re.compile(rb"PK\x03\x04")
_END_MARK = re.compile(rb"PK\x05\x06")
_NEXT_MARK = re.compile(rb"PK(?:\x03\x04|\x01\x02|\x07\x08)")
_KNOWN_METHODS = frozenset((*range(13), 14, 16, 18, 19, 93, 94, 95, 96, 97, 98, 99))
_WINDOWS_EPOCH = 116_444_736_000_000_000


@dataclass(frozen=True, slots=True)
class Header:
    """What one header says of a member.

    Attributes:
        name: As stored.
        flags: General purpose bits.
        method: Compression method.
        crc: CRC-32 of the data.
        packed: Bytes in the archive.
        size: Bytes of the data.
        offset: Of the local header, as claimed (central) or found (local).
        start: Of the data; -1 in a central header.
        times: Of the file.
    """

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    start: int
    times: Times


@dataclass(frozen=True, slots=True)
class Directory:
    """Where one central directory is.

    Attributes:
        start: Of its first header, -1 where it is not where the end record says.
        end: Of the end record.
        shift: Bytes in front of the archive, to add to claimed offsets.
        count: Members as claimed.
    """

    start: int
    end: int
    shift: int
    count: int


def find_directories(data: Data) -> list[Directory]:
    """The central directories that end records at the end of the content name, last one first."""
    length = len(data)
    ends = [match.start() for match in _END_MARK.finditer(data, max(0, length - _END_TAIL))]
    found: dict[int, Directory] = {}
    for at in reversed(ends[-_MAX_END_RECORDS:]):
        if at + _END.size > length:
            continue
        _, _, _, _, count, size, offset, _ = _END.unpack_from(data, at)
        behind = at
        if 0xFFFF in (count,) or 0xFFFFFFFF in (size, offset):
            count, size, offset, behind = _zip64_end(data, at, (count, size, offset))
        start = next((place for place in (behind - size, offset) if _has_central(data, place)), -1)
        found.setdefault(start if start >= 0 else -1 - at, Directory(start, at, start - offset, count))
    return list(found.values())


def _has_central(data: Data, place: int) -> bool:
    return 0 <= place <= len(data) - 4 and bytes(data[place : place + 4]) == b"PK\x01\x02"


def _zip64_end(data: Data, at: int, fields: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Count, size and offset from the ZIP64 end record in front of the end record, and where the directory ends."""
    if at < 20 or bytes(data[at - 20 : at - 16]) != b"PK\x06\x07":
        return *fields, at
    stated = unpack_from("<Q", data, at - 12)[0]
    for place in (stated, at - 20 - 56):
        if 0 <= place <= at - 76 and bytes(data[place : place + 4]) == b"PK\x06\x06":
            count, size, offset = unpack_from("<QQQ", data, place + 32)
            return count, size, offset, place
    return *fields, at


def read_central(data: Data, directory: Directory) -> Iterator[Header]:
    """The headers of a directory in stored order, as far as they follow one another."""
    position = directory.start
    stop = len(data) - _CENTRAL.size
    while 0 <= position <= stop:
        fields = _CENTRAL.unpack_from(data, position)
        if fields[0] != b"PK\x01\x02":
            return
        name_length, extra_length, comment_length = fields[10:13]
        name_end = position + _CENTRAL.size + name_length
        extra = bytes(data[name_end : name_end + extra_length])
        packed, size, offset = _wide_sizes(extra, fields[8], fields[9], fields[16])
        yield Header(
            bytes(data[position + _CENTRAL.size : name_end]),
            fields[3],
            fields[4],
            fields[7],
            packed,
            size,
            offset,
            -1,
            _times(extra, fields[6], fields[5]),
        )
        position = name_end + extra_length + comment_length


def read_local(data: Data, at: int, *, listed: bool = True) -> Header | None:
    """The local header at an offset, or None where there is none.

    Args:
        data: The archive.
        at: Offset of the header.
        listed: A directory says that there is one; else it must look plausible.
    """
    if not 0 <= at <= len(data) - _LOCAL.size:
        return None
    mark, version, flags, method, time, date, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(
        data, at
    )
    start = at + _LOCAL.size + name_length + extra_length
    if mark != b"PK\x03\x04" or start > len(data):
        return None
    if not listed and (method not in _KNOWN_METHODS or version & 0xFF > 100 or not name_length):
        return None
    name_end = at + _LOCAL.size + name_length
    extra = bytes(data[name_end:start])
    packed, size, _ = _wide_sizes(extra, packed, size, 0)
    name = bytes(data[at + _LOCAL.size : name_end])
    return Header(name, flags, method, crc, packed, size, at, start, _times(extra, date, time))


def find_local(data: Data, start: int, stop: int) -> int:
    """Offset of the next local header mark in a range, -1 where there is none."""
    match = _LOCAL_MARK.search(data, start, stop)
    return match.start() if match else -1


def find_next_mark(data: Data, start: int) -> int:
    """Offset of the next mark of a header or data descriptor, else the end of the content."""
    match = _NEXT_MARK.search(data, start)
    return match.start() if match else len(data)


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(extra):
        key, length = unpack_from("<HH", extra, position)
        yield key, extra[position + 4 : position + 4 + length]
        position += 4 + length


def _wide_sizes(extra: bytes, packed: int, size: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset, from the ZIP64 extra field where the 32-bit ones say so."""
    if 0xFFFFFFFF not in (packed, size, offset):
        return packed, size, offset
    for key, body in _extra_fields(extra):
        if key != 1:
            continue
        values = [unpack_from("<Q", body, at)[0] for at in range(0, len(body) - 7, 8)][::-1]
        if size == 0xFFFFFFFF and values:
            size = values.pop()
        if packed == 0xFFFFFFFF and values:
            packed = values.pop()
        if offset == 0xFFFFFFFF and values:
            offset = values.pop()
    return packed, size, offset


def _from_windows(value: int) -> int | None:
    """Nanoseconds since 1970 for 100 ns since 1601; None for zero and for what no 64 bits hold."""
    nanoseconds = (value - _WINDOWS_EPOCH) * 100
    return nanoseconds if value and abs(nanoseconds) < 1 << 63 else None


def _times(extra: bytes, date: int, time: int) -> Times:
    """Times in UTC from the extra fields of Unix or NTFS, else the local DOS time."""
    for key, body in _extra_fields(extra) if extra else ():
        try:
            if key == 0x5455 and body and body[0] & 1:
                return Times(mtime=unpack_from("<i", body, 1)[0] * 1_000_000_000)
            if key == 0x000A and unpack_from("<HH", body, 4) == (1, 24):
                mtime, atime, crtime = (_from_windows(value) for value in unpack_from("<QQQ", body, 8))
                return Times(mtime=mtime, atime=atime, crtime=crtime)
        except error:
            continue
    try:
        moment = datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2, tzinfo=UTC
        )
    except ValueError:
        return Times()
    return Times(mtime=int(moment.timestamp()) * 1_000_000_000, zone_known=False)


def count_overlaps(ranges: list[tuple[int, int]]) -> int:
    """How many ranges begin inside one that begins before them."""
    overlapping = last_end = 0
    for start, end in sorted(ranges):
        overlapping += start < last_end
        last_end = max(last_end, end)
    return overlapping
