"""Content of an attribute as a stream over The Sleuth Kit.

The library is asked for at most 1 MiB and never beyond the size: with lengths of 2 GiB and more its binding raises or
returns nothing, and an offset at the end is an error to it. A short answer inside the size is a failure here, not an
end. An attribute identifier is always given, since without one the binding ignores the type of attribute asked for.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from triage.errors import EvidenceError, ReadFailedError
from triage.evidence.filesystems.tsk_library import LIBRARY_ERRORS, said
from triage.evidence.tsk_image import TskImage
from triage.model.entry import Entry
from triage.model.stream import Stream

MAX_READ = 1 << 20
"""Bytes asked for in one call."""
_STEP = 512


class TskStream:
    """One attribute of a file.

    Args:
        file: The library's file.
        image: The image under it; asked why a read failed.
        entry: Whose content it is; without an attribute type, what the library takes as default is read.
    """

    def __init__(self, file: Any, image: TskImage, entry: Entry) -> None:
        self._file = file
        self._image = image
        self._size = entry.size
        self._key = (entry.attribute_type, entry.attribute_id) if entry.attribute_type else ()
        self._address = entry.address

    @property
    def size(self) -> int:
        """Bytes of the attribute, as declared."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: With what could be read in ``partial``.
        """
        if offset < 0 or offset >= self._size or length <= 0:
            return b""
        end = min(self._size, offset + length)
        if end - offset <= MAX_READ:
            data, error = self._ask(offset, end - offset)
            return data if error is None else self._salvage(b"", offset, end, error)
        whole = BytesIO()  # gives its buffer away without a copy, so memory is needed once
        for start in range(offset, end, MAX_READ):
            data, error = self._ask(start, min(MAX_READ, end - start))
            if error is not None:
                return self._salvage(whole.getvalue(), start, min(end, start + MAX_READ), error)
            whole.write(data)
        return whole.getvalue()

    def close(self) -> None:
        """Nothing to release; a second call does nothing."""

    def _ask(self, offset: int, length: int) -> tuple[bytes, str | None]:
        """Bytes of one call, and what went wrong."""
        self._image.failed = None
        try:
            data: bytes = self._file.read_random(offset, length, *self._key)
        except LIBRARY_ERRORS as error:
            return b"", said(error)
        if len(data) != length:
            return data, f"{len(data)} bytes instead of {length}"
        return data, None

    def _salvage(self, before: bytes, offset: int, end: int, message: str) -> bytes:
        """Read up to the first byte that fails, then say so.

        Raises:
            ReadFailedError: Always.
        """
        parts = [before]
        position = offset
        while position < end:
            data, error = self._ask(position, min(_STEP, end - position))
            parts.append(data)
            position += len(data)
            if error is not None:
                message = error
                break
        below = self._image.failed
        cause = below if isinstance(below, EvidenceError) else None
        raise ReadFailedError(
            f"cannot read at offset {position} of {self._size} bytes: {cause.message if cause else message}",
            hint="the file may be damaged, or the image incomplete",
            address=str(self._address),
            partial=b"".join(parts),
        ) from cause


class WrittenStream:
    """Content of which only the beginning was ever written: the rest is zeros, whatever lies in its place.

    Args:
        inner: Gives the beginning.
        written: Bytes of it.
        size: Bytes of the content.
    """

    def __init__(self, inner: Stream, written: int, size: int) -> None:
        self._inner = inner
        self._written = max(0, min(written, size))
        self._size = size

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: As the inner stream.
        """
        length = min(length, self._size - offset)
        if offset < 0 or length <= 0:
            return b""
        begun = max(0, min(length, self._written - offset))
        data = self._inner.read_at(offset, begun) if begun else b""
        return data + bytes(length - begun)

    def close(self) -> None:
        """Close the inner stream; a second call does nothing."""
        self._inner.close()


class ZeroStream:
    """Bytes that were declared but never written: zeros.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Zeros; see :class:`~triage.model.stream.Stream`."""
        return bytes(max(0, min(length, self._size - offset))) if offset >= 0 else b""

    def close(self) -> None:
        """Nothing to release."""
