"""Literal terms in raw bytes, in every encoding: one word of each is looked for, then the whole tested around it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from triage.detectors.byte_patterns import character_pattern, encodings_for, literal_pattern, marks_after
from triage.detectors.characters import Folding, forms, touches
from triage.detectors.engine import Pattern, Store, escape_bytes, make_engine
from triage.detectors.frequent import FREQUENT
from triage.detectors.passages import Buffer, decode_lenient, unit
from triage.detectors.syntax import parser
from triage.errors import RuleError
from triage.model.rules import KeywordTerm

_ARABIC_PREFIXES = "وفبكلال"
_LONGEST = 10
_SHORTEST = 5


@dataclass(slots=True)
class LiteralPlan:
    """Plain values that the search is built from, kept between runs.

    Attributes:
        words: Byte patterns of the words looked for, with whether case is ignored; the position is the identity.
        literals: (identity, index of the term, encoding, byte pattern of the whole, its most bytes).
    """

    words: list[tuple[bytes, bool]] = field(default_factory=list)
    literals: list[tuple[int, int, str, bytes, int]] = field(default_factory=list)

    def add(self, index: int, term: KeywordTerm, known: dict[tuple[bytes, bool], int]) -> None:
        """Take up a term.

        Raises:
            RuleError: It cannot be written in any encoding.
        """
        text = unicodedata.normalize("NFC", term.term)
        folding = Folding.of(term.case_sensitive, term.normalise)
        written = False
        for encoding in encodings_for(text, term.encodings):
            whole = literal_pattern(text, folding, encoding)
            if whole is None:
                continue
            written = True
            word = _word(text, folding, encoding) or (whole, False)
            if word not in known:
                known[word] = len(self.words)
                self.words.append(word)
            most = int(parser.parse(whole, re.DOTALL).getwidth()[1])
            self.literals.append((known[word], index, encoding, whole, most))
        if not written:
            raise RuleError(f"term cannot be written in any encoding: {term.rule}")


def _word(text: str, folding: Folding, encoding: str) -> tuple[bytes, bool] | None:
    """The most telling word of a term as a byte pattern, with whether case is ignored; None where none tells much."""
    word = max(text.split(), key=_telling)
    if _telling(word) < _SHORTEST:
        return None
    word = word[:_LONGEST]
    if folding.case and word.isascii() and all(set(forms(c, folding)) == {c.lower(), c.upper()} for c in word):
        return escape_bytes(word.encode(encoding)), True
    parts = [character_pattern(character, folding, encoding) for character in word]
    marks = [marks_after(character, folding, encoding) for character in word[:-1]]
    return b"".join(part + mark for part, mark in zip((p or b"" for p in parts), [*marks, b""], strict=True)), False


def _telling(word: str) -> int:
    """How rare a word is, roughly: by its letters, those of scripts other than Latin for more; common words are not."""
    if word.lower() in FREQUENT:
        return 0
    return sum(
        1 if ord(c) < 0x250 or 0x1E00 <= ord(c) < 0x1F00 else 2 if ord(c) < 0x2E80 else 3 for c in word[:_LONGEST]
    )


@dataclass(frozen=True)
class _Literal:
    term: KeywordTerm
    encoding: str
    source: bytes
    most: int

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Finds every place; compiled when first needed."""
        return re.compile(self.source, re.DOTALL)


class Literals:
    """Finds literal terms.

    Args:
        plan: What to look for.
        terms: All terms, by the index that the plan gives.
        store: Where compiled databases are kept.
    """

    def __init__(self, plan: LiteralPlan, terms: Sequence[KeywordTerm], store: Store) -> None:

        def patterns() -> list[Pattern]:
            return [Pattern(source, number, caseless) for number, (source, caseless) in enumerate(plan.words)]

        self._engine = make_engine("literals", patterns, store)
        self._literals: dict[int, list[_Literal]] = {}
        for identity, index, encoding, source, most in plan.literals:
            self._literals.setdefault(identity, []).append(_Literal(terms[index], encoding, source, most))

    def find(self, data: Buffer, *, only_utf8: bool = False) -> Iterator[tuple[KeywordTerm, str, int, int]]:
        """Terms in bytes, with the encoding, the first byte and the one past the last."""
        places: dict[int, list[int]] = {}
        for identity, end in zip(*self._engine.events(data), strict=True):
            places.setdefault(identity, []).append(end)
        for identity, ends in places.items():
            for literal in self._literals[identity]:
                if not only_utf8 or literal.encoding == "utf-8":
                    yield from _found(data, literal, ends)


def _found(data: Buffer, literal: _Literal, ends: Sequence[int]) -> Iterator[tuple[KeywordTerm, str, int, int]]:
    for low, high in _joined(ends, literal.most, len(data)):
        for match in literal.pattern.finditer(data, low, high):
            start, end = match.span()
            if _stands(data, start, end, literal):
                yield literal.term, literal.encoding, start, end


def _joined(ends: Sequence[int], most: int, size: int) -> Iterator[tuple[int, int]]:
    """Stretches that hold every match around places, those that touch joined."""
    low = high = -1
    for end in ends:
        if low >= 0 and end - most <= high:
            high = min(size, end + most)
            continue
        if low >= 0:
            yield low, high
        low, high = max(0, end - most), min(size, end + most)
    if low >= 0:
        yield low, high


def _stands(data: Buffer, start: int, end: int, literal: _Literal) -> bool:
    """Whether a literal stands as its term asks: alone, at the beginning of a word, or anywhere."""
    if literal.term.match == "substring":
        return True
    encoding = literal.encoding
    text = decode_lenient(bytes(data[start:end]), encoding)
    size = unit(encoding)
    reach = min(start, 8) // size * size
    before = decode_lenient(bytes(data[start - reach : start]), encoding)
    if before and touches(text[0], before[-1]):
        lead = before.rstrip(_ARABIC_PREFIXES)
        if len(before) - len(lead) not in (1, 2) or (lead and touches(text[0], lead[-1])):
            return False
    if literal.term.match == "word-start":
        return True
    after = decode_lenient(bytes(data[end : end + 8]), encoding)
    return not after or not touches(text[-1], after[0])
