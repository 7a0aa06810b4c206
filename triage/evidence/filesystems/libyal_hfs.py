"""HFS+ through libfshfs, where The Sleuth Kit cannot read it.

Live names with resource forks (stream ``rsrc``) and extended attributes (stream of their name). Deleted names are not
listed: the catalogue keeps none.

Source: the libfshfs API (``pyfshfs``); Apple's technical note TN1150 (volume header).
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.filesystems.free_bits import PIECE
from triage.evidence.filesystems.free_maps import hfs, hfs_start
from triage.evidence.filesystems.libyal import LibyalFileSystem, LibyalTree, numbered, volume_stream
from triage.evidence.filesystems.libyal_io import translated
from triage.evidence.filesystems.run_stream import RunStream, VolumeStream
from triage.evidence.filesystems.tree import Name, Node
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import Stream
from triage.model.times import Times
from triage.model.volume import Volume

RESOURCE_FORK = b"rsrc"
MAX_STREAMS = 4096
_KINDS = {stat.S_IFREG: EntryType.FILE, stat.S_IFDIR: EntryType.DIRECTORY, stat.S_IFLNK: EntryType.SYMLINK}
_EPOCH = 2_082_844_800
"""Seconds from 1904 to 1970."""
_OWN = {
    3: (b"$ExtentsFile", 192),
    4: (b"$CatalogFile", 272),
    6: (b"$AllocationFile", 112),
    7: (b"$StartupFile", 432),
    8: (b"$AttributesFile", 352),
}
"""Files of the file system itself by number: the name that The Sleuth Kit gives them, their fork in the header."""


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> LibyalFileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        EvidenceError: It does not open.
    """
    tree = HfsTree(volume_stream(media, volume))
    return LibyalFileSystem(tree, volume, evidence_name, tree.size)


class HfsTree(LibyalTree):
    """See ``tree.Tree``.

    Args:
        stream: Bytes of the volume.

    Attributes:
        size: Bytes of the file system.
    """

    root = 2

    def __init__(self, stream: Stream) -> None:
        import pyfshfs

        start = hfs_start(stream)
        self._whole = stream
        inner = VolumeStream(stream, start, stream.size - start) if start else stream
        self._header = inner.read_at(1024, 512)
        if len(self._header) < 512:
            raise CorruptStructureError("no volume header of HFS+")
        self.block_size, blocks = struct.unpack_from(">II", self._header, 40)
        self.size = start + self.block_size * blocks
        super().__init__(inner, pyfshfs.volume, "hfs+", self.size - start)
        self.is_mapped = not start
        with translated(self.file, "hfs+"):
            self.volume.get_root_directory()

    def find(self, number: int) -> Any:
        """The file entry of a catalogue node."""
        return self.volume.get_file_entry_by_identifier(number)

    def number_of(self, entry: Any) -> int:
        """Number of the catalogue node."""
        return int(entry.identifier)

    def name_of(self, entry: Any) -> bytes:
        """The name, with the characters that The Sleuth Kit puts for those that cannot stand in a path."""
        name = str(entry.name or "").replace("\u2400", "^").replace("/", ":")
        return name.encode("utf-8", "surrogatepass")

    def describe(self, entry: Any, number: int) -> Node:
        """The node of a file entry."""
        mode = stat.S_IFMT(int(entry.file_mode or 0))
        kind = _KINDS.get(mode, EntryType.OTHER) if mode else _kind_without_mode(entry)
        streams = [(name, int(data.size)) for name, data in _streams(entry)] if kind is not EntryType.OTHER else []
        times = Times(
            _nanoseconds(entry.get_modification_time_as_integer()),
            _nanoseconds(entry.get_access_time_as_integer()),
            _nanoseconds(entry.get_entry_modification_time_as_integer()),
            _nanoseconds(entry.get_creation_time_as_integer()),
        )
        return Node(
            number,
            kind,
            0 if kind is EntryType.DIRECTORY else int(entry.size or 0),
            times,
            str(entry.owner_identifier),
            numbered(streams),
        )

    def data(self, entry: Any, attribute: int) -> Any:
        """The file entry, its resource fork, or an extended attribute."""
        if not attribute:
            return entry
        for number, (_, data) in enumerate(_streams(entry), 1):
            if number == attribute:
                return data
        raise ValueError(f"no such stream: {attribute}")

    def free(self) -> Iterable[tuple[int, int]]:
        """Free blocks by the allocation file."""
        return hfs(self._whole, self)

    def special(self, number: int) -> Iterator[bytes]:
        """Content of a file of the file system itself, in pieces; see :func:`~free_maps.hfs`."""
        size, runs = self._fork(number)
        stream = RunStream(self.stream, runs, size)
        for offset in range(0, size, PIECE):
            yield stream.read_at(offset, min(PIECE, size - offset))

    # --- files of the file system itself, which the library does not list ------------------------------------------
    def names(self, number: int) -> Iterator[Name | EvidenceError]:
        """Names in a directory; in the root those of the file system's own files first."""
        if number == self.root:
            yield from (Name(name, own) for own, (name, _) in _OWN.items() if self._fork_size(own))
        yield from super().names(number)

    def node(self, number: int) -> Node:
        """The record of a number."""
        if number in _OWN:
            return Node(number, EntryType.FILE, min(self._fork_size(number), self.size), owner="0")
        return super().node(number)

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """See ``tree.Tree``."""
        if node.number not in _OWN:
            return super().content(node, attribute)
        _, runs = self._fork(node.number)
        return runs if self.is_mapped else RunStream(self.stream, runs, node.size)

    def _fork_size(self, number: int) -> int:
        return int(struct.unpack_from(">Q", self._header, _OWN[number][1])[0])

    def _fork(self, number: int) -> tuple[int, tuple[ByteRun, ...]]:
        """Size and runs of such a file: the extents that the volume header has of it.

        Raises:
            ReadFailedError: It has more than these.
        """
        size, _, _, *extents = struct.unpack_from(">QII16I", self._header, _OWN[number][1])
        runs: list[ByteRun] = []
        position = 0
        for first, count in zip(extents[::2], extents[1::2], strict=True):
            if count:
                runs.append(ByteRun(position, first * self.block_size, -1, count * self.block_size))
                position += count * self.block_size
        if position < size:
            raise ReadFailedError(f"{_OWN[number][0].decode()} lies in more pieces than the volume header has room for")
        return size, tuple(runs)


def _kind_without_mode(entry: Any) -> EntryType:
    """Type of an entry whose permissions were never set, as before Mac OS X: only files have a data fork."""
    try:
        entry.get_number_of_extents()
    except OSError:
        return EntryType.DIRECTORY
    return EntryType.FILE


def _streams(entry: Any) -> Iterator[tuple[bytes, Any]]:
    """Further streams of a file entry that hold something, in a fixed order."""
    fork = entry.get_resource_fork() if entry.has_resource_fork() else None
    if fork is not None and int(fork.size) > 0:
        yield RESOURCE_FORK, fork
    for index in range(min(MAX_STREAMS, int(entry.number_of_extended_attributes))):
        attribute = entry.get_extended_attribute(index)
        yield str(attribute.name or "xattr").encode("utf-8", "surrogatepass"), attribute


def _nanoseconds(value: int | None) -> int | None:
    """A time in seconds since 1904, None where it is not set."""
    return (value - _EPOCH) * 1_000_000_000 if value else None
