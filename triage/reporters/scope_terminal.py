"""What a scope left out, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.model.document import Document
from triage.reporters.sanitise import elide_middle, visible
from triage.reporters.scope_text import lines

if TYPE_CHECKING:
    from triage.reporters.table import Terminal

MAX_ADDRESSES = 6
"""Withheld entries that are named."""


def scope_block(terminal: Terminal, document: Document) -> None:
    """A block with what is out of scope and what is withheld; nothing where the case has no scope."""
    scope = document.scope
    if scope is None:
        return
    terminal.heading(f"Out of scope, as ordered ({visible(scope.name)})")
    for text in lines(scope):
        terminal.line(visible(text), indent=2)
    for address in scope.withheld.addresses[:MAX_ADDRESSES]:
        terminal.line(elide_middle(visible(address), max(10, terminal.width - 4)), "dim", indent=4)
    if len(scope.withheld.addresses) > MAX_ADDRESSES:
        terminal.line(f"and {len(scope.withheld.addresses) - MAX_ADDRESSES:,} more in the reports", "dim", indent=4)
