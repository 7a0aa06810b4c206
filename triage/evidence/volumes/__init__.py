"""Volumes: which partition table the media have, what stands in each partition, and what lies between them.

Tables prove nothing by themselves: a boot sector looks like a master boot record, old tables survive new ones. So
what decides is where file systems, encryption or other volumes are found. Volumes are numbered ``p1``, ``p2`` ... in
the order of the table; the table itself and the gaps are ``p0``. What no volume owns is searched for volumes whose
entry is gone, ``lost1``, ``lost2`` ... by offset; see ``lost``.
"""

from __future__ import annotations

from dataclasses import replace

from triage.errors import ReadFailedError
from triage.evidence.volumes import apm, bsd, gpt, mbr, tsk_volumes
from triage.evidence.volumes.bare import Content, Prober
from triage.evidence.volumes.layout import Layout, LayoutBuilder
from triage.evidence.volumes.lost import LostSearch, search
from triage.evidence.volumes.lost_volume import Outcome, recall
from triage.evidence.volumes.table import Part, Table
from triage.model.stream import Stream

_BSD_KINDS = frozenset({0xA5, 0xA6, 0xA9})


def find_volumes(
    media: Stream, evidence_name: str, sector_size: int = 512, *, parent: str = "", lost: LostSearch | None = None
) -> Layout:
    """The volumes of a media.

    Args:
        media: Decoded media, not empty.
        evidence_name: For the addresses of Problems.
        sector_size: Bytes in a sector as the container states it.
        parent: Name of the volume that the media are, where a layer opened them; empty for those of an image.
        lost: How to come by volumes that no table names; None for not at all.
    """
    prober = Prober(media)
    patient = _PatientStream(media)
    whole = prober.look(0, media.size, only_signed=True)
    table = _find_table(patient, prober, whole, sector_size)
    builder = LayoutBuilder(media, prober, evidence_name, parent)
    builder.add_unreadable(patient.failed)
    if table is None:
        if lost is None or not lost.known(parent):
            whole = prober.look(0, media.size)
        builder.add_bare(whole)
        _add_lost(media, builder, parent, lost)
        return builder.layout(builder.is_anything_recognised)
    parts = [inner for part in table.parts for inner in _labels_inside(patient, prober, part, table)]
    builder.add_table(table, parts)
    if whole.is_recognised and not whole.is_unreadable:
        builder.add_contradiction(table, whole)
    _add_lost(media, builder, parent, lost)
    return builder.layout(table.is_certain or builder.is_anything_recognised)


def _add_lost(media: Stream, builder: LayoutBuilder, parent: str, lost: LostSearch | None) -> None:
    """Add volumes that no table names: those known from before, or found now."""
    if lost is None:
        return
    known = lost.known(parent)
    if known is not None:
        builder.add_lost(Outcome([recall(media, volume) for volume in known]))
        return
    ranges = builder.unowned()
    if ranges:
        builder.add_lost(search(media, ranges, lost))


class _PatientStream:
    """Media for the readers of tables: what cannot be read is absent, and remembered."""

    def __init__(self, media: Stream) -> None:
        self._media = media
        self.failed: list[tuple[int, int, ReadFailedError]] = []

    @property
    def size(self) -> int:
        return self._media.size

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            return self._media.read_at(offset, length)
        except ReadFailedError as error:
            self.failed.append((offset, length, error))
            return b""

    def close(self) -> None:
        return


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


__all__ = ["Layout", "LostSearch", "find_volumes"]
