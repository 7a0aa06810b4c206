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

_parser: Any = re._parser  # type: ignore[attr-defined]  # the tree of a pattern, as the standard library reads it

DIGIT = "\ufdd0"
"""Stands for any digit in the text of an atom; a code point that no text may hold."""
ENDS_OF_SENTENCES = ".!?\x00"
MAX_WIDTH = 4000
_MAX_CHOICES = 32
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
    tree = _parser.parse(pattern, re.IGNORECASE)
    least, width = (min(int(bound), MAX_WIDTH) for bound in tree.getwidth())
    ways = []
    for branch in _branches(list(tree)):
        groups = _Sequence(branch, {""}, False, False).groups
        gates = [Gate(group, place) for place, group in enumerate(groups)]
        ways.append(tuple(_rarest(gates)))
    return Requirement(tuple(ways) if all(ways) else (), least, width, not _may_hold(list(tree), ENDS_OF_SENTENCES))


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


def _branches(tree: list[Any]) -> list[list[Any]]:
    """The branches at the top of a syntax tree, groups around them opened."""
    parts = [part for part in tree if str(part[0]) != "AT"]  # a border around all branches stands apart
    if len(parts) == 1:
        name, argument = _named(parts[0])
        if name == "SUBPATTERN":
            return _branches(list(argument[-1]))
        if name == "BRANCH":
            return [inner for branch in argument[1] for inner in _branches(_bordered(tree, list(branch)))]
    return [tree]


def _bordered(tree: list[Any], branch: list[Any]) -> list[Any]:
    """A branch with the borders that stand around all branches."""
    where = next(index for index, part in enumerate(tree) if str(part[0]) != "AT")
    return [*tree[:where], *branch, *tree[where + 1 :]]


def _named(part: Any) -> tuple[str, Any]:
    return str(part[0]), part[1]


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
            self._part(*_named(part), _starts_with_border(parts, index + 1, right))
        self._flush(right)

    def _part(self, name: str, argument: Any, border_follows: bool) -> None:
        if name == "AT":
            if str(argument) == "AT_BOUNDARY":
                self._border()
            return
        choices = _exact(name, argument)
        if choices is not None and len(choices) * len(self._run) <= _MAX_CHOICES:
            self._run = {text + choice for text in self._run for choice in choices}
        elif name == "SUBPATTERN" and len(argument[-1]) == 1:
            self._part(*_named(argument[-1][0]), border_follows)
        elif name == "SUBPATTERN":
            self._inner(list(argument[-1]), border_follows)
        elif name == "BRANCH":
            self._branch([list(branch) for branch in argument[1]], border_follows)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            self._repeat(argument, border_follows)
        else:
            self._flush(_is_gap(name, argument))
            self._start({""}, _is_gap(name, argument))

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
        gap = least > 0 and len(body) == 1 and _is_gap(*_named(body[0]))
        digit = least > 0 and len(body) == 1 and _exact(*_named(body[0])) == {DIGIT}
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


def _starts_with_border(parts: list[Any], index: int, right: bool) -> bool:
    """Whether a border of words follows, whatever matches."""
    if index >= len(parts):
        return right
    name, argument = _named(parts[index])
    if name == "AT":
        return str(argument) in ("AT_BOUNDARY", "AT_END", "AT_END_STRING")
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return argument[0] > 0 and len(argument[2]) == 1 and _is_gap(*_named(argument[2][0]))
    return _is_gap(name, argument)


def _is_gap(name: str, argument: Any) -> bool:
    """Whether a part matches one character, and never one of a word."""
    if name == "LITERAL":
        return not (chr(argument).isalnum() or chr(argument) == "_")
    if name != "IN":
        return False
    for operation, value in argument:
        kind = str(operation)
        if kind == "LITERAL":
            if chr(value).isalnum() or chr(value) == "_":
                return False
        elif kind != "CATEGORY" or str(value) not in ("CATEGORY_SPACE", "CATEGORY_NOT_WORD"):
            return False
    return True


def _exact(name: str, argument: Any) -> set[str] | None:
    """All texts that a part matches, where they are few."""
    if name == "LITERAL":
        return {_lower(argument)}
    if name == "IN":
        return _class_choices(argument)
    if name == "SUBPATTERN":
        return _exact_sequence(list(argument[-1]))
    if name == "BRANCH":
        found: set[str] = set()
        for branch in argument[1]:
            choices = _exact_sequence(list(branch))
            if choices is None or len(found | choices) > _MAX_CHOICES:
                return None
            found |= choices
        return found
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, body = argument
        choices = _exact_sequence(list(body)) if most <= 4 and (most in (1, least) or _is_blank(body)) else None
        if choices is None:
            return None
        if _is_blank(body):
            return {" "} if least else {"", " "}  # gates look in text in which blanks in a row are one
        return {""} | choices if least == 0 else _powers(choices, int(least))
    return None


def _is_blank(body: Any) -> bool:
    """Whether a part is one blank of any kind."""
    parts = list(body)
    return len(parts) == 1 and _exact(*_named(parts[0])) == {" "}


def _powers(choices: set[str], count: int) -> set[str] | None:
    found = {""}
    for _ in range(count):
        found = {text + choice for text in found for choice in choices}
        if len(found) > _MAX_CHOICES:
            return None
    return found


def _exact_sequence(parts: list[Any]) -> set[str] | None:
    found = {""}
    for part in parts:
        choices = _exact(*_named(part))
        if choices is None or len(found) * len(choices) > _MAX_CHOICES:
            return None
        found = {text + choice for text in found for choice in choices}
    return found


def _lower(code: int) -> str:
    character = chr(code).lower()
    return DIGIT if character.isdecimal() else character


def _class_choices(argument: Any) -> set[str] | None:
    """The characters of a small class; digits as one."""
    choices = set()
    for operation, value in argument:
        kind = str(operation)
        if kind == "LITERAL":
            choices.add(_lower(value))
        elif kind == "CATEGORY" and str(value) in ("CATEGORY_DIGIT", "CATEGORY_SPACE"):
            choices.add(DIGIT if str(value) == "CATEGORY_DIGIT" else " ")
        elif kind == "RANGE" and ord("0") <= value[0] <= value[1] <= ord("9"):
            choices.add(DIGIT)
        else:
            return None
    return choices if len(choices) <= 8 else None


def _may_hold(parts: Sequence[Any], characters: str) -> bool:
    """Whether a match may hold one of the characters."""
    return any(_part_may_hold(*_named(part), characters) for part in parts)


def _part_may_hold(name: str, argument: Any, characters: str) -> bool:
    if name == "LITERAL":
        return chr(argument) in characters
    if name == "NOT_LITERAL":
        return any(ord(character) != argument for character in characters)
    if name == "IN":
        return any(_in_class(argument, character) for character in characters)
    if name == "AT":
        return False
    if name == "SUBPATTERN":
        return _may_hold(argument[-1], characters)
    if name == "BRANCH":
        return any(_may_hold(branch, characters) for branch in argument[1])
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return _may_hold(argument[2], characters)
    return True


def _in_class(argument: Any, character: str) -> bool:
    code = ord(character)
    negated = found = False
    for operation, value in argument:
        kind = str(operation)
        if kind == "NEGATE":
            negated = True
        elif kind == "LITERAL":
            found = found or value == code
        elif kind == "RANGE":
            found = found or value[0] <= code <= value[1]
        elif kind == "CATEGORY":
            # Of the characters asked for, none is a digit, a blank or part of a word.
            found = found or "NOT_" in str(value)
    return found != negated
