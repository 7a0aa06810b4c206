"""Content as a stream over data runs, for readers of our own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from triage.errors import ReadFailedError
from triage.model.byte_run import ByteRun
from triage.model.stream import Stream


class RunStream:
    """Bytes of a file from the runs where they lie; holes and what no run covers are zeros.

    Args:
        volume: Bytes of the volume; ``fs_offset`` of a run counts in it.
        runs: By ``file_offset``, not overlapping.
        size: Bytes of the content, as declared.
    """

    def __init__(self, volume: Stream, runs: Sequence[ByteRun], size: int) -> None:
        self._volume = volume
        self._runs = runs
        self._starts = [run.file_offset for run in runs]
        self._size = size

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: With what could be read in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        index = max(0, bisect_right(self._starts, offset) - 1)
        while offset < end:
            run = self._runs[index] if index < len(self._runs) else None
            if run is None or run.file_offset >= end:
                parts.append(bytes(end - offset))
                break
            if run.file_offset > offset:
                parts.append(bytes(run.file_offset - offset))
                offset = run.file_offset
            stop = min(end, run.file_offset + run.length)
            if stop > offset:
                parts.append(self._piece(run, offset, stop - offset, parts))
                offset = stop
            index += 1
        return b"".join(parts)

    def places(self) -> Iterator[tuple[int, int]]:
        """Offset in the volume and length of each run that is no hole."""
        return ((run.fs_offset, run.length) for run in self._runs if run.fs_offset >= 0)

    def close(self) -> None:
        """Nothing to release: the volume is its owner's to close."""

    def _piece(self, run: ByteRun, offset: int, length: int, before: Sequence[bytes]) -> bytes:
        if run.fs_offset < 0:
            return bytes(length)
        place = run.fs_offset + offset - run.file_offset
        try:
            data = self._volume.read_at(place, length)
        except ReadFailedError as error:
            partial = b"".join(before) + error.partial
            raise ReadFailedError(error.message, hint=error.hint, partial=partial) from error
        if len(data) < length:
            message = f"the content lies beyond the end of the volume: {length} bytes at {place}"
            raise ReadFailedError(message, hint="the image may be cut short", partial=b"".join(before) + data)
        return data


class VolumeStream:
    """A part of a stream as a stream of its own.

    Args:
        media: What it is a part of; stays the caller's to close.
        start: Where it begins, bytes.
        length: Bytes of it; what lies beyond the media counts as absent.
    """

    def __init__(self, media: Stream, start: int, length: int) -> None:
        self._media = media
        self._start = start
        self._size = max(0, min(length, media.size - start))

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        return self._media.read_at(self._start + offset, min(length, self._size - offset))

    def data_ranges(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Parts that may hold other bytes than zeros, as ``(offset, length)`` ascending; all where nobody knows."""
        length = max(0, min(length, self._size - offset))
        inner = getattr(self._media, "data_ranges", None)
        if offset < 0 or not length:
            return
        if inner is None:
            yield offset, length
            return
        for start, part in inner(self._start + offset, length):
            yield start - self._start, part

    def close(self) -> None:
        """Nothing to release: the media are their owner's to close."""
