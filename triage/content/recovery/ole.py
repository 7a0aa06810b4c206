"""OLE2 compound files (Office 97 to 2003, Outlook messages) by their allocation table.

Source: [MS-CFB] sections 2.2 (header), 2.3 (FAT), 2.5 (DIFAT), 2.6 (directory). The length is that of the last sector
that the table says is in use; every table sector must say that it is one.
"""

from __future__ import annotations

import struct

from triage.content.recovery.carved import Reader, Shape

MAX_TABLES = 1 << 16
_KINDS = (
    ("WordDocument", "Word document", "doc"),
    ("Workbook", "Excel workbook", "xls"),
    ("Book", "Excel workbook", "xls"),
    ("PowerPoint Document", "PowerPoint presentation", "ppt"),
    ("__properties_version1.0", "Outlook message", "msg"),
    ("VisioDocument", "Visio drawing", "vsd"),
    ("CatalogNumber", "thumbnail cache", "db"),
    ("Catalog", "thumbnail cache", "db"),
)
_FREE, _TABLE, _END = 0xFFFF_FFFF, 0xFFFF_FFFD, 0xFFFF_FFFE


def ole(reader: Reader, start: int) -> Shape | None:
    """A compound file."""
    head = reader.read(start, 512)
    if len(head) < 512 or head[28:30] != b"\xfe\xff":
        return None
    major, shift = struct.unpack_from("<H2xH", head, 26)
    if (major, shift) not in ((3, 9), (4, 12)):
        return None
    sector = 1 << shift
    count, directory = struct.unpack_from("<II", head, 44)
    most = (reader.size - start) // sector + 1
    if not 0 < count <= min(MAX_TABLES, most):
        return None
    tables = _table_sectors(reader, start, head, sector, count)
    last, reason = 0, "" if len(tables) == count else "the list of table sectors breaks off"
    for index, place in enumerate(tables):
        data = reader.read(start + (place + 1) * sector, sector)
        entries = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
        if len(entries) < sector // 4:
            reason = "the allocation table is beyond the end of the data"
            break
        used = next((number for number in range(len(entries) - 1, -1, -1) if entries[number] != _FREE), -1)
        first = index * len(entries)
        last = max(last, first + used if used >= 0 else 0)
    if tables and not _marks_itself(reader, start, tables, sector):
        return None
    kind, extension = _kind(reader, start + (directory + 1) * sector, sector)
    if not kind:
        if last == 0:
            return None
        kind, extension, reason = "OLE compound file", "ole", reason or "its directory does not hold"
    length = (last + 2) * sector
    if start + length > reader.size:
        length, reason = reader.size - start, reason or "the data end before the last sector in use"
    return Shape(length, kind, extension, "header, allocation table, directory", reason, solid=not reason)


def _table_sectors(reader: Reader, start: int, head: bytes, sector: int, count: int) -> list[int]:
    """Sectors of the allocation table, from the header and the chain of further lists."""
    found = [number for number in struct.unpack_from("<109I", head, 76)[:count] if number < 0xFFFF_FFFA]
    (following,) = struct.unpack_from("<I", head, 68)
    for _ in range(min(MAX_TABLES, count)):
        if len(found) >= count or following >= 0xFFFF_FFFA:
            break
        data = reader.read(start + (following + 1) * sector, sector)
        if len(data) < sector:
            break
        *numbers, following = struct.unpack(f"<{sector // 4}I", data)
        found += [number for number in numbers if number < 0xFFFF_FFFA]
    return found[:count]


def _marks_itself(reader: Reader, start: int, tables: list[int], sector: int) -> bool:
    """True where the table says of its own first sector that it is one."""
    index, inside = divmod(tables[0], sector // 4)
    if index >= len(tables):
        return False
    place = start + (tables[index] + 1) * sector + inside * 4
    return int.from_bytes(reader.read(place, 4), "little") == _TABLE


def _kind(reader: Reader, place: int, sector: int) -> tuple[str, str]:
    """Kind and extension by the names in the first directory sectors; empty where there is no root."""
    data = reader.read(place, max(sector, 2048))
    names = []
    for position in range(0, len(data) - 127, 128):
        (size,) = struct.unpack_from("<H", data, position + 64)
        if 2 <= size <= 64:
            names.append(data[position : position + size - 2].decode("utf-16-le", "replace"))
    if not names or data[66:67] != b"\x05":
        return "", ""
    for wanted, kind, extension in _KINDS:
        if wanted in names:
            return kind, extension
    return "OLE compound file", "ole"
