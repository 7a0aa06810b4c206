"""What the metadata of a YARA rule say about the meaning of a hit.

A shipped rule states it: ``indicator``, ``role``, ``weight``, ``confidence``. A rule of the user's own is taken as it
comes: where it names no indicator it counts as ``user.yara``, weighted by ``score`` (0 to 100, as Loki and THOR have
it) or ``severity`` (a word, 1 to 10, or 11 to 100).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from triage.model.rules import Indicator, RuleInfo
from triage.ruleset.indicator_file import USER_YARA
from triage.ruleset.issues import shown
from triage.ruleset.keyword_file import TRUST
from triage.ruleset.toml_reader import nearest
from triage.ruleset.yara_compile import CompiledRule

ROLES = ("evidence", "note", "context")
USER_WEIGHT = 0.7  # Loki's score for a rule that states none is 70
SEVERITY = {
    "informational": 0.1, "info": 0.1, "low": 0.3, "moderate": 0.5, "medium": 0.5, "high": 0.7, "severe": 0.9,
    "critical": 0.9,
}  # fmt: skip
_CATALOGUE_ID = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_META_LIMIT = 2000


class MetaComplaint(Protocol):
    """Reports about one metadata key of a rule."""

    def __call__(self, code: str, key: str, message: str, *, hint: str = "", warning: bool = False) -> None:
        """Report ``message`` at the place of ``key``, or of the rule where the key is not there."""


def shipped_info(
    rule: CompiledRule, rule_id: str, pack: str, indicators: Mapping[str, Indicator], complain: MetaComplaint
) -> RuleInfo:
    """Meaning of a rule that ships; values that do not fit are errors."""
    indicator = rule.meta.get("indicator", "")
    if indicator and indicator not in indicators:
        hint = nearest(indicator, indicators)
        complain("unknown-indicator", "indicator", f"unknown indicator: `{shown(indicator)}`", hint=hint)
        indicator = ""
    role = rule.meta.get("role") or ("evidence" if indicator else "note")
    if role not in ROLES:
        complain("yara-meta-value", "role", f"`role` cannot be `{shown(role)}`", hint=nearest(role, ROLES))
        role = "note"
    elif role == "evidence" and not indicator:
        complain("yara-meta-value", "role", "a rule with role `evidence` must name an indicator")
        role = "note"
    weight = _number(rule.meta.get("weight", "0.5"), 0.0, 1.0)
    if weight is None:
        complain("yara-meta-value", "weight", f"`weight` must be 0 to 1: {shown(rule.meta['weight'])}")
    confidence = rule.meta.get("confidence", "medium")
    if confidence not in TRUST:
        hint = nearest(confidence, TRUST)
        complain("yara-meta-value", "confidence", f"`confidence` cannot be `{shown(confidence)}`", hint=hint)
    return _info(rule, rule_id, pack, indicator, role, 0.5 if weight is None else weight, TRUST.get(confidence, 0.8))


def user_info(
    rule: CompiledRule, rule_id: str, pack: str, indicators: Mapping[str, Indicator], complain: MetaComplaint
) -> RuleInfo:
    """Meaning of a rule of the user's own; what does not fit belongs to another tool and is passed over."""
    indicator = rule.meta.get("indicator", "")
    if indicator and indicator not in indicators:
        message = f"unknown indicator: `{shown(indicator)}`"
        if _CATALOGUE_ID.fullmatch(indicator):  # meant for us, so a slip of the pen
            complain("unknown-indicator", "indicator", message, hint=nearest(indicator, indicators))
        else:
            complain("yara-meta-value", "indicator", message + f", counts as `{USER_YARA}`", warning=True)
        indicator = ""
    role = rule.meta.get("role", "evidence")
    weight = next(
        (value for value in (_stated(rule, key, read, complain) for key, read in _WEIGHTS) if value is not None),
        USER_WEIGHT,
    )
    trust = TRUST.get(rule.meta.get("confidence", "high").lower(), 1.0)
    return _info(rule, rule_id, pack, indicator or USER_YARA, role if role in ROLES else "evidence", weight, trust)


def _stated(rule: CompiledRule, key: str, read: Callable[[str], float | None], complain: MetaComplaint) -> float | None:
    if key not in rule.meta:
        return None
    value = read(rule.meta[key])
    if value is None:
        complain("yara-meta-value", key, f"`{key}` is not understood: `{shown(rule.meta[key])}`", warning=True)
    return value


def _number(text: str, low: float, high: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if low <= value <= high else None


def _score(text: str) -> float | None:
    value = _number(text, -1e9, 1e9)
    return None if value is None else min(max(value / 100, 0.0), 1.0)


def _severity(text: str) -> float | None:
    word = SEVERITY.get(text.strip().lower())
    if word is not None:
        return word
    value = _number(text, 0.0, 100.0)
    return None if value is None else value / (10 if value <= 10 else 100)


_WEIGHTS: tuple[tuple[str, Callable[[str], float | None]], ...] = (
    ("weight", lambda text: _number(text, 0.0, 1.0)),
    ("score", _score),
    ("severity", _severity),
)


def _info(
    rule: CompiledRule, rule_id: str, pack: str, indicator: str, role: str, weight: float, trust: float
) -> RuleInfo:
    meta = {shown(key): shown(value, _META_LIMIT) for key, value in rule.meta.items()}
    if rule.tags:
        meta.setdefault("tags", " ".join(rule.tags))
    language = meta.get("language", "und")
    return RuleInfo(
        id=rule_id,
        detector="yara",
        pack=pack,
        indicator=indicator,
        weight=weight,
        trust=trust,
        language=language if _TAG.fullmatch(language) else "und",
        gloss=meta.get("description") or rule.name,
        role=role,
        meta=meta,
    )
