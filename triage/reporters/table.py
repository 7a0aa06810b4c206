"""The report for a terminal, and the only place that knows rich.

Whatever reaches rich is a ``Text`` made of sanitised text: rich would read ``[markup]`` in a string, and passes ESC and
bidi characters through. Colour only on a terminal that wants it (``NO_COLOR``, ``TERM=dumb``); a stream that cannot
hold a character gets its escape.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from triage.model.document import Document
from triage.model.finding import Finding, Priority
from triage.reporters.checks import shell_word
from triage.reporters.coverage_terminal import coverage_block
from triage.reporters.overview import (
    REASON_WORDS,
    NotExamined,
    counts_text,
    human_size,
    next_step,
    not_examined,
    state_text,
    why,
)
from triage.reporters.sanitise import cell_width, elide_end, elide_middle, one_line, visible
from triage.reporters.scope_terminal import scope_block

DEFAULT_WIDTH = 80
LEAST_WIDTH = 20
STACKED_BELOW = 60
"""Columns below which a finding is a small block of lines instead of a row."""
MAX_REASON_ROWS = 6

PRIORITY_STYLES = {
    Priority.CRITICAL: "bold red",
    Priority.HIGH: "bold yellow",
    Priority.MEDIUM: "cyan",
    Priority.LOW: "",
    Priority.INFO: "dim",
}
_TRAILING = re.compile(r"(?: |\x1b\[[0-9;]*m)+$")
URGENCY_MARKS = {0: "", 1: "!", 2: "!!"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: heading, alignment, whether it may wrap, and its style."""

    heading: str
    justify: Literal["left", "right"] = "left"
    wrap: bool = False
    style: str = ""


Cell = str | tuple[str, str]
"""Sanitised text, or such text with a style."""


def wants_colour(out: TextIO) -> bool:
    """Whether ``out`` is a terminal and nothing in the environment asks for plain text."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "") in ("dumb", "unknown"):
        return False
    return bool(getattr(out, "isatty", lambda: False)())


class Terminal:
    """Lines, pairs and tables of sanitised text on a stream.

    Args:
        out: Text stream; any encoding.
        width: Columns; None for those of the terminal, 80 for a pipe (or ``COLUMNS``).
        colour: None to decide by :func:`wants_colour`.
    """

    def __init__(self, out: TextIO, *, width: int | None = None, colour: bool | None = None) -> None:
        coloured = wants_colour(out) if colour is None else colour
        self.width = max(LEAST_WIDTH, width or _width(out))
        self._encoding = (getattr(out, "encoding", None) or "utf-8").lower()
        # Rich writes to memory: on a closed pipe it would end the process and redirect standard output.
        self._out = out
        self._console = Console(
            file=io.StringIO(),
            width=self.width,
            force_terminal=coloured,
            color_system="standard" if coloured else None,
            no_color=not coloured,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )

    def text(self, text: str, style: str = "") -> Text:
        """``text``, escaped once more where the stream cannot hold it."""
        if not self._encoding.startswith("utf") and not text.isascii():
            text = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        return Text(text, style=style, overflow="fold")

    def line(self, text: str = "", style: str = "", *, indent: int = 0) -> None:
        """One paragraph, wrapped at blanks."""
        self._print(Padding(self.text(text, style), (0, 0, 0, indent)))

    def spans(self, pieces: Sequence[tuple[str, str]], *, indent: int = 0) -> None:
        """One paragraph of pieces with a style each."""
        joined = Text(overflow="fold")
        for text, style in pieces:
            joined.append_text(self.text(text, style))
        self._print(Padding(joined, (0, 0, 0, indent)))

    def verbatim(self, text: str) -> None:
        """One line that is never wrapped, to be copied."""
        self._flush(self._rendered(self.text(text), soft_wrap=True))

    def heading(self, text: str) -> None:
        """An empty line and a heading."""
        self.line()
        self.line(text, "bold")

    def pairs(self, rows: Sequence[tuple[str, Cell]], *, indent: int = 2) -> None:
        """Labels with their values; rows with an empty value are left out."""
        shown = [(label, value) for label, value in rows if (value[0] if isinstance(value, tuple) else value)]
        if not shown:
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(overflow="fold", max_width=max(8, self.width // 3))
        grid.add_column(overflow="fold")
        for label, value in shown:
            grid.add_row(self.text(label, "dim"), self._cell(value))
        self._print(Padding(grid, (0, 0, 0, indent)))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, indent: int = 0) -> None:
        """A table without lines, headings dimmed."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(
                self.text(column.heading),
                justify=column.justify,
                no_wrap=not column.wrap,
                overflow="fold" if column.wrap else "ellipsis",
                style=column.style or None,
            )
        for row in rows:
            table.add_row(*(self._cell(value) for value in row))
        self._print(Padding(table, (0, 0, 0, indent)))

    def _cell(self, value: Cell) -> Text:
        return self.text(*value) if isinstance(value, tuple) else self.text(value)

    def _print(self, renderable: Padding) -> None:
        self._flush(self._rendered(renderable))

    def _rendered(self, renderable: Padding | Text, *, soft_wrap: bool = False) -> str:
        with self._console.capture() as capture:
            self._console.print(renderable, soft_wrap=soft_wrap)
        return capture.get()

    def _flush(self, text: str) -> None:
        # No line ends in blanks: padded lines would wrap on a terminal that is a column narrower.
        for line in text.split("\n")[:-1]:
            self._out.write(_TRAILING.sub(lambda match: match[0].replace(" ", ""), line) + "\n")


