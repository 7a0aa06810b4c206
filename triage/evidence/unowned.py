"""Space that is no file's content: unallocated runs, gaps between partitions, the end of a volume, slack.

Free space is cut into pieces. A piece is all free bytes inside a span of the volume, at most :data:`PIECE` of them, and
its address is that span, so it can be opened again from the address and the allocation map alone. Where the metadata
of a deleted file still say which free bytes were its, a piece ends: these bytes are examined as that file.

A word may lie across the border of two pieces, so the stream of a piece goes on for :data:`OVERLAP` into the free bytes
behind it; what begins there belongs to the next piece, see :meth:`Space.owned_length`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from triage.errors import EvidenceError, UnsupportedFormatError
from triage.evidence.containers.rescued import RescuedMedia
from triage.evidence.filesystems.either import EitherFileSystem
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.unmapped import UnmappedFileSystem
from triage.evidence.free_runs import FreeRuns, FreeStream, joined
from triage.evidence.interface import FileSystem
from triage.evidence.lost import LostBytes, LostRange
from triage.evidence.pieces import MAX_PIECES, Pieces
from triage.model.address import CARVED, Address, carved_path
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.volume import Allocation, Volume

STAGE = "evidence/space"
MAX_MISSING = 1 << 48
"""Most bytes that a Problem states: sums of hostile claims must stay countable."""
OVERLAP = 64 << 10
"""Bytes behind a piece that are read with it."""
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
        self._runs: FreeRuns | None = None
        self.error: EvidenceError | None = None

    def entries(self, owned: Iterable[tuple[int, int]] = ()) -> Iterator[Entry | Problem]:
        """One entry for each piece of space.

        Args:
            owned: Space that deleted entries still claim, and that carved files take up: offset in the volume and
                length, bytes.
        """
        yield from self._pieces(joined(owned))
        if self.error is not None:
            message = f"not all free space can be told: {self.error.message}"
            yield self._problem(message, self.error.hint or "search the volume with another tool")

    def free(self) -> tuple[FreeRuns, int]:
        """All that no file owns, and the bytes of the volume that the file system takes up; see :attr:`error`."""
        return self._free(), self._used

    @property
    def room(self) -> int:
        """Bytes that files can have; 0 where that is not known."""
        return self._source.size

    def stream(self) -> FreeStream:
        """All bytes that no file owns, in a row; files are carved from it."""
        return FreeStream(self._source, self._free())

    def carved(self, position: int, length: int, extension: str, caveats: tuple[str, ...] = ()) -> Entry:
        """A file that was found in :meth:`stream`.

        Args:
            position: Where it begins there.
            length: Bytes.
            extension: By its structure.
            caveats: What a reader must know of it.
        """
        free = self._free()
        begin, end = free.place(position), free.place(position + length - 1) + 1
        entry = self._entry(CARVED, begin, end - begin, length)
        return replace(entry, address=replace(entry.address, path=carved_path(begin, extension)), caveats=caveats)

    def open(self, entry: Entry) -> Stream:
        """The bytes of a piece, and of what follows it as far as :data:`OVERLAP`.

        Raises:
            EvidenceError: They cannot be read.
        """
        return RunStream(self._source, self.runs(entry), entry.size)

    def runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the bytes of a piece lie, by ``file_offset``.

        Raises:
            UnsupportedFormatError: The address is none of space.
        """
        address = entry.address
        if address.space == "slack":
            return self._slack(entry)
        if address.space not in ("gap", "volume_slack", "unallocated", CARVED):
            raise UnsupportedFormatError(f"no such space: {address.space}", address=str(address))
        found: list[ByteRun] = []
        position = 0
        for start, length in self._free().take(address.offset, entry.size):
            found.append(ByteRun(position, start, self._in_image(start), length))
            position += length
        return tuple(found)

    def is_blank(self, entry: Entry) -> bool:
        """True where nothing is stored of a piece, such as in a hole of the image: its bytes are zeros."""
        parts = getattr(self._source, "data_ranges", None)
        if parts is None or not entry.address.is_bare_space:
            return False
        try:
            runs = self.runs(entry)
            return not any(True for run in runs for _ in parts(run.fs_offset, run.length))
        except EvidenceError:
            return False

    def owned_length(self, entry: Entry) -> int:
        """Bytes of a piece that are its own; what begins behind them belongs to the next piece."""
        address = entry.address
        if not address.is_bare_space or address.space == "slack":
            return entry.size
        free = self._free()
        return min(entry.size, free.before(address.offset + address.length) - free.before(address.offset))

    # --- pieces ---------------------------------------------------------------------------------------------------
    def _pieces(self, owned: Sequence[tuple[int, int]]) -> Iterator[Entry | Problem]:
        """Pieces of free space, and what is left where there are too many."""
        free = self._free()
        pieces = Pieces(free.without(owned), free.size, self._used)
        for begin, end, size in pieces:
            yield self._piece(begin, end, size)
        if pieces.stopped >= 0:
            left = free.size - free.before(pieces.stopped)
            message = f"{MAX_PIECES} pieces of free space are searched, {left} bytes from {pieces.stopped} on are not"
            yield self._problem(message, "search the rest with another tool", Reason.LIMIT, min(left, MAX_MISSING))

    def _piece(self, begin: int, end: int, size: int) -> Entry:
        space = "unallocated"
        if self._is_gap:
            space = "gap"
        elif self._file_system is not None and 0 < self._used <= begin:
            space = "volume_slack"
        return self._entry(space, begin, end - begin, size + self._following(end))

    @property
    def _used(self) -> int:
        """Bytes of the volume that the file system takes up."""
        if self._file_system is None:
            return 0
        return self._file_system.size or self._stream.size

    def _following(self, offset: int) -> int:
        """Free bytes behind a place, as far as the overlap goes."""
        free = self._free()
        return min(free.size - free.before(offset), OVERLAP)

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
    def _free(self) -> FreeRuns:
        """All that no file owns; free space of the file system as far as it can be told."""
        if self._runs is not None:
            return self._runs
        self._runs = runs = FreeRuns()
        if self._is_gap:
            runs.add(self._volume.image_offset, self._volume.length or self._stream.size)
            return runs
        if self._file_system is not None:
            try:
                for run in self._file_system.unallocated():
                    runs.add(run.fs_offset, run.length)
            except EvidenceError as error:
                self.error = error
        runs.add(self._used, self._stream.size - self._used)
        return runs

    @property
    def _source(self) -> Stream:
        """What places count in: the volume, or the pool that the reader of the file system brings."""
        pool = self._file_system.pool if isinstance(self._file_system, UnmappedFileSystem) else None
        return pool or self._stream

    def _slack(self, entry: Entry) -> tuple[ByteRun, ...]:
        if self._file_system is None:
            return ()
        owner = replace(entry, address=replace(entry.address, space=""), size=max(0, entry.address.offset))
        return self._file_system.slack_runs(replace(owner, address=replace(owner.address, offset=0)))

    def _in_image(self, offset: int) -> int:
        return offset + self._base if self._base >= 0 else -1

    def _problem(self, message: str, hint: str, reason: Reason = Reason.UNSUPPORTED, missing: int = 0) -> Problem:
        address = str(Address(self._evidence, self._volume.name, b"/"))
        return Problem(address, STAGE, reason, message, hint, missing)


class VolumeReader:
    """Reads the files of a volume and its space alike.

    Args:
        file_system: None where the volume has none.
        space: Of the same volume.
        media: What both are read from; None where nothing is known of its bad ranges.

    Attributes:
        file_system: As given.
        space: As given.
    """

    def __init__(self, file_system: FileSystem | None, space: Space, media: RescuedMedia | None = None) -> None:
        self.file_system = file_system
        self.space = space
        self._lost = LostBytes(media) if media is not None else None

    def with_second(self, other: FileSystem) -> VolumeReader:
        """The same volume, allocated files read by another library as far as that can; closed apart from this.

        Args:
            other: The file system as that library reads it.
        """
        found = VolumeReader(EitherFileSystem(other, self._files), self.space)
        found._lost = self._lost
        return found

    def begin(self) -> None:
        """An entry is about to be read."""
        if self._lost is not None:
            self._lost.begin()

    def lost(self, entry: Entry) -> tuple[LostRange, ...]:
        """What could not be read of an entry that was read since :meth:`begin`."""
        if self._lost is None or not self._lost.is_damaged:
            return ()
        try:
            runs = self.byte_runs(entry)
        except EvidenceError:
            runs = ()
        return self._lost.of(runs, entry.size)

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
