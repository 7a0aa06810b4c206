"""What carving finds, and how its validators read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from triage.errors import EvidenceError, LimitExceededError
from triage.model.stream import Stream

BLOCK = 1 << 18
"""Bytes of the block that a reader keeps, and of one step of a search."""
STEP = 1 << 16
"""Bytes that validators go on by."""
SMALL_BLOCK = 1 << 14
"""Bytes of it where reading does not go on from the last one."""
CALL = 256
"""Bytes that a call counts for, whatever it reads."""
TOO_MUCH = "carving read more than its limit allows"


@dataclass(frozen=True, slots=True)
class Carved:
    """A file found by its structure.

    Attributes:
        offset: Byte of the stream where it begins.
        length: Bytes by its structure; where that breaks, up to there.
        kind: Short name for people, for instance ``JPEG picture``.
        extension: Without a dot: ``jpg``, ``docx`` ...
        name: ``carved-<offset>.<extension>``.
        validated: What of the structure was checked, in words.
        complete: The structure holds from beginning to end.
        reason: Why it is not complete, empty where it is.
    """

    offset: int
    length: int
    kind: str
    extension: str
    name: str
    validated: str
    complete: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a validator says of one place.

    Attributes:
        length: As in :class:`Carved`, likewise ``kind``, ``extension``, ``validated`` and ``reason``.
        solid: Every byte is accounted for, so nothing else is looked for inside.
    """

    length: int
    kind: str
    extension: str
    validated: str
    reason: str = ""
    solid: bool = True


class Reader:
    """Reads a stream for validators; counts what it reads, and its calls.

    Args:
        stream: Stays the caller's to close.
        budget: Bytes that may be read in all.

    Attributes:
        size: Bytes in the stream.
    """

    def __init__(self, stream: Stream, budget: int) -> None:
        self._stream = stream
        self._left = budget
        self._start = 0
        self._block = b""
        self.size = stream.size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset; fewer at the end and where the stream cannot be read.

        Raises:
            LimitExceededError: More was read than the budget allows.
        """
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        self._left -= CALL
        inside = offset - self._start
        if inside < 0 or inside + length > len(self._block):
            if length >= BLOCK:
                return self._fetch(offset, length)
            goes_on = 0 <= inside <= len(self._block) + SMALL_BLOCK
            self._load(offset, BLOCK if goes_on else max(length, SMALL_BLOCK))
            inside = 0
        elif self._left < 0:
            raise LimitExceededError(TOO_MUCH, hint="examine a smaller part")
        return self._block[inside : inside + length]

    def search(
        self, pattern: re.Pattern[bytes], start: int, end: int, keep: int = 64
    ) -> tuple[int, re.Match[bytes]] | None:
        """First match of a pattern: its place and the match.

        Args:
            pattern: Matches at most ``keep`` bytes.
            start: Where to begin.
            end: Where to stop.
            keep: Bytes that blocks overlap by.

        Raises:
            LimitExceededError: More was read than the budget allows.
        """
        position, end = start, min(end, self.size)
        while position < end:
            self._left -= CALL
            inside = position - self._start
            if inside < 0 or inside + keep >= len(self._block):
                self._load(position, BLOCK)
                inside = 0
            stop = min(len(self._block), end - self._start)
            is_last = self._start + stop >= end or len(self._block) <= keep
            found = pattern.search(self._block, inside, stop)
            if found is not None and (is_last or found.start() < stop - keep):
                return self._start + found.start(), found
            if is_last:
                return None
            position = self._start + stop - keep
        return None

    def _load(self, offset: int, length: int) -> None:
        self._block, self._start = self._fetch(offset, length), offset

    def _fetch(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        self._left -= length
        if self._left < 0:
            raise LimitExceededError(TOO_MUCH, hint="examine a smaller part")
        try:
            return self._stream.read_at(offset, length)
        except EvidenceError as error:
            partial: bytes = getattr(error, "partial", b"")
            return partial[:length]
