"""Terms as patterns over raw bytes.

Evidence is not in one encoding, so a term is written out in each encoding in which it may stand, every character as
the alternatives of its forms (case, accents, apostrophes ...). The patterns use nothing but byte escapes, classes,
groups and bounded repeats, so that hyperscan, YARA and ``re`` read them alike.

A regular expression is not translated: from its syntax tree come *required literals*, groups of words of which each
match must hold one. Only where all groups are present is the expression itself run, on decoded text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from triage.detectors.characters import ARABIC_MARKS, WHITESPACE, Folding, forms, is_arabic_letter

_parser: Any = re._parser  # type: ignore[attr-defined]  # the tree of a pattern, as the standard library reads it

UNIVERSAL = ("utf-8", "utf-16-le", "utf-16-be")
MAX_GROUP = 160
MIN_ATOM = 3
MAX_GROUPS = 4
STEM = 5


def escape_bytes(raw: bytes) -> bytes:
    """Bytes as hex escapes."""
    return b"".join(b"\\x%02x" % byte for byte in raw)


@lru_cache(maxsize=65536)
def character_pattern(character: str, folding: Folding, encoding: str) -> bytes | None:
    """A character as a byte pattern, None where the encoding has no form of it."""
    encoded = set()
    for form in forms(character, folding):
        try:
            encoded.add(form.encode(encoding))
        except UnicodeEncodeError:
            continue
    return alternatives(encoded) if encoded else None


def alternatives(encoded: set[bytes]) -> bytes:
    """One of several byte strings, longest first."""
    ordered = sorted(encoded, key=lambda raw: (-len(raw), raw))
    if len(ordered) == 1:
        return escape_bytes(ordered[0])
    if all(len(raw) == 1 for raw in ordered):
        return b"[" + b"".join(map(escape_bytes, ordered)) + b"]"
    return b"(?:" + b"|".join(map(escape_bytes, ordered)) + b")"


@lru_cache(maxsize=64)
def _blank_pattern(encoding: str) -> bytes:
    blanks = set()
    for character in WHITESPACE:
        try:
            blanks.add(character.encode(encoding))
        except UnicodeEncodeError:
            continue
    return alternatives(blanks) + b"{1,4}"


def literal_pattern(text: str, folding: Folding, encoding: str) -> bytes | None:
    """A literal as a byte pattern in one encoding, None where it cannot be written in it.

    Runs of blanks match one to four blanks or line ends; Arabic letters may carry marks between them.
    """
    out = []
    marks = None
    for word in re.split(r"(\s+)", text):
        if not word:
            continue
        if word.isspace():
            out.append(_blank_pattern(encoding))
            continue
        for character in word:
            pattern = character_pattern(character, folding, encoding)
            if pattern is None:
                return None
            out.append(pattern)
            if is_arabic_letter(character) and folding.case:
                marks = marks or _marks_pattern(encoding)
                out.append(marks)
    return b"".join(out)


def plain_patterns(text: str, encoding: str) -> tuple[bytes, ...]:
    """A text as plain byte strings: one that ignores case for ASCII, else lower, title and upper case."""
    if text.isascii():
        return (b"(?i)" + escape_bytes(text.encode()),)
    found = set()
    for form in (text, text.title(), text.capitalize(), text.upper()):
        for normal in ("NFC", "NFD") if encoding == "utf-8" else ("NFC",):
            try:
                found.add(escape_bytes(unicodedata.normalize(normal, form).encode(encoding)))
            except UnicodeEncodeError:
                continue
    return tuple(sorted(found))


def plain_literal(pattern: bytes) -> bytes | None:
    """The bytes of a pattern that :func:`plain_patterns` made, None for any other."""
    body = pattern.removeprefix(b"(?i)")
    if re.fullmatch(rb"(?:\\x[0-9a-f]{2})+", body) is None:
        return None
    return bytes.fromhex(body.decode("ascii").replace("\\x", ""))


def _marks_pattern(encoding: str) -> bytes:
    encoded = set()
    for mark in ARABIC_MARKS:
        try:
            encoded.add(mark.encode(encoding))
        except UnicodeEncodeError:
            continue
    return alternatives(encoded) + b"{0,3}" if encoded else b""


def encodings_for(text: str, legacy: tuple[str, ...]) -> tuple[str, ...]:
    """The encodings in which a text has bytes of its own."""
    return UNIVERSAL if text.isascii() else (*UNIVERSAL, *legacy)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a regular expression needs.

    Attributes:
        ways: Ways to match, one for each branch at the top of the expression; each is a tuple of groups of literals,
            rarest first, and a match of that branch holds at least one literal of each group. Empty where a way
            requires no literal at all.
        width: Most characters that a match takes.
    """

    ways: tuple[tuple[frozenset[str], ...], ...]
    width: int


def requirement(pattern: str) -> Requirement:
    """The required literals of a regular expression (lower case)."""
    tree = _parser.parse(pattern, re.IGNORECASE)
    width = min(int(tree.getwidth()[1]), 4000)
    ways = []
    for branch in _branches(tree):
        groups = [stems for group in _groups(branch) if len(stems := _stems(group)) <= MAX_GROUP]
        groups.sort(key=_worth, reverse=True)
        ways.append(tuple(groups[:MAX_GROUPS]))
    return Requirement(tuple(ways) if all(ways) else (), width)


