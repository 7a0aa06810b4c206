"""``triage show``: one finding explained."""

from __future__ import annotations

import json
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from triage.cli.keys import KEY_FILE, KEYCHAIN, PASSWORD, PASSWORD_FILE, RECOVERY_KEY, read_keys

if TYPE_CHECKING:
    from triage.case import Case
    from triage.evidence import Keychain
    from triage.model.byte_run import ByteRun
    from triage.model.finding import Finding
    from triage.reporters.checks import Place

AROUND = 128
"""Bytes of the hex view in front of the match and behind it."""


class ShowFormat(StrEnum):
    """Formats of one finding."""

    TABLE = "table"
    JSON = "json"


def show(
    case: Path = typer.Argument(..., metavar="CASE", help="Case folder."),
    finding: str = typer.Argument(
        ..., metavar="FINDING|ADDRESS", help="Identity (f-...), a unique beginning of one, a rank, or an address."
    ),
    format: ShowFormat = typer.Option(ShowFormat.TABLE, "--format", "-f", help="Format."),
    no_bytes: bool = typer.Option(False, "--no-bytes", help="Do not open the evidence for the hex view."),
    password: list[str] = PASSWORD,
    password_file: list[Path] = PASSWORD_FILE,
    recovery_key: list[str] = RECOVERY_KEY,
    key_file: list[Path] = KEY_FILE,
    keychain: Path | None = KEYCHAIN,
) -> None:
    """Explain one finding: excerpts with offsets, arithmetic, metadata, bytes, how to check it with another tool.

    Example: triage show laptop.triage 1
    """
    from triage.case import Case
    from triage.ranking.assemble import rank_case
    from triage.reporters.finding_json import finding_dict
    from triage.reporters.finding_text import render_finding

    keys = read_keys(password, password_file, recovery_key, key_file, keychain)
    with Case.open(case) as opened:
        findings = rank_case(opened)
        refuse_hidden(opened, finding)
        found = choose(findings, finding)
        if format is ShowFormat.JSON:
            print(json.dumps(finding_dict(found), ensure_ascii=True, indent=1))
            return
        place, data, offset = _bytes(opened, found, None if no_bytes else keys)
        render_finding(found, sys.stdout, indicators=opened.indicators, place=place, data=data, data_offset=offset)


def refuse_hidden(case: Case, wanted: str) -> None:
    """See that an address is not one of which the scope of the case lets nothing be shown.

    Raises:
        ScopeError: It is out of scope, or withheld.
    """
    from triage.case.scoped import WITHHELD
    from triage.errors import ScopeError

    fate = case.fate(wanted)
    if fate == WITHHELD or any(wanted in (address, address.partition(" ")[2]) for address, _, _ in case.withheld()):
        raise ScopeError(
            "withheld: it holds a privileged term, so nothing of it is shown",
            hint="a filter team scans the evidence into a case of its own, with a scope without `[privileged]`",
        )
    if fate:
        raise ScopeError(f"out of scope ({fate}): it was not examined, and nothing of it is shown")


def choose(findings: tuple[Finding, ...], wanted: str) -> Finding:
    """The finding that a word names.

    Raises:
        CaseError: None, or more than one.
    """
    from triage.errors import CaseError

    if wanted.isdigit():
        matches = [found for found in findings if found.rank == int(wanted)]
    elif re.fullmatch(r"f-[0-9a-f]*", wanted):
        matches = [found for found in findings if found.id.startswith(wanted)]
    else:
        matches = [found for found in findings if wanted in (found.address, found.path) or wanted in found.also_at]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise CaseError(f"more than one finding begins so: {wanted}", hint="give more of the identity")
    hint = f"the case has findings 1 to {len(findings)}" if findings else "the case has no findings"
    raise CaseError(f"no such finding: {wanted}", hint=hint)


def _bytes(case: Case, finding: Finding, keys: Keychain | None) -> tuple[Place | None, bytes, int]:
    """Where the finding lies, and the bytes around its strongest match."""
    from triage.cli.messages import say
    from triage.errors import EvidenceError
    from triage.evidence import LostSearch, open_evidence
    from triage.pipeline.readers import stored_readers
    from triage.reporters.checks import Place
    from triage.reporters.overview import strongest

    entries = case.shown_entries(finding.address)
    source = next((s for _, s in case.evidence() if s.name == finding.evidence), None)
    if source is None or not entries:
        return None, b"", 0
    entry = entries[0][1]
    number = next(n for n, s in case.evidence() if s.name == finding.evidence)
    volume = next((v for _, v, _ in case.volumes(number) if v.name == entry.address.volume), None)
    runs: tuple[ByteRun, ...] = ()
    data, start = b"", 0
    if keys is not None:
        try:
            known = LostSearch([found for _, found, _ in case.volumes(number)])
            with open_evidence(source.paths, name=source.name, keychain=keys, layers=False, lost=known) as evidence:
                evidence.add_images(case.inner_images(number))
                evidence.use_readers(stored_readers(case, source.name))
                file_system = evidence.reader(entry.address.volume)
                runs = file_system.byte_runs(entry)
                best = strongest(finding)
                if best is not None and best.address in ("", str(entry.address)):
                    start = max(0, best.offset - AROUND) // 16 * 16
                    stream = file_system.open_entry(entry)
                    data = stream.read_at(start, best.offset + best.length + AROUND - start)
                    stream.close()
        except EvidenceError as error:
            say(f"the evidence does not open, so no bytes are shown: {error}")
    return Place(source, volume, entry, runs), data, start


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)
