"""What ``triage verify`` found, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from triage.evidence.verify import VerifyResult
from triage.model.volume import EvidenceSource
from triage.reporters.document_json import problem_dict
from triage.reporters.json_text import dumps
from triage.reporters.overview import REASON_WORDS, exact_size, human_size
from triage.reporters.sanitise import one_line, visible
from triage.reporters.table import Terminal

SCHEMA = "1.0"
"""Version of the JSON form; it moves with the report schema."""
SHOWN = 20
"""Bad ranges and problems that the table lists."""
VERDICTS = {
    "match": "every stated digest matches",
    "mismatch": "MISMATCH: this is not what the stated digest was made of",
    "match-incomplete": "the stated digests match, and not everything could be read",
    "incomplete": "not verified: not everything could be read or compared",
    "no-digest": "nothing to compare with: no digest is stated; keep these",
}


@dataclass(frozen=True, slots=True)
class Verified:
    """One evidence source and what reading all of it showed.

    Attributes:
        source: The container.
        result: Digests, comparisons, damage.
        missing: Lists of digests that name no file of it.
    """

    source: EvidenceSource
    result: VerifyResult
    missing: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """A key of :data:`VERDICTS`."""
        compared = any(found.computed for found in self.result.comparisons)
        if not self.result.matches:
            return "mismatch"
        if not self.result.is_whole or self.missing:
            return "match-incomplete" if compared and not self.missing else "incomplete"
        return "match" if compared else "no-digest"

    @property
    def chunk_size(self) -> int:
        """Bytes in a chunk that carries a checksum of its own, 0 where there are none."""
        return int(self.source.details.get("chunk_size", "0")) if self.source.container == "ewf" else 0

    @property
    def bad_chunks(self) -> tuple[tuple[int, int], ...]:
        """First and last number of chunks in a row that bad ranges touch."""
        size = self.chunk_size
        runs: list[tuple[int, int]] = []
        for found in self.result.bad if size else ():
            first, last = found.offset // size, (found.end - 1) // size
            if runs and first <= runs[-1][1] + 1:
                runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
            else:
                runs.append((first, last))
        return tuple(runs)


def render_verify(
    found: Sequence[Verified], out: TextIO, *, width: int | None = None, colour: bool | None = None
) -> None:
    """Write what was found of every source for a terminal.

    Args:
        found: In the order given.
        out: Text stream.
        width: Columns; None for those of the terminal, 80 for a pipe.
        colour: None to decide by the stream and the environment.
    """
    terminal = Terminal(out, width=width, colour=colour)
    for index, item in enumerate(found):
        if index:
            terminal.line()
        _one(terminal, item)


def render_verify_json(found: Sequence[Verified], out: TextIO) -> None:
    """Write what was found of every source as one JSON object; docs/report-schema.md."""
    out.write(dumps({"schema": SCHEMA, "evidence": [_dict(item) for item in found]}) + "\n")


def _one(terminal: Terminal, item: Verified) -> None:
    result = item.result
    terminal.line(visible(item.source.name), "bold")
    for name, value in result.computed.items():
        terminal.line(f"{name}: {value}", indent=2)
    for compared in result.comparisons:
        expected = compared.expected
        subject = f" of {visible(expected.file)}" if expected.file else ""
        stated = f"{expected.algorithm}{subject} stated by {one_line(expected.source)}"
        if not compared.computed:
            terminal.line(f"{stated}: cannot be computed here", "bold yellow", indent=2)
        elif compared.matches:
            terminal.line(f"{stated}: matches", "green", indent=2)
        else:
            terminal.line(f"{stated}: {expected.value}, found {compared.computed}", "bold red", indent=2)
    for name in item.missing:
        terminal.line(f"{one_line(name)} names no file of this image", "bold yellow", indent=2)
    _damage(terminal, item)
    verdict = item.verdict
    style = {"match": "bold green", "mismatch": "bold red", "no-digest": ""}.get(verdict, "bold yellow")
    terminal.line(VERDICTS[verdict], style, indent=2)


def _damage(terminal: Terminal, item: Verified) -> None:
    bad = item.result.bad
    if item.chunk_size:
        count = -(-item.source.size // item.chunk_size)
        runs = item.bad_chunks
        words = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in runs[:SHOWN])
        lost = sum(last - first + 1 for first, last in runs)
        more = " ..." if len(runs) > SHOWN else ""
        terminal.line(
            f"chunks: {count}, damaged or not there: {lost}" + (f" ({words}{more})" if runs else ""), indent=2
        )
    if bad:
        total = sum(found.length for found in bad)
        terminal.line(f"could not be read: {exact_size(total)} in {len(bad)} ranges, taken as zeros", "bold", indent=2)
        for found in bad[:SHOWN]:
            words = f"{found.offset} to {found.end} ({human_size(found.length)}): {one_line(found.cause)}"
            terminal.line(words, indent=4)
        if len(bad) > SHOWN:
            terminal.line(f"and {len(bad) - SHOWN} more, see --format json", indent=4)
    ranges = {(found.offset, found.end) for found in bad}
    others = [problem for problem in item.result.problems if not _is_range(problem.address, ranges)]
    for problem in others[:SHOWN]:
        terminal.line(f"{REASON_WORDS[problem.reason]}: {one_line(problem.message)}", indent=2)
    if len(others) > SHOWN:
        terminal.line(f"and {len(others) - SHOWN} more problems, see --format json", indent=2)


def _is_range(address: str, ranges: set[tuple[int, int]]) -> bool:
    """The problem is about one of the bad ranges, or a part of one, which are listed by themselves."""
    offset, plus, length = address.partition("$gap@")[2].partition("+")
    if not plus or not offset.isdigit() or not length.isdigit():
        return False
    start = int(offset)
    return any(begin <= start and start + int(length) <= end for begin, end in ranges)


def _dict(item: Verified) -> dict[str, Any]:
    result = item.result
    size = item.chunk_size
    return {
        "name": item.source.name,
        "paths": [str(path) for path in item.source.paths],
        "container": item.source.container,
        "size": result.size,
        "verdict": item.verdict,
        "computed": result.computed,
        "comparisons": [
            {
                "algorithm": compared.expected.algorithm,
                "expected": compared.expected.value,
                "computed": compared.computed,
                "source": compared.expected.source,
                "file": compared.expected.file,
                "matches": compared.matches,
            }
            for compared in result.comparisons
        ],
        "lists_without_it": list(item.missing),
        "chunks": {"size": size, "count": -(-item.source.size // size), "bad": [list(run) for run in item.bad_chunks]}
        if size
        else None,
        "bad_bytes": sum(found.length for found in result.bad),
        "bad_ranges": [{"offset": found.offset, "length": found.length, "cause": found.cause} for found in result.bad],
        "problems": [problem_dict(problem) for problem in result.problems],
    }
