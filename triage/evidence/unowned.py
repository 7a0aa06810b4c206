"""Space that is no file's content: unallocated runs, gaps between partitions, the end of a volume, slack.

Free space is cut into pieces. A piece is all free bytes inside a span of the volume, at most :data:`PIECE` of them, and
its address is that span, so it can be opened again from the address and the allocation map alone. Where the metadata
of a deleted file still say which free bytes were its, a piece ends: these bytes are examined as that file.

A word may lie across the border of two pieces, so the stream of a piece goes on for :data:`OVERLAP` into the free bytes
behind it; what begins there belongs to the next piece, see :meth:`Space.owned_length`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from triage.errors import EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.interface import FileSystem
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.volume import Allocation, Volume

STAGE = "evidence/space"
PIECE = 1 << 20
"""Bytes of free space in one piece."""
OVERLAP = 64 << 10
"""Bytes behind a piece that are read with it."""
MAX_RUNS = 20_000_000
"""Runs of free space of one volume; more is told."""
MAX_SLACK = 16 << 20
"""Bytes of slack of one entry that are looked at; NTFS may have much behind what was written of a file."""


class Space:
    """Free space of one volume, and how to open it.

    Args:
        stream: Bytes of the volume; of a gap, the media that it lies in.
        volume: Where it lies.
        evidence_name: For addresses.
        file_system: What stands in it; None where nothing is known, then all of it is free.

    Attributes:
        error: Why not all free space could be told; None where it could.
    """

    def __init__(self, stream: Stream, volume: Volume, evidence_name: str, file_system: FileSystem | None) -> None:
        self._stream = stream
        self._volume = volume
        self._evidence = evidence_name
        self._file_system = file_system
        self._is_gap = volume.allocation is not Allocation.ALLOCATED
        self._base = -1 if volume.parent else 0 if self._is_gap else volume.image_offset
        self._runs: list[ByteRun] | None = None
        self._starts: list[int] = []
        self.error: EvidenceError | None = None

    def entries(self, owned: Iterable[tuple[int, int]] = ()) -> Iterator[Entry | Problem]:
        """One entry for each piece of space.

        Args:
            owned: Free space that deleted entries still claim: offset in the volume and length, bytes.
        """
        if self._is_gap:
            start = self._volume.image_offset
            yield from self._plain("gap", start, start + self._volume.length)
            return
        if self._file_system is None:
            yield from self._plain("unallocated", 0, self._stream.size)
            return
        yield from self._pieces(_without(self._free(), _joined(owned)))
        if self.error is not None:
            message = f"not all free space can be told: {self.error.message}"
            yield self._problem(message, self.error.hint or "search the volume with another tool")
        size = self._file_system.size
        if 0 < size < self._stream.size:
            yield from self._plain("volume_slack", size, self._stream.size)

    def open(self, entry: Entry) -> Stream:
        """The bytes of a piece, and of what follows it as far as :data:`OVERLAP`.

        Raises:
            EvidenceError: They cannot be read.
        """
        return RunStream(self._stream, self.runs(entry), entry.size)

    def runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the bytes of a piece lie, by ``file_offset``.

        Raises:
            UnsupportedFormatError: The address is none of space.
        """
        address = entry.address
        if address.space == "slack":
            return self._slack(entry)
        if address.space in ("gap", "volume_slack") or (address.space and self._file_system is None):
            return (ByteRun(0, address.offset, self._in_image(address.offset), entry.size),)
        if address.space != "unallocated":
            raise UnsupportedFormatError(f"no such space: {address.space}", address=str(address))
        free = self._free()
        found: list[ByteRun] = []
        position, index = 0, max(0, bisect_right(self._starts, address.offset) - 1)
        while index < len(free) and position < entry.size:
            run = free[index]
            begin = max(run.fs_offset, address.offset)
            length = min(run.fs_offset + run.length - begin, entry.size - position)
            if length > 0:
                found.append(ByteRun(position, begin, self._in_image(begin), length))
                position += length
            index += 1
        return tuple(found)

    def owned_length(self, entry: Entry) -> int:
        """Bytes of a piece that are its own; what begins behind them belongs to the next piece."""
        address = entry.address
        if address.space == "slack":
            return entry.size
        end = address.offset + address.length
        return sum(max(0, min(run.fs_offset + run.length, end) - run.fs_offset) for run in self.runs(entry))

    # --- pieces ---------------------------------------------------------------------------------------------------
    def _pieces(self, runs: Iterable[tuple[int, int, bool]]) -> Iterator[Entry]:
        """Pieces of free space; what a deleted file owns ends one."""
        begin = end = size = 0
        for start, length, is_cut in runs:
            if size and is_cut:
                yield self._piece(begin, end, size)
                size = 0
            while length:
                taken = min(length, PIECE - size)
                if not size:
                    begin = start
                start, length, size = start + taken, length - taken, size + taken
                end = start
                if size == PIECE:
                    yield self._piece(begin, end, size)
                    size = 0
        if size:
            yield self._piece(begin, end, size)

    def _piece(self, begin: int, end: int, size: int) -> Entry:
        return self._entry("unallocated", begin, end - begin, size + self._following(end))

    def _following(self, offset: int) -> int:
        """Free bytes behind a place, as far as the overlap goes."""
        free, count, index = self._free(), 0, max(0, bisect_right(self._starts, offset) - 1)
        while index < len(free) and count < OVERLAP:
            run = free[index]
            count += max(0, run.fs_offset + run.length - max(run.fs_offset, offset))
            index += 1
        return min(count, OVERLAP)

    def _plain(self, space: str, begin: int, end: int) -> Iterator[Entry]:
        """Pieces of a stretch that is free as a whole."""
        for start in range(begin, end, PIECE):
            stop = min(start + PIECE, end)
            yield self._entry(space, start, stop - start, min(stop + OVERLAP, end) - start)

    def _entry(self, space: str, offset: int, length: int, size: int) -> Entry:
        return Entry(
            Address(self._evidence, self._volume.name, space=space, offset=offset, length=length),
            EntryType.FILE,
            size,
            0,
            alloc_name=False,
            alloc_inode=False,
            image_offset=self._in_image(offset),
        )

    # --- free and slack -------------------------------------------------------------------------------------------
    def _free(self) -> list[ByteRun]:
        """Free runs of the file system, ascending; as far as they can be told."""
        if self._runs is None:
            self._runs = []
            end = 0
            try:
                for run in self._file_system.unallocated() if self._file_system is not None else ():
                    if len(self._runs) >= MAX_RUNS:
                        raise UnsupportedFormatError(f"more than {MAX_RUNS} runs")
                    if run.length > 0 and run.fs_offset >= end:
                        self._runs.append(run)
                        end = run.fs_offset + run.length
            except EvidenceError as error:
                self.error = error
            self._starts = [run.fs_offset for run in self._runs]
        return self._runs

    def _slack(self, entry: Entry) -> tuple[ByteRun, ...]:
        if self._file_system is None:
            return ()
        owner = replace(entry, address=replace(entry.address, space=""), size=max(0, entry.address.offset))
        return self._file_system.slack_runs(replace(owner, address=replace(owner.address, offset=0)))

    def _in_image(self, offset: int) -> int:
        return offset + self._base if self._base >= 0 else -1

    def _problem(self, message: str, hint: str) -> Problem:
        address = str(Address(self._evidence, self._volume.name, b"/"))
        return Problem(address, STAGE, Reason.UNSUPPORTED, message, hint)


