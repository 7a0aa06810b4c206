"""Trailer and block tables of an Apple disk image (UDIF).

The trailer ``koly`` stands at the end and points to a property list, or in old images to a resource fork, whose
``blkx`` items are tables of chunks.

Source: the structures ``UDIFResourceFile``, ``BLKXTable`` and ``BLKXChunkEntry`` as described in "Mac OS disk image
types" (Joachim Metz) and "Demystifying the DMG file format" (Jonathan Levin); Inside Macintosh, "Resource Manager".
"""

from __future__ import annotations

import plistlib
import struct
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.model.stream import Stream

TRAILER = b"koly"
MAX_LIST = 128 << 20
"""Bytes of the property list; 40 bytes a chunk, so that of a 1 TiB image with chunks of 1 MiB has 56 MiB."""
ZERO, RAW, IGNORE = 0, 1, 2
ADC, ZLIB, BZIP2, LZFSE, LZMA = range(0x80000004, 0x80000009)
_COMMENT, _END = 0x7FFFFFFE, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Trailer:
    """What the trailer states.

    Attributes:
        data: Where the data fork begins.
        data_length: Bytes of it.
        resource: Where the resource fork begins.
        resource_length: Bytes of it, 0 where there is none.
        plist: Where the property list begins.
        plist_length: Bytes of it, 0 where there is none.
        sectors: Sectors of the media, 0 where not stated.
        segments: Files of the set.
        checksum: CRC-32 over all chunks, hex; empty where another kind.
    """

    data: int
    data_length: int
    resource: int
    resource_length: int
    plist: int
    plist_length: int
    sectors: int
    segments: int
    checksum: str


def read_trailer(stream: Stream) -> Trailer | None:
    """The trailer at the end of a file, None where there is none."""
    data = stream.read_at(max(0, stream.size - 512), 512)
    if len(data) < 512 or data[:4] != TRAILER or int.from_bytes(data[8:12], "big") != 512:
        return None
    fork, fork_length, resource, resource_length = struct.unpack_from(">4Q", data, 24)
    segments = int.from_bytes(data[60:64], "big")
    plist, plist_length = struct.unpack_from(">2Q", data, 216)
    kind, bits, checksum = struct.unpack_from(">III", data, 352)
    shown = f"{checksum:08x}" if (kind, bits) == (2, 32) else ""
    sectors = int.from_bytes(data[492:500], "big")
    return Trailer(fork, fork_length, resource, resource_length, plist, plist_length, sectors, segments, shown)


def _corrupt(words: str) -> CorruptStructureError:
    return CorruptStructureError(f"damaged Apple disk image: {words}", hint="compare with another copy of the image")


def read_chunks(stream: Stream, trailer: Trailer) -> list[tuple[int, int, int, int, int]]:
    """All chunks that hold something, as ``(start, length, kind, place, stored)`` in bytes, ascending by start.

    Raises:
        UnsupportedFormatError: A kind of chunk that is not known.
        CorruptStructureError: The tables do not hold.
    """
    if trailer.plist_length:
        tables = _from_plist(stream, trailer)
    elif trailer.resource_length:
        tables = _from_fork(stream, trailer)
    else:
        return [(0, trailer.sectors * 512, RAW, trailer.data, trailer.data_length)]
    chunks: list[tuple[int, int, int, int, int]] = []
    for table in tables:
        chunks += _parse_table(table, trailer.data)
    if not chunks:
        raise _corrupt("its tables hold no chunk")
    chunks.sort()
    return chunks


def _from_plist(stream: Stream, trailer: Trailer) -> list[bytes]:
    if trailer.plist_length > min(MAX_LIST, stream.size):
        raise _corrupt(f"a property list of {trailer.plist_length} bytes")
    text = stream.read_at(trailer.plist, trailer.plist_length)
    try:
        root: Any = plistlib.loads(text, fmt=plistlib.FMT_XML)
        tables = [bytes(item["Data"]) for item in root["resource-fork"]["blkx"]]
    except (ExpatError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise _corrupt("its property list does not hold") from error
    return tables


def _from_fork(stream: Stream, trailer: Trailer) -> list[bytes]:
    """``blkx`` items of a resource fork."""
    if not 16 <= trailer.resource_length <= min(MAX_LIST, stream.size):
        raise _corrupt(f"a resource fork of {trailer.resource_length} bytes")
    fork = stream.read_at(trailer.resource, trailer.resource_length)
    tables = []
    try:
        data, types = struct.unpack_from(">II", fork)
        types += int.from_bytes(fork[types + 24 : types + 26], "big")
        for index in range(int.from_bytes(fork[types : types + 2], "big") + 1 & 0xFFFF):
            kind, count, where = struct.unpack_from(">4sHH", fork, types + 2 + index * 8)
            for number in range(count + 1 if kind == b"blkx" else 0):
                item = data + (struct.unpack_from(">I", fork, types + where + number * 12 + 4)[0] & 0xFFFFFF)
                (length,) = struct.unpack_from(">I", fork, item)
                tables.append(fork[item + 4 : item + 4 + length])
    except struct.error as error:
        raise _corrupt("its resource fork does not hold") from error
    return tables


def _parse_table(table: bytes, base: int) -> list[tuple[int, int, int, int, int]]:
    """Chunks of one table; comments and the end mark are left out.

    Args:
        table: A ``mish`` structure.
        base: Where the data fork begins.
    """
    if table[:4] != b"mish" or len(table) < 204:
        raise _corrupt("a table of chunks does not begin like one")
    first, _, offset = struct.unpack_from(">QQQ", table, 8)
    count = int.from_bytes(table[200:204], "big")
    if count > (len(table) - 204) // 40:
        raise _corrupt(f"a table of {count} chunks in {len(table)} bytes")
    chunks = []
    for kind, _, sector, sectors, place, stored in struct.iter_unpack(">IIQQQQ", table[204 : 204 + count * 40]):
        if kind == _END:
            break
        if kind in (_COMMENT, ZERO, IGNORE) or not sectors:
            continue
        if kind not in (RAW, ADC, ZLIB, BZIP2, LZFSE, LZMA):
            raise UnsupportedFormatError(f"Apple disk image with chunks of the kind {kind:#x}, which is not read")
        chunks.append(((first + sector) * 512, sectors * 512, kind, base + offset + place, stored))
    return chunks
