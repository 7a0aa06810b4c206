"""``triage scan``: the main job."""

from __future__ import annotations

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from triage.cli.config import configure
from triage.cli.exit_codes import ExitCode, exit_code_for_result
from triage.cli.keys import KEY_FILE, KEYCHAIN, PASSWORD, PASSWORD_FILE, RECOVERY_KEY, read_keys, without_secrets
from triage.model.finding import PRIORITIES, Priority


class ScanFormat(StrEnum):
    """What a scan writes to standard output at its end."""

    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    NONE = "none"


class FailOn(StrEnum):
    """The lowest priority that makes the exit code tell of findings."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"
    NEVER = "never"


def scan(
    evidence: list[Path] = typer.Argument(
        ..., metavar="EVIDENCE...", help="Disk images; of a split image or an E01 set the first segment is enough."
    ),
    config: Path | None = typer.Option(
        None,
        "--config",
        metavar="FILE",
        envvar="TRIAGE_CONFIG",
        callback=configure,
        is_eager=True,
        help='TOML file with these options by their long names, for instance fail-on = "high"; the command line and '
        "TRIAGE_* variables come first.",
        rich_help_panel="Case",
    ),
    case: Path | None = typer.Option(
        None,
        "--case",
        metavar="DIR",
        envvar="TRIAGE_CASE",
        help="Case folder, made when missing; the same command continues a case. "
        "Default: NAME.triage in the current folder.",
        rich_help_panel="Case",
    ),
    rules: list[Path] = typer.Option(
        [],
        "--rules",
        metavar="PATH",
        envvar="TRIAGE_RULES",
        help="Rules of your own beside the shipped ones: a file or folder of YARA rules (.yar) or keyword packs "
        "(.toml, .txt). Repeatable.",
        rich_help_panel="Rules",
    ),
    no_shipped_rules: bool = typer.Option(
        False, "--no-shipped-rules", help="Use only the rules given with --rules.", rich_help_panel="Rules"
    ),
    profile: str = typer.Option(
        "default",
        "--profile",
        metavar="NAME",
        envvar="TRIAGE_PROFILE",
        help="Weights and thresholds.",
        rich_help_panel="Rules",
    ),
    language: list[str] = typer.Option(
        [],
        "--language",
        metavar="TAG",
        help="Only the keyword packs of these languages (drafts included), for instance bg. Repeatable. "
        "Default: all that are not drafts.",
        rich_help_panel="Rules",
    ),
    format: ScanFormat = typer.Option(
        ScanFormat.TABLE, "--format", "-f", help="What goes to standard output at the end.", rich_help_panel="Output"
    ),
    fail_on: FailOn = typer.Option(
        FailOn.NEVER,
        "--fail-on",
        envvar="TRIAGE_FAIL_ON",
        help="Exit with 10 (13 when something was not examined) when a finding has this priority or a higher one.",
        rich_help_panel="Output",
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress on standard error.", rich_help_panel="Output"),
    workers: int = typer.Option(
        0,
        "--workers",
        min=0,
        envvar="TRIAGE_WORKERS",
        help="Worker processes; 0 takes every core.",
        rich_help_panel="Limits",
    ),
    max_whole: int = typer.Option(
        64,
        "--max-whole",
        min=1,
        max=1024,
        metavar="MIB",
        help="Largest file that YARA and decoders see; above it keywords and digests only, and the report says so.",
        rich_help_panel="Limits",
    ),
    entry_seconds: float = typer.Option(
        60.0,
        "--entry-seconds",
        min=1.0,
        metavar="S",
        help="Time for one file (and 2 s for each MiB) before its worker is replaced.",
        rich_help_panel="Limits",
    ),
    as_raw: bool = typer.Option(
        False,
        "--as-raw",
        help="Take an image that nothing recognises as raw bytes instead of refusing it.",
        rich_help_panel="Evidence",
    ),
    scope: Path | None = typer.Option(
        None,
        "--scope",
        metavar="FILE",
        envvar="TRIAGE_SCOPE",
        help="TOML file that says what may be looked at: paths, users, times, types, exclusions, privileged terms. "
        "What is out of scope is not read.",
        rich_help_panel="Evidence",
    ),
    no_space: bool = typer.Option(
        False,
        "--no-space",
        help="Leave out unallocated space, gaps and slack: names and deleted names only.",
        rich_help_panel="Evidence",
    ),
    password: list[str] = PASSWORD,
    password_file: list[Path] = PASSWORD_FILE,
    recovery_key: list[str] = RECOVERY_KEY,
    key_file: list[Path] = KEY_FILE,
    keychain: Path | None = KEYCHAIN,
) -> None:
    """Scan seized disk images and write a prioritised report into a case folder.

    Example: triage scan laptop.E01 --case laptop.triage
    """
    from triage.evidence import group_sources
    from triage.pipeline import Limits, ScanPlan, available_cores, default_cache, run_scan
    from triage.ruleset import load_rules
    from triage.ruleset.scope_file import read_scope

    limits = read_scope(scope) if scope is not None else None
    cache = default_cache()
    ruleset = load_rules(
        rules, profile=profile, languages=language or None, shipped=not no_shipped_rules, cache_dir=cache
    )
    sources = tuple(group_sources(evidence))
    folder = case or Path.cwd() / f"{sources[0][0].stem}.triage"
    _refuse_beside_evidence(folder, sources, given=case is not None)
    plan = ScanPlan(
        sources=sources,
        case=folder,
        rules=ruleset,
        workers=workers or available_cores(),
        limits=Limits(whole_bytes=max_whole << 20, seconds=entry_seconds),
        as_raw=as_raw,
        space=not no_space,
        cache=cache,
        keychain=read_keys(password, password_file, recovery_key, key_file, keychain),
        command=without_secrets(sys.argv),
        scope=limits,
    )
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _interrupt)
    from triage.cli.progress import watching

    with watching(quiet) as observer:
        outcome = run_scan(plan, observer)
    _close(folder, format, fail_on, outcome)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _refuse_beside_evidence(folder: Path, sources: tuple[tuple[Path, ...], ...], *, given: bool) -> None:
    """The case never takes the place of evidence, and without --case nothing is written beside it."""
    from triage.errors import OutputNotWritableError

    for paths in sources:
        for path in paths:
            if folder.resolve() == path.resolve():
                raise OutputNotWritableError(f"the case folder is the evidence: {folder}", hint="name another --case")
            if not given and folder.resolve().parent == path.resolve().parent:
                raise OutputNotWritableError(
                    f"the default case folder would lie beside the evidence: {folder}",
                    hint=f"run in another folder, or say where: --case {folder.name}",
                )


def _close(folder: Path, format: ScanFormat, fail_on: FailOn, outcome: Any) -> None:
    """Write the reports, print the result, and leave with its code."""
    from triage.case import Case
    from triage.cli.messages import say, say_error
    from triage.cli.output import print_document, write_reports
    from triage.ranking.assemble import build_document

    with Case.open(folder) as opened:
        document = build_document(opened)
    write_reports(folder, document)
    for name, error in outcome.unopened:
        say(f"not opened: {name}")
        say_error(error)
    found = stands_at_or_above(document.findings, fail_on)
    incomplete = bool(document.pending) or any(not problem.examined_anyway for problem in document.problems)
    if format is not ScanFormat.NONE:
        print_document(str(format), document, case=folder)
    if outcome.interrupted:
        say(f"interrupted: the case is partial; the same command continues it: {folder}")
        raise typer.Exit(ExitCode.INTERRUPTED)
    if document.scope is not None and document.scope.is_empty and outcome.complete:
        say_error(_nothing_in_scope(document.scope))
        raise typer.Exit(ExitCode.USAGE)
    code = exit_code_for_result(incomplete=incomplete or not outcome.complete, found=found)
    if code:
        raise typer.Exit(code)


def _nothing_in_scope(scope: Any) -> Any:
    """What is said where a scope leaves nothing: such a run must not look like a clean device."""
    from triage.errors import ScopeError

    hint = "the report says what was left out and why; look for a slip in the scope file"
    if scope.unmatched:
        hint = f"nothing on the evidence matches {'; '.join(scope.unmatched[:4])}"
    return ScopeError(f"nothing on the evidence is in the scope `{scope.name}`: nothing was read", hint=hint)


def stands_at_or_above(findings: Any, fail_on: FailOn) -> bool:
    """A finding has the priority or a higher one."""
    if fail_on is FailOn.NEVER:
        return False
    limit = PRIORITIES.index(Priority(str(fail_on)))
    return any(PRIORITIES.index(finding.priority) <= limit for finding in findings)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scan")(scan)
