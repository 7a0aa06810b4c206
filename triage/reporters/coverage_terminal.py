"""The bytes of each image as a compact block of the table report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.model.coverage import CoverageRow, CoverageTable
from triage.model.document import Document, EvidenceReport
from triage.reporters.coverage_text import (
    BASIS_WORDS,
    PART_WORDS,
    inner_tables,
    missed_text,
    percent,
    summary_line,
)
from triage.reporters.overview import human_size
from triage.reporters.sanitise import elide_end, elide_middle, visible

if TYPE_CHECKING:
    from triage.reporters.table import Terminal

MAX_SOURCES = 4
"""Sources whose rows are shown; of more, each gets one line."""
MAX_INNER = 8
"""Volumes inside layers that get a line."""
_NAME = max(map(len, PART_WORDS.values()))


def coverage_block(terminal: Terminal, document: Document) -> None:
    """What the bytes of each source are, and how much of them was examined.

    Args:
        terminal: Where to print.
        document: What to print; sources of which nothing is known are left out.
    """
    reports = [report for report in document.evidence if report.coverage and report.coverage[0].size]
    if not reports:
        return
    terminal.heading("Coverage")
    for report in reports:
        _source(terminal, report, short=len(reports) > MAX_SOURCES)
    if len(reports) > MAX_SOURCES:
        terminal.line("the tables are in report.html and report.json", "dim", indent=2)


def _source(terminal: Terminal, report: EvidenceReport, *, short: bool) -> None:
    first = report.coverage[0]
    figures = f": {summary_line(first)}"
    if first.basis != "media":
        figures += f" ({BASIS_WORDS.get(first.basis, first.basis)})"
    name = elide_middle(visible(report.source.name), max(8, terminal.width - 2 - len(figures)))
    terminal.line(name + figures, indent=2)
    if short:
        return
    for row in first.rows:
        terminal.line(_row(row, terminal.width - 4), indent=4)
    if first.copies:
        terminal.line(f"{human_size(first.copies)} examined once, under another name", "dim", indent=4)
    inner = inner_tables(report)
    for table in inner[:MAX_INNER]:
        terminal.line(elide_end(_inner(table), max(8, terminal.width - 4)), indent=4)
    if len(inner) > MAX_INNER:
        terminal.line(f"and {len(inner) - MAX_INNER} more volumes inside", "dim", indent=4)


def _row(row: CoverageRow, room: int) -> str:
    text = f"{PART_WORDS[row.part]:<{_NAME}}  {human_size(row.bytes):>10}  "
    if row.told_below != row.bytes:
        text += f"{percent(row.examined, row.bytes):>7}  "
    missed = missed_text([row])
    return elide_end(text + missed, max(8, room)).rstrip()


def _inner(table: CoverageTable) -> str:
    words = f" {visible(table.description)}" if table.description else ""
    return f"{visible(table.volume)}{words}: {summary_line(table)}"
