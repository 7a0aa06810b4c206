"""A writer of small HFS+ images: one leaf, or a few leaves below one index node, in catalog and extents tree.

Source: Apple Technical Note 1150 "HFS Plus Volume Format". Blocks of 4 KiB: 0 boot and header, 1 allocation file, 2-3
extents tree, 4-... catalog tree, then content; the last one has the second header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

BLOCK = 4096
ROOT_PARENT, ROOT, EXTENTS, CATALOG, ALLOCATION = 1, 2, 3, 4, 6
FIRST_USER = 16
_DATE = 3_792_864_000


@dataclass
class HfsImage:
    """Records of the catalog, and content.

    Attributes:
        records: Key and data, in the order of the tree once finished.
        blocks: Content by number of the block.
        leaf_room: Bytes of records in a leaf.
    """

    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    blocks: dict[int, bytes] = field(default_factory=dict)
    leaf_room: int = 3600
    next_block: int = 20
    next_id: int = FIRST_USER
    total: int = 128

    def __post_init__(self) -> None:
        self.folder_record(ROOT_PARENT, "label", ROOT)
        self.thread(ROOT, ROOT_PARENT, "label", 3)

    def key(self, parent: int, name: str) -> bytes:
        units = name.encode("utf-16-be")
        return struct.pack(">HIH", 6 + len(units), parent, len(units) // 2) + units

    def thread(self, own: int, parent: int, name: str, kind: int) -> None:
        units = name.encode("utf-16-be")
        data = struct.pack(">HHIH", kind, 0, parent, len(units) // 2) + units
        self.records.append((self.key(own, ""), data + b"\0" * (len(data) % 2)))

    def folder_record(self, parent: int, name: str, own: int, valence: int = 0) -> None:
        """A name of a folder; a second one for the same folder makes a loop."""
        data = struct.pack(">HHII5I", 1, 0, valence, own, *[_DATE] * 5) + bytes(16 + 16 + 16 + 4 + 4)
        self.records.append((self.key(parent, name), data[:88]))

    def folder(self, parent: int, name: str) -> int:
        own, self.next_id = self.next_id, self.next_id + 1
        self.folder_record(parent, name, own)
        self.thread(own, parent, name, 3)
        return own

    def file(self, parent: int, name: str, content: bytes, *, claim: int = -1) -> int:
        own, self.next_id = self.next_id, self.next_id + 1
        count = -(-len(content) // BLOCK)
        first = self.next_block
        for index in range(count):
            self.blocks[first + index] = content[index * BLOCK : (index + 1) * BLOCK]
        self.next_block += count
        fork = self.fork(len(content) if claim < 0 else claim, first if count else 0, count)
        data = struct.pack(">HHII5I", 2, 0x0002, 0, own, *[_DATE] * 5)
        data += struct.pack(">IIBBHI", 501, 20, 0, 0, 0o100644, 1) + bytes(16 + 16) + bytes(8)
        data += fork + bytes(80)
        self.records.append((self.key(parent, name), data))
        self.thread(own, parent, name, 4)
        return own

    def fork(self, size: int, first: int, count: int) -> bytes:
        return struct.pack(">QIIII", size, 0, count, first, count) + bytes(56)

    # --- trees --------------------------------------------------------------------------------------------------
    def _node(self, kind: int, height: int, records: list[bytes], forward: int = 0, back: int = 0) -> bytes:
        out = bytearray(struct.pack(">IIbBHH", forward, back, kind, height, len(records), 0))
        places = []
        for record in records:
            places.append(len(out))
            out += record
        places.append(len(out))
        assert len(out) + 2 * len(places) <= BLOCK
        tail = struct.pack(f">{len(places)}H", *reversed(places))
        return bytes(out).ljust(BLOCK - len(tail), b"\0") + tail

    def _tree(self, leaves: list[list[tuple[bytes, bytes]]], total: int, longest: int, *, keys: int) -> list[bytes]:
        count = sum(map(len, leaves))
        depth = 0 if not count else 1 if len(leaves) == 1 else 2
        root = 0 if not depth else 1 if depth == 1 else len(leaves) + 1
        nodes = []
        for index, leaf in enumerate(leaves if count else [], 1):
            records = [key + data for key, data in leaf]
            nodes.append(self._node(-1, 1, records, index + 1 if index < len(leaves) else 0, index - 1))
        if depth == 2:
            index_records = [leaf[0][0] + struct.pack(">I", number) for number, leaf in enumerate(leaves, 1)]
            nodes.append(self._node(0, 2, index_records))
        used = 1 + len(nodes)
        last = len(leaves) if count else 0
        head = struct.pack(
            ">HIIIIHHIIHIBBI", depth, root, count, 1 if count else 0, last, BLOCK, longest, total, total - used, 0, BLOCK, 0,
            0xCF if keys else 0, 6 if keys else 2,
        )  # fmt: skip
        bits = bytes([0xFF >> 8 - used << 8 - used & 0xFF]) if used < 8 else b"\xff" * (used // 8)
        room = BLOCK - 14 - 106 - 128 - 8
        header = self._node(1, 0, [head.ljust(106, b"\0"), bytes(128), bits.ljust(room, b"\0")])
        return [header, *nodes, *[bytes(BLOCK)] * (total - used)]

    def finish(self) -> bytes:
        """The image."""

        def order(record: tuple[bytes, bytes]) -> tuple[int, str]:
            parent = struct.unpack_from(">I", record[0], 2)[0]
            return parent, record[0][8:].decode("utf-16-be", "surrogatepass").lower().replace("\0", "\uffff")

        self.records.sort(key=order)
        leaves: list[list[tuple[bytes, bytes]]] = [[]]
        for record in self.records:
            taken = sum(len(key) + len(data) + 2 for key, data in leaves[-1])
            if taken + len(record[0]) + len(record[1]) > self.leaf_room:
                leaves.append([])
            leaves[-1].append(record)
        catalog = self._tree(leaves, 16, 516, keys=1)
        extents = self._tree([[]], 2, 10, keys=0)
        out = bytearray(self.total * BLOCK)
        used = {0, 1, *range(2, 20), *self.blocks, self.total - 1}
        bits = bytearray(BLOCK)
        for number in used:
            bits[number // 8] |= 0x80 >> number % 8
        out[BLOCK : 2 * BLOCK] = bits
        for index, node in enumerate(extents):
            out[(2 + index) * BLOCK : (3 + index) * BLOCK] = node
        for index, node in enumerate(catalog):
            out[(4 + index) * BLOCK : (5 + index) * BLOCK] = node
        for number, data in self.blocks.items():
            out[number * BLOCK : number * BLOCK + len(data)] = data
        files = sum(data[:2] == b"\0\2" for _, data in self.records)
        head = struct.pack(
            ">HHIII4IIIIIIIIIIIQ", 0x482B, 4, 0x100, 0x31302E30, 0, *[_DATE] * 4, files, 3, BLOCK, self.total,
            self.total - len(used), self.next_block, 65536, 65536, self.next_id, 1, 1,
        )  # fmt: skip
        head += bytes(32)
        head += self.fork(BLOCK, 1, 1) + self.fork(2 * BLOCK, 2, 2) + self.fork(16 * BLOCK, 4, 16) + bytes(160)
        out[1024 : 1024 + len(head)] = head
        out[-1024 : -1024 + len(head)] = head
        return bytes(out)
