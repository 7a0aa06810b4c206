"""Patterns: what is taken is read alike by Python and RE2, and searched in linear time (U03)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.errors import LimitExceededError
from triage.ruleset.regex_parse import RegexFault, parse_regex
from triage.ruleset.regex_run import RegexProgram
from triage.ruleset.regex_tree import unbounded_gaps

PIECES = st.sampled_from([
    *"aAbé1_ -.^$|()[]{}*+?\\,:=!<", r"\b", r"\B", r"\w", r"\d", r"\s", r"\W", r"\.", r"\x41", "(?:", "(?i:", "(?i)", "(?m)",
    "(?s)", "(?:a|bb|c)", "[a-c]", "[^ab]", r"[\w-]", "{1,2}", "{2}", "{0,3}", "{1,}", "??", "*?", "ſ", "K", "İ",
])  # fmt: skip
PATTERNS = st.lists(PIECES, min_size=1, max_size=8).map("".join)
TEXTS = st.text(alphabet="aAbBcé1_ -.\nkKſsiİı", max_size=9)


@settings(max_examples=1500)
@given(PATTERNS, st.lists(TEXTS, min_size=3, max_size=3), st.booleans())
def test_taken_means_the_same_to_python(pattern, texts, sensitive):
    node = parse_regex(pattern)
    if isinstance(node, RegexFault):
        assert 0 <= node.position <= len(pattern)
        return
    compiled = re.compile(pattern, re.NOFLAG if sensitive else re.IGNORECASE)
    assert compiled.fullmatch("") is None
    program = RegexProgram(node, case_sensitive=sensitive)
    for text in texts:
        assert program.search(text) == (compiled.search(text) is not None), text


@settings(max_examples=1500)
@given(PATTERNS)
def test_taken_compiles_in_re2(pattern):
    re2 = pytest.importorskip("re2")
    if isinstance(parse_regex(pattern), RegexFault):
        return
    options = re2.Options()
    options.log_errors = False
    re2.compile(pattern, options)


@given(st.text(max_size=60))
def test_any_text_is_judged(pattern):
    parse_regex(pattern)


def test_u03_what_backtracks_for_ever_is_searched_at_once():
    program = RegexProgram(parse_regex("(?:a|a|aa){1,60}(?:b|c)"))
    assert not program.search("a" * 400)
    assert program.search("a" * 400 + "c")


def test_u03_search_has_a_limit():
    program = RegexProgram(parse_regex("(?:[ab]{1,90}){1,10}x"))
    with pytest.raises(LimitExceededError):
        program.search("ab" * 20000)


@pytest.mark.parametrize(
    ("pattern", "positions"),
    [("a.*b", [2]), (r"a\W+b[^x]*c", [3, 9]), ("a.{0,40}b", []), ("(?:x(?s:.)+y){2}", [10]), (r"\w+a", [])],
)
def test_unbounded_gaps(pattern, positions):
    node = parse_regex(pattern)
    assert not isinstance(node, RegexFault), node
    assert unbounded_gaps(node) == positions


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("(?=a)b", "regex-unsupported"), ("(?P<n>a)", "regex-unsupported"), ("(?#c)a", "regex-unsupported"),
        ("(a)?(?(1)b|c)", "regex-unsupported"), ("a{,3}", "regex-unsupported"), (r"a\Z", "regex-unsupported"),
        (r"[\b]a", "regex-unsupported"), ("[[:alpha:]]", "regex-unsupported"), ("[a--b]", "regex-unsupported"),
        (r"\b+a", "regex-unsupported"), ("(?-i:a)", "regex-unsupported"), (r"\07", "regex-unsupported"),
        ("a**", "regex-syntax"), ("a)", "regex-syntax"), ("a\\", "regex-syntax"), (r"\x4", "regex-syntax"),
        ("a{3,2}", "regex-syntax"), ("{2}a", "regex-syntax"), ("[]", "regex-syntax"), ("(?:", "regex-syntax"),
        ("(|a)", "regex-matches-empty"), ("^$", "regex-matches-empty"), ("(?:a{0,3})*", "regex-matches-empty"),
    ],
)  # fmt: skip
def test_refused(pattern, code):
    fault = parse_regex(pattern)
    assert isinstance(fault, RegexFault)
    assert fault.code == code


@pytest.mark.parametrize(
    "pattern", ["a{", "a{b}", "a{1,x}", "]a", "}a", "a,{2}", r"\-\#\ \_", "[]a]", "[^]a]", "[a\\]]", "a{1000}"]
)
def test_odd_but_right(pattern):
    assert not isinstance(parse_regex(pattern), RegexFault)
    re.compile(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"a\Bb", "ab", True), (r"a\bb", "ab", False), (r"\Ba", "ba", True), (r"\Ba", " a", False), (r"\bя", "ая", False),
        ("^a", "ba", False), ("^a", "b\na", False), ("(?m)^a", "b\na", True), ("a$", "a\n", True), ("a$", "a\nb", False),
        ("(?m)a$", "a\nb", True), ("a.b", "a\nb", False), ("(?s)a.b", "a\nb", True), (r"\Aa", "xa", False),
    ],
)  # fmt: skip
def test_edges(pattern, text, found):
    assert RegexProgram(parse_regex(pattern)).search(text) is found
    assert (re.search(pattern, text) is not None) is found
