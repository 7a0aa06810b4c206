"""The Sleuth Kit as a library: its numbers, its errors, and which of its file systems stands in a place.

Source: TSK 4.15 ``tsk/fs/tsk_fs.h`` (types and flags); pytsk3 ``tsk3.cpp`` (what its calls raise).
"""

from __future__ import annotations

from typing import Any

import pytsk3

from triage.evidence.native_calls import native_call
from triage.evidence.tsk_image import TskImage
from triage.model.address import escape_name
from triage.model.stream import Stream

LIBRARY_ERRORS = (OSError, TypeError, ValueError, RuntimeError, OverflowError, SystemError)
"""What the binding raises on bad evidence."""

READ_ERROR = "Error reading image file"
"""What the library says where its image gives no bytes, or ends."""
NAME_DIR, NAME_REG, NAME_LNK, NAME_VIRTUAL_DIR = 3, 5, 6, 11
META_REG, META_DIR, META_LNK, META_VIRTUAL, META_VIRTUAL_DIR = 1, 2, 6, 10, 11
FLAG_ALLOCATED = 1
"""In the flags of a name and of a metadata record."""
ATTRIBUTE_DEFAULT, ATTRIBUTE_SI, ATTRIBUTE_LIST, ATTRIBUTE_DATA, ATTRIBUTE_REPARSE = 1, 16, 32, 128, 192
ATTRIBUTE_HFS_DATA, ATTRIBUTE_HFS_RESOURCE, ATTRIBUTE_HFS_EXTENDED, ATTRIBUTE_HFS_COMPRESSION = 4352, 4353, 4354, 4355
NON_RESIDENT, RESIDENT, ENCRYPTED, COMPRESSED = 2, 4, 16, 32
"""Flags of an attribute."""
RUN_FILLER, RUN_SPARSE = 1, 2
"""Flags of a data run."""
HAS_SEQUENCE = 1
"""Flag of a file system whose metadata records count their reuse (NTFS)."""

_NAMES = {
    pytsk3.TSK_FS_TYPE_NTFS: "ntfs",
    pytsk3.TSK_FS_TYPE_FAT12: "fat12",
    pytsk3.TSK_FS_TYPE_FAT16: "fat16",
    pytsk3.TSK_FS_TYPE_FAT32: "fat32",
    pytsk3.TSK_FS_TYPE_EXFAT: "exfat",
    pytsk3.TSK_FS_TYPE_EXT2: "ext2",
    pytsk3.TSK_FS_TYPE_EXT3: "ext3",
    pytsk3.TSK_FS_TYPE_EXT4: "ext4",
    pytsk3.TSK_FS_TYPE_FFS1: "ufs1",
    pytsk3.TSK_FS_TYPE_FFS1B: "ufs1",
    pytsk3.TSK_FS_TYPE_FFS2: "ufs2",
    pytsk3.TSK_FS_TYPE_HFS: "hfs+",
    pytsk3.TSK_FS_TYPE_ISO9660: "iso9660",
    pytsk3.TSK_FS_TYPE_YAFFS2: "yaffs2",
}
_FAMILIES = {
    "ntfs": pytsk3.TSK_FS_TYPE_NTFS_DETECT,
    "ext": pytsk3.TSK_FS_TYPE_EXT_DETECT,
    "hfs": pytsk3.TSK_FS_TYPE_HFS_DETECT,
    "ufs": pytsk3.TSK_FS_TYPE_FFS_DETECT,
    "exfat": pytsk3.TSK_FS_TYPE_EXFAT,
    "fat": pytsk3.TSK_FS_TYPE_FAT_DETECT,
    "iso": pytsk3.TSK_FS_TYPE_ISO9660_DETECT,
}
"""Tried in this order: what has the strongest signature first, what leaves room for others last."""


def said(error: BaseException) -> str:
    """What the library said, printable, without the place in its source."""
    text = str(error) or type(error).__name__
    _, found, rest = text.partition(".cpp:")
    if found:
        text = rest.partition(") ")[2] or text
    text = " ".join(text.split())[:300]
    return escape_name(text.encode("utf-8", "surrogateescape"), syntax=False)


class Window:
    """A part of the media as a stream.

    The library bounds some file systems (exFAT) by the end of its image, not by their own size, and would look for
    deleted files in whatever follows the volume.

    Args:
        media: Decoded media; stays the caller's to close.
        start: Byte of the media where the part begins.
        length: Bytes of it.
    """

    def __init__(self, media: Stream, start: int, length: int) -> None:
        self._media = media
        self._start = start
        self._size = max(0, min(length, media.size - start))

    @property
    def size(self) -> int:
        """Bytes in the part."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        length = min(length, self._size - offset)
        return self._media.read_at(self._start + offset, length) if length > 0 and offset >= 0 else b""

    def close(self) -> None:
        """Nothing to release."""


def volume_image(media: Stream, start: int, length: int) -> TskImage:
    """A volume as an image for the library."""
    whole = start == 0 and length >= media.size
    return TskImage(media if whole else Window(media, start, length), (start, length))


def open_library(image: TskImage, name: str = "") -> tuple[Any, str]:
    """The library's file system in a volume, and our name for it.

    Types are tried one by one, the first that opens is taken, so what the library calls ambiguous has an answer.
    YAFFS2 has no signature; the library's own bounded search (32 MiB) is asked for it last. It takes other file
    systems for YAFFS2: a caller that knows their signatures must look for these too.

    Args:
        image: The volume.
        name: Take this one; empty to look for it.

    Raises:
        OSError: Nothing that the library reads, or it cannot be opened. Others of ``LIBRARY_ERRORS`` likewise.
    """
    wanted = "iso" if name.startswith("iso") else name.rstrip("0123456789+")
    last: BaseException = OSError("no file system")
    for family, kind in _FAMILIES.items():
        if wanted and wanted != family:
            continue
        try:
            with native_call(image.place):
                found = pytsk3.FS_Info(image, type=kind)
            return found, _NAMES[int(found.info.ftype)]
        except (*LIBRARY_ERRORS, KeyError) as error:
            last = error
    if wanted in ("", "yaffs"):
        with native_call(image.place):
            found = pytsk3.FS_Info(image)
        if int(found.info.ftype) in _NAMES:
            return found, _NAMES[int(found.info.ftype)]
    raise OSError(str(last)) from last


def detect(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """Name and block size of the file system at a place, ``("", 0)`` where the library knows none; never raises."""
    if image_offset < 0 or length < 512:
        return "", 0
    try:
        image = volume_image(media, image_offset, length)  # must outlive what is opened from it
        found, name = open_library(image)
        return name, int(found.info.block_size)
    except LIBRARY_ERRORS:
        return "", 0
