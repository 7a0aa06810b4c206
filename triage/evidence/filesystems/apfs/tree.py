"""Files of a volume of APFS, live and deleted; see :class:`~triage.evidence.filesystems.tree.Tree`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.apfs.btree import Record
from triage.evidence.filesystems.apfs.older import Older
from triage.evidence.filesystems.apfs.records import (
    INODE,
    NAME,
    PRIVATE_DIRECTORY,
    ROOT_DIRECTORY,
    XATTR,
    Extended,
    Extent,
    Inode,
    owner_of,
    parse_attribute,
    parse_extent,
    parse_inode,
    parse_name,
    span,
)
from triage.evidence.filesystems.apfs.state import Records, State
from triage.evidence.filesystems.apfs.volume_stream import DecryptedRuns
from triage.evidence.filesystems.decmpfs import open_compressed, parse_compression
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.tree import Attribute, Name, Node
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream, Stream
from triage.model.times import Times

MAX_ATTRIBUTES = 10_000
MAX_EXTENTS = 4_000_000
RESOURCE_FORK = b"com.apple.ResourceFork"
COMPRESSION = b"com.apple.decmpfs"
LINK_TARGET = b"com.apple.fs.symlink"

_DELETED = "deleted: read from an earlier checkpoint of the container, its blocks may hold other data by now"
_PARTLY = "its extended attributes could not all be read"


@dataclass(frozen=True, slots=True)
class _File:
    """An inode with its attributes, in the order of their records.

    Attributes:
        inode: The inode.
        attributes: Extended ones.
        state: Where it was found; extents are looked up there.
        live: That is the state of the volume now.
        whole: All of its attributes could be read.
    """

    inode: Inode
    attributes: tuple[Extended, ...]
    state: Records
    live: bool
    whole: bool

    def attribute(self, name: bytes) -> Extended | None:
        """An extended attribute by its name."""
        return next((found for found in self.attributes if found.name == name), None)


class ApfsTree:
    """The reader.

    Args:
        state: The volume as it is, or as a snapshot keeps it.
        older: What earlier checkpoints still have of it; None for snapshots.
    """

    name = "apfs"
    root = ROOT_DIRECTORY
    is_mapped = True

    def __init__(self, state: State, older: Older | None) -> None:
        self.block_size = state.block_size
        self._state = state
        self._older = older
        self._last: tuple[int, _File | None] = (-1, None)

    # --- records ------------------------------------------------------------------------------------------------
    def node(self, number: int) -> Node:
        """The record of a number.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        file = self._file(number)
        inode = file.inode
        created, modified, changed, accessed = inode.times
        caveats = (() if file.live else (_DELETED,)) + (() if file.whole else (_PARTLY,))
        size, hidden = inode.size or 0, {LINK_TARGET, COMPRESSION}
        if inode.entry_type is EntryType.SYMLINK:
            target = file.attribute(LINK_TARGET)
            size = len(_target(target)) if target else 0
        if inode.compressed and (packed := file.attribute(COMPRESSION)) is not None:
            try:
                head = parse_compression(self._embedded(file, packed))
                size = head.size
                hidden |= {RESOURCE_FORK} if head.in_fork else set()
            except EvidenceError as error:
                caveats = (*caveats, error.message)
        shown = tuple(
            Attribute(b"rsrc" if attribute.name == RESOURCE_FORK else attribute.name, attribute.size, index)
            for index, attribute in enumerate(file.attributes, 1)
            if attribute.name not in hidden
        )
        times = Times(mtime=modified, atime=accessed, ctime=changed, crtime=created)
        return Node(number, inode.entry_type, size, times, str(inode.owner), shown, file.live, caveats)

    def _file(self, number: int) -> _File:
        """An inode; the last one is kept."""
        if self._last[0] == number and self._last[1] is not None:
            return self._last[1]
        low, high = span(number, INODE, XATTR)
        file = _gather(self._state, self._state.scan(low, high), live=True)
        if file is None and self._older is not None:
            file = _gather(self._older, self._older.scan(low, high), live=False)
        if file is None:
            raise CorruptStructureError(f"APFS: there is no inode {number}")
        self._last = (number, file)
        return file

    def names(self, number: int) -> Iterable[Name | EvidenceError]:
        """Names in a directory, in stored order, then deleted ones."""
        low, high = span(number, NAME)
        seen: set[tuple[bytes, int]] = set()
        for record in self._state.scan(low, high):
            name = _named(record, self._state)
            if isinstance(name, Name) and self._older is not None:
                seen.add((name.name, name.number))
            yield name
        if self._older is None:
            return
        for record in self._older.scan(low, high):
            name = _named(record, self._state)
            if isinstance(name, Name) and (name.name, name.number) not in seen and self._older.is_gone(name.number):
                seen.add((name.name, name.number))
                yield Name(name.name, name.number, allocated=False)

    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """Files that were deleted while open, then inodes that only earlier checkpoints have."""
        for name in self.names(PRIVATE_DIRECTORY):
            if isinstance(name, EvidenceError):
                yield name
                continue
            try:
                yield self.node(name.number)
            except EvidenceError as error:
                yield error
        for number in self._older.inodes() if self._older is not None else ():
            try:
                yield self.node(number)
            except EvidenceError as error:
                yield error

    def free_runs(self) -> Iterable[tuple[int, int]]:
        """None: the free space is that of the container, which all its volumes share."""
        return ()

    # --- content ------------------------------------------------------------------------------------------------
    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """A content: its runs in the container, or a stream where it is embedded, compressed or decrypted.

        Raises:
            EvidenceError: It cannot be read.
        """
        file = self._file(node.number)
        if attribute:
            if attribute > len(file.attributes):
                raise CorruptStructureError(f"APFS: inode {node.number} has no attribute {attribute}")
            return self._attribute(file, file.attributes[attribute - 1])
        if file.inode.entry_type is EntryType.SYMLINK:
            target = file.attribute(LINK_TARGET)
            return MemoryStream(_target(target) if target else b"")
        packed = file.attribute(COMPRESSION) if file.inode.compressed else None
        if packed is None:
            return self._extents(file, file.inode.data, node.size)
        head = parse_compression(self._embedded(file, packed))
        fork = file.attribute(RESOURCE_FORK)
        source = None if fork is None else self._stream(file, fork)
        return open_compressed(head, source)

    def _attribute(self, file: _File, attribute: Extended) -> Stream | tuple[ByteRun, ...]:
        if not attribute.stream:
            return MemoryStream(attribute.embedded)
        return self._extents(file, attribute.stream, attribute.size)

    def _stream(self, file: _File, attribute: Extended) -> Stream:
        found = self._attribute(file, attribute)
        return RunStream(self._state.stream, found, attribute.size) if isinstance(found, tuple) else found

    def _embedded(self, file: _File, attribute: Extended) -> bytes:
        """Bytes of a small attribute."""
        stream = self._stream(file, attribute)
        return stream.read_at(0, min(stream.size, 1 << 20))

    def _extents(self, file: _File, identifier: int, size: int) -> Stream | tuple[ByteRun, ...]:
        extents = list(_extents(file.state, identifier))
        if self._state.cipher is not None:
            return DecryptedRuns(self._state.stream, extents, size, self._state.cipher, self.block_size)
        return tuple(
            ByteRun(extent.offset, extent.block * self.block_size if extent.block else -1, -1, extent.length)
            for extent in extents
        )


