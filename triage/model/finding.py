"""What gets ranked, and everything that explains its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Priority(StrEnum):
    """Named bands of the score, highest first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


PRIORITIES = (Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM, Priority.LOW, Priority.INFO)


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One line of the arithmetic of a score.

    Attributes:
        kind: ``hit`` (an indicator's term was found) or ``adjustment`` (element coverage, cap, damping ...).
        label: For a hit the gloss of the rule, for an adjustment what was done and why.
        contribution: What the line adds to the score; negative where it lowers it. All lines of a finding add up
            to its score, exactly to six decimals.
        indicator: Identity of the indicator, empty for an adjustment.
        element: Palermo element of the indicator.
        rule: Identity of the rule.
        weight: Weight of the rule, 0..1.
        language: Language of the rule.
        excerpt: Surroundings of the first match.
        matched: The matched text.
        offset: Bytes from the start of the content.
        length: Bytes.
        count: Matches of the rule in the unit.
        address: Text form of the address of the content that holds the match.
        encoding: Encoding of the match.
    """

    kind: str
    label: str
    contribution: float
    indicator: str = ""
    element: str = ""
    rule: str = ""
    weight: float = 0.0
    language: str = ""
    excerpt: str = ""
    matched: str = ""
    offset: int = 0
    length: int = 0
    count: int = 0
    address: str = ""
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One ranked unit.

    Attributes:
        rank: 1 first.
        id: ``f-`` and twelve hex digits, from the address; stable between runs.
        address: Text form of the address.
        path: The address without the evidence source.
        evidence: Name of the evidence source.
        unit: ``file``, ``document``, ``member``, ``conversation`` ...
        type: Media type.
        type_name: Type for people.
        size: Bytes.
        state: ``allocated``, ``deleted``, ``orphan``.
        times: ISO 8601 by name.
        hashes: Hex by algorithm.
        priority: Band of the score.
        score: 0..1, six decimals.
        urgency: 0, 1 or 2, an axis of its own.
        elements: Palermo elements covered, in the order act, means, purpose.
        lines: The arithmetic; contributions add up to the score.
        damped_by: Names of what lowered the score.
        innocent: Usual lawful explanations for the indicators seen.
        caveats: What a reader must know (deleted content, reused clusters ...).
        also_at: Other addresses with the same content.
        owner: Owner of the entry.
        meta_address: Inode or MFT entry.
    """

    rank: int
    id: str
    address: str
    path: str
    evidence: str
    unit: str
    type: str
    type_name: str
    size: int
    state: str
    times: dict[str, str]
    hashes: dict[str, str]
    priority: Priority
    score: float
    urgency: int
    elements: tuple[str, ...]
    lines: tuple[ScoreLine, ...]
    damped_by: tuple[str, ...] = ()
    innocent: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    also_at: tuple[str, ...] = ()
    owner: str = ""
    meta_address: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)
