"""Volumes of APFS: superblock, roles, snapshots. Format: see :mod:`.objects`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.apfs.btree import Tree
from triage.evidence.filesystems.apfs.container import Container
from triage.evidence.filesystems.apfs.objects import VOLUME, read_header

MAGIC = b"APSB"
MAX_SNAPSHOTS = 4096

_CASE_INSENSITIVE, _NORMALISED, _SEALED = 0x1, 0x8, 0x20
_UNENCRYPTED, _ONE_KEY = 0x1, 0x8
_SNAPSHOT = 1
_ROLES = {
    1: "system", 2: "user", 4: "recovery", 8: "VM", 16: "preboot", 32: "installer", 64: "data", 128: "baseband",
    192: "update", 256: "xART", 320: "hardware", 384: "backup", 448: "reserved 7", 512: "reserved 8",
    576: "enterprise", 640: "reserved 10", 704: "prelogin",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class VolumeSuperblock:
    """A superblock of a volume.

    Attributes:
        transaction: In which it was written.
        name: As stored, decoded.
        identifier: 16 bytes.
        role: In words, empty where it has none.
        hashed: Names in directories stand behind a hash.
        case_sensitive: Names that differ in case are different.
        sealed: Its file extents stand in a tree of their own.
        encrypted: Its content needs a key.
        one_key: One key for all of it.
        omap: Block of the object map.
        root: Identifier of the tree of files.
        root_kind: Type of that tree, with flags.
        extents: Identifier of the tree of file extents of a sealed volume.
        snapshots: Identifier of the tree of snapshots.
        modified: Nanoseconds since 1970.
        files: Number of files, as stated.
        used: Blocks in use, as stated.
    """

    transaction: int
    name: str
    identifier: bytes
    role: str
    hashed: bool
    case_sensitive: bool
    sealed: bool
    encrypted: bool
    one_key: bool
    omap: int
    root: int
    root_kind: int
    extents: int
    snapshots: int
    modified: int
    files: int
    used: int

    @classmethod
    def parse(cls, block: bytes) -> VolumeSuperblock:
        """From the bytes of a block.

        Raises:
            CorruptStructureError: It is no superblock of a volume.
        """
        if len(block) < 1048 or block[32:36] != MAGIC or read_header(block).kind != VOLUME:
            raise CorruptStructureError("APFS: no superblock of a volume")
        incompatible = struct.unpack_from("<Q", block, 56)[0]
        flags = struct.unpack_from("<Q", block, 264)[0]
        omap, root, _, snapshots = struct.unpack_from("<QQQQ", block, 128)
        role = struct.unpack_from("<H", block, 964)[0]
        return cls(
            transaction=read_header(block).transaction,
            name=block[704:960].split(b"\0")[0].decode("utf-8", "replace"),
            identifier=block[240:256],
            role=_ROLES.get(role, f"role {role:#x}" if role else ""),
            hashed=bool(incompatible & (_CASE_INSENSITIVE | _NORMALISED)),
            case_sensitive=not incompatible & _CASE_INSENSITIVE,
            sealed=bool(incompatible & _SEALED),
            encrypted=not flags & _UNENCRYPTED,
            one_key=bool(flags & _ONE_KEY),
            omap=omap,
            root=root,
            root_kind=struct.unpack_from("<I", block, 116)[0],
            extents=struct.unpack_from("<Q", block, 1032)[0],
            snapshots=snapshots,
            modified=struct.unpack_from("<Q", block, 256)[0],
            files=struct.unpack_from("<Q", block, 184)[0],
            used=struct.unpack_from("<Q", block, 88)[0],
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of a volume.

    Attributes:
        transaction: Which it keeps.
        block: Of the superblock of the volume as it was.
        created: Nanoseconds since 1970.
        name: As stored, decoded.
    """

    transaction: int
    block: int
    created: int
    name: str


def read_volume(container: Container, identifier: int, transaction: int | None = None) -> VolumeSuperblock:
    """The superblock of a volume of a container.

    Raises:
        EvidenceError: It does not hold or cannot be read.
    """
    wanted = container.superblock.transaction if transaction is None else transaction
    block, _ = container.omap.find(identifier, wanted)
    return VolumeSuperblock.parse(container.blocks.read_object(block, VOLUME))


def snapshots(container: Container, volume: VolumeSuperblock) -> Iterator[Snapshot | EvidenceError]:
    """Snapshots of a volume, oldest first; an error for each that does not hold."""
    if not volume.snapshots:
        return
    try:
        tree = Tree(container.blocks.read_object, volume.snapshots, _key)
        for count, record in enumerate(tree.scan(_SNAPSHOT << 60, (_SNAPSHOT + 1) << 60)):
            if isinstance(record, EvidenceError):
                yield record
                continue
            if count >= MAX_SNAPSHOTS:
                yield CorruptStructureError(f"APFS: more than {MAX_SNAPSHOTS} snapshots of one volume")
                return
            if len(record.value) < 50:
                yield CorruptStructureError("APFS: the record of a snapshot is too short")
                continue
            _, block, created = struct.unpack_from("<QQQ", record.value)
            length = struct.unpack_from("<H", record.value, 48)[0]
            name = record.value[50 : 50 + length].split(b"\0")[0].decode("utf-8", "replace")
            yield Snapshot(record.number & (1 << 60) - 1, block, created, name)
    except EvidenceError as error:
        yield error


def _key(key: bytes) -> int:
    return int(struct.unpack_from("<Q", key)[0])
