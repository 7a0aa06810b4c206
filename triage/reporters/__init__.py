"""Reporters: a document to a table, JSON lines, JSON, CSV or one HTML file.

A reporter is one file, one test file and one line in :data:`REPORTERS`; its module is imported on first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from triage.errors import OutputNotWritableError, ReportError
from triage.model.document import Document


@dataclass(frozen=True, slots=True)
class Reporter:
    """One kind of report.

    Attributes:
        name: What ``--format`` takes.
        target: ``module:function`` below this package; the function takes the document and a text stream.
        summary: One line for help and docs.
        suffix: Of a file that holds it, with the dot.
    """

    name: str
    target: str
    summary: str
    suffix: str

    def load(self) -> Callable[[Document, TextIO], None]:
        """The function that renders; imports its module."""
        module, _, function = self.target.partition(":")
        loaded: Callable[[Document, TextIO], None] = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        return loaded


REPORTERS: tuple[Reporter, ...] = (
    Reporter("table", "table:render_table", "for a terminal: what to read first, and what was not examined", ".txt"),
    Reporter("jsonl", "json_lines:render_json_lines", "one finding a line in rank order, then a summary", ".jsonl"),
    Reporter("json", "json_document:render_json_document", "the whole document as one object", ".json"),
    Reporter("csv", "csv_table:render_csv", "one row a finding, safe to open in a spreadsheet", ".csv"),
    Reporter("html", "html:render_html", "one offline page: page one, then findings with filter and sort", ".html"),
)
"""Every reporter, in the order of help and docs."""


def reporter(name: str) -> Reporter:
    """The reporter of that name.

    Raises:
        ReportError: There is none.
    """
    for candidate in REPORTERS:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in REPORTERS)
    raise ReportError(f"no such report format: {name}", hint=f"one of: {known}")


def render(name: str, document: Document, out: TextIO) -> None:
    """Write ``document`` as the report called ``name``.

    Args:
        name: ``table``, ``jsonl``, ``json``, ``csv`` or ``html``.
        document: What to print.
        out: Text stream, UTF-8, without newline translation. It is not closed.

    Raises:
        ReportError: There is no such report.
        OutputNotWritableError: The stream cannot be written. A closed pipe stays a ``BrokenPipeError``.
    """
    write = reporter(name).load()
    try:
        write(document, out)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputNotWritableError(
            f"the {name} report cannot be written: {error.strerror or error}", hint="check space and permissions"
        ) from error
