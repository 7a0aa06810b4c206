"""Search for a parsed pattern in linear time, for samples.

Rule files come from anywhere, and Python's backtracking engine can be made to run for ever. Here all ways through the
pattern advance together (Thompson's construction), so the cost is at most states times characters. What one character
matches is still Python's own judgement (Unicode classes, ignoring case), so the answer is that of ``re.search``.

Source: K. Thompson, Regular Expression Search Algorithm, CACM 11/6, 1968.
"""

from __future__ import annotations

import re

from triage.errors import LimitExceededError
from triage.ruleset.regex_tree import Choice, Edge, Leaf, Node, Repeat, Sequence, Text

MAX_STEPS = 4_000_000
_WORD = re.compile(r"\w")
_MATCH = -1


class RegexProgram:
    """A pattern, unfolded to states.

    Args:
        node: The tree, within the bounds of :func:`~triage.ruleset.regex_parse.parse_regex`.
        case_sensitive: Do not ignore case.
    """

    def __init__(self, node: Node, *, case_sensitive: bool = False) -> None:
        self._flags = re.NOFLAG if case_sensitive else re.IGNORECASE
        self._leaves: dict[str, re.Pattern[str]] = {}
        # Each state: a leaf with its next state, an edge with its next state, or only next states.
        self._tests: list[Leaf | Edge | None] = []
        self._next: list[tuple[int, ...]] = []
        self._start = self._build(node, _MATCH)
        self._known: dict[tuple[str, str], bool] = {}

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in ``text``.

        Raises:
            LimitExceededError: The search takes more than ``MAX_STEPS`` steps.
        """
        steps = 0
        live: list[int] = []
        for position in range(len(text) + 1):
            reached = self._closure([*live, self._start], text, position)
            if _MATCH in reached:
                return True
            steps += len(reached)
            if steps > MAX_STEPS:
                raise LimitExceededError(f"a search of more than {MAX_STEPS} steps")
            if position < len(text):
                live = [self._next[state][0] for state in reached if self._takes(state, text[position])]
        return False

    def _takes(self, state: int, character: str) -> bool:
        leaf = self._tests[state]
        if not isinstance(leaf, Leaf):
            return False
        key = (leaf.source, character)
        known = self._known.get(key)
        if known is None:
            pattern = self._leaves.get(leaf.source)
            if pattern is None:
                pattern = self._leaves[leaf.source] = re.compile(leaf.source, self._flags)
            known = self._known[key] = pattern.fullmatch(character) is not None
        return known

    def _closure(self, states: list[int], text: str, position: int) -> set[int]:
        reached: set[int] = set()
        while states:
            state = states.pop()
            if state in reached:
                continue
            reached.add(state)
            if state == _MATCH:
                continue
            test = self._tests[state]
            if test is None or (isinstance(test, Edge) and _holds(test.kind, text, position)):
                states.extend(self._next[state])
        return reached

    def _state(self, test: Leaf | Edge | None, following: tuple[int, ...]) -> int:
        self._tests.append(test)
        self._next.append(following)
        return len(self._tests) - 1

    def _build(self, node: Node, following: int) -> int:
        """Add the states of ``node`` in front of ``following`` and give the first."""
        match node:
            case Leaf() | Edge():
                return self._state(node, (following,))
            case Text(text, fold):
                for character in reversed(text):
                    source = re.escape(character)
                    following = self._state(Leaf(f"(?i:{source})" if fold else source), (following,))
                return following
            case Sequence(parts):
                for part in reversed(parts):
                    following = self._build(part, following)
                return following
            case Choice(parts):
                return self._state(None, tuple(self._build(part, following) for part in parts))
            case Repeat(body, least, most):
                return self._repeat(body, least, most, following)

    def _repeat(self, body: Node, least: int, most: int | None, following: int) -> int:
        if most is None:
            loop = self._state(None, ())
            self._next[loop] = (self._build(body, loop), following)
            following = loop
        else:
            end = following
            for _ in range(most - least):
                following = self._state(None, (self._build(body, following), end))
        for _ in range(least):
            following = self._build(body, following)
        return following


def _holds(kind: str, text: str, position: int) -> bool:
    match kind:
        case "^":
            return position == 0
        case "^m":
            return position == 0 or text[position - 1] == "\n"
        case "$":
            return position >= len(text) - 1 and text[position:] in ("", "\n")
        case "$m":
            return position == len(text) or text[position] == "\n"
        case _:
            before = position > 0 and _WORD.match(text[position - 1]) is not None
            after = position < len(text) and _WORD.match(text[position]) is not None
            return (before != after) == (kind == "b")
