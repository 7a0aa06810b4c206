"""Compressed files of HFS+, which The Sleuth Kit lists as empty, with the size of what is compressed, or not readable.

Where a file has the attribute ``com.apple.decmpfs`` and no data fork of its own, its entry has the size and the content
that the attribute tells (``decmpfs``). The resource fork that holds it is then not examined again. Where there is a
data fork too, of which the library says nothing, that is the file's content, and what the attribute tells is a stream:
either may be what the system does not show.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems import tsk_library as tsk
from triage.evidence.filesystems.decmpfs import Compression, open_compressed, parse_compression
from triage.evidence.filesystems.free_maps import hfs_start
from triage.evidence.filesystems.hfs_btree import AttributesFile, Catalog, Fork
from triage.evidence.filesystems.run_stream import RunStream, VolumeStream
from triage.evidence.filesystems.tsk_attributes import RESOURCE_FORK, Attributes, Data
from triage.evidence.filesystems.tsk_stream import TskStream
from triage.evidence.tsk_image import TskImage
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream, Stream

ATTRIBUTE = "com.apple.decmpfs"
COMPRESSED = "compressed by HFS+"
PACKED = "the compressed form of the file itself, where it is examined"
BAD_HEADER = "the header of its compression does not hold: these are its bytes as they are"
FORK = "has an attribute of compressed files that would hide its content: both are examined"
IN_PIECES = (
    "the data fork of this file lies in more than eight pieces, which is not read of a file marked as compressed"
)
OWN_ATTRIBUTE, OWN_FORK = 0x7000, 0x7001
"""Types of an extended attribute and of a data fork that the library does not give."""
OWN_TYPES = (tsk.ATTRIBUTE_HFS_COMPRESSION, OWN_ATTRIBUTE, OWN_FORK)
_CATALOG_FILE, _ATTRIBUTES_FILE = 4, 8


class HfsCompression:
    """Finds and opens the compressed files of one volume.

    Args:
        library: The library's file system.
        image: The image under it.
        stream: Bytes of the volume.
        base: Byte of the media where it begins, -1 where that has no place there.

    Attributes:
        error: Why the attributes of a file could not be read, None where all could.
    """

    def __init__(self, library: Any, image: TskImage, stream: VolumeStream, base: int) -> None:
        self._library = library
        self._image = image
        self._stream = stream
        self._base = base
        self._block = int(library.info.block_size)
        self._tree: AttributesFile | None = None
        self._catalog: Catalog | None = None
        self.error: EvidenceError | None = None

    def amend(self, found: Attributes, item: Any, meta_address: int) -> None:
        """Put right what the library tells of the data of a file.

        Args:
            found: Its attributes; changed.
            item: The library's file.
            meta_address: Its catalog node.
        """
        meta = item.info.meta
        if meta is None or int(meta.type) != tsk.META_REG or meta_address < 16:
            return
        if any(not data.stream and data.size > 0 for data in found.data):
            return
        try:
            attributes = dict(self._attributes().attributes(meta_address))
            raw = attributes.pop(ATTRIBUTE, None)
            if raw is None:
                return
            fork = self._data_fork(meta_address)
        except EvidenceError as error:
            self.error = self.error or error
            return
        if fork is not None:
            runs = self._runs(fork)
            found.data = [data for data in found.data if data.stream]
            found.data.append(Data(b"", OWN_FORK, 0, fork.size, runs[0].image_offset if runs else -1, (FORK,)))
        if not found.data and not found.has_compression:  # the library gave up on the file
            for number, (name, data) in enumerate(attributes.items()):
                stream = name.encode("utf-8", "surrogatepass")
                found.data.append(Data(stream, OWN_ATTRIBUTE, number, len(data)))
        try:
            compression = parse_compression(raw)
        except CorruptStructureError:
            found.data.append(Data(ATTRIBUTE.encode(), OWN_ATTRIBUTE, len(attributes), len(raw), -1, (BAD_HEADER,)))
            return
        self._place(found, compression, fork is not None)

    def open(self, file: Any, entry: Entry) -> Stream:
        """The content of an entry that :meth:`amend` made.

        Raises:
            EvidenceError: It cannot be read.
        """
        stream = entry.address.stream
        if entry.attribute_type == OWN_ATTRIBUTE:
            return MemoryStream(self._raw(entry, stream.decode("utf-8", "surrogatepass")))
        if entry.attribute_type == OWN_FORK:
            return RunStream(self._stream, self._checked(self._data_fork(entry.meta_address), entry), entry.size)
        compression = parse_compression(self._raw(entry, ATTRIBUTE))
        fork = None
        if compression.in_fork:
            attribute = resource_fork(file)
            if attribute is not None:
                kind, number, size = int(attribute.info.type), int(attribute.info.id), int(attribute.info.size)
                packed = replace(entry, size=max(0, size), attribute_type=kind, attribute_id=number)
                fork = TskStream(file, self._image, packed)
        return open_compressed(compression, fork)

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the content of such an entry lies as it is, by ``file_offset``.

        Raises:
            EvidenceError: It cannot be told.
        """
        if entry.attribute_type != OWN_FORK:
            return ()
        runs = self._checked(self._data_fork(entry.meta_address), entry)
        return tuple(
            replace(run, length=min(run.length, entry.size - run.file_offset))
            for run in runs
            if run.file_offset < entry.size
        )

    def holder(self, file: Any, entry: Entry) -> Any:
        """The library's resource fork where that has the content of an entry; else None."""
        if entry.attribute_type != tsk.ATTRIBUTE_HFS_COMPRESSION or entry.address.stream:
            return None
        try:
            return resource_fork(file) if parse_compression(self._raw(entry, ATTRIBUTE)).in_fork else None
        except EvidenceError:
            return None

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the rest of the last block of a data fork lies; of the others nothing is told here.

        Raises:
            EvidenceError: It cannot be told.
        """
        runs = self.byte_runs(entry)
        rest = -entry.size % self._block
        if not runs or not rest:
            return ()
        end = runs[-1].fs_offset + runs[-1].length
        return (ByteRun(0, end, end + self._base if self._base >= 0 else -1, rest),)

    def notice(self, evidence_name: str, volume_name: str) -> Problem | None:
        """What is to be told of the volume as a whole, None for nothing."""
        if self.error is None:
            return None
        message = f"compressed files may be missing or empty: {self.error.message}"
        address = str(Address(evidence_name, volume_name, b"/"))
        return Problem(address, "evidence/tsk", Reason.CORRUPT, message, "read the volume with another tool")

    def _place(self, found: Attributes, compression: Compression, has_fork: bool) -> None:
        notes = (f"{COMPRESSED} (kind {compression.kind})",)
        offset = -1
        if compression.in_fork:
            for index, data in enumerate(found.data):
                if data.stream == RESOURCE_FORK:
                    offset = data.image_offset
                    if not has_fork:
                        found.data[index] = replace(data, caveats=(*data.caveats, PACKED), is_map=True)
        stream = ATTRIBUTE.encode() if has_fork else b""
        if not has_fork:
            found.data = [data for data in found.data if data.stream]
        found.data.append(Data(stream, tsk.ATTRIBUTE_HFS_COMPRESSION, 0, compression.size, offset, notes))

    def _data_fork(self, number: int) -> Fork | None:
        """The data fork of a file as the catalog has it.

        Raises:
            EvidenceError: The catalog cannot be read.
        """
        if self._catalog is None:
            self._catalog = Catalog(self._file(_CATALOG_FILE), self._block)
        return self._catalog.data_fork(number)

    def _runs(self, fork: Fork) -> tuple[ByteRun, ...]:
        """Whole blocks of a fork."""
        start, position, runs = hfs_start(self._stream), 0, []
        for first, count in fork.extents:
            place = start + first * self._block
            runs.append(ByteRun(position, place, place + self._base if self._base >= 0 else -1, count * self._block))
            position += count * self._block
        return tuple(runs)

    def _checked(self, fork: Fork | None, entry: Entry) -> tuple[ByteRun, ...]:
        if fork is None or not fork.is_whole:
            raise UnsupportedFormatError(IN_PIECES, hint="read it with another tool", address=str(entry.address))
        return self._runs(fork)

    def _raw(self, entry: Entry, name: str) -> bytes:
        raw = self._attributes().find(entry.meta_address, name)
        if raw is None:
            raise CorruptStructureError(f"the attribute {ATTRIBUTE} is not there", address=str(entry.address))
        return raw

    def _attributes(self) -> AttributesFile:
        """The attributes file, opened once.

        Raises:
            EvidenceError: It cannot be opened.
        """
        if self._tree is None:
            self._tree = AttributesFile(self._file(_ATTRIBUTES_FILE))
        return self._tree

    def _file(self, number: int) -> Stream:
        """A file of the file system's own; an empty one where there is none, as of attributes."""
        try:
            file = self._library.open_meta(number)
            size = int(file.info.meta.size)
        except tsk.LIBRARY_ERRORS:
            return MemoryStream(b"")
        return TskStream(file, self._image, Entry(Address("", "", b"/"), EntryType.FILE, max(0, size), number))


def resource_fork(file: Any) -> Any:
    """The library's attribute of the resource fork, None where there is none."""
    try:
        return next((one for one in file if int(one.info.type) == tsk.ATTRIBUTE_HFS_RESOURCE), None)
    except tsk.LIBRARY_ERRORS:
        return None
