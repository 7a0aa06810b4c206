"""What a scope left out of a case, in ``case.db``: marked entries, members not examined, and what is withheld."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from triage.case import schema
from triage.case.names import Names
from triage.model.address import Address
from triage.model.content import ContentFacts
from triage.model.result import EntryResult
from triage.model.scope import LeftOut, ScopeReason, ScopeReport, Withheld

WITHHELD = "privileged"
"""In ``entries.why`` of what is withheld by its name."""
# A piece of space is read on into the next one; it answers for fewer bytes.
_BYTES = "CASE WHEN space != '' AND disk > 0 THEN disk ELSE MIN(size, 1 << 53) END"
MAX_ADDRESSES = 10_000
"""Addresses of withheld entries that a report lists; the count goes on."""


def mark(connection: sqlite3.Connection, volume_id: int, reasons: Sequence[str]) -> None:
    """Mark the entries of a volume that was just listed.

    Args:
        connection: Of the case.
        volume_id: The volume.
        reasons: For each of its entries in the order added: a reason, :data:`WITHHELD`, or empty for in scope.
    """
    ids = connection.execute("SELECT id FROM entries WHERE volume = ? ORDER BY id", (volume_id,)).fetchall()
    connection.executemany(
        "UPDATE entries SET status = ?, why = ? WHERE id = ?",
        [
            (schema.WITHHELD if reason == WITHHELD else schema.OUT_OF_SCOPE, reason, number)
            for (number,), reason in zip(ids, reasons, strict=True)
            if reason
        ],
    )


def note(connection: sqlite3.Connection, content: int, facts: ContentFacts) -> None:
    """Keep what was left out inside a content that was just added."""
    if facts.is_withheld:
        connection.execute("UPDATE contents SET withheld = 1 WHERE id = ?", (content,))
    connection.executemany(
        "INSERT INTO left_out VALUES (?, ?, ?, ?)",
        [(content, str(part.reason), part.count, part.bytes) for part in facts.left_out],
    )


def settle(connection: sqlite3.Connection, result: EntryResult, content: int | None) -> None:
    """Correct the status of an entry that was just recorded, and of its slack."""
    if result.out_of_scope is not None:
        connection.execute(
            "UPDATE entries SET status = ?, why = ? WHERE id = ?",
            (schema.OUT_OF_SCOPE, str(result.out_of_scope), result.entry_id),
        )
    held = connection.execute("SELECT id FROM contents WHERE id = ? AND withheld", (content,)).fetchall()
    if result.slack is not None:
        query = "SELECT id FROM contents WHERE digest = ? AND withheld"
        held += connection.execute(query, (result.slack.digest,)).fetchall()
    connection.executemany(
        "UPDATE entries SET status = ? WHERE content = ? AND status = ?",
        [(schema.WITHHELD, number, schema.EXAMINED) for (number,) in held],
    )


def entries_left_out(connection: sqlite3.Connection) -> tuple[LeftOut, ...]:
    """Entries that are out of scope, by reason."""
    rows = connection.execute(
        f"SELECT why, COUNT(*), SUM({_BYTES}) FROM entries WHERE status = ? GROUP BY why ORDER BY why",
        (schema.OUT_OF_SCOPE,),
    )
    return tuple(LeftOut(ScopeReason(why), count, size) for why, count, size in rows)


def members_left_out(connection: sqlite3.Connection) -> tuple[LeftOut, ...]:
    """Members of archives that are out of scope, by reason; those of an archive count under each of its names."""
    rows = connection.execute(
        "SELECT reason, SUM(members), SUM(MIN(bytes, 1 << 53)) FROM left_out GROUP BY reason ORDER BY reason"
    )
    return tuple(LeftOut(ScopeReason(reason), count, size) for reason, count, size in rows)


def left_out_of(connection: sqlite3.Connection, evidence: int) -> tuple[int, int]:
    """Entries of one source that are out of scope, and their bytes."""
    count, size = connection.execute(
        f"SELECT COUNT(*), COALESCE(SUM({_BYTES}), 0) FROM entries JOIN volumes ON volumes.id = volume"
        " WHERE evidence = ? AND status = ?",
        (evidence, schema.OUT_OF_SCOPE),
    ).fetchone()
    return count, size


def in_scope(connection: sqlite3.Connection) -> int:
    """Entries with bytes that are in scope and not withheld."""
    statuses = (schema.PENDING, schema.EXAMINED, schema.CLOSED)
    return int(connection.execute("SELECT COUNT(*) FROM entries WHERE status IN (?, ?, ?)", statuses).fetchone()[0])


def fate(connection: sqlite3.Connection, entry_ids: Iterable[int]) -> str:
    """Why nothing is shown of entries, :data:`WITHHELD` or a reason of the scope; empty where one may be shown."""
    found = ""
    for entry_id in entry_ids:
        row = connection.execute("SELECT status, why FROM entries WHERE id = ?", (entry_id,)).fetchone()
        if row is None or row[0] not in (schema.WITHHELD, schema.OUT_OF_SCOPE) or row[1] == ScopeReason.ARCHIVE:
            return ""
        found = WITHHELD if row[0] == schema.WITHHELD else found or str(row[1])
    return found


def report(connection: sqlite3.Connection) -> ScopeReport | None:
    """What the scope of a case did, None where it has none."""
    record = _meta(connection, "scope")
    if not isinstance(record, dict):
        return None
    left = _meta(connection, "scope_left_out")
    whole = left if isinstance(left, dict) else {}
    unmatched = _meta(connection, "scope_unmatched")
    return ScopeReport(
        name=str(record["name"]),
        authority=str(record["authority"]),
        digest=str(record["digest"]),
        rules=tuple(record["rules"]),
        evidence=_whole(whole.get("evidence", {})),
        volumes=_whole(whole.get("volumes", {})),
        entries=entries_left_out(connection),
        members=members_left_out(connection),
        withheld=as_told(withheld(connection), show_path=bool(record["show_path"])),
        examined=in_scope(connection),
        unmatched=tuple(unmatched) if isinstance(unmatched, list) else (),
    )


def volumes_left_out(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Evidence and name of the volumes that are out of scope whole."""
    left = _meta(connection, "scope_left_out")
    addresses = [Address.parse(name) for name in left["volumes"]] if isinstance(left, dict) else []
    return {(address.evidence, address.volume) for address in addresses}


