"""Space of a pool that none of its volumes has: told once, as a volume of its own with nothing but free space in it.

The volumes of an APFS container share its free space, and logical volumes leave extents of their disk over. Neither is
space of one volume. Places count in the volume that holds the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from triage.errors import EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.tree import Name, Node, TreeFileSystem
from triage.evidence.interface import FileSystem
from triage.evidence.volumes.layers import LayerVolume
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import Stream
from triage.model.volume import Volume

FILE_SYSTEM = "free space"
SUFFIX = "free1"


class FreeTree:
    """A file system without a file; see :class:`~triage.evidence.filesystems.tree.Tree`.

    Args:
        runs: Offset and length, bytes, ascending.
        block_size: Bytes in a data unit.
    """

    name = FILE_SYSTEM
    root = 0
    is_mapped = True

    def __init__(self, runs: Sequence[tuple[int, int]], block_size: int) -> None:
        self._runs = runs
        self.block_size = block_size

    def node(self, number: int) -> Node:
        """The root, which is empty."""
        return Node(number, EntryType.DIRECTORY, 0)

    def names(self, number: int) -> Iterable[Name | EvidenceError]:
        """None."""
        del number
        return ()

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """Nothing has a content."""
        raise UnsupportedFormatError(f"no such file: {node.number}, {attribute}")

    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """None."""
        return ()

    def free_runs(self) -> Iterable[tuple[int, int]]:
        """As given."""
        return self._runs


def pool_space(
    stream: Stream, runs: Sequence[tuple[int, int]], description: str, block_size: int
) -> tuple[LayerVolume, ...]:
    """The free space of a pool as a volume of it; none where there is none.

    Args:
        stream: The volume that holds the pool.
        runs: Offset and length, bytes, ascending; what lies behind the end of the stream is left out.
        description: In the format's own words.
        block_size: Bytes in a data unit.
    """
    inside = [(start, min(length, stream.size - start)) for start, length in runs if 0 <= start < stream.size]
    inside = [(start, length) for start, length in inside if length > 0]
    if not inside:
        return ()

    def open_file_system(volume: Volume, evidence_name: str) -> FileSystem:
        return TreeFileSystem(FreeTree(inside, block_size), stream, volume, evidence_name)

    length = sum(length for _, length in inside)
    return (LayerVolume(SUFFIX, description, None, FILE_SYSTEM, block_size, open_file_system, length=length),)
