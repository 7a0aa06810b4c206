"""Time stamps of an entry, as stored, with their precision and whether the zone is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from triage.model.packed import Packed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = -62_135_596_800 * 1_000_000_000
_LATEST = 253_402_300_799 * 1_000_000_000


def iso_from_ns(nanoseconds: int) -> str | None:
    """ISO 8601 text with ``Z`` for nanoseconds since 1970, or None where no calendar date exists for it.

    Seconds only where the fraction is zero; otherwise microseconds, cut, not rounded.
    """
    if not _EARLIEST <= nanoseconds <= _LATEST:
        return None
    moment = _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    text = moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Times(Packed):
    """The five times a file system may hold, in nanoseconds since 1970-01-01 00:00, None where absent.

    Attributes:
        mtime: Content modified.
        atime: Content accessed.
        ctime: Metadata changed.
        crtime: Created.
        dtime: Deleted (ext).
        zone_known: False where the file system stores local time without a zone (FAT); the value is then that
            local time read as if it were UTC.
    """

    mtime: int | None = None
    atime: int | None = None
    ctime: int | None = None
    crtime: int | None = None
    dtime: int | None = None
    zone_known: bool = True

    def as_dict(self) -> dict[str, str]:
        """The present times as ISO 8601, without ``Z`` where the zone is unknown."""
        out: dict[str, str] = {}
        for name in ("mtime", "atime", "ctime", "crtime", "dtime"):
            value = getattr(self, name)
            text = iso_from_ns(value) if value is not None else None
            if text:
                out[name] = text if self.zone_known else text.removesuffix("Z")
        return out
