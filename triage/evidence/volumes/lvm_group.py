"""The logical volumes of an LVM2 volume group as streams.

Segments after ``lvmraid(7)``, ``lvmthin(7)`` and the metadata texts themselves: ``striped`` (linear with one stripe)
over physical volumes or other logical volumes; ``mirror`` and ``raid1`` read from the first copy that reads;
``raid0``, ``raid4``, ``raid5*``, ``raid6*`` and ``raid10`` by their layout, one absent disk made up for by parity;
``snapshot`` through its exception store. Thin pools, caches, VDO, write caches and integrity are named as not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.volumes import raid_layout as raid
from triage.evidence.volumes.lvm_snapshot import SnapshotStream
from triage.evidence.volumes.lvm_text import Section, Value, listed, number, section, sections, text_of
from triage.evidence.volumes.piece_streams import Piece, PieceStream, StripedStream
from triage.model.stream import Stream

SECTOR = 512
MAX_SEGMENTS = 100_000
MAX_LEGS = 4096
MAX_DEPTH = 64
"""Volumes that are parts of each other."""
MIRROR_CHUNK = 1 << 20

_PARITY = {
    "raid4": (1, raid.PARITY_FIRST),
    "raid5": (1, raid.LEFT_SYMMETRIC),
    "raid5_ls": (1, raid.LEFT_SYMMETRIC),
    "raid5_la": (1, raid.LEFT_ASYMMETRIC),
    "raid5_rs": (1, raid.RIGHT_SYMMETRIC),
    "raid5_ra": (1, raid.RIGHT_ASYMMETRIC),
    "raid5_n": (1, raid.PARITY_LAST),
    "raid6": (2, raid.ZERO_RESTART),
    "raid6_zr": (2, raid.ZERO_RESTART),
    "raid6_nr": (2, raid.N_RESTART),
    "raid6_nc": (2, raid.N_CONTINUE),
    "raid6_la_6": (2, 16),
    "raid6_ra_6": (2, 17),
    "raid6_ls_6": (2, 18),
    "raid6_rs_6": (2, 19),
    "raid6_n_6": (2, raid.PARITY_LAST),
}


@dataclass(frozen=True, slots=True)
class Extents:
    """Where a physical volume keeps its extents.

    Attributes:
        stream: Its bytes; None where it is missing.
        start: Where the first extent begins, bytes.
        count: Extents.
        words: Name and identifier, for problems.
    """

    stream: Stream | None
    start: int
    count: int
    words: str


@dataclass(slots=True)
class LogicalVolume:
    """One logical volume.

    Attributes:
        name: As in the metadata.
        uuid: As in the metadata, without hyphens.
        size: Bytes.
        visible: Not an inner part of another.
        kind: Kinds of its segments, in words.
        stream: Its bytes; None where it is not read.
        missing: Bytes of it that lie on what is missing.
        error: Why it is not read.
        used: Places on physical volumes: name, first extent, extents.
    """

    name: str
    uuid: str
    size: int
    visible: bool
    kind: str
    stream: Stream | None = None
    missing: int = 0
    error: EvidenceError | None = None
    used: list[tuple[str, int, int]] = field(default_factory=list)


class Group:
    """The volumes of one volume group.

    Args:
        content: Section of the group.
        disks: Physical volumes by their name in the metadata.
    """

    def __init__(self, content: Section, disks: Mapping[str, Extents]) -> None:
        self.extent = number(content, "extent_size", most=1 << 40) * SECTOR
        if not self.extent:
            raise CorruptStructureError("LVM metadata: extents of 0 bytes")
        self._disks = disks
        self._texts = dict(sections(section(content, "logical_volumes")))
        self._done: dict[str, LogicalVolume] = {}
        self._snapshots = self._find_snapshots()
        self._resolve()
        self.volumes = tuple(self._done[name] for name in self._texts)

    def _find_snapshots(self) -> dict[str, tuple[str, int]]:
        """Origin and bytes in a chunk, by the name of the volume that holds the exceptions."""
        found: dict[str, tuple[str, int]] = {}
        for text in self._texts.values():
            for _, segment in sections(text):
                store = text_of(segment, "cow_store") or text_of(segment, "merging_store")
                chunk = segment.get("chunk_size")
                if text_of(segment, "type") == "snapshot" and store and isinstance(chunk, int):
                    found[store] = (text_of(segment, "origin"), chunk * SECTOR)
        return found

    def _resolve(self) -> None:
        """Volumes whose parts are there first, until none is left; the rest lead to each other in a circle."""
        waiting = {name: self._needs(name, text) for name, text in self._texts.items()}
        for _ in range(MAX_DEPTH):
            ready = [name for name, needed in waiting.items() if needed.isdisjoint(waiting)]
            for name in ready:
                self._done[name] = self._volume(name, self._texts[name])
            for name in ready:
                del waiting[name]
            if not ready:
                break
        for name in waiting:
            volume = self._shell(name, self._texts[name])
            volume.error = CorruptStructureError("LVM: the volume is a part of itself")
            self._done[name] = volume

    def _needs(self, name: str, text: Section) -> set[str]:
        """Logical volumes that a volume is made of."""
        needed = {self._snapshots[name][0]} if name in self._snapshots else set()
        for _, segment in sections(text):
            for key in ("stripes", "mirrors", "raids", "raid0_lvs"):
                needed |= {leg for leg in listed(segment, key) if isinstance(leg, str)}
        return {name for name in needed if name in self._texts}

    def _shell(self, name: str, text: Section) -> LogicalVolume:
        segments = [inner for _, inner in sections(text) if "extent_count" in inner]
        counts = (segment.get("extent_count") for segment in segments)
        size = sum(count for count in counts if isinstance(count, int) and 0 < count < 1 << 40) * self.extent
        kinds = ", ".join(sorted({text_of(segment, "type")[:40] for segment in segments}))
        visible = "VISIBLE" in listed(text, "status")
        return LogicalVolume(name, text_of(text, "id").replace("-", ""), size, visible, kinds)

    def _volume(self, name: str, text: Section) -> LogicalVolume:
        volume = self._shell(name, text)
        try:
            segments = [inner for _, inner in sections(text) if text_of(inner, "type") not in ("", "snapshot")]
            if len(segments) > MAX_SEGMENTS:
                raise CorruptStructureError(f"LVM: {len(segments)} segments in one volume")
            pieces: list[Piece] = []
            for segment in sorted(segments, key=lambda inner: number(inner, "start_extent")):
                self._segment(volume, segment, pieces)
            if not pieces:
                raise CorruptStructureError("LVM: the volume has no segments")
            volume.size = pieces[-1].offset + pieces[-1].length
            stream: Stream = PieceStream(pieces, volume.size)
            volume.stream = self._snapshot(name, volume, stream) if name in self._snapshots else stream
        except EvidenceError as error:
            volume.error = error
        return volume

    def _snapshot(self, name: str, volume: LogicalVolume, store: Stream) -> Stream:
        origin, chunk = self._snapshots[name]
        below = self._done.get(origin)
        if below is None or below.stream is None:
            raise CorruptStructureError(f"LVM: the origin of the snapshot is not read: {origin[:80]}")
        volume.kind = f"snapshot of {origin}"
        volume.visible = True
        volume.size = below.size
        volume.missing += below.missing
        return SnapshotStream(below.stream, store, chunk)

    # --- segments -----------------------------------------------------------------------------------------------
    def _segment(self, volume: LogicalVolume, segment: Section, pieces: list[Piece]) -> None:
        """Adds the pieces of a segment."""
        start = number(segment, "start_extent", most=1 << 40) * self.extent
        length = number(segment, "extent_count", most=1 << 40) * self.extent
        kind = text_of(segment, "type")
        if start != (pieces[-1].offset + pieces[-1].length if pieces else 0):
            raise CorruptStructureError("LVM: segments of a volume overlap or leave a gap")
        if not length:
            raise CorruptStructureError("LVM: segment of 0 extents")
        if segment.get("reshape_count") or segment.get("data_offset"):
            raise UnsupportedFormatError("LVM: RAID volume in the midst of a reshape is not read")
        if kind in ("striped", "linear") and len(listed(segment, "stripes")) == 2:
            pieces.append(self._linear(volume, segment, start, length))
        elif kind in ("striped", "mirror", "raid0", "raid0_meta", "raid1", "raid10") or kind in _PARITY:
            pieces.append(Piece(start, length, self._array(volume, segment, kind, length), 0))
        elif kind in ("zero", "error"):
            pieces.append(Piece(start, length, None, 0, f"segment of kind {kind}"))
        else:
            raise UnsupportedFormatError(
                f"LVM: volume of kind {kind[:40] or 'unknown'} is not read",
                hint="activate it on another machine, read-only, and image the logical volume",
            )

    def _linear(self, volume: LogicalVolume, segment: Section, start: int, length: int) -> Piece:
        legs = self._legs(volume, segment, "stripes", length // self.extent)
        leg = legs[0]
        return Piece(start, length, leg.source, leg.source_offset, leg.missing)

    def _array(self, volume: LogicalVolume, segment: Section, kind: str, length: int) -> Stream:
        """A segment that is spread over several."""
        parities, algorithm = _PARITY.get(kind, (0, 0))
        mirror = kind in ("mirror", "raid1")
        key = {"striped": "stripes", "mirror": "mirrors", "raid0": "raid0_lvs"}.get(kind, "raids")
        if key not in segment and "raids" in segment:
            key = "raids"
        count = len(listed(segment, key)) // (1 if key == "raid0_lvs" else 2)
        shares = 1 if mirror else count - parities
        if kind == "raid10":
            copies = number(segment, "data_copies", most=64, default=2) or 2
            shares = max(1, count // copies)
        if shares < 1:
            raise CorruptStructureError(f"LVM: {kind} with {count} parts")
        extents = -(-length // self.extent // shares)
        before = volume.missing
        legs = self._legs(volume, segment, key, extents)
        absent = sum(leg.source is None for leg in legs)
        volume.missing = before if absent <= self._spare(kind, parities, count) else before + length
        streams = [PieceStream([leg], leg.length) if leg.source is not None else None for leg in legs]
        layout: raid.RaidLayout = raid.Stripes(count)
        if mirror:
            return StripedStream(streams, raid.Mirrors(tuple(range(count))), MIRROR_CHUNK, length)
        if kind == "raid10":
            layout = raid.Near(count, copies)
        elif parities:
            layout = raid.Parity(count, parities, algorithm)
        chunk = number(segment, "stripe_size", most=1 << 30) * SECTOR
        if not chunk:
            raise CorruptStructureError("LVM: stripes of 0 bytes")
        return StripedStream(streams, layout, chunk, length)

    @staticmethod
    def _spare(kind: str, parities: int, count: int) -> int:
        """Parts that may be absent with nothing lost."""
        if kind in ("mirror", "raid1"):
            return count - 1
        return 1 if parities or kind == "raid10" else 0

    def _legs(self, volume: LogicalVolume, segment: Section, key: str, extents: int) -> list[Piece]:
        """The parts of a segment, as pieces that begin at 0."""
        flat = listed(segment, key)
        if not flat or len(flat) > 2 * MAX_LEGS:
            raise CorruptStructureError(f"LVM: {key} of {len(flat)} parts")
        return [self._leg(volume, name, first, extents) for name, first in _pairs(key, flat)]

    def _leg(self, volume: LogicalVolume, name: str, first: int, extents: int) -> Piece:
        length = extents * self.extent
        disk = self._disks.get(name)
        if disk is not None:
            if not 0 <= first <= disk.count - extents:
                raise CorruptStructureError(f"LVM: extents {first}+{extents} lie outside {disk.words}")
            volume.used.append((name, first, extents))
            if disk.stream is None:
                volume.missing += length
            return Piece(0, length, disk.stream, disk.start + first * self.extent, disk.words)
        inner = self._done.get(name)
        if inner is None:
            return Piece(0, length, None, 0, f"part {name[:80]} of the volume")
        volume.missing += inner.missing
        gone = inner.stream is None or inner.missing >= inner.size
        return Piece(0, length, None if gone else inner.stream, first * self.extent, f"part {name[:80]} of the volume")


def _pairs(key: str, flat: Sequence[Value]) -> list[tuple[str, int]]:
    """Name and first extent of each part."""
    if key == "raid0_lvs":
        return [(name, 0) for name in flat if isinstance(name, str)]
    if key == "raids":  # metadata volume and data volume of each disk
        return [(name, 0) for name in flat[1::2] if isinstance(name, str)]
    found: list[tuple[str, int]] = []
    for name, first in zip(flat[::2], flat[1::2], strict=False):
        if not isinstance(name, str) or not isinstance(first, int):
            raise CorruptStructureError(f"LVM: {key} that are no pairs of name and extent")
        found.append((name, first))
    return found
