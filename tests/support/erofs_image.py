"""A small EROFS with one compressed file, with what the tool at hand does not write: LZMA, deflate, zstd, fragments."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Sequence

import cramjam
import zstandard

BLOCK = 4096
LZ4, LZMA, DEFLATE, ZSTD = range(4)


def packed(algorithm: int, data: bytes) -> bytes:
    """Compressed bytes without padding."""
    if algorithm == LZ4:
        return bytes(cramjam.lz4.compress_block(data, store_size=False))
    if algorithm == LZMA:
        options = {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}
        raw = lzma.compress(data, lzma.FORMAT_RAW, filters=[options])
        return bytes([~(3 + 9 * 5 * 2) & 0xFF]) + raw[1:]
    if algorithm == DEFLATE:
        engine = zlib.compressobj(9, zlib.DEFLATED, -15)
        return engine.compress(data) + engine.flush()
    return zstandard.compress(data)


class ErofsImage:
    """Blocks: 0 superblock, 1 inodes, from 2 on data."""

    def __init__(self) -> None:
        self.meta = bytearray(64)  # no inode has number 0
        self.data: list[bytes] = []
        self.features = 0x3  # zero padding, configurations
        self.algorithms = 0
        self.packed = 0

    def blocks(self, content: bytes) -> int:
        """Store blocks, return the number of the first."""
        first = 2 + len(self.data)
        for start in range(0, len(content), BLOCK):
            self.data.append(content[start : start + BLOCK].ljust(BLOCK, b"\0"))
        return first

    def cluster(self, algorithm: int, content: bytes) -> int:
        """Store one compressed block."""
        self.algorithms |= 1 << algorithm
        raw = packed(algorithm, content)
        assert len(raw) <= BLOCK
        return self.blocks(raw.rjust(BLOCK, b"\0"))

    def inode(self, mode: int, size: int, layout: int, body: bytes = b"", union: int = 0) -> int:
        """An extended inode and what follows it; its number."""
        number = len(self.meta) // 32
        self.meta += struct.pack(
            "<HHHHQIIIIqII", 1 | layout << 1, 0, mode, 0, size, union, number, 7, 8, 1234, 56, 1
        ).ljust(64, b"\0")
        self.meta += body + bytes(-len(body) % 32)
        return number

    def compressed(
        self, size: int, heads: Sequence[tuple[int, int, int]], algorithms: int, *, advise: int = 0, fragment: int = 0
    ) -> int:
        """A file with a full index.

        Args:
            size: Bytes of its content.
            heads: Start, kind and block of each extent.
            algorithms: Of the first kind of head in the low four bits, of the second in the high ones.
            advise: Flags of the map header.
            fragment: Its first four bytes.
        """
        total = -(-size // BLOCK)
        index = bytearray()
        starts = {start // BLOCK: (start, kind, block) for start, kind, block in heads}
        last = 0
        for number in range(total):
            if number in starts:
                start, kind, block = starts[number]
                index += struct.pack("<HHI", kind, start % BLOCK, block)
                last = number
            else:
                following = next((other for other in range(number, total) if other in starts), total)
                index += struct.pack("<HHHH", 2, 0, number - last, following - number)
        header = struct.pack("<IHBB", fragment, advise, algorithms, 0)
        return self.inode(0o100644, size, 1, header + bytes(8) + bytes(index))

    def finish(self, names: dict[bytes, int]) -> bytes:
        """The image, with a root directory of these names."""
        every = sorted({b".": 0, b"..": 0, **names}.items())
        root = len(self.meta) // 32
        place = 12 * len(every)
        heads, texts = b"", b""
        for name, number in every:
            heads += struct.pack(
                "<QHBB", root if name in (b".", b"..") else number, place + len(texts), 2 if name[:1] == b"." else 1, 0
            )
            texts += name
        block = self.blocks(heads + texts)
        self.inode(0o040755, len(heads + texts), 0, union=block)
        assert len(self.meta) <= BLOCK
        count = 2 + len(self.data)
        head = struct.pack("<IIIBBHQQIIII", 0xE0F5E1E2, 0, 0, 12, 0, root, 9, 1000, 0, count, 1, 0).ljust(80, b"\0")
        head += struct.pack("<IHHHB", self.features, self.algorithms, 0, 0, 0).ljust(16, b"\0")
        head = (head + struct.pack("<Q", self.packed)).ljust(128, b"\0")
        sizes = {
            LZ4: struct.pack("<HHH8x", 65535, 1, 0)[:14],
            LZMA: struct.pack("<IH8x", 1 << 16, 0),
            DEFLATE: b"\x0f" + bytes(5),
            ZSTD: b"\0\x0a" + bytes(4),
        }
        for algorithm in range(4):
            if self.algorithms >> algorithm & 1:
                head += struct.pack("<H", len(sizes[algorithm])) + sizes[algorithm]
        return (bytes(1024) + head).ljust(BLOCK, b"\0") + bytes(self.meta).ljust(BLOCK, b"\0") + b"".join(self.data)
