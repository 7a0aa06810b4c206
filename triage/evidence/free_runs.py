"""Free bytes of a volume: where they lie, three numbers a run, and all of them in a row."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from triage.errors import ReadFailedError, UnsupportedFormatError
from triage.model.stream import Stream

MAX_RUNS = 20_000_000
"""Runs of free space of one volume; more is told."""


MOST = (1 << 63) - 1
"""Places behind which there is nothing: what claims to go on is cut."""


class FreeRuns:
    """Runs of free bytes in ascending order.

    Attributes:
        starts: First bytes.
        ends: Behind the last bytes.
        size: Free bytes in all.
    """

    __slots__ = ("_before", "ends", "size", "starts")

    def __init__(self) -> None:
        self.starts: array[int] = array("q")
        self.ends: array[int] = array("q")
        self._before: array[int] = array("q")
        self.size = 0

    def __len__(self) -> int:
        return len(self.starts)

    def add(self, start: int, length: int) -> None:
        """Add a run; one that is empty, or not behind the others, is left out; one that touches the last goes on.

        Raises:
            UnsupportedFormatError: There are more than :data:`MAX_RUNS`.
        """
        length = min(length, MOST - start)
        if length <= 0 or start < (self.ends[-1] if self.ends else 0):
            return
        if self.ends and start == self.ends[-1]:
            self.ends[-1] += length
            self.size += length
            return
        if len(self.starts) >= MAX_RUNS:
            raise UnsupportedFormatError(f"more than {MAX_RUNS} runs")
        self.starts.append(start)
        self.ends.append(start + length)
        self._before.append(self.size)
        self.size += length

    def before(self, offset: int) -> int:
        """Free bytes in front of a place in the volume."""
        index = bisect_right(self.starts, offset) - 1
        if index < 0:
            return 0
        return self._before[index] + min(offset, self.ends[index]) - self.starts[index]

    def place(self, position: int) -> int:
        """Offset in the volume of the free byte at a position in the row; behind the last, the end of the last run."""
        index = bisect_right(self._before, position) - 1
        return min(self.starts[index] + position - self._before[index], self.ends[index]) if index >= 0 else 0

    def take(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        """Runs of the next ``size`` free bytes from a place in the volume on: offset and length."""
        for start, end in self.reaching(offset):
            if size <= 0:
                return
            start = max(start, offset)
            length = min(end - start, size)
            yield start, length
            size -= length

    def reaching(self, offset: int) -> Iterator[tuple[int, int]]:
        """Start and end of the runs that end behind an offset."""
        index = max(0, bisect_right(self.starts, offset) - 1)
        while index < len(self.starts):
            if self.ends[index] > offset:
                yield self.starts[index], self.ends[index]
            index += 1

    def without(self, owned: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
        """What is left: start, length, and whether something owned lies between it and the one before.

        Args:
            owned: First byte and the one behind the last, ascending, none touching another; see :func:`joined`.
        """
        number = 0
        is_cut = False
        for start, end in zip(self.starts, self.ends, strict=True):
            while number < len(owned) and owned[number][1] <= start:
                number += 1
            at = number
            while at < len(owned) and owned[at][0] < end:
                begin, stop = owned[at]
                if begin > start:
                    yield start, begin - start, is_cut
                is_cut, start = True, max(start, min(stop, end))
                at += 1
            if start < end:
                yield start, end - start, is_cut
                is_cut = False


def joined(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs in order, those that touch as one: first byte and the one behind the last.

    Args:
        runs: Start and length, in any order.
    """
    out: list[tuple[int, int]] = []
    for start, length in sorted(runs):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], start + length))
        elif length > 0:
            out.append((start, start + length))
    return out


class FreeStream:
    """All free bytes of a volume in a row; see :class:`~triage.model.stream.Stream`.

    Args:
        volume: Bytes of the volume; stays the caller's to close.
        runs: Where they lie in it.
    """

    def __init__(self, volume: Stream, runs: FreeRuns) -> None:
        self._volume = volume
        self._runs = runs

    @property
    def size(self) -> int:
        """Free bytes."""
        return self._runs.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes.

        Raises:
            ReadFailedError: With what could be read in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self.size:
            return b""
        parts: list[bytes] = []
        for start, wanted in self._runs.take(self._runs.place(offset), length):
            try:
                parts.append(self._volume.read_at(start, wanted))
            except ReadFailedError as error:
                partial = b"".join(parts) + error.partial
                raise ReadFailedError(error.message, hint=error.hint, partial=partial) from error
            if len(parts[-1]) < wanted:
                message = f"free space lies beyond the end of the volume: {wanted} bytes at {start}"
                raise ReadFailedError(message, hint="the image may be cut short", partial=b"".join(parts))
        return b"".join(parts)

    def close(self) -> None:
        """Nothing to release: the volume is its owner's to close."""
