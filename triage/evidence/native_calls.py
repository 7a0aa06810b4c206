"""Opening a file system with a library that may never return, or take its process with it.

The process says in shared memory what it is about to open; whoever watches it kills it where that takes too long, and
starts another one that leaves the place out. Nothing here is used where nobody watches.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, MutableSequence

Place = tuple[int, int]
"""Byte of the media where a volume begins, and its bytes."""
BEGUN, START, LENGTH = range(3)
WORDS = 3
"""Numbers in the shared memory."""


class _Watch:
    """What this process was told."""

    marker: MutableSequence[int] | None = None
    left_out: frozenset[Place] = frozenset()


def watch(marker: MutableSequence[int]) -> None:
    """Say from now on what is opened.

    Args:
        marker: :data:`WORDS` numbers that another process reads: when the call began, by the monotonic clock in
            nanoseconds, 0 while there is none; and the place.
    """
    _Watch.marker = marker


def leave_out(places: Iterable[Place]) -> None:
    """Places that are not opened by a library in this process, beside those named before."""
    _Watch.left_out |= frozenset(places)


@contextlib.contextmanager
def native_call(place: Place) -> Iterator[None]:
    """Around a call that opens something.

    Raises:
        OSError: The place is one that is left out.
    """
    if place in _Watch.left_out:
        raise OSError("the library did not return from it before: it is left out")
    marker = _Watch.marker
    if marker is None:
        yield
        return
    marker[START], marker[LENGTH] = min(place[0], (1 << 63) - 1), min(place[1], (1 << 63) - 1)
    marker[BEGUN] = time.monotonic_ns()
    try:
        yield
    finally:
        marker[BEGUN] = 0
