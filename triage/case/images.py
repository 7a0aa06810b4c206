"""Files of the evidence that are images themselves: which may be, which were opened, and as what."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from triage.case import schema
from triage.case.names import Names
from triage.evidence.inner_images import InnerImage
from triage.model.entry import Entry

MAX_BESIDE = 4096
"""Files of one folder that an image may ask for."""
_FILE = f"entries.type = 'file' AND space IN ('', 'carved') AND NOT flags & {schema.VIRTUAL | schema.REUSED}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be an image.

    Attributes:
        entry_id: Its number.
        entry: The file.
        mime: Type by content, empty where it was not examined yet.
        content: Number of its content, 0 where it was not examined yet.
    """

    entry_id: int
    entry: Entry
    mime: str = ""
    content: int = 0


def candidates(
    connection: sqlite3.Connection, evidence: int, mimes: Collection[str], suffixes: Collection[str], least: int
) -> list[Candidate]:
    """Files with a name that ends so, and examined files of a type, for which nothing was decided yet.

    Args:
        connection: Of the case.
        evidence: Number of the source.
        mimes: Types by content.
        suffixes: Ends of names, lower case, with the dot.
        least: Bytes that a file must have.
    """
    named = " OR ".join(["CAST(path AS TEXT) LIKE ?"] * len(suffixes))
    rows = connection.execute(
        "SELECT entries.id, COALESCE(mime, ''), COALESCE(contents.id, 0) FROM entries"
        " LEFT JOIN contents ON contents.id = content"
        " JOIN volumes ON volumes.id = volume LEFT JOIN images ON images.entry = entries.id"
        f" WHERE volumes.evidence = ? AND images.entry IS NULL AND entries.size >= ? AND {_FILE}"
        f" AND (status = ? AND ({named}) OR status = ? AND mime IN ({','.join('?' * len(mimes))}))"
        " ORDER BY entries.id",
        (evidence, least, schema.PENDING, *(f"%{suffix}" for suffix in suffixes), schema.EXAMINED, *mimes),
    ).fetchall()
    names = Names(connection)
    found = ((number, names.entry(number), mime, content) for number, mime, content in rows)
    return [Candidate(number, entry, mime, content) for number, entry, mime, content in found if entry is not None]


def add(connection: sqlite3.Connection, entry_id: int, evidence: int, name: str) -> None:
    """Remember that a file was looked at as an image.

    Args:
        connection: Of the case.
        entry_id: The file.
        evidence: Number of the source.
        name: The volume that it became, empty where it did not open.
    """
    connection.execute("INSERT INTO images VALUES (?, ?, ?)", (entry_id, evidence, name))


def beside(connection: sqlite3.Connection, entry_id: int) -> tuple[Entry, ...]:
    """Files of the folder that an entry lies in, without the entry itself, one for each name."""
    names = Names(connection)
    own = names.entry(entry_id)
    if own is None or own.address.space:
        return ()
    folder = own.address.path.rpartition(b"/")[0] + b"/"
    rows = connection.execute(
        f"SELECT id FROM entries WHERE volume = (SELECT volume FROM entries WHERE id = ?) AND {_FILE} AND stream = ''"
        " AND substr(path, 1, ?) = ? AND instr(substr(path, ?), x'2f') = 0 AND id != ? AND size > 0"
        f" AND status NOT IN ({schema.OUT_OF_SCOPE}, {schema.WITHHELD})"
        " ORDER BY NOT flags & ?, id LIMIT ?",
        (entry_id, len(folder), folder, len(folder) + 1, entry_id, schema.ALLOC_NAME, MAX_BESIDE),
    ).fetchall()
    found: dict[bytes, Entry] = {}
    for (number,) in rows:
        entry = names.entry(number)
        if entry is not None:
            found.setdefault(entry.address.path, _bare(entry))
    return tuple(found.values())


def opened(connection: sqlite3.Connection, evidence: int) -> tuple[InnerImage, ...]:
    """The images of a source that were opened, those that lie in others behind these."""
    names = Names(connection)
    rows: Sequence[tuple[int, str]] = connection.execute(
        "SELECT entry, name FROM images WHERE evidence = ? AND name != '' ORDER BY entry", (evidence,)
    ).fetchall()
    return tuple(
        InnerImage(name, _bare(entry), beside(connection, number))
        for number, name in rows
        if (entry := names.entry(number)) is not None
    )


def _bare(entry: Entry) -> Entry:
    """An entry without what opening it does not need."""
    return replace(entry, caveats=(), owner="")
