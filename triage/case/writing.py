"""Writing facts into ``case.db``. Every function runs inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING

from triage.case import schema, scoped
from triage.model.address import Address
from triage.model.content import ContentFacts, Coverage, Detection
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.result import EntryResult, SlackResult
from triage.model.volume import Allocation, EvidenceSource, Volume

if TYPE_CHECKING:
    from triage.evidence.accounting import Accounting  # numpy, which reports do not need

_ENTRY_COLUMNS = (
    "volume, path, stream, space, span_offset, span_length, type, size, meta_address, attribute_type, attribute_id, "
    "flags, mtime, atime, ctime, crtime, dtime, owner, image_offset, caveats, value, place, status, part, disk, slack"
)
_INSERT_ENTRY = f"INSERT INTO entries ({_ENTRY_COLUMNS}) VALUES ({', '.join('?' * 26)})"
_SQLITE_MAX = (1 << 63) - 1
_NO_SHARE = repeat((0, 0, 0))
_UNREAD_STAGE = "evidence/read"


def _storable(value: int | None) -> int | None:
    """SQLite keeps 64-bit signed integers; evidence may claim more."""
    return None if value is None else max(-_SQLITE_MAX, min(value, _SQLITE_MAX))


def _text(value: str) -> str:
    """Text that SQLite takes: lone surrogates become visible escapes."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


