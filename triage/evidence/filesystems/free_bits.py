"""From allocation maps to runs of free bytes: bits and joined runs, in bounded pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

PIECE = 1 << 18
"""Bytes of a map that are looked at in one step."""


def zero_runs(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[tuple[int, int]]:
    """First index and count of every run of false values."""
    padded = np.ones(len(flags) + 2, dtype=np.int8)
    padded[1:-1] = flags
    edges = np.diff(padded)
    starts = np.flatnonzero(edges == -1)
    ends = np.flatnonzero(edges == 1)
    yield from zip(starts.tolist(), (ends - starts).tolist(), strict=True)


def free_bits(data: bytes, count: int, *, high_first: bool = False, free: int = 0) -> Iterator[tuple[int, int]]:
    """Runs of free units in a bitmap: first unit and count, ascending; runs may touch.

    Args:
        data: The bitmap; units that it does not reach count as free.
        count: Units that it describes.
        high_first: The highest bit of a byte is its first unit (HFS+), not the lowest.
        free: The value of a bit that says free.
    """
    for start in range(0, min(len(data), (count + 7) // 8), PIECE):
        piece = np.frombuffer(data, dtype=np.uint8, count=min(PIECE, len(data) - start), offset=start)
        first = start * 8
        bits = np.unpackbits(
            piece, count=min(len(piece) * 8, count - first), bitorder="big" if high_first else "little"
        )
        for index, length in zero_runs(bits != free):
            yield first + index, length
    covered = min(count, len(data) * 8)
    if covered < count:
        yield covered, count - covered


def joined(runs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ascending runs with those that touch or overlap made one; empty ones left out."""
    first, end = 0, -1
    for start, length in runs:
        if length <= 0:
            continue
        if end >= 0 and start <= end:
            end = max(end, start + length)
            continue
        if end >= 0:
            yield first, end - first
        first, end = start, start + length
    if end >= 0:
        yield first, end - first


def without(runs: Iterable[tuple[int, int]], used: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ascending runs without what other ascending runs cover.

    Args:
        runs: First unit and count, ascending.
        used: The same, ascending; may overlap each other.
    """
    index = 0
    for first, length in runs:
        start, end = first, first + length
        while index < len(used) and used[index][0] + used[index][1] <= start:
            index += 1
        position = index
        while start < end and position < len(used) and used[position][0] < end:
            low, count = used[position]
            if low > start:
                yield start, low - start
            start = max(start, low + count)
            position += 1
        if start < end:
            yield start, end - start


def complement(used: Iterable[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """What ascending runs leave free below an end."""
    position = 0
    for start, length in used:
        if start >= end:
            break
        if start > position:
            yield position, start - position
        position = max(position, start + length)
    if position < end:
        yield position, end - position
