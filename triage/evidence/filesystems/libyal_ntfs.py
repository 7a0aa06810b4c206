"""NTFS through libfsntfs, where The Sleuth Kit cannot read it.

Live names with their streams; and by number, as orphans without a name: records that no directory leads to, deleted
ones among them. Their content is what their data runs still say.

Source: the libfsntfs API (``pyfsntfs``); the NTFS documentation of the Linux-NTFS project for attribute numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError
from triage.evidence.filesystems.free_bits import PIECE
from triage.evidence.filesystems.libyal import MAX_SIZE, LibyalFileSystem, LibyalTree, numbered, volume_stream
from triage.evidence.filesystems.libyal_io import LIBRARY_ERRORS, translated
from triage.evidence.filesystems.ntfs import MAX_DESCRIPTORS, block_owners, sid
from triage.evidence.filesystems.tree import Node
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import Stream
from triage.model.times import Times
from triage.model.volume import Volume

MAX_RECORDS = 10_000_000
"""Records looked at by number."""
MAX_STREAMS = 4096
EFS = "encrypted by EFS: the content can be read only with the user's key"
BY_NUMBER = "found by its number in the MFT: no directory leads to it, its name is not known"
_STANDARD_INFORMATION, _DATA = 0x10, 0x80
_ENCRYPTED, _REPARSE = 0x4000, 0x400
_EPOCH = 116_444_736_000_000_000
_BAD_CLUSTERS, _SECURE = 8, 9


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> LibyalFileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        EvidenceError: It does not open.
    """
    stream = volume_stream(media, volume)
    tree = NtfsTree(stream)
    sectors, sector = struct.unpack_from("<Q", stream.read_at(40, 8))[0], int(tree.volume.bytes_per_sector)
    return LibyalFileSystem(tree, volume, evidence_name, sectors * sector // tree.block_size * tree.block_size)


class NtfsTree(LibyalTree):
    """See ``tree.Tree``.

    Args:
        stream: Bytes of the volume.
    """

    root = 5

    def __init__(self, stream: Stream) -> None:
        import pyfsntfs

        self._known_owners: dict[int, str] | None = None
        boot = stream.read_at(0, 48).ljust(48, b"\0")
        (sector,), (sectors,) = struct.unpack_from("<H", boot, 11), struct.unpack_from("<Q", boot, 40)
        super().__init__(stream, pyfsntfs.volume, "ntfs", min(sectors * sector, MAX_SIZE))
        with translated(self.file, "ntfs"):
            self.block_size = int(self.volume.cluster_block_size)
            self.volume.get_root_directory()

    def find(self, number: int) -> Any:
        """The file entry of an MFT record."""
        return self.volume.get_file_entry(number)

    def number_of(self, entry: Any) -> int:
        """Number of the MFT record."""
        return int(entry.file_reference) & 0xFFFF_FFFF_FFFF

    def describe(self, entry: Any, number: int) -> Node:
        """The node of a file entry."""
        flags = int(entry.get_file_attribute_flags() or 0)
        is_directory = bool(entry.has_directory_entries_index())
        link = entry.get_symbolic_link_target() if flags & _REPARSE else None
        kind = EntryType.DIRECTORY if is_directory else EntryType.FILE
        streams = []
        for index in range(min(MAX_STREAMS, int(entry.number_of_alternate_data_streams))):
            stream = entry.get_alternate_data_stream(index)
            name = str(stream.name or "").encode("utf-8", "surrogatepass")
            if number != _BAD_CLUSTERS or name != b"$Bad":  # as large as the volume, and no content
                streams.append((name, int(stream.size)))
        return Node(
            number,
            EntryType.SYMLINK if link is not None else kind,
            0 if is_directory else int(entry.size or 0),
            _times(entry),
            self._owner(entry),
            numbered(streams),
            bool(entry.is_allocated()),
            (EFS,) if flags & _ENCRYPTED else (),
        )

    def data(self, entry: Any, attribute: int) -> Any:
        """The file entry, or one of its streams."""
        return entry.get_alternate_data_stream(attribute - 1) if attribute else entry

    def written(self, entry: Any, attribute: int) -> int | None:
        """Initialised size of a ``$DATA`` attribute."""
        name = self.data(entry, attribute).name if attribute else None
        for index in range(min(MAX_STREAMS, int(entry.number_of_attributes))):
            found = entry.get_attribute(index)
            if found.attribute_type == _DATA and (found.attribute_name or None) == name:
                return int(found.valid_data_size)
        return None

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """See ``tree.Tree``."""
        if EFS in node.caveats:
            raise EncryptedVolumeError(EFS, hint="export the user's EFS key")
        return super().content(node, attribute)

    def unlinked(self) -> Iterator[Node | EvidenceError]:
        """Every record with content that no directory led to."""
        with translated(self.file, "$MFT"):
            count = int(self.volume.number_of_file_entries)
        for number in range(min(count, MAX_RECORDS)):
            try:
                with translated(self.file, f"MFT record {number}"):
                    entry = self.volume.get_file_entry(number)
                    if entry is None or entry.is_empty() or int(entry.base_record_file_reference):
                        continue
                    node = self.describe(entry, number)
            except EvidenceError:  # never used, or damaged: nothing says that it was a file
                continue
            if node.entry_type is EntryType.FILE and (node.size or node.attributes):
                yield Node(number, node.entry_type, node.size, node.times, node.owner, node.attributes,
                           node.allocated, (*node.caveats, BY_NUMBER))  # fmt: skip

    def free(self) -> Iterable[tuple[int, int]]:
        """Free clusters by ``$Bitmap``."""
        from triage.evidence.filesystems.free_maps import ntfs

        return ntfs(self.stream, self)

    def _owner(self, entry: Any) -> str:
        """The owner's SID, empty where it is not known."""
        try:
            descriptor = bytes(entry.security_descriptor_data or b"")
        except LIBRARY_ERRORS:  # so does it say that it found none
            descriptor = b""
        if len(descriptor) >= 8:
            return sid(descriptor, int.from_bytes(descriptor[4:8], "little"))
        try:
            for index in range(min(MAX_STREAMS, int(entry.number_of_attributes))):
                attribute = entry.get_attribute(index)
                if attribute.attribute_type == _STANDARD_INFORMATION:
                    return self._owners().get(int(attribute.get_security_descriptor_identifier() or 0), "")
        except LIBRARY_ERRORS:
            pass
        return ""

    def _owners(self) -> dict[int, str]:
        """Owner's SID by security identifier, from ``$Secure:$SDS``; each 256 KiB there are followed by a copy."""
        if self._known_owners is None:
            found = self._known_owners = {}
            stream = self.volume.get_file_entry(_SECURE).get_alternate_data_stream_by_name("$SDS")
            for block in range(0, min(int(stream.size), MAX_DESCRIPTORS), 0x80000):
                data = stream.read_buffer_at_offset(min(0x40000, int(stream.size) - block), block)
                found.update(block_owners(bytes(data), block))
        return self._known_owners

    # --- what the reader of the free map asks of a library ----------------------------------------------------------
    def special(self, number: int) -> Iterator[bytes]:
        """Content of a file of the file system itself, in pieces."""
        node = self.node(number)
        stream = self.content(node, 0)
        if isinstance(stream, tuple):
            from triage.evidence.filesystems.run_stream import RunStream

            stream = RunStream(self.stream, stream, node.size)
        if node.size <= 0:
            raise CorruptStructureError(f"metadata record {number} has no content")
        for position in range(0, node.size, PIECE):
            yield stream.read_at(position, min(PIECE, node.size - position))


def _times(entry: Any) -> Times:
    return Times(
        _nanoseconds(entry.get_modification_time_as_integer()),
        _nanoseconds(entry.get_access_time_as_integer()),
        _nanoseconds(entry.get_entry_modification_time_as_integer()),
        _nanoseconds(entry.get_creation_time_as_integer()),
    )


def _nanoseconds(value: int | None) -> int | None:
    """A time in 100 ns since 1601, None where it is not set."""
    return (value - _EPOCH) * 100 if value else None
