"""Where the shipped rules are: inside the installed package, else in the checkout."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from triage.errors import RuleError

_MARK = "indicators"


def shipped_root() -> Path:
    """Folder of the rules that ship with the program.

    Returns:
        ``triage/_rules`` of the installed package, else ``rules`` of the checkout.

    Raises:
        RuleError: Neither is there.
    """
    package = resources.files("triage")
    for place in (package / "_rules", Path(str(package)).parent / "rules"):
        if isinstance(place, Path) and (place / _MARK).is_dir():
            return place
    raise RuleError("the rules that ship with the program are missing", hint="install the package again")
