"""Reports to standard output and into the case folder."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

from triage.errors import OutputNotWritableError
from triage.model.document import Document

FILES = {"html": "report.html", "json": "report.json", "jsonl": "report.jsonl", "csv": "report.csv"}
WRITTEN_BY_SCAN = ("html", "json")


def print_document(name: str, document: Document, *, case: Path | None = None) -> None:
    """Print a document in a format; a closed pipe is the caller's to handle."""
    from triage import reporters

    if name == "table":
        from triage.reporters.table import render_table

        render_table(document, sys.stdout, case=str(case) if case else "CASE")
    else:
        reporters.render(name, document, sys.stdout)
    sys.stdout.flush()


def write_reports(folder: Path, document: Document) -> None:
    """Write ``report.html`` and ``report.json`` into the case.

    Raises:
        OutputNotWritableError: Nothing half-written is left behind.
    """
    for name in WRITTEN_BY_SCAN:
        write_report(folder / FILES[name], name, document)


def write_report(path: Path, name: str, document: Document, *, exclusive: bool = False) -> None:
    """Write one report whole or not at all.

    Args:
        path: Where.
        name: Format.
        document: What.
        exclusive: Refuse a path that exists.

    Raises:
        OutputNotWritableError: The place cannot be written.
    """
    from triage import reporters

    buffer = io.StringIO()
    reporters.render(name, document, buffer)
    data = buffer.getvalue().encode("utf-8", "backslashreplace")
    try:
        if exclusive and (path.exists() or path.is_symlink()):
            raise OutputNotWritableError(f"exists already: {path}", hint="name another file")
        descriptor, temporary = tempfile.mkstemp(prefix=".report-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            os.chmod(temporary, 0o600)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputNotWritableError(
            f"cannot write the report: {path}: {error.strerror}", hint="free space or choose another place"
        ) from error
