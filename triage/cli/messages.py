"""Messages on standard error, one style: what, where, why, and what to try."""

from __future__ import annotations

import sys

from triage.errors import TriageError
from triage.reporters.sanitise import safe_line


def say(text: str) -> None:
    """One line on standard error."""
    print(safe_line(text), file=sys.stderr)


def say_error(error: TriageError) -> None:
    """An error with its hint."""
    print(f"error: {safe_line(str(error))}", file=sys.stderr)
    if error.hint:
        print(f"hint: {safe_line(error.hint)}", file=sys.stderr)
