"""JSON: the whole document as one object, its findings one a line; docs/report-schema.md."""

from __future__ import annotations

from typing import TextIO

from triage.model.document import Document
from triage.reporters.document_json import summary_dict
from triage.reporters.finding_json import finding_dict
from triage.reporters.json_text import dumps


def render_json_document(document: Document, out: TextIO) -> None:
    """Write ``document`` as one JSON object: the keys of the summary, then ``findings``.

    Args:
        document: What to print.
        out: Text stream, UTF-8. Written piece by piece, so memory does not grow with the findings.
    """
    head = dumps(summary_dict(document))
    out.write(head[:-1] + ',\n"findings":[')
    for index, finding in enumerate(document.findings):
        out.write((",\n" if index else "\n") + dumps(finding_dict(finding)))
    out.write("\n]}\n")
