"""Superblock and checkpoint: where everything lies, and which of two states counts.

Numbers are little-endian. Checksums are CRC-32 without inversion, seeded with the magic number.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.model.stream import Stream

MAGIC = 0xF2F52010
SUPERBLOCK_BYTES = 3072
SUPERBLOCK_PLACES = (1024, 4096 + 1024, 16384 + 1024, 65536 + 1024)
"""The first copy lies in block 0, the second in block 1."""
BLOCKS_PER_SEGMENT = 512

FEATURE_EXTRA_ATTR = 0x8
FEATURE_FLEXIBLE_XATTR = 0x40
FEATURE_CRTIME = 0x100
FEATURE_SB_CHECKSUM = 0x800

CP_ORPHANS = 0x2
CP_COMPACT_SUMMARY = 0x4
CP_CRC_RECOVERY = 0x40
CP_NO_CRC_RECOVERY = 0x200
CP_LARGE_NAT = 0x400
_CP_FIXED = 192
_MOST_PAYLOAD = 4096


def f2fs_crc(data: bytes, seed: int = MAGIC) -> int:
    """The checksum of the format."""
    return zlib.crc32(data, seed ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock says; addresses and counts in blocks unless named otherwise.

    Attributes:
        block_size: Bytes in a block.
        block_count: Blocks of all devices.
        main_segments: Segments in the main area.
        sit_segments: Segments of the segment table, both copies.
        nat_segments: Segments of the node address table, both copies.
        checkpoint: First block of the checkpoint area.
        sit: First block of the segment table.
        nat: First block of the node address table.
        ssa: First block of the summaries.
        main: First block of the main area.
        root: Inode of the root directory.
        payload: Blocks of a checkpoint for bitmaps that do not fit in its head.
        features: Feature bits.
        devices: Names and segments of the devices, where there are several.
    """

    block_size: int
    block_count: int
    main_segments: int
    sit_segments: int
    nat_segments: int
    checkpoint: int
    sit: int
    nat: int
    ssa: int
    main: int
    root: int
    payload: int
    features: int
    devices: tuple[tuple[str, int], ...]

    @property
    def main_end(self) -> int:
        """First block after the main area."""
        return self.main + self.main_segments * BLOCKS_PER_SEGMENT


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state that counts.

    Attributes:
        address: First block of its pack.
        version: Counts up with every checkpoint.
        flags: Flag bits.
        valid_blocks: Blocks in use in the main area, as counted by the file system.
        summaries: Block of the first data summary, from ``address``.
        node_segment: Segments that nodes are being written to (hot, warm, cold).
        node_offset: Next block in each.
        nat_bitmap: Which copy of each table block counts, first bit the highest of the first byte.
        sit_bitmap: Likewise for the segment table.
        checksum: Its checksum, which blocks written after it carry in their version; 0 where there is none.
        is_sound: Its checksums hold.
    """

    address: int
    version: int
    flags: int
    valid_blocks: int
    summaries: int
    node_segment: tuple[int, ...]
    node_offset: tuple[int, ...]
    nat_bitmap: bytes
    sit_bitmap: bytes
    checksum: int
    is_sound: bool


def detect(stream: Stream) -> tuple[str, int]:
    """Name and block size where a superblock stands, else ``("", 0)``; never raises."""
    try:
        return "f2fs", read_superblock(stream).block_size
    except EvidenceError:
        return "", 0


def read_superblock(stream: Stream) -> Superblock:
    """The first copy that holds.

    Raises:
        UnsupportedFormatError: There is none.
        CorruptStructureError: No copy holds.
    """
    first: EvidenceError | None = None
    for place in SUPERBLOCK_PLACES:
        try:
            data = stream.read_at(place, SUPERBLOCK_BYTES)
            if len(data) == SUPERBLOCK_BYTES and data[:4] == struct.pack("<I", MAGIC):
                return _parse_superblock(data)
        except EvidenceError as error:
            first = first or error
    raise first or UnsupportedFormatError("no F2FS superblock")


def _parse_superblock(data: bytes) -> Superblock:
    (log_block, log_segment) = struct.unpack_from("<2I", data, 16)
    if not 12 <= log_block <= 16 or log_segment != 9:
        raise CorruptStructureError(f"F2FS superblock: block size 2^{log_block}, segments of 2^{log_segment} blocks")
    (blocks,) = struct.unpack_from("<Q", data, 36)
    segments = struct.unpack_from("<7I", data, 44)
    places = struct.unpack_from("<6I", data, 72)
    _, _, checkpoint_segments, sit, nat, _, main = segments
    if not places[1] < places[2] < places[3] < places[4] <= places[5] <= blocks or places[0] > places[1]:
        raise CorruptStructureError("F2FS superblock: the areas are out of order")
    lengths = (checkpoint_segments, sit, nat)
    for start, length, end in zip(places[1:], lengths, places[2:], strict=False):
        if not length or start + length * BLOCKS_PER_SEGMENT > end:
            raise CorruptStructureError("F2FS superblock: the areas overlap")
    if not main or places[5] + main * BLOCKS_PER_SEGMENT > blocks:
        raise CorruptStructureError("F2FS superblock: the main area reaches beyond the end")
    (root,) = struct.unpack_from("<I", data, 96)
    (payload,) = struct.unpack_from("<I", data, 1664)
    (features,) = struct.unpack_from("<I", data, 2180)
    if payload > _MOST_PAYLOAD:
        raise CorruptStructureError(f"F2FS superblock: checkpoint payload of {payload} blocks")
    _, checkpoint, sit_start, nat_start, ssa, main_start = places
    return Superblock(
        *(1 << log_block, blocks, main, sit, nat),
        *(checkpoint, sit_start, nat_start, ssa, main_start),
        *(root, payload, features, _devices(data)),
    )


def _devices(data: bytes) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for index in range(8):
        path, count = struct.unpack_from("<64sI", data, 2201 + 68 * index)
        path = path.split(b"\0", 1)[0]
        if not path:
            break
        found.append((path.decode("utf-8", "replace"), count))
    return tuple(found)


def read_checkpoint(reader: BlockReader, superblock: Superblock) -> Checkpoint:
    """The newest checkpoint that holds; where the checksums of none do, the newest whose fields do.

    Raises:
        CorruptStructureError: Neither holds.
        ReadFailedError: Neither can be read.
    """
    found: list[Checkpoint] = []
    failed: EvidenceError | None = None
    for address in (superblock.checkpoint, superblock.checkpoint + BLOCKS_PER_SEGMENT):
        try:
            found.append(_parse_checkpoint(reader, superblock, address))
        except EvidenceError as error:
            failed = failed or error
    if not found:
        raise failed or CorruptStructureError("no F2FS checkpoint holds")
    return max(found, key=lambda checkpoint: (checkpoint.is_sound, checkpoint.version))


def _parse_checkpoint(reader: BlockReader, superblock: Superblock, address: int) -> Checkpoint:
    head = reader.block(address)
    total, summaries = struct.unpack_from("<2I", head, 136)
    (flags,) = struct.unpack_from("<I", head, 132)
    sit_bytes, nat_bytes, checksum_at = struct.unpack_from("<3I", head, 156)
    if not 2 <= total <= BLOCKS_PER_SEGMENT + superblock.payload or not 1 <= summaries < total:
        raise CorruptStructureError(f"F2FS checkpoint at block {address} does not hold")
    if not _CP_FIXED <= checksum_at <= len(head) - 4:
        raise CorruptStructureError(f"F2FS checkpoint at block {address}: checksum at {checksum_at}")
    version, _, valid = struct.unpack_from("<3Q", head, 0)
    is_sound = _holds(head, checksum_at)
    try:
        tail = reader.block(address + total - 1)
        is_sound &= tail[:8] == head[:8] and _holds(tail, checksum_at)
    except ReadFailedError:
        is_sound = False
    nat_map, sit_map = _bitmaps(reader, superblock, address, head, flags, sit_bytes, nat_bytes)
    return Checkpoint(
        *(address, version, flags, valid, summaries),
        struct.unpack_from("<3I", head, 36),
        struct.unpack_from("<3H", head, 68),
        *(nat_map, sit_map, struct.unpack_from("<I", head, checksum_at)[0], is_sound),
    )


def _holds(block: bytes, checksum_at: int) -> bool:
    """The checksum of a checkpoint block holds; newer writers count what lies behind it as well."""
    (stored,) = struct.unpack_from("<I", block, checksum_at)
    value = f2fs_crc(block[:checksum_at])
    return bool(stored in (value, f2fs_crc(block[checksum_at + 4 :], value)))


def _bitmaps(
    reader: BlockReader, superblock: Superblock, address: int, head: bytes, flags: int, sit_bytes: int, nat_bytes: int
) -> tuple[bytes, bytes]:
    """Bitmaps of the node table and of the segment table."""
    payload = b"".join(reader.block(address + 1 + index) for index in range(superblock.payload))
    if flags & CP_LARGE_NAT:
        whole = head + payload
        start = _CP_FIXED + 4
        return whole[start : start + nat_bytes], whole[start + nat_bytes : start + nat_bytes + sit_bytes]
    if superblock.payload:
        return head[_CP_FIXED : _CP_FIXED + nat_bytes], payload[:sit_bytes]
    start = _CP_FIXED + sit_bytes
    return head[start : start + nat_bytes], head[_CP_FIXED:start]


def test_bit(bitmap: bytes, number: int) -> bool:
    """A bit, counted from the highest of each byte; False beyond the end."""
    index = number >> 3
    return index < len(bitmap) and bool(bitmap[index] >> (7 - (number & 7)) & 1)
