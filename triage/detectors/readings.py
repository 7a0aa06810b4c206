"""Raw bytes as text: which stretches of a content are read in which encoding.

Bytes that are valid UTF-8 are read so and in no other single- or multi-byte encoding. Others are read byte by byte,
where letters of ASCII count, and around places that hold words of a language in an encoding of that language, in that
encoding. UTF-16 is known by its look: letters with a constant other half.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy

from triage.detectors.gate_text import Codes, codes_of, marked
from triage.detectors.passages import byte_length, decode_lenient

_CHUNK = 4096
_AROUND = 256
_FEWEST = 12
_TEXT_SHARE = 0.65
_SURE = 28
_NEARBY = 40
_CONTROLS = numpy.array([code < 0x20 and code not in (0x09, 0x0A, 0x0D) for code in range(256)])
_KINDS = numpy.zeros(256, dtype=numpy.uint8)
_KINDS[[*range(0x20, 0x7F), 0x00, 0x09, 0x0A, 0x0D]] = 1
for _kind, _range in ((2, (0x80, 0xC0)), (3, (0xC2, 0xE0)), (4, (0xE0, 0xF0)), (5, (0xF0, 0xF5))):
    _KINDS[slice(*_range)] = _kind


class Reading:
    """A stretch of a content as text.

    Attributes:
        text: The characters.
        encoding: As ``codecs`` names it.
    """

    def __init__(self, raw: bytes, start: int, encoding: str, text: str | None = None) -> None:
        self.text = decode_lenient(raw, encoding) if text is None else text
        self.encoding = encoding
        self._start = start
        self._linear = len(self.text) == len(raw)
        self._known: list[int] = [0]

    @cached_property
    def codes(self) -> Codes:
        """A code for each character."""
        return codes_of(self.text)

    def slice(self, low: int, high: int) -> str:
        """Characters from ``low`` up to ``high``."""
        return self.text[low:high]

    def offset(self, index: int) -> int:
        """Where a character begins in the content, in bytes."""
        if self._linear:
            return self._start + index
        chunk = index // _CHUNK
        while len(self._known) <= chunk:
            at = (len(self._known) - 1) * _CHUNK
            self._known.append(self._known[-1] + byte_length(self.text[at : at + _CHUNK], self.encoding))
        rest = byte_length(self.text[chunk * _CHUNK : index], self.encoding)
        return self._start + self._known[chunk] + rest


class ByteReading:
    """Bytes that are no valid text as a whole: each is a character of its own until a stretch is looked at.

    Only where most bytes may be text; what lies between such parts is one NUL.
    """

    def __init__(self, raw: bytes) -> None:
        all_flags = _text_flags(numpy.frombuffer(raw, dtype=numpy.uint8))
        self._parts = list(_text_parts(all_flags))
        self._raw = b"\0".join(raw[low:high] for low, high in self._parts)
        self._starts = numpy.concatenate(
            ([0], numpy.cumsum([high - low + 1 for low, high in self._parts], dtype=numpy.int64))
        ).tolist()
        self.codes: Codes = numpy.frombuffer(self._raw, dtype=numpy.uint8)

    def controls(self) -> Any:
        """Where control characters are; text does not go across them."""
        return numpy.flatnonzero(marked(self.codes, _CONTROLS))

    @cached_property
    def _text_before(self) -> Any:
        """For each place, how many bytes in front of it may be text."""
        return numpy.concatenate(([0], numpy.cumsum(_text_flags(self.codes))))

    def may_be_text(self, low: int, high: int) -> bool:
        """Whether most of a stretch is text; what one stray letter outside ASCII in an old encoding does not change."""
        before = self._text_before
        return bool(before[high] - before[low] >= _TEXT_SHARE * (high - low))

    def slice(self, low: int, high: int) -> bytes:
        """Bytes from ``low`` up to ``high``."""
        return self._raw[low:high]

    def offset(self, index: int) -> int:
        """Where a byte lies in the content."""
        part = min(bisect_right(self._starts, index) - 1, len(self._parts) - 1)
        return int(self._parts[part][0] + index - self._starts[part])


def _text_flags(codes: Codes) -> Any:
    """For each byte whether it may be text: printable ASCII, a blank, NUL, or part of a character of UTF-8."""
    kinds = numpy.frombuffer(codes.tobytes().translate(_KINDS.tobytes()), dtype=numpy.uint8)
    flags = kinds == 1
    continues = kinds == 2
    for kind, count in ((3, 1), (4, 2), (5, 3)):
        size = len(codes) - count
        if size <= 0:
            break
        whole = kinds[:size] == kind
        for step in range(1, count + 1):
            whole &= continues[step : step + size]
        for step in range(count + 1):
            flags[step : step + size] |= whole
    return flags


def _text_parts(flags: Any) -> Iterator[tuple[int, int]]:
    """Parts in which most of 40 bytes in a row may be text, with as many bytes on both sides.

    Bytes are counted in groups of eight: as one number times 0x0101010101010101, their sum is its first byte.
    """
    size = len(flags)
    if size <= 2 * _NEARBY:
        yield 0, size
        return
    eights = flags[: size // 8 * 8].view("<u8")
    counts = ((eights * numpy.uint64(0x0101010101010101)) >> numpy.uint64(56)).astype(numpy.uint8)
    groups = _NEARBY // 8
    inside = sum((counts[step : len(counts) - groups + 1 + step] for step in range(1, groups)), counts[: 1 - groups])
    enough = numpy.flatnonzero(inside >= _SURE)
    if size % 8 and flags[-_NEARBY:].sum() >= _SURE:
        enough = numpy.append(enough, (size - _NEARBY) // 8)
    for first, last in _runs(enough, 3 * groups):
        yield max(0, first * 8 - _NEARBY), min(last * 8 + 2 * _NEARBY, size)


def whole(raw: bytes) -> Reading | None:
    """Bytes as UTF-8 where they are valid; characters cut at either end do not count. None where they are not."""
    if raw.isascii():
        return Reading(raw, 0, "utf-8", raw.decode("ascii"))
    start = next((index for index in range(min(4, len(raw))) if raw[index] & 0xC0 != 0x80), 0)
    try:
        return Reading(raw[start:], start, "utf-8", raw[start:].decode("utf-8"))
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return None
        end = start + error.start
    return Reading(raw[start:end], start, "utf-8", raw[start:end].decode("utf-8"))


def wide(raw: bytes) -> Iterator[Reading]:
    """Stretches that look like UTF-16, in either order."""
    if len(raw) < _FEWEST:
        return
    data = numpy.frombuffer(raw, dtype=numpy.uint8)
    if not _in_a_row(data <= 0x1E).any():
        return
    latin_low, latin_high = (data >= 0x09) & (data <= 0x7E), data == 0
    other_high = (data >= 0x01) & (data <= 0x1E)
    little = (latin_low[:-1] & latin_high[1:]) | other_high[1:]
    big = (latin_high[:-1] & latin_low[1:]) | other_high[:-1]
    for encoding, units in (("utf-16-le", little), ("utf-16-be", big)):
        places = numpy.flatnonzero(_in_a_row(units))
        for parity in (0, 1):
            for first, last in _runs(places[places % 2 == parity], 2 * _AROUND):
                start = max(parity, first - _AROUND)
                stop = min(len(raw), last + _FEWEST + _AROUND)
                yield Reading(raw[start : stop - (stop - start) % 2], start, encoding)


def _in_a_row(flags: Any) -> Any:
    """Where six flags, each the second after the one before, are set."""
    for step in (2, 4, 4):  # two in a row, four, six
        flags = flags[:-step] & flags[step:] if len(flags) > step else flags[:0]
    return flags


def in_order(raw: bytes, little: int, end: int) -> str:
    """Which order a text of UTF-16 has that reads in both, a byte apart.

    Big-endian text has a zero byte in front of its first letter and a letter behind its last zero, little-endian text
    has neither. Where bytes beside the text leave that open, or the text goes on for long, the order at the even place
    is meant.

    Args:
        raw: The bytes.
        little: Where it begins in the little-endian reading.
        end: Where it ends there.
    """
    first, last = max(2, little - _AROUND), min(len(raw) - 1, end + _AROUND)
    while little >= first and raw[little - 1] == 0 and 0x09 <= raw[little - 2] <= 0x7E:
        little -= 2
    while end < last and raw[end + 1] == 0 and 0x09 <= raw[end] <= 0x7E:
        end += 2
    seen_whole = (little >= first or first == 2) and (end < last or last == len(raw) - 1)
    zero_in_front = little > 0 and raw[little - 1] == 0
    letter_behind = end < len(raw) and 0x09 <= raw[end] <= 0x7E
    if seen_whole and zero_in_front == letter_behind:
        return "utf-16-be" if zero_in_front else "utf-16-le"
    return "utf-16-be" if little % 2 else "utf-16-le"


def _runs(places: Any, gap: int) -> Iterator[tuple[int, int]]:
    """First and last of places that follow one another by at most a gap; ascending."""
    if not len(places):
        return
    cuts = numpy.flatnonzero(numpy.diff(places) > gap)
    firsts = numpy.concatenate((places[:1], places[cuts + 1]))
    lasts = numpy.concatenate((places[cuts], places[-1:]))
    yield from zip(firsts.tolist(), lasts.tolist(), strict=True)
