"""A writer of E01 images, sound by default, with a hook for every field that a test wants wrong.

Layout after the Expert Witness Compression Format specification (Joachim Metz): segment file header, then sections with
descriptors of 76 bytes. Written from the specification; no code or data of another tool.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SIGNATURE = b"EVF\x09\x0d\x0a\xff\x00"
GUID = bytes(range(1, 17))


def adler(data: bytes) -> bytes:
    return struct.pack("<I", zlib.adler32(data))


def descriptor(
    kind: bytes, here: int, size: int, *, following: int | None = None, checksum: bytes | None = None
) -> bytes:
    """76 bytes; ``here`` is where the descriptor stands, ``size`` counts it too."""
    raw = struct.pack("<16sQQ40x", kind, here + size if following is None else following, size)
    return raw + (adler(raw) if checksum is None else checksum)


def volume_data(
    chunks: int, per_chunk: int, sector_size: int, sectors: int, *, guid: bytes = GUID, checksum: bytes | None = None
) -> bytes:
    raw = struct.pack("<B3xIIIQ", 1, chunks, per_chunk, sector_size, sectors).ljust(64, b"\x00") + guid
    raw = raw.ljust(1048, b"\x00")
    return raw + (adler(raw) if checksum is None else checksum)


def table_data(entries: list[int], base: int = 0, *, count: int | None = None, checksum: bytes | None = None) -> bytes:
    head = struct.pack("<I4xQ4x", len(entries) if count is None else count, base)
    packed = struct.pack(f"<{len(entries)}I", *entries)
    return head + adler(head) + packed + (adler(packed) if checksum is None else checksum)


def header_text(**values: str) -> bytes:
    names = list(values)
    return ("1\nmain\n" + "\t".join(names) + "\n" + "\t".join(values[name] for name in names) + "\n\n").encode()


@dataclass
class EwfWriter:
    """Makes the segment files of an image.

    Attributes:
        media: The media.
        sectors_per_chunk: Sectors in a chunk; small, so that tests have many chunks.
        sector_size: Bytes in a sector.
        chunks_per_segment: Chunks in one segment file.
        chunks_per_table: Chunks of one ``table``.
        compress: Which chunks are stored compressed; all where None.
        base: Base offset of the tables: 0, or where the sectors begin (None).
        second_table: Write ``table2`` as well.
        guid: Identifier of the set.
        header: Identifiers and values of the header sections.
        store_md5: Digest to state; the right one where None, none where empty.
        volume: Changes the bytes of the volume section.
        chunk: Changes the stored bytes of a chunk, given its number.
        table: Changes the bytes of a table, given its kind and the number of its first chunk.
        sector_count: What the header states, None for the truth.
        chunk_count: What the header states, None for the truth.
        errors: First sector and number of sectors that could not be read, for an ``error2`` section.
    """

    media: bytes
    sectors_per_chunk: int = 2
    sector_size: int = 512
    chunks_per_segment: int = 1 << 30
    chunks_per_table: int = 1 << 30
    compress: Callable[[int], bool] | None = None
    base: int | None = 0
    second_table: bool = True
    guid: bytes = GUID
    header: dict[str, str] = field(default_factory=lambda: {"c": "case 7", "e": "Ann", "m": "1700000000"})
    store_md5: bytes | None = None
    volume: Callable[[bytes], bytes] = lambda raw: raw
    chunk: Callable[[int, bytes], bytes] = lambda number, raw: raw
    table: Callable[[str, int, bytes], bytes] = lambda kind, first, raw: raw
    sector_count: int | None = None
    chunk_count: int | None = None
    errors: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        size = self.sectors_per_chunk * self.sector_size
        self.chunk_size = size
        self.chunks = [self.media[at : at + size] for at in range(0, len(self.media), size)]

    def segments(self) -> list[bytes]:
        """The bytes of every segment file."""
        groups = [
            range(first, min(first + self.chunks_per_segment, len(self.chunks)))
            for first in range(0, len(self.chunks), self.chunks_per_segment)
        ]
        return [self._segment(index, group, index == len(groups) - 1) for index, group in enumerate(groups)]

    def write(self, folder: Path, stem: str = "image", *, suffix: str = "E") -> list[Path]:
        """Write the segment files; their paths in order."""
        paths = []
        for number, raw in enumerate(self.segments(), 1):
            paths.append(folder / f"{stem}.{suffix}{number:02d}")
            paths[-1].write_bytes(raw)
        return paths

    def _segment(self, index: int, group: range, last: bool) -> bytes:
        out = bytearray(SIGNATURE + b"\x01" + struct.pack("<H", index + 1) + b"\x00\x00")
        sectors = -(-len(self.media) // self.sector_size) if self.sector_count is None else self.sector_count
        count = len(self.chunks) if self.chunk_count is None else self.chunk_count
        facts = self.volume(volume_data(count, self.sectors_per_chunk, self.sector_size, sectors, guid=self.guid))
        if index == 0:
            text = header_text(**self.header)
            self._add(out, b"header2", zlib.compress(text.decode().encode("utf-16")))
            self._add(out, b"header", zlib.compress(text))
            self._add(out, b"volume", facts)
        else:
            self._add(out, b"data", facts)
        for first in range(group.start, group.stop, self.chunks_per_table):
            self._add_chunks(out, range(first, min(first + self.chunks_per_table, group.stop)))
        if last and self.errors:
            head = struct.pack("<I", len(self.errors)).ljust(516, b"\x00")
            listed = b"".join(struct.pack("<II", *error) for error in self.errors)
            self._add(out, b"error2", head + adler(head) + listed + adler(listed))
        if last:
            digest = hashlib.md5(self.media).digest() if self.store_md5 is None else self.store_md5
            if digest:
                raw = digest + bytes(16)
                self._add(out, b"hash", raw + adler(raw))
        here = len(out)
        out += descriptor(b"done" if last else b"next", here, 76, following=here)
        return bytes(out)

    def _add(self, out: bytearray, kind: bytes, data: bytes) -> None:
        out += descriptor(kind, len(out), 76 + len(data)) + data

    def _add_chunks(self, out: bytearray, group: range) -> None:
        start = len(out) + 76
        base = start if self.base is None else self.base
        stored = bytearray()
        entries = []
        for number in group:
            compressed = self.compress is None or self.compress(number)
            entries.append((start + len(stored) - base) | (0x80000000 if compressed else 0))
            data = self.chunks[number]
            raw = zlib.compress(data) if compressed else data + adler(data)
            stored += self.chunk(number, raw)
        self._add(out, b"sectors", bytes(stored))
        for kind in ("table", "table2") if self.second_table else ("table",):
            self._add(out, kind.encode(), self.table(kind, group.start, table_data(entries, base)))
