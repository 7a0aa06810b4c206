"""OLE2 compound files: storages and streams, each with the places of its bytes in the file.

Specification: [MS-CFB]. The table of sectors and every chain are bounded by the file itself, so that loops end; what a
chain lacks is told. Not handled: sectors of a size other than 512 and 4096 bytes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from struct import unpack_from

from triage.content.decoders.interface import Data

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
STORAGE, STREAM, ROOT = 1, 2, 5
_END = 0xFFFFFFFA
"""From here on a number is no sector."""
_NONE = 0xFFFFFFFF
MAX_ENTRIES = 100_000
MAX_DEPTH = 40


class CompoundError(Exception):
    """The content is no compound file, or its tables cannot be read; never leaves this room."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream or storage.

    Attributes:
        path: Names of the storages around it and its own, outermost first.
        kind: ``STORAGE``, ``STREAM`` or ``ROOT``.
        clsid: Class of a storage, 16 bytes as stored.
        start: First sector.
        size: Bytes claimed.
        created: 100 ns since 1601, 0 where absent; likewise ``modified``.
    """

    path: tuple[str, ...]
    kind: int
    clsid: bytes
    start: int
    size: int
    created: int
    modified: int


@dataclass(slots=True)
class StreamData:
    """The bytes of a stream and where they lie.

    Attributes:
        data: As far as the chain gives them.
        complete: All claimed bytes are there.
        starts: Offsets in the stream at which a run begins, ascending; ``places`` are those in the file.
        places: Offsets in the file.
    """

    data: bytes
    complete: bool
    starts: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def place(self, offset: int) -> int:
        """Offset in the file of a byte of the stream."""
        run = bisect_right(self.starts, offset) - 1
        return self.places[run] + offset - self.starts[run] if run >= 0 else 0

    def pieces(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Ranges of the stream, each of which lies in one piece of the file."""
        first, out = bisect_right(self.starts, start), []
        stop = min(stop, len(self.data))
        for border in self.starts[first:]:
            if border >= stop:
                break
            out.append((start, border))
            start = border
        if start < stop:
            out.append((start, stop))
        return out