def _branches(tree: Any) -> list[Any]:
    """The branches at the top of a syntax tree, groups around them opened."""
    parts = [part for part in tree if str(part[0]) != "AT"]  # a border in front of all branches stands apart
    if len(parts) == 1:
        operation, argument = parts[0]
        if str(operation) == "SUBPATTERN":
            return _branches(argument[-1])
        if str(operation) == "BRANCH":
            return [inner for branch in argument[1] for inner in _branches(branch)]
    return [tree]


def _stems(group: frozenset[str]) -> frozenset[str]:
    """Beginnings of the literals, long enough to be rare: inflected forms share one, so that few patterns serve all.

    Of two literals where one begins with the other, the shorter serves both.
    """
    cut = set()
    for literal in group:
        length = next((n for n in range(1, len(literal)) if _letters(literal[:n]) >= STEM), len(literal))
        cut.add(literal[:length].rstrip())
    return frozenset(text for text in cut if not any(text != other and text.startswith(other) for other in cut))


def _worth(group: frozenset[str]) -> float:
    """How rare a group is, roughly: by its shortest literals, less for many."""
    lengths = sorted(min(_letters(literal), 10) for literal in group)
    return lengths[0] * 2 + sum(lengths) / len(lengths) - len(group) / 20


def _letters(literal: str) -> int:
    """Length that counts: a character outside ASCII says as much as two, a Han character as three."""
    return sum(3 if ord(c) >= 0x2E80 else 2 if ord(c) >= 0x80 else 1 for c in literal)


def _groups(tree: Any) -> list[frozenset[str]]:
    """Groups of a sequence: each part that must be there gives its own."""
    out: list[frozenset[str]] = []
    run: list[str] = [""]
    for operation, argument in tree:
        name = str(operation)
        if name == "LITERAL":
            run = [text + chr(argument).lower() for text in run]
        elif name == "AT":
            continue
        elif name == "IN" and (choices := _class_choices(argument)) and len(run) * len(choices) <= 24:
            run = [text + choice for text in run for choice in choices]
        else:
            out.extend(_flush(run))
            run = [""]
            out.extend(_inner(name, argument))
    out.extend(_flush(run))
    return out


def _class_choices(argument: Any) -> list[str]:
    """The characters of a small class without ranges."""
    choices = []
    for operation, value in argument:
        if str(operation) != "LITERAL":
            return []
        choices.append(chr(value).lower())
    return sorted(set(choices)) if len(choices) <= 6 else []


def _flush(run: list[str]) -> list[frozenset[str]]:
    texts = {text.strip() for text in run}
    return [frozenset(texts)] if all(_letters(text) >= MIN_ATOM for text in texts) else []


def _inner(name: str, argument: Any) -> list[frozenset[str]]:
    if name == "SUBPATTERN":
        return _groups(argument[-1])
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, _, body = argument
        return _groups(body) if least else []
    if name == "BRANCH":
        best = []
        for branch in argument[1]:
            groups = [group for group in _groups(branch) if len(group) <= MAX_GROUP]
            if not groups:
                return []
            best.append(max(groups, key=_worth))
        return [frozenset().union(*best)]
    return []


_CLASS = re.compile(r"\[(\^?)((?:\\.|[^\]\\])*)\]")


def superset_pattern(pattern: str) -> bytes:
    r"""A byte pattern over UTF-8 that matches wherever a regular expression does, and elsewhere too.

    For the few expressions of which no literal is required. Borders are left out, counts of classes grow to bytes, a
    character outside ASCII becomes a group of its bytes.
    """
    text = pattern.replace("\\b", "")
    text = re.sub(r"(\[\^[^\]]*\]|\\W|\.)\{(\d+),(\d+)\}", lambda m: f"{_any(m[1])}{{{m[2]},{int(m[3]) * 4}}}", text)
    text = _CLASS.sub(lambda match: class_group(match[0]), text)
    text = re.sub(r"[^\x00-\x7f]", lambda match: utf8_alternatives(match[0]), text)
    return b"(?i)" + text.encode("ascii")


def _any(source: str) -> str:
    return "[^0-9A-Za-z_]" if source == "\\W" else "[^\\x00]"


def _utf8_forms(character: str) -> set[str]:
    return {
        escape_bytes(unicodedata.normalize(normal, form).encode()).decode()
        for form in (character.lower(), character.upper())
        for normal in ("NFC", "NFD")
    }


def utf8_alternatives(character: str) -> str:
    """A character outside ASCII as a group of its bytes in UTF-8, lower and upper case."""
    return "(?:" + "|".join(sorted(_utf8_forms(character))) + ")"


def class_group(source: str) -> str:
    """A class that holds characters outside ASCII as a group of a class and byte strings; any other as it is."""
    if source.isascii() or source.startswith("[^"):
        return source
    body = source[1:-1]
    inside = "".join(character for character in body if character.isascii())
    others = [form for character in body if not character.isascii() for form in sorted(_utf8_forms(character))]
    return "(?:" + "|".join([*([f"[{inside}]"] if inside else []), *others]) + ")"
