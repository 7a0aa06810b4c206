"""Trees of patterns: nodes, and what can be said of a tree without running it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leaf:
    """One character. Attributes: ``source``, a pattern that matches exactly one character."""

    source: str


@dataclass(frozen=True, slots=True)
class Text:
    """Plain characters one after the other. Attributes: ``text``; ``fold``, ignore case in any event."""

    text: str
    fold: bool


@dataclass(frozen=True, slots=True)
class Edge:
    r"""A place between characters. Attributes: ``kind``, one of ``^ $ b B``, ``^m`` and ``$m`` for lines."""

    kind: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other. Attributes: ``parts``."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several. Attributes: ``parts``."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Repetition. Attributes: ``body``, ``least``, ``most`` (None: without bound), ``position`` in the pattern."""

    body: Node
    least: int
    most: int | None
    position: int


Node = Leaf | Text | Edge | Sequence | Choice | Repeat


def least_width(node: Node) -> int:
    """Fewest characters that a match takes."""
    match node:
        case Leaf():
            return 1
        case Text(text):
            return len(text)
        case Edge():
            return 0
        case Sequence(parts):
            return sum(least_width(part) for part in parts)
        case Choice(parts):
            return min(least_width(part) for part in parts)
        case Repeat(body, least):
            return least * least_width(body)


def states(node: Node) -> int:
    """States that the pattern unfolds to, about."""
    match node:
        case Leaf() | Edge():
            return 1
        case Text(text):
            return len(text)
        case Sequence(parts) | Choice(parts):
            return sum(states(part) for part in parts) + len(parts)
        case Repeat(body, least, most):
            return (states(body) + 1) * max(least + 1 if most is None else most, 1)


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
