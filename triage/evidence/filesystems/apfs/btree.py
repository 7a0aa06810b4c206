"""B-trees of APFS: nodes, search, and ranges without recursion.

A node is a header of 56 bytes, a table of places, keys from behind the table and values from the end backwards. The
root ends with 40 bytes about the tree. Every key becomes one whole number by a function of the tree's kind, so that a
search is a bisection over numbers.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.apfs.objects import BTREE_NODE, BTREE_ROOT, read_header

ROOT, LEAF, FIXED = 0x1, 0x2, 0x4
MAX_LEVEL = 16
MAX_NODES = 1024
"""Nodes of a tree that are kept."""

_DATA = 56
_INFO = 40
_NONE = 0xFFFF

KeyNumber = Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Record:
    """A key with its value.

    Attributes:
        number: The key as a number.
        key: Its bytes.
        value: Bytes of the value.
    """

    number: int
    key: bytes
    value: bytes


class Node:
    """One node.

    Args:
        block: Its bytes, checked.
        key_number: Makes a number of a key.
        sizes: Bytes of key and value where these are fixed.

    Raises:
        CorruptStructureError: The node does not hold.
    """

    __slots__ = ("_block", "_places", "is_leaf", "level", "numbers")

    def __init__(self, block: bytes, key_number: KeyNumber, sizes: tuple[int, int]) -> None:
        flags, self.level, count = struct.unpack_from("<HHI", block, 32)
        table, table_length = struct.unpack_from("<HH", block, 40)
        self.is_leaf = bool(flags & LEAF)
        self._block = block
        end = len(block) - (_INFO if flags & ROOT else 0)
        width = 4 if flags & FIXED else 8
        start = _DATA + table
        keys = start + table_length
        if self.level > MAX_LEVEL or self.is_leaf != (not self.level) or count * width > table_length or keys > end:
            raise CorruptStructureError("APFS: a node of a tree does not hold")
        toc = block[start : start + count * width]
        value_size = sizes[1] if self.is_leaf else 8
        if flags & FIXED:
            places = [(k, sizes[0], v, value_size) for k, v in struct.iter_unpack("<HH", toc)]
        else:
            places = list(struct.iter_unpack("<HHHH", toc))
        if any(keys + k + kl > end or (v > end - keys and v != _NONE) for k, kl, v, _ in places):
            raise CorruptStructureError("APFS: a node of a tree has keys or values outside itself")
        self._places = [
            (keys + k, keys + k + kl, *((end - v, min(end, end - v + vl)) if v != _NONE else (0, 0)))
            for k, kl, v, vl in places
        ]
        try:
            self.numbers = [key_number(block[first:last]) for first, last, _, _ in self._places]
        except (struct.error, IndexError) as error:
            raise CorruptStructureError("APFS: a node of a tree has keys that are too short") from error

    def record(self, index: int) -> Record:
        """A record by its place in the node."""
        first, last, value, end = self._places[index]
        return Record(self.numbers[index], self._block[first:last], self._block[value:end])

    def child(self, index: int) -> int:
        """Identifier of the node below.

        Raises:
            CorruptStructureError: There is none.
        """
        _, _, value, end = self._places[index]
        if end - value < 8:
            raise CorruptStructureError("APFS: a node of a tree has no child where one is needed")
        return int.from_bytes(self._block[value : value + 8], "little")


class Tree:
    """One tree.

    Args:
        read: The block of a node by its identifier, checked.
        root: Identifier of the root.
        key_number: Makes a number of a key.

    Raises:
        EvidenceError: The root does not hold or cannot be read.
    """

    def __init__(self, read: Callable[[int], bytes], root: int, key_number: KeyNumber) -> None:
        self._read = read
        self._root = root
        self._key_number = key_number
        self._nodes: OrderedDict[int, Node] = OrderedDict()
        block = read(root)
        if len(block) < _DATA + _INFO or not struct.unpack_from("<H", block, 32)[0] & ROOT:
            raise CorruptStructureError("APFS: the root of a tree is none")
        self._sizes = struct.unpack_from("<II", block, len(block) - _INFO + 8)
        if max(self._sizes) > len(block):
            raise CorruptStructureError("APFS: a tree states impossible sizes")
        self.node(root)

    def node(self, identifier: int) -> Node:
        """A node by its identifier.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        node = self._nodes.get(identifier)
        if node is not None:
            self._nodes.move_to_end(identifier)
            return node
        block = self._read(identifier)
        if read_header(block).kind not in (BTREE_ROOT, BTREE_NODE, 0):
            raise CorruptStructureError(f"APFS: object {identifier} is no node of a tree")
        node = Node(block, self._key_number, self._sizes)
        self._nodes[identifier] = node
        if len(self._nodes) > MAX_NODES:
            self._nodes.popitem(last=False)
        return node

    def floor(self, number: int) -> Record | None:
        """The record with the largest key that is not above a number; None where there is none.

        Raises:
            EvidenceError: A node on the way does not hold or cannot be read.
        """
        node = self.node(self._root)
        while True:
            index = bisect_right(node.numbers, number) - 1
            if index < 0:
                return None
            if node.is_leaf:
                return node.record(index)
            node = self._below(node, index)

    def scan(self, low: int, high: int) -> Iterator[Record | EvidenceError]:
        """Records with keys from ``low`` to below ``high``, in order; an error for each node that does not hold."""
        root = self.node(self._root)
        stack = [(root, self._first(root, low))]
        seen: set[int] = set()
        while stack:
            node, index = stack.pop()
            if index >= len(node.numbers) or node.numbers[index] >= high:
                continue
            if node.is_leaf:
                end = bisect_left(node.numbers, high)
                yield from (node.record(place) for place in range(index, end))
                continue
            stack.append((node, index + 1))
            try:
                below = self._below(node, index)
                if node.child(index) in seen:
                    raise CorruptStructureError("APFS: a tree leads to the same node twice")
                seen.add(node.child(index))
            except EvidenceError as error:
                yield error
                continue
            stack.append((below, self._first(below, low)))

    def _first(self, node: Node, low: int) -> int:
        """Where records from ``low`` on begin: in a leaf exactly, above at the child that may hold the first."""
        index = bisect_left(node.numbers, low)
        return index if node.is_leaf else max(0, index - 1)

    def _below(self, node: Node, index: int) -> Node:
        below = self.node(node.child(index))
        if below.level != node.level - 1:
            raise CorruptStructureError("APFS: a tree leads back to itself")
        return below
