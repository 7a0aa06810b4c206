"""SQLite databases: the rows of each table as text, deleted rows, the rows in logs, and files kept in rows.

A member is a window of rows of one table, of one conversation where the table has such: ``message[chat=7]#612-702``.
Rows that were deleted stand in windows of their own: ``message (deleted)#...``. What a program keeps as a file in a row
comes as a member ``attachment#12.data``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem
from triage.content.sqlite import Database, Row, Table, deleted_rows, log_rows
from triage.content.sqlite.links import Links
from triage.content.sqlite.reading import Reading, Window
from triage.errors import CorruptStructureError
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason

SAMPLE = 400
LEAST_FILE = 64
LOG_TYPE = "application/x-sqlite-wal"
_INTERNAL = ("sqlite_", "android_metadata")
_SHADOWS = ("_segments", "_segdir", "_docsize", "_stat", "_data", "_idx", "_config")
"""Ends of the names of tables that a full-text index keeps for itself."""
_FILES = (b"bplist00", b"PK\x03\x04", b"\x1f\x8b\x08", b"SQLite format 3\x00", b"%PDF-", b"\xff\xd8\xff\xe1")


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """The members of a database or of a log."""
    if content_type.mime == LOG_TYPE:
        yield from _spend(_log(data), address, budget)
        return
    try:
        database = Database(data)
    except CorruptStructureError as error:
        yield problem(address, "sqlite", Reason.CORRUPT, error.message, anyway=True)
        return
    yield from _spend(_members(database), address, budget)
    for words in database.damage:
        message = f"{words}: what can be read was read"
        yield problem(address, "sqlite", Reason.CORRUPT, message, anyway=True, hint="its raw bytes were searched too")


def _members(database: Database) -> Iterator[Member]:
    tables = database.tables()
    live: set[int] = set()
    rows = {table.name: list(_noted(database.rows(table), table, live)) for table in tables}
    links = Links(rows, [table for table in tables if not _is_internal(table)])
    for table in tables:
        if not _is_internal(table):
            yield from _table(table, rows[table.name], links)
    by_table: dict[str, list[Row]] = {}
    for found in deleted_rows(database, tables):
        if _mark(found.row.values) not in live:
            live.add(_mark(found.row.values))
            by_table.setdefault(found.table, []).append(found.row)
    columns = {table.name: table.columns for table in tables}
    for name, gone in by_table.items():
        reading = Reading(columns.get(name, ()), gone[:SAMPLE])
        for window in reading.windows(gone):
            yield _member(f"{name or 'rows of some table'} (deleted)", window)


def _is_internal(table: Table) -> bool:
    return table.name.startswith(_INTERNAL) or table.name.endswith(_SHADOWS)


def _noted(rows: Iterable[Row], table: Table, live: set[int]) -> Iterator[Row]:
    """Rows, of which it is remembered that they are there."""
    for row in rows:
        values = list(row.values)
        if 0 <= table.rowid_column < len(values):
            values[table.rowid_column] = None
        live.add(_mark(values))
        yield row


def _mark(values: Sequence[object]) -> int:
    return hash(tuple(values))


def _table(table: Table, rows: list[Row], links: Links) -> Iterator[Member]:
    reading = Reading(table.columns, rows[:SAMPLE])
    if reading.conversation < 0:
        beside = links.beside(table)
        if beside is not None:
            columns, values, key = beside
            empty = (None,) * len(columns)
            rows = [
                replace(row, values=(*row.values, *values.get(row.values[key], empty)))
                for row in rows
                if key < len(row.values)
            ]
            table = replace(table, columns=(*table.columns, *columns))
            reading = Reading(table.columns, rows[:SAMPLE])
    reading.words = links.named(table, reading.conversation)
    files: list[Member] = []
    for window in reading.windows(_with_files(rows, table, files)):
        yield _member(table.name, window)
        while files:
            yield files.pop()
    yield from files


def _with_files(rows: Iterable[Row], table: Table, files: list[Member]) -> Iterator[Row]:
    """Rows; what they keep as files is put aside."""
    for row in rows:
        for index, value in enumerate(row.values):
            if isinstance(value, bytes) and len(value) >= LEAST_FILE and value.startswith(_FILES):
                column = table.columns[index] if index < len(table.columns) else str(index + 1)
                files.append(Member(_bytes(f"{table.name}#{row.rowid}.{column}"), value))
        yield row


def _log(data: Data) -> Iterator[Member]:
    by_kind: dict[tuple[int, int, bool], list[Row]] = {}
    for found in log_rows(data):
        by_kind.setdefault((found.row.page, len(found.row.values), found.is_old), []).append(found.row)
    for (page, _, is_old), rows in by_kind.items():
        for window in Reading((), rows[:SAMPLE]).windows(rows):
            yield _member(f"page {page}{' (older)' if is_old else ''}", window)


def _member(name: str, window: Window) -> Member:
    of = f"[{window.conversation}]" if window.conversation else ""
    if window.first < 0:
        rows = f"@{window.offset}"
    else:
        rows = f"#{window.first}" if window.first == window.last else f"#{window.first}-{window.last}"
    return Member(_bytes(f"{name}{of}{rows}"), _bytes(window.text))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _spend(members: Iterator[Member], address: Address, budget: Budget) -> Yield:
    """Members as far as the budget goes."""
    for member in members:
        if budget.is_spent or len(member.data) > budget.remaining_bytes:
            yield problem(address, "sqlite", Reason.LIMIT, budget.spent_words, hint="its raw bytes were searched too")
            return
        budget.spend(len(member.data))
        yield member
