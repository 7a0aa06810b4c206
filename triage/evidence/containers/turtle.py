"""Turtle, as far as AFF4 writes it: prefixes, subjects, ``;`` and ``,`` lists, IRIs, literals, numbers.

Nothing is fetched and nothing is inferred. Blank nodes and collections are stepped over.

Specification: RDF 1.1 Turtle (W3C), sections 2 and 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Graph = dict[str, dict[str, list[tuple[str, str]]]]
"""Values with their datatype (``iri`` for a resource) by subject and predicate."""

MAX_TEXT = 256 << 20
MAX_VALUES = 20_000_000
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
IRI = "iri"

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | <(?P<iri>[^<>\s]{0,65536})>
      | \"\"\"(?P<long>(?:[^"\\]|\\.|"(?!\"\"))*)\"\"\"
      | "(?P<text>(?:[^"\\\n]|\\.)*)"
      | '(?P<single>(?:[^'\\\n]|\\.)*)'
      | (?P<keyword>@[A-Za-z][A-Za-z0-9-]*)
      | (?P<types>\^\^)
      | (?P<mark>[;,\[\]()])
      | (?P<dot>\.(?=\s|$|\#|<|@))
      | (?P<number>[+-]?(?:\d+\.\d+|\d+)(?:[eE][+-]?\d+)?(?=[\s;,.\])]|$))
      | (?P<name>[^\s<>"'\[\]();,\#]{1,65536}?)(?=[\s<>"'\[\]();,\#]|\.(?:\s|$)|$)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f"}
_XSD = "http://www.w3.org/2001/XMLSchema#"


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def instead(match: re.Match[str]) -> str:
        if match[3]:
            return _PLAIN.get(match[3], match[3])
        code = int(match[1] or match[2], 16)
        return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "�"

    return _ESCAPE.sub(instead, text)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Kind and value of each token; what is none is stepped over to the next blank."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            blank = re.compile(r"\s").search(text, position + 1)
            position = blank.start() if blank else len(text)
            yield "broken", ""
            continue
        position = match.end()
        kind = match.lastgroup or "space"
        if kind != "space":
            yield kind, match[kind]


class _Parser:
    """Takes tokens one by one; a statement that does not hold ends at its dot."""

    def __init__(self) -> None:
        self.graph: Graph = {}
        self.prefixes: dict[str, str] = {}
        self.values = 0
        self._subject = self._predicate = ""
        self._last: list[tuple[str, str]] | None = None
        self._wants_type = False
        self._depth = 0
        self._directive: list[str] | None = None

    def take(self, kind: str, value: str) -> None:
        """One token."""
        if self._directive is not None:
            self._in_directive(kind, value)
        elif kind == "mark" and value in "[]()":
            self._depth = max(0, self._depth + (1 if value in "[(" else -1))
            if value in "])" and not self._depth and not self._subject:
                self._subject = "_:"
        elif self._depth:
            return
        elif kind == "dot":
            self._subject = self._predicate = ""
        elif kind == "mark":
            if value == ";":
                self._predicate = ""
        elif kind == "types":
            self._wants_type = True
        elif kind == "keyword":
            if value in ("@prefix", "@base"):
                self._directive = []
        elif kind == "name" and value.upper() in ("PREFIX", "BASE") and not self._subject:
            self._directive = [""]
        else:
            self._term(kind, value)

    def _in_directive(self, kind: str, value: str) -> None:
        directive = self._directive or []
        if kind == "iri":
            names = [part for part in directive if part]
            self.prefixes[names[0].rstrip(":") if names else ""] = _unescape(value)
            self._directive = None
        elif kind in ("dot", "broken"):
            self._directive = None
        else:
            directive.append(value)
            self._directive = directive

    def _term(self, kind: str, value: str) -> None:
        datatype, term = self._meaning(kind, value)
        if self._wants_type:
            self._wants_type = False
            if self._last:
                self._last[-1] = (self._last[-1][0], term)
        elif not self._subject:
            self._subject = term
        elif not self._predicate:
            self._predicate = TYPE if kind == "name" and value == "a" else term
        elif self.values < MAX_VALUES:
            self.values += 1
            self._last = self.graph.setdefault(self._subject, {}).setdefault(self._predicate, [])
            self._last.append((term, datatype))

    def _meaning(self, kind: str, value: str) -> tuple[str, str]:
        if kind == "iri":
            return IRI, _unescape(value)
        if kind in ("text", "long", "single"):
            return _XSD + "string", _unescape(value)
        if kind == "number":
            return _XSD + "integer", value
        prefix, colon, rest = value.partition(":")
        if colon and prefix in self.prefixes:
            return IRI, self.prefixes[prefix] + rest.replace("\\", "")
        return (IRI, value) if colon else (_XSD + "boolean", value)


def parse(text: str) -> Graph:
    """The statements of a document; what does not hold is left out.

    Args:
        text: At most :data:`MAX_TEXT` characters are read.
    """
    parser = _Parser()
    for kind, value in _tokens(text[:MAX_TEXT]):
        parser.take(kind, value)
    return parser.graph


def first(graph: Graph, subject: str, predicate: str) -> str:
    """The first value of a predicate, empty where there is none."""
    values = graph.get(subject, {}).get(predicate)
    return values[0][0] if values else ""
