"""What is known of the bytes of each volume: sums over the entries that answer for them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field

from triage.case import schema
from triage.model.address import Address
from triage.model.coverage import PARTS, Part
from triage.model.problem import Reason
from triage.model.volume import Volume

MAX_SLACK = 16 << 20
"""Bytes of slack behind one entry that are searched; the same as in ``evidence/unowned``, a test holds it."""

_KEYWORDS_FAILED = (
    "SELECT content AS failed, SUM(bytes) AS lost FROM problems WHERE content IS NOT NULL AND address = ''"
    " AND stage = 'detectors/keywords' AND bytes > 0 AND NOT examined_anyway GROUP BY content"
)
_DAMAGE = (str(Reason.CORRUPT), str(Reason.TRUNCATED), str(Reason.UNREADABLE))


@dataclass(frozen=True, slots=True)
class Share:
    """Bytes of one part of a volume for which entries with one outcome answer.

    Attributes:
        part: What the bytes are.
        status: Of the entries, see ``schema``.
        why: The reason for which they were closed, empty where they were not.
        disk: Bytes.
        unread: Of these, bytes that could not be read or searched though the entry was examined.
        slack: Bytes of slack behind them.
        near_slack: Of these, bytes that are searched with the entry.
    """

    part: Part
    status: int
    why: str
    disk: int
    unread: int
    slack: int
    near_slack: int


@dataclass(frozen=True, slots=True)
class VolumeBooks:
    """What is known of the bytes of a volume.

    Attributes:
        id: Number of the volume.
        volume: The volume.
        is_listed: It was listed.
        totals: Bytes of each part; None where they are not known.
        is_whole: All of it could be listed.
        is_pool: The bytes are blocks in a space that several volumes share.
        shares: Who answers for them.
        copies: Bytes of contents that were examined under another name.
    """

    id: int
    volume: Volume
    is_listed: bool
    totals: dict[Part, int] | None = None
    is_whole: bool = True
    is_pool: bool = False
    shares: tuple[Share, ...] = field(default=())
    copies: int = 0


def books(connection: sqlite3.Connection, volumes: list[tuple[int, Volume, bool]]) -> list[VolumeBooks]:
    """The books of volumes, in their order."""
    stored = {row[0]: row[1:] for row in connection.execute(
        "SELECT volume, totals, is_whole, is_pool FROM accounting")}  # fmt: skip
    out = []
    for number, volume, is_listed in volumes:
        if number not in stored:
            out.append(VolumeBooks(number, volume, is_listed))
            continue
        totals, is_whole, is_pool = stored[number]
        parts = {Part(name): int(count) for name, count in json.loads(totals).items()}
        shares, copies = _shares(connection, number), _copies(connection, number)
        out.append(VolumeBooks(number, volume, is_listed, parts, bool(is_whole), bool(is_pool), shares, copies))
    return out


def _shares(connection: sqlite3.Connection, volume: int) -> tuple[Share, ...]:
    rows = connection.execute(
        "SELECT part, status, why, SUM(disk), SUM(MIN(disk, unread + IFNULL(lost, 0))), SUM(slack), SUM(MIN(slack, ?))"
        f" FROM entries LEFT JOIN ({_KEYWORDS_FAILED}) ON failed = content"
        " WHERE volume = ? AND (disk > 0 OR slack > 0) GROUP BY part, status, why ORDER BY part, status, why",
        (MAX_SLACK, volume),
    )
    return tuple(Share(PARTS[part], *rest) for part, *rest in rows if 0 <= part < len(PARTS))


def _copies(connection: sqlite3.Connection, volume: int) -> int:
    """Bytes of examined entries whose content was examined under an earlier name."""
    row = connection.execute(
        "SELECT SUM(disk) FROM entries JOIN contents ON contents.id = content"
        " WHERE volume = ? AND status = ? AND disk > 0 AND named_by <> entries.id",
        (volume, schema.EXAMINED),
    ).fetchone()
    return int(row[0] or 0)


def kept_map(connection: sqlite3.Connection, volume: int) -> bytes:
    """Where the parts of a volume lie, as ``evidence/accounting`` packs it; empty where it is not kept."""
    row = connection.execute("SELECT map FROM accounting WHERE volume = ?", (volume,)).fetchone()
    return bytes(row[0]) if row is not None else b""


def damaged_ranges(connection: sqlite3.Connection, evidence: str) -> list[tuple[int, int]]:
    """Ranges of the media of a source that could not be read, as problems tell: first byte and the one behind."""
    found = set()
    for address, lost in connection.execute(
        "SELECT address, bytes FROM problems WHERE content IS NULL AND stage GLOB 'evidence/*' AND bytes > 0"
        f" AND stage <> 'evidence/read' AND NOT examined_anyway AND reason IN ({','.join('?' * len(_DAMAGE))})"
        " AND instr(address, ' p0:$gap@') > 0",
        _DAMAGE,
    ):
        try:
            place = Address.parse(address)
        except ValueError:
            continue
        # A Problem of the media as a whole has their span and no such number of bytes.
        if place.evidence == evidence and place.space == "gap" and place.length == lost:
            found.add((place.offset, place.offset + place.length))
    return sorted(found)
