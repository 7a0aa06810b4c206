"""Detections put together to what is known of a content."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from triage.model.content import ContentFacts, Coverage, Detection
from triage.model.hit import Hit, HitCount
from triage.model.problem import Problem, Reason


def failed(detector: str, address: str, reason: Reason, message: str, size: int) -> Detection:
    """What a detector that failed on a content leaves: a problem, and bytes not searched."""
    problem = Problem(address, f"detectors/{detector}", reason, message, "", size)
    return Detection((), (), (problem,), Coverage(detector, skipped=1, skipped_bytes=size))


def skipped(detector: str, size: int) -> Detection:
    """What a detector that was not run on a content leaves."""
    return Detection((), (), (), Coverage(detector, skipped=1, skipped_bytes=size))


def merge(parts: list[Detection]) -> tuple[tuple[Hit, ...], tuple[HitCount, ...]]:
    """Hits of all detectors; raw bytes and decoded text may see the same place, which counts once.

    What stands beside it is then that of the decoded text, which comes later and has no tags in it.
    """
    if not any(part.hits for part in parts):
        return (), ()
    hits: dict[tuple[str, int], Hit] = {}
    counts: dict[str, HitCount] = {}
    for part in parts:
        for hit in part.hits:
            hits[hit.rule, hit.file_offset] = hit
        for count in part.counts:
            known = counts.get(count.rule)
            if known is None or count.count > known.count:
                counts[count.rule] = count
    return tuple(sorted(hits.values())), tuple(sorted(counts.values()))


def beginning_before(facts: ContentFacts, end: int) -> ContentFacts:
    """The facts without the hits that begin at ``end`` or behind it: these belong to the piece that follows."""
    dropped = Counter(hit.rule for hit in facts.hits if hit.file_offset >= end)
    if not dropped:
        return facts
    hits = tuple(hit for hit in facts.hits if hit.file_offset < end)
    left = {hit.rule for hit in hits}
    counts = tuple(
        replace(count, count=max(1, count.count - dropped[count.rule])) for count in facts.counts if count.rule in left
    )
    return replace(facts, hits=hits, counts=counts)


def sum_coverage(parts: list[Detection]) -> tuple[Coverage, ...]:
    """One line a detector; text beside raw bytes is the same content and does not count twice."""
    out: dict[str, Coverage] = {}
    for part in parts:
        if part.coverage.detector and part.coverage.detector not in out:
            out[part.coverage.detector] = part.coverage
    return tuple(out[name] for name in sorted(out))


def relative(facts: ContentFacts, address: str) -> ContentFacts:
    """The facts with problems addressed from the content on."""
    if not facts.problems:
        return facts
    return replace(
        facts,
        problems=tuple(replace(problem, address=problem.address.removeprefix(address)) for problem in facts.problems),
    )
