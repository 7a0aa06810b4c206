"""Units become findings, in the order in which they should be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256

from triage.model.address import Address
from triage.model.entry import EntryState
from triage.model.finding import Finding, Priority, ScoreLine
from triage.model.rules import Indicator, Profile, RuleInfo
from triage.model.unit import UnitFacts
from triage.ranking.arithmetic import Arithmetic, Assessment, assess, compute, hit_line
from triage.ranking.content_class import content_class
from triage.ranking.damping import QUOTING, dampings
from triage.ranking.elements import covered
from triage.ranking.levels import priority
from triage.ranking.marks import Knowledge, UnitMarks, collect
from triage.ranking.passages import candidate_passages, window_for
from triage.ranking.repeated import repeated
from triage.ranking.terms import distinct_terms
from triage.ranking.urgency import Urgency, urgency

NOTE_WORTH = 0.05
"""Least worth of a place for that."""

NOTE_SCORE = 0.05
"""Score of a unit that only states a fact, in a place of full worth."""

SILENT_LINES = 12
"""Lines without a contribution that a finding shows at most."""

_QUOTED = (
    "wording about danger was found, but in what looks like prevention, news, law, fiction or reference material: "
    "it raises no urgency"
)


def rank(
    units: Iterable[UnitFacts],
    *,
    indicators: Mapping[str, Indicator],
    rules: Mapping[str, RuleInfo],
    profile: Profile,
    contents: int,
    frequency: Mapping[str, int],
) -> tuple[Finding, ...]:
    """Findings for units, best first. Pure: the same facts give the same findings, whatever the order of the units.

    Args:
        units: Units with at least one hit.
        indicators: The catalogue, by identity.
        rules: Meaning of every rule, by identity; hits of other rules are left out.
        profile: Thresholds and weights.
        contents: Distinct contents examined.
        frequency: Number of contents in which each rule hit.

    Returns:
        Findings by score; equal scores by urgency, then by the worth of the place, then by address. A unit whose score
        rounds to nothing and that has no note is no finding.
    """
    knowledge = Knowledge(indicators, rules, profile, contents, frequency)
    found = []
    places = {}
    for unit in units:
        finding = assess_unit(unit, knowledge)
        if finding is not None:
            found.append(finding)
            places[finding.id] = (-unit.value, unit.entry.address, finding.unit)

    def order(finding: Finding) -> tuple[float, int, tuple[float, Address, str]]:
        return (-finding.score, -finding.urgency, places[finding.id])

    ranked = sorted(repeated(sorted(found, key=order), profile), key=order)
    return tuple(replace(finding, rank=number) for number, finding in enumerate(ranked, 1))


def assess_unit(unit: UnitFacts, knowledge: Knowledge) -> Finding | None:
    """The finding of one unit, its rank left at 0; None where there is nothing to tell."""
    marks = collect(unit, knowledge)
    if not marks.evidence:
        return _noted(unit, marks, knowledge.profile)
    kind = content_class(unit)
    window = window_for(kind, unit.content_type.mime)
    assessment = assess(
        marks,
        candidate_passages(marks.evidence, window, marks.size),
        lambda passage, terms, words, share: dampings(unit, kind, marks, passage, terms, words, share),
    )
    sums, lowered = compute(assessment)
    if not sums.score:
        return _noted(unit, marks, knowledge.profile)
    elements = covered(assessment.terms)
    quoting = bool(QUOTING & assessment.everywhere)
    level = urgency(marks, tuple(sorted(assessment.reached)), window, quoting=quoting)
    finding = _finding(unit, marks, knowledge.profile, sums)
    return replace(
        finding,
        urgency=level.level,
        elements=elements,
        lines=(*sums.lines, *_silent_lines(marks, assessment, level)),
        damped_by=lowered,
        innocent=_innocent(assessment),
        caveats=(*finding.caveats, *_caveats_of_hits(assessment, level)),
    )


def _noted(unit: UnitFacts, marks: UnitMarks, profile: Profile) -> Finding | None:
    """A unit without evidence is told for its notes alone."""
    if not marks.notes:
        return None
    sums = Arithmetic()
    worth = min(1.0, max(NOTE_WORTH, unit.value))  # what is listed never has a score of nothing
    sums.adjust(f"stated only, no evidence: place worth {worth:.2f} x {NOTE_SCORE:.2f}", NOTE_SCORE * worth)
    return replace(_finding(unit, marks, profile, sums), priority=Priority.INFO)


def _finding(unit: UnitFacts, marks: UnitMarks, profile: Profile, sums: Arithmetic) -> Finding:
    entry = unit.entry
    address = str(entry.address)
    return Finding(
        rank=0,
        id=finding_id(address),
        address=address,
        path=entry.address.local,
        evidence=entry.address.evidence,
        unit=unit.kind,
        type=unit.content_type.mime,
        type_name=unit.content_type.name,
        size=unit.parts[0].size if unit.parts and unit.parts[0].address == address else entry.size,
        state=entry.state.value,
        times=entry.times.as_dict(),
        hashes=dict(unit.hashes),
        priority=priority(sums.score, profile),
        score=sums.score,
        urgency=0,
        elements=(),
        lines=tuple(sums.lines),
        caveats=_caveats_of_entry(unit, marks),
        also_at=unit.also_at,
        owner=entry.owner,
        meta_address=entry.meta_address,
        notes=marks.notes,
    )


def finding_id(address: str) -> str:
    """``f-`` and twelve hex digits for the text form of an address."""
    return "f-" + sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _silent_lines(marks: UnitMarks, assessment: Assessment, level: Urgency) -> tuple[ScoreLine, ...]:
    """Hits that add nothing to the score and still must be seen: urgent, displaced, or elsewhere in the unit."""
    counted = {term.mark.rule.id for term in assessment.terms}
    out: list[ScoreLine] = []
    groups = (
        ((level.mark,) if level.mark else (), "supports the urgency, adds nothing to the score"),
        (marks.covered, "on the same text as a stronger term, adds nothing"),
        (marks.evidence, "in a passage that adds nothing"),
    )
    for group, remark in groups:
        for term in distinct_terms(group, 1.0, marks.counts, frozenset(counted)):
            if len(out) < SILENT_LINES:
                counted.add(term.mark.rule.id)
                out.append(hit_line(term, 0.0, remark))
    return tuple(out)


def _innocent(assessment: Assessment) -> tuple[str, ...]:
    """Usual lawful explanations, those of the strongest terms first."""
    found = (term.mark.indicator for term in assessment.terms if term.mark.indicator.innocent and term.strength() > 0)
    return tuple(dict.fromkeys(f"{indicator.name}: {indicator.innocent}" for indicator in found))


def _caveats_of_entry(unit: UnitFacts, marks: UnitMarks) -> tuple[str, ...]:
    entry = unit.entry
    out = list(entry.caveats)
    if entry.address.space == "slack":
        out.append("in the slack behind the end of a file: the bytes belong to what lay there before")
    elif entry.address.is_bare_space:
        out.append("in space that no file owns: there is no name and no time for it")
    elif entry.state is EntryState.DELETED:
        out.append("deleted: parts of the content may have been overwritten since")
    elif entry.state is EntryState.ORPHAN:
        out.append("orphan: the record is left, its name and folder are lost")
    if entry.reused:
        out.append("the record was reused by another file: the content is not this name's")
    if marks.at_least:
        out.append("counting of matches stopped at a limit: some counts are lower bounds")
    return tuple(dict.fromkeys(out))


def _caveats_of_hits(assessment: Assessment, level: Urgency) -> tuple[str, ...]:
    out = []
    if level.quoted > level.level:
        out.append(_QUOTED)
    if assessment.terms and all(term.mark.rule.trust < 0.8 for term in assessment.terms):
        out.append("all terms are of low confidence: have a speaker of the language read it")
    return tuple(out)
