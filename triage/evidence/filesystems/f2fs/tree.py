"""F2FS as a tree: nodes by inode number, names in directories, contents, what was deleted, what is free."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.cut_stream import CutStream, PieceCache
from triage.evidence.filesystems.f2fs.compressed import Clusters
from triage.evidence.filesystems.f2fs.directory import DirectoryEntry, entries_of
from triage.evidence.filesystems.f2fs.inode import FOOTER_BYTES, INLINE_DATA, INLINE_DENTRY, Inode, parse_inode
from triage.evidence.filesystems.f2fs.layout import read_checkpoint, read_superblock
from triage.evidence.filesystems.f2fs.lost import LostNodes, written_after
from triage.evidence.filesystems.f2fs.mapping import NodeBlock, runs_of
from triage.evidence.filesystems.f2fs.node_map import Journals, NodeMap
from triage.evidence.filesystems.f2fs.segments import SegmentTable
from triage.evidence.filesystems.f2fs.xattr import attributes_of
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.tree import Attribute, Name, Node
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream, Stream

ENCRYPTED_CAVEAT = "encrypted by the file system (fscrypt)"
ENCRYPTED_NAMES_CAVEAT = "the names in it are encrypted (fscrypt) and shown as base64 of what is stored"
_SHOWN_ATTRIBUTES = (b"user.", b"trusted.")


class F2fsTree:
    """A :class:`~triage.evidence.filesystems.tree.Tree` over F2FS.

    Args:
        stream: Bytes of the volume.

    Raises:
        EvidenceError: It cannot be opened.
    """

    name = "f2fs"

    def __init__(self, stream: Stream) -> None:
        self._superblock = read_superblock(stream)
        self.block_size = self._superblock.block_size
        self.size = self._superblock.block_count * self.block_size
        self.root = self._superblock.root
        self._reader = BlockReader(stream, self.block_size)
        checkpoint = read_checkpoint(self._reader, self._superblock)
        journals = Journals(self._reader, checkpoint)
        self._node_map = NodeMap(self._reader, self._superblock, checkpoint, journals.nat)
        self._segments = SegmentTable(self._reader, self._superblock, checkpoint, journals.sit)
        self._lost = LostNodes(self._reader, self._superblock, self._node_map, self._segments)
        self._cache = PieceCache()
        self._problems = journals.problems
        if not checkpoint.is_sound:
            self._problems.append(CorruptStructureError("no checkpoint has a valid checksum: the newest one was used"))
        self._added: dict[int, list[DirectoryEntry]] = {}
        for address, footer in written_after(self._reader, self._superblock, checkpoint):
            self._take_up(address, footer.node, footer.inode, bool(footer.flags & 4))

    def _take_up(self, address: int, number: int, inode: int, is_named: bool) -> None:
        """Let a node that was synced after the checkpoint count, and the name that it brings."""
        if not 0 < number < self._node_map.most:
            return
        self._node_map.override(number, address)
        if number != inode or not is_named:
            return
        try:
            found = self._inode(number)
        except EvidenceError:
            return
        entries = self._added.setdefault(found.parent, [])
        entries[:] = [entry for entry in entries if entry.inode != number]
        entries.append(DirectoryEntry(found.name, number, 0, True))

    # --- nodes --------------------------------------------------------------------------------------------------
    def node(self, number: int) -> Node:
        """The record of an inode.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        return self._as_node(*self._find(number))

    def _as_node(self, inode: Inode, allocated: bool) -> Node:
        caveats: list[str] = []
        if inode.is_encrypted:
            is_directory = inode.entry_type is EntryType.DIRECTORY
            caveats.append(ENCRYPTED_NAMES_CAVEAT if is_directory else ENCRYPTED_CAVEAT)
        damage: list[str] = []
        if inode.size >= 1 << 63:
            damage.append(f"the declared size is negative: {inode.size - (1 << 64)}")
        return Node(
            number=inode.number,
            entry_type=inode.entry_type,
            size=0 if inode.size >= 1 << 63 or inode.entry_type is EntryType.OTHER else inode.size,
            times=inode.times,
            owner=str(inode.user),
            attributes=tuple(
                Attribute(name, len(value), index)
                for index, (name, value) in enumerate(self._extended(inode, allocated), 1)
                if name.startswith(_SHOWN_ATTRIBUTES)
            ),
            allocated=allocated,
            caveats=tuple(caveats),
            damage=tuple(damage),
        )

    def _inode(self, number: int) -> Inode:
        return parse_inode(self._node_block(number), number, self._superblock)

    def _find(self, number: int) -> tuple[Inode, bool]:
        """An inode, and whether it is in use; an old block serves where the table has none."""
        if self._node_map.address(number):
            return self._inode(number), True
        address = self._lost.address(number, number)
        if not address:
            raise CorruptStructureError(f"inode {number} is free, and no old block of it was found")
        return parse_inode(self._reader.block(address), number, self._superblock), False

    def _node_block(self, number: int) -> bytes:
        address = self._node_map.address(number)
        if not self._superblock.main <= address < self._superblock.main_end:
            raise CorruptStructureError(f"node {number} is free or lies outside the main area: block {address}")
        return self._reader.block(address)

    def _reader_for(self, inode: Inode, allocated: bool) -> NodeBlock:
        """What reads the nodes of an inode: old blocks for one that is not in use."""

        def old(number: int) -> bytes:
            address = self._lost.address(number, inode.number)
            return self._reader.block(address) if address else self._node_block(number)

        return self._node_block if allocated else old

    def _extended(self, inode: Inode, allocated: bool) -> list[tuple[bytes, bytes]]:
        area = inode.inline_xattr()
        if inode.xattr_node:
            try:
                area += self._reader_for(inode, allocated)(inode.xattr_node)[:-FOOTER_BYTES]
            except EvidenceError:
                pass  # what lies in the inode still counts
        return list(attributes_of(area))

    # --- names --------------------------------------------------------------------------------------------------
    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """Names in a directory, in stored order.

        Raises:
            EvidenceError: The directory cannot be read.
        """
        if number == self.root:
            yield from self._problems
            yield from self._absent_devices()
        inode, allocated = self._find(number)
        added = self._added.get(number, [])
        hidden = {entry.name for entry in added}
        live: set[tuple[bytes, int]] = {(entry.name, entry.inode) for entry in added}
        deleted: list[DirectoryEntry] = []
        for entry in self._entries(inode, allocated):
            if isinstance(entry, EvidenceError):
                yield entry
            elif entry.name in (b".", b".."):
                continue
            elif not entry.allocated:
                deleted.append(entry)
            elif entry.name not in hidden:
                live.add((entry.name, entry.inode))
                yield Name(_shown(entry.name, inode), entry.inode)
        for entry in added:
            yield Name(_shown(entry.name, inode), entry.inode)
        yield from self._deleted(inode, deleted, live)

    def _entries(self, inode: Inode, allocated: bool) -> Iterator[DirectoryEntry | EvidenceError]:
        if inode.entry_type is not EntryType.DIRECTORY:
            raise CorruptStructureError(f"inode {inode.number} is not a directory")
        if inode.inline & INLINE_DENTRY:
            yield from entries_of(inode.inline_area())
            return
        runs, _, error = runs_of(inode, self._reader_for(inode, allocated), self._superblock)
        seen: set[int] = set()
        for run in runs:
            for place in range(run.fs_offset, run.fs_offset + run.length, self.block_size):
                if place in seen:
                    continue
                seen.add(place)
                try:
                    block = self._reader.bytes_at(place, self.block_size)
                except EvidenceError as unread:
                    yield unread
                    continue
                yield from entries_of(block)
        if error is not None:
            yield error

    def _deleted(self, directory: Inode, entries: list[DirectoryEntry], live: set[tuple[bytes, int]]) -> Iterator[Name]:
        """Deleted names: those whose inode can still be told; of several alike, one."""
        for entry in entries:
            if (entry.name, entry.inode) in live or entry.inode == directory.number:
                continue
            live.add((entry.name, entry.inode))
            try:
                inode, allocated = self._find(entry.inode)
            except EvidenceError:
                continue
            is_its_own = inode.name == entry.name and inode.parent == directory.number
            yield Name(_shown(entry.name, directory), entry.inode, False, reused=allocated or not is_its_own)

    def _absent_devices(self) -> Iterator[EvidenceError]:
        devices = self._superblock.devices
        if len(devices) > 1:
            rest = ", ".join(name for name, _ in devices[1:])
            yield UnsupportedFormatError(
                f"the file system spans {len(devices)} devices, only the first is read; the others: {rest}",
                hint="join the images of all devices in this order",
            )
        elif self._reader.stream.size < self._superblock.block_count * self.block_size:
            claimed = self._superblock.block_count * self.block_size
            yield CorruptStructureError(
                f"the file system claims {claimed} bytes, the volume has {self._reader.stream.size}",
                hint="the image may be cut short",
            )

    # --- content ------------------------------------------------------------------------------------------------
    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """Runs where the bytes lie as they are, else a stream.

        Raises:
            EncryptedVolumeError: It is encrypted.
            EvidenceError: It cannot be read.
        """
        inode, allocated = self._find(node.number)
        if attribute:
            found = self._extended(inode, allocated)
            if attribute > len(found):
                raise CorruptStructureError(f"inode {node.number} has no extended attribute {attribute}")
            return MemoryStream(found[attribute - 1][1])
        if node.size == 0 or inode.entry_type is EntryType.OTHER:
            return ()
        if inode.is_encrypted and inode.entry_type is not EntryType.DIRECTORY:
            raise EncryptedVolumeError(
                f"the content of inode {node.number} is {ENCRYPTED_CAVEAT}",
                hint="take the data from the running device, or with the keys of its owner",
            )
        if inode.inline & INLINE_DATA:
            return _inline(inode)
        read_node = self._reader_for(inode, allocated)
        if inode.is_compressed:
            clusters = Clusters(inode, read_node)
            if clusters.has_compressed:
                stream = clusters.stream(self._reader, self._superblock, self._cache)
                return CutStream(stream, *clusters.cut) if clusters.cut else stream
        runs, cut, error = runs_of(inode, read_node, self._superblock)
        if error is None:
            return runs
        return CutStream(RunStream(self._reader.stream, runs, inode.size), cut, error)

    # --- what is not in the tree -----------------------------------------------------------------------------------
    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """Inodes whose table entry is gone and whose old block still stands.

        Raises:
            LimitExceededError: There is more to search than the limits allow.
        """
        for number in self._lost.inodes():
            try:
                inode, allocated = self._find(number)
            except EvidenceError:
                continue
            if inode.entry_type is not EntryType.OTHER:
                yield self._as_node(inode, allocated)
        yield from self._lost.problems
        if self._lost.limit is not None:
            raise self._lost.limit

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """Unused space of the main area.

        Raises:
            EvidenceError: It cannot be told.
        """
        return self._segments.free_runs()


def _inline(inode: Inode) -> Stream:
    area = inode.inline_area()
    if inode.size > len(area):
        error = CorruptStructureError(f"inode {inode.number} claims {inode.size} bytes within {len(area)}")
        return CutStream(RunStream(MemoryStream(area), (), inode.size), 0, error)
    return MemoryStream(area[: inode.size])


def _shown(name: bytes, directory: Inode) -> bytes:
    """A name as it is shown: ciphertext as base64, in the alphabet that is safe in paths."""
    return base64.urlsafe_b64encode(name).rstrip(b"=") if directory.is_encrypted else name
