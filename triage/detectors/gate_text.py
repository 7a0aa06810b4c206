"""Text folded for gates, with the way back from each character to its place in the text.

Letters lose their case, digits are one digit, and what is neither becomes a blank, several in a row one: the border of
a word is then a blank in every script that writes words apart. Marks of scripts that write vowels so (Arabic, Hindi,
Thai ...) stay.
Coarser than any pattern may be: folded text serves to find places that are worth a look, never to decide.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

import numpy

Codes = Any
"""A numpy array with the code point of each character, those beyond the basic plane as 0xFFFF."""

BLANK = " "
PADDING = 16
# Scripts whose vowels and the like are marks, which Python does not count to words.
_MARKED = ((0x0590, 0x08FF), (0x0900, 0x109F), (0x1780, 0x18AF), (0xA800, 0xABFF))


def fold_character(character: str) -> str:
    """What a character is in folded text; one character."""
    if character.isdecimal() or character.isdigit():
        return "0"
    if character.isalnum() or character == "_":
        lower = character.lower()[0]
        folded = lower.casefold()
        return "i" if lower == "\u0131" else folded if len(folded) == 1 else lower
    if unicodedata.category(character)[0] == "M" and is_marked(character):
        return character
    return BLANK


def fold(text: str) -> str:
    """A short text, folded; blanks in a row are kept, so that each character has its own."""
    return "".join(map(fold_character, text))


def squeeze(folded: str) -> str:
    """Folded text with blanks in a row as one."""
    return re.sub(" +", BLANK, folded)


def is_marked(character: str) -> bool:
    """Whether a character is of a script that writes parts of words as marks."""
    return any(low <= ord(character) <= high for low, high in _MARKED)


@lru_cache(maxsize=1)
def _narrow_table() -> bytes:
    return bytes(ord(fold_character(chr(code))) if code < 0x80 else 0x20 for code in range(256))


@lru_cache(maxsize=1)
def _wide_table() -> Codes:
    return numpy.array([ord(fold_character(chr(code))) for code in range(0x10000)], dtype=numpy.uint16)


def codes_of(text: str) -> Codes:
    """The code points of a text."""
    if text.isascii():
        return numpy.frombuffer(text.encode("ascii"), dtype=numpy.uint8)
    codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)
    return numpy.minimum(codes, 0xFFFF).astype(numpy.uint16)


def marked(codes: Codes, table: Codes) -> Any:
    """For each character whether a table marks its code.

    Args:
        codes: Of a text.
        table: 65,536 flags.
    """
    if codes.dtype == numpy.uint8:  # a translation of bytes is many times faster than numbers as an index
        return numpy.frombuffer(codes.tobytes().translate(table[:0x100].tobytes()), dtype=bool)
    return table[codes]


def fold_codes(codes: Codes) -> tuple[Codes, Any]:
    """Folded text in which blanks in a row are one, and where in ``codes`` each of its characters stands.

    Returns:
        An array like ``codes`` with one blank in front and :data:`PADDING` behind, and an array of places, one for each
        character between them.
    """
    if codes.dtype == numpy.uint8:
        folded = numpy.frombuffer(bytes(codes.tobytes()).translate(_narrow_table()), dtype=numpy.uint8)
    else:
        folded = _wide_table()[codes]
    blank = folded == 0x20
    kept = numpy.flatnonzero(~(blank[1:] & blank[:-1])) + 1
    kept = numpy.concatenate((numpy.zeros(1, dtype=kept.dtype), kept))
    squeezed = numpy.full(len(kept) + 1 + PADDING, 0x20, dtype=folded.dtype)
    squeezed[1 : len(kept) + 1] = folded[kept]
    return squeezed, kept
