"""SQLite databases and their write-ahead logs.

Source: "Database File Format" of the SQLite project, sections 1.3 (header), 1.6 (b-tree pages), 4 (WAL). The length
of a database is its page size times its page count; pages whose first bytes no page can have end it.
"""

from __future__ import annotations

import struct

from triage.content.recovery.carved import Reader, Shape

MAX_PAGES = 1 << 24
MAX_CHECKED = 4096
"""Pages of a database that are looked at, evenly spread."""
_DATABASE, _LOG = ("SQLite database", "sqlite"), ("SQLite write-ahead log", "sqlite-wal")
_PAGE_TYPES = frozenset({2, 5, 10, 13})


def sqlite(reader: Reader, start: int) -> Shape | None:
    """A database by header and pages."""
    head = reader.read(start, 112)
    if len(head) < 112:
        return None
    page = struct.unpack_from(">H", head, 16)[0]
    page = 65536 if page == 1 else page
    counter, count, encoding, valid_for = struct.unpack_from(">II24xI32xI", head, 24)
    if page < 512 or page & page - 1 or head[18] not in (1, 2) or head[21:24] != b"\x40\x20\x20":
        return None
    if head[100] not in (5, 13) or encoding > 3:
        return None
    reason = ""
    if not 0 < count <= MAX_PAGES or counter != valid_for:
        count, reason = _last_page(reader, start, page), "the header does not state how many pages there are"
    have = min(count, (reader.size - start) // page)
    if have < count:
        reason = f"{count - have} of {count} pages are beyond the end of the data"
    broken = _first_broken(reader, start, page, have, count)
    if broken < have:
        have, reason = broken, f"page {broken + 1} is none of this database"
    checked = f"header, {min(have, MAX_CHECKED)} of {count} pages by their first bytes"
    return Shape(max(1, have) * page, *_DATABASE, checked, reason, solid=not reason)


def _last_page(reader: Reader, start: int, page: int) -> int:
    """Pages up to the first that is no b-tree page."""
    count = 1
    while count < MAX_CHECKED:
        kind = reader.read(start + count * page, 1)
        if not kind or kind[0] not in _PAGE_TYPES:
            break
        count += 1
    return count


def _first_broken(reader: Reader, start: int, page: int, have: int, count: int) -> int:
    """Number of the first page, of those looked at, that cannot be one; ``have`` where all can."""
    step = max(1, have // MAX_CHECKED)
    lock_page = (1 << 30) // page
    for number in range(1, have, step):
        data = reader.read(start + number * page, 8)
        if number == lock_page or len(data) < 8:
            continue
        # Overflow and free pages begin with the number of the next, pointer maps with a type and a number.
        if data[0] not in _PAGE_TYPES and int.from_bytes(data[:4], "big") > count and not 1 <= data[0] <= 5:
            return number
    return have


def wal(reader: Reader, start: int) -> Shape | None:
    """A write-ahead log: its header by its checksum, then the frames of the same salt."""
    head = reader.read(start, 32)
    if len(head) < 32:
        return None
    magic, version, page, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack(">8I", head)
    if version != 3007000 or not 512 <= page <= 65536 or page & page - 1:
        return None
    if _checksum(head[:24], ">" if magic & 1 else "<") != (sum_1, sum_2):
        return None
    position, frames = start + 32, 0
    while frames < MAX_PAGES and position + 24 + page <= reader.size:
        number, _, first, second = struct.unpack(">4I", reader.read(position, 16).ljust(16, b"\0"))
        if not number or (first, second) != (salt_1, salt_2):
            break
        frames += 1
        position += 24 + page
    reason = "" if frames else "no frame follows the header"
    return Shape(position - start, *_LOG, f"header by its checksum, {frames} frames by their salt", reason)


def _checksum(data: bytes, order: str) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    first = second = 0
    for index in range(0, len(words), 2):
        first = (first + words[index] + second) & 0xFFFF_FFFF
        second = (second + words[index + 1] + first) & 0xFFFF_FFFF
    return first, second
