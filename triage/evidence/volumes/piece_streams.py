"""Streams put together from parts of other streams: one after the other, in stripes, in mirrors.

Logical volumes and software RAID share them. A part that is absent is never filled in silently: reading it raises.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from triage.errors import ReadFailedError
from triage.evidence.volumes.raid_layout import RaidLayout
from triage.model.stream import Stream


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that lie together in one source.

    Attributes:
        offset: Bytes from the start of the stream that is put together.
        length: Bytes.
        source: Where they come from; None where the source is absent.
        source_offset: Bytes from the start of the source.
        missing: What is absent, in words.
    """

    offset: int
    length: int
    source: Stream | None
    source_offset: int
    missing: str = ""


class PieceStream:
    """Pieces one after the other.

    Args:
        pieces: By ``offset``, without gaps between them and without overlap.
        size: Bytes; what no piece covers cannot be read.
    """

    def __init__(self, pieces: Sequence[Piece], size: int) -> None:
        self._pieces = tuple(pieces)
        self._starts = [piece.offset for piece in pieces]
        self._size = size

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: A part is absent or cannot be read; ``partial`` holds what comes before it.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            piece = self._pieces[index] if 0 <= index < len(self._pieces) else None
            if piece is None or not piece.offset <= offset < piece.offset + piece.length:
                raise ReadFailedError(f"no part of the volume holds offset {offset}", partial=b"".join(parts))
            wanted = min(end, piece.offset + piece.length) - offset
            parts.append(_read(piece, offset - piece.offset, wanted, parts))
            offset += wanted
            index += 1
        return b"".join(parts)

    def close(self) -> None:
        """Nothing to release: the sources are their owner's to close."""


def _read(piece: Piece, inside: int, length: int, before: Sequence[bytes]) -> bytes:
    if piece.source is None:
        words = piece.missing or "a part of the volume"
        raise ReadFailedError(
            f"{words} is missing", hint="hand in the other disks of the set together with this one",
            partial=b"".join(before),
        )  # fmt: skip
    try:
        data = piece.source.read_at(piece.source_offset + inside, length)
    except ReadFailedError as error:
        raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(before) + error.partial) from error
    if len(data) < length:
        place = piece.source_offset + inside
        message = f"a part of the volume lies beyond the end of its source: {length} bytes at {place}"
        raise ReadFailedError(message, hint="the image may be cut short", partial=b"".join(before) + data)
    return data


class StripedStream:
    """Chunks spread over members, with copies or parity as the layout has them.

    Args:
        members: By their place in the array; None where one is absent.
        layout: Where a chunk lies.
        chunk: Bytes in a chunk.
        size: Bytes of the array.
    """

    def __init__(self, members: Sequence[Stream | None], layout: RaidLayout, chunk: int, size: int) -> None:
        self._members = tuple(members)
        self._layout = layout
        self._chunk = chunk
        self._size = size

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: A chunk can be read neither directly nor from a copy nor through parity.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            index, inside = divmod(offset, self._chunk)
            wanted = min(end - offset, self._chunk - inside)
            try:
                parts.append(self._piece(index, inside, wanted))
            except ReadFailedError as error:
                raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(parts)) from error
            offset += wanted
        return b"".join(parts)

    def close(self) -> None:
        """Nothing to release: the members are their owner's to close."""

    def _piece(self, index: int, inside: int, length: int) -> bytes:
        """Bytes within one chunk: from the first copy that reads, else through parity."""
        failed = ""
        for place in self._layout.places(index):
            try:
                return self._member(place.disk, place.row * self._chunk + inside, length)
            except ReadFailedError as error:
                failed = failed or error.message
        group, row = self._layout.parity_group(index)
        if not group:
            raise ReadFailedError(failed, hint="hand in the other disks of the set together with this one")
        total = 0
        for disk in group:
            total ^= int.from_bytes(self._member(disk, row * self._chunk + inside, length), "little")
        return total.to_bytes(length, "little")

    def _member(self, disk: int, offset: int, length: int) -> bytes:
        member = self._members[disk]
        if member is None:
            raise ReadFailedError(f"disk {disk + 1} of {len(self._members)} of the array is missing",
                                  hint="hand in the other disks of the set together with this one")  # fmt: skip
        data = member.read_at(offset, length)
        if len(data) < length:
            raise ReadFailedError(f"disk {disk + 1} of the array ends before offset {offset + length}")
        return data
