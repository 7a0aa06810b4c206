"""Directories: all names of one, in stored order, then names that were deleted and still stand there.

Source: "XFS Algorithms & Data Structures", chapter "Directories". Only the blocks with names are read; the hashed
index that larger directories have beside them says nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError, LimitExceededError
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.xfs import checksum, inode
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.evidence.filesystems.xfs.dir_block import Record, Records, parse_block, parse_short
from triage.evidence.filesystems.xfs.extents import ExtentReader, ForkMap
from triage.evidence.filesystems.xfs.inode import Inode
from triage.model.byte_run import ByteRun

NAMES_END = 1 << 35
"""Bytes of a directory that hold names; the index lies behind."""
PIECE = 1 << 20
"""Bytes that are read at once."""
MAX_KEPT = 1 << 20
"""Names that are kept to tell whether a deleted one is only an older copy of one that is there."""
MAX_DELETED = 1 << 16
"""Deleted names that are kept of one directory."""

_SINGLE = (b"XD2B", b"XDB3")
_DATA = (b"XD2D", b"XDD3")
_HEADER, _HEADER_CRC = 16, 64
_CRC_FIELD, _PLACE_FIELD, _OWNER_FIELD = 4, 8, 40


class DirectoryReader:
    """Reads directories.

    Args:
        blocks: The volume.
        extents: Reads maps of forks.
    """

    def __init__(self, blocks: Blocks, extents: ExtentReader) -> None:
        self._blocks = blocks
        self._geometry = blocks.geometry
        self._extents = extents

    def is_directory(self, found: Inode, where: ForkMap) -> bool:
        """True where the content of a deleted inode begins with a block of names of its own."""
        modern = self._geometry.has_checksums
        if not where.runs or where.runs[0].file_offset or where.runs[0].fs_offset < 0:
            return False
        try:
            head = self._blocks.stream.read_at(where.runs[0].fs_offset, _HEADER_CRC)
        except EvidenceError:
            return False
        own = not modern or int.from_bytes(head[_OWNER_FIELD : _OWNER_FIELD + 8], "big") == found.number
        return own and head[:4] in (_SINGLE[modern], _DATA[modern])

    def names(self, found: Inode, where: ForkMap | None = None) -> Iterator[tuple[Record, bool] | EvidenceError]:
        """Names with whether they are in use; an error for each part that does not hold.

        Args:
            found: Inode of the directory.
            where: Where the blocks of one that was deleted were.

        Raises:
            EvidenceError: The directory cannot be read.
        """
        kept: set[int] = set()
        deleted: dict[tuple[bytes, int], Record] = {}
        for part in self._parts(found, where):
            if isinstance(part, EvidenceError):
                yield part
                continue
            for record in part.live:
                if record.name in (b".", b".."):
                    continue
                if len(kept) < MAX_KEPT:
                    kept.add(hash((record.name, record.number)))
                if b"/" in record.name or b"\0" in record.name:
                    shown = record.name.replace(b"/", b"\\x2f").replace(b"\0", b"\\x00")
                    yield CorruptStructureError(f"a name that cannot be one leads to inode {record.number}")
                    record = Record(shown, record.number, record.kind)
                yield record, True
            for record in part.deleted:
                if len(deleted) < MAX_DELETED and self._geometry.inode_offset(record.number) > 0:
                    deleted.setdefault((record.name, record.number), record)
            for message in part.errors:
                yield CorruptStructureError(f"directory with inode {found.number}: {message}")
        for key, record in deleted.items():
            if hash(key) not in kept:
                yield record, False

    def _parts(self, found: Inode, where: ForkMap | None) -> Iterator[Records | EvidenceError]:
        if where is not None and where.runs:
            yield from self._blocks_of_names(found, where)
            return
        if found.format == inode.LOCAL:
            yield parse_short(found.fork, found.size, self._geometry.has_file_types)
            return
        if not found.mode:  # a directory that was deleted was in the short form before
            records = parse_short(found.fork, 6, self._geometry.has_file_types)
            records.errors.clear()
            yield records
            return
        where = self._extents.fork(found.format, found.fork, found.extents, found.number)
        for note in where.notes:
            yield CorruptStructureError(f"directory with inode {found.number}: {note}")
        for bad in where.bad:
            if bad.start < NAMES_END:
                yield CorruptStructureError(f"directory with inode {found.number}: {bad.message}")
        yield from self._blocks_of_names(found, where)

    def _blocks_of_names(self, found: Inode, where: ForkMap) -> Iterator[Records | EvidenceError]:
        size = self._geometry.directory_block
        stream = RunStream(self._blocks.stream, where.runs, NAMES_END)
        piece = max(size, PIECE)
        for start, end in self._ranges(where):
            for offset in range(start, end, piece):
                length = min(piece, end - offset)
                if not self._blocks.spend(length):
                    raise LimitExceededError("directories share their blocks, so that listing them would not end")
                try:
                    data = stream.read_at(offset, length)
                except EvidenceError as error:
                    yield error
                    data = getattr(error, "partial", b"")
                for place in range(0, len(data) - size + 1, size):
                    yield from self._block(found, data[place : place + size], offset + place)

    def _ranges(self, where: ForkMap) -> Iterator[tuple[int, int]]:
        """Parts of the directory with names, in whole blocks of a directory; no place of the volume is read twice."""
        size = self._geometry.directory_block
        taken = self._once(where.runs)
        start = end = -1
        for run in taken:
            first = run.file_offset // size * size
            last = min(NAMES_END, -(-(run.file_offset + run.length) // size) * size)
            if first > end:
                if end > start:
                    yield start, end
                start = first
            start, end = (start if start >= 0 else first), max(end, last)
        if end > start >= 0:
            yield start, end

    @staticmethod
    def _once(runs: list[ByteRun]) -> list[ByteRun]:
        """Runs with names, without those that lie where another one does: a directory cannot hold a block twice."""
        here = [run for run in runs if run.fs_offset >= 0 and run.file_offset < NAMES_END]
        out, end = [], 0
        for run in sorted(here, key=lambda run: run.fs_offset):
            if run.fs_offset >= end:
                out.append(run)
                end = run.fs_offset + run.length
        return sorted(out, key=lambda run: run.file_offset)

    def _block(self, found: Inode, data: bytes, offset: int) -> Iterator[Records | EvidenceError]:
        modern = self._geometry.has_checksums
        head = _HEADER_CRC if modern else _HEADER
        end = len(data)
        what = f"directory with inode {found.number}: the block at byte {offset}"
        magic = data[:4]
        if magic == _SINGLE[modern]:
            count = int.from_bytes(data[-8:-4], "big")
            if count * 8 + 8 <= end - head:
                end -= count * 8 + 8
            else:
                yield CorruptStructureError(f"{what} has an index that does not fit")
        elif magic != _DATA[modern]:
            if not data.strip(b"\0"):
                return
            yield CorruptStructureError(f"{what} does not begin like one")
        if modern and magic in (_SINGLE[1], _DATA[1]):
            if int.from_bytes(data[_OWNER_FIELD : _OWNER_FIELD + 8], "big") != found.number:
                yield CorruptStructureError(f"{what} belongs to another directory, its names are listed all the same")
            elif not checksum.holds(data, _CRC_FIELD):
                yield CorruptStructureError(f"{what} has a wrong checksum, its names are listed as they stand")
        yield parse_block(data, head, end, self._geometry.has_file_types, found.number)
