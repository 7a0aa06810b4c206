"""Digests of the whole media, compared with those that the container states."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from triage.model.problem import Problem
from triage.model.stream import Stream

PIECE = 4 << 20
ALGORITHMS = ("md5", "sha1", "sha256")


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What reading the whole media showed.

    Attributes:
        size: Bytes read; holes and missing chunks count as zeros.
        computed: Digests of what was read, lower-case hex for ``md5``, ``sha1`` and ``sha256``.
        stored: Digests that the container states; empty where it states none.
        problems: Seen at opening and while reading.
    """

    size: int
    computed: dict[str, str]
    stored: dict[str, str]
    problems: tuple[Problem, ...] = field(default=())

    @property
    def mismatched(self) -> tuple[str, ...]:
        """Algorithms for which the container states another digest, sorted."""
        return tuple(sorted(name for name, value in self.stored.items() if self.computed.get(name, value) != value))

    @property
    def matches(self) -> bool:
        """False where a digest that the container states is not that of what was read; see ``stored`` for none."""
        return not self.mismatched


def digest_media(media: Stream, progress: Callable[[int, int], None] | None = None) -> tuple[int, dict[str, str]]:
    """Read a stream from end to end.

    Args:
        media: Read once, in order.
        progress: Called with bytes read so far and in all, about every 4 MiB.

    Returns:
        Bytes read, and hex digests by algorithm.

    Raises:
        ReadFailedError: The media cannot be read to the end.
    """
    machines = [hashlib.new(name, usedforsecurity=False) for name in ALGORITHMS]
    offset = 0
    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(len(machines)) as threads:
        while offset < media.size:
            piece = media.read_at(offset, PIECE)
            for task in waiting:
                task.result()
            if not piece:
                break
            waiting = [threads.submit(machine.update, piece) for machine in machines]
            offset += len(piece)
            if progress is not None:
                progress(offset, media.size)
    return offset, {machine.name: machine.hexdigest() for machine in machines}
