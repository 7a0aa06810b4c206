"""SquashFS 4.0, read-only, by a reader of our own.

Follows the description of the format that the kernel documents (Documentation/filesystems/squashfs.rst) and the public
"Squashfs Binary Format" notes. Read are zlib, LZMA, LZO, xz, LZ4 and zstd blocks, fragments, extended inodes, extended
attributes and the export table. Versions 1 to 3 are named and not read.
"""

from __future__ import annotations

from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.squashfs.superblock import detect
from triage.evidence.filesystems.squashfs.tree import SquashTree
from triage.evidence.filesystems.tree import TreeFileSystem
from triage.evidence.interface import FileSystem
from triage.model.stream import Stream
from triage.model.volume import Volume


def detect_file_system(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """``("squashfs", bytes in a block)`` where one begins, else ``("", 0)``; never raises.

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
    return TreeFileSystem(SquashTree(stream), stream, volume, evidence_name)


__all__ = ["detect_file_system", "open_file_system"]
