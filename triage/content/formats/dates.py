"""Dates as documents and mails store them, as nanoseconds since 1970-01-01 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILETIME_EPOCH = 116_444_736_000_000_000
_PDF = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([-+Zz])(\d\d)?'?(\d\d)?)?")


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def pdf_date(text: str) -> int | None:
    """A date of PDF (``D:20240320214000+02'00'``); without a zone it is read as UTC. None where it is none."""
    match = _PDF.match(text)
    if match is None:
        return None
    year, *rest = (int(part) if part else None for part in match.groups()[:6])
    month, day, hour, minute, second = (
        value if value is not None else default for value, default in zip(rest, (1, 1, 0, 0, 0), strict=True)
    )
    minutes = int(match[8] or 0) * 60 + int(match[9] or 0)
    try:
        zone = timezone(timedelta(minutes=-minutes if match[7] == "-" else minutes))
        return _nanoseconds(datetime(year or 1, month, day, hour, minute, second, tzinfo=zone))
    except (ValueError, OverflowError):
        return None


def mail_date(text: str) -> int | None:
    """A date of a mail header (RFC 5322); without a zone it is read as UTC. None where it is none."""
    try:
        moment = parsedate_to_datetime(text[:200])
        return _nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def filetime(value: int) -> int | None:
    """100 ns since 1601 (Windows); None for zero and for what no calendar holds."""
    found = (value - _FILETIME_EPOCH) * 100
    return found if value and abs(found) < 1 << 62 else None
