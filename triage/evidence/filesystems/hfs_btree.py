"""Trees of HFS+ that are looked up by the number of a file: extended attributes, and the data fork in the catalog.

The Sleuth Kit reads them, but gives no attribute at all of a file whose compressed content it cannot expand, and no
data fork of any file that has an attribute ``com.apple.decmpfs``, whatever is in that: such a file looks empty.

Source: Apple Technical Note 1150, "B-Trees", "Catalog File" and "Attributes File"; ``hfs_format.h`` of Apple's open
sources for the records of inline attributes. Not handled: attributes that have extents of their own.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from triage.errors import CorruptStructureError
from triage.model.stream import Stream

MAX_DEPTH = 16
MAX_NODES = 65536
"""Leaves of one file or one directory that are looked at."""
_CACHED = 64
_INDEX, _LEAF, _INLINE = 0, -1, 0x10
_FILE, _FILE_THREAD = 2, 4
_HEAD = struct.Struct(">IIbBH")

_Key = tuple[int, bytes]
_Node = tuple[int, int, list[_Key], list[bytes]]
"""Kind, next node, keys and what follows them."""


class BTree:
    """A tree of HFS+ whose keys are a number and a name.

    Args:
        stream: The file that it is in; an empty one is a tree without records.
        parse_key: Number and name of the key at a place of a node.
        what: Name of the file, for messages.

    Raises:
        CorruptStructureError: Its header does not hold.
        ReadFailedError: It cannot be read.
    """

    def __init__(self, stream: Stream, parse_key: Callable[[bytes, int, int], _Key], what: str) -> None:
        self._stream = stream
        self._parse_key = parse_key
        self._what = what
        self._cache: OrderedDict[int, _Node] = OrderedDict()
        self._root = self._size = 0
        if stream.size < 512:
            return
        head = stream.read_at(0, 64)
        if len(head) < 64 or head[8] != 1:
            raise CorruptStructureError(f"the {what} of HFS+ has no header")
        (self._root,) = struct.unpack_from(">I", head, 16)
        (self._size,) = struct.unpack_from(">H", head, 32)
        if self._size < 512 or self._size & (self._size - 1):
            raise CorruptStructureError(f"the {what} of HFS+ has nodes of {self._size} bytes")

    def records(self, number: int) -> Iterator[tuple[bytes, bytes]]:
        """Name and data of all records of a number, in stored order.

        Raises:
            CorruptStructureError: The tree does not hold.
            ReadFailedError: It cannot be read.
        """
        node = self._leaf(number)
        for _ in range(MAX_NODES):
            if node is None:
                return
            _, following, keys, records = node
            for key, record in zip(keys, records, strict=True):
                if key[0] > number:
                    return
                if key[0] == number:
                    yield key[1], record
            node = self._node(following) if following else None
        raise CorruptStructureError(f"the {self._what} of HFS+ has leaves without end")

    def _leaf(self, number: int) -> _Node | None:
        """The first leaf that may have records of a number."""
        place = self._root
        for _ in range(MAX_DEPTH):
            if not place:
                return None
            node = self._node(place)
            if node[0] == _LEAF:
                return node
            if node[0] != _INDEX or not node[2]:
                break
            index = max(0, bisect_right(node[2], (number, b"")) - 1)
            place = int.from_bytes(node[3][index][:4], "big")
        raise CorruptStructureError(f"the {self._what} of HFS+ does not hold: no leaf where one should be")

    def _node(self, number: int) -> _Node:
        found = self._cache.get(number)
        if found is None:
            found = self._cache[number] = self._parse(number)
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return found

    def _parse(self, number: int) -> _Node:
        data = self._stream.read_at(number * self._size, self._size)
        if len(data) < self._size:
            raise CorruptStructureError(f"the {self._what} of HFS+ has no node {number}")
        following, _, kind, _, count = _HEAD.unpack_from(data)
        if count > self._size // 4:
            raise CorruptStructureError(f"node {number} of the {self._what} of HFS+ does not hold")
        places = struct.unpack_from(f">{count + 1}H", data, self._size - 2 * (count + 1))[::-1]
        keys: list[_Key] = []
        records: list[bytes] = []
        for place, end in pairwise(places):
            if not 14 <= place <= end - 8 <= self._size - 8:
                raise CorruptStructureError(f"node {number} of the {self._what} of HFS+ does not hold")
            keys.append(self._parse_key(data, place, end))
            records.append(data[min(end, place + 2 + int.from_bytes(data[place : place + 2], "big")) : end])
        return kind, following, keys, records


def _attribute_key(data: bytes, place: int, end: int) -> _Key:
    if end - place < 14:
        return 0, b""
    owner, _, units = struct.unpack_from(">IIH", data, place + 4)
    return owner, data[place + 14 : min(end, place + 14 + 2 * units)]


def _catalog_key(data: bytes, place: int, end: int) -> _Key:
    parent, units = struct.unpack_from(">IH", data, place + 2)
    return parent, data[place + 8 : min(end, place + 8 + 2 * units)]


class AttributesFile:
    """The tree of extended attributes.

    Args:
        stream: The attributes file.

    Raises:
        CorruptStructureError: Its header does not hold.
        ReadFailedError: It cannot be read.
    """

    def __init__(self, stream: Stream) -> None:
        self._tree = BTree(stream, _attribute_key, "attributes file")

    def attributes(self, number: int) -> Iterator[tuple[str, bytes]]:
        """Name and data of the inline attributes of a file, in stored order.

        Args:
            number: Catalog node of the file.

        Raises:
            CorruptStructureError: The tree does not hold.
            ReadFailedError: It cannot be read.
        """
        for name, record in self._tree.records(number):
            if len(record) >= 16 and int.from_bytes(record[:4], "big") == _INLINE:
                data = record[16 : 16 + int.from_bytes(record[12:16], "big")]
                yield name.decode("utf-16-be", "surrogatepass" if not len(name) % 2 else "replace"), data

    def find(self, number: int, name: str) -> bytes | None:
        """The data of an attribute, None where a file has none of that name.

        Raises:
            CorruptStructureError: The tree does not hold.
            ReadFailedError: It cannot be read.
        """
        return next((data for found, data in self.attributes(number) if found == name), None)


@dataclass(frozen=True, slots=True)
class Fork:
    """A data fork.

    Attributes:
        size: Bytes of it.
        extents: First block and number of blocks.
        is_whole: The extents are all that it has; else more are in the tree of extents.
    """

    size: int
    extents: tuple[tuple[int, int], ...]
    is_whole: bool


class Catalog:
    """Data forks by the number of their file.

    Args:
        stream: The catalog file.
        block_size: Bytes of a block.

    Raises:
        CorruptStructureError: Its header does not hold.
        ReadFailedError: It cannot be read.
    """

    def __init__(self, stream: Stream, block_size: int) -> None:
        self._tree = BTree(stream, _catalog_key, "catalog")
        self._block = block_size
        self._folder: tuple[int, dict[int, bytes]] = (-1, {})

    def data_fork(self, number: int) -> Fork | None:
        """The data fork of a file, None where it has none that is not empty.

        Raises:
            CorruptStructureError: The tree does not hold.
            ReadFailedError: It cannot be read.
        """
        for name, record in self._tree.records(number):
            if not name and len(record) >= 8 and int.from_bytes(record[:2], "big") == _FILE_THREAD:
                fork = self._forks(int.from_bytes(record[4:8], "big")).get(number)
                return self._parse(fork) if fork is not None else None
            break  # the thread is the first record of its number
        return None

    def _forks(self, folder: int) -> dict[int, bytes]:
        """Data forks of the files of a folder that are not empty; those of the last folder are kept."""
        if self._folder[0] != folder:
            found: dict[int, bytes] = {}
            for _, record in self._tree.records(folder):
                if len(record) >= 168 and int.from_bytes(record[:2], "big") == _FILE and any(record[88:96]):
                    found[int.from_bytes(record[8:12], "big")] = record[88:168]
            self._folder = folder, found
        return self._folder[1]

    def _parse(self, fork: bytes) -> Fork:
        size, _, blocks = struct.unpack_from(">QII", fork)
        pairs = [pair for pair in struct.iter_unpack(">II", fork[16:80]) if pair[1]]
        held = sum(count for _, count in pairs)
        return Fork(min(size, (1 << 63) - 1), tuple(pairs), held >= blocks and held * self._block >= size)
