"""``triage report``: a case in another format."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer


class ReportFormat(StrEnum):
    """Formats of a report."""

    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


def report(
    case: Path = typer.Argument(..., metavar="CASE", help="Case folder of a scan, finished or still running."),
    format: ReportFormat = typer.Option(ReportFormat.TABLE, "--format", "-f", help="Format of the report."),
    output: Path | None = typer.Option(
        None, "--output", "-o", metavar="FILE", help="Write to a new file instead of standard output."
    ),
) -> None:
    """Report a case again, in any format, without the evidence.

    Example: triage report laptop.triage --format jsonl | jq -r 'select(.path).path'
    """
    from triage.case import Case
    from triage.cli.output import print_document, write_report
    from triage.errors import OutputNotWritableError
    from triage.ranking.assemble import build_document

    with Case.open(case) as opened:
        document = build_document(opened)
    if output is None:
        print_document(str(format), document, case=case)
    elif format is ReportFormat.TABLE:
        raise OutputNotWritableError("a table goes to the terminal", hint="choose --format csv, jsonl, json or html")
    else:
        write_report(output, str(format), document, exclusive=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)
