"""One file of an evidence source: opened read-only, checked before it is opened, never waited on.

A FIFO or a device would block or have side effects, so the type is looked at before and again after opening, and the
open itself does not block. Where the system allows it, reading leaves the access time alone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from triage.errors import EvidenceError, ReadFailedError, SourceNotFoundError, UnsupportedFormatError
from triage.model.address import escape_name

MAX_OPEN = 96
"""Files held open at once for one source; a set may have thousands of segments."""

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_NO_ATIME: int = getattr(os, "O_NOATIME", 0)
_PIECE = 1 << 30
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISSOCK, "a socket"),
)


def shown_path(path: Path) -> str:
    """A path of this machine as printable text."""
    return escape_name(os.fsencode(path), syntax=False)


def shown_name(path: Path) -> str:
    """The last component of a path of this machine as printable text."""
    return escape_name(os.fsencode(path.name or path), syntax=False)


def check_regular(path: Path) -> os.stat_result:
    """Facts of a regular file with at least one byte, without opening it.

    Raises:
        SourceNotFoundError: No such file, no right to look, or no regular file.
        UnsupportedFormatError: The file is empty, or a folder that is an image format.
    """
    try:
        facts = os.stat(path)
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"no such file: {shown_path(path)}", hint="check the path") from error
    except (OSError, ValueError) as error:
        raise _not_readable(path, error) from error
    _require_regular(path, facts)
    if facts.st_size == 0:
        raise UnsupportedFormatError(f"the file is empty: {shown_path(path)}", hint="copy the image again")
    return facts


def _require_regular(path: Path, facts: os.stat_result) -> None:
    if stat.S_ISREG(facts.st_mode):
        return
    if stat.S_ISDIR(facts.st_mode) and path.suffix.lower() in (".sparsebundle", ".hdd", ".pvm", ".vmwarevm"):
        raise UnsupportedFormatError(
            f"a folder that holds a virtual disk ({path.suffix.lower()}): {shown_path(path)}",
            hint="convert it to a raw image and hand that in",
        )
    kind = next((words for test, words in _KINDS if test(facts.st_mode)), "no regular file")
    raise SourceNotFoundError(
        f"{kind}, not an image file: {shown_path(path)}",
        hint="image a device first; of a folder, hand in the image files",
    )


def _not_readable(path: Path, error: Exception) -> SourceNotFoundError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SourceNotFoundError(f"cannot be read: {shown_path(path)}: {reason.lower()}", hint="check the permissions")


def _open(path: Path) -> int:
    """A descriptor of a regular file.

    Raises:
        SourceNotFoundError: See :func:`check_regular`.
    """
    try:
        try:
            descriptor = os.open(path, _FLAGS | _NO_ATIME)
        except PermissionError:
            descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise _not_readable(path, error) from error
    try:
        _require_regular(path, os.fstat(descriptor))
    except EvidenceError:
        os.close(descriptor)
        raise
    return descriptor


def read_head(path: Path, length: int) -> bytes:
    """First bytes of a file, fewer where it is shorter.

    Raises:
        SourceNotFoundError: See :func:`check_regular`.
        UnsupportedFormatError: The file is empty.
        ReadFailedError: The file cannot be read.
    """
    file = SegmentFile(path)
    try:
        return file.read_at(0, min(length, file.size))
    finally:
        file.close()


class DescriptorPool:
    """Keeps the number of open files of one source below :data:`MAX_OPEN`."""

    def __init__(self) -> None:
        self._open: dict[SegmentFile, None] = {}

    def opened(self, file: SegmentFile) -> None:
        """Take note of an open file and put away the one that has been open longest if there are too many."""
        self._open[file] = None
        if len(self._open) > MAX_OPEN:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.put_away()


class SegmentFile:
    """A file of an evidence source.

    Args:
        path: A regular file.
        pool: Shared by the files of one source, None for a single file.

    Attributes:
        path: The file.
        size: Bytes when it was opened; reading never goes beyond.

    Raises:
        SourceNotFoundError: See :func:`check_regular`.
        UnsupportedFormatError: The file is empty.
    """

    def __init__(self, path: Path, pool: DescriptorPool | None = None) -> None:
        check_regular(path)
        self.path = path
        self._pool = pool
        self._closed = False
        self._descriptor = _open(path)
        facts = os.fstat(self._descriptor)
        self.size = facts.st_size
        self._identity = _identity(facts)
        if pool is not None:
            pool.opened(self)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: The system cannot give these bytes, or the file has become shorter.
        """
        if offset < 0 or length <= 0 or offset >= self.size:
            return b""
        length = min(length, self.size - offset)
        descriptor = self._descriptor if self._descriptor >= 0 else self._open_again()
        try:
            data = os.pread(descriptor, min(length, _PIECE), offset)
            if len(data) == length:
                return data
            return self._read_on(descriptor, data, offset, length)
        except OSError as error:
            reason = os.strerror(error.errno or errno.EIO).lower()
            raise ReadFailedError(
                f"cannot read {length} bytes at {offset} of {shown_name(self.path)}: {reason}",
                hint="check the medium or network share that holds the image",
            ) from error

    def _read_on(self, descriptor: int, data: bytes, offset: int, length: int) -> bytes:
        parts = [data]
        have = len(data)
        while have < length and parts[-1]:
            parts.append(os.pread(descriptor, min(length - have, _PIECE), offset + have))
            have += len(parts[-1])
        if have < length:
            raise ReadFailedError(
                f"the file became shorter while it was read: {shown_name(self.path)} ends at {offset + have}",
                hint="check the medium or network share that holds the image",
            )
        return b"".join(parts)

    def _open_again(self) -> int:
        if self._closed:
            raise ReadFailedError(f"the file is closed: {shown_name(self.path)}")
        descriptor = _open(self.path)
        if _identity(os.fstat(descriptor)) != self._identity:
            os.close(descriptor)
            raise ReadFailedError(f"the file changed while it was read: {shown_name(self.path)}")
        self._descriptor = descriptor
        if self._pool is not None:
            self._pool.opened(self)
        return descriptor

    def data_ranges(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Parts that the system stores, as ``(offset, length)`` ascending; what lies between are holes of zeros.

        Where the file system of this machine knows no holes, the whole range is one part.
        """
        end = min(offset + length, self.size)
        descriptor = self._descriptor if self._descriptor >= 0 else self._open_again()
        while offset < end:
            try:
                begin = os.lseek(descriptor, offset, os.SEEK_DATA)
                stop = os.lseek(descriptor, begin, os.SEEK_HOLE) if begin < end else end
            except OSError as error:
                if error.errno != errno.ENXIO:
                    yield offset, end - offset
                return
            if begin >= end:
                return
            yield begin, min(stop, end) - begin
            offset = max(stop, begin + 1)

    def changed(self) -> bool:
        """True where size, modification time or identity of the file is no longer what it was at opening."""
        try:
            return _identity(os.stat(self.path)) != self._identity
        except OSError:
            return True

    def put_away(self) -> None:
        """Close the descriptor; the next read opens the file again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._closed = True
        self.put_away()


def _identity(facts: os.stat_result) -> tuple[int, int, int, int]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
