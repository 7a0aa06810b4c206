"""The arithmetic: lines add up, repeats count once, further passages count less."""

import re
from pathlib import Path

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
from triage.model.finding import Finding
from triage.ranking.arithmetic import Arithmetic


def total(finding: Finding) -> float:
    """What the lines of a finding add up to."""
    return round(sum(line.contribution for line in finding.lines), 6)


@pytest.mark.parametrize(
    "text",
    [
        "she owes",
        CONVERSATION,
        CONVERSATION + "hotline",
        CONVERSATION + FILLER * 900 + CONVERSATION + FILLER * 90 + "money mule, no sleep until, sold the girl",
    ],
)
def test_lines_add_up_to_the_score_exactly(text: str) -> None:
    finding = finding_of(
        text_unit("/windows/a.txt", text, value=0.2, place="system"), frequency={RULE_OF["she owes"]: 90}
    )
    assert total(finding) == finding.score
    assert all(line.contribution >= 0 for line in finding.lines if line.kind == "hit")


def test_the_worked_example_of_the_decision() -> None:
    """The decision record tells the same numbers as the code."""
    text = "girls wanted, keep the passports, no days off, hotline"
    finding = finding_of(text_unit("/cache/chat.txt", text, value=0.3))
    record = (Path(__file__).parents[3] / "docs" / "decisions" / "0003-scoring.md").read_text("utf-8")
    told = [float(number) for number in re.findall(r"\| ([+-]0\.\d{6}) \|", record)]
    assert told == [line.contribution for line in finding.lines]
    assert f"**{finding.score:.6f}**" in record
    assert f"**score: {finding.priority.value}**" in record
    assert finding.damped_by == ("few terms", "place", "context")


def test_repeats_of_the_same_words_count_once() -> None:
    once = finding_of(text_unit("/a.txt", "she owes"))
    often = finding_of(text_unit("/a.txt", "she owes, " * 50))
    assert often.score == once.score
    assert often.lines[0].count == 50


def test_a_pattern_that_matched_different_words_counts_a_little_more() -> None:
    rules = {"keywords/en#9": make_rule("keywords/en#9", "control.debt_bondage", 0.6)}
    once = finding_of(make_unit("/a", [make_hit("keywords/en#9", 0, "Ana owes 500")]), rules=rules)
    names = ("Ana", "Mia", "Lea", "Eva")
    hits = [make_hit("keywords/en#9", 50 * index, f"{name} owes 500") for index, name in enumerate(names)]
    more = finding_of(make_unit("/a", hits), rules=rules)
    assert once.score < more.score < 1.3 * once.score


def test_further_rules_of_one_indicator_decay_and_never_pass_its_base_weight() -> None:
    rules = {f"keywords/en#{n}": make_rule(f"keywords/en#{n}", "finance.value_transfer", 0.9) for n in range(20)}
    scores = []
    for number in (1, 2, 3, 20):
        hits = [make_hit(f"keywords/en#{n}", 50 * n) for n in range(number)]
        finding = finding_of(make_unit("/a", hits), rules=rules)
        scores.append(sum(line.contribution for line in finding.lines if line.kind == "hit"))
    assert scores == sorted(scores)
    assert scores[1] - scores[0] > scores[2] - scores[1] > 0
    assert scores[-1] <= 0.35


def test_two_rules_on_the_same_text_count_once_and_the_weaker_is_shown() -> None:
    rules = {
        "keywords/en#1": make_rule("keywords/en#1", "control.debt_bondage", 0.8),
        "keywords/pcm#1": make_rule("keywords/pcm#1", "control.debt_bondage", 0.7, language="pcm"),
    }
    one = finding_of(make_unit("/a", [make_hit("keywords/en#1", 10, "bond money")]), rules=rules)
    hits = [make_hit("keywords/en#1", 10, "bond money"), make_hit("keywords/pcm#1", 10, "bond money")]
    two = finding_of(make_unit("/a", hits), rules=rules)
    assert two.score == one.score
    assert [(line.rule, line.contribution) for line in two.lines if line.rule == "keywords/pcm#1"] == [
        ("keywords/pcm#1", 0.0)
    ]


