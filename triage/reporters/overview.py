"""What every reporter says in the same words: what to do next, what was not examined, why a finding is here."""

from __future__ import annotations

from dataclasses import dataclass

from triage.model.content import Coverage
from triage.model.document import Document
from triage.model.finding import PRIORITIES, Finding, Priority, ScoreLine
from triage.model.problem import Problem, Reason
from triage.model.rules import Indicator
from triage.model.scope import ScopeReport
from triage.reporters.sanitise import one_line

URGENCY_WORDS = {0: "", 1: "ongoing", 2: "at risk now"}
"""Short words for the levels of urgency."""

REASON_WORDS = {
    Reason.CORRUPT: "corrupt",
    Reason.TRUNCATED: "cut short",
    Reason.UNSUPPORTED: "format not supported",
    Reason.ENCRYPTED: "encrypted",
    Reason.LIMIT: "beyond a limit",
    Reason.TIMEOUT: "took too long",
    Reason.CRASHED: "crashed the reader",
    Reason.LOOP: "structure loops",
    Reason.MISMATCH: "does not agree with what is stated of it",
    Reason.UNREADABLE: "could not be read",
}
"""Words for the reasons; a test keeps the keys equal to :class:`Reason`."""

ELEMENT_ORDER = ("act", "means", "purpose", "other")


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """What was not examined for one reason.

    Attributes:
        reason: The reason.
        count: Problems.
        bytes: Bytes not examined, as far as known.
        biggest: The problem with most bytes; of equals the first.
    """

    reason: Reason
    count: int
    bytes: int
    biggest: Problem


@dataclass(frozen=True, slots=True)
class NotExamined:
    """Everything that was not examined as it should have been.

    Attributes:
        problems: Those that leave something out, in the order of the document.
        recovered: Problems where a later try succeeded, so nothing is missing.
        reasons: By reason, most bytes first, then most problems.
        skipped: Coverage of the detectors that skipped something, in the order of the document.
    """

    problems: tuple[Problem, ...]
    recovered: tuple[Problem, ...]
    reasons: tuple[ReasonCount, ...]
    skipped: tuple[Coverage, ...]

    @property
    def bytes(self) -> int:
        """Bytes not examined, as far as known."""
        return sum(reason.bytes for reason in self.reasons)


def not_examined(document: Document) -> NotExamined:
    """What the document says was not examined."""
    missing = tuple(problem for problem in document.problems if not problem.examined_anyway)
    recovered = tuple(problem for problem in document.problems if problem.examined_anyway)
    grouped: dict[Reason, list[Problem]] = {}
    for problem in missing:
        grouped.setdefault(problem.reason, []).append(problem)
    reasons = [
        ReasonCount(
            reason,
            len(problems),
            sum(max(0, problem.bytes_not_examined) for problem in problems),
            max(problems, key=lambda problem: problem.bytes_not_examined),
        )
        for reason, problems in grouped.items()
    ]
    reasons.sort(key=lambda group: (-group.bytes, -group.count, group.reason.value))
    skipped = tuple(coverage for coverage in document.coverage if coverage.skipped)
    return NotExamined(missing, recovered, tuple(reasons), skipped)


def priority_counts(document: Document) -> dict[Priority, int]:
    """Findings by priority, highest first, zeros included."""
    return {priority: int(document.counts.get(priority.value, 0)) for priority in PRIORITIES}


def counts_text(document: Document) -> str:
    """``3 critical, 4 high, 9 low``: the priorities that occur, highest first."""
    present = [f"{count:,} {priority.value}" for priority, count in priority_counts(document).items() if count]
    return ", ".join(present) if present else "no findings"


def headline(document: Document) -> str:
    """The first line of a report: what to do next, then counts, state and whether something was left out."""
    return f"{next_step(document)} {counts_text(document).capitalize()}. {state_text(document)}"


def next_step(document: Document) -> str:
    """What to do next, in one sentence."""
    urgent = [finding for finding in document.findings if finding.urgency >= 2]
    if urgent:
        number = f"{len(urgent):,} findings point" if len(urgent) > 1 else "it points"
        return f"Read {urgent[0].id} first: {number} to a person who may be at risk now."
    if not document.findings:
        return "Nothing was found in what could be examined; that is no clearance."
    first = document.findings[0]
    if first.priority in (Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM):
        return f"Start with {first.id}, the highest of {_plural(len(document.findings), 'finding')}."
    return f"Nothing above low was found; {first.id} is the highest of {_plural(len(document.findings), 'finding')}."


