"""Options from a file: what a laboratory sets once stands in a TOML file beside its pipeline."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer


def configure(context: typer.Context, path: Path | None) -> Path | None:
    """Take defaults of the options from a file; the command line and ``TRIAGE_*`` variables come before it.

    Args:
        context: Of the command.
        path: A TOML file with options by their long names without dashes in front, at its top or in a table named
            after the command.

    Raises:
        typer.BadParameter: The file cannot be read, is no TOML, or holds something that is no option.
    """
    if path is None:
        return None
    command = str(context.command.name)
    table = _read(path, command)
    names = {
        option.removeprefix("--"): parameter.name
        for parameter in context.command.params
        for option in parameter.opts
        if option.startswith("--") and parameter.name != "config"
    }
    unknown = sorted(set(table) - set(names))
    if unknown:
        raise typer.BadParameter(
            f"{path}: {', '.join(unknown)} is no option of triage {command}; options are {', '.join(sorted(names))}"
        )
    defaults = {str(names[key]): value for key, value in table.items()}
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def _read(path: Path, command: str) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise typer.BadParameter(f"{path} is not valid TOML: {error}") from error
    table = data.get(command, data)
    return table if isinstance(table, dict) else data
