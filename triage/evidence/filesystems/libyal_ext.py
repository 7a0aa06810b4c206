"""ext2, ext3 and ext4 through libfsext, where The Sleuth Kit cannot read them.

Live names, and by number, as orphans without a name: inodes that no directory leads to and that still say where their
content lies, deleted ones among them.

Source: the libfsext API (``pyfsext``); the kernel's ``Documentation/filesystems/ext4``.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from typing import Any

from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError
from triage.evidence.filesystems.ext import FLAG_ENCRYPTED, FLAG_INLINE, ExtFacts
from triage.evidence.filesystems.libyal import MAX_SIZE, LibyalFileSystem, LibyalTree, volume_stream
from triage.evidence.filesystems.libyal_io import translated
from triage.evidence.filesystems.tree import Node
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream, Stream
from triage.model.times import Times
from triage.model.volume import Volume

MAX_INODES = 50_000_000
"""Inodes looked at by number."""
FSCRYPT = "encrypted by fscrypt: name and content can be read only with the key"
BY_NUMBER = "found by its number in the inode table: no directory leads to it, its name is not known"
_KINDS = {stat.S_IFREG: EntryType.FILE, stat.S_IFDIR: EntryType.DIRECTORY, stat.S_IFLNK: EntryType.SYMLINK}
_FIRST_INODE = 11
"""Smaller ones are the file system's own."""


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> LibyalFileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        EvidenceError: It does not open.
    """
    tree = ExtTree(volume_stream(media, volume), volume.file_system or "ext4")
    return LibyalFileSystem(tree, volume, evidence_name, tree.size)


class ExtTree(LibyalTree):
    """See ``tree.Tree``.

    Args:
        stream: Bytes of the volume.
        name: Name of the file system.

    Attributes:
        size: Bytes of the file system.
    """

    root = 2

    def __init__(self, stream: Stream, name: str) -> None:
        import pyfsext

        block = stream.read_at(1024, 1024)
        self.block_size = 1024 << min(6, int.from_bytes(block[24:28], "little"))
        self.size = int.from_bytes(block[4:8], "little") * self.block_size
        if int.from_bytes(block[96:100], "little") & 0x80:
            self.size += (int.from_bytes(block[336:340], "little") << 32) * self.block_size
        super().__init__(stream, pyfsext.volume, name, min(self.size, MAX_SIZE))
        with translated(self.file, name):
            self.volume.get_root_directory()
        self._facts = ExtFacts(stream, 0)

    def find(self, number: int) -> Any:
        """The file entry of an inode."""
        return self.volume.get_file_entry_by_inode(number)

    def number_of(self, entry: Any) -> int:
        """Number of the inode."""
        return int(entry.inode_number)

    def name_of(self, entry: Any) -> bytes:
        """The name as it stands in an address."""
        return str(entry.name or "").encode("utf-8", "surrogateescape")

    def describe(self, entry: Any, number: int) -> Node:
        """The node of a file entry."""
        mode = int(entry.file_mode or 0)
        kind = _KINDS.get(stat.S_IFMT(mode), EntryType.OTHER)
        size = 0 if kind is EntryType.DIRECTORY else int(entry.size or 0)
        mtime = int(entry.get_modification_time_as_integer() or 0)
        atime = int(entry.get_access_time_as_integer() or 0)
        ctime = int(entry.get_inode_change_time_as_integer() or 0)
        is_set = bool(mtime or atime or ctime)
        links = int(entry.number_of_links or 0)
        encrypted = self._facts.has_encryption and bool(self._facts.flags(number) & FLAG_ENCRYPTED)
        times = Times(
            mtime if is_set else None,
            atime if is_set else None,
            ctime if is_set else None,
            int(entry.get_creation_time_as_integer() or 0) or None,
            self._facts.deletion_time(number) if not links else None,
        )
        return Node(number, kind, size, times, str(entry.owner_identifier), allocated=links > 0,
                    caveats=(FSCRYPT,) if encrypted else ())  # fmt: skip

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """See ``tree.Tree``."""
        if FSCRYPT in node.caveats:
            raise EncryptedVolumeError(FSCRYPT, hint="ask for the key")
        if node.entry_type is EntryType.SYMLINK:
            with translated(self.file, f"metadata record {node.number}"):
                target = self._entry(node.number).symbolic_link_target or ""
            return MemoryStream(str(target).encode("utf-8", "surrogateescape"))
        if self._facts.flags(node.number) & FLAG_INLINE:  # the library gives wrong bytes behind the first 60
            data = self._facts.inline_data(node.number, node.size)
            if data is None:
                raise CorruptStructureError(f"the content in inode {node.number} does not hold")
            return MemoryStream(data)
        return super().content(node, attribute)

    def unlinked(self) -> Iterator[Node | EvidenceError]:
        """Inodes of files with content that no directory led to."""
        with translated(self.file, "inode table"):
            count = int(self.volume.number_of_file_entries)
        for number in range(_FIRST_INODE, min(count, MAX_INODES) + 1):
            try:
                with translated(self.file, f"inode {number}"):
                    entry = self.volume.get_file_entry_by_inode(number)
                    if entry is None or not stat.S_ISREG(int(entry.file_mode or 0)) or not entry.size:
                        continue
                    if not int(entry.get_number_of_extents()):
                        continue
                    node = self.describe(entry, number)
            except EvidenceError:  # never used, or damaged: nothing says that it was a file
                continue
            yield Node(number, node.entry_type, node.size, node.times, node.owner, (), node.allocated,
                       (*node.caveats, BY_NUMBER))  # fmt: skip

    def free(self) -> Iterable[tuple[int, int]]:
        """Free blocks by the block bitmaps."""
        from triage.evidence.filesystems.free_ext import ext

        return ext(self.stream, None)
