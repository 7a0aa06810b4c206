"""Listing the volumes of a scan: each in one transaction, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from triage.case.schema import NOT_APPLICABLE, PENDING
from triage.evidence.accounting import Accounting
from triage.model.address import Address
from triage.model.coverage import shared_beginnings
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.volume import Allocation, EvidenceSource, Volume
from triage.pipeline.listing_attempts import walk_volume
from triage.pipeline.readers import store_reader
from triage.pipeline.run import Run
from triage.pipeline.scoping import decide, leaves_out_volume, settled, told_by
from triage.pipeline.spool import Spool
from triage.pipeline.value import Valuer
from triage.pipeline.walk import WalkRequest, is_examined

MAX_PROBLEMS = 20_000
"""Problems of one volume that are told one by one."""
_YEAR_2100 = 4_102_444_800 * 1_000_000_000


def is_listed(run: Run) -> bool:
    """Every volume that can be listed is."""
    return not any(True for _ in _to_list(run))


def list_volumes(run: Run) -> bool:
    """List what is not listed yet; True where a volume is read by another than its usual reader."""
    found = False
    shared: dict[int, int] = {}
    for number, _ in run.case.evidence():
        shared |= shared_beginnings([(volume_id, volume) for volume_id, volume, _ in run.case.volumes(number)])
    for source, volume, volume_id in list(_to_list(run)):
        plan = run.plan
        request = WalkRequest(run.reference(source), volume, plan.space, shared.get(volume_id, 0), scope=plan.scope)
        found |= bool(_list_volume(run, request, volume_id))
    return found


def _to_list(run: Run) -> Iterator[tuple[EvidenceSource, Volume, int]]:
    """Volumes and gaps that are not listed yet; those with a file system first."""
    found = []
    for number, source in run.case.evidence():
        volumes = run.case.volumes(number)
        for volume_id, volume, walked in volumes:
            if leaves_out_volume(run, source, volume):
                continue
            if not walked and (volume.file_system or (run.plan.space and _is_bare_space(volume))):
                found.append((source, volume, volume_id))
    yield from sorted(found, key=lambda item: not item[1].file_system)


def _is_bare_space(volume: Volume) -> bool:
    """A gap, or a volume in which nothing that is read is known: its bytes can still be searched."""
    if volume.allocation is Allocation.METADATA or volume.length <= 0:
        return False
    return not volume.encryption and not volume.is_opened


def _list_volume(run: Run, request: WalkRequest, volume_id: int) -> str:
    """List a volume; returns who reads it, empty for the usual reader."""
    readers: list[str] = []
    entries = Spool(run.case.folder)
    problems: list[Problem] = []
    more = 0
    accounting: list[Accounting] = []

    def forget() -> None:
        nonlocal more
        more = 0
        entries.clear()
        problems.clear()
        accounting.clear()

    limit = run.plan.limits.walk_seconds
    for batch in walk_volume(request, seconds=limit, on_restart=forget, chosen=readers.append):
        for item in batch:
            if isinstance(item, Problem):
                if len(problems) < MAX_PROBLEMS:
                    problems.append(item)
                else:
                    more += 1
            elif isinstance(item, Accounting):
                accounting.append(item)
            else:
                entries.append(item)
        run.observer.listing(request.source.name, request.volume.name, len(entries))
    if more:
        problems.append(_more_problems(request, more))
    times = (entry.times.mtime for entry in entries if entry.times.mtime and entry.times.mtime < _YEAR_2100)
    valuer = Valuer(run.plan.rules.artefacts, max(times, default=0))
    case = run.case
    books = accounting[-1] if accounting else None
    shares = books.shares() if books is not None else ()
    reasons = decide(run, request.volume, entries)
    problems = settled(run, problems, request.volume)
    reader = readers[0] if readers else ""
    with case.transaction():
        case.clear_walk(volume_id)
        case.add_walk(volume_id, ((entry, *valuer.value(entry), _status(entry)) for entry in entries), shares)
        if reasons:
            case.mark_scope(volume_id, reasons)
        for problem in problems:
            case.add_problem(problem)
        case.end_walk(volume_id, books)
        store_reader(case, request.source.name, request.volume.name, reader)
    count = len(entries)
    entries.close()
    run.tell(problems)
    told: dict[str, object] = {"out_of_scope": told_by(reasons)} if reasons else {}
    if reader:
        told["reader"] = reader
    case.audit("volume-listed", evidence=request.source.name, volume=request.volume.name, entries=count, **told)
    return reader


def _more_problems(request: WalkRequest, more: int) -> Problem:
    """Beside those that are told one by one."""
    address = str(Address(request.source.name, request.volume.name, b"/"))
    message = f"{more} more problems of this volume are not told one by one"
    return Problem(address, "pipeline/listing", Reason.LIMIT, message, "read the volume with another tool")


def _status(entry: Entry) -> int:
    """Whether an entry has bytes of its own to examine."""
    return PENDING if is_examined(entry) else NOT_APPLICABLE
