"""One finding explained on a terminal: what ``triage show`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from triage.model.finding import Finding, ScoreLine
from triage.model.rules import Indicator
from triage.reporters.checks import Place, checks
from triage.reporters.hex_dump import hex_lines
from triage.reporters.overview import (
    adjustment_lines,
    exact_size,
    hit_lines,
    split_excerpt,
)
from triage.reporters.sanitise import cut, one_line, visible
from triage.reporters.table import PRIORITY_STYLES, Column, Terminal

MAX_PASSAGE = 600
"""Characters of one excerpt."""
MAX_ALSO_AT = 20

_URGENCY = {1: "exploitation may be going on  ", 2: "A PERSON MAY BE AT RISK NOW  "}


def render_finding(
    finding: Finding,
    out: TextIO,
    *,
    indicators: Mapping[str, Indicator] | None = None,
    place: Place | None = None,
    data: bytes = b"",
    data_offset: int = 0,
    limit: int = 40,
    width: int | None = None,
    colour: bool | None = None,
) -> None:
    """Write everything that explains ``finding``.

    Args:
        finding: The finding.
        out: Text stream.
        indicators: By identity, for their names.
        place: Where it lies; without it no commands of other tools are given.
        data: Bytes around the strongest match, for the hex view; empty for none.
        data_offset: Offset of the first of ``data`` in the content.
        limit: Hits at most; how many more there are is said.
        width: Columns; None for those of the terminal, 80 for a pipe.
        colour: None to decide by the stream and the environment.
    """
    terminal = Terminal(out, width=width, colour=colour)
    names = indicators or {}
    _head(terminal, finding)
    _metadata(terminal, finding)
    _excerpts(terminal, finding, names, limit)
    _arithmetic(terminal, finding, names)
    _lists(terminal, finding)
    if data:
        terminal.heading(f"Bytes of the content from offset {data_offset} (0x{data_offset:x})")
        room = 16 if terminal.width >= 80 else 8 if terminal.width >= 46 else 4
        for line in hex_lines(data, data_offset, per_line=room):
            terminal.verbatim(line)
    if place is not None:
        _checks(terminal, finding, place)


def _head(terminal: Terminal, finding: Finding) -> None:
    terminal.spans(
        [
            (finding.priority.value, PRIORITY_STYLES[finding.priority]),
            (f"  score {finding.score:.6f}  rank {finding.rank}  ", ""),
            (_URGENCY.get(finding.urgency, ""), "bold red"),
            (finding.id, "dim"),
        ]
    )
    terminal.line(visible(finding.address), "bold")


def _metadata(terminal: Terminal, finding: Finding) -> None:
    terminal.heading("Metadata")
    kind = visible(finding.type) + (f" ({visible(finding.type_name)})" if finding.type_name else "")
    rows: list[tuple[str, str | tuple[str, str]]] = [
        ("unit", visible(finding.unit)),
        ("type", kind),
        ("size", exact_size(finding.size)),
        ("state", finding.state),
        ("meta address", str(finding.meta_address) if finding.meta_address else ""),
        ("owner", visible(finding.owner)),
        ("elements", ", ".join(finding.elements)),
    ]
    rows += [(name, visible(value)) for name, value in finding.times.items()]
    rows += [(name, visible(value)) for name, value in finding.hashes.items()]
    terminal.pairs(rows)


def _excerpts(terminal: Terminal, finding: Finding, indicators: Mapping[str, Indicator], limit: int) -> None:
    hits = hit_lines(finding)
    if not hits:
        return
    terminal.heading("What was found")
    for line in hits[:limit]:
        terminal.spans(
            [(_name(line, indicators), "bold"), (f"  {_where(line, finding)}", "dim")],
            indent=2,
        )
        terminal.line(f"{visible(line.rule)}: {one_line(line.label)}", "dim", indent=4)
        before, match, after = split_excerpt(line.excerpt, line.matched)
        if len(before) > MAX_PASSAGE // 2:
            before = "…" + before[-MAX_PASSAGE // 2 :]
        pieces = [
            (_joinable(before), ""),
            (f"[{one_line(cut(match, MAX_PASSAGE))}]" if match else "", "bold reverse"),
            (_joinable(cut(after, MAX_PASSAGE // 2)), ""),
        ]
        if any(text for text, _ in pieces):
            terminal.spans(pieces, indent=4)
    if len(hits) > limit:
        terminal.line(f"and {len(hits) - limit} more hits", indent=2)


def _joinable(text: str) -> str:
    """``text`` on one line, with the blank at an end kept that parts it from the match."""
    lead = " " if text[:1].isspace() else ""
    tail = " " if text[-1:].isspace() and text.strip() else ""
    return lead + one_line(text) + tail


def _where(line: ScoreLine, finding: Finding) -> str:
    parts = [f"offset {line.offset} (0x{line.offset:x}), {line.length} bytes"]
    if line.count > 1:
        parts.append(f"{line.count:,} times")
    if line.language and line.language != "und":
        parts.append(visible(line.language))
    if line.encoding:
        parts.append(visible(line.encoding))
    if line.address and line.address != finding.address:
        parts.append(f"in {visible(line.address)}")
    return ", ".join(parts)


def _name(line: ScoreLine, indicators: Mapping[str, Indicator]) -> str:
    known = indicators.get(line.indicator)
    return visible(known.name if known else line.indicator or line.rule)


def _arithmetic(terminal: Terminal, finding: Finding, indicators: Mapping[str, Indicator]) -> None:
    terminal.heading("Arithmetic")
    rows: list[tuple[str | tuple[str, str], ...]] = []
    for line in (*hit_lines(finding), *adjustment_lines(finding)):
        label = one_line(line.label)
        if line.kind == "hit":
            name = _name(line, indicators)
            label = f"{name}: {label}" if name else label
        rows.append((f"{line.contribution:+.6f}", (label, "" if line.kind == "hit" else "italic")))
    rows.append((f"{sum(line.contribution for line in finding.lines):+.6f}", (f"score {finding.score:.6f}", "bold")))
    terminal.table([Column("adds", "right"), Column("line", wrap=True)], rows, indent=2)


def _lists(terminal: Terminal, finding: Finding) -> None:
    for title, values in (
        ("Lowered by", finding.damped_by),
        ("Innocent readings", finding.innocent),
        ("Caveats", finding.caveats),
        ("Notes", finding.notes),
        ("Same content at", finding.also_at[:MAX_ALSO_AT]),
    ):
        if values:
            terminal.heading(title)
            for value in values:
                terminal.line(one_line(value), indent=2)
    if len(finding.also_at) > MAX_ALSO_AT:
        terminal.line(f"and {len(finding.also_at) - MAX_ALSO_AT:,} more", indent=2)


def _checks(terminal: Terminal, finding: Finding, place: Place) -> None:
    found = checks(finding, place)
    if not found:
        return
    terminal.heading("Check with another tool")
    for check in found:
        terminal.line(check.title, "dim", indent=2)
        if check.command:
            terminal.verbatim(f"  {check.command}")
        if check.expect:
            terminal.verbatim(f"  must give {visible(check.expect)}")
