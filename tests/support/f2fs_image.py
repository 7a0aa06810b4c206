"""A small F2FS, written block by block into a sparse stream: only the blocks that are set take memory.

Layout in segments of 512 blocks: 0 superblocks, 1-2 checkpoints, 3-4 segment table, 5-6 node table, 7 summaries, 8-... main.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

MAGIC = 0xF2F52010
SEGMENT = 512
CHECKPOINT, SIT, NAT, SSA, MAIN = 512, 1536, 2560, 3584, 4096
MAIN_SEGMENTS = 16
HOT, WARM, NODES = 0, 1, 8
"""Segments of the main area: data, and nodes from segment 8."""


def crc(data: bytes) -> int:
    return zlib.crc32(data, MAGIC ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


@dataclass
class SparseBlocks:
    """A stream of blocks that are zeros unless set."""

    block_size: int
    count: int
    blocks: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.block_size * self.count

    def read_at(self, offset: int, length: int) -> bytes:
        end = min(self.size, offset + length)
        parts = []
        while offset < end:
            number, skip = divmod(offset, self.block_size)
            take = min(end - offset, self.block_size - skip)
            block = self.blocks.get(number)
            parts.append(block[skip : skip + take] if block else bytes(take))
            offset += take
        return b"".join(parts)

    def put(self, number: int, data: bytes) -> None:
        self.blocks[number] = data.ljust(self.block_size, b"\0")[: self.block_size]

    def close(self) -> None:
        pass


class F2fsImage:
    """Build with ``inode``, ``directory``, ``data``; then ``finish``."""

    def __init__(self, block_size: int = 4096, features: int = 0) -> None:
        self.size = block_size
        self.features = features
        self.stream = SparseBlocks(block_size, MAIN + MAIN_SEGMENTS * SEGMENT)
        self.nat: dict[int, int] = {}
        self.journal: dict[int, int] = {}
        self.used: set[int] = set()
        self.summary: dict[int, dict[int, int]] = {}
        self._next = {"data": MAIN, "node": MAIN + NODES * SEGMENT}
        self.node_block: dict[int, int] = {}
        self.compact = False
        self.version = 7

    # --- blocks -------------------------------------------------------------------------------------------------
    def data(self, content: bytes) -> list[int]:
        """Addresses of the blocks that hold a content."""
        out = []
        for start in range(0, len(content), self.size):
            address = self._next["data"]
            self._next["data"] += 1
            self.stream.put(address, content[start : start + self.size])
            self.used.add(address)
            out.append(address)
        return out

    def node(self, number: int, inode: int, body: bytes, *, flags: int = 0, version: int | None = None) -> int:
        address = self._next["node"]
        self._next["node"] += 1
        return self.node_at(address, number, inode, body, flags=flags, version=version)

    def node_at(
        self, address: int, number: int, inode: int, body: bytes, *, flags: int = 0, version: int | None = None,
        live: bool = True, following: int = 0,
    ) -> int:  # fmt: skip
        footer = struct.pack("<IIIQI", number, inode, flags, self.version if version is None else version, following)
        self.stream.put(address, body.ljust(self.size - 24, b"\0")[: self.size - 24] + footer)
        if live:
            self.nat[number] = address
            self.node_block[number] = address
            self.used.add(address)
            segment, offset = divmod(address - MAIN, SEGMENT)
            self.summary.setdefault(segment, {})[offset] = number
        return address

    def words(self, number: int, inode: int, addresses: list[int]) -> int:
        """A direct or indirect node."""
        return self.node(number, inode, struct.pack(f"<{len(addresses)}I", *addresses))

    def body(
        self, *, mode: int = 0o100644, size: int = 0, name: bytes = b"", parent: int = 3, inline: int = 0, advise: int = 0,
        flags: int = 0, addresses: tuple[int, ...] = (), nodes: tuple[int, ...] = (), area: bytes = b"",
        xattr: bytes = b"", xattr_node: int = 0, extra: bytes = b"", user: int = 1000,
    ) -> bytes:  # fmt: skip
        """An inode without its footer."""
        head = struct.pack("<HBBIIIQQ", mode, advise, inline, user, 0, 1, size, 0)
        head += struct.pack("<3Q3I", 100, 200, 300, 1, 2, 3)
        head += struct.pack("<III", 0, 0, xattr_node) + struct.pack("<III", flags, parent, len(name))
        head = (head + name.ljust(255, b"\0") + b"\0").ljust(360, b"\0")
        middle = extra + (bytes(4) + area if area else struct.pack(f"<{len(addresses)}I", *addresses))
        room = self.size - 360 - 20 - 24
        middle = middle.ljust(room, b"\0")[:room]
        if xattr:
            middle = middle[: room - 200] + xattr.ljust(200, b"\0")
        return head + middle + struct.pack("<5I", *(*nodes, 0, 0, 0, 0, 0)[:5])

    def inode(self, number: int, **fields: object) -> int:
        return self.node(number, number, self.body(**fields))  # type: ignore[arg-type]

    # --- directories --------------------------------------------------------------------------------------------
    def dentries(self, entries: list[tuple[bytes, int, bool]], length: int | None = None) -> bytes:
        """A directory block, or an inline area of ``length`` bytes: names, inodes, in use."""
        length = length or self.size
        slots = length * 8 // (19 * 8 + 1)
        bits, slot = 0, 0
        table, names = bytearray(11 * slots), bytearray(8 * slots)
        for name, inode, used in entries:
            struct.pack_into("<IIHB", table, 11 * slot, 0, inode, len(name), 1)
            count = -(-len(name) // 8)
            names[8 * slot : 8 * slot + len(name)] = name
            if used:
                bits |= ((1 << count) - 1) << slot
            slot += count
        map_bytes = (slots + 7) // 8
        return bits.to_bytes(map_bytes, "little") + bytes(length - map_bytes - 19 * slots) + bytes(table) + bytes(names)

    def directory(self, number: int, entries: list[tuple[bytes, int, bool]], **fields: object) -> int:
        blocks = self.data(self.dentries(entries))
        return self.inode(number, mode=0o040755, size=self.size, addresses=tuple(blocks), **fields)

    # --- tables -------------------------------------------------------------------------------------------------
    def forget(self, number: int) -> None:
        """Delete a node: its block stays."""
        self.used.discard(self.nat.pop(number))

    def finish(self) -> SparseBlocks:
        self._superblock()
        self._tables()
        self._checkpoint()
        return self.stream

    def _superblock(self) -> None:
        log = self.size.bit_length() - 1
        head = struct.pack("<IHH8I", MAGIC, 1, 16, 9, log - 9, log, 9, 1, 1, 0, 0)[:36]
        head += struct.pack("<Q7I", self.stream.count, MAIN_SEGMENTS, MAIN_SEGMENTS + 8, 2, 2, 2, 1, MAIN_SEGMENTS)
        head += struct.pack("<9I", CHECKPOINT, CHECKPOINT, SIT, NAT, SSA, MAIN, 3, 1, 2)
        head = head.ljust(2180, b"\0") + struct.pack("<I", self.features)
        head = head.ljust(3072, b"\0")
        self.stream.put(0, bytes(1024) + head)
        self.stream.put(1, bytes(1024) + head)

    def _tables(self) -> None:
        per_block = self.size // 9
        blocks: dict[int, bytearray] = {}
        for number, address in self.nat.items():
            if number in self.journal:
                continue
            index, place = divmod(number, per_block)
            struct.pack_into("<BII", blocks.setdefault(index, bytearray(self.size)), 9 * place, 0, number, address)
        for index, block in blocks.items():
            self.stream.put(NAT + SEGMENT + index, bytes(block))  # the second copy counts: the bitmap says so
        table = bytearray(self.size)
        for segment in range(MAIN_SEGMENTS):
            bits = sum(
                1 << (511 - offset) for offset in range(SEGMENT) if MAIN + segment * SEGMENT + offset in self.used
            )
            kind = 4 if segment >= NODES else 1
            entry = struct.pack("<H", kind << 10 | bits.bit_count() & 1023) + bits.to_bytes(64, "big")
            table[74 * segment : 74 * segment + 66] = entry
        self.stream.put(SIT, bytes(table))
        for segment, nodes in self.summary.items():
            block = bytearray(self.size)
            for offset, number in nodes.items():
                struct.pack_into("<I", block, 7 * offset, number)
            block[self.size - 5] = 1
            self.stream.put(SSA + segment, bytes(block))

    def _checkpoint(self) -> None:
        free = self._next["node"]
        segment, offset = divmod(free - MAIN, SEGMENT)
        block = bytearray(self.size)
        struct.pack_into("<QQQ", block, 0, self.version, 0, len(self.used))
        struct.pack_into("<8I", block, 36, segment, segment, segment, *([0xFFFFFFFF] * 5))
        struct.pack_into("<8H", block, 68, offset, offset, offset, 0, 0, 0, 0, 0)
        struct.pack_into("<III", block, 132, 1 | 4 * self.compact, 6, 1)
        struct.pack_into("<III", block, 156, 64, 64, self.size - 4)
        block[192 + 64 : 192 + 128] = b"\xff" * 64
        struct.pack_into("<I", block, self.size - 4, crc(bytes(block[:-4])))
        self.stream.put(CHECKPOINT, bytes(block))
        self.stream.put(CHECKPOINT + 5, bytes(block))
        entries = b"".join(struct.pack("<IBII", number, 0, number, place) for number, place in self.journal.items())
        journal = struct.pack("<H", len(self.journal)) + entries
        self.stream.put(CHECKPOINT + 1, (b"" if self.compact else bytes(self.size // 8 * 7)) + journal)
        old = bytearray(block)
        struct.pack_into("<Q", old, 0, self.version + 1)  # newer, but its checksum does not hold
        self.stream.put(CHECKPOINT + SEGMENT, bytes(old))
