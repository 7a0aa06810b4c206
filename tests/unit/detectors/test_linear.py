"""Expressions that catch a backtracking search are searched in linear time, with the same meaning."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.detectors.keywords import KeywordDetector
from triage.detectors.linear import LinearPattern, compile_expression, may_explode
from triage.model.content import ContentNames
from triage.model.rules import KeywordTerm
from triage.ruleset import load_rules

NAMES = ContentNames("a.dd p1:/x", "x", "/x")
HANGING = r"\b(?:a|a|aa){1,60}(?:b|c)d"


@pytest.mark.parametrize(
    ("pattern", "explodes"),
    [
        (HANGING, True),
        (r"(?:\w{1,9}\s?){2,40}!", True),
        (r"(a+)+b", True),
        (r"x.*y.*z", True),
        (r"\b(?:passports?|visas?)\b[^.!?\x00]{0,40}\bpaid\b", False),
        (r"[A-Z]{2}\d{6,40}", False),
        (r"(?:ab){2,3}", False),
    ],
)
def test_what_may_explode_is_known_by_its_shape(pattern, explodes):
    assert may_explode(pattern) is explodes
    assert isinstance(compile_expression(pattern, ignore_case=True), LinearPattern) is explodes


def test_a_text_that_would_hang_a_search_does_not():
    terms = (KeywordTerm("k#1", HANGING, "regex", "substring", False, (), ()),)
    detector = KeywordDetector(terms)
    hits = detector.scan((b"a" * 60 + b" bd ") * 2000 + b" aaaaaabd.", NAMES).hits
    assert [hit.matched for hit in hits] == ["aaaaaabd"]


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from("ab cdé п5٣_.\n"), max_size=40))
@pytest.mark.parametrize(
    "pattern", [r"\b(?:a|b|é){1,9}\b", r"(?:\w\s?){2,9}5", r"\b(?:п|\d){1,5}", r"(?:[^.\s]b){1,7}"]
)
def test_its_answer_is_that_of_re(pattern, text):
    linear = LinearPattern(pattern, ignore_case=True)
    expected = [match.span() for match in re.finditer(pattern, text, re.IGNORECASE | re.DOTALL)]
    found = [match.span() for match in linear.finditer(text)]
    assert found == expected


def test_few_shipped_expressions_need_it():
    expressions = [term for term in load_rules().keywords if term.kind == "regex"]
    assert sum(may_explode(term.term) for term in expressions) < 0.05 * len(expressions)
