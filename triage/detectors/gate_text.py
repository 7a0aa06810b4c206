"""Text folded for gates: one code for each character, so that a place in it is a place in the text.

Letters lose their case, digits are one digit, and what is neither becomes a blank: the border of a word is then a
blank in every script that writes words apart. Marks of scripts that write vowels so (Arabic, Hindi, Thai ...) stay.
Coarser than any pattern may be: folded text serves to find places that are worth a look, never to decide.
"""

from __future__ import annotations

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
    """A short text, folded."""
    return "".join(map(fold_character, text))


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


def fold_codes(codes: Codes) -> Codes:
    """Folded text as an array like ``codes``, with one blank in front and :data:`PADDING` behind."""
    if codes.dtype == numpy.uint8:
        raw = b" " + bytes(codes.tobytes()).translate(_narrow_table()) + b" " * PADDING
        return numpy.frombuffer(raw, dtype=numpy.uint8)
    blank = numpy.full(1, 0x20, dtype=numpy.uint16)
    return numpy.concatenate((blank, _wide_table()[codes], numpy.repeat(blank, PADDING)))
