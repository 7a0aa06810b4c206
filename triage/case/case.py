"""A case folder: opened by one run for writing, by anyone for reading.

CASE/
  case.db       facts, in SQLite (``schema.py``)
  audit.jsonl   what was run (``audit.py``)
  lock          held while a scan writes
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from triage.case import accounted, images, reading, schema, scoped, writing
from triage.case.audit import AuditLog
from triage.case.knowledge import dump_knowledge, load_knowledge
from triage.case.lock import CaseLock
from triage.errors import CaseError, CaseVersionError, OutputNotWritableError
from triage.evidence.inner_images import InnerImage
from triage.model.content import Coverage
from triage.model.entry import Entry
from triage.model.finding import Finding
from triage.model.problem import Problem, Reason
from triage.model.result import EntryResult
from triage.model.rules import Indicator, PackInfo, Profile, RuleInfo, RuleSet
from triage.model.scope import ScopeReport
from triage.model.unit import UnitFacts
from triage.model.volume import EvidenceSource, Volume

if TYPE_CHECKING:
    from triage.evidence.accounting import Accounting  # numpy, which reports do not need

DATABASE = "case.db"
AUDIT = "audit.jsonl"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the disk into ours.

    Raises:
        OutputNotWritableError: Disk full, read-only or failing.
        CaseError: The database is damaged.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputNotWritableError(
            f"cannot write the case: {path}: {error}", hint="free space, or move the case to another disk and resume"
        ) from error
    except sqlite3.DatabaseError as error:
        raise CaseError(
            f"the case database is damaged: {path}: {error}", hint="start a new case; the evidence is untouched"
        ) from error


class Case:
    """One case.

    Use :meth:`create` for a scan, :meth:`open` to read. A context manager; leaving it releases the lock.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: CaseLock | None) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._writer = writing.Writer(connection)
        self._audit: AuditLog | None = AuditLog(folder / AUDIT) if lock else None

    # --- opening ------------------------------------------------------------------------------------------------
    @classmethod
    def create(cls, folder: Path) -> Case:
        """Make a case, or open an existing one for writing.

        Raises:
            OutputNotWritableError: The folder cannot be made or written, or it holds something else.
            CaseLockedError: Another run holds it.
            CaseVersionError: Another version of the program wrote it.
        """
        try:
            if folder.is_symlink():
                raise OutputNotWritableError(f"the case folder is a symbolic link: {folder}", hint="name the folder")
            folder.mkdir(parents=True, exist_ok=True)
            strangers = [name for name in os.listdir(folder) if not name.startswith(".")]
        except OSError as error:
            raise OutputNotWritableError(f"cannot make the case folder: {folder}: {error.strerror}") from error
        if strangers and DATABASE not in strangers and set(strangers) - {"lock"}:
            raise OutputNotWritableError(
                f"the folder is not a case and not empty: {folder}", hint="choose another folder for --case"
            )
        lock = CaseLock(folder)
        path = folder / DATABASE
        with translated(path):
            fresh = not path.exists() or path.stat().st_size == 0
            connection = sqlite3.connect(path, isolation_level=None)
            connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;")
            if fresh:
                connection.execute("BEGIN IMMEDIATE")
                for statement in schema.TABLES.split(";"):
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('schema', ?)", (str(schema.VERSION),))
                connection.execute("COMMIT")
        case = cls._checked(folder, connection, lock)
        if fresh:
            case.audit("case-created", schema=schema.VERSION)
        return case

    @classmethod
    def open(cls, folder: Path) -> Case:
        """Open a case for reading; a scan may go on meanwhile.

        Raises:
            CaseError: There is no case, or it is damaged.
            CaseVersionError: Another version of the program wrote it.
        """
        path = folder / DATABASE
        if not path.is_file():
            raise CaseError(f"not a case: {folder}", hint="`triage scan EVIDENCE --case DIR` makes one")
        with translated(path):
            connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
            connection.execute("PRAGMA query_only=ON")
            return cls._checked(folder, connection, None)

    @classmethod
    def _checked(cls, folder: Path, connection: sqlite3.Connection, lock: CaseLock | None) -> Case:
        found = reading.meta(connection, "schema")
        if found != str(schema.VERSION):
            connection.close()
            if lock:
                lock.release()
            raise CaseVersionError(
                f"the case has schema {found or 'none'}, this program reads {schema.VERSION}: {folder}",
                hint=_version_hint(found),
            )
        return cls(folder, connection, lock)

    def __enter__(self) -> Case:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and release the lock; what was not committed is rolled back."""
        self._connection.close()
        if self._lock:
            self._lock.release()

    # --- writing ------------------------------------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside is kept together or not at all."""
        with translated(self.folder / DATABASE):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def audit(self, event: str, **details: object) -> None:
        """Append a line to the audit log (only in a case opened for writing)."""
        if self._audit:
            self._audit.append(event, **details)

    @property
    def audit_head(self) -> str:
        """Digest of the last line of the audit log."""
        return self._audit.head if self._audit else AuditLog(self.folder / AUDIT).head

    def set_meta(self, key: str, value: object) -> None:
        """Keep a JSON value under a key."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value, sort_keys=True)))

    def meta(self, key: str, default: object = None) -> object:
        """The JSON value under a key."""
        text = reading.meta(self._connection, key)
        return default if text is None else json.loads(text)

    def set_rules(self, rules: RuleSet) -> None:
        """Keep what rules mean, so that the case can be ranked and reported without them."""
        self.set_meta("knowledge", dump_knowledge(rules))
        self.set_meta("rules_digest", rules.digest)

    def add_evidence(self, source: EvidenceSource, volumes: Sequence[Volume], problems: Iterable[Problem]) -> int:
        """Add an evidence source with its volumes; returns its number."""
        return self._writer.add_evidence(source, volumes, problems)

    def reopen(self, number: int, name: str, volumes: Sequence[Volume], problems: Iterable[Problem]) -> None:
        """Take in what opening a source again gave; see :meth:`Writer.reopen`."""
        self._writer.reopen(number, name, volumes, problems)

    def add_image(self, entry_id: int, evidence_id: int, name: str) -> None:
        """Remember that a file was looked at as an image: the volume that it became, empty where none."""
        images.add(self._connection, entry_id, evidence_id, name)

    def add_inner_volumes(self, evidence_id: int, volumes: Sequence[Volume]) -> None:
        """Add what was found in an image inside a source, behind the volumes that are there."""
        self._writer.add_inner_volumes(evidence_id, volumes)

    def add_walk(
        self,
        volume_id: int,
        entries: Iterable[tuple[Entry, float, str, int]],
        shares: Iterable[tuple[int, int, int]] = (),
    ) -> int:
        """Add entries of a volume with value, place, status and their shares of the disk; returns how many."""
        return self._writer.add_entries(volume_id, entries, shares)

    def mark_scope(self, volume_id: int, reasons: Sequence[str]) -> None:
        """Mark entries of a volume that are out of scope or withheld; see :func:`scoped.mark`."""
        scoped.mark(self._connection, volume_id, reasons)

    def end_walk(self, volume_id: int, accounting: Accounting | None = None) -> None:
        """Mark a volume as listed whole, and keep what each of its bytes is."""
        self._connection.execute("UPDATE volumes SET walked = 1 WHERE id = ?", (volume_id,))
        if accounting is not None:
            self._writer.add_accounting(volume_id, accounting)

    def clear_walk(self, volume_id: int) -> None:
        """Forget the entries of a volume whose listing was cut off."""
        self._connection.execute("DELETE FROM entries WHERE volume = ?", (volume_id,))
        self._connection.execute("DELETE FROM accounting WHERE volume = ?", (volume_id,))

    def record(self, results: Iterable[EntryResult]) -> None:
        """Write what workers found; inside a transaction."""
        for result in results:
            self._writer.record(result)

    def add_problem(self, problem: Problem) -> None:
        """Write a problem that belongs to no content."""
        self._writer.add_problem(problem)

    def set_attempts(self, entry_id: int, attempts: int) -> None:
        """Remember how often a worker died on an entry."""
        self._connection.execute("UPDATE entries SET attempts = ? WHERE id = ?", (attempts, entry_id))

    def close_entry(self, entry_id: int, why: Reason = Reason.CRASHED) -> None:
        """Give up an entry; it is not tried again."""
        self._connection.execute(
            "UPDATE entries SET status = ?, why = ? WHERE id = ?", (schema.CLOSED, str(why), entry_id)
        )

    def set_findings(self, findings: Sequence[Finding]) -> None:
        """Keep the last ranking for readers that have only SQL."""
        self._connection.execute("DELETE FROM findings")
        self._connection.executemany(
            "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?)",
            [(f.rank, f.id, f.address, str(f.priority), f.score, f.urgency) for f in findings],
        )

    # --- reading ------------------------------------------------------------------------------------------------
    @property
    def indicators(self) -> dict[str, Indicator]:
        """The indicator catalogue that the scan used."""
        return load_knowledge(self.meta("knowledge")).indicators

    @property
    def rules(self) -> dict[str, RuleInfo]:
        """Meaning of every rule that the scan used."""
        return load_knowledge(self.meta("knowledge")).rules

    @property
    def profile(self) -> Profile:
        """Thresholds and weights."""
        return load_knowledge(self.meta("knowledge")).profile

    @property
    def packs(self) -> tuple[PackInfo, ...]:
        """Every rule pack, enabled or not."""
        return load_knowledge(self.meta("knowledge")).packs

    def evidence(self) -> list[tuple[int, EvidenceSource]]:
        """Evidence sources with their numbers, in the order added."""
        return reading.evidence(self._connection)

    def volumes(self, evidence_id: int) -> list[tuple[int, Volume, bool]]:
        """Volumes of a source: number, volume, listed whole."""
        return reading.volumes(self._connection, evidence_id)

    def pending(self) -> list[reading.PendingEntry]:
        """Entries not examined yet, in no particular order."""
        return reading.pending(self._connection)

    def work_rows(self, entry_ids: Sequence[int]) -> dict[int, tuple[object, ...]]:
        """What reading entries needs, by number: volume, path, stream, size, metadata address and so on."""
        return reading.work_rows(self._connection, entry_ids)

    def entry(self, entry_id: int) -> Entry:
        """One entry by number."""
        return reading.entry(self._connection, entry_id)

    def find_entries(self, address_text: str) -> list[tuple[int, Entry]]:
        """Entries whose address prints as the text, or whose volume and path do."""
        return reading.find_entries(self._connection, address_text)

    def image_candidates(
        self, evidence_id: int, mimes: Collection[str], suffixes: Collection[str], least: int
    ) -> list[images.Candidate]:
        """Examined files that may be images and were not looked at as such; see :func:`images.candidates`."""
        return images.candidates(self._connection, evidence_id, mimes, suffixes, least)

    def image_contents(self, evidence_id: int) -> set[int]:
        """Numbers of the contents that were looked at as images."""
        rows = self._connection.execute(
            "SELECT content FROM images JOIN entries ON entries.id = entry WHERE evidence = ?", (evidence_id,)
        )
        return {content for (content,) in rows}

    def inner_images(self, evidence_id: int) -> tuple[InnerImage, ...]:
        """The images inside a source that were opened."""
        return images.opened(self._connection, evidence_id)

    def files_beside(self, entry_id: int) -> tuple[Entry, ...]:
        """Files of the folder that an entry lies in."""
        return images.beside(self._connection, entry_id)

    def units(self) -> Iterator[UnitFacts]:
        """Units with at least one hit, in a fixed order."""
        return reading.units(self._connection)

    def rule_frequency(self) -> dict[str, int]:
        """Number of contents in which each rule hit."""
        return dict(self._connection.execute("SELECT rule, COUNT(DISTINCT content) FROM counts GROUP BY rule"))

    @property
    def unit_count(self) -> int:
        """Number of distinct contents examined."""
        return int(self._connection.execute("SELECT COUNT(*) FROM contents").fetchone()[0])

    def problems(self) -> list[Problem]:
        """Every problem, sorted by address and stage."""
        return reading.problems(self._connection)

    def coverage(self) -> tuple[Coverage, ...]:
        """What each detector saw, sorted by name."""
        rows = self._connection.execute("SELECT * FROM coverage ORDER BY detector")
        return tuple(Coverage(*row) for row in rows)

    def evidence_totals(self, evidence_id: int) -> dict[str, int]:
        """Entries and bytes listed and examined of one source."""
        return reading.evidence_totals(self._connection, evidence_id)

    def books(self, evidence_id: int) -> list[accounted.VolumeBooks]:
        """What is known of the bytes of each volume of a source."""
        return accounted.books(self._connection, self.volumes(evidence_id))

    def kept_map(self, volume_id: int) -> bytes:
        """Where the parts of a volume lie; see :func:`accounted.kept_map`."""
        return accounted.kept_map(self._connection, volume_id)

    def damaged_ranges(self, evidence: str) -> list[tuple[int, int]]:
        """Ranges of the media of a source that could not be read: first byte and the one behind."""
        return accounted.damaged_ranges(self._connection, evidence)

    def left_out_of(self, evidence_id: int) -> tuple[int, int]:
        """Entries of a source that are out of scope, and their bytes."""
        return scoped.left_out_of(self._connection, evidence_id)

    def scope_report(self) -> ScopeReport | None:
        """What the scope left out, None where the case has none."""
        return scoped.report(self._connection)

    def volumes_left_out(self) -> set[tuple[str, str]]:
        """Evidence and name of the volumes that a scope leaves out whole."""
        return scoped.volumes_left_out(self._connection)

    def withheld(self) -> list[tuple[str, str, int]]:
        """What holds a privileged term: address, the same masked, bytes."""
        return scoped.withheld(self._connection)

    def fate(self, address_text: str) -> str:
        """Why nothing is shown of what lies at an address, as printed; empty where nothing is in the way."""
        return scoped.fate(self._connection, (number for number, _ in self.find_entries(address_text)))

    def shown_entries(self, address_text: str) -> list[tuple[int, Entry]]:
        """Entries at an address, as :meth:`find_entries`, without those of which nothing is shown."""
        found = self.find_entries(address_text)
        return [(number, entry) for number, entry in found if not scoped.fate(self._connection, (number,))]

    def type_totals(self) -> dict[str, int]:
        """Number of contents by media type."""
        return dict(self._connection.execute("SELECT mime, COUNT(*) FROM contents GROUP BY mime ORDER BY mime"))

    def summary(self) -> dict[str, object]:
        """Meta values that describe the last run, for reports."""
        return {key: self.meta(key) for key in ("run", "state", "options", "versions", "rules_digest")}


def _version_hint(found: str | None) -> str:
    """What to do with a case of another version."""
    if found is not None and found.isdecimal() and int(found) < schema.VERSION:
        return (
            "an older version of the program made it: scan the evidence again into a new folder (--case DIR), or read "
            "this one with the version that made it"
        )
    if found is not None and found.isdecimal():
        return "a newer version of the program made it: use that version"
    return "use the version of the program that made the case"


def volume_as_json(volume: Volume) -> dict[str, object]:
    """A volume as plain values."""
    return {key: str(value) if key == "allocation" else value for key, value in asdict(volume).items()}
