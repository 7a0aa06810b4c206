"""Hex dumps, and samples of rules that are run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.errors import RuleSyntaxError
from triage.ruleset import check_rules, load_rules
from triage.ruleset.samples import parse_hex_dump

WALLETS = "samples/yara/wallets"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b""),
        ("# only a comment\n\n", b""),
        ("4d 5A # MZ\n90", b"\x4d\x5a\x90"),
        ("4d5a90", b"\x4d\x5a\x90"),
        ("0000: 4d 5a\r\n0002: 90\r\n", b"\x4d\x5a\x90"),
        ("0x4: 01", b"\0\0\0\0\x01"),
        ("00: 01\n10: 02 03", b"\x01" + bytes(15) + b"\x02\x03"),
        ("\t01\t02", b"\x01\x02"),
    ],
)
def test_hex_dump(text, data):
    assert parse_hex_dump(text) == data


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("4d 5", 1, 4, "not a pair of hexadecimal digits: `5`"),
        ("00 01\n02 zz", 2, 4, "`zz`"),
        ("4d 5a |MZ|", 1, 7, "`|M`"),
        ("00: 01 02\n01: 03", 2, 1, "offset goes back: 0x1, 0x2 bytes"),
        ("ffffffff: 00", 1, 1, "offset beyond"),
        ("ffffffffffffffffffffffffff: 00", 1, 1, "offset beyond"),
        ("0: 00 1: 00", 1, 7, "`1:`"),
    ],
)
def test_hex_dump_refused_at_its_place(text, line, column, message):
    with pytest.raises(RuleSyntaxError) as caught:
        parse_hex_dump(text, "x.hex")
    assert (caught.value.path, caught.value.line, caught.value.column) == ("x.hex", line, column)
    assert message in caught.value.message


@given(st.binary(max_size=100), st.integers(1, 20))
def test_hex_dump_round_trip(data, width):
    lines = [f"{start:04x}: {data[start : start + width].hex(' ')}  # x" for start in range(0, len(data), width)]
    assert parse_hex_dump("\n".join(lines)) == data


@given(st.text(max_size=60))
def test_any_text_is_a_dump_or_refused(text):
    lines = []
    try:
        parse_hex_dump(text)
    except RuleSyntaxError as error:
        lines.append(error.line)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


def codes(issues):
    return [(issue.code, issue.severity) for issue in issues]


def test_clean_rules_have_no_issue(shipped):
    assert check_rules() == []


def test_sample_that_does_not_hit_and_miss_that_does(shipped):
    (shipped / WALLETS / "Wallet.hit.hex").write_text("00 01\n")
    (shipped / WALLETS / "Wallet.miss.txt").write_text("a wallet-header\n")
    found = check_rules()
    assert codes(found) == [("sample-not-hit", "error"), ("miss-hit", "error")]
    assert found[0].path == str(shipped / WALLETS / "Wallet.hit.hex")


def test_another_rule_of_the_file_does_not_count(shipped):
    place = shipped / "yara/wallets.yar"
    place.write_text(place.read_text() + place.read_text().replace("Wallet", "Other").replace("wallet-header", "other"))
    (shipped / WALLETS / "Other.hit.hex").write_text((shipped / WALLETS / "Wallet.hit.hex").read_text())
    (shipped / WALLETS / "Other.miss.txt").write_text("wallet-header")
    assert codes(check_rules()) == [("sample-not-hit", "error")]


def test_missing_orphaned_and_broken_samples(shipped):
    (shipped / WALLETS / "Wallet.miss.txt").rename(shipped / WALLETS / "Walet.miss.txt")
    (shipped / WALLETS / "notes.md").write_text("x")
    (shipped / WALLETS / "Wallet.hit.hex").write_text("00\nzz\n")
    (shipped / "samples/yara/gone").mkdir()
    (shipped / "samples/yara/gone/Rule.hit.hex").write_text("00")
    found = check_rules()
    assert sorted(issue.code for issue in found) == [
        "sample-missing",
        "sample-orphan",
        "sample-orphan",
        "sample-orphan",
        "sample-syntax",
    ]
    assert {i.severity for i in found} == {"error"}
    missing = next(issue for issue in found if issue.code == "sample-missing")
    assert (missing.path, missing.line, missing.column) == (str(shipped / "yara/wallets.yar"), 1, 6)
    assert missing.hint == "add `samples/yara/wallets/Wallet.miss.hex`"
    broken = next(issue for issue in found if issue.code == "sample-syntax")
    assert (broken.line, broken.column) == (2, 1)


def test_several_samples_of_a_kind_are_all_run(shipped):
    (shipped / WALLETS / "Wallet.hit-utf16.hex").write_text("00\n")
    assert codes(check_rules()) == [("sample-not-hit", "error")]


def test_file_name_for_rules_that_read_it(own):
    path = own(
        "lab.yar",
        'rule A { condition: filename == "wallet.dat" and extension == ".dat" and filepath contains "wallet" }',
    )
    own("samples/yara/lab/A.hit.hex", "# filename: wallet.dat\n00\n")
    own("samples/yara/lab/A.miss.hex", "00\n")
    assert check_rules([path]) == []
    own("samples/yara/lab/A.hit.hex", "# filename: other.dat\n00\n")
    assert codes(check_rules([path])) == [("sample-not-hit", "error")]


def test_users_rules_need_no_samples(own):
    assert check_rules([own("lab.yar", 'rule Abcd { strings: $a = "abcd" condition: $a }')]) == []


def test_term_samples(own):
    text = (
        "[[term]]\nterm = 'ab+c'\nkind = 'regex'\nsample = 'xabbcx'\nmiss = 'abbc'\n"
        "[[term]]\nterm = 'x1'\nsample = 'x1 a'\nmiss = 'x12'\n"
        "[[term]]\nterm = 'y{2}z'\nkind = 'regex'\nsample = 'no'\n"
        "[[term]]\nterm = 'CASEd'\ncase_sensitive = true\nsample = 'cased'\n"
    )
    found = [(i.code, i.line, i.column) for i in check_rules([own("lab.toml", text)]) if i.severity == "error"]
    assert found == [("miss-hit", 5, 8), ("sample-not-hit", 13, 10), ("sample-not-hit", 17, 10)]


@pytest.mark.parametrize(
    ("normalise", "term", "sample", "hits"),
    [
        ("'nfkc', 'casefold'", "Straße", "STRASSE", True),
        ("'nfkc'", "word", "WORD", False),
        ("'nfkc', 'casefold'", "word", "ＷＯＲＤ", True),
        ("'casefold', 'strip_zero_width'", "debt owed", "debt o\u200bwed", True),
        ("'turkish_casefold'", "ışık", "IŞIK", True),
        ("'casefold', 'strip_accents_copy'", "đồ cũ", "đo cu", True),
        ("'casefold'", "đồ cũ", "đo cu", False),
        ("'casefold', 'apostrophes'", "don't pay", "don’t pay", True),
        ("'casefold'", "नमक", "नमकी", False),
    ],
)
def test_literal_samples_are_normalised_as_named(own, normalise, term, sample, hits):
    text = f"[pack]\nnormalise = [{normalise}]\n[[term]]\nterm = \"{term}\"\nsample = '{sample}'\n"
    errors = [issue.code for issue in check_rules([own("lab.toml", text)]) if issue.severity == "error"]
    assert errors == ([] if hits else ["sample-not-hit"])


def test_u03_sample_that_costs_too_much(own):
    pattern = "(?:[ab]{1,90}){1,10}" * 3 + "x"
    text = f"[[term]]\nkind = 'regex'\nterm = '{pattern}'\nsample = '{'ab' * 999}'\n[[term]]\nterm = 'long'\nmiss = '{'a' * 2001}'\n"
    path = own("lab.toml", text)
    found = [(i.code, i.line) for i in check_rules([path]) if i.severity == "error"]
    assert found == [("sample-too-costly", 4), ("sample-too-costly", 7)]
    assert len(load_rules([path], shipped=False).keywords) == 2
