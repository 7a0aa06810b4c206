"""Urgency: its own axis, well supported or not at all."""

from tests.support.units import CONVERSATION, FILLER, finding_of, make_hit, make_rule, make_unit, ranked, text_unit
from triage.model.hit import Hit
from triage.model.rules import RuleInfo


def level(rules: list[RuleInfo], hits: list[Hit], **more: object) -> int:
    """Urgency of a unit."""
    return finding_of(make_unit("/a", hits, **more), rules={rule.id: rule for rule in rules}).urgency  # type: ignore[arg-type]


DISTRESS = "urgent.victim_distress"


def test_one_strong_rule_supports_a_level() -> None:
    assert level([make_rule("k#1", DISTRESS, 0.5)], [make_hit("k#1", 0)]) == 2
    assert level([make_rule("k#1", DISTRESS, 0.5, trust=0.5)], [make_hit("k#1", 0)]) == 0


def test_two_weak_rules_on_one_page_do_and_far_apart_they_do_not() -> None:
    rules = [make_rule("k#1", DISTRESS, 0.3), make_rule("k#2", DISTRESS, 0.3)]
    assert level(rules, [make_hit("k#1", 0), make_hit("k#2", 900)]) == 2
    assert level(rules, [make_hit("k#1", 0), make_hit("k#1", 900)]) == 0
    assert level(rules, [make_hit("k#1", 0), make_hit("k#2", 90_000)], size=200_000) == 0


def test_violence_needs_a_second_element_as_the_catalogue_says() -> None:
    violence, work = (
        make_rule("k#1", "control.threat_violence", 0.6),
        make_rule("k#2", "exploit.labour_conditions", 0.5),
    )
    assert level([violence], [make_hit("k#1", 0)]) == 0
    assert level([violence, work], [make_hit("k#1", 0), make_hit("k#2", 90)]) == 2


def test_urgency_never_moves_the_score_but_breaks_ties() -> None:
    rules = {r.id: r for r in (make_rule("k#1", DISTRESS, 0.3), make_rule("k#2", DISTRESS, 0.3))}
    near = make_unit("/z", [make_hit("k#1", 0), make_hit("k#2", 900)], size=4000)
    quiet = make_unit("/a", [make_hit("k#1", 0), make_hit("k#1", 900)], size=4000)
    first, second = ranked(quiet, near, rules=rules)
    assert (first.path, first.urgency, second.urgency) == ("p1:/z", 2, 0)
    urgent = text_unit("/z", "they won't let me leave")
    assert [f.urgency for f in ranked(urgent, text_unit("/a", CONVERSATION))] == [1, 2]


def test_a_displaced_match_still_tells_of_danger_and_is_shown() -> None:
    strong = make_rule("k#1", "control.document_retention", 0.9)
    distress = make_rule("k#2", DISTRESS, 0.5)
    hits = [make_hit("k#1", 0, "they took my passport"), make_hit("k#2", 0, "they took my passport")]
    finding = finding_of(make_unit("/a", hits), rules={"k#1": strong, "k#2": distress})
    assert finding.urgency == 2
    line = next(line for line in finding.lines if line.rule == "k#2")
    assert line.contribution == 0
    assert "supports the urgency" in line.label


def test_one_urgent_message_anywhere_in_a_large_database_is_seen() -> None:
    text = CONVERSATION + FILLER * 3000 + "they won't let me leave\n" + FILLER * 3000
    finding = finding_of(text_unit("/chat.db", text, mime="application/vnd.sqlite3"))
    assert finding.urgency == 2
    assert any(line.matched == "they won't let me leave" for line in finding.lines)


def test_dictionaries_programs_and_leaflets_are_not_urgent() -> None:
    text = "they won't let me leave, took my passport"
    assert finding_of(text_unit("/home/u/a.po", text)).urgency == 0
    assert finding_of(text_unit("/home/u/a.exe", text, mime="application/x-dosexec")).urgency == 0
    quoted = finding_of(text_unit("/a", text + " hotline, human trafficking, prosecutors"))
    assert quoted.urgency == 0
    assert any("raises no urgency" in caveat for caveat in quoted.caveats)
    assert finding_of(text_unit("/a", text + " i called a hotline")).urgency == 2
