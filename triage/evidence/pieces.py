"""Free space in pieces: how large they are, and where one ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

PIECE = 1 << 20
"""Bytes of free space in one piece; see :func:`piece_size`."""
LARGEST_PIECE = 32 << 20
"""Bytes of a piece where there is much free space."""
ENOUGH_PIECES = 1 << 18
"""Pieces from which on they are made larger."""
MAX_PIECES = 1 << 20
"""Pieces of one volume: 32 TiB of free space in a row."""


class Span(NamedTuple):
    """One piece.

    Attributes:
        begin: Its first byte in the volume.
        end: The byte behind its last one.
        size: Free bytes between them.
    """

    begin: int
    end: int
    size: int


def piece_size(free: int) -> int:
    """Bytes of free space in one piece, a power of two.

    Args:
        free: Bytes of free space in all.
    """
    size = PIECE
    while size < LARGEST_PIECE and free > size * ENOUGH_PIECES:
        size *= 2
    return size


class Pieces:
    """Cuts free space; iterate once.

    Args:
        runs: Start and length of what is free, and whether something that is owned lies in front of it: a piece ends
            there.
        free: Bytes of free space in all.
        used: Bytes of the volume that the file system takes up: a piece ends there.

    Attributes:
        stopped: First free byte behind :data:`MAX_PIECES` pieces, -1 where there is none.
    """

    def __init__(self, runs: Iterable[tuple[int, int, bool]], free: int, used: int) -> None:
        self._runs = runs
        self._most = piece_size(free)
        self._used = used
        self.stopped = -1

    def __iter__(self) -> Iterator[Span]:
        begin = end = size = count = 0
        for start, length, is_cut in self._apart():
            if size and is_cut:
                yield Span(begin, end, size)
                count, size = count + 1, 0
            while length:
                if count >= MAX_PIECES:
                    self.stopped = start
                    return
                taken = min(length, self._most - size)
                if not size:
                    begin = start
                start, length, size = start + taken, length - taken, size + taken
                end = start
                if size == self._most:
                    yield Span(begin, end, size)
                    count, size = count + 1, 0
        if size:
            yield Span(begin, end, size)

    def _apart(self) -> Iterator[tuple[int, int, bool]]:
        """Runs, cut where the file system ends."""
        used = self._used
        for start, length, is_cut in self._runs:
            if start < used < start + length:
                yield start, used - start, is_cut
                yield used, start + length - used, True
            else:
                yield start, length, is_cut or start == used
