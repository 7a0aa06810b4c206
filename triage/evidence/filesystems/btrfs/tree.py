"""The tree of names of a Btrfs file system: see :class:`~triage.evidence.filesystems.tree.Tree`.

Source: "On-disk format" of the Btrfs documentation (inodes, directories, subvolumes). The default subvolume is ``/``.
Others appear at their place in it; those without a place there are below ``/$subvolumes``, named by number and name.

A number that leads to a node is made of the place of its tree in a table and the inode. The table is the same whenever
the same evidence is opened: first the default subvolume, so that its numbers are plain inodes, then the others by
number, then those of older roots.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from triage.errors import CorruptStructureError, EvidenceError, LimitExceededError
from triage.evidence.filesystems.btrfs import items, older
from triage.evidence.filesystems.btrfs.content import ExtentReader, ExtentStream
from triage.evidence.filesystems.btrfs.directory import Directory, shown
from triage.evidence.filesystems.btrfs.forest import MAX_TREES, unplaced
from triage.evidence.filesystems.btrfs.free_space import FreeSpace
from triage.evidence.filesystems.btrfs.items import Inode, Root
from triage.evidence.filesystems.btrfs.older import OldTree
from triage.evidence.filesystems.btrfs.volume import BtrfsVolume
from triage.evidence.filesystems.tree import Attribute, Name, Node
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.problem import Reason
from triage.model.stream import MemoryStream, Stream

SUBVOLUMES = b"$subvolumes"
MAX_ATTRIBUTES = 10_000
"""Extended attributes of one inode."""
_SHIFT = 47
_INODES = (1 << _SHIFT) - 1
_STUB = 1 << 62
"""Mark of a number that stands for the place of a subvolume that is not there (in a snapshot)."""
_SUBVOLUMES = 1
"""Number of the directory of subvolumes; inodes begin at 256."""


class BtrfsTree:
    """Names, nodes and contents.

    Args:
        volume: The opened volume.
    """

    name = "btrfs"

    def __init__(self, volume: BtrfsVolume) -> None:
        self.block_size = volume.superblock.sector_size
        self.is_mapped = len(volume.devices) == 1
        self.size = volume.superblock.device_size if self.is_mapped else 0
        self._volume = volume
        self._searcher = volume.searcher
        self._forest = volume.forest
        self._extents = ExtentReader(volume.stream, volume.chunks, volume.searcher, self.block_size)
        default = self._forest.default
        others = [number for number in sorted(self._forest.files) if number != default]
        self._trees = [self._forest.files[number] for number in (default, *others)]
        self._index = {root.number: index for index, root in enumerate(self._trees)}
        self.root = self._trees[0].directory
        self._visited: set[int] = set()
        self._is_damaged = False

    @cached_property
    def _older(self) -> tuple[OldTree, ...]:
        found = older.old_trees(self._searcher, self._volume.superblock, self._forest)
        most = (1 << 15) - 1 - MAX_TREES
        if len(found) > most:
            words = f"{len(found) - most} older trees are not looked into"
            self._volume.blocks.note(words, helped=False, reason=Reason.LIMIT)
        return found[:most]

    # --- nodes --------------------------------------------------------------------------------------------------
    def node(self, number: int) -> Node:
        """The record of a number.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        if number == _SUBVOLUMES:
            return Node(number, EntryType.DIRECTORY, 0)
        if number & _STUB:
            words = f"the place of subvolume {number & _INODES}, which is not listed here"
            return Node(number, EntryType.DIRECTORY, 0, caveats=(words,))
        root, inode, old = self._split(number)
        record, attributes = self._inode(root, inode)
        is_gone = old is not None or _is_deleted(root)
        listed = tuple(
            Attribute(name, len(value), index)
            for index, (name, value) in enumerate(attributes, 1)
            if name.startswith(b"user.")
        )
        return Node(
            number=number,
            entry_type=record.entry_type,
            size=record.size,
            times=record.times,
            owner=str(record.owner),
            attributes=listed,
            allocated=not is_gone and record.links > 0,
            caveats=self._caveats(root, inode, record, old),
        )

    def _caveats(self, root: Root, inode: int, record: Inode, old: OldTree | None) -> tuple[str, ...]:
        caveats = []
        if record.flags & items.VERITY:
            caveats.append("sealed by fs-verity")
        if _is_deleted(root):
            caveats.append(f"subvolume {root.number} was deleted")
        if old is not None:
            current = self._forest.files.get(root.number)
            path = shown(older.path_of(self._searcher, root, current, inode)) or "?"
            if old.is_log:
                caveats.append(f"written after the last transaction; stands in the log of tree {root.number} as {path}")
                caveats.append("the log may hold a part of its content only")
            else:
                caveats.append(f"deleted; stood in generation {old.generation} of tree {root.number} as {path}")
                caveats.append("its content may have been overwritten since")
        return tuple(caveats)

    def _inode(self, root: Root, inode: int) -> tuple[Inode, list[tuple[bytes, bytes]]]:
        """An inode and its extended attributes, in stored order."""
        found = self._searcher.find(root.pointer, (inode, items.INODE_ITEM, 0))
        if found is None:
            raise CorruptStructureError(f"tree {root.number} has no inode {inode}")
        block, index = found
        record = items.parse_inode(block.item(index))
        keys = block.keys
        attributes: list[tuple[bytes, bytes]] = []
        for position in range(index + 1, len(keys)):
            key = keys[position]
            if key[0] != inode or key[1] > items.XATTR_ITEM:
                return record, attributes
            if key[1] == items.XATTR_ITEM:
                attributes += ((each.name, each.value) for each in items.parse_names(block.item(position)))
        if block.keys[-1][0] == inode and root.pointer.level:
            attributes = self._attributes(root, inode)
        return record, attributes

    def _attributes(self, root: Root, inode: int) -> list[tuple[bytes, bytes]]:
        attributes: list[tuple[bytes, bytes]] = []
        low, high = (inode, items.XATTR_ITEM, 0), (inode, items.XATTR_ITEM, items.MOST)
        for found in self._searcher.items(root.pointer, low, high):
            if isinstance(found, EvidenceError):
                self._note(found)
                continue
            attributes += ((each.name, each.value) for each in items.parse_names(found[1]))
            if len(attributes) > MAX_ATTRIBUTES:
                raise CorruptStructureError(f"inode {inode} has more than {MAX_ATTRIBUTES} attributes")
        return attributes

    # --- names --------------------------------------------------------------------------------------------------
    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """Names in a directory, in stored order; an error for each part of it that does not hold."""
        if number & _STUB:
            return
        if number == _SUBVOLUMES:
            yield from self._unplaced_names()
            return
        if number == self.root:
            self._visited, self._is_damaged = set(), False
            yield from self._forest.errors
            if self._forest.left_out:
                yield CorruptStructureError(f"{self._forest.left_out} more subvolumes than are listed")
        root, inode, old = self._split(number)
        if inode == root.directory:
            self._visited.add(root.number)
        for found in Directory(self._searcher, root, inode).names():
            if isinstance(found, EvidenceError):
                self._is_damaged = True
                yield found
                continue
            try:
                stands = old is None and not _is_deleted(root)
                yield Name(found.name, self._target(number, root, inode, found), allocated=stands)
            except EvidenceError as error:
                yield error
        if number == self.root and unplaced(self._searcher, self._forest):
            yield Name(SUBVOLUMES, _SUBVOLUMES)

    def _target(self, number: int, root: Root, directory: int, name: items.NameItem) -> int:
        """The number that a name leads to."""
        target, kind, _offset = name.location
        if kind == items.INODE_ITEM:
            if target > _INODES:
                raise CorruptStructureError(f"inode {target} of {shown(name.name)} is out of range")
            return (number & ~_INODES) | target
        if kind != items.ROOT_ITEM:
            raise CorruptStructureError(f"the name {shown(name.name)} leads to an item of type {kind}")
        place = self._forest.places.get((root.number, target))
        below = self._index.get(target)
        is_here = place is not None and place[0] == directory and place[2] == name.name
        if below is None or not below or not is_here or number >> _SHIFT >= len(self._trees):
            return _STUB | (number & ~_INODES) | (target & _INODES)
        return below << _SHIFT | self._trees[below].directory

    def _unplaced_names(self) -> Iterator[Name]:
        names = self._forest.names()
        for number in unplaced(self._searcher, self._forest):
            root = self._forest.files[number]
            name = names.get(number, b"").replace(b"/", b"_")
            label = b"%d-%s" % (number, name) if name else b"%d" % number
            yield Name(label, self._index[number] << _SHIFT | root.directory, allocated=not _is_deleted(root))

    # --- content ------------------------------------------------------------------------------------------------
    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """A content: its runs in the volume, else a stream.

        Raises:
            EvidenceError: It cannot be read.
        """
        if node.number & _STUB or node.number == _SUBVOLUMES:
            return MemoryStream(b"")
        root, inode, _old = self._split(node.number)
        if attribute:
            attributes = self._inode(root, inode)[1]
            if not 0 < attribute <= len(attributes):
                raise CorruptStructureError(f"inode {inode} has no attribute {attribute}")
            return MemoryStream(attributes[attribute - 1][1])
        try:
            runs = self._extents.runs(root.pointer, inode)
        except EvidenceError:
            runs = None  # the stream reads as far as it can
        return runs if runs is not None else ExtentStream(self._extents, root.pointer, inode, node.size)

    def unlinked(self) -> Iterator[Node | EvidenceError]:
        """Deleted inodes: open when deleted, or in an older root; after damage, those whose name is lost."""
        for index, root in enumerate(self._trees):
            for found in older.orphans(self._searcher, root):
                yield self._unnamed(index, found)
            if self._is_damaged or root.number not in self._visited:
                for inode in older.all_inodes(self._searcher, root):
                    if inode != root.directory:
                        yield self._unnamed(index, inode)
        seen: set[tuple[int, int]] = set()
        for index, old in enumerate(self._older, len(self._trees)):
            for inode in older.deleted_in(self._searcher, old, self._forest, seen):
                if inode != old.root.directory:
                    yield self._unnamed(index, inode)
        if len(seen) >= older.MAX_DELETED:
            raise LimitExceededError(f"more than {older.MAX_DELETED} deleted inodes, the rest is not listed")

    def _unnamed(self, index: int, inode: int | EvidenceError) -> Node | EvidenceError:
        if isinstance(inode, EvidenceError):
            return inode
        if inode > _INODES:
            return CorruptStructureError(f"inode {inode} is out of range")
        try:
            return self.node(index << _SHIFT | inode)
        except EvidenceError as error:
            return error

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """Space that no file owns, in the joined devices.

        Raises:
            EvidenceError: It cannot be told.
        """
        volume = self._volume
        space = FreeSpace(self._searcher, volume.superblock, volume.chunks, self._forest, volume.devices)
        yield from space.runs()

    # --- helpers ------------------------------------------------------------------------------------------------
    def _split(self, number: int) -> tuple[Root, int, OldTree | None]:
        """Tree and inode of a number, and the old tree where it is one."""
        index, inode = number >> _SHIFT, number & _INODES
        if 0 <= index < len(self._trees):
            return self._trees[index], inode, None
        index -= len(self._trees)
        if 0 <= index < len(self._older):
            return self._older[index].root, inode, self._older[index]
        raise CorruptStructureError(f"no tree of files for the number {number}")

    def _note(self, error: EvidenceError) -> None:
        self._volume.blocks.note(error.message, helped=False)


def _is_deleted(root: Root) -> bool:
    """The subvolume was deleted and is not yet cleaned up."""
    return not root.links and root.number != items.TOP_TREE
