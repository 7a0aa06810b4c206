"""The examination of a scan: work out to the workers, results back into the case, deaths told."""

from __future__ import annotations

import time
from collections.abc import Sequence

from triage.case.reading import PendingEntry
from triage.model.problem import Problem
from triage.pipeline.messages import MoreVolumes, Results, SourceRef, WorkerSetup, WorkItem
from triage.pipeline.progress import Progress, SilentObserver
from triage.pipeline.queue import WorkQueue
from triage.pipeline.run import Run
from triage.pipeline.supervisor import Death, Supervisor, death_problem, level_for, raw_level_problem
from triage.ranking.assemble import rank_case

COMMIT_SECONDS = 0.5
TOP_SECONDS = 3.0
BYTES_FOR_A_WORKER = 4 << 20
"""Evidence that a worker must have before it is worth its start."""


class Examination:
    """Workers over one case. Made before the volumes are listed, so that workers read their rules meanwhile.

    Args:
        run: Sources must be opened.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._case = run.case
        self._queue: WorkQueue | None = None
        self._outbox: list[Results] = []
        self._began = self._committed = self._topped = run.started
        self._top_pause = TOP_SECONDS
        size = sum(source.size for _, source in run.case.evidence())
        self._workers = max(1, min(run.plan.workers, size // BYTES_FOR_A_WORKER))
        self._supervisor = Supervisor(
            _setup(run),
            self._workers,
            load=self._load,
            deliver=self._deliver,
            died=self._died,
            tick=self._tick,
        )

    def run(self) -> None:
        """Examine what is pending."""
        pending = self._case.pending()
        if not pending:
            return
        self._queue = WorkQueue(pending, self._workers)
        self._began = self._committed = self._topped = time.monotonic()
        self._supervisor.run(self._queue)
        self._commit()

    def extend(self) -> None:
        """Take in volumes that were found since the workers were started."""
        setup = _setup(self._run)
        self._supervisor.extend(MoreVolumes(setup.sources, setup.volumes))

    def close(self) -> None:
        """End the workers, and write what they had sent."""
        self._supervisor.close()
        self._commit()

    # --- what the supervisor asks and tells ------------------------------------------------------------------------
    def _load(self, entries: Sequence[PendingEntry]) -> list[WorkItem]:
        rows = self._case.work_rows([entry.id for entry in entries])
        return [WorkItem.from_row(entry.id, rows[entry.id], level_for(entry.attempts)) for entry in entries]

    def _deliver(self, message: Results) -> None:
        self._outbox.append(message)
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
                self._case.close_entry(entry.id, death.reason)
        self._run.tell(problems)
        if death.given_up:
            self._run.tally.entries += 1
            self._run.tally.bytes += max(entry.size, 0)

    def _tick(self) -> None:
        now = time.monotonic()
        tally, observer = self._run.tally, self._run.observer
        if now - self._committed >= COMMIT_SECONDS:
            self._commit()
            self._committed = now
            if self._queue is not None:
                seconds = now - self._began
                total = (self._queue.entries, self._queue.bytes)
                observer.progress(Progress(tally.entries, total[0], tally.bytes, total[1], seconds, tally.problems))
        if now - self._topped >= self._top_pause and not isinstance(observer, SilentObserver):
            observer.top(rank_case(self._case)[:5])
            self._topped = time.monotonic()
            self._top_pause = max(TOP_SECONDS, 20 * (self._topped - now))

    def _commit(self) -> None:
        """Write what workers sent, in one transaction."""
        outbox, self._outbox = self._outbox, []
        if not outbox:
            return
        tally = self._run.tally
        problems: list[Problem] = []
        with self._case.transaction():
            for message in outbox:
                self._case.record(message.results)
                for problem in message.read_problems:
                    self._case.add_problem(problem)
                    problems.append(problem)
                for result in message.results:
                    problems.extend(result.problems)
                    tally.problems += len(result.facts.problems) if result.facts else 0
                    tally.entries += 1
                    tally.bytes += result.facts.size if result.facts else 0
        self._run.tell(problems)


def _setup(run: Run) -> WorkerSetup:
    sources: dict[int, SourceRef] = {}
    volumes: dict[int, tuple[int, str]] = {}
    for number, source in run.case.evidence():
        sources[number] = run.reference(source)
        for volume_id, volume, _ in run.case.volumes(number):
            volumes[volume_id] = (number, volume.name)
    plan = run.plan
    return WorkerSetup(sources, volumes, plan.rules, plan.limits, plan.cache, plan.space, plan.scope)
