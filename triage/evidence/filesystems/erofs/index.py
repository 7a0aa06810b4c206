"""The index of a compressed content: for each logical cluster where the compressed bytes begin that it is part of.

A head cluster begins an extent at an offset within it; clusters without a head go on with the one before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.erofs.inode import COMPRESSED_FULL, Inode
from triage.evidence.filesystems.erofs.superblock import Superblock

STORED, HEAD1, NO_HEAD, HEAD2 = range(4)
COMPACT_2B, BIG1, BIG2, INLINE_CLUSTER, INTERLACED, FRAGMENT = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_COUNT = 0x800
_PARTIAL = 0x8000
_HEADER_BYTES = 8
MAX_CLUSTERS = 1 << 22


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes of a content that are unpacked together.

    Attributes:
        start: First byte of the content.
        end: First byte after it.
        place: Where the packed bytes lie in the volume, -1 for a part of the packed inode.
        length: Packed bytes.
        algorithm: -1 stored, else 0 LZ4, 1 LZMA, 2 deflate, 3 zstd.
        is_rotated: Stored bytes lie where their offset in the content says, within the block.
        fragment: Offset in the packed inode.
    """

    start: int
    end: int
    place: int
    length: int
    algorithm: int
    is_rotated: bool = False
    fragment: int = 0


@dataclass(frozen=True, slots=True)
class _Header:
    """The map header: what holds for the whole content."""

    inline_size: int
    fragment: int
    advise: int
    algorithms: tuple[int, int]
    cluster_bits: int


@dataclass(slots=True)
class _Cluster:
    """One logical cluster as its index says."""

    kind: int
    offset: int = 0
    block: int = 0
    count: int = 0


def read_extents(reader: BlockReader, superblock: Superblock, inode: Inode) -> list[Extent]:
    """Extents of a compressed content, ascending.

    Raises:
        UnsupportedFormatError: Its index is of a kind that is not read.
        EvidenceError: It does not hold or cannot be read.
    """
    at = (inode.body_at + 7) // 8 * 8
    raw = reader.bytes_at(at, _HEADER_BYTES)
    (whole,) = struct.unpack("<Q", raw)
    if whole >> 63:
        return [Extent(0, inode.size, -1, 0, -1, fragment=whole ^ (1 << 63))]
    header = _header(raw, superblock)
    if header.advise & 1 and inode.layout == COMPRESSED_FULL:
        raise UnsupportedFormatError(f"inode {inode.number} is compressed by extents, which are not read")
    total = (inode.size + (1 << header.cluster_bits) - 1) >> header.cluster_bits
    if total > MAX_CLUSTERS:
        raise CorruptStructureError(f"inode {inode.number} claims {inode.size} bytes in {total} clusters")
    if inode.layout == COMPRESSED_FULL:
        start = at + _HEADER_BYTES + 8
        end = start + 8 * total
        clusters = _full(reader.bytes_at(start, 8 * total))
    else:
        start = at + _HEADER_BYTES
        clusters, end = _compact(reader, start, total, header)
    return _Joined(superblock, inode, header, end).extents(clusters)


def _header(raw: bytes, superblock: Superblock) -> _Header:
    fragment, advise, algorithms, bits = struct.unpack("<IHBB", raw)
    return _Header(
        fragment >> 16, fragment, advise, (algorithms & 15, algorithms >> 4), superblock.block_bits + (bits & 7)
    )


def _full(data: bytes) -> Iterator[_Cluster]:
    """Clusters of a full index: eight bytes each."""
    for advise, offset, value in struct.iter_unpack("<HHI", data):
        kind = advise & 3
        if kind == NO_HEAD:
            yield _Cluster(kind, count=value & 0x7FF if value & _COUNT else 0)
        else:
            yield _Cluster(kind, offset, value)


