"""JSONL: one finding a line in rank order, then ``{"summary": ...}``; docs/report-schema.md."""

from __future__ import annotations

from typing import TextIO

from triage.model.document import Document
from triage.reporters.document_json import summary_dict
from triage.reporters.finding_json import finding_dict
from triage.reporters.json_text import dumps


def render_json_lines(document: Document, out: TextIO) -> None:
    """Write the findings of ``document`` in their order, then the summary.

    Args:
        document: What to print.
        out: Text stream, UTF-8.
    """
    for finding in document.findings:
        out.write(dumps(finding_dict(finding)) + "\n")
    out.write(dumps({"summary": summary_dict(document)}) + "\n")
