"""Beginnings of words in folded text, all looked up at once.

The first characters of each word, in a few lengths and each mixed to one number, are looked up in a table of such
numbers.
Nothing is called for a single word, so that prose costs little more than noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

LENGTHS = (1, 2, 3, 4, 6, 9)
PADDED = 16
"""Characters that must follow any place in folded text, so that the numbers from there on can be read."""
_BLANK = 0x20
_BITS = 18
_AT_ONCE = 4096
_NONE = numpy.zeros(0, dtype=numpy.int64)
# Odd numbers that spread the parts of a key over all its bits.
_MIX = tuple(numpy.uint64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_APART = numpy.uint64(0xD6E8FEB86659FD93)


def cut(text: str) -> str:
    """As much of a text as is looked for: the longest beginning of one of :data:`LENGTHS`."""
    return text[: max(length for length in LENGTHS if length <= len(text))]


class Words:
    """Finds texts at the beginning of words.

    Args:
        texts: (identity, folded text without the blank in front, as :func:`cut` leaves it); one that ends in a blank is
            a whole word.
        width: Bytes of a character of the folded text, 1 or 2.
    """

    def __init__(self, texts: Sequence[tuple[int, str]], width: int) -> None:
        self._width = width
        used = sorted({len(text) for _, text in texts})
        self._lengths = numpy.array(used, dtype=numpy.int64)
        self._salts = self._lengths.astype(numpy.uint64)[:, None] * _APART
        # For each eight bytes: from which of the lengths on they count, and how much of them.
        self._masks = []
        for part in range(-(-max(used, default=0) * width // 8)):
            masks = [_mask(length * width - 8 * part) for length in used]
            row = masks.index(next(filter(None, masks)))
            self._masks.append((row, numpy.array(masks[row:], dtype=numpy.uint64)[:, None]))
        raw = "".join(text.ljust(PADDED, "\0") for _, text in texts)
        codes = numpy.frombuffer(raw.encode("latin-1" if width == 1 else "utf-16-le"), dtype=f"<u{width}")
        rows = numpy.array([used.index(len(text)) for _, text in texts], dtype=numpy.int64)
        number = numpy.arange(len(texts))
        keys = self._keys(codes, number * PADDED)[rows, number] if len(texts) else _NONE.view("u8")
        hashes = _hashes(keys)
        order = numpy.argsort(hashes, kind="stable")
        identities = numpy.array([identity for identity, _ in texts], dtype=numpy.int64)
        self._known, self._identities = numpy.append(keys[order], numpy.uint64(0)), identities[order]
        counts = numpy.bincount(hashes, minlength=1 << _BITS)
        self._first = numpy.where(counts > 0, numpy.cumsum(counts) - counts, -1).astype(numpy.int32)
        # Keys of one hash stand in a row; at each it is told whether another follows.
        self._follows = numpy.append(hashes[order][1:] == hashes[order][:-1], [False, False])

    def find(self, folded: Any) -> tuple[Any, Any]:
        """Identities that occur, and one past the last character of each.

        Args:
            folded: An array of folded characters with a blank in front and at least :data:`PADDED` behind; places do
                not count the blank in front.
        """
        blanks = folded == _BLANK
        starts = numpy.flatnonzero(blanks[:-1] & ~blanks[1:]) + 1
        identities, ends = [_NONE], [_NONE]
        for first in range(0, len(starts) if len(self._identities) else 0, _AT_ONCE):
            some = starts[first : first + _AT_ONCE]
            keys = self._keys(folded, some)
            index = self._first[_hashes(keys)].ravel()
            at = numpy.flatnonzero(index >= 0)
            keys, index = keys.ravel()[at], index[at]
            while len(at):
                same = numpy.flatnonzero(self._known[index] == keys)
                row, word = numpy.divmod(at[same], len(some))
                identities.append(self._identities[index[same]])
                ends.append(some[word] - 1 + self._lengths[row])
                more = numpy.flatnonzero(self._follows[index])
                at, keys, index = at[more], keys[more], index[more] + 1
        return numpy.concatenate(identities), numpy.concatenate(ends)

    def _keys(self, codes: Any, places: Any) -> Any:
        """For each length and each place: one number for so many characters from there on."""
        keys = numpy.empty((len(self._lengths), len(places)), dtype=numpy.uint64)
        for part, (row, masks) in enumerate(self._masks):
            view = numpy.ndarray((len(codes) - PADDED + 1,), "<u8", codes, 8 * part, (self._width,))
            mixed = (view[places] & masks) * _MIX[part]
            if part == 0:
                numpy.add(mixed, self._salts, out=keys)
            else:
                keys[row:] += mixed
        return keys


def _mask(count: int) -> int:
    """A number of which the first ``count`` bytes are set."""
    return (1 << (8 * max(0, min(count, 8)))) - 1


def _hashes(keys: Any) -> Any:
    return (keys >> numpy.uint64(64 - _BITS)).view(numpy.int64)
