"""Ranges of an image's media that could not be read: a map of them, and a Problem for each, told once.

What cannot be read reads as zeros. Zeros look like evidence of nothing, so every place that was filled is kept here
with its cause, and whoever shows bytes or what was found in them can ask.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from triage.model.address import Address
from triage.model.problem import Problem, Reason

MAX_LISTED = 4096
"""Ranges that become Problems one by one."""
MAX_KEPT = 1 << 17
"""Ranges that a map holds; beyond it new ones join the range in front of them, good bytes between included."""


@dataclass(frozen=True, slots=True, order=True)
class BadRange:
    """Bytes of the media that could not be read.

    Attributes:
        offset: First byte, in the media.
        length: Bytes, at least 1.
        cause: In words, lower case: ``read error``, ``could not be read when the image was made`` ...
    """

    offset: int
    length: int
    cause: str

    @property
    def end(self) -> int:
        """Behind the last byte."""
        return self.offset + self.length


@runtime_checkable
class Damaged(Protocol):
    """What knows which bytes of its media could not be read.

    Attributes:
        bad: These; it grows while the media are read.
    """

    bad: BadMap


class BadMap:
    """Bad ranges by offset, none overlapping another; neighbours of one cause are one."""

    def __init__(self) -> None:
        self._ranges: list[BadRange] = []
        self._ends: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def bad_ranges(self) -> tuple[BadRange, ...]:
        """All of them, ascending."""
        return tuple(self._ranges)

    @property
    def total(self) -> int:
        """Bytes in all ranges."""
        return sum(found.length for found in self._ranges)

    def add(self, start: int, end: int, cause: str) -> tuple[tuple[int, int], ...]:
        """Add a range.

        Args:
            start: First byte.
            end: Behind the last byte.
            cause: In words.

        Returns:
            Those parts of it that were not known, as first byte and the one behind the last. What was known keeps its
            cause.
        """
        if start >= end:
            return ()
        first = bisect_right(self._ends, start)
        last = first
        fresh = []
        at = start
        while last < len(self._ranges) and self._ranges[last].offset < end:
            known = self._ranges[last]
            if known.offset > at:
                fresh.append((at, known.offset))
            at = max(at, known.end)
            last += 1
        if at < end:
            fresh.append((at, end))
        if fresh:
            self._splice(first, last, fresh, cause)
        return tuple(fresh)

    def overlapping(self, offset: int, length: int) -> tuple[BadRange, ...]:
        """Bad ranges inside a range, cut to it."""
        end = offset + length
        index = bisect_right(self._ends, offset)
        found = []
        while index < len(self._ranges) and self._ranges[index].offset < end:
            known = self._ranges[index]
            begin = max(known.offset, offset)
            found.append(BadRange(begin, min(known.end, end) - begin, known.cause))
            index += 1
        return tuple(found)

    def _splice(self, first: int, last: int, fresh: list[tuple[int, int]], cause: str) -> None:
        """Put new parts among the ranges that they lie between, joined with their neighbours."""
        if first and self._ranges[first - 1].end == fresh[0][0]:
            first -= 1
        if last < len(self._ranges) and self._ranges[last].offset == fresh[-1][1]:
            last += 1
        parts = sorted([*self._ranges[first:last], *(BadRange(a, b - a, cause) for a, b in fresh)])
        joined: list[BadRange] = []
        for part in parts:
            before = joined[-1] if joined else None
            if before is not None and before.end == part.offset and before.cause == part.cause:
                joined[-1] = BadRange(before.offset, before.length + part.length, before.cause)
            else:
                joined.append(part)
        if len(self._ranges) >= MAX_KEPT and len(joined) > last - first and first:
            before = self._ranges[first - 1]
            joined = [BadRange(before.offset, joined[-1].end - before.offset, before.cause)]
            first -= 1
        self._ranges[first:last] = joined
        self._ends[first:last] = [part.end for part in joined]


class BadRanges:
    """Collects damaged ranges as Problems.

    Args:
        evidence_name: For the addresses of Problems.
        stage: Room and unit, for instance ``evidence/qcow``.
        bad: Map that they go into; a new one where None.

    Attributes:
        bad: All ranges told of.
    """

    def __init__(self, evidence_name: str, stage: str, bad: BadMap | None = None) -> None:
        self._name = evidence_name
        self._stage = stage
        self._problems: list[Problem] = []
        self._told = 0
        self._told_of = BadMap()
        self.bad = BadMap() if bad is None else bad

    def add(self, start: int, end: int, reason: Reason, why: str) -> None:
        """Tell of a range, those parts of it that were not told before.

        Args:
            start: First byte, in the media.
            end: Behind the last byte.
            reason: ``corrupt``, ``truncated`` ...
            why: In words, lower case.
        """
        self.bad.add(start, end, why)
        for begin, stop in self._told_of.add(start, end, ""):
            self._tell(begin, stop, reason, why)

    def take(self) -> tuple[Problem, ...]:
        """Problems since the last call, in the order seen."""
        taken, self._problems = tuple(self._problems), []
        return taken

    def _tell(self, start: int, end: int, reason: Reason, why: str) -> None:
        if self._told > MAX_LISTED:
            return
        self._told += 1
        hint = "compare with another copy of the image; these bytes read as zeros"
        if self._told > MAX_LISTED:
            message = f"more than {MAX_LISTED} damaged ranges; the others are not listed one by one"
            self._problems.append(Problem(self._name, self._stage, reason, message, hint))
            return
        self._problems.append(bad_problem(self._name, self._stage, BadRange(start, end - start, why), reason, hint))


def bad_problem(evidence_name: str, stage: str, found: BadRange, reason: Reason, hint: str) -> Problem:
    """The Problem of one bad range."""
    address = str(Address(evidence_name, "p0", space="gap", offset=found.offset, length=found.length))
    message = f"bytes {found.offset} to {found.end} of the media: {found.cause}"
    return Problem(address, stage, reason, message, hint, found.length)


def in_words(ranges: tuple[BadRange, ...], most: int = 8) -> str:
    """Ranges as ``0 to 512, 4096 to 8192 and 3 more``."""
    words = ", ".join(f"{found.offset} to {found.end}" for found in ranges[:most])
    return words + (f" and {len(ranges) - most} more" if len(ranges) > most else "")
