"""The layers of evidence: what ``triage info`` prints, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from triage.model.problem import Problem
from triage.model.volume import Allocation, EvidenceSource, Volume
from triage.reporters.document_json import problem_dict, source_dict, volume_dict
from triage.reporters.json_text import dumps
from triage.reporters.overview import REASON_WORDS, exact_size, human_size
from triage.reporters.sanitise import one_line, visible
from triage.reporters.table import Cell, Column, Terminal

SCHEMA = "1.1"
"""Version of the JSON form; it moves with the report schema."""


@dataclass(frozen=True, slots=True)
class Layers:
    """One evidence source as opened.

    Attributes:
        source: The container.
        volumes: In the order of the table.
        problems: What came up at opening.
    """

    source: EvidenceSource
    volumes: tuple[Volume, ...]
    problems: tuple[Problem, ...] = ()


def render_info(layers: Sequence[Layers], out: TextIO, *, width: int | None = None, colour: bool | None = None) -> None:
    """Write the layers of every evidence source for a terminal.

    Args:
        layers: In the order given.
        out: Text stream.
        width: Columns; None for those of the terminal, 80 for a pipe.
        colour: None to decide by the stream and the environment.
    """
    terminal = Terminal(out, width=width, colour=colour)
    for index, layer in enumerate(layers):
        if index:
            terminal.line()
        _source(terminal, layer)
        _volumes(terminal, layer.volumes)
        _problems(terminal, layer.problems)


def render_info_json(layers: Sequence[Layers], out: TextIO) -> None:
    """Write the layers of every evidence source as one JSON object; docs/report-schema.md."""
    evidence: list[dict[str, Any]] = [
        source_dict(layer.source)
        | {
            "volumes": [volume_dict(volume) for volume in layer.volumes],
            "problems": [problem_dict(problem) for problem in layer.problems],
        }
        for layer in layers
    ]
    out.write(dumps({"schema": SCHEMA, "evidence": evidence}) + "\n")


def _source(terminal: Terminal, layer: Layers) -> None:
    source = layer.source
    terminal.line(visible(source.name), "bold")
    segments = f"{len(source.paths)}" if len(source.paths) > 1 else ""
    rows: list[tuple[str, Cell]] = [
        ("container", visible(source.container)),
        ("segments", segments),
        ("size", exact_size(source.size)),
    ]
    rows += [(f"stored {visible(name)}", visible(value)) for name, value in sorted(source.stored_hashes.items())]
    rows += [(one_line(name.replace("_", " ")), one_line(value)) for name, value in sorted(source.details.items())]
    terminal.pairs(rows)


def _volumes(terminal: Terminal, volumes: Sequence[Volume]) -> None:
    if not volumes:
        terminal.line("no volume was found", "bold yellow", indent=2)
        return
    terminal.line()
    if terminal.width < 76:
        for volume in volumes:
            terminal.spans([(visible(volume.name), "bold"), (f"  {_holds(volume)[0]}", "")], indent=2)
            offsets = f"at byte {volume.image_offset:,}, {volume.length:,} bytes ({human_size(volume.length)})"
            terminal.line(offsets, "dim", indent=4)
            terminal.line(one_line(f"{volume.system} {volume.description}"), "dim", indent=4)
        return
    rows: list[list[Cell]] = []
    for volume in volumes:
        rows.append(
            [
                visible(volume.name),
                f"{volume.image_offset}",
                f"{volume.length}",
                human_size(volume.length),
                _holds(volume),
            ]
        )
        words = one_line(f"{volume.system} {volume.description}")
        rows.append(["", "", "", "", (words, "dim")])
    columns = [Column("volume"), Column("offset", "right"), Column("length", "right"), Column("", "right")]
    terminal.table([*columns, Column("holds", wrap=True)], rows, indent=2)


def _holds(volume: Volume) -> tuple[str, str]:
    """What a volume holds, with a style."""
    if volume.encryption:
        return f"encrypted: {visible(volume.encryption)}", "bold yellow"
    if volume.unsupported:
        return f"not supported: {one_line(volume.unsupported)}", "bold yellow"
    if volume.file_system:
        block = f", blocks of {volume.block_size} bytes" if volume.block_size else ""
        return visible(volume.file_system) + block, ""
    if volume.is_opened:
        return "opened, see the volumes in it", ""
    if volume.allocation is Allocation.ALLOCATED:
        return "no file system recognised", "bold yellow"
    return volume.allocation.value, "dim"


def _problems(terminal: Terminal, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    terminal.line()
    terminal.line("Problems", "bold", indent=2)
    for problem in problems:
        size = f" ({human_size(problem.bytes_not_examined)})" if problem.bytes_not_examined else ""
        terminal.line(f"{REASON_WORDS[problem.reason]}{size}: {one_line(problem.message)}", indent=4)
        terminal.line(visible(problem.address), "dim", indent=6)
        if problem.hint:
            terminal.line(f"hint: {one_line(problem.hint)}", "dim", indent=6)
