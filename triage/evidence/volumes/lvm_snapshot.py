"""A logical volume as it was when a snapshot of it was taken: its origin with the exceptions of the snapshot on top.

Layout of the persistent exception store after the kernel's documentation of device-mapper snapshots: chunk 0 is the
header (magic ``SnAp``, valid, version 1, sectors in a chunk). Then areas: one chunk of exceptions, pairs of old and new
chunk number of 64 bits each, then as many chunks of data as it has room for exceptions. A pair whose new chunk is 0
ends the list.
"""

from __future__ import annotations

import struct

from triage.errors import CorruptStructureError, ReadFailedError
from triage.model.stream import Stream

MAGIC = 0x70416E53
SECTOR = 512
MAX_EXCEPTIONS = 20_000_000
MAX_CHUNK = 1 << 24


class SnapshotStream:
    """The snapshot.

    Args:
        origin: The volume as it is now.
        store: The exception store.
        chunk: Bytes in a chunk, as the metadata has it.

    Raises:
        CorruptStructureError: The store is none, or was dropped for being full.
        ReadFailedError: The store cannot be read.
    """

    def __init__(self, origin: Stream, store: Stream, chunk: int) -> None:
        magic, valid, version, sectors = struct.unpack("<IIII", store.read_at(0, 16).ljust(16, b"\0"))
        if magic != MAGIC or version != 1:
            raise CorruptStructureError("LVM: the exception store of the snapshot has no header")
        if not valid:
            raise CorruptStructureError("LVM: the snapshot was dropped, for instance because it was full")
        self._chunk = sectors * SECTOR or chunk
        if not SECTOR <= self._chunk <= MAX_CHUNK:
            raise CorruptStructureError(f"LVM: snapshot with chunks of {self._chunk} bytes")
        self._origin = origin
        self._store = store
        self._exceptions = self._read_exceptions()

    def _read_exceptions(self) -> dict[int, int]:
        found: dict[int, int] = {}
        each = self._chunk // 16
        chunks = self._store.size // self._chunk
        area = 1
        while area < chunks:
            data = self._store.read_at(area * self._chunk, self._chunk)
            for old, new in struct.iter_unpack("<QQ", data[: len(data) // 16 * 16]):
                if not new:
                    return found
                if new >= chunks or len(found) >= MAX_EXCEPTIONS:
                    raise CorruptStructureError(f"LVM: the snapshot names chunk {new} of {chunks}")
                found[old] = new
            area += each + 1
        return found

    @property
    def size(self) -> int:
        """Bytes of the volume."""
        return self._origin.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: Origin or store cannot be read.
        """
        if offset < 0 or length <= 0 or offset >= self.size:
            return b""
        end = min(self.size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            number, inside = divmod(offset, self._chunk)
            stop = min(end, (number + 1) * self._chunk)
            new = self._exceptions.get(number)
            if new is None:
                while stop < end and stop // self._chunk not in self._exceptions:
                    stop = min(end, stop + self._chunk)
                part = self._read(self._origin, offset, stop - offset, parts)
            else:
                part = self._read(self._store, new * self._chunk + inside, stop - offset, parts)
            parts.append(part)
            offset = stop
        return b"".join(parts)

    @staticmethod
    def _read(source: Stream, offset: int, length: int, before: list[bytes]) -> bytes:
        try:
            data = source.read_at(offset, length)
        except ReadFailedError as error:
            raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(before) + error.partial) from error
        if len(data) < length:
            raise ReadFailedError("a chunk of the snapshot lies beyond its store", partial=b"".join(before) + data)
        return data

    def close(self) -> None:
        """Nothing to release: the sources are their owner's to close."""
