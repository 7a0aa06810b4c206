"""The end of a lost volume that has nothing in it: there another one may begin.

A file system may state more than its partition has, because it was shrunk badly or copied to a smaller one. Where the
format has nothing at its end that could confirm it, its free space up to the end is searched as well.
"""

from __future__ import annotations

from triage.errors import EvidenceError
from triage.evidence.filesystems import open_file_system
from triage.evidence.volumes.bare import Content
from triage.evidence.volumes.lost_found import Found, Pieces, patched
from triage.model.stream import Stream
from triage.model.volume import Allocation, Volume

MIN_TAIL, MAX_TAIL = 1 << 20, 1 << 30
"""Bytes of free space at the end that are worth a search, and beyond which it would cost too much."""
MAX_LENGTH = 64 << 30
"""Bytes of a volume whose free space is asked for: its bitmaps are read."""
MAX_RUNS = 1 << 20
_NEAR = 1 << 20
"""Bytes before the end that may belong to no data unit."""
_UNCONFIRMED = ("fat", "exfat", "btrfs", "f2fs", "ext", "xfs", "ntfs", "hfs")


def free_tail(media: Stream, found: Found, content: Content) -> int:
    """Byte of the media from which on a volume is free to its end; its end where that is not to be searched.

    Args:
        media: Decoded media.
        found: The volume.
        content: What stands in it.
    """
    length = found.length
    if not content.file_system.startswith(_UNCONFIRMED) or length > MAX_LENGTH or found.end > media.size:
        return found.end
    if _is_confirmed(Pieces(media), found):
        return found.end
    volume = Volume("", found.start, length, Allocation.ALLOCATED, "", file_system=content.file_system)
    last = length
    try:
        opened = open_file_system(patched(media, found.patches), volume, "")
        try:
            for count, run in enumerate(opened.unallocated()):
                if count >= MAX_RUNS:
                    return found.end
                last = run.fs_offset if run.fs_offset + run.length >= length - _NEAR else length
        finally:
            opened.close()
    except EvidenceError:
        return found.end
    return found.start + last if MIN_TAIL <= length - last <= MAX_TAIL else found.end


def _is_confirmed(media: Pieces, found: Found) -> bool:
    """True where the second boot sector of NTFS or the second header of HFS+ stands at the end."""
    if found.kind == "NTFS":
        return media.get(found.end - 512, 16)[3:11] == b"NTFS    "
    return found.kind == "HFS+" and media.get(found.end - 1024, 2) in (b"H+", b"HX")
