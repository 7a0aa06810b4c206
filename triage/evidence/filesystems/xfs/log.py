"""The log: whether the file system was put away cleanly.

Source: "XFS Algorithms & Data Structures", chapter "Journaling Log". Every block of 512 bytes in the log carries the
number of the round in which it was written, so the place where writing stopped is found by halving. The record before
it says in a clean file system that it was unmounted, and nothing else.
"""

from __future__ import annotations

import struct

from triage.errors import EvidenceError
from triage.evidence.filesystems.xfs.blocks import Blocks

BLOCK = 512
BEHIND = 1024
"""Blocks before the end of writing in which the last record must begin: a record has 256 KiB at most, and its
headers."""
_MAGIC = b"\xfe\xed\xba\xbe"
_UNMOUNT = 0x20
_HEADER_COVERS = 32 << 10
_VERSION_2 = 2


def log_note(blocks: Blocks) -> str:
    """What a reader of results must know of the log, in words; empty where the file system was unmounted cleanly."""
    geometry = blocks.geometry
    if not geometry.log_start:
        return "the log is on another device: whether the last changes are in the file system cannot be told"
    start = geometry.block_offset(geometry.log_start)
    count = geometry.log_blocks * geometry.block_size // BLOCK
    if start < 0 or count < 2 or start + count * BLOCK > geometry.blocks * geometry.block_size:
        return "the log lies outside of the file system"
    try:
        return "" if _is_clean(blocks, start, count) else "the file system was not unmounted when the image was taken"
    except EvidenceError as error:
        return f"the log cannot be read: {error.message}"


def _is_clean(blocks: Blocks, start: int, count: int) -> bool:
    head = _end_of_writing(blocks, start, count)
    if head == 0 and _cycle(blocks.read_at(start, BLOCK, "the log")) == 0:
        return True  # never written
    # The log goes round: what was written before its first block stands at its end.
    first = head - min(BEHIND, count)
    data = blocks.read_at(start + max(0, first) * BLOCK, (head - max(0, first)) * BLOCK, "the log")
    if first < 0:
        data = blocks.read_at(start + (count + first) * BLOCK, -first * BLOCK, "the log") + data
    for place in range(len(data) - BLOCK, -1, -BLOCK):
        if data[place : place + 4] == _MAGIC:
            return _is_unmount(data[place:])
    return False


def _cycle(block: bytes) -> int:
    """The round in which a block was written; the header of a record has it behind its mark."""
    return int.from_bytes(block[4:8] if block[:4] == _MAGIC else block[:4], "big")


def _end_of_writing(blocks: Blocks, start: int, count: int) -> int:
    """The block where the next record would go: the first whose round is not that of the log's first block."""

    def cycle(number: int) -> int:
        """The round of a block of the log."""
        return _cycle(blocks.read_at(start + number * BLOCK, BLOCK, "the log"))

    first = cycle(0)
    if cycle(count - 1) == first:
        return 0
    low, high = 0, count - 1
    while high - low > 1:
        middle = (low + high) // 2
        if cycle(middle) == first:
            low = middle
        else:
            high = middle
    return high


def _is_unmount(data: bytes) -> bool:
    """True for a record that holds only the mark of an unmount, with nothing behind it."""
    version, length = struct.unpack_from(">II", data, 8)
    operations = struct.unpack_from(">I", data, 40)[0]
    size = struct.unpack_from(">I", data, 320)[0] if version & _VERSION_2 else 0
    headers = max(1, -(-size // _HEADER_COVERS))
    body = headers * BLOCK
    if operations != 1 or body + -(-length // BLOCK) * BLOCK != len(data) or body + 10 > len(data):
        return False
    return bool(data[body + 9] & _UNMOUNT)
