"""SquashFS as a tree: nodes by inode number, names in directories, contents."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.squashfs.content import Contents
from triage.evidence.filesystems.squashfs.directory import attributes_of, names_in
from triage.evidence.filesystems.squashfs.inode import NO_XATTR, Inode, read_inode
from triage.evidence.filesystems.squashfs.metadata import Metadata
from triage.evidence.filesystems.squashfs.superblock import DECOMPRESSORS, NONE, read_superblock
from triage.evidence.filesystems.tree import Attribute, Name, Node
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream, Stream
from triage.model.times import Times

_SHOWN_ATTRIBUTES = (b"user.", b"trusted.")
MAX_LISTED = 4_000_000
"""Inodes whose places are remembered."""


class SquashTree:
    """A :class:`~triage.evidence.filesystems.tree.Tree` over SquashFS.

    Args:
        stream: Bytes of the volume.

    Raises:
        EvidenceError: It cannot be opened.
    """

    name = "squashfs"

    def __init__(self, stream: Stream) -> None:
        self._superblock = read_superblock(stream)
        self.block_size = 0  # contents are packed without a gap: no unit has slack
        self._reader = BlockReader(stream, self._superblock.block_size)
        decompress = DECOMPRESSORS[self._superblock.compression]
        self._metadata = Metadata(self._reader, decompress, self._superblock.used)
        self._contents = Contents(self._reader, self._metadata, self._superblock, decompress)
        self._references: dict[int, int] = {}
        self._all: dict[int, int] | None = None
        self._scan_error: EvidenceError | None = None
        root = self._inode_at(self._superblock.root)
        self.root = root.number
        self._references[root.number] = self._superblock.root

    # --- nodes --------------------------------------------------------------------------------------------------
    def node(self, number: int) -> Node:
        """The record of an inode.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        return self._as_node(self._inode(number))

    def _as_node(self, inode: Inode) -> Node:
        damage: tuple[str, ...] = ()
        attributes: list[Attribute] = []
        try:
            for index, (name, value) in enumerate(self._extended(inode), 1):
                if name.startswith(_SHOWN_ATTRIBUTES):
                    attributes.append(Attribute(name, len(value), index))
        except EvidenceError as error:
            damage = (f"its extended attributes cannot be read: {error.message}",)
        try:
            owner = str(struct.unpack("<I", self._metadata.table(self._superblock.id_table, inode.user, 4))[0])
        except EvidenceError:
            owner = ""
        return Node(
            number=inode.number,
            entry_type=inode.entry_type,
            size=inode.size,
            times=Times(mtime=inode.modified * 1_000_000_000),
            owner=owner,
            attributes=tuple(attributes),
            damage=damage,
        )

    def _inode_at(self, reference: int) -> Inode:
        place = self._superblock.inode_table + (reference >> 16)
        if place >= self._superblock.directory_table:
            raise CorruptStructureError(f"an inode at {place} lies outside the table of inodes")
        return read_inode(self._metadata.cursor(place, reference & 0xFFFF), self._superblock.block_size)

    def _inode(self, number: int) -> Inode:
        reference = self._references.get(number)
        if reference is None:
            reference = self._exported(number)
        if reference is None:
            reference = self._scanned().get(number)
        if reference is None:
            raise self._scan_error or CorruptStructureError(f"no such inode: {number}")
        inode = self._inode_at(reference)
        if inode.number != number:
            raise CorruptStructureError(f"the place of inode {number} holds inode {inode.number}")
        if len(self._references) < MAX_LISTED:
            self._references[number] = reference
        return inode

    def _exported(self, number: int) -> int | None:
        """Reference by the export table, where it holds."""
        if self._superblock.export_table == NONE or not 0 < number <= self._superblock.inodes:
            return None
        try:
            (found,) = struct.unpack("<Q", self._metadata.table(self._superblock.export_table, number - 1, 8))
            return int(found) if self._inode_at(found).number == number else None
        except EvidenceError:
            return None

    def _scanned(self) -> dict[int, int]:
        """References of all inodes, by going through their table."""
        if self._all is None:
            self._all = {}
            table, end = self._superblock.inode_table, self._superblock.directory_table
            cursor = self._metadata.cursor(table, 0)
            try:
                while cursor.place < end and len(self._all) < MAX_LISTED:
                    reference = (cursor.place - table) << 16 | cursor.offset
                    self._all.setdefault(read_inode(cursor, self._superblock.block_size).number, reference)
            except EvidenceError as error:
                self._scan_error = error
        return self._all

    def _extended(self, inode: Inode) -> Iterator[tuple[bytes, bytes]]:
        if inode.xattr != NO_XATTR:
            yield from attributes_of(self._metadata, self._reader, self._superblock, inode.xattr)

    # --- names --------------------------------------------------------------------------------------------------
    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """Names in a directory, in stored order.

        Raises:
            EvidenceError: The directory cannot be read.
        """
        inode = self._inode(number)
        if inode.entry_type is not EntryType.DIRECTORY:
            raise CorruptStructureError(f"inode {number} is not a directory")
        if number == self.root and self._reader.stream.size < self._superblock.used:
            yield CorruptStructureError(
                f"the file system claims {self._superblock.used} bytes, the volume has {self._reader.stream.size}",
                hint="the image may be cut short",
            )
        for item in names_in(self._metadata, self._superblock, inode):
            if isinstance(item, EvidenceError):
                yield item
                continue
            name, below, reference = item
            if len(self._references) < MAX_LISTED and self._references.setdefault(below, reference) != reference:
                yield CorruptStructureError(f"inode {below} is said to lie in two places")
            yield Name(name, below)

    # --- content ------------------------------------------------------------------------------------------------
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
        if inode.entry_type is EntryType.SYMLINK:
            return MemoryStream(inode.target)
        return self._contents.open(inode) if inode.entry_type is EntryType.FILE else ()

    # --- what is not in the tree -----------------------------------------------------------------------------------
    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """Inodes of the table that no directory has named."""
        for number in [number for number in self._scanned() if number not in self._references]:
            try:
                yield self.node(number)
            except EvidenceError as error:
                yield error
        if self._scan_error is not None:
            yield self._scan_error

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """What lies in the volume behind the file system."""
        length = self._reader.stream.size - self._superblock.used
        if length > 0:
            yield self._superblock.used, length
