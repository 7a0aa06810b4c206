"""Compressed clusters: a marker in the first place, then the blocks that hold the compressed bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.block_codecs import decompress_lz4, decompress_zstd
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.cut_stream import PieceCache, PieceStream
from triage.evidence.filesystems.f2fs.inode import Inode
from triage.evidence.filesystems.f2fs.layout import Superblock
from triage.evidence.filesystems.f2fs.mapping import COMPRESSED, NEW, NodeBlock, address_groups
from triage.evidence.filesystems.lzo import decompress_lzo1x

_HEADER_BYTES = 24
_ALGORITHMS: dict[int, Callable[[bytes, int], bytes]] = {
    0: decompress_lzo1x,
    1: decompress_lz4,
    2: decompress_zstd,
    3: decompress_lzo1x,
}
MAX_CLUSTERS = 4_000_000


class Clusters:
    """Clusters of one compressed file.

    Args:
        inode: The file.
        read_node: Block of a node.

    Attributes:
        has_compressed: At least one cluster is compressed.
        cut: First byte that cannot be mapped, and why; None where all can.
    """

    def __init__(self, inode: Inode, read_node: NodeBlock) -> None:
        self._inode = inode
        self.has_compressed = False
        self.cut: tuple[int, EvidenceError] | None = None
        self._addresses: dict[int, tuple[int, ...]] = {}
        step = 1 << inode.cluster
        block_size = len(inode.block)
        last = -(-inode.size // block_size)
        for first, group in address_groups(inode, read_node):
            if isinstance(group, EvidenceError):
                self.cut = (first * block_size, group)
                return
            for index in range(0, min(len(group), max(0, last - first)), step):
                cluster = group[index : index + step]
                if any(cluster):
                    self._addresses[(first + index) // step] = cluster
                    self.has_compressed |= cluster[0] == COMPRESSED
            if len(self._addresses) > MAX_CLUSTERS:
                message = f"inode {inode.number}: more than {MAX_CLUSTERS} clusters"
                self.cut = ((first + len(group)) * block_size, CorruptStructureError(message))
                return

    def stream(self, reader: BlockReader, superblock: Superblock, cache: PieceCache) -> PieceStream:
        """The content, unpacked cluster by cluster."""
        size = reader.block_size << self._inode.cluster

        def piece(index: int) -> bytes:
            addresses = self._addresses.get(index)
            if addresses is None:
                return bytes(size)
            key = self._inode.number << 32 | index
            return cache.get(key, lambda: _unpack(reader, superblock, addresses, self._inode.algorithm, size))

        def places() -> Iterator[tuple[int, int]]:
            for cluster in self._addresses.values():
                for address in cluster:
                    if superblock.main <= address < superblock.main_end:
                        yield address * reader.block_size, reader.block_size

        return PieceStream(self._inode.size, size, piece, places)


def _unpack(
    reader: BlockReader, superblock: Superblock, addresses: tuple[int, ...], algorithm: int, size: int
) -> bytes:
    """Bytes of one cluster."""
    if addresses[0] != COMPRESSED:
        return b"".join(_block(reader, superblock, address) for address in addresses)
    raw = b"".join(_block(reader, superblock, address) for address in addresses[1:] if address not in (0, NEW))
    if len(raw) < _HEADER_BYTES:
        raise CorruptStructureError("a compressed cluster has no blocks")
    (length,) = struct.unpack_from("<I", raw)
    if length > len(raw) - _HEADER_BYTES:
        raise CorruptStructureError(f"a compressed cluster claims {length} bytes in {len(raw)}")
    decompress = _ALGORITHMS.get(algorithm)
    if decompress is None:
        raise UnsupportedFormatError(f"clusters of compression {algorithm} are not read")
    return decompress(raw[_HEADER_BYTES : _HEADER_BYTES + length], size)


def _block(reader: BlockReader, superblock: Superblock, address: int) -> bytes:
    if address in (0, NEW):
        return bytes(reader.block_size)
    if not superblock.main <= address < superblock.main_end:
        raise CorruptStructureError(f"block {address} lies outside the main area")
    return reader.bytes_at(address * reader.block_size, reader.block_size)
