"""Terms as trees of characters: what a literal or a pattern matches, free of encoding.

Trees are made once per term from the literal text or from the parse tree of Python's ``re``, with everything folded in
that may stand for a character (case, composed and decomposed marks, apostrophes ...), so that what reads them knows of
characters alone.

A pattern means what it means in Python, with these differences: ``^`` and ``$`` are beginnings and ends of lines, a
combining mark is a word character and the underscore ends no word for ``\\b`` (it still is ``\\w``), no class and no
``.`` matches a control character or a byte that did not decode, and a blank matches up to four blanks or line ends.
Look-around, back-references, possessive repeats, atomic groups and ``\\B`` are refused.
"""

from __future__ import annotations

import re
import re._constants as constants
import re._parser as parser
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from triage.detectors.characters import ARABICMARKS, WHITESPACE, Folding, forms, is_arabic_letter

MAX_BLANKS = 4
MAX_MARKS = 3
# Ranges up to this many characters are folded character by character; larger ones hold their own cases.
_FOLDED_RANGE = 2048


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set.

    Attributes:
        ranges: Code points from and to, both included, ascending and apart from each other.
        categories: Letters of Python's classes, ``dDsSwW``.
        negated: What is *not* in ranges and categories.
    """

    ranges: tuple[tuple[int, int], ...]
    categories: frozenset[str] = frozenset()
    negated: bool = False

    def characters(self, limit: int) -> list[str] | None:
        """All characters where they can be listed and are at most ``limit``."""
        if self.negated or self.categories or sum(high - low + 1 for low, high in self.ranges) > limit:
            return None
        return [chr(code) for low, high in self.ranges for code in range(low, high + 1)]


@dataclass(frozen=True, slots=True)
class Seq:
    """Parts one behind the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alt:
    """One of several, the first that matches."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part ``low`` to ``high`` times, ``high`` None for any number."""

    part: Node
    low: int
    high: int | None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """A place between characters: ``boundary`` (of a word), ``line-start`` or ``line-end``."""

    kind: str


Node = Chars | Seq | Alt | Repeat | Edge

BLANKS = Repeat(Chars(tuple((ord(c), ord(c)) for c in sorted(WHITESPACE))), 1, MAX_BLANKS)
MARKS = Repeat(Chars(tuple((ord(c), ord(c)) for c in sorted(ARABICMARKS))), 0, MAX_MARKS)
_ANY = Chars(((10, 10),), negated=True)
_ANYTHING = Chars((), negated=True)


class UnsupportedPatternError(Exception):
    """A pattern that this project does not run; the message says what in it."""


def chars(characters: Iterable[str], categories: Iterable[str] = (), *, negated: bool = False) -> Chars:
    """The set of these characters, its ranges in order."""
    return Chars(_merged((ord(c), ord(c)) for c in characters), frozenset(categories), negated)


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return tuple(out)


def literal_cells(term: str, folding: Folding) -> list[Node]:
    """The cells of a literal, one behind the other: characters, blanks, optional Arabic marks."""
    out: list[Node] = []
    for word in term.split():
        if out:
            out.append(BLANKS)
        for character in word:
            if is_arabic_letter(character) or character not in ARABICMARKS:
                out.append(character_node(character, folding))
                if is_arabic_letter(character):
                    out.append(MARKS)
    return out


def character_node(character: str, folding: Folding) -> Node:
    """All that stands for one character of a term; longer forms first."""
    texts = forms(character, folding)
    single = chars(text for text in texts if len(text) == 1)
    longer = tuple(Seq(tuple(chars(c) for c in text)) for text in texts if len(text) > 1)
    if not longer:
        return single
    return Alt((*longer, single)) if single.ranges else Alt(longer)


def pattern_tree(pattern: str, folding: Folding) -> Node:
    """The tree of a regular expression.

    Raises:
        UnsupportedPatternError: It does not parse, or holds what is not supported.
    """
    try:
        parsed = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnsupportedPatternError(f"not a regular expression: {error}") from error
    return _TreeBuilder(folding, parsed.state.flags).sequence(parsed)


