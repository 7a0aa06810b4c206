"""CRC-32C (Castagnoli), which the standard library lacks.

Source: RFC 3720 section 12.1 and appendix B.4 (polynomial 0x1EDC6F41, reflected, start and end inverted).
"""

from __future__ import annotations

from functools import cache

_POLYNOMIAL = 0x82F63B78
_MASK = 0xFFFFFFFF


@cache
def byte_table() -> tuple[int, ...]:
    """What each value of a byte adds, by value."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


def crc32c(data: bytes) -> int:
    """CRC-32C of the bytes, one by one: for small structures."""
    table = byte_table()
    crc = _MASK
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _MASK
