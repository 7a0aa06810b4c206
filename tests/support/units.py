"""Synthetic units for the tests of ranking: a small vocabulary, and texts in which it is looked for.

All texts are invented for the tests; none is from a real case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.entry import Entry, EntryType
from triage.model.finding import Finding
from triage.model.hit import Hit, HitCount
from triage.model.rules import Indicator, Profile, RuleInfo
from triage.model.times import Times
from triage.model.unit import UnitFacts, UnitPart
from triage.ranking import rank

# identity, name, element, base weight, urgency, single_ok
_CATALOGUE = (
    ("recruit.false_job", "Deceptive or implausible job offer", "act", 0.40, 0, False),
    ("recruit.broker", "Broker or recruiter role", "act", 0.50, 0, False),
    ("move.rotation", "Rotation of persons between places", "act", 0.35, 0, False),
    ("trade.person_sale", "Sale, purchase or handover of a person", "act", 0.90, 2, True),
    ("control.document_retention", "Withholding of identity documents", "means", 0.80, 1, True),
    ("control.debt_bondage", "Debt ledger or debt bondage", "means", 0.75, 1, True),
    ("control.threat_violence", "Threat or use of violence", "means", 0.60, 2, False),
    ("control.fines_quota", "Quotas, fines and punishment lists", "means", 0.50, 0, False),
    ("exploit.sex_ad", "Commercial-sex advertising", "purpose", 0.35, 0, False),
    ("exploit.price_menu", "Price and time menu", "purpose", 0.30, 0, False),
    ("exploit.third_party_mgmt", "Third-party management of earnings", "purpose", 0.65, 0, False),
    ("exploit.labour_conditions", "Forced-labour conditions", "purpose", 0.50, 0, False),
    ("finance.value_transfer", "Informal value transfer", "other", 0.35, 0, False),
    ("identity.third_party_docs", "Identity documents of several persons", "other", 0.55, 1, False),
    ("anon.tooling", "Anonymity tooling", "other", 0.20, 0, False),
    ("urgent.victim_distress", "Person asking for help or at risk now", "other", 0.80, 2, True),
)
INDICATORS = {
    row[0]: Indicator(
        row[0],
        row[1],
        row[2],
        base_weight=row[3],
        urgency=row[4],
        single_ok=row[5],
        innocent=f"lawful forms of {row[1].lower()}",
    )
    for row in _CATALOGUE
}

# phrase, indicator or role, weight
_PHRASES = (
    ("girls wanted", "recruit.false_job", 0.6),
    ("no experience needed", "recruit.false_job", 0.3),
    ("we arrange everything", "recruit.false_job", 0.45),
    ("commission for each girl", "recruit.broker", 0.5),
    ("new in town", "move.rotation", 0.25),
    ("on tour", "move.rotation", 0.45),
    ("sold the girl", "trade.person_sale", 0.85),
    ("keep the passports", "control.document_retention", 0.8),
    ("passports in the safe", "control.document_retention", 0.75),
    ("took my passport", "urgent.victim_distress", 0.75),
    ("she owes", "control.debt_bondage", 0.6),
    ("until the debt is paid", "control.debt_bondage", 0.8),
    ("teach her a lesson", "control.threat_violence", 0.6),
    ("i will kill you", "control.threat_violence", 0.3),
    ("no sleep until", "control.fines_quota", 0.35),
    ("100% real pics", "exploit.sex_ad", 0.5),
    ("available 24/7", "exploit.sex_ad", 0.5),
    ("two girls available", "exploit.sex_ad", 0.55),
    ("full service", "exploit.price_menu", 0.3),
    ("60 min $200", "exploit.price_menu", 0.5),
    ("how many clients today", "exploit.third_party_mgmt", 0.55),
    ("send me what you made", "exploit.third_party_mgmt", 0.55),
    ("no days off", "exploit.labour_conditions", 0.45),
    ("14 hours a day", "exploit.labour_conditions", 0.5),
    ("money mule", "finance.value_transfer", 0.45),
    ("they won't let me leave", "urgent.victim_distress", 0.7),
    ("hotline", "context", 0.6),
    ("human trafficking", "context", 0.6),
    ("case worker", "context", 0.6),
    ("front desk", "context", 0.6),
    ("reservation", "context", 0.6),
    ("according to police", "context", 0.6),
    ("prosecutors", "context", 0.6),
    ("homework", "context", 0.6),
    ("article 3", "context", 0.6),
    ("protocol", "context", 0.6),
    ("chapter", "context", 0.5),
    ("novel", "context", 0.5),
)


def make_rule(rule: str, indicator: str = "", weight: float = 0.6, **more: object) -> RuleInfo:
    """A rule of the keyword detector with high confidence, unless said otherwise."""
    fields: dict[str, object] = {"detector": "keywords", "pack": "keywords/en", "trust": 1.0, "language": "en"}
    fields |= {"gloss": f"gloss of {rule}", "role": "evidence"} | more
    return RuleInfo(id=rule, indicator=indicator, weight=weight, **fields)  # type: ignore[arg-type]


def _rules() -> dict[str, RuleInfo]:
    out = {}
    for number, (phrase, meaning, weight) in enumerate(_PHRASES, 1):
        role = "context" if meaning == "context" else "evidence"
        indicator = "" if meaning == "context" else meaning
        rule = make_rule(f"keywords/en#{number}", indicator, weight, role=role, gloss=phrase)
        out[rule.id] = rule
    return out


RULES = _rules()
RULE_OF = {rule.gloss: rule.id for rule in RULES.values()}


def make_hit(rule: str, offset: int, text: str = "some words", *, encoding: str = "utf-8", **more: str) -> Hit:
    """A hit whose length is that of its text in its encoding."""
    length = len(text.encode(encoding or "latin-1"))
    return Hit(rule, offset, length, encoding, text, more.get("before", ""), more.get("after", ""))


def make_unit(
    path: str,
    hits: Sequence[Hit],
    *,
    size: int = 2000,
    mime: str = "text/plain",
    value: float = 0.8,
    place: str = "user content",
    kind: str = "file",
    counts: Mapping[str, int] | None = None,
    notes: tuple[str, ...] = (),
    parts: Sequence[UnitPart] = (),
    **entry: object,
) -> UnitFacts:
    """A unit of one content with these hits, or of the given parts."""
    address = Address("disk.dd", "p1", path.encode())
    if "space" in entry:
        address = Address("disk.dd", "p1", space=str(entry.pop("space")), offset=4096, length=size)
    counted = dict(counts or {})
    for hit in hits:
        counted.setdefault(hit.rule, sum(other.rule == hit.rule for other in hits))
    part = UnitPart(str(address), tuple(hits), tuple(HitCount(*item) for item in sorted(counted.items())), size)
    entry.setdefault("times", Times(mtime=1_710_970_800_000_000_000))
    return UnitFacts(
        entry=Entry(address, EntryType.FILE, size, 42, **entry),  # type: ignore[arg-type]
        kind=kind,
        content_type=ContentType(mime, mime, "signature"),
        hashes={"md5": "0" * 32},
        parts=tuple(parts) or (part,),
        value=value,
        place=place,
        notes=notes,
    )


def text_hits(text: str) -> list[Hit]:
    """Every phrase of the vocabulary in a text, with its surroundings."""
    found = []
    for phrase, rule in RULE_OF.items():
        for match in re.finditer(re.escape(phrase), text, re.IGNORECASE):
            offset = len(text[: match.start()].encode())
            before, after = text[max(0, match.start() - 120) : match.start()], text[match.end() : match.end() + 120]
            found.append(Hit(rule, offset, len(match[0].encode()), "utf-8", match[0], before, after))
    return sorted(found, key=lambda hit: (hit.file_offset, hit.rule))


def text_unit(path: str, text: str, **more: object) -> UnitFacts:
    """A unit whose content is a text."""
    return make_unit(path, text_hits(text), size=len(text.encode()), **more)  # type: ignore[arg-type]


def ranked(*units: UnitFacts, rules: Mapping[str, RuleInfo] | None = None, **more: object) -> tuple[Finding, ...]:
    """Findings of units on a device of 1,000 contents where every rule is rare."""
    fields: dict[str, object] = {"profile": Profile(), "contents": 1000, "frequency": {}} | more
    return rank(units, indicators=INDICATORS, rules=rules or RULES, **fields)  # type: ignore[arg-type]


def finding_of(unit: UnitFacts, **more: object) -> Finding:
    """The one finding of a unit."""
    (finding,) = ranked(unit, **more)  # type: ignore[arg-type]
    return finding


FILLER = (
    "The weather was fine and we walked along the river.\n"
    "Did you watch the match yesterday? It was a great goal.\n"
    "The meeting is moved to Thursday, please confirm.\n"
    "We need more paper for the printer and two new chairs.\n"
)
"""219 bytes without any phrase of the vocabulary."""

CONVERSATION = """[12:01] B: girls wanted for the club, we arrange everything
[12:03] V: I keep the passports, all of them
[12:04] B: good. she owes 4500, nobody leaves until the debt is paid
[12:09] B: how many clients today? send me what you made
"""
