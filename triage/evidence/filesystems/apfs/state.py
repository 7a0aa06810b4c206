"""One state of a volume of APFS: now, at a snapshot, or at an earlier checkpoint. Format: see :mod:`.objects`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.apfs.btree import Record, Tree
from triage.evidence.filesystems.apfs.objects import Blocks, is_sound, read_header
from triage.evidence.filesystems.apfs.omap import ENCRYPTED, NO_HEADER, ObjectMap
from triage.evidence.filesystems.apfs.records import FILE_EXTENT, LOWEST, key_number, span
from triage.evidence.filesystems.apfs.volume import VolumeSuperblock
from triage.model.stream import Stream

_PHYSICAL = 0x4000_0000
_ID = (1 << 60) - 1


class Cipher(Protocol):
    """Decrypts whole sectors of 512 bytes."""

    def decrypt(self, data: bytes, first: int) -> bytes:
        """The plain bytes; ``first`` is the number of the first sector."""
        ...


class Records(Protocol):
    """Where records of the tree of files come from."""

    def scan(self, low: int, high: int) -> Iterator[Record | EvidenceError]:
        """Records with keys from ``low`` to below ``high``, in order; an error for each part that does not hold."""
        ...

    def extents(self, identifier: int) -> Iterator[Record | EvidenceError]:
        """Records of the extents of a data stream."""
        ...


class State:
    """A volume in one state.

    Args:
        blocks: Of the container.
        volume: Superblock of the volume in that state.
        omap: Object map of the volume.
        transaction: Up to which objects count.
        cipher: Of an encrypted volume that was unlocked, None where it is none.

    Attributes:
        stream: Bytes of the container.
        block_size: Bytes.
        hashed: Names stand behind a hash.
        transaction: Up to which objects count.
        cipher: As given.

    Raises:
        EvidenceError: The root of the tree of files does not hold or cannot be read.
    """

    def __init__(
        self,
        blocks: Blocks,
        volume: VolumeSuperblock,
        omap: ObjectMap,
        transaction: int,
        cipher: Cipher | None = None,
    ) -> None:
        self.stream: Stream = blocks.media
        self.block_size = blocks.block_size
        self.hashed = volume.hashed
        self.transaction = transaction
        self.cipher = cipher
        self.root = volume.root
        self._blocks = blocks
        self._omap = omap
        self._physical = bool(volume.root_kind & _PHYSICAL)
        self.tree = Tree(self.read, volume.root, key_number)
        self._sealed = Tree(blocks.read_object, volume.extents, _extent_number) if volume.sealed else None

    def place(self, identifier: int) -> tuple[int, int]:
        """Block and flags of an object of the tree of files.

        Raises:
            EvidenceError: It cannot be told.
        """
        return (identifier, 0) if self._physical else self._omap.find(identifier, self.transaction)

    def read(self, identifier: int) -> bytes:
        """A node of the tree of files, decrypted and checked.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        number, flags = self.place(identifier)
        block = self._blocks.read(number)
        if flags & ENCRYPTED and self.cipher is not None:
            block = self.cipher.decrypt(block, number * (self.block_size // 512))
        if flags & NO_HEADER:
            return block
        if not is_sound(block):
            raise CorruptStructureError(f"APFS: the checksum of block {number} does not fit")
        header = read_header(block)
        if header.identifier != identifier or header.transaction > self.transaction:
            raise CorruptStructureError(f"APFS: block {number} holds another object by now")
        return block

    def scan(self, low: int, high: int) -> Iterator[Record | EvidenceError]:
        """See :class:`Records`."""
        return self.tree.scan(low, high)

    def extents(self, identifier: int) -> Iterator[Record | EvidenceError]:
        """See :class:`Records`."""
        if self._sealed is None:
            return self.tree.scan(*span(identifier, FILE_EXTENT))
        return self._sealed.scan(*span(identifier, FILE_EXTENT))

    def has_inode(self, identifier: int) -> bool:
        """True where there is such an inode, or where it cannot be told."""
        return next(self.tree.scan(*span(identifier, 3)), None) is not None


def _extent_number(key: bytes) -> int:
    """Number of a key of the extents of a sealed volume, in the form of those of the tree of files."""
    head, place = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:16], "little")
    return ((head & _ID) << 4 | FILE_EXTENT) << LOWEST | place
