"""What the libyal readers of file systems share: their errors, their streams, and the tree over their file entries.

These readers stand in where The Sleuth Kit cannot read a file system. They are C libraries as well and can die of
hostile data: use them in a process that may die. What they leave out is told by each adapter: they list live names;
deleted ones only as far as the adapter finds their records by number.

Metadata addresses are those of The Sleuth Kit, so that an entry that it listed can be read here. An attribute is found
by the name of its stream, since the libraries number attributes in ways of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from triage.errors import CorruptStructureError, EvidenceError, LimitExceededError, ReadFailedError
from triage.evidence.filesystems.free_bits import joined
from triage.evidence.filesystems.libyal_io import (
    COMPRESSED,
    LIBRARY_ERRORS,
    MAX_RUNS,
    SPARSE,
    LibyalStream,
    PaddedFile,
    translated,
)
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.tree import Attribute, Name, Node, TreeFileSystem
from triage.evidence.interface import Extents
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.stream import MemoryStream, Stream
from triage.model.volume import Volume

MAX_NAMES = 5_000_000
"""Names in one directory; more is told."""
MAX_FAILED = 1000
"""Names of one directory that cannot be read before the rest of it is given up."""
MAX_SIZE = (1 << 63) - 1
LARGER = "declared larger than the volume: holes, or damaged"
NO_ENTRY = "there is no such record"


class LibyalTree:
    """A tree over a volume of a library; adapters fill in what differs. See ``tree.Tree``.

    Args:
        stream: Bytes of the volume.
        make: Makes the library's volume object.
        what: Name of the file system, for messages.
        size: Bytes that the file system says it has, 0 where that is not known before it is open.

    Raises:
        ReadFailedError: The media cannot be read.
        CorruptStructureError: The library does not open it.
    """

    name = ""
    block_size = 0
    root = 0
    is_mapped = True

    def __init__(self, stream: Stream, make: Callable[[], Any], what: str, size: int = 0) -> None:
        self.stream = stream
        self.file = PaddedFile(stream, size)
        self.name = what
        with translated(self.file, what):
            self.volume = make()
            self.volume.open_file_object(self.file)
        self._kept: tuple[int, Any] = (-1, None)

    # --- what an adapter fills in ---------------------------------------------------------------------------------
    def find(self, number: int) -> Any:
        """The library's file entry of a metadata address, or None."""
        raise NotImplementedError

    def number_of(self, entry: Any) -> int:
        """The metadata address of a file entry."""
        raise NotImplementedError

    def describe(self, entry: Any, number: int) -> Node:
        """The node of a file entry."""
        raise NotImplementedError

    def data(self, entry: Any, attribute: int) -> Any:
        """What of the library gives size, extents and bytes of an attribute; 0 is the default data."""
        return entry

    def written(self, entry: Any, attribute: int) -> int | None:
        """Bytes of an attribute that were ever written, None for all."""
        return None

    def name_of(self, entry: Any) -> bytes:
        """The name of a file entry, as it stands in an address."""
        return str(entry.name or "").encode("utf-8", "surrogatepass")

    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """Records that no name leads to."""
        return ()

    def free(self) -> Iterable[tuple[int, int]]:
        """Free space as its reader tells it: offset and length, bytes."""
        raise NotImplementedError

    def hint(self, number: int, path: bytes) -> None:
        """The path of an entry that is asked for next, where an adapter finds entries by path only."""

    # --- tree -----------------------------------------------------------------------------------------------------
    def node(self, number: int) -> Node:
        """The record of a number."""
        with translated(self.file, f"metadata record {number}"):
            node = self.describe(self._entry(number), number)
        sizes = [node.size, *(one.size for one in node.attributes)]
        if max(sizes) <= self.stream.size and min(sizes) >= 0:
            return node
        return replace(
            node,
            size=max(0, min(node.size, MAX_SIZE)),
            attributes=tuple(replace(one, size=max(0, min(one.size, MAX_SIZE))) for one in node.attributes),
            caveats=(*node.caveats, LARGER),
        )

    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """Names in a directory.

        Raises:
            LimitExceededError: After so many names, or so many that cannot be read, the rest is left out.
        """
        with translated(self.file, f"directory {number}"):
            directory = self._entry(number)
            count = int(directory.number_of_sub_file_entries)
        failed = 0
        for index in range(min(count, MAX_NAMES)):
            try:
                with translated(self.file, f"name {index} of the directory"):
                    entry = directory.get_sub_file_entry(index)
                    if entry is None:
                        raise ValueError(NO_ENTRY)
                    found = Name(self.name_of(entry), self.number_of(entry))
            except EvidenceError as error:
                yield error
                failed += 1
                if failed >= MAX_FAILED:
                    words = f"{failed} names of the directory cannot be read: the rest of {count} is left out"
                    raise LimitExceededError(words) from error
                continue
            self._kept = (found.number, entry)
            yield found
        if count > MAX_NAMES:
            raise LimitExceededError(f"the directory claims {count} names: those after {MAX_NAMES} are left out")

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """A content: runs where its bytes lie as they are, else the library's stream."""
        size = node.size if not attribute else next(a.size for a in node.attributes if a.number == attribute)
        if size <= 0:
            return MemoryStream(b"")
        with translated(self.file, f"metadata record {node.number}"):
            entry = self._entry(node.number)
            data = self.data(entry, attribute)
            runs = self._runs(data, size, self.written(entry, attribute))
        return runs if runs is not None else LibyalStream(data, self.file, size)

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """Free space, ascending.

        Raises:
            EvidenceError: It cannot be told, or not all of it.
        """
        try:
            yield from joined(run for run in self.free() if run[1] > 0)
        except struct.error as error:
            raise CorruptStructureError(f"the allocation map of {self.name} makes no sense") from error

    def _runs(self, data: Any, size: int, written: int | None) -> tuple[ByteRun, ...] | None:
        """Extents of a content that is stored as it is; None where the library must read it."""
        if not self.is_mapped:
            return None
        try:
            count = int(data.get_number_of_extents())
        except LIBRARY_ERRORS:  # so does it say that there are none
            return None
        if not 0 < count <= MAX_RUNS:
            return None
        runs: list[ByteRun] = []
        position = 0
        end = size if written is None else min(size, written)
        for index in range(count):
            place, length, flags = data.get_extent(index)
            if flags & COMPRESSED or length <= 0:
                return None
            if not flags & SPARSE and place >= 0 and position < end:
                _add(runs, position, place, min(length, end - position))
            position += length
            if position >= size:
                return tuple(runs) or (ByteRun(0, -1, -1, size),)
        return None

    def _entry(self, number: int) -> Any:
        """The library's file entry of a number; the last one is kept."""
        if self._kept[0] != number or self._kept[1] is None:
            entry = self.find(number)
            if entry is None:
                raise ValueError(NO_ENTRY)
            self._kept = (number, entry)
        return self._kept[1]


