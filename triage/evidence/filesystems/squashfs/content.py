"""Content of files: data blocks one after the other, and the last part in a fragment block."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.cut_stream import PieceCache, PieceStream
from triage.evidence.filesystems.squashfs.inode import NO_FRAGMENT, Inode
from triage.evidence.filesystems.squashfs.metadata import Metadata
from triage.evidence.filesystems.squashfs.superblock import Decompress, Superblock
from triage.model.byte_run import ByteRun
from triage.model.stream import Stream

STORED = 1 << 24
_SIZE = STORED - 1


class Contents:
    """Opens the content of files.

    Args:
        reader: Bytes of the volume.
        metadata: Its metadata blocks.
        superblock: Where the tables lie.
        decompress: The algorithm of the file system.
    """

    def __init__(self, reader: BlockReader, metadata: Metadata, superblock: Superblock, decompress: Decompress) -> None:
        self._reader = reader
        self._metadata = metadata
        self._superblock = superblock
        self._decompress = decompress
        self._cache = PieceCache()

    def open(self, inode: Inode) -> Stream | tuple[ByteRun, ...]:
        """Runs where nothing is compressed, else a stream.

        Raises:
            EvidenceError: The fragment table does not hold.
        """
        sizes = inode.sizes if inode.sizes is not None else array("I")
        fragment = self._fragment(inode.fragment) if inode.fragment != NO_FRAGMENT else None
        runs = self._runs(inode, sizes, fragment)
        return runs if runs is not None else self._stream(inode, sizes, fragment)

    def _fragment(self, number: int) -> tuple[int, int] | EvidenceError:
        """Place and stored size of a fragment block, or what is wrong with it."""
        try:
            if number >= self._superblock.fragments:
                raise CorruptStructureError(f"there is no fragment block {number}")
            place, size, _ = struct.unpack("<QII", self._metadata.table(self._superblock.fragment_table, number, 16))
        except EvidenceError as error:
            return error
        return place, size

    def _runs(
        self, inode: Inode, sizes: array[int], fragment: tuple[int, int] | EvidenceError | None
    ) -> tuple[ByteRun, ...] | None:
        """Where the content lies, None where a part of it is compressed or does not hold."""
        block_size = self._superblock.block_size
        last = len(sizes) - 1
        runs: list[ByteRun] = []
        place = inode.start
        for index, size in enumerate(sizes):
            want = min(block_size, inode.size - index * block_size)
            if size and (not size & STORED or size & _SIZE < want or (index < last and size & _SIZE != block_size)):
                return None
            if size:
                runs.append(ByteRun(index * block_size, place, -1, want))
            place += size & _SIZE
        if fragment is not None:
            if isinstance(fragment, EvidenceError) or not fragment[1] & STORED:
                return None
            begin = len(sizes) * block_size
            if inode.offset + inode.size - begin > fragment[1] & _SIZE:
                return None
            runs.append(ByteRun(begin, fragment[0] + inode.offset, -1, inode.size - begin))
        return tuple(run for run in runs if run.length > 0)

    def _stream(self, inode: Inode, sizes: array[int], fragment: tuple[int, int] | EvidenceError | None) -> PieceStream:
        block_size = self._superblock.block_size
        places = array("Q", [inode.start])
        for size in sizes:
            places.append(min(places[-1] + (size & _SIZE), (1 << 64) - 1))

        def piece(index: int) -> bytes:
            if index < len(sizes):
                want = min(block_size, inode.size - index * block_size)
                return self._block(places[index], sizes[index]) if sizes[index] else bytes(want)
            if isinstance(fragment, EvidenceError):
                raise fragment
            if fragment is None:
                raise CorruptStructureError(f"inode {inode.number} has no block {index}")
            return self._block(*fragment)[inode.offset : inode.offset + block_size]

        def stored() -> Iterator[tuple[int, int]]:
            yield from ((place, size & _SIZE) for place, size in zip(places, sizes, strict=False))
            if isinstance(fragment, tuple):
                yield fragment[0], fragment[1] & _SIZE

        return PieceStream(inode.size, block_size, piece, stored)

    def _block(self, place: int, size: int) -> bytes:
        """One data or fragment block."""
        return self._cache.get(place << 32 | size, lambda: self._unpack(place, size))

    def _unpack(self, place: int, size: int) -> bytes:
        length = size & _SIZE
        if not 0 < length <= self._superblock.block_size:
            raise CorruptStructureError(f"the data block at {place} claims {length} bytes")
        raw = self._reader.bytes_at(place, length)
        return raw if size & STORED else self._decompress(raw, self._superblock.block_size)
