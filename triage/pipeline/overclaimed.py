"""Files that declare more bytes than their volume can hold: what is stored of them is searched, the holes are not.

A file of 2 ** 62 bytes is one number in a record. Its bytes are zeros but for what is stored, so nothing is missed;
there is no digest, and no YARA rule and no decoder sees it as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from triage.errors import EvidenceError
from triage.model.content import Coverage, Detection
from triage.model.entry import Entry
from triage.model.hit import Hit, HitCount
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.pipeline.entry_reading import Reader

MOST_HOLES = 64 << 30
"""Bytes up to which a file is read as it is, whatever its volume holds."""
MAX_GAP = 64 << 10
"""Bytes of a hole up to which what lies on both sides is searched in one go."""
WITHOUT_RUNS = 256 << 20
"""Bytes from the beginning that are searched where it cannot be told what is stored: packed, inline."""

Part = tuple[int, int]
"""Offset in the file and length of what is stored."""


class PartStream:
    """A part of a content.

    Args:
        stream: The content; stays the caller's to close.
        start: Where the part begins.
        length: Bytes of it.
        alive: Called before each read.
    """

    def __init__(self, stream: Stream, start: int, length: int, alive: Callable[[], None]) -> None:
        self._stream = stream
        self._start = start
        self._length = length
        self._alive = alive

    @property
    def size(self) -> int:
        """Bytes of the part."""
        return self._length

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        self._alive()
        if offset < 0:
            return b""
        return self._stream.read_at(self._start + offset, max(0, min(length, self._length - offset)))

    def close(self) -> None:
        """Nothing of its own to release."""


def stored_parts(entry: Entry, reader: Reader) -> list[Part] | None:
    """What is stored of an entry that declares more than its volume can hold; None where it does not.

    Args:
        entry: Of a file.
        reader: Of its volume.
    """
    if entry.address.space or entry.size <= MOST_HOLES:
        return None
    room = reader.space.room
    if not 0 < room < entry.size:
        return None
    try:
        runs = reader.byte_runs(entry)
    except EvidenceError:
        runs = ()
    parts: list[Part] = []
    left = room
    for run in runs:
        length = min(run.length, left, entry.size - run.file_offset)
        if run.fs_offset < 0 or length <= 0:
            continue
        left -= length
        start, end = parts[-1] if parts else (0, -MAX_GAP - 1)
        if parts and run.file_offset - (start + end) <= MAX_GAP:
            parts[-1] = (start, run.file_offset + length - start)
        else:
            parts.append((run.file_offset, length))
    return parts if runs else [(0, min(entry.size, room, WITHOUT_RUNS))]


def moved(found: Detection, start: int) -> Detection:
    """What was found in a part, by its place in the whole."""
    hits = tuple(replace(hit, file_offset=hit.file_offset + start) for hit in found.hits)
    return Detection(hits, found.counts, found.problems, found.coverage)


def joined(parts: Sequence[Detection]) -> Detection:
    """What was found in all parts of one content."""
    hits: list[Hit] = []
    counts: dict[str, HitCount] = {}
    problems: dict[Problem, None] = {}
    examined = 0
    for part in parts:
        hits += part.hits
        problems.update(dict.fromkeys(part.problems))
        examined += part.coverage.examined_bytes
        for count in part.counts:
            known = counts.get(count.rule)
            total = count.count + (known.count if known is not None else 0)
            counts[count.rule] = replace(count, count=total, at_least=count.at_least or bool(known and known.at_least))
    coverage = Coverage("keywords", examined=1, examined_bytes=examined)
    return Detection(tuple(hits), tuple(sorted(counts.values())), tuple(problems), coverage)


def overclaimed_problem(address: str, entry: Entry, parts: Sequence[Part], room: int) -> Problem:
    """What the report says of such an entry."""
    stored = sum(length for _, length in parts)
    message = (
        f"it declares {entry.size} bytes in a volume of {room}: {stored} that are stored were searched by keywords"
    )
    hint = "export what is stored of it, and look at that with another tool"
    return Problem(address, "pipeline/examine", Reason.LIMIT, message, hint)
