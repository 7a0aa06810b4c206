"""Reading ``case.db``: entries, evidence, problems. Units are in ``units.py``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triage.case import schema
from triage.case.names import OPENED_IMAGES, Names
from triage.case.units import units
from triage.errors import CaseError
from triage.model.address import Address
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.volume import Allocation, EvidenceSource, Volume

__all__ = [
    "PendingEntry",
    "entry",
    "evidence",
    "evidence_totals",
    "find_entries",
    "meta",
    "pending",
    "problems",
    "units",
    "volumes",
    "work_rows",
]


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """What the plan needs of an entry that waits.

    Attributes:
        id: Number in the case.
        volume: Number of its volume.
        size: Bytes.
        value: 0..1.
        image_offset: Bytes, -1 where unknown.
        attempts: How often a worker died on it.
    """

    id: int
    volume: int
    size: int
    value: float
    image_offset: int
    attempts: int


def meta(connection: sqlite3.Connection, key: str) -> str | None:
    """The text under a key, None where there is none."""
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    except sqlite3.OperationalError:  # no such table: not a case of ours
        return None
    return None if row is None else str(row[0])


def evidence(connection: sqlite3.Connection) -> list[tuple[int, EvidenceSource]]:
    """Sources with their numbers, in the order added."""
    rows = connection.execute(
        "SELECT id, name, paths, container, size, stored_hashes, details FROM evidence ORDER BY id"
    )
    return [
        (
            number,
            EvidenceSource(
                name,
                tuple(Path(p) for p in json.loads(paths)),
                container,
                size,
                json.loads(hashes),
                json.loads(details),
            ),
        )
        for number, name, paths, container, size, hashes, details in rows
    ]


def volumes(connection: sqlite3.Connection, evidence_id: int) -> list[tuple[int, Volume, bool]]:
    """Volumes of a source: number, volume, listed whole."""
    rows = connection.execute(
        "SELECT id, name, image_offset, length, allocation, system, description, file_system, block_size, encryption,"
        " unsupported, parent, opened, walked FROM volumes WHERE evidence = ? ORDER BY position",
        (evidence_id,),
    )
    return [
        (number, Volume(name, offset, length, Allocation(allocation), *rest), bool(walked))
        for number, name, offset, length, allocation, *rest, walked in (_opened(row) for row in rows)
    ]


def _opened(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row of a volume with its mark as a truth value."""
    *before, opened, walked = row
    return (*before, bool(opened), walked)


def pending(connection: sqlite3.Connection) -> list[PendingEntry]:
    """Entries that wait."""
    rows = connection.execute(
        "SELECT id, volume, size, value, image_offset, attempts FROM entries WHERE status = ?", (schema.PENDING,)
    )
    return [PendingEntry(*row) for row in rows]


def work_rows(connection: sqlite3.Connection, entry_ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """What reading entries needs, by number."""
    marks = ",".join("?" * len(entry_ids))
    rows = connection.execute(
        "SELECT id, volume, path, stream, space, span_offset, span_length, size, meta_address, attribute_type,"
        " attribute_id, image_offset, flags, owner,"
        " EXISTS (SELECT 1 FROM images WHERE images.entry = entries.id AND name != '')"
        f" FROM entries WHERE id IN ({marks})",
        tuple(entry_ids),
    )
    return {row[0]: row[1:] for row in rows}


def entry(connection: sqlite3.Connection, entry_id: int) -> Entry:
    """One entry by number.

    Raises:
        CaseError: There is none.
    """
    found = Names(connection).entry(entry_id)
    if found is None:
        raise CaseError(f"no such entry in the case: {entry_id}")
    return found


def find_entries(connection: sqlite3.Connection, address_text: str) -> list[tuple[int, Entry]]:
    """Entries at an address given as printed, with or without the evidence name."""
    names = Names(connection)
    out = []
    for _, source in evidence(connection):
        prefix = f"{source.name} "
        text = address_text if address_text.startswith(prefix) else prefix + address_text
        try:
            address = Address.parse(text)
        except ValueError:
            continue
        out.extend(names.at(address))
    return out


def problems(connection: sqlite3.Connection) -> list[Problem]:
    """Every problem, sorted; problems of a content are shown under its best name."""
    names = Names(connection)
    out = []
    for content, address, *rest in connection.execute(
        "SELECT content, address, stage, reason, message, hint, bytes, examined_anyway FROM problems"
        " WHERE content IS NULL OR address != '' OR stage != 'content/decoders/unread'"
        f" OR content NOT IN ({OPENED_IMAGES})"
    ):
        shown = address if content is None else str(names.best_address(content)) + address
        stage, reason, message, hint, lost, anyway = rest
        out.append(Problem(shown, stage, Reason(reason), message, hint, lost, bool(anyway)))
    return sorted(set(out))


def evidence_totals(connection: sqlite3.Connection, evidence_id: int) -> dict[str, int]:
    """Entries and bytes of one source: listed, examined, pending, closed."""
    totals = {"entries": 0, "bytes_listed": 0, "entries_examined": 0, "bytes_examined": 0, "pending": 0, "closed": 0}
    for status, count, size in connection.execute(
        "SELECT status, COUNT(*), SUM(CASE WHEN type = 'file' AND size > 0 AND NOT flags & ? THEN MIN(size, 1 << 53)"
        " ELSE 0 END) FROM entries JOIN volumes ON volumes.id = entries.volume WHERE evidence = ? GROUP BY status",
        (schema.VIRTUAL | schema.REUSED, evidence_id),
    ):
        totals["entries"] += count
        totals["bytes_listed"] += size or 0
        if status == schema.EXAMINED:
            totals["entries_examined"], totals["bytes_examined"] = count, size or 0
        elif status == schema.PENDING:
            totals["pending"] = count
        elif status == schema.CLOSED:
            totals["closed"] = count
    return totals