def _gather(state: Records, records: Iterator[Record | EvidenceError], *, live: bool) -> _File | None:
    """An inode with its attributes from their records; None where the inode is not among them.

    Raises:
        EvidenceError: A record does not hold.
    """
    inode: Inode | None = None
    attributes: list[Extended] = []
    failed: EvidenceError | None = None
    for record in records:
        if isinstance(record, EvidenceError):
            failed = record
            continue
        kind = owner_of(record.number)[1]
        if kind == INODE:
            inode, failed = parse_inode(record.value), None
        elif len(attributes) >= MAX_ATTRIBUTES:
            raise UnsupportedFormatError(f"APFS: more than {MAX_ATTRIBUTES} extended attributes at one inode")
        else:
            attributes.append(parse_attribute(record.key, record.value))
    if inode is None and failed is not None:
        raise failed
    return None if inode is None else _File(inode, tuple(attributes), state, live, failed is None)


def _named(record: Record | EvidenceError, state: State) -> Name | EvidenceError:
    if isinstance(record, EvidenceError):
        return record
    try:
        return parse_name(record.key, record.value, hashed=state.hashed)
    except EvidenceError as error:
        return error


def _extents(state: Records, identifier: int) -> Iterator[Extent]:
    end = 0
    for count, record in enumerate(state.extents(identifier)):
        if isinstance(record, EvidenceError):
            raise record
        extent = parse_extent(record.number, record.value)
        if extent.offset < end or count >= MAX_EXTENTS:
            raise CorruptStructureError(f"APFS: the extents of object {identifier} overlap or are too many")
        end = extent.offset + extent.length
        yield extent


def _target(attribute: Extended) -> bytes:
    return attribute.embedded.split(b"\0")[0]
