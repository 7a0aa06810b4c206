"""Files of NTFS under the Windows Overlay Filter: CompactOS, ``compact /exe``, and files backed by a WIM image.

The reparse point of such a file says who provides its content. Where that is the file itself, the stream
``WofCompressedData`` has it in chunks: a table of where each chunk but the first begins, counted from the end of the
table (four bytes each, eight where the file has 4 GiB or more), then the chunks. A chunk that is not smaller than what
it gives is stored as it is. A WIM image would be another file, often on another volume: that content is told, not read.

Source: the structures ``WOF_EXTERNAL_INFO``, ``FILE_PROVIDER_EXTERNAL_INFO`` and ``WIM_PROVIDER_EXTERNAL_INFO`` as
Microsoft publishes them, and the layout of resources in WIM images.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.model.stream import Stream

REPARSE_WOF = 0x80000017
STREAM = b"WofCompressedData"
PROVIDER_WIM, PROVIDER_FILE = 1, 2
_NAMES = {0: "XPRESS4K", 1: "LZX", 2: "XPRESS8K", 3: "XPRESS16K"}
_CHUNKS = {0: 4096, 1: 32768, 2: 8192, 3: 16384}
_CACHED = 1 << 18
"""Bytes of plain chunks that a stream keeps."""
_TABLE_PART = 4096
"""Entries of the table that are read at once."""
_READ_AHEAD = 1 << 20
"""Compressed bytes that are read at once."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What a reparse point of the filter says.

    Attributes:
        provider: ``PROVIDER_FILE``: the file itself; ``PROVIDER_WIM``: a WIM image.
        algorithm: How the file itself is compressed; -1 where another provides the content.
    """

    provider: int
    algorithm: int = -1

    @property
    def is_read(self) -> bool:
        """The content is in the file, in a form that is read."""
        return self.provider == PROVIDER_FILE and self.algorithm in _CHUNKS

    @property
    def description(self) -> str:
        """How the content is kept."""
        if self.provider == PROVIDER_WIM:
            return "its content is in a WIM image, not in this file"
        if self.provider != PROVIDER_FILE:
            return f"its content comes from provider {self.provider} of the Windows Overlay Filter, which is not known"
        name = _NAMES.get(self.algorithm, f"algorithm {self.algorithm}, which is not known")
        return f"compressed by the Windows Overlay Filter ({name})"


def parse_overlay(reparse: bytes) -> Overlay | None:
    """What the reparse point of a file says, None where it is not one of the filter.

    Args:
        reparse: Data of the attribute, from the tag on.
    """
    if len(reparse) < 16 or int.from_bytes(reparse[:4], "little") != REPARSE_WOF:
        return None
    (provider,) = struct.unpack_from("<I", reparse, 12)
    if provider != PROVIDER_FILE:
        return Overlay(provider)
    return Overlay(provider, struct.unpack_from("<I", reparse, 20)[0]) if len(reparse) >= 24 else Overlay(provider)


class OverlayStream:
    """Content of a file that the filter compressed.

    Args:
        packed: The stream ``WofCompressedData``.
        overlay: From the reparse point; one that is read.
        size: Bytes of the content.

    Raises:
        CorruptStructureError: The stream is too short for its table.
    """

    def __init__(self, packed: Stream, overlay: Overlay, size: int) -> None:
        self._packed = packed
        self._size = size
        self._chunk = _CHUNKS[overlay.algorithm]
        self._decompress = _decompressor(overlay.algorithm)
        self._count = -(-size // self._chunk)
        self._width = 4 if size < 1 << 32 else 8
        self._data = max(0, self._count - 1) * self._width
        if self._data > packed.size:
            raise CorruptStructureError(
                f"a compressed file of {size} bytes has {packed.size} compressed bytes, less than its table"
            )
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._part: tuple[int, tuple[int, ...]] = (-1, ())
        self._ahead: tuple[int, bytes] = (0, b"")

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: A chunk does not hold; ``partial`` is what comes before it.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            number, inside = divmod(offset, self._chunk)
            try:
                part = self._plain(number, end)[inside : inside + end - offset]
            except EvidenceError as error:
                raise ReadFailedError(
                    f"chunk {number} of a compressed file: {error.message}", hint=error.hint, partial=b"".join(parts)
                ) from error
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Forget what was decompressed; a second call does nothing."""
        self._cache.clear()
        self._ahead = (0, b"")
        self._packed.close()

    def _plain(self, number: int, end: int) -> bytes:
        """A whole chunk.

        Args:
            number: Which.
            end: Up to where the content is going to be read.

        Raises:
            EvidenceError: It does not hold, or cannot be read.
        """
        plain = self._cache.get(number)
        if plain is not None:
            return plain
        start, stop = self._boundary(number), self._boundary(number + 1)
        wanted = min(self._chunk, self._size - number * self._chunk)
        if not 0 < stop - start <= wanted:
            raise CorruptStructureError(f"{stop - start} compressed bytes for {wanted}")
        packed = self._read(start, stop, number, end)
        plain = packed if len(packed) == wanted else self._decompress(packed, wanted)
        if len(plain) < wanted:
            raise CorruptStructureError(f"{len(plain)} of {wanted} bytes")
        self._cache[number] = plain
        if len(self._cache) * self._chunk > _CACHED:
            self._cache.popitem(last=False)
        return plain

    def _boundary(self, number: int) -> int:
        """Where a chunk begins in the compressed stream; for the number behind the last, where that one ends."""
        if not 0 < number < self._count:
            return self._packed.size if number else self._data
        part, index = divmod(number - 1, _TABLE_PART)
        if self._part[0] != part:
            count = min(_TABLE_PART, self._count - 1 - part * _TABLE_PART)
            data = self._packed.read_at(part * _TABLE_PART * self._width, count * self._width)
            if len(data) < count * self._width:
                raise CorruptStructureError("the table of chunks ends too early")
            self._part = part, struct.unpack(f"<{count}{'I' if self._width == 4 else 'Q'}", data)
        return self._data + self._part[1][index]

    def _read(self, start: int, stop: int, number: int, end: int) -> bytes:
        """Compressed bytes; those of the chunks that are read next are fetched with them."""
        place, ahead = self._ahead
        if not (place <= start and stop <= place + len(ahead)):
            last = min(-(-end // self._chunk), number + _READ_AHEAD // self._chunk)
            reach = min(self._boundary(last), start + _READ_AHEAD) if last > number + 1 else stop
            place = start
            try:
                ahead = self._packed.read_at(start, max(reach, stop) - start)
            except ReadFailedError as error:  # perhaps only of a chunk further on
                ahead = error.partial
                if len(ahead) < stop - start:
                    raise
            self._ahead = place, ahead
            if len(ahead) < stop - start:
                raise CorruptStructureError("the compressed stream ends too early")
        return ahead[start - place : stop - place]


def _decompressor(algorithm: int) -> Callable[[bytes, int], bytes]:
    """What decodes a chunk; the decoders need numpy, which listing does not."""
    if algorithm == 1:
        from triage.evidence.filesystems.lzx import decompress_lzx

        return decompress_lzx
    from triage.evidence.filesystems.xpress_huffman import decompress_xpress

    return decompress_xpress
