"""Page one: five questions of the first hour, answered from the findings and from what could not be examined.

Danger to life first, then whether the device is held, then where the inquiry goes. The wording speaks of files and
wording, never of what a person is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp

from triage.model.content import Coverage
from triage.model.document import Answer, EvidenceReport
from triage.model.finding import Finding, Priority, ScoreLine
from triage.model.problem import Problem
from triage.model.rules import Indicator, PackInfo
from triage.model.scope import ScopeReport
from triage.ranking.leads import what_next, whom_else
from triage.ranking.not_examined import not_examined
from triage.ranking.quote import quote

AT_RISK = "Is someone at risk now?"
HOLD = "Hold or release the device?"

LISTED = 12
"""Items that an answer lists at most."""

BEST = 10
"""Findings that make up the device score."""

PRIORITY_SCORE = 0.75
"""Device score from which a device with a finding of high or above is a priority."""

_NOTHING = "none found in what could be read"
_ABOVE_INFO = (Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM, Priority.LOW)


def page_one(
    findings: Sequence[Finding],
    *,
    problems: Sequence[Problem] = (),
    coverage: Sequence[Coverage] = (),
    evidence: Sequence[EvidenceReport] = (),
    indicators: Mapping[str, Indicator],
    pending: int = 0,
    packs: Sequence[PackInfo] = (),
    types: Mapping[str, int] | None = None,
    places: Mapping[str, int] | None = None,
    scope: ScopeReport | None = None,
) -> tuple[Answer, ...]:
    """The five answers of page one.

    Args:
        findings: In rank order.
        problems: What was not examined as it should have been.
        coverage: What each detector saw.
        evidence: The sources with their volumes.
        indicators: The catalogue, by identity.
        pending: Entries that wait.
        packs: Every rule pack, for the languages.
        types: Number of contents by media type.
        places: Number of entries by place (artefact group), where known.
        scope: What the scope left out, None where there is none.

    Returns:
        Five answers, in the order of the questions.
    """
    incomplete = bool(pending) or any(not problem.examined_anyway for problem in problems)
    return (
        _at_risk(findings, indicators, incomplete),
        _hold_or_release(findings, indicators),
        whom_else(findings, types or {}, places or {}),
        what_next(findings, evidence, problems, types or {}, places or {}),
        not_examined(findings, problems, coverage, evidence, pending, packs, types or {}, scope),
    )


def device_score(findings: Sequence[Finding]) -> float:
    """Saturating sum of the best ten findings, 0..1: one minus e to the minus twice the sum of their squares.

    Squares, so that ten weak findings do not make a strong device; never the mean, so that a large device with one
    conversation that matters is not diluted.
    """
    best = sorted((finding.score for finding in findings), reverse=True)[:BEST]
    return 1.0 - exp(-2.0 * sum(score * score for score in best))


def _at_risk(findings: Sequence[Finding], indicators: Mapping[str, Indicator], incomplete: bool) -> Answer:
    urgent = [finding for finding in findings if finding.urgency >= 2]
    urgent.sort(key=lambda finding: finding.rank)
    urgent.sort(key=_moment, reverse=True)
    # What stands in a place or a type that speaks against it comes last, however new.
    urgent.sort(key=lambda finding: finding.priority is Priority.INFO)
    doubt = "; part of the evidence was not examined, see the last answer" if incomplete else ""
    if not urgent:
        return Answer(AT_RISK, _NOTHING + doubt)
    number = "1 file holds" if len(urgent) == 1 else f"{len(urgent)} files hold"
    items = [_urgent_item(finding, indicators) for finding in urgent[:LISTED]]
    if len(urgent) > LISTED:
        items.append(f"{len(urgent) - LISTED} more findings with urgency 2")
    return Answer(
        AT_RISK,
        f"{number} wording that somebody may be at risk now; newest first, read before anything else{doubt}",
        tuple(items),
        tuple(finding.id for finding in urgent[:LISTED]),
    )


def _urgent_item(finding: Finding, indicators: Mapping[str, Indicator]) -> str:
    line = _urgent_line(finding, indicators)
    said = f'"{quote(line)}" ({_gloss(line, indicators)}) ' if line else ""
    return f"{_time_text(finding)}: {said}in {finding.path} [{finding.id}, {finding.priority.value}]"


def _urgent_line(finding: Finding, indicators: Mapping[str, Indicator]) -> ScoreLine | None:
    urgent = [
        line
        for line in finding.lines
        if line.kind == "hit" and line.indicator in indicators and indicators[line.indicator].urgency >= 2
    ]
    # Wording of an indicator that may stand alone says more than wording that needs a second element.
    return max(urgent, key=lambda line: (indicators[line.indicator].single_ok, line.weight), default=None)


def _gloss(line: ScoreLine, indicators: Mapping[str, Indicator]) -> str:
    name = indicators[line.indicator].name if line.indicator in indicators else ""
    language = f", {line.language}" if line.language not in ("", "und") else ""
    return f"{name or line.label}: {line.label}{language}" if name and name != line.label else f"{line.label}{language}"


def _moment(finding: Finding) -> str:
    """Newest of the times that tell of writing, as ISO 8601 text, which sorts by time; empty where none is stored."""
    return max(
        (finding.times.get("mtime", ""), finding.times.get("crtime", "")), key=lambda text: text.removesuffix("Z")
    )


def _time_text(finding: Finding) -> str:
    moment = _moment(finding)
    if not moment:
        return "no time stored"
    return (
        f"{moment} by the device's clock"
        if moment.endswith("Z")
        else f"{moment} local time of the device, zone not stored"
    )


def _hold_or_release(findings: Sequence[Finding], indicators: Mapping[str, Indicator]) -> Answer:
    told = [finding for finding in findings if finding.priority in _ABOVE_INFO]
    score = device_score(findings)
    urgent = any(finding.urgency >= 2 for finding in told)
    verdict = _band(told, score, urgent)
    reasons = [_reason(finding, indicators) for finding in told[:3]]
    items = list(reasons)
    if told:
        parts = []
        for element in ("act", "means", "purpose"):
            number = sum(element in finding.elements for finding in told)
            parts.append(f"{element} in {number or 'no'} finding{'' if number == 1 else 's'}")
        items.append("elements: " + ", ".join(parts))
        readings = dict.fromkeys(reading for finding in told[:3] for reading in finding.innocent)
        items += [f"innocent reading: {reading}" for reading in list(readings)[:5]]
    return Answer(
        HOLD, f"{verdict} (device score {score:.2f})", tuple(items), tuple(finding.id for finding in told[:3])
    )


def _band(told: Sequence[Finding], score: float, urgent: bool) -> str:
    top = told[0].priority if told else Priority.INFO
    if top in (Priority.CRITICAL, Priority.HIGH) and score >= PRIORITY_SCORE:
        return "priority: hold the device and examine it first"
    if top in (Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM) or urgent:
        return "examine: hold the device until a person has read the findings"
    if told:
        return "routine: weak findings only"
    return "nothing found in what could be read; that is no clearance"


def _reason(finding: Finding, indicators: Mapping[str, Indicator]) -> str:
    sums: dict[str, float] = {}
    for line in finding.lines:
        if line.kind == "hit" and line.contribution > 0:
            name = indicators[line.indicator].name if line.indicator in indicators else line.label
            sums[name] = sums.get(name, 0.0) + line.contribution
    best = sorted(sums, key=lambda name: (-sums[name], name))[:3]
    return f"{finding.priority.value} {finding.score:.2f}: {', '.join(best)}; in {finding.path} [{finding.id}]"
