"""The program: commands, and what happens when one fails."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

import triage
from triage.cli import formats, info, report, rules, scan, show, verify
from triage.cli.exit_codes import ExitCode, exit_code_for
from triage.cli.messages import say_error
from triage.errors import TriageError

app = typer.Typer(
    name="triage",
    help=(
        "Prioritised triage of seized disk images: what matters first, why, where exactly it lies, and what was not "
        "looked at. Evidence is opened read-only, and nothing leaves this machine."
    ),
    epilog="Exit codes: 0 complete, 2 usage, 3 not all examined, 4 evidence not opened, 5 rules invalid, "
    "6 output not written, 10 findings at or above --fail-on, 13 both 10 and 3, 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"triage {triage.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


scan.register(app)
report.register(app)
show.register(app)
info.register(app)
verify.register(app)
rules.register(app)
formats.register(app)


def main() -> NoReturn:
    """Run the program and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
        if isinstance(code, int):
            _leave(code)
        sys.stdout.flush()
        _leave(ExitCode.COMPLETE)
    except TriageError as error:
        say_error(error)
        _leave(exit_code_for(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        _leave(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; what was to be kept is in the case.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(ExitCode.COMPLETE)
    except Exception as error:
        _leave(_usage_code(error))


def _usage_code(error: Exception) -> int:
    """Usage errors of typer's own command-line parser; anything else is a bug of ours and is raised on."""
    code = getattr(error, "exit_code", None)
    show_usage = getattr(error, "show", None)
    if code is None or show_usage is None:
        if type(error).__name__ == "Abort":
            return ExitCode.INTERRUPTED
        raise error
    show_usage()
    return int(code)


def _leave(code: int) -> NoReturn:
    raise SystemExit(int(code))
