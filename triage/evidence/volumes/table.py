"""What every reader of a partition table returns: parts and remarks, nothing checked against each other yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.model.problem import Reason

MAX_PARTS = 16_384
"""Parts of one table that are looked at; more is a limit that is told."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a table, as stated.

    Attributes:
        start: Bytes from the start of the media.
        length: Bytes.
        description: The table's own words.
        metadata: The part is the table itself.
        kind: Number of the type in an MBR, -1 elsewhere.
    """

    start: int
    length: int
    description: str
    metadata: bool = False
    kind: int = -1


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a table that becomes a Problem.

    Attributes:
        reason: Why.
        message: What.
        hint: What to try.
        missing: Bytes that cannot be examined for it.
        anyway: Nothing is missing for it.
    """

    reason: Reason
    message: str
    hint: str = ""
    missing: int = 0
    anyway: bool = False


@dataclass(slots=True)
class Table:
    """A partition table.

    Attributes:
        system: ``mbr``, ``gpt``, ``apm``, ``bsd`` or ``sun``.
        sector_size: Bytes in a sector as this reading takes it.
        parts: In the order of the table.
        remarks: What did not hold.
        is_certain: The table proves itself (checksums, several magics), so it stands even if its parts hold nothing.
    """

    system: str
    sector_size: int
    parts: list[Part] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    is_certain: bool = False

    @property
    def allocated(self) -> list[Part]:
        """Parts that are no metadata."""
        return [part for part in self.parts if not part.metadata]
