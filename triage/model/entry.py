"""One name or metadata record of a file system, with one attribute."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from triage.model.address import Address
from triage.model.packed import Packed
from triage.model.times import Times


class EntryType(StrEnum):
    """Kind of an entry."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


class EntryState(StrEnum):
    """How the evidence holds the entry; evidence in any state ranks alike."""

    ALLOCATED = "allocated"
    DELETED = "deleted"
    ORPHAN = "orphan"
    SLACK = "slack"
    UNALLOCATED = "unallocated"


@dataclass(frozen=True, slots=True)
class Entry(Packed):
    """One entry with one attribute.

    Attributes:
        address: Where it is.
        entry_type: File, directory, symbolic link, other.
        size: Bytes of the attribute as declared by the file system.
        meta_address: Inode, MFT entry or directory-entry number.
        attribute_type: TSK number of the attribute type, 0 where the file system has none.
        attribute_id: TSK identifier of the attribute within its entry.
        alloc_name: The name is allocated.
        alloc_inode: The metadata record is allocated.
        orphan: No name points at the metadata record.
        virtual: Made by the reading library ($OrphanFiles, $MBR ...), not stored as a file.
        reused: The metadata record was reused by another file, so the content is not this name's.
        times: Times as stored.
        owner: User or group identity as stored, empty where the file system has none.
        image_offset: Byte offset in the image of the first data run, -1 where unknown (resident, compressed, empty).
        caveats: What a reader of a result about this entry must know.
    """

    address: Address
    entry_type: EntryType
    size: int
    meta_address: int
    attribute_type: int = 0
    attribute_id: int = 0
    alloc_name: bool = True
    alloc_inode: bool = True
    orphan: bool = False
    virtual: bool = False
    reused: bool = False
    times: Times = field(default_factory=Times)
    owner: str = ""
    image_offset: int = -1
    caveats: tuple[str, ...] = ()

    @property
    def state(self) -> EntryState:
        """Allocated, deleted or orphan; slack or unallocated for space that is no file's content."""
        if self.address.space:
            return EntryState.SLACK if self.address.space.endswith("slack") else EntryState.UNALLOCATED
        if self.orphan:
            return EntryState.ORPHAN
        return EntryState.ALLOCATED if self.alloc_name else EntryState.DELETED
