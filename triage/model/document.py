"""The one typed document that every reporter prints."""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.model.content import Coverage
from triage.model.coverage import CoverageTable
from triage.model.finding import Finding
from triage.model.problem import Problem
from triage.model.rules import Indicator, PackInfo, Profile
from triage.model.scope import ScopeReport
from triage.model.volume import EvidenceSource, Volume


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What differs between two runs of the same work: clock, host, durations.

    Attributes:
        started: ISO 8601, UTC.
        ended: ISO 8601, UTC; empty while running.
        seconds: Duration by the monotonic clock, summed over resumed runs.
        host: Host name.
        workers: Number of worker processes.
        command: The command line.
    """

    started: str
    ended: str
    seconds: float
    host: str
    workers: int
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """One evidence source with its layers and what was reached of it.

    Attributes:
        source: The file set.
        volumes: Its volumes, those inside layers too.
        entries: Entries listed.
        entries_examined: Of these, examined.
        bytes_listed: Sum of the sizes of files and pieces of space, as declared.
        bytes_examined: Likewise of those examined.
        entries_out_of_scope: Entries that are out of scope, and were not read.
        bytes_out_of_scope: Likewise the sum of their sizes.
        coverage: Every byte once: the table of the source, then those of volumes that layers opened.
    """

    source: EvidenceSource
    volumes: tuple[Volume, ...]
    entries: int
    entries_examined: int
    bytes_listed: int
    bytes_examined: int
    coverage: tuple[CoverageTable, ...] = ()
    entries_out_of_scope: int = 0
    bytes_out_of_scope: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of page one.

    Attributes:
        question: One of the five.
        verdict: A line that answers it.
        items: Details, each a line of text.
        finding_ids: Findings that the items come from, in the order of the items where one belongs to one.
    """

    question: str
    verdict: str
    items: tuple[str, ...] = ()
    finding_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """Findings, problems and coverage of a case, sealed for printing.

    Attributes:
        schema: Version of the report schema, ``1.0``.
        tool_version: Version of this program.
        state: ``complete`` or ``partial``.
        evidence: Every source.
        findings: In rank order.
        answers: The five answers of page one.
        counts: Findings by priority.
        problems: Sorted by address and stage.
        coverage: One per detector.
        packs: Rule packs with digests.
        indicators: By identity, those that the findings name.
        profile: Thresholds used.
        rules_digest: SHA-256 over all enabled rule sources.
        audit_head: Digest of the last line of the audit log.
        options: Options of the scan that change its result.
        versions: Versions of the libraries that decide results.
        run: Clock, host, durations.
        scope: What the scope left out, None where the case has none.
    """

    schema: str
    tool_version: str
    state: str
    evidence: tuple[EvidenceReport, ...]
    findings: tuple[Finding, ...]
    answers: tuple[Answer, ...]
    counts: dict[str, int]
    problems: tuple[Problem, ...]
    coverage: tuple[Coverage, ...]
    packs: tuple[PackInfo, ...]
    indicators: dict[str, Indicator]
    profile: Profile
    rules_digest: str
    audit_head: str
    options: dict[str, str]
    versions: dict[str, str]
    run: RunInfo
    pending: int = 0
    extra: dict[str, str] = field(default_factory=dict)
    scope: ScopeReport | None = None
