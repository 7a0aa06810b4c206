"""Opening the evidence of a scan: each source once, and one that fails does not stop the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triage.errors import EncryptedVolumeError, EvidenceError
from triage.evidence import open_evidence
from triage.model.problem import Problem, Reason
from triage.pipeline.run import Run


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
        name = _distinct(paths[0].name, taken)
        try:
            _open(run, resolved, name)
            taken.add(name)
        except EvidenceError as error:
            unopened.append((str(paths[0]), error))
            problem = Problem(
                name, f"evidence/{error.code}", Reason.UNSUPPORTED, str(error), error.hint or "", _size_of(resolved)
            )
            run.remember([problem])
            case.audit("evidence-not-opened", name=str(paths[0]), reason=str(error))
    if not case.evidence() and unopened:
        raise unopened[0][1]
    return tuple(unopened)


def _open(run: Run, paths: tuple[Path, ...], name: str) -> None:
    with open_evidence(paths, name=name, as_raw=run.plan.as_raw, keychain=run.plan.keychain) as evidence:
        with run.case.transaction():
            run.case.add_evidence(evidence.source, evidence.volumes, evidence.problems)
        run.tell(evidence.problems)
        run.case.audit(
            "evidence-opened",
            name=name,
            container=evidence.source.container,
            size=evidence.source.size,
            stored_hashes=evidence.source.stored_hashes,
            volumes=len(evidence.volumes),
        )
        _tell_attempts(run)
        run.observer.opened(name, len(evidence.volumes))


def _open_again(run: Run, paths: tuple[Path, ...], number: int, name: str) -> None:
    """A source of an earlier run: keys given now may open what was closed then, and must open what was open."""
    stored = [volume for _, volume, _ in run.case.volumes(number)]
    if not len(run.plan.keychain) and not any(volume.parent for volume in stored):
        return
    with open_evidence(paths, name=name, as_raw=run.plan.as_raw, keychain=run.plan.keychain) as evidence:
        opened = {volume.name for volume in evidence.volumes}
        missing = [volume.name for volume in stored if volume.name not in opened]
        if missing:
            raise EncryptedVolumeError(
                f"{name}: {', '.join(missing[:8])} could be opened before and cannot now",
                hint="give the same passwords and key files as before",
            )
        with run.case.transaction():
            run.case.reopen(number, name, evidence.volumes, evidence.problems)
        _tell_attempts(run)


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
