"""Keyword terms prepared for the search: byte patterns, gates, and the exact test of each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from triage.detectors.byte_patterns import encodings_for, literal_pattern, plain_patterns, requirement
from triage.detectors.characters import Folding
from triage.errors import RuleError
from triage.model.rules import KeywordTerm


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal term in one encoding."""

    term: KeywordTerm
    encoding: str
    pattern: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression; ``gates`` are groups of atom numbers, ``width`` the most characters of a match."""

    term: KeywordTerm
    pattern: re.Pattern[str]
    gates: tuple[frozenset[int], ...]
    width: int


@dataclass(slots=True)
class Prepared:
    """Everything that a search needs.

    Attributes:
        patterns: Distinct byte patterns; the position is the identity.
        literals: By identity: the literal terms that it stands for.
        atoms: By identity: (atom number, encoding).
        atom_patterns: By (atom number, encoding): its byte patterns, to find where it stands.
        by_gate: By atom number: the expressions whose first gate holds it.
        expressions: All expressions.
        ungated: Expressions of which no literal is required; they run on every text.
    """

    patterns: list[bytes] = field(default_factory=list)
    literals: dict[int, list[Literal]] = field(default_factory=dict)
    atoms: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    atom_patterns: dict[tuple[int, str], tuple[bytes, ...]] = field(default_factory=dict)
    expressions: list[Expression] = field(default_factory=list)
    by_gate: dict[int, list[int]] = field(default_factory=dict)
    ungated: list[int] = field(default_factory=list)



class _Builder:
    """Collects patterns, each once."""

    def __init__(self) -> None:
        self.prepared = Prepared()
        self._identities: dict[bytes, int] = {}
        self._atom_numbers: dict[tuple[str, tuple[str, ...]], int] = {}

    def identity(self, pattern: bytes) -> int:
        found = self._identities.get(pattern)
        if found is None:
            found = self._identities[pattern] = len(self.prepared.patterns)
            self.prepared.patterns.append(pattern)
        return found

    def literal(self, term: KeywordTerm) -> None:
        text = unicodedata.normalize("NFC", term.term)
        folding = Folding.of(term.case_sensitive, term.normalise)
        written = False
        for encoding in encodings_for(text, term.encodings):
            pattern = literal_pattern(text, folding, encoding)
            if pattern is None:
                continue
            written = True
            exact = Literal(term, encoding, re.compile(pattern, re.DOTALL))
            self.prepared.literals.setdefault(self.identity(pattern), []).append(exact)
        if not written:
            raise RuleError(f"term cannot be written in any encoding: {term.rule}")

    def expression(self, term: KeywordTerm) -> None:
        flags = re.DOTALL if term.case_sensitive else re.IGNORECASE | re.DOTALL
        try:
            compiled = re.compile(term.term, flags)
            needs = requirement(term.term)
        except re.error as error:
            raise RuleError(f"pattern does not compile: {term.rule}: {error}") from error
        gates = tuple(frozenset(self.atom(text, term.encodings) for text in sorted(group)) for group in needs.groups)
        number = len(self.prepared.expressions)
        self.prepared.expressions.append(Expression(term, compiled, gates, needs.width))
        if not gates:
            self.prepared.ungated.append(number)
            return
        for atom in gates[0]:
            self.prepared.by_gate.setdefault(atom, []).append(number)

    def atom(self, text: str, legacy: tuple[str, ...]) -> int:
        key = (text, () if text.isascii() else legacy)
        found = self._atom_numbers.get(key)
        if found is not None:
            return found
        number = self._atom_numbers[key] = len(self._atom_numbers)
        for encoding in ("utf-8",) if text.isascii() else ("utf-8", *legacy):
            patterns = plain_patterns(text, encoding)
            for pattern in patterns:
                self.prepared.atoms.setdefault(self.identity(pattern), []).append((number, encoding))
            if patterns:
                self.prepared.atom_patterns[number, encoding] = patterns
        return number


def prepare(terms: Sequence[KeywordTerm]) -> Prepared:
    """Terms made ready.

    Raises:
        RuleError: A term that can never be found; it would be silence that looks like absence.
    """
    builder = _Builder()
    for term in terms:
        if term.kind == "regex":
            builder.expression(term)
        else:
            builder.literal(term)
    return builder.prepared
