"""Trees of patterns: nodes, and what can be said of a tree without running it."""

from __future__ import annotations

from typing import NamedTuple


class Leaf(NamedTuple):
    """One character. Attributes: ``source``, a pattern that matches exactly one character."""

    source: str


class Text(NamedTuple):
    """Plain characters one after the other. Attributes: ``text``; ``fold``, ignore case in any event."""

    text: str
    fold: bool


class Edge(NamedTuple):
    r"""A place between characters. Attributes: ``kind``, one of ``^ $ b B``, ``^m`` and ``$m`` for lines."""

    kind: str


class Sequence(NamedTuple):
    """One after the other. Attributes: ``parts``."""

    parts: tuple[Node, ...]


class Choice(NamedTuple):
    """One of several. Attributes: ``parts``."""

    parts: tuple[Node, ...]


class Repeat(NamedTuple):
    """Repetition. Attributes: ``body``, ``least``, ``most`` (None: without bound), ``position`` in the pattern."""

    body: Node
    least: int
    most: int | None
    position: int


Node = Leaf | Text | Edge | Sequence | Choice | Repeat


def unbounded_gaps(node: Node) -> list[int]:
    """Positions of unbounded repeats of a single ``.`` or negated class, which span anything."""
    match node:
        case Sequence(parts) | Choice(parts):
            return [position for part in parts for position in unbounded_gaps(part)]
        case Repeat(Leaf(source), _, None, position) if _is_wide(source):
            return [position]
        case Repeat(body):
            return unbounded_gaps(body)
        case _:
            return []


def _is_wide(source: str) -> bool:
    return source == "." or source.startswith(("(?", "[^", "\\D", "\\W", "\\S"))
