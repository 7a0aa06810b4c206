"""Volumes: which partition table the media have, what stands in each partition, and what lies between them.

Tables prove nothing by themselves: a boot sector looks like a master boot record, old tables survive new ones. So
what decides is where file systems, encryption or other volumes are found. Volumes are numbered ``p1``, ``p2`` ... in
the order of the table; the table itself and the gaps are ``p0``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from triage.evidence.volumes import apm, bsd, gpt, mbr, tsk_volumes
from triage.evidence.volumes.bare import Content, Prober
from triage.evidence.volumes.table import Part, Remark, Table
from triage.model.address import Address
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.volume import Allocation, Volume

STAGE = "evidence/volumes"
MAX_OVERLAPS = 32
"""Overlapping pairs that become Problems one by one."""
_BSD_KINDS = frozenset({0xA5, 0xA6, 0xA9})


@dataclass(frozen=True, slots=True)
class Layout:
    """The volumes of a media.

    Attributes:
        volumes: Allocated ones by number, then ``p0`` by offset.
        problems: What is not read, not clear, or does not hold.
        is_recognised: A volume system, or anything known in a volume, was found.
    """

    volumes: tuple[Volume, ...]
    problems: tuple[Problem, ...]
    is_recognised: bool


def find_volumes(media: Stream, evidence_name: str, sector_size: int = 512) -> Layout:
    """The volumes of a media.

    Args:
        media: Decoded media, not empty.
        evidence_name: For the addresses of Problems.
        sector_size: Bytes in a sector as the container states it.

    Raises:
        ReadFailedError: The beginning of the media cannot be read.
    """
    prober = Prober(media)
    whole = prober.look(0, media.size, only_signed=True)
    table = _find_table(media, prober, whole, sector_size)
    builder = _Builder(media, prober, evidence_name)
    if table is None:
        whole = prober.look(0, media.size)
        builder.add_bare(whole)
        return builder.layout(whole.is_recognised)
    parts = [inner for part in table.parts for inner in _labels_inside(media, prober, part, table)]
    builder.add_table(table, parts)
    if whole.is_recognised and not whole.is_unreadable:
        builder.add_contradiction(table, whole)
    return builder.layout(table.is_certain or builder.is_anything_recognised)


def _find_table(media: Stream, prober: Prober, whole: Content, sector_size: int) -> Table | None:
    """The table that the media are divided by; None where they are one volume."""
    record = _choose_mbr(media, prober, sector_size)
    table = gpt.read_gpt(media, sector_size)
    if table is not None:
        gpt.add_hybrid(table, record)
        if table.is_certain or _recognised_parts(media, prober, table):
            return table
    for found in (apm.read_apm(media), bsd.read_bsd(media, 0, media.size), tsk_volumes.read_sun(media), record):
        if found is None or not found.allocated:
            continue
        # A table that does not prove itself may be the code of a boot sector: its first partition, at 0, is no proof.
        known = _recognised_parts(media, prober, found, beyond=whole.is_recognised and not found.is_certain)
        if known or (found.is_certain and not whole.is_recognised):
            return found
    if not whole.is_recognised:
        found = tsk_volumes.read_any(media)
        if found is not None and _recognised_parts(media, prober, found):
            return found
    return None


def _choose_mbr(media: Stream, prober: Prober, sector_size: int) -> Table | None:
    """The MBR read with the sector size under which most partitions hold something known."""
    best: Table | None = None
    most = -1
    for size in dict.fromkeys((sector_size, 512, 4096)):
        table = mbr.read_mbr(media, size)
        if table is None:
            continue
        if any(part.kind == mbr.PROTECTIVE for part in table.allocated):
            return table
        count = _recognised_parts(media, prober, table)
        if count > most:
            best, most = table, count
        if count:
            break
    return best


def _recognised_parts(media: Stream, prober: Prober, table: Table, *, beyond: bool = False) -> int:
    """How many partitions hold something known; with ``beyond``, of those that do not begin at 0."""
    return sum(
        prober.look(part.start, min(part.length, media.size - part.start)).is_recognised
        for part in table.allocated
        if beyond <= part.start < media.size and part.kind != mbr.PROTECTIVE
    )


def _labels_inside(media: Stream, prober: Prober, part: Part, table: Table) -> list[Part]:
    """A partition, or the partitions of the BSD label in it."""
    looks_bsd = part.kind in _BSD_KINDS or part.description.startswith("FreeBSD")
    if part.metadata or not looks_bsd or part.start >= media.size:
        return [part]
    length = min(part.length, media.size - part.start)
    label = bsd.read_bsd(media, part.start, length)
    if label is None or not label.allocated:
        return [part]
    inner = [found for found in label.allocated if found.start < part.start + part.length]
    if prober.look(part.start, length).is_recognised and not any(found.start == part.start for found in inner):
        return [part]
    table.remarks += label.remarks
    return [
        Part(part.start, 512, f"BSD disk label in {part.description}", metadata=True),
        *(replace(found, description=f"{part.description}, {found.description}") for found in inner),
    ]


class _Builder:
    """Makes volumes of parts and says what does not fit."""

    def __init__(self, media: Stream, prober: Prober, evidence_name: str) -> None:
        self._size = media.size
        self._prober = prober
        self._name = evidence_name
        self._volumes: list[Volume] = []
        self._metadata: list[Volume] = []
        self._problems: list[Problem] = []
        self.is_anything_recognised = False

    def layout(self, is_recognised: bool) -> Layout:
        """The result, gaps included."""
        outside = sorted(
            [*self._metadata, *self._gaps()], key=lambda volume: (volume.image_offset, volume.allocation, volume.length)
        )
        return Layout((*self._volumes, *outside), tuple(self._problems), is_recognised)

    def add_bare(self, content: Content) -> None:
        """The whole media as one volume."""
        if content.is_empty:
            content = replace(content, unsupported="every byte is zero")
        self._add_volume(0, self._size, "bare", "", content)

    def add_table(self, table: Table, parts: list[Part]) -> None:
        """Every part of a table, in its order."""
        for remark in table.remarks:
            self._remark(remark)
        seen: set[tuple[int, int]] = set()
        for part in parts:
            if (part.start, part.length) in seen or part.kind == mbr.PROTECTIVE:
                continue
            seen.add((part.start, part.length))
            length = self._clip(part)
            if not length:
                continue
            if part.metadata:
                self._metadata.append(
                    Volume("p0", part.start, length, Allocation.METADATA, table.system, part.description)
                )
            else:
                self._add_volume(
                    part.start, length, table.system, part.description, self._prober.look(part.start, length)
                )
        if not self._volumes:
            words = f"the partition table ({table.system}) has no partition that lies in the media"
            self._remark(Remark(Reason.UNSUPPORTED, words, "carve the media with another tool", self._size))
        self._overlaps()

    def add_contradiction(self, table: Table, whole: Content) -> None:
        """Something that stands at the beginning of the media beside the table.

        ISO 9660 leaves room for a table by design, so such media are both; anything else is told only.
        """
        if any(volume.image_offset == 0 for volume in self._volumes):
            return
        if whole.file_system == "iso9660":
            self._add_volume(0, self._size, "bare", "ISO 9660 under the partition table", whole)
            return
        words = whole.file_system or whole.encryption or whole.unsupported
        message = f"{words} stands at the beginning of the media, before the partitions of the {table.system} table; "
        self._remark(Remark(Reason.MISMATCH, message + "it may be what remains of an earlier use", anyway=True))

    def _clip(self, part: Part) -> int:
        """Bytes of a part that the media have; says what they lack."""
        if part.start >= self._size or part.start < 0:
            if not part.metadata:
                message = f"{part.description} at {part.start}, {part.length} bytes, lies beyond the end of the media"
                hint = "compare with another copy of the image: it may have been cut short"
                self._remark(Remark(Reason.TRUNCATED, message, hint, part.length))
            return 0
        missing = part.start + part.length - self._size
        if missing > 0 and not part.metadata:
            message = f"{part.description} at {part.start} reaches {missing} bytes beyond the end of the media"
            hint = "compare with another copy of the image: it may have been cut short"
            self._remark(Remark(Reason.TRUNCATED, message, hint, missing))
        return part.length - max(0, missing)

    def _add_volume(self, start: int, length: int, system: str, description: str, content: Content) -> None:
        name = f"p{len(self._volumes) + 1}"
        if content.is_empty and not content.unsupported:
            description = f"{description}, all zeros" if description else "all zeros"
        self._volumes.append(
            Volume(
                name,
                start,
                length,
                Allocation.ALLOCATED,
                system,
                description,
                content.file_system,
                content.block_size,
                content.encryption,
                content.unsupported,
            )
        )
        self.is_anything_recognised |= content.is_recognised
        address = str(Address(self._name, name, b"/"))
        if content.remains:
            message = f"{content.file_system} is read; {content.remains} stands there as well"
            self._problems.append(
                Problem(address, STAGE, Reason.MISMATCH, message, "the volume may be one of an array, or reused",
                        examined_anyway=True)
            )  # fmt: skip
        words = content.encryption or content.unsupported
        if not words:
            return
        reason = Reason.ENCRYPTED if content.encryption else Reason.UNSUPPORTED
        if content.is_unreadable or content.is_damaged:
            reason = Reason.UNREADABLE if content.is_unreadable else Reason.CORRUPT
        message = f"{words}, {length} bytes at {start} of the media" + (f" ({description})" if description else "")
        self._problems.append(Problem(address, STAGE, reason, message, content.hint, length))

    def _remark(self, remark: Remark) -> None:
        address = str(Address(self._name, "p0", b"/"))
        self._problems.append(
            Problem(address, STAGE, remark.reason, remark.message, remark.hint, remark.missing, remark.anyway)
        )

    def _overlaps(self) -> None:
        """Volumes that share bytes; the data are then examined once for each."""
        volumes = sorted(self._volumes, key=lambda volume: (volume.image_offset, -volume.length))
        found = 0
        widest = None
        for volume in volumes:
            if widest is not None and volume.image_offset < widest.image_offset + widest.length:
                shared = min(widest.image_offset + widest.length, volume.image_offset + volume.length)
                shared -= volume.image_offset
                found += 1
                if found <= MAX_OVERLAPS:
                    message = f"{widest.name} and {volume.name} overlap by {shared} bytes at {volume.image_offset}"
                    self._remark(Remark(Reason.CORRUPT, message, "both are examined", anyway=True))
            if widest is None or volume.image_offset + volume.length > widest.image_offset + widest.length:
                widest = volume
        if found > MAX_OVERLAPS:
            self._remark(Remark(Reason.CORRUPT, f"{found} pairs of volumes overlap", anyway=True))

    def _gaps(self) -> list[Volume]:
        """Parts of the media outside every allocated volume."""
        gaps = []
        position = 0
        system = self._volumes[0].system if self._volumes else "bare"
        for volume in sorted(self._volumes, key=lambda volume: volume.image_offset):
            if volume.image_offset > position:
                gaps.append((position, volume.image_offset))
            position = max(position, volume.image_offset + volume.length)
        if position < self._size:
            gaps.append((position, self._size))
        return [
            Volume("p0", begin, end - begin, Allocation.UNALLOCATED, system, "not in any partition")
            for begin, end in gaps
        ]
