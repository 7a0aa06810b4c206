"""The folder that is evidence, held open: every path below is opened component by component, no link is followed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from triage.errors import SourceNotFoundError
from triage.evidence.containers.segment_file import shown_path

_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_NO_ATIME: int = getattr(os, "O_NOATIME", 0)


def words(error: OSError) -> str:
    """What the system says of a failure, lower case."""
    return (error.strerror or os.strerror(error.errno or errno.EIO)).lower()


def _open_at(name: bytes, flags: int, parent: int) -> int:
    try:
        return os.open(name, flags | _NO_ATIME, dir_fd=parent)
    except PermissionError:  # leaving the access time alone is the owner's right only
        return os.open(name, flags, dir_fd=parent)


class Root:
    """The folder handed in, held open.

    Args:
        path: A folder.

    Attributes:
        path: The folder.
        device: Number of the device that it lies on.

    Raises:
        SourceNotFoundError: It is none, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        except (OSError, ValueError) as error:
            reason = words(error) if isinstance(error, OSError) else str(error)
            raise SourceNotFoundError(f"cannot be read: {shown_path(path)}: {reason}", hint="check the path") from error
        facts = os.fstat(self._descriptor)
        self.device = facts.st_dev
        self._identity = (facts.st_dev, facts.st_ino)

    def open_folder(self, path: bytes) -> int:
        """A descriptor of a folder below, the caller's to close.

        Raises:
            OSError: It cannot be opened, or a component of the path is a link.
        """
        if self._descriptor < 0:
            raise OSError(errno.EBADF, "the folder is closed")
        descriptor = os.dup(self._descriptor)
        for part in path.split(b"/"):
            if not part:
                continue
            try:
                below = _open_at(part, _FOLDER, descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def open_file(self, path: bytes) -> int:
        """A descriptor of a file below, which does not wait for anybody; the caller's to close.

        Raises:
            OSError: See :meth:`open_folder`.
        """
        folder, _, name = path.rpartition(b"/")
        parent = self.open_folder(folder)
        try:
            return _open_at(name, _FILE, parent)
        finally:
            os.close(parent)

    def read_link(self, path: bytes) -> bytes:
        """Target of a link below.

        Raises:
            OSError: See :meth:`open_folder`.
        """
        folder, _, name = path.rpartition(b"/")
        parent = self.open_folder(folder)
        try:
            return os.readlink(name, dir_fd=parent)
        finally:
            os.close(parent)

    def is_changed(self) -> bool:
        """The path no longer leads to the folder that it led to."""
        try:
            facts = os.stat(self.path)
        except OSError:
            return True
        return (facts.st_dev, facts.st_ino) != self._identity

    def close(self) -> None:
        """Close the folder; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
