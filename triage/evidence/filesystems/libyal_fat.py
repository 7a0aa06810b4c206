"""FAT12, FAT16, FAT32 and exFAT through libfsfat, where The Sleuth Kit cannot read them.

Live names only. The times are read from the directory slots by us: the library's are a month off.

Source: the libfsfat API (``pyfsfat``); Microsoft's "FAT: General Overview of On-Disk Format" 1.03, section 6; its
exFAT file system specification, section 7.4.
"""

from __future__ import annotations

import calendar
import struct
from collections.abc import Iterable
from typing import Any

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.exfat import ExfatFacts
from triage.evidence.filesystems.free_maps import FatLayout, exfat, fat
from triage.evidence.filesystems.libyal import MAX_SIZE, LibyalFileSystem, LibyalTree, volume_stream
from triage.evidence.filesystems.libyal_io import translated
from triage.evidence.filesystems.tree import Node
from triage.model.entry import EntryType
from triage.model.stream import Stream
from triage.model.times import Times
from triage.model.volume import Volume

_FIRST_ADDRESS, _SLOT = 3, 32
"""A metadata address counts the slots from the root directory of FAT12 and FAT16, else from the first cluster."""
_DIRECTORY = 0x10


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> LibyalFileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        EvidenceError: It does not open.
    """
    tree = FatTree(volume_stream(media, volume))
    return LibyalFileSystem(tree, volume, evidence_name, tree.size)


class FatTree(LibyalTree):
    """See ``tree.Tree``.

    Args:
        stream: Bytes of the volume.

    Attributes:
        size: Bytes of the file system.
    """

    root = 2

    def __init__(self, stream: Stream) -> None:
        import pyfsfat

        self._directories: dict[int, Any] = {}
        self._hint: tuple[int, bytes] = (-1, b"")
        boot = stream.read_at(0, 512)
        self._exfat = boot[3:8] == b"EXFAT"
        try:
            if self._exfat:
                (sectors,), (heap,) = struct.unpack_from("<Q", boot, 72), struct.unpack_from("<I", boot, 88)
                self.name = "exfat"
                self._first = heap << min(12, boot[108])
                self.block_size = 1 << min(25, boot[108] + boot[109])
                self.size = sectors << min(12, boot[108])
            else:
                layout = FatLayout(stream)
                (sector,), (entries,) = struct.unpack_from("<H", boot, 11), struct.unpack_from("<H", boot, 17)
                self.name = f"fat{layout.bits}"
                self._first = layout.data - (-(-entries * _SLOT // sector) * sector if layout.bits != 32 else 0)
                self.block_size, self.size = layout.unit, layout.size
        except (struct.error, IndexError, ZeroDivisionError) as error:
            raise CorruptStructureError("boot sector of FAT makes no sense") from error
        self._facts = ExfatFacts(stream, 0)
        super().__init__(stream, pyfsfat.volume, self.name, min(self.size, MAX_SIZE))
        with translated(self.file, self.name):
            self._root = self.volume.get_root_directory()

    def find(self, number: int) -> Any:
        """The file entry of a slot."""
        if number == self.root:
            return self._root
        if self._exfat:
            return self._find_exfat(number)
        return self.volume.get_file_entry_by_identifier(self._first + (number - _FIRST_ADDRESS) * _SLOT)

    def hint(self, number: int, path: bytes) -> None:
        """Remember the path of an entry."""
        self._hint = (number, path)

    def _find_exfat(self, number: int) -> Any:
        """The file entry of a slot of exFAT: the library finds it by path only; directories are kept until listed."""
        found = self._directories.pop(number, None)
        if found is None and self._hint[0] == number:
            path = self._hint[1].decode("utf-8", "surrogatepass").replace("/", "\\")
            found = self.volume.get_file_entry_by_path(path)
            if found is not None and self.number_of(found) != number:
                raise ValueError("another entry stands under its path")
        return found

    def number_of(self, entry: Any) -> int:
        """The metadata address of the slot that a file entry stands in."""
        place, rest = divmod(int(entry.identifier) - self._first, _SLOT)
        if place < 0 or rest:
            raise ValueError(f"a directory slot at {entry.identifier}, outside the data")
        return int(place) + _FIRST_ADDRESS

    def describe(self, entry: Any, number: int) -> Node:
        """The node of a file entry."""
        if number == self.root:
            return Node(number, EntryType.DIRECTORY, 0, Times(zone_known=False))
        flags = int(entry.get_file_attribute_flags() or 0)
        is_directory = bool(flags & _DIRECTORY)
        if is_directory and self._exfat:
            self._directories[number] = entry
        size = 0 if is_directory else int(entry.size or 0)
        return Node(number, EntryType.DIRECTORY if is_directory else EntryType.FILE, size, self._times(number))

    def _times(self, number: int) -> Times:
        """Times of a slot; local time of an unknown zone unless exFAT states one."""
        try:
            zoned = self._facts.times(number) if self._exfat else None
            slot = self.stream.read_at(self._first + (number - _FIRST_ADDRESS) * _SLOT, _SLOT)
        except EvidenceError:
            return Times(zone_known=False)
        if zoned is not None or len(slot) < _SLOT:
            return zoned or Times(zone_known=False)
        if self._exfat:
            time_c, date_c, time_m, date_m, time_a, date_a, tenth_c, tenth_m = struct.unpack_from("<6HBB", slot, 8)
        else:
            tenth_c, time_c, date_c, date_a = struct.unpack_from("<BHHH", slot, 13)
            time_m, date_m = struct.unpack_from("<HH", slot, 22)
            time_a = tenth_m = 0
        return Times(
            _local(date_m, time_m, tenth_m),
            _local(date_a, time_a, 0),
            None,
            _local(date_c, time_c, tenth_c),
            zone_known=False,
        )

    def free(self) -> Iterable[tuple[int, int]]:
        """Free clusters by the file allocation table, or the bitmap of exFAT."""
        return exfat(self.stream, None) if self._exfat else fat(self.stream, None)


def _local(date: int, time: int, hundredths: int) -> int | None:
    """A stamp as nanoseconds since 1970, read as if it were UTC; None where it is none."""
    day, month, year = date & 31, date >> 5 & 15, 1980 + (date >> 9)
    second, minute, hour = (time & 31) * 2, time >> 5 & 63, time >> 11
    if not (1 <= day <= 31 and 1 <= month <= 12 and second < 60 and minute < 60 and hour < 24):
        return None
    whole = calendar.timegm((year, month, day, hour, minute, second)) * 1_000_000_000
    return whole + (hundredths * 10_000_000 if hundredths < 200 else 0)
