"""The headers of a ZIP file of any size: end records, central directory, local headers, extra fields.

Specification: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 to 4.6; Info-ZIP extra fields (``UT``, ``UX``, ``ux``, ``up``);
WinZip AES (extra field 0x9901). Every field is a claim and checked against the file.
"""

from __future__ import annotations

import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from struct import Struct, error, unpack_from

from triage.evidence.containers.logical_stream import Readable
from triage.evidence.containers.zip_times import dos_times, extra_times
from triage.model.times import Times

ENCRYPTED_FLAG = 1
SIZES_BEHIND_FLAG = 8
MASKED_FLAG = 0x2000
LIMIT = (1 << 62) - 1
_LOCAL = Struct("<4sHHHHHIIIHH")
_CENTRAL = Struct("<4sHHHHHHIIIHHHHHII")
_END = Struct("<4sHHHHIIH")
_WINDOW = 1 << 20
_KNOWN_METHODS = frozenset((*range(13), 14, 16, 18, 19, 93, 94, 95, 96, 97, 98, 99))
_LOCAL_MARK = b"PK\x03\x04"
_NEXT_MARK = re.compile(rb"PK(?:\x03\x04|\x01\x02|\x07\x08)")


@dataclass(frozen=True, slots=True)
class Header:
    """What one header says of a member.

    Attributes:
        name: As stored, or of the extra field for a name in UTF-8.
        flags: General purpose bits.
        method: Compression method; that behind AES where it is encrypted so.
        crc: CRC-32 of the data.
        packed: Bytes in the archive.
        size: Bytes of the data.
        offset: Of the local header, as claimed (central) or found (local).
        start: Of the data; -1 in a central header.
        times: Of the file.
        mode: Unix mode, 0 where there is none.
        is_folder: By the attributes of DOS.
        from_dos: Made on FAT or NTFS.
        owner: User number, empty where there is none.
        aes: Strength (1 to 3) where encrypted with AES, else 0.
        dos_time: Time of the day as stored; the old cipher checks passwords with it.
    """

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    start: int
    times: Times = field(default_factory=Times)
    mode: int = 0
    is_folder: bool = False
    from_dos: bool = False
    owner: str = ""
    aes: int = 0
    dos_time: int = 0

    @property
    def is_encrypted(self) -> bool:
        """The flag says so."""
        return bool(self.flags & ENCRYPTED_FLAG)


_NAMES = tuple(item.name for item in fields(Header))


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory is.

    Attributes:
        start: Of its first header, -1 where it is not where the end record says.
        end: Of the end record; the size of the file where there is none.
        shift: Bytes in front of the archive, to add to claimed offsets.
        count: Members as claimed.
        disks: Files that the archive is split over.
        comment: Of the archive.
    """

    start: int
    end: int
    shift: int
    count: int
    disks: int = 1
    comment: bytes = b""


def find_directory(source: Readable, size: int) -> Directory | None:
    """The central directory that the last end record names; None where there is no end record."""
    tail_start = max(0, size - 65535 - 2 * _END.size)
    tail = source.read_at(tail_start, size - tail_start)
    at = len(tail)
    for _ in range(16):
        at = tail.rfind(b"PK\x05\x06", 0, at)
        if at < 0:
            return None
        if at + _END.size <= len(tail):
            break
    else:
        return None
    _, disk, _, _, count, length, offset, comment = _END.unpack_from(tail, at)
    end = tail_start + at
    behind = end
    if count == 0xFFFF or 0xFFFFFFFF in (length, offset):
        count, length, offset, behind = _zip64_end(source, end, (count, length, offset))
    places = (behind - length, offset)
    start = next((place for place in places if place >= 0 and source.read_at(place, 4) == b"PK\x01\x02"), -1)
    disks = disk + 1 if disk != 0xFFFF else 1
    return Directory(start, end, max(0, start - offset), count, disks, tail[at + 22 : at + 22 + comment])


def _zip64_end(source: Readable, end: int, fields: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Count, size and offset from the ZIP64 end record in front of the end record, and where the directory ends."""
    locator = source.read_at(end - 20, 20) if end >= 20 else b""
    if locator[:4] != b"PK\x06\x07" or len(locator) < 20:
        return *fields, end
    stated = unpack_from("<Q", locator, 8)[0]
    for place in (stated, end - 20 - 56):
        record = source.read_at(place, 56) if 0 <= place <= end - 76 else b""
        if record[:4] == b"PK\x06\x06" and len(record) == 56:
            count, length, offset = unpack_from("<QQQ", record, 32)
            return count, length, offset, place
    return *fields, end


def read_central(source: Readable, directory: Directory) -> Iterator[tuple[int, Header]]:
    """The headers of a directory with their places, as far as they follow one another."""
    position, window_start, window = directory.start, directory.start, b""
    while 0 <= position < directory.end:
        if position - window_start + 46 + 3 * 65535 > len(window) and window_start + len(window) < directory.end:
            window_start = position
            window = source.read_at(position, min(_WINDOW, directory.end - position))
        parsed = parse_central(window, position - window_start)
        if parsed is None:
            return
        header, length = parsed
        yield position, header
        position += length


