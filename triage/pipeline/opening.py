"""Opening the evidence of a scan: each source once, and one that fails does not stop the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triage.errors import EncryptedVolumeError, EvidenceError, ProcessDiedError
from triage.evidence.inner_images import is_inside_image
from triage.model.problem import Problem, Reason
from triage.pipeline.apart import open_apart
from triage.pipeline.left_out import store_places, stored_places
from triage.pipeline.messages import SourceRef
from triage.pipeline.run import Run
from triage.pipeline.scoping import leaves_out_source, settled


def open_sources(run: Run) -> tuple[tuple[str, EvidenceError], ...]:
    """Add sources that the case does not hold yet.

    Returns:
        Those that did not open, with the reason.

    Raises:
        EvidenceError: None could be opened.
    """
    case = run.case
    known = {source.paths: (number, source.name) for number, source in case.evidence()}
    taken = {name for _, name in known.values()}
    unopened = []
    for paths in run.plan.sources:
        resolved = tuple(path.resolve() for path in paths)
        if resolved in known:
            _open_again(run, resolved, *known[resolved])
            continue
        if leaves_out_source(run, paths):
            continue
        name = _distinct(paths[0].name, taken)
        try:
            _open(run, resolved, name)
            taken.add(name)
        except EvidenceError as error:
            unopened.append((str(paths[0]), error))
            reason = Reason.CRASHED if isinstance(error, ProcessDiedError) else Reason.UNSUPPORTED
            stage = f"evidence/{error.code}"
            problem = Problem(name, stage, reason, str(error), error.hint or "", _size_of(resolved))
            run.remember([problem])
            case.audit("evidence-not-opened", name=str(paths[0]), reason=str(error))
    if not case.evidence() and unopened:
        raise unopened[0][1]
    return tuple(unopened)


def _open(run: Run, paths: tuple[Path, ...], name: str) -> None:
    source = SourceRef(paths, name, run.plan.as_raw, run.plan.keychain)
    opened = open_apart(
        source, searches=_searches(run), progress=lambda done, total: run.observer.searching(name, done, total)
    )
    problems = settled(run, opened.problems)
    with run.case.transaction():
        run.case.add_evidence(opened.source, opened.volumes, problems)
        store_places(run.case, name, opened.left_out)
    run.tell(problems)
    run.case.audit(
        "evidence-opened",
        name=name,
        container=opened.source.container,
        size=opened.source.size,
        stored_hashes=opened.source.stored_hashes,
        volumes=len(opened.volumes),
    )
    _tell_attempts(run)
    run.observer.opened(name, len(opened.volumes))


def _open_again(run: Run, paths: tuple[Path, ...], number: int, name: str) -> None:
    """A source of an earlier run: keys given now may open what was closed then, and must open what was open."""
    stored = [volume for _, volume, _ in run.case.volumes(number)]
    if not len(run.plan.keychain) and not any(volume.parent for volume in stored):
        return
    left_out = stored_places(run.case, name)
    source = SourceRef(paths, name, run.plan.as_raw, run.plan.keychain, left_out=left_out)
    found = open_apart(source, searches=_searches(run))
    names = {volume.name for volume in found.volumes}
    missing = [volume.name for volume in stored if volume.name not in names and not is_inside_image(volume.name)]
    if missing:
        raise EncryptedVolumeError(
            f"{name}: {', '.join(missing[:8])} could be opened before and cannot now",
            hint="give the same passwords and key files as before",
        )
    with run.case.transaction():
        run.case.reopen(number, name, found.volumes, settled(run, found.problems))
        store_places(run.case, name, found.left_out)
    _tell_attempts(run)


def _searches(run: Run) -> bool:
    """Whether volumes that no table names may be looked for: that reads space that no file owns."""
    return run.plan.scope is None or run.plan.scope.space


def _tell_attempts(run: Run) -> None:
    """Write down which key was tried on what, never the key."""
    for attempt in run.plan.keychain.attempts():
        run.case.audit(
            "key-tried",
            volume=attempt.address,
            method=attempt.method,
            secret=attempt.secret,
            opened=attempt.opened,
        )


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
