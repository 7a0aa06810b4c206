"""The exact meaning of a pattern on decoded text, in linear time.

RE2 is linear on any pattern, but knows words of ASCII only and unfolds a Unicode class into thousands of states. So the
text is first written in a small alphabet made for the pattern: one symbol for all characters that the pattern cannot
tell apart. Classes, case and folding are then sets of symbols, and a repeated class costs what a repeated letter costs.
Where a word begins or ends, a mark is written between the symbols, which is what ``\\b`` matches; every symbol of the
pattern skips the marks in front of it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

import re2

from triage.detectors.characters import is_barrier, is_western, is_word_character
from triage.detectors.term_tree import Alt, Chars, Edge, Node, Repeat, Seq, UnsupportedPatternError

_MARK = "\x01"
# As many marks as assertions may stand at one place.
_MARKS = _MARK * 3
_LETTER, _FOREIGN, _ACCENT, _DIGIT, _NUMBER, _UNDERSCORE, _BLANK, _NEWLINE, _OTHER, _BARRIER = range(10)
_KINDS = range(10)
_MEMBERS = {
    "d": {_DIGIT},
    "s": {_BLANK, _NEWLINE},
    "w": {_LETTER, _FOREIGN, _ACCENT, _DIGIT, _NUMBER, _UNDERSCORE},
}
_ALL = {*_KINDS} - {_BARRIER}
for _name in "dsw":
    _MEMBERS[_name.upper()] = _ALL - _MEMBERS[_name]
_FIRST_SYMBOL = 0x02


# How a kind takes part in words: not, in any word, in words of its scripts only.
_NO_WORD, _ANY_WORD, _WESTERN_WORD, _FOREIGN_WORD = range(4)
_PART = {
    _LETTER: _WESTERN_WORD,
    _FOREIGN: _FOREIGN_WORD,
    _ACCENT: _ANY_WORD,
    _DIGIT: _ANY_WORD,
    _NUMBER: _ANY_WORD,
}


def kind_of(character: str) -> int:
    """The kind of a character as Python's classes see it, letters by scripts that are not mixed in a word."""
    if is_barrier(character):
        return _BARRIER
    if character == "\n":
        return _NEWLINE
    if character == "_":
        return _UNDERSCORE
    if character.isspace():
        return _BLANK
    if character.isdecimal():
        return _DIGIT
    if not is_word_character(character):
        return _OTHER
    category = unicodedata.category(character)[0]
    if category == "L":
        return _LETTER if is_western(character) else _FOREIGN
    return _ACCENT if category == "M" else _NUMBER


class _Alphabet(dict[int, str]):
    """Symbols by code point, for :meth:`str.translate`; a character is looked at when it is first seen."""

    def __init__(self, sets: list[Chars]) -> None:
        super().__init__()
        self._cuts = sorted({cut for each in sets for low, high in each.ranges for cut in (low, high + 1)} | {0})
        self._sets = sets
        self._symbols: dict[tuple[object, ...], str] = {}
        self.of_set: list[list[str]] = [[] for _ in sets]
        self.of_part: dict[int, list[str]] = {_NO_WORD: [], _ANY_WORD: [], _WESTERN_WORD: [], _FOREIGN_WORD: []}
        for index, low in enumerate(self._cuts):
            high = self._cuts[index + 1] if index + 1 < len(self._cuts) else 0x110000
            for kind in _KINDS if high - low > 1 else (kind_of(chr(low)),):
                self._add(low, kind)

    def _add(self, low: int, kind: int) -> None:
        signature = self._signature(low, kind)
        if signature in self._symbols:
            return
        code = _FIRST_SYMBOL + len(self._symbols)
        symbol = "\n" if kind == _NEWLINE else chr(code + (code >= 0x0A))
        self._symbols[signature] = symbol
        self.of_part[_PART.get(kind, _NO_WORD)].append(symbol)
        for position, member in enumerate(signature[2:]):
            if member:
                self.of_set[position].append(symbol)

    def _signature(self, low: int, kind: int) -> tuple[object, ...]:
        part = _PART.get(kind, _NO_WORD)
        return (part, kind == _NEWLINE, *(_is_member(each, low, kind) for each in self._sets))

    def words(self) -> re.Pattern[str] | None:
        """Runs of symbols that are one word, as one group."""
        neutral, western, foreign = (
            "".join(map(re.escape, self.of_part[part])) for part in (_ANY_WORD, _WESTERN_WORD, _FOREIGN_WORD)
        )
        front = f"[{neutral}]*" if neutral else ""
        runs = [f"{front}[{own}][{own}{neutral}]*" for own in (western, foreign) if own]
        if neutral:
            runs.append(f"[{neutral}]+")
        return re.compile(f"({'|'.join(runs)})") if runs else None

    def __missing__(self, code: int) -> str:
        low = self._cuts[bisect_right(self._cuts, code) - 1]
        symbol = self[code] = self._symbols[self._signature(low, kind_of(chr(code)))]
        return symbol


