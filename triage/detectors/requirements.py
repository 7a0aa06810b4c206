r"""What a content must hold, and how close together, before a regular expression can match in it.

From the syntax tree come *gates*: groups of short texts of which each match holds one, in the order in which they
stand in the expression. ``\b(?:passports?|visas?)\b[^.!?\x00]{0,40}\bpaid\b`` has two, ``passport`` or ``visa`` at the
beginning of a word, then the word ``paid``. The rarest of them are looked for; only where they stand together within
the width of a match is the expression itself run.

The idea of required literals is old (R. Cox, "Regular Expression Matching with a Trigram Index", 2012, explains one
such scheme); what is kept here beside the texts are borders of words, digits, order, distance and ends of sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from triage.detectors.frequent import FREQUENT
from triage.detectors.syntax import (
    DIGIT,
    MAX_CHOICES,
    branches,
    exact_texts,
    is_gap,
    may_hold,
    named,
    parser,
    starts_with_border,
)

ENDS_OF_SENTENCES = ".!?\x00"
MAX_WIDTH = 4000
_MAX_ATOMS = 200
_MAX_GATES = 4
_COMMON = 0.5
_RARE = 0.002
_WORDS_NEARBY = 10
COMMON_SYMBOLS = frozenset(" -/.,:;'\"()<>_=")


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """A text that a match must hold.

    Attributes:
        text: In lower case; :data:`DIGIT` stands for any digit.
        left: No word character of ASCII stands in front of it.
        right: None stands behind it.
    """

    text: str
    left: bool
    right: bool


@dataclass(frozen=True, slots=True)
class Gate:
    """Atoms of which a match holds at least one.

    Attributes:
        atoms: The choices.
        place: Position among all gates of the expression, in the order of the text.
    """

    atoms: frozenset[Atom]
    place: int

    def rate(self) -> float:
        """How many words of innocent text hold one of the atoms, roughly, 0 and more."""
        return sum(_rate(atom) for atom in self.atoms)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an expression needs.

    Attributes:
        ways: Ways to match, one for each branch at the top of the expression; each holds up to four gates, rarest
            first. Empty where a way requires no text at all.
        least: Fewest characters that a match takes.
        width: Most characters that it takes, at most :data:`MAX_WIDTH`.
        one_sentence: A match never holds an end of a sentence (full stop, exclamation or question mark, NUL).
    """

    ways: tuple[tuple[Gate, ...], ...]
    least: int
    width: int
    one_sentence: bool


def requirement(pattern: str) -> Requirement:
    """What a regular expression needs.

    Raises:
        re.error: It does not compile.
    """
    tree = parser.parse(pattern, re.IGNORECASE)
    least, width = (min(int(bound), MAX_WIDTH) for bound in tree.getwidth())
    ways = []
    for branch in branches(list(tree)):
        groups = _Sequence(branch, {""}, False, False).groups
        gates = [Gate(group, place) for place, group in enumerate(groups)]
        ways.append(tuple(_rarest(gates)))
    return Requirement(tuple(ways) if all(ways) else (), least, width, not may_hold(list(tree), ENDS_OF_SENTENCES))


def _rarest(gates: Sequence[Gate]) -> list[Gate]:
    """The gates to look for: the rarest, and others as long as they say something."""
    kept: list[Gate] = []
    chance = 1.0
    for gate in sorted(gates, key=lambda gate: (gate.rate(), gate.place))[:_MAX_GATES]:
        if kept and (chance < _RARE or gate.rate() > _COMMON):
            break
        kept.append(gate)
        chance *= min(1, gate.rate() * _WORDS_NEARBY)
    return kept


def _rate(atom: Atom) -> float:
    """How many words of a text hold an atom, roughly: the longer the rarer, and words that every text has."""
    if not any(character.isalnum() or character == DIGIT for character in atom.text):
        return 0.01 if len(atom.text) > 1 else 0.3 if atom.text in COMMON_SYMBOLS else 0.002
    if len(atom.text) == 1 and atom.text.isascii():
        return 0.6
    length = sum(_weight(character) for character in atom.text)
    rate = 0.6 * 10 ** (-0.5 * (min(length, 9) - 1))
    if atom.left and atom.text in FREQUENT:
        return max(rate, 0.02 if atom.right else 0.03)
    return rate * (0.6 if atom.left else 1) * (0.5 if atom.right else 1)


