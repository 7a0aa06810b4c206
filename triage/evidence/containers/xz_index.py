"""Where the blocks of an xz file are, from the indexes at the end of its streams.

Specification: The .xz File Format 1.2.1, sections 2.1 (stream header and footer) and 4 (index).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from triage.errors import ReadFailedError
from triage.evidence.containers.logical_stream import Readable

MAX_BLOCKS = 1 << 20
MAX_INDEX = 16 << 20
MAX_STREAMS = 4096
_MAGIC = b"\xfd7zXZ\x00"


@dataclass(frozen=True, slots=True)
class Block:
    """One block.

    Attributes:
        start: Where it begins in the decoded bytes.
        size: Decoded bytes.
        offset: Where it begins in the file.
        packed: Bytes in the file, with padding.
        header: Header of its stream.
    """

    start: int
    size: int
    offset: int
    packed: int
    header: bytes


def read_blocks(source: Readable, size: int) -> list[Block]:
    """The blocks of all streams in order; none where an index does not hold."""
    try:
        return _read(source, size)
    except ReadFailedError:
        return []


def _read(source: Readable, size: int) -> list[Block]:
    found: list[tuple[bytes, int, list[tuple[int, int]]]] = []
    end = size
    total = 0
    while end > 0 and len(found) < MAX_STREAMS:
        footer = source.read_at(end - 12, 12) if end >= 32 else b""
        if footer == bytes(12) and end % 4 == 0:
            end -= 4
            continue
        if len(footer) < 12 or footer[10:] != b"YZ" or zlib.crc32(footer[4:10]) != int.from_bytes(footer[:4], "little"):
            if footer[8:] == bytes(4) and len(footer) == 12:
                end -= 4
                continue
            return []
        index_size = (int.from_bytes(footer[4:8], "little") + 1) * 4
        if index_size > min(MAX_INDEX, end - 24):
            return []
        records = _records(source.read_at(end - 12 - index_size, index_size))
        packed = sum((record[0] + 3) & ~3 for record in records)
        begin = end - 12 - index_size - packed - 12
        header = source.read_at(begin, 12) if begin >= 0 else b""
        total += len(records)
        if header[:6] != _MAGIC or header[6:8] != footer[8:10] or total > MAX_BLOCKS:
            return []
        found.append((header, begin + 12, records))
        end = begin
    return _blocks(found[::-1]) if end == 0 else []


def _blocks(streams: list[tuple[bytes, int, list[tuple[int, int]]]]) -> list[Block]:
    blocks: list[Block] = []
    start = 0
    for header, offset, records in streams:
        for unpadded, size in records:
            packed = (unpadded + 3) & ~3
            blocks.append(Block(start, size, offset, packed, header))
            start += size
            offset += packed
    return blocks if start < 1 << 62 else []


def _records(index: bytes) -> list[tuple[int, int]]:
    """Unpadded and decoded size of each block; empty where the index does not hold."""
    if len(index) < 8 or index[0] or zlib.crc32(index[:-4]) != int.from_bytes(index[-4:], "little"):
        return []
    count, position = _number(index, 1)
    records: list[tuple[int, int]] = []
    while len(records) < count and position < len(index) - 4:
        unpadded, position = _number(index, position)
        size, position = _number(index, position)
        if not unpadded:
            return []
        records.append((unpadded, size))
    return records if len(records) == count else []


def _number(data: bytes, position: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 63, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    return value, position
