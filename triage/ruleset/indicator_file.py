"""Indicator catalogues: ``version``, ``[[indicator]]``, ``[[source]]``.

The built-in indicators are those under which a user's own words and YARA rules count when they name none.
"""

from __future__ import annotations

from triage.model.rules import Indicator
from triage.ruleset.issues import Complaints, shown
from triage.ruleset.toml_reader import Fields, TomlFile, nearest

USER_KEYWORD = "user.keyword"
USER_YARA = "user.yara"
BUILT_IN: dict[str, Indicator] = {
    USER_KEYWORD: Indicator(
        id=USER_KEYWORD,
        name="Word named by the examiner",
        element="other",
        description="A term of a word list, or of a keyword pack without indicator, that was handed in for this case.",
        base_weight=0.6,
        single_ok=True,
        innocent="The word says nothing by itself: read where it stands.",
    ),
    USER_YARA: Indicator(
        id=USER_YARA,
        name="YARA rule named by the examiner",
        element="other",
        description="A YARA rule that was handed in for this case and names no indicator of the catalogue.",
        base_weight=0.6,
        single_ok=True,
        innocent="Depends on the rule: read its description and reference.",
    ),
}
ELEMENTS = ("act", "means", "purpose", "other")
ILO = frozenset((
    "abuse_of_vulnerability", "deception", "restriction_of_movement", "isolation", "violence",
    "intimidation_threats", "document_retention", "wage_withholding", "debt_bondage", "abusive_conditions",
    "excessive_overtime",
))  # fmt: skip
_TOP = ("version", "licence", "author", "indicator", "source")
_KEYS = (
    "id", "name", "element", "ilo", "description", "artefacts", "base_weight", "urgency", "single_ok", "innocent",
    "sources", "note",
)  # fmt: skip
_SOURCE_KEYS = ("key", "title", "publisher", "year", "url", "licence", "note")


def read_indicators(
    toml: TomlFile, complaints: Complaints, taken: frozenset[str] = frozenset(BUILT_IN)
) -> dict[str, Indicator]:
    """The indicators of one catalogue, in stored order.

    Args:
        toml: The catalogue.
        complaints: Takes what is wrong.
        taken: Identities that exist already.

    Raises:
        RuleError: The catalogue is not valid, when ``complaints`` is strict.
    """
    Fields(toml, (), toml.data, complaints).known(_TOP)
    sources = _sources(toml, complaints)
    out: dict[str, Indicator] = {}
    for fields in Fields.each(toml, "indicator", complaints):
        indicator = _indicator(fields, sources)
        if indicator.id in out or indicator.id in taken:
            fields.complain("duplicate-id", f"indicator exists already: `{shown(indicator.id)}`", "id", value=True)
        elif indicator.id:
            out[indicator.id] = indicator
    return out


def _sources(toml: TomlFile, complaints: Complaints) -> frozenset[str]:
    out: set[str] = set()
    for fields in Fields.each(toml, "source", complaints):
        fields.known(_SOURCE_KEYS)
        key = fields.text("key", required=True, filled=True)
        fields.text("title", required=True, filled=True)
        for name in ("publisher", "url", "licence", "note"):
            fields.text(name)
        fields.whole("year", 0, 1000, 2999)
        if key in out:
            fields.complain("duplicate-id", f"source exists already: `{shown(key)}`", "key", value=True)
        out.add(key)
    return frozenset(out)


def _indicator(fields: Fields, sources: frozenset[str]) -> Indicator:
    fields.known(_KEYS)
    named = fields.texts("sources")
    for index, key in enumerate(named):
        if key not in sources:
            fields.complain(
                "unknown-source", f"unknown source: `{shown(key)}`", "sources", index=index, hint=nearest(key, sources)
            )
    ilo = fields.texts("ilo")
    for index, key in enumerate(ilo):
        if key not in ILO:
            message = f"unknown ILO indicator: `{shown(key)}`"
            fields.complain("unknown-value", message, "ilo", index=index, hint=nearest(key, ILO))
    fields.text("note")
    return Indicator(
        id=fields.text("id", required=True, filled=True),
        name=fields.text("name", required=True, filled=True),
        element=fields.choice("element", ELEMENTS, "other", required=True),
        ilo=ilo,
        description=fields.text("description"),
        artefacts=fields.texts("artefacts"),
        base_weight=fields.number("base_weight", 0.3, 0.0, 1.0, required=True),
        urgency=fields.whole("urgency", 0, 0, 2),
        single_ok=fields.flag("single_ok"),
        innocent=fields.text("innocent"),
        sources=named,
    )


def check_classes(toml: TomlFile, classes: frozenset[str], complaints: Complaints) -> None:
    """Complain of artefact classes that no artefact file defines."""
    for fields in Fields.each(toml, "indicator", complaints):
        named = fields.table.get("artefacts")
        for index, key in enumerate(named if isinstance(named, list) else ()):
            if isinstance(key, str) and key not in classes:
                message = f"unknown artefact class: `{shown(key)}`"
                fields.complain("unknown-class", message, "artefacts", index=index, hint=nearest(key, classes))
