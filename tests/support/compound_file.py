"""OLE2 compound files made by hand: any tree of storages and streams."""

from __future__ import annotations

import struct
from itertools import pairwise

FREE, END, FAT_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD

Tree = dict[str, "bytes | Tree"]


def make_compound(tree: Tree, *, clsid: bytes = bytes(16)) -> bytes:
    """A version 3 file (sectors of 512 bytes) with these streams (bytes) and storages (dictionaries)."""
    entries: list[list] = [["Root Entry", 5, FREE, FREE, FREE, 0, 0, clsid]]
    streams: list[tuple[int, bytes]] = []

    def add(inner: Tree) -> int:
        numbers = []
        for name, value in inner.items():
            number = len(entries)
            numbers.append(number)
            entries.append([name, 1 if isinstance(value, dict) else 2, FREE, FREE, FREE, END, 0, bytes(16)])
            if isinstance(value, dict):
                entries[number][4] = add(value)
            else:
                streams.append((number, value))
        for left, right in pairwise(numbers):
            entries[left][3] = right  # a tree that leans to one side is a tree
        return numbers[0] if numbers else FREE

    entries[0][4] = add(tree)
    fat: list[int] = []
    sectors: list[bytes] = []

    def store(data: bytes) -> int:
        if not data:
            return END
        first = len(sectors)
        count = (len(data) + 511) // 512
        for at in range(count):
            sectors.append(data[512 * at : 512 * at + 512].ljust(512, b"\0"))
            fat.append(first + at + 1 if at + 1 < count else END)
        return first

    mini, mini_fat = bytearray(), []
    for number, data in streams:
        entries[number][6] = len(data)
        if len(data) >= 4096:
            entries[number][5] = store(data)
        elif data:
            entries[number][5] = len(mini_fat)
            count = (len(data) + 63) // 64
            base = len(mini_fat)
            mini_fat.extend(base + at + 1 if at + 1 < count else END for at in range(count))
            mini += data.ljust(64 * count, b"\0")
    entries[0][5], entries[0][6] = store(bytes(mini)), len(mini)
    mini_start = store(
        b"".join(struct.pack("<I", value) for value in mini_fat).ljust(-(-len(mini_fat) * 4 // 512) * 512, b"\xff")
    )
    raw = b""
    for name, kind, left, right, child, start, size, identity in entries:
        encoded = (name + "\0").encode("utf-16-le")
        raw += encoded[:64].ljust(64, b"\0") + struct.pack("<HBBIII", len(encoded), kind, 1, left, right, child)
        raw += identity + struct.pack("<IQQIQ", 0, 0, 0, start, size)
    directory = store(raw + b"".join(bytes(68) + b"\xff" * 12 + bytes(48) for _ in range(-len(entries) % 4)))
    count = 1
    while 128 * count < len(sectors) + count:
        count += 1
    fat_places = list(range(len(sectors), len(sectors) + count))
    fat.extend([FAT_SECTOR] * count)
    table = b"".join(struct.pack("<I", value) for value in fat).ljust(512 * count, b"\xff")
    sectors.extend(table[512 * at : 512 * at + 512] for at in range(count))
    assert count <= 109
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6xIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, count, directory, 0, 4096, mini_start,
                          (len(mini_fat) * 4 + 511) // 512, END, 0, fat_places[0])  # fmt: skip
    header += b"".join(struct.pack("<I", place) for place in fat_places[1:])
    return header.ljust(512, b"\xff") + b"".join(sectors)
