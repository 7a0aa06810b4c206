"""How the libyal readers of file systems read: errors, the volume as a file, contents as streams."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.volumes.stream_file import StreamFile
from triage.model.address import escape_name
from triage.model.stream import Stream

LIBRARY_ERRORS = (OSError, ValueError, TypeError, RuntimeError, OverflowError, SystemError, AttributeError)
"""What the bindings raise on bad evidence."""
MAX_RUNS = 2_000_000
"""Extents of one content that are looked at."""
MAX_PADDING = 64 << 20
"""Bytes in one request of a library that are made up behind the end of a volume."""
SPARSE, COMPRESSED = 1, 2
"""Flags of an extent."""
CUT_SHORT = "the image may be cut short"
_LAYERS = ("libfs", "libfdata", "libbfio")
_PIECE = 1 << 20
_FUNCTION = re.compile(r"^\w+: ")


def said(error: BaseException) -> str:
    """What a library said, printable: the innermost of its messages, without the names of its functions."""
    parts = [part for part in " ".join(str(error).split()).split(". ") if part]
    inner = next(
        (part for part in parts if part.startswith(("libfs", "libfdata", "libbfio"))), parts[0] if parts else ""
    )
    text = _FUNCTION.sub("", inner).rstrip(".")[:300] or type(error).__name__
    return escape_name(text.encode("utf-8", "surrogateescape"), syntax=False)


@contextmanager
def translated(file: StreamFile, what: str) -> Iterator[None]:
    """Errors of a library as ours.

    Args:
        file: What the library reads from; says whether the media failed.
        what: What was asked for, for the message.

    Raises:
        ReadFailedError: The media cannot be read there.
        CorruptStructureError: The library does not understand what it read.
    """
    file.failed = None
    try:
        yield
    except MemoryError as error:
        raise CorruptStructureError(f"{what}: asks for more memory than there is") from error
    except LIBRARY_ERRORS as error:
        if file.failed is not None:
            raise ReadFailedError(f"{what}: {file.failed.message}") from file.failed
        raise CorruptStructureError(f"{what}: {said(error)}") from error


class PaddedFile(StreamFile):
    """A volume that goes on with zeros behind its end: a library refuses a whole file system for what is cut off.

    Args:
        stream: Stays the caller's to close.
        size: Bytes that the volume should have.

    Attributes:
        reached: Bytes behind the end were asked for since this was last set to False.
    """

    def __init__(self, stream: Stream, size: int) -> None:
        super().__init__(stream)
        self._whole = max(stream.size, size)
        self.reached = False

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place."""
        return super().seek(offset + self._whole if whence == io.SEEK_END else offset,
                            io.SEEK_SET if whence == io.SEEK_END else whence)  # fmt: skip

    def get_size(self) -> int:
        """Bytes, as libyal asks for them."""
        return self._whole

    def read(self, size: int = -1) -> bytes:
        """Bytes from the current place."""
        at = self.tell()
        size = self._whole - at if size < 0 else min(size, self._whole - at)
        data = super().read(size) if size > 0 else b""
        if len(data) < size:
            if size > MAX_PADDING:
                raise OSError("too many bytes asked for behind the end")
            self.reached = True
            data = data.ljust(size, b"\0")
            self.seek(at + size)
        return data


class LibyalStream:
    """A content as the library reads it: resident, compressed, or with parts that were never written.

    Args:
        data: The library's file entry or data stream.
        file: What the library reads from.
        size: Bytes of it.
    """

    def __init__(self, data: Any, file: PaddedFile, size: int) -> None:
        self._data = data
        self._file = file
        self._size = size

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: With what could be read in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            try:
                self._file.reached = False
                with translated(self._file, f"content at {offset}"):
                    piece = bytes(self._data.read_buffer_at_offset(min(_PIECE, end - offset), offset))
                if self._file.reached:
                    raise ReadFailedError("the content lies beyond the end of the volume", hint=CUT_SHORT)
            except EvidenceError as error:
                raise ReadFailedError(error.message, partial=b"".join(parts)) from error
            if not piece:
                break
            parts.append(piece)
            offset += len(piece)
        return b"".join(parts)

    def places(self) -> Iterator[tuple[int, int]]:
        """Offset in the volume and length of each extent that is no hole."""
        try:
            with translated(self._file, "extents"):
                for index in range(min(MAX_RUNS, int(self._data.get_number_of_extents()))):
                    place, length, flags = self._data.get_extent(index)
                    if place >= 0 and length > 0 and not flags & SPARSE:
                        yield place, length
        except EvidenceError:
            return

    def close(self) -> None:
        """Nothing to release: the library's objects go with their last reference."""
