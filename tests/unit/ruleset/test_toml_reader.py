"""Broken TOML, wrong keys and wrong values point at file, line and column; unknown keys name the nearest."""

import pytest

from triage.errors import DuplicateRuleError, RuleError, RuleSyntaxError
from triage.ruleset import check_rules, load_rules

TERM = '[[term]]\nterm = "one"\n'
CASES = {
    # name: (content, code, line, column, part of the message, part of the hint)
    "not-utf8": (b'[pack]\nname = "\xe9"\n', "toml-encoding", 2, 9, "byte 0xe9", "UTF-8"),
    "syntax": ("[pack]\nname = \n", "toml-syntax", 2, 8, "invalid value", ""),
    "syntax-at-end": ("[pack]\nname = [1,\n", "toml-syntax", 3, 1, "", ""),
    "key-twice": ("[pack]\nname = 'a'\nname = 'b'\n", "toml-syntax", 3, 11, "cannot overwrite", ""),
    "too-deep": ("a = " + "[" * 3000, "toml-syntax", 1, 1, "too deep", ""),
    "number-of-5000-digits": ("a = " + "9" * 5000, "toml-syntax", 1, 1, "", ""),
    "empty": ("", "toml-kind-unknown", 1, 1, "neither", "[[term]]"),
    "of-another-tool": ("[tool.x]\na = 1\n", "toml-kind-unknown", 1, 1, "neither", ""),
    "terms-for-term": ('[[terms]]\nterm = "a"\n', "toml-kind-unknown", 1, 1, "neither", "did you mean `term`?"),
    "U06-unknown-key-in-pack": ('[pack]\nlangage = "de"\n' + TERM, "unknown-key", 2, 1, "`langage`", "`language`"),
    "U06-unknown-key-in-term": (TERM + "  wieght = 1\n", "unknown-key", 3, 3, "`wieght`", "`weight`"),
    "U06-unknown-table": (TERM + "[pakc]\nid = 'x'\n", "unknown-key", 3, 1, "`pakc`", "`pack`"),
    "U06-escape-sequence-in-a-key": ('[pack]\n"a\\u001b[31m" = 1\n' + TERM, "unknown-key", 2, 1, r"`a\x1b[31m`", ""),
    "U06-wrong-type": (TERM + 'weight = "0.5"\n', "wrong-type", 3, 10, "a number", ""),
    "U06-true-is-no-number": (TERM + "weight = true\n", "wrong-type", 3, 10, "a number", ""),
    "wrong-type-of-table": ("pack = 3\n" + TERM, "wrong-type", 1, 1, "[pack]", ""),
    "wrong-type-of-terms": ("term = 3\n", "wrong-type", 1, 1, "[[term]]", ""),
    "wrong-type-in-terms": ('term = [ {term = "a"}, 4 ]\n', "wrong-type", 1, 24, "[[term]]", ""),
    "wrong-type-in-list": ('[pack]\nencodings = ["cp1251",\n  7]\n' + TERM, "wrong-type", 3, 3, "list of texts", ""),
    "out-of-range": (TERM + "weight = 1.5\n", "out-of-range", 3, 10, "0 to 1: 1.5", ""),
    "not-a-number": (TERM + "weight = nan\n", "out-of-range", 3, 10, "0 to 1: nan", ""),
    "unknown-value": (TERM + 'match = "words"\n', "unknown-value", 3, 9, "`words`", "did you mean `word`?"),
    "language-tag": ('[pack]\nlanguage = "German"\n' + TERM, "out-of-range", 2, 12, "language tag", ""),
    "identity": ('[pack]\nid = "a b"\n' + TERM, "out-of-range", 2, 6, "identity", ""),
    "no-term": (TERM + "[[term]]\nnote = 'x'\n", "missing-key", 3, 1, "`term`", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_place_and_hint(name, own):
    content, code, line, column, message, hint = CASES[name]
    path = own("lab.toml", content)
    with pytest.raises(RuleSyntaxError) as caught:
        load_rules([path])
    assert (caught.value.path, caught.value.line, caught.value.column) == (str(path), line, column)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}:{column}: ")
    assert hint in (caught.value.hint or "")
    issues = [issue for issue in check_rules([path]) if issue.severity == "error"]
    assert (code, line, column) in [(issue.code, issue.line, issue.column) for issue in issues]
    assert all(issue.path == str(path) for issue in issues)


def test_check_gathers_all_where_a_load_stops_at_the_first(own):
    path = own("lab.toml", TERM + 'weight = 7\nwieght = 1\nmatch = "x"\n[[term]]\nterm = ""\n')
    issues = check_rules([path])
    assert [(i.line, i.column, i.code) for i in issues] == [
        (3, 10, "out-of-range"), (4, 1, "unknown-key"), (5, 9, "unknown-value"), (7, 8, "term-blank"),
    ]  # fmt: skip
    with pytest.raises(RuleSyntaxError, match=r":4:1: unknown key"):
        load_rules([path])


def test_byte_order_mark_is_no_error(own):
    assert "user/lab#1" in load_rules([own("lab.toml", b"\xef\xbb\xbf" + TERM.encode())]).rules


def test_missing_keys_of_a_shipped_pack_are_all_named(shipped):
    (shipped / "keywords/de/de.toml").write_text('[pack]\nlanguage = "de"\n[[term]]\nterm = "passport held"\n')
    issues = check_rules()
    missing = {i.message for i in issues if i.code == "missing-key"}
    assert missing == {f"missing key: `{key}`" for key in (
        "id", "name", "version", "licence", "author", "state", "match", "confidence", "kind", "indicator", "weight",
    )}  # fmt: skip
    with pytest.raises(RuleSyntaxError):
        load_rules()


def test_two_packs_of_one_identity(own):
    content = '[pack]\nid = "mine"\n' + TERM
    paths = [own("a.toml", content), own("b.toml", content)]
    with pytest.raises(DuplicateRuleError, match=r"b\.toml:2:6: pack exists already: `user/mine`"):
        load_rules(paths)
    assert [i.code for i in check_rules(paths) if i.severity == "error"] == ["duplicate-id"]


def test_error_classes_are_of_one_family(own):
    with pytest.raises(RuleError):
        load_rules([own("x.toml", "=")])