class Compound:
    """One compound file.

    Args:
        data: The whole file, or as much as there is of it.

    Raises:
        CompoundError: It is none.
    """

    def __init__(self, data: Data) -> None:
        self._data = data
        if len(data) < 512 or bytes(data[:8]) != MAGIC:
            raise CompoundError("no compound file")
        self._shift: int
        self._mini_shift: int
        self._shift, self._mini_shift = unpack_from("<HH", data, 30)
        if self._shift not in (9, 12) or not 4 <= self._mini_shift < self._shift:
            raise CompoundError("sectors of an unknown size")
        self._sector = 1 << self._shift
        self._sectors = max((len(data) - self._sector + self._sector - 1) >> self._shift, 0)
        directory, self._cutoff, mini_start = unpack_from("<I4xII", data, 48)
        self._fat = self._read_fat()
        self.entries = self._read_directory(directory)
        root = next((entry for entry in self.entries if entry.kind == ROOT), None)
        if root is None:
            raise CompoundError("no root storage")
        self.root = root
        self._mini_fat = self._table(self._chain(self._fat, mini_start, self._sectors))
        self._mini_sectors = self._chain(self._fat, root.start, self._sectors)
        self.by_path = {tuple(name.lower() for name in entry.path): entry for entry in reversed(self.entries)}

    # --- tables -----------------------------------------------------------------------------------------------------
    def _place(self, sector: int) -> int:
        return (sector + 1) << self._shift

    def _table(self, sectors: list[int]) -> array[int]:
        """Sectors joined, as numbers of 32 bits."""
        table = array("I")
        for sector in sectors:
            piece = bytes(self._data[self._place(sector) : self._place(sector + 1)])
            table.frombytes(piece[: len(piece) & ~3])
        return table

    def _read_fat(self) -> array[int]:
        """The table of sectors: 109 of its sectors stand in the header, the others in a chain of their own."""
        listed = list(unpack_from("<109I", bytes(self._data[76:512]).ljust(436, b"\xff")))
        extra = unpack_from("<I", self._data, 68)[0]
        seen: set[int] = set()
        while extra < self._sectors and extra not in seen:
            seen.add(extra)
            piece = array(
                "I", bytes(self._data[self._place(extra) : self._place(extra + 1)]).ljust(self._sector, b"\xff")
            )
            listed.extend(piece[:-1])
            extra = piece[-1]
        return self._table([sector for sector in dict.fromkeys(listed) if sector < self._sectors])

    def _chain(self, table: array[int], start: int, limit: int) -> list[int]:
        """Sectors of a chain, each once, at most ``limit``."""
        out: list[int] = []
        seen: set[int] = set()
        while start < _END and len(out) < limit and start not in seen:
            seen.add(start)
            out.append(start)
            start = table[start] if start < len(table) else _NONE
        return out

    def _read_directory(self, start: int) -> list[Entry]:
        """Entries by walking the tree of each storage, then those that no storage holds."""
        raw = b"".join(
            bytes(self._data[self._place(sector) : self._place(sector + 1)])
            for sector in self._chain(self._fat, start, self._sectors)
            if sector < self._sectors
        )
        count = min(len(raw) // 128, MAX_ENTRIES)
        found: list[Entry] = []
        seen: set[int] = set()
        stack: list[tuple[int, tuple[str, ...]]] = [(0, ())]
        while stack:
            number, path = stack.pop()
            if number in seen or number >= count:
                continue
            seen.add(number)
            entry = self._entry(raw, number, path)
            left, right, child = unpack_from("<III", raw, 128 * number + 68)
            stack.extend((sibling, path) for sibling in (left, right))
            if entry is None:
                continue
            found.append(entry)
            if entry.kind != STREAM and len(entry.path) < MAX_DEPTH:
                stack.append((child, entry.path))
        return found

    def _entry(self, raw: bytes, number: int, path: tuple[str, ...]) -> Entry | None:
        at = 128 * number
        length, kind = unpack_from("<HB", raw, at + 64)
        if kind not in (STORAGE, STREAM, ROOT) or (kind == ROOT) != (number == 0):
            return None
        name = raw[at : at + min(max(length - 2, 0), 64)].decode("utf-16-le", "replace")
        created, modified, start, size = unpack_from("<QQIQ", raw, at + 100)
        if self._shift == 9:
            size &= 0xFFFFFFFF
        return Entry((*path, name) if number else (), kind, raw[at + 80 : at + 96], start, size, created, modified)

    # --- streams ----------------------------------------------------------------------------------------------------
    def find(self, *path: str) -> Entry | None:
        """The entry of a path, whatever the case of its letters."""
        return self.by_path.get(tuple(name.lower() for name in path))

    def read(self, entry: Entry, limit: int) -> StreamData:
        """The bytes of a stream, at most ``limit``, with their places."""
        size = min(entry.size, limit, len(self._data))
        is_mini = entry.kind == STREAM and entry.size < self._cutoff
        shift = self._mini_shift if is_mini else self._shift
        wanted = (size + (1 << shift) - 1) >> shift
        chain = self._chain(self._mini_fat if is_mini else self._fat, entry.start, wanted)
        found = StreamData(b"", True)
        parts, length = [], 0
        for number in chain:
            place = self._mini_place(number) if is_mini else self._place(number)
            piece = bytes(self._data[place : place + (1 << shift)]) if place >= 0 else b""
            if not piece:
                break
            if not found.places or found.places[-1] + length - found.starts[-1] != place:
                found.starts.append(length)
                found.places.append(place)
            parts.append(piece)
            length += len(piece)
        found.data = b"".join(parts)[:size]
        found.complete = len(found.data) == min(entry.size, limit)
        return found

    def _mini_place(self, number: int) -> int:
        """Offset in the file of a small sector, -1 where the stream of small sectors does not reach it."""
        at = number << self._mini_shift
        index = at >> self._shift
        if index >= len(self._mini_sectors):
            return -1
        return self._place(self._mini_sectors[index]) + (at & (self._sector - 1))

    def stream(self, *path: str, limit: int = 64 << 20) -> StreamData | None:
        """The bytes of the stream at a path, None where there is none."""
        entry = self.find(*path)
        return self.read(entry, limit) if entry is not None and entry.kind == STREAM else None
