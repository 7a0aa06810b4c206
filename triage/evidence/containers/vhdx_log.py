"""The log of a VHDX that was not closed properly: what it holds belongs over the file.

Host and virtual machine write changes of the structures to the log first. After a crash, or when a machine was seized
while it ran, the log must be replayed or the block table is stale. Nothing is written: the pages of the log are laid
over the stream.

Source: MS-VHDX, section 2.3 "Log", 2.3.3 "Log Replay".
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass

from triage.errors import CorruptStructureError
from triage.evidence.crc32c import crc32c
from triage.model.stream import Stream

SECTOR = 4096
MAX_LOG = 64 << 20
"""Bytes of a log that are looked at; 1 MiB is usual."""
MAX_REPLAY = 1 << 30
"""Bytes of zeros that one entry may lay over the file."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A log entry that holds."""

    start: int
    length: int
    tail: int
    sequence: int
    descriptors: int
    flushed: int
    data: bytes


class OverlayStream:
    """A file with pages laid over it.

    Args:
        stream: The file.
        pages: Pages of 4096 bytes by offset.
    """

    def __init__(self, stream: Stream, pages: dict[int, bytes]) -> None:
        self._stream = stream
        self._pages = pages
        self._order = sorted(pages)
        self._size = max(stream.size, self._order[-1] + SECTOR if self._order else 0)

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(offset + length, self._size)
        index = bisect_left(self._order, offset - SECTOR + 1)
        data = self._stream.read_at(offset, end - offset)
        if index >= len(self._order) or self._order[index] >= end:
            return data
        whole = bytearray(data.ljust(end - offset, b"\x00"))
        while index < len(self._order) and self._order[index] < end:
            at = self._order[index]
            first, last = max(at, offset), min(at + SECTOR, end)
            whole[first - offset : last - offset] = self._pages[at][first - at : last - at]
            index += 1
        return bytes(whole)

    def close(self) -> None:
        """Nothing to release: the file is its owner's to close."""


def replay(stream: Stream, place: int, length: int, identity: bytes) -> tuple[Stream, int]:
    """The file with its log replayed.

    Args:
        stream: The file.
        place: Where the log begins, bytes.
        length: Bytes of it.
        identity: The log's identifier, 16 bytes; entries of another one are old.

    Returns:
        The file as it should be, and how many entries were replayed.

    Raises:
        CorruptStructureError: The log does not hold, so the block table cannot be trusted.
    """
    if not 0 < length <= MAX_LOG or length % SECTOR or place % SECTOR:
        raise CorruptStructureError(f"damaged VHDX: a log of {length} bytes at {place}")
    log = stream.read_at(place, length)
    if len(log) < length:
        raise CorruptStructureError("damaged VHDX: the log lies behind the end of the file")
    chain = _active_sequence(log, identity)
    if not chain:
        raise CorruptStructureError(
            "damaged VHDX: it was not closed properly and its log holds no valid sequence",
            hint="compare with another copy of the image",
        )
    if stream.size < chain[-1].flushed:
        raise CorruptStructureError("damaged VHDX: the file is shorter than its log asks for")
    pages: dict[int, bytes] = {}
    for entry in chain:
        _apply(entry, pages)
    return OverlayStream(stream, pages), len(chain)


def _active_sequence(log: bytes, identity: bytes) -> list[_Entry]:
    """The valid sequence with the highest number, oldest entry first."""
    entries = {}
    for start in range(0, len(log), SECTOR):
        if log[start : start + 4] == b"loge":
            entry = _read_entry(log, start, identity)
            if entry is not None:
                entries[start] = entry
    best: list[_Entry] = []
    for head in sorted(entries.values(), key=lambda entry: entry.sequence, reverse=True):
        chain = _chain_to(head, entries, len(log))
        if chain:
            best = chain
            break
    return best


def _chain_to(head: _Entry, entries: dict[int, _Entry], size: int) -> list[_Entry]:
    """Entries from the tail that the head names up to the head, empty where one is missing."""
    chain: list[_Entry] = []
    at = head.tail % size
    for _ in range(len(entries)):
        entry = entries.get(at)
        if entry is None or (chain and entry.sequence != chain[-1].sequence + 1):
            return []
        chain.append(entry)
        if entry.start == head.start:
            return chain
        at = (at + entry.length) % size
    return []


def _read_entry(log: bytes, start: int, identity: bytes) -> _Entry | None:
    """An entry whose checksum and descriptors hold, None where they do not."""
    _, checksum, length, tail, sequence, count = struct.unpack_from("<4sIIIQI", log, start)
    flushed = int.from_bytes(log[start + 48 : start + 56], "little")
    if log[start + 32 : start + 48] != identity or not sequence:
        return None
    if not SECTOR <= length <= len(log) or length % SECTOR or tail % SECTOR:
        return None
    data = (log + log[:length])[start : start + length] if start + length > len(log) else log[start : start + length]
    if 64 + count * 32 > length or crc32c(data[:4] + bytes(4) + data[8:]) != checksum:
        return None
    return _Entry(start, length, tail, sequence, count, flushed, data)


def _apply(entry: _Entry, pages: dict[int, bytes]) -> None:
    """Lay the pages of an entry over the file.

    Raises:
        CorruptStructureError: A descriptor does not hold.
    """
    data = entry.data
    sector = -(-(64 + entry.descriptors * 32) // SECTOR) * SECTOR
    for number in range(entry.descriptors):
        at = 64 + number * 32
        kind = data[at : at + 4]
        place = int.from_bytes(data[at + 16 : at + 24], "little")
        if place % SECTOR or int.from_bytes(data[at + 24 : at + 32], "little") != entry.sequence:
            raise CorruptStructureError("damaged VHDX: a log descriptor does not hold")
        if kind == b"zero":
            length = int.from_bytes(data[at + 8 : at + 16], "little")
            if length % SECTOR or length > MAX_REPLAY or len(pages) + length // SECTOR > MAX_REPLAY // SECTOR:
                raise CorruptStructureError(f"damaged VHDX: the log zeroes {length} bytes")
            blank = bytes(SECTOR)
            pages.update((page, blank) for page in range(place, place + length, SECTOR))
            continue
        body = data[sector : sector + SECTOR]
        if kind != b"desc" or len(body) < SECTOR or body[:4] != b"data":
            raise CorruptStructureError("damaged VHDX: a log descriptor has no data sector")
        pages[place] = data[at + 8 : at + 16] + body[8:4092] + data[at + 4 : at + 8]
        sector += SECTOR
