"""Times of ZIP members: of the extra fields of Unix and NTFS, and the local ones of DOS.

Specification: PKWARE APPNOTE.TXT 6.3.10, sections 4.4.6 and 4.5.5; Info-ZIP extra fields ``UT`` and ``UX``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from struct import unpack_from

from triage.model.times import Times

_WINDOWS_EPOCH = 116_444_736_000_000_000


def extra_times(key: int, body: bytes) -> dict[str, int | None]:
    """Times in UTC of Unix (``UT``, ``UX``) or NTFS; raises ``struct.error`` where the field is too short."""
    if key == 0x000A:
        if unpack_from("<HH", body, 4) != (1, 24):
            return {}
        values = [(value - _WINDOWS_EPOCH) * 100 if value else None for value in unpack_from("<QQQ", body, 8)]
        kept = [value if value is None or abs(value) < 1 << 63 else None for value in values]
        return dict(zip(("mtime", "atime", "crtime"), kept, strict=True))
    if key == 0x5855:
        atime, mtime = unpack_from("<ii", body)
        return {"mtime": mtime * 1_000_000_000, "atime": atime * 1_000_000_000}
    found: dict[str, int | None] = {}
    position = 1
    for bit, name in enumerate(("mtime", "atime", "crtime")):
        if body and body[0] >> bit & 1 and position + 4 <= len(body):
            found[name] = unpack_from("<i", body, position)[0] * 1_000_000_000
            position += 4
    return found


@lru_cache(4096)
def dos_times(date: int, time: int) -> Times:
    """The local time of DOS, without a zone."""
    try:
        moment = datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2, tzinfo=UTC
        )
    except ValueError:
        return Times()
    return Times(mtime=int(moment.timestamp()) * 1_000_000_000, zone_known=False)
