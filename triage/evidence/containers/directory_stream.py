"""One file of a folder that is evidence: read as long as it was when it was listed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from triage.errors import ReadFailedError

_PIECE = 1 << 30


class FileStream:
    """An open file.

    Args:
        descriptor: Closed with the stream.
        size: Bytes when it was listed; reading never goes beyond.

    Attributes:
        facts: Of the open file.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self.facts = os.fstat(descriptor)

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: The system cannot give them, or the file has become shorter.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        length = min(length, self._size - offset)
        parts: list[bytes] = []
        have = 0
        try:
            while have < length:
                # A file may claim more than there is: never ask for more than the system says it has.
                left = os.fstat(self._descriptor).st_size - offset - have
                piece = os.pread(self._descriptor, max(0, min(length - have, left, _PIECE)), offset + have)
                if not piece:
                    break
                parts.append(piece)
                have += len(piece)
        except OSError as error:
            words = os.strerror(error.errno or errno.EIO).lower()
            raise ReadFailedError(
                f"cannot read {length} bytes at {offset}: {words}", partial=b"".join(parts)
            ) from error
        if have < length:
            message = f"the file became shorter while it was read: it ends at {offset + have}"
            raise ReadFailedError(message, hint="work on a copy that nobody writes to", partial=b"".join(parts))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def data_ranges(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Parts that the system stores, as ``(offset, length)`` ascending; what lies between are holes of zeros."""
        end = min(offset + length, self._size)
        while offset < end:
            try:
                begin = os.lseek(self._descriptor, offset, os.SEEK_DATA)
                stop = os.lseek(self._descriptor, begin, os.SEEK_HOLE) if begin < end else end
            except OSError as error:
                if error.errno != errno.ENXIO:
                    yield offset, end - offset
                return
            if begin >= end:
                return
            yield begin, min(stop, end) - begin
            offset = max(stop, begin + 1)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
