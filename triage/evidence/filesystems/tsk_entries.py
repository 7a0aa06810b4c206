"""Entries of one name: what The Sleuth Kit knows of it, judged and put into our words.

A name whose metadata record now belongs to another file is kept, without content, size, times or owner. On NTFS the
sequence number decides (it grows by one when a file is deleted, and the library then gives no record at all);
elsewhere a deleted name with an allocated record is taken for reused. That a record was reused and deleted again, or
that clusters of a deleted file were, cannot be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from triage.evidence.filesystems import tsk_library as tsk
from triage.evidence.filesystems.ntfs_reparse import Kind
from triage.evidence.filesystems.tsk_attributes import AttributeReader
from triage.evidence.filesystems.tsk_metadata import MetadataReader
from triage.evidence.filesystems.tsk_reparse import Reparsed
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.volume import Volume

REUSED = "the metadata record belongs to another file now: no content is attributed to this name"
NO_RECORD = "no metadata record is left for this name: its content cannot be found by name"
RENAMED = "the name is deleted, but its file lives on under another name"
ODD_TYPE = "the record says that it is no file, but it has stored data"
BY_NUMBER = "its directory could not be listed: found by its metadata address, the name is not known"
LABEL_SUFFIX = b" (Volume Label Entry)"
"""Appended by the library to what it makes of a FAT volume label."""

_BY_META = {
    tsk.META_REG: EntryType.FILE,
    tsk.META_DIR: EntryType.DIRECTORY,
    tsk.META_VIRTUAL_DIR: EntryType.DIRECTORY,
    tsk.META_LNK: EntryType.SYMLINK,
}
_BY_NAME = {
    tsk.NAME_REG: EntryType.FILE,
    tsk.NAME_DIR: EntryType.DIRECTORY,
    tsk.NAME_VIRTUAL_DIR: EntryType.DIRECTORY,
    tsk.NAME_LNK: EntryType.SYMLINK,
}
_YAFFS_MADE_UP = frozenset({3, 4})
"""Objects of YAFFS2 that stand for unlinked and deleted files."""


@dataclass(slots=True)
class Described:
    """What one name gave.

    Attributes:
        entries: The entry of the name first, then its further streams.
        target: Metadata address to descend into, -1 where it is no directory or not this name's.
        lives_elsewhere: The directory has another, allocated name; descend only if nobody else does.
        is_virtual_directory: Made by the library.
    """

    entries: list[Entry]
    target: int = -1
    lives_elsewhere: bool = False
    is_virtual_directory: bool = False


class EntryMaker:
    """Makes the entries of one file system.

    Args:
        library: The library's file system.
        name: Our name of it.
        volume: Where it lies.
        evidence_name: For addresses.
        attributes: Reads attributes of its files.
        metadata: Reads its metadata records.

    Attributes:
        reparsed: Judges and counts files with a reparse point.
    """

    def __init__(
        self,
        library: Any,
        name: str,
        volume: Volume,
        evidence_name: str,
        attributes: AttributeReader,
        metadata: MetadataReader,
    ) -> None:
        self._library = library
        self._evidence = evidence_name
        self._volume = volume.name
        self._is_ntfs = name == "ntfs"
        self._is_fat = name in ("fat12", "fat16", "fat32", "exfat")
        self._made_up = _YAFFS_MADE_UP | {int(library.info.last_inum)} if name == "yaffs2" else frozenset()
        self._has_sequence = bool(int(library.info.flags) & tsk.HAS_SEQUENCE)
        self._attributes = attributes
        self.reparsed = Reparsed(evidence_name, volume.name)
        self._metadata = metadata

    def describe(self, item: Any, path: bytes, *, orphan: bool) -> Described:
        """Entries of one name of a directory.

        Args:
            item: The library's file, with its name.
            path: Absolute path.
            orphan: It was reached through a record that no name points at.
        """
        name, meta = item.info.name, item.info.meta
        alloc_name = bool(name.flags & tsk.FLAG_ALLOCATED)
        meta_address = name.meta_addr
        if meta is None and (meta_address or self._is_ntfs):
            try:
                item = self._library.open_meta(meta_address)
                meta = item.info.meta
            except tsk.LIBRARY_ERRORS:
                meta = None
        kind = _BY_NAME.get(int(name.type), EntryType.OTHER)
        if meta is None:
            return self._without_content(path, kind, meta_address, alloc_name, False, orphan, NO_RECORD)
        alloc_inode = bool(meta.flags & tsk.FLAG_ALLOCATED)
        if self._is_reused(alloc_name, name.meta_seq, alloc_inode, meta.seq):
            return self._without_content(path, kind, meta_address, alloc_name, alloc_inode, orphan, REUSED)
        made = self.describe_record(item, path, alloc_name=alloc_name, orphan=orphan, kind=kind)
        made.lives_elsewhere = alloc_inode and not alloc_name
        return made

    def describe_record(
        self,
        item: Any,
        path: bytes,
        *,
        alloc_name: bool,
        orphan: bool,
        kind: EntryType = EntryType.OTHER,
        note: str = "",
    ) -> Described:
        """Entries of one metadata record.

        Args:
            item: The library's file; its ``meta`` is there.
            path: Absolute path.
            alloc_name: The name is allocated.
            orphan: No name points at it, or at what it was reached through.
            kind: Type by name, used where the record has none.
            note: A caveat that all its entries get.
        """
        meta = item.info.meta
        meta_address = meta.addr
        meta_type = int(meta.type)
        kind = _BY_META.get(meta_type, EntryType.OTHER if meta_type else kind)
        alloc_inode = bool(meta.flags & tsk.FLAG_ALLOCATED)
        attributes = self._attributes.read(item, meta_address)
        times, owner, point, notes = self._metadata.read(item, meta, attributes)
        is_link = point is not None and point.kind is Kind.LINK
        main = attributes.main(EntryType.SYMLINK if is_link else kind, meta, is_ntfs=self._is_ntfs)
        is_made_up = meta_type == tsk.META_VIRTUAL_DIR or meta_address in self._made_up
        virtual = is_made_up or meta_type == tsk.META_VIRTUAL or (self._is_fat and path.endswith(LABEL_SUFFIX))
        if kind is EntryType.OTHER and main.kind and main.size > 0 and not virtual:
            kind = EntryType.FILE
            notes.append(ODD_TYPE)
        if point is not None:
            judged, main = self.reparsed.judge(point, item, path, main, attributes, notes)
            kind = judged or kind
        if alloc_inode and not alloc_name:
            notes.append(RENAMED)
        if note:
            notes.append(note)
        made: list[Entry] = []
        for data in (main, *attributes.data) if attributes.data else (main,):
            made.append(
                Entry(
                    Address(self._evidence, self._volume, path, data.stream),
                    kind if data is main else EntryType.OTHER if data.is_map else EntryType.FILE,
                    data.size if data.size > 0 else 0,
                    meta_address,
                    data.kind,
                    data.id,
                    alloc_name,
                    alloc_inode,
                    orphan,
                    virtual,
                    False,
                    times,
                    owner,
                    data.image_offset,
                    (*notes, *data.caveats) if notes or data.caveats else (),
                )
            )
        is_directory = kind is EntryType.DIRECTORY or meta_type == tsk.META_DIR
        return Described(made, meta_address if is_directory else -1, is_virtual_directory=is_made_up)

    def _without_content(
        self,
        path: bytes,
        kind: EntryType,
        meta_address: int,
        alloc_name: bool,
        alloc_inode: bool,
        orphan: bool,
        caveat: str,
    ) -> Described:
        """A name that stands for nothing that can be read."""
        entry = Entry(
            Address(self._evidence, self._volume, path),
            kind,
            0,
            meta_address,
            alloc_name=alloc_name,
            alloc_inode=alloc_inode,
            orphan=orphan,
            reused=caveat is REUSED,
            caveats=(caveat,),
        )
        return Described([entry])

    def _is_reused(self, alloc_name: bool, name_sequence: int, alloc_inode: bool, sequence: int) -> bool:
        """True where a record no longer belongs to a name."""
        if not self._has_sequence:
            return alloc_inode and not alloc_name
        if sequence == name_sequence:
            return False
        deleted_once = sequence == name_sequence + 1 or (name_sequence == 0xFFFF and sequence == 1)
        return alloc_inode or not deleted_once
