"""The superblock of an EROFS. Numbers are little-endian."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.model.stream import Stream

PLACE = 1024
MAGIC = 0xE0F5E1E2
ZERO_PADDING = 0x1
CONFIGURATIONS = 0x2
LONG_PREFIXES = 0x40
_KNOWN = 0x7F
_LZMA = 1


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock says; places in bytes.

    Attributes:
        block_bits: Logarithm of the bytes in a block.
        root: Number of the root directory.
        epoch: Seconds since 1970 that compact inodes count from.
        epoch_fraction: Nanoseconds of theirs.
        size: Bytes of the file system.
        inodes: Where inodes are counted from.
        shared_xattr: Where shared extended attributes are counted from.
        features: Incompatible feature bits.
        packed: Number of the inode that holds the ends of files, 0 where there is none.
        dictionary: Bytes of the dictionary of LZMA.
        devices: Further devices that hold content.
        directory_bits: Logarithm of the bytes in a directory block.
    """

    block_bits: int
    root: int
    epoch: int
    epoch_fraction: int
    size: int
    inodes: int
    shared_xattr: int
    features: int
    packed: int
    dictionary: int
    devices: int
    directory_bits: int

    @property
    def block_size(self) -> int:
        """Bytes in a block."""
        return 1 << self.block_bits


def detect(stream: Stream) -> tuple[str, int]:
    """Name and block size where a superblock stands, else ``("", 0)``; never raises."""
    try:
        return "erofs", read_superblock(stream).block_size
    except UnsupportedFormatError as error:
        return ("erofs", 0) if error.hint else ("", 0)
    except EvidenceError:
        return "", 0


def read_superblock(stream: Stream) -> Superblock:
    """The superblock.

    Raises:
        UnsupportedFormatError: There is none, or it has features that are not read.
        CorruptStructureError: It does not hold.
    """
    data = stream.read_at(PLACE, 128)
    if len(data) < 128 or struct.unpack_from("<I", data)[0] != MAGIC:
        raise UnsupportedFormatError("no EROFS superblock")
    bits, slots, root = struct.unpack_from("<BBH", data, 12)
    epoch, fraction, blocks, inodes, xattrs = struct.unpack_from("<Q4I", data, 24)
    features, algorithms, devices, _, directory_bits = struct.unpack_from("<IHHHB", data, 80)
    (packed,) = struct.unpack_from("<Q", data, 96)
    if not 9 <= bits <= 16 or bits + directory_bits > 16:
        raise CorruptStructureError(f"EROFS superblock: blocks of 2^{bits} bytes")
    if features & ~_KNOWN:
        hint = "mount it with a newer kernel"
        raise UnsupportedFormatError(f"EROFS with features {features & ~_KNOWN:#x} is not read", hint=hint)
    if inodes > blocks:
        raise CorruptStructureError("EROFS superblock: the inodes lie beyond the end")
    dictionary = _dictionary(stream, PLACE + 128 + 16 * slots, algorithms) if features & CONFIGURATIONS else 1 << 16
    return Superblock(
        *(bits, root, epoch, fraction if fraction < 1_000_000_000 else 0, blocks << bits, inodes << bits),
        *(xattrs << bits, features, packed if features & 0x20 else 0, dictionary, devices, bits + directory_bits),
    )


def _dictionary(stream: Stream, place: int, algorithms: int) -> int:
    """Bytes of the dictionary of LZMA, from the configurations behind the superblock."""
    for algorithm in range(16):
        if not algorithms >> algorithm & 1:
            continue
        head = stream.read_at(place, 6)
        if len(head) < 6:
            break
        length, size = struct.unpack("<HI", head)
        if algorithm == _LZMA:
            return int(size)
        place += 2 + length
    return 1 << 16
