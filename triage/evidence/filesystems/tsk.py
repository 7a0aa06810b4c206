"""File systems that The Sleuth Kit reads: NTFS, FAT12/16/32, exFAT, ext2/3/4, HFS+, ISO 9660, UFS, YAFFS2.

The library runs hostile data through much C code: use it in a process that may die. See ``tsk_walk`` for the order of
entries and the limits of listing, ``tsk_entries`` for how names and metadata records are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from triage.errors import CorruptStructureError, EncryptedVolumeError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems import tsk_library as tsk
from triage.evidence.filesystems.ext import has_scattered_descriptors
from triage.evidence.filesystems.ntfs_reparse import Kind
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.tsk_attributes import EFS, AttributeReader, find_attribute
from triage.evidence.filesystems.tsk_entries import EntryMaker
from triage.evidence.filesystems.tsk_hfs import OWN_TYPES, HfsCompression
from triage.evidence.filesystems.tsk_library import detect as detect_file_system
from triage.evidence.filesystems.tsk_metadata import FSCRYPT, MetadataReader
from triage.evidence.filesystems.tsk_reparse import find_packed, open_reparsed
from triage.evidence.filesystems.tsk_runs import joined_slack, map_runs
from triage.evidence.filesystems.tsk_stream import TskStream, WrittenStream, ZeroStream
from triage.evidence.filesystems.tsk_walk import Walker
from triage.evidence.filesystems.wof import STREAM
from triage.evidence.interface import Extents
from triage.evidence.tsk_image import TskImage
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.stream import MemoryStream, Stream
from triage.model.volume import Volume

__all__ = ["TskFileSystem", "detect_file_system", "open_file_system"]


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> TskFileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        UnsupportedFormatError: The library knows none there.
        CorruptStructureError: One was seen there, but it does not open.
        ReadFailedError: The media cannot be read.
    """
    if volume.file_system.startswith("ext") and has_scattered_descriptors(media, volume.image_offset):
        raise UnsupportedFormatError(
            f"{volume.file_system} of {volume.name} has its group descriptors among the groups (meta_bg), which The"
            " Sleuth Kit reads wrongly", hint="mount the volume read-only under Linux",
        )  # fmt: skip
    image = tsk.volume_image(media, volume.image_offset, volume.length)
    try:
        library, name = tsk.open_library(image, volume.file_system)
        return TskFileSystem(library, name, image, media, volume, evidence_name)
    except tsk.LIBRARY_ERRORS as error:
        if image.failed is not None:
            raise ReadFailedError(f"{volume.name} cannot be read: {image.failed.message}") from image.failed
        if volume.file_system:
            message = f"{volume.file_system} of {volume.name} does not open: {tsk.said(error)}"
            raise CorruptStructureError(message, hint="read it with another tool") from error
        raise UnsupportedFormatError(f"no known file system in {volume.name}: {tsk.said(error)}") from error


