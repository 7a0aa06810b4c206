r"""Expressions that a backtracking search could be caught in, by RE2: its cost is linear whatever the text.

Python's ``re`` tries one way after the other; where a repeated group can match the same text in several ways, their
number grows with every repetition. Such expressions, and those with several unbounded gaps, are few and mostly an
examiner's own. RE2 knows words of ASCII only, so classes are written out, and borders (``\b``) at the two ends of the
expression are tested here; those inside are not asked for.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

from triage.detectors.syntax import parser

_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")
_FEW = 3
_LONG = 1000
_CLASSES = {
    "w": r"\pL\pN_",
    "d": r"\p{Nd}",
    "s": r"\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}",
}
_TOKEN = re.compile(r"\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|[\s\S]")


def may_explode(pattern: str) -> bool:
    """Whether a backtracking search for a pattern may take more than a few steps a character."""
    tree = parser.parse(pattern)
    return _repeats_groups(tree) or _long_repeats(tree) > 1


def _parts(argument: Any) -> Iterator[Any]:
    """The sequences inside an argument of a node."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for item in argument:
            yield from _parts(item)


def _repeats_groups(tree: Any) -> bool:
    for operation, argument in tree:
        if str(operation) in _REPEATS and int(argument[1]) > _FEW:
            body = argument[2]
            if len(body) != 1 or any(True for _ in _parts(body[0][1])):
                return True
        if any(_repeats_groups(inner) for inner in _parts(argument)):
            return True
    return False


def _long_repeats(tree: Any) -> int:
    count = 0
    for operation, argument in tree:
        if str(operation) in _REPEATS and int(argument[1]) > _LONG:
            count += 1
        count += sum(_long_repeats(inner) for inner in _parts(argument))
    return count


class LinearPattern:
    """A pattern for RE2, with the part of :class:`re.Pattern` that the search uses.

    Args:
        pattern: As Python reads it.
        ignore_case: Letters match in both cases.
    """

    def __init__(self, pattern: str, *, ignore_case: bool) -> None:
        import re2

        self._starts = pattern.startswith(r"\b")
        self._ends = pattern.endswith(r"\b") and not pattern.endswith(r"\\b")
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = not ignore_case
        options.dot_nl = True
        self._regex = re2.compile("".join(map(_rewritten, _TOKEN.findall(pattern))), options)

    def finditer(self, text: str) -> Iterator[Any]:
        """Matches one after the other; each has ``span``, ``start`` and ``end``."""
        for match in self._regex.finditer(text):
            start, end = match.span()
            if (not self._starts or _is_border(text, start)) and (not self._ends or _is_border(text, end)):
                yield match


def compile_expression(pattern: str, *, ignore_case: bool) -> re.Pattern[str] | LinearPattern:
    """A pattern ready for the search.

    Returns:
        Python's own, or one for RE2 where Python's may explode and RE2 takes it.
    """
    if may_explode(pattern) and importlib.util.find_spec("re2") is not None:
        import re2

        try:
            return LinearPattern(pattern, ignore_case=ignore_case)
        except re2.error:  # too large, or a construct that it does not have
            pass
    return re.compile(pattern, re.DOTALL | (re.IGNORECASE if ignore_case else re.NOFLAG))


def _rewritten(token: str) -> str:
    if token in (r"\b", r"\B"):
        return ""
    if token[0] == "[":
        return re.sub(r"\\[\s\S]", lambda match: _CLASSES.get(match[0][1], match[0]), token)
    if token[0] == "\\" and token[1].lower() in _CLASSES:
        return f"[{'^' if token[1].isupper() else ''}{_CLASSES[token[1].lower()]}]"
    return token


def _is_border(text: str, place: int) -> bool:
    before = place > 0 and (text[place - 1].isalnum() or text[place - 1] == "_")
    after = place < len(text) and (text[place].isalnum() or text[place] == "_")
    return before != after
