"""Files that an image asks for: parents, backing files, extents.

An image may name any path of any machine. What it names is opened only where a regular file of that base name lies in
the folder of the image itself; the path around the base name is never followed. A link that leads out of the folder is
not followed either. A chain that comes back to a file it went through ends with an error.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.raw import RawStream
from triage.evidence.containers.segment_file import DescriptorPool, SegmentFile, check_regular
from triage.model.stream import Stream

MAX_CHAIN = 64
"""Images in one chain of parents."""
MAX_NAMES = 20_000
"""Names of a folder that are looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that an image asked for.

    Attributes:
        stream: Its bytes; the file set's to close.
        name: Its base name, printable.
        beside: Where it finds the files that it asks for itself.
    """

    stream: Stream
    name: str
    beside: Beside


class Beside(Protocol):
    """Where an image finds the files that it asks for."""

    def find(self, asked: str, role: str) -> Found:
        """The file that is asked for.

        Args:
            asked: As the image names it: a name or a path of any system.
            role: What it is to the image, for messages: ``parent``, ``extent`` ...

        Raises:
            UnsupportedFormatError: It is not there; the message names what was asked for.
            CorruptStructureError: It is one that the chain went through before.
            SourceNotFoundError: It cannot be read.
        """
        ...

    def names(self) -> tuple[str, ...]:
        """Names of the files there, sorted; empty where they cannot be listed."""
        ...


def base_name(asked: str) -> str:
    """Last component of a path of any system; empty where there is none that names a file."""
    name = asked.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return "" if name in (".", "..") or "\x00" in name else name


def missing(asked: str, role: str, words: str) -> UnsupportedFormatError:
    """The error of a file that an image asks for and that is not there.

    Args:
        asked: As the image names it.
        role: What it is to the image.
        words: What is the matter.
    """
    return UnsupportedFormatError(
        f"the {role} that the image asks for {words}: {printable(asked)}",
        hint=f"put a copy of the {role} under its own name into the folder of the image",
    )


class Nowhere:
    """For an image that lies inside another one: there is nothing beside it."""

    def find(self, asked: str, role: str) -> Found:
        """Raises always; see :class:`Beside`."""
        raise missing(asked, role, "is not at hand")

    def names(self) -> tuple[str, ...]:
        """None."""
        return ()


class FileSet:
    """All files that one image is read from; closed together."""

    def __init__(self) -> None:
        self._pool = DescriptorPool()
        self._files: dict[str, SegmentFile] = {}

    def open(self, path: Path) -> SegmentFile:
        """A file of the set, opened once.

        Raises:
            SourceNotFoundError: It cannot be read.
            UnsupportedFormatError: It is empty.
        """
        key = os.path.realpath(path)
        if key not in self._files:
            self._files[key] = SegmentFile(path, self._pool)
        return self._files[key]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, in the order opened."""
        return tuple(file.path for file in self._files.values())

    def changed(self) -> tuple[Path, ...]:
        """Files that changed since opening."""
        return tuple(file.path for file in self._files.values() if file.changed())

    def close(self) -> None:
        """Close all; a second call does nothing."""
        for file in self._files.values():
            file.close()


class Folder:
    """The folder of an image.

    Args:
        files: Takes the files that are opened.
        path: The image.
        chain: Files gone through to reach this one, as real paths.
    """

    def __init__(self, files: FileSet, path: Path, chain: tuple[str, ...] = ()) -> None:
        self._files = files
        self._folder = path.parent
        self._homes = {os.path.realpath(path.parent), os.path.dirname(os.path.realpath(path))}
        self._chain = (*chain, os.path.realpath(path))

    def find(self, asked: str, role: str) -> Found:
        """The file that is asked for; see :class:`Beside`."""
        name = base_name(asked)
        path = self._candidate(name) if name and "://" not in asked else None
        if path is None:
            raise missing(asked, role, "is not beside it")
        real = os.path.realpath(path)
        if os.path.dirname(real) not in self._homes:
            raise missing(asked, role, "is a link that leads out of its folder")
        if real in self._chain:
            raise CorruptStructureError(
                f"the chain of images comes back to where it was: {printable(asked)}",
                hint="compare with another copy of the images",
            )
        if len(self._chain) >= MAX_CHAIN:
            raise CorruptStructureError(f"the chain of images is longer than {MAX_CHAIN}: {printable(asked)}")
        check_regular(path)
        stream = RawStream(self._files.open(path))
        return Found(stream, printable(name), Folder(self._files, path, self._chain))

    def names(self) -> tuple[str, ...]:
        """Names of the files in the folder, sorted, at most :data:`MAX_NAMES`."""
        try:
            return tuple(sorted(os.listdir(self._folder))[:MAX_NAMES])
        except OSError:
            return ()

    def _candidate(self, name: str) -> Path | None:
        """The file of a name; where there is none, the only one that differs by the case of letters."""
        try:
            path = self._folder / name
            if os.path.lexists(path):
                return path
        except (OSError, ValueError):
            return None
        alike = [other for other in self.names() if other.casefold() == name.casefold()]
        return self._folder / alike[0] if len(alike) == 1 else None
