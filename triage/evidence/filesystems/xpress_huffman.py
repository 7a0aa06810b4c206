"""XPRESS with Huffman coding, as files of NTFS under the Windows Overlay Filter and WIM images have it.

Source: [MS-XCA] 2.1 and 2.2, "LZ77+Huffman Decompression Algorithm"; a chunk is one block of it and has no end symbol.

256 bytes hold the bits of 512 codes, four bits each. Then follow words of 16 bits, little-endian, read from the top bit
down. A decoder has one to two words in hand; the byte or three bytes of a long match stand where the next word would
be, so what comes behind them is words of the other alignment. Both alignments are laid out beforehand, and a place in
the stream is a place in one of them.
"""

from __future__ import annotations

import numpy as np

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.huffman_codes import LONG, canonical_codes

HEADER = 256
LONGEST = 15
_END = "XPRESS: the data end too early"
_BROKEN = "XPRESS: the data do not hold"
_NIBBLES = bytes(value & 15 for value in range(256)), bytes(value >> 4 for value in range(256))


def decompress_xpress(data: bytes, size: int) -> bytes:
    """The plain bytes of one chunk.

    Args:
        data: Compressed bytes.
        size: Bytes that they give.

    Raises:
        CorruptStructureError: They do not hold, or give less.
    """
    if len(data) < HEADER + 4:
        raise CorruptStructureError(_END)
    lengths = bytearray(512)
    lengths[0::2] = data[:HEADER].translate(_NIBBLES[0])
    lengths[1::2] = data[:HEADER].translate(_NIBBLES[1])
    table, width, further = canonical_codes(bytes(lengths), LONGEST)
    out = bytearray()
    try:
        _decode(data, size, table, 32 - width, further, out)
    except IndexError as error:
        if len(out) < size:
            raise CorruptStructureError(_END) from error
    return bytes(out[:size])


def _windows(data: bytes, start: int) -> list[int]:
    """At every word from a byte on: this word above the next one; zeros behind the end."""
    count = (len(data) - start) // 2
    words = np.zeros(count + 3, dtype=np.uint32)
    words[:count] = np.frombuffer(data, dtype="<u2", count=count, offset=start)
    if (len(data) - start) & 1:
        words[count] = data[-1]
    found: list[int] = (words[:-1] << 16 | words[1:]).tolist()
    return found


def _decode(
    data: bytes,
    size: int,
    table: list[tuple[int, int]],
    spare: int,
    further: list[tuple[int, list[tuple[int, int]]]],
    out: bytearray,
) -> None:
    """Decode until there is enough; a stream may go on behind its end with bits that mean nothing.

    Raises:
        IndexError: The data end.
        CorruptStructureError: They do not hold.
    """
    windows, other = _windows(data, HEADER), _windows(data, HEADER + 1)
    origin, mask = HEADER, (1 << (32 - spare)) - 1
    append = out.append
    place = 0
    while True:
        bits, symbol = table[windows[place >> 4] >> (spare - (place & 15)) & mask]
        if symbol < 256:
            place += bits
            append(symbol)
            continue
        if symbol >= LONG:
            rest, longer = further[symbol - LONG]
            window = windows[place >> 4] >> (spare - rest - (place & 15))
            bits, symbol = longer[window & ((1 << rest) - 1)]
            if symbol < 256:
                place += bits
                append(symbol)
                continue
        have = len(out)
        if have >= size:
            return
        if symbol >= 512:
            raise CorruptStructureError(_BROKEN)
        place += bits
        length = symbol & 15
        if length == 15:
            loaded = (place + 15 >> 4) + 1
            position = origin + 2 * loaded
            length = data[position] + 15
            position += 1
            if length == 270:
                length = data[position] | data[position + 1] << 8
                position += 2
            # The words in hand, then those behind the bytes: all in the other alignment.
            origin ^= 1
            first = position - origin >> 1
            other[first - 1] = windows[loaded - 1] & 0xFFFF0000 | other[first] >> 16
            other[first - 2] = windows[loaded - 2]
            place += first - loaded << 4
            windows, other = other, windows
        length += 3
        bits = symbol >> 4 & 15
        distance = 1 << bits
        if bits:
            distance |= windows[place >> 4] >> (32 - bits - (place & 15)) & (distance - 1)
            place += bits
        start = have - distance
        if start < 0:
            raise CorruptStructureError(_BROKEN)
        if length <= distance:
            out += out[start : start + length]
        else:
            out += (out[start:] * (length // distance + 1))[:length]