def test_a_further_passage_adds_less_than_the_same_words_in_the_best_one() -> None:
    first, second = "keep the passports, no days off\n", "she owes, how many clients today, sold the girl\n"
    near = finding_of(text_unit("/a", first + second + FILLER * 250))
    far = finding_of(text_unit("/a", first + FILLER * 200 + second))
    alone = finding_of(text_unit("/a", second + FILLER * 200))
    assert alone.score < far.score < near.score
    assert any("further passage" in line.label for line in far.lines)


def test_a_condition_on_the_whole_content_counts_in_every_passage() -> None:
    rules = RULES | {"yara/x#script": make_rule("yara/x#script", "exploit.third_party_mgmt", 0.7, detector="yara")}
    unit = text_unit("/a", "keep the passports\n" + FILLER * 300)
    hits = (*unit.parts[0].hits, make_hit("yara/x#script", unit.parts[0].size - 20, encoding=""))
    both = finding_of(make_unit("/a", hits, size=unit.parts[0].size), rules=rules)
    assert both.elements == ("means", "purpose")
    assert not any("further passage" in line.label for line in both.lines)


def test_the_excerpt_holds_the_match_between_its_surroundings() -> None:
    finding = finding_of(text_unit("/a", "yesterday she owes 500 euros"))
    line = finding.lines[0]
    assert line.excerpt == "yesterday she owes 500 euros"
    assert (line.matched, line.offset, line.length, line.encoding) == ("she owes", 10, 8, "utf-8")
    assert (line.indicator, line.element, line.weight, line.language) == ("control.debt_bondage", "means", 0.6, "en")


def test_steps_round_to_millionths_without_losing_any() -> None:
    sums = Arithmetic()
    parts = [sums.step(value) for value in (1 / 3, 2 / 3, 0.1234567, 1.7, -3.0, 0.5)]
    assert round(sum(parts), 6) == sums.score == 0.5
    assert not sums.adjust("nothing", 0.5)
    assert sums.lines == []


def test_a_second_rule_of_one_indicator_counts_eight_tenths() -> None:
    rules = {f"k#{n}": make_rule(f"k#{n}", "control.document_retention", 0.5) for n in range(2)}
    finding = finding_of(make_unit("/a", [make_hit("k#0", 0), make_hit("k#1", 90)]), rules=rules)
    assert finding.lines[0].contribution == pytest.approx(0.8 * 0.5)
    assert finding.lines[0].contribution + finding.lines[1].contribution == pytest.approx(0.8 * (1 - 0.5 * (1 - 0.4)))


def test_a_further_passage_that_reads_like_context_adds_next_to_nothing() -> None:
    own = "keep the passports, until the debt is paid, girls wanted, no days off\n"
    other = "she owes, how many clients today\n"
    words = "hotline, human trafficking, case worker, prosecutors, homework, protocol\n"
    for tail, least, most in ((other, 0.35, 0.35), (other + words, 0.0, 0.05)):
        finding = finding_of(text_unit("/a", own + FILLER * 400 + tail))
        assert finding.lines[0].offset < len(own)
        (label, *_) = [line.label for line in finding.lines if "further passage" in line.label]
        assert least <= float(label.rpartition(" x ")[2].rstrip(")")) <= most


def test_rules_beyond_the_passages_that_count_are_still_shown() -> None:
    phrases = ["keep the passports, no days off"]
    phrases += ["she owes", "sold the girl", "how many clients today", "money mule", "two girls available"]
    finding = finding_of(text_unit("/a.db", (FILLER * 200).join(phrases), mime="application/vnd.sqlite3"))
    silent = [line for line in finding.lines if line.label.endswith("in a passage that adds nothing)")]
    assert {line.matched for line in silent} == {"money mule", "two girls available"}
    assert {line.contribution for line in silent} == {0.0}
