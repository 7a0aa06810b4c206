"""Hits of one unit with their meaning, on one axis, each stretch of text counted once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triage.model.hit import Hit
from triage.model.rules import BUILTIN_PACK, Indicator, Profile, RuleInfo
from triage.model.unit import UnitFacts
from triage.ranking.background import chance, rarity
from triage.ranking.content_class import content_class, is_packed

STRENGTH_LIMIT = 0.99
_BUCKET_BITS = 8
_BUCKETS_LIMIT = 64

OWN_RULES = "rule without an indicator"
"""Name of the indicator that stands in for rules which name none, one for each pack."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One hit of a rule that is known.

    Attributes:
        hit: The hit.
        rule: Its rule.
        indicator: The indicator of the rule.
        address: Text form of the address of the content.
        start: Bytes from the start of the unit, parts laid end to end.
        end: Likewise, half-open.
        base: Base weight of the indicator times the factor of the profile, 0..0.99.
        strength: Weight of the rule times its trust, 0..0.99.
        chance: Factor for accidental matches, 0..1.
        rarity: Factor for rules that are common on the device, 0..1.
    """

    hit: Hit
    rule: RuleInfo
    indicator: Indicator
    address: str
    start: int
    end: int
    base: float
    strength: float
    chance: float
    rarity: float

    @property
    def effective(self) -> float:
        """Strength after both factors."""
        return self.strength * self.chance * self.rarity

    @property
    def context_order(self) -> tuple[float, int, str, int]:
        """Sort key of a context mark: its own strength first, since it has no indicator to weigh it."""
        return (-self.strength * self.chance, self.start, self.rule.id, self.end)

    @property
    def order(self) -> tuple[float, float, int, str, int]:
        """Sort key: what moves the score most first, then place, then rule."""
        return (-self.base * self.effective, -self.base * self.strength, self.start, self.rule.id, self.end)


@dataclass(frozen=True, slots=True)
class UnitMarks:
    """The hits of one unit.

    Attributes:
        evidence: Hits that may raise the score, by place, overlapping ones reduced to the strongest.
        covered: Hits that stand on the same text as a stronger one; they add nothing but are not forgotten.
        context: Hits of rules that speak of prevention, news, law or fiction, by place.
        notes: What ``note`` rules state, sorted.
        counts: True number of matches, by rule.
        at_least: A count stopped at a limit.
        size: Bytes of all parts.
    """

    evidence: tuple[Mark, ...]
    covered: tuple[Mark, ...]
    context: tuple[Mark, ...]
    notes: tuple[str, ...]
    counts: dict[str, int]
    at_least: bool
    size: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What ranking knows beside the unit: the arguments of :func:`triage.ranking.rank`.

    Attributes:
        indicators: By identity.
        rules: By identity.
        profile: Thresholds and weights.
        contents: Contents examined on the device.
        frequency: Contents in which each rule hit.
    """

    indicators: Mapping[str, Indicator]
    rules: Mapping[str, RuleInfo]
    profile: Profile
    contents: int
    frequency: Mapping[str, int]

    def indicator(self, rule: RuleInfo) -> Indicator:
        """The indicator of a rule; for a rule that names none or an unknown one, a stand-in for its pack.

        A rule that an examiner brought without telling what it stands for was still brought on purpose: its own weight
        decides how far it raises.
        """
        known = self.indicators.get(rule.indicator)
        if known is not None:
            return known
        return Indicator(f"pack {rule.pack}", OWN_RULES, "other", base_weight=0.6, single_ok=True)


def collect(unit: UnitFacts, knowledge: Knowledge) -> UnitMarks:
    """The marks of a unit; hits of rules that are not known (any more) are left out."""
    kind = content_class(unit)
    by_role: dict[str, list[Mark]] = {"evidence": [], "context": []}
    notes: set[str] = set(unit.notes)
    counts: dict[str, int] = {}
    at_least = False
    begin = 0
    for index, part in enumerate(unit.parts):
        bytes_class = "opaque" if index == 0 and is_packed(unit.content_type.mime) else kind
        for hit in sorted(part.hits):  # what follows sorts stably, so that ties are never left to the order given
            rule = knowledge.rules.get(hit.rule)
            if rule is None:
                continue
            if rule.role == "note":
                notes.add(f"{rule.gloss} ({rule.id})" if rule.gloss else rule.id)
                if rule.pack == BUILTIN_PACK and hit.matched:
                    notes.add(f"measured for {rule.id}: {hit.matched}")
                continue
            factor = chance(hit.length, hit.encoding, part.size, bytes_class)
            by_role["context" if rule.role == "context" else "evidence"].append(
                _mark(hit, rule, part.address, begin, factor, knowledge)
            )
        for count in part.counts:
            counts[count.rule] = counts.get(count.rule, 0) + count.count
            at_least = at_least or count.at_least
        begin += max(part.size, 1)
    evidence, covered = one_reading(sorted(by_role["evidence"], key=lambda mark: mark.order))
    context, _ = one_reading(sorted(by_role["context"], key=lambda mark: mark.context_order))
    return UnitMarks(evidence, covered, context, tuple(sorted(notes)), counts, at_least, begin)


def _mark(hit: Hit, rule: RuleInfo, address: str, begin: int, factor: float, knowledge: Knowledge) -> Mark:
    indicator = knowledge.indicator(rule)
    base = indicator.base_weight * knowledge.profile.indicator_factor.get(indicator.id, 1.0)
    start = begin + max(0, hit.file_offset)
    return Mark(
        hit=hit,
        rule=rule,
        indicator=indicator,
        address=address,
        start=start,
        end=start + max(1, hit.length),
        base=min(STRENGTH_LIMIT, max(0.0, base)),
        strength=min(STRENGTH_LIMIT, max(0.0, rule.weight * rule.trust)),
        chance=factor,
        rarity=rarity(knowledge.frequency.get(rule.id, 0), knowledge.contents),
    )


def one_reading(marks: list[Mark]) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """Each stretch of text read once: of marks of different rules on the same text only the strongest is kept.

    Two matches are on the same text where they share more than half of the shorter one; a shared word at the edge of
    two longer phrases is not enough. Matches of one rule never displace each other.

    Args:
        marks: Strongest first.

    Returns:
        Kept marks by place, and those displaced, by place.
    """
    kept: list[Mark] = []
    covered: list[Mark] = []
    buckets: dict[int, list[Mark]] = {}
    for mark in marks:
        first = mark.start >> _BUCKET_BITS
        places = range(first, min((mark.end - 1) >> _BUCKET_BITS, first + _BUCKETS_LIMIT) + 1)
        if any(_same_text(mark, other) for place in places for other in buckets.get(place, ())):
            covered.append(mark)
            continue
        kept.append(mark)
        for place in places:
            buckets.setdefault(place, []).append(mark)
    return tuple(sorted(kept, key=_place)), tuple(sorted(covered, key=_place))


def _same_text(mark: Mark, other: Mark) -> bool:
    if mark.rule.id == other.rule.id:
        return False
    shared = min(mark.end, other.end) - max(mark.start, other.start)
    return shared * 2 > min(mark.end - mark.start, other.end - other.start)


def _place(mark: Mark) -> tuple[int, int, str]:
    return (mark.start, mark.end, mark.rule.id)
