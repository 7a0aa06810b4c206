"""Media over a medium that fails: what cannot be read reads as zeros, is mapped down to the sector, and is told.

A read that fails is halved until the bad sectors stand alone; the rest of the request is given as it is. A bad sector
is asked for once, never again. A medium that fails everywhere would be asked millions of times, so after
:data:`FINE` failures ranges are halved to :data:`COARSE` bytes only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from triage.errors import ReadFailedError
from triage.evidence.containers.bad_ranges import BadMap, BadRange, BadRanges, Damaged
from triage.evidence.containers.segment_file import SegmentFile
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/media"
FINE = 4096
"""Failed reads down to single sectors."""
COARSE = 64 << 10
"""Bytes of the smallest range after that."""
_DIGITS = re.compile(r"\d")


class RescuedMedia:
    """See :class:`~triage.model.stream.Stream`; reading never raises :class:`~triage.errors.ReadFailedError`.

    Args:
        inner: The media; closed together with this.
        evidence_name: For the addresses of Problems.
        sector_size: Bytes; ranges are halved down to it.
        owner: What reads ``inner``; where it or ``inner`` keeps a map of bad ranges, that one is used.

    Attributes:
        bad: Bad ranges, those that failed here and those that the container knows of.
    """

    def __init__(self, inner: Stream, evidence_name: str, sector_size: int = 512, owner: object = None) -> None:
        self._inner = inner
        self._sector = max(512, sector_size)
        self.bad = next((known.bad for known in (owner, inner) if isinstance(known, Damaged)), BadMap())
        self._told = BadRanges(evidence_name, STAGE, self.bad)
        self._failed = BadMap()
        self._failures = 0
        self._touched = BadMap()

    @property
    def size(self) -> int:
        """Bytes of the media."""
        return self._inner.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`. What cannot be read reads as zeros."""
        if offset < 0 or length <= 0:
            return b""
        try:
            if self._failed and self._failed.overlapping(offset, length):
                data = self._rescue(offset, length, None)
            else:
                data = self._inner.read_at(offset, length)
        except ReadFailedError as error:
            data = self._rescue(offset, length, error)
        if self.bad:
            for found in self.bad.overlapping(offset, len(data)):
                self._touched.add(found.offset, found.end, found.cause)
        return data

    def data_ranges(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Parts that may hold other bytes than zeros, as ``(offset, length)`` ascending."""
        inner = getattr(self._inner, "data_ranges", None)
        if inner is None:
            yield offset, max(0, min(length, self.size - offset))
        else:
            yield from inner(offset, length)

    def bad_ranges(self) -> tuple[BadRange, ...]:
        """Bytes that could not be read as far as they are known, ascending."""
        return self.bad.bad_ranges()

    def take_touched(self) -> tuple[BadRange, ...]:
        """Bad ranges that reads since the last call asked for, cut to what was asked."""
        touched, self._touched = self._touched.bad_ranges(), BadMap()
        return touched

    def take_problems(self) -> tuple[Problem, ...]:
        """Problems since the last call, each bad range once."""
        return self._told.take()

    def close(self) -> None:
        """Close the media; a second call does nothing."""
        self._inner.close()

    def _rescue(self, offset: int, length: int, error: ReadFailedError | None) -> bytes:
        """A range of which something fails, or is known to."""
        length = max(0, min(length, self.size - offset))
        out = bytearray(length)
        end = offset + length
        lost: dict[str, BadMap] = {}
        at = offset
        for known in (*self._failed.overlapping(offset, length), BadRange(end, 0, "")):
            if at < known.offset:
                for begin, data in self._pieces(at, known.offset, error, lost):
                    out[begin - offset : begin - offset + len(data)] = data
                error = None
            at = known.end
        for cause, ranges in lost.items():
            for found in ranges.bad_ranges():
                self._told.add(found.offset, found.end, Reason.UNREADABLE, cause)
        return bytes(out)

    def _pieces(
        self, start: int, stop: int, error: ReadFailedError | None, lost: dict[str, BadMap]
    ) -> Iterator[tuple[int, bytes]]:
        """What can be read of a range, halving what fails; sectors that fail alone go into ``lost``."""
        waiting = [(start, stop)]
        while waiting:
            begin, end = waiting.pop()
            if error is None:
                try:
                    data = self._inner.read_at(begin, end - begin)
                except ReadFailedError as failure:
                    error = failure
                else:
                    yield begin, data
                    if begin + len(data) < end:
                        self._lose(begin + len(data), end, "the media end before their size", lost)
                    continue
            middle = self._middle(begin, end)
            if middle:
                waiting += [(middle, end), (begin, middle)]
            else:
                self._lose(begin, end, _cause(error), lost)
            error = None
            self._failures += 1

    def _middle(self, begin: int, end: int) -> int:
        """Where to halve a range, 0 where it is not to be halved."""
        unit = self._sector if self._failures < FINE else COARSE
        middle = (begin + end) // 2 // unit * unit
        if middle <= begin:
            middle = (begin // unit + 1) * unit
        return middle if middle < end else 0

    def _lose(self, begin: int, end: int, cause: str, lost: dict[str, BadMap]) -> None:
        self._failed.add(begin, end, cause)
        lost.setdefault(cause, BadMap()).add(begin, end, cause)


def rescued_head(path: Path, length: int) -> bytes:
    """First bytes of a file, fewer where it is shorter; zeros for what cannot be read, told when the file is opened.

    Raises:
        SourceNotFoundError: No such file, or no regular file.
        UnsupportedFormatError: The file is empty.
    """
    file = SegmentFile(path)
    try:
        return RescuedMedia(file, "").read_at(0, length)
    finally:
        file.close()


def _cause(error: ReadFailedError) -> str:
    """Why, in words that are the same for every place: neighbours of one cause become one range."""
    system = error.__cause__
    if isinstance(system, OSError) and system.strerror:
        return f"read error ({system.strerror.lower()})"
    words = error.message.partition(":")[0]
    return "read error" if _DIGITS.search(words) else words
