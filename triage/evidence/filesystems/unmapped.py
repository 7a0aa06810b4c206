"""A file system in a volume whose bytes have no fixed place in the image: decrypted, pooled, a snapshot.

Offsets into the volume stay; offsets into the image would be wrong, so there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from triage.evidence.filesystems.tree import TreeFileSystem
from triage.evidence.interface import Extents, FileSystem
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.stream import Stream


class UnmappedFileSystem:
    """See :class:`~triage.evidence.interface.FileSystem`.

    Args:
        inner: The file system; closed together with this.

    Attributes:
        pool: Bytes that places in the volume count in, where the reader of the file system brings them; else None.
    """

    def __init__(self, inner: FileSystem) -> None:
        self._inner = inner
        self.pool = inner.stream if isinstance(inner, TreeFileSystem) else None
        self.name = inner.name
        self.block_size = inner.block_size
        self.size = inner.size

    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries, without a place in the image."""
        for item in self._inner.walk(skip=skip, entering=entering):
            yield replace(item, image_offset=-1) if isinstance(item, Entry) and item.image_offset >= 0 else item

    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry."""
        return self._inner.open_entry(entry)

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The content of an entry, at most ``limit`` bytes."""
        return self._inner.read_whole(entry, limit)

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the content lies in the volume."""
        return tuple(_unmapped(run) for run in self._inner.byte_runs(entry))

    def unallocated(self) -> Iterator[ByteRun]:
        """Space that no file owns, in the volume."""
        return (_unmapped(run) for run in self._inner.unallocated())

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Allocated to an entry and not its content, in the volume."""
        return tuple(_unmapped(run) for run in self._inner.slack_runs(entry))

    def extents(self, entry: Entry) -> Extents:
        """Where the bytes of a file lie in the volume."""
        return self._inner.extents(entry)

    def close(self) -> None:
        """Release the file system; a second call does nothing."""
        self._inner.close()


def _unmapped(run: ByteRun) -> ByteRun:
    return replace(run, image_offset=-1)
