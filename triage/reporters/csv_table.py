"""CSV (RFC 4180, UTF-8 with a byte order mark): one row a finding, for spreadsheets.

Safe to open in a spreadsheet: controls and bidi characters are visible escapes, and a cell that would be read as a
formula (``=``, ``+``, ``-``, ``@`` or their full-width forms, also behind blanks, controls or a semicolon) gets a
quote in front. Selectors in the reasons are masked; addresses, paths and digests are as in the JSON reports, where
also the exact values are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import TextIO

from triage.model.document import Document
from triage.model.finding import Finding, ScoreLine
from triage.reporters.json_text import number
from triage.reporters.masking import mask_selectors
from triage.reporters.overview import adjustment_lines, hit_lines, strongest, why
from triage.reporters.sanitise import cut, one_line, visible

MAX_CELL = 4000
"""Characters in one cell; spreadsheets stop at 32,767."""

_FORMULA = re.compile(r"^[\s'\"\x00-\x20]*[=+\-@＝＋－＠\t\r\n\x00]")
_AFTER_SEPARATOR = re.compile(r"(;\s*)(?=[=+\-@＝＋－＠])")

COLUMNS = (
    "rank", "id", "priority", "score", "urgency", "elements", "evidence", "path", "unit", "type", "type_name", "size",
    "state", "mtime", "atime", "ctime", "crtime", "dtime", "md5", "sha1", "sha256", "why", "reasons", "adjustments",
    "excerpt", "innocent", "damped_by", "caveats", "notes", "also_at", "owner", "meta_address",
)  # fmt: skip
"""The header row; docs/report-schema.md explains the columns."""


def cell(text: str) -> str:
    """``text`` as a cell that no spreadsheet reads as a formula.

    Args:
        text: Any text from evidence, at most :data:`MAX_CELL` characters of it are kept.
    """
    shown = cut(visible(text), MAX_CELL)
    shown = _AFTER_SEPARATOR.sub(r"\1'", shown)
    return "'" + shown if _FORMULA.match(text) else shown


def render_csv(document: Document, out: TextIO, *, masked: bool = True) -> None:
    """Write one row for each finding of ``document``, in rank order, below a header.

    Args:
        document: What to print.
        out: Text stream, UTF-8, opened without newline translation: rows end in CR LF.
        masked: Mask selectors in the columns that quote evidence.
    """
    mask = mask_selectors if masked else str
    out.write("\ufeff")
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for finding in document.findings:
        writer.writerow(_row(finding, document, mask))


def _row(finding: Finding, document: Document, mask: Callable[[str], str]) -> list[str | int | float]:
    best = strongest(finding)
    excerpt = (best.excerpt or best.matched) if best else ""
    score = number(finding.score)
    numbers: dict[str, str | int | float] = {
        "rank": finding.rank,
        "score": "" if score is None else score,
        "urgency": finding.urgency,
        "size": finding.size,
        "meta_address": finding.meta_address,
    }
    texts = {
        "id": finding.id,
        "priority": finding.priority.value,
        "elements": "; ".join(finding.elements),
        "evidence": finding.evidence,
        "path": finding.path,
        "unit": finding.unit,
        "type": finding.type,
        "type_name": finding.type_name,
        "state": finding.state,
        "why": "; ".join(why(finding, document.indicators)),
        "reasons": " | ".join(_reason(line, mask) for line in hit_lines(finding)),
        "adjustments": " | ".join(f"{line.label} ({line.contribution:+.6f})" for line in adjustment_lines(finding)),
        "excerpt": one_line(mask(excerpt)),
        "innocent": " | ".join(finding.innocent),
        "damped_by": " | ".join(finding.damped_by),
        "caveats": " | ".join(finding.caveats),
        "notes": " | ".join(mask(note) for note in finding.notes),
        "also_at": " | ".join(finding.also_at),
        "owner": finding.owner,
    }
    texts |= {name: finding.times.get(name, "") for name in ("mtime", "atime", "ctime", "crtime", "dtime")}
    texts |= {name: finding.hashes.get(name, "") for name in ("md5", "sha1", "sha256")}
    return [numbers[name] if name in numbers else cell(texts[name]) for name in COLUMNS]


def _reason(line: ScoreLine, mask: Callable[[str], str]) -> str:
    language = f" [{line.language}]" if line.language else ""
    matched = f": {one_line(mask(line.matched))}" if line.matched else ""
    return f"{line.indicator or line.rule}{language} {line.label} ({line.contribution:+.6f}){matched}"
