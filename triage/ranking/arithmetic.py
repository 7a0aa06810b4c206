"""The arithmetic of a score, kept as lines that add up.

For the best passage of a unit, and with smaller shares for three further ones::

    strength  s = weight x trust x chance x rarity                         of each distinct rule
    indicator p = 1 - product of (1 - s_k x 0.8^k)                          strongest rule first, k = 0, 1, 2 ...
    evidence  L = sum over indicators of -ln(1 - base x p)                  1 - e^-L is the noisy-OR over indicators
    elements  m = 1 .. 2                                                    one, two, three Palermo elements
    ceiling   c = 0.30 .. 1                                                 elements and number of terms
    score       = c x (1 - e^(-m L / c))                                    then damped, each step a line

The multiplier acts on the evidence rather than on its noisy-OR and the ceiling is approached rather than cut off: for
little evidence both are the plain product and cap, and where there is much, two units still differ.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import exp, fsum, log

from triage.model.finding import ScoreLine
from triage.ranking import context
from triage.ranking.damping import Damping
from triage.ranking.elements import Ceiling, ceiling, covered, degrees, multiplier
from triage.ranking.marks import Mark, UnitMarks
from triage.ranking.passages import Passage
from triage.ranking.terms import EFFECTIVE, RAW, WITHOUT_CHANCE, Term, distinct_terms

INDICATOR_DECAY = 0.8
"""Factor for each further rule of one indicator: they are often ways to say the same."""

FURTHER_SHARES = (0.35, 0.25, 0.15)
"""Shares with which further passages count; more than these add nothing."""

MICRO = 1_000_000

Against = Callable[[Passage, tuple[Term, ...], tuple[Mark, ...], float], tuple[Damping, ...]]
"""What speaks against a unit judged by a passage, its terms, its context rules and its share of context."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the arithmetic of one unit is made of.

    Attributes:
        passage: The best passage.
        terms: Distinct rules of the passages that count, those of the best passage first.
        context: Context rules that speak about the best passage.
        context_share: How much of what it says is context, 0..1.
        dampings: What speaks against the unit, in the order in which it is applied.
        everywhere: Names of the dampings that hold for every passage of the unit, whichever is the best.
        reached: Elements that are covered when any of the passages is taken for the best.
    """

    passage: Passage
    terms: tuple[Term, ...]
    context: tuple[Mark, ...]
    context_share: float
    dampings: tuple[Damping, ...]
    everywhere: frozenset[str] = frozenset()
    reached: frozenset[str] = frozenset()


def evidence(terms: Sequence[Term], level: int = EFFECTIVE) -> float:
    """Evidence of terms in nats: minus the logarithm of what the noisy-OR over indicators leaves open."""
    growing = _Evidence(level)
    for term in terms:
        growing.add(term)
    return growing.nats


class _Evidence:
    """Evidence that grows term by term."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._strengths: dict[str, list[float]] = {}
        self._nats: dict[str, float] = {}

    @property
    def nats(self) -> float:
        return fsum(self._nats.values())

    def add(self, term: Term) -> float:
        indicator = term.mark.indicator.id
        strengths = self._strengths.setdefault(indicator, [])
        insort(strengths, term.strength(self._level), key=lambda strength: -strength)
        left = 1.0
        for index, strength in enumerate(strengths):
            left *= 1.0 - strength * INDICATOR_DECAY**index
        self._nats[indicator] = -log(1.0 - term.mark.base * (1.0 - left))
        return self.nats


def undamped(terms: tuple[Term, ...]) -> float:
    """Score of terms by evidence, elements and ceiling, before any damping; 0..1."""
    top = ceiling(terms).value
    return top * (1.0 - exp(-multiplier(terms) * evidence(terms) / top))


def damped(score: float, dampings: Iterable[Damping]) -> float:
    """A score after dampings, one after the other."""
    for damping in dampings:
        score = damping.after(score)
    return score


def assess(marks: UnitMarks, passages: Sequence[Passage], against: Against) -> Assessment:
    """Choose the best passage of a unit and what further ones add.

    The best is the one with the highest score after everything that speaks against it: a forwarded leaflet or a word
    list must not hide the conversation beside it.

    Args:
        marks: The marks of the unit, with evidence.
        passages: Candidates, at least one.
        against: What speaks against the unit when it is judged by a passage, its terms and its context.
    """
    candidates = []
    for passage in passages:
        terms = distinct_terms(passage.marks, 1.0, marks.counts)
        words = context.near(marks.context, passage.start, passage.end, marks.size)
        part = context.share(words, (term.strength() for term in terms))
        candidates.append(Assessment(passage, terms, words, part, against(passage, terms, words, part)))
    # The order of further passages knows nothing of context, so that a context word cannot promote one of them.
    candidates.sort(key=lambda candidate: (-undamped(candidate.terms), candidate.passage.start))
    whole = [_with_further(candidate, candidates, marks) for candidate in candidates]
    best = max(
        whole, key=lambda candidate: (damped(undamped(candidate.terms), candidate.dampings), -candidate.passage.start)
    )
    named = [frozenset(damping.name for damping in candidate.dampings) for candidate in candidates]
    reached = frozenset(element for candidate in whole for element in covered(candidate.terms))
    return replace(best, everywhere=frozenset.intersection(*named), reached=reached)


