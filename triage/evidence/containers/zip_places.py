"""Where the members of a ZIP file are, what covers the file, and where directory and local header do not agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from triage.evidence.containers.logical import Complaint
from triage.evidence.containers.zip_headers import MASKED_FLAG, SIZES_BEHIND_FLAG, Header
from triage.model.problem import Reason

MAX_RATIO = 1100
"""What inflate makes of one byte at most, and a little."""
MAX_RANGES = 1_000_000
"""Pieces of the file remembered as covered; members one behind the other make one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member is: what the directory says, and its local header; None where there is none."""

    stated: Header
    local: Header | None


class Covered:
    """The pieces of a file that members cover."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._open = (0, 0)

    def add(self, start: int, end: int) -> None:
        """A piece; one that goes on behind the last one makes it longer."""
        if self._open[0] <= start <= self._open[1] + 24:
            self._open = (self._open[0], max(end, self._open[1]))
        elif len(self._ranges) < MAX_RANGES:
            self._ranges.append(self._open)
            self._open = (start, end)

    def gaps(self, size: int) -> Iterator[tuple[int, int]]:
        """Pieces of at least the length of a local header that nothing covers, ascending."""
        if len(self._ranges) >= MAX_RANGES:
            return
        position = 0
        for start, end in sorted([*self._ranges, self._open]):
            if start - position >= 30:
                yield position, start
            position = max(position, end)
        if size - position >= 30:
            yield position, size


def member_size(stated: Header, local: Header | None) -> int:
    """The larger one of two sizes, where that is possible: a directory may claim less than a member has."""
    if local is None or local.flags & (MASKED_FLAG | SIZES_BEHIND_FLAG) or local.size > MAX_RATIO * local.packed:
        return stated.size
    return max(stated.size, local.size)


def compare(place: Place) -> Iterator[Complaint]:
    """What the directory and the local header do not agree on."""
    stated, local = place.stated, place.local
    if local is None:
        message = f"no member where the directory says, at byte {stated.offset}"
        yield Complaint(Reason.CORRUPT, message, stated.name, lost=stated.size)
        return
    found = []
    if stated.flags & MASKED_FLAG:
        return
    if stated.name != local.name:
        found.append("name")
    if stated.method != local.method:
        found.append("method")
    if stated.is_encrypted != local.is_encrypted:
        found.append("encryption")
    if not local.flags & SIZES_BEHIND_FLAG:
        if (stated.packed, stated.size) != (local.packed, local.size):
            found.append("size")
        if stated.crc != local.crc:
            found.append("checksum")
    if found:
        message = f"directory and local header differ in {', '.join(found)}"
        yield Complaint(Reason.MISMATCH, message, stated.name, anyway=True)
