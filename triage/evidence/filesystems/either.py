"""Reading files by another library than the one that listed them, for an entry of which workers died."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from triage.errors import EncryptedVolumeError, EvidenceError
from triage.evidence.interface import Extents, FileSystem
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.stream import Stream

_Found = TypeVar("_Found")


class EitherFileSystem:
    """A file system read by one library, and by the other what the first does not read.

    Args:
        first: Reads allocated entries; closed together with this.
        usual: Listed the entries; stays its owner's to close.
    """

    def __init__(self, first: FileSystem, usual: FileSystem) -> None:
        self._first = first
        self._usual = usual
        self.name = usual.name
        self.block_size = usual.block_size
        self.size = usual.size

    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries, as the usual library lists them."""
        return self._usual.walk(skip=skip, entering=entering)

    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry."""
        return self._ask(entry, lambda system: system.open_entry(entry))

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The content of an entry, at most ``limit`` bytes."""
        return self._ask(entry, lambda system: system.read_whole(entry, limit))

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the content lies."""
        return self._ask(entry, lambda system: system.byte_runs(entry))

    def unallocated(self) -> Iterator[ByteRun]:
        """Space that no file owns, as the usual library tells it."""
        return self._usual.unallocated()

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Allocated to an entry and not its content."""
        return self._ask(entry, lambda system: system.slack_runs(entry))

    def extents(self, entry: Entry) -> Extents:
        """Where the bytes of a file lie in the volume."""
        return self._ask(entry, lambda system: system.extents(entry))

    def close(self) -> None:
        """Release the first library; a second call does nothing."""
        self._first.close()

    def _ask(self, entry: Entry, question: Callable[[FileSystem], _Found]) -> _Found:
        """The answer of the first library; of the other for deleted entries, and where the first has none."""
        if entry.alloc_inode:
            try:
                return question(self._first)
            except EncryptedVolumeError:
                raise
            except EvidenceError:
                pass
        return question(self._usual)
