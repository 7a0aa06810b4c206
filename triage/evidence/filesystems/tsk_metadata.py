"""Times, owner and peculiarities of a metadata record, from the library and from what it does not tell."""

from __future__ import annotations

from typing import Any, NamedTuple

from triage.evidence.filesystems import tsk_library as tsk
from triage.evidence.filesystems.exfat import ExfatFacts
from triage.evidence.filesystems.ext import FLAG_ENCRYPTED, ExtFacts
from triage.evidence.filesystems.ntfs import FILE_ENCRYPTED, NtfsFacts
from triage.evidence.filesystems.ntfs_reparse import ReparsePoint
from triage.evidence.filesystems.tsk_attributes import Attributes
from triage.evidence.filesystems.tsk_reparse import read_reparse
from triage.evidence.filesystems.tsk_times import OUT_OF_RANGE, TimeReader, is_out_of_range
from triage.model.stream import Stream
from triage.model.times import Times
from triage.model.volume import Volume

FSCRYPT = "encrypted by fscrypt: name and content can be read only with the key"
_NO_OWNER = frozenset({"ntfs", "fat12", "fat16", "fat32", "exfat", "iso9660"})


class Facts(NamedTuple):
    """Of one metadata record.

    Attributes:
        times: As stored.
        owner: User number, on NTFS the owner's SID; empty where there is none.
        reparse: Reparse point of NTFS, None where there is none.
        notes: Caveats, in a fixed order.
    """

    times: Times
    owner: str
    reparse: ReparsePoint | None
    notes: list[str]


class MetadataReader:
    """Reads the metadata records of one file system.

    Args:
        library: The library's file system.
        name: ``ntfs``, ``fat16`` ...
        media: Decoded media.
        volume: Where it lies.
    """

    def __init__(self, library: Any, name: str, media: Stream, volume: Volume) -> None:
        self._has_owner = name not in _NO_OWNER
        self._times = TimeReader(name)
        self._ntfs = NtfsFacts(library, media, volume.image_offset) if name == "ntfs" else None
        self._ext = ExtFacts(media, volume.image_offset) if name.startswith("ext") else None
        self._exfat = ExfatFacts(media, volume.image_offset) if name == "exfat" else None
        self._owners: dict[int, str] = {}

    def read(self, item: Any, meta: Any, attributes: Attributes) -> Facts:
        """Facts of a record.

        Args:
            item: The library's file.
            meta: Its metadata record.
            attributes: Its attributes.
        """
        notes: list[str] = []
        reparse = read_reparse(item, attributes.reparse) if attributes.reparse >= 0 else None
        if self._ntfs is not None and attributes.si >= 0:
            times, owner, flags = self._ntfs.standard(item, attributes.si)
            if flags & FILE_ENCRYPTED and meta.type == tsk.META_DIR:
                notes.append("files made in this directory are encrypted by EFS")
        else:
            times = self._plain_times(meta)
            owner = self._owner(meta.uid) if self._has_owner else ""
        if self._ext is not None and self._ext.has_encryption and self.is_fscrypt(meta.addr):
            notes.append(FSCRYPT)
        if is_out_of_range(times):
            notes.append(OUT_OF_RANGE)
        return Facts(times, owner, reparse, notes)

    def is_fscrypt(self, meta_address: int) -> bool:
        """True where an inode is encrypted by fscrypt."""
        if self._ext is None or not self._ext.has_encryption:
            return False
        return bool(self._ext.flags(meta_address) & FLAG_ENCRYPTED)

    def initialised_size(self, meta_address: int, stream: bytes) -> int | None:
        """Bytes that were ever written, of NTFS and exFAT; None where that cannot be told, and of others."""
        if self._exfat is not None:
            return self._exfat.valid_size(meta_address)
        return self._ntfs.initialised_size(meta_address, stream) if self._ntfs is not None else None

    def _plain_times(self, meta: Any) -> Times:
        if self._exfat is not None:
            zoned = self._exfat.times(meta.addr)
            if zoned is not None:
                return zoned
        times = self._times.read(meta)
        if self._ext is not None and not meta.flags & tsk.FLAG_ALLOCATED:
            dtime = self._ext.deletion_time(meta.addr)
            if dtime is not None:
                return Times(times.mtime, times.atime, times.ctime, times.crtime, dtime)
        return times

    def _owner(self, uid: int) -> str:
        owner = self._owners.get(uid)
        if owner is None:
            owner = self._owners[uid] = str(uid)
        return owner
