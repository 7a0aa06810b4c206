"""A scan from evidence to case: open, list, examine, rank.

The same call starts a case and continues one: volumes listed whole are not listed again, entries examined are not
examined again. Results are committed together with the marks of progress, so a run that is killed at any moment goes
on where it stood.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import triage
from triage.case import Case
from triage.case.reading import PendingEntry
from triage.case.schema import NOT_APPLICABLE, PENDING
from triage.errors import CaseError, EvidenceError
from triage.evidence import open_evidence
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.pipeline.messages import Results, SourceRef, WorkerSetup, WorkItem
from triage.pipeline.options import ScanPlan
from triage.pipeline.progress import Observer, Progress, SilentObserver
from triage.pipeline.queue import WorkQueue
from triage.pipeline.supervisor import Death, Supervisor, death_problem, level_for, raw_level_problem
from triage.pipeline.value import Valuer
from triage.pipeline.versions import library_versions
from triage.pipeline.walk import WalkRequest, walk_volume
from triage.ranking.assemble import rank_case

COMMIT_SECONDS = 0.5
TOP_SECONDS = 3.0
_YEAR_2100 = 4_102_444_800 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """How a scan ended.

    Attributes:
        complete: Nothing is left to examine.
        interrupted: Stopped from outside; the case resumes.
        unopened: Sources that did not open, with the reason.
    """

    complete: bool
    interrupted: bool
    unopened: tuple[tuple[str, EvidenceError], ...] = ()


@dataclass(slots=True)
class _Tally:
    """Counts of this run."""

    entries: int = 0
    bytes: int = 0
    problems: int = 0
    outbox: list[Results] = field(default_factory=list)
    committed: float = 0.0
    topped: float = 0.0
    top_pause: float = TOP_SECONDS


def run_scan(plan: ScanPlan, observer: Observer | None = None) -> ScanOutcome:
    """Scan evidence into a case, or continue.

    Args:
        plan: What to do.
        observer: Who watches.

    Returns:
        How it ended. A keyboard interrupt does not raise: it leaves a case that says partial.

    Raises:
        EvidenceError: No source could be opened.
        CaseError: The case is in use, of another version, or made with other rules or options.
        OutputNotWritableError: The case cannot be written.
    """
    with Case.create(plan.case) as case:
        return _Scan(plan, case, observer or SilentObserver()).run()


class _Scan:
    """One run over one case."""

    def __init__(self, plan: ScanPlan, case: Case, observer: Observer) -> None:
        self._plan = plan
        self._case = case
        self._observer = observer
        self._tally = _Tally()
        self._started = time.monotonic()
        self._began = self._started
        self._queue: WorkQueue | None = None

    def run(self) -> ScanOutcome:
        before = self._prepare()
        interrupted = False
        unopened: tuple[tuple[str, EvidenceError], ...] = ()
        try:
            unopened = self._open_sources()
            self._list_volumes()
            self._examine()
        except KeyboardInterrupt:
            interrupted = True
        self._commit()
        pending = bool(self._case.pending()) or self._unwalked()
        self._finish(before, complete=not pending and not interrupted)
        return ScanOutcome(not pending and not interrupted, interrupted, unopened)

    # --- begin and end ------------------------------------------------------------------------------------------
    def _prepare(self) -> float:
        """Check that the case belongs to these rules and options; returns the seconds of earlier runs."""
        case, plan = self._case, self._plan
        known = case.meta("rules_digest")
        options = plan.result_options()
        if known is not None and known != plan.rules.digest:
            raise CaseError(
                "the case was made with other rules or another profile",
                hint="name another --case, or use the same rules to continue",
            )
        if known is not None and case.meta("options") != options:
            raise CaseError("the case was made with other limits", hint="name another --case, or use the same limits")
        run = case.meta("run")
        earlier = run if isinstance(run, dict) else {}
        with case.transaction():
            if known is None:
                case.set_rules(plan.rules)
                case.set_meta("options", options)
            case.set_meta("versions", library_versions())
            case.set_meta("state", "partial")
            case.set_meta(
                "run",
                {
                    "started": earlier.get("started") or datetime.now(UTC).isoformat(timespec="seconds"),
                    "ended": "",
                    "seconds": earlier.get("seconds", 0.0),
                    "host": socket.gethostname(),
                    "workers": plan.workers,
                    "command": list(plan.command),
                },
            )
        case.audit(
            "scan-continued" if known is not None else "scan-started",
            program=triage.__version__,
            evidence=[[str(path) for path in paths] for paths in plan.sources],
            rules=plan.rules.digest,
            packs={pack.id: pack.sha256 for pack in plan.rules.packs if pack.enabled},
            options=options,
            versions=library_versions(),
            command=list(plan.command),
        )
        return float(earlier.get("seconds", 0.0))

    def _finish(self, before: float, *, complete: bool) -> None:
        case = self._case
        findings = rank_case(case)
        run = case.meta("run")
        state = dict(run) if isinstance(run, dict) else {}
        state["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
        state["seconds"] = round(before + time.monotonic() - self._started, 3)
        with case.transaction():
            case.set_findings(findings)
            case.set_meta("run", state)
            case.set_meta("state", "complete" if complete else "partial")
        case.audit(
            "scan-ended",
            state="complete" if complete else "partial",
            findings=len(findings),
            entries=self._tally.entries,
        )

    # --- opening ------------------------------------------------------------------------------------------------
    def _open_sources(self) -> tuple[tuple[str, EvidenceError], ...]:
        """Add sources that the case does not hold yet; one that fails does not stop the rest."""
        known = {source.paths: source.name for _, source in self._case.evidence()}
        taken = set(known.values())
        unopened = []
        for paths in self._plan.sources:
            resolved = tuple(path.resolve() for path in paths)
            if resolved in known:
                continue
            name = _distinct(paths[0].name, taken)
            try:
                with open_evidence(resolved, name=name, as_raw=self._plan.as_raw) as evidence:
                    taken.add(name)
                    with self._case.transaction():
                        self._case.add_evidence(evidence.source, evidence.volumes, evidence.problems)
                    self._tell(evidence.problems)
                    self._case.audit(
                        "evidence-opened",
                        name=name,
                        container=evidence.source.container,
                        size=evidence.source.size,
                        stored_hashes=evidence.source.stored_hashes,
                        volumes=len(evidence.volumes),
                    )
                    self._observer.opened(name, len(evidence.volumes))
            except EvidenceError as error:
                unopened.append((str(paths[0]), error))
                problem = Problem(
                    name, f"evidence/{error.code}", Reason.UNSUPPORTED, str(error), error.hint or "", _size_of(resolved)
                )
                self._remember([problem])
                self._case.audit("evidence-not-opened", name=str(paths[0]), reason=str(error))
        if not self._case.evidence() and unopened:
            raise unopened[0][1]
        return tuple(unopened)

    # --- listing ------------------------------------------------------------------------------------------------
    def _unwalked(self) -> bool:
        return any(
            volume.file_system and not walked
            for number, _ in self._case.evidence()
            for _, volume, walked in self._case.volumes(number)
        )

    def _list_volumes(self) -> None:
        for number, source in self._case.evidence():
            for volume_id, volume, walked in self._case.volumes(number):
                if walked or not volume.file_system:
                    continue
                request = WalkRequest(source.paths, source.name, volume.name, self._plan.as_raw)
                self._list_volume(request, volume_id)

    def _list_volume(self, request: WalkRequest, volume_id: int) -> None:
        """List one volume in one transaction: listed whole or not at all."""
        entries: list[Entry] = []
        problems: list[Problem] = []

        def forget() -> None:
            entries.clear()
            problems.clear()

        for batch in walk_volume(
            request,
            seconds=self._plan.limits.walk_seconds,
            on_restart=forget,
        ):
            for item in batch:
                if isinstance(item, Problem):
                    problems.append(item)
                else:
                    entries.append(item)
            self._observer.listing(request.name, request.volume, len(entries))
        times = [entry.times.mtime for entry in entries if entry.times.mtime and entry.times.mtime < _YEAR_2100]
        valuer = Valuer(self._plan.rules.artefacts, max(times, default=0))
        with self._case.transaction():
            self._case.clear_walk(volume_id)
            self._case.add_walk(volume_id, ((entry, *valuer.value(entry), _status(entry)) for entry in entries))
            for problem in problems:
                self._case.add_problem(problem)
            self._case.end_walk(volume_id)
        self._tell(problems)
        self._case.audit("volume-listed", evidence=request.name, volume=request.volume, entries=len(entries))

    # --- examining ----------------------------------------------------------------------------------------------
    def _examine(self) -> None:
        pending = self._case.pending()
        if not pending:
            return
        workers = max(1, min(self._plan.workers, len(pending)))
        self._queue = WorkQueue(pending, workers)
        self._began = self._tally.committed = self._tally.topped = time.monotonic()
        supervisor = Supervisor(
            self._setup(),
            workers,
            load=self._load,
            deliver=self._deliver,
            died=self._died,
            tick=self._tick,
        )
        try:
            supervisor.run(self._queue)
        finally:
            supervisor.close()

    def _setup(self) -> WorkerSetup:
        sources: dict[int, SourceRef] = {}
        volumes: dict[int, tuple[int, str]] = {}
        for number, source in self._case.evidence():
            sources[number] = SourceRef(source.paths, source.name, self._plan.as_raw)
            for volume_id, volume, _ in self._case.volumes(number):
                volumes[volume_id] = (number, volume.name)
        return WorkerSetup(sources, volumes, self._plan.rules, self._plan.limits, self._plan.cache)

    def _load(self, entries: Sequence[PendingEntry]) -> list[WorkItem]:
        rows = self._case.work_rows([entry.id for entry in entries])
        return [WorkItem.from_row(entry.id, rows[entry.id], level_for(entry.attempts)) for entry in entries]

    def _deliver(self, message: Results) -> None:
        self._tally.outbox.append(message)
        if message.notices:
            self._case.audit("worker-protection-missing", missing=list(message.notices))

    def _died(self, death: Death) -> None:
        self._commit()
        entry = death.entry
        if entry is None:
            self._case.audit("worker-died", entry=None, detail=death.detail)
            return
        address = str(self._case.entry(entry.id).address)
        self._case.audit(
            "worker-died", entry=address, detail=death.detail, attempts=death.attempts, together=death.together
        )
        problems = [death_problem(address, max(entry.size, 0), death)]
        if not death.given_up and level_for(death.attempts):
            problems.append(raw_level_problem(address, max(entry.size, 0)))
        with self._case.transaction():
            self._case.set_attempts(entry.id, death.attempts)
            for problem in problems:
                self._case.add_problem(problem)
            if death.given_up:
                self._case.close_entry(entry.id)
        self._tell(problems)
        if death.given_up:
            self._tally.entries += 1
            self._tally.bytes += max(entry.size, 0)

    def _tick(self) -> None:
        now = time.monotonic()
        tally = self._tally
        if now - tally.committed >= COMMIT_SECONDS:
            self._commit()
            tally.committed = now
            if self._queue is not None:
                self._observer.progress(
                    Progress(
                        tally.entries,
                        self._queue.entries,
                        tally.bytes,
                        self._queue.bytes,
                        now - self._began,
                        tally.problems,
                    )
                )
        if now - tally.topped >= tally.top_pause and not isinstance(self._observer, SilentObserver):
            self._observer.top(rank_case(self._case)[:5])
            tally.topped = time.monotonic()
            tally.top_pause = max(TOP_SECONDS, 20 * (tally.topped - now))

    def _commit(self) -> None:
        """Write what workers sent, in one transaction."""
        outbox, self._tally.outbox = self._tally.outbox, []
        if not outbox:
            return
        problems: list[Problem] = []
        with self._case.transaction():
            for message in outbox:
                self._case.record(message.results)
                for problem in message.read_problems:
                    self._case.add_problem(problem)
                    problems.append(problem)
                for result in message.results:
                    problems.extend(result.problems)
                    self._tally.problems += len(result.facts.problems) if result.facts else 0
                    self._tally.entries += 1
                    self._tally.bytes += result.facts.size if result.facts else 0
        self._tell(problems)

    # --- problems -----------------------------------------------------------------------------------------------
    def _remember(self, problems: Sequence[Problem]) -> None:
        with self._case.transaction():
            for problem in problems:
                self._case.add_problem(problem)
        self._tell(problems)

    def _tell(self, problems: Sequence[Problem]) -> None:
        self._tally.problems += len(problems)
        for problem in problems:
            self._observer.problem(problem)


def _status(entry: Entry) -> int:
    """Whether an entry has bytes of its own to examine."""
    wanted = entry.entry_type is EntryType.FILE and entry.size > 0 and not entry.virtual and not entry.reused
    return PENDING if wanted else NOT_APPLICABLE


def _distinct(name: str, taken: set[str]) -> str:
    """A name that no other source of the case has."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}~{number}", number + 1
    return candidate


def _size_of(paths: Sequence[Path]) -> int:
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total
