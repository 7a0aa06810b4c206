"""LZVN, the fast compression of Apple: in files of HFS+ and APFS, in disk images, inside LZFSE.

Written after the published decoder of LZFSE (Apple, 2015): opcodes of one byte with literals, matches and distances.
"""

from __future__ import annotations

from triage.errors import CorruptStructureError

_END, _SKIP, _UNDEFINED = 0x06, (0x0E, 0x16), (0x1E, 0x26, 0x2E, 0x36, 0x3E)


def decompress_lzvn(data: bytes, limit: int) -> bytes:
    """The plain bytes, up to the end of stream or to a limit.

    Args:
        data: Compressed bytes.
        limit: Most bytes to give.

    Raises:
        CorruptStructureError: The bytes are no LZVN, or end too early.
    """
    out = bytearray()
    position, distance, end = 0, 0, len(data)
    try:
        while len(out) < limit and position < end:
            code = data[position]
            if code == _END:
                break
            if code in _SKIP:
                position += 1
                continue
            if code in _UNDEFINED or 0x70 <= code <= 0x7F or 0xD0 <= code <= 0xDF:
                raise CorruptStructureError(f"LZVN: opcode {code:#x}")
            position, literals, match, distance = _operation(data, position, code, distance)
            if literals:
                out += data[position : position + literals]
                position += literals
                if position > end:
                    raise CorruptStructureError("LZVN: the data end within literals")
            if match:
                _copy(out, distance, min(match, limit - len(out)))
    except IndexError as error:
        raise CorruptStructureError("LZVN: the data end too early") from error
    return bytes(out[:limit])


def _operation(data: bytes, position: int, code: int, distance: int) -> tuple[int, int, int, int]:
    """Where the literals begin, their number, length of the match, distance."""
    if code >= 0xF0:  # match with the last distance
        if code == 0xF0:
            return position + 2, 0, data[position + 1] + 16, distance
        return position + 1, 0, code & 15, distance
    if code >= 0xE0:  # literals only
        if code == 0xE0:
            return position + 2, data[position + 1] + 16, 0, distance
        return position + 1, code & 15, 0, distance
    if 0xA0 <= code < 0xC0:  # medium distance
        low, high = data[position + 1], data[position + 2]
        match = ((code & 7) << 2 | low & 3) + 3
        return position + 3, code >> 3 & 3, match, high << 6 | low >> 2
    literals, match = code >> 6, (code >> 3 & 7) + 3
    if code & 7 == 7:  # large distance
        return position + 3, literals, match, data[position + 1] | data[position + 2] << 8
    if code & 7 == 6:  # last distance
        return position + 1, literals, match, distance
    return position + 2, literals, match, (code & 7) << 8 | data[position + 1]


def _copy(out: bytearray, distance: int, length: int) -> None:
    """Repeats what stands a distance back; it may overlap itself."""
    start = len(out) - distance
    if not distance or start < 0:
        raise CorruptStructureError("LZVN: a match from before the beginning")
    if distance >= length:
        out += out[start : start + length]
        return
    pattern = bytes(out[start:])
    out += (pattern * (length // distance + 1))[:length]
