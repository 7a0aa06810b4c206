"""CRC-32C (Castagnoli) over many records at once, without a loop over bytes.

The checksum is linear: that of a record is the exclusive or of one value for each of its bytes, which depends on the
byte and on how many bytes follow. So all records of a region are done column by column: one translation table for each
place and each of the four bytes of the checksum, applied to the bytes that stand there in every record.
"""

from __future__ import annotations

from functools import cache

from triage.evidence.crc32c import byte_table

_MASK = 0xFFFFFFFF
_SMALL, _LARGE = 64, 256
"""Bytes in a row of a block that is checked in rows: of one up to a page, of a larger one."""
_FIELD = 4
_Lanes = tuple[bytes, bytes, bytes, bytes]


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "little") ^ int.from_bytes(other, "little")).to_bytes(len(one), "little")


@cache
def _base() -> _Lanes:
    """The four bytes of the plain table, each as a table of its own."""
    table = byte_table()
    lanes = [bytes((value >> shift) & 0xFF for value in table) for shift in (0, 8, 16, 24)]
    return lanes[0], lanes[1], lanes[2], lanes[3]


_following: list[_Lanes] = []


def _lanes(count: int) -> list[_Lanes]:
    """Tables by the number of bytes that follow, at least ``count`` of them."""
    base = _base()
    while len(_following) < count:
        if not _following:
            _following.append(base)
            continue
        low, second, third, high = _following[-1]
        _following.append(
            (
                _xor(second, low.translate(base[0])),
                _xor(third, low.translate(base[1])),
                _xor(high, low.translate(base[2])),
                low.translate(base[3]),
            )
        )
    return _following


@cache
def _of_zeros(length: int) -> int:
    """Checksum of so many zero bytes: what the inversion of start and end adds."""
    table = byte_table()
    crc = _MASK
    for _ in range(length):
        crc = table[crc & 0xFF] ^ (crc >> 8)
    return crc ^ _MASK


def _columns(data: bytes, width: int, without: int = -1) -> list[int]:
    """Linear part for each row of ``width`` bytes: four numbers that hold a byte for each row, low byte first."""
    tables = _lanes(width)
    rows = len(data) // width
    out = [0, 0, 0, 0]
    for place in range(width):
        if 0 <= place - without < _FIELD and without >= 0:
            continue
        column = data[place::width]
        if column.count(0) == rows:
            continue
        for lane, table in enumerate(tables[width - 1 - place]):
            out[lane] ^= int.from_bytes(column.translate(table), "little")
    return out


def wrong_rows(data: bytes, width: int, field: int) -> frozenset[int]:
    """Rows whose stored checksum is not theirs.

    Args:
        data: Whole rows.
        width: Bytes in a row.
        field: Where in a row its checksum stands, 4 bytes little-endian, counted as zeros in it.
    """
    rows = len(data) // width
    if not rows:
        return frozenset()
    constant = _of_zeros(width).to_bytes(4, "little")
    wrong = 0
    for lane, value in enumerate(_columns(data, width, field)):
        stored = int.from_bytes(data[field + lane :: width], "little")
        wrong |= value ^ stored ^ int.from_bytes(constant[lane : lane + 1] * rows, "little")
    if not wrong:
        return frozenset()
    marks = wrong.to_bytes(rows, "little")
    return frozenset(row for row in range(rows) if marks[row])


@cache
def _row_shift(width: int) -> tuple[tuple[int, ...], ...]:
    """Tables that move a checksum past ``width`` more bytes, one for each of its bytes."""
    tables = _lanes(width)
    out = []
    for byte in range(4):
        # Byte k of a state acts like a data byte that stands k places into what follows.
        lanes = tables[width - 1 - byte]
        out.append(tuple(sum(lanes[lane][value] << (8 * lane) for lane in range(4)) for value in range(256)))
    return tuple(out)


def crc32c(data: bytes) -> int:
    """CRC-32C of bytes."""
    width = _SMALL if len(data) <= 4096 else _LARGE
    whole = len(data) - len(data) % width
    crc = 0
    if whole:
        one, two, three, four = _row_shift(width)
        lanes = [value.to_bytes(whole // width, "little") for value in _columns(data[:whole], width)]
        for low, second, third, high in zip(*lanes, strict=True):
            crc = one[crc & 0xFF] ^ two[(crc >> 8) & 0xFF] ^ three[(crc >> 16) & 0xFF] ^ four[crc >> 24]
            crc ^= low | second << 8 | third << 16 | high << 24
    table = byte_table()
    for byte in data[whole:]:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _of_zeros(len(data))


def holds(data: bytes, field: int) -> bool:
    """True where the checksum at ``field`` (4 bytes, little-endian) is that of the rest with zeros there."""
    stored = int.from_bytes(data[field : field + _FIELD], "little")
    return crc32c(data[:field] + bytes(_FIELD) + data[field + _FIELD :]) == stored
