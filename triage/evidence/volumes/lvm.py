"""LVM2: logical volumes over one or more physical volumes.

The metadata text of every physical volume describes the whole volume group, so it is opened once: at the first of its
physical volumes that is there. At the others the layer has no volumes and says where they are. Logical volumes that
were removed and whose description still stands in the metadata area are opened as well, as ``removed1`` ...

Read by our own reader; see :mod:`~triage.evidence.volumes.lvm_disk` and
:mod:`~triage.evidence.volumes.lvm_group` for the sources of the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.keychain import Keychain
from triage.evidence.volumes.layers import LayerVolume
from triage.evidence.volumes.lvm_disk import (
    SECTOR,
    Metadata,
    PhysicalVolume,
    find_label,
    read_physical_volume,
)
from triage.evidence.volumes.lvm_group import Extents, Group, LogicalVolume
from triage.evidence.volumes.lvm_text import Section, number, section, sections, text_of
from triage.evidence.volumes.pool_space import pool_space
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.times import iso_from_ns

STAGE = "evidence/lvm"
MAX_VOLUMES = 10_000


@dataclass(frozen=True, slots=True)
class LvmLayer:
    """A volume group, or one of its further physical volumes; see :class:`~triage.evidence.volumes.layers.Layer`.

    Attributes:
        unused: Parts of the volume below that belong to no logical volume: offset and length, bytes, ascending.
    """

    volumes: tuple[LayerVolume, ...]
    problems: tuple[Problem, ...]
    details: dict[str, str]
    unused: tuple[tuple[int, int], ...]
    name: str = "lvm"
    replaces: bool = True

    def close(self) -> None:
        """Nothing to release."""


def detect(stream: Stream) -> bool:
    """True where one of the first four sectors is an LVM2 label.

    Raises:
        ReadFailedError: The bytes cannot be read.
    """
    return find_label(stream.read_at(0, 4 * SECTOR)) >= 0


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> LvmLayer:
    """The volume group that a physical volume belongs to.

    Raises:
        CorruptStructureError: The label or the metadata do not hold.
        ReadFailedError: The first bytes cannot be read.
    """
    del keychain
    own = read_physical_volume(stream)
    disks = {own.uuid: own}
    for disk in _physical_volumes(others):
        disks.setdefault(disk.uuid, disk)
    problems = [_problem(address, Reason.MISMATCH, words, anyway=True) for words in own.warnings]
    metadata = _newest(own, disks)
    if metadata is None:
        words = "no LVM metadata on this physical volume, and none on another one names it"
        raise CorruptStructureError(words, hint="hand in the other disks of the set together with this one")
    if not metadata.current:
        words = f"no LVM metadata with a right checksum; what stands there as number {metadata.seqno} was taken"
        problems.append(_problem(address, Reason.MISMATCH, words, anyway=True))
    placed = _extents(metadata, disks)
    group = Group(metadata.content, placed)
    first = next(uuid for uuid in _order(metadata) if uuid in disks)
    mine = next(name for name, inner in _disk_texts(metadata) if _uuid(text_of(inner, "id")) == own.uuid)
    details = _details(metadata, placed)
    unused = tuple(_unused(mine, placed[mine], group))
    free = pool_space(stream, unused, "space of this disk that no logical volume has", SECTOR)
    if first != own.uuid:
        details["volumes"] = "listed with the first physical volume of the group"
        return LvmLayer(free, tuple(problems), details, unused)
    problems += _missing(address, placed)
    volumes = [*_volumes(address, group, metadata, problems), *_removed(metadata, own, disks, group)]
    return LvmLayer((*volumes[:MAX_VOLUMES], *free), tuple(problems), details, unused)


# --- which metadata ---------------------------------------------------------------------------------------------------
def _physical_volumes(others: Sequence[Stream]) -> Iterator[PhysicalVolume]:
    """The physical volumes among the other volumes; what cannot be read is told where it is opened itself."""
    for stream in others:
        try:
            if detect(stream):
                yield read_physical_volume(stream)
        except EvidenceError:
            continue


def _newest(own: PhysicalVolume, disks: Mapping[str, PhysicalVolume]) -> Metadata | None:
    """The newest metadata that names the physical volume: current ones first."""
    found = [text for disk in disks.values() for text in disk.texts if own.uuid in _order(text)]
    return max(found, key=lambda text: (text.current, text.seqno), default=None)


def _uuid(shown: str) -> str:
    return shown.replace("-", "")


def _disk_texts(metadata: Metadata) -> Iterator[tuple[str, Section]]:
    return sections(section(metadata.content, "physical_volumes"))


def _order(metadata: Metadata) -> list[str]:
    """Identifiers of the physical volumes, in the order of the metadata."""
    return [_uuid(text_of(inner, "id")) for _, inner in _disk_texts(metadata)]


def _extents(metadata: Metadata, disks: Mapping[str, PhysicalVolume]) -> dict[str, Extents]:
    found: dict[str, Extents] = {}
    for name, inner in _disk_texts(metadata):
        uuid = text_of(inner, "id")
        disk = disks.get(_uuid(uuid))
        start = number(inner, "pe_start", most=1 << 50) * SECTOR
        words = f"physical volume {name[:40]} ({uuid[:40]}, {text_of(inner, 'device')[:80] or 'device unknown'})"
        found[name] = Extents(disk.stream if disk else None, start, number(inner, "pe_count", most=1 << 40), words)
    return found


def _details(metadata: Metadata, placed: Mapping[str, Extents]) -> dict[str, str]:
    found = {"volume group": metadata.group, "identifier": text_of(metadata.content, "id")}
    found["metadata number"] = str(metadata.seqno)
    if moment := iso_from_ns(metadata.written * 1_000_000_000) if metadata.written else None:
        found["metadata written"] = moment
    found["physical volumes"] = f"{sum(disk.stream is not None for disk in placed.values())} of {len(placed)} present"
    return {name: value for name, value in found.items() if value}


# --- volumes ----------------------------------------------------------------------------------------------------------
def _volumes(address: str, group: Group, metadata: Metadata, problems: list[Problem]) -> Iterator[LayerVolume]:
    """Visible volumes, with a Problem for each that is not read or not whole."""
    count = 0
    for volume in group.volumes:
        if not volume.visible:
            continue
        count += 1
        name = f"{metadata.group}/{volume.name}"
        described = f"logical volume {name}, {volume.kind}"
        yield LayerVolume(f"lv{count}", described, None if volume.error else volume.stream, length=volume.size)
        if volume.error is not None:
            unread = isinstance(volume.error, UnsupportedFormatError)
            reason = Reason.UNSUPPORTED if unread else Reason.CORRUPT
            words = f"logical volume {name} of {volume.size} bytes: {volume.error.message}"
            problems.append(_problem(address, reason, words, volume.error.hint or "", volume.size))
        elif volume.missing:
            words = f"logical volume {name}: {volume.missing} of {volume.size} bytes lie on what is missing"
            hint = "hand in the other disks of the set together with this one"
            problems.append(_problem(address, Reason.TRUNCATED, words, hint, volume.missing))


def _missing(address: str, placed: Mapping[str, Extents]) -> Iterator[Problem]:
    for disk in placed.values():
        if disk.stream is None:
            words = f"{disk.words} is missing"
            yield _problem(address, Reason.TRUNCATED, words, "hand in all disks of the set together", 0)


def _removed(
    metadata: Metadata, own: PhysicalVolume, disks: Mapping[str, PhysicalVolume], group: Group
) -> Iterator[LayerVolume]:
    """Volumes that only older metadata knows and whose extents are at least in part still theirs."""
    known = {volume.uuid for volume in group.volumes}
    taken = _taken(group.volumes)
    count = 0
    for text in sorted(own.texts, key=lambda text: -text.seqno):
        if text.current or text.seqno >= metadata.seqno or _uuid(text_of(text.content, "id")) != _uuid(
            text_of(metadata.content, "id")
        ):  # fmt: skip
            continue
        try:
            older = Group(text.content, _extents(text, disks))
        except EvidenceError:
            continue
        for volume in older.volumes:
            if not volume.visible or volume.uuid in known or volume.stream is None or volume.error:
                continue
            known.add(volume.uuid)
            free = _still_free(volume, taken)
            if free:
                count += 1
                words = f"removed logical volume {text.group}/{volume.name}, {volume.kind}, from metadata number "
                words += f"{text.seqno}; {free} % of its extents are not in use again"
                yield LayerVolume(f"removed{count}", words, volume.stream, length=volume.size)


def _taken(volumes: Sequence[LogicalVolume]) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for volume in volumes:
        for disk, first, count in volume.used:
            found.setdefault(disk, []).append((first, count))
    return found


def _still_free(volume: LogicalVolume, taken: Mapping[str, list[tuple[int, int]]]) -> int:
    """Per cent of the extents of a removed volume that no other one uses now."""
    whole = lost = 0
    for disk, first, count in volume.used:
        whole += count
        spans = taken.get(disk, [])
        lost += sum(max(0, min(first + count, start + more) - max(first, start)) for start, more in spans)
    return 100 if not whole else max(0, whole - lost) * 100 // whole


def _unused(name: str, disk: Extents, group: Group) -> Iterator[tuple[int, int]]:
    """Extents of a physical volume that no logical volume uses."""
    position = 0
    for first, count in [*sorted(_taken(group.volumes).get(name, [])), (disk.count, 0)]:
        if first > position:
            yield disk.start + position * group.extent, (first - position) * group.extent
        position = max(position, first + count)


def _problem(
    address: str, reason: Reason, words: str, hint: str = "", length: int = 0, *, anyway: bool = False
) -> Problem:
    return Problem(address, STAGE, reason, words, hint, length, anyway)
