"""Which bytes of an entry are those that could not be read.

Where the runs of an entry have a place in the image, these are compared with the bad ranges of the media. Inside layers
(encrypted, logical volumes, snapshots) there is no such place; there it counts what was asked of the media while the
entry was read. Layers decrypt and keep more than was asked for, so that may be a neighbour's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from triage.evidence.containers.rescued import RescuedMedia
from triage.model.byte_run import ByteRun
from triage.model.problem import Problem, Reason

STAGE = "evidence/read"
SHOWN = 8
"""Ranges that a Problem names one by one."""


@dataclass(frozen=True, slots=True, order=True)
class LostRange:
    """Bytes of an entry that could not be read.

    Attributes:
        offset: In the content; -1 where only the place in the image is known.
        length: Bytes.
        image_offset: In the decoded media.
        cause: In words.
    """

    offset: int
    length: int
    image_offset: int
    cause: str


class LostBytes:
    """Asks the media of an evidence about entries.

    Args:
        media: What they are read from.
    """

    def __init__(self, media: RescuedMedia) -> None:
        self._media = media

    @property
    def is_damaged(self) -> bool:
        """Something of the media could not be read."""
        return bool(self._media.bad)

    def begin(self) -> None:
        """An entry is about to be read."""
        self._media.take_touched()

    def of(self, runs: Sequence[ByteRun], size: int) -> tuple[LostRange, ...]:
        """What was lost of an entry read since :meth:`begin`, by place in the content.

        Args:
            runs: Where its content lies.
            size: Bytes of the content.
        """
        touched = self._media.take_touched()
        if not self._media.bad:
            return ()
        mapped = [run for run in runs if run.image_offset >= 0]
        if mapped:
            return tuple(sorted(set(self._overlaps(mapped, size))))
        return tuple(LostRange(-1, found.length, found.offset, found.cause) for found in touched)

    def _overlaps(self, runs: Iterable[ByteRun], size: int) -> Iterable[LostRange]:
        for run in runs:
            for found in self._media.bad.overlapping(run.image_offset, run.length):
                place = run.file_offset + found.offset - run.image_offset
                length = min(found.length, size - place)
                if length > 0:
                    yield LostRange(place, length, found.offset, found.cause)


def lost_problem(address: str, size: int, lost: Sequence[LostRange]) -> Problem:
    """The Problem of an entry of which bytes were lost.

    Args:
        address: Text form of its address.
        size: Bytes of it.
        lost: At least one range.
    """
    total = sum(found.length for found in lost)
    causes = sorted({found.cause for found in lost})
    hint = "its digests are left out; read it from another copy of the image"
    if lost[0].offset < 0:
        places = _listed([f"{found.image_offset} to {found.image_offset + found.length}" for found in lost])
        message = (
            f"bytes of the image that could not be read were met while it was read, they count as zeros: image bytes "
            f"{places} ({'; '.join(causes)})"
        )
        return Problem(address, STAGE, Reason.UNREADABLE, message, hint, min(total, size))
    places = _listed(
        [
            f"{found.offset} to {found.offset + found.length} (image bytes {found.image_offset} to "
            f"{found.image_offset + found.length})"
            for found in lost
        ]
    )
    message = f"{total} of {size} bytes could not be read and were taken as zeros: bytes {places}; {'; '.join(causes)}"
    return Problem(address, STAGE, Reason.UNREADABLE, message, hint, min(total, size))


def blanked(data: bytes | bytearray | memoryview, lost: Iterable[LostRange]) -> bytes | bytearray | memoryview:
    """The content with zeros where bytes were lost, so that nothing is found in what an imaging tool put there."""
    ranges = [(found.offset, min(found.offset + found.length, len(data))) for found in lost if found.offset >= 0]
    ranges = [(begin, end) for begin, end in ranges if begin < end and any(data[begin:end])]
    if not ranges:
        return data
    out = bytearray(data)
    for begin, end in ranges:
        out[begin:end] = bytes(end - begin)
    return out


def _listed(places: Sequence[str]) -> str:
    more = f" and {len(places) - SHOWN} more ranges" if len(places) > SHOWN else ""
    return ", ".join(places[:SHOWN]) + more
