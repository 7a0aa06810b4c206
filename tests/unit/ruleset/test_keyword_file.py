"""Keyword packs: what a term becomes, and every way in which one is refused (U03)."""

import pytest

from triage.errors import EmptyRuleSetError, RuleSyntaxError
from triage.ruleset import check_rules, load_rules

HEAD = '[pack]\nname = "Lab"\n'


def regex(pattern):
    return f"[[term]]\nkind = 'regex'\nterm = '{pattern}'\n"


CASES = {
    "U03-nested-plus": (regex("(a+)+$"), "regex-nested-unbounded", 3, 11),
    "U03-star-of-star": (regex("x(?:a*b)*"), "regex-nested-unbounded", 3, 14),
    "U03-dots": (regex(".*" * 20), "regex-matches-empty", 3, 9),
    "U03-empty": (regex(""), "regex-matches-empty", 3, 9),
    "U03-matches-empty": (regex("a?|b"), "regex-matches-empty", 3, 9),
    "U03-edge-alone": (regex(r"\b"), "regex-matches-empty", 3, 9),
    "U03-look-ahead": (regex("ab(?=c)"), "regex-unsupported", 3, 11),
    "U03-look-behind": (regex("(?<!a)b"), "regex-unsupported", 3, 9),
    "U03-back-reference": (regex(r"(a)b\1"), "regex-unsupported", 3, 13),
    "U03-named-reference": (regex("(a)(?P=x)"), "regex-unsupported", 3, 12),
    "U03-possessive": (regex("a++"), "regex-unsupported", 3, 10),
    "U03-atomic": (regex("(?>a)"), "regex-unsupported", 3, 9),
    "U03-repeat": (regex("a{1001}"), "regex-repeat-limit", 3, 10),
    "U03-repeat-huge": (regex("a{1,99999999999999999999}"), "regex-repeat-limit", 3, 10),
    "U03-repeat-multiplied": (regex("(a{100}){100}"), "regex-repeat-limit", 3, 11),
    "U03-too-large": (regex("(?:" + "abcdefghijklmnopqrstuvwxyz" + "){900}"), "regex-too-large", 3, 9),
    "U03-deep": (regex("(" * 500 + "a" + ")" * 500), "regex-unsupported", 3, 70),
    "U03-not-closed": (regex("(a"), "regex-syntax", 3, 9),
    "U03-class-not-closed": (regex("a[bc"), "regex-syntax", 3, 10),
    "U03-range": (regex("[z-a]"), "regex-syntax", 3, 10),
    "U03-nothing-to-repeat": (regex("a|*"), "regex-syntax", 3, 11),
    "U03-unicode-escape": (regex(r"\u0430"), "regex-unsupported", 3, 9),
    "U03-property": (regex(r"a\pL"), "regex-unsupported", 3, 10),
    "U03-verbose-flag": (regex("(?x)a b"), "regex-unsupported", 3, 11),
    "blank": ('[[term]]\nterm = " \\u200b"\n', "term-blank", 2, 8),
    "control": ("[[term]]\nterm = 'a\tb'\n", "term-control", 2, 10),
    "long": (f"[[term]]\nterm = '{'a' * 501}'\n", "term-too-long", 2, 9),
    "long-pattern": (regex("a" * 4001), "term-too-long", 3, 9),
    "twice": ("[[term]]\nterm = 'Word'\n[[term]]\nterm = 'wORD'\n", "duplicate-term", 4, 8),
    "twice-compatible-form": ("[[term]]\nterm = 'word'\n[[term]]\nterm = 'ｗord'\n", "duplicate-term", 4, 8),
    "indicator": ("[[term]]\nterm = 'a'\nindicator = 'move.transfr'\n", "unknown-indicator", 3, 13),
    "indicator-empty": ("[[term]]\nterm = 'a'\nindicator = ''\n", "unknown-indicator", 3, 13),
    "encoding": ("[pack]\nencodings = ['cp1251', 'cp99']\n[[term]]\nterm = 'a'\n", "unknown-encoding", 2, 24),
    "encoding-of-bytes": ("[pack]\nencodings = ['base64']\n[[term]]\nterm = 'a'\n", "unknown-encoding", 2, 14),
    "encoding-of-idna": ("[pack]\nencodings = ['idna']\n[[term]]\nterm = 'a'\n", "unknown-encoding", 2, 14),
    "encoding-path": ("[pack]\nencodings = ['../../x']\n[[term]]\nterm = 'a'\n", "unknown-encoding", 2, 14),
    "normalisation": ("[pack]\nnormalise = ['nfkd']\n[[term]]\nterm = 'a'\n", "unknown-normalisation", 2, 14),
    "kind": ("[[term]]\nterm = 'a'\nkind = 'rege'\n", "unknown-value", 3, 8),
    "confidence": ("[[term]]\nterm = 'a'\nconfidence = 'sure'\n", "unknown-value", 3, 14),
    "role": ("[[term]]\nterm = 'a'\nrole = 'note'\n", "unknown-value", 3, 8),
}


