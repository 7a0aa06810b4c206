"""Listing the volumes of a scan: each in one transaction, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from triage.case.schema import NOT_APPLICABLE, PENDING
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.volume import Allocation, EvidenceSource, Volume
from triage.pipeline.run import Run
from triage.pipeline.value import Valuer
from triage.pipeline.walk import WalkRequest, is_examined, walk_volume

_YEAR_2100 = 4_102_444_800 * 1_000_000_000


def is_listed(run: Run) -> bool:
    """Every volume that can be listed is."""
    return not any(True for _ in _to_list(run))


def list_volumes(run: Run) -> None:
    """List what is not listed yet."""
    for source, volume, volume_id in list(_to_list(run)):
        _list_volume(run, WalkRequest(run.reference(source), volume, run.plan.space), volume_id)


def _to_list(run: Run) -> Iterator[tuple[EvidenceSource, Volume, int]]:
    """Volumes and gaps that are not listed yet; those with a file system first."""
    found = []
    for number, source in run.case.evidence():
        volumes = run.case.volumes(number)
        for volume_id, volume, walked in volumes:
            if not walked and (volume.file_system or (run.plan.space and _is_bare_space(volume))):
                found.append((source, volume, volume_id))
    yield from sorted(found, key=lambda item: not item[1].file_system)


def _is_bare_space(volume: Volume) -> bool:
    """A gap, or a volume in which nothing that is read is known: its bytes can still be searched."""
    if volume.allocation is Allocation.METADATA or volume.length <= 0:
        return False
    return not volume.encryption and not volume.is_opened


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
        run.observer.listing(request.source.name, request.volume.name, len(entries))
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
    case.audit("volume-listed", evidence=request.source.name, volume=request.volume.name, entries=len(entries))


def _status(entry: Entry) -> int:
    """Whether an entry has bytes of its own to examine."""
    return PENDING if is_examined(entry) else NOT_APPLICABLE
