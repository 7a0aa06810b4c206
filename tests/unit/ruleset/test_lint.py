"""What a check says beyond errors, and that codes are all on one page."""

import re
from pathlib import Path

import pytest

import triage.ruleset
from triage.ruleset import check_rules
from triage.ruleset.issues import CODES

CASES = {
    "low-confidence-weight": ("[[term]]\nterm = 'word'\nweight = 0.6\nconfidence = 'low'\n", 3, 10),
    "sample-missing": ("[[term]]\nkind = 'regex'\nterm = 'wo+rd'\n", 1, 1),
    "regex-unbounded-gap": ("[[term]]\nkind = 'regex'\nterm = 'ab.*cd'\nsample = 'abcd'\n", 3, 12),
    "term-whitespace": ("[[term]]\nterm = ' word'\n", 2, 8),
    "term-too-short": ("[[term]]\nterm = 'ab'\n", 2, 8),
}


@pytest.mark.parametrize("code", CASES)
def test_warning_at_its_place(code, own):
    content, line, column = CASES[code]
    found = check_rules([own("lab.toml", content)])
    assert [(i.code, i.severity, i.line, i.column) for i in found] == [(code, "warning", line, column)]


@pytest.mark.parametrize(
    ("term", "match", "short"),
    [
        ("ab", "word", True), ("abc", "word", False), ("a-b", "word", True), ("abc", "substring", True),
        ("abcd", "substring", False), ("abc", "word-start", True), ("护", "substring", True), ("护照", "substring", False),
        ("🌹", "substring", False), ("हिंदी", "substring", False),
    ],
)  # fmt: skip
def test_short_terms(own, term, match, short):
    found = check_rules([own("lab.toml", f"[[term]]\nterm = '{term}'\nmatch = '{match}'\n")])
    assert [i.code for i in found] == (["term-too-short"] if short else [])


def test_term_in_two_packs_of_a_language(own):
    own("a.toml", "[pack]\nlanguage = 'fr'\n[[term]]\nterm = 'Dette'\n")
    own("c.toml", "[pack]\nlanguage = 'es'\n[[term]]\nterm = 'dette'\n")
    folder = own("b.toml", "[pack]\nlanguage = 'fr'\n[[term]]\nterm = 'dette'\n").parent
    found = check_rules([folder])
    assert [(i.code, i.severity, i.path, i.line) for i in found] == [
        ("term-in-two-packs", "warning", str(folder / "b.toml"), 4)
    ]


@pytest.mark.parametrize(
    "key", ["description", "indicator", "role", "weight", "confidence", "version", "author", "licence"]
)
def test_shipped_rule_without_metadata(shipped, key):
    place = shipped / "yara/wallets.yar"
    place.write_text(re.sub(rf"        {key} = .*\n", "", place.read_text()))
    found = [i for i in check_rules() if i.code == "yara-meta-missing"]
    assert [(i.severity, i.line, i.column) for i in found] == [("error", 1, 6)]
    assert f"`{key}`" in found[0].message


@pytest.mark.parametrize(
    ("key", "value", "code", "line"),
    [
        ("role", "proof", "yara-meta-value", 6), ("weight", "2", "yara-meta-value", 7), ("weight", "nan", "yara-meta-value", 7),
        ("confidence", "sure", "yara-meta-value", 8), ("indicator", "move.transfr", "unknown-indicator", 5),
        ("indicator", "", "yara-meta-value", 6),
    ],
)  # fmt: skip
def test_shipped_metadata_out_of_range(shipped, key, value, code, line):
    place = shipped / "yara/wallets.yar"
    place.write_text(re.sub(rf'{key} = ".*"', f'{key} = "{value}"', place.read_text()))
    found = [(i.code, i.line, i.column) for i in check_rules() if i.severity == "error"]
    assert (code, line, 9) in found


def test_note_needs_no_indicator(shipped):
    place = shipped / "yara/wallets.yar"
    text = place.read_text().replace('"move.transfer"', '""').replace('"evidence"', '"note"')
    place.write_text(text)
    assert check_rules() == []


def test_identity_of_a_shipped_pack_fits_language_and_folder(shipped):
    place = shipped / "keywords/de/de.toml"
    place.write_text(place.read_text().replace('"keywords/de"', '"keywords/fr"'))
    assert [(i.code, i.line, i.column) for i in check_rules() if i.severity == "error"] == [("pack-id", 2, 6)]
    place.write_text(place.read_text().replace('"keywords/fr"', '"keywords/de-more"'))
    assert check_rules() == []


def test_pattern_of_a_shipped_pack_needs_a_sample(shipped):
    place = shipped / "keywords/de/de.toml"
    place.write_text(
        place.read_text() + "[[term]]\nkind = 'regex'\nterm = 'wo+rd'\nindicator = 'move.transfer'\nweight = 0.1\n"
    )
    assert [(i.code, i.severity, i.line) for i in check_rules()] == [("sample-missing", "error", 19)]


def test_every_code_used_is_on_the_page_and_every_code_there_is_used():
    room = Path(triage.ruleset.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in room.glob("*.py") if path.name != "issues.py")
    used = set(re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)+)"', source))
    assert set(CODES) <= used
    calls = r'(?:complain|error|warn|report|place|at|note|_RefusedError|RegexFault)\(\s*"([a-z]+(?:-[a-z0-9]+)+)"'
    assert set(re.findall(calls, source)) <= set(CODES)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code) for code in CODES)


def test_check_says_the_same_twice_in_order(own):
    own("a.toml", "[[term]]\nterm = 'ab'\nwieght = 1\n")
    folder = own("b.yar", "rule a { condition: x }").parent
    found = check_rules([folder])
    assert found == sorted(found) == check_rules([folder])
