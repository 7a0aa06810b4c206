"""HFS+ images with extended attributes, resource forks, compressed files, links: what ``hfs_image`` leaves out.

Source: Apple Technical Note 1150 (attributes file, hard links, resource forks); ``decmpfs`` for compressed files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tests.support.hfs_image import BLOCK, ROOT, HfsImage

NODES = 8
DECMPFS = "com.apple.decmpfs"
_LINK_DATE = 3_792_864_000


@dataclass
class HfsCompressedImage(HfsImage):
    """Attributes on top of a catalog.

    Attributes:
        attributes: Data by file and name.
    """

    attributes: dict[tuple[int, str], bytes] = field(default_factory=dict)

    def change(self, own: int, place: int, data: bytes) -> None:
        """Other bytes in the catalog record of a file."""
        for index, (key, record) in enumerate(self.records):
            if record[:2] == b"\0\2" and struct.unpack_from(">I", record, 8)[0] == own:
                self.records[index] = (key, record[:place] + data + record[place + len(data) :])

    def compressed(self, parent: int, name: str, kind: int, size: int, payload: bytes = b"", fork: bytes = b"") -> int:
        """A file whose content is in its attribute or its resource fork."""
        own = self.file(parent, name, b"")
        self.change(own, 41, b"\x20")
        if fork:
            count, first = -(-len(fork) // BLOCK), self.next_block
            for index in range(count):
                self.blocks[first + index] = fork[index * BLOCK : (index + 1) * BLOCK]
            self.next_block += count
            self.change(own, 168, self.fork(len(fork), first, count))
        self.attributes[own, DECMPFS] = b"fpmc" + struct.pack("<IQ", kind, size) + payload
        return own

    def symlink(self, parent: int, name: str, target: bytes) -> int:
        """A symbolic link."""
        own = self.file(parent, name, target)
        self.change(own, 42, struct.pack(">H", 0o120777))
        self.change(own, 48, b"slnkrhap")
        return own

    def hard_links(self, parent: int, names: list[str], content: bytes) -> int:
        """One file with several names, as Mac OS makes it: the file is in a private folder, the names point there."""
        private = self.folder(ROOT, "\0\0\0\0HFS+ Private Data")
        inode = self.file(private, f"iNode{self.next_id}", content)
        for name in names:
            own = self.file(parent, name, b"")
            self.change(own, 44, struct.pack(">I", inode))
            self.change(own, 48, b"hlnkhfs+")
        return inode

    def finish(self) -> bytes:
        """The image."""
        first = self.next_block
        records = []
        for (own, name), data in sorted(self.attributes.items()):
            units = name.encode("utf-16-be")
            key = struct.pack(">HHIIH", 12 + len(units), 0, own, 0, len(units) // 2) + units
            record = struct.pack(">IIII", 0x10, 0, 0, len(data)) + data
            records.append((key, record + b"\0" * (len(record) % 2)))
        leaves: list[list[tuple[bytes, bytes]]] = [[]]
        for key, record in records:
            if sum(len(k) + len(r) + 2 for k, r in leaves[-1]) + len(key) + len(record) > self.leaf_room:
                leaves.append([])
            leaves[-1].append((key, record))
        nodes = self._tree(leaves, NODES, 266, keys=1)
        for index, node in enumerate(nodes):
            self.blocks[first + index] = node
        self.next_block += NODES
        out = bytearray(super().finish())
        fork = self.fork(NODES * BLOCK, first, NODES)
        for header in (1024, len(out) - 1024):
            out[header + 352 : header + 432] = fork
            struct.pack_into(">I", out, header + 16, _LINK_DATE)
        return bytes(out)
