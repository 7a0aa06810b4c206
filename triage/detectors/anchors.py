"""What to look for so that no match of a term is missed: short fixed texts that every match holds.

One engine looks for the anchors of all terms at once; only around an anchor is a term itself looked for. An anchor is
chosen to be rare: long words over short ones, words over gaps. Where a pattern is made of alternatives, its anchors
are one for each of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from triage.detectors.characters import is_word_character, skeleton
from triage.detectors.term_tree import BLANKS, MARKS, Alt, Chars, Edge, Node, Repeat, Seq

# Most characters that one place of an anchor may be.
MAX_CHOICES = 24
# An anchor is cut to this many characters: longer ones are no rarer.
MAX_LENGTH = 12
# Bits of rarity that an anchor should have; below, it takes in the next word.
ENOUGH_BITS = 26.0
# Characters of a gap between two words of one anchor.
_MAX_VARIANTS = 8
_MAX_RUNS = 400

Cell = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Anything between two words of an anchor, ``low`` to ``high`` characters."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Marks:
    """Optional Arabic marks."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A text that is in every match, or in every match by one alternative.

    Attributes:
        items: Its characters, each with all its forms, and what may lie between.
        starts_word: No letter or digit touches it on the left.
        ends_word: Likewise on the right.
    """

    items: tuple[Cell | Gap | Marks, ...]
    starts_word: bool = False
    ends_word: bool = False

    @property
    def bits(self) -> float:
        """Rarity in text, as a negative logarithm to the base 2; a rough guess."""
        found = sum(_bits(item) for item in self.items if isinstance(item, tuple))
        return found + self.starts_word + self.ends_word


def _bits(cell: Cell) -> float:
    first = min(form[0] for form in cell)
    code = ord(first)
    if code >= 0x3000:
        one = 10.0
    elif first.isalpha():
        one = 4.2 if first.lower() not in "eatoniо" else 3.2
    else:
        one = 5.0 if not first.isdigit() else 4.5
    different = len({skeleton(form) for form in cell})
    return max(0.5, one - (different.bit_length() - 1))


# --- literals -------------------------------------------------------------------------------------------------------
def literal_anchor(cells: Sequence[Node], match: str) -> Anchor:
    """The anchor of a literal, given its cells and where it may touch other words."""
    words: list[list[Cell | Gap | Marks]] = [[]]
    for cell in cells:
        if cell is BLANKS:
            words.append([])
        elif cell is MARKS:
            words[-1].append(Marks())
        else:
            words[-1].append(_cell_of(cell) or ("",))
    best = max((_cut(word) for word in words), key=lambda anchor: anchor.bits)
    if best.bits < ENOUGH_BITS and len(words) > 1:
        best = _joined(words)
    starts = best.items[0] is words[0][0] and match in ("word", "word-start")
    ends = best.items[-1] is words[-1][-1] and match == "word"
    if not ENOUGH_BITS > best.bits:
        return best
    return replace(best, starts_word=starts and _is_word(words[0][0]), ends_word=ends and _is_word(words[-1][-1]))


def _cut(word: list[Cell | Gap | Marks]) -> Anchor:
    """The rarest piece of a word."""
    spans = [word[start : start + MAX_LENGTH] for start in range(max(1, len(word) - MAX_LENGTH + 1))]
    return max((Anchor(tuple(span)) for span in spans), key=lambda anchor: (_regular(anchor), anchor.bits))


def _regular(anchor: Anchor) -> int:
    """Number of places that are one character of one length; others cost the engine more."""
    return sum(isinstance(item, tuple) and all(len(form) == 1 for form in item) for item in anchor.items)


def _joined(words: list[list[Cell | Gap | Marks]]) -> Anchor:
    """The shortest row of words that is rare enough, or all of them."""
    for count in range(2, len(words) + 1):
        rows = []
        for first in range(len(words) - count + 1):
            items: list[Cell | Gap | Marks] = []
            for number, word in enumerate(words[first : first + count]):
                if number:
                    items.append(Gap(1, BLANKS.high or 1))
                items.extend(word[-MAX_LENGTH:] if number == 0 else word[:MAX_LENGTH])
            rows.append(Anchor(tuple(items)))
        best = max(rows, key=lambda anchor: anchor.bits)
        if best.bits >= ENOUGH_BITS or count == len(words):
            return best
    raise AssertionError("unreachable: the last count returns")


def _is_word(item: Cell | Gap | Marks) -> bool:
    return isinstance(item, tuple) and all(is_word_character(form[0]) for form in item if form)


# --- patterns -------------------------------------------------------------------------------------------------------
def pattern_anchors(tree: Node) -> tuple[Anchor, ...] | None:
    """Anchors of which every match of the tree holds one; None where it has no fixed text."""
    found = _anchors(tree)
    return None if found is None or len(found) > _MAX_RUNS else found


def _chance(anchors: Sequence[Anchor]) -> float:
    return sum(2.0 ** -min(anchor.bits, 60.0) for anchor in anchors)


def _anchors(node: Node) -> tuple[Anchor, ...] | None:
    cell = _cell_of(node)
    if cell is not None:
        return (Anchor((cell,)),)
    if isinstance(node, Repeat):
        return _anchors(node.part) if node.low else None
    if isinstance(node, Alt):
        out: list[Anchor] = []
        for option in node.options:
            found = _anchors(option)
            if found is None:
                return None
            out.extend(found)
        return tuple(dict.fromkeys(out))
    if not isinstance(node, Seq):
        return None
    choices = [(run,) for run in _runs(node)]
    choices += [found for part in node.parts if not isinstance(part, Chars) and (found := _anchors(part)) is not None]
    return min(choices, key=_chance, default=None)


def _runs(node: Seq) -> list[Anchor]:
    """Fixed texts in a row of parts."""
    out: list[Anchor] = []
    run: list[Cell] = []
    starts = False
    after_edge = False
    for part in (*_flat(node), Edge("end")):
        cell = _cell_of(part)
        if cell is not None:
            if not run:
                starts = after_edge
            run.append(cell)
        elif run:
            ends = part == Edge("boundary")
            piece = _cut(list(run))
            out.append(
                replace(
                    piece,
                    starts_word=starts and piece.items[0] is run[0] and _is_word(run[0]),
                    ends_word=ends and piece.items[-1] is run[-1] and _is_word(run[-1]),
                )
            )
            run = []
        after_edge = part == Edge("boundary")
    return out


def _flat(node: Seq) -> list[Node]:
    out: list[Node] = []
    for part in node.parts:
        out.extend(_flat(part) if isinstance(part, Seq) else [part])
    return out


def _cell_of(node: Node) -> Cell | None:
    """The forms of one place of a fixed text, None where the node is no such place."""
    if isinstance(node, Chars):
        listed = node.characters(MAX_CHOICES)
        return tuple(listed) if listed else None
    if isinstance(node, Alt):
        out: list[str] = []
        for option in node.options:
            texts = _short_texts(option)
            if texts is None:
                return None
            out.extend(texts)
        return tuple(dict.fromkeys(out)) if len(out) <= MAX_CHOICES else None
    return None


def _short_texts(node: Node) -> list[str] | None:
    """All texts of a node that is one to three single characters."""
    parts = node.parts if isinstance(node, Seq) else (node,)
    if not 1 <= len(parts) <= 3:
        return None
    listed = [part.characters(4 if len(parts) > 1 else MAX_CHOICES) if isinstance(part, Chars) else None for part in parts]
    if any(not each for each in listed):
        return None
    return ["".join(each) for each in itertools.product(*(each or [] for each in listed))]


# --- what else a match holds ----------------------------------------------------------------------------------------
Needs = tuple[str, "tuple[Needs, ...]"] | str


def pattern_needs(tree: Node) -> Needs:
    """Texts that every match holds, as nested ``("and", ...)`` and ``("or", ...)`` over skeletons; ``""`` for none."""
    if isinstance(tree, Seq):
        parts = [_run_needs(run) for run in _runs(tree)]
        parts += [pattern_needs(part) for part in tree.parts if not isinstance(part, Chars | Edge)]
        kept = tuple(sorted({part for part in parts if part}, key=_selectivity))
        return kept[0] if len(kept) == 1 else ("and", kept) if kept else ""
    if isinstance(tree, Alt):
        options = tuple(dict.fromkeys(pattern_needs(option) for option in tree.options))
        return ("or", options) if all(options) else ""
    if isinstance(tree, Repeat):
        return pattern_needs(tree.part) if tree.low else ""
    cell = _cell_of(tree)
    return _run_needs(Anchor((cell,))) if cell else ""


def _selectivity(needs: Needs) -> tuple[int, str]:
    """Longest text first, which fails soonest; then by text, for a fixed order."""
    return -_shortest(needs), repr(needs)


def _shortest(needs: Needs) -> int:
    if isinstance(needs, str):
        return len(needs)
    lengths = [_shortest(each) for each in needs[1]]
    return max(lengths) if needs[0] == "and" else min(lengths)


def _run_needs(run: Anchor) -> Needs:
    variants = [""]
    for item in run.items:
        if isinstance(item, tuple):
            spelled = sorted({skeleton(form) for form in item})
            variants = [text + piece for text in variants for piece in spelled]
            if len(variants) > _MAX_VARIANTS:
                return ""
    return variants[0] if len(variants) == 1 else ("or", tuple(variants)) if all(variants) else ""


def holds(needs: Needs, text: str) -> bool:
    """Whether a skeleton holds what a pattern needs."""
    if isinstance(needs, str):
        return needs in text
    if needs[0] == "and":
        return all(holds(each, text) for each in needs[1])
    return any(holds(each, text) for each in needs[1])
