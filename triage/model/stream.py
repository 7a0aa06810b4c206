"""Read-only bytes of an entry, a volume or an image."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Stream(Protocol):
    """Seekless read-only bytes; every reader gives its own offset."""

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes.

        Args:
            offset: Bytes from the start of the stream.
            length: Bytes wanted, 0 or more; any size, the stream splits as its source needs.

        Returns:
            ``length`` bytes; fewer only at the end of the stream.

        Raises:
            ReadFailedError: The source cannot give these bytes.
        """
        ...

    def close(self) -> None:
        """Release what the stream holds; a second call does nothing."""
        ...


class MemoryStream:
    """A stream over bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return len(self._data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`Stream`."""
        return self._data[offset : offset + length] if offset >= 0 else b""

    def close(self) -> None:
        """Nothing to release."""
