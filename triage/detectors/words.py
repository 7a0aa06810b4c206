"""Beginnings of words in folded text, all looked up at once.

The first twelve characters of each word, mixed to one number, are looked up in tables of such numbers, one for each
length of the texts looked for. Nothing is called for a single word, so that prose costs little more than noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

LONGEST = 12
PADDED = 16
"""Characters that must follow any place in folded text, so that the numbers from there on can be read."""
_BLANK = 0x20
_BITS = 16
# Odd numbers that spread the parts of a key over all its bits.
_MIX = tuple(numpy.uint64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))


@dataclass(frozen=True, slots=True)
class _Length:
    """Texts of one length: their keys ascending, the identity of each, and which hashes of keys occur."""

    length: int
    keys: Any
    identities: Any
    occurs: Any


class Words:
    """Finds texts at the beginning of words.

    Args:
        texts: (identity, folded text without the blank in front), of which the first :data:`LONGEST` characters count;
            one that ends in a blank is a whole word.
        width: Bytes of a character of the folded text, 1 or 2.
    """

    def __init__(self, texts: Sequence[tuple[int, str]], width: int) -> None:
        self._width = width
        self._lengths = []
        by_length: dict[int, list[tuple[int, str]]] = {}
        for identity, text in texts:
            by_length.setdefault(min(len(text), LONGEST), []).append((identity, text[:LONGEST]))
        for length, members in sorted(by_length.items()):
            raw = "".join(text.ljust(PADDED, "\0") for _, text in members)
            codes = numpy.frombuffer(raw.encode("latin-1" if width == 1 else "utf-16-le"), dtype=f"<u{width}")
            keys = self._keys([self._eight(codes, part)[::PADDED] for part in range(self._parts(LONGEST))], length)
            order = numpy.argsort(keys)
            occurs = numpy.zeros(1 << _BITS, dtype=bool)
            occurs[_hashes(keys)] = True
            identities = numpy.array([identity for identity, _ in members], dtype=numpy.int64)
            self._lengths.append(_Length(length, keys[order], identities[order], occurs))

    def _parts(self, length: int) -> int:
        """How many numbers of eight bytes hold so many characters."""
        return -(-length * self._width // 8)

    def find(self, folded: Any) -> tuple[Any, Any]:
        """Identities that occur, and one past the last character of each.

        Args:
            folded: An array of folded characters with a blank in front and at least :data:`PADDED` behind; places do
                not count the blank in front.
        """
        blanks = folded == _BLANK
        starts = numpy.flatnonzero(blanks[:-1] & ~blanks[1:]) + 1
        whole = [self._eight(folded, part)[starts] for part in range(self._parts(LONGEST))]
        identities, ends = [numpy.zeros(0, dtype=numpy.int64)], [numpy.zeros(0, dtype=numpy.int64)]
        for group in self._lengths:
            keys = self._keys(whole, group.length)
            at = numpy.flatnonzero(group.occurs[_hashes(keys)])
            keys = keys[at]
            index = numpy.searchsorted(group.keys, keys)
            index[index == len(group.keys)] = 0
            same = group.keys[index] == keys
            identities.append(group.identities[index[same]])
            ends.append(starts[at[same]] - 1 + group.length)
        return numpy.concatenate(identities), numpy.concatenate(ends)

    def _eight(self, codes: Any, part: int) -> Any:
        """Eight bytes from each character on, as a number; the second part is of the eight bytes behind these."""
        count = len(codes) - PADDED + 1
        return numpy.ndarray((count,), "<u8", buffer=codes, offset=8 * part, strides=(self._width,))

    def _keys(self, parts: Sequence[Any], length: int) -> Any:
        """One number for the first ``length`` characters."""
        size = length * self._width
        key = (parts[0] & _mask(size)) * _MIX[0]
        for number in range(1, self._parts(length)):
            key += (parts[number] & _mask(size - 8 * number)) * _MIX[number]
        return key


def _mask(count: int) -> Any:
    """A number of which the first ``count`` bytes are set."""
    return numpy.uint64((1 << (8 * min(count, 8))) - 1)


def _hashes(keys: Any) -> Any:
    return (keys * _MIX[1]) >> numpy.uint64(64 - _BITS)
