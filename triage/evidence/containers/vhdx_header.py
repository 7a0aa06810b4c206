"""Headers, regions and metadata of a VHDX.

Source: MS-VHDX, sections 2.2 "Header Section", 2.6 "Metadata Region".
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.crc32c import crc32c
from triage.model.stream import Stream

SIGNATURE = b"vhdxfile"
_BAT = uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
_METADATA = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
_PARAMETERS = uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
_SIZE = uuid.UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
_PAGE83 = uuid.UUID("BECA12AB-B2E6-4523-93EF-C309E000C746")
_LOGICAL = uuid.UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
_PHYSICAL = uuid.UUID("CDA348C7-445D-4471-9CC9-E9885251C556")
_LOCATOR = uuid.UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
_LOCATOR_TYPE = uuid.UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913")


@dataclass(frozen=True, slots=True)
class VhdxHeader:
    """The header that counts.

    Attributes:
        sequence: Of two, the higher one counts.
        data_write: Changes with every session that writes; a child names its parent's.
        log: Identifier of the log, zero where the file was closed properly.
        log_place: Where the log begins.
        log_length: Bytes of it.
    """

    sequence: int
    data_write: uuid.UUID
    log: uuid.UUID
    log_place: int
    log_length: int


@dataclass(frozen=True, slots=True)
class VhdxMetadata:
    """What the metadata state.

    Attributes:
        size: Bytes of the media.
        block: Bytes in a payload block.
        sector: Bytes in a logical sector.
        table: Where the block allocation table begins.
        table_length: Bytes of it.
        has_parent: A differencing disk.
        fixed: Blocks are left allocated.
        disk: Identifier of the disk.
        locator: Where the parent is, by key.
    """

    size: int
    block: int
    sector: int
    table: int
    table_length: int
    has_parent: bool
    fixed: bool
    disk: uuid.UUID | None
    locator: dict[str, str]


def _corrupt(words: str) -> CorruptStructureError:
    return CorruptStructureError(f"damaged VHDX: {words}", hint="compare with another copy of the image")


def read_vhdx_header(stream: Stream) -> VhdxHeader:
    """The header with the higher sequence number of those whose checksum holds.

    Raises:
        UnsupportedFormatError: Another version.
        CorruptStructureError: Neither holds.
    """
    found = []
    for place in (65536, 131072):
        data = stream.read_at(place, 4096)
        if len(data) < 4096 or data[:4] != b"head":
            continue
        if crc32c(data[:4] + bytes(4) + data[8:]) != int.from_bytes(data[4:8], "little"):
            continue
        log_version, version, length, log_place = struct.unpack_from("<HHIQ", data, 64)
        if version != 1 or log_version != 0:
            raise UnsupportedFormatError(f"VHDX version {version} with log version {log_version}, which is not read")
        identities = [uuid.UUID(bytes_le=data[at : at + 16]) for at in (32, 48)]
        sequence = int.from_bytes(data[8:16], "little")
        found.append(VhdxHeader(sequence, identities[0], identities[1], log_place, length))
    if not found:
        raise _corrupt("neither header holds")
    return max(found, key=lambda header: header.sequence)


def read_metadata(stream: Stream) -> VhdxMetadata:
    """What region table and metadata state.

    Args:
        stream: The file, its log replayed.

    Raises:
        UnsupportedFormatError: A region or item that must be known and is not.
        CorruptStructureError: They do not hold.
    """
    regions = _regions(stream)
    if _BAT not in regions or _METADATA not in regions:
        raise _corrupt("no block table or no metadata")
    items = _items(stream, *regions[_METADATA])
    try:
        block, flags = struct.unpack_from("<II", items[_PARAMETERS])
        size, sector = (int.from_bytes(items[key], "little") for key in (_SIZE, _LOGICAL))
        disk = uuid.UUID(bytes_le=items[_PAGE83][:16]) if len(items.get(_PAGE83, b"")) >= 16 else None
    except (KeyError, struct.error) as error:
        raise _corrupt("the metadata lack block size, disk size or sector size") from error
    if sector not in (512, 4096) or not 1 << 20 <= block <= 256 << 20 or block & (block - 1) or size % sector:
        raise _corrupt(f"blocks of {block} and sectors of {sector} bytes for media of {size}")
    table, length = regions[_BAT]
    has_parent = bool(flags & 2)
    locator = _locator(items.get(_LOCATOR, b"")) if has_parent else {}
    metadata = VhdxMetadata(size, block, sector, table, length, has_parent, bool(flags & 1), disk, locator)
    ratio = (sector << 23) // block
    blocks = -(-size // block)
    entries = -(-blocks // ratio) * (ratio + 1) if has_parent else blocks + (blocks - 1) // ratio if blocks else 0
    if not 0 < size <= 64 << 40 or entries * 8 > length:
        raise _corrupt(f"a block table of {length} bytes for media of {size}")
    return metadata


def _regions(stream: Stream) -> dict[uuid.UUID, tuple[int, int]]:
    for place in (196608, 262144):
        data = stream.read_at(place, 65536)
        if len(data) < 65536 or data[:4] != b"regi":
            continue
        if crc32c(data[:4] + bytes(4) + data[8:]) != int.from_bytes(data[4:8], "little"):
            continue
        found: dict[uuid.UUID, tuple[int, int]] = {}
        for number in range(min(int.from_bytes(data[8:12], "little"), 2047)):
            at = 16 + number * 32
            identity = uuid.UUID(bytes_le=data[at : at + 16])
            offset, length, required = struct.unpack_from("<QII", data, at + 16)
            if identity not in (_BAT, _METADATA) and required & 1:
                raise UnsupportedFormatError(f"VHDX with a region that is not known: {identity}")
            found[identity] = offset, length
        return found
    raise _corrupt("neither region table holds")


def _items(stream: Stream, place: int, length: int) -> dict[uuid.UUID, bytes]:
    """Metadata items by identifier; those of a user are left out."""
    table = stream.read_at(place, 65536)
    if len(table) < 65536 or table[:8] != b"metadata":
        raise _corrupt("no metadata table")
    known = (_PARAMETERS, _SIZE, _PAGE83, _LOGICAL, _PHYSICAL, _LOCATOR)
    found: dict[uuid.UUID, bytes] = {}
    for number in range(min(int.from_bytes(table[10:12], "little"), 2047)):
        at = 32 + number * 32
        identity = uuid.UUID(bytes_le=table[at : at + 16])
        offset, size, flags = struct.unpack_from("<III", table, at + 16)
        if identity in known and 65536 <= offset <= length and size <= 1 << 20:
            found[identity] = stream.read_at(place + offset, size)
        elif identity not in known and flags & 4:
            raise UnsupportedFormatError(f"VHDX with metadata that are not known: {identity}")
    return found


def _locator(data: bytes) -> dict[str, str]:
    """The parent locator's texts by key."""
    if len(data) < 20 or uuid.UUID(bytes_le=data[:16]) != _LOCATOR_TYPE:
        raise UnsupportedFormatError("VHDX whose parent is named in a way that is not known")
    found = {}
    for number in range(min(int.from_bytes(data[18:20], "little"), 64)):
        entry = data[20 + number * 12 : 32 + number * 12]
        if len(entry) < 12:
            break
        key, value, key_length, value_length = struct.unpack("<IIHH", entry)
        name = data[key : key + key_length].decode("utf-16-le", "replace")
        found[name] = data[value : value + value_length].decode("utf-16-le", "replace")
    return found
