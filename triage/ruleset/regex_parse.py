r"""Patterns of keyword terms: the part of regular expressions that Python and RE2 read alike.

Allowed: text, ``.``, classes, ``\d \w \s`` and their opposites, ``\b \B ^ $``, groups ``( )`` and ``(?: )``, ``|``, the
flags ``i m s``, greedy and lazy repeats up to 1000. Not allowed: look-around, back-references, possessive repeats,
atomic groups, and whatever one engine refuses or reads otherwise (``\uXXXX``, ``\p{L}``, ``\Z``, ``{,n}``,
``[[:alpha:]]``).
Python alone would accept more: ``re.compile`` is asked last, by the caller.

Sources: Python ``re`` documentation; RE2 ``doc/syntax.txt``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from triage.ruleset.regex_quick import MARKS, quick_node
from triage.ruleset.regex_tree import Choice, Edge, Leaf, Node, Repeat, Sequence, Text

MAX_REPEAT = 1000
MAX_STATES = 10_000
_MAX_DEPTH = 60
_CLASS_ESCAPES = "dDwWsS"
_CONTROL_ESCAPES = "nrtfva"
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class RegexFault:
    """Why a pattern is refused.

    Attributes:
        code: Code of the complaint.
        message: What is wrong.
        position: Character of the pattern, from 0.
        hint: What to write instead, empty where nothing helps.
    """

    code: str
    message: str
    position: int
    hint: str = ""


class _RefusedError(Exception):
    """Inside this module only: carries the fault out of the recursion."""

    def __init__(self, code: str, message: str, position: int, hint: str = "") -> None:
        super().__init__(message)
        self.fault = RegexFault(code, message, position, hint)


def parse_regex(pattern: str) -> Node | RegexFault:
    """Parse a pattern.

    Args:
        pattern: The pattern, any text.

    Returns:
        Its tree, or why it is refused: syntax, not in the common part, repeats over 1000 (alone or multiplied by
        nesting), an unbounded repeat within an unbounded one, a match of nothing, more than ``MAX_STATES`` states.
    """
    try:
        node = _Parser(pattern).parse()
        width, states = _measure(node, 1, unbounded=False)
    except _RefusedError as refused:
        return refused.fault
    if width == 0:
        return RegexFault("regex-matches-empty", "matches the empty string, so it hits everywhere", 0)
    if states > MAX_STATES:
        return RegexFault("regex-too-large", f"unfolds to more than {MAX_STATES} states", 0, "use smaller repeats")
    return node


def _measure(node: Node, factor: int, *, unbounded: bool) -> tuple[int, int]:
    """Least width and states of a tree whose repeats hold; ``factor`` and ``unbounded``: of the repeats around it."""
    match node:
        case Leaf():
            return 1, 1
        case Text(text):
            return len(text), len(text)
        case Edge():
            return 0, 1
        case Sequence(parts) | Choice(parts):
            measures = [_measure(part, factor, unbounded=unbounded) for part in parts]
            widths = [width for width, _ in measures]
            total = sum(states for _, states in measures) + len(parts)
            return (min(widths) if isinstance(node, Choice) else sum(widths)), total
        case Repeat(body, least, most, position):
            times = factor * max(least if most is None else most, 1)
            if times > MAX_REPEAT:
                message = f"repeats more than {MAX_REPEAT} times, with nesting"
                raise _RefusedError("regex-repeat-limit", message, position)
            if most is None and unbounded:
                message = "unbounded repeat inside an unbounded repeat"
                raise _RefusedError("regex-nested-unbounded", message, position, "bound one of them: `{1,20}`")
            width, states = _measure(body, times, unbounded=unbounded or most is None)
            return least * width, (states + 1) * max(least + 1 if most is None else most, 1)


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._flags = frozenset[str]()

    def parse(self) -> Node:
        flags = self._leading_flags()
        node = self._choice(flags, 0)
        if self._at < len(self._pattern):
            raise self._syntax("unbalanced `)`")
        return node

    def _syntax(self, message: str, position: int | None = None) -> _RefusedError:
        return _RefusedError("regex-syntax", message, self._at if position is None else position)

    def _unsupported(self, what: str, position: int, hint: str = "") -> _RefusedError:
        return _RefusedError("regex-unsupported", f"not supported: {what}", position, hint)

    def _peek(self, length: int = 1) -> str:
        return self._pattern[self._at : self._at + length]

    def _leading_flags(self) -> frozenset[str]:
        if not self._pattern.startswith("(?"):
            return frozenset()
        end = self._pattern.find(")")
        letters = self._pattern[2:end] if end > 2 else ""
        if not letters or not all("a" <= letter <= "z" for letter in letters):
            return frozenset()
        self._at = end + 1
        return self._flag_set(letters, 2)

    def _flag_set(self, letters: str, position: int) -> frozenset[str]:
        if not letters or not set(letters) <= set("ims"):
            raise self._unsupported(f"flags `{letters[:20]}`", position, "allowed: `i`, `m`, `s`")
        return frozenset(letters)

    def _choice(self, flags: frozenset[str], depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise self._unsupported(f"groups nested more than {_MAX_DEPTH} deep", self._at)
        parts = [self._sequence(flags, depth)]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence(flags, depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self, flags: frozenset[str], depth: int) -> Node:
        parts: list[Node] = []
        while True:
            quick = quick_node(self._pattern, self._at, fold="i" in flags)
            node = None
            if quick:
                node, self._at = quick
            elif self._peek() in ("", "|", ")"):
                break
            parts.append(node or self._repeated(flags, depth))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, flags: frozenset[str], depth: int) -> Node:
        start = self._at
        if self._bounds() is not None:
            raise self._syntax("nothing to repeat", start)
        node = self._atom(flags, depth)
        start = self._at
        bounds = self._bounds()
        if bounds is None:
            return node
        if isinstance(node, Edge):
            raise self._unsupported("a repeat of a place between characters", start)
        if self._peek() == "?":
            self._at += 1
        elif self._peek() == "+":
            raise self._unsupported("possessive repeat", start, "leave the second `+` out")
        if self._bounds() is not None:
            raise self._syntax("repeat of a repeat", start)
        return Repeat(node, bounds[0], bounds[1], start)

    def _bounds(self) -> tuple[int, int | None] | None:
        """Bounds of a repeat at this place, stepping over it; None where there is none."""
        mark = self._peek()
        if mark and mark in "*+?":
            self._at += 1
            return MARKS[mark]
        end = self._pattern.find("}", self._at) if mark == "{" else -1
        if end < 0:
            return None
        low, comma, high = self._pattern[self._at + 1 : end].partition(",")
        if not all(part == "" or (part.isascii() and part.isdigit()) for part in (low, high)) or not (
            low or high or comma
        ):
            return None  # a brace as text, to both engines
        if not low:
            raise self._unsupported("`{,n}`", self._at, "write `{0,n}`")
        if len(low) > 4 or len(high) > 4 or int(low) > MAX_REPEAT or int(high or 0) > MAX_REPEAT:
            raise _RefusedError("regex-repeat-limit", f"repeats more than {MAX_REPEAT} times", self._at)
        least, most = int(low), (int(high) if high else None) if comma else int(low)
        if most is not None and most < least:
            raise self._syntax("repeat with its bounds the wrong way round")
        self._at = end + 1
        return least, most

    def _atom(self, flags: frozenset[str], depth: int) -> Node:
        character = self._peek()
        if character == "(":
            return self._group(flags, depth)
        if character == "[":
            return self._leaf(self._class(), flags)
        if character == "\\":
            return self._escape(flags)
        self._at += 1
        if character in "^$":
            return Edge(character + ("m" if "m" in flags else ""))
        if character == ".":
            return Leaf("(?s:.)" if "s" in flags else ".")
        return self._leaf("\\" + character if character in "{}]" or not character.isalnum() else character, flags)

    def _leaf(self, source: str, flags: frozenset[str]) -> Leaf:
        return Leaf(f"(?i:{source})" if "i" in flags and not source.startswith("[^") else source)

    def _group(self, flags: frozenset[str], depth: int) -> Node:
        start = self._at
        self._at += 1
        if self._peek() == "?":
            flags = self._group_kind(flags, start)
        node = self._choice(flags, depth + 1)
        if self._peek() != ")":
            raise self._syntax("group that is not closed", start)
        self._at += 1
        return node

    def _group_kind(self, flags: frozenset[str], start: int) -> frozenset[str]:
        self._at += 1
        for mark, name in (("=", "look-ahead"), ("!", "look-ahead"), ("<=", "look-behind"), ("<!", "look-behind"),
                           (">", "atomic group"), ("P=", "back-reference"), ("(", "conditional"), ("#", "comment"),
                           ("P<", "named group"), ("<", "named group")):  # fmt: skip
            if self._pattern.startswith(mark, self._at):
                hint = "write `(?:...)`" if name in ("named group", "atomic group") else ""
                raise self._unsupported(name, start, hint)
        end = self._pattern.find(":", self._at)
        letters = self._pattern[self._at : end] if end >= 0 else self._peek(8)
        added = self._flag_set(letters, self._at) if letters or end < 0 else frozenset[str]()
        self._at = end + 1
        return flags | added

    def _escape(self, flags: frozenset[str]) -> Node:
        start = self._at
        letter = self._pattern[start + 1 : start + 2]
        if letter in ("b", "B"):
            self._at += 2
            return Edge(letter)
        if letter == "A":
            self._at += 2
            return Edge("^")
        return self._leaf(self._escaped(in_class=False), flags)

    def _escaped(self, *, in_class: bool) -> str:
        """Step over an escape of one character or class of characters and give its source."""
        start = self._at
        letter = self._pattern[start + 1 : start + 2]
        if not letter:
            raise self._syntax("backslash at the end", start)
        if letter in _CLASS_ESCAPES or letter in _CONTROL_ESCAPES:
            self._at += 2
        elif letter == "x":
            digits = self._pattern[start + 2 : start + 4]
            if len(digits) < 2 or not set(digits) <= _HEX:
                raise self._syntax("`\\x` needs two hexadecimal digits", start)
            self._at += 4
        elif letter.isdigit():
            raise self._unsupported("back-reference or octal escape", start, "write `\\xNN`")
        elif letter.isascii() and not letter.isalnum():
            self._at += 2
        else:
            hint = "write the character itself" if letter in "uUN" else "write `$`" if letter in "zZ" else ""
            raise self._unsupported(f"escape `\\{letter}`" + (" in a class" if in_class else ""), start, hint)
        return self._pattern[start : self._at]

    def _class(self) -> str:
        start = self._at
        self._at += 1
        if self._peek() == "^":
            self._at += 1
        first = True
        while first or self._peek() != "]":
            if self._peek() == "":
                raise self._syntax("class that is not closed", start)
            if self._peek(2) in ("[:", "[.", "[=", "--", "&&", "~~", "||") or (first and self._peek() == "["):
                raise self._unsupported(f"`{self._peek(2)}` in a class", self._at, "escape it with a backslash")
            if self._peek() == "\\":
                self._escaped(in_class=True)
            else:
                self._at += 1
            first = False
        self._at += 1
        source = self._pattern[start : self._at]
        try:
            re.compile(source)  # the order of ranges
        except re.error as error:
            raise self._syntax(error.msg, start + (error.pos or 0)) from error
        return source
