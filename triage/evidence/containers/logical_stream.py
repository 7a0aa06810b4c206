"""Streams that archives and logical images share: files one behind the other, a part of a stream, data in order."""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Protocol

from triage.errors import ReadFailedError
from triage.evidence.containers.segment_file import SegmentFile
from triage.model.stream import Stream

STEP = 1 << 20
"""Bytes decoded at once while something is skipped."""


class Readable(Protocol):
    """Bytes by place."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; fewer only at the end."""
        ...


class FilesStream:
    """Files one behind the other.

    Args:
        files: In order; closed together with the stream.
    """

    def __init__(self, files: Sequence[SegmentFile]) -> None:
        self._files = files
        self._starts: list[int] = []
        self._size = 0
        for file in files:
            self._starts.append(self._size)
            self._size += file.size

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        index = bisect_right(self._starts, offset) - 1
        parts: list[bytes] = []
        while offset < end:
            data = self._files[index].read_at(offset - self._starts[index], end - offset)
            parts.append(data)
            offset += len(data)
            index += 1
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        for file in self._files:
            file.close()


class PartStream:
    """A part of something readable, as long as it is declared.

    Args:
        source: What it is a part of; stays the caller's to close.
        start: Where it begins.
        size: Bytes of it.
    """

    def __init__(self, source: Readable, start: int, size: int) -> None:
        self._source = source
        self._start = start
        self._size = size

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: The source ends before the part does; what there is, is in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        length = min(length, self._size - offset)
        data = self._source.read_at(self._start + offset, length)
        if len(data) < length:
            message = f"the archive ends before the member does: {len(data)} of {length} bytes at {offset}"
            raise ReadFailedError(message, hint="the archive may be cut short", partial=data)
        return data

    def close(self) -> None:
        """Nothing to release."""


class DigestStream:
    """Digests a content as it is read in order, windows may overlap, and says so where the digest is not as stated.

    Args:
        stream: Closed with it.
        algorithm: ``crc32``, ``md5`` or ``sha1``.
        stated: Lower-case hex.
        differs: Called once, with what the bytes have.
    """

    def __init__(self, stream: Stream, algorithm: str, stated: str, differs: Callable[[str], None]) -> None:
        self._stream = stream
        self._stated = stated
        self._differs: Callable[[str], None] | None = differs
        self._position = 0
        self._crc = 0
        self._digest = None if algorithm == "crc32" else hashlib.new(algorithm, usedforsecurity=False)

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._stream.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        data = self._stream.read_at(offset, length)
        end = offset + len(data)
        if 0 <= offset <= self._position < end and self._differs is not None:
            fresh = memoryview(data)[self._position - offset :]
            self._position = end
            if self._digest is None:
                self._crc = zlib.crc32(fresh, self._crc)
            else:
                self._digest.update(fresh)
            if end == self.size:
                differs, self._differs = self._differs, None
                found = f"{self._crc:08x}" if self._digest is None else self._digest.hexdigest()
                if found != self._stated:
                    differs(found)
        return data

    def close(self) -> None:
        """Close the stream; a second call does nothing."""
        self._stream.close()


class Decoder(Protocol):
    """Gives a content in order, from its beginning."""

    def read(self, length: int) -> bytes:
        """The next bytes, at most ``length``; empty only at the end.

        Raises:
            ReadFailedError: They cannot be decoded.
        """
        ...


class DecodedStream:
    """A content that can only be decoded from its beginning; going back begins anew.

    Args:
        make: Makes a decoder that stands at the beginning.
        size: Bytes of the content, as declared.
        longer: Called once where more is decoded than is declared.
    """

    def __init__(self, make: Callable[[], Decoder], size: int, longer: Callable[[], None] | None = None) -> None:
        self._make = make
        self._size = size
        self._longer = longer
        self._decoder: Decoder | None = None
        self._position = 0
        self._broken: tuple[int, ReadFailedError] | None = None

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
        if self._broken is not None and offset >= self._broken[0]:  # decoding to there again would not help
            raise ReadFailedError(self._broken[1].message, hint=self._broken[1].hint)
        if self._decoder is None or offset < self._position or self._position == self._size:
            self._decoder, self._position = self._make(), 0
        self._take(offset - self._position, keep=False)
        data = self._take(min(length, self._size - offset), keep=True)
        if self._position == self._size and self._longer is not None and self._decoder is not None:
            longer, self._longer = self._longer, None
            try:
                more = self._decoder.read(1)
            except ReadFailedError:
                return data
            if more:
                longer()
        return data

    def _take(self, length: int, *, keep: bool) -> bytes:
        """The next bytes."""
        parts: list[bytes] = []
        have = 0
        decoder = self._decoder
        while decoder is not None and have < length:
            try:
                piece = decoder.read(min(length - have, STEP))
                if not piece:
                    raise ReadFailedError(f"the content ends at {self._position} where {self._size} bytes are declared")
            except ReadFailedError as error:
                partial = b"".join(parts) + error.partial if keep else b""
                self._decoder = None
                self._broken = (self._position + len(error.partial), error)
                raise ReadFailedError(error.message, hint=error.hint, partial=partial) from error
            have += len(piece)
            self._position += len(piece)
            if keep:
                parts.append(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of the decoder; a second call does nothing."""
        self._decoder = None
