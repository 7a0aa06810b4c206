"""Objects of APFS: blocks with a header, their checksum, and where blocks are read from.

Format as in Apple File System Reference (Apple, 2020-06-22). Everything is little-endian. An object begins with 32
bytes: checksum, identifier, transaction, type and flags, subtype.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate

from triage.errors import CorruptStructureError, ReadFailedError
from triage.model.stream import Stream

HEADER = 32
MIN_BLOCK, MAX_BLOCK = 4096, 65536
TIER2 = 1 << 62
"""Byte address from which a Fusion drive means its second device."""

NX_SUPERBLOCK, BTREE_ROOT, BTREE_NODE, SPACEMAN = 0x1, 0x2, 0x3, 0x5
CHUNK_INFO, OMAP, CHECKPOINT_MAP, VOLUME = 0x7, 0xB, 0xC, 0xD

_MODULUS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ObjectHeader:
    """Head of an object.

    Attributes:
        identifier: Of the object.
        transaction: In which it was written.
        kind: Type, without flags.
        subtype: Of a tree: what it holds.
    """

    identifier: int
    transaction: int
    kind: int
    subtype: int


def read_header(block: bytes) -> ObjectHeader:
    """The header of an object of at least 32 bytes."""
    identifier, transaction, kind, subtype = struct.unpack_from("<QQII", block, 8)
    return ObjectHeader(identifier, transaction, kind & 0xFFFF, subtype)


def checksum(block: bytes) -> int:
    """Fletcher's checksum with 64 bits over what follows the first 8 bytes, as APFS stores it."""
    words = struct.unpack(f"<{len(block) // 4 - 2}I", block[8 : len(block) // 4 * 4])
    first = sum(words) % _MODULUS
    second = sum(accumulate(words)) % _MODULUS
    low = _MODULUS - (first + second) % _MODULUS
    high = _MODULUS - (first + low) % _MODULUS
    return int(high << 32 | low)


def is_sound(block: bytes) -> bool:
    """True where the checksum of an object fits."""
    return len(block) >= HEADER and int.from_bytes(block[:8], "little") == checksum(block)


class FusionStream:
    """The two devices of a Fusion drive in one room of addresses.

    Args:
        first: The main device.
        second: The other one; its bytes begin at :data:`TIER2`.
    """

    def __init__(self, first: Stream, second: Stream) -> None:
        self._first = first
        self._second = second

    @property
    def size(self) -> int:
        """Where the addresses end."""
        return TIER2 + self._second.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes of one of the devices; see :class:`~triage.model.stream.Stream`."""
        if offset >= TIER2:
            return self._second.read_at(offset - TIER2, length)
        return self._first.read_at(offset, length)

    def close(self) -> None:
        """Nothing to release: the devices are their owner's to close."""


class Blocks:
    """Blocks of a container.

    Args:
        stream: Bytes of the container, or of the main device of a Fusion drive.
        block_size: Bytes in a block.
        second: The second device of a Fusion drive, None where there is none.

    Attributes:
        media: Bytes by the addresses that blocks have.
        block_size: As given.
    """

    def __init__(self, stream: Stream, block_size: int, second: Stream | None = None) -> None:
        self.media: Stream = stream if second is None else FusionStream(stream, second)
        self.block_size = block_size

    def read(self, number: int, count: int = 1) -> bytes:
        """Whole blocks.

        Raises:
            ReadFailedError: They lie outside, or cannot be read.
        """
        return self.read_at(number * self.block_size, count * self.block_size)

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes at a byte address.

        Raises:
            ReadFailedError: They lie outside, or cannot be read.
        """
        data = self.media.read_at(offset, length) if 0 <= offset < 1 << 63 else b""
        if len(data) < length:
            words = f"block {offset // self.block_size} lies outside the container"
            hint = "the image may be cut short"
            if offset >= TIER2:
                words, hint = "the second device of the Fusion drive is missing", "hand in both disks together"
            raise ReadFailedError(words, hint=hint, partial=data)
        return data

    def read_object(self, number: int, kind: int = 0) -> bytes:
        """A block that is an object with a right checksum.

        Args:
            number: Of the block.
            kind: Type that it must have, 0 for any.

        Raises:
            CorruptStructureError: It is not.
            ReadFailedError: The block cannot be read.
        """
        block = self.read(number)
        if not is_sound(block):
            raise CorruptStructureError(f"APFS: the checksum of block {number} does not fit")
        if kind and read_header(block).kind != kind:
            raise CorruptStructureError(f"APFS: block {number} is no object of type {kind:#x}")
        return block
