"""Files that Windows packs whole (``MAM``): XPRESS with Huffman codes, in blocks of 64 KiB, each with its own table.

Source: [MS-XCA] 2.2.4. Written for small files such as prefetch: about 1 MB a second.
"""

from __future__ import annotations

_BLOCK = 1 << 16
_WIDTH = 15


class MamError(Exception):
    """The stream does not hold; never leaves this room."""


def decompress(data: bytes, size: int) -> bytes:
    """Plain bytes.

    Args:
        data: The packed stream.
        size: Bytes that it shall give.

    Raises:
        MamError: It gives fewer.
    """
    out = bytearray()
    position = 0
    try:
        while len(out) < size:
            position = _block(data, position, min(len(out) + _BLOCK, size), out)
    except IndexError:
        raise MamError("the packed data end too early") from None
    return bytes(out[:size])


def _table(lengths: bytes) -> list[tuple[int, int]]:
    """Length and symbol for each 15 bits that the stream may show next."""
    table: list[tuple[int, int]] = []
    for length in range(1, _WIDTH + 1):
        for symbol in range(512):
            if lengths[symbol] == length:
                table.extend([(length, symbol)] * (1 << (_WIDTH - length)))
        if len(table) > 1 << _WIDTH:
            raise MamError("its codes do not hold")
    return table


def _block(data: bytes, position: int, end: int, out: bytearray) -> int:
    """One block; the offset behind it."""
    head = data[position : position + 256]
    if len(head) < 256:
        raise MamError("the packed data end too early")
    lengths = bytes(half for byte in head for half in (byte & 15, byte >> 4))
    table = _table(lengths)
    position += 256
    bits = int.from_bytes(data[position : position + 2], "little") << 16
    bits |= int.from_bytes(data[position + 2 : position + 4], "little")
    position += 4
    extra = 16
    while len(out) < end:
        length, symbol = table[bits >> 17]
        bits, extra, position = _shift(data, bits, extra, position, length)
        if symbol < 256:
            out.append(symbol)
            continue
        count, width = symbol & 15, symbol >> 4 & 15
        if count == 15:
            count = data[position] + 15
            position += 1
            if count == 270:
                count = data[position] | data[position + 1] << 8
                position += 2
        count += 3
        distance = (1 << width) | (bits >> (32 - width) if width else 0)
        bits, extra, position = _shift(data, bits, extra, position, width)
        start = len(out) - distance
        if start < 0:
            raise MamError("a match lies before the beginning")
        if count <= distance:
            out += out[start : start + count]
        else:
            out += (out[start:] * (count // distance + 1))[:count]
    return position


def _shift(data: bytes, bits: int, extra: int, position: int, count: int) -> tuple[int, int, int]:
    """Drop so many bits and take in the next word where fewer than 16 are left in hand."""
    bits = bits << count & 0xFFFFFFFF
    extra -= count
    if extra < 0:
        bits |= int.from_bytes(data[position : position + 2], "little") << -extra
        extra += 16
        position += 2
        if position > len(data) + 8:
            raise MamError("the packed data end too early")
    return bits, extra, position
