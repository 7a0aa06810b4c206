"""Plain word lists."""

import pytest

from triage.errors import EmptyRuleSetError, RuleSyntaxError
from triage.ruleset import check_rules, load_rules


def terms(path):
    return load_rules([path], shipped=False).keywords


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_comments_and_blanks(own, encoding, newline):
    lines = ["# comment", "Ivan Petrov", "", "  +359 88 000 01 41  ", "\\#debt", "паспорт", "护照", "หนี้"]
    path = own("lab.txt", newline.join(lines).encode(encoding))
    found = terms(path)
    assert [(t.rule, t.term) for t in found] == [
        ("user/lab#1", "Ivan Petrov"), ("user/lab#2", "+359 88 000 01 41"), ("user/lab#3", "#debt"),
        ("user/lab#4", "паспорт"), ("user/lab#5", "护照"), ("user/lab#6", "หนี้"),
    ]  # fmt: skip
    assert [t.match for t in found] == ["word", "word", "word", "word", "substring", "substring"]
    assert {t.kind for t in found} == {"literal"}
    assert found[0].encodings == ()
    assert found[3].encodings[0] == "cp1251"
    assert "gb18030" in found[4].encodings


def test_meaning(own):
    rules = load_rules([own("lab.txt", "word\n")])
    info = rules.rules["user/lab#1"]
    assert (info.indicator, info.role, info.weight, info.trust, info.language) == (
        "user.keyword", "evidence", 0.8, 1.0, "und",
    )  # fmt: skip
    pack = next(pack for pack in rules.packs if pack.id == "user/lab")
    assert (pack.kind, pack.rules, pack.enabled) == ("keywords", 1, True)


def test_same_term_again_is_left_out_and_told(own):
    path = own("lab.txt", "Word\nother\n wORD\n")
    assert [t.term for t in terms(path)] == ["Word", "other"]
    assert [(i.severity, i.code, i.line, i.column) for i in check_rules([path])] == [
        ("warning", "duplicate-term", 3, 2)
    ]


@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        (b"word\nna\xefve\n", "list-encoding", 2, 3),
        (b"\xff\xfea\x00b", "list-encoding", 1, 1),
        (b"word\n a\x00b\n", "term-control", 2, 3),
        (b"a" * 501, "term-too-long", 1, 1),
        ("\u200b\u200b".encode(), "term-blank", 1, 1),
    ],
)
def test_refused_at_its_place(own, content, code, line, column):
    path = own("lab.txt", content)
    with pytest.raises(RuleSyntaxError) as caught:
        load_rules([path])
    assert (caught.value.line, caught.value.column) == (line, column)
    assert (code, line, column) in [(i.code, i.line, i.column) for i in check_rules([path])]


def test_no_term(own):
    with pytest.raises(EmptyRuleSetError):
        load_rules([own("lab.txt", "# nothing\n\n")])


def test_one_letter_is_a_warning(own):
    path = own("lab.txt", "a\n")
    assert len(terms(path)) == 1
    assert [i.code for i in check_rules([path])] == ["term-too-short"]
