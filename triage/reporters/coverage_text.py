"""Words and figures for the bytes of an image: what they are, and how much of them was examined."""

from __future__ import annotations

from collections.abc import Iterable

from triage.model.coverage import CoverageRow, CoverageTable, Part, Unexamined
from triage.model.document import EvidenceReport
from triage.reporters.overview import human_size

PART_WORDS = {
    Part.ALLOCATED: "files",
    Part.DELETED: "deleted files",
    Part.SLACK: "slack",
    Part.UNALLOCATED: "unallocated",
    Part.GAP: "gaps, tables",
    Part.METADATA: "metadata",
    Part.ENCRYPTED: "encrypted",
    Part.UNKNOWN: "not understood",
    Part.UNREADABLE: "unreadable",
    Part.OPENED: "opened",
}
"""Short words for the parts; a test keeps the keys equal to :class:`Part`."""

UNEXAMINED_WORDS = {
    Unexamined.WAITING: "waiting",
    Unexamined.SCOPE: "out of scope",
    Unexamined.WITHHELD: "withheld",
    Unexamined.SPACE_OFF: "space not asked for",
    Unexamined.ENCRYPTED: "encrypted",
    Unexamined.UNREADABLE: "could not be read",
    Unexamined.FAILED: "failed",
    Unexamined.TIMEOUT: "took too long",
    Unexamined.LIMIT: "beyond a limit",
    Unexamined.STRUCTURE: "structures",
    Unexamined.UNLISTED: "structures and unlisted",
    Unexamined.UNSEARCHED: "not searched",
}
"""Words for the reasons; a test keeps the keys equal to :class:`Unexamined`."""

BASIS_WORDS = {
    "media": "bytes of the image",
    "volume": "bytes of the volume",
    "pool": "blocks of the volume in a space that it shares with others",
    "files": "sizes of the files",
}


def percent(part: int, whole: int) -> str:
    """A share for people: ``100 %`` only where all of it is there, ``0 %`` only where nothing is."""
    if whole <= 0:
        return "-"
    if part >= whole:
        return "100 %"
    if part <= 0:
        return "0 %"
    share = 100 * part / whole
    if share < 0.1:
        return "<0.1 %"
    return ">99.9 %" if share > 99.9 else f"{share:.1f} %"


def is_outer(table: CoverageTable) -> bool:
    """All of the bytes are told in other tables, so this one says nothing to people."""
    return bool(table.rows) and all(row.part is Part.OPENED for row in table.rows)


def inner_tables(report: EvidenceReport) -> tuple[CoverageTable, ...]:
    """The tables of volumes inside layers that say something."""
    return tuple(table for table in report.coverage[1:] if table.rows and not is_outer(table))


def summary_line(table: CoverageTable) -> str:
    """``931.5 GiB, of which 93.1 % examined``; of a source all of which is opened, that."""
    if is_outer(table):
        return f"{human_size(table.size)}, opened: see the volumes inside"
    return f"{human_size(table.size)}, of which {percent(table.examined, table.size)} examined"


def shown_tables(report: EvidenceReport) -> list[CoverageTable]:
    """The tables of a source that say something to people, that of the source first."""
    return [*report.coverage[:1], *inner_tables(report)] if report.coverage and report.coverage[0].size else []


def missed_text(rows: Iterable[CoverageRow]) -> str:
    """What was not examined for which reason, most bytes first: ``1.2 MiB encrypted, 3.0 KiB failed``."""
    missed: dict[Unexamined, int] = {}
    below = 0
    for row in rows:
        below += row.told_below
        for reason, count in row.not_examined.items():
            missed[reason] = missed.get(reason, 0) + count
    parts = [
        f"{human_size(count)} {UNEXAMINED_WORDS[reason]}"
        for reason, count in sorted(missed.items(), key=lambda item: (-item[1], item[0]))
    ]
    if below:
        parts.append(f"{human_size(below)} told of the volumes inside")
    return ", ".join(parts)
