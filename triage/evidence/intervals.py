"""Sets of byte ranges as arrays: millions of them in seconds and in a few bytes each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray[tuple[int], np.dtype[np.int64]]

MOST = 1 << 62
"""No offset lies beyond it; sums of lengths of a set stay below 2 ** 63."""
_NONE: Array = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """A set of bytes.

    Attributes:
        starts: First bytes, ascending.
        ends: Behind the last bytes; each range has a byte, and none touches the next.
    """

    starts: Array
    ends: Array

    @classmethod
    def of(cls, starts: Array, ends: Array) -> Intervals:
        """The union of ranges in any order; those without a byte count for nothing."""
        kept = ends > starts
        starts, ends = starts[kept], ends[kept]
        if not len(starts):
            return cls(_NONE, _NONE)
        order = np.argsort(starts, kind="stable")
        starts, reach = starts[order], np.maximum.accumulate(ends[order])
        is_first = np.concatenate(([True], starts[1:] > reach[:-1]))
        is_last = np.concatenate((is_first[1:], [True]))
        return cls(starts[is_first], reach[is_last])

    @classmethod
    def one(cls, start: int, end: int) -> Intervals:
        """One range; empty where ``end`` is not beyond ``start``."""
        return cls.of(np.array([start], dtype=np.int64), np.array([end], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.starts.tolist(), self.ends.tolist(), strict=True)

    @property
    def total(self) -> int:
        """Bytes in the set."""
        return int((self.ends - self.starts).sum())

    def join(self, other: Intervals) -> Intervals:
        """Bytes of either set."""
        return Intervals.of(np.concatenate((self.starts, other.starts)), np.concatenate((self.ends, other.ends)))

    def both(self, other: Intervals) -> Intervals:
        """Bytes that are in both sets."""
        if not len(self) or not len(other):
            return Intervals(_NONE, _NONE)
        places = np.concatenate((self.starts, other.starts, self.ends, other.ends))
        steps = np.ones(len(places), dtype=np.int64)
        steps[len(self) + len(other) :] = -1
        order = np.argsort(places, kind="stable")  # at one place what begins comes first: pieces between have no byte
        places, depth = places[order], np.cumsum(steps[order])
        is_inside = depth[:-1] == 2
        return Intervals.of(places[:-1][is_inside], places[1:][is_inside])

    def without(self, other: Intervals) -> Intervals:
        """Bytes of this set that are not in the other."""
        if not len(self) or not len(other):
            return self
        low, high = int(min(self.starts[0], other.starts[0])), int(max(self.ends[-1], other.ends[-1]))
        starts = np.concatenate(([low], other.ends))
        ends = np.concatenate((other.starts, [high]))
        return self.both(Intervals.of(starts.astype(np.int64), ends.astype(np.int64)))

    def measure(self, starts: Array, ends: Array) -> Array:
        """How many bytes of the set lie in each of some ranges."""
        return np.where(ends > starts, self._below(ends) - self._below(starts), 0)

    def _below(self, places: Array) -> Array:
        """How many bytes of the set lie below each place."""
        if not len(self):
            return np.zeros(len(places), dtype=np.int64)
        sums = np.concatenate(([0], np.cumsum(self.ends - self.starts)))
        index = np.searchsorted(self.starts, places, side="right")
        last = np.maximum(index - 1, 0)
        beyond = np.where(index > 0, np.maximum(self.ends[last] - places, 0), 0)
        return sums[index] - beyond


def parted(starts: Array, ends: Array) -> tuple[Array, Array]:
    """Ranges cut so that no byte is in two of them: of those that share one, the first by place has it, then by order.

    Returns:
        Starts and ends, in the order given; an end not beyond its start where nothing is left.
    """
    if not len(starts):
        return starts, ends
    order = np.argsort(starts, kind="stable")
    reach = np.maximum.accumulate(ends[order])
    before = np.concatenate((starts[order][:1], reach[:-1]))
    cut = np.empty_like(starts)
    cut[order] = np.maximum(starts[order], before)
    return cut, ends
