"""Rarity on the device, and accident in bytes that are not text."""

import pytest

from tests.support.units import finding_of, make_hit, make_rule, make_unit
from triage.ranking.background import RARITY_FLOOR, chance, rarity


def test_a_small_device_is_not_punished() -> None:
    assert rarity(5, 8) == 1.0
    assert rarity(1, 0) == 1.0
    assert rarity(6, 40) > 0.75


def test_a_rule_all_over_the_device_falls_to_the_floor() -> None:
    assert rarity(500, 1000) == RARITY_FLOOR
    assert rarity(10_000, 10_000) == RARITY_FLOOR
    assert rarity(20, 0) == RARITY_FLOOR


def test_rarity_falls_with_share_and_with_number() -> None:
    shares = [rarity(number, 1000) for number in (5, 20, 50, 100, 300)]
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) == 5
    assert rarity(200, 1_000_000) == 1.0
    assert rarity(3200, 1_000_000) == pytest.approx(0.5)


def test_three_letters_of_a_code_page_in_a_picture_are_an_accident() -> None:
    assert chance(3, "cp1251", 1 << 20, "media") == 0.0
    assert chance(4, "gb18030", 1 << 20, "archive") == 0.0
    assert chance(30, "cp1251", 1 << 20, "media") == 1.0
    assert 0 < chance(6, "utf-8", 1 << 20, "executable") < 1


def test_utf_16_says_less_for_each_byte_and_small_contents_more() -> None:
    assert chance(10, "utf-16-le", 1 << 20, "opaque") < chance(10, "utf-8", 1 << 20, "opaque")
    assert chance(5, "utf-8", 1 << 24, "opaque") < chance(5, "utf-8", 1 << 10, "opaque")


def test_in_text_only_short_words_of_a_code_page_are_doubted() -> None:
    assert chance(4, "utf-8", 1 << 30, "text") == 1.0
    assert chance(4, "UTF_16_LE", 1 << 30, "database") == 1.0
    assert chance(4, "big5", 100, "text") == 0.5
    assert chance(12, "big5", 100, "text") == 1.0


def test_byte_patterns_are_trusted() -> None:
    assert chance(2, "", 1 << 30, "media") == 1.0


def test_an_accident_in_a_picture_is_told_as_one() -> None:
    rules = {"k#1": make_rule("k#1", "control.debt_bondage", 0.8), "k#2": make_rule("k#2", "recruit.broker", 0.6)}
    hits = [make_hit("k#1", 50_000, "abcde"), make_hit("k#2", 70_000, "abcdefgh")]
    finding = finding_of(make_unit("/a.jpg", hits, size=100_000, mime="image/jpeg"), rules=rules)
    assert {"accidental matches", "type"} <= set(finding.damped_by)
    assert finding.score < 0.1


def test_nothing_but_an_accident_is_no_finding() -> None:
    rules = {"k#1": make_rule("k#1", "control.debt_bondage", 0.8)}
    hit = make_hit("k#1", 50_000, "abc")
    with pytest.raises(ValueError, match="not enough values"):
        finding_of(make_unit("/a.jpg", [hit], size=1_000_000, mime="image/jpeg"), rules=rules)
    assert finding_of(make_unit("/a.txt", [hit], size=1_000_000), rules=rules).score > 0
