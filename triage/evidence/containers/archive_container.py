"""The container of every archive and logical image of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triage.evidence.containers.archive_files import MAX_COMPLAINTS, ArchiveFileSystem
from triage.evidence.containers.logical import ArchiveReader
from triage.evidence.containers.logical_stream import FilesStream
from triage.evidence.containers.segment_file import SegmentFile
from triage.model.problem import Problem
from triage.model.stream import Stream
from triage.model.volume import Volume


class ArchiveContainer:
    """A container of files in an archive; see :class:`~triage.evidence.containers.logical.LogicalContainer`.

    Args:
        name: Name of the unit.
        logical: Name of the file system.
        files: Segments in order; closed with the container.
        reader: The archive.
        media: Their bytes; the files one behind the other where None.
    """

    sector_size = 512

    def __init__(
        self,
        name: str,
        logical: str,
        files: Sequence[SegmentFile],
        reader: ArchiveReader,
        media: Stream | None = None,
    ) -> None:
        self.name = name
        self.logical = logical
        self.media: Stream = media or FilesStream(files)
        self.paths = tuple(file.path for file in files)
        self.stored_hashes: dict[str, str] = {}
        self.details: dict[str, str] = {}
        self.problems: tuple[Problem, ...] = ()
        self._files = files
        self._reader = reader
        self._noted: list[Problem] = []
        self._told: set[Problem] = set()

    def file_system(self, volume: Volume, evidence_name: str) -> ArchiveFileSystem:
        """The file system of all members."""
        return ArchiveFileSystem(self.logical, self._reader, self.media, volume, evidence_name, self._note)

    def _note(self, problem: Problem) -> None:
        if problem not in self._told and len(self._told) < MAX_COMPLAINTS:
            self._told.add(problem)
            self._noted.append(problem)

    def read_problems(self) -> tuple[Problem, ...]:
        """What reading brought up since the last call, each once."""
        found, self._noted = tuple(self._noted), []
        return found

    def changed(self) -> tuple[Path, ...]:
        """Files that changed since opening."""
        return tuple(file.path for file in self._files if file.changed())

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        self.media.close()
        for file in self._files:
            file.close()