def _weight(character: str) -> float:
    if character == DIGIT:
        return 0.6
    if ord(character) >= 0x2E80:
        return 3.5
    return 1.0 if character.isalnum() else 1.6


class _Sequence:
    """Gates of a sequence of a syntax tree.

    Args:
        parts: The sequence.
        run: Texts that stand directly in front of it, of which one is there.
        left: Whether a border stands in front of these.
        right: Whether a border stands behind the sequence.
    """

    def __init__(self, parts: list[Any], run: Iterable[str], left: bool, right: bool) -> None:
        self.groups: list[frozenset[Atom]] = []
        self._run = set(run)
        self._left = left
        for index, part in enumerate(parts):
            self._part(*named(part), starts_with_border(parts, index + 1, right))
        self._flush(right)

    def _part(self, name: str, argument: Any, border_follows: bool) -> None:
        if name == "AT":
            if str(argument) == "AT_BOUNDARY":
                self._border()
            return
        choices = exact_texts(name, argument)
        if choices is not None and len(choices) * len(self._run) <= MAX_CHOICES:
            self._run = {text + choice for text in self._run for choice in choices}
        elif name == "SUBPATTERN" and len(argument[-1]) == 1:
            self._part(*named(argument[-1][0]), border_follows)
        elif name == "SUBPATTERN":
            self._inner(list(argument[-1]), border_follows)
        elif name == "BRANCH":
            self._branch([list(branch) for branch in argument[1]], border_follows)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            self._repeat(argument, border_follows)
        else:
            self._flush(is_gap(name, argument))
            self._start({""}, is_gap(name, argument))

    def _border(self) -> None:
        if self._run == {""}:
            self._left = True
        else:
            self._flush(True)
            self._start({""}, True)

    def _inner(self, parts: list[Any], border_follows: bool) -> None:
        inner = _Sequence(parts, self._run, self._left, border_follows)
        self.groups.extend(inner.groups)
        self._start({""}, False)

    def _branch(self, branches: list[list[Any]], border_follows: bool) -> None:
        best: list[frozenset[Atom]] = []
        for branch in branches:
            groups = _Sequence(branch, self._run, self._left, border_follows).groups
            if not groups:
                break
            best.append(min(groups, key=lambda group: Gate(group, 0).rate()))
        else:
            union = _shortest(frozenset().union(*best))
            if len(union) <= _MAX_ATOMS:
                self.groups.append(union)
                self._start({""}, False)
                return
        self._flush(False)
        self._start({""}, False)

    def _repeat(self, argument: Any, border_follows: bool) -> None:
        least, most, body = int(argument[0]), argument[1], list(argument[2])
        gap = least > 0 and len(body) == 1 and is_gap(*named(body[0]))
        digit = least > 0 and len(body) == 1 and exact_texts(*named(body[0])) == {DIGIT}
        if digit:
            self._run = {text + DIGIT for text in self._run}
            self._flush(False)
            self._start({DIGIT}, False)
        elif gap or least == 0:
            self._flush(gap)
            self._start({""}, gap)
        else:
            self._flush(False)
            once = least == 1 and most == 1
            self.groups.extend(_Sequence(body, {""}, False, once and border_follows).groups)
            self._start({""}, False)

    def _start(self, run: set[str], left: bool) -> None:
        self._run, self._left = run, left

    def _flush(self, right: bool) -> None:
        atoms = set()
        for text in self._run:
            bare = text.strip()
            if not bare.strip(DIGIT) and not (len(bare) >= 2 and self._left):
                return
            atoms.add(Atom(bare, self._left or text[0] == " ", right or text[-1] == " "))
        self.groups.append(_shortest(frozenset(atoms)))


def _shortest(atoms: frozenset[Atom]) -> frozenset[Atom]:
    """Atoms without those that hold another whole: wherever the longer stands, the other does."""
    kept: list[Atom] = []
    for atom in sorted(atoms, key=lambda atom: (len(atom.text), atom.left + atom.right, atom)):
        if not any(_implied(atom, other) for other in kept):
            kept.append(atom)
    return frozenset(kept)


def _implied(atom: Atom, other: Atom) -> bool:
    place = atom.text.find(other.text)
    if place < 0:
        return False
    if other.left and not (place == 0 and atom.left):
        return False
    return not other.right or (place + len(other.text) == len(atom.text) and atom.right)
