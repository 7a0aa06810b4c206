"""Sparse extents of a VMDK: grains found by a directory and tables.

Three forms: hosted (``KDMV``, also compressed and stream-optimised, where the header that counts stands at the end),
ESX (``COWD``) and space-efficient (SESPARSE). Grains that are not there come from the parent.

Sources: VMware, Virtual Disk Format 5.0, "Hosted Sparse Extents", "ESX Server Sparse Extents", "Stream-Optimized
Compressed Sparse Extents"; for SESPARSE the layout that qemu's reader documents.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.entry_table import EntryTable
from triage.evidence.containers.mapped_stream import Kind, Piece, damaged, inherited, zeros
from triage.evidence.whole_streams import decompress_whole
from triage.model.stream import Stream

HOSTED = b"KDMV"
ESX = b"COWD"
SESPARSE = (0xCAFEBABE).to_bytes(8, "little")
_AT_END = 0xFFFFFFFFFFFFFFFF
_ZERO_GRAINS, _PACKED, _MARKERS = 1 << 2, 1 << 16, 1 << 17
_MAX_GRAIN = 64 << 20


@dataclass(frozen=True, slots=True)
class SparseHeader:
    """What the header of a sparse extent states, in bytes.

    Attributes:
        size: Bytes of the media.
        grain: Bytes in a grain.
        directory: Where the grain directory begins.
        entries: Entries in a grain table.
        packed: Grains are compressed.
        zero_grains: Entry 1 stands for a grain of zeros.
        descriptor: Where the embedded descriptor begins, 0 where there is none.
        descriptor_length: Bytes of it.
        clean: Was closed properly.
    """

    size: int
    grain: int
    directory: int
    entries: int
    packed: bool = False
    zero_grains: bool = False
    descriptor: int = 0
    descriptor_length: int = 0
    clean: bool = True


def _corrupt(words: str) -> CorruptStructureError:
    return CorruptStructureError(f"damaged VMDK extent: {words}", hint="compare with another copy of the image")


def read_sparse_header(stream: Stream) -> SparseHeader:
    """The header of a hosted or ESX sparse extent.

    Raises:
        UnsupportedFormatError: A compression that is not read.
        CorruptStructureError: The numbers do not hold.
    """
    head = stream.read_at(0, 512)
    if len(head) < 512:
        raise _corrupt("the header is cut short")
    if head[:4] == ESX:
        _, _, sectors, grain, directory = struct.unpack_from("<5I", head, 4)
        return _checked(SparseHeader(sectors * 512, grain * 512, directory * 512, 4096))
    header = _hosted(head)
    if header.directory == _AT_END * 512:
        footer = stream.read_at(stream.size - 1024, 512)
        if footer[:4] != HOSTED or _hosted(footer).directory == _AT_END * 512:
            raise _corrupt("stream-optimised, and the footer with the grain directory is missing")
        last = _hosted(footer)
        header = SparseHeader(
            last.size, last.grain, last.directory, last.entries, header.packed, header.zero_grains,
            header.descriptor, header.descriptor_length,
        )  # fmt: skip
    return _checked(header)


def _hosted(head: bytes) -> SparseHeader:
    flags, capacity, grain, descriptor, length, entries = struct.unpack_from("<IQQQQI", head, 8)
    directory = int.from_bytes(head[56:64], "little")
    method = int.from_bytes(head[77:79], "little")
    packed = bool(flags & _PACKED)
    if packed and method not in (0, 1):
        raise UnsupportedFormatError(f"VMDK with compression method {method}, which is not read")
    return SparseHeader(
        capacity * 512, grain * 512, directory * 512, entries, packed, bool(flags & _ZERO_GRAINS),
        descriptor * 512, length * 512, clean=not head[72],
    )  # fmt: skip


def _checked(header: SparseHeader) -> SparseHeader:
    grain = header.grain
    if not 512 <= grain <= _MAX_GRAIN or grain & (grain - 1):
        raise _corrupt(f"grains of {grain} bytes")
    if not 1 <= header.entries <= 1 << 20:
        raise _corrupt(f"grain tables of {header.entries} entries")
    return header


class SparseExtent:
    """The grains of a hosted or ESX sparse extent.

    Args:
        stream: The extent.
        header: Its header.
    """

    def __init__(self, stream: Stream, header: SparseHeader) -> None:
        self._stream = stream
        self._header = header
        self._table = EntryTable(stream, "<I")
        self._span = header.grain * header.entries

    def piece(self, offset: int) -> Piece:
        """What lies at an offset of the extent."""
        header = self._header
        table = self._table.get(header.directory, offset // self._span)
        left = self._span - offset % self._span
        if table < 0:
            return damaged(left, "the grain directory lies behind the end of the file")
        if not table:
            return inherited(left)
        entry = self._table.get(table * 512, offset % self._span // header.grain)
        inside = offset % header.grain
        left = header.grain - inside
        if entry < 0:
            return damaged(left, "a grain table lies behind the end of the file")
        if not entry:
            return inherited(left)
        if entry == 1 and header.zero_grains:
            return zeros(left)
        if header.packed:
            return Piece(Kind.PACKED, left, place=entry * 512, skip=inside)
        return Piece(Kind.STORED, left, self._stream, entry * 512 + inside)

    def unpack(self, place: int) -> bytes:
        """A decompressed grain.

        Raises:
            ValueError: It does not decode.
        """
        head = self._stream.read_at(place, 12)
        length = int.from_bytes(head[8:12], "little")
        if len(head) < 12 or not 0 < length <= 2 * self._header.grain + 65536:
            raise ValueError("a compressed grain has no marker in front")
        try:
            stored = self._stream.read_at(place + 12, length)
            return decompress_whole(zlib.decompressobj(), stored, self._header.grain)
        except (zlib.error, EOFError) as error:
            raise ValueError("a compressed grain is damaged") from error


class SeSparseExtent:
    """The grains of a space-efficient sparse extent.

    Args:
        stream: The extent.

    Raises:
        CorruptStructureError: The header does not hold.
    """

    def __init__(self, stream: Stream) -> None:
        head = stream.read_at(0, 512)
        if len(head) < 512:
            raise _corrupt("the header is cut short")
        version, capacity, grain, table = struct.unpack_from("<4Q", head, 8)
        if version != 0x0000000200000001 or grain != 8 or table != 64:
            raise UnsupportedFormatError(
                f"SESPARSE version {version:#x}, grains of {grain} and tables of {table} sectors, which is not read"
            )
        self._directory, length, self._tables = (number * 512 for number in struct.unpack_from("<3Q", head, 128))
        self._grains = int.from_bytes(head[192:200], "little") * 512
        self.size = capacity * 512
        self._stream = stream
        self._table = EntryTable(stream, "<Q")
        if length // 8 < -(-self.size // (4096 * 4096)):
            raise _corrupt("the grain directory is shorter than the media ask for")

    def piece(self, offset: int) -> Piece:
        """What lies at an offset of the extent."""
        span = 4096 * 4096
        entry = self._table.get(self._directory, offset // span)
        left = span - offset % span
        if not entry:
            return inherited(left)
        if entry < 0 or entry >> 32 != 0x10000000:
            return damaged(left, "the grain directory holds an impossible entry")
        entry = self._table.get(self._tables + (entry & 0xFFFFFFFF) * 64 * 512, offset % span // 4096)
        inside = offset % 4096
        left = 4096 - inside
        kind = entry >> 60
        if not entry:
            return inherited(left)
        if kind in (1, 2):
            return zeros(left)
        if entry < 0 or kind != 3:
            return damaged(left, "a grain table holds an impossible entry")
        index = ((entry >> 48) & 0xFFF) | ((entry & 0xFFFFFFFFFFFF) << 12)
        return Piece(Kind.STORED, left, self._stream, self._grains + index * 4096 + inside)

    def unpack(self, place: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed grain at {place}")
