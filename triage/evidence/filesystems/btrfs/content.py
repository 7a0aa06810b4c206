"""Contents of Btrfs: runs where the bytes lie as they are, a stream where they do not.

Source: "On-disk format" of the Btrfs documentation (file extents, inline extents, holes, preallocation).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, ReadFailedError
from triage.evidence.filesystems.btrfs import compression, items
from triage.evidence.filesystems.btrfs.chunks import ChunkMap
from triage.evidence.filesystems.btrfs.items import Extent
from triage.evidence.filesystems.btrfs.search import Searcher
from triage.evidence.filesystems.btrfs.superblock import Pointer
from triage.model.byte_run import ByteRun
from triage.model.stream import Stream

MAX_RUNS = 200_000
"""Runs of one content that are held; one with more is a stream that looks them up."""
MAX_STORED = 1 << 20
"""Bytes of a compressed extent as stored; the format has 128 KiB."""
MAX_CACHED = 16 << 20
"""Bytes of decoded extents that are kept."""
_WINDOW = 2048
"""Extents that a stream holds at a time."""
_PIECE = 1 << 20


class ExtentReader:
    """Reads extents of one file system.

    Args:
        volume: The joined devices.
        chunks: Where logical addresses lie.
        searcher: For extents of an inode.
        sector_size: Bytes in a data unit.
    """

    def __init__(self, volume: Stream, chunks: ChunkMap, searcher: Searcher, sector_size: int) -> None:
        self._volume = volume
        self._chunks = chunks
        self._searcher = searcher
        self._sector_size = sector_size
        self._decoded: OrderedDict[tuple[int, int, int, int], bytes] = OrderedDict()
        self._held = 0

    def extents(self, root: Pointer, inode: int, start: int = 0) -> Iterator[Extent]:
        """Extents of an inode, ascending, from the one that holds a byte on.

        Raises:
            EvidenceError: A part of the tree does not hold.
        """
        low = (inode, items.EXTENT_DATA, 0)
        if start:
            low = (inode, items.EXTENT_DATA, self._before(root, inode, start))
        for found in self._searcher.items(root, low, (inode, items.EXTENT_DATA, items.MOST)):
            if isinstance(found, EvidenceError):
                raise found
            yield items.parse_extent(found[0][2], found[1])

    def _before(self, root: Pointer, inode: int, start: int) -> int:
        """Where the last extent that begins at or before a byte begins, 0 where there is none."""
        before = self._searcher.last_at_most(root, (inode, items.EXTENT_DATA, start))
        return before[2] if before is not None and before[:2] == (inode, items.EXTENT_DATA) else 0

    def runs(self, root: Pointer, inode: int) -> tuple[ByteRun, ...] | None:
        """Runs of a content in the joined devices, None where its bytes do not lie there as they are.

        Raises:
            EvidenceError: A part of the tree does not hold.
        """
        runs: list[ByteRun] = []
        for extent in self.extents(root, inode):
            if extent.kind == items.INLINE or extent.compression or extent.encryption:
                return None
            if extent.kind == items.PREALLOCATED or not extent.logical:
                continue
            position = extent.offset
            copy = self._whole_copy(extent)
            if copy < 0:
                return None
            for piece in self._chunks.pieces(extent.logical + extent.inside, extent.length, copy):
                _append(runs, position, piece.place, piece.length)
                position += piece.length
                if len(runs) > MAX_RUNS:
                    return None
        return tuple(runs)

    def _whole_copy(self, extent: Extent) -> int:
        """The first copy all of whose devices are there, -1 where none is or it lies in no chunk."""
        start = extent.logical + extent.inside
        try:
            for copy in range(self._chunks.copies(start)):
                for count, piece in enumerate(self._chunks.pieces(start, extent.length, copy)):
                    if piece.place < 0 or count > MAX_RUNS:
                        break
                else:
                    return copy
        except CorruptStructureError:
            return -1
        return -1

    def places(self, root: Pointer, inode: int) -> Iterator[tuple[int, int]]:
        """Where the extents of an inode are stored, as far as can be told: offset in the joined devices and length."""
        try:
            for extent in self.extents(root, inode):
                if extent.kind == items.INLINE or not extent.logical:
                    continue
                inside, length = (0, extent.stored) if extent.compression else (extent.inside, extent.length)
                start = extent.logical + inside
                for copy in range(self._chunks.copies(start)):
                    for piece in islice(self._chunks.pieces(start, length, copy), MAX_RUNS):
                        if piece.place >= 0:
                            yield piece.place, piece.length
        except EvidenceError:
            return

    def read(self, extent: Extent, offset: int, length: int) -> bytes:
        """Bytes of an extent.

        Args:
            extent: Which.
            offset: Bytes from its start in the file.
            length: Bytes wanted, not beyond its end.

        Raises:
            EncryptedVolumeError: It is encrypted.
            EvidenceError: It cannot be read.
        """
        if extent.encryption:
            raise EncryptedVolumeError("the extent is encrypted", hint="btrfs itself does not decrypt it either")
        if extent.kind == items.PREALLOCATED or (not extent.logical and extent.kind == items.REGULAR):
            return bytes(length)
        if not extent.compression:
            if extent.kind == items.INLINE:
                part = extent.data[offset : offset + length]
                return part + bytes(length - len(part))
            return self._plain(extent.logical + extent.inside + offset, length)
        start = extent.inside + offset
        part = self._decode(extent)[start : start + length]
        return part + bytes(length - len(part))

    def _plain(self, logical: int, length: int) -> bytes:
        """Stored bytes, from the first copy that can be read."""
        first: EvidenceError | None = None
        for copy in range(self._chunks.copies(logical)):
            try:
                return self._copy(logical, length, copy)
            except EvidenceError as error:
                first = first or error
        raise first or CorruptStructureError(f"no copy of the data at {logical}")

    def _copy(self, logical: int, length: int, copy: int) -> bytes:
        parts: list[bytes] = []
        for piece in self._chunks.pieces(logical, length, copy):
            if piece.place < 0:
                raise ReadFailedError(
                    f"the data at {logical} lie on device {piece.device}, which is not there",
                    hint="give all devices of the file system",
                    partial=b"".join(parts),
                )
            data = self._volume.read_at(piece.place, piece.length)
            parts.append(data)
            if len(data) < piece.length:
                raise ReadFailedError(
                    f"the data at {logical} lie beyond the end of the volume",
                    hint="the image may be cut short",
                    partial=b"".join(parts),
                )
        return b"".join(parts)

    def _decode(self, extent: Extent) -> bytes:
        if extent.kind == items.INLINE:
            return compression.decode(extent.compression, extent.data, extent.decoded, self._sector_size)
        if extent.stored > MAX_STORED:
            raise CorruptStructureError(f"a compressed extent of {extent.stored} bytes")
        key = (extent.logical, extent.stored, extent.compression, extent.decoded)
        known = self._decoded.get(key)
        if known is not None:
            self._decoded.move_to_end(key)
            return known
        data = self._decode_copies(extent)
        self._decoded[key] = data
        self._held += len(data)
        while self._held > MAX_CACHED:
            self._held -= len(self._decoded.popitem(last=False)[1])
        return data

    def _decode_copies(self, extent: Extent) -> bytes:
        first: EvidenceError | None = None
        for copy in range(self._chunks.copies(extent.logical)):
            try:
                data = self._copy(extent.logical, extent.stored, copy)
                return compression.decode(extent.compression, data, extent.decoded, self._sector_size)
            except EvidenceError as error:
                first = first or error
        raise first or CorruptStructureError(f"no copy of the data at {extent.logical}")


class ExtentStream:
    """A content by its extents, looked up as they are needed; holes are zeros.

    Args:
        reader: Reads extents.
        root: Tree of the inode.
        inode: Whose content.
        size: Bytes of it, as declared.
    """

    def __init__(self, reader: ExtentReader, root: Pointer, inode: int, size: int) -> None:
        self._reader = reader
        self._root = root
        self._inode = inode
        self._size = size
        self._window: list[Extent] = []
        self._starts: list[int] = []
        self._from = self._to = 0

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            EncryptedVolumeError: It is encrypted.
            ReadFailedError: With what could be read in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            try:
                part = self._part(offset, min(end - offset, _PIECE))
            except EncryptedVolumeError:
                raise
            except EvidenceError as error:
                partial = b"".join(parts) + (error.partial if isinstance(error, ReadFailedError) else b"")
                raise ReadFailedError(error.message, hint=error.hint, partial=partial) from error
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def places(self) -> Iterator[tuple[int, int]]:
        """Where the extents lie in the joined devices, every copy; see :meth:`ExtentReader.places`."""
        return self._reader.places(self._root, self._inode)

    def close(self) -> None:
        """Let go of the extents that are held."""
        self._window, self._starts, self._from, self._to = [], [], 0, 0

    def _part(self, offset: int, length: int) -> bytes:
        """Bytes from an offset on, at least one, not beyond the extent or hole there."""
        if not self._from <= offset < self._to:
            self._load(offset)
        index = bisect_right(self._starts, offset) - 1
        beyond = self._starts[index + 1] if index + 1 < len(self._starts) else self._to
        length = min(length, beyond - offset)
        if index < 0:
            return bytes(length)
        extent = self._window[index]
        inside = offset - extent.offset
        if inside >= extent.length:
            return bytes(length)
        return self._reader.read(extent, inside, min(length, extent.length - inside))

    def _load(self, offset: int) -> None:
        self._window = []
        self._from, self._to = offset, max(self._size, offset + 1)
        for extent in self._reader.extents(self._root, self._inode, offset):
            if len(self._window) == _WINDOW:
                self._to = max(extent.offset, offset + 1)
                break
            self._window.append(extent)
        self._starts = [extent.offset for extent in self._window]


def _append(runs: list[ByteRun], position: int, place: int, length: int) -> None:
    """Put a run behind others; one that goes on where the last one ends makes that longer."""
    if runs:
        last = runs[-1]
        if last.file_offset + last.length == position and last.fs_offset + last.length == place:
            runs[-1] = ByteRun(last.file_offset, last.fs_offset, -1, last.length + length)
            return
        if last.file_offset + last.length > position:
            raise CorruptStructureError("the extents of the file overlap")
    runs.append(ByteRun(position, place, -1, length))