def _with_further(best: Assessment, ordered: Sequence[Assessment], marks: UnitMarks) -> Assessment:
    """A passage with what the others add to it."""
    own = context.factor(best.context_share)
    terms = best.terms
    others = (other for other in ordered if other is not best)
    for weight, other in zip(FURTHER_SHARES, others, strict=False):
        known = frozenset(term.mark.rule.id for term in terms)
        # A further passage that reads more like context than the best one counts less by as much.
        weight *= min(1.0, context.factor(other.context_share) / own)
        terms += distinct_terms(other.passage.marks, weight, marks.counts, known)
    return replace(best, terms=terms)


class Arithmetic:
    """Lines that add up: each says what it made of the value so far, in millionths."""

    def __init__(self) -> None:
        self._micro = 0
        self.lines: list[ScoreLine] = []

    @property
    def score(self) -> float:
        """The value so far, six decimals."""
        return self._micro / MICRO

    def step(self, value: float) -> float:
        """Go on to a value; returns the contribution, so that all contributions add up to the score."""
        micro = round(min(1.0, max(0.0, value)) * MICRO)
        contribution, self._micro = micro - self._micro, micro
        return contribution / MICRO

    def adjust(self, label: str, value: float) -> bool:
        """Add an adjustment line where it changes the value; tells whether it lowered it."""
        contribution = self.step(value)
        if contribution:
            self.lines.append(ScoreLine("adjustment", label, contribution))
        return contribution < 0


def compute(assessment: Assessment) -> tuple[Arithmetic, tuple[str, ...]]:
    """The whole arithmetic of a unit.

    Args:
        assessment: The passages, terms and dampings.

    Returns:
        The lines with the score, and the names of what lowered it.
    """
    sums = Arithmetic()
    terms = assessment.terms
    growing = _Evidence(RAW)
    for term in terms:
        sums.lines.append(hit_line(term, sums.step(1.0 - exp(-growing.add(term)))))
    lowered: list[str] = []
    raw, chance, base = (evidence(terms, level) for level in (RAW, WITHOUT_CHANCE, EFFECTIVE))
    if chance < raw and sums.adjust("short matches in bytes that are not text", 1.0 - exp(-chance)):
        lowered.append("accidental matches")
    if base < chance and sums.adjust("terms that are common on this device", 1.0 - exp(-base)):
        lowered.append("common on this device")
    factor = multiplier(terms)
    sums.adjust(_elements_label(terms, factor), 1.0 - exp(-factor * base))
    top = ceiling(terms)
    if sums.adjust(_ceiling_label(top), undamped(terms)):
        lowered.append(top.name)
    for damping in assessment.dampings:
        if sums.adjust(damping.label, damping.after(sums.score)):
            lowered.append(damping.name)
    return sums, tuple(lowered)


def hit_line(term: Term, contribution: float, remark: str = "") -> ScoreLine:
    """The line of one term."""
    mark = term.mark
    hit, rule = mark.hit, mark.rule
    label = rule.gloss or mark.indicator.name or rule.id
    if not remark and term.share < 1.0:
        remark = f"in a further passage, counted x {term.share:.2f}"
    return ScoreLine(
        kind="hit",
        label=f"{label} ({remark})" if remark else label,
        contribution=contribution,
        indicator=rule.indicator,
        element=mark.indicator.element,
        rule=rule.id,
        weight=rule.weight,
        language=rule.language,
        excerpt=hit.before + hit.matched + hit.after,
        matched=hit.matched,
        offset=hit.file_offset,
        length=hit.length,
        count=term.count,
        address=mark.address,
        encoding=hit.encoding,
    )


def _elements_label(terms: tuple[Term, ...], factor: float) -> str:
    parts = [f"{name} {value:.0%}" for name, value in degrees(terms).items() if value > 0]
    return f"elements: {', '.join(parts)}: evidence x {factor:.2f}"


def _ceiling_label(top: Ceiling) -> str:
    return f"ceiling: {top.label}"
