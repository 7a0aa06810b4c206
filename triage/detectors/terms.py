"""Keyword terms prepared for the search: byte patterns, gates, and the exact test of each."""

from __future__ import annotations

import marshal
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from triage.detectors.byte_patterns import encodings_for, literal_pattern, plain_patterns, requirement, superset_pattern
from triage.detectors.cache import cache_key, cached
from triage.detectors.characters import Folding
from triage.errors import RuleError
from triage.model.rules import KeywordTerm

PREPARATION = b"8"
"""Changes whenever what is prepared from the same terms changes."""


@dataclass(frozen=True)
class Literal:
    """A literal term in one encoding; ``source`` is its byte pattern."""

    term: KeywordTerm
    encoding: str
    source: bytes

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Finds every place; compiled when first needed."""
        return re.compile(self.source, re.DOTALL)


@dataclass(frozen=True)
class Expression:
    """One way of a regular expression to match.

    Attributes:
        gates: Groups of atom numbers, each of which a content must hold.
        width: Most characters of a match.
    """

    term: KeywordTerm
    gates: tuple[frozenset[int], ...]
    width: int

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The expression as Python reads it; compiled when first needed."""
        return re.compile(self.term.term, re.DOTALL if self.term.case_sensitive else re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class Plan:
    """Plain values that the search is built from, kept between runs.

    Attributes:
        patterns: Distinct byte patterns; the position is the identity.
        literals: (identity, index of the term, encoding).
        atoms: (identity, atom number, encoding).
        expressions: (index of the term, gates, width), one for each way to match.
    """

    patterns: list[bytes] = field(default_factory=list)
    literals: list[tuple[int, int, str]] = field(default_factory=list)
    atoms: list[tuple[int, int, str]] = field(default_factory=list)
    expressions: list[tuple[int, list[list[int]], int]] = field(default_factory=list)


class Prepared:
    """Everything that a search needs.

    Attributes:
        patterns: As in the plan.
        literals: By identity: the literal terms that it stands for.
        atoms: By identity: (atom number, encoding).
        atom_patterns: By (atom number, encoding): its byte patterns, to find where it stands.
        by_gate: By atom number: the expressions whose first gate holds it.
        expressions: All expressions.
    """

    def __init__(self, plan: Plan, terms: Sequence[KeywordTerm]) -> None:
        self.patterns = plan.patterns
        self.literals: dict[int, list[Literal]] = {}
        for identity, index, encoding in plan.literals:
            self.literals.setdefault(identity, []).append(Literal(terms[index], encoding, plan.patterns[identity]))
        self.atoms: dict[int, list[tuple[int, str]]] = {}
        self.atom_patterns: dict[tuple[int, str], list[bytes]] = {}
        for identity, number, encoding in plan.atoms:
            self.atoms.setdefault(identity, []).append((number, encoding))
            self.atom_patterns.setdefault((number, encoding), []).append(plan.patterns[identity])
        self.expressions = [
            Expression(terms[index], tuple(frozenset(gate) for gate in gates), width)
            for index, gates, width in plan.expressions
        ]
        self.by_gate: dict[int, list[int]] = {}
        for number, expression in enumerate(self.expressions):
            for atom in expression.gates[0]:
                self.by_gate.setdefault(atom, []).append(number)


class _Builder:
    """Collects patterns, each once."""

    def __init__(self) -> None:
        self.plan = Plan()
        self._identities: dict[bytes, int] = {}
        self._atom_numbers: dict[tuple[str, tuple[str, ...]], int] = {}

    def identity(self, pattern: bytes) -> int:
        found = self._identities.get(pattern)
        if found is None:
            found = self._identities[pattern] = len(self.plan.patterns)
            self.plan.patterns.append(pattern)
        return found

    def literal(self, index: int, term: KeywordTerm) -> None:
        text = unicodedata.normalize("NFC", term.term)
        folding = Folding.of(term.case_sensitive, term.normalise)
        before = len(self.plan.literals)
        for encoding in encodings_for(text, term.encodings):
            pattern = literal_pattern(text, folding, encoding)
            if pattern is not None:
                self.plan.literals.append((self.identity(pattern), index, encoding))
        if len(self.plan.literals) == before:
            raise RuleError(f"term cannot be written in any encoding: {term.rule}")

    def expression(self, index: int, term: KeywordTerm) -> None:
        try:
            needs = requirement(term.term)
        except re.error as error:
            raise RuleError(f"pattern does not compile: {term.rule}: {error}") from error
        for groups in needs.ways:
            gates = [[self.atom(text, term.encodings) for text in sorted(group)] for group in groups]
            self.plan.expressions.append((index, gates, needs.width))
        if not needs.ways:  # no literal is required: the shape of the whole is the gate
            number = self._atom_numbers[f"superset of {term.rule}", ()] = len(self._atom_numbers)
            self.plan.atoms.append((self.identity(superset_pattern(term.term)), number, "utf-8"))
            self.plan.expressions.append((index, [[number]], needs.width))

    def atom(self, text: str, legacy: tuple[str, ...]) -> int:
        key = (text, () if text.isascii() else legacy)
        found = self._atom_numbers.get(key)
        if found is not None:
            return found
        number = self._atom_numbers[key] = len(self._atom_numbers)
        # UTF-16 of scripts with small code points is known by its look and decoded whole; Han is not.
        wide = ("utf-16-le", "utf-16-be") if any(ord(character) >= 0x2E80 for character in text) else ()
        for encoding in ("utf-8",) if text.isascii() else ("utf-8", *legacy, *wide):
            for pattern in plain_patterns(text, encoding):
                self.plan.atoms.append((self.identity(pattern), number, encoding))
        return number


def prepare(terms: Sequence[KeywordTerm], cache: Path | None = None) -> Prepared:
    """Terms made ready, from the cache where they were made ready before.

    Raises:
        RuleError: A term that can never be found; it would be silence that looks like absence.
    """
    key = cache_key("terms", PREPARATION, repr(tuple(terms)).encode("utf-8", "surrogatepass"))
    return Prepared(cached(cache, key, _load_plan, lambda: _make_plan(terms)), terms)


def _load_plan(blob: bytes) -> Plan | None:
    try:
        return Plan(*marshal.loads(blob))
    except (ValueError, EOFError, TypeError):
        return None


def _make_plan(terms: Sequence[KeywordTerm]) -> tuple[Plan, bytes]:
    builder = _Builder()
    for index, term in enumerate(terms):
        if term.kind == "regex":
            builder.expression(index, term)
        else:
            builder.literal(index, term)
    plan = builder.plan
    return plan, marshal.dumps((plan.patterns, plan.literals, plan.atoms, plan.expressions))
