"""Raw images: the media byte for byte, in one file.

Anything could be raw, so this unit never claims a file by its bytes; the opener takes it last, and keeps it only when
a volume system or a file system is found inside. Files beside it that list what could not be read are read too, see
``rescue_map``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from triage.evidence.containers.rescue_map import tell_rescue_map
from triage.evidence.containers.segment_file import SegmentFile
from triage.model.problem import Problem

STAGE = "evidence/raw"


class RawStream:
    """A file as a stream.

    Args:
        file: Closed together with the stream.
    """

    def __init__(self, file: SegmentFile) -> None:
        self._file = file

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._file.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        return self._file.read_at(offset, length)

    def data_ranges(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Parts that are no holes; see :meth:`SegmentFile.data_ranges`."""
        return self._file.data_ranges(offset, length)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()


class RawContainer:
    """A raw image of one file; see :class:`~triage.evidence.interface.Container`."""

    name = "raw"
    sector_size = 512

    def __init__(self, file: SegmentFile, evidence_name: str = "") -> None:
        self._file = file
        told, problems, name = tell_rescue_map(file.path, file.size, evidence_name, STAGE)
        self.bad = told.bad
        self.media = RawStream(file)
        self.paths = (file.path,)
        self.stored_hashes: dict[str, str] = {}
        self.details = {"rescue_map": name} if name else {}
        self.problems = (*problems, *told.take())

    def read_problems(self) -> tuple[Problem, ...]:
        """None: a read that fails raises."""
        return ()

    def changed(self) -> tuple[Path, ...]:
        """The file, where it changed since opening."""
        return (self._file.path,) if self._file.changed() else ()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for a single file."""
    del head
    return len(paths) == 1


def open_container(paths: tuple[Path, ...], evidence_name: str) -> RawContainer:
    """A raw image.

    Raises:
        SourceNotFoundError: The file cannot be read.
        UnsupportedFormatError: The file is empty.
    """
    return RawContainer(SegmentFile(paths[0]), evidence_name)
