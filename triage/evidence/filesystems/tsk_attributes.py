"""Data attributes of a file as The Sleuth Kit gives them: default data, alternate streams, resource forks.

NTFS: every ``$DATA``. HFS+: data fork, resource fork (stream ``rsrc``) and extended attributes (stream of their name;
they hold where a file was downloaded from). Other file systems have one attribute. Block lists, indexes and the like
are no content.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from triage.evidence.filesystems import tsk_library as tsk
from triage.model.entry import Entry, EntryType
from triage.model.volume import Volume

EFS = "encrypted by EFS: the content can be read only with the user's key"
UNREADABLE_RUNS = "the file system's description of where the content lies cannot be read"
LARGER = "declared larger than the volume: holes, or damaged"
BAD_CLUSTERS = "stands for the bad clusters of the volume, not for content; its size is the volume's"
RESOURCE_FORK = b"rsrc"
_BAD_CLUSTER_FILE = 8
_EXPANDED = b"DECOMP"
"""Name of what the library makes of a compressed file of HFS+; not used: size and content of it are not right."""


@dataclass(frozen=True, slots=True)
class Data:
    """One data attribute.

    Attributes:
        stream: Name, empty for the default data.
        kind: TSK type, 0 where there is no attribute.
        id: TSK identifier.
        size: Bytes as declared; may be negative.
        image_offset: Byte of the media where its first run lies, -1 where none is known.
        caveats: For its entry.
        is_map: No content at all, whatever the size (``$BadClus:$Bad``).
    """

    stream: bytes
    kind: int
    id: int
    size: int
    image_offset: int = -1
    caveats: tuple[str, ...] = ()
    is_map: bool = False


@dataclass(slots=True)
class Attributes:
    """Attributes of one file.

    Attributes:
        data: In stored order.
        si: Identifier of NTFS standard information, -1 where there is none.
        reparse: Identifier of the NTFS reparse point, -1 where there is none.
        has_compression: HFS+: there is an attribute that says how the file is compressed.
        failed: The library could not read them all.
    """

    data: list[Data] = field(default_factory=list)
    si: int = -1
    reparse: int = -1
    has_compression: bool = False
    failed: bool = False

    def main(self, kind: EntryType, meta: Any, *, is_ntfs: bool) -> Data:
        """Take out the data that the name itself stands for.

        Args:
            kind: Type of the entry.
            meta: The library's metadata record.
            is_ntfs: Files need not have unnamed data.
        """
        size = meta.size
        found = next((one for one in self.data if not one.stream), None)
        if found is not None:
            self.data.remove(found)
        if kind is EntryType.DIRECTORY:
            return Data(b"", found.kind, found.id, size, found.image_offset) if found else Data(b"", 0, 0, size)
        if kind is EntryType.SYMLINK and meta.link:
            return Data(b"", 0, 0, size if size > 0 else len(meta.link))
        if found is not None:
            return found
        if not self.failed and (is_ntfs or size <= 0):
            return Data(b"", 0, 0, 0)
        return Data(b"", 0, 0, size, -1, (UNREADABLE_RUNS,))


class AttributeReader:
    """Reads the attributes of files of one file system.

    Args:
        name: ``ntfs``, ``fat16`` ...
        volume: Where it lies.
        block_size: Bytes of a data unit.
        is_mapped: Block addresses of the library are places in the volume.

    Attributes:
        amend: Puts right what the library tells of a file: its attributes, the file, its metadata address.
    """

    def __init__(self, name: str, volume: Volume, block_size: int, *, is_mapped: bool) -> None:
        self._is_ntfs = name == "ntfs"
        self._base = volume.image_offset
        self._volume_size = volume.length
        self._block_size = block_size
        self._is_mapped = is_mapped
        self.amend: Callable[[Attributes, Any, int], None] | None = None

    def read(self, item: Any, meta_address: int) -> Attributes:
        """Attributes of a file of the library."""
        found = Attributes()
        try:
            for attribute in item:
                info = attribute.info
                kind = int(info.type)
                if self._is_ntfs:
                    if kind == tsk.ATTRIBUTE_SI and found.si < 0:
                        found.si = info.id
                    elif kind == tsk.ATTRIBUTE_REPARSE:
                        found.reparse = info.id
                    if kind != tsk.ATTRIBUTE_DATA:
                        continue
                    stream = info.name or b""
                elif kind == tsk.ATTRIBUTE_DEFAULT or (kind == tsk.ATTRIBUTE_HFS_DATA and info.name != _EXPANDED):
                    stream = b""
                elif kind == tsk.ATTRIBUTE_HFS_COMPRESSION:
                    found.has_compression = True
                    continue
                elif kind == tsk.ATTRIBUTE_HFS_RESOURCE and info.size > 0:
                    stream = RESOURCE_FORK
                elif kind == tsk.ATTRIBUTE_HFS_EXTENDED:
                    stream = info.name or b"xattr"
                else:
                    continue
                found.data.append(self._data(attribute, info, kind, stream, meta_address))
        except tsk.LIBRARY_ERRORS:
            found.failed = True
        if self.amend is not None:
            self.amend(found, item, meta_address)
        return found

    def _data(self, attribute: Any, info: Any, kind: int, stream: bytes, meta_address: int) -> Data:
        flags = int(info.flags)
        size = info.size
        image_offset = -1
        if self._is_mapped and size > 0 and flags & (tsk.NON_RESIDENT | tsk.COMPRESSED) == tsk.NON_RESIDENT:
            for run in attribute:
                if not run.flags:
                    image_offset = self._base + run.addr * self._block_size
                    break
        is_map = self._is_ntfs and meta_address == _BAD_CLUSTER_FILE and stream == b"$Bad"
        if 0 <= size <= self._volume_size and not flags & tsk.ENCRYPTED and not is_map:
            return Data(stream, kind, info.id, size, image_offset)
        caveats = []
        if is_map:
            caveats.append(BAD_CLUSTERS if image_offset < 0 else BAD_CLUSTERS + "; some are marked, and not examined")
        if size < 0:
            caveats.append(f"declared size is negative: {size}")
        elif size > self._volume_size:
            caveats.append(LARGER)
        if flags & tsk.ENCRYPTED:
            caveats.append(EFS)
        return Data(stream, kind, info.id, size, image_offset, tuple(caveats), is_map)


def find_attribute(file: Any, entry: Entry) -> Any:
    """The library's attribute of an entry, None where it is not found."""
    try:
        for attribute in file:
            info = attribute.info
            if info.type == entry.attribute_type and info.id == entry.attribute_id:
                return attribute
    except tsk.LIBRARY_ERRORS:
        pass
    return None
