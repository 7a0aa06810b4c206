"""Literal terms as patterns over raw bytes.

Evidence is not in one encoding, so a term is written out in each encoding in which it may stand, every character as
the alternatives of its forms (case, accents, apostrophes ...). The patterns use nothing but byte escapes, classes,
groups and bounded repeats, so that hyperscan, YARA and ``re`` read them alike.
"""

from __future__ import annotations

import re
from functools import lru_cache

from triage.detectors.characters import ARABIC_MARKS, WHITESPACE, Folding, forms, is_arabic_letter
from triage.detectors.engine import escape_bytes

UNIVERSAL = ("utf-8", "utf-16-le", "utf-16-be")


@lru_cache(maxsize=65536)
def character_pattern(character: str, folding: Folding, encoding: str) -> bytes | None:
    """A character as a byte pattern, None where the encoding has no form of it."""
    encoded = set()
    for form in forms(character, folding):
        try:
            encoded.add(form.encode(encoding))
        except UnicodeEncodeError:
            continue
    return alternatives(encoded) if encoded else None


def alternatives(encoded: set[bytes]) -> bytes:
    """One of several byte strings, longest first."""
    ordered = sorted(encoded, key=lambda raw: (-len(raw), raw))
    if len(ordered) == 1:
        return escape_bytes(ordered[0])
    if all(len(raw) == 1 for raw in ordered):
        return b"[" + b"".join(map(escape_bytes, ordered)) + b"]"
    return b"(?:" + b"|".join(map(escape_bytes, ordered)) + b")"


@lru_cache(maxsize=64)
def _blank_pattern(encoding: str) -> bytes:
    blanks = set()
    for character in WHITESPACE:
        try:
            blanks.add(character.encode(encoding))
        except UnicodeEncodeError:
            continue
    return alternatives(blanks) + b"{1,4}"


def literal_pattern(text: str, folding: Folding, encoding: str) -> bytes | None:
    """A literal as a byte pattern in one encoding, None where it cannot be written in it.

    Runs of blanks match one to four blanks or line ends; Arabic letters may carry marks between them.
    """
    out = []
    for word in re.split(r"(\s+)", text):
        if not word:
            continue
        if word.isspace():
            out.append(_blank_pattern(encoding))
            continue
        for character in word:
            pattern = character_pattern(character, folding, encoding)
            if pattern is None:
                return None
            out.append(pattern)
            out.append(marks_after(character, folding, encoding))
    return b"".join(out)


def marks_after(character: str, folding: Folding, encoding: str) -> bytes:
    """The marks that may stand behind a letter of a term as a byte pattern, empty where none may."""
    return _marks_pattern(encoding) if folding.case and is_arabic_letter(character) else b""


@lru_cache(maxsize=64)
def _marks_pattern(encoding: str) -> bytes:
    encoded = set()
    for mark in ARABIC_MARKS:
        try:
            encoded.add(mark.encode(encoding))
        except UnicodeEncodeError:
            continue
    return alternatives(encoded) + b"{0,3}" if encoded else b""


def encodings_for(text: str, legacy: tuple[str, ...]) -> tuple[str, ...]:
    """The encodings in which a text has bytes of its own."""
    return UNIVERSAL if text.isascii() else (*UNIVERSAL, *legacy)
