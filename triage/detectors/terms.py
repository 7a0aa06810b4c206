"""Keyword terms prepared for the search, kept between runs."""

from __future__ import annotations

import marshal
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

from triage.detectors.cache import cache_key, cached
from triage.detectors.engine import Store
from triage.detectors.expressions import Expression, Expressions
from triage.detectors.gate_plan import GatePlan
from triage.detectors.literals import LiteralPlan, Literals
from triage.detectors.probe import Probe, ProbePlan
from triage.detectors.requirements import requirement
from triage.errors import RuleError
from triage.model.rules import KeywordTerm

PREPARATION = b"34"
"""Changes whenever what is prepared from the same terms changes."""


@dataclass(slots=True)
class Plan:
    """Plain values that the search is built from.

    Attributes:
        literals: Of the literal terms.
        expressions: (index of the term, width) for each regular expression; the position is its number.
        always: Numbers of expressions that require no text.
        gates: Of the others.
        probe: Words in the encodings of their languages.
    """

    literals: LiteralPlan = field(default_factory=LiteralPlan)
    expressions: list[tuple[int, int]] = field(default_factory=list)
    always: list[int] = field(default_factory=list)
    gates: GatePlan = field(default_factory=GatePlan)
    probe: ProbePlan = field(default_factory=ProbePlan)


class Prepared:
    """Everything that a search needs.

    Args:
        plan: From the terms.
        terms: The terms.
        store: Where compiled databases are kept.
    """

    def __init__(self, plan: Plan, terms: Sequence[KeywordTerm], store: Store) -> None:
        self.literals = Literals(plan.literals, terms, store)
        expressions = [Expression(terms[index], width) for index, width in plan.expressions]
        self.expressions = Expressions(expressions, plan.gates, plan.always, store)
        self.probe = Probe(plan.probe, store)


def prepare(terms: Sequence[KeywordTerm], cache: Path | None = None) -> Prepared:
    """Terms made ready, from the cache where they were made ready before.

    Raises:
        RuleError: A term that can never be found; it would be silence that looks like absence.
    """
    key = cache_key("terms", PREPARATION, repr(tuple(terms)).encode("utf-8", "surrogatepass"))
    return Prepared(cached(cache, key, _load_plan, lambda: _make_plan(terms)), terms, Store(cache, key))


def _load_plan(blob: bytes) -> Plan | None:
    try:
        literals, expressions, always, gates, probe = marshal.loads(blob)
        return Plan(LiteralPlan(*literals), expressions, always, GatePlan(*gates), ProbePlan(*probe))
    except (ValueError, EOFError, TypeError):
        return None


def _make_plan(terms: Sequence[KeywordTerm]) -> tuple[Plan, bytes]:
    plan = Plan()
    words: dict[tuple[bytes, bool], int] = {}
    for index, term in enumerate(terms):
        if term.kind == "regex":
            _add_expression(plan, index, term)
        else:
            plan.literals.add(index, term, words)
    plan.gates.finish()
    plan.probe.finish()
    return plan, marshal.dumps(astuple(plan))


def _add_expression(plan: Plan, index: int, term: KeywordTerm) -> None:
    try:
        needs = requirement(term.term)
    except re.error as error:
        raise RuleError(f"pattern does not compile: {term.rule}: {error}") from error
    number = len(plan.expressions)
    plan.expressions.append((index, needs.width))
    if not needs.ways:
        plan.always.append(number)
    plan.gates.add(number, needs)
    plan.probe.add(needs, term.encodings)
