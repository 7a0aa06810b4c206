"""Space of a file system of The Sleuth Kit that holds no content: free data units, and slack behind the end of files.

Free units come from the allocation maps, which we read (``free_maps``, ``free_ext``, ``free_ufs``). ISO 9660 has no
map: free is what no file, directory, volume descriptor or path table covers. YAFFS2 and raw CD sectors are not told.

Slack is what the file system keeps allocated to an attribute behind its last byte: the rest of the last data unit,
units allocated ahead, and on NTFS also what was never written though the size says so. All of it reads as nothing or
as zeros through the file, and holds what stood there before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems import free_ext, free_maps, free_ufs
from triage.evidence.filesystems import tsk_library as tsk
from triage.evidence.filesystems.free_bits import complement, joined
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.tsk_runs import MAX_RUNS, map_runs
from triage.evidence.interface import Extents
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.stream import Stream
from triage.model.volume import Volume

_READERS: dict[str, Callable[[Stream, Any], free_maps.Runs]] = {
    "ntfs": free_maps.ntfs,
    "exfat": free_maps.exfat,
    "fat12": free_maps.fat,
    "fat16": free_maps.fat,
    "fat32": free_maps.fat,
    "hfs+": free_maps.hfs,
    "ext2": free_ext.ext,
    "ext3": free_ext.ext,
    "ext4": free_ext.ext,
    "ufs1": free_ufs.ufs,
    "ufs2": free_ufs.ufs,
}
_ISO_SECTOR = 2048
_ISO_SYSTEM = 16 * _ISO_SECTOR
MAX_DESCRIPTORS = 64
"""Volume descriptors of an ISO 9660 that are looked at."""


class TskSpace:
    """Free space and slack of one file system.

    Args:
        library: The library's file system.
        name: ``ntfs``, ``fat16`` ...
        media: Decoded media.
        volume: Where it lies.
        is_mapped: Block addresses of the library are places in the volume.

    Attributes:
        size: Bytes of the file system from the start of the volume; what follows is volume slack.
    """

    def __init__(self, library: Any, name: str, media: Stream, volume: Volume, *, is_mapped: bool) -> None:
        self._library = library
        self._name = name
        self._stream = VolumeStream(media, volume.image_offset, volume.length)
        self._base = -1 if volume.parent else volume.image_offset
        self._is_mapped = is_mapped
        self._block = int(library.info.block_size)
        self.size = self._size()
        self._unit = self._data_unit()

    def unallocated(self, covered: Callable[[], Iterator[tuple[int, int]]]) -> Iterator[ByteRun]:
        """Runs of free data units, ascending; ``file_offset`` counts through them.

        Args:
            covered: What files and directories cover: offset and length; asked only where there is no map.

        Raises:
            EvidenceError: Free space cannot be told; or, after the last run, a part of the map could not be read and
                counts as free.
        """
        position = 0
        try:
            for start, length in joined(self._free(covered)):
                yield ByteRun(position, start, self._base + start if self._base >= 0 else -1, length)
                position += length
        except (struct.error, *tsk.LIBRARY_ERRORS) as error:
            raise CorruptStructureError(f"allocation map of {self._name}: {tsk.said(error)}") from error

    def slack_runs(self, attribute: Any, entry: Entry, initialised: int | None) -> tuple[ByteRun, ...]:
        """Where bytes lie that are allocated to an attribute and not its content; ``file_offset`` counts through them.

        Args:
            attribute: The library's attribute.
            entry: Its entry, or that of its slack.
            initialised: NTFS: bytes that were ever written; None for all.
        """
        flags = int(attribute.info.flags)
        if not self._is_mapped or not flags & tsk.NON_RESIDENT or flags & (tsk.COMPRESSED | tsk.ENCRYPTED):
            return ()
        size = int(attribute.info.size) if entry.address.space else entry.size  # an entry of slack has the slack's
        end = size if initialised is None else min(size, initialised)
        found: list[ByteRun] = []
        place, reached = -1, 0
        try:
            for count, run in enumerate(attribute):
                if count >= MAX_RUNS:
                    break
                if run.flags & (tsk.RUN_SPARSE | tsk.RUN_FILLER):
                    place = -1
                    continue
                start, length = run.offset * self._block, run.len * self._block
                place, reached = run.addr * self._block, start + length
                if reached > end:
                    self._add(found, place + max(0, end - start), reached - max(start, end))
                place += length
        except tsk.LIBRARY_ERRORS:
            pass
        if place >= 0 and self._unit > self._block and reached >= size:
            self._add(found, place, -reached % self._unit)
        return tuple(found)

    def extents(self, attribute: Any, entry: Entry, initialised: int | None, *, is_known: bool) -> Extents:
        """Where bytes lie that an attribute has.

        Args:
            attribute: The library's attribute.
            entry: Its entry.
            initialised: NTFS: bytes that were ever written; None for all.
            is_known: ``initialised`` could be read; else all of it counts as content.
        """
        flags = int(attribute.info.flags)
        if not flags & tsk.NON_RESIDENT:
            return Extents()
        if is_known and not flags & (tsk.COMPRESSED | tsk.ENCRYPTED):
            runs = map_runs(attribute, entry.size, self._block, 0, initialised)
            slack = self.slack_runs(attribute, entry, initialised)
            content = tuple((run.fs_offset, run.length) for run in runs if run.fs_offset >= 0)
            return Extents(content, tuple((run.fs_offset, run.length) for run in slack))
        found: list[tuple[int, int]] = []
        try:
            for run in attribute:
                if len(found) >= MAX_RUNS:
                    break
                if not run.flags & (tsk.RUN_SPARSE | tsk.RUN_FILLER):
                    found.append((run.addr * self._block, run.len * self._block))
        except tsk.LIBRARY_ERRORS:
            pass
        return Extents(tuple(found))

    def _add(self, found: list[ByteRun], place: int, length: int) -> None:
        length = min(length, self._stream.size - place)
        if length > 0 and place >= 0:
            position = found[-1].file_offset + found[-1].length if found else 0
            found.append(ByteRun(position, place, self._base + place if self._base >= 0 else -1, length))

    def _free(self, covered: Callable[[], Iterator[tuple[int, int]]]) -> free_maps.Runs:
        reader = _READERS.get(self._name)
        if reader is not None:
            return reader(self._stream, self._library)
        if self._name == "iso9660" and self._is_mapped:
            used = sorted([*self._iso_own(), *covered()])
            return complement(joined(used), min(self.size, self._stream.size))
        raise UnsupportedFormatError(
            f"which space of {self._name} is free cannot be told", hint="search the volume with another tool"
        )

    def _iso_own(self) -> Iterator[tuple[int, int]]:
        """Volume descriptors, path tables and root directories."""
        for number in range(16, 16 + MAX_DESCRIPTORS):
            data = self._stream.read_at(number * _ISO_SECTOR, _ISO_SECTOR)
            if len(data) < _ISO_SECTOR or data[1:6] not in (b"CD001", b"BEA01", b"NSR02", b"NSR03", b"TEA01", b"BOOT2"):
                return
            yield number * _ISO_SECTOR, _ISO_SECTOR
            if data[1:6] == b"CD001" and data[0] in (1, 2):
                (block,), (size,) = struct.unpack_from("<H", data, 128), struct.unpack_from("<I", data, 132)
                little, other = struct.unpack_from("<II", data, 140)
                big, other_big = struct.unpack_from(">II", data, 148)
                root, root_size = struct.unpack_from("<I4xI", data, 158)
                tables = [(first, size) for first in (little, other, big, other_big)]
                for first, length in [*tables, (root, root_size)]:
                    if first and 512 <= block <= _ISO_SECTOR and length <= 1 << 24:
                        yield first * block, -(-length // _ISO_SECTOR) * _ISO_SECTOR

    def _size(self) -> int:
        """Bytes of the file system; 0 where they cannot be told."""
        if not self._is_mapped and self._name != "hfs+":
            return 0
        if self._name.startswith("fat"):
            try:
                return int(free_maps.FatLayout(self._stream).size)
            except (EvidenceError, struct.error):
                pass
        start = 0
        if self._name == "hfs+":
            try:
                start = free_maps.hfs_start(self._stream)
            except (ReadFailedError, struct.error):
                return 0
        if self._name == "exfat":
            try:
                sectors, shift = struct.unpack("<Q28xB", self._stream.read_at(72, 37))
                return int(sectors) << min(12, int(shift))
            except (ReadFailedError, struct.error):
                return 0
        return start + int(self._library.info.block_count) * self._block

    def _data_unit(self) -> int:
        """Bytes in which content is allocated: a cluster of FAT, of which the library's block is a sector."""
        try:
            if self._name.startswith("fat"):
                return int(free_maps.FatLayout(self._stream).unit)
            if self._name == "exfat":
                boot = self._stream.read_at(0, 512)
                return 1 << min(25, boot[108] + boot[109])
        except (EvidenceError, struct.error, IndexError):
            pass
        return self._block


def covered_by(
    walk: Iterator[Entry | Problem], runs: Callable[[Entry], tuple[ByteRun, ...]], unit: int
) -> free_maps.Runs:
    """What the entries of a file system without deletion cover, whole data units, in the order of the walk."""
    for entry in walk:
        if isinstance(entry, Problem) or entry.virtual:
            continue
        try:
            for run in runs(entry):
                if run.fs_offset >= 0:
                    yield run.fs_offset, -(-run.length // unit) * unit
        except EvidenceError:
            continue