def _compact(reader: BlockReader, start: int, total: int, header: _Header) -> tuple[Iterator[_Cluster], int]:
    """Clusters of a compact index, and where it ends: packs of two in 8 bytes, or of sixteen in 32."""
    first = min(total, (32 - start % 32) // 4 & 7)
    middle = (total - first) // 16 * 16 if header.advise & COMPACT_2B else 0
    rest = total - first - middle
    if header.cluster_bits > 14 or (middle and header.cluster_bits > 12):
        raise UnsupportedFormatError(f"clusters of 2^{header.cluster_bits} bytes in a compact index are not read")
    pairs = (first + 1) // 2 * 8, middle // 16 * 32, (rest + 1) // 2 * 8
    data = reader.bytes_at(start, sum(pairs))

    def clusters() -> Iterator[_Cluster]:
        place = 0
        for count, length, pack, each in ((first, pairs[0], 8, 2), (middle, pairs[1], 32, 16), (rest, pairs[2], 8, 2)):
            left = count
            for begin in range(place, place + length, pack):
                found = _unpack(data[begin : begin + pack], each, header)
                yield from found[:left]
                left -= len(found)
            place += length

    return clusters(), start + sum(pairs)


def _unpack(pack: bytes, count: int, header: _Header) -> list[_Cluster]:
    """Clusters of one pack: a bit string of types and offsets, then the block before the first of them."""
    low_bits = max(header.cluster_bits, 12)
    each = (len(pack) - 4) * 8 // count
    bits = int.from_bytes(pack[:-4], "little")
    (base,) = struct.unpack_from("<I", pack, len(pack) - 4)
    is_big = bool(header.advise & BIG1)
    values = [(bits >> each * index) & ((1 << low_bits + 2) - 1) for index in range(count)]
    found: list[_Cluster] = []
    for index, value in enumerate(values):
        low, kind = value & ((1 << low_bits) - 1), value >> low_bits
        if kind == NO_HEAD:
            found.append(_Cluster(kind, count=low & (_COUNT - 1) if is_big and low & _COUNT else 0))
            continue
        blocks = _blocks_before(values[:index], low_bits, is_big)
        found.append(_Cluster(kind, low, (base + blocks) & 0xFFFFFFFF))
    return found


def _blocks_before(values: list[int], low_bits: int, is_big: bool) -> int:
    """Blocks of a pack that lie before a head, from its base."""
    index = len(values)
    blocks = 0 if is_big else 1
    while index > 0:
        index -= 1
        low, kind = values[index] & ((1 << low_bits) - 1), values[index] >> low_bits
        if kind != NO_HEAD:
            blocks += 1
        elif not is_big:
            index -= low
            if index >= 0:
                blocks += 1
        elif low & _COUNT:
            index -= 1
            blocks += low & (_COUNT - 1)
        else:
            if low <= 1:
                raise CorruptStructureError("a compact index does not hold")
            index -= low - 2
    return blocks


class _Joined:
    """Joins clusters to extents.

    Args:
        superblock: Sizes.
        inode: Whose content it is.
        header: What holds for all of it.
        end: Where the index ends, and an inline cluster begins.
    """

    def __init__(self, superblock: Superblock, inode: Inode, header: _Header, end: int) -> None:
        self._superblock = superblock
        self._inode = inode
        self._header = header
        self._end = end

    def extents(self, clusters: Iterator[_Cluster]) -> list[Extent]:
        """Extents, ascending."""
        heads: list[tuple[int, _Cluster]] = []
        fresh = False
        for number, cluster in enumerate(clusters):
            if cluster.kind == NO_HEAD:
                if fresh and cluster.count:
                    heads[-1][1].count = cluster.count
                fresh = False
                continue
            start = (number << self._header.cluster_bits) + cluster.offset
            if cluster.offset >> self._header.cluster_bits or (heads and start <= heads[-1][0]):
                raise CorruptStructureError(f"inode {self._inode.number}: cluster {number} does not hold")
            if start >= self._inode.size:  # some writers mark the end with a head
                break
            heads.append((start, cluster))
            fresh = True
        if not heads or heads[0][0]:
            raise CorruptStructureError(f"inode {self._inode.number}: its content has no beginning")
        ends = [start for start, _ in heads[1:]] + [self._inode.size]
        found = [self._extent(head, start, end) for (start, head), end in zip(heads, ends, strict=True)]
        return self._with_tail(found, heads[-1][1])

    def _extent(self, head: _Cluster, start: int, end: int) -> Extent:
        advise = self._header.advise
        is_big = bool(advise & (BIG1 if head.kind == HEAD1 else BIG2))
        bits = self._superblock.block_bits
        length = head.count << bits if is_big and head.count else 1 << self._header.cluster_bits
        algorithm = -1 if head.kind == STORED else self._header.algorithms[head.kind == HEAD2]
        rotated = bool(advise & INTERLACED) and algorithm == -1
        return Extent(start, end, head.block << bits, length, algorithm, rotated)

    def _with_tail(self, found: list[Extent], head: _Cluster) -> list[Extent]:
        """The last extent lies elsewhere where it is inline or in the packed inode."""
        last, header = found[-1], self._header
        if header.advise & INLINE_CLUSTER and header.inline_size:
            found[-1] = Extent(last.start, last.end, self._end, header.inline_size, last.algorithm, last.is_rotated)
        elif header.advise & FRAGMENT:
            place = header.fragment | head.block << 32
            found[-1] = Extent(last.start, last.end, -1, 0, -1, fragment=place)
        return found
