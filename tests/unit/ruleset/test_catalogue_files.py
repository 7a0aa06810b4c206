"""Indicators, artefacts and profiles: values, cross references, places of what is wrong."""

import pytest

from triage.errors import DuplicateRuleError, RuleError, RuleSyntaxError
from triage.ruleset import check_rules, load_rules

INDICATOR = '[[indicator]]\nid = "lab.mine"\nname = "Mine"\nelement = "act"\nbase_weight = 0.2\n'
ARTEFACT = '[[artefact]]\nid = "lab.app"\nglobs = ["*/lab/*"]\nvalue = 0.5\n'
CASES = {
    "element": (INDICATOR.replace("act", "acts"), "unknown-value", 4, 11),
    "no-weight": (INDICATOR.replace("base_weight = 0.2\n", ""), "missing-key", 1, 1),
    "urgency": (INDICATOR + "urgency = 3\n", "out-of-range", 6, 11),
    "urgency-is-whole": (INDICATOR + "urgency = 1.5\n", "wrong-type", 6, 11),
    "single-ok": (INDICATOR + "single_ok = 1\n", "wrong-type", 6, 13),
    "source": (INDICATOR + 'sources = ["nowhere"]\n', "unknown-source", 6, 12),
    "ilo": (INDICATOR + 'ilo = ["violence", "debt"]\n', "unknown-value", 6, 20),
    "class": (INDICATOR + 'artefacts = ["chats"]\n', "unknown-class", 6, 14),
    "key": (INDICATOR + 'innocence = "x"\n', "unknown-key", 6, 1),
    "twice": (INDICATOR + INDICATOR, "duplicate-id", 7, 6),
    "shipped-already": (INDICATOR.replace("lab.mine", "move.transfer"), "duplicate-id", 2, 6),
    "built-in": (INDICATOR.replace("lab.mine", "user.yara"), "duplicate-id", 2, 6),
    "source-twice": (INDICATOR + '[[source]]\nkey = "a"\ntitle = "t"\n' * 2, "duplicate-id", 10, 7),
    "globs-empty": (ARTEFACT.replace('"*/lab/*"', ""), "out-of-range", 3, 9),
    "glob-backslash": (ARTEFACT.replace('"*/lab/*"', '"a", "b\\\\c"'), "out-of-range", 3, 15),
    "artefact-value": (ARTEFACT.replace("0.5", "-1"), "out-of-range", 4, 9),
    "artefact-twice": (ARTEFACT * 2, "duplicate-id", 6, 6),
    "artefact-shipped": (ARTEFACT.replace("lab.app", "chat.one"), "duplicate-id", 2, 6),
    "artefact-of-class": (ARTEFACT + '[classes]\nlab = ["lab.app", "lab.apq"]\n', "unknown-artefact", 6, 19),
    "threshold-range": ("[thresholds]\nhigh = 2\n", "out-of-range", 2, 8),
    "threshold-order": ("[thresholds]\nhigh = 0.9\n", "threshold-order", 1, 1),
    "threshold-key": ("[thresholds]\nhihg = 0.7\n", "unknown-key", 2, 1),
    "factor-indicator": ('[indicator_factor]\n"move.transfr" = 1\n', "unknown-indicator", 2, 1),
    "factor-range": ('[indicator_factor]\n"move.transfer" = -1\n', "out-of-range", 2, 19),
    "profile-twice": ('name = "strict"\n[thresholds]\n', "duplicate-id", 1, 8),
}


@pytest.mark.parametrize("name", CASES)
def test_place(name, own):
    content, code, line, column = CASES[name]
    path = own("lab.toml", content)
    with pytest.raises((RuleSyntaxError, DuplicateRuleError), match=f":{line}:{column}: "):
        load_rules([path])
    found = [(issue.code, issue.line, issue.column) for issue in check_rules([path]) if issue.severity == "error"]
    assert found == [(code, line, column)]


def test_shipped_values(shipped):
    rules = load_rules()
    indicator = rules.indicators["control.debt_threat"]
    assert (indicator.element, indicator.base_weight, indicator.urgency, indicator.single_ok) == (
        "means",
        0.5,
        1,
        False,
    )
    assert (indicator.ilo, indicator.artefacts, indicator.sources) == (
        ("debt_bondage",),
        ("chat",),
        ("somewhere-2020",),
    )
    assert [(a.id, a.globs, a.value, a.classes) for a in rules.artefacts] == [
        ("chat.one", ("*/one.db",), 0.9, ("chat",))
    ]
    for name in ("user.keyword", "user.yara"):
        built_in = rules.indicators[name]
        assert (built_in.element, built_in.base_weight, built_in.single_ok, built_in.urgency) == ("other", 0.6, True, 0)


def test_user_may_add_indicators_artefacts_and_a_profile(own):
    own("a.toml", INDICATOR)
    own("b.toml", ARTEFACT)
    own("lab.toml", '[thresholds]\nlow = 0.05\n[indicator_factor]\n"lab.mine" = 2\n')
    folder = own("w.txt", "word\n").parent
    rules = load_rules([folder], profile="lab")
    assert rules.indicators["lab.mine"].base_weight == 0.2
    assert [artefact.id for artefact in rules.artefacts] == ["chat.one", "lab.app"]
    assert (rules.profile.low, rules.profile.high, rules.profile.indicator_factor) == (0.05, 0.6, {"lab.mine": 2.0})
    assert [(p.id, p.enabled) for p in rules.packs if p.kind == "profile"] == [
        ("profiles/default", False), ("profiles/strict", False), ("user/profiles/lab", True),
    ]  # fmt: skip


def test_unknown_profile_lists_what_there_is(shipped):
    with pytest.raises(RuleError, match="unknown profile: `strickt`") as caught:
        load_rules(profile="strickt")
    assert caught.value.hint == "there are: default, strict"
    assert load_rules(profile="strict").profile.indicator_factor == {"move.transfer": 0.5}
