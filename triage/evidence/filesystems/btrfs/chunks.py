"""Chunks of Btrfs: where logical addresses lie on the devices.

Source: "On-disk format" and "Volume management" of the Btrfs documentation; ``btrfs_tree.h`` of the kernel's user
headers for the layout of a chunk item. Places are bytes of one stream that holds the devices there are, one after the
other. Of RAID5 and RAID6 the data stripes are read; what a missing device held is not computed from parity.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from triage.errors import CorruptStructureError

DATA, SYSTEM, METADATA = 1, 2, 4
RAID0, RAID1, DUP, RAID10, RAID5, RAID6, RAID1C3, RAID1C4 = 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400
MAX_CHUNKS = 1 << 20
"""Chunks of one file system; at a gibibyte each that is a pebibyte."""
_STRIPED = RAID0 | RAID10 | RAID5 | RAID6
_ITEM = struct.Struct("<QQQQIIIHH")
_STRIPE = struct.Struct("<QQ16s")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a logical range on one device.

    Attributes:
        place: Byte of the joined devices, -1 where the device is not there.
        length: Bytes.
        device: Number of the device.
    """

    place: int
    length: int
    device: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk.

    Attributes:
        start: Logical address.
        length: Bytes of logical addresses.
        kind: Data, system, metadata, and the profile.
        stripe_length: Bytes in one strip of a striped profile.
        stripes: Device and offset on it, each.
        sub_stripes: Copies in RAID10.
    """

    start: int
    length: int
    kind: int
    stripe_length: int
    stripes: tuple[tuple[int, int], ...]
    sub_stripes: int

    @property
    def copies(self) -> int:
        """How often each byte is stored as it is."""
        if self.kind & RAID10:
            return self.sub_stripes
        return 1 if self.kind & _STRIPED else len(self.stripes)

    @property
    def columns(self) -> int:
        """Strips of data in one row, 1 where the profile is not striped."""
        if self.kind & RAID0:
            return len(self.stripes)
        if self.kind & RAID10:
            return len(self.stripes) // self.sub_stripes
        if self.kind & RAID5:
            return len(self.stripes) - 1
        return len(self.stripes) - 2 if self.kind & RAID6 else 1

    @property
    def on_device(self) -> int:
        """Bytes that each stripe takes on its device."""
        return -(-self.length // self.columns)

    def locate(self, offset: int, copy: int) -> tuple[int, int, int]:
        """Stripe, offset in it, and bytes up to the end of the strip, of an offset in the chunk."""
        if not self.kind & _STRIPED:
            return copy, offset, self.length - offset
        number, inside = divmod(offset, self.stripe_length)
        row, column = divmod(number, self.columns)
        if self.kind & RAID10:
            stripe = column * self.sub_stripes + copy
        elif self.kind & RAID0:
            stripe = column
        else:
            stripe = (row + column) % len(self.stripes)
        return stripe, row * self.stripe_length + inside, self.stripe_length - inside

    def on_stripe(self, stripe: int, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Where a range of the chunk lies in one of its stripes: offset in the stripe and length, ascending."""
        if not self.kind & _STRIPED:
            yield offset, length
            return
        row_length = self.columns * self.stripe_length
        end = offset + length
        while offset < end:
            row, inside = divmod(offset, row_length)
            whole = (end - offset) // row_length
            if not inside and whole:
                yield row * self.stripe_length, whole * self.stripe_length
                offset += whole * row_length
                continue
            step = min(row_length - inside, end - offset)
            yield from self._in_row(stripe, offset, step)
            offset += step

    def _in_row(self, stripe: int, offset: int, length: int) -> Iterator[tuple[int, int]]:
        while length > 0:
            found, place, left = self.locate(offset, 0)
            step = min(left, length)
            first = stripe - stripe % self.sub_stripes if self.kind & RAID10 else stripe
            if found == first:
                yield place, step
            offset += step
            length -= step


