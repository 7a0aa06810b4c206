"""The findings as the compact JSON that the HTML report reads: an index of all, and chunks of details.

The index holds what the list, its filters and its sort need; a chunk holds the details of :data:`CHUNK` findings in
index order and is parsed when one of them is looked at. Texts that repeat stand once, in ``strings`` and ``rules``.
Every text is sanitised and, by default, masked before it gets here, so the page only ever sets ``textContent``.

Bounded: :data:`MAX_FINDINGS` findings, each with :data:`MAX_LINES` lines of arithmetic (the rest is summed in one line
more, so that the lines still add up), excerpts of :data:`MAX_EXCERPT` characters, fewer once the page holds
:data:`MAX_CHARACTERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from triage.model.document import Document
from triage.model.finding import PRIORITIES, Finding, ScoreLine
from triage.reporters.json_text import dumps, number
from triage.reporters.overview import exact_size, split_excerpt
from triage.reporters.sanitise import ELLIPSIS, cut, elide_middle, one_line, visible

MAX_FINDINGS = 50_000
MAX_LINES = 40
MAX_EXCERPT = 2000
MAX_CHARACTERS = 100_000_000
SHORT_EXCERPT = 200
MAX_LABEL = 400
MAX_PATH = 600
MAX_LIST = 20
CHUNK = 250

Mask = Callable[[str], str]
_TIME_ORDER = ("mtime", "crtime", "ctime", "atime", "dtime")


class _Table:
    """Distinct values with their positions."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, key: Any, value: Any = None) -> int:
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(key if value is None else value)
        return self._places[key]


