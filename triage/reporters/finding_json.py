"""A finding as the dict that the JSON reports hold; the contract is docs/report-schema.md.

Keys come in a fixed order and are all there, empty where nothing is known. ``reasons`` and ``adjustments`` together
are the arithmetic: their contributions add up to ``score``.
"""

from __future__ import annotations

from typing import Any

from triage.model.finding import Finding, ScoreLine
from triage.reporters.json_text import number
from triage.reporters.overview import adjustment_lines, hit_lines, strongest

_TIMES = ("mtime", "atime", "ctime", "crtime", "dtime")
_HASHES = ("md5", "sha1", "sha256")


def finding_dict(finding: Finding) -> dict[str, Any]:
    """The finding in the order of the contract."""
    best = strongest(finding)
    return {
        "rank": finding.rank,
        "id": finding.id,
        "address": finding.address,
        "path": finding.path,
        "evidence": finding.evidence,
        "unit": finding.unit,
        "type": finding.type,
        "size": finding.size,
        "state": finding.state,
        "times": ordered(finding.times, _TIMES),
        "hashes": ordered(finding.hashes, _HASHES),
        "priority": finding.priority.value,
        "score": number(finding.score),
        "urgency": finding.urgency,
        "elements": list(finding.elements),
        "reasons": [_reason(line) for line in hit_lines(finding)],
        "selectors": [],
        "damped_by": list(finding.damped_by),
        "innocent": list(finding.innocent),
        "caveats": list(finding.caveats),
        "adjustments": [_adjustment(line) for line in adjustment_lines(finding)],
        "also_at": list(finding.also_at),
        "type_name": finding.type_name,
        "owner": finding.owner,
        "meta_address": finding.meta_address,
        "excerpt": (best.excerpt or best.matched) if best else "",
        "notes": list(finding.notes),
    }


def ordered(values: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """``values`` with the known names first and the others behind, sorted."""
    first = {name: values[name] for name in names if name in values}
    return first | {name: values[name] for name in sorted(values) if name not in first}


def _reason(line: ScoreLine) -> dict[str, Any]:
    return {
        "indicator": line.indicator,
        "rule": line.rule,
        "weight": number(line.weight),
        "contribution": number(line.contribution),
        "language": line.language,
        "gloss": line.label,
        "excerpt": line.excerpt,
        "offset": line.offset,
        "length": line.length,
        "address": line.address,
        "element": line.element,
        "matched": line.matched,
        "count": line.count,
        "encoding": line.encoding,
    }


def _adjustment(line: ScoreLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "label": line.label,
        "contribution": number(line.contribution),
        "indicator": line.indicator,
        "element": line.element,
    }
