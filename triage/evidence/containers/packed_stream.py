"""A file that is compressed as a whole (gzip, bzip2, xz, lzma, Zstandard), as bytes that can be read anywhere.

Nothing is written anywhere and the whole is never held: it is decoded from the nearest restart point. gzip: copies of
the decoder's state, laid down on the way, thinned out so that their number stays bounded. xz: the blocks that its index
lists, as a multi-threaded writer makes them. bzip2 and all others: where one compressed stream follows another. Reading
in order costs one pass; what was decoded last is kept.

Specifications: RFC 1952 (gzip), the .xz file format 1.2.1, RFC 8878 (Zstandard).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from typing import Any

from triage.errors import ReadFailedError
from triage.evidence.containers.logical_stream import Readable
from triage.evidence.containers.packed_machines import Machine, ZstdMachine, make_engine
from triage.evidence.containers.xz_index import Block, read_blocks

CHUNK = 1 << 18
"""Decoded bytes kept as one piece."""
CACHED = 64
"""Pieces kept."""
MAX_POINTS = 384
"""Restart points kept; a copy of the state of inflate has about 40 KiB."""
STEP = 512
"""Bytes asked for at a time where damage is near."""
MAX_SALVAGES = 32
"""Damaged places up to which is read in such steps."""
FIRST_SPACING = 4 << 20


class PackedStream:
    """The decoded bytes; :meth:`read_at` is short only at the end of all.

    Args:
        source: The compressed file; stays the caller's to close.
        size: Its bytes.
        name: From :func:`packing`.

    Attributes:
        name: As given.
        restarts: What reading out of order can fall back on, in words.
    """

    def __init__(self, source: Readable, size: int, name: str) -> None:
        self.name = name
        self._source = source
        self._blocks: list[Block] = read_blocks(source, size) if name == "xz" else []
        self._starts = [block.start for block in self._blocks]
        self._points: list[tuple[int, Machine]] = []
        self._spacing = FIRST_SPACING
        self._chunks: OrderedDict[int, bytes] = OrderedDict()
        self._live: Any = None
        self._at = 0
        self._broken: list[tuple[int, int, ReadFailedError]] = []
        if name == "gzip":
            self.restarts = "states of the decoder, laid down while reading"
        else:
            self.restarts = f"{len(self._blocks)} blocks" if len(self._blocks) > 1 else "none: going back begins anew"

    def read_at(self, offset: int, length: int) -> bytes:
        """Read decoded bytes.

        Raises:
            ReadFailedError: The compressed data do not hold; what comes before is in ``partial``.
        """
        parts: list[bytes] = []
        while length > 0:
            try:
                piece = self._chunk(offset // CHUNK)[offset % CHUNK : offset % CHUNK + length]
            except ReadFailedError as error:
                partial = b"".join(parts) + error.partial[offset % CHUNK :][:length]
                raise ReadFailedError(error.message, hint=error.hint, partial=partial) from error
            if not piece:
                break
            parts.append(piece)
            offset += len(piece)
            length -= len(piece)
            if offset % CHUNK:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _chunk(self, number: int) -> bytes:
        """One decoded piece, shorter only at the end."""
        if number in self._chunks:
            self._chunks.move_to_end(number)
            return self._chunks[number]
        start = number * CHUNK
        for begin, end, broken in self._broken:
            if begin <= start < end:
                raise ReadFailedError(
                    broken.message, hint=broken.hint, partial=broken.partial if begin == start else b""
                )
        data = bytearray()
        try:
            self._go_to(start)
            while len(data) < CHUNK:
                piece = self._live.decode(CHUNK - len(data)) if self._live is not None else b""
                if not piece:
                    break
                data += piece
                self._at += len(piece)
        except ReadFailedError as error:
            if error.__cause__ is not None and len(self._broken) < MAX_SALVAGES:  # not where the file just ends
                data = self._salvage(start, data)
            raise self._break(start, error, bytes(data)) from error
        if len(data) == CHUNK:
            self._mark()
        self._chunks[number] = bytes(data)
        if len(self._chunks) > CACHED:
            self._chunks.popitem(last=False)
        return self._chunks[number]

    def _salvage(self, start: int, found: bytearray) -> bytearray:
        """What can be decoded of a piece up to the damage; a decoder that fails gives nothing of what it was asked."""
        data = bytearray()
        self._live = None
        try:
            self._go_to(start)
            while len(data) < CHUNK and self._live is not None:
                piece = self._live.decode(min(STEP, CHUNK - len(data)))
                if not piece:
                    break
                data += piece
                self._at += len(piece)
        except ReadFailedError:
            pass
        return data if len(data) > len(found) else found

    def _break(self, start: int, error: ReadFailedError, partial: bytes) -> ReadFailedError:
        """Remember what cannot be decoded: all that follows, or the rest of a block where there are blocks."""
        begin = min(start, self._at // CHUNK * CHUNK)
        block = bisect_right(self._starts, max(self._at, 0)) if len(self._blocks) > 1 else len(self._starts)
        end = self._starts[block] if block < len(self._starts) else 1 << 62
        failed = ReadFailedError(error.message, hint=error.hint, partial=partial)
        if len(self._broken) < MAX_POINTS:
            self._broken.append((begin, max(end, begin + 1), failed))
        self._live = None
        return failed

    def _go_to(self, target: int) -> None:
        """Bring a decoder to a place."""
        index = bisect_right(self._points, target, key=lambda point: point[0]) - 1
        point = self._points[index][0] if index >= 0 else 0
        block = bisect_right(self._starts, target) - 1
        origin = max(point, self._starts[block] if block > 0 else 0)
        if self._live is None or self._at > target or origin > self._at:
            self._at = origin
            if block > 0 and self._starts[block] >= point:
                entry = self._blocks[block]
                self._live = _Blocks(self._source, self._blocks, block, entry)
            elif index >= 0:
                self._live = self._points[index][1].copy()
            else:
                self._live = self._begin()
        while self._at < target:
            piece = self._live.decode(min(CHUNK, target - self._at))
            if not piece:
                self._live = None
                return
            self._at += len(piece)
            self._mark()

    def _begin(self) -> Any:
        if self.name == "zstd":
            return ZstdMachine(self._source, 0)
        return Machine(self._source, 0, make_engine(self.name))

    def _mark(self) -> None:
        """Keep the state of the decoder here where none is kept near; thin them out where there are too many."""
        last = self._points[-1][0] if self._points else 0
        if self.name != "gzip" or self._live is None or self._at < last + self._spacing:
            return
        state = self._live.copy()
        if state is None:
            return
        self._points.append((self._at, state))
        if len(self._points) > MAX_POINTS:
            self._spacing *= 2
            self._points = self._points[1::2]


class _Blocks:
    """xz from one block on: every block as a stream of its own, made of the stream's header and the block."""

    def __init__(self, source: Readable, blocks: list[Block], number: int, entry: Block) -> None:
        self._source = source
        self._blocks = blocks
        self._number = number
        self._machine = self._open(entry)
        self._left = entry.size

    def _open(self, entry: Block) -> Machine:
        return Machine(self._source, entry.offset, make_engine("xz"), entry.header, entry.offset + entry.packed)

    def decode(self, length: int) -> bytes:
        """The next decoded bytes; empty only at the end."""
        while self._left <= 0:
            self._number += 1
            if self._number >= len(self._blocks):
                return b""
            self._machine = self._open(self._blocks[self._number])
            self._left = self._blocks[self._number].size
        data = self._machine.decode(min(length, self._left))
        self._left -= len(data)
        if not data:
            raise ReadFailedError("a block of the xz file is shorter than its index says")
        return data
