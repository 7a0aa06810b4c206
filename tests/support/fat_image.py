"""A writer of small FAT12 file systems, so that tests need no tool of the system.

Layout after the FAT specification (Microsoft, fatgen103): one reserved sector, two FATs, a fixed root directory, 2 KiB
clusters. Long names are written with their checksummed slots. A deleted file keeps its bytes: its directory slots begin
with 0xE5 and its clusters are free, as DOS leaves them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

SECTOR = 512
CLUSTER = 4 * SECTOR
ROOT_ENTRIES = 512
DATE = (2024 - 1980) << 9 | 3 << 5 | 9
TIME = 21 << 11 | 14 << 5


@dataclass
class _Node:
    name: str
    data: bytes = b""
    deleted: bool = False
    directory: bool = False
    children: list[_Node] = field(default_factory=list)
    cluster: int = 0


def fat_image(files: dict[str, bytes], *, deleted: tuple[str, ...] = (), kib: int = 1440) -> bytes:
    """A FAT12 file system.

    Args:
        files: Content by path (``folder/name.txt``).
        deleted: Paths in ``files`` that are deleted.
        kib: Size of the whole.
    """
    root = _Node("", directory=True)
    for path, data in files.items():
        node = root
        *folders, name = path.split("/")
        for folder in folders:
            found = next((child for child in node.children if child.name == folder), None)
            if found is None:
                found = _Node(folder, directory=True)
                node.children.append(found)
            node = found
        node.children.append(_Node(name, data, path in deleted))
    return _Writer(kib).write(root)


class _Writer:
    def __init__(self, kib: int) -> None:
        self.sectors = kib * 1024 // SECTOR
        self.fat_sectors = (self.sectors // 4 * 3 // 2 + SECTOR - 1) // SECTOR + 1
        self.first_data = 1 + 2 * self.fat_sectors + ROOT_ENTRIES * 32 // SECTOR
        self.fat = [0xFF8, 0xFFF]
        self.clusters: list[bytes] = []

    def write(self, root: _Node) -> bytes:
        self._allocate(root)
        table = self._directory(root, 0, 0)
        boot = struct.pack(
            "<3s8sHBHBHHBHHHII", b"\xeb\x3c\x90", b"MSDOS5.0", SECTOR, CLUSTER // SECTOR, 1, 2, ROOT_ENTRIES, self.sectors,
            0xF8, self.fat_sectors, 32, 2, 0, 0,
        ) + struct.pack("<BBBI11s8s", 0x80, 0, 0x29, 0x1234ABCD, b"TESTSTICK  ", b"FAT12   ")  # fmt: skip
        boot = boot.ljust(510, b"\0") + b"\x55\xaa"
        fat = self._fat_bytes()
        body = boot + fat + fat + table.ljust(ROOT_ENTRIES * 32, b"\0") + b"".join(self.clusters)
        assert len(body) <= self.sectors * SECTOR, "the files do not fit"
        return body.ljust(self.sectors * SECTOR, b"\0")

    def _allocate(self, node: _Node) -> None:
        """Give clusters depth-first; directories get room for their slots."""
        for child in node.children:
            if child.directory:
                size = 64 + sum(32 * (1 + (len(grandchild.name) + 12) // 13) for grandchild in child.children)
                child.cluster = self._chain(bytes(size), free=False)
                self._allocate(child)
                data = self._directory(child, child.cluster, node.cluster)
                for index in range(0, len(data), CLUSTER):
                    self.clusters[child.cluster - 2 + index // CLUSTER] = data[index : index + CLUSTER].ljust(
                        CLUSTER, b"\0"
                    )
            elif child.data:
                child.cluster = self._chain(child.data, free=child.deleted)

    def _chain(self, data: bytes, *, free: bool) -> int:
        first = len(self.fat)
        pieces = [data[index : index + CLUSTER].ljust(CLUSTER, b"\0") for index in range(0, len(data), CLUSTER)]
        for number, piece in enumerate(pieces):
            following = first + number + 1 if number + 1 < len(pieces) else 0xFFF
            self.fat.append(0 if free else following)
            self.clusters.append(piece)
        return first

    def _fat_bytes(self) -> bytes:
        out = bytearray()
        entries = [*self.fat, 0]
        for low, high in zip(entries[::2], [*entries[1::2], 0], strict=False):
            out += bytes((low & 0xFF, low >> 8 | (high & 0xF) << 4, high >> 4))
        return bytes(out).ljust(self.fat_sectors * SECTOR, b"\0")

    def _directory(self, node: _Node, own: int, parent: int) -> bytes:
        out = b""
        if own:
            out += _slot(b".          ", 0x10, own, 0) + _slot(b"..         ", 0x10, parent, 0)
        for number, child in enumerate(node.children):
            short = _short_name(child.name, number)
            slots = [*_long_slots(child.name, short)]
            slots.append(_slot(short, 0x10 if child.directory else 0x20, child.cluster, len(child.data)))
            out += b"".join(b"\xe5" + slot[1:] if child.deleted else slot for slot in slots)
        return out


def _slot(short: bytes, attributes: int, cluster: int, size: int) -> bytes:
    return struct.pack("<11sBBBHHHHHHHI", short, attributes, 0, 0, TIME, DATE, DATE, 0, TIME, DATE, cluster, size)


def _short_name(name: str, number: int) -> bytes:
    stem, _, extension = name.rpartition(".") if "." in name else (name, "", "")
    clean = "".join(character for character in stem.upper() if character.isascii() and character.isalnum())[:4] or "F"
    return f"{clean}~{number}".encode()[:8].ljust(8) + extension.upper().encode("ascii", "replace")[:3].ljust(3)


def _long_slots(name: str, short: bytes) -> list[bytes]:
    total = 0
    for byte in short:
        total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
    units = name.encode("utf-16-le") + b"\0\0"
    pieces = [units[index : index + 26].ljust(26, b"\xff") for index in range(0, len(units), 26)]
    if len(name) % 13 == 0:
        pieces.pop()
    slots = []
    for number, piece in enumerate(pieces, 1):
        order = number | (0x40 if number == len(pieces) else 0)
        slots.append(struct.pack("<B10sBBB12sH4s", order, piece[:10], 0x0F, 0, total, piece[10:22], 0, piece[22:26]))
    return slots[::-1]
