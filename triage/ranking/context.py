"""Context: wording that says a text speaks *about* trafficking, not of one's own doing.

A prevention leaflet, a news story, a statute and a novel use the very words that are looked for. Rules with the role
``context`` find them out. One such word may stand in any chat (somebody in distress quotes a hotline), so the first
counts little and each further one more, measured against the evidence beside it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from triage.ranking.marks import Mark

REACH = 16_384
"""Bytes in front of and behind a passage in which context words speak about it."""

WHOLE = 65_536
"""Bytes up to which context anywhere in a unit speaks about all of it."""

RAMP = (0.35, 0.75)
"""What the strongest and the second context rule count; from the third on each counts in full."""

POWER = 3
"""The factor is the share of the evidence to this power."""

FLOOR = 0.02

OVERWHELMING = 0.3
"""Share of context from which wording about danger is taken as quoted."""


def near(context: Sequence[Mark], start: int, end: int, size: int) -> tuple[Mark, ...]:
    """The strongest mark of each context rule that speaks about a stretch of a unit, strongest first.

    Args:
        context: Context marks of the unit by place.
        start: Bytes from the start of the unit.
        end: Likewise, half-open.
        size: Bytes of the unit.
    """
    if size > WHOLE:
        first = bisect_left(context, start - REACH, key=lambda mark: mark.start)
        last = bisect_left(context, end + REACH, key=lambda mark: mark.start)
        context = context[first:last]
    best: dict[str, Mark] = {}
    for mark in context:
        known = best.get(mark.rule.id)
        if known is None or mark.strength * mark.chance > known.strength * known.chance:
            best[mark.rule.id] = mark
    return tuple(sorted(best.values(), key=lambda mark: (-mark.strength * mark.chance, mark.rule.id)))


def share(context: Iterable[Mark], evidence: Iterable[float]) -> float:
    """How much of what a passage says is context, 0..1.

    Args:
        context: One mark for each context rule.
        evidence: Strength of each distinct evidence rule.
    """
    strengths = sorted((mark.strength * mark.chance for mark in context), reverse=True)
    weighed = sum(strength * (RAMP[index] if index < len(RAMP) else 1.0) for index, strength in enumerate(strengths))
    total = weighed + sum(evidence)
    return weighed / total if weighed else 0.0


def factor(context_share: float) -> float:
    """Factor on the score for a share of context."""
    return max(FLOOR, (1.0 - context_share) ** POWER)
