"""F2FS, read-only, by a reader of our own.

Follows the on-disk format as the kernel documents it (Documentation/filesystems/f2fs.rst and the structures it names)
and the design paper "F2FS: A New File System for Flash Storage" (FAST 2015). Read are both superblocks and
checkpoints, the node address table with its journal, inodes with every kind of block pointer, inline data and inline
directories, extra attributes, extended attributes, and compressed clusters. Encrypted names and contents (fscrypt)
are said to be so. Deleted names, and nodes that only their old blocks still hold, are listed.
"""

from __future__ import annotations

from triage.evidence.filesystems.f2fs.layout import detect
from triage.evidence.filesystems.f2fs.tree import F2fsTree
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.tree import TreeFileSystem
from triage.evidence.interface import FileSystem
from triage.model.stream import Stream
from triage.model.volume import Volume


def detect_file_system(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """``("f2fs", bytes in a block)`` where one begins, else ``("", 0)``; never raises.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.
    """
    return detect(VolumeStream(media, image_offset, length))


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> FileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        EvidenceError: It cannot be opened.
    """
    stream = VolumeStream(media, volume.image_offset, volume.length)
    return TreeFileSystem(F2fsTree(stream), stream, volume, evidence_name)


__all__ = ["detect_file_system", "open_file_system"]
