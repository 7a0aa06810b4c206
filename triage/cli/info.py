"""``triage info``: the layers of an image."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path

import typer

from triage.cli.exit_codes import ExitCode
from triage.cli.keys import KEY_FILE, KEYCHAIN, PASSWORD, PASSWORD_FILE, RECOVERY_KEY, read_keys

SEARCHED = 2 << 30
"""Bytes that no volume owns which are searched for lost volumes; a scan searches all. Some seconds."""


class InfoFormat(StrEnum):
    """Formats of the layers."""

    TABLE = "table"
    JSON = "json"


def info(
    evidence: list[Path] = typer.Argument(..., metavar="EVIDENCE...", help="Disk images."),
    format: InfoFormat = typer.Option(InfoFormat.TABLE, "--format", "-f", help="Format."),
    as_raw: bool = typer.Option(False, "--as-raw", help="Take an image that nothing recognises as raw bytes."),
    password: list[str] = PASSWORD,
    password_file: list[Path] = PASSWORD_FILE,
    recovery_key: list[str] = RECOVERY_KEY,
    key_file: list[Path] = KEY_FILE,
    keychain: Path | None = KEYCHAIN,
) -> None:
    """Show the layers of disk images: container, volumes, file systems, encryption, and what is not supported.

    Example: triage info laptop.E01
    """
    from triage.cli.messages import say_error
    from triage.errors import EvidenceError
    from triage.evidence import LostSearch, group_sources, open_evidence
    from triage.reporters.info import Layers, render_info, render_info_json

    keys = read_keys(password, password_file, recovery_key, key_file, keychain)
    failed = False
    layers = []
    for paths in group_sources(evidence):
        try:
            with open_evidence(paths, as_raw=as_raw, keychain=keys, lost=LostSearch(limit=SEARCHED)) as opened:
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
