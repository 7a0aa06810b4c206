"""A case ranked, and sealed in the one document that every reporter prints."""

from __future__ import annotations

import triage
from triage.case import Case
from triage.model.document import Document, EvidenceReport, RunInfo
from triage.model.finding import PRIORITIES, Finding
from triage.ranking.coverage import coverage_tables
from triage.ranking.page_one import page_one
from triage.ranking.score import rank
from triage.ranking.withheld import unnamed

SCHEMA = "1.1"
"""Version of the report schema; ``docs/report-schema.md``."""


def rank_case(case: Case) -> tuple[Finding, ...]:
    """The findings of a case, in rank order; the same case gives the same findings."""
    return rank(
        case.units(),
        indicators=case.indicators,
        rules=case.rules,
        profile=case.profile,
        contents=case.unit_count,
        frequency=case.rule_frequency(),
    )


def build_document(case: Case) -> Document:
    """The document of a case, as it stands."""
    findings = rank_case(case)
    scope = case.scope_report()
    problems = tuple(unnamed(case.problems(), case.withheld(), scope))
    coverage = case.coverage()
    indicators = case.indicators
    sources = []
    pending = 0
    for number, source in case.evidence():
        totals = case.evidence_totals(number)
        pending += totals["pending"]
        sources.append(
            EvidenceReport(
                source=source,
                volumes=tuple(volume for _, volume, _ in case.volumes(number)),
                entries=totals["entries"],
                entries_examined=totals["entries_examined"],
                bytes_listed=totals["bytes_listed"],
                bytes_examined=totals["bytes_examined"],
                coverage=coverage_tables(case, number, source),
                entries_out_of_scope=case.left_out_of(number)[0],
                bytes_out_of_scope=case.left_out_of(number)[1],
            )
        )
    seen = {line.indicator for finding in findings for line in finding.lines if line.indicator}
    run = case.meta("run")
    details = run if isinstance(run, dict) else {}
    return Document(
        schema=SCHEMA,
        tool_version=triage.__version__,
        state=str(case.meta("state", "partial")),
        evidence=tuple(sources),
        findings=findings,
        answers=page_one(
            findings,
            problems=problems,
            coverage=coverage,
            evidence=tuple(sources),
            indicators=indicators,
            pending=pending,
            packs=case.packs,
            types=case.type_totals(),
            scope=scope,
        ),
        counts={str(level): sum(finding.priority is level for finding in findings) for level in PRIORITIES},
        problems=problems,
        coverage=coverage,
        packs=case.packs,
        indicators={name: indicators[name] for name in sorted(seen) if name in indicators},
        profile=case.profile,
        rules_digest=str(case.meta("rules_digest", "")),
        audit_head=case.audit_head,
        options=_texts(case.meta("options")),
        versions=_texts(case.meta("versions")),
        run=RunInfo(
            started=str(details.get("started", "")),
            ended=str(details.get("ended", "")),
            seconds=float(details.get("seconds", 0.0)),
            host=str(details.get("host", "")),
            workers=int(details.get("workers", 0)),
            command=tuple(str(word) for word in details.get("command", ())),
        ),
        pending=pending,
        scope=scope,
    )


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in sorted(value.items())} if isinstance(value, dict) else {}
