"""The trees that a tree of roots names: subvolumes, snapshots, and those that the file system keeps for itself.

Source: "On-disk format" of the Btrfs documentation (root items, references of roots, the default subvolume).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.errors import EvidenceError
from triage.evidence.filesystems.btrfs import items
from triage.evidence.filesystems.btrfs.items import Root
from triage.evidence.filesystems.btrfs.search import HIGHEST, LOWEST, Searcher
from triage.evidence.filesystems.btrfs.superblock import Pointer

MAX_TREES = 30_000
"""Subvolumes and snapshots that are listed."""
MAX_REFERENCES = 100_000


@dataclass(slots=True)
class Forest:
    """What a tree of roots names.

    Attributes:
        generation: Transaction of the tree of roots.
        files: Trees of files by number.
        others: Where the file system's own trees begin, by number.
        places: By parent and child: directory, sequence and name of a subvolume in another.
        default: Number of the tree that is mounted by default.
        errors: What did not hold.
        left_out: Trees of files beyond the limit.
    """

    generation: int
    files: dict[int, Root] = field(default_factory=dict)
    others: dict[int, Pointer] = field(default_factory=dict)
    places: dict[tuple[int, int], tuple[int, int, bytes]] = field(default_factory=dict)
    default: int = items.TOP_TREE
    errors: list[EvidenceError] = field(default_factory=list)
    left_out: int = 0

    def names(self) -> dict[int, bytes]:
        """Names of subvolumes by number, where one is stored."""
        found = {child: name for (_parent, child), (_directory, _sequence, name) in self.places.items()}
        return found | {items.TOP_TREE: b"top-level"}


def read_forest(searcher: Searcher, root: Pointer) -> Forest:
    """What a tree of roots names; its first block is read, or an error raised.

    Raises:
        EvidenceError: The root block does not hold.
    """
    searcher.blocks.read(root.logical, root.generation, root.level)
    forest = Forest(root.generation)
    for found in searcher.items(root, LOWEST, HIGHEST):
        if isinstance(found, EvidenceError):
            _add_error(forest, found)
            continue
        (number, kind, offset), data = found
        try:
            if kind == items.ROOT_ITEM:
                _add_root(forest, number, data)
            elif kind == items.ROOT_REF and len(forest.places) < MAX_REFERENCES:
                forest.places[number, offset] = items.parse_root_ref(data)
            elif kind == items.DIR_ITEM and number == items.ROOT_DIRECTORY:
                for name in items.parse_names(data):
                    if name.name == b"default" and name.location[1] == items.ROOT_ITEM:
                        forest.default = name.location[0]
        except EvidenceError as error:
            _add_error(forest, error)
    if forest.default not in forest.files and items.TOP_TREE in forest.files:
        forest.default = items.TOP_TREE
    return forest


def _add_root(forest: Forest, number: int, data: bytes) -> None:
    root = items.parse_root(number, data)
    if number == items.TOP_TREE or items.FIRST_FREE <= number <= items.LAST_FREE:
        if len(forest.files) < MAX_TREES or number in forest.files:
            forest.files[number] = root
        else:
            forest.left_out += 1
    elif number < items.FIRST_FREE:
        forest.others[number] = root.pointer


def _add_error(forest: Forest, error: EvidenceError) -> None:
    if len(forest.errors) < 100:
        forest.errors.append(error)


def unplaced(searcher: Searcher, forest: Forest) -> list[int]:
    """Numbers of the trees of files that no path from the default one leads to, without those inside of such."""
    children: dict[int, list[int]] = {}
    for (parent, child), (directory, sequence, _name) in forest.places.items():
        if child in forest.files and _is_named(searcher, forest, parent, directory, sequence):
            children.setdefault(parent, []).append(child)
    inner = {child for below in children.values() for child in below}
    numbers = sorted(forest.files)
    starts = [forest.default, *(number for number in numbers if number not in inner), *numbers]
    placed: set[int] = set()
    found: list[int] = []
    for start in starts:
        if start in placed:
            continue
        if start != forest.default:
            found.append(start)
        stack = [start]
        while stack:
            number = stack.pop()
            if number not in placed:
                placed.add(number)
                stack += children.get(number, ())
    return found


def _is_named(searcher: Searcher, forest: Forest, parent: int, directory: int, sequence: int) -> bool:
    """The name of a subvolume stands in the directory where it should."""
    root = forest.files.get(parent)
    try:
        return root is not None and searcher.find(root.pointer, (directory, items.DIR_INDEX, sequence)) is not None
    except EvidenceError:
        return False
