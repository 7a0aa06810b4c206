"""Nodes that the address table has let go of, found where their old blocks still stand.

F2FS never writes a node in place, so old blocks of nodes stay until their segment is written again. The summary of a
segment says which node each block was of; the blocks themselves say whose.
"""

from __future__ import annotations

from triage.errors import EvidenceError, LimitExceededError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.f2fs.inode import Footer, read_footer
from triage.evidence.filesystems.f2fs.layout import (
    BLOCKS_PER_SEGMENT,
    CP_CRC_RECOVERY,
    CP_NO_CRC_RECOVERY,
    Checkpoint,
    Superblock,
)
from triage.evidence.filesystems.f2fs.node_map import NodeMap
from triage.evidence.filesystems.f2fs.segments import FULL, Segment, SegmentTable, clear_runs

MAX_SEGMENTS = 8192
"""Segments of nodes that are searched."""
MAX_NODES = 1_000_000
"""Old nodes that are remembered."""
MAX_WRITTEN_AFTER = 65_536
"""Nodes written after the checkpoint that are followed."""
_NODE_KINDS = (3, 4, 5)


class LostNodes:
    """Old node blocks of the main area, searched on first use.

    Args:
        reader: Blocks of the volume.
        superblock: Where the areas lie.
        node_map: Where nodes lie now.
        segments: State of the main area.

    Attributes:
        problems: What could not be searched.
        limit: A limit was reached, else None.
    """

    def __init__(self, reader: BlockReader, superblock: Superblock, node_map: NodeMap, segments: SegmentTable) -> None:
        self._reader = reader
        self._superblock = superblock
        self._node_map = node_map
        self._segments = segments
        self._found: dict[tuple[int, int], tuple[int, int]] | None = None
        self.problems: list[EvidenceError] = []
        self.limit: LimitExceededError | None = None

    def address(self, node: int, inode: int) -> int:
        """Newest old block of a node of an inode, 0 where there is none."""
        return self._table().get((node, inode), (0, 0))[1]

    def inodes(self) -> list[int]:
        """Numbers of inodes whose table entry is gone, ascending."""
        return sorted(node for node, inode in self._table() if node == inode and not self._is_live(node))

    def _is_live(self, node: int) -> bool:
        try:
            return self._node_map.address(node) != 0
        except EvidenceError:
            return False

    def _table(self) -> dict[tuple[int, int], tuple[int, int]]:
        if self._found is None:
            self._found = {}
            try:
                self._search(self._found)
            except EvidenceError as error:
                self.problems.append(error)
            except LimitExceededError as error:
                self.limit = error
        return self._found

    def _search(self, found: dict[tuple[int, int], tuple[int, int]]) -> None:
        searched = 0
        for segment in self._segments.segments():
            if segment.valid == FULL or (segment.kind not in _NODE_KINDS and any(segment.valid)):
                continue
            try:
                nodes = self._segments.summary_nodes(segment.number)
                if not nodes:
                    continue
                searched += 1
                if searched > MAX_SEGMENTS:
                    raise LimitExceededError(f"more than {MAX_SEGMENTS} segments of nodes, the rest was not searched")
                self._search_segment(segment, nodes, found)
            except EvidenceError as error:
                if len(self.problems) < 100:
                    self.problems.append(error)

    def _search_segment(
        self, segment: Segment, nodes: tuple[int, ...], found: dict[tuple[int, int], tuple[int, int]]
    ) -> None:
        size = self._reader.block_size
        base = self._superblock.main + segment.number * BLOCKS_PER_SEGMENT
        for first, count in clear_runs(segment.valid):
            if not any(nodes[first : first + count]):
                continue
            data = self._reader.bytes_at((base + first) * size, count * size)
            for index in range(count):
                node = nodes[first + index]
                if not 0 < node < self._node_map.most:
                    continue
                footer = read_footer(data[index * size : (index + 1) * size])
                if footer.node != node or not footer.inode:
                    continue
                key = (node, footer.inode)
                value = (footer.version & 0xFFFFFFFF, base + first + index)
                if value >= found.get(key, (0, 0)):
                    found[key] = value
            if len(found) > MAX_NODES:
                raise LimitExceededError(f"more than {MAX_NODES} old nodes, the rest was not searched")


def written_after(reader: BlockReader, superblock: Superblock, checkpoint: Checkpoint) -> list[tuple[int, Footer]]:
    """Nodes that were synced after the checkpoint, as a mount would take them up: block and footer, in order.

    They form a chain from the next free block of the warm node segment. Those count whose inode has a synced node
    later in the chain, or is it.
    """
    address = superblock.main + checkpoint.node_segment[1] * BLOCKS_PER_SEGMENT + checkpoint.node_offset[1]
    chain: list[tuple[int, Footer]] = []
    synced: dict[int, int] = {}
    seen: set[int] = set()
    while superblock.main <= address < superblock.main_end and address not in seen and len(seen) < MAX_WRITTEN_AFTER:
        seen.add(address)
        try:
            footer = read_footer(reader.block(address))
        except EvidenceError:
            break
        if not _belongs(footer.version, checkpoint):
            break
        chain.append((address, footer))
        if footer.flags & 2:
            synced[footer.inode] = len(chain)
        address = footer.following
    return [item for place, item in enumerate(chain) if place < synced.get(item[1].inode, 0)]


def _belongs(version: int, checkpoint: Checkpoint) -> bool:
    """A node block was written under this checkpoint."""
    if checkpoint.flags & CP_NO_CRC_RECOVERY:
        return version & 0xFFFFFFFF == checkpoint.version & 0xFFFFFFFF
    if checkpoint.flags & CP_CRC_RECOVERY:
        return version == (checkpoint.version | checkpoint.checksum << 32) & 0xFFFFFFFFFFFFFFFF
    return version == checkpoint.version
