"""``triage verify``: does the evidence still have its digests, does the case hold together."""

from __future__ import annotations

from pathlib import Path

import typer

from triage.cli.exit_codes import ExitCode


def verify(
    target: Path = typer.Argument(..., metavar="CASE|EVIDENCE", help="A case folder, or a disk image."),
) -> None:
    """Check a case (its audit log) or an image (its stored digests against what is read).

    Example: triage verify laptop.E01
    """
    if target.is_dir():
        _verify_case(target)
    else:
        _verify_evidence(target)


def _verify_case(folder: Path) -> None:
    from triage.case import Case, verify_audit_log
    from triage.errors import CaseError

    with Case.open(folder) as case:
        lines, head = verify_audit_log(folder / "audit.jsonl")
        if not lines:
            raise CaseError(f"the audit log is empty: {folder}", hint="the case was changed outside of this program")
        print(f"audit log: {lines} lines, the chain holds, head {head}")
        print(f"state: {case.meta('state')}")


def _verify_evidence(path: Path) -> None:
    from triage.cli.messages import say
    from triage.evidence import group_sources, open_evidence

    (paths,) = group_sources([path])
    with open_evidence(paths, as_raw=True, layers=False) as opened:
        result = opened.verify()
    for name, value in result.computed.items():
        stored = result.stored.get(name)
        verdict = "" if stored is None else "  matches the stored digest" if stored == value else f"  STORED {stored}"
        print(f"{name}: {value}{verdict}")
    for problem in result.problems:
        say(f"{problem.stage}: {problem.message}")
    if not result.matches:
        say("the media does not have the digest that the image states")
        raise typer.Exit(ExitCode.EVIDENCE_NOT_OPENED)
    if not result.stored:
        print("the image states no digest; keep these")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)
