"""Inodes: what the core of one says, and the table that reads them.

Source: "XFS Algorithms & Data Structures", chapter "On-disk Inode" (versions 1 to 3, big time stamps, large extent
counts).
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass

from triage.errors import CorruptStructureError, ReadFailedError
from triage.evidence.filesystems.xfs import checksum
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.model.entry import EntryType
from triage.model.times import Times

DEVICE, LOCAL, EXTENTS, BTREE = range(4)
"""Formats of a fork."""
REALTIME, PREALLOCATED = 0x1, 0x2
"""Flags of an inode."""
WINDOW = 64 << 10
"""Bytes of inodes that are read and checked at once."""
WINDOWS = 128
"""Windows that are kept."""

_CORE = struct.Struct(">2sHBBHIIIHHQQQQQQIIHBBIHHI")
_CORE_V2, _CORE_V3 = 100, 176
_CRC_FIELD = 100
_BIGTIME, _NREXT64, _METADATA = 0x8, 0x10, 0x20
_BIGTIME_EPOCH = (1 << 31) * 1_000_000_000
_KINDS = {0x8000: EntryType.FILE, 0x4000: EntryType.DIRECTORY, 0xA000: EntryType.SYMLINK}


@dataclass(frozen=True, slots=True)
class Inode:
    """One inode.

    Attributes:
        number: In the file system.
        mode: Type and permissions; 0 in one that is free.
        nlink: Names that lead to it.
        uid: Owner.
        size: As declared, bytes.
        times: As stored.
        flags: Of the core.
        is_metadata: It belongs to the file system itself.
        format: Of the data fork.
        fork: Bytes of the data fork.
        extents: Extents in the data fork.
        attribute_format: Of the attribute fork.
        attribute_fork: Its bytes, empty where there is none.
        attribute_extents: Extents in it.
        checksum_holds: True as well where there is none.
        is_own: It carries this number, as far as it carries one.
    """

    number: int
    mode: int
    nlink: int
    uid: int
    size: int
    times: Times
    flags: int
    is_metadata: bool
    format: int
    fork: bytes
    extents: int
    attribute_format: int
    attribute_fork: bytes
    attribute_extents: int
    checksum_holds: bool
    is_own: bool

    @property
    def entry_type(self) -> EntryType:
        """File, directory, symbolic link, other; a free inode does not say and counts as a file."""
        return _KINDS.get(self.mode & 0xF000, EntryType.OTHER) if self.mode else EntryType.FILE


def _nanoseconds(value: int, big: bool) -> int:
    """Nanoseconds since 1970 of a time stamp."""
    if big:
        return value - _BIGTIME_EPOCH
    seconds, fraction = value >> 32, value & 0xFFFFFFFF
    if seconds >= 1 << 31:
        seconds -= 1 << 32
    return seconds * 1_000_000_000 + (fraction if fraction < 1_000_000_000 else 0)


def parse_inode(data: bytes, number: int, checksum_holds: bool) -> Inode:
    """An inode from its bytes.

    Args:
        data: All of it.
        number: Where it stands.
        checksum_holds: As computed by the caller.

    Raises:
        CorruptStructureError: It does not begin like an inode.
    """
    (
        magic, mode, version, form, links_v1, uid, _, links, _, _, many, atime, mtime, ctime, size, _, _, extents,
        attribute_extents, fork_offset, attribute_form, _, _, flags, _,
    ) = _CORE.unpack_from(data)  # fmt: skip
    if magic != b"IN" or not 1 <= version <= 3:
        raise CorruptStructureError(f"no inode where it should be: {number}")
    modern = version == 3
    start = _CORE_V3 if modern else _CORE_V2
    flags2, created = 0, None
    if modern:
        flags2 = int.from_bytes(data[120:128], "big")
    big = bool(flags2 & _BIGTIME)
    if modern:
        created = _nanoseconds(int.from_bytes(data[144:152], "big"), big)
    if flags2 & _NREXT64:
        extents, attribute_extents = many, extents
    split = start + fork_offset * 8
    has_attributes = fork_offset > 0 and split < len(data)
    return Inode(
        number,
        mode,
        links_v1 if version == 1 else links,
        uid,
        size,
        Times(_nanoseconds(mtime, big), _nanoseconds(atime, big), _nanoseconds(ctime, big), created),
        flags,
        bool(flags2 & _METADATA),
        form,
        data[start:split] if has_attributes else data[start:],
        extents,
        attribute_form,
        data[split:] if has_attributes else b"",
        attribute_extents,
        checksum_holds,
        not modern or int.from_bytes(data[152:160], "big") == number,
    )


class InodeTable:
    """Inodes by number, read and checked a window at a time.

    Args:
        blocks: The volume.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._geometry = blocks.geometry
        self._windows: OrderedDict[int, tuple[bytes, frozenset[int]]] = OrderedDict()
        self._group_bytes = self._geometry.ag_blocks * self._geometry.block_size

    def inode(self, number: int) -> Inode:
        """The inode of a number.

        Raises:
            CorruptStructureError: There cannot be one, or there is none.
            ReadFailedError: It cannot be read.
        """
        offset = self._geometry.inode_offset(number)
        if offset < 0:
            raise CorruptStructureError(f"no such inode: {number}")
        group = offset // self._group_bytes
        start = group * self._group_bytes
        window = start + (offset - start) // WINDOW * WINDOW
        data, wrong = self._windows.get(window) or self._load(window, start, group)
        place = offset - window
        size = self._geometry.inode_size
        if place + size <= len(data):
            return parse_inode(data[place : place + size], number, place // size not in wrong)
        data = self._blocks.read_at(offset, size, f"inode {number}")
        return parse_inode(data, number, not self._wrong(data))

    def _wrong(self, data: bytes) -> frozenset[int]:
        if not self._geometry.has_checksums:
            return frozenset()
        size = self._geometry.inode_size
        return checksum.wrong_rows(data[: len(data) // size * size], size, _CRC_FIELD)

    def _load(self, window: int, group_start: int, group: int) -> tuple[bytes, frozenset[int]]:
        end = group_start + self._geometry.ag_length(group) * self._geometry.block_size
        try:
            data = self._blocks.stream.read_at(window, min(WINDOW, end - window))
        except ReadFailedError as error:
            data = error.partial  # the inodes behind it are read one by one
        found = self._windows[window] = data, self._wrong(data)
        if len(self._windows) > WINDOWS:
            self._windows.popitem(last=False)
        return found
