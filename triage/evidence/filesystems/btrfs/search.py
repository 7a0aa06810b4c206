"""Looking things up in the trees of Btrfs, without recursion.

Each block of a tree is looked at once: levels go down by one and the keys of a block must lie in the range that its
parent gives it, so no two pointers can lead to the same block.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Set
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.btrfs.blocks import Block, BlockReader, Key
from triage.evidence.filesystems.btrfs.superblock import Pointer

LOWEST: Key = (0, 0, 0)
HIGHEST: Key = ((1 << 64) - 1, 255, (1 << 64) - 1)
_BEYOND: Key = (1 << 64, 0, 0)


@dataclass(frozen=True, slots=True)
class Slice:
    """Items of one leaf.

    Attributes:
        block: The leaf.
        first: Index of the first item.
        end: Index after the last.
    """

    block: Block
    first: int
    end: int


class Searcher:
    """Lookups in trees of one file system.

    Args:
        blocks: Reader of tree blocks.
    """

    def __init__(self, blocks: BlockReader) -> None:
        self.blocks = blocks
        self._hints: dict[Pointer, Block] = {}

    def find(self, root: Pointer, key: Key) -> tuple[Block, int] | None:
        """The leaf and index of a key, None where the tree does not have it.

        Raises:
            EvidenceError: A block on the way does not hold.
        """
        block = self._hints.get(root)
        if block is None or not block.keys or not block.keys[0] <= key <= block.keys[-1]:
            block = self._leaf(root, key)
            if len(self._hints) > 64:
                self._hints.clear()
            self._hints[root] = block
        index = bisect_left(block.keys, key)
        if index < len(block.keys) and block.keys[index] == key:
            return block, index
        return None

    def get(self, root: Pointer, key: Key) -> bytes | None:
        """The item of a key, None where the tree does not have it.

        Raises:
            EvidenceError: A block on the way does not hold.
        """
        found = self.find(root, key)
        return found[0].item(found[1]) if found else None

    def last_at_most(self, root: Pointer, key: Key) -> Key | None:
        """The last key of a tree that is not beyond another, None where there is none.

        Raises:
            EvidenceError: A block on the way does not hold.
        """
        block = self._leaf(root, key)
        index = bisect_right(block.keys, key) - 1
        return block.keys[index] if index >= 0 else None

    def items(self, root: Pointer, low: Key, high: Key) -> Iterator[tuple[Key, bytes] | EvidenceError]:
        """Items from one key to another, both included, ascending; an error for each part that does not hold."""
        for part in self.slices(root, low, high):
            if isinstance(part, EvidenceError):
                yield part
                continue
            block = part.block
            for index in range(part.first, part.end):
                try:
                    item = block.item(index)
                except EvidenceError as error:
                    yield error
                else:
                    yield block.keys[index], item

    def slices(
        self, root: Pointer, low: Key, high: Key, skip: Set[tuple[int, int]] = frozenset()
    ) -> Iterator[Slice | EvidenceError]:
        """Leaves from one key to another, ascending; an error for each part that does not hold.

        Args:
            root: The tree.
            low: First key.
            high: Last key.
            skip: Addresses and generations of blocks to leave out with all that is below.
        """
        stack: list[tuple[int, int, int, Key, Key]] = [(root.logical, root.generation, root.level, LOWEST, _BEYOND)]
        while stack:
            logical, generation, level, least, beyond = stack.pop()
            if (logical, generation) in skip:
                continue
            try:
                block = self._read(logical, generation, level, least, beyond)
            except EvidenceError as error:
                yield error
                continue
            keys = block.keys
            if not level:
                first, end = bisect_left(keys, low), bisect_right(keys, high)
                if first < end:
                    yield Slice(block, first, end)
                continue
            first, end = max(0, bisect_right(keys, low) - 1), bisect_right(keys, high)
            for index in range(end - 1, first - 1, -1):
                upper = keys[index + 1] if index + 1 < len(keys) else beyond
                stack.append((*block.items[index], level - 1, keys[index], upper))

    def pointers(self, root: Pointer, most: int) -> set[tuple[int, int]]:
        """Address and generation of the blocks of a tree, told without reading its leaves.

        Args:
            root: The tree.
            most: Give up after so many, with what was found.
        """
        found = {(root.logical, root.generation)}
        stack = [(root.logical, root.generation, root.level, LOWEST, _BEYOND)]
        while stack and len(found) < most:
            logical, generation, level, least, beyond = stack.pop()
            if not level:
                continue
            try:
                block = self._read(logical, generation, level, least, beyond)
            except EvidenceError:
                continue
            found.update(block.items)
            if level == 1:
                continue
            for index, (below, written) in enumerate(block.items):
                upper = block.keys[index + 1] if index + 1 < len(block.keys) else beyond
                stack.append((below, written, level - 1, block.keys[index], upper))
        return found

    def _leaf(self, root: Pointer, key: Key) -> Block:
        logical, generation, level = root.logical, root.generation, root.level
        least, beyond = LOWEST, _BEYOND
        while True:
            block = self._read(logical, generation, level, least, beyond)
            if not level:
                return block
            index = max(0, bisect_right(block.keys, key) - 1)
            logical, generation = block.items[index]
            least = block.keys[index]
            beyond = block.keys[index + 1] if index + 1 < len(block.keys) else beyond
            level -= 1

    def _read(self, logical: int, generation: int, level: int, least: Key, beyond: Key) -> Block:
        block = self.blocks.read(logical, generation, level)
        keys = block.keys
        if keys:
            if keys[0] < least or keys[-1] >= beyond:
                raise CorruptStructureError(f"the tree block at {logical} holds keys that belong elsewhere")
        elif level or least is not LOWEST:
            raise CorruptStructureError(f"the tree block at {logical} is empty")
        return block
