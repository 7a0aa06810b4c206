"""Footer and dynamic header of a VHD.

Source: Microsoft, Virtual Hard Disk Image Format Specification, sections "Hard Disk Footer Format" and
"Dynamic Disk Header Format".
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from triage.errors import CorruptStructureError
from triage.model.stream import Stream

FOOTER = b"conectix"
DYNAMIC = b"cxsparse"
FIXED, SPARSE, DIFFERENCING = 2, 3, 4
_MAX_BLOCK = 256 << 20


@dataclass(frozen=True, slots=True)
class Footer:
    """A footer.

    Attributes:
        kind: 2 fixed, 3 dynamic, 4 differencing.
        size: Bytes of the media now.
        first_size: Bytes of the media when the disk was made.
        header: Where the dynamic header begins.
        identity: Identifier of the disk.
        creator: Four letters of the program that made it.
        holds: The checksum holds.
        geometry: Bytes by cylinders, heads and sectors.
    """

    kind: int
    size: int
    first_size: int
    header: int
    identity: uuid.UUID
    creator: str
    holds: bool
    geometry: int


@dataclass(frozen=True, slots=True)
class DynamicHeader:
    """The header of a dynamic or differencing disk.

    Attributes:
        table: Where the block allocation table begins.
        entries: Entries in it.
        block: Bytes in a block.
        parent: Identifier of the parent.
        parent_names: What the parent may be called, the most likely first.
    """

    table: int
    entries: int
    block: int
    parent: uuid.UUID
    parent_names: tuple[str, ...]


def parse_footer(data: bytes) -> Footer | None:
    """A footer, None where the bytes are none.

    Args:
        data: 511 or 512 bytes.
    """
    if data[:8] != FOOTER or len(data) < 511:
        return None
    header = int.from_bytes(data[16:24], "big")
    first_size, size, cylinders, heads, sectors, kind, checksum = struct.unpack_from(">QQHBBII", data, 40)
    holds = checksum_of(data, 64) == checksum
    creator = data[28:32].decode("latin-1").rstrip(" \x00")
    identity = uuid.UUID(bytes=data[68:84])
    return Footer(kind, size, first_size, header, identity, creator, holds, cylinders * heads * sectors * 512)


def checksum_of(data: bytes, offset: int) -> int:
    """One's complement of the sum of all bytes but the four of the checksum itself."""
    return ~(sum(data) - sum(data[offset : offset + 4])) & 0xFFFFFFFF


def last_footer(stream: Stream) -> tuple[Footer, int] | None:
    """The footer at the end and where it begins; some programs wrote 511 bytes."""
    tail = stream.read_at(max(0, stream.size - 512), 512)
    for data, length in ((tail, 512), (tail[-511:], 511)):
        footer = parse_footer(data) if len(data) >= length else None
        if footer is not None:
            return footer, stream.size - length
    return None


def read_dynamic_header(stream: Stream, offset: int) -> DynamicHeader:
    """The dynamic header.

    Raises:
        CorruptStructureError: It does not hold.
    """
    data = stream.read_at(offset, 1024)
    if len(data) < 1024 or data[:8] != DYNAMIC:
        raise CorruptStructureError(
            f"damaged VHD: no dynamic header at {offset}", hint="compare with another copy of the image"
        )
    table, _, entries, block, checksum = struct.unpack_from(">QIIII", data, 16)
    if checksum_of(data, 36) != checksum:
        raise CorruptStructureError(
            "damaged VHD: wrong checksum of the dynamic header", hint="compare with another copy of the image"
        )
    if not 512 <= block <= _MAX_BLOCK or block & (block - 1):
        raise CorruptStructureError(f"damaged VHD: blocks of {block} bytes")
    return DynamicHeader(table, entries, block, uuid.UUID(bytes=data[40:56]), _parent_names(stream, data))


def _parent_names(stream: Stream, data: bytes) -> tuple[str, ...]:
    """Names of the parent from the locators, relative ones first, then from the header."""
    relative: list[str] = []
    absolute: list[str] = []
    for place in range(576, 576 + 8 * 24, 24):
        code = data[place : place + 4]
        length, _, offset = struct.unpack_from(">IIQ", data, place + 8)
        if code in (b"W2ru", b"W2ku") and 0 < length <= 4096:
            name = stream.read_at(offset, length).decode("utf-16-le", "replace").partition("\x00")[0]
            (relative if code == b"W2ru" else absolute).append(name)
    stated = data[64:576].decode("utf-16-be", "replace").partition("\x00")[0]
    return tuple(dict.fromkeys(name for name in (*relative, *absolute, stated) if name))
