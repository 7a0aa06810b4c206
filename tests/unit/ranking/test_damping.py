"""Negative evidence: each piece by its name, monotone, and only where it belongs."""

import pytest

from tests.support.units import (
    CONVERSATION,
    FILLER,
    RULE_OF,
    RULES,
    finding_of,
    make_hit,
    make_rule,
    make_unit,
    text_unit,
)
from triage.ranking.damping import Damping


def test_a_factor_on_the_odds_leaves_certainty_and_halves_doubt() -> None:
    assert Damping("place", "", 0.2, odds=True).after(1.0) == 1.0
    assert Damping("place", "", 0.2, odds=True).after(0.5) == pytest.approx(1 / 6)
    assert Damping("type", "", 0.2).after(0.5) == pytest.approx(0.1)


def test_worth_of_the_place_damps_below_one_half_only() -> None:
    scores = [finding_of(text_unit("/a", CONVERSATION[:90], value=value)).score for value in (0.0, 0.2, 0.4, 0.5, 0.9)]
    assert scores == sorted(scores)
    assert scores[0] < scores[1] < scores[2] < scores[3] == scores[4]


@pytest.mark.parametrize(
    ("mime", "most"),
    [("application/x-elf", 0.12), ("font/ttf", 0.1), ("image/jpeg", 0.3), ("application/zip", 0.35)],
)
def test_words_in_bytes_that_are_no_text_are_damped_hard(mime: str, most: float) -> None:
    finding = finding_of(text_unit("/home/u/a", "she owes, no days off", mime=mime))
    assert "type" in finding.damped_by
    assert finding.score < most


def test_several_long_matches_rule_out_an_accident() -> None:
    finding = finding_of(text_unit("/home/u/a.mp4", CONVERSATION, mime="video/mp4"))
    assert finding.score == pytest.approx(0.5, abs=0.02)
    assert "type" in finding.damped_by


@pytest.mark.parametrize(
    "path",
    [
        "/usr/share/dict/words",
        "/usr/share/hunspell/en.dic",
        "/home/u/app/locale/bg/a.txt",
        "/home/u/app/values-ro/strings.xml",
        "/home/u/x.po",
        "/home/u/proj/node_modules/a/readme.md",
        "/opt/app/LICENSE.txt",
    ],
)
def test_reference_material_is_told_by_its_name(path: str) -> None:
    assert "reference material" in finding_of(text_unit(path, "she owes")).damped_by


@pytest.mark.parametrize(
    "path", ["/home/u/local/a.txt", "/home/u/words to her.txt", "/home/u/diction.txt", "/home/u/po.txt"]
)
def test_other_names_are_not_reference_material(path: str) -> None:
    assert "reference material" not in finding_of(text_unit(path, "she owes")).damped_by


def test_scatter_asks_whether_an_accident_would_do() -> None:
    sparse = "".join(f"{phrase}\n" + FILLER * 300 for phrase in ("she owes", "no days off", "sold the girl"))
    finding = finding_of(text_unit("/a.txt", sparse))
    assert "scattered hits" in finding.damped_by
    assert "scattered hits" not in finding_of(text_unit("/a.txt", CONVERSATION + FILLER * 900)).damped_by
    assert "scattered hits" not in finding_of(text_unit("/a.txt", "she owes\n" + FILLER * 100)).damped_by


def test_scatter_is_milder_in_a_database() -> None:
    sparse = "".join(f"{phrase}\n" + FILLER * 900 for phrase in ("she owes", "no days off", "sold the girl"))
    text = finding_of(text_unit("/a.txt", sparse))
    database = finding_of(text_unit("/a.db", sparse, mime="application/vnd.sqlite3"))
    assert text.score < database.score


def test_a_word_list_has_its_terms_alone_on_their_lines() -> None:
    phrases = [gloss for gloss, rule in RULE_OF.items() if RULES[rule].role == "evidence"]
    for joint in ("\n", '",\n"', ", ", "\t"):
        assert "word list" in finding_of(text_unit("/a.txt", joint.join(phrases))).damped_by
    spoken = "".join(f"[12:{n:02}] B: {phrase} tonight\n" for n, phrase in enumerate(phrases))
    assert "word list" not in finding_of(text_unit("/a.txt", spoken)).damped_by
    assert "word list" not in finding_of(text_unit("/a.txt", "\n".join(phrases[:6]))).damped_by


def test_four_languages_may_talk_in_one_chat() -> None:
    def spoken(*tags: str) -> tuple[str, ...]:
        rules = {f"k/{tag}#1": make_rule(f"k/{tag}#1", "control.debt_bondage", language=tag) for tag in tags}
        hits = [make_hit(rule, 200 * n) for n, rule in enumerate(rules)]
        return finding_of(make_unit("/a", hits), rules=rules).damped_by

    assert "many languages" not in spoken("ro", "it", "en", "ru", "und")
    assert "many languages" not in spoken("zh-Hans", "zh-Hant", "en", "th", "vi")
    assert "many languages" in spoken("ro", "it", "en", "ru", "bg")


def test_context_damps_with_each_further_rule_and_only_nearby() -> None:
    words = ("hotline", "human trafficking", "case worker", "prosecutors", "homework")
    scores = [finding_of(text_unit("/a", CONVERSATION + ", ".join(words[:n]))).score for n in range(6)]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] > 0.8 * scores[0]
    assert scores[5] < 0.3 * scores[0]
    far = finding_of(text_unit("/a.db", CONVERSATION + FILLER * 400 + ", ".join(words)))
    assert "context" not in far.damped_by


def test_context_says_which_words_made_it() -> None:
    finding = finding_of(text_unit("/a", "she owes, hotline, case worker, homework, novel"))
    label = next(line.label for line in finding.lines if line.label.startswith("reads like"))
    assert "hotline" in label
    assert "and 1 more" in label