class Writer:
    """Inserts facts; knows which contents stand already."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add_evidence(self, source: EvidenceSource, volumes: Sequence[Volume], problems: Iterable[Problem]) -> int:
        """Add a source with its volumes and the problems of opening it; returns its number."""
        cursor = self._connection.execute(
            "INSERT INTO evidence (name, paths, container, size, stored_hashes, details) VALUES (?, ?, ?, ?, ?, ?)",
            (
                source.name,
                json.dumps([str(path) for path in source.paths]),
                source.container,
                _storable(source.size),
                json.dumps(source.stored_hashes, sort_keys=True),
                json.dumps(source.details, sort_keys=True),
            ),
        )
        number = int(cursor.lastrowid or 0)
        self.add_volumes(number, volumes)
        for problem in problems:
            self.add_problem(problem)
        return number

    def add_volumes(self, evidence: int, volumes: Sequence[Volume]) -> None:
        """Add the volumes of a source that are not there yet; those that are keep what was listed of them."""
        rows = self._connection.execute("SELECT name, position FROM volumes WHERE evidence = ?", (evidence,))
        positions = dict(rows.fetchall())
        for position, volume in enumerate(volumes):
            if volume.allocation is Allocation.ALLOCATED and volume.name in positions:
                continue
            if positions and volume.allocation is not Allocation.ALLOCATED:
                continue
            self._add_volume(evidence, position, volume)

    def add_inner_volumes(self, evidence: int, volumes: Sequence[Volume]) -> None:
        """Add volumes of an image inside a source, and the space outside them, behind all that are there."""
        query = "SELECT COALESCE(MAX(position), -1) + 1 FROM volumes WHERE evidence = ?"
        (first,) = self._connection.execute(query, (evidence,)).fetchone()
        for position, volume in enumerate(volumes, first):
            self._add_volume(evidence, position, volume)

    def _add_volume(self, evidence: int, position: int, volume: Volume) -> None:
        self._connection.execute(
            "INSERT INTO volumes (evidence, position, name, image_offset, length, allocation, system, description,"
            " file_system, block_size, encryption, unsupported, parent, opened)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                evidence,
                position,
                volume.name,
                _storable(volume.image_offset),
                _storable(volume.length),
                str(volume.allocation),
                volume.system,
                _text(volume.description),
                volume.file_system,
                volume.block_size,
                volume.encryption,
                volume.unsupported,
                volume.parent,
                int(volume.is_opened),
            ),
        )

    def reopen(self, evidence: int, name: str, volumes: Sequence[Volume], problems: Iterable[Problem]) -> None:
        """Take in what opening a source again gave: volumes that keys made readable, and what is still in the way."""
        for volume in volumes:
            self._connection.execute(
                "DELETE FROM problems WHERE content IS NULL AND stage = 'evidence/volumes' AND address = ?",
                (str(Address(name, volume.name, b"/")),),
            )
            self._connection.execute(
                "UPDATE volumes SET description = ?, encryption = ?, unsupported = ?, opened = ?"
                " WHERE evidence = ? AND name = ? AND allocation = 'allocated'",
                (
                    _text(volume.description),
                    volume.encryption,
                    volume.unsupported,
                    int(volume.is_opened),
                    evidence,
                    volume.name,
                ),
            )
        self.add_volumes(evidence, volumes)
        for problem in problems:
            if problem.stage == "evidence/volumes":
                self.add_problem(problem)

    def add_entries(
        self,
        volume_id: int,
        entries: Iterable[tuple[Entry, float, str, int]],
        shares: Iterable[tuple[int, int, int]] = (),
    ) -> int:
        """Add entries with value, place and status; returns how many.

        Args:
            volume_id: Their volume.
            entries: In the order listed.
            shares: For each of them part of the disk, bytes of it and of slack; see :class:`Accounting`.
        """
        rows = (  # one at a time: there may be ten million
            (
                volume_id,
                entry.address.path,
                entry.address.stream,
                entry.address.space,
                _storable(entry.address.offset),
                _storable(entry.address.length),
                str(entry.entry_type),
                _storable(entry.size),
                _storable(entry.meta_address),
                entry.attribute_type,
                entry.attribute_id,
                _flags(entry),
                _storable(entry.times.mtime),
                _storable(entry.times.atime),
                _storable(entry.times.ctime),
                _storable(entry.times.crtime),
                _storable(entry.times.dtime),
                entry.owner,
                _storable(entry.image_offset),
                "\n".join(entry.caveats),
                value,
                place,
                status,
                *share,
            )
            for (entry, value, place, status), share in zip(entries, chain(shares, _NO_SHARE), strict=False)
        )
        return max(0, self._connection.executemany(_INSERT_ENTRY, rows).rowcount)

    def add_accounting(self, volume_id: int, accounting: Accounting) -> None:
        """Keep what each byte of a volume is."""
        totals = {str(part): count for part, count in accounting.totals.items()}
        self._connection.execute(
            "INSERT OR REPLACE INTO accounting VALUES (?, ?, ?, ?, ?)",
            (
                volume_id,
                json.dumps(totals, sort_keys=True),
                int(accounting.is_whole),
                int(accounting.is_pool),
                accounting.kept,
            ),
        )

    def record(self, result: EntryResult) -> None:
        """Write the outcome of one entry."""
        content: int | None = None
        if result.slack is not None and result.slack.facts is None and not self._is_known(result.slack.digest):
            return  # the worker that had the facts of the slack died before they arrived: the entry stays pending
        if result.facts is not None:
            content = self._content(result.digest, result.facts, result.entry_id)
        elif result.digest:
            row = self._connection.execute("SELECT id FROM contents WHERE digest = ?", (result.digest,)).fetchone()
            if row is None:  # the worker that had the facts died before they arrived: the entry stays pending
                return
            content = row[0]
        if content is not None and result.content_type is not None:
            agrees = result.content_type.extension_agrees
            self._connection.execute(
                "UPDATE contents SET mime = ?, type_name = ?, type_source = ?, extension_agrees = ?, named_by = ?"
                " WHERE id = ? AND named_by > ?",
                (
                    result.content_type.mime,
                    result.content_type.name,
                    result.content_type.source,
                    None if agrees is None else int(agrees),
                    result.entry_id,
                    content,
                    result.entry_id,
                ),
            )
        if result.named is not None and content is not None:
            self._detections(content, result.entry_id, result.named)
        for problem in result.problems:
            self.add_problem(problem)
        self._connection.execute(
            "UPDATE entries SET status = ?, content = ?, unread = ?, why = ? WHERE id = ?",
            (
                schema.EXAMINED if result.examined else schema.CLOSED,
                content,
                _storable(_unread(result.problems)),
                "" if result.examined or not result.problems else str(result.problems[0].reason),
                result.entry_id,
            ),
        )
        if result.slack is not None:
            self._slack(result.entry_id, result.slack)
        scoped.settle(self._connection, result, content)

    def _is_known(self, digest: str) -> bool:
        return self._connection.execute("SELECT 1 FROM contents WHERE digest = ?", (digest,)).fetchone() is not None

    def _slack(self, owner: int, slack: SlackResult) -> None:
        """Add the slack behind an entry as an entry of its own; no time and no name is its own."""
        if slack.facts is not None:
            content = self._content(slack.digest, slack.facts, owner)
        else:
            row = self._connection.execute("SELECT id FROM contents WHERE digest = ?", (slack.digest,)).fetchone()
            content = row[0]
        self._connection.execute(
            "INSERT INTO entries (volume, path, stream, space, span_offset, span_length, type, size, meta_address,"
            " attribute_type, attribute_id, flags, owner, image_offset, caveats, value, place, status, content)"
            " SELECT volume, path, stream, 'slack', ?, 0, type, ?, meta_address, attribute_type, attribute_id, flags,"
            " owner, ?, '', value, place, ?, ? FROM entries WHERE id = ?",
            (slack.file_size, slack.size, slack.image_offset, schema.EXAMINED, content, owner),
        )

    def add_problem(self, problem: Problem, content: int | None = None, prefix: str = "") -> None:
        """Write a problem; with a content its address is kept relative to whatever name shows that content."""
        address = problem.address
        if content is not None and address.startswith(prefix):
            address = address[len(prefix) :]
        self._connection.execute(
            "INSERT INTO problems VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                content,
                _text(address),
                problem.stage,
                str(problem.reason),
                _text(problem.message),
                _text(problem.hint),
                _storable(problem.bytes_not_examined),
                int(problem.examined_anyway),
            ),
        )

    # --- contents -----------------------------------------------------------------------------------------------
    def _content(self, digest: str, facts: ContentFacts, entry_id: int) -> int:
        """The number of a content; its facts are written once, whoever comes first."""
        row = self._connection.execute("SELECT id FROM contents WHERE digest = ?", (digest,)).fetchone()
        if row is not None:
            return int(row[0])
        kind = facts.content_type
        cursor = self._connection.execute(
            "INSERT INTO contents (digest, size, md5, sha1, sha256, mime, type_name, type_source, extension_agrees,"
            " named_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                digest,
                _storable(facts.size),
                facts.md5,
                facts.sha1,
                facts.sha256,
                kind.mime,
                kind.name,
                kind.source,
                None if kind.extension_agrees is None else int(kind.extension_agrees),
                entry_id,
            ),
        )
        content = int(cursor.lastrowid or 0)
        scoped.note(self._connection, content, facts)
        self._detections(content, 0, Detection(facts.hits, facts.counts, (), Coverage("")))
        for problem in facts.problems:
            # Facts carry problems addressed from "" for the content itself, "!/member" for what lies inside.
            self.add_problem(problem, content)
        self._coverage(facts.coverage)
        for position, child in enumerate(facts.children):
            child_digest = child.facts.sha256 or f"{digest}!/{position}"
            number = self._content(child_digest, child.facts, entry_id)
            self._connection.execute(
                "INSERT INTO children VALUES (?, ?, ?, ?, ?, ?)",
                (content, position, child.member, number, int(child.part_of_document), _storable(child.times.mtime)),
            )
        return content

    def _detections(self, content: int, entry_id: int, found: Detection) -> None:
        if found.hits:
            self._connection.executemany(
                "INSERT INTO hits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        content,
                        entry_id,
                        hit.rule,
                        hit.file_offset,
                        hit.length,
                        hit.encoding,
                        _text(hit.matched),
                        _text(hit.before),
                        _text(hit.after),
                        hit.string_id,
                    )
                    for hit in found.hits
                ],
            )
        if found.counts:
            self._connection.executemany(
                "INSERT INTO counts VALUES (?, ?, ?, ?, ?)",
                [(content, entry_id, count.rule, count.count, int(count.at_least)) for count in found.counts],
            )
        for problem in found.problems:
            self.add_problem(problem)

    def _coverage(self, coverage: Sequence[Coverage]) -> None:
        self._connection.executemany(
            "INSERT INTO coverage VALUES (?, ?, ?, ?, ?) ON CONFLICT (detector) DO UPDATE SET"
            " examined = examined + excluded.examined, examined_bytes = examined_bytes + excluded.examined_bytes,"
            " skipped = skipped + excluded.skipped, skipped_bytes = skipped_bytes + excluded.skipped_bytes",
            [(c.detector, c.examined, c.examined_bytes, c.skipped, c.skipped_bytes) for c in coverage],
        )


def _unread(problems: Iterable[Problem]) -> int:
    """Bytes of an entry that was examined and that could not be read."""
    lost = (problem.bytes_not_examined for problem in problems if problem.stage == _UNREAD_STAGE)
    return sum(max(0, count) for count in lost)


def _flags(entry: Entry) -> int:
    return (
        schema.ALLOC_NAME * entry.alloc_name
        | schema.ALLOC_INODE * entry.alloc_inode
        | schema.ORPHAN * entry.orphan
        | schema.VIRTUAL * entry.virtual
        | schema.REUSED * entry.reused
        | schema.ZONE_KNOWN * entry.times.zone_known
    )