def render_table(
    document: Document,
    out: TextIO,
    *,
    width: int | None = None,
    limit: int = 20,
    colour: bool | None = None,
    case: str = "CASE",
) -> None:
    """Write what to do next, the top findings, what was not examined, and the next command.

    Args:
        document: What to print.
        out: Text stream.
        width: Columns; None for those of the terminal, 80 for a pipe.
        limit: Findings at most, 0 for none.
        colour: None to decide by the stream and the environment.
        case: Path of the case folder, for the command at the end.
    """
    terminal = Terminal(out, width=width, colour=colour)
    missing = not_examined(document)
    urgent = any(finding.urgency >= 2 for finding in document.findings)
    terminal.spans(
        [
            (next_step(document), "bold red" if urgent else "bold"),
            (f" {counts_text(document).capitalize()}. ", ""),
            (state_text(document), "" if document.state == "complete" and not missing.problems else "bold yellow"),
        ]
    )
    shown = document.findings[: max(0, limit)]
    if shown:
        terminal.line()
        _findings(terminal, document, shown)
    if len(document.findings) > len(shown):
        terminal.line(f"... and {len(document.findings) - len(shown):,} more in the case", "dim")
    if any(finding.urgency for finding in shown):
        terminal.line("!! a person may be at risk now   ! exploitation may be going on", "dim")
    _missing(terminal, missing)
    scope_block(terminal, document)
    coverage_block(terminal, document)
    if document.findings:
        terminal.line()
        best = next((finding for finding in document.findings if finding.urgency >= 2), document.findings[0])
        terminal.spans([("Next: ", "bold"), (f"triage show {shell_word(case)} {best.id}", "")])


def _findings(terminal: Terminal, document: Document, findings: Sequence[Finding]) -> None:
    several = len(document.evidence) > 1
    if terminal.width < STACKED_BELOW:
        for finding in findings:
            _stacked(terminal, document, finding, several)
        return
    rank_width = len(f"{findings[-1].rank}")
    indent = rank_width + 23
    room = terminal.width - indent
    terminal.line(f"{'#':>{rank_width}}  priority  score      where, and why", "dim")
    for finding in findings:
        mark = URGENCY_MARKS.get(finding.urgency, "!!")
        terminal.spans(
            [
                (f"{finding.rank:>{rank_width}}  ", "bold"),
                (f"{finding.priority.value:<8}", PRIORITY_STYLES[finding.priority]),
                (f"  {finding.score:5.2f}  ", ""),
                (f"{mark:<4}", "bold red"),
                (elide_middle(_place(finding, several), room), ""),
            ]
        )
        lead = f"{' ' * rank_width}  {finding.id:<21}"
        terminal.line(lead + elide_end(_reasons(finding, document), room), "dim")


def _stacked(terminal: Terminal, document: Document, finding: Finding, several: bool) -> None:
    mark = URGENCY_MARKS.get(finding.urgency, "!!")
    terminal.spans(
        [
            (f"{finding.rank}. ", "bold"),
            (finding.priority.value, PRIORITY_STYLES[finding.priority]),
            (f" {finding.score:.2f} ", ""),
            (f"{mark} " if mark else "", "bold red"),
            (finding.id, "dim"),
        ]
    )
    room = terminal.width - 3
    terminal.line(elide_middle(_place(finding, several), room), indent=3)
    terminal.line(elide_end(_reasons(finding, document), room), "dim", indent=3)


def _reasons(finding: Finding, document: Document) -> str:
    return one_line(", ".join(why(finding, document.indicators)))


def _place(finding: Finding, several: bool) -> str:
    return visible(finding.address if several else finding.path)


def _missing(terminal: Terminal, missing: NotExamined) -> None:
    if not missing.problems and not missing.skipped and not missing.recovered:
        return
    terminal.heading("Not examined")
    for group in missing.reasons[:MAX_REASON_ROWS]:
        size = f", {human_size(group.bytes)}" if group.bytes else ""
        head = f"{group.count:,} {REASON_WORDS[group.reason]}{size}"
        lead = "the biggest: " if group.count > 1 else ""
        room = max(10, terminal.width - 4)
        place = elide_middle(visible(group.biggest.address), room - cell_width(lead))
        terminal.line(head, indent=2)
        terminal.line(f"{lead}{place}", "dim", indent=4)
    if len(missing.reasons) > MAX_REASON_ROWS:
        terminal.line(f"and {len(missing.reasons) - MAX_REASON_ROWS} more reasons", indent=2)
    for coverage in missing.skipped:
        size = human_size(coverage.skipped_bytes)
        terminal.line(f"{coverage.skipped:,} contents ({size}) not seen by {visible(coverage.detector)}", indent=2)
    if missing.recovered:
        terminal.line(f"{len(missing.recovered):,} examined in full, with a remark in the report", "dim", indent=2)


def _width(out: TextIO) -> int:
    if os.environ.get("COLUMNS", "").isdecimal():
        return int(os.environ["COLUMNS"])
    if getattr(out, "isatty", lambda: False)():
        try:
            return os.get_terminal_size(out.fileno()).columns or DEFAULT_WIDTH
        except (OSError, ValueError):
            return shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns
    return DEFAULT_WIDTH
