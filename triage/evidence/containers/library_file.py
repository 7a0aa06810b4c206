"""A stream as the file object that a library asks for; no library opens a path by itself."""

from __future__ import annotations

import os

from triage.errors import ReadFailedError
from triage.model.stream import Stream


class LibraryFile:
    """A stream with a position.

    Args:
        stream: The bytes; stays its owner's to close.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Bytes from the position on.

        Raises:
            OSError: The stream cannot give them.
        """
        length = self._stream.size - self._at if size < 0 else size
        try:
            data = self._stream.read_at(self._at, max(0, length))
        except ReadFailedError as error:
            raise OSError(error.message) from error
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position and return it."""
        base = {os.SEEK_CUR: self._at, os.SEEK_END: self._stream.size}.get(whence, 0)
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def get_offset(self) -> int:
        """The position, as libyal asks for it."""
        return self._at

    def get_size(self) -> int:
        """Bytes in the stream, as libyal asks for it."""
        return self._stream.size
