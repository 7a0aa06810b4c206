"""``triage info``: the layers of an image."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path

import typer

from triage.cli.exit_codes import ExitCode


class InfoFormat(StrEnum):
    """Formats of the layers."""

    TABLE = "table"
    JSON = "json"


def info(
    evidence: list[Path] = typer.Argument(..., metavar="EVIDENCE...", help="Disk images."),
    format: InfoFormat = typer.Option(InfoFormat.TABLE, "--format", "-f", help="Format."),
    as_raw: bool = typer.Option(False, "--as-raw", help="Take an image that nothing recognises as raw bytes."),
) -> None:
    """Show the layers of disk images: container, volumes, file systems, encryption, and what is not supported.

    Example: triage info laptop.E01
    """
    from triage.cli.messages import say_error
    from triage.errors import EvidenceError
    from triage.evidence import group_sources, open_evidence
    from triage.reporters.info import Layers, render_info, render_info_json

    failed = False
    layers = []
    for paths in group_sources(evidence):
        try:
            with open_evidence(paths, as_raw=as_raw) as opened:
                layers.append(Layers(opened.source, opened.volumes, opened.problems))
        except EvidenceError as error:
            say_error(error)
            failed = True
    if format is InfoFormat.JSON:
        render_info_json(layers, sys.stdout)
    else:
        render_info(layers, sys.stdout)
    incomplete = any(not problem.examined_anyway for layer in layers for problem in layer.problems)
    if failed:
        raise typer.Exit(ExitCode.EVIDENCE_NOT_OPENED)
    if incomplete:
        raise typer.Exit(ExitCode.NOT_ALL_EXAMINED)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("info")(info)
