"""What the elements of each kind of marked-up document mean for its text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum


class Act(IntEnum):
    """What a tag does to the text."""

    JOIN = 0
    LINE = 1
    CELL = 2
    BLANK = 3
    TEXT_BEGINS = 4
    TEXT_ENDS = 5
    SKIP = 6
    KEEP_BLANKS = 7
    KEEP_BLANKS_ENDS = 8


def _words(text: str) -> frozenset[bytes]:
    return frozenset(text.encode().split())


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of document; element names are local and, for HTML, lower case.

    Attributes:
        name: Name.
        lines: Elements that begin a new line.
        cells: Elements in front of which a tab belongs.
        blanks: Elements that are a blank.
        texts: Elements that hold text; empty where all do.
        skipped: Elements whose content is no text.
        kept: Elements in which blanks and newlines count.
        breaks_by_default: Every other element begins a new line too.
        folds_blanks: Runs of blanks and newlines are one blank.
        is_caseless: Names are compared in lower case.
    """

    name: str
    lines: frozenset[bytes] = frozenset()
    cells: frozenset[bytes] = frozenset()
    blanks: frozenset[bytes] = frozenset()
    texts: frozenset[bytes] = frozenset()
    skipped: frozenset[bytes] = frozenset()
    kept: frozenset[bytes] = frozenset()
    breaks_by_default: bool = False
    folds_blanks: bool = False
    is_caseless: bool = False
    _acts: dict[bytes, Act] = field(default_factory=dict, compare=False)

    def act(self, name: bytes) -> Act:
        """What a tag means; ``name`` as in the source, with a slash in front where it closes."""
        known = self._acts.get(name)
        if known is None:
            known = self._find(name)
            # Names come from evidence: the memory of them is bounded.
            if len(self._acts) < 4096 and len(name) < 64:
                self._acts[name] = known
        return known

    def _find(self, name: bytes) -> Act:
        closes = name[:1] == b"/"
        local = name.lstrip(b"/").rpartition(b":")[2]
        if self.is_caseless:
            local = local.lower()
        if local in self.texts:
            return Act.TEXT_ENDS if closes else Act.TEXT_BEGINS
        if local in self.lines:
            return Act.LINE
        if local in self.cells:
            return Act.JOIN if closes else Act.CELL
        if local in self.blanks:
            return Act.BLANK
        if local in self.skipped:
            return Act.JOIN if closes else Act.SKIP
        if local in self.kept:
            return Act.KEEP_BLANKS_ENDS if closes else Act.KEEP_BLANKS
        return Act.LINE if self.breaks_by_default else Act.JOIN


HTML = Dialect(
    "html",
    lines=_words(
        "html head body title p div br hr h1 h2 h3 h4 h5 h6 li ul ol dl dt dd table tr caption thead tbody tfoot "
        "section article header footer nav aside main blockquote address form fieldset legend option select "
        "figure figcaption center frame frameset iframe noscript details summary dialog menu label button meta link"
    ),
    cells=_words("td th"),
    skipped=_words("script style"),
    kept=_words("pre textarea"),
    folds_blanks=True,
    is_caseless=True,
)
WORD = Dialect("word", lines=_words("p br cr tr"), cells=_words("tab tc ptab"), texts=_words("t delText instrText"))
SHEET = Dialect("sheet", lines=_words("si row comment"), cells=_words("c rPh"), texts=_words("t v"))
SLIDES = Dialect("slides", lines=_words("p br tr pt"), cells=_words("tc"), texts=_words("t v text"))
OPEN_DOCUMENT = Dialect(
    "opendocument",
    lines=_words("p h line-break table-row list-item title annotation note"),
    cells=_words("table-cell covered-table-cell tab"),
    blanks=_words("s"),
    skipped=_words("binary-data"),
    folds_blanks=True,
)
SVG = Dialect("svg", lines=_words("text title desc p div"), skipped=_words("style script"), folds_blanks=True)
XML = Dialect("xml", breaks_by_default=True)

_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,40}:)?([A-Za-z_][\w.-]{0,60})[\s/>]")
_NAMESPACES = (
    (b"wordprocessingml", WORD),
    (b"office/word/2003/wordml", WORD),
    (b"spreadsheetml", SHEET),
    (b"presentationml", SLIDES),
    (b"drawingml", SLIDES),
    (b"opendocument:xmlns", OPEN_DOCUMENT),
)
_HEAD = 8192


def find_dialect(data: bytes, mime: str) -> Dialect:
    """The dialect of a document, by its type, else by its root element and the namespaces that it names.

    Args:
        data: The document in an encoding that extends ASCII.
        mime: Media type.
    """
    if mime in ("text/html", "application/xhtml+xml"):
        return HTML
    head = data[:_HEAD]
    root = _ROOT.search(head)
    if root is not None:
        name = root[1].lower()
        if name == b"html":
            return HTML
        if name == b"svg":
            return SVG
        tag_end = head.find(b">", root.end() - 1)
        declared = head[root.start() : tag_end if tag_end > 0 else _HEAD]
        for mark, dialect in _NAMESPACES:
            if mark in declared:
                return dialect
    return XML
