"""The superblock of Btrfs and its copies.

Source: "On-disk format" of the Btrfs documentation (superblock, root backups, device item) and ``btrfs_tree.h`` of the
kernel's user headers, for the layout of fields.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.btrfs import checksum
from triage.model.stream import Stream

PLACES = (0x10000, 0x4000000, 0x4000000000)
"""Where the superblock and its copies stand, bytes from the start of a device."""
SIZE = 4096
MAGIC = b"_BHRfS_M"
MAX_LEVEL = 7
RO_FREE_SPACE_TREE, RO_FREE_SPACE_TREE_VALID = 1, 2
_INCOMPAT_METADATA_UUID = 0x400
_UNREAD = {0x2000: "extent tree v2", 0x4000: "RAID stripe tree", 0x20000: "remap tree"}
_BACKUPS, _BACKUP_SIZE = 2859, 168
_FIXED = struct.Struct("<QQ8sQQQQQQQQQIIIIIQQQQHBBB")
"""From ``bytenr`` at 48 to ``log_root_level``."""
_BACKUP = struct.Struct("<4Q")


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a tree begins.

    Attributes:
        logical: Logical address of the root block.
        generation: Transaction that wrote it.
        level: 0 for a leaf.
    """

    logical: int
    generation: int
    level: int


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock says.

    Attributes:
        place: Where it stands on the device.
        fsid: UUID that metadata blocks carry.
        pool: UUID of the file system, the same on all its devices.
        generation: Last transaction.
        root: Tree of roots.
        chunk_root: Chunk tree.
        log_root: Tree of log trees; logical 0 where there is none.
        backups: Older roots, newest first: pairs of tree of roots and chunk tree.
        sector_size: Bytes in a data unit.
        node_size: Bytes in a tree block.
        checksum: Number of the checksum.
        incompat: Features that a reader must know.
        compat_ro: Features that a writer must know.
        device: Number of this device.
        devices: Devices in the file system.
        device_size: Bytes of this device, as declared.
        chunks: Bytes of the array of system chunks.
        label: As stored.
        is_proven: The checksum holds.
    """

    place: int
    fsid: bytes
    pool: bytes
    generation: int
    root: Pointer
    chunk_root: Pointer
    log_root: Pointer
    backups: tuple[tuple[Pointer, Pointer], ...]
    sector_size: int
    node_size: int
    checksum: int
    incompat: int
    compat_ro: int
    device: int
    devices: int
    device_size: int
    chunks: bytes
    label: bytes
    is_proven: bool

    @property
    def has_free_space_tree(self) -> bool:
        """The free space tree stands and may be believed."""
        wanted = RO_FREE_SPACE_TREE | RO_FREE_SPACE_TREE_VALID
        return self.compat_ro & wanted == wanted


def read_superblock(volume: Stream) -> tuple[Superblock, tuple[str, ...]]:
    """The best copy: checksum right, then highest generation.

    Returns:
        It, and what was wrong with others, in words.

    Raises:
        CorruptStructureError: None of the copies holds.
        UnsupportedFormatError: It needs something that is not read.
    """
    found: list[Superblock] = []
    wrong: list[str] = []
    for place in PLACES:
        if place + SIZE > volume.size:
            break
        try:
            data = volume.read_at(place, SIZE)
            found.append(parse(data, place))
        except EvidenceError as error:
            wrong.append(error.message)
    if not found:
        raise CorruptStructureError(
            "no copy of the superblock holds" + (f": {wrong[0]}" if wrong else ""),
            hint="look for the other devices of the file system",
        )
    best = max(found, key=lambda each: (each.is_proven, each.generation))
    wrong += [f"the superblock at {each.place} has a wrong checksum" for each in found if not each.is_proven]
    wrong += [
        f"the superblock at {each.place} is of generation {each.generation}, not {best.generation}"
        for each in found
        if each.is_proven and each.generation != best.generation
    ]
    unread = [words for flag, words in _UNREAD.items() if best.incompat & flag]
    if unread:
        raise UnsupportedFormatError(f"btrfs with {' and '.join(unread)} is not read", hint="mount it with a kernel")
    return best, tuple(wrong)


def parse(data: bytes, place: int) -> Superblock:
    """A superblock from its bytes.

    Raises:
        CorruptStructureError: It does not hold.
    """
    if len(data) < SIZE or data[64:72] != MAGIC:
        raise CorruptStructureError(f"no superblock at {place}")
    (bytenr, _flags, _magic, generation, root, chunk_root, log_root, _log_transid, _total, _used, _dir, devices,
     sector_size, node_size, _leaf, _stripe, array_size, chunk_generation, _compat, compat_ro, incompat, kind,
     root_level, chunk_level, log_level) = _FIXED.unpack_from(data, 48)  # fmt: skip
    if bytenr != place:
        raise CorruptStructureError(f"the superblock at {place} says that it stands at {bytenr}")
    for size, least, what in ((sector_size, 512, "sector"), (node_size, 1024, "node")):
        if size & (size - 1) or not least <= size <= 65536:
            raise CorruptStructureError(f"the superblock at {place} has a {what} size of {size}")
    if not checksum.is_known(kind):
        raise CorruptStructureError(f"the superblock at {place} has an unknown checksum: {kind}")
    if array_size > 2048 or max(root_level, chunk_level, log_level) > MAX_LEVEL:
        raise CorruptStructureError(f"the superblock at {place} does not hold")
    pool = data[32:48]
    device, device_size = struct.unpack_from("<QQ", data, 201)
    return Superblock(
        place=place,
        fsid=pool if not incompat & _INCOMPAT_METADATA_UUID else data[571:587],
        pool=pool,
        generation=generation,
        root=Pointer(root, generation, root_level),
        chunk_root=Pointer(chunk_root, chunk_generation, chunk_level),
        log_root=Pointer(log_root, generation + 1, log_level),
        backups=_backups(data),
        sector_size=sector_size,
        node_size=node_size,
        checksum=kind,
        incompat=incompat,
        compat_ro=compat_ro,
        device=device,
        devices=devices,
        device_size=device_size,
        chunks=data[811 : 811 + array_size],
        label=data[299:555].split(b"\0", 1)[0],
        is_proven=checksum.holds(kind, data[:32], data[32:SIZE]),
    )


def _backups(data: bytes) -> tuple[tuple[Pointer, Pointer], ...]:
    found = []
    for index in range(4):
        fields = _BACKUP.unpack_from(data, _BACKUPS + index * _BACKUP_SIZE)
        start = _BACKUPS + index * _BACKUP_SIZE + 152
        root_level, chunk_level = data[start], data[start + 1]
        if fields[0] and fields[2] and max(root_level, chunk_level) <= MAX_LEVEL:
            found.append((Pointer(fields[0], fields[1], root_level), Pointer(fields[2], fields[3], chunk_level)))
    return tuple(sorted(found, key=lambda pair: pair[0].generation, reverse=True))
