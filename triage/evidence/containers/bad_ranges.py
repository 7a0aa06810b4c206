"""Ranges of an image's media that could not be read, each told once however often it is read again."""

from __future__ import annotations

from bisect import bisect_left

from triage.model.address import Address
from triage.model.problem import Problem, Reason

MAX_LISTED = 4096
"""Ranges that become Problems one by one."""


class BadRanges:
    """Collects damaged ranges as Problems.

    Args:
        evidence_name: For the addresses of Problems.
        stage: Room and unit, for instance ``evidence/qcow``.
    """

    def __init__(self, evidence_name: str, stage: str) -> None:
        self._name = evidence_name
        self._stage = stage
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._problems: list[Problem] = []
        self._told = 0

    def add(self, start: int, end: int, reason: Reason, why: str) -> None:
        """Tell of a range, those parts of it that were not told before.

        Args:
            start: First byte, in the media.
            end: Behind the last byte.
            reason: ``corrupt``, ``truncated`` ...
            why: In words, lower case.
        """
        first = bisect_left(self._ends, start)
        last = first
        at = start
        while last < len(self._starts) and self._starts[last] <= end:
            if self._starts[last] > at:
                self._tell(at, self._starts[last], reason, why)
            at = max(at, self._ends[last])
            last += 1
        if at < end:
            self._tell(at, end, reason, why)
        if last > first:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        if last > first or len(self._starts) < MAX_LISTED:
            self._starts[first:last] = [start]
            self._ends[first:last] = [end]

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
        address = str(Address(self._name, "p0", space="gap", offset=start, length=end - start))
        message = f"bytes {start} to {end} of the media: {why}"
        self._problems.append(Problem(address, self._stage, reason, message, hint, end - start))