def _is_member(each: Chars, code: int, kind: int) -> bool:
    listed = any(low <= code <= high for low, high in each.ranges)
    found = listed or any(kind in _MEMBERS[category] for category in each.categories)
    if each.negated:
        return not found and kind != _BARRIER
    return found


class ExactPattern:
    """One pattern, ready to be tried at a place of a text.

    Args:
        tree: What it matches.
        ends_word: The match must not touch a word character behind it.

    Raises:
        UnsupportedPatternError: RE2 refuses it, mostly for its size.
    """

    def __init__(self, tree: Node, *, ends_word: bool = False) -> None:
        self._marked = ends_word or _has_boundary(tree)
        self._sets: dict[Chars, int] = {}
        _collect(tree, self._sets)
        self._alphabet = _Alphabet(list(self._sets))
        pattern = f"({self._text(tree)})"
        if ends_word:
            others = self._alphabet.of_part[_NO_WORD]
            pattern += f"(?:{_MARK}|\\z{'|' + _one_of(others) if others else ''})"
        options = re2.Options()
        options.log_errors = False
        options.one_line = False
        options.never_nl = False
        try:
            self._regex = re2.compile(f"(?m:{pattern})".encode(), options)
        except re2.error as error:
            raise UnsupportedPatternError(f"too large or not linear: {error}") from error
        self._words = self._alphabet.words()

    def match(self, before: str, text: str) -> int | None:
        """Number of characters that match at the start of ``text``, None where it does not match there.

        Args:
            before: The character in front of the text, empty where the content begins.
            text: What follows, as far as a match may reach.
        """
        shadow = (before[-1:] + text).translate(self._alphabet)
        start = len(before[-1:])
        if self._marked and self._words is not None:
            shadow = _MARKS.join(self._words.split(shadow))
            start = start and shadow.index(shadow.lstrip(_MARK)[0]) + 1
        raw = shadow.encode()
        start = len(shadow[:start].encode())
        found = self._regex.match(raw, start)
        if found is None:
            return None
        covered = raw[start : found.end(1)].decode()
        return len(covered) - covered.count(_MARK)

    def _text(self, node: Node) -> str:
        if isinstance(node, Chars):
            return (f"{_MARK}*" if self._marked else "") + _one_of(self._alphabet.of_set[self._sets[node]])
        if isinstance(node, Seq):
            return "".join(self._text(part) for part in node.parts)
        if isinstance(node, Alt):
            return f"(?:{'|'.join(self._text(option) for option in node.options)})"
        if isinstance(node, Repeat):
            bounds = f"{{{node.low},{'' if node.high is None else node.high}}}"
            return f"(?:{self._text(node.part)}){bounds}" + ("?" if node.lazy else "")
        return {"boundary": _MARK, "line-start": "^", "line-end": f"{_MARK}*$"}[node.kind]


def _one_of(symbols: list[str]) -> str:
    """A class of symbols; one that nothing matches where there are none."""
    return "[" + "".join(f"\\x{{{ord(symbol):x}}}" for symbol in symbols) + "]" if symbols else "[^\\x{0}-\\x{10ffff}]"


def _has_boundary(node: Node) -> bool:
    if isinstance(node, Edge):
        return node.kind == "boundary"
    if isinstance(node, Chars):
        return False
    if isinstance(node, Repeat):
        return _has_boundary(node.part)
    return any(_has_boundary(part) for part in (node.parts if isinstance(node, Seq) else node.options))


def _collect(node: Node, sets: dict[Chars, int]) -> None:
    if isinstance(node, Chars):
        sets.setdefault(node, len(sets))
    elif isinstance(node, Repeat):
        _collect(node.part, sets)
    elif not isinstance(node, Edge):
        for part in node.parts if isinstance(node, Seq) else node.options:
            _collect(part, sets)
