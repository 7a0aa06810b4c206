"""What the search for lost volumes has in its hands: a place that makes sense, and media with a sector put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triage.errors import ReadFailedError
from triage.model.stream import Stream

Patches = tuple[tuple[int, bytes], ...]
"""Bytes that stand in for those of the media: byte of the media, what is read there."""


@dataclass(frozen=True, slots=True)
class Found:
    """A volume that a structure on the media describes and that what it points at agrees with.

    Attributes:
        start: Byte of the media where the volume begins.
        length: Bytes as the structure states them; 0 where the format states none.
        kind: What it is, in words.
        names: Beginnings of what looking into the volume must say: a file system, or words.
        by: The structure, in words.
        at: Byte of the media where the sector stands by which it was found.
        patches: What must be read in place of a beginning that is gone; empty where the beginning is there.
        is_backup: Found by a second copy, the first one being gone.
        spans_others: Raid metadata: what is seen in the volume may be the file system of the array.
    """

    start: int
    length: int
    kind: str
    names: tuple[str, ...]
    by: str
    at: int
    patches: Patches = ()
    is_backup: bool = False
    spans_others: bool = False

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.start + self.length


class Pieces:
    """Media as those who examine places see them: whole structures or nothing, errors are absence.

    Args:
        media: Decoded media.

    Attributes:
        size: Bytes of the media.
        taken: Bytes read so far.
    """

    def __init__(self, media: Stream) -> None:
        self._media = media
        self.size = media.size
        self.taken = 0

    def get(self, offset: int, length: int) -> bytes:
        """``length`` bytes, or none where they are not all there or cannot be read."""
        if offset < 0 or length <= 0 or offset + length > self.size:
            return b""
        self.taken += length
        try:
            data = self._media.read_at(offset, length)
        except ReadFailedError:
            return b""
        return data if len(data) == length else b""


class PatchedStream:
    """Media in which some bytes are read from elsewhere; nothing is written.

    Args:
        media: Decoded media; stays the caller's to close.
        patches: What is put in place.
    """

    def __init__(self, media: Stream, patches: Patches) -> None:
        self._media = media
        self._patches = patches

    @property
    def size(self) -> int:
        """Bytes of the media."""
        return self._media.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        data = self._media.read_at(offset, length)
        for place, patch in self._patches:
            begin, end = max(place, offset), min(place + len(patch), offset + len(data))
            if begin < end:
                middle = patch[begin - place : end - place]
                data = data[: begin - offset] + middle + data[end - offset :]
        return data

    def close(self) -> None:
        """Nothing to release."""


def patched(media: Stream, patches: Patches) -> Stream:
    """The media, with patches where there are any."""
    return PatchedStream(media, patches) if patches else media


def is_power(value: int, low: int, high: int) -> bool:
    """True for a power of two within bounds, both included."""
    return low <= value <= high and value.bit_count() == 1


def number(data: bytes | bytearray, offset: int, size: int) -> int:
    """An unsigned little-endian number; 0 where the data end before it."""
    return int.from_bytes(data[offset : offset + size], "little")


def big(data: bytes | bytearray, offset: int, size: int) -> int:
    """An unsigned big-endian number; 0 where the data end before it."""
    return int.from_bytes(data[offset : offset + size], "big")


def without(ranges: Sequence[tuple[int, int]], owned: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of half-open ranges, those that touch as one."""
    left: list[tuple[int, int]] = []
    for begin, end in _joined(ranges):
        for start, stop in _joined(owned):
            if stop <= begin or start >= end:
                continue
            if start > begin:
                left.append((begin, start))
            begin = max(begin, stop)
        if begin < end:
            left.append((begin, end))
    return left


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        elif begin < end:
            out.append((begin, end))
    return out
