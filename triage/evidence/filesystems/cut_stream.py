"""Streams for contents that hold only in part, and a small cache of what was unpacked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, runtime_checkable

from triage.errors import EvidenceError, ReadFailedError
from triage.model.stream import Stream


@runtime_checkable
class Placed(Protocol):
    """A content whose bytes lie in the volume in another form, and that knows where."""

    def places(self) -> Iterator[tuple[int, int]]:
        """Offset and length of each stretch; ends where the rest cannot be told."""
        ...


class CutStream:
    """A stream that can be read up to a place, and says why not further.

    Args:
        stream: What holds.
        cut: First byte that does not.
        error: Why.
    """

    def __init__(self, stream: Stream, cut: int, error: EvidenceError) -> None:
        self._stream = stream
        self._cut = cut
        self._error = error

    @property
    def size(self) -> int:
        """Bytes of the content, as declared."""
        return self._stream.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: The bytes reach beyond the cut; what lies before it is in ``partial``.
        """
        end = min(offset + length, self.size)
        if offset < 0 or length <= 0 or end <= self._cut:
            return self._stream.read_at(offset, length)
        if offset >= self.size:
            return b""
        partial = self._stream.read_at(offset, self._cut - offset) if offset < self._cut else b""
        raise ReadFailedError(self._error.message, hint=self._error.hint, partial=partial) from self._error

    def places(self) -> Iterator[tuple[int, int]]:
        """See :class:`Placed`."""
        return self._stream.places() if isinstance(self._stream, Placed) else iter(())

    def close(self) -> None:
        """Release the stream below."""
        self._stream.close()


class PieceCache:
    """The last few unpacked pieces, shared by the streams of a file system.

    Args:
        limit: Bytes kept.
    """

    def __init__(self, limit: int = 8 << 20) -> None:
        self._limit = limit
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: int, make: Callable[[], bytes]) -> bytes:
        """The piece of a key, made where it is not there.

        Raises:
            EvidenceError: It cannot be made.
        """
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = make()
        self._kept[key] = found
        self._bytes += len(found) + 64
        while self._bytes > self._limit and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= len(old) + 64
        return found


class PieceStream:
    """Content made of pieces of one length, each unpacked when it is read.

    Args:
        size: Bytes of the content.
        piece_size: Bytes in each piece but the last.
        piece: Bytes of the piece of a number; short ones are an error, longer ones are cut.
        places: Where the pieces lie in the volume as they are stored: offset and length of each.
    """

    def __init__(
        self,
        size: int,
        piece_size: int,
        piece: Callable[[int], bytes],
        places: Callable[[], Iterable[tuple[int, int]]] = tuple,
    ) -> None:
        self._places = places
        self._size = size
        self._piece_size = piece_size
        self._piece = piece

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._size

    def places(self) -> Iterator[tuple[int, int]]:
        """See :class:`Placed`."""
        return iter(self._places())

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: A piece cannot be unpacked; what lies before it is in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            index, skip = divmod(offset, self._piece_size)
            want = min(end, (index + 1) * self._piece_size) - offset
            try:
                data = self._piece(index)[skip : skip + want]
            except EvidenceError as error:
                raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(parts)) from error
            parts.append(data)
            if len(data) < want:
                message = f"a piece of the content is short: {len(data)} bytes of {want} at {offset}"
                raise ReadFailedError(message, partial=b"".join(parts))
            offset += want
        return b"".join(parts)

    def close(self) -> None:
        """Nothing to release."""
