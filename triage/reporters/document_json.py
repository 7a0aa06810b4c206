"""Everything of a document but its findings as dicts: the summary line, and the layers of evidence.

The full paths of the evidence files, like clock, host and durations, differ between two runs of the same work and
stand in ``run`` only; ``segments`` has the file names.
"""

from __future__ import annotations

from typing import Any

from triage.model.content import Coverage
from triage.model.coverage import CoverageTable, Unexamined
from triage.model.document import Answer, Document, EvidenceReport
from triage.model.problem import Problem
from triage.model.rules import Indicator, PackInfo, Profile
from triage.model.volume import EvidenceSource, Volume
from triage.reporters.json_text import number
from triage.reporters.overview import headline, not_examined, priority_counts
from triage.reporters.scope_text import scope_dict


def summary_dict(document: Document) -> dict[str, Any]:
    """The content of the last line of a JSONL report, and the head of the JSON report."""
    return {
        "schema": document.schema,
        "tool": {"name": "triage", "version": document.tool_version},
        "state": document.state,
        "pending": document.pending,
        "headline": headline(document),
        "counts": _counts(document),
        "not_examined": _not_examined(document),
        "evidence": [_evidence_report(report) for report in document.evidence],
        "answers": [_answer(answer) for answer in document.answers],
        "scope": scope_dict(document.scope),
        "coverage": [_coverage(coverage) for coverage in document.coverage],
        "problems": [problem_dict(problem) for problem in document.problems],
        "rules": {"digest": document.rules_digest, "packs": [_pack(pack) for pack in document.packs]},
        "indicators": [_indicator(document.indicators[name]) for name in sorted(document.indicators)],
        "profile": _profile(document.profile),
        "options": _sorted(document.options),
        "versions": _sorted(document.versions),
        "audit_head": document.audit_head,
        "extra": _sorted(document.extra),
        "run": _run(document),
    }


def source_dict(source: EvidenceSource) -> dict[str, Any]:
    """An evidence source without its volumes."""
    return {
        "name": source.name,
        "container": source.container,
        "size": source.size,
        "segments": [path.name for path in source.paths],
        "stored_hashes": _sorted(source.stored_hashes),
        "details": _sorted(source.details),
    }


def volume_dict(volume: Volume) -> dict[str, Any]:
    """A volume; offsets and lengths in bytes."""
    return {
        "name": volume.name,
        "image_offset": volume.image_offset,
        "length": volume.length,
        "allocation": volume.allocation.value,
        "system": volume.system,
        "description": volume.description,
        "file_system": volume.file_system,
        "block_size": volume.block_size,
        "encryption": volume.encryption,
        "unsupported": volume.unsupported,
    }


def problem_dict(problem: Problem) -> dict[str, Any]:
    """A problem."""
    return {
        "address": problem.address,
        "stage": problem.stage,
        "reason": problem.reason.value,
        "message": problem.message,
        "hint": problem.hint,
        "bytes_not_examined": problem.bytes_not_examined,
        "examined_anyway": problem.examined_anyway,
    }


def _evidence_report(report: EvidenceReport) -> dict[str, Any]:
    return source_dict(report.source) | {
        "volumes": [volume_dict(volume) for volume in report.volumes],
        "entries": report.entries,
        "entries_examined": report.entries_examined,
        "bytes_listed": report.bytes_listed,
        "bytes_examined": report.bytes_examined,
        "entries_out_of_scope": report.entries_out_of_scope,
        "bytes_out_of_scope": report.bytes_out_of_scope,
        "coverage": [_coverage_table(table) for table in report.coverage],
    }


def _coverage_table(table: CoverageTable) -> dict[str, Any]:
    return {
        "volume": table.volume,
        "description": table.description,
        "basis": table.basis,
        "size": table.size,
        "examined": table.examined,
        "not_examined": table.not_examined,
        "copies": table.copies,
        "rows": [
            {
                "part": row.part.value,
                "bytes": row.bytes,
                "examined": row.examined,
                "not_examined": [
                    {"reason": reason.value, "bytes": row.not_examined[reason]}
                    for reason in Unexamined
                    if row.not_examined.get(reason)
                ],
                "told_below": row.told_below,
            }
            for row in table.rows
        ],
    }


def _counts(document: Document) -> dict[str, int]:
    by_priority = {priority.value: count for priority, count in priority_counts(document).items()}
    urgent = sum(finding.urgency >= 2 for finding in document.findings)
    return {"findings": len(document.findings), "urgent": urgent} | by_priority


def _not_examined(document: Document) -> dict[str, Any]:
    missing = not_examined(document)
    return {
        "problems": len(missing.problems),
        "bytes": missing.bytes,
        "recovered": len(missing.recovered),
        "by_reason": [
            {"reason": group.reason.value, "problems": group.count, "bytes": group.bytes} for group in missing.reasons
        ],
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "question": answer.question,
        "verdict": answer.verdict,
        "items": list(answer.items),
        "finding_ids": list(answer.finding_ids),
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {
        "detector": coverage.detector,
        "examined": coverage.examined,
        "examined_bytes": coverage.examined_bytes,
        "skipped": coverage.skipped,
        "skipped_bytes": coverage.skipped_bytes,
    }


def _pack(pack: PackInfo) -> dict[str, Any]:
    return {
        "id": pack.id,
        "kind": pack.kind,
        "name": pack.name,
        "version": pack.version,
        "licence": pack.licence,
        "language": pack.language,
        "rules": pack.rules,
        "enabled": pack.enabled,
        "reviewed": pack.reviewed,
        "sha256": pack.sha256,
    }


def _indicator(indicator: Indicator) -> dict[str, Any]:
    return {
        "id": indicator.id,
        "name": indicator.name,
        "element": indicator.element,
        "ilo": list(indicator.ilo),
        "base_weight": number(indicator.base_weight),
        "urgency": indicator.urgency,
        "innocent": indicator.innocent,
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "thresholds": {
            "critical": number(profile.critical),
            "high": number(profile.high),
            "medium": number(profile.medium),
            "low": number(profile.low),
        },
        "indicator_factor": {name: number(profile.indicator_factor[name]) for name in sorted(profile.indicator_factor)},
    }


def _run(document: Document) -> dict[str, Any]:
    run = document.run
    return {
        "started": run.started,
        "ended": run.ended,
        "seconds": number(run.seconds),
        "host": run.host,
        "workers": run.workers,
        "command": list(run.command),
        "paths": [
            {"name": report.source.name, "paths": [str(path) for path in report.source.paths]}
            for report in document.evidence
        ],
    }


def _sorted(values: dict[str, str]) -> dict[str, str]:
    return {name: values[name] for name in sorted(values)}
