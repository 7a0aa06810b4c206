"""A scan from evidence to case: open, list, examine, rank.

The same call starts a case and continues one: volumes listed whole are not listed again, entries examined are not
examined again. Results are committed together with the marks of progress, so a run that is killed at any moment goes
on where it stood.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import triage
from triage.case import Case
from triage.errors import CaseError, EvidenceError
from triage.pipeline.examination import Examination
from triage.pipeline.images import images_wait, open_images
from triage.pipeline.listing import is_listed, list_volumes
from triage.pipeline.opening import open_sources
from triage.pipeline.options import ScanPlan
from triage.pipeline.progress import Observer, SilentObserver
from triage.pipeline.run import Run
from triage.pipeline.scoping import adopt, check_evidence, finish
from triage.pipeline.versions import library_versions
from triage.ranking.assemble import rank_case

TRIES = 3
"""Times that entries are handed out again whose results were lost with a worker."""


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
        ScopeError: The scope leaves nothing, or is not that of the case.
    """
    check_evidence(plan)
    with Case.create(plan.case) as case:
        return _scan(Run(plan, case, observer or SilentObserver()))


def _scan(run: Run) -> ScanOutcome:
    before = _prepare(run)
    interrupted = False
    unopened: tuple[tuple[str, EvidenceError], ...] = ()
    try:
        unopened = open_sources(run)
        if not _is_done(run):
            examination = Examination(run)
            try:
                _examine_all(run, examination)
            finally:
                examination.close()
    except KeyboardInterrupt:
        interrupted = True
    complete = not interrupted and _is_done(run)
    _finish(run, before, complete=complete)
    return ScanOutcome(complete, interrupted, unopened)


def _is_done(run: Run) -> bool:
    """Nothing is left to list, to examine or to look into."""
    return not run.case.pending() and is_listed(run) and not images_wait(run)


def _examine_all(run: Run, examination: Examination) -> None:
    """List and examine volumes, then those of the images that lie in them, until there is nothing new."""
    left = TRIES
    while left:
        if list_volumes(run):
            examination.extend()
        if open_images(run):
            examination.extend()
            continue
        examination.run()
        if open_images(run):
            examination.extend()
        elif not run.case.pending():
            return
        else:
            left -= 1


def _prepare(run: Run) -> float:
    """Check that the case belongs to these rules and options; returns the seconds of earlier runs."""
    case, plan = run.case, run.plan
    known = case.meta("rules_digest")
    options = plan.result_options()
    if known is not None and known != plan.rules.digest:
        raise CaseError(
            "the case was made with other rules or another profile",
            hint="name another --case, or use the same rules to continue",
        )
    adopt(run, is_new=known is None)
    if known is not None and case.meta("options") != options:
        raise CaseError("the case was made with other limits", hint="name another --case, or use the same limits")
    stored = case.meta("run")
    earlier = stored if isinstance(stored, dict) else {}
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


def _finish(run: Run, before: float, *, complete: bool) -> None:
    case = run.case
    finish(run)
    findings = rank_case(case)
    stored = case.meta("run")
    state = dict(stored) if isinstance(stored, dict) else {}
    state["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
    state["seconds"] = round(before + time.monotonic() - run.started, 3)
    with case.transaction():
        case.set_findings(findings)
        case.set_meta("run", state)
        case.set_meta("state", "complete" if complete else "partial")
    case.audit(
        "scan-ended",
        state="complete" if complete else "partial",
        findings=len(findings),
        entries=run.tally.entries,
    )
