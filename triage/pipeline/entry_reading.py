"""The bytes of an entry, whatever state they are in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

from triage.errors import EncryptedVolumeError, EvidenceError, ReadFailedError
from triage.evidence.lost import LostRange, blanked, lost_problem
from triage.evidence.unowned import Space
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.pipeline.options import MIB

WINDOW = 8 * MIB
PIECE = 64 * 1024

Buffer = bytes | bytearray | memoryview


class Reader(Protocol):
    """What examination needs of a file system."""

    def open_entry(self, entry: Entry) -> Stream:
        """The bytes of an entry."""
        ...

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The whole content, at most ``limit`` bytes."""
        ...

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the bytes of an entry lie, by ``file_offset``."""
        ...

    @property
    def space(self) -> Space:
        """The space of the same volume."""
        ...

    def begin(self) -> None:
        """An entry is about to be read."""
        ...

    def lost(self, entry: Entry) -> tuple[LostRange, ...]:
        """What could not be read of an entry that was read since :meth:`begin`."""
        ...


def read_entry(entry: Entry, reader: Reader, address: str, limit: int) -> tuple[Buffer, list[Problem]]:
    """The whole content; unreadable pieces are zeros and a problem with their ranges.

    Raises:
        EncryptedVolumeError: The content is encrypted.
        EvidenceError: Nothing of it can be read.
    """
    reader.begin()
    try:
        data: Buffer = reader.read_whole(entry, limit)
    except EncryptedVolumeError:
        raise
    except EvidenceError:
        return read_in_pieces(entry, reader, address)
    if len(data) < entry.size:
        missing = entry.size - len(data)
        message = f"{len(data)} of {entry.size} bytes could be read"
        return data, [Problem(address, "evidence/read", Reason.TRUNCATED, message, "", missing)]
    lost = reader.lost(entry)
    return (blanked(data, lost), [lost_problem(address, entry.size, lost)]) if lost else (data, [])


def read_in_pieces(entry: Entry, reader: Reader, address: str) -> tuple[Buffer, list[Problem]]:
    """What can be read, with zeros for the rest."""
    data = bytearray(entry.size)
    lost = 0
    first = ""
    stream = reader.open_entry(entry)
    try:
        for offset in range(0, entry.size, PIECE):
            want = min(PIECE, entry.size - offset)
            try:
                piece = stream.read_at(offset, want)
            except EvidenceError as error:
                piece = error.partial[:want] if isinstance(error, ReadFailedError) else b""
                first = first or f"offset {offset + len(piece)}: {error}"
            data[offset : offset + len(piece)] = piece
            lost += want - len(piece)
    finally:
        stream.close()
    if not lost:
        return data, []
    message = f"{lost} of {entry.size} bytes could not be read and were taken as zeros; first at {first or 'the end'}"
    return data, [Problem(address, "evidence/read", Reason.UNREADABLE, message, "", lost)]


class DigestingStream:
    """Digests bytes as they are read in ascending order; windows may overlap.

    Args:
        stream: The bytes; closed together with this.
        alive: Called before each read.
    """

    def __init__(self, stream: Stream, alive: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self._alive = alive
        self._position = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    @property
    def size(self) -> int:
        """Bytes in total."""
        return self._stream.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset`` on; those not read before are digested."""
        self._alive()
        data = self._stream.read_at(offset, length)
        end = offset + len(data)
        if offset <= self._position < end:
            fresh = memoryview(data)[self._position - offset :]
            for digest in (self._md5, self._sha1, self._sha256):
                digest.update(fresh)
            self._position = end
        return data

    def finish(self) -> tuple[str, str, str]:
        """MD5, SHA-1, SHA-256 of the whole; reads what nobody asked for."""
        while self._position < self.size:
            before = self._position
            self.read_at(before, WINDOW)
            if self._position == before:
                break
        return self._md5.hexdigest(), self._sha1.hexdigest(), self._sha256.hexdigest()

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
