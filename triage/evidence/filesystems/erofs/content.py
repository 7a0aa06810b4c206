"""Contents: flat, with the end in the inode, in chunks, and compressed."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems.block_codecs import (
    decompress_lz4,
    decompress_micro_lzma,
    decompress_zlib,
    decompress_zstd,
)
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.cut_stream import CutStream, PieceCache
from triage.evidence.filesystems.erofs.index import Extent, read_extents
from triage.evidence.filesystems.erofs.inode import CHUNKS, INLINE, PLAIN, Inode, read_inode
from triage.evidence.filesystems.erofs.superblock import ZERO_PADDING, Superblock
from triage.evidence.filesystems.run_stream import RunStream
from triage.model.byte_run import ByteRun
from triage.model.stream import Stream

MAX_PACKED = 1 << 20
MAX_UNPACKED = 12 << 20
MAX_CHUNKS = 1 << 22
_NOWHERE = 0xFFFFFFFF


class Contents:
    """Opens the content of inodes.

    Args:
        reader: Bytes of the volume.
        superblock: Sizes and places.
    """

    def __init__(self, reader: BlockReader, superblock: Superblock) -> None:
        self._reader = reader
        self._superblock = superblock
        self._cache = PieceCache()
        self._packed: Stream | None = None
        self._opened: tuple[int, Stream | tuple[ByteRun, ...]] | None = None

    def stream(self, inode: Inode) -> Stream:
        """The content as a stream.

        Raises:
            EvidenceError: It cannot be read.
        """
        found = self.open(inode)
        return RunStream(self._reader.stream, found, inode.size) if isinstance(found, tuple) else found

    def open(self, inode: Inode) -> Stream | tuple[ByteRun, ...]:
        """Runs where nothing is compressed, else a stream; the last one is kept.

        Raises:
            EvidenceError: It cannot be read.
        """
        if self._opened is None or self._opened[0] != inode.number:
            self._opened = (inode.number, self._open(inode))
        return self._opened[1]

    def _open(self, inode: Inode) -> Stream | tuple[ByteRun, ...]:
        if inode.size == 0:
            return ()
        if inode.layout in (PLAIN, INLINE):
            return self._flat(inode)
        if inode.layout == CHUNKS:
            return self._chunks(inode)
        return ExtentStream(self, inode, read_extents(self._reader, self._superblock, inode))

    def _flat(self, inode: Inode) -> tuple[ByteRun, ...]:
        bits = self._superblock.block_bits
        begin = inode.union << bits
        if inode.layout == PLAIN:
            return (ByteRun(0, begin, -1, inode.size),)
        tail = ((inode.size - 1) >> bits) << bits
        last = ByteRun(tail, inode.body_at, -1, inode.size - tail)
        return (ByteRun(0, begin, -1, tail), last) if tail else (last,)

    def _chunks(self, inode: Inode) -> Stream | tuple[ByteRun, ...]:
        size = 1 << self._superblock.block_bits + (inode.union & 0x1F)
        has_indexes = bool(inode.union & 0x20)
        count = -(-inode.size // size)
        unit = 8 if has_indexes else 4
        if count > MAX_CHUNKS:
            raise CorruptStructureError(f"inode {inode.number} claims {inode.size} bytes in {count} chunks")
        table = self._reader.bytes_at((inode.body_at + unit - 1) // unit * unit, unit * count)
        runs: list[ByteRun] = []
        for index, (*device, block) in enumerate(struct.iter_unpack("<xxHI" if has_indexes else "<I", table)):
            if block == _NOWHERE:
                continue
            if any(device):
                error = UnsupportedFormatError(f"chunk {index} lies on device {device[0]}, which is not read")
                return CutStream(RunStream(self._reader.stream, runs, inode.size), index * size, error)
            begin = index * size
            length = min(size, inode.size - begin)
            place = block << self._superblock.block_bits
            last = runs[-1] if runs else ByteRun(-1, -1, -1, 0)
            if last.file_offset + last.length == begin and last.fs_offset + last.length == place:
                runs[-1] = ByteRun(last.file_offset, last.fs_offset, -1, last.length + length)
            else:
                runs.append(ByteRun(begin, place, -1, length))
        return tuple(runs)

    # --- compressed ---------------------------------------------------------------------------------------------
    def piece(self, inode: Inode, extent: Extent) -> bytes:
        """Unpacked bytes of an extent, not of a fragment.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        length = extent.end - extent.start
        if length > MAX_UNPACKED or not 0 < extent.length <= MAX_PACKED:
            raise CorruptStructureError(f"an extent of {length} bytes in {extent.length} does not hold")
        key = inode.number << 64 | extent.start
        return self._cache.get(key, lambda: self._unpack(extent, length))

    def _unpack(self, extent: Extent, length: int) -> bytes:
        raw = self._reader.bytes_at(extent.place, extent.length)
        if extent.algorithm < 0:
            if extent.is_rotated:
                skip = extent.start & (self._superblock.block_size - 1)
                raw = raw[skip:] + raw[:skip]
            data = raw[:length]
        else:
            data = self._decompress(extent.algorithm, raw, length)
        if len(data) < length:
            raise CorruptStructureError(f"an extent gives {len(data)} bytes of {length}")
        return data

    def _decompress(self, algorithm: int, raw: bytes, length: int) -> bytes:
        if algorithm == 0 and not self._superblock.features & ZERO_PADDING:
            return decompress_lz4(raw, length, cut=True)
        first = raw[: self._superblock.block_size]
        raw = raw[len(first) - len(first.lstrip(b"\0")) :]
        if algorithm == 0:
            try:
                return decompress_lz4(raw, length)
            except CorruptStructureError:
                return decompress_lz4(raw, length, cut=True)
        if algorithm == 1:
            return decompress_micro_lzma(raw, length, self._superblock.dictionary)
        if algorithm == 2:
            return decompress_zlib(raw, length, raw=True)
        if algorithm == 3:
            return decompress_zstd(raw, length)
        raise UnsupportedFormatError(f"compression {algorithm} is not read")

    def fragment(self, inode: Inode, offset: int, length: int) -> bytes:
        """Bytes of the packed inode.

        Raises:
            EvidenceError: There is none, or it does not hold.
        """
        if not self._superblock.packed or inode.number == self._superblock.packed:
            raise CorruptStructureError(f"inode {inode.number} refers to a packed inode that is not there")
        if self._packed is None:
            packed = read_inode(self._reader, self._superblock, self._superblock.packed)
            found = self._open(packed)
            self._packed = RunStream(self._reader.stream, found, packed.size) if isinstance(found, tuple) else found
        data = self._packed.read_at(offset, length)
        if len(data) < length:
            raise CorruptStructureError(f"inode {inode.number}: its end lies outside the packed inode")
        return data


