"""Media that a map places: the one stream that all readers of virtual disks share.

A format's reader is a :class:`BlockMap`: it says of an offset of the media what lies there: stored bytes of some file,
zeros, the parent's bytes, a compressed chunk, or damage. This stream joins neighbours into large reads, keeps decoded
chunks, fills what is damaged with zeros and tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple, Protocol

from triage.errors import ReadFailedError
from triage.evidence.containers.bad_ranges import BadRanges, Damaged
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

CACHE_BYTES = 8 << 20
"""Decoded chunks kept."""
MAX_CHUNK = 64 << 20
"""A decoded chunk that claims more is damaged; real ones have at most 2 MiB."""


class Kind(Enum):
    """What lies at an offset of the media."""

    STORED = "stored"
    ZERO = "zero"
    PARENT = "parent"
    PACKED = "packed"
    BAD = "bad"


class Piece(NamedTuple):
    """What lies at an offset of the media.

    Attributes:
        kind: What it is.
        length: Bytes of it from the offset on, 1 or more; may reach beyond the end of the media.
        source: File with the bytes, for ``STORED``.
        place: Where in the source, for ``STORED``; the key of the chunk, for ``PACKED``.
        skip: Bytes of the decoded chunk before the offset, for ``PACKED``.
        why: What is damaged, for ``BAD``.
    """

    kind: Kind
    length: int
    source: Stream | None = None
    place: int = 0
    skip: int = 0
    why: str = ""


def zeros(length: int) -> Piece:
    """Nothing stored."""
    return Piece(Kind.ZERO, length)


def inherited(length: int) -> Piece:
    """Bytes of the parent; zeros where there is none."""
    return Piece(Kind.PARENT, length)


def damaged(length: int, why: str) -> Piece:
    """Bytes that cannot be known."""
    return Piece(Kind.BAD, length, why=why)


class BlockMap(Protocol):
    """Where the bytes of the media lie.

    Attributes:
        size: Bytes of the media.
        parent: What is read where this image has nothing of its own, None where there is no parent.
    """

    size: int
    parent: Stream | None

    def piece(self, offset: int) -> Piece:
        """What lies at an offset below ``size``.

        Raises:
            ReadFailedError: The map itself cannot be read.
        """
        ...

    def unpack(self, key: int) -> bytes:
        """The whole decoded chunk of a ``PACKED`` piece.

        Raises:
            ValueError: It does not decode; the words say why.
            ReadFailedError: Its bytes cannot be read.
        """
        ...


class PlainMap:
    """Media that lie in a file as they are; see :class:`BlockMap`.

    Args:
        stream: The file.
        size: Bytes of the media, from the beginning of the file.
    """

    def __init__(self, stream: Stream, size: int) -> None:
        self.size = size
        self.parent: Stream | None = None
        self._stream = stream

    def piece(self, offset: int) -> Piece:
        """What lies at an offset: all the rest."""
        return Piece(Kind.STORED, self.size - offset, self._stream, offset)

    def unpack(self, key: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed chunk {key}")


class MappedStream:
    """The media of a block map; see :class:`~triage.model.stream.Stream`.

    Args:
        block_map: Where the bytes lie.
        evidence_name: For the addresses of Problems.
        stage: For Problems, for instance ``evidence/qcow``.

    Attributes:
        bad: Ranges that were filled with zeros.
    """

    def __init__(self, block_map: BlockMap, evidence_name: str, stage: str) -> None:
        self._map = block_map
        self._size = block_map.size
        self._bad = BadRanges(evidence_name, stage)
        self.bad = self._bad.bad
        self._cache: dict[int, bytes] = {}
        self._cached = 0

    @property
    def size(self) -> int:
        """Bytes of the media."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`. What is damaged reads as zeros.

        Raises:
            ReadFailedError: A file cannot be read.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(offset + length, self._size)
        parts = []
        for start, piece in self._joined(offset, end):
            parts.append(self._bytes(piece, start))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def data_ranges(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Parts that may hold other bytes than zeros, as ``(offset, length)`` ascending.

        Raises:
            ReadFailedError: A map cannot be read.
        """
        end = min(offset + length, self._size)
        if not 0 <= offset < end:
            return
        for start, piece in self._joined(offset, end):
            if piece.kind in (Kind.ZERO, Kind.BAD):
                continue
            source: Any = self._map.parent if piece.kind is Kind.PARENT else piece.source
            place = start if piece.kind is Kind.PARENT else piece.place
            if source is None and piece.kind is Kind.PARENT:
                continue
            inner = getattr(source, "data_ranges", None)
            if inner is None or piece.kind is Kind.PACKED:
                yield start, piece.length
            else:
                for begin, part in inner(place, piece.length):
                    yield begin - place + start, part

    def take_problems(self) -> tuple[Problem, ...]:
        """Problems since the last call, each damaged range once."""
        return self._bad.take()

    def close(self) -> None:
        """Drop the cache; the files are the container's to close."""
        self._cache.clear()
        self._cached = 0

    def _joined(self, offset: int, end: int) -> Iterator[tuple[int, Piece]]:
        """Pieces from ``offset`` to ``end``, neighbours of one kind as one."""
        held: Piece | None = None
        start = offset
        while offset < end:
            piece = self._map.piece(offset)
            length = min(piece.length, end - offset)
            if length <= 0:
                raise ReadFailedError(f"the map of the image has no end at {offset}")
            if held is not None and _follows(held, piece):
                held = held._replace(length=held.length + length)
            else:
                if held is not None:
                    yield start, held
                start, held = offset, piece._replace(length=length)
            offset += length
        if held is not None:
            yield start, held

    def _bytes(self, piece: Piece, offset: int) -> bytes:
        length = piece.length
        if piece.kind is Kind.STORED and piece.source is not None:
            data = piece.source.read_at(piece.place, length)
            if len(data) == length:
                return data
            why = f"they should be stored at {piece.place + len(data)}, behind the end of the file"
            self._bad.add(offset + len(data), offset + length, Reason.TRUNCATED, why)
            return data + bytes(length - len(data))
        if piece.kind is Kind.PACKED:
            return self._from_chunk(piece, offset)
        if piece.kind is Kind.PARENT and self._map.parent is not None:
            data = self._map.parent.read_at(offset, length)
            if isinstance(self._map.parent, Damaged):  # told by the parent; what it filled is filled here too
                for found in self._map.parent.bad.overlapping(offset, length):
                    self.bad.add(found.offset, found.end, found.cause)
            return data if len(data) == length else data + bytes(length - len(data))
        if piece.kind is Kind.BAD:
            self._bad.add(offset, offset + length, Reason.CORRUPT, piece.why)
        return bytes(length)

    def _from_chunk(self, piece: Piece, offset: int) -> bytes:
        chunk = self._cache.pop(piece.place, None)
        if chunk is None:
            try:
                chunk = self._map.unpack(piece.place)
            except ValueError as error:
                self._bad.add(offset, offset + piece.length, Reason.CORRUPT, str(error))
                return bytes(piece.length)
            self._cached += len(chunk)
        self._cache[piece.place] = chunk
        while self._cached > CACHE_BYTES and len(self._cache) > 2:
            self._cached -= len(self._cache.pop(next(iter(self._cache))))
        data = chunk[piece.skip : piece.skip + piece.length]
        if len(data) < piece.length:
            why = f"a compressed chunk holds only {len(chunk)} bytes"
            self._bad.add(offset + len(data), offset + piece.length, Reason.CORRUPT, why)
            data += bytes(piece.length - len(data))
        return data


def _follows(held: Piece, piece: Piece) -> bool:
    """True where a piece goes on where the one before ends."""
    if held.kind is not piece.kind or held.kind is Kind.PACKED:
        return False
    if held.kind is Kind.STORED:
        return held.source is piece.source and held.place + held.length == piece.place
    return held.why == piece.why
