"""Volume shadow copies of NTFS, through libvshadow: what a volume held when Windows took a snapshot of it.

Format as the documentation of libvshadow has it: a header at byte 7680 of the volume leads to the catalog, which
lists the stores. One volume for each store that opens, oldest first, read through the store: what changed since comes
from it, the rest from the volume as it is. The volume below is read for itself as well.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.keychain import Keychain
from triage.evidence.volumes.layers import LayerVolume
from triage.evidence.volumes.stream_file import StreamFile
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.times import iso_from_ns

STAGE = "evidence/shadow_copies"
HEADER = 7680
MAX_STORES = 512
"""What Windows keeps at most for one volume."""

LIBRARY_ERRORS = (OSError, ValueError, MemoryError, SystemError, TypeError, OverflowError, RuntimeError)
"""What libyal raises; it is not used for what this module raises itself."""
IDENTIFIER = bytes.fromhex("6b870838 76c1 484e b7ae 04046e6cc752")

_BLOCK = 16384
_PIECE = 1 << 18
_CACHED = 32
_EPOCH = 116_444_736_000_000_000


class StoreStream:
    """A volume as it was when a snapshot was taken, in cached pieces.

    Args:
        store: An open ``pyvshadow.store``; it holds its volume.
        size: Bytes of the volume.
        file: Where the library reads from, for its errors.
    """

    def __init__(self, store: Any, size: int, file: StreamFile) -> None:
        self._store = store
        self._size = size
        self._file = file
        self._cache: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of the volume."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: The library cannot give these bytes; ``partial`` holds what comes before them.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            try:
                part = self._from(offset)[: end - offset]
            except ReadFailedError as error:
                raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(parts)) from error
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Drop the cache; a second call does nothing."""
        self._cache.clear()

    def _from(self, offset: int) -> bytes:
        """Bytes from an offset on, one or more: those of its piece, or of its block where the piece cannot be read.

        Raises:
            ReadFailedError: The block cannot be read.
        """
        number, inside = divmod(offset, _PIECE)
        data = self._cache.get(number)
        if data is not None:
            self._cache.move_to_end(number)
            return data[inside:]
        start = number * _PIECE
        wanted = min(_PIECE, self._size - start)
        try:
            data = self._read(start, wanted)
        except ReadFailedError:
            start = offset - offset % _BLOCK
            return self._read(start, min(_BLOCK, self._size - start))[offset - start :]
        self._cache[number] = data
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return data[inside:]

    def _read(self, start: int, length: int) -> bytes:
        self._file.failed = None
        try:
            data = bytes(self._store.read_buffer_at_offset(length, start))
        except LIBRARY_ERRORS as error:
            failed = self._file.failed
            if failed is not None:
                raise ReadFailedError(failed.message, hint=failed.hint) from error
            raise ReadFailedError(f"libvshadow cannot read at {start}: {_words(error)}") from error
        if len(data) < length:
            raise ReadFailedError(f"libvshadow gives {len(data)} of {length} bytes at {start}")
        return data


class ShadowLayer:
    """The snapshots of a volume; see :class:`~triage.evidence.volumes.layers.Layer`.

    Args:
        handle: An open ``pyvshadow.volume``.
        file: Where it reads from.
        address: Text form of the volume's address.
    """

    name = "shadow_copies"
    replaces = False

    def __init__(self, handle: Any, file: StreamFile, address: str) -> None:
        self._handle = handle
        self._file = file
        self._address = address
        self._problems: list[Problem] = []
        stores = self._stores()
        self.volumes: tuple[LayerVolume, ...] = tuple(
            LayerVolume(f"vss{number}", words, stream, length=stream.size)
            for number, (_, words, stream) in enumerate(stores, 1)
        )
        self.details = {"snapshots": str(len(stores))}
        self.problems = tuple(self._problems)

    def close(self) -> None:
        """Close the library's volume; a second call does nothing."""
        handle, self._handle = self._handle, None
        for volume in self.volumes:
            if volume.stream is not None:
                volume.stream.close()
        if handle is not None:
            try:
                handle.close()
            except LIBRARY_ERRORS:
                return

    def _stores(self) -> list[tuple[int, str, StoreStream]]:
        """Time, description and bytes of each store that opens, oldest first."""
        found: list[tuple[int, str, StoreStream]] = []
        count = int(self._handle.get_number_of_stores())
        if count > MAX_STORES:
            words = f"the catalog lists {count} snapshots, of which {MAX_STORES} are opened"
            self._problems.append(Problem(self._address, STAGE, Reason.LIMIT, words))
        for number in range(min(count, MAX_STORES)):
            try:
                found.append(self._store(number))
            except LIBRARY_ERRORS as error:
                words = f"snapshot {number + 1} of {count} cannot be opened: {_words(error)}"
                self._problems.append(Problem(self._address, STAGE, Reason.CORRUPT, words))
            except EvidenceError as error:
                words = f"snapshot {number + 1} of {count}: {error.message}"
                self._problems.append(Problem(self._address, STAGE, Reason.CORRUPT, words, error.hint or ""))
        return sorted(found, key=lambda store: store[0])

    def _store(self, number: int) -> tuple[int, str, StoreStream]:
        store = self._handle.get_store(number)
        identifier = printable(str(store.get_identifier()))
        if not store.has_in_volume_data():
            raise UnsupportedFormatError(
                f"its data is not on this volume ({identifier})", hint="hand in the volume that keeps the shadow copies"
            )
        size = int(store.get_volume_size())
        below = self._file.get_size()
        if not 0 < size <= below + _BLOCK:
            raise CorruptStructureError(f"it states a volume of {size} bytes, the volume has {below} ({identifier})")
        moment = int(store.get_creation_time_as_integer())
        shown = iso_from_ns((moment - _EPOCH) * 100) or "time unknown"
        copy = printable(str(store.get_copy_identifier()))
        words = f"shadow copy {{{copy}}} made {shown}, store {{{identifier}}}"
        return moment, words, StoreStream(store, min(size, below), self._file)


def detect(stream: Stream) -> bool:
    """True where the header of shadow copies leads to a catalog.

    Raises:
        ReadFailedError: The bytes cannot be read.
    """
    header = stream.read_at(HEADER, 512)
    if len(header) < 64 or header[:16] != IDENTIFIER:
        return False
    return int(struct.unpack_from("<Q", header, 48)[0]) > 0


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> ShadowLayer:
    """The snapshots of a volume.

    Raises:
        UnsupportedFormatError: libvshadow is not installed.
        CorruptStructureError: The library refuses header or catalog.
        ReadFailedError: The first bytes cannot be read.
    """
    del keychain, others
    try:
        import pyvshadow
    except ImportError as error:
        raise UnsupportedFormatError(
            "volume shadow copies need libvshadow, which is not installed", hint="install libvshadow-python"
        ) from error
    file = StreamFile(stream)
    handle = pyvshadow.volume()
    try:
        handle.open_file_object(file)
        return ShadowLayer(handle, file, address)
    except LIBRARY_ERRORS as error:
        if file.failed is not None:
            raise ReadFailedError(file.failed.message, hint=file.failed.hint) from error
        raise CorruptStructureError(
            f"libvshadow cannot open the shadow copies: {_words(error)}",
            hint="the volume itself is examined; look for copies of the snapshots with another tool",
        ) from error


def _words(error: BaseException) -> str:
    """First line of a library's message, printable, without its own function names."""
    lines = str(error).splitlines()
    text = lines[0] if lines else type(error).__name__
    return printable(text.rpartition(": ")[2])[:200]
