"""LZO1X, decompressed.

Source: ``Documentation/staging/lzo.rst`` of the kernel, which describes the stream. Every length is held against the
output that is still allowed and every distance against what was written.
"""

from __future__ import annotations

from triage.errors import CorruptStructureError


def decompress(data: bytes, most: int) -> bytes:
    """The decoded stream.

    Args:
        data: One LZO1X stream with its end mark.
        most: Bytes that it may decode to.

    Raises:
        CorruptStructureError: The stream does not hold, or holds more.
    """
    try:
        return _decompress(data, most)
    except IndexError:
        raise CorruptStructureError("an LZO stream is cut short") from None


def _decompress(data: bytes, most: int) -> bytes:
    out = bytearray()
    position, state = 0, 0
    if data[0] > 17:
        count = data[0] - 17
        position = _literals(data, 1, count, out, most)
        state = min(count, 4)
    while True:
        code = data[position]
        position += 1
        if code < 16 and not state:
            count = code
            if not count:
                count, position = _long(data, position, 15)
            position = _literals(data, position, count + 3, out, most)
            state = 4
            continue
        if code >= 64:
            length = (code >> 5) + 1
            distance = (data[position] << 3) + (code >> 2 & 7) + 1
            position += 1
            state = code & 3
        elif code >= 16:
            mask = 31 if code >= 32 else 7
            length = code & mask
            if not length:
                length, position = _long(data, position, mask)
            length += 2
            low = data[position] | data[position + 1] << 8
            position += 2
            distance, state = (low >> 2) + 1, low & 3
            if code < 32:
                distance += 16383 + ((code & 8) << 11)
                if distance == 16384:
                    return bytes(out)
        else:
            near = state != 4
            length = 2 if near else 3
            distance = (data[position] << 2) + (code >> 2) + (1 if near else 2049)
            position += 1
            state = code & 3
        _copy(out, distance, length, most)
        if state:
            position = _literals(data, position, state, out, most)


def _long(data: bytes, position: int, base: int) -> tuple[int, int]:
    """A length that goes on in further bytes: zeros count 255 each, the first other byte ends it."""
    start = position
    while not data[position]:
        position += 1
    return base + (position - start) * 255 + data[position], position + 1


def _literals(data: bytes, position: int, count: int, out: bytearray, most: int) -> int:
    end = position + count
    if end > len(data):
        raise CorruptStructureError("an LZO stream is cut short")
    if len(out) + count > most:
        raise CorruptStructureError(f"an LZO stream holds more than {most} bytes")
    out += data[position:end]
    return end


def _copy(out: bytearray, distance: int, length: int, most: int) -> None:
    start = len(out) - distance
    if start < 0:
        raise CorruptStructureError("an LZO stream refers to bytes before its beginning")
    if len(out) + length > most:
        raise CorruptStructureError(f"an LZO stream holds more than {most} bytes")
    if distance >= length:
        out += out[start : start + length]
    else:
        piece = bytes(out[start:])
        out += (piece * (length // distance + 1))[:length]
