"""Object maps of APFS: where an object lies in a transaction. Format: see :mod:`.objects`."""

from __future__ import annotations

import struct

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.apfs.btree import Tree
from triage.evidence.filesystems.apfs.objects import OMAP, Blocks

DELETED, ENCRYPTED, NO_HEADER = 0x1, 0x4, 0x8


def _key(key: bytes) -> int:
    identifier, transaction = struct.unpack_from("<QQ", key)
    return int(identifier << 64 | transaction)


class ObjectMap:
    """One object map.

    Args:
        blocks: Of the container.
        block: Number of the block where the map stands.

    Raises:
        EvidenceError: The map does not hold or cannot be read.
    """

    def __init__(self, blocks: Blocks, block: int) -> None:
        head = blocks.read_object(block, OMAP)
        self._tree = Tree(blocks.read_object, struct.unpack_from("<Q", head, 48)[0], _key)

    def find(self, identifier: int, transaction: int) -> tuple[int, int]:
        """Block and flags of an object as it was in a transaction.

        Raises:
            CorruptStructureError: The map does not hold it.
            EvidenceError: The map cannot be read.
        """
        record = self._tree.floor(identifier << 64 | transaction)
        if record is None or record.number >> 64 != identifier or len(record.value) < 16:
            raise CorruptStructureError(f"APFS: object {identifier} is not in the object map")
        flags, _, block = struct.unpack_from("<IIQ", record.value)
        if flags & DELETED:
            raise CorruptStructureError(f"APFS: object {identifier} was deleted in the object map")
        return block, flags
