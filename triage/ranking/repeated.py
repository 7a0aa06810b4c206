"""Wording that a finding further up has already: the same text in many files is read once.

A form letter, a note that was copied into every folder, one advertisement on ten pages: the first of them stands where
its evidence puts it, the others step back behind what is new, and say whose words they repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from triage.model.finding import Finding, ScoreLine
from triage.model.rules import Profile
from triage.ranking.arithmetic import MICRO
from triage.ranking.levels import priority

NAME = "said before"
"""Name of this damping, for ``damped_by``."""

STEP = 0.5
"""Factor for each finding further up with the same wording, down to :data:`FLOOR`."""

FLOOR = 0.1

_LONG = 24
_BESIDE = 20
_BREAK = re.compile(r"[\n<>]")
_NO_LETTERS = re.compile(r"[\W\d_]+")


def repeated(findings: Iterable[Finding], profile: Profile) -> Iterator[Finding]:
    """Findings, best first, with those lowered that say what one before them says, by the share of it."""
    said: dict[str, list[str]] = {}
    for finding in findings:
        hits = [(line, wording(line)) for line in finding.lines if line.kind == "hit" and line.contribution > 0]
        yield _lowered(finding, hits, said, profile)
        for words in {words for _, words in hits if words}:
            said.setdefault(words, []).append(finding.id)


def _lowered(
    finding: Finding, hits: Sequence[tuple[ScoreLine, str]], said: Mapping[str, Sequence[str]], profile: Profile
) -> Finding:
    known = [(line.contribution, said[words]) for line, words in hits if words in said]
    if not known:
        return finding
    total = sum(line.contribution for line, _ in hits)
    taken = sum(worth * (1.0 - max(FLOOR, STEP ** len(before))) for worth, before in known)
    factor = 1.0 - taken / total
    old, new = round(finding.score * MICRO), round(finding.score * factor * MICRO)
    if new == old or not new:
        return finding
    before = max(known)[1]
    also = f" and in {len(before) - 1} more" if len(before) > 1 else ""
    share = sum(worth for worth, _ in known) / total
    label = f"{share:.0%} of it is wording that stands in {before[0]}{also}: x {factor:.2f}"
    last = max(index for index, line in enumerate(finding.lines) if line.contribution)
    line = ScoreLine("adjustment", label, (new - old) / MICRO)
    return replace(
        finding,
        score=new / MICRO,
        priority=priority(new / MICRO, profile),
        lines=(*finding.lines[: last + 1], line, *finding.lines[last + 1 :]),
        damped_by=(*finding.damped_by, NAME),
    )


def wording(line: ScoreLine) -> str:
    """The letters of a match, of a short one with those beside it in its line or element; empty where it has none."""
    matched = _letters(line.matched)
    if len(matched) >= _LONG:
        return matched
    if not matched:
        return ""
    before, _, after = line.excerpt.partition(line.matched)
    return _letters(_BREAK.split(before)[-1])[-_BESIDE:] + matched + _letters(_BREAK.split(after)[0])[:_BESIDE]


def _letters(text: str) -> str:
    return _NO_LETTERS.sub("", text).lower()
