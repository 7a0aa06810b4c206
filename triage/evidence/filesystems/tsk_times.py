"""Times of an entry as The Sleuth Kit gives them, made independent of this machine's time zone.

The library turns FAT, exFAT and ISO 9660 times into seconds with the C library's ``mktime`` and no summer time, so in
the zone of this process; that is undone here. What is stored is local time of an unknown zone, and stays so.

Absent times are zero in the library. FAT has no time of metadata change, ISO 9660 only one time. In ext, UFS and
YAFFS2 a zero is absent only where modified, accessed and changed are all zero, else it is 1970.
"""

from __future__ import annotations

import time
from typing import Any

from triage.model.times import Times

_SECOND = 1_000_000_000
_LOCAL = frozenset({"fat12", "fat16", "fat32", "exfat", "iso9660"})
_ZERO_IS_TIME = frozenset({"ext2", "ext3", "ext4", "ufs1", "ufs2", "yaffs2"})
OUT_OF_RANGE = "a time stamp lies before 1970 or after 2099"
_FIRST, _LAST = 0, 4_102_444_800 * _SECOND


class TimeReader:
    """Reads the times of metadata records of one kind of file system.

    Args:
        name: ``ntfs``, ``fat16`` ...
    """

    def __init__(self, name: str) -> None:
        self._zone_known = name not in _LOCAL
        self._zero_is_time = name in _ZERO_IS_TIME
        self._shift = not self._zone_known and not _is_utc()

    def read(self, meta: Any) -> Times:
        """Times of a metadata record of the library."""
        mtime, atime, ctime, crtime = meta.mtime, meta.atime, meta.ctime, meta.crtime
        if self._shift:
            mtime, atime, ctime, crtime = map(_unshift, (mtime, atime, ctime, crtime))
        zero = self._zero_is_time and (mtime or atime or ctime)
        return Times(
            mtime * _SECOND + meta.mtime_nano if mtime or zero else None,
            atime * _SECOND + meta.atime_nano if atime or zero else None,
            ctime * _SECOND + meta.ctime_nano if ctime or zero else None,
            crtime * _SECOND + meta.crtime_nano if crtime else None,
            None,
            self._zone_known,
        )


def is_out_of_range(times: Times) -> bool:
    """True where a time is before 1970 or after 2099."""
    mtime, atime, ctime, crtime = times.mtime, times.atime, times.ctime, times.crtime
    return not (
        (mtime is None or _FIRST <= mtime < _LAST)
        and (atime is None or _FIRST <= atime < _LAST)
        and (ctime is None or _FIRST <= ctime < _LAST)
        and (crtime is None or _FIRST <= crtime < _LAST)
    )


def _is_utc() -> bool:
    return time.timezone == 0 and not time.daylight


def _unshift(seconds: int) -> int:
    """The local time that ``mktime`` without summer time made ``seconds`` of, read as UTC."""
    if not seconds:
        return 0
    try:
        local = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):
        return seconds
    return seconds + local.tm_gmtoff - (3600 if local.tm_isdst > 0 else 0)
