"""Directories of Btrfs.

Source: "On-disk format" of the Btrfs documentation: each name is stored twice, in the order of creation and by a hash
of it. The first is what is listed; the second makes up for what is lost of the first.
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.btrfs import items
from triage.evidence.filesystems.btrfs.items import NameItem, Root
from triage.evidence.filesystems.btrfs.search import Searcher


class Directory:
    """One directory.

    Args:
        searcher: For the trees.
        root: Tree of the directory.
        inode: Its inode.
    """

    def __init__(self, searcher: Searcher, root: Root, inode: int) -> None:
        self._searcher = searcher
        self._root = root
        self._inode = inode

    def names(self) -> Iterator[NameItem | EvidenceError]:
        """Names in the order of creation, then those that stand only in the other place; an error for each part."""
        total, failed = 0, False
        for name in self._part(items.DIR_INDEX):
            if isinstance(name, EvidenceError):
                failed = True
            else:
                total += _mark(name)
            yield name
        for name in self._part(items.DIR_ITEM):
            if isinstance(name, EvidenceError):
                failed = True
                yield name
            else:
                total -= _mark(name)
        if total or failed:
            yield from self._rest()

    def _rest(self) -> Iterator[NameItem]:
        """Names that do not stand in the order of creation."""
        known = {_mark(name) for name in self._part(items.DIR_INDEX) if not isinstance(name, EvidenceError)}
        for name in self._part(items.DIR_ITEM):
            if not isinstance(name, EvidenceError) and _mark(name) not in known:
                yield name

    def _part(self, kind: int) -> Iterator[NameItem | EvidenceError]:
        root = self._root
        low = max((self._inode, kind, 0), root.dropped)
        for found in self._searcher.items(root.pointer, low, (self._inode, kind, items.MOST)):
            if isinstance(found, EvidenceError):
                yield found
                continue
            try:
                for name in items.parse_names(found[1]):
                    if not name.name:
                        raise CorruptStructureError(f"a name in directory {self._inode} is empty")
                    yield name
            except EvidenceError as error:
                yield error


def _mark(name: NameItem) -> int:
    return hash((name.location, name.name))


def shown(name: bytes) -> str:
    """A name as text, with what cannot be printed as escapes."""
    text = name[:1024].decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
