"""HTML: one offline file that opens on page one and holds every finding; the only place that knows jinja2.

The page loads nothing: style, script and data are inside, a content security policy forbids everything else and names
the one style and the one script by their SHA-256. Without JavaScript page one, the overview and the top findings are
readable. No picture, no sound and no other content of the evidence but excerpts of text is ever part of it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any, TextIO

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from triage.model.document import Document, EvidenceReport
from triage.model.finding import PRIORITIES, Finding
from triage.model.problem import Problem
from triage.model.scope import ScopeReport
from triage.reporters.coverage_text import BASIS_WORDS, PART_WORDS, missed_text, percent, shown_tables, summary_line
from triage.reporters.document_json import summary_dict
from triage.reporters.html_data import MAX_FINDINGS, MAX_LINES, Mask, PageData, excerpt
from triage.reporters.masking import NOTE, mask_selectors
from triage.reporters.overview import (
    ELEMENT_ORDER,
    REASON_WORDS,
    URGENCY_WORDS,
    counts_text,
    exact_size,
    human_size,
    next_step,
    not_examined,
    priority_counts,
    state_text,
    strongest,
    why,
)
from triage.reporters.sanitise import cut, one_line, visible
from triage.reporters.scope_text import lines as scope_lines
from triage.reporters.scope_text import summary_line as scope_line

STATIC_FINDINGS = 50
"""Findings readable without JavaScript."""

MAX_PROBLEMS = 1000
"""Problems listed one by one; all are counted."""

MAX_ITEMS = 12
"""Items of one answer of page one; how many more there are is said."""

MAX_TEXT = 2000
"""Characters of any single text of page one and of the tables."""

_IDENTITY = re.compile(r"(\bf-[0-9a-f]{12}\b)")
_SCRIPTS = ("data.js", "finding.js", "page.js")


@dataclass(frozen=True, slots=True)
class StaticFinding:
    """A finding as shown without JavaScript."""

    finding: Finding
    evidence: str
    path: str
    why: str
    passage: tuple[str, str, str]


def render_html(document: Document, out: TextIO, *, masked: bool = True) -> None:
    """Write the report as one HTML file.

    Args:
        document: What to print.
        out: Text stream, UTF-8.
        masked: Mask phone numbers, e-mail addresses and account numbers everywhere in the page.
    """
    mask = mask_selectors if masked else str
    data = PageData(document, mask)
    style, script = asset("report.css"), "(function () {\n" + "\n".join(map(asset, _SCRIPTS)) + "})();\n"
    template = _environment().get_template("report.html.j2")
    missing = not_examined(document)
    values: dict[str, Any] = {
        "policy": content_policy(style, script),
        "style": Markup(style),  # a file of this package
        "script": Markup(script),
        "index": Markup(data.index),  # escaped by script_json
        "chunks": [Markup(chunk) for chunk in data.chunks],
        "masked_note": NOTE if masked else "",
        "summary": shown(summary_dict(document)),
        "coverage": [_coverage(report) for report in document.evidence],
        "scope": _scope(document.scope, mask),
        "next_step": next_step(document),
        "counts_text": counts_text(document),
        "state_text": state_text(document),
        "counts": priority_counts(document),
        "answers": _answers(document, mask),
        "urgent": any(finding.urgency >= 2 for finding in document.findings),
        "missing": missing,
        "problems": [_problem(problem, mask) for problem in (*missing.problems, *missing.recovered)[:MAX_PROBLEMS]],
        "reasons": [(REASON_WORDS[group.reason], group) for group in missing.reasons],
        "static": [_static(finding, document, data, mask) for finding in data.findings[:STATIC_FINDINGS]],
        "total": len(document.findings),
        "listed": len(data.findings),
        "limits": {"findings": MAX_FINDINGS, "lines": MAX_LINES, "problems": MAX_PROBLEMS},
        "priorities": PRIORITIES,
        "elements": ELEMENT_ORDER,
        "urgency_words": URGENCY_WORDS,
        "title": ", ".join(one_line(report.source.name) for report in document.evidence),
    }
    for piece in template.generate(values):
        out.write(piece)


def content_policy(style: str, script: str) -> str:
    """The content security policy that allows this one style and this one script and nothing else."""
    return (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def asset(name: str) -> str:
    """The text of a file of this package below ``assets``."""
    return resources.files("triage.reporters").joinpath("assets", name).read_text(encoding="utf-8")


def shown(value: Any) -> Any:
    """``value`` with every string in it on one line, sanitised and bounded."""
    if isinstance(value, str):
        return one_line(cut(value, MAX_TEXT))
    if isinstance(value, dict):
        return {shown(key): shown(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shown(inner) for inner in value]
    return value


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(
            lambda name: resources.files("triage.reporters").joinpath("templates", name).read_text(encoding="utf-8")
        ),
    )
    environment.filters["human_size"] = human_size
    environment.filters["exact_size"] = exact_size
    environment.filters["grouped"] = lambda count: f"{count:,}"
    return environment


def _answers(document: Document, mask: Mask) -> list[dict[str, Any]]:
    """Page one, each item as pieces of text and links.

    The identity of a finding in an item becomes a link. Of the findings of an answer that no item names, each item
    gets its own where there are as many items, else the links follow the items.
    """
    known = {finding.id for finding in document.findings[:MAX_FINDINGS]}
    out = []
    for answer in document.answers:
        items = [_pieces(shown(mask(item)), known) for item in answer.items[:MAX_ITEMS]]
        named = {text for pieces in items for text, linked in pieces if linked}
        others = [name for name in answer.finding_ids if name in known and name not in named]
        if len(others) == len(answer.items):
            for pieces, name in zip(items, others, strict=False):
                pieces += [(" ", False), (name, True)]
            others = []
        out.append(
            {
                "question": shown(mask(answer.question)),
                "verdict": shown(mask(answer.verdict)),
                "items": items,
                "more": len(answer.items) - len(items),
                "links": others[:MAX_ITEMS],
            }
        )
    return out


def _pieces(item: str, known: set[str]) -> list[tuple[str, bool]]:
    """``item`` cut at the identities of findings that the page has; True for such a piece."""
    return [(piece, piece in known) for piece in _IDENTITY.split(item) if piece]


def _problem(problem: Problem, mask: Mask) -> dict[str, Any]:
    return {
        "address": visible(cut(mask(problem.address), MAX_TEXT)),
        "stage": shown(problem.stage),
        "reason": REASON_WORDS[problem.reason],
        "message": shown(mask(problem.message)),
        "hint": shown(problem.hint),
        "bytes": problem.bytes_not_examined,
        "examined_anyway": problem.examined_anyway,
    }


def _scope(scope: ScopeReport | None, mask: Mask) -> dict[str, Any] | None:
    """What the scope left out, in words."""
    if scope is None:
        return None
    return {
        "name": shown(mask(scope.name)),
        "authority": shown(mask(scope.authority)),
        "digest": scope.digest,
        "line": shown(mask(scope_line(scope))),
        "rules": [shown(mask(rule)) for rule in scope.rules],
        "lines": [shown(mask(line)) for line in scope_lines(scope)],
        "withheld": [shown(mask(address)) for address in scope.withheld.addresses[:MAX_PROBLEMS]],
    }


def _coverage(report: EvidenceReport) -> list[dict[str, Any]]:
    """The tables of what the bytes of a source are, in words."""
    return [
        {
            "name": shown(table.volume),
            "description": shown(table.description),
            "line": summary_line(table),
            "basis": BASIS_WORDS.get(table.basis, table.basis),
            "size": table.size,
            "copies": table.copies,
            "rows": [
                {
                    "part": PART_WORDS[row.part],
                    "bytes": row.bytes,
                    "examined": row.examined,
                    "share": "" if row.told_below == row.bytes else percent(row.examined, row.bytes),
                    "missed": missed_text([row]),
                }
                for row in table.rows
            ],
        }
        for table in shown_tables(report)
    ]


def _static(finding: Finding, document: Document, data: PageData, mask: Mask) -> StaticFinding:
    best = strongest(finding)
    reasons = one_line(", ".join(why(finding, document.indicators)))
    passage = excerpt(best, mask, 400) if best is not None else ("", "", "")
    return StaticFinding(finding, one_line(finding.evidence), data.path(finding.path), reasons, passage)
