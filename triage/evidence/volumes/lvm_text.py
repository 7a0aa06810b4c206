"""The text in which LVM2 keeps its metadata: sections, numbers, strings, lists.

Grammar after ``lvm.conf(5)`` and the files that ``vgcfgbackup(8)`` writes, which are the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from triage.errors import CorruptStructureError

Value: TypeAlias = "int | float | str | list[Value] | dict[str, Value]"
Section: TypeAlias = dict[str, Value]

MAX_DEPTH = 16
MAX_TOKENS = 4_000_000

_TOKEN = re.compile(
    r"""\s*+(?:\#[^\n]*+\s*+)*+(?:(?P<string>"(?:[^"\\]|\\.)*"|'[^']*')|(?P<number>-?\d+(?:\.\d+)?(?![\w.+/-]))"""
    r"""|(?P<word>[\w.+/@-]+)|(?P<sign>[{}=\[\],]))""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_metadata(text: str) -> Section:
    """The sections of a metadata text.

    Raises:
        CorruptStructureError: It is not such a text.
    """
    top: Section = {}
    stack = [top]
    tokens = _tokens(text)
    for kind, word in tokens:
        if kind == "sign" and word == "}":
            if len(stack) == 1:
                raise CorruptStructureError("LVM metadata: a section ends that did not begin")
            stack.pop()
            continue
        if kind not in ("word", "string", "number"):
            raise CorruptStructureError(f"LVM metadata: a name was expected, not {word!r}")
        name = _unquoted(word) if kind == "string" else word
        kind, word = next(tokens, ("", ""))
        if kind == "sign" and word == "{":
            if len(stack) > MAX_DEPTH:
                raise CorruptStructureError("LVM metadata: sections nested too deep")
            inner: Section = {}
            stack[-1][name] = inner
            stack.append(inner)
        elif kind == "sign" and word == "=":
            stack[-1][name] = _value(tokens)
        else:
            raise CorruptStructureError(f"LVM metadata: neither section nor value: {name[:40]!r}")
    if len(stack) > 1:
        raise CorruptStructureError("LVM metadata: the text ends within a section")
    return top


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = count = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            if text[position:].strip("\0 \t\r\n") and not _only_comments(text[position:]):
                raise CorruptStructureError(f"LVM metadata: cannot be read at character {position}")
            return
        count += 1
        if count > MAX_TOKENS:
            raise CorruptStructureError(f"LVM metadata: more than {MAX_TOKENS} words")
        yield match.lastgroup, match[match.lastgroup]
        position = match.end()


def _only_comments(text: str) -> bool:
    return all(not line.strip("\0 \t\r") or line.lstrip().startswith("#") for line in text.split("\n"))


def _value(tokens: Iterator[tuple[str, str]]) -> Value:
    kind, word = next(tokens, ("", ""))
    if (kind, word) != ("sign", "["):
        return _scalar(kind, word)
    found: list[Value] = []
    for kind, word in tokens:
        if (kind, word) == ("sign", "]"):
            return found
        if (kind, word) != ("sign", ","):
            found.append(_scalar(kind, word))
    raise CorruptStructureError("LVM metadata: the text ends within a list")


def _scalar(kind: str, word: str) -> Value:
    if kind == "string":
        return _unquoted(word)
    if kind == "number":
        if len(word) > 32:
            raise CorruptStructureError("LVM metadata: number too long")
        return float(word) if "." in word else int(word)
    raise CorruptStructureError(f"LVM metadata: a value was expected, not {word[:40]!r}")


def _unquoted(word: str) -> str:
    return _ESCAPE.sub(r"\1", word[1:-1]) if word[0] == '"' else word[1:-1]


# --- values of a section, checked ---------------------------------------------------------------------------------
def section(holder: Section, name: str) -> Section:
    """A section by name, empty where there is none."""
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def sections(holder: Section) -> Iterator[tuple[str, Section]]:
    """All sections in a section, by name in stored order."""
    return ((name, value) for name, value in holder.items() if isinstance(value, dict))


def text_of(holder: Section, name: str) -> str:
    """A string, empty where there is none."""
    found = holder.get(name)
    return found if isinstance(found, str) else ""


def number(holder: Section, name: str, *, most: int = 1 << 62, default: int | None = None) -> int:
    """A whole number of 0 or more.

    Args:
        holder: The section.
        name: Of the value.
        most: Largest that makes sense.
        default: Where the value is absent; None asks for it.

    Raises:
        CorruptStructureError: There is none, or it is out of range.
    """
    found = holder.get(name, default)
    if not isinstance(found, int) or not 0 <= found <= most:
        raise CorruptStructureError(f"LVM metadata: {name} is no number that makes sense: {str(found)[:40]!r}")
    return found


def listed(holder: Section, name: str) -> list[Value]:
    """A list; a single value counts as a list of one."""
    found = holder.get(name, [])
    return found if isinstance(found, list) else [found]
