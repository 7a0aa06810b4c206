"""Bytes of a file of which only the blocks that are not zero are kept, so that an image of 300 MiB can be changed and
written thousands of times."""

from __future__ import annotations

import os
from pathlib import Path

BLOCK = 4096
_ZEROS = bytes(BLOCK)


class Sparse:
    """A file in memory.

    Args:
        size: Bytes.
        blocks: Those that are not all zeros, by number.
    """

    def __init__(self, size: int, blocks: dict[int, bytes] | None = None) -> None:
        self.size = size
        self.blocks = blocks or {}

    @classmethod
    def of(cls, data: bytes | bytearray) -> Sparse:
        """From bytes."""
        made = cls(len(data))
        made.put(0, bytes(data))
        return made

    @classmethod
    def of_file(cls, path: Path) -> Sparse:
        """From a file, its holes left out."""
        made = cls(path.stat().st_size)
        with path.open("rb") as file:
            at = 0
            while at < made.size:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA) // BLOCK * BLOCK
                except OSError:
                    break
                piece = os.pread(file.fileno(), 1 << 20, at)
                made.put(at, piece)
                at += max(BLOCK, len(piece) // BLOCK * BLOCK or len(piece))
        return made

    def copy(self) -> Sparse:
        return Sparse(self.size, dict(self.blocks))

    def get(self, offset: int, length: int) -> bytes:
        """Bytes, fewer at the end."""
        end = min(self.size, offset + length)
        parts = []
        while offset < end:
            number, skip = divmod(offset, BLOCK)
            take = min(BLOCK - skip, end - offset)
            parts.append(self.blocks.get(number, _ZEROS)[skip : skip + take])
            offset += take
        return b"".join(parts)

    def put(self, offset: int, data: bytes) -> None:
        """Change bytes; what lies behind the end is left out."""
        data = data[: max(0, self.size - offset)]
        at = 0
        while at < len(data):
            number, skip = divmod(offset + at, BLOCK)
            piece = data[at : at + BLOCK - skip]
            old = self.blocks.get(number, _ZEROS)
            new = old[:skip] + piece + old[skip + len(piece) :]
            if new == _ZEROS:
                self.blocks.pop(number, None)
            else:
                self.blocks[number] = new
            at += len(piece)

    def cut(self, size: int) -> None:
        """End the file earlier."""
        self.size = min(size, self.size)
        last, skip = divmod(self.size, BLOCK)
        for number in [number for number in self.blocks if number >= last + bool(skip)]:
            del self.blocks[number]
        if last in self.blocks:
            self.blocks[last] = self.blocks[last][:skip].ljust(BLOCK, b"\0")

    def write(self, path: Path) -> None:
        """Write a sparse file."""
        with path.open("wb") as file:
            file.truncate(self.size)
            for number, block in sorted(self.blocks.items()):
                os.pwrite(file.fileno(), block[: max(0, self.size - number * BLOCK)], number * BLOCK)
