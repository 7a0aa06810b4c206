"""A writer of small YAFFS2 images, so that tests need no tool of the system.

Layout after the YAFFS2 documentation (``yaffs_guts.h`` names the fields): pages of 2048 bytes with 64 bytes of spare,
64 pages to a block. The spare holds sequence number, object, chunk and byte count. Chunk 0 of an object is its header.
"""

from __future__ import annotations

import struct

PAGE, SPARE, PAGES_PER_BLOCK = 2048, 64, 64
FILE, DIRECTORY = 1, 3
ROOT, UNLINKED, DELETED = 1, 3, 4
SEQUENCE = 0x1000
TIME = 1_709_933_640


def yaffs_image(files: dict[str, bytes], *, deleted: tuple[str, ...] = ()) -> bytes:
    """An image with a folder ``docs`` and files in the root.

    Args:
        files: Content by name.
        deleted: Names in ``files`` whose last header says that they were unlinked.
    """
    pages = [_page(ROOT, 0, 0xFFFF, _header(DIRECTORY, ROOT, ""))]
    pages.append(_page(256, 0, 0xFFFF, _header(DIRECTORY, ROOT, "docs")))
    for number, (name, data) in enumerate(files.items(), 257):
        pages.append(_page(number, 0, 0xFFFF, _header(FILE, ROOT, name)))
        for chunk, start in enumerate(range(0, len(data), PAGE), 1):
            piece = data[start : start + PAGE]
            pages.append(_page(number, chunk, len(piece), piece))
        pages.append(_page(number, 0, 0xFFFF, _header(FILE, ROOT, name, len(data))))
        if name in deleted:
            pages.append(_page(number, 0, 0xFFFF, _header(FILE, UNLINKED, "unlinked", len(data))))
            pages.append(_page(number, 0, 0xFFFF, _header(FILE, DELETED, "deleted", 0)))
    # Fill the first block, since the layout of the spare is guessed from whole blocks.
    for number in range(1000, 1000 + max(0, PAGES_PER_BLOCK - len(pages))):
        pages.append(_page(number, 0, 0xFFFF, _header(FILE, 256, f"filler{number}")))
    return b"".join(pages)


def _page(number: int, chunk: int, count: int, data: bytes) -> bytes:
    spare = struct.pack("<IIII", SEQUENCE, number, chunk, count)
    return data.ljust(PAGE, b"\xff") + spare.ljust(SPARE, b"\xff")


def _header(kind: int, parent: int, name: str, size: int = 0) -> bytes:
    mode = (0o040755 if kind == DIRECTORY else 0o100644) if kind else 0
    head = struct.pack("<IIH", kind, parent, 0xFFFF) + name.encode().ljust(256, b"\0") + b"\xff\xff"
    return head + struct.pack("<IIIIIIIi", mode, 10012, 1000, TIME, TIME, TIME, size, -1)
