"""``triage rules``: what is looked for, and whether it holds."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from triage.cli.exit_codes import ExitCode

rules_app = typer.Typer(help="Rules: list them, check them.", no_args_is_help=True, rich_markup_mode=None)

_RULES = typer.Option([], "--rules", metavar="PATH", help="Rules of your own: a file or folder. Repeatable.")
_NO_SHIPPED = typer.Option(False, "--no-shipped-rules", help="Leave the shipped rules out.")


@rules_app.command("list")
def list_rules(
    rules: list[Path] = _RULES,
    no_shipped_rules: bool = _NO_SHIPPED,
    profile: str = typer.Option("default", "--profile", metavar="NAME", help="Weights and thresholds."),
    language: list[str] = typer.Option([], "--language", metavar="TAG", help="Only these languages."),
    every: bool = typer.Option(False, "--rules-of-packs", help="Also every rule, not only the packs."),
    as_json: bool = typer.Option(False, "--json", help="As JSON lines."),
) -> None:
    """List rule packs: identity, version, language, number of rules, on or off.

    Example: triage rules list
    """
    from triage.reporters.sanitise import safe_line
    from triage.ruleset import load_rules

    ruleset = load_rules(rules, profile=profile, languages=language or None, shipped=not no_shipped_rules)
    for pack in ruleset.packs:
        if as_json:
            record = {
                "id": pack.id,
                "kind": pack.kind,
                "version": pack.version,
                "language": pack.language,
                "rules": pack.rules,
                "enabled": pack.enabled,
                "licence": pack.licence,
                "sha256": pack.sha256,
                "reviewed_by": pack.reviewed,
                "name": pack.name,
            }
            print(json.dumps(record))
        else:
            state = "on " if pack.enabled else "off"
            print(safe_line(f"{state} {pack.id:<32} {pack.version:<8} {pack.rules:>4} rules  {pack.name}"))
    if every:
        for rule in ruleset.rules.values():
            line = {
                "rule": rule.id,
                "indicator": rule.indicator,
                "role": rule.role,
                "weight": rule.weight,
                "trust": rule.trust,
                "language": rule.language,
                "gloss": rule.gloss,
            }
            print(
                json.dumps(line)
                if as_json
                else safe_line(f"    {rule.id:<40} {rule.indicator or rule.role:<28} {rule.weight:.2f}  {rule.gloss}")
            )
    if not as_json:
        on = sum(pack.enabled for pack in ruleset.packs)
        print(f"{on} of {len(ruleset.packs)} packs on, {len(ruleset.rules)} rules, digest {ruleset.digest[:16]}")


@rules_app.command("check")
def check(
    rules: list[Path] = typer.Argument(None, metavar="[PATH]...", help="Rules of your own; without any, the shipped."),
    strict: bool = typer.Option(False, "--strict", help="Warnings fail too."),
) -> None:
    """Check rules: compile, lint, run each on its samples; points at file, line and column.

    Example: triage rules check my-rules/
    """
    from triage.reporters.sanitise import safe_line
    from triage.ruleset import check_rules

    issues = check_rules(rules or (), shipped=not rules)
    for issue in issues:
        where = f"{issue.path}:{issue.line}:{issue.column}" if issue.line else issue.path
        print(safe_line(f"{where}: {issue.severity}[{issue.code}]: {issue.message}"))
        if issue.hint:
            print(safe_line(f"  hint: {issue.hint}"))
    errors = sum(issue.severity == "error" for issue in issues)
    warnings = len(issues) - errors
    print(f"{errors} errors, {warnings} warnings")
    if errors or (strict and warnings):
        raise typer.Exit(ExitCode.RULES_INVALID)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(rules_app, name="rules")
