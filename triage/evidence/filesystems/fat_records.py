"""FAT and exFAT read beside The Sleuth Kit: names that it leaves out without a word, and tables that differ.

The library drops a directory record whose size or first cluster it finds impossible, and with it the file. Here the
directories are read once more, and whatever is in use and was not listed is told. Nothing is opened by this module.

Source: Microsoft "FAT: General Overview of On-Disk Format" (sections on the boot sector, the table and directory
structure) and "exFAT file system specification" (sections 3.1, 4.1, 6 and 7); TSK ``tsk/fs/tsk_fatfs.h`` for how a
metadata address counts the slots of 32 bytes.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError
from triage.model.stream import Stream

SLOT = 32
FIRST_ADDRESS = 3  # 0 and 1 are unused, 2 is the root directory
MAX_DIRECTORIES = 200_000
"""Directories that are read."""
MAX_CLUSTERS = 4096
"""Clusters of one directory: FAT allows 2 MiB, exFAT 256 MiB."""
_PIECE = 1 << 20
_LABEL, _DIRECTORY, _LONG = 0x08, 0x10, 0x0F


@dataclass(frozen=True, slots=True)
class Record:
    """A directory record in use.

    Attributes:
        address: Metadata address as the library counts.
        name: As UTF-8; of FAT the short one.
        size: Bytes that it claims.
        cluster: Where its content begins.
        is_directory: It is one.
        is_plain: exFAT: its clusters follow one another, without the table.
        sum_holds: exFAT: the checksum of the set is right.
    """

    address: int
    name: bytes
    size: int
    cluster: int
    is_directory: bool
    is_plain: bool = False
    sum_holds: bool = True


class FatRecords:
    """Reads one file system.

    Args:
        stream: Bytes of the volume.
        name: ``fat12``, ``fat16``, ``fat32`` or ``exfat``.

    Raises:
        CorruptStructureError: The boot sector does not hold.
    """

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream = stream
        self._bits = 32 if name == "exfat" else int(name.removeprefix("fat"))
        self._is_exfat = name == "exfat"
        boot = stream.read_at(0, 512)
        if len(boot) < 512:
            raise CorruptStructureError(f"{name}: no boot sector")
        self._exfat(boot) if self._is_exfat else self._fat(boot)
        if self.sector not in (512, 1024, 2048, 4096) or not 0 < self.cluster <= 1 << 25 or self.cluster % self.sector:
            raise CorruptStructureError(f"{name}: sectors of {self.sector}, clusters of {self.cluster} bytes")
        self._table: tuple[int, bytes] = (-1, b"")

    def _fat(self, boot: bytes) -> None:
        self.sector, per_cluster, reserved, self.tables, entries = struct.unpack_from("<HBHBH", boot, 11)
        (short,) = struct.unpack_from("<H", boot, 22)
        long, flags, root = struct.unpack_from("<IHxxI", boot, 36)
        self.cluster = self.sector * per_cluster
        self.table_at = reserved * self.sector
        self.table_bytes = (short or long) * self.sector
        self.is_mirrored = self._bits != 32 or not flags & 0x80
        self._root_at = self.table_at + self.tables * self.table_bytes
        self._root_bytes = entries * SLOT
        self._root = root if self._bits == 32 else 0
        self._heap = self._root_at + -(-self._root_bytes // max(1, self.sector)) * self.sector
        self._slots_at = self._heap if self._bits == 32 else self._root_at

    def _exfat(self, boot: bytes) -> None:
        table, length, heap, _, self._root = struct.unpack_from("<5I", boot, 80)
        shift, cluster_shift, self.tables = boot[108], boot[109], boot[110]
        self.sector = 1 << shift if 9 <= shift <= 12 else 0
        self.cluster = self.sector << min(cluster_shift, 25)
        self.table_at, self.table_bytes = table * self.sector, length * self.sector
        self.is_mirrored = False
        self._heap = self._slots_at = heap * self.sector
        self._root_at = self._root_bytes = 0

    # --- tables -------------------------------------------------------------------------------------------------
    def differing(self) -> int:
        """Bytes in which the second table differs from the first; 0 where there is one, or only one is kept.

        Raises:
            EvidenceError: They cannot be read.
        """
        if self.tables < 2 or not self.is_mirrored:
            return 0
        count = 0
        for at in range(0, min(self.table_bytes, self._stream.size), _PIECE):
            length = min(_PIECE, self.table_bytes - at)
            first = self._stream.read_at(self.table_at + at, length)
            second = self._stream.read_at(self.table_at + self.table_bytes + at, length)
            if first != second:
                count += sum(one != other for one, other in zip(first, second, strict=False))
        return count

    def _next(self, cluster: int) -> int:
        """The cluster behind one, 0 at the end of a chain or where the table does not hold."""
        if self._bits == 12:
            at = cluster * 3 // 2
            value = int.from_bytes(self._entry(at, 2), "little")
            value = value >> 4 if cluster % 2 else value & 0xFFF
            return value if value < 0xFF7 else 0
        width = self._bits // 8
        value = int.from_bytes(self._entry(cluster * width, width), "little")
        if self._bits == 32 and not self._is_exfat:
            value &= 0x0FFFFFFF
        most = {16: 0xFFF7, 32: 0xFFFFFFF7 if self._is_exfat else 0x0FFFFFF7}[self._bits]
        return value if value < most else 0

    def _entry(self, at: int, width: int) -> bytes:
        """Bytes of the table; a piece of it is kept."""
        piece = at // _PIECE
        if self._table[0] != piece:
            self._table = (piece, self._stream.read_at(self.table_at + piece * _PIECE, _PIECE + 4))
        inside = at - piece * _PIECE
        return self._table[1][inside : inside + width] if at + width <= self.table_bytes else b""

    # --- directories --------------------------------------------------------------------------------------------
    def records(self) -> Iterator[tuple[bytes, Record]]:
        """Every record in use with the path of its directory; each directory once, what cannot be read left out."""
        seen: set[int] = set()
        todo: list[tuple[bytes, Record | None]] = [(b"", None)]
        while todo and len(seen) < MAX_DIRECTORIES:
            path, folder = todo.pop()
            for record in self._directory(folder):
                yield path, record
                if record.is_directory and record.cluster >= 2 and record.cluster not in seen:
                    seen.add(record.cluster)
                    todo.append((path + b"/" + record.name, record))

    def _directory(self, folder: Record | None) -> Iterator[Record]:
        places, data = array("Q"), bytearray()
        for place, length in self._places(folder):
            try:
                piece = self._stream.read_at(place, length)
            except EvidenceError:
                piece = b""
            places.append(place)
            data += piece.ljust(length, b"\0")
            if self._is_end(piece):
                break
        unit = self._root_bytes if folder is None and self._root_bytes and self._bits != 32 else self.cluster
        parse = self._exfat_set if self._is_exfat else self._fat_slot
        at = 0
        while at + SLOT <= len(data) and data[at]:
            address = (places[at // unit] + at % unit - self._slots_at) // SLOT + FIRST_ADDRESS
            found, step = parse(data, at, address)
            if found is not None:
                yield found
            at += step

    def _is_end(self, piece: bytes) -> bool:
        """A cluster with the slot that ends a directory."""
        return any(not piece[at] for at in range(0, len(piece), SLOT))

    def _places(self, folder: Record | None) -> Iterator[tuple[int, int]]:
        """Where a directory lies; None is the root."""
        if folder is None and self._bits != 32:
            yield self._root_at, self._root_bytes
            return
        cluster = self._root if folder is None else folder.cluster
        seen: set[int] = set()
        while cluster >= 2 and cluster not in seen and len(seen) < MAX_CLUSTERS:
            seen.add(cluster)
            place = self._heap + (cluster - 2) * self.cluster
            if place + SLOT > self._stream.size:
                return
            yield place, self.cluster
            if folder is not None and folder.is_plain:
                cluster = cluster + 1 if len(seen) * self.cluster < folder.size else 0
            else:
                cluster = self._next(cluster)

    def _fat_slot(self, data: bytearray, at: int, address: int) -> tuple[Record | None, int]:
        slot = bytes(data[at : at + SLOT])
        attributes = slot[11]
        if slot[0] in b"\xe5." or attributes & _LABEL or attributes == _LONG:
            return None, SLOT
        high, low, size = struct.unpack_from("<H4xHI", slot, 20)
        stem, extension = slot[:8].rstrip(b" "), slot[8:11].rstrip(b" ")
        name = stem + (b"." + extension if extension else b"")
        cluster = low | (high << 16 if self._bits == 32 else 0)
        return Record(address, name, size, cluster, bool(attributes & _DIRECTORY)), SLOT

    def _exfat_set(self, data: bytearray, at: int, address: int) -> tuple[Record | None, int]:
        if data[at] != 0x85 or data[at + SLOT : at + SLOT + 1] != b"\xc0":
            return None, SLOT
        count = data[at + 1]
        if not count:
            return None, SLOT
        whole = bytes(data[at : at + SLOT * (1 + count)])
        flags, length = whole[SLOT + 1], whole[SLOT + 3]
        cluster, size = struct.unpack_from("<IQ", whole, SLOT + 20)
        units = b"".join(whole[place + 2 : place + SLOT] for place in range(2 * SLOT, len(whole), SLOT))[: 2 * length]
        name = units.decode("utf-16-le", "replace").encode()
        holds = _set_sum(whole) == int.from_bytes(whole[2:4], "little")
        is_directory = bool(whole[4] & _DIRECTORY)
        return Record(address, name, size, cluster, is_directory, bool(flags & 2), holds), len(whole)


def _set_sum(data: bytes) -> int:
    """Checksum of a set of directory entries."""
    total = 0
    for index, value in enumerate(data):
        if index not in (2, 3):
            total = ((total & 1) << 15) + (total >> 1) + value & 0xFFFF
    return total
