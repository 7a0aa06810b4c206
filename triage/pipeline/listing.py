"""Listing the volumes of a scan: each in one transaction, whole or not at all."""

from __future__ import annotations

from triage.case.schema import NOT_APPLICABLE, PENDING
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem
from triage.pipeline.run import Run
from triage.pipeline.value import Valuer
from triage.pipeline.walk import WalkRequest, walk_volume

_YEAR_2100 = 4_102_444_800 * 1_000_000_000


def is_listed(run: Run) -> bool:
    """Every volume with a file system is listed."""
    return not any(
        volume.file_system and not walked
        for number, _ in run.case.evidence()
        for _, volume, walked in run.case.volumes(number)
    )


def list_volumes(run: Run) -> None:
    """List what is not listed yet."""
    for number, source in run.case.evidence():
        for volume_id, volume, walked in run.case.volumes(number):
            if walked or not volume.file_system:
                continue
            _list_volume(run, WalkRequest(source.paths, source.name, volume.name, run.plan.as_raw), volume_id)


def _list_volume(run: Run, request: WalkRequest, volume_id: int) -> None:
    entries: list[Entry] = []
    problems: list[Problem] = []

    def forget() -> None:
        entries.clear()
        problems.clear()

    for batch in walk_volume(request, seconds=run.plan.limits.walk_seconds, on_restart=forget):
        for item in batch:
            if isinstance(item, Problem):
                problems.append(item)
            else:
                entries.append(item)
        run.observer.listing(request.name, request.volume, len(entries))
    times = [entry.times.mtime for entry in entries if entry.times.mtime and entry.times.mtime < _YEAR_2100]
    valuer = Valuer(run.plan.rules.artefacts, max(times, default=0))
    case = run.case
    with case.transaction():
        case.clear_walk(volume_id)
        case.add_walk(volume_id, ((entry, *valuer.value(entry), _status(entry)) for entry in entries))
        for problem in problems:
            case.add_problem(problem)
        case.end_walk(volume_id)
    run.tell(problems)
    case.audit("volume-listed", evidence=request.name, volume=request.volume, entries=len(entries))


def _status(entry: Entry) -> int:
    """Whether an entry has bytes of its own to examine."""
    wanted = entry.entry_type is EntryType.FILE and entry.size > 0 and not entry.virtual and not entry.reused
    return PENDING if wanted else NOT_APPLICABLE
