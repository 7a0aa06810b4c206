"""Where the content of an inode lies: addresses in the inode, in direct, indirect and double indirect nodes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.f2fs.inode import FOOTER_BYTES, Inode, read_footer
from triage.evidence.filesystems.f2fs.layout import Superblock
from triage.model.byte_run import ByteRun

NEW = 0xFFFFFFFF
"""Reserved, not yet written: reads as zeros."""
COMPRESSED = 0xFFFFFFFE
"""In the first place of a cluster: compressed blocks follow."""
_LEVELS = (0, 0, 1, 1, 2)
MAX_RUNS = 4_000_000

NodeBlock = Callable[[int], bytes]
"""Block of a node; raises EvidenceError."""


def address_groups(inode: Inode, read_node: NodeBlock) -> Iterator[tuple[int, tuple[int, ...] | EvidenceError]]:
    """Addresses of an inode in groups: number of the first block, and the addresses from there.

    A group that cannot be read comes as its error; holes as large as a node are left out. In a compressed file the
    addresses of a group are a whole number of clusters.
    """
    step = 1 << inode.cluster if inode.is_compressed else 1
    words = inode.address_words // step * step
    last = -(-inode.size // len(inode.block))
    yield 0, inode.addresses()[:words]
    position = words
    seen: set[int] = set()
    for node, level in zip(inode.node_ids(), _LEVELS, strict=True):
        if position >= last:
            return
        spans = _spans(len(inode.block), level, step)
        if node:
            yield from _below(inode.number, node, level, position, last, read_node, seen, spans)
        position += spans[level]


def _spans(block_size: int, level: int, step: int) -> list[int]:
    """Blocks that a node of each level maps."""
    words = (block_size - FOOTER_BYTES) // 4
    return [words // step * step * words**depth for depth in range(level + 1)]


def _below(
    number: int, node: int, level: int, position: int, last: int, read_node: NodeBlock, seen: set[int],
    spans: list[int],
) -> Iterator[tuple[int, tuple[int, ...] | EvidenceError]]:  # fmt: skip
    """Groups below one node, without recursion; each node once."""
    stack = [(node, level, position)]
    while stack:
        node, level, position = stack.pop()
        if position >= last:
            continue
        try:
            if node in seen:
                raise CorruptStructureError(f"inode {number} reaches node {node} twice")
            seen.add(node)
            block = read_node(node)
            footer = read_footer(block)
            if footer.node != node or footer.inode != number:
                raise CorruptStructureError(f"node {node} is not one of inode {number}")
        except EvidenceError as error:
            yield position, error
            continue
        words = struct.unpack_from(f"<{(len(block) - FOOTER_BYTES) // 4}I", block)
        if level == 0:
            yield position, words[: spans[0]]
            continue
        inner = [(word, level - 1, position + index * spans[level - 1]) for index, word in enumerate(words) if word]
        stack += reversed(inner)


def runs_of(
    inode: Inode, read_node: NodeBlock, superblock: Superblock
) -> tuple[tuple[ByteRun, ...], int, EvidenceError | None]:
    """Runs of an inode without compression, up to the first place that does not hold.

    Returns:
        The runs, the byte up to which they hold, and what is wrong there (None: all holds).
    """
    size = len(inode.block)
    last = -(-inode.size // size)
    runs: list[tuple[int, int, int]] = []
    for first, group in address_groups(inode, read_node):
        if isinstance(group, EvidenceError):
            return _as_runs(runs, size), first * size, group
        for index, address in enumerate(group[: max(0, last - first)], first):
            if address in (0, NEW):
                continue
            if not superblock.main <= address < superblock.main_end:
                error = CorruptStructureError(f"inode {inode.number}: block {address} lies outside the main area")
                return _as_runs(runs, size), index * size, error
            if runs and runs[-1][0] + runs[-1][2] == index and runs[-1][1] + runs[-1][2] == address:
                runs[-1] = (runs[-1][0], runs[-1][1], runs[-1][2] + 1)
            else:
                runs.append((index, address, 1))
        if len(runs) > MAX_RUNS:
            error = CorruptStructureError(f"inode {inode.number}: more than {MAX_RUNS} runs")
            return _as_runs(runs, size), runs[-1][0] * size, error
    return _as_runs(runs, size), inode.size, None


def _as_runs(runs: list[tuple[int, int, int]], size: int) -> tuple[ByteRun, ...]:
    return tuple(ByteRun(index * size, address * size, -1, count * size) for index, address, count in runs)
