"""A writer of small ISO 9660 images; directory records can be made to lead anywhere.

Source: ECMA-119, chapters 8 and 9.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

BLOCK = 2048
DIRECTORY = 2
_TIME = bytes((124, 3, 9, 21, 14, 0, 0))


@dataclass
class IsoFolder:
    """A directory.

    Attributes:
        files: Content by name.
        folders: Directories by name; one that stands in itself makes a loop.
        block: Where it lies, once written.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, IsoFolder] = field(default_factory=dict)
    block: int = 0


def both(value: int, width: int) -> bytes:
    """A number in both byte orders."""
    return value.to_bytes(width, "little") + value.to_bytes(width, "big")


def record(name: bytes, block: int, size: int, flags: int = 0) -> bytes:
    """A directory record."""
    body = bytes((0,)) + both(block, 4) + both(size, 4) + _TIME + bytes((flags, 0, 0)) + both(1, 2)
    body += bytes((len(name),)) + name
    length = 1 + len(body) + (len(name) % 2 == 0)
    return bytes((length,)) + body.ljust(length - 1, b"\0")


def iso_image(root: IsoFolder) -> bytes:
    """An image; each directory has one block."""
    folders: list[IsoFolder] = []
    todo = [root]
    while todo:
        folder = todo.pop(0)
        if any(folder is known for known in folders):
            continue
        folder.block = 20 + len(folders)
        folders.append(folder)
        todo += folder.folders.values()
    blocks: dict[int, bytes] = {}
    at = 20 + len(folders)
    for folder in folders:
        data = record(b"\0", folder.block, BLOCK, DIRECTORY) + record(b"\1", root.block, BLOCK, DIRECTORY)
        for name, content in folder.files.items():
            data += record(name.encode() + b";1", at, len(content))
            for start in range(0, len(content), BLOCK):
                blocks[at] = content[start : start + BLOCK]
                at += 1
        for name, inner in folder.folders.items():
            data += record(name.encode(), inner.block, BLOCK, DIRECTORY)
        assert len(data) <= BLOCK
        blocks[folder.block] = data
    blocks[16] = _volume(root, at, len(_paths(folders, "<")))
    blocks[17] = b"\xffCD001\x01"
    blocks[18], blocks[19] = _paths(folders, "<"), _paths(folders, ">")
    return b"".join(blocks.get(number, b"").ljust(BLOCK, b"\0") for number in range(at))


def _paths(folders: list[IsoFolder], order: str) -> bytes:
    """The path table: each directory with the number of its parent."""
    out = b""
    for folder in folders:
        parent, name = 1, b"\0"
        for number, above in enumerate(folders, 1):
            for inner, found in above.folders.items():
                if found is folder and folder is not folders[0]:
                    parent, name = number, inner.encode()
        out += struct.pack(f"{order}BBIH", len(name), 0, folder.block, parent) + name + b"\0" * (len(name) % 2)
    return out


def _volume(root: IsoFolder, blocks: int, paths: int) -> bytes:
    out = b"\1CD001\1\0" + b"LINUX".ljust(32) + b"LABEL".ljust(32) + bytes(8) + both(blocks, 4) + bytes(32)
    out += both(1, 2) + both(1, 2) + both(BLOCK, 2) + both(paths, 4)
    out += struct.pack("<II", 18, 0) + struct.pack(">II", 19, 0)
    out += record(b"\0", root.block, BLOCK, DIRECTORY)
    out += b" " * (128 * 4 + 37 * 3) + (b"2024030921140000\0" * 4) + b"\1\0"
    return out
