"""One distinct rule as it enters the arithmetic of a unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log2

from triage.ranking.marks import Mark

VARIED_GAIN = 0.15
"""What each doubling of the number of different matches of one rule adds to the exponent of its strength."""

_VARIANTS_LIMIT = 64

RAW, WITHOUT_CHANCE, EFFECTIVE = range(3)
"""Levels of strength: as the rule states it; after the chance factor; after the rarity factor too."""


@dataclass(frozen=True, slots=True)
class Term:
    """One distinct rule of a unit.

    Attributes:
        mark: The match that stands for the rule.
        share: 1 where it is in the best passage, less where it is in a further one.
        variants: Number of different texts that the rule matched in the passage, 1..64.
        count: True number of its matches in the unit.
    """

    mark: Mark
    share: float
    variants: int
    count: int

    def strength(self, level: int = EFFECTIVE) -> float:
        """Strength 0..1 with which the term enters.

        Repeats of the same words count once. A pattern that matched different words (three names that owe three sums)
        counts a little more with each doubling.
        """
        strength = self.mark.strength
        if level >= WITHOUT_CHANCE:
            strength *= self.mark.chance
        if level >= EFFECTIVE:
            strength *= self.mark.rarity
        if self.variants > 1:
            strength = 1.0 - (1.0 - strength) ** (1.0 + VARIED_GAIN * log2(self.variants))
        return float(strength * self.share)

    @property
    def order(self) -> tuple[float, int, str]:
        """Sort key: what moves the score most first."""
        return (-self.mark.base * self.strength(), self.mark.start, self.mark.rule.id)


def distinct_terms(
    marks: Iterable[Mark], share: float, counts: Mapping[str, int], known: frozenset[str] = frozenset()
) -> tuple[Term, ...]:
    """One term for each rule among the marks, strongest first.

    Args:
        marks: Marks of one passage.
        share: Share with which the passage counts.
        counts: True number of matches in the unit, by rule.
        known: Rules that are counted already.
    """
    by_rule: dict[str, list[Mark]] = {}
    for mark in marks:
        if mark.rule.id not in known:
            by_rule.setdefault(mark.rule.id, []).append(mark)
    terms = [
        Term(
            mark=min(group, key=lambda mark: mark.order),
            share=share,
            variants=min(_VARIANTS_LIMIT, len({mark.hit.matched.casefold() for mark in group})),
            count=max(counts.get(rule, 0), len(group)),
        )
        for rule, group in by_rule.items()
    ]
    return tuple(sorted(terms, key=lambda term: term.order))
