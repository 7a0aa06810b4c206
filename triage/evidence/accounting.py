"""Which part of a volume each byte is, and which entry answers for it.

Entries tell where their bytes lie, the allocation map tells what is free, and what neither claims is the file system's
own. A byte that several claim goes to the first in the order of :data:`_LAYERS`, and among the entries of one layer to
one of them, so that sums come out exactly whatever the evidence says. Ranges are kept in arrays: a million entries cost
some tens of megabytes and a second.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from triage.evidence.free_runs import FreeRuns
from triage.evidence.intervals import MOST, Array, Intervals, parted
from triage.evidence.part_map import pack_map
from triage.model.coverage import PARTS, Part
from triage.model.entry import Entry, EntryState, EntryType

MAX_FILE = 1 << 50
"""Bytes that one file of evidence without a disk is counted with; claims in hostile evidence must stay summable."""

_SYSTEM_RECORDS = {"ntfs": 24, "hfs+": 16}
"""File systems whose own files are listed like others, and the metadata address from which on files are the user's."""

Runs = Iterable[tuple[int, int]]


class Layer(IntEnum):
    """Who may claim a byte, the first that does has it."""

    LIVE = 0
    SYSTEM = 1
    OPEN = 2
    """Without a name, the record still in use: its blocks are not free."""
    DELETED = 3
    SLACK = 4
    DELETED_SLACK = 5
    FREE = 6
    BEHIND = 7
    """Behind the end of the file system."""
    WHOLE = 8
    """In a gap, or where no file system is known."""


_PART_OF = {
    Layer.LIVE: Part.ALLOCATED,
    Layer.SYSTEM: Part.METADATA,
    Layer.OPEN: Part.DELETED,
    Layer.DELETED: Part.DELETED,
    Layer.SLACK: Part.SLACK,
    Layer.DELETED_SLACK: Part.SLACK,
    Layer.FREE: Part.UNALLOCATED,
    Layer.BEHIND: Part.SLACK,
    Layer.WHOLE: Part.UNKNOWN,
}
_ONLY_FREE = frozenset({Layer.DELETED, Layer.DELETED_SLACK})


@dataclass(frozen=True, slots=True)
class Accounting:
    """The bytes of one volume.

    Attributes:
        totals: Bytes of each part; their sum is what the volume was to account for.
        parts: For each entry in the order added, the number of its part in :data:`PARTS`.
        disk: For each entry, bytes of that part that it answers for; 64-bit, little-endian.
        slack: For each entry, bytes of slack likewise.
        kept: Where the parts lie; see ``part_map``. Empty where it would be too large.
        is_whole: All of the volume could be listed.
        is_pool: The bytes are blocks in a space that several volumes share.
    """

    totals: dict[Part, int]
    parts: bytes
    disk: bytes
    slack: bytes
    kept: bytes
    is_whole: bool
    is_pool: bool = False

    def shares(self) -> Iterable[tuple[int, int, int]]:
        """For each entry: number of its part, bytes of it, bytes of slack."""
        disk, slack = (np.frombuffer(data, dtype="<i8").tolist() for data in (self.disk, self.slack))
        return zip(self.parts, disk, slack, strict=True)


@dataclass(slots=True)
class _Claims:
    """Ranges that entries of one layer claim."""

    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    owners: array[int] = field(default_factory=lambda: array("q"))

    def add(self, owner: int, runs: Runs) -> None:
        for start, length in runs:
            if length > 0 and 0 <= start < MOST:
                self.starts.append(start)
                self.ends.append(min(start + length, MOST))
                self.owners.append(owner)

    def arrays(self) -> tuple[Array, Array, Array]:
        starts, ends, owners = (np.array(each, dtype=np.int64) for each in (self.starts, self.ends, self.owners))
        return starts, ends, owners


