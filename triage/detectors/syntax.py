"""What the syntax tree of a regular expression says, as the standard library reads it.

Plain questions to parts of a tree: which few texts a part matches, whether it matches a character outside of words,
what it may hold. A part is a pair of an operation and its argument.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

parser: Any = re._parser  # type: ignore[attr-defined]
DIGIT = "\ufdd0"
"""Stands for any digit in a text; a code point that no text may hold."""
MAX_CHOICES = 32


def branches(tree: list[Any]) -> list[list[Any]]:
    """The branches at the top of a syntax tree, groups around them opened."""
    parts = [part for part in tree if str(part[0]) != "AT"]  # a border around all branches stands apart
    if len(parts) == 1:
        name, argument = named(parts[0])
        if name == "SUBPATTERN":
            return branches(list(argument[-1]))
        if name == "BRANCH":
            return [inner for branch in argument[1] for inner in branches(_bordered(tree, list(branch)))]
    return [tree]


def _bordered(tree: list[Any], branch: list[Any]) -> list[Any]:
    """A branch with the borders that stand around all branches."""
    where = next(index for index, part in enumerate(tree) if str(part[0]) != "AT")
    return [*tree[:where], *branch, *tree[where + 1 :]]


def named(part: Any) -> tuple[str, Any]:
    """A part as the name of its operation and its argument."""
    return str(part[0]), part[1]


def starts_with_border(parts: list[Any], index: int, right: bool) -> bool:
    """Whether a border of words follows, whatever matches."""
    if index >= len(parts):
        return right
    name, argument = named(parts[index])
    if name == "AT":
        return str(argument) in ("AT_BOUNDARY", "AT_END", "AT_END_STRING")
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return argument[0] > 0 and len(argument[2]) == 1 and is_gap(*named(argument[2][0]))
    return is_gap(name, argument)


def is_gap(name: str, argument: Any) -> bool:
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


def exact_texts(name: str, argument: Any) -> set[str] | None:
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
            if choices is None or len(found | choices) > MAX_CHOICES:
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
    return len(parts) == 1 and exact_texts(*named(parts[0])) == {" "}


def _powers(choices: set[str], count: int) -> set[str] | None:
    found = {""}
    for _ in range(count):
        found = {text + choice for text in found for choice in choices}
        if len(found) > MAX_CHOICES:
            return None
    return found


def _exact_sequence(parts: list[Any]) -> set[str] | None:
    found = {""}
    for part in parts:
        choices = exact_texts(*named(part))
        if choices is None or len(found) * len(choices) > MAX_CHOICES:
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


def may_hold(parts: Sequence[Any], characters: str) -> bool:
    """Whether a match may hold one of the characters."""
    return any(_part_may_hold(*named(part), characters) for part in parts)


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
        return may_hold(argument[-1], characters)
    if name == "BRANCH":
        return any(may_hold(branch, characters) for branch in argument[1])
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return may_hold(argument[2], characters)
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
