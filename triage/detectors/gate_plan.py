"""The required texts of all expressions, each once, with what each of them opens."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from triage.detectors.gate_text import BLANK, fold, is_marked, squeeze
from triage.detectors.requirements import COMMON_SYMBOLS, Atom, Requirement
from triage.detectors.syntax import DIGIT
from triage.detectors.words import cut

SLOTS = 4
"""Most gates of one way to match."""


@dataclass(slots=True)
class GatePlan:
    """Plain values that gates are built from, kept between runs.

    Attributes:
        texts: Folded texts to look for; the position is the identity.
        symbols: One or two characters that are no part of words; their identities follow those of the texts.
        ways: (number of the expression, fewest and most characters, within one sentence, number of gates), one for each
            way to match.
        places: For each way, where in the order of the text each of its gates stands.
        links: (text or symbol, way, gate): which gates it opens.
    """

    texts: list[str] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    ways: list[tuple[int, int, int, bool, int]] = field(default_factory=list)
    places: list[list[int]] = field(default_factory=list)
    links: list[tuple[str, int, int]] = field(default_factory=list)

    def add(self, number: int, needs: Requirement) -> None:
        """Take up the ways of one expression to match."""
        for way in needs.ways:
            for slot, gate in enumerate(way):
                self.links.extend((key, len(self.ways), slot) for key in {_key(atom) for atom in gate.atoms})
            self.ways.append((number, needs.least, needs.width, needs.one_sentence, len(way)))
            self.places.append([gate.place for gate in way] + [0] * (SLOTS - len(way)))

    def finish(self) -> None:
        """Give the texts their identities."""
        keys = {key for key, _, _ in self.links}
        self.texts = sorted(key for key in keys if key.strip(BLANK) and fold(key) == key)  # symbols fold to blanks
        self.symbols = sorted(keys - set(self.texts))


def _key(atom: Atom) -> str:
    """The folded text of an atom with its borders as blanks; a symbol as it is."""
    text = fold(atom.text.replace(DIGIT, "0"))
    bare = squeeze(text.strip(BLANK))
    symbols = _symbols(atom.text, text)
    if symbols or not bare:
        return symbols or atom.text[0]
    left = (atom.left or text[0] == BLANK) and not is_marked(bare[0])
    right = (atom.right or text[-1] == BLANK) and not is_marked(bare[-1])
    rest = bare + BLANK * right
    return BLANK + cut(rest) if left else rest


def _symbols(text: str, folded: str) -> str:
    """What a text holds that is no part of words: two symbols in a row, or one that is rare; empty for neither."""
    is_symbol = [a != DIGIT and b == BLANK and not a.isspace() for a, b in zip(text, folded, strict=True)]
    for index, (this, following) in enumerate(pairwise(is_symbol)):
        if this and following:
            return text[index : index + 2]
    return next((a for a, symbol in zip(text, is_symbol, strict=True) if symbol and a not in COMMON_SYMBOLS), "")
