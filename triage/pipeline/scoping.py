"""A scope over one run: taken into case and audit log, asked for each source, volume and entry, and accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from triage.case.scoped import WITHHELD
from triage.errors import ScopeError
from triage.evidence.inner_images import is_inside_image
from triage.model.address import Address
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.scope import ScopeReason
from triage.model.volume import Allocation, EvidenceSource, Volume
from triage.pipeline.options import ScanPlan
from triage.pipeline.run import Run
from triage.pipeline.scope_match import ScopeMatcher
from triage.pipeline.scope_words import rules_in_words
from triage.pipeline.walk import is_examined


def check_evidence(plan: ScanPlan) -> None:
    """See to it that a scope leaves any of the evidence.

    Raises:
        ScopeError: It leaves none, so that nothing would be opened.
    """
    if plan.scope is None:
        return
    matcher = ScopeMatcher(plan.scope)
    names = [paths[0].name for paths in plan.sources]
    if all(matcher.evidence(name) is not None for name in names):
        raise ScopeError(
            f"the scope `{plan.scope.name}` leaves none of the evidence: {', '.join(names[:8])}; nothing was opened",
            hint="`evidence` in the scope file holds file names, such as `laptop.E01`",
        )


def adopt(run: Run, *, is_new: bool) -> None:
    """Take the scope of a run into its case, or see that it is the one of the case.

    Raises:
        ScopeError: The case was made with another scope, or without one.
    """
    scope = run.plan.scope
    stored = run.case.meta("scope")
    known = str(stored["digest"]) if isinstance(stored, dict) else ""
    if not is_new and known != (scope.digest if scope else ""):
        was = f"with the scope `{stored['name']}` ({known[:12]})" if isinstance(stored, dict) else "without a scope"
        now = f"with `{scope.name}` ({scope.digest[:12]})" if scope else "without one"
        raise ScopeError(
            f"the case was made {was} and cannot go on {now}: what was looked at must be one thing",
            hint="give the same --scope to go on, or name another --case",
        )
    if scope is None:
        return
    record = {
        "name": scope.name,
        "authority": scope.authority,
        "note": scope.note,
        "digest": scope.digest,
        "text": scope.text,
        "rules": list(rules_in_words(scope)),
        "show_path": scope.privileged is None or scope.privileged.show_path,
        "has_slack": scope.slack and not scope.limits_types,
    }
    with run.case.transaction():
        run.case.set_meta("scope", record)
    run.case.audit("scope-applied", name=scope.name, authority=scope.authority, digest=scope.digest, text=scope.text)


# --- sources and volumes --------------------------------------------------------------------------------------------
def leaves_out_source(run: Run, paths: Sequence[Path]) -> bool:
    """Whether a source is out of scope; it is then written down and not opened."""
    if run.matcher is None:
        return False
    name = paths[0].name
    reason = run.matcher.evidence(name)
    if reason is None:
        return False
    size = sum(path.stat().st_size for path in paths if path.is_file())
    _remember(run, "evidence", name, reason, size)
    run.case.audit("evidence-out-of-scope", name=name, reason=str(reason), bytes=size)
    return True


def leaves_out_volume(run: Run, source: EvidenceSource, volume: Volume) -> bool:
    """Whether a volume is out of scope; it is then written down and not listed."""
    if run.matcher is None:
        return False
    reason = run.matcher.volume(source.name, volume.name)
    if reason is None:
        return False
    # What a layer opened is told by the volumes in it, the sectors of a table by the gap around them.
    if not volume.is_opened and volume.allocation is not Allocation.METADATA:
        name = str(Address(source.name, volume.name, b"/"))
        if volume.allocation is not Allocation.ALLOCATED:
            space = Address(source.name, volume.name, space="gap", offset=volume.image_offset, length=volume.length)
            name = str(space)
        if _remember(run, "volumes", name, reason, volume.length):
            run.case.audit("volume-out-of-scope", volume=name, reason=str(reason), bytes=volume.length)
    return True


def _remember(run: Run, kind: str, name: str, reason: ScopeReason, size: int) -> bool:
    """Keep what was left out as a whole; whether it is new."""
    stored = run.case.meta("scope_left_out")
    left = stored if isinstance(stored, dict) else {"evidence": {}, "volumes": {}}
    if name in left[kind]:
        return False
    left[kind][name] = [str(reason), size]
    with run.case.transaction():
        run.case.set_meta("scope_left_out", left)
    return True


# --- entries --------------------------------------------------------------------------------------------------------
def decide(run: Run, volume: Volume, entries: Iterable[Entry]) -> list[str]:
    """For each entry of a volume why it is not to be read, empty for what is; nothing of them was read yet."""
    matcher = run.matcher
    if matcher is None:
        return []
    inside = is_inside_image(volume.name)
    return [_reason(matcher, entry, volume.file_system, inside) for entry in entries]


def _reason(matcher: ScopeMatcher, entry: Entry, file_system: str, inside: bool) -> str:
    if not is_examined(entry):
        return ""
    reason = matcher.entry(entry, file_system, inside=inside)
    if reason is not None:
        return str(reason)
    return WITHHELD if matcher.names is not None and matcher.names.hold(entry.address) else ""


def told_by(reasons: Sequence[str]) -> dict[str, int]:
    """Number of entries by reason, for the audit log."""
    return dict(sorted(Counter(reason for reason in reasons if reason).items()))


def settled(run: Run, problems: Sequence[Problem], volume: Volume | None = None) -> list[Problem]:
    """Problems as they count: what is out of scope need not be examined, and no name that is withheld is told."""
    matcher = run.matcher
    if matcher is None:
        return list(problems)
    return [_settled(matcher, problem, volume.file_system if volume else "") for problem in problems]


def _settled(matcher: ScopeMatcher, problem: Problem, file_system: str) -> Problem:
    try:
        address = Address.parse(problem.address)
    except ValueError:
        address = None
    if address is not None:
        is_out = matcher.volume(address.evidence, address.volume) is not None
        if not is_out and address.path not in (b"", b"/") and not is_inside_image(address.volume):
            is_out = matcher.nothing_below(address.path, file_system)
        if is_out:
            message = f"{problem.message}; it is out of scope"
            problem = replace(problem, message=message, bytes_not_examined=0, examined_anyway=True)
    privileged = matcher.scope.privileged
    if matcher.names is None or privileged is None or privileged.show_path:
        return problem
    if not (matcher.names.hold_text(problem.address) or matcher.names.hold_text(problem.message)):
        return problem
    place = f"{address.evidence} {address.volume}:(withheld)" if address else "(withheld)"
    return replace(problem, address=place, message="a problem with something that is withheld", hint="")


# --- the end --------------------------------------------------------------------------------------------------------
def finish(run: Run) -> None:
    """Write down what the scope did, and which of its limits nothing matched."""
    if run.matcher is None:
        return
    stored = run.case.meta("scope_unmatched")
    unmatched = list(run.matcher.unused())
    if isinstance(stored, list):  # an earlier run of the case listed other volumes
        unmatched = [text for text in unmatched if text in stored]
    with run.case.transaction():
        run.case.set_meta("scope_unmatched", unmatched)
    report = run.case.scope_report()
    if report is None:
        return
    run.case.audit(
        "scope-kept",
        digest=report.digest,
        entries={str(part.reason): [part.count, part.bytes] for part in report.entries},
        members={str(part.reason): [part.count, part.bytes] for part in report.members},
        heads_read=report.heads_read,
        withheld=[report.withheld.entries, report.withheld.bytes],
        in_scope=report.examined,
    )