class VolumeReader:
    """Reads the files of a volume and its space alike.

    Args:
        file_system: None where the volume has none.
        space: Of the same volume.

    Attributes:
        file_system: As given.
        space: As given.
    """

    def __init__(self, file_system: FileSystem | None, space: Space) -> None:
        self.file_system = file_system
        self.space = space

    def open_entry(self, entry: Entry) -> Stream:
        """The bytes of an entry or of space.

        Raises:
            EvidenceError: They cannot be opened.
        """
        return self.space.open(entry) if entry.address.space else self._files.open_entry(entry)

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The bytes of an entry or of space, at most ``limit``.

        Raises:
            EvidenceError: They cannot be read.
        """
        if entry.address.space:
            return self.space.open(entry).read_at(0, min(entry.size, limit))
        return self._files.read_whole(entry, limit)

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where these bytes lie, by ``file_offset``."""
        return self.space.runs(entry) if entry.address.space else self._files.byte_runs(entry)

    def slack(self, entry: Entry) -> tuple[Entry, bytes, int] | None:
        """The slack of an entry, its bytes where one of them is not zero, and how many more were not looked at.

        Raises:
            EvidenceError: It cannot be read.
        """
        runs = self._files.slack_runs(entry)
        whole = sum(run.length for run in runs)
        size = min(whole, MAX_SLACK)
        if not size:
            return None
        # The size of the file stands in the address, so that its slack can be opened from that alone.
        address = replace(entry.address, space="slack", offset=entry.size)
        found = replace(entry, address=address, size=size, image_offset=runs[0].image_offset)
        data = self.space.open(found).read_at(0, size)
        return (found, data, whole - size) if data.count(0) < len(data) or whole > size else None

    def close(self) -> None:
        """Release the file system; a second call does nothing."""
        if self.file_system is not None:
            self.file_system.close()

    @property
    def _files(self) -> FileSystem:
        if self.file_system is None:
            raise UnsupportedFormatError("the volume has no file system")
        return self.file_system


def _joined(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs in order, those that touch as one: first byte and the one past the last."""
    out: list[tuple[int, int]] = []
    for start, length in sorted(runs):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], start + length))
        elif length > 0:
            out.append((start, start + length))
    return out


def _without(free: Sequence[ByteRun], owned: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """What is left of free runs: start, length, and whether something owned lies between it and the one before."""
    number = 0
    is_cut = False
    for run in free:
        start, end = run.fs_offset, run.fs_offset + run.length
        while number < len(owned) and owned[number][1] <= start:
            number += 1
        at = number
        while at < len(owned) and owned[at][0] < end:
            begin, stop = owned[at]
            if begin > start:
                yield start, begin - start, is_cut
            is_cut, start = True, max(start, min(stop, end))
            at += 1
        if start < end:
            yield start, end - start, is_cut
            is_cut = False
