"""What no name leads to and still stands: in older trees, in the log, among inodes without a name.

Source: "On-disk format" of the Btrfs documentation (root backups, orphan items, the log tree).

Btrfs writes every change elsewhere; the superblock names the roots of the last four transactions, whose blocks stand
until they are reused. A block that was reused is told by its generation. The log tree holds what was written through
since the last transaction; it is not played back here, but the inodes that stand only there are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, replace

from triage.errors import EvidenceError
from triage.evidence.filesystems.btrfs import items
from triage.evidence.filesystems.btrfs.forest import Forest, read_forest
from triage.evidence.filesystems.btrfs.items import Root
from triage.evidence.filesystems.btrfs.search import HIGHEST, LOWEST, Searcher
from triage.evidence.filesystems.btrfs.superblock import Pointer, Superblock

MAX_DELETED = 1_000_000
"""Deleted inodes that are listed."""
MAX_POINTERS = 2_000_000
MAX_CLIMB = 64
"""Directories in the path that is told of a deleted file."""


@dataclass(frozen=True, slots=True)
class OldTree:
    """A tree of files as it was.

    Attributes:
        generation: Transaction of its tree of roots.
        root: The tree.
        is_log: It is a part of the log: newer than the trees of now, not older.
    """

    generation: int
    root: Root
    is_log: bool = False


def old_trees(searcher: Searcher, superblock: Superblock, current: Forest) -> tuple[OldTree, ...]:
    """Trees of files of the log and of the older roots that are not those of now, newest first.

    What was reused since is left out.
    """
    found = _log_trees(searcher, superblock.log_root) if superblock.log_root.logical else []
    seen = {(root.pointer.logical, root.pointer.generation) for root in current.files.values()}
    for root, _chunk_root in superblock.backups:
        if root.generation == current.generation:
            continue
        try:
            forest = read_forest(searcher, root)
        except EvidenceError:
            continue
        for number in sorted(forest.files):
            tree = forest.files[number]
            place = (tree.pointer.logical, tree.pointer.generation)
            if place not in seen:
                seen.add(place)
                found.append(OldTree(root.generation, tree))
    return tuple(found)


def _log_trees(searcher: Searcher, log: Pointer) -> list[OldTree]:
    found: list[OldTree] = []
    low, high = (items.LOG_TREE, items.ROOT_ITEM, 0), (items.LOG_TREE, items.ROOT_ITEM, items.MOST)
    for item in searcher.items(log, low, high):
        try:
            if isinstance(item, EvidenceError):
                raise item
            number = item[0][2]
            root = items.parse_root(number, item[1])
        except EvidenceError as error:
            searcher.blocks.note(f"a part of the log tree does not hold: {error}", helped=False)
            continue
        found.append(OldTree(log.generation, replace(root, directory=items.FIRST_FREE), is_log=True))
    return found[:1000]


def deleted_in(searcher: Searcher, old: OldTree, current: Forest, seen: set[tuple[int, int]]) -> Iterator[int]:
    """Inodes of an old tree that its tree of now does not have.

    Args:
        searcher: For the trees.
        old: The old tree.
        current: The trees of now.
        seen: Tree and inode of what was told already; added to.
    """
    now = current.files.get(old.root.number)
    skip: Set[tuple[int, int]] = searcher.pointers(now.pointer, MAX_POINTERS) if now else frozenset()
    for part in searcher.slices(old.root.pointer, LOWEST, HIGHEST, skip):
        if isinstance(part, EvidenceError):
            continue  # the block was reused since: nothing of the file system of now is missing
        for inode, kind, _offset in part.block.keys[part.first : part.end]:
            key = (old.root.number, inode)
            if kind != items.INODE_ITEM or key in seen or not items.FIRST_FREE <= inode <= items.LAST_FREE:
                continue
            if len(seen) >= MAX_DELETED:
                return
            if now is None or not _stands(searcher, now, inode):
                seen.add(key)
                yield inode


def orphans(searcher: Searcher, root: Root) -> Iterator[int | EvidenceError]:
    """Inodes of a tree that were deleted while open and not yet cleaned up."""
    low, high = (items.ORPHANS, items.ORPHAN_ITEM, 0), (items.ORPHANS, items.ORPHAN_ITEM, items.MOST)
    for part in searcher.slices(root.pointer, low, high):
        if isinstance(part, EvidenceError):
            yield part
            continue
        for key in part.block.keys[part.first : part.end]:
            yield key[2]


def all_inodes(searcher: Searcher, root: Root) -> Iterator[int]:
    """Every inode of a tree that still can be read."""
    for part in searcher.slices(root.pointer, max(LOWEST, root.dropped), HIGHEST):
        if isinstance(part, EvidenceError):
            continue
        for inode, kind, _offset in part.block.keys[part.first : part.end]:
            if kind == items.INODE_ITEM and items.FIRST_FREE <= inode <= items.LAST_FREE:
                yield inode


def path_of(searcher: Searcher, root: Root, current: Root | None, inode: int) -> bytes:
    """Path of an inode by back references, as far as they lead; empty where there is none.

    Args:
        searcher: For the trees.
        root: Its tree.
        current: The tree as it is now, for directories that the other one does not hold.
        inode: Whose path.
    """
    names: list[bytes] = []
    while inode != root.directory and len(names) < MAX_CLIMB:
        step = _link(searcher, root, inode) or (_link(searcher, current, inode) if current else None)
        if step is None:
            break
        inode, name = step
        names.append(name)
    return b"".join(b"/" + name for name in reversed(names))


def _link(searcher: Searcher, root: Root, inode: int) -> tuple[int, bytes] | None:
    low, high = (inode, items.INODE_REF, 0), (inode, items.INODE_EXTREF, items.MOST)
    for found in searcher.items(root.pointer, low, high):
        if isinstance(found, EvidenceError):
            continue
        for link in items.parse_links(*found):
            return link
    return None


def _stands(searcher: Searcher, root: Root, inode: int) -> bool:
    try:
        return searcher.find(root.pointer, (inode, items.INODE_ITEM, 0)) is not None
    except EvidenceError:
        return False
