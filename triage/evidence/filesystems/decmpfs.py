"""Transparent compression of HFS+ and APFS: content in the attribute ``com.apple.decmpfs`` or in the resource fork.

Layout as observed and as documented by the projects that read it: 16 bytes of header (magic ``cmpf``, kind, size), then
the content where the kind is odd up to 11, else in blocks of 64 KiB in the resource fork: zlib within a resource with a
table of offsets and sizes, the others behind a table of offsets.
"""

from __future__ import annotations

import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems.cut_stream import Placed
from triage.evidence.filesystems.lzfse import decompress_lzfse
from triage.evidence.filesystems.lzvn import decompress_lzvn
from triage.evidence.whole_streams import decompress_whole
from triage.model.stream import MemoryStream, Stream

MAGIC = b"fpmc"
HEADER = 16
BLOCK = 65536
MAX_BLOCKS = 1 << 24
MAX_PACKED = 4 * BLOCK
_CACHED = 16

Decompress = Callable[[bytes, int], bytes]


@dataclass(frozen=True, slots=True)
class Compression:
    """What the attribute says.

    Attributes:
        kind: How and where the content stands.
        size: Bytes of the content.
        payload: What follows the header.
    """

    kind: int
    size: int
    payload: bytes

    @property
    def in_fork(self) -> bool:
        """The resource fork holds the content, and is none that a user would see."""
        return self.kind in _BLOCKS


def parse_compression(attribute: bytes) -> Compression:
    """The header of the attribute.

    Raises:
        CorruptStructureError: It is none.
    """
    if len(attribute) < HEADER or attribute[:4] != MAGIC:
        raise CorruptStructureError("the header of a compressed file does not hold")
    kind, size = struct.unpack_from("<IQ", attribute, 4)
    return Compression(kind, min(size, (1 << 63) - 1), attribute[HEADER:])


def open_compressed(compression: Compression, fork: Stream | None) -> Stream:
    """The content.

    Args:
        compression: From the attribute.
        fork: The resource fork, None where there is none.

    Raises:
        UnsupportedFormatError: A kind that is not read.
        CorruptStructureError: The content does not hold.
        ReadFailedError: The resource fork cannot be read.
    """
    kind, size = compression.kind, compression.size
    inline, blocks = _INLINE.get(kind), _BLOCKS.get(kind)
    if inline is not None:
        if size > MAX_PACKED * 64:
            raise CorruptStructureError(f"a compressed file of {size} bytes within an attribute")
        plain = inline(compression.payload, size)
        if len(plain) < size:
            raise CorruptStructureError(f"a compressed file gives {len(plain)} of {size} bytes")
        return MemoryStream(plain)
    if blocks is None:
        if kind == 5:
            raise UnsupportedFormatError("the content of this file is not on the device: only a reference to it is")
        raise UnsupportedFormatError(f"compressed file of kind {kind} is not read")
    if fork is None:
        raise CorruptStructureError("a compressed file without the resource fork that should hold it")
    if kind == 4:
        return BlockStream(fork, _resource_table(fork), size, blocks)
    return BlockStream(fork, _offset_table(fork, size), size, blocks)


class BlockStream:
    """Content in blocks of 64 KiB, each compressed for itself.

    Args:
        fork: Where they stand.
        table: Offset and bytes of each.
        size: Bytes of the content.
        decompress: For one block.
    """

    def __init__(self, fork: Stream, table: list[tuple[int, int]], size: int, decompress: Decompress) -> None:
        self._fork = fork
        self._table = table
        self._size = size
        self._decompress = decompress
        self._cache: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._size

    def places(self) -> Iterator[tuple[int, int]]:
        """Where the fork lies in the volume."""
        return self._fork.places() if isinstance(self._fork, Placed) else iter(())

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: A block does not hold; ``partial`` is what comes before it.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            number, inside = divmod(offset, BLOCK)
            try:
                part = self._block(number)[inside : inside + end - offset]
            except (CorruptStructureError, ReadFailedError) as error:
                raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(parts)) from error
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Forget what was decompressed; a second call does nothing."""
        self._cache.clear()

    def _block(self, number: int) -> bytes:
        """A whole block.

        Raises:
            CorruptStructureError: It does not hold.
            ReadFailedError: It cannot be read.
        """
        plain = self._cache.get(number)
        if plain is None:
            if number >= len(self._table):
                raise CorruptStructureError(f"a compressed file has no block {number}")
            place, length = self._table[number]
            if length > MAX_PACKED:
                raise CorruptStructureError(f"a compressed block of {length} bytes")
            wanted = min(BLOCK, self._size - number * BLOCK)
            plain = self._decompress(self._fork.read_at(place, length), wanted)
            if len(plain) < wanted:
                raise CorruptStructureError(f"block {number} of a compressed file gives {len(plain)} of {wanted} bytes")
            self._cache[number] = plain
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return plain


def _resource_table(fork: Stream) -> list[tuple[int, int]]:
    """Blocks of a zlib resource."""
    head = fork.read_at(0, 16)
    if len(head) < 16:
        raise CorruptStructureError("the resource fork of a compressed file is too short")
    start = struct.unpack_from(">I", head)[0] + 4
    count = int.from_bytes(fork.read_at(start, 4), "little")
    if count > MAX_BLOCKS or count * 8 > fork.size:
        raise CorruptStructureError(f"a compressed file of {count} blocks")
    table = fork.read_at(start + 4, 8 * count)
    return [(start + place, length) for place, length in struct.iter_unpack("<II", table[: len(table) // 8 * 8])]


def _offset_table(fork: Stream, size: int) -> list[tuple[int, int]]:
    """Blocks behind a table of offsets, the first of which says how long it is."""
    first = int.from_bytes(fork.read_at(0, 4), "little")
    count = -(-size // BLOCK) + 1
    if not 4 <= first <= fork.size or first // 4 > MAX_BLOCKS:
        raise CorruptStructureError("the table of a compressed file does not hold")
    count = min(count, first // 4)
    places = struct.unpack(f"<{count}I", fork.read_at(0, 4 * count).ljust(4 * count, b"\0"))
    ends = (*places[1:], fork.size)
    return [(place, max(0, end - place)) for place, end in zip(places, ends, strict=True)]


# --- one block --------------------------------------------------------------------------------------------------------
def _zlib(data: bytes, size: int) -> bytes:
    if data[:1] and data[0] & 0x0F == 0x0F:
        return data[1 : 1 + size]
    try:
        return decompress_whole(zlib.decompressobj(), data, size)
    except (zlib.error, EOFError) as error:
        raise CorruptStructureError("a compressed file: zlib data that do not hold") from error


def _lzvn(data: bytes, size: int) -> bytes:
    return data[1 : 1 + size] if data[:1] == b"\x06" else decompress_lzvn(data, size)


def _lzfse(data: bytes, size: int) -> bytes:
    return data[1 : 1 + size] if data[:1] and data[:1] != b"b" else decompress_lzfse(data, size)


def _plain(data: bytes, size: int) -> bytes:
    return data[:size]


def _marked(data: bytes, size: int) -> bytes:
    return data[1 : 1 + size]


_INLINE: dict[int, Decompress] = {1: _plain, 3: _zlib, 7: _lzvn, 9: _marked, 11: _lzfse}
_BLOCKS: dict[int, Decompress] = {4: _zlib, 8: _lzvn, 10: _marked, 12: _lzfse}