class ExtentStream:
    """A compressed content.

    Args:
        contents: Unpacks.
        inode: Whose content it is.
        extents: Ascending, without gaps.
    """

    def __init__(self, contents: Contents, inode: Inode, extents: list[Extent]) -> None:
        self._contents = contents
        self._inode = inode
        self._extents = extents
        self._starts = [extent.start for extent in extents]

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self._inode.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: An extent cannot be unpacked; what lies before it is in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self.size:
            return b""
        end = min(self.size, offset + length)
        parts: list[bytes] = []
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            extent = self._extents[index]
            stop = min(end, extent.end)
            try:
                parts.append(self._part(extent, offset, stop))
            except EvidenceError as error:
                raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(parts)) from error
            offset = stop
            index += 1
        return b"".join(parts)

    def places(self) -> Iterator[tuple[int, int]]:
        """Where the packed extents lie in the volume, those in the packed inode left out."""
        return ((extent.place, extent.length) for extent in self._extents if extent.place >= 0)

    def _part(self, extent: Extent, offset: int, stop: int) -> bytes:
        if extent.place < 0:
            place = extent.fragment + offset - extent.start
            return self._contents.fragment(self._inode, place, stop - offset)
        return self._contents.piece(self._inode, extent)[offset - extent.start : stop - extent.start]

    def close(self) -> None:
        """Nothing to release."""