def _add(runs: list[ByteRun], position: int, place: int, length: int) -> None:
    """Append a run, joined to the last where it goes on there."""
    last = runs[-1] if runs else None
    if last is not None and last.fs_offset + last.length == place and last.file_offset + last.length == position:
        runs[-1] = replace(last, length=last.length + length)
    else:
        runs.append(ByteRun(position, place, -1, length))


class LibyalFileSystem(TreeFileSystem):
    """A file system over such a tree; see :class:`~triage.evidence.interface.FileSystem`.

    Args:
        tree: Opened.
        volume: Where it lies.
        evidence_name: For the addresses of entries.
        size: Bytes of the file system from the start of the volume, 0 where unknown.
    """

    def __init__(self, tree: LibyalTree, volume: Volume, evidence_name: str, size: int = 0) -> None:
        super().__init__(tree, tree.stream, volume, evidence_name)
        self.size = size
        self._libyal = tree

    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry, whoever listed it."""
        return super().open_entry(self._ours(entry))

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the content of an entry lies, whoever listed it."""
        return super().byte_runs(self._ours(entry))

    def extents(self, entry: Entry) -> Extents:
        """Where bytes lie that an entry has in the volume, whoever listed it."""
        return super().extents(self._ours(entry))

    def _ours(self, entry: Entry) -> Entry:
        """An entry with our number of its attribute, by the name of its stream."""
        name = entry.address.stream
        self._libyal.hint(entry.meta_address, entry.address.path)
        if not name:
            return replace(entry, attribute_type=0, attribute_id=0)
        found = next((one for one in self._node(entry.meta_address).attributes if one.name == name), None)
        if found is None:
            raise ReadFailedError(f"no such stream in metadata record {entry.meta_address}", address=str(entry.address))
        return replace(entry, attribute_type=0, attribute_id=found.number)


def volume_stream(media: Stream, volume: Volume) -> VolumeStream:
    """Bytes of a volume."""
    return VolumeStream(media, volume.image_offset, volume.length)


def numbered(attributes: Iterable[tuple[bytes, int]]) -> tuple[Attribute, ...]:
    """Attributes by name and size, numbered from 1."""
    return tuple(Attribute(name, size, number) for number, (name, size) in enumerate(attributes, 1))
