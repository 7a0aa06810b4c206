"""Android sparse images, as ``fastboot`` takes them: chunks of raw data, of one repeated word, of nothing.

Source: AOSP ``system/core/libsparse``, the layout of ``sparse_format.h``, version 1.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from pathlib import Path

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside
from triage.evidence.containers.mapped_container import MAX_MEDIA, DiskContainer, mapped, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, zeros
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

SIGNATURE = b"\x3a\xff\x26\xed"
STAGE = "evidence/android-sparse"
MAX_CHUNKS = 1 << 22
"""Chunks of an image; real ones have some ten thousand."""
_RAW, _FILL, _SKIP, _CRC = 0xCAC1, 0xCAC2, 0xCAC3, 0xCAC4
_FILL_PIECE = 65536
_ZERO = (1 << 63) - 1
"""Stands for zeros in the list of places."""
_WORD = 1 << 62
"""Marks a place as the repeated word itself."""


class AndroidSparseMap:
    """The chunks of a sparse image; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The file.

    Raises:
        UnsupportedFormatError: Another version.
        CorruptStructureError: The header does not hold.
    """

    def __init__(self, stream: Stream) -> None:
        head = stream.read_at(0, 28)
        if len(head) < 28:
            raise CorruptStructureError("damaged Android sparse image: the header is cut short")
        major, minor, header, chunk_header, block, blocks, chunks = struct.unpack_from("<HHHHIII", head, 4)
        if major != 1:
            raise UnsupportedFormatError(f"Android sparse image version {major}.{minor}, which is not read")
        self.size = blocks * block
        if header < 28 or chunk_header < 12 or not block or block % 4 or block > 64 << 20 or self.size >= MAX_MEDIA:
            raise CorruptStructureError(
                f"damaged Android sparse image: {blocks} blocks of {block} bytes, headers {header}, {chunk_header}"
            )
        if chunks > MAX_CHUNKS:
            raise CorruptStructureError(f"damaged Android sparse image: {chunks} chunks")
        self.parent: Stream | None = None
        self.trouble = ""
        self.skipped = 0
        self._stream = stream
        self._starts = array("q")
        self._places = array("q")
        self._index(header, chunk_header, block, chunks)

    def _index(self, place: int, chunk_header: int, block: int, chunks: int) -> None:
        """Note where the chunks lie; the first that does not hold ends it."""
        start = 0
        for number in range(chunks):
            head = self._stream.read_at(place, 16 if chunk_header <= 12 else chunk_header + 4)
            if len(head) < 12:
                self.trouble = f"the file ends before chunk {number} of {chunks}"
                break
            kind, _, count, total = struct.unpack_from("<HHII", head, 0)
            length, body = count * block, total - chunk_header
            if body != {_RAW: length, _FILL: 4, _SKIP: 0, _CRC: 4}.get(kind, -1):
                self.trouble = f"chunk {number} of {chunks} does not hold"
                break
            if kind != _CRC and count:
                self._starts.append(start)
                self._places.append(self._place(kind, place + chunk_header, head[chunk_header : chunk_header + 4]))
                start += length
                self.skipped += length if kind == _SKIP else 0
            if start > self.size:
                self.trouble = f"chunk {number} reaches beyond the media"
                break
            place += total
        self.covered = min(start, self.size)
        self._starts.append(start)
        self._places.append(_ZERO)

    @staticmethod
    def _place(kind: int, place: int, word: bytes) -> int:
        if kind == _RAW:
            return place
        value = int.from_bytes(word, "little") if kind == _FILL else 0
        return _WORD | value if value else _ZERO

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        index = bisect_right(self._starts, offset) - 1
        place, start = self._places[index], self._starts[index]
        left = (self._starts[index + 1] if index + 1 < len(self._starts) else self.size) - offset
        if place == _ZERO:
            return zeros(left)
        if place & _WORD:
            # Chunks begin on whole words, so a piece may begin anywhere in the pattern.
            skip = (offset - start) % _FILL_PIECE
            return Piece(Kind.PACKED, min(left, _FILL_PIECE - skip), place=place, skip=skip)
        return Piece(Kind.STORED, left, self._stream, place + offset - start)

    def unpack(self, key: int) -> bytes:
        """The repeated word, 64 KiB of it."""
        return (key & 0xFFFFFFFF).to_bytes(4, "little") * (_FILL_PIECE // 4)


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the signature."""
    del stream
    return head.startswith(SIGNATURE)


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature."""
    return len(paths) == 1 and head.startswith(SIGNATURE)


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """An Android sparse image.

    Raises:
        SourceNotFoundError: The file cannot be read.
        UnsupportedFormatError: Another version.
        CorruptStructureError: The header does not hold.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """An Android sparse image in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Not needed.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    del beside
    block_map = AndroidSparseMap(stream)
    problems = []
    missing = block_map.size - block_map.covered
    if block_map.trouble or missing:
        message = block_map.trouble or f"the chunks end {missing} bytes before the media do"
        hint = "compare with another copy of the image; what is missing reads as zeros"
        problems.append(Problem(name, STAGE, Reason.TRUNCATED, message, hint, missing))
    details = {"format": "Android sparse image", "bytes_not_stored": str(block_map.skipped)}
    return mapped("android-sparse", block_map, name, details, tuple(problems))