def script_json(value: dict[str, Any]) -> str:
    """``value`` as JSON that cannot end or open a script element."""
    text = dumps(value, mark=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class PageData:
    """The index and the chunks of one document.

    Args:
        document: The document.
        mask: Applied to every text of a finding, before anything else.
    """

    def __init__(self, document: Document, mask: Mask) -> None:
        self._mask = mask
        self._indicators = document.indicators
        self._strings = _Table()
        self._rules = _Table()
        self._names = _Table()
        self._used = 0
        self.findings = document.findings[:MAX_FINDINGS]
        self._rows: list[list[Any]] = []
        self.chunks: list[str] = list(self._build())
        self.index = script_json(
            {
                "chunk": CHUNK,
                "priorities": [priority.value for priority in PRIORITIES],
                "strings": self._strings.values,
                "rules": self._rules.values,
                "indicators": self._names.values,
                "rows": self._rows,
            }
        )

    def _build(self) -> Iterator[str]:
        for start in range(0, len(self.findings), CHUNK):
            piece = self.findings[start : start + CHUNK]
            text = script_json({"details": [self._detail(finding) for finding in piece]})
            self._used += len(text)
            self._rows += [self._row(finding) for finding in piece]
            yield text

    def _text(self, text: str, limit: int = MAX_LABEL) -> int:
        return self._strings.place(one_line(cut(self._mask(text), limit)))

    def _texts(self, texts: Sequence[str]) -> list[int]:
        return [self._text(text) for text in texts[:MAX_LIST]]

    def path(self, text: str) -> str:
        """A path or address as shown: masked, sanitised, its middle left out where it is very long."""
        return elide_middle(visible(self._mask(text)), MAX_PATH)

    def _row(self, finding: Finding) -> list[Any]:
        sums: dict[int, float] = {}
        languages: dict[int, None] = {}
        for line in finding.lines:
            if line.kind == "hit":
                place = self._indicator(line)
                sums[place] = sums.get(place, 0.0) + line.contribution
                languages[self._text(line.language or "und", 40)] = None
        time = next((finding.times[name] for name in _TIME_ORDER if name in finding.times), "")
        return [
            visible(finding.id),
            PRIORITIES.index(finding.priority),
            number(finding.score),
            finding.urgency,
            self.path(finding.path),
            self._text(finding.evidence),
            self._text(finding.unit),
            self._text(finding.state),
            visible(time),
            self._texts(finding.elements),
            sorted(sums, key=lambda place: -sums[place]),
            sorted(languages),
            finding.rank,
        ]

    def _indicator(self, line: ScoreLine) -> int:
        known = self._indicators.get(line.indicator)
        key = line.indicator or line.label
        name = known.name if known else key
        return self._names.place(key, [visible(cut(key, MAX_LABEL)), visible(cut(name, MAX_LABEL)), line.element])

    def _rule(self, line: ScoreLine) -> int:
        key = (line.rule, line.label, line.indicator, line.element, line.weight, line.language)
        return self._rules.place(
            key,
            [
                one_line(cut(line.rule, MAX_LABEL)),
                one_line(cut(self._mask(line.label), MAX_LABEL)),
                self._indicator(line) if line.kind == "hit" else -1,
                visible(line.element),
                number(line.weight),
                self._text(line.language or "und", 40),
            ],
        )

    def _detail(self, finding: Finding) -> list[Any]:
        kept, rest = strongest_lines(finding.lines, MAX_LINES)
        return [
            self.path(finding.address),
            self._text(finding.type),
            self._text(finding.type_name),
            exact_size(finding.size),
            self._strings.place(one_line(cut(finding.owner, MAX_LABEL))),
            str(finding.meta_address or ""),
            {visible(name): visible(value) for name, value in finding.times.items()},
            {visible(name): visible(value) for name, value in finding.hashes.items()},
            [self._line(line, finding) for line in kept],
            [len(rest), number(sum(line.contribution for line in rest))],
            self._texts(finding.damped_by),
            self._texts(finding.innocent),
            self._texts(finding.caveats),
            self._texts(finding.notes),
            [self.path(address) for address in finding.also_at[:MAX_LIST]],
            len(finding.also_at),
        ]

    def _line(self, line: ScoreLine, finding: Finding) -> list[Any]:
        if line.kind != "hit":
            return [self._rule(line), number(line.contribution)]
        limit = MAX_EXCERPT if self._used < MAX_CHARACTERS else SHORT_EXCERPT
        elsewhere = line.address not in ("", finding.address)
        return [
            self._rule(line),
            number(line.contribution),
            line.count,
            str(line.offset),
            str(line.length),
            *excerpt(line, self._mask, limit),
            self._strings.place(self.path(line.address)) if elsewhere else -1,
            self._text(line.encoding, 40),
        ]


def excerpt(line: ScoreLine, mask: Mask, limit: int = MAX_EXCERPT) -> tuple[str, str, str]:
    """The passage of a hit as the text before the match, the match and the text behind it.

    Args:
        line: The hit.
        mask: Keeps the length of a text, so the match stays where it is.
        limit: Characters of all three together; what is left out is marked by an ellipsis.
    """
    before, match, after = split_excerpt(line.excerpt, line.matched)
    masked = mask(before + match + after)
    before, match, after = (
        masked[: len(before)],
        masked[len(before) : len(before) + len(match)],
        masked[len(before) + len(match) :],
    )
    match = match if len(match) <= limit else match[:limit] + ELLIPSIS
    side = max(0, limit - len(match)) // 2
    if len(before) > side:
        before = ELLIPSIS + before[len(before) - side :]
    if len(after) > side:
        after = after[:side] + ELLIPSIS
    return visible(before, multiline=True), visible(match, multiline=True), visible(after, multiline=True)


def strongest_lines(lines: Sequence[ScoreLine], limit: int) -> tuple[list[ScoreLine], list[ScoreLine]]:
    """The ``limit`` lines that move the score most, in their order, and the others."""
    if len(lines) <= limit:
        return list(lines), []
    order = sorted(range(len(lines)), key=lambda index: (-abs(lines[index].contribution), index))
    kept = set(order[:limit])
    return (
        [line for index, line in enumerate(lines) if index in kept],
        [line for index, line in enumerate(lines) if index not in kept],
    )
