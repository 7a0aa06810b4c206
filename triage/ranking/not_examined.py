"""Fifth answer of page one: what was not examined. A low score is no clearance; this says of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triage.model.content import Coverage
from triage.model.document import Answer, EvidenceReport
from triage.model.finding import Finding, Priority
from triage.model.problem import Problem
from triage.model.rules import PackInfo

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


def not_examined(
    findings: Sequence[Finding],
    problems: Sequence[Problem],
    coverage: Sequence[Coverage],
    evidence: Sequence[EvidenceReport],
    pending: int,
    packs: Sequence[PackInfo],
    types: Mapping[str, int],
) -> Answer:
    """Problems by reason, detectors that skipped, types and languages that are not read, interpreters needed."""
    open_problems = [problem for problem in problems if not problem.examined_anyway]
    items = []
    if pending:
        items.append(f"{pending:,} entries still wait: run the same scan again to go on")
    items += _by_reason(open_problems)
    items += [
        f"detector {seen.detector} skipped {seen.skipped:,} contents ({_size(seen.skipped_bytes)})"
        for seen in coverage
        if seen.skipped
    ]
    items += [
        f"{report.source.name}: {report.entries - report.entries_examined - pending:,} of {report.entries:,} entries "
        "hold nothing to examine (folders, links, empty, reused) or were given up"
        for report in evidence
        if len(evidence) == 1 and report.entries > report.entries_examined + pending
    ]
    for prefixes, name, reason in UNREAD_TYPES:
        number = sum(count for mime, count in types.items() if mime.startswith(prefixes))
        if number:
            items.append(f"{number:,} {name}: {reason}")
    items += _languages(packs, findings)
    return Answer(QUESTION, _verdict(open_problems, pending), tuple(items))


def _verdict(problems: Sequence[Problem], pending: int) -> str:
    parts = []
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
