"""Where bytes of one file lie among those of another: kept apart while a volume is listed within a scope.

A deleted file still claims free space. Where it is out of scope, these bytes are no free space either: a piece of free
space ends in front of them, and nothing is carved from them. And where another file has taken over bytes of a deleted
file that is in scope, reading the deleted one would read the other: it is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from triage.errors import EvidenceError
from triage.evidence.free_runs import joined
from triage.evidence.unowned import VolumeReader
from triage.model.entry import Entry, EntryState
from triage.model.scope import Scope
from triage.model.stream import Stream
from triage.pipeline.scope_match import OVERWRITTEN, ScopeMatcher


class Bounds:
    """What is listed of one volume, in order: first all entries, then pieces of space.

    Args:
        scope: The scope.
        reader: Reads the volume.
        inside: The volume lies in a disk image that is a file in scope.
    """

    def __init__(self, scope: Scope, reader: VolumeReader, *, inside: bool) -> None:
        self._matcher = ScopeMatcher(scope)
        self._reader = reader
        self._inside = inside
        self._unit = reader.file_system.block_size or 1 if reader.file_system is not None else 1
        self._closed: list[tuple[int, int]] = []
        self._sorted: list[tuple[int, int]] | None = None

    def entry(self, entry: Entry) -> Entry:
        """An entry, marked where its bytes are another file's by now."""
        if entry.state is EntryState.ALLOCATED or self._reader.file_system is None:
            return entry
        try:
            runs = [
                (run.fs_offset, run.length) for run in self._reader.file_system.byte_runs(entry) if run.fs_offset >= 0
            ]
        except EvidenceError:
            return entry
        name = self._reader.file_system.name
        is_out = self._matcher.entry(entry, name, inside=self._inside) is not None
        if is_out or (self._matcher.names is not None and self._matcher.names.hold(entry.address)):
            self._closed += [(start, -(-length // self._unit) * self._unit) for start, length in runs]
            return entry
        free, _ = self._reader.space.free()
        taken = any(free.before(start + length) - free.before(start) < length for start, length in runs)
        return replace(entry, caveats=(*entry.caveats, OVERWRITTEN)) if taken else entry

    def piece(self, entry: Entry) -> Entry:
        """A piece of space without what follows it as far as that is a deleted file's that is out of scope."""
        closed = self._all_closed()
        if not closed or not entry.address.space:
            return entry
        for run in self._reader.space.runs(entry):
            begin = _first_closed(closed, run.fs_offset, run.length)
            if begin is not None:
                own = run.file_offset + begin - run.fs_offset
                if own < self._reader.space.owned_length(entry):  # not free space after all
                    return replace(entry, caveats=(*entry.caveats, OVERWRITTEN))
                return replace(entry, size=own)
        return entry

    def stream(self, stream: Stream) -> Stream:
        """All free bytes in a row, zeros in place of those of deleted files that are out of scope."""
        free, _ = self._reader.space.free()
        ranges = [(free.before(start), free.before(end)) for start, end in self._all_closed()]
        kept = [(start, end) for start, end in ranges if start < end]
        return _Blanked(stream, kept) if kept else stream

    def _all_closed(self) -> list[tuple[int, int]]:
        if self._sorted is None:
            self._sorted = joined(self._closed)
        return self._sorted


class _Blanked:
    """A stream of which parts are never read."""

    def __init__(self, stream: Stream, closed: list[tuple[int, int]]) -> None:
        self._stream = stream
        self._closed = closed

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._stream.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        length = min(length, self.size - offset)
        parts = []
        while length > 0 and offset >= 0:
            begin = _first_closed(self._closed, offset, length)
            if begin is None:
                parts.append(self._stream.read_at(offset, length))
                break
            if begin > offset:
                parts.append(self._stream.read_at(offset, begin - offset))
            end = self._closed[bisect_right(self._closed, (begin, 1 << 62)) - 1][1]
            taken = min(length, end - offset)
            parts.append(bytes(taken - (begin - offset)))
            offset, length = offset + taken, length - taken
        return b"".join(parts)

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()


def _first_closed(closed: list[tuple[int, int]], start: int, length: int) -> int | None:
    """The first closed byte in a stretch, None where there is none."""
    index = bisect_right(closed, (start, 1 << 62)) - 1
    if index >= 0 and closed[index][1] > start:
        return start
    if index + 1 < len(closed) and closed[index + 1][0] < start + length:
        return closed[index + 1][0]
    return None
