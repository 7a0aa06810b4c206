"""EROFS, read-only, by a reader of our own.

Follows the on-disk format as the kernel documents it (Documentation/filesystems/erofs.rst and the structures it names).
Read are compact and extended inodes, plain, inline and chunk-based contents, extended attributes, and compressed ones
with full and compact indexes, big, inline, fragment and interlaced physical clusters, LZ4, LZMA, deflate and zstd.
"""

from __future__ import annotations

from triage.evidence.filesystems.erofs.superblock import detect
from triage.evidence.filesystems.erofs.tree import ErofsFileSystem, ErofsTree
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.interface import FileSystem
from triage.model.stream import Stream
from triage.model.volume import Volume


def detect_file_system(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """``("erofs", bytes in a block)`` where one begins, else ``("", 0)``; never raises.

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
    return ErofsFileSystem(ErofsTree(stream), stream, volume, evidence_name)


__all__ = ["detect_file_system", "open_file_system"]
