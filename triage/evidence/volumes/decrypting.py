"""What all encrypted volumes share: cached streams, the opened layer, the words where no key fits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from triage.errors import EncryptedVolumeError, ReadFailedError
from triage.evidence.keychain import Keychain
from triage.evidence.volumes.layers import LayerVolume
from triage.evidence.volumes.sector_ciphers import SectorCipher
from triage.model.problem import Problem
from triage.model.stream import Stream

CHUNK = 64 << 10
"""Bytes decrypted at once for a small read, a multiple of every sector size."""
PIECE = 256 << 10
"""Bytes decrypted at once for a large read; larger pieces leave the caches of the processor."""
MAX_CHUNKS = 64
"""Decrypted chunks kept for each stream: 4 MiB."""


class SectorStream:
    """Bytes that can be had by whole sectors only; small reads come from a cache of chunks.

    Args:
        size: Bytes of the stream.
        sector_size: Bytes in a sector; divides :data:`CHUNK`.
        decode: Gives the bytes of a range of whole sectors; where it fails, what came before is ``partial``.
        on_close: Called once.
    """

    def __init__(
        self,
        size: int,
        sector_size: int,
        decode: Callable[[int, int], bytes],
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._size = size
        self._sector_size = sector_size
        self._decode = decode
        self._on_close = on_close
        self._chunks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes in the stream."""
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
        small = end - offset <= CHUNK
        while offset < end:
            edge = (offset // CHUNK + 1) * CHUNK if small else (offset // PIECE + 1) * PIECE
            stop = min(end, edge)
            try:
                parts.append(self._from_chunk(offset, stop) if small else self._direct(offset, stop))
            except ReadFailedError as error:
                partial = b"".join(parts) + error.partial
                raise ReadFailedError(error.message, hint=error.hint, address=error.address, partial=partial) from error
            offset = stop
        return b"".join(parts)

    def close(self) -> None:
        """Forget what was decrypted; a second call does nothing."""
        self._chunks.clear()
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()

    def _from_chunk(self, offset: int, stop: int) -> bytes:
        start = offset // CHUNK * CHUNK
        chunk = self._chunks.get(start)
        if chunk is None:
            try:
                chunk = self._decode(start, self._rounded(min(start + CHUNK, self._size)) - start)
            except ReadFailedError:  # somewhere in the chunk, perhaps not in what was asked for
                return self._direct(offset, stop)
            self._chunks[start] = chunk
            if len(self._chunks) > MAX_CHUNKS:
                self._chunks.popitem(last=False)
        else:
            self._chunks.move_to_end(start)
        return chunk[offset - start : stop - start]

    def _direct(self, offset: int, stop: int) -> bytes:
        start = offset // self._sector_size * self._sector_size
        try:
            data = self._decode(start, self._rounded(stop) - start)
        except ReadFailedError as error:
            partial = error.partial[offset - start : stop - start]
            raise ReadFailedError(error.message, hint=error.hint, address=error.address, partial=partial) from error
        return data[offset - start : stop - start]

    def _rounded(self, offset: int) -> int:
        return -(-offset // self._sector_size) * self._sector_size


def read_sectors(source: Stream, offset: int, length: int, sector_size: int) -> tuple[bytes, ReadFailedError | None]:
    """Whole sectors of a stream, and the error where there are fewer than asked for.

    Args:
        source: Where from.
        offset: Byte of it.
        length: Bytes, whole sectors.
        sector_size: Bytes in a sector.
    """
    failed: ReadFailedError | None = None
    try:
        data = source.read_at(offset, length)
        if len(data) < length:
            message = f"the image ends before the encrypted volume does: {len(data)} of {length} bytes at {offset}"
            failed = ReadFailedError(message, hint="the image may be cut short; compare with another copy")
    except ReadFailedError as error:
        data, failed = error.partial, error
    return data[: len(data) // sector_size * sector_size], failed


def decrypting_stream(
    source: Stream, start: int, size: int, cipher: SectorCipher, sector_size: int, first: int, step: int
) -> SectorStream:
    """A run of encrypted sectors as a stream.

    Args:
        source: Encrypted bytes; stays the caller's to close.
        start: Byte of ``source`` where the run begins.
        size: Bytes of the run, whole sectors.
        cipher: Decrypts them.
        sector_size: Bytes in a sector.
        first: Number of the first sector.
        step: By how much the number grows from sector to sector.
    """

    def decode(offset: int, length: int) -> bytes:
        data, failed = read_sectors(source, start + offset, length, sector_size)
        plain = cipher.decrypt(data, first + offset // sector_size * step) if data else b""
        if failed is not None:
            raise ReadFailedError(failed.message, hint=failed.hint, address=failed.address, partial=plain) from failed
        return plain

    return SectorStream(size, sector_size, decode)


@dataclass(slots=True)
class EncryptionLayer:
    """An opened encrypted volume; see :class:`~triage.evidence.volumes.layers.Layer`.

    Attributes:
        name: ``luks``, ``bitlocker`` ...
        volumes: The plain volume, or several.
        problems: Seen at opening.
        details: What the header says, printable text by name.
        replaces: True: the bytes below are noise.
    """

    name: str
    volumes: tuple[LayerVolume, ...]
    problems: tuple[Problem, ...] = ()
    details: dict[str, str] = field(default_factory=dict)
    replaces: bool = True

    def close(self) -> None:
        """Close the streams; a second call does nothing."""
        for volume in self.volumes:
            if volume.stream is not None:
                volume.stream.close()


def locked(
    method: str, size: int, address: str, keychain: Keychain, *, hint: str, remarks: tuple[str, ...] = ()
) -> EncryptedVolumeError:
    """The error where no key fits.

    Args:
        method: ``LUKS2``, ``BitLocker`` ...
        size: Bytes that stay closed.
        address: Of the volume.
        keychain: Says what was tried.
        hint: Which keys could fit.
        remarks: What else stood in the way.
    """
    words = "; ".join((f"encrypted volume: {method}, {size} bytes", keychain.tried(address), *remarks))
    return EncryptedVolumeError(words, hint=hint, address=address)
