"""Whole blocks of a volume, with a small cache, for readers of our own."""

from __future__ import annotations

from collections import OrderedDict

from triage.errors import ReadFailedError
from triage.model.stream import Stream

CACHED_BYTES = 4 << 20
"""Bytes of blocks that stay in memory."""


class BlockReader:
    """Blocks by number.

    Args:
        stream: Bytes of the volume.
        block_size: Bytes in a block.
    """

    def __init__(self, stream: Stream, block_size: int) -> None:
        self.stream = stream
        self.block_size = block_size
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._most = max(16, CACHED_BYTES // block_size)

    def block(self, number: int) -> bytes:
        """One whole block.

        Raises:
            ReadFailedError: It lies beyond the end, or cannot be read.
        """
        found = self._cache.get(number)
        if found is not None:
            self._cache.move_to_end(number)
            return found
        found = self.bytes_at(number * self.block_size, self.block_size)
        self._cache[number] = found
        if len(self._cache) > self._most:
            self._cache.popitem(last=False)
        return found

    def bytes_at(self, offset: int, length: int) -> bytes:
        """Exactly the bytes asked for, past the cache.

        Raises:
            ReadFailedError: They lie beyond the end, or cannot be read.
        """
        data = self.stream.read_at(offset, length) if offset >= 0 else b""
        if len(data) < length:
            raise ReadFailedError(
                f"{length} bytes at {offset} lie beyond the end of the volume",
                hint="the image may be cut short",
                partial=data,
            )
        return data