def state_text(document: Document) -> str:
    """Whether the run is complete and whether anything was left out."""
    missing = not_examined(document)
    parts: list[str] = []
    if document.state != "complete":
        waiting = f", {_plural(document.pending, 'entry', 'entries')} waiting" if document.pending else ""
        parts.append(f"PARTIAL{waiting}: run the same command again to go on.")
    else:
        parts.append("The run is complete.")
    if missing.problems:
        size = f" ({human_size(missing.bytes)})" if missing.bytes else ""
        parts.append(f"{_plural(len(missing.problems), 'thing')} could not be examined{size}.")
    elif document.state == "complete":
        parts.append(f"Everything {'listed' if document.scope is None else 'in scope'} was examined.")
    if document.scope is not None:
        parts.append(_scope_text(document.scope))
    return " ".join(parts)


def _scope_text(scope: ScopeReport) -> str:
    """How much a scope left out."""
    if scope.is_empty:
        return f"Nothing on the evidence is in the scope {one_line(scope.name)}: nothing was read."
    left = _plural(scope.left_out, "entry", "entries")
    text = f"Out of scope ({one_line(scope.name)}): {left}, {human_size(scope.bytes_left_out)}"
    if scope.withheld.entries:
        text += f"; {scope.withheld.entries:,} withheld as privileged"
    return text + "."


def hit_lines(finding: Finding) -> tuple[ScoreLine, ...]:
    """The lines of the arithmetic that state a hit."""
    return tuple(line for line in finding.lines if line.kind == "hit")


def adjustment_lines(finding: Finding) -> tuple[ScoreLine, ...]:
    """The other lines of the arithmetic: element coverage, caps, damping."""
    return tuple(line for line in finding.lines if line.kind != "hit")


def strongest(finding: Finding) -> ScoreLine | None:
    """The hit with the highest contribution, the first of equals; None where there is none."""
    return max(hit_lines(finding), key=lambda line: line.contribution, default=None)


def why(finding: Finding, indicators: dict[str, Indicator], limit: int = 3) -> tuple[str, ...]:
    """Names of the indicators that add most to the score.

    Args:
        finding: The finding.
        indicators: By identity; an unknown one is shown by its identity, a hit without one by its label.
        limit: Names at most.
    """
    sums: dict[str, float] = {}
    for line in hit_lines(finding):
        known = indicators.get(line.indicator)
        name = known.name if known else line.indicator or line.label
        sums[name] = sums.get(name, 0.0) + line.contribution
    ordered = sorted(sums.items(), key=lambda item: -item[1])
    return tuple(name for name, _ in ordered[:limit])


def split_excerpt(excerpt: str, matched: str) -> tuple[str, str, str]:
    """``excerpt`` as the text before the match, the match and the text behind it.

    Where the match occurs more than once, the occurrence nearest to the middle; where it does not occur in the
    excerpt, the match alone when there is no excerpt, else the excerpt without a match.
    """
    if not excerpt:
        return "", matched, ""
    if not matched:
        return excerpt, "", ""
    middle = (len(excerpt) - len(matched)) / 2
    best, start = -1, excerpt.find(matched)
    while start >= 0:
        if best < 0 or abs(start - middle) < abs(best - middle):
            best = start
        start = excerpt.find(matched, start + 1)
    if best < 0:
        return excerpt, "", ""
    return excerpt[:best], matched, excerpt[best + len(matched) :]


def human_size(count: int) -> str:
    """Bytes for people: ``512 bytes``, ``1.5 KiB``, ``931.5 GiB``."""
    if abs(count) < 1024:
        return f"{count} byte{'' if count == 1 else 's'}"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        size /= 1024
        if abs(size) < 1023.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} EiB"


def exact_size(count: int) -> str:
    """Bytes for people and to the byte: ``1.5 KiB (1,536 bytes)``."""
    return f"{human_size(count)} ({count:,} bytes)" if abs(count) >= 1024 else human_size(count)


def _plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
