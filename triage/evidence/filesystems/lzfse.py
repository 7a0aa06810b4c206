"""LZFSE, the compression of Apple with finite state entropy coding: in files of HFS+ and APFS and in disk images.

Written after the published decoder of LZFSE (Apple, 2015). A stream is blocks: ``bvx-`` plain, ``bvxn`` LZVN, ``bvx2``
compressed, ``bvx$`` the end. Blocks ``bvx1``, which its encoder never writes to files, are not read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.lzvn import decompress_lzvn

_L_STATES, _M_STATES, _D_STATES, _LITERAL_STATES = 64, 64, 256, 1024
_L_BITS = (*[0] * 16, 2, 3, 5, 8)
_M_BITS = (*[0] * 16, 3, 5, 8, 11)
_D_BITS = tuple(index // 4 for index in range(64))
_FREQUENCY_BITS = (2, 3, 2, 5, 2, 3, 2, 8, 2, 3, 2, 5, 2, 3, 2, 14) * 2
_FREQUENCY = (0, 2, 1, 4, 0, 3, 1, -1, 0, 2, 1, 5, 0, 3, 1, -1, 0, 2, 1, 6, 0, 3, 1, -1, 0, 2, 1, 7, 0, 3, 1, -1)
_PADDING = 8

_Entry = tuple[int, int, int, int]
"""Bits to pull, of which so many are of the value, base of the next state, base of the value."""


def decompress_lzfse(data: bytes, limit: int) -> bytes:
    """The plain bytes, up to the end of stream or to a limit.

    Args:
        data: Compressed bytes.
        limit: Most bytes to give.

    Raises:
        CorruptStructureError: The bytes are no LZFSE, or end too early.
    """
    out = bytearray()
    position = 0
    try:
        while len(out) < limit:
            magic = data[position : position + 4]
            if magic == b"bvx$":
                break
            if magic == b"bvx-":
                count = struct.unpack_from("<I", data, position + 4)[0]
                position += 8
                if position + count > len(data):
                    raise CorruptStructureError("LZFSE: a plain block reaches beyond the data")
                out += data[position : position + count]
                position += count
            elif magic == b"bvxn":
                count, length = struct.unpack_from("<II", data, position + 4)
                position += 12
                plain = decompress_lzvn(data[position : position + length], min(count, limit - len(out)))
                if not plain:
                    raise CorruptStructureError("LZFSE: an LZVN block without content")
                out += plain
                position += length
            elif magic == b"bvx2":
                position = _block(data, position, out, limit)
            else:
                raise CorruptStructureError(f"LZFSE: no block begins at {position}")
    except (struct.error, IndexError) as error:
        raise CorruptStructureError("LZFSE: the data end too early") from error
    return bytes(out[:limit])


class _Bits:
    """Bits from the end of a payload backwards.

    Args:
        payload: Its bytes.
        unused: Bits at the very end that do not count.
    """

    __slots__ = ("data", "place")

    def __init__(self, payload: bytes, unused: int) -> None:
        self.data = payload + bytes(_PADDING)
        self.place = len(payload) * 8 - unused

    def pull(self, count: int) -> int:
        """The next bits as a number."""
        self.place -= count
        if self.place < 0:
            raise CorruptStructureError("LZFSE: the payload ends too early")
        start = self.place >> 3
        word = int.from_bytes(self.data[start : start + 5], "little")
        return int(word >> (self.place & 7) & (1 << count) - 1)


def _block(data: bytes, start: int, out: bytearray, limit: int) -> int:
    """Adds the content of a compressed block; where the next one begins."""
    raw, first, second, third = struct.unpack_from("<IQQQ", data, start + 4)
    literals, literal_bytes, matches = first & 0xFFFFF, first >> 20 & 0xFFFFF, first >> 40 & 0xFFFFF
    lmd_bytes, header = second >> 40 & 0xFFFFF, third & 0xFFFFFFFF
    body = start + header
    end = body + literal_bytes + lmd_bytes
    if header < 32 or end > len(data) or literals % 4 or literals > 4 * 10_000 * 4:
        raise CorruptStructureError("LZFSE: a block does not hold")
    frequencies = _frequencies(data[start + 32 : body])
    states = [second >> shift & 0x3FF for shift in (0, 10, 20, 30)]
    bits = _Bits(data[body : body + literal_bytes], 7 - (first >> 60 & 7))
    text = _literals(bits, literals, states, frequencies[104:])
    bits = _Bits(data[body + literal_bytes : end], 7 - (second >> 60 & 7))
    tables = (
        _table(_L_STATES, frequencies[:20], _L_BITS),
        _table(_M_STATES, frequencies[20:40], _M_BITS),
        _table(_D_STATES, frequencies[40:104], _D_BITS),
    )
    before = len(out)
    _matches(bits, matches, tables, (third >> 32 & 0x3FF, third >> 42 & 0x3FF, third >> 52 & 0x3FF), text, out, limit)
    if len(out) < limit and len(out) - before != raw:
        raise CorruptStructureError(f"LZFSE: a block gives {len(out) - before} bytes, not {raw}")
    return int(end)


def _frequencies(packed: bytes) -> list[int]:
    """How often each of the 360 symbols occurs."""
    word = int.from_bytes(packed[:1024], "little")
    found: list[int] = []
    for _ in range(360):
        low = word & 31
        count, value = _FREQUENCY_BITS[low], _FREQUENCY[low]
        if count == 8:
            value = 8 + (word >> 4 & 15)
        elif count == 14:
            value = 24 + (word >> 4 & 0x3FF)
        word >>= count
        found.append(value)
    return found


def _table(states: int, frequencies: Sequence[int], extra: Sequence[int]) -> list[_Entry]:
    """The decoder of a symbol with a value."""
    table: list[_Entry] = []
    base = 0
    for frequency, bits in zip(frequencies, extra, strict=True):
        table += [(k + bits, bits, delta, base) for k, delta in _steps(states, frequency)]
        base += 1 << bits
    if len(table) != states and any(frequencies):
        raise CorruptStructureError("LZFSE: frequencies that do not add up")
    return table


def _steps(states: int, frequency: int) -> list[tuple[int, int]]:
    """Bits to pull and base of the next state, for each state of one symbol."""
    if not frequency:
        return []
    if frequency > states:
        raise CorruptStructureError("LZFSE: a frequency larger than all")
    k = states.bit_length() - frequency.bit_length()
    edge = (2 * states >> k) - frequency
    return [
        (k, ((frequency + index) << k) - states) if index < edge else (k - 1, (index - edge) << (k - 1))
        for index in range(frequency)
    ]


def _literals(bits: _Bits, count: int, states: list[int], frequencies: Sequence[int]) -> bytes:
    table = [
        (k, delta, symbol)
        for symbol, frequency in enumerate(frequencies)
        for k, delta in _steps(_LITERAL_STATES, frequency)
    ]
    if count and len(table) != _LITERAL_STATES:
        raise CorruptStructureError("LZFSE: frequencies of literals that do not add up")
    found = bytearray(count)
    data, place = bits.data, bits.place
    for index in range(count):
        k, delta, found[index] = table[states[index & 3]]
        place -= k
        if place < 0:
            raise CorruptStructureError("LZFSE: the literals end too early")
        start = place >> 3
        word = data[start] | data[start + 1] << 8 | data[start + 2] << 16
        states[index & 3] = delta + (word >> (place & 7) & (1 << k) - 1)
    return bytes(found)


def _matches(
    bits: _Bits, count: int, tables: Sequence[list[_Entry]], states: tuple[int, int, int], text: bytes,
    out: bytearray, limit: int,
) -> None:  # fmt: skip
    """Adds literals and matches."""
    state = list(states)
    used = distance = 0
    values = [0, 0, 0]
    for _ in range(count):
        for index in range(3):
            total, own, delta, base = tables[index][state[index]]
            pulled = bits.pull(total)
            state[index] = delta + (pulled >> own)
            values[index] = base + (pulled & (1 << own) - 1)
        literals, match, new = values
        distance = new or distance
        if used + literals > len(text):
            raise CorruptStructureError("LZFSE: more literals than there are")
        out += text[used : used + literals]
        used += literals
        start = len(out) - distance
        if match:
            if not distance or start < 0:
                raise CorruptStructureError("LZFSE: a match from before the beginning")
            if distance >= match:
                out += out[start : start + match]
            else:
                out += (bytes(out[start:]) * (match // distance + 1))[:match]
        if len(out) >= limit:
            return
