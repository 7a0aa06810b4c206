"""LZX with a window of 32 KiB in chunks that stand alone, as files of NTFS under the Windows Overlay Filter have it.

Source: [MS-PATCH] section 2 and [MS-CAB] LZX, and the description of the variant of WIM images: one bit says that a
block has 32 KiB, else 16 bits say how many; no header; addresses of calls (E8) are always translated, for a file of
12,000,000 bytes; offsets and code lengths begin anew in each chunk.
"""

from __future__ import annotations

import struct

import numpy as np

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.huffman_codes import HOLE, LONG, Codes, canonical_codes

WINDOW = 32768
_SLOTS = 30
_MAIN, _LENGTH, _ALIGNED, _PRETREE = 256 + 8 * _SLOTS, 249, 8, 20
_VERBATIM, _WITH_ALIGNED, _PLAIN = 1, 2, 3
_CALL_SIZE = 12_000_000
_CALL_TAIL = 10
_END = "LZX: the data end too early"
_BROKEN = "LZX: the data do not hold"
_EXTRA = tuple(max(0, slot // 2 - 1) for slot in range(_SLOTS))
_BASE = tuple(sum(1 << extra for extra in _EXTRA[:slot]) - 2 for slot in range(_SLOTS))
_NO_CODES = Codes([(0, HOLE)] * 2, 1, [])


def decompress_lzx(data: bytes, size: int) -> bytes:
    """The plain bytes of one chunk.

    Args:
        data: Compressed bytes.
        size: Bytes that they give, 32 KiB at most.

    Raises:
        CorruptStructureError: They do not hold, or give less.
    """
    if size > WINDOW:
        raise CorruptStructureError(f"LZX: a chunk of {size} bytes")
    try:
        plain = _Chunk(data, size).decode()
    except IndexError as error:
        raise CorruptStructureError(_END) from error
    _untranslate(plain)
    return bytes(plain)


class _Chunk:
    """One chunk at work.

    Args:
        data: Compressed bytes.
        size: Bytes that they give.
    """

    __slots__ = ("data", "length_lengths", "main_lengths", "out", "place", "recent", "size", "windows")

    def __init__(self, data: bytes, size: int) -> None:
        self.data = data
        self.size = size
        self.place = 0  # bits
        self.out = bytearray()
        self.recent = [1, 1, 1]
        self.main_lengths = bytearray(_MAIN)
        self.length_lengths = bytearray(_LENGTH)
        count = len(data) // 2
        words = np.zeros(count + 3, dtype=np.uint32)
        words[:count] = np.frombuffer(data, dtype="<u2", count=count)
        # At every word: this one above the next one; zeros behind the end.
        self.windows: list[int] = (words[:-1] << 16 | words[1:]).tolist()

    def bits(self, count: int) -> int:
        """The next bits, 16 at most.

        Raises:
            IndexError: The data end.
        """
        place = self.place
        self.place = place + count
        return self.windows[place >> 4] >> (32 - count - (place & 15)) & ((1 << count) - 1)

    def symbol(self, codes: Codes) -> int:
        """The next symbol, for codes that are rare.

        Raises:
            CorruptStructureError: No code begins so.
            IndexError: The data end.
        """
        width = codes.width
        place = self.place
        window = self.windows[place >> 4] << (place & 15)
        count, symbol = codes.table[window >> (32 - width) & ((1 << width) - 1)]
        if symbol >= LONG:
            rest, table = codes.further[symbol - LONG]
            count, symbol = table[window >> (32 - width - rest) & ((1 << rest) - 1)]
        if symbol == HOLE:
            raise CorruptStructureError(_BROKEN)
        self.place = place + count
        return symbol

    def decode(self) -> bytearray:
        """The chunk before calls are translated back."""
        out = self.out
        while len(out) < self.size:
            kind = self.bits(3)
            count = WINDOW if self.bits(1) else self.bits(16)
            if not 0 < count <= self.size - len(out):
                raise CorruptStructureError(_BROKEN)
            if kind == _PLAIN:
                self._plain(count)
            elif kind in (_VERBATIM, _WITH_ALIGNED):
                aligned = _NO_CODES
                if kind == _WITH_ALIGNED:
                    aligned = canonical_codes(bytes(self.bits(3) for _ in range(_ALIGNED)), 7)
                self._lengths(self.main_lengths, 0, 256)
                self._lengths(self.main_lengths, 256, _MAIN)
                self._lengths(self.length_lengths, 0, _LENGTH)
                main = canonical_codes(bytes(self.main_lengths), 16)
                further = canonical_codes(bytes(self.length_lengths), 16)
                self._block(len(out) + count, main, further, aligned if kind == _WITH_ALIGNED else None)
            else:
                raise CorruptStructureError(_BROKEN)
        return out

    def _plain(self, count: int) -> None:
        """A block that is not compressed, on a word of its own."""
        place = ((self.place >> 4) + 1) * 2
        if place + 12 + count > len(self.data):
            raise CorruptStructureError(_END)
        self.recent = list(struct.unpack_from("<III", self.data, place))
        self.out += self.data[place + 12 : place + 12 + count]
        self.place = (place + 12 + count + 1 & ~1) * 8

    def _lengths(self, lengths: bytearray, start: int, end: int) -> None:
        """Lengths of codes, as differences to those of the block before."""
        codes = canonical_codes(bytes(self.bits(4) for _ in range(_PRETREE)), 15)
        while start < end:
            symbol = self.symbol(codes)
            if symbol < 17:
                lengths[start] = (lengths[start] - symbol) % 17
                start += 1
                continue
            if symbol == 17:
                run, value = 4 + self.bits(4), 0
            elif symbol == 18:
                run, value = 20 + self.bits(5), 0
            else:
                run = 4 + self.bits(1)
                symbol = self.symbol(codes)
                if symbol > 16:
                    raise CorruptStructureError(_BROKEN)
                value = (lengths[start] - symbol) % 17
            run = min(run, end - start)
            lengths[start : start + run] = bytes((value,)) * run
            start += run

    def _block(self, end: int, main: Codes, lengths: Codes, aligned: Codes | None) -> None:
        """A compressed block, up to a size of the output."""
        out, windows, place, append = self.out, self.windows, self.place, self.out.append
        table, spare, mask, further = main.table, 32 - main.width, (1 << main.width) - 1, main.further
        first, second, third = self.recent
        while (have := len(out)) < end:
            bits, symbol = table[windows[place >> 4] >> (spare - (place & 15)) & mask]
            if symbol < 256:
                place += bits
                append(symbol)
                continue
            if symbol >= LONG:
                rest, longer = further[symbol - LONG]
                bits, symbol = longer[windows[place >> 4] >> (spare - rest - (place & 15)) & ((1 << rest) - 1)]
                if symbol < 256:
                    place += bits
                    append(symbol)
                    continue
            if symbol == HOLE:
                raise CorruptStructureError(_BROKEN)
            place += bits
            slot, length = symbol - 256 >> 3, (symbol & 7) + 2
            if length == 9:
                self.place = place
                length += self.symbol(lengths)
                place = self.place
            if slot == 0:
                distance = first
            elif slot == 1:
                distance, first, second = second, second, first
            elif slot == 2:
                distance, first, third = third, third, first
            else:
                bits, distance = _EXTRA[slot], _BASE[slot]
                if aligned is not None and bits >= 3:
                    self.place = place
                    distance += (self.bits(bits - 3) << 3 if bits > 3 else 0) + self.symbol(aligned)
                    place = self.place
                elif bits:
                    distance += windows[place >> 4] >> (32 - bits - (place & 15)) & ((1 << bits) - 1)
                    place += bits
                first, second, third = distance, first, second
            start = have - distance
            if start < 0 or distance <= 0 or length > end - have:
                raise CorruptStructureError(_BROKEN)
            if length <= distance:
                out += out[start : start + length]
            else:
                out += (out[start:] * (length // distance + 1))[:length]
        self.place, self.recent = place, [first, second, third]


def _untranslate(plain: bytearray) -> None:
    """Turn absolute addresses of calls back into relative ones."""
    end = len(plain) - _CALL_TAIL
    place = plain.find(0xE8, 0, max(0, end))
    while place >= 0:
        address = int.from_bytes(plain[place + 1 : place + 5], "little", signed=True)
        if -place <= address < _CALL_SIZE:
            relative = address - place if address >= 0 else address + _CALL_SIZE
            plain[place + 1 : place + 5] = relative.to_bytes(4, "little", signed=True)
        place = plain.find(0xE8, place + 5, end)