def parse_central(data: bytes, at: int) -> tuple[Header, int] | None:
    """A header of the directory and its length; None where there is none."""
    if not 0 <= at <= len(data) - _CENTRAL.size or data[at : at + 4] != b"PK\x01\x02":
        return None
    fields = _CENTRAL.unpack_from(data, at)
    name_length, extra_length, comment_length = fields[10:13]
    name_end = at + _CENTRAL.size + name_length
    if name_end + extra_length > len(data):
        return None
    host = fields[1] >> 8
    mode = fields[15] >> 16 if host in (3, 19) or fields[15] >> 28 in (4, 8, 10) else 0
    header = Header(
        data[at + _CENTRAL.size : name_end],
        *(fields[3], fields[4], fields[7], fields[8], fields[9], fields[16], -1),
        mode=mode,
        is_folder=bool(fields[15] & 0x10) and host in (0, 10, 11, 14),
        from_dos=host in (0, 10, 11, 14),
    )
    extra = data[name_end : name_end + extra_length]
    return _with_extra(header, extra, fields[6], fields[5]), _CENTRAL.size + name_length + extra_length + comment_length


def read_local(source: Readable, at: int, *, listed: bool = True) -> Header | None:
    """The local header at an offset, or None where there is none.

    Args:
        source: The archive.
        at: Offset of the header.
        listed: A directory says that there is one; else it must look plausible.
    """
    data = source.read_at(at, 1024) if at >= 0 else b""
    if len(data) < _LOCAL.size or data[:4] != _LOCAL_MARK:
        return None
    _, version, flags, method, time, date, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(data)
    if not listed and (method not in _KNOWN_METHODS or version & 0xFF > 100 or not name_length):
        return None
    length = _LOCAL.size + name_length + extra_length
    if length > len(data):
        data = source.read_at(at, length)
    if len(data) < length:
        return None
    name_end = _LOCAL.size + name_length
    header = Header(data[_LOCAL.size : name_end], flags, method, crc, packed, size, at, at + length)
    return _with_extra(header, data[name_end:length], date, time)


def find_local(source: Readable, start: int, stop: int) -> int:
    """Offset of the next mark of a local header in a range, -1 where there is none."""
    while start < stop:
        data = source.read_at(start, min(_WINDOW, stop - start))
        at = data.find(_LOCAL_MARK)
        if at >= 0:
            return start + at
        if len(data) < _WINDOW:
            return -1
        start += len(data) - 3
    return -1


def find_next_mark(source: Readable, start: int, stop: int) -> int:
    """Offset of the next mark of a header or data descriptor, else ``stop``."""
    while start < stop:
        data = source.read_at(start, min(_WINDOW, stop - start))
        match = _NEXT_MARK.search(data)
        if match:
            return start + match.start()
        if len(data) < _WINDOW:
            break
        start += len(data) - 3
    return stop


def _pieces(extra: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(extra):
        key, length = unpack_from("<HH", extra, position)
        yield key, extra[position + 4 : position + 4 + length]
        position += 4 + length


def _with_extra(header: Header, extra: bytes, date: int, time: int) -> Header:
    """A header with what its extra fields add: ZIP64 sizes, times, owner, name in UTF-8, AES."""
    changes: dict[str, object] = {"dos_time": time}
    times: dict[str, int | None] = {}
    for key, body in _pieces(extra) if extra else ():
        try:
            if key == 0x0001:
                changes.update(_wide(header, body))
            elif key in (0x5455, 0x000A, 0x5855):
                times.update(extra_times(key, body))
            elif key == 0x7875 and body[:1] == b"\x01" and len(body) > 2:
                changes["owner"] = str(int.from_bytes(body[2 : 2 + min(body[1], 8)], "little"))
            elif key == 0x7075 and body[:1] == b"\x01" and unpack_from("<I", body, 1)[0] == zlib.crc32(header.name):
                changes["name"] = body[5:]
            elif key == 0x9901 and header.method == 99:
                changes["aes"], changes["method"] = unpack_from("<BH", body, 4)
        except error:
            continue
    changes["times"] = Times(**times) if "mtime" in times else dos_times(date, time)  # type: ignore[arg-type]
    return Header(**_fields_of(header) | changes)  # type: ignore[arg-type]


def _fields_of(header: Header) -> dict[str, object]:
    return {name: getattr(header, name) for name in _NAMES}


def _wide(header: Header, body: bytes) -> dict[str, object]:
    """Sizes and offset of the ZIP64 field, where the short ones say so."""
    values = [unpack_from("<Q", body, at)[0] for at in range(0, len(body) - 7, 8)][::-1]
    found: dict[str, object] = {}
    for name in ("size", "packed", "offset"):
        if getattr(header, name) == 0xFFFFFFFF and values and not (name == "offset" and header.start >= 0):
            found[name] = min(values.pop(), LIMIT)
    return found


def mode_kind(mode: int) -> str:
    """``link``, ``folder``, ``other`` or empty, by a Unix mode."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        return "link"
    if kind == stat.S_IFDIR:
        return "folder"
    return "other" if kind in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK) else ""
