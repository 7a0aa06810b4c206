"""Fifth answer of page one: what was not examined. A low score is no clearance; this says of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triage.model.content import Coverage
from triage.model.document import Answer, EvidenceReport
from triage.model.finding import Finding, Priority
from triage.model.problem import Problem
from triage.model.rules import PackInfo
from triage.model.scope import ScopeReport

QUESTION = "What was not examined?"

UNREAD_TYPES = (
    (("image/",), "pictures", "no text recognition: ledgers on paper, screenshots and document scans were not read"),
    (("audio/",), "sound files", "voice notes were not transcribed"),
    (("video/",), "videos", "neither picture nor sound was read"),
    (("application/pdf",), "PDF files", "compressed text inside was not decoded"),
    (
        ("message/", "application/mbox", "application/vnd.ms-outlook", "application/x-outlook"),
        "mail stores and messages",
        "base64 bodies and attachments were not decoded",
    ),
)  # fmt: skip
"""Media types whose text is not read whole, with the reason. Take a row out when a decoder or an extractor is added."""

_LANGUAGES_LISTED = 30
_PARTS_LISTED = 4
"""Parts of an image of which most bytes were not examined."""


def not_examined(
    findings: Sequence[Finding],
    problems: Sequence[Problem],
    coverage: Sequence[Coverage],
    evidence: Sequence[EvidenceReport],
    pending: int,
    packs: Sequence[PackInfo],
    types: Mapping[str, int],
    scope: ScopeReport | None = None,
) -> Answer:
    """Problems by reason, detectors that skipped, types and languages that are not read, interpreters needed."""
    open_problems = [problem for problem in problems if not problem.examined_anyway]
    items = _out_of_scope(scope)
    if pending:
        items.append(f"{pending:,} entries still wait: run the same scan again to go on")
    items += [_bytes(report) for report in evidence if report.coverage and report.coverage[0].size]
    items += _by_reason(open_problems)
    items += [
        f"detector {seen.detector} skipped {seen.skipped:,} contents ({_size(seen.skipped_bytes)})"
        for seen in coverage
        if seen.skipped
    ]
    items += [
        f"{report.source.name}: {_others(report, pending):,} of {report.entries:,} entries "
        "hold nothing to examine (folders, links, empty, reused) or were given up"
        for report in evidence
        if len(evidence) == 1 and _others(report, pending) > 0
    ]
    for prefixes, name, reason in UNREAD_TYPES:
        number = sum(count for mime, count in types.items() if mime.startswith(prefixes))
        if number:
            items.append(f"{number:,} {name}: {reason}")
    items += _languages(packs, findings)
    return Answer(QUESTION, _verdict(open_problems, pending, scope), tuple(items))


def _others(report: EvidenceReport, pending: int) -> int:
    """Entries of a source that were neither examined nor wait nor are out of scope."""
    return report.entries - report.entries_examined - pending - report.entries_out_of_scope


def _out_of_scope(scope: ScopeReport | None) -> list[str]:
    """What was left out because of the scope: it was ordered, and is told first."""
    if scope is None:
        return []
    whole = [f"{name} ({_size(size)})" for name, _, size in (*scope.evidence, *scope.volumes)]
    out = [f"out of scope ({scope.name}), not opened or not listed: {_listed(whole)}"] if whole else []
    reasons = ", ".join(f"{part.reason.value} {part.count:,}" for part in (*scope.entries, *scope.members))
    if reasons:
        size = _size(sum(part.bytes for part in scope.entries))
        out.append(f"out of scope ({scope.name}): {scope.left_out:,} entries, {size}; by reason: {reasons}")
    if scope.withheld.entries:
        number = f"{scope.withheld.entries:,} ({_size(scope.withheld.bytes)})"
        out.append(f"withheld as privileged: {number}; nothing of it was searched, a filter team can look at it")
    out += [f"nothing on the evidence matches {text} of the scope" for text in scope.unmatched]
    return out


def _bytes(report: EvidenceReport) -> str:
    """How much of a source was examined, in bytes, with the parts of which most was not."""
    table = report.coverage[0]
    below = sum(row.told_below for row in table.rows)
    inside = [inner for inner in report.coverage[1:] if inner.rows]
    text = f"{report.source.name}: {_size(table.examined)} of {_size(table.size)} examined"
    missed = sorted(((sum(row.not_examined.values()), row.part.value) for row in table.rows), reverse=True)
    left = [f"{_size(count)} {part}" for count, part in missed[:_PARTS_LISTED] if count]
    if left:
        text += f"; not: {', '.join(left)}"
    if below:
        read = sum(inner.examined for inner in inside)
        whole = read + sum(inner.not_examined for inner in inside)
        text += f"; {_size(below)} are volumes that hold others, {_size(read)} of {_size(whole)} in these examined"
    return text


def _verdict(problems: Sequence[Problem], pending: int, scope: ScopeReport | None) -> str:
    parts = []
    if scope is not None:
        withheld = f", {scope.withheld.entries:,} withheld" if scope.withheld.entries else ""
        size = _size(scope.bytes_left_out)
        parts.append(f"whatever the scope leaves out: {size} in {scope.left_out:,} entries{withheld}")
    if pending:
        parts.append(f"{pending:,} entries wait")
    if problems:
        lost = sum(max(0, problem.bytes_not_examined) for problem in problems)
        size = f" ({_size(lost)})" if lost else ""
        parts.append(f"{len(problems):,} thing{' was' if len(problems) == 1 else 's were'} not examined{size}")
    if not parts:
        return "everything that was listed was read; what reading cannot see is below"
    return "; ".join(parts)


def _by_reason(problems: Sequence[Problem]) -> list[str]:
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.reason.value, []).append(problem)
    out = []
    for reason, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        lost = sum(max(0, problem.bytes_not_examined) for problem in group)
        largest = max(group, key=lambda problem: problem.bytes_not_examined)
        size = f", {_size(lost)}" if lost else ""
        out.append(f"{reason}: {len(group):,}{size}; for instance {largest.address}: {largest.message}")
    return out


def _languages(packs: Sequence[PackInfo], findings: Sequence[Finding]) -> list[str]:
    keyword = [pack for pack in packs if pack.kind == "keywords" and pack.language not in ("", "und", "mul")]
    searched = sorted({pack.language for pack in keyword if pack.enabled})
    off = sorted({pack.language for pack in keyword} - set(searched))
    out = []
    if searched:
        out.append(f"languages searched: {_listed(searched)}; wording in any other language was not")
    if off:
        out.append(f"lists switched off (drafts or not asked for): {_listed(off)}")
    needed = {
        line.language
        for finding in findings
        if finding.priority is not Priority.INFO
        for line in finding.lines
        if line.kind == "hit" and line.contribution > 0 and line.language not in ("", "und", "mul", "en")
    }
    if needed:
        out.append(f"interpreters needed for: {_listed(sorted(needed))}")
    return out


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LANGUAGES_LISTED} more" if len(names) > _LANGUAGES_LISTED else ""
    return ", ".join(names[:_LANGUAGES_LISTED]) + more


def _size(number: int) -> str:
    if number < 1024:
        return f"{number} bytes"
    size = float(number)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if size < 1024 or unit == "TiB":
            break
    return f"{size:.1f} {unit}"
