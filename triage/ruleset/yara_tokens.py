r"""YARA source as tokens: just enough to know where rules, sections and identifiers are.

Follows the lexer of libyara 4.5 (``libyara/lexer.l``): ``/`` always begins a comment or a regular expression (division
is written ``\``), text and regular expressions end with their line, ``//`` runs to a line feed, ``/* */`` do not nest.
Whether a source is right is for the compiler to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

EXTERNALS = ("filename", "filepath", "extension", "filetype", "owner")
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<open>/\*)
      | (?P<text>"(?:\\.|[^"\\\n])*")
      | (?P<regex>/(?:\\.|[^/\\\n])+/[is]{0,2})
      | (?P<word>[$\#@!]?[A-Za-z_]\w*\*?|[$\#@!])
      | (?P<other>\d\w*|[^\s"/{}:=.$\#@!\w]+|.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_SECTIONS = frozenset({"meta", "strings", "condition"})


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: ``text``, ``regex``, ``word``, ``other``, or ``open`` for a comment that never ends.
        text: As written.
        start: Characters from the start of the source.
    """

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """One past the last character."""
        return self.start + len(self.text)


@dataclass(slots=True)
class RuleOutline:
    """One rule as it stands in the source.

    Attributes:
        name: Identifier.
        start: Place of the identifier, characters from the start.
        keyword: Place of the word ``rule``.
        end: One past its closing brace, -1 where it is not closed.
        private: Declared private.
        is_global: Declared global.
        meta: Place of each metadata key, the first where it comes twice.
        externals: External variables that the condition reads.
    """

    name: str
    start: int
    keyword: int
    private: bool
    is_global: bool
    end: int = -1
    meta: dict[str, int] = field(default_factory=dict)
    externals: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Include:
    """One ``include "name"``: the name as written, and where the statement begins and ends."""

    name: str
    start: int
    end: int


@dataclass(slots=True)
class Outline:
    """What a source holds.

    Attributes:
        rules: In the order of the source.
        includes: Likewise.
        patterns: Text and regular-expression tokens that stand for bytes, not for metadata.
        unclosed: Place of a comment that never ends, -1 where there is none.
    """

    rules: list[RuleOutline] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    patterns: list[Token] = field(default_factory=list)
    unclosed: int = -1


def tokens(source: str) -> Iterator[Token]:
    """Tokens in order, without blanks and comments."""
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup or "other"
        if kind not in ("space", "comment"):
            yield Token(kind, match[0], match.start())


def outline(source: str) -> Outline:
    """Rules, includes and patterns of a source; never fails, whatever the source."""
    reader = _OutlineReader()
    previous = Token("other", "", 0)
    for token in tokens(source):
        if token.kind == "open":
            reader.out.unclosed = token.start
            break
        reader.take(token, previous)
        previous = token
    return reader.out


class _OutlineReader:
    def __init__(self) -> None:
        self.out = Outline()
        self._depth = 0
        self._section = ""
        self._modifiers: dict[str, int] = {}
        self._rule: RuleOutline | None = None
        self._keyword = -1

    def take(self, token: Token, previous: Token) -> None:
        if token.text == "{" and token.kind == "other":
            self._depth += 1
        elif token.text == "}" and token.kind == "other":
            self._depth -= 1
            if self._depth <= 0:
                if self._rule:
                    self._rule.end = token.end
                self._depth, self._section, self._rule, self._modifiers = 0, "", None, {}
        elif self._depth == 0:
            self._outside(token, previous)
        else:
            self._inside(token, previous)

    def _outside(self, token: Token, previous: Token) -> None:
        if token.kind == "text" and previous.text == "include":
            self.out.includes.append(Include(token.text[1:-1], previous.start, token.end))
        elif token.kind != "word":
            return
        elif previous.text == "rule" and previous.kind == "word":
            private, is_global = "private" in self._modifiers, "global" in self._modifiers
            self._rule = RuleOutline(token.text, token.start, previous.start, private, is_global)
            self.out.rules.append(self._rule)
            self._modifiers = {}
        elif token.text in ("private", "global"):
            self._modifiers[token.text] = token.start
        elif token.text not in ("rule", "import", "include"):
            self._modifiers = {}

    def _inside(self, token: Token, previous: Token) -> None:
        if token.text == ":" and previous.text in _SECTIONS and self._depth == 1:
            self._section = previous.text
        elif token.kind in ("text", "regex") and self._section != "meta":
            self.out.patterns.append(token)
        elif token.text == "=" and self._section == "meta" and previous.kind == "word" and self._rule:
            self._rule.meta.setdefault(previous.text, previous.start)
        elif (
            self._section == "condition" and self._rule and token.kind == "word" and token.text in EXTERNALS
            and previous.text != "."
        ):  # fmt: skip
            self._rule.externals.add(token.text)


def place(source: str, offset: int) -> tuple[int, int]:
    """Line and column (1-based, characters) of an offset."""
    return source.count("\n", 0, offset) + 1, offset - (source.rfind("\n", 0, offset) + 1) + 1