def _whole(stored: dict[str, list[Any]]) -> tuple[tuple[str, ScopeReason, int], ...]:
    return tuple((name, ScopeReason(reason), int(size)) for name, (reason, size) in sorted(stored.items()))


def _meta(connection: sqlite3.Connection, key: str) -> Any:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else json.loads(row[0])


def withheld(connection: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Everything that holds a privileged term: address, the same masked, bytes; by address.

    Members of archives are told under the best name of their archive.
    """
    names = Names(connection)
    found: dict[str, tuple[str, int]] = {}
    for (number,) in connection.execute("SELECT id FROM entries WHERE status = ?", (schema.WITHHELD,)).fetchall():
        entry = names.entry(number)
        if entry is not None:
            mask = f"{entry.address.evidence} {entry.address.volume}:(withheld, entry {number})"
            found[str(entry.address)] = (mask, max(0, entry.size))
    rows = connection.execute(
        "SELECT id FROM contents WHERE withheld AND NOT EXISTS (SELECT 1 FROM entries WHERE content = contents.id)"
    ).fetchall()
    for (content,) in rows:
        for number, entry, _, _ in names.holders(content):
            mask = f"{entry.address.evidence} {entry.address.volume}:(withheld, in entry {number})"
            found.setdefault(str(entry.address), (mask, max(0, entry.size)))
    return [(address, mask, size) for address, (mask, size) in sorted(found.items())]


def as_told(found: Sequence[tuple[str, str, int]], *, show_path: bool) -> Withheld:
    """What a report says of withheld entries."""
    if show_path:
        shown = [address for address, _, _ in found]
    else:
        shown = [mask if count == 1 else f"{mask} and {count - 1} more" for mask, count in _counted(found)]
    return Withheld(len(found), sum(size for _, _, size in found), tuple(shown[:MAX_ADDRESSES]))


def _counted(found: Sequence[tuple[str, str, int]]) -> list[tuple[str, int]]:
    counts = Counter(mask for _, mask, _ in found)
    return sorted(counts.items())
