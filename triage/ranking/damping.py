"""What speaks against a unit: negative evidence, each piece with its name and its factor.

Two kinds. What a file *is* (a program, a word list, a leaflet) multiplies the score. Where a file *lies*, and how
far its hits are scattered, only shifts the odds: words in a system folder start from a lower expectation, but a talk
that was hidden there still comes out on top.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import lgamma, log, log2

from triage.model.address import Address
from triage.model.unit import UnitFacts
from triage.ranking import context
from triage.ranking.marks import Mark, UnitMarks
from triage.ranking.passages import Passage
from triage.ranking.terms import Term

PLACE_FULL_VALUE = 0.5
"""Worth of a place from which it does not damp."""

PLACE_FLOOR = 0.2
"""Factor on the odds for a place of no worth."""

TYPE_FACTORS = {
    "font": 0.05, "executable": 0.1, "translation": 0.1, "media": 0.25, "archive": 0.3, "source": 0.5,
}  # fmt: skip
"""Factor by class of content; the root of it where several long matches rule out an accident."""

REFERENCE_FACTOR = 0.2
LANGUAGES = 4
WORD_LIST_TERMS = 10
WORD_LIST_SHARE = 0.7
WORD_LIST_FACTOR = 0.15

SCATTER_FLOOR = {"database": 0.5, "opaque": 0.5}
SCATTER_FLOOR_DEFAULT = 0.25
SCATTER_SIZE = 65_536
"""Bytes up to which a unit cannot be scattered; the effect is full at eight times as many."""

_LONG = 12
_SEVERAL = 3
_LIKELY, _UNLIKELY = 0.1, 1e-4
_FEW, _MANY = 4, 8

QUOTING = frozenset({"type", "reference material", "word list"})
"""Names of dampings under which wording about danger anywhere in the unit is taken as quoted or accidental."""

_REFERENCE = re.compile(
    rb"/(?:hunspell|myspell|aspell|ispell|dictionaries|usr/share/(?:dict|doc|man|info|locale|help|licenses)"
    rb"|node_modules|site-packages|dist-packages|_?locales?|lc_messages|i18n|l10n|translations?|winsxs"
    rb"|[^/]+\.lproj|values-[a-z]{2}(?:-r[a-z]{2})?)/"
    rb"|\.(?:po|pot|mo|qm|dic|aff|xlf|xliff|arb|resx|lproj|tmx|stardict|ifo|dsl|mui)$"
    rb"|/(?:licen[cs]e|copying|changelog|words|wordlist|stopwords|third-?party-?notices?)(?:[-_.][^/]*)?$"
)


@dataclass(frozen=True, slots=True)
class Damping:
    """One thing that lowers a score.

    Attributes:
        name: Short name, for ``damped_by``.
        label: Words for the line of the arithmetic.
        factor: 0..1.
        odds: The factor is on the odds instead of on the score.
    """

    name: str
    label: str
    factor: float
    odds: bool = False

    def after(self, score: float) -> float:
        """The score after this damping."""
        if not self.odds:
            return score * self.factor
        return self.factor * score / (1.0 - score + self.factor * score)


def dampings(
    unit: UnitFacts,
    content_class: str,
    marks: UnitMarks,
    passage: Passage,
    terms: tuple[Term, ...],
    words: tuple[Mark, ...],
    context_share: float,
) -> tuple[Damping, ...]:
    """Everything that speaks against a unit, in the order in which it is applied.

    Args:
        unit: The unit.
        content_class: Its class.
        marks: Its marks.
        passage: Its best passage.
        terms: The terms of that passage.
        words: The context rules that speak about it.
        context_share: How much of what it says is context.
    """
    found = (
        _scatter(content_class, marks, passage, terms),
        _place(unit),
        _type(content_class, terms),
        _reference(unit.entry.address),
        _languages(terms),
        _word_list(terms),
        _context(words, context_share),
    )
    return tuple(damping for damping in found if damping is not None and damping.factor < 1.0)


def _scatter(content_class: str, marks: UnitMarks, passage: Passage, terms: tuple[Term, ...]) -> Damping | None:
    """Would as many hits, strewn evenly over the unit, make such a passage by accident?"""
    if marks.size <= SCATTER_SIZE:
        return None
    windows = marks.size / max(1, passage.end - passage.start)
    if windows <= 1:
        return None
    rules = {mark.rule.id for mark in marks.evidence}
    matches = max(len(marks.evidence), sum(marks.counts.get(rule, 0) for rule in rules))
    each = matches / windows
    number = len(terms)
    # Expected number of windows with exactly that many hits (Poisson).
    expected = log(windows)
    if number > each:
        expected += number * log(each) - each - lgamma(number + 1)
    doubt = min(1.0, max(0.0, (expected - log(_UNLIKELY)) / (log(_LIKELY) - log(_UNLIKELY))))
    doubt *= min(1.0, log2(marks.size / SCATTER_SIZE) / 3)
    # Many different terms on one page are no accident, even where the whole unit is full of hits.
    doubt *= min(1.0, max(0.0, (_MANY - number) / (_MANY - _FEW)))
    factor = SCATTER_FLOOR.get(content_class, SCATTER_FLOOR_DEFAULT) ** doubt
    label = f"scattered: {matches} matches over {marks.size:,} bytes, {number} together at best: odds x {factor:.2f}"
    return Damping("scattered hits", label, factor, odds=True)


def _place(unit: UnitFacts) -> Damping:
    value = min(1.0, max(0.0, unit.value))
    factor = PLACE_FLOOR + (1.0 - PLACE_FLOOR) * min(1.0, value / PLACE_FULL_VALUE)
    label = f"place: {unit.place or 'unknown'}, worth {value:.2f}: odds x {factor:.2f}"
    return Damping("place", label, factor, odds=True)


def _type(content_class: str, terms: tuple[Term, ...]) -> Damping | None:
    factor = TYPE_FACTORS.get(content_class, 1.0)
    long = [term for term in terms if len(term.mark.hit.matched) >= _LONG and term.mark.chance > 0.99]
    if len(long) >= _SEVERAL:
        factor **= 0.5
    return Damping(
        "type", f"type: words in content of class {content_class} are seldom its owner's: x {factor:.2f}", factor
    )


def _reference(address: Address) -> Damping | None:
    path = b"/".join((address.path, *address.members)).lower()
    if not _REFERENCE.search(path):
        return None
    label = f"reference material by its name (dictionary, translation, manual, licence): x {REFERENCE_FACTOR:.2f}"
    return Damping("reference material", label, REFERENCE_FACTOR)


def _languages(terms: tuple[Term, ...]) -> Damping | None:
    tags = {term.mark.rule.language.lower().partition("-")[0] for term in terms if term.strength() > 0}
    number = len(tags - {"", "und", "mul"})
    if number <= LANGUAGES:
        return None
    factor = LANGUAGES / number
    return Damping(
        "many languages", f"terms of {number} languages side by side, as in translations: x {factor:.2f}", factor
    )


def _word_list(terms: tuple[Term, ...]) -> Damping | None:
    if len(terms) < WORD_LIST_TERMS:
        return None
    alone = sum(1 for term in terms if _stands_alone(term.mark))
    if alone < WORD_LIST_SHARE * len(terms):
        return None
    label = f"word list: {alone} of {len(terms)} terms stand alone on their line: x {WORD_LIST_FACTOR:.2f}"
    return Damping("word list", label, WORD_LIST_FACTOR)


def _stands_alone(mark: Mark) -> bool:
    """The match fills its line, cell or quoted string, as terms of a vocabulary do."""
    if not mark.hit.before and not mark.hit.after:
        return False  # nothing is known of its surroundings
    before = mark.hit.before.rstrip(" \"'*-\u2022")
    after = mark.hit.after.lstrip(" \"'")
    return (not before or before[-1] in "\r\n\t=,;|") and (not after or after[0] in "\r\n\t,;|")


def _context(words: tuple[Mark, ...], context_share: float) -> Damping | None:
    if not words:
        return None
    factor = context.factor(context_share)
    told = ", ".join(dict.fromkeys(mark.rule.gloss or mark.hit.matched for mark in words[:3]))
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return Damping("context", f"reads like a text about it ({told}{more}): x {factor:.2f}", factor)
