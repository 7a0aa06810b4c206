"""The order of the work: most valuable first, in image order inside a value class, copies to one worker."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from triage.case.reading import PendingEntry

CLASSES = 10
BATCH_ENTRIES = 64
BATCH_BYTES = 16 << 20


def work_order(entry: PendingEntry) -> tuple[int, int, int, int]:
    """Sort key: value class (high first), volume, position on the image, number."""
    value_class = min(CLASSES - 1, int(entry.value * CLASSES))
    return (-value_class, entry.volume, entry.image_offset, entry.id)


class WorkQueue:
    """Hands out entries in order.

    Entries of a size that occurs more than once go to the worker that had the first of that size, so that copies meet
    in one place and are examined once; a worker without work of its own takes over what waits for another.
    """

    def __init__(self, entries: Iterable[PendingEntry], workers: int) -> None:
        ordered = sorted(entries, key=work_order)
        self._queue = deque(ordered)
        sizes = Counter(entry.size for entry in ordered)
        self._shared = {size for size, count in sizes.items() if count > 1}
        self._owner: dict[int, int] = {}
        self._waiting: list[deque[PendingEntry]] = [deque() for _ in range(workers)]
        self.entries = len(ordered)
        self.bytes = sum(entry.size for entry in ordered)

    def __bool__(self) -> bool:
        return bool(self._queue) or any(self._waiting)

    def put_back(self, entries: Iterable[PendingEntry]) -> None:
        """Entries that a dead worker did not get to; they come next."""
        self._queue.extendleft(sorted(entries, key=work_order, reverse=True))

    def take(self, worker: int) -> list[PendingEntry]:
        """The next entries for a worker, within the limits of a batch; empty when nothing is left."""
        batch: list[PendingEntry] = []
        size = 0
        while len(batch) < BATCH_ENTRIES and size < BATCH_BYTES:
            entry = self._next(worker, bool(batch))
            if entry is None:
                break
            batch.append(entry)
            size += entry.size
        return batch

    def _next(self, worker: int, started: bool) -> PendingEntry | None:
        if self._waiting[worker]:
            return self._waiting[worker].popleft()
        while self._queue:
            entry = self._queue.popleft()
            if entry.size not in self._shared:
                return entry
            owner = self._owner.setdefault(entry.size, worker)
            if owner == worker:
                return entry
            self._waiting[owner].append(entry)
        if started:
            return None
        longest = max(self._waiting, key=len)
        return longest.popleft() if longest else None
