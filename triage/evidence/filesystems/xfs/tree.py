"""XFS as a tree of nodes: what every walk of our own readers is made of.

Source: "XFS Algorithms & Data Structures", third edition, with the later features of version 5 (big time stamps, large
extent counts, reverse map, reflink).
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.tree import Attribute, Name, Node
from triage.evidence.filesystems.xfs import inode
from triage.evidence.filesystems.xfs.attributes import AttributeReader, Extended
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.evidence.filesystems.xfs.deleted import Deleted
from triage.evidence.filesystems.xfs.directory import DirectoryReader
from triage.evidence.filesystems.xfs.extents import ExtentReader, ForkMap, fork_stream
from triage.evidence.filesystems.xfs.free_space import FreeSpace
from triage.evidence.filesystems.xfs.inode import Inode, InodeTable
from triage.evidence.filesystems.xfs.inode_map import InodeMap, State
from triage.evidence.filesystems.xfs.symlink import link_target
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream, Stream

MAX_HINTS = 1 << 16
"""Types of deleted inodes that are remembered from the names that led to them."""
MAX_LISTED_EXTENTS = 1 << 16
"""Extents of a file up to which a listing looks at all of them."""
UNWRITTEN = "bytes of it were set aside and never written, they read as zeros; older content may stand there"
OPEN = "deleted while it was open: it has no name any more"
REALTIME = "its content is on the realtime device, which is not part of this volume"

_KINDS = {1: EntryType.FILE, 2: EntryType.DIRECTORY, 7: EntryType.SYMLINK}


class XfsTree:
    """See :class:`~triage.evidence.filesystems.tree.Tree`.

    Args:
        blocks: The volume.
    """

    def __init__(self, blocks: Blocks) -> None:
        geometry = blocks.geometry
        self.name = "xfs"
        self.block_size = geometry.block_size
        self.size = geometry.blocks * geometry.block_size
        self.root = geometry.root
        self.is_mapped = True
        self._blocks = blocks
        self._geometry = geometry
        self._table = InodeTable(blocks)
        self._extents = ExtentReader(blocks)
        self._directories = DirectoryReader(blocks, self._extents)
        self._attributes = AttributeReader(blocks, self._extents)
        self._start()

    def _start(self) -> None:
        self._map = InodeMap(self._blocks)
        self._deleted = Deleted(self._blocks, self._table, self._extents, self._map)
        self._hints: dict[int, int] = {}
        self._reached: dict[int, int] = {}
        self._tells_lost = False
        self._by_deleted_name = False

    def begin(self, tells_lost: bool) -> None:
        """A walk begins.

        Args:
            tells_lost: Every directory is entered, so that an inode without a name has lost it.
        """
        self._blocks.renew()
        self._start()
        self._tells_lost = tells_lost

    # --- records ------------------------------------------------------------------------------------------------
    def node(self, number: int) -> Node:
        """See :class:`~triage.evidence.filesystems.tree.Tree`."""
        found = self._table.inode(number)
        if not (self._by_deleted_name and found.nlink and self._is_used(found)):
            self._reached[number >> 6] = self._reached.get(number >> 6, 0) | 1 << (number & 63)
        return self._node(found)

    def _is_used(self, found: Inode) -> bool:
        return bool(found.mode) and self._map.state(found.number) in (State.USED, State.UNKNOWN)

    def _node(self, found: Inode) -> Node:
        caveats: list[str] = []
        damage: list[str] = []
        if not found.checksum_holds:
            damage.append("the checksum of its inode is wrong")
        if not found.is_own:
            damage.append("its inode carries another number")
        if not self._is_used(found):
            return self._former(found, damage)
        kind = found.entry_type
        size = found.size if kind in (EntryType.FILE, EntryType.SYMLINK) else 0
        if kind is EntryType.FILE:
            size = self._look_at_extents(found, size, caveats, damage)
        if not found.nlink:
            caveats.append(OPEN)
        attributes: tuple[Attribute, ...] = ()
        if found.attribute_fork:
            listed, notes = self._listed_attributes(found)
            attributes = tuple(Attribute(one.name, one.size, at + 1) for at, one in enumerate(listed))
            damage += notes
        times, owner = found.times, str(found.uid)
        return Node(found.number, kind, size, times, owner, attributes, True, tuple(caveats), tuple(damage))

    def _look_at_extents(self, found: Inode, size: int, caveats: list[str], damage: list[str]) -> int:
        """Caveats on, and damage of, where a file lies, and its size where the declared one is impossible."""
        if found.flags & inode.REALTIME:
            caveats.append(REALTIME)
            return size
        where = None
        if found.format == inode.EXTENTS and not size >> 63 and self._extents.is_plain(found.fork, found.extents):
            return size
        if found.format == inode.EXTENTS or (found.format == inode.BTREE and found.extents <= MAX_LISTED_EXTENTS):
            where = self._mapped(found, damage)
        elif found.flags & inode.PREALLOCATED:
            caveats.append(f"some {UNWRITTEN}")
        if where is not None and where.unwritten:
            caveats.append(f"{where.unwritten} {UNWRITTEN}")
        if where is not None and any(part.start < size for part in where.bad):
            caveats.append(f"parts of it cannot be read: {where.bad[0].message}")
        if size >> 63:
            damage.append(f"its size is impossible: {size}")
            return where.end if where is not None else 0
        return size

    def _mapped(self, found: Inode, damage: list[str]) -> ForkMap | None:
        try:
            where = self._extents.fork(found.format, found.fork, found.extents, found.number)
        except EvidenceError as error:
            damage.append(error.message)
            return None
        if found.format == inode.BTREE and not self._blocks.spend(where.extents * 16 + self.block_size):
            damage.append("the tree of its extents is shared with others")
        damage += where.notes
        return where

    def _listed_attributes(self, found: Inode) -> tuple[list[Extended], list[str]]:
        before = self._attributes.bytes_read
        listed, notes = self._attributes.listing(found)
        if found.attribute_format != inode.LOCAL and not self._blocks.spend(self._attributes.bytes_read - before):
            return [], ["its extended attributes are shared with others, they are not listed"]
        return listed, notes

    def _former(self, found: Inode, caveats: list[str]) -> Node:
        """The node of an inode that is not in use."""
        kind = found.entry_type
        if not found.mode:
            kind = _KINDS.get(self._hints.get(found.number, 1), EntryType.OTHER)
        where = self._deleted.former_map(found)
        if not found.mode and self._directories.is_directory(found, where):
            kind = EntryType.DIRECTORY
        if where.runs:
            caveats.append(self._deleted.caveat(where))
        size = 0
        if kind is EntryType.SYMLINK and not where.runs:
            size = len(_text(found))
        elif kind in (EntryType.FILE, EntryType.SYMLINK):
            size = found.size if found.mode and not found.size >> 63 else where.end
            if not found.mode and where.runs:
                caveats.append("its size is not known any more: it is shown to the end of its last block")
        if where.unwritten:
            caveats.append(f"{where.unwritten} {UNWRITTEN}")
        return Node(found.number, kind, size, found.times, str(found.uid), (), False, tuple(caveats))

    # --- names --------------------------------------------------------------------------------------------------
    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """See :class:`~triage.evidence.filesystems.tree.Tree`."""
        found = self._table.inode(number)
        used = self._is_used(found)
        where = None if used else self._deleted.former_map(found)
        for item in self._directories.names(found, where):
            if isinstance(item, EvidenceError):
                if used:  # what remains of a deleted directory need not hold
                    yield item
                continue
            record, allocated = item
            allocated = allocated and used
            if not allocated and len(self._hints) < MAX_HINTS:
                self._hints[record.number] = record.kind or 1
            self._by_deleted_name = not allocated
            yield Name(record.name, record.number, allocated)
            self._by_deleted_name = False

    # --- content ------------------------------------------------------------------------------------------------
    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """See :class:`~triage.evidence.filesystems.tree.Tree`."""
        found = self._table.inode(node.number)
        if attribute:
            listed, _ = self._attributes.listing(found)
            if not 0 < attribute <= len(listed):
                raise CorruptStructureError(f"inode {node.number} has no such attribute: {attribute}")
            return MemoryStream(self._attributes.value(found, listed[attribute - 1]))
        if not self._is_used(found):
            where = self._deleted.former_map(found)
            return fork_stream(self._blocks, where, node.size) if where.runs else MemoryStream(_text(found))
        if found.flags & inode.REALTIME:
            raise UnsupportedFormatError(REALTIME, hint="add the realtime device as evidence of its own")
        if found.entry_type is EntryType.SYMLINK:
            return link_target(self._blocks, self._extents, found)
        if found.format == inode.LOCAL:
            return MemoryStream(found.fork[: found.size])
        if found.format == inode.DEVICE:
            return MemoryStream(b"")
        where = self._extents.fork(found.format, found.fork, found.extents, found.number)
        return fork_stream(self._blocks, where, node.size)

    # --- what has no name ---------------------------------------------------------------------------------------
    def unlinked(self) -> Iterator[Node | EvidenceError]:
        """See :class:`~triage.evidence.filesystems.tree.Tree`."""
        others: list[int] = []
        for found in self._deleted.candidates(self._reached, self._tells_lost):
            if isinstance(found, EvidenceError):
                yield found
                continue
            if found.number == self.root or found.number in self._geometry.internal or found.is_metadata:
                continue
            if self._is_used(found) or found.mode or self._deleted.former_map(found).runs:
                node = self._node(found)
                if node.entry_type is not EntryType.DIRECTORY:
                    others.append(found.number)
                elif not self._is_reached(found.number):
                    yield node  # directories first: whoever enters them gives names to others
        for number in others:
            if not self._is_reached(number):
                yield self._node(self._table.inode(number))

    def _is_reached(self, number: int) -> bool:
        return bool(self._reached.get(number >> 6, 0) >> (number & 63) & 1)

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """See :class:`~triage.evidence.filesystems.tree.Tree`."""
        return FreeSpace(self._blocks).runs()


def _text(found: Inode) -> bytes:
    """What stands in the fork of a deleted inode without extents: the target of a short link."""
    return found.fork[: found.size] if found.mode else found.fork.partition(b"\0")[0]
