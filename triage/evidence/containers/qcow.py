"""QCOW virtual disks of qemu, versions 1 to 3, with backing files and an external data file.

Clusters are found by two levels of tables. Compressed clusters (deflate, zstd), zero clusters and subclusters
(extended L2 entries) are read. A backing file is opened only where it lies beside the image. Internal snapshots are
named as not examined; encrypted clusters are refused.

Source: qemu ``docs/interop/qcow2.txt``.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

from triage.errors import UnsupportedFormatError
from triage.evidence.containers.beside import Beside, Nowhere
from triage.evidence.containers.entry_table import EntryTable
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.mapped_container import DiskContainer, mapped, open_any, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, damaged, inherited, zeros
from triage.evidence.containers.qcow_header import MAGIC, QcowHeader, read_header
from triage.evidence.interface import Container
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/qcow"
_OFFSET = 0x00FFFFFFFFFFFE00
_COMPRESSED = 1 << 62
_RAW_FORMATS = frozenset({"raw", "file", "host_device"})


class QcowMap:
    """The clusters of a QCOW image; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The image.
        header: Its header.
        data: The external data file, None where the clusters are in the image.
        parent: The media of the backing file.
    """

    def __init__(self, stream: Stream, header: QcowHeader, data: Stream | None, parent: Stream | None) -> None:
        self.size = header.size
        self.parent = parent
        self._header = header
        self._stream = stream
        self._data = data
        self._table = EntryTable(stream, ">Q")
        self._cluster = 1 << header.cluster_bits
        self._span = header.cluster_bits + header.l2_bits

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        header = self._header
        first = self._table.get(header.l1_offset, offset >> self._span)
        left = (1 << self._span) - (offset & ((1 << self._span) - 1))
        if first < 0:
            return damaged(left, "the first table lies behind the end of the file")
        table = first & _OFFSET if header.version > 1 else first
        if not table:
            return inherited(left)
        index = (offset >> header.cluster_bits) & ((1 << header.l2_bits) - 1)
        entry = self._table.get(table, index * 2 if header.extended else index)
        inside = offset & (self._cluster - 1)
        left = self._cluster - inside
        if entry < 0:
            return damaged(left, "a table of clusters lies behind the end of the file")
        if header.version == 1:
            return self._old(entry, inside, left)
        if entry & _COMPRESSED:
            return Piece(Kind.PACKED, left, place=entry & (_COMPRESSED - 1), skip=inside)
        if header.extended:
            return self._subclusters(entry, self._table.get(table, index * 2 + 1), inside)
        if header.version > 2 and entry & 1:
            return zeros(left)
        place = entry & _OFFSET
        if not place and not (self._data is not None and entry >> 63):
            return inherited(left)
        return Piece(Kind.STORED, left, self._data or self._stream, place + inside)

    def _old(self, entry: int, inside: int, left: int) -> Piece:
        if not entry:
            return inherited(left)
        if entry >> 63:
            return Piece(Kind.PACKED, left, place=entry & ((1 << 63) - 1), skip=inside)
        return Piece(Kind.STORED, left, self._stream, entry + inside)

    def _subclusters(self, entry: int, bitmap: int, inside: int) -> Piece:
        """A run of subclusters of one state; 32 make a cluster."""
        width = self._cluster >> 5
        number = inside // width
        left = width - inside % width
        if bitmap < 0:
            return damaged(left, "a table of clusters lies behind the end of the file")
        state = (bitmap >> number) & 1, (bitmap >> (32 + number)) & 1
        while number + 1 < 32 and ((bitmap >> (number + 1)) & 1, (bitmap >> (33 + number)) & 1) == state:
            number += 1
            left += width
        if state == (0, 0):
            return inherited(left)
        if state == (0, 1):
            return zeros(left)
        if state == (1, 1):
            return damaged(left, "a subcluster is marked both as stored and as zeros")
        return Piece(Kind.STORED, left, self._data or self._stream, (entry & _OFFSET) + inside)

    def unpack(self, key: int) -> bytes:
        """A decompressed cluster."""
        bits = self._header.cluster_bits
        if self._header.version == 1:
            place, length = key & ((1 << (63 - bits)) - 1), key >> (63 - bits)
        else:
            shift = 62 - (bits - 8)
            place = key & ((1 << shift) - 1)
            length = ((key >> shift) + 1) * 512 - (place & 511)
        stored = self._stream.read_at(place, min(length, 2 * self._cluster))
        if not stored:
            raise ValueError("a compressed cluster lies behind the end of the file")
        if self._header.zstd:
            return self._zstd(stored)
        machine = zlib.decompressobj(-15)
        try:
            data = machine.decompress(stored, self._cluster)
            gives_more = machine.decompress(machine.unconsumed_tail, 1) if not machine.eof else b""
        except zlib.error as error:
            raise ValueError("a compressed cluster is damaged") from error
        if gives_more:
            raise ValueError("a compressed cluster is damaged: it gives more than a cluster")
        return data

    def _zstd(self, stored: bytes) -> bytes:
        import zstandard

        machine = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        try:
            with machine.stream_reader(BytesIO(stored), read_across_frames=False) as reader:
                return bytes(reader.read(self._cluster))
        except (zstandard.ZstdError, MemoryError) as error:
            raise ValueError("a compressed cluster is damaged") from error


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the signature of QCOW."""
    del stream
    return head.startswith(MAGIC)


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature of QCOW."""
    return len(paths) == 1 and head.startswith(MAGIC)


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """A QCOW image with its backing files.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: A version or feature that is not read, or a backing file that is not beside the image.
        EncryptedVolumeError: The clusters are encrypted.
        CorruptStructureError: The header does not hold, or the chain of backing files loops.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """A QCOW image in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Where the backing file is looked for.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    beside = beside or Nowhere()
    header = read_header(stream)
    if header.zstd:
        _require_zstd()
    parents: tuple[Container, ...] = ()
    if header.backing:
        found = beside.find(header.backing, "backing file")
        parents = (open_any(found, name, raw=header.backing_format in _RAW_FORMATS),)
    data = beside.find(header.data_file, "external data file").stream if header.data_file is not None else None
    block_map = QcowMap(stream, header, data, parents[0].media if parents else None)
    return mapped("qcow", block_map, name, _details(header), _problems(header, name), parents)


def _require_zstd() -> None:
    try:
        import zstandard  # noqa: F401
    except ImportError as error:
        raise UnsupportedFormatError(
            "QCOW image with zstd compression needs zstandard, which is not installed",
            hint="install zstandard, or convert the image to raw",
        ) from error


def _details(header: QcowHeader) -> dict[str, str]:
    return {
        "format": f"qcow version {header.version}",
        "cluster_size": str(1 << header.cluster_bits),
        "backing_file": printable(header.backing),
        "data_file": printable(header.data_file or ""),
        "snapshots": "; ".join(header.snapshots),
    }


def _problems(header: QcowHeader, name: str) -> tuple[Problem, ...]:
    problems = []
    if header.snapshot_count:
        message = f"{header.snapshot_count} internal snapshots are not examined: {'; '.join(header.snapshots[:5])}"
        hint = "make an image of each with `qemu-img convert -l NAME` and hand them in as well"
        problems.append(Problem(name, STAGE, Reason.UNSUPPORTED, message, hint))
    if header.corrupt:
        message = "the image is marked as damaged by the program that wrote it"
        problems.append(Problem(name, STAGE, Reason.CORRUPT, message, "compare with another copy of the image"))
    return tuple(problems)