class _TreeBuilder:
    """Turns the parse tree of ``re`` into ours."""

    def __init__(self, folding: Folding, flags: int) -> None:
        self._folding = folding
        self._dot_all = bool(flags & re.DOTALL)

    def sequence(self, items: Any) -> Node:
        parts = tuple(self._node(op, argument) for op, argument in items)
        return parts[0] if len(parts) == 1 else Seq(parts)

    def _node(self, op: Any, argument: Any) -> Node:
        if op is constants.LITERAL:
            return BLANKS if argument == 0x20 else character_node(chr(argument), self._folding)
        if op is constants.NOT_LITERAL:
            return self._set([(constants.NEGATE, None), (constants.LITERAL, argument)])
        if op is constants.IN:
            return self._set(argument)
        if op is constants.ANY:
            return _ANYTHING if self._dot_all else _ANY
        if op is constants.BRANCH:
            return Alt(tuple(self.sequence(branch) for branch in argument[1]))
        if op is constants.SUBPATTERN:
            return self.sequence(argument[3])
        if op in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            low, high, part = argument
            most = None if high is constants.MAXREPEAT else int(high)
            inner = self.sequence(part)
            return Repeat(BLANKS.part if inner is BLANKS else inner, int(low), most, op is constants.MIN_REPEAT)
        if op is constants.AT:
            return _edge(argument)
        raise UnsupportedPatternError(f"not supported: {str(op).lower().replace('_', ' ')}")

    def _set(self, items: Any) -> Chars:
        ranges: list[tuple[int, int]] = []
        categories: set[str] = set()
        negated = False
        for op, argument in items:
            if op is constants.NEGATE:
                negated = True
            elif op is constants.LITERAL:
                ranges.extend(self._folded(argument, argument))
            elif op is constants.RANGE:
                ranges.extend(self._folded(*argument))
            elif op is constants.CATEGORY:
                categories.add(_category(argument))
        if any(low <= 0x20 <= high for low, high in ranges):
            ranges.append((0xA0, 0xA0))
        return Chars(_merged(ranges), frozenset(categories), negated)

    def _folded(self, low: int, high: int) -> list[tuple[int, int]]:
        if high - low >= _FOLDED_RANGE:
            return [(low, high)]
        out = [(low, high)]
        for code in range(low, high + 1):
            out.extend((ord(form), ord(form)) for form in forms(chr(code), self._folding) if len(form) == 1)
        return out


def _category(which: Any) -> str:
    name = str(which).removeprefix("CATEGORY_")
    letter = name.removeprefix("NOT_")[0].lower()
    return letter.upper() if name.startswith("NOT_") else letter


def _edge(which: Any) -> Edge:
    if which is constants.AT_BOUNDARY:
        return Edge("boundary")
    if which in (constants.AT_BEGINNING, constants.AT_BEGINNING_STRING):
        return Edge("line-start")
    if which in (constants.AT_END, constants.AT_END_STRING):
        return Edge("line-end")
    raise UnsupportedPatternError("not supported: `\\B`")


def width(node: Node) -> tuple[int, int | None]:
    """Fewest and most characters that a tree matches, None for any number."""
    if isinstance(node, Chars):
        return 1, 1
    if isinstance(node, Edge):
        return 0, 0
    if isinstance(node, Repeat):
        low, high = width(node.part)
        most = None if high is None or node.high is None else high * node.high
        return low * node.low, 0 if high == 0 else most
    parts = [width(part) for part in (node.parts if isinstance(node, Seq) else node.options)]
    highs = [high for _, high in parts if high is not None]
    bounded = len(highs) == len(parts)
    if isinstance(node, Seq):
        return sum(low for low, _ in parts), sum(highs) if bounded else None
    return min((low for low, _ in parts), default=0), max(highs, default=0) if bounded else None
