"""A stream as the file object that a library wants to read from, so that it never opens a path itself."""

from __future__ import annotations

import io

from triage.errors import ReadFailedError
from triage.model.stream import Stream


class StreamFile(io.RawIOBase):
    """The file.

    Args:
        stream: Stays the caller's to close.

    Attributes:
        failed: The last error of reading: a library tells its own words only.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self._position = 0
        self.failed: ReadFailedError | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stream.size}[whence]
        if base + offset < 0:
            raise OSError("place before the beginning")
        self._position = base + offset
        return self._position

    def get_size(self) -> int:
        """Bytes, as libyal asks for them."""
        return self._stream.size

    def read(self, size: int = -1) -> bytes:
        """Bytes from the current place."""
        if size < 0:
            size = max(0, self._stream.size - self._position)
        try:
            data = self._stream.read_at(self._position, size)
        except ReadFailedError as error:
            self.failed = error
            raise OSError(error.message) from error
        self._position += len(data)
        return data
