"""``triage formats``: what this program reads and writes here, and what is missing."""

from __future__ import annotations

import json

import typer


def formats(as_json: bool = typer.Option(False, "--json", help="As JSON lines.")) -> None:
    """List containers, volume systems, file systems, decoders, extractors, detectors and reports.

    What is missing on this machine is listed as unavailable, with the reason.
    """
    from triage.pipeline.formats import every_format

    for unit in every_format():
        if as_json:
            record = {"room": unit.room, "name": unit.name, "summary": unit.summary, "unavailable": unit.unavailable}
            print(json.dumps(record))
        else:
            state = f"  UNAVAILABLE: {unit.unavailable}" if unit.unavailable else ""
            print(f"{unit.room:<12} {unit.name:<14} {unit.summary}{state}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("formats")(formats)
