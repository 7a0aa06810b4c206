"""What the layers of the room promise each other: containers below, file systems above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.stream import Stream


@runtime_checkable
class Container(Protocol):
    """A file set whose decoded media can be read.

    Attributes:
        name: ``raw``, ``split``, ``ewf`` ...
        media: Decoded media.
        sector_size: Bytes in a sector of the media as the container states it, 512 where it states nothing.
        paths: The files used, in order.
        stored_hashes: Digests that the container states, lower-case hex by algorithm.
        details: What the container says of itself, printable text by name.
        problems: Seen at opening.
    """

    name: str
    media: Stream
    sector_size: int
    paths: tuple[Path, ...]
    stored_hashes: dict[str, str]
    details: dict[str, str]
    problems: tuple[Problem, ...]

    def read_problems(self) -> tuple[Problem, ...]:
        """Problems that reading brought up since the last call, in the order seen."""
        ...

    def changed(self) -> tuple[Path, ...]:
        """Files whose size or modification time is no longer what it was at opening."""
        ...

    def close(self) -> None:
        """Release the files; a second call does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Extents:
    """Bytes of the volume that a file has, whatever their form; offset and length of each stretch.

    Attributes:
        content: Of its content: as they are, compressed or encrypted, whole data units where they are not as they are.
        slack: Allocated to it and not its content.
    """

    content: tuple[tuple[int, int], ...] = ()
    slack: tuple[tuple[int, int], ...] = ()


NO_FREE_SPACE = -1
"""Among what a walk skips: names and records are not looked for in space that no file owns."""


class FileSystem(Protocol):
    """One file system of a volume.

    Attributes:
        name: ``ntfs``, ``fat16``, ``ext4``, ``hfs+``, ``iso9660`` ...
        block_size: Bytes in a data unit, 0 where unknown.
        size: Bytes of the file system from the start of the volume, 0 where unknown.
    """

    name: str
    block_size: int
    size: int

    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries: allocated names depth-first in stored order, then orphans; one for each data attribute.

        Args:
            skip: Metadata addresses of directories not to descend into; each gives a Problem ``loop``. With
                :data:`NO_FREE_SPACE` among them no free space is read.
            entering: Called with metadata address and path before a directory is opened.
        """
        ...

    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry.

        Raises:
            EvidenceError: The content cannot be opened.
        """
        ...

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The content of an entry, at most ``limit`` bytes.

        Raises:
            EvidenceError: The content cannot be read.
        """
        ...

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the content lies, by ``file_offset``."""
        ...

    def unallocated(self) -> Iterator[ByteRun]:
        """Space that no file owns, ascending; ``file_offset`` counts through it.

        Raises:
            EvidenceError: It cannot be told, or a part of it.
        """
        ...

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where bytes lie that are allocated to an entry and are not its content; ``file_offset`` counts through them.

        Raises:
            EvidenceError: The metadata record cannot be read.
        """
        ...

    def extents(self, entry: Entry) -> Extents:
        """Where bytes lie that a file has in the volume.

        Raises:
            EvidenceError: It cannot be told.
        """
        ...

    def close(self) -> None:
        """Release the file system; a second call does nothing."""
        ...
