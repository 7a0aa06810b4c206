"""Metadata of BitLocker: where the three copies stand, which one holds, and the entries in them.

Sources: libbde documentation "BitLocker Drive Encryption (BDE) format specification"; Kumar and Kumar, "BitLocker
metadata". Numbers are little-endian. Version 1 is Windows Vista, version 2 everything since.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from triage.errors import CorruptStructureError, ReadFailedError
from triage.model.stream import Stream

SIGNATURE = b"-FVE-FS-"
NORMAL = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
"""Identifier in the boot sector: offsets of the metadata follow."""
ON_WRITE = bytes.fromhex("3b4da89280dd0e4d9e4eb1e3284eaed8")
"""The same for a volume whose used space is encrypted as it is written."""
SECTOR_SIZES = (512, 1024, 2048, 4096)
DECRYPTED, ENCRYPTED = 1, 4
"""States of a volume; others are on the way from one to the other, or stopped there."""
VMK, FVEK, DESCRIPTION, HEADER_BLOCK = 0x02, 0x03, 0x07, 0x0F
"""Types of entries that are used here."""
KEY, TEXT, STRETCH, USE_KEY, WRAPPED, PROTECTOR, EXTERNAL, OFFSET = 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0F
"""Types of values that are used here."""
_MAX_BLOCK = 1 << 20
_MAX_ENTRIES = 256
_BLOCK_HEAD = 64
_METADATA_HEAD = 48


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the metadata.

    Attributes:
        kind: Type of the entry.
        value: Type of the value.
        data: Behind the eight bytes of its head.
    """

    kind: int
    value: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of a volume.

    Attributes:
        version: 1 or 2.
        state: What is encrypted; see :data:`ENCRYPTED`.
        sector_size: Bytes.
        encrypted_size: Bytes from the beginning that are encrypted; None where the version does not say.
        places: Bytes of the volume where the three copies begin.
        region: Bytes of each of them.
        header_offset: Where the first sectors of the volume are kept; in version 1 nowhere.
        header_size: Bytes of them.
        mirror: Cluster of the mirror of the MFT, version 1.
        method: Number of the cipher.
        identifier: Of the volume, 16 bytes.
        description: Given by Windows: computer, drive, date.
        entries: All.
        identity: Digest of the block.
        remarks: What does not hold, in words.
        is_to_go: A removable drive with a FAT volume in front.
        is_on_write: The used space is, or was, encrypted as it was written.
    """

    version: int
    state: int
    sector_size: int
    encrypted_size: int | None
    places: tuple[int, ...]
    region: int
    header_offset: int
    header_size: int
    mirror: int
    method: int
    identifier: bytes
    description: str
    entries: tuple[Entry, ...]
    identity: bytes
    remarks: tuple[str, ...]
    is_to_go: bool
    is_on_write: bool


def is_bitlocker(boot: bytes) -> bool:
    """True for the boot sector of a volume with BitLocker, To Go included."""
    if boot[3:11] == SIGNATURE:
        return True
    return boot[3:11] == b"MSWIN4.1" and boot[424:440] in (NORMAL, ON_WRITE)


def read_metadata(stream: Stream) -> Metadata:
    """The copy of the metadata that holds, or the first that can be read at all.

    Raises:
        CorruptStructureError: None can.
        ReadFailedError: The boot sector cannot be read.
    """
    boot = stream.read_at(0, 512)
    if len(boot) < 512 or not is_bitlocker(boot):
        raise corrupt("no boot sector")
    sector_size = int.from_bytes(boot[11:13], "little")
    if sector_size not in SECTOR_SIZES:
        raise corrupt(f"impossible size of a sector: {sector_size} bytes")
    is_to_go = boot[3:11] != SIGNATURE
    identifier = boot[424:440] if is_to_go else boot[160:176]
    if identifier in (NORMAL, ON_WRITE):
        places = struct.unpack_from("<3Q", boot, 440 if is_to_go else 176)
    else:
        places = (int.from_bytes(boot[56:64], "little") * sector_size * boot[13],)
    blocks: list[tuple[bool, bytes, int]] = []
    for place in places:
        if place % 512 == 0 and 0 < place < stream.size:
            blocks += _read_block(stream, place)
            if not is_to_go and len(places) == 1 and blocks:
                places = struct.unpack_from("<3Q", blocks[0][1], 32)
                blocks += [found for other in places[1:] for found in _read_block(stream, other)]
    if not blocks:
        raise corrupt(f"none of the copies of its metadata can be read, at {', '.join(map(str, places))}")
    holds, block, region = max(blocks, key=lambda found: found[0])
    remarks = [] if holds else ["no copy of the metadata has the right checksum"]
    if holds and len(blocks) < len(places):
        remarks.append(f"{len(places) - len(blocks)} of the copies of the metadata cannot be read")
    return _interpret(block, region, sector_size, is_to_go, identifier == ON_WRITE, remarks)


def _read_block(stream: Stream, place: int) -> Iterator[tuple[bool, bytes, int]]:
    """A copy of the metadata: whether its checksum holds, its bytes, and the size of its region."""
    try:
        head = stream.read_at(place, _BLOCK_HEAD + _METADATA_HEAD)
        if len(head) < _BLOCK_HEAD + _METADATA_HEAD or head[:8] != SIGNATURE:
            return
        size, version = struct.unpack_from("<HH", head, 8)
        size *= 16 if version == 2 else 1
        length = int.from_bytes(head[64:68], "little")
        if version not in (1, 2) or not _METADATA_HEAD <= length <= _MAX_BLOCK:
            return
        tail = stream.read_at(place + size, 8)
        block = stream.read_at(place, max(size, _BLOCK_HEAD + length))
    except ReadFailedError:
        return
    if len(block) < _BLOCK_HEAD + length:
        return
    region = 0x10000 if version == 2 else 0x4000
    holds = len(tail) == 8 and int.from_bytes(tail[4:8], "little") == zlib.crc32(block[:size])
    yield holds, block, region


def _interpret(
    block: bytes, region: int, sector_size: int, is_to_go: bool, is_on_write: bool, remarks: list[str]
) -> Metadata:
    version, state = struct.unpack_from("<HH", block, 10)
    encrypted_size, _, sectors = struct.unpack_from("<QII", block, 16)
    first, second, third, last = struct.unpack_from("<4Q", block, 32)
    length, _, head, _ = struct.unpack_from("<4I", block, 64)
    method = int.from_bytes(block[100:102], "little")
    if not _METADATA_HEAD <= head <= length:
        raise corrupt("impossible length of its metadata")
    entries = tuple(read_entries(block[_BLOCK_HEAD + head : _BLOCK_HEAD + length]))
    header_offset, header_size = last, sectors * sector_size
    for entry in entries:
        if entry.kind == HEADER_BLOCK and entry.value == OFFSET and len(entry.data) >= 16:
            header_offset, header_size = struct.unpack_from("<2Q", entry.data)
    texts = (entry.data for entry in entries if entry.kind == DESCRIPTION and entry.value == TEXT)
    return Metadata(
        version=version,
        state=state,
        sector_size=sector_size,
        encrypted_size=encrypted_size if version == 2 else None,
        places=(first, second, third),
        region=region,
        header_offset=header_offset if version == 2 else 0,
        header_size=header_size if version == 2 else 0,
        mirror=last if version == 1 else 0,
        method=method,
        identifier=block[80:96],
        description=text_of(next(texts, b"")),
        entries=entries,
        identity=hashlib.sha256(block).digest(),
        remarks=tuple(remarks),
        is_to_go=is_to_go,
        is_on_write=is_on_write,
    )


def read_entries(data: bytes) -> Iterator[Entry]:
    """Entries that stand one behind the other; those behind one that does not hold are lost."""
    place = 0
    for _ in range(_MAX_ENTRIES):
        if place + 8 > len(data):
            return
        size, kind, value, _ = struct.unpack_from("<4H", data, place)
        if size < 8 or place + size > len(data):
            return
        yield Entry(kind, value, data[place + 8 : place + size])
        place += size


def text_of(data: bytes) -> str:
    """The text of a value, printable."""
    text = data[:512].decode("utf-16-le", "replace").split("\0", 1)[0]
    return "".join(character if character.isprintable() else "?" for character in text[:128])


def corrupt(words: str) -> CorruptStructureError:
    """A structure of BitLocker that does not hold."""
    return CorruptStructureError(f"BitLocker does not hold: {words}", hint="compare with another copy of the image")