@pytest.mark.parametrize("name", CASES)
def test_refused_at_its_place(name, own):
    content, code, line, column = CASES[name]
    path = own("lab.toml", content)
    with pytest.raises(RuleSyntaxError) as caught:
        load_rules([path])
    assert (caught.value.line, caught.value.column) == (line, column)
    found = [(issue.code, issue.line, issue.column) for issue in check_rules([path]) if issue.severity == "error"]
    assert found == [(code, line, column)]


def test_hint_names_the_nearest_indicator(own):
    with pytest.raises(RuleSyntaxError) as caught:
        load_rules([own("lab.toml", CASES["indicator"][0])])
    assert caught.value.hint == "did you mean `move.transfer`?"


def test_shipped_pack(shipped):
    rules = load_rules()
    keyword = {term.rule: term for term in rules.keywords}["keywords/de#1"]
    assert (keyword.term, keyword.kind, keyword.match, keyword.case_sensitive) == (
        "passport held",
        "literal",
        "word",
        False,
    )
    assert (keyword.normalise, keyword.encodings) == (("nfkc", "casefold"), ("cp1252",))
    info = rules.rules["keywords/de#1"]
    assert (info.pack, info.indicator, info.weight, info.trust) == ("keywords/de", "control.debt_threat", 0.5, 1.0)
    assert (info.language, info.gloss, info.role, info.detector) == ("de", "gloss", "evidence", "keywords")


def test_confidence_is_trust_and_a_pattern_has_its_own_boundaries(own):
    text = (
        "[pack]\nconfidence = 'medium'\nmatch = 'word-start'\n"
        "[[term]]\nterm = 'one'\n[[term]]\nterm = 'two'\nconfidence = 'low'\n[[term]]\nterm = 'three'\nconfidence = 'high'\n"
        "[[term]]\nterm = 'fo+r'\nkind = 'regex'\n[[term]]\nterm = 'fi+ve'\nkind = 'regex'\nmatch = 'word'\n"
        "[[term]]\nterm = 'PNR'\nmatch = 'substring'\ncase_sensitive = true\nrole = 'context'\nindicator = ''\n"
    )
    rules = load_rules([own("lab.toml", text)], shipped=False)
    assert [(t.rule, t.match) for t in rules.keywords] == [
        ("user/lab#1", "word-start"), ("user/lab#2", "word-start"), ("user/lab#3", "word-start"),
        ("user/lab#4", "substring"), ("user/lab#5", "word"), ("user/lab#6", "substring"),
    ]  # fmt: skip
    assert [rules.rules[f"user/lab#{n}"].trust for n in (1, 2, 3)] == [0.8, 0.5, 1.0]
    assert rules.rules["user/lab#1"].indicator == "user.keyword"
    assert (rules.rules["user/lab#6"].role, rules.rules["user/lab#6"].indicator) == ("context", "")
    assert rules.keywords[5].case_sensitive


def test_user_pack_keeps_its_identity_behind_the_prefix(own):
    text = (
        "[pack]\nid = 'keywords/de'\nlanguage = 'de'\n[[term]]\nterm = 'one'\nindicator = 'move.transfer'\nweight = 0\n"
    )
    rules = load_rules([own("lab.toml", text)])
    info = rules.rules["user/keywords/de#1"]
    assert (info.pack, info.weight, info.indicator) == ("user/keywords/de", 0.0, "move.transfer")
    assert "keywords/de#1" in rules.rules


def test_case_sensitive_and_plain_are_two_terms(own):
    text = "[[term]]\nterm = 'pnr'\n[[term]]\nterm = 'PNR'\ncase_sensitive = true\n"
    assert len(load_rules([own("lab.toml", text)], shipped=False).keywords) == 2


def test_pack_without_terms(own):
    path = own("lab.toml", HEAD)
    with pytest.raises(EmptyRuleSetError, match="no `\\[\\[term\\]\\]`"):
        load_rules([path])
    assert [issue.code for issue in check_rules([path])] == ["empty-pack"]


def test_pack_with_an_empty_list_of_terms(own):
    with pytest.raises(EmptyRuleSetError):
        load_rules([own("lab.toml", "term = []\n")])


def test_patterns_of_shipped_packs_are_left_to_the_check(shipped):
    place = shipped / "keywords/de/de.toml"
    place.write_text(
        place.read_text() + "[[term]]\nkind = 'regex'\nterm = '(a+)+b'\nindicator = 'move.transfer'\nweight = 0.1\n"
    )
    assert len(load_rules().keywords) == 3
    assert [i.code for i in check_rules() if i.severity == "error"] == ["regex-nested-unbounded"]
