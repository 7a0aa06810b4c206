"""What the readers of virtual disks share around their maps: the container, opening by path, opening of parents."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside, FileSet, Folder, Found
from triage.evidence.containers.mapped_stream import BlockMap, MappedStream, PlainMap
from triage.evidence.containers.raw import RawStream
from triage.evidence.interface import Container
from triage.model.problem import Problem
from triage.model.stream import Stream

HEAD = 4096
MAX_MEDIA = 1 << 53
"""Bytes of media beyond which a size is a lie."""
MODULES = ("qcow", "vmdk", "vhd", "vhdx", "vdi", "parallels", "udif", "apple_sparse", "android_sparse", "asif")
"""Units with ``is_image`` and ``open_stream``; what none of them claims is raw."""


class DiskContainer:
    """A virtual disk; see :class:`~triage.evidence.interface.Container`.

    Args:
        name: ``qcow``, ``vmdk`` ...
        media: Decoded media.
        details: Printable text by name.
        problems: Seen at opening.
        parents: Containers that the media are read from; closed together.
        sector_size: Bytes in a sector.
    """

    def __init__(
        self,
        name: str,
        media: Stream,
        details: dict[str, str],
        problems: tuple[Problem, ...] = (),
        parents: tuple[Container, ...] = (),
        sector_size: int = 512,
    ) -> None:
        self.name = name
        self.media = media
        self.sector_size = sector_size
        self.paths: tuple[Path, ...] = ()
        self.stored_hashes: dict[str, str] = {}
        self.details = {key: value for key, value in details.items() if value}
        self.problems = (*(problem for parent in parents for problem in parent.problems), *problems)
        self._parents = parents
        self._files: FileSet | None = None

    def own(self, files: FileSet) -> None:
        """Take over the files, to close them and to watch them for changes."""
        self._files = files
        self.paths = files.paths

    def read_problems(self) -> tuple[Problem, ...]:
        """Problems that reading brought up since the last call, those of the parents first."""
        found: list[Problem] = []
        for parent in self._parents:
            found += parent.read_problems()
        if isinstance(self.media, MappedStream):
            found += self.media.take_problems()
        return tuple(found)

    def changed(self) -> tuple[Path, ...]:
        """Files that changed since opening."""
        return self._files.changed() if self._files is not None else ()

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        self.media.close()
        for parent in self._parents:
            parent.close()
        if self._files is not None:
            self._files.close()


def mapped(
    name: str,
    block_map: BlockMap,
    evidence_name: str,
    details: dict[str, str],
    problems: tuple[Problem, ...] = (),
    parents: tuple[Container, ...] = (),
    sector_size: int = 512,
) -> DiskContainer:
    """The container over a block map.

    Raises:
        CorruptStructureError: The size of the media is impossible.
    """
    if not 0 < block_map.size < MAX_MEDIA:
        raise CorruptStructureError(
            f"impossible size of the media: {block_map.size} bytes", hint="compare with another copy of the image"
        )
    media = MappedStream(block_map, evidence_name, f"evidence/{name}")
    return DiskContainer(name, media, details, problems, parents, sector_size)


Opener = Callable[[Stream, str, Beside], DiskContainer]


def open_by_path(paths: tuple[Path, ...], evidence_name: str, opener: Opener) -> DiskContainer:
    """An image in a file, with the files that it asks for beside it.

    Args:
        paths: The image, one file.
        evidence_name: For the addresses of Problems.
        opener: ``open_stream`` of the unit.

    Raises:
        EvidenceError: See the unit.
    """
    if len(paths) != 1:
        raise UnsupportedFormatError(f"a virtual disk is one file, its others are found beside it: {len(paths)} named")
    files = FileSet()
    try:
        stream = RawStream(files.open(paths[0]))
        container = opener(stream, evidence_name, Folder(files, paths[0]))
    except BaseException:
        files.close()
        raise
    container.own(files)
    return container


def open_any(found: Found, evidence_name: str, *, raw: bool = False) -> Container:
    """A parent or an inner image of whatever format; what no unit claims is raw.

    Args:
        found: The file.
        evidence_name: For the addresses of Problems.
        raw: It is said to be raw, so its bytes are not looked at.

    Raises:
        EvidenceError: It cannot be opened.
    """
    opener = None if raw else opener_for(found.stream)
    if opener is not None:
        return opener(found.stream, evidence_name, found.beside)
    return mapped("raw", PlainMap(found.stream, found.stream.size), evidence_name, {})


def opener_for(stream: Stream) -> Opener | None:
    """How the image in a stream is opened; None where no unit claims it.

    Raises:
        ReadFailedError: It cannot be read.
    """
    head = stream.read_at(0, HEAD)
    for module_name in MODULES:
        module = importlib.import_module(f"triage.evidence.containers.{module_name}")
        if module.is_image(head, stream):
            return cast(Opener, module.open_stream)
    return None


def claims(paths: tuple[Path, ...], check: Callable[[Stream], bool]) -> bool:
    """True where a check of the whole file holds; False where the file cannot be read.

    Args:
        paths: Files of the source; several are never one virtual disk.
        check: Looks at the file.
    """
    if len(paths) != 1:
        return False
    files = FileSet()
    try:
        return check(RawStream(files.open(paths[0])))
    except EvidenceError:
        return False
    finally:
        files.close()