class Accountant:
    """Takes the entries of a volume in the order in which they are listed.

    Args:
        window: First byte of the volume to account for, and the one behind the last; what lies in front belongs to
            another volume.
        file_system: Its name, empty where none is known.
        is_gap: It lies outside every partition.
    """

    def __init__(self, window: tuple[int, int], file_system: str, *, is_gap: bool = False) -> None:
        self._window = window
        self._first_user = _SYSTEM_RECORDS.get(file_system, 0)
        self._rest = Part.GAP if is_gap else Part.METADATA if file_system else Part.UNKNOWN
        self._claims = {layer: _Claims() for layer in Layer}
        self._parts = bytearray()
        self._codes = {layer: PARTS.index(Part.GAP if is_gap else part) for layer, part in _PART_OF.items()}

    def add(self, entry: Entry, content: Runs = (), slack: Runs = ()) -> None:
        """The next entry.

        Args:
            entry: A file, a piece of space, or anything else that owns no bytes.
            content: Where its content lies in the volume: offset and length, bytes.
            slack: Where bytes lie that are allocated to it and are not its content.
        """
        owner = len(self._parts)
        layer = self._layer(entry)
        self._parts.append(self._codes[layer])
        address = entry.address
        if address.space:
            self._claims[layer].add(owner, ((address.offset, address.length),))
            return
        self._claims[layer].add(owner, content)
        is_free = layer is Layer.DELETED
        self._claims[Layer.DELETED_SLACK if is_free else Layer.SLACK].add(owner, slack)

    def _layer(self, entry: Entry) -> Layer:
        space = entry.address.space
        if space and self._rest is not Part.METADATA:
            return Layer.WHOLE
        if space:
            return Layer.BEHIND if space == "volume_slack" else Layer.FREE
        if entry.state is not EntryState.ALLOCATED:
            return Layer.OPEN if entry.alloc_inode else Layer.DELETED
        is_own = entry.meta_address < self._first_user or entry.address.path.startswith(b"/$Extend/")
        return Layer.SYSTEM if self._first_user and is_own else Layer.LIVE

    def finish(
        self, free: FreeRuns, used: int, *, is_free_known: bool, is_whole: bool, is_pool: bool = False
    ) -> Accounting:
        """What each byte is.

        Args:
            free: Free space of the file system, and what lies behind it.
            used: Bytes of the volume that the file system takes up.
            is_free_known: ``free`` is all of it.
            is_whole: Everything was listed.
            is_pool: Entries lie in blocks that several volumes share: there is no last byte, and what is left is the
                window without what entries claim, by size alone.
        """
        begin, end = self._window
        window = Intervals.one(begin, MOST if is_pool else end)
        starts, ends = np.array(free.starts, dtype=np.int64), np.array(free.ends, dtype=np.int64)
        unused = Intervals.of(starts, ends).both(window if self._rest is Part.METADATA else Intervals.one(0, 0))
        inside = Intervals.one(begin, MOST if is_pool else min(used, end))
        may = dict.fromkeys(Layer, window)
        if is_free_known and not is_pool:
            may |= dict.fromkeys(_ONLY_FREE, unused)
        may[Layer.FREE], may[Layer.BEHIND] = unused.both(inside), unused.without(inside)
        self._move_behind(MOST if is_pool else used)
        taken = Intervals.one(0, 0)
        totals = dict.fromkeys(PARTS, 0)
        disk, slack = (np.zeros(len(self._parts), dtype=np.int64) for _ in range(2))
        placed: list[tuple[int, Intervals]] = []
        for layer in Layer:
            allowed = may[layer].without(taken)
            region, charges, owners = _settle(self._claims[layer], allowed)
            np.add.at(slack if layer in (Layer.SLACK, Layer.DELETED_SLACK) else disk, owners, charges)
            if layer in (Layer.FREE, Layer.BEHIND):  # whether or not it was listed
                region = allowed
            taken = taken.join(region)
            totals[PARTS[self._codes[layer]]] += region.total
            placed.append((self._codes[layer], region))
        rest = self._rest if is_free_known or self._rest is not Part.METADATA else Part.UNKNOWN
        totals[rest] += max(0, end - begin - taken.total) if is_pool else window.without(taken).total
        kept = b"" if is_pool else pack_map(placed, PARTS.index(rest))
        return Accounting(
            {part: count for part, count in totals.items() if count},
            bytes(self._parts),
            disk.astype("<i8").tobytes(),
            slack.astype("<i8").tobytes(),
            kept,
            is_whole and is_free_known,
            is_pool,
        )

    def _move_behind(self, used: int) -> None:
        """Files carved behind the end of the file system are part of what lies there."""
        free = self._claims[Layer.FREE]
        claims = list(zip(free.starts, free.ends, free.owners, strict=True))
        if self._rest is not Part.METADATA or not any(start >= used for start, _, _ in claims):
            return
        self._claims[Layer.FREE] = _Claims()
        for start, end, owner in claims:
            layer = Layer.BEHIND if start >= used else Layer.FREE
            self._parts[owner] = self._codes[layer]
            self._claims[layer].add(owner, ((start, end - start),))


class FileAccountant:
    """The same for evidence that is files and no disk: bytes are the sizes of the files.

    A file counts as often as it is listed.
    """

    def __init__(self) -> None:
        self._parts = bytearray()
        self._disk: array[int] = array("q")
        self._total = 0

    def add(self, entry: Entry, content: Runs = (), slack: Runs = ()) -> None:
        """The next entry; its size counts, wherever it lies."""
        del content, slack
        part = Part.ALLOCATED if entry.state is EntryState.ALLOCATED else Part.DELETED
        is_counted = entry.entry_type is EntryType.FILE and entry.size > 0 and not (entry.virtual or entry.reused)
        size = min(entry.size, MAX_FILE, MOST - self._total) if is_counted else 0
        self._total += size
        self._parts.append(PARTS.index(part))
        self._disk.append(size)

    def finish(self, *, is_whole: bool) -> Accounting:
        """The sums."""
        sizes = np.array(self._disk, dtype="<i8")
        codes = np.frombuffer(bytes(self._parts), dtype=np.uint8)
        totals = {part: int(sizes[codes == PARTS.index(part)].sum()) for part in (Part.ALLOCATED, Part.DELETED)}
        return Accounting(
            {part: count for part, count in totals.items() if count},
            bytes(self._parts),
            sizes.tobytes(),
            bytes(8 * len(sizes)),
            b"",
            is_whole,
        )


def _settle(claims: _Claims, allowed: Intervals) -> tuple[Intervals, Array, Array]:
    """What of some claims is allowed: the bytes, and how many of them each range gets, with its owner."""
    starts, ends, owners = claims.arrays()
    region = Intervals.of(starts, ends).both(allowed)
    cut, ends = parted(starts, ends)
    return region, allowed.measure(cut, ends), owners
