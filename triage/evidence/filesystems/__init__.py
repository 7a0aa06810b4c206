"""File systems: names, metadata and content of what stands in a volume.

One reader per library, in an ordered tuple, imported on first use. A reader has ``detect_file_system`` and
``open_file_system`` with the signatures below.

Where The Sleuth Kit refuses a file system, or dies of it, others stand in; :func:`second_reader` names them. They are
named to :func:`open_file_system`, by whoever found out that they are needed, so that every process reads alike.
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


SECOND: tuple[FileSystemUnit, ...] = (
    FileSystemUnit("libfsntfs", "libyal_ntfs", "pyfsntfs", ("ntfs",), "NTFS, where The Sleuth Kit cannot read it"),
    FileSystemUnit(
        "libfsext", "libyal_ext", "pyfsext", ("ext2", "ext3", "ext4"), "ext2/3/4, where The Sleuth Kit cannot"
    ),
    FileSystemUnit(
        "libfsfat",
        "libyal_fat",
        "pyfsfat",
        ("fat12", "fat16", "fat32", "exfat"),
        "FAT12/16/32 and exFAT, where The Sleuth Kit cannot",
    ),
    FileSystemUnit("libfshfs", "libyal_hfs", "pyfshfs", ("hfs+",), "HFS+, where The Sleuth Kit cannot"),
)
"""Readers that stand in for The Sleuth Kit; they are never asked what stands in a place."""
COPIES = "copies"
"""Reader: the usual one, over the copies that the file system keeps of its first structures."""
BYTES = "bytes"
"""Reader: none; the volume is searched as bytes in which nothing is known."""


def second_reader(file_system: str) -> str:
    """The library that stands in for The Sleuth Kit, empty where there is none or it is not installed."""
    found = (unit for unit in SECOND if file_system in unit.file_systems and not unit.unavailable())
    return next((unit.name for unit in found), "")


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


def detect_damaged(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """Which file system began at a place where :func:`detect_file_system` finds none that opens; never raises.

    Arguments and result as there; the data unit is 0 where it is not known.
    """
    from triage.evidence.filesystems.backups import recognise_damaged

    return recognise_damaged(media, image_offset, length)


def open_file_system(media: Stream, volume: Volume, evidence_name: str, reader: str = "") -> FileSystem:
    """The file system of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies; its ``file_system`` is used where set, else it is looked for.
        evidence_name: For the addresses of entries.
        reader: Who reads it: empty for the usual reader, :data:`COPIES`, or the name of one of :data:`SECOND`.

    Raises:
        UnsupportedFormatError: No reader knows it, or the reader is not installed, or there are no copies to take.
        EvidenceError: It cannot be opened.
    """
    if reader:
        return _open_otherwise(media, volume, evidence_name, reader)
    missing = ""
    for unit in FILE_SYSTEMS:
        if volume.file_system and volume.file_system not in unit.file_systems:
            continue
        is_last = unit is FILE_SYSTEMS[-1]
        if not (volume.file_system or is_last or unit.detect(media, volume.image_offset, volume.length)[0]):
            continue
        missing = unit.unavailable()
        if not missing:
            from triage.evidence.filesystems.checked import checked

            return checked(unit.open(media, volume, evidence_name), media, volume, evidence_name)
    what = volume.file_system or "the file system"
    raise UnsupportedFormatError(
        f"{what} of {volume.name} is not supported" + (f": {missing}" if missing else ""),
        hint="read it with another tool",
    )


def _open_otherwise(media: Stream, volume: Volume, evidence_name: str, reader: str) -> FileSystem:
    """A file system that its usual reader does not read as it is."""
    from triage.evidence.filesystems.backups import find_repair, repaired

    repair = find_repair(media, volume.image_offset, volume.length, volume.file_system)
    if repair is not None:
        media = repaired(media, volume.image_offset, repair)
    if reader == COPIES:
        if repair is None:
            raise UnsupportedFormatError("no copies of the damaged structures were found, or none is damaged")
        return open_file_system(media, volume, evidence_name)
    unit = next((unit for unit in SECOND if unit.name == reader), None)
    missing = unit.unavailable() if unit is not None else "no such reader"
    if unit is None or missing:
        raise UnsupportedFormatError(f"{volume.file_system} of {volume.name} cannot be read with {reader}: {missing}")
    return unit.open(media, volume, evidence_name)
