"""Urgency: an axis of its own, never averaged into a score.

Level 2 says that a person may be at risk now, level 1 that exploitation goes on. A level counts where its wording is
well supported: one strong rule, or two rules of the indicator on one page; where the catalogue asks for a second
element, that too. Wording in a leaflet or a dictionary is quoted wording and raises nothing; the finding says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from triage.ranking import context
from triage.ranking.elements import ELEMENTS
from triage.ranking.marks import Mark, UnitMarks

STRONG = 0.4
"""Strength from which one rule supports a level."""

WEAK = 0.15
"""Strength from which two rules of one indicator within a passage support a level."""

_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Urgency:
    """Urgency of a unit.

    Attributes:
        level: 0, 1 or 2.
        mark: The match that supports the level.
        quoted: Highest level that was found but only in quoted wording.
    """

    level: int
    mark: Mark | None = None
    quoted: int = 0


def urgency(marks: UnitMarks, covered: Sequence[str], window: int, *, quoting: bool) -> Urgency:
    """Urgency of a unit, from every hit in it, those that add nothing to the score included.

    Args:
        marks: The marks of the unit.
        covered: Palermo elements that the unit supports.
        window: Bytes of a passage.
        quoting: The unit as a whole is reference material or not text at all.
    """
    quoted = 0
    everything = sorted((*marks.evidence, *marks.covered), key=lambda mark: (mark.start, mark.rule.id))
    for level in (2, 1):
        found = [mark for mark in everything if mark.indicator.urgency == level and _allowed(mark, covered)]
        supported = sorted(_supported(found, window), key=lambda mark: (-mark.effective, mark.start, mark.rule.id))
        for mark in supported[:_LOOKED_AT]:
            if not quoting and not _reads_as_context(mark, marks, window):
                return Urgency(level, mark, quoted)
            quoted = max(quoted, level)
    return Urgency(0, None, quoted)


def _allowed(mark: Mark, covered: Sequence[str]) -> bool:
    if mark.indicator.single_ok:
        return True
    return any(element in ELEMENTS and element != mark.indicator.element for element in covered)


def _supported(found: Sequence[Mark], window: int) -> list[Mark]:
    """Marks that are strong, or near another rule of the same indicator."""
    out = [mark for mark in found if mark.effective >= STRONG]
    by_indicator: dict[str, list[Mark]] = {}
    for mark in found:
        if WEAK <= mark.effective < STRONG:
            by_indicator.setdefault(mark.indicator.id, []).append(mark)
    for group in by_indicator.values():
        out += [
            mark
            for mark, other in itertools.pairwise(group)
            if mark.rule.id != other.rule.id and other.start - mark.start < window
        ]
    return out


def _reads_as_context(mark: Mark, marks: UnitMarks, window: int) -> bool:
    start, end = mark.start - window // 2, mark.end + window // 2
    words = context.near(marks.context, start, end, marks.size)
    if not words:
        return False
    beside: dict[str, float] = {}
    for other in marks.evidence:
        if marks.size <= context.WHOLE or (start < other.end and other.start < end):
            beside[other.rule.id] = max(beside.get(other.rule.id, 0.0), other.effective)
    return context.share(words, beside.values()) >= context.OVERWHELMING