class TskFileSystem:
    """One file system; see :class:`~triage.evidence.interface.FileSystem`.

    Attributes:
        name: ``ntfs``, ``fat16`` ...
        block_size: Bytes of the unit in which the library counts (FAT: a sector).
        size: Bytes of the file system from the start of the volume, 0 where unknown.
    """

    def __init__(
        self, library: Any, name: str, image: TskImage, media: Stream, volume: Volume, evidence_name: str
    ) -> None:
        self.name = name
        self.block_size = int(library.info.block_size)
        self._library = library
        self._image = image
        self._media = media
        self._volume = volume
        self._evidence = evidence_name
        self._is_mapped = _is_mapped(library, name, media, volume)
        self._metadata = MetadataReader(library, name, media, volume)
        attributes = AttributeReader(name, volume, self.block_size, is_mapped=self._is_mapped)
        self._hfs: HfsCompression | None = None
        if name == "hfs+":
            stream = VolumeStream(media, volume.image_offset, volume.length)
            self._hfs = HfsCompression(library, image, stream, -1 if volume.parent else volume.image_offset)
            attributes.amend = self._hfs.amend
        self._maker = EntryMaker(library, name, volume, evidence_name, attributes, self._metadata)
        from triage.evidence.filesystems.tsk_space import TskSpace  # numpy, which detection does not need

        self._space = TskSpace(library, name, media, volume, is_mapped=self._is_mapped)
        self.size = self._space.size
        self._last: tuple[int, Any] = (-1, None)

    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries; see ``tsk_walk``.

        Args:
            skip: Metadata addresses not to descend into; each gives a Problem ``loop``.
            entering: Called with metadata address and path before the library is asked for a directory; when a
                record is looked at by its number, with that and ``/$unlisted``.
        """
        walker = Walker(
            self._library, self._image, self._maker, self.name, self._evidence, self._volume.name, skip, entering
        )
        self._maker.reparsed.forget()
        yield from walker.run()
        yield from self._maker.reparsed.notices()
        problem = self._hfs.notice(self._evidence, self._volume.name) if self._hfs is not None else None
        if problem is not None:
            yield problem

    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry.

        Raises:
            EncryptedVolumeError: It is encrypted by EFS or fscrypt.
            ReadFailedError: The metadata record cannot be read.
            EvidenceError: A reparse point says that the content is elsewhere, or in a form that is not read.
        """
        if entry.size <= 0:
            return MemoryStream(b"")
        file = self._file(entry)
        if self._metadata.is_fscrypt(entry.meta_address):
            raise EncryptedVolumeError(FSCRYPT, hint="ask for the key", address=str(entry.address))
        if self._hfs is not None and entry.attribute_type in OWN_TYPES:
            return self._hfs.open(file, entry)
        if not entry.attribute_type and file.info.meta.link:
            return MemoryStream(bytes(file.info.meta.link))
        if self.name == "ntfs":
            if not entry.address.stream and (content := open_reparsed(file, self._image, entry)) is not None:
                return content
            attribute = find_attribute(file, entry)
            flags = int(attribute.info.flags) if attribute is not None else 0
            if flags & tsk.ENCRYPTED:
                raise EncryptedVolumeError(EFS, hint="export the user's EFS key", address=str(entry.address))
            if flags & tsk.NON_RESIDENT and self._is_never_written(attribute, entry):
                return ZeroStream(entry.size)
        stream = TskStream(file, self._image, entry)
        written = self._metadata.initialised_size(entry.meta_address, b"") if self.name == "exfat" else None
        return stream if written is None or written >= entry.size else WrittenStream(stream, written, entry.size)

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The content of an entry, at most ``limit`` bytes of it.

        Raises:
            EncryptedVolumeError: It is encrypted by EFS or fscrypt.
            ReadFailedError: It cannot be read; ``partial`` has what could be.
        """
        return self.open_entry(entry).read_at(0, min(entry.size, limit))

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the content lies, by ``file_offset``; empty for resident, compressed or encrypted content.

        Holes, and on NTFS and exFAT what was never written, have offset -1.

        Raises:
            ReadFailedError: The metadata record cannot be read.
        """
        if self._hfs is not None and entry.attribute_type in OWN_TYPES:
            return self._hfs.byte_runs(entry)
        if entry.size <= 0 or not self._is_mapped:
            return ()
        file = self._file(entry)
        attribute = find_attribute(file, entry)
        if attribute is None or self._holder(file, entry) is not None:
            return ()
        initialised = self._metadata.initialised_size(entry.meta_address, entry.address.stream)
        if initialised is None and self.name == "ntfs":
            return ()
        return map_runs(attribute, entry.size, self.block_size, self._volume.image_offset, initialised)

    def unallocated(self) -> Iterator[ByteRun]:
        """Runs of free data units, ascending; ``file_offset`` counts through them.

        Raises:
            EvidenceError: Free space cannot be told; or, after the last run, a part of the map could not be read and
                counts as free.
        """
        from triage.evidence.filesystems.tsk_space import covered_by

        return self._space.unallocated(lambda: covered_by(self.walk(), self.byte_runs, self.block_size))

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where bytes lie that are allocated to an entry and not its content; see ``tsk_space``.

        Args:
            entry: A file's, or that of its slack.

        Raises:
            ReadFailedError: The metadata record cannot be read.
        """
        file = self._file(entry)
        attribute = find_attribute(file, entry) if entry.size >= 0 and self._is_mapped else None
        holder = self._holder(file, entry) if self._is_mapped else None
        if holder is not None:
            owner = replace(entry, address=replace(entry.address, space=""), size=int(holder.info.size))
            initialised = self._metadata.initialised_size(entry.meta_address, STREAM)
            found = self._space.slack_runs(holder, owner, initialised)
            if attribute is None or self._hfs is not None:
                return found
            # Nothing of the unnamed data is read as content; what is stored there all the same is slack.
            return joined_slack(found, self._space.slack_runs(attribute, replace(owner, size=0), 0))
        if self._hfs is not None and entry.attribute_type in OWN_TYPES:
            return self._hfs.slack_runs(entry)
        if attribute is None:
            return ()
        initialised = self._metadata.initialised_size(entry.meta_address, entry.address.stream)
        if initialised is None and self.name == "ntfs":
            return ()
        return self._space.slack_runs(attribute, entry, initialised)

    def extents(self, entry: Entry) -> Extents:
        """Where bytes lie that a file has in the volume; none for resident content, which lies in its record.

        Raises:
            ReadFailedError: The metadata record cannot be read.
        """
        file = self._file(entry)
        if self._hfs is not None and entry.attribute_type in OWN_TYPES and self._holder(file, entry) is None:
            parts = [self._hfs.byte_runs(entry), self._hfs.slack_runs(entry)]
            return Extents(*(tuple((run.fs_offset, run.length) for run in part) for part in parts))
        attribute = find_attribute(file, entry) if entry.size >= 0 and self._is_mapped else None
        holder = self._holder(file, entry) if self._is_mapped else None
        if holder is not None:
            found = self._space.extents(holder, replace(entry, size=int(holder.info.size)), None, is_known=True)
            slack = tuple((run.fs_offset, run.length) for run in self.slack_runs(entry))
            return Extents(found.content, slack)
        if attribute is None:
            return Extents()
        initialised = self._metadata.initialised_size(entry.meta_address, entry.address.stream)
        is_known = initialised is not None or self.name != "ntfs"
        return self._space.extents(attribute, entry, initialised, is_known=is_known)

    def close(self) -> None:
        """Let go of the library's objects; a second call does nothing."""
        self._last = (-1, None)

    def _file(self, entry: Entry) -> Any:
        """The library's file of an entry; the last one is kept."""
        if self._last[0] == entry.meta_address:
            return self._last[1]
        try:
            file = self._library.open_meta(entry.meta_address)
        except tsk.LIBRARY_ERRORS as error:
            raise ReadFailedError(
                f"metadata record {entry.meta_address} cannot be read: {tsk.said(error)}", address=str(entry.address)
            ) from error
        self._last = (entry.meta_address, file)
        return file

    def _holder(self, file: Any, entry: Entry) -> Any:
        """The attribute that has the content of an entry in another form; None where it is its own.

        So it is under the Windows Overlay Filter of NTFS, and in files of HFS+ that are compressed.
        """
        if self._hfs is not None:
            return self._hfs.holder(file, entry)
        if self.name != "ntfs" or entry.address.stream:
            return None
        found = find_packed(file)
        return found.packed if found.point is not None and found.point.kind is Kind.OVERLAY else None

    def _is_never_written(self, attribute: Any, entry: Entry) -> bool:
        """True where a non-resident attribute has no run and nothing of it was initialised."""
        try:
            if next(iter(attribute), None) is not None:
                return False
        except tsk.LIBRARY_ERRORS:
            return False
        return self._metadata.initialised_size(entry.meta_address, entry.address.stream) == 0


def _is_mapped(library: Any, name: str, media: Stream, volume: Volume) -> bool:
    """True where block addresses of the library, times block size, are places in the volume.

    Not so in HFS+ inside an HFS wrapper, nor where blocks have bytes before or after them (YAFFS2, raw CD sectors).
    """
    info = library.info
    if int(info.block_pre_size) or int(info.block_post_size) or name == "yaffs2":
        return False
    return name != "hfs+" or media.read_at(volume.image_offset + 1024, 2) != b"BD"
