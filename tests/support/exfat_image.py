"""A writer of small exFAT images.

Source: Microsoft "exFAT file system specification". Clusters of 4 KiB; 2 is the bitmap, 3 the table of capitals, 4 the
root. A folder that stands in itself makes a loop.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

SECTOR, CLUSTER = 512, 4096
FAT, HEAP = 24, 32
END = 0xFFFFFFFF


@dataclass
class ExfatFolder:
    """A directory.

    Attributes:
        files: Content by name.
        folders: Directories by name.
        deleted: Names of files that are deleted.
        claims: Sizes that are stated instead of the true ones, by name.
        cluster: Where it begins, once written.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, ExfatFolder] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    claims: dict[str, int] = field(default_factory=dict)
    cluster: int = 0


def _set_sum(data: bytes) -> int:
    total = 0
    for index, value in enumerate(data):
        if index not in (2, 3):
            total = ((total & 1) << 15) + (total >> 1) + value & 0xFFFF
    return total


def _name_hash(name: str) -> int:
    total = 0
    for value in name.upper().encode("utf-16-le"):
        total = ((total & 1) << 15) + (total >> 1) + value & 0xFFFF
    return total


def entry_set(
    name: str, cluster: int, size: int, *, folder: bool = False, chain: bool = True, deleted: bool = False
) -> bytes:
    """File, stream and name entries of one name."""
    units = name.encode("utf-16-le")
    parts = [units[at : at + 30].ljust(30, b"\0") for at in range(0, len(units), 30)]
    stamp = (2024 - 1980) << 25 | 3 << 21 | 9 << 16 | 21 << 11 | 14 << 5
    head = struct.pack(
        "<BBHHHIII5B7x",
        0x85,
        1 + len(parts),
        0,
        0x10 if folder else 0x20,
        0,
        stamp,
        stamp,
        stamp,
        0,
        0,
        0x80,
        0x80,
        0x80,
    )
    stream = struct.pack(
        "<BBBBHHQIIQ", 0xC0, 1 if chain else 3, 0, len(units) // 2, _name_hash(name), 0, size, 0, cluster, size
    )
    out = bytearray(head + stream + b"".join(b"\xc1\0" + part for part in parts))
    struct.pack_into("<H", out, 2, _set_sum(bytes(out)))
    if deleted:
        for at in range(0, len(out), 32):
            out[at] &= 0x7F
    return bytes(out)


def exfat_image(root: ExfatFolder, clusters: int = 120) -> bytes:
    """An image."""
    fat = [0xFFFFFFF8, END] + [0] * clusters
    heap: dict[int, bytes] = {}
    used: set[int] = set()
    following = 5

    def store(data: bytes, *, free: bool = False) -> int:
        nonlocal following
        first = following
        count = max(1, -(-len(data) // CLUSTER))
        for index in range(count):
            heap[first + index] = data[index * CLUSTER : (index + 1) * CLUSTER]
            if not free:
                fat[first + index] = first + index + 1 if index + 1 < count else END
                used.add(first + index)
        following += count
        return first

    folders: list[ExfatFolder] = []
    todo = [root]
    while todo:
        folder = todo.pop(0)
        if any(folder is known for known in folders):
            continue
        folder.cluster = store(b"") if folders else 4
        folders.append(folder)
        todo += folder.folders.values()
    for cluster in (2, 3, 4):
        fat[cluster] = END
        used.add(cluster)
    capitals = b"".join(struct.pack("<H", ord(chr(code).upper()) if code < 128 else code) for code in range(256))
    for folder in folders:
        data = b""
        if folder is root:
            data += struct.pack("<BB18xIQ", 0x81, 0, 2, -(-clusters // 8))
            data += struct.pack("<B3xI12xIQ", 0x82, _table_sum(capitals), 3, len(capitals))
            data += struct.pack("<BB22s8x", 0x83, 5, "LABEL".encode("utf-16-le"))
        for name, content in folder.files.items():
            gone = name in folder.deleted
            first = store(content, free=gone) if content else 0
            size = folder.claims.get(name, len(content))
            data += entry_set(name, first, size, chain=not gone, deleted=gone)
        for name, inner in folder.folders.items():
            data += entry_set(name, inner.cluster, CLUSTER, folder=True)
        assert len(data) <= CLUSTER
        heap[folder.cluster] = data
    heap[3] = capitals
    heap[2] = sum(1 << (cluster - 2) for cluster in used).to_bytes(-(-clusters // 8), "little")
    boot = b"\xeb\x76\x90EXFAT   " + bytes(53)
    size = HEAP + clusters * CLUSTER // SECTOR
    boot += struct.pack(
        "<QQIIIIIIHHBBBBB7x", 0, size, FAT, HEAP - FAT, HEAP, clusters, 4, 0x12345678, 0x100, 0, 9, 3, 1, 0x80, 10
    )
    boot = boot.ljust(510, b"\0") + b"\x55\xaa"
    region = boot + (bytes(508) + b"\0\0\x55\xaa") * 8 + bytes(1024)
    region += struct.pack("<I", _boot_sum(region)) * 128
    out = bytearray(size * SECTOR)
    out[: 24 * SECTOR] = region * 2
    table = struct.pack(f"<{len(fat)}I", *fat)
    out[FAT * SECTOR : FAT * SECTOR + len(table)] = table
    for cluster, data in heap.items():
        at = HEAP * SECTOR + (cluster - 2) * CLUSTER
        out[at : at + len(data)] = data
    return bytes(out)


def _boot_sum(data: bytes) -> int:
    total = 0
    for index, value in enumerate(data):
        if index not in (106, 107, 112):
            total = ((total & 1) << 31) + (total >> 1) + value & 0xFFFFFFFF
    return total


def _table_sum(data: bytes) -> int:
    total = 0
    for value in data:
        total = ((total & 1) << 31) + (total >> 1) + value & 0xFFFFFFFF
    return total
