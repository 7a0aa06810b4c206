"""Content of an encrypted volume of APFS: extents, decrypted. Format: see :mod:`.objects`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from triage.errors import ReadFailedError
from triage.evidence.filesystems.apfs.records import Extent
from triage.evidence.filesystems.apfs.state import Cipher
from triage.model.stream import Stream

SECTOR = 512


class DecryptedRuns:
    """Bytes of a file; holes and what no extent covers are zeros.

    Args:
        media: Bytes of the container.
        extents: By ``offset``, not overlapping.
        size: Bytes of the content.
        cipher: Of the volume.
        block_size: Bytes; a block is decrypted as a whole.
    """

    def __init__(self, media: Stream, extents: Sequence[Extent], size: int, cipher: Cipher, block_size: int) -> None:
        self._media = media
        self._extents = extents
        self._starts = [extent.offset for extent in extents]
        self._size = size
        self._cipher = cipher
        self._block = block_size

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
        index = max(0, bisect_right(self._starts, offset) - 1)
        while offset < end:
            extent = self._extents[index] if index < len(self._extents) else None
            if extent is None or extent.offset >= end:
                parts.append(bytes(end - offset))
                break
            if extent.offset > offset:
                parts.append(bytes(extent.offset - offset))
                offset = extent.offset
            stop = min(end, extent.offset + extent.length)
            if stop > offset:
                parts.append(self._piece(extent, offset - extent.offset, stop - offset, parts))
                offset = stop
            index += 1
        return b"".join(parts)

    def close(self) -> None:
        """Nothing to release: the media are their owner's to close."""

    def _piece(self, extent: Extent, inside: int, length: int, before: Sequence[bytes]) -> bytes:
        if not extent.block:
            return bytes(length)
        first = inside // self._block
        count = -(-(inside + length) // self._block) - first
        place = (extent.block + first) * self._block
        try:
            data = self._media.read_at(place, count * self._block)
        except ReadFailedError as error:
            raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(before)) from error
        if len(data) < count * self._block:
            words = f"the content lies beyond the end of the container: {length} bytes at {place}"
            raise ReadFailedError(words, hint="the image may be cut short", partial=b"".join(before))
        plain = self._cipher.decrypt(data, (extent.tweak + first) * (self._block // SECTOR))
        start = inside - first * self._block
        return plain[start : start + length]
