"""What earlier checkpoints of a container still have of a volume: deleted files. Format: see :mod:`.objects`.

APFS never writes a block in place, and the last checkpoints stay on the disk until their blocks are used again. The
trees of earlier checkpoints are gone through, leaving out every node that the present one has as well; a block that was
used again does not carry the identifier and transaction that it should and is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.errors import EvidenceError
from triage.evidence.filesystems.apfs.btree import Record
from triage.evidence.filesystems.apfs.container import Container
from triage.evidence.filesystems.apfs.objects import VOLUME, read_header
from triage.evidence.filesystems.apfs.omap import ObjectMap
from triage.evidence.filesystems.apfs.records import FILE_EXTENT, INODE, owner_of, span
from triage.evidence.filesystems.apfs.state import Cipher, State
from triage.evidence.filesystems.apfs.volume import VolumeSuperblock

MAX_CHECKPOINTS = 256
MAX_VISITED = 200_000
MAX_RECORDS = 2_000_000


class Older:
    """Records of earlier checkpoints that the present one does not have; gathered at the first question.

    Args:
        container: The container.
        volume: Identifier of the volume.
        live: Its present state.
    """

    def __init__(self, container: Container, volume: int, live: State) -> None:
        self._container = container
        self._volume = volume
        self._live = live
        self._records: dict[int, dict[bytes, Record]] | None = None
        self._gone: dict[int, bool] = {}

    def scan(self, low: int, high: int) -> Iterator[Record | EvidenceError]:
        """Records with keys from ``low`` to below ``high``, in order."""
        owned = self._gathered().get(owner_of(low)[0], {})
        yield from sorted((record for record in owned.values() if low <= record.number < high),
                          key=lambda record: record.number)  # fmt: skip

    def extents(self, identifier: int) -> Iterator[Record | EvidenceError]:
        """Records of the extents of a data stream."""
        return self.scan(*span(identifier, FILE_EXTENT))

    def inodes(self) -> Iterator[int]:
        """Numbers of inodes that are not in the present state, ascending."""
        for identifier, owned in sorted(self._gathered().items()):
            kinds = {owner_of(record.number)[1] for record in owned.values()}
            if INODE in kinds and self.is_gone(identifier):
                yield identifier

    def is_gone(self, identifier: int) -> bool:
        """True where the present state has no such inode."""
        if identifier not in self._gone:
            self._gone[identifier] = not self._live.has_inode(identifier)
        return self._gone[identifier]

    # --- gathering ----------------------------------------------------------------------------------------------
    def _gathered(self) -> dict[int, dict[bytes, Record]]:
        if self._records is None:
            self._records = {}
            seen: set[int] = set()
            count = 0
            for state in self._states():
                for record in _new_records(state, self._live, seen):
                    owned = self._records.setdefault(owner_of(record.number)[0], {})
                    if record.key not in owned:
                        owned[record.key] = record
                        count += 1
                    if count >= MAX_RECORDS:
                        return self._records
        return self._records

    def _states(self) -> Iterator[State]:
        """Earlier states of the volume that can still be opened, newest first."""
        blocks = self._container.blocks
        known: set[int] = set()
        for checkpoint in self._container.checkpoints[1:MAX_CHECKPOINTS]:
            try:
                omap = ObjectMap(blocks, checkpoint.omap)
                place, _ = omap.find(self._volume, checkpoint.transaction)
                block = blocks.read_object(place, VOLUME)
                if place in known or read_header(block).identifier != self._volume:
                    continue
                known.add(place)
                volume = VolumeSuperblock.parse(block)
                cipher: Cipher | None = self._live.cipher
                yield State(blocks, volume, ObjectMap(blocks, volume.omap), checkpoint.transaction, cipher)
            except EvidenceError:
                continue


def _new_records(state: State, live: State, seen: set[int]) -> Iterator[Record]:
    """Records of nodes that the live state does not have."""
    stack = [(state.root, -1)]
    while stack and len(seen) < MAX_VISITED:
        identifier, level = stack.pop()
        try:
            block, _ = state.place(identifier)
            if block in seen or block == _place(live, identifier):
                continue
            seen.add(block)
            node = state.tree.node(identifier)
        except EvidenceError:
            continue
        if level >= 0 and node.level != level:
            continue
        if node.is_leaf:
            yield from (node.record(index) for index in range(len(node.numbers)))
            continue
        for index in range(len(node.numbers)):
            try:
                stack.append((node.child(index), node.level - 1))
            except EvidenceError:
                continue


def _place(state: State, identifier: int) -> int:
    try:
        return state.place(identifier)[0]
    except EvidenceError:
        return -1
