"""Open one evidence source and read everything in it, as opening, walk and workers do."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from triage.errors import EvidenceError, LimitExceededError, TriageError
from triage.evidence import Evidence, Keychain, group_sources, open_evidence
from triage.evidence.unowned import VolumeReader
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem
from triage.model.volume import Allocation, Volume

MIB = 1 << 20
MAX_READ = 192 * MIB
"""Bytes read of one image; small images that claim much are not read to the end of their claims."""
MAX_ENTRIES = 200_000
MAX_PROBLEMS = 100_000

OPENING, LISTING, READING, SPACE = range(1, 5)
PHASES = ("", "opening", "listing", "reading", "space")
_TYPED = (EvidenceError, LimitExceededError)


@dataclass
class Observation:
    """What came of one image.

    Attributes:
        refused: Why it did not open, empty where it did.
        entries: Type, size, digest of what was read (empty where it could not be read), by volume, path and state.
        problems: Reason and message, how often.
        untyped: Errors that are none of the project's, as traces.
        excess: A bound of the harness that was reached.
        read: Bytes read.
    """

    refused: str = ""
    entries: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    problems: Counter[tuple[str, str]] = field(default_factory=Counter)
    untyped: list[str] = field(default_factory=list)
    excess: str = ""
    read: int = 0
    failed: int = 0


class Observer:
    """Observes one image.

    Args:
        mark: Told the phase, so that who kills this process knows where it was.
    """

    def __init__(self, mark: Callable[[int], None] = lambda phase: None) -> None:
        self._mark = mark
        self._seen = Observation()
        self._places: set[str] = set()

    def observe(self, path: Path, keys: Keychain) -> Observation:
        """Open and read everything."""
        self._mark(OPENING)
        try:
            with open_evidence(group_sources([path])[0], name="x", keychain=keys) as evidence:
                self._evidence(evidence)
        except TriageError as error:
            self._seen.refused = f"{error.code}: {error}"
        except BaseException as error:
            self._untyped(error)
        return self._seen

    def _evidence(self, evidence: Evidence) -> None:
        self._tell(evidence.problems)
        for volume in evidence.volumes:
            if volume.allocation is Allocation.METADATA:
                continue
            try:
                self._volume(evidence, volume)
            except _TYPED as error:
                self._seen.problems["listing", str(error)] += 1
            except BaseException as error:
                self._untyped(error)
        self._tell(evidence.read_problems())

    def _volume(self, evidence: Evidence, volume: Volume) -> None:
        self._mark(LISTING)
        if volume.allocation is not Allocation.ALLOCATED:
            self._pieces(list(evidence.gap(volume).entries()), None, evidence)
            return
        if not volume.file_system and (volume.encryption or volume.is_opened or not volume.length):
            return
        reader = evidence.reader(volume.name)
        entries: list[Entry] = []
        if reader.file_system is not None:
            for item in reader.file_system.walk(entering=lambda number, path: self._mark(LISTING)):
                if isinstance(item, Problem):
                    self._tell((item,))
                    if sum(self._seen.problems.values()) > MAX_PROBLEMS:
                        self._seen.excess = f"more than {MAX_PROBLEMS} problems"
                        return
                    continue
                entries.append(item)
                if len(entries) > MAX_ENTRIES:
                    self._seen.excess = f"more than {MAX_ENTRIES} entries"
                    return
        for entry in entries:
            self._mark(READING)
            self._entry(volume, reader, entry)
        self._mark(SPACE)
        self._pieces(list(reader.space.entries()), reader, evidence)

    def _pieces(self, pieces: list[Entry | Problem], reader: VolumeReader | None, evidence: Evidence) -> None:
        for item in pieces:
            if isinstance(item, Problem):
                self._tell((item,))
            elif self._seen.read > MAX_READ:
                return
            elif reader is not None:
                self._typed(lambda item=item: reader.open_entry(item).read_at(0, 4096))  # type: ignore[misc]
                self._typed(lambda item=item: reader.byte_runs(item))  # type: ignore[misc]

    def _entry(self, volume: Volume, reader: VolumeReader, entry: Entry) -> None:
        address = str(entry.address)
        self._round_trip(entry, address)
        key = f"{address} {entry.state} {entry.attribute_id if not entry.address.stream else ''}"
        if key in self._seen.entries:
            key += f" #{len(self._seen.entries)}"
        if entry.entry_type is EntryType.SYMLINK:
            self._typed(lambda: reader.read_whole(entry, MIB))
            digest = "->"
        elif entry.entry_type is EntryType.FILE and self._seen.read < MAX_READ:
            digest = self._content(reader, entry)
        else:
            digest = "-"
        self._seen.entries[key] = (entry.entry_type.value, entry.size, digest)
        if reader.file_system is not None:
            self._typed(lambda: reader.byte_runs(entry))
            self._typed(lambda: reader.slack(entry))
            system = reader.file_system
            self._typed(lambda: system.extents(entry))

    def _content(self, reader: VolumeReader, entry: Entry) -> str:
        """Digest of the first MiB and two places further on; empty where a read fails."""
        digest = hashlib.md5(usedforsecurity=False)
        parts = [self._typed(lambda: reader.read_whole(entry, MIB))]
        stream = self._typed(lambda: reader.open_entry(entry))
        if stream is not None:
            for offset in (entry.size // 2 + 1, max(0, entry.size - 4096)):
                parts.append(self._typed(lambda offset=offset: stream.read_at(offset, 4096)))  # type: ignore[misc]
            self._typed(stream.close)
        for part in parts:
            if part is None:
                self._seen.failed += 1
                return ""
            self._seen.read += len(part)
            digest.update(part)
        wanted = min(entry.size, MIB)
        if len(parts[0] or b"") != wanted:
            self._seen.problems["truncated", "fewer bytes than stated"] += 1
        return digest.hexdigest()

    def _round_trip(self, entry: Entry, address: str) -> None:
        try:
            if Address.parse(address) != entry.address:
                self._seen.untyped.append(f"address does not round-trip: {address[:300]!r}")
        except Exception as error:
            self._seen.untyped.append(f"address does not parse ({error}): {address[:300]!r}")

    def _typed(self, step: Callable[[], object]) -> object | None:
        try:
            return step()
        except _TYPED as error:
            self._seen.problems["read", str(error)] += 1
        except BaseException as error:
            self._untyped(error)
        return None

    def _untyped(self, error: BaseException) -> None:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error
        if len(self._seen.untyped) < 20:
            self._seen.untyped.append("".join(traceback.format_exception(error)[-6:]))

    def _tell(self, problems: object) -> None:
        for problem in problems:  # type: ignore[attr-defined]
            key = f"{problem.address} {problem.stage} {problem.message} {problem.hint}"
            self._seen.problems[problem.reason.value, problem.message] += 1
            key.encode("utf-8", "surrogateescape")
