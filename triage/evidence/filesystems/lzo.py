"""LZO1X decompression, as Btrfs, F2FS and SquashFS store blocks.

Follows the description of the stream format in the kernel's documentation ("LZO stream format as understood by
Linux's LZO decompressor"): bitstream version 0, and version 1 (LZO-RLE), which says so itself and adds runs of zeros.
"""

from __future__ import annotations

from triage.errors import CorruptStructureError


def decompress_lzo1x(data: bytes, limit: int) -> bytes:
    """The bytes of one LZO1X stream.

    Args:
        data: The stream; what follows its end mark is left alone.
        limit: Most bytes it may give.

    Raises:
        CorruptStructureError: The stream does not hold, or gives more than ``limit`` bytes.
    """
    try:
        return _decompress(data, limit)
    except IndexError:
        raise CorruptStructureError(f"an LZO stream ends early: {len(data)} bytes") from None


def _length(data: bytes, at: int, base: int) -> tuple[int, int]:
    """A length coded as a run of zero bytes and a last one: value and next place."""
    start = at
    while data[at] == 0:
        at += 1
    return base + (at - start) * 255 + data[at], at + 1


def _match(data: bytes, at: int, code: int, state: int, rle: bool) -> tuple[int, int, int, int]:
    """A back reference: its length, distance, literals that follow (0-3) and next place; distance 0 ends the stream.

    A distance of -1 stands for zeros.
    """
    if code >= 64:
        distance = (data[at] << 3) + ((code >> 2) & 7) + 1
        return (code >> 5) + 1, distance, code & 3, at + 1
    if code >= 32:
        length = (code & 31) + 2
        if length == 2:
            length, at = _length(data, at, 33)
        low = data[at] | data[at + 1] << 8
        return length, (low >> 2) + 1, low & 3, at + 2
    if code >= 16:
        return _far_match(data, at, code, rle)
    low = data[at]
    if state == 4:
        return 3, (low << 2) + (code >> 2) + 2049, code & 3, at + 1
    return 2, (low << 2) + (code >> 2) + 1, code & 3, at + 1


def _far_match(data: bytes, at: int, code: int, rle: bool) -> tuple[int, int, int, int]:
    low = data[at] | data[at + 1] << 8
    if rle and code & 8 and low & 0xFFFC == 0xFFFC:
        length = (code & 7) | data[at + 2] << 3
        return length + 4, -1, low & 3, at + 3
    length = (code & 7) + 2
    if length == 2:
        length, at = _length(data, at, 9)
    low = data[at] | data[at + 1] << 8
    distance = ((code & 8) << 11) + (low >> 2)
    return length, distance + 16384 if distance else 0, low & 3, at + 2


def _decompress(data: bytes, limit: int) -> bytes:
    out = bytearray()
    at, state = 0, 0
    rle = False
    if len(data) >= 5 and data[0] == 17:
        rle, at = data[1] >= 1, 2
    if data[at] > 17:
        count = data[at] - 17
        at = _literals(out, data, at + 1, count, limit)
        state = 4 if count > 3 else count
    while True:
        code = data[at]
        at += 1
        if code < 16 and state == 0:
            count = code + 3
            if code == 0:
                count, at = _length(data, at, 18)
            state = 4
        else:
            length, distance, count, at = _match(data, at, code, state, rle)
            if distance == 0:
                return bytes(out)
            _copy(out, distance, length, limit)
            state = count
        if count:
            at = _literals(out, data, at, count, limit)


def _literals(out: bytearray, data: bytes, at: int, count: int, limit: int) -> int:
    """Append ``count`` bytes of the stream; the place behind them."""
    _check_room(out, count, limit)
    if at + count > len(data):
        raise CorruptStructureError(f"an LZO stream ends early: {len(data)} bytes")
    out += data[at : at + count]
    return at + count


def _check_room(out: bytearray, length: int, limit: int) -> None:
    if length > limit - len(out):
        raise CorruptStructureError(f"an LZO stream gives more than {limit} bytes")


def _copy(out: bytearray, distance: int, length: int, limit: int) -> None:
    """Append ``length`` bytes from ``distance`` back."""
    _check_room(out, length, limit)
    if distance > len(out):
        raise CorruptStructureError(f"an LZO stream refers to what is not there: {distance} bytes back")
    if distance == -1:
        out += bytes(length)
        return
    start = len(out) - distance
    if distance >= length:
        out += out[start : start + length]
        return
    piece = bytes(out[start:])
    out += (piece * (length // distance + 1))[:length]
