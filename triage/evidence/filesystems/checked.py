"""The Sleuth Kit with a second look at what it leaves out without a word.

FAT and exFAT: records in use that it does not list, since their size or first cluster is impossible; exFAT records
whose checksum is wrong; two tables that differ, of which the first is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from triage.errors import EvidenceError
from triage.evidence.filesystems.fat_records import FatRecords, Record
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.interface import Extents, FileSystem
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.volume import Volume

MAX_TOLD = 1000
"""Records that become Problems one by one."""
_CHECKED = frozenset({"fat12", "fat16", "fat32", "exfat"})


def checked(inner: FileSystem, media: Stream, volume: Volume, evidence_name: str) -> FileSystem:
    """A file system whose listing is checked, where there is a check for its kind; else the file system itself."""
    return CheckedFat(inner, media, volume, evidence_name) if inner.name in _CHECKED else inner


class CheckedFat:
    """FAT or exFAT; see :class:`~triage.evidence.interface.FileSystem`.

    Args:
        inner: The file system; closed together with this.
        media: Decoded media.
        volume: Where it lies.
        evidence_name: For the addresses of Problems.
    """

    def __init__(self, inner: FileSystem, media: Stream, volume: Volume, evidence_name: str) -> None:
        self._inner = inner
        self._stream = VolumeStream(media, volume.image_offset, volume.length)
        self._volume = volume
        self._evidence = evidence_name
        self.name = inner.name
        self.block_size = inner.block_size
        self.size = inner.size

    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries, then what was not listed."""
        listed: set[int] = set()
        for item in self._inner.walk(skip=skip, entering=entering):
            if isinstance(item, Entry):
                listed.add(item.meta_address)
            yield item
        if entering is not None:
            entering(0, b"")
        if not skip:  # of what was left out on purpose nothing is missing
            yield from self._check(listed)

    def _check(self, listed: set[int]) -> Iterator[Problem]:
        told = empty = 0
        try:
            records = FatRecords(self._stream, self.name)
            different = records.differing()
            if different:
                message = f"the two allocation tables differ in {different} bytes; files are read by the first"
                yield self._problem(b"", Reason.MISMATCH, message, "compare with another copy of the image")
            for path, record in records.records():
                words = _wrong(record, listed)
                if not words:
                    continue
                if record.address not in listed and not record.size and not record.is_directory:
                    empty += 1
                    continue
                told += 1
                if told <= MAX_TOLD:
                    missing = 0 if record.address in listed else min(record.size, self._stream.size)
                    yield self._problem(path + b"/" + record.name, Reason.CORRUPT, words, size=missing)
        except EvidenceError as error:
            yield self._problem(b"", Reason.CORRUPT, f"the directories cannot be checked: {error.message}")
        if empty:
            message = f"{empty} names of files without content are not listed: the library does not take their form"
            yield self._problem(b"", Reason.CORRUPT, message, anyway=True)
        if told > MAX_TOLD:
            yield self._problem(b"", Reason.CORRUPT, f"{told} directory records do not hold, {MAX_TOLD} are told")

    def _problem(
        self, path: bytes, reason: Reason, message: str, hint: str = "", size: int = 0, *, anyway: bool = False
    ) -> Problem:
        address = str(Address(self._evidence, self._volume.name, path or b"/"))
        hint = hint or "read the file with another tool"
        return Problem(address, f"evidence/{self.name}", reason, message, hint, size, anyway)

    # --- as it is -----------------------------------------------------------------------------------------------
    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry."""
        return self._inner.open_entry(entry)

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The content of an entry, at most ``limit`` bytes."""
        return self._inner.read_whole(entry, limit)

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the content lies."""
        return self._inner.byte_runs(entry)

    def unallocated(self) -> Iterator[ByteRun]:
        """Space that no file owns."""
        return self._inner.unallocated()

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Allocated to an entry and not its content."""
        return self._inner.slack_runs(entry)

    def extents(self, entry: Entry) -> Extents:
        """Where the bytes of a file lie."""
        return self._inner.extents(entry)

    def close(self) -> None:
        """Release the file system; a second call does nothing."""
        self._inner.close()


def _wrong(record: Record, listed: set[int]) -> str:
    """What does not hold of a record, empty where it does."""
    if record.address not in listed:
        kind = "directory" if record.is_directory else "file"
        return f"a {kind} that is not listed: its record claims {record.size} bytes from cluster {record.cluster} on"
    return "" if record.sum_holds else "the checksum of its directory record is wrong"
