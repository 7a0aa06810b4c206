"""The legal shape of a unit: which of act, means and purpose it supports, and how high that lets it rise.

Article 3 of the Palermo Protocol asks for an act, by a means, for a purpose. So coverage multiplies the evidence, and a
unit that supports one element only, however often, has a ceiling.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from triage.ranking.terms import Term

ELEMENTS = ("act", "means", "purpose")

FULL_SUPPORT = 0.3
"""Strength from which an element counts as supported; below, in proportion."""

ELEMENT_STEP = 0.5
"""What a second and a third element each add to the multiplier of the evidence."""

ADVERTISING = frozenset({"exploit.sex_ad", "exploit.price_menu", "exploit.photo_sets", "move.rotation"})
"""Indicators that an independent worker's own advertising carries as well; ``move.rotation`` is its 'new in town'."""

OTHER_ALONE = 0.30
ONE_ELEMENT = 0.40
ONE_ELEMENT_STRONG = 0.55
OTHER_STRONG = 0.75
NO_MEANS = 0.65
TERMS_CEILING = ((0.0, 0.60), (1.0, 0.70), (2.0, 0.79), (3.0, 0.95), (4.0, 1.0))
"""Ceiling by number of supported terms; straight lines between."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How high a unit may rise.

    Attributes:
        value: 0..1, where 1 is no ceiling.
        name: Short name, for ``damped_by``.
        label: Words for the line of the arithmetic.
    """

    value: float
    name: str
    label: str


def support(terms: Iterable[Term]) -> float:
    """Joint strength of terms, 0..1: one minus the product of what each leaves open."""
    left = 1.0
    for term in terms:
        left *= 1.0 - term.strength()
    return 1.0 - left


def degree(terms: Iterable[Term]) -> float:
    """Support as a share of :data:`FULL_SUPPORT`, at most 1."""
    return min(1.0, support(terms) / FULL_SUPPORT)


def degrees(terms: tuple[Term, ...]) -> dict[str, float]:
    """Degree of support for act, means and purpose."""
    return {name: degree(term for term in terms if term.mark.indicator.element == name) for name in ELEMENTS}


def covered(terms: tuple[Term, ...]) -> tuple[str, ...]:
    """Elements that are supported in full, in the order act, means, purpose."""
    return tuple(name for name, value in degrees(terms).items() if value >= 1.0)


def multiplier(terms: tuple[Term, ...]) -> float:
    """Factor on the evidence: 1, 1.5, 2 for one, two, three elements, between them for weak support."""
    return 1.0 + ELEMENT_STEP * max(0.0, sum(degrees(terms).values()) - 1.0)


def ceiling(terms: tuple[Term, ...]) -> Ceiling:
    """The lower of the ceilings by element and by number of terms."""
    by_element = _ceiling_by_element(terms)
    number = sum(min(1.0, term.strength() / FULL_SUPPORT) for term in terms)
    value = _interpolated(number)
    if value < by_element.value:
        return Ceiling(value, "few terms", f"few independent terms ({number:.1f}): at most {value:.2f}")
    return by_element


def _ceiling_by_element(terms: tuple[Term, ...]) -> Ceiling:
    by_name = degrees(terms)
    act, means, purpose = (by_name[name] for name in ELEMENTS)
    plain = degrees(tuple(term for term in terms if term.mark.indicator.id not in ADVERTISING))
    alone = [term for term in terms if term.mark.indicator.single_ok]
    strong = degree(term for term in alone if term.mark.indicator.element in ELEMENTS)
    other = degree(term for term in alone if term.mark.indicator.element not in ELEMENTS)
    no_means = max(min(plain["act"], purpose), min(act, plain["purpose"]))
    one = _between(OTHER_ALONE, ONE_ELEMENT, max(by_name.values()))
    name = "one element alone" if any(plain.values()) else "advertising wording alone"
    options = (
        (OTHER_ALONE, "no element", "neither act, means nor purpose"),
        (one, name, name),
        (_between(OTHER_ALONE, ONE_ELEMENT_STRONG, strong), "one element alone", "one element alone"),
        (_between(OTHER_ALONE, OTHER_STRONG, other), "no element", "neither act, means nor purpose"),
        (_between(one, NO_MEANS, no_means), "no means", "act and purpose without a means"),
        (_between(one, 1.0, min(means, max(act, purpose))), "second element weak", "second element weak"),
    )
    value, name, label = max(options, key=lambda option: option[0])
    return Ceiling(value, name, f"{label}: at most {value:.2f}")


def _between(low: float, high: float, part: float) -> float:
    return low + (high - low) * part


def _interpolated(number: float) -> float:
    for (left, low), (right, high) in itertools.pairwise(TERMS_CEILING):
        if number < right:
            return _between(low, high, (number - left) / (right - left))
    return TERMS_CEILING[-1][1]
