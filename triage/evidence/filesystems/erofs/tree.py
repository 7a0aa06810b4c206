"""EROFS as a tree: nodes by number, names in directories, contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.erofs.content import Contents
from triage.evidence.filesystems.erofs.inode import Inode, attributes_of, names_in, read_inode
from triage.evidence.filesystems.erofs.superblock import read_superblock
from triage.evidence.filesystems.tree import Attribute, Name, Node, TreeFileSystem
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream, Stream

_SHOWN_ATTRIBUTES = (b"user.", b"trusted.")


class ErofsFileSystem(TreeFileSystem):
    """EROFS: a content whose end lies among the inodes, or is compressed, has no slack of its own."""

    def _tail(self, runs: tuple[ByteRun, ...], size: int) -> tuple[ByteRun, ...]:
        last = next((run for run in reversed(runs) if run.file_offset < size), None)
        if last is None or last.fs_offset % self.block_size:
            return ()
        return super()._tail(runs, size)


class ErofsTree:
    """A :class:`~triage.evidence.filesystems.tree.Tree` over EROFS.

    Args:
        stream: Bytes of the volume.

    Raises:
        EvidenceError: It cannot be opened.
    """

    name = "erofs"

    def __init__(self, stream: Stream) -> None:
        self._superblock = read_superblock(stream)
        self.block_size = self._superblock.block_size
        self.root = self._superblock.root
        self._reader = BlockReader(stream, self._superblock.block_size)
        self._contents = Contents(self._reader, self._superblock)

    def node(self, number: int) -> Node:
        """The record of an inode.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        inode = self._inode(number)
        damage: tuple[str, ...] = ()
        attributes: list[Attribute] = []
        try:
            for index, (name, value) in enumerate(self._extended(inode), 1):
                if name.startswith(_SHOWN_ATTRIBUTES):
                    attributes.append(Attribute(name, len(value), index))
        except EvidenceError as error:
            damage = (f"its extended attributes cannot be read: {error.message}",)
        is_impossible = inode.size >= 1 << 63
        if is_impossible:
            damage += (f"the declared size is negative: {inode.size - (1 << 64)}",)
        return Node(
            number=number,
            entry_type=inode.entry_type,
            size=0 if is_impossible or inode.entry_type is EntryType.OTHER else inode.size,
            times=inode.times,
            owner=str(inode.user),
            attributes=tuple(attributes),
            damage=damage,
        )

    def _inode(self, number: int) -> Inode:
        return read_inode(self._reader, self._superblock, number)

    def _extended(self, inode: Inode) -> Iterator[tuple[bytes, bytes]]:
        return attributes_of(self._reader, self._superblock, inode)

    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """Names in a directory, in stored order.

        Raises:
            EvidenceError: The directory cannot be read.
        """
        inode = self._inode(number)
        if inode.entry_type is not EntryType.DIRECTORY:
            raise CorruptStructureError(f"inode {number} is not a directory")
        if number == self.root and self._reader.stream.size < self._superblock.size:
            yield CorruptStructureError(
                f"the file system claims {self._superblock.size} bytes, the volume has {self._reader.stream.size}",
                hint="the image may be cut short",
            )
        for item in names_in(self._contents.stream(inode), 1 << self._superblock.directory_bits):
            if isinstance(item, EvidenceError):
                yield item
            elif item[0] not in (b".", b".."):
                yield Name(*item)

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """Runs where the bytes lie as they are, else a stream.

        Raises:
            EvidenceError: It cannot be read.
        """
        inode = self._inode(node.number)
        if attribute:
            for index, (_, value) in enumerate(self._extended(inode), 1):
                if index == attribute:
                    return MemoryStream(value)
            raise CorruptStructureError(f"inode {node.number} has no extended attribute {attribute}")
        if not node.size or inode.entry_type is EntryType.OTHER:
            return ()
        return self._contents.open(inode)

    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """None: the format keeps nothing that was deleted."""
        return ()

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """What lies in the volume behind the file system."""
        length = self._reader.stream.size - self._superblock.size
        if length > 0:
            yield self._superblock.size, length
