"""File systems: names, metadata and content of what stands in a volume.

One reader per library, in an ordered tuple, imported on first use. A reader has ``detect_file_system`` and
``open_file_system`` with the signatures below.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import cast

from triage.errors import UnsupportedFormatError
from triage.evidence.interface import FileSystem
from triage.model.stream import Stream
from triage.model.volume import Volume


@dataclass(frozen=True, slots=True)
class FileSystemUnit:
    """One line of the registry.

    Attributes:
        name: Name of the reader, as it stands in the stage of problems.
        module: Module of this package.
        needs: Module of a third party that must be importable.
        file_systems: Names that it may report.
        summary: What it reads.
    """

    name: str
    module: str
    needs: str
    file_systems: tuple[str, ...]
    summary: str

    def unavailable(self) -> str:
        """Why the unit cannot be used here, empty where it can."""
        return "" if not self.needs or importlib.util.find_spec(self.needs) else f"needs {self.needs}"

    def detect(self, media: Stream, image_offset: int, length: int) -> tuple[str, int]:
        """See :func:`detect_file_system`."""
        module = importlib.import_module(f"{__name__}.{self.module}")
        return cast(tuple[str, int], module.detect_file_system(media, image_offset, length))

    def open(self, media: Stream, volume: Volume, evidence_name: str) -> FileSystem:
        """See :func:`open_file_system`."""
        module = importlib.import_module(f"{__name__}.{self.module}")
        return cast(FileSystem, module.open_file_system(media, volume, evidence_name))


FILE_SYSTEMS: tuple[FileSystemUnit, ...] = (
    FileSystemUnit("xfs", "xfs", "", ("xfs",), "XFS, versions 4 and 5"),
    FileSystemUnit("btrfs", "btrfs", "", ("btrfs",), "Btrfs with its subvolumes, snapshots and compression"),
    FileSystemUnit("f2fs", "f2fs", "", ("f2fs",), "F2FS, as on Android phones"),
    FileSystemUnit("squashfs", "squashfs", "", ("squashfs",), "SquashFS 4.0"),
    FileSystemUnit("erofs", "erofs", "", ("erofs",), "EROFS"),
    FileSystemUnit("cramfs", "cramfs", "", ("cramfs",), "cramfs, both byte orders"),
    FileSystemUnit("romfs", "romfs", "", ("romfs",), "romfs"),
    FileSystemUnit(
        "tsk",
        "tsk",
        "pytsk3",
        (
            *("ntfs", "fat12", "fat16", "fat32", "exfat", "ext2", "ext3", "ext4"),
            *("hfs+", "iso9660", "ufs1", "ufs2", "yaffs2"),
        ),
        "NTFS, FAT12/16/32, exFAT, ext2/3/4, HFS+, ISO 9660, UFS 1 and 2, YAFFS2, through The Sleuth Kit",
    ),
)


def detect_file_system(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """Which file system begins at a place; never raises.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.

    Returns:
        Name (``ntfs``, ``ext4`` ...) and bytes in a data unit; ``("", 0)`` where no reader knows it.
    """
    for unit in FILE_SYSTEMS:
        if unit.unavailable():
            continue
        name, block_size = unit.detect(media, image_offset, length)
        if name:
            return name, block_size
    return "", 0


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> FileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies; its ``file_system`` is used where set, else it is looked for.
        evidence_name: For the addresses of entries.

    Raises:
        UnsupportedFormatError: No reader knows it, or the reader is not installed.
        EvidenceError: It cannot be opened.
    """
    missing = ""
    for unit in FILE_SYSTEMS:
        if volume.file_system and volume.file_system not in unit.file_systems:
            continue
        is_last = unit is FILE_SYSTEMS[-1]
        if not (volume.file_system or is_last or unit.detect(media, volume.image_offset, volume.length)[0]):
            continue
        missing = unit.unavailable()
        if not missing:
            return unit.open(media, volume, evidence_name)
    what = volume.file_system or "the file system"
    raise UnsupportedFormatError(
        f"{what} of {volume.name} is not supported" + (f": {missing}" if missing else ""),
        hint="read it with another tool",
    )
