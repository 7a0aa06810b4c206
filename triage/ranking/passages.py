"""Passages: where in a unit the evidence stands together.

Hits that are scattered over a megabyte of a dictionary say little, the same hits within one page of a conversation say
much. So a unit is judged by its best passage; further passages add with a smaller share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from triage.ranking.elements import ELEMENT_STEP, ELEMENTS
from triage.ranking.marks import Mark

WINDOW = 4096
"""Bytes of a passage of plain text: about 40 messages or 2,000 characters of two bytes."""

DATABASE_WINDOW = 8192
"""Bytes of a passage in a database, where each row carries more than its text."""

MARKUP_WINDOW = 16384
"""Bytes of a passage in markup or a document's XML, where tags outweigh the words."""

CANDIDATES = 16
"""Passages of one unit that are weighed exactly."""

_SCALE = 1 << 40


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a unit with the evidence in it.

    Attributes:
        start: Bytes from the start of the unit.
        end: Likewise, half-open.
        marks: Evidence in it by place, with rules that speak of the whole unit.
    """

    start: int
    end: int
    marks: tuple[Mark, ...]


def window_for(content_class: str, mime: str) -> int:
    """Bytes of a passage for a class of content and a media type."""
    if content_class == "document":
        return MARKUP_WINDOW
    if any(mark in mime.lower() for mark in ("html", "xml", "json")):
        return MARKUP_WINDOW
    return DATABASE_WINDOW if content_class == "database" else WINDOW


def candidate_passages(marks: Sequence[Mark], window: int, size: int) -> tuple[Passage, ...]:
    """Passages worth weighing, none overlapping another, the most promising first.

    Args:
        marks: Evidence of the unit by place.
        window: Bytes of a passage; a unit of up to twice as many is one passage.
        size: Bytes of the unit.

    Returns:
        At most :data:`CANDIDATES`; empty where there is no mark.
    """
    if not marks:
        return ()
    if size <= 2 * window:
        return (Passage(0, size, tuple(marks)),)
    # The condition of a YARA rule speaks of the content, not of the place of one of its strings.
    everywhere = tuple(mark for mark in marks if mark.rule.detector != "keywords")
    local = [mark for mark in marks if mark.rule.detector == "keywords"]
    if not local:
        return (Passage(0, size, everywhere),)
    chosen: list[tuple[int, int]] = []
    for _, first, last in sorted(_windows(local, window), key=lambda item: (-item[0], item[1])):
        start = local[first].start
        if all(abs(start - local[other].start) >= window for other, _ in chosen):
            chosen.append((first, last))
            if len(chosen) == CANDIDATES:
                break
    return tuple(
        Passage(local[first].start, local[first].start + window, (*local[first:last], *everywhere))
        for first, last in chosen
    )


def _windows(marks: Sequence[Mark], window: int) -> list[tuple[float, int, int]]:
    """For each mark the window that begins there: rough worth, index of its first mark and behind its last."""
    running = _Running()
    out: list[tuple[float, int, int]] = []
    last = 0
    for first, mark in enumerate(marks):
        while last < len(marks) and marks[last].start < mark.start + window:
            running.add(marks[last], 1)
            last += 1
        out.append((running.worth(), first, last))
        running.add(mark, -1)
    return out


class _Running:
    """Evidence of a sliding window: cheap, in integers, so that adding and removing leave no rest."""

    def __init__(self) -> None:
        self._rules: dict[str, int] = {}
        self._evidence: dict[str, int] = {}
        self._bases: dict[str, tuple[float, str]] = {}

    def add(self, mark: Mark, step: int) -> None:
        before = self._rules.get(mark.rule.id, 0)
        self._rules[mark.rule.id] = before + step
        if (before == 0) == (before + step == 0):
            return
        indicator = mark.indicator.id
        nats = round(-log(1.0 - mark.strength * mark.chance * mark.rarity) * _SCALE)
        self._evidence[indicator] = self._evidence.get(indicator, 0) + step * nats
        self._bases[indicator] = (mark.base, mark.indicator.element)

    def worth(self) -> float:
        total = 0.0
        elements: set[str] = set()
        for indicator, nats in self._evidence.items():
            if nats > 0:
                base, element = self._bases[indicator]
                total -= log(1.0 - base * (1.0 - exp(-nats / _SCALE)))
                elements.add(element)
        covered = len(elements.intersection(ELEMENTS))
        return total * (1.0 + ELEMENT_STEP * max(0, covered - 1))