def parse_chunk(start: int, data: bytes, position: int = 0) -> tuple[Chunk, int]:
    """A chunk from its item.

    Args:
        start: Offset of its key: the logical address.
        data: Bytes that hold the item.
        position: Where it begins in them.

    Returns:
        The chunk, and where its item ends.

    Raises:
        CorruptStructureError: It does not hold.
    """
    if len(data) < position + _ITEM.size:
        raise CorruptStructureError(f"the chunk at {start} is cut short")
    fields = _ITEM.unpack_from(data, position)
    length, stripe_length, kind, count, sub_stripes = fields[0], fields[2], fields[3], fields[7], fields[8]
    end = position + _ITEM.size + count * _STRIPE.size
    if not count or end > len(data):
        raise CorruptStructureError(f"the chunk at {start} is cut short: {count} stripes")
    if not length or start + length >= 1 << 64:
        raise CorruptStructureError(f"the chunk at {start} has a length of {length}")
    stripes = tuple((device, offset) for device, offset, _ in _STRIPE.iter_unpack(data[position + _ITEM.size : end]))
    sub_stripes = max(1, sub_stripes) if kind & RAID10 else 1
    least = 1 + (1 if kind & RAID5 else 2 if kind & RAID6 else 0)
    if count < least or (kind & RAID10 and count % sub_stripes):
        raise CorruptStructureError(f"the chunk at {start} has {count} stripes, which its profile does not allow")
    if kind & _STRIPED and (stripe_length < 4096 or stripe_length & (stripe_length - 1)):
        raise CorruptStructureError(f"the chunk at {start} has strips of {stripe_length} bytes")
    return Chunk(start, length, kind, stripe_length, stripes, sub_stripes), end


class ChunkMap:
    """Where logical addresses lie.

    Args:
        bases: By number of a device, where it begins in the joined devices.
    """

    def __init__(self, bases: Mapping[int, int]) -> None:
        self._bases = dict(bases)
        self._chunks: dict[int, Chunk] = {}
        self._starts: list[int] | None = None

    @property
    def chunks(self) -> list[Chunk]:
        """All chunks, by logical address."""
        return [self._chunks[start] for start in sorted(self._chunks)]

    def add(self, chunk: Chunk) -> None:
        """Put a chunk in; one at the same address is replaced.

        Raises:
            CorruptStructureError: There are too many.
        """
        if len(self._chunks) >= MAX_CHUNKS and chunk.start not in self._chunks:
            raise CorruptStructureError(f"more than {MAX_CHUNKS} chunks")
        self._chunks[chunk.start] = chunk
        self._starts = None

    def place(self, device: int, offset: int) -> int:
        """Byte of the joined devices, -1 where the device is not there."""
        base = self._bases.get(device)
        return -1 if base is None else base + offset

    def at(self, logical: int) -> Chunk:
        """The chunk that holds a logical address.

        Raises:
            CorruptStructureError: None does.
        """
        if self._starts is None:
            self._starts = sorted(self._chunks)
        index = bisect_right(self._starts, logical) - 1
        if index >= 0:
            chunk = self._chunks[self._starts[index]]
            if logical < chunk.start + chunk.length:
                return chunk
        raise CorruptStructureError(f"no chunk holds the logical address {logical}")

    def copies(self, logical: int) -> int:
        """How often a byte is stored.

        Raises:
            CorruptStructureError: No chunk holds it.
        """
        return self.at(logical).copies

    def pieces(self, logical: int, length: int, copy: int) -> Iterator[Piece]:
        """Where a logical range lies, in order.

        Raises:
            CorruptStructureError: A part of it is in no chunk.
        """
        while length > 0:
            chunk = self.at(logical)
            stripe, offset, left = chunk.locate(logical - chunk.start, min(copy, chunk.copies - 1))
            step = min(left, length)
            device, start = chunk.stripes[stripe]
            yield Piece(self.place(device, start + offset), step, device)
            logical += step
            length -= step

    def missing(self) -> list[int]:
        """Numbers of the devices that chunks lie on and that are not there."""
        wanted = {device for chunk in self._chunks.values() for device, _ in chunk.stripes}
        return sorted(wanted - self._bases.keys())
