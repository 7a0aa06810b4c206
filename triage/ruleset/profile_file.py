"""Profiles: thresholds of the priorities, and factors on indicators.

::

    name = "default"
    [thresholds]
    critical = 0.80
    high = 0.60
    medium = 0.35
    low = 0.12
    [indicator_factor]
    "exploit.sex_ad" = 0.5
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from triage.model.rules import Indicator, Profile
from triage.ruleset.issues import Complaints, shown
from triage.ruleset.toml_reader import Fields, TomlFile, nearest

MAX_FACTOR = 3.0
_TOP = ("name", "version", "licence", "author", "description", "note", "thresholds", "indicator_factor")
_LEVELS = ("critical", "high", "medium", "low")


def read_profile(toml: TomlFile, indicators: Mapping[str, Indicator], complaints: Complaints) -> Profile:
    """The profile of one file; thresholds that it leaves out are those of the default.

    Raises:
        RuleError: The profile is not valid, when ``complaints`` is strict.
    """
    top = Fields(toml, (), toml.data, complaints)
    top.known(_TOP)
    for key in ("version", "licence", "author", "description", "note"):
        if not isinstance(toml.data.get(key), int):
            top.text(key)
    name = top.text("name", toml.file.stem, filled=True)
    base = Profile()
    thresholds = Fields.of(toml, "thresholds", complaints)
    thresholds.known(_LEVELS)
    levels = {key: thresholds.number(key, getattr(base, key), 0.0, 1.0) for key in _LEVELS}
    for upper, lower in pairwise(_LEVELS):
        if levels[upper] <= levels[lower]:
            thresholds.complain("threshold-order", f"`{upper}` must be above `{lower}`", upper, value=True)
    factors = Fields.of(toml, "indicator_factor", complaints)
    for key in factors.table:
        if key not in indicators:
            factors.complain(
                "unknown-indicator", f"unknown indicator: `{shown(key)}`", key, hint=nearest(key, indicators)
            )
    factor = {key: factors.number(key, 1.0, 0.0, MAX_FACTOR) for key in sorted(factors.table)}
    return Profile(name=name, indicator_factor=factor, **levels)
