"""What rules mean, kept in the case as JSON, so that ranking needs nothing but the case."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from triage.errors import CaseError
from triage.model.rules import Indicator, PackInfo, Profile, RuleInfo, RuleSet


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The part of a rule set that ranking and reports need."""

    indicators: dict[str, Indicator]
    rules: dict[str, RuleInfo]
    packs: tuple[PackInfo, ...]
    profile: Profile


def dump_knowledge(rules: RuleSet) -> dict[str, Any]:
    """A rule set's meaning as JSON values."""
    return {
        "indicators": [asdict(indicator) for indicator in rules.indicators.values()],
        "rules": [asdict(rule) for rule in rules.rules.values()],
        "packs": [asdict(pack) for pack in rules.packs],
        "profile": asdict(rules.profile),
    }


def _build(kind: type[Any], record: dict[str, Any]) -> Any:
    names = {field.name for field in fields(kind)}
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k in names})


def load_knowledge(value: Any) -> Knowledge:
    """The inverse of :func:`dump_knowledge`.

    Raises:
        CaseError: The case holds no rules yet.
    """
    if not isinstance(value, dict):
        raise CaseError("the case holds no rules yet", hint="`triage scan` fills it")
    indicators = {record["id"]: _build(Indicator, record) for record in value["indicators"]}
    rules = {record["id"]: _build(RuleInfo, record) for record in value["rules"]}
    packs = tuple(_build(PackInfo, record) for record in value["packs"])
    return Knowledge(indicators, rules, packs, _build(Profile, value["profile"]))
