"""Each stretch of text is read once; parts lie end to end."""

from tests.support.units import INDICATORS, make_hit, make_rule, make_unit
from triage.model.hit import Hit, HitCount
from triage.model.rules import Profile, RuleInfo
from triage.model.unit import UnitPart
from triage.ranking.marks import Knowledge, UnitMarks, collect

RULES = {
    "k#strong": make_rule("k#strong", "control.debt_bondage", 0.8),
    "k#weak": make_rule("k#weak", "control.debt_bondage", 0.3),
    "k#other": make_rule("k#other", "exploit.price_menu", 0.9),
}


def marks(*hits: Hit, rules: dict[str, RuleInfo] = RULES) -> UnitMarks:
    """Marks of one unit."""
    return collect(make_unit("/a", hits), Knowledge(INDICATORS, rules, Profile(), 100, {}))


def kept(*hits: Hit) -> list[tuple[str, int]]:
    """Rule and place of the evidence that is kept."""
    return [(mark.rule.id, mark.start) for mark in marks(*hits).evidence]


def test_the_strongest_of_overlapping_matches_is_kept() -> None:
    assert kept(make_hit("k#weak", 10, "x" * 10), make_hit("k#strong", 12, "x" * 10)) == [("k#strong", 12)]


def test_strength_is_what_moves_the_score_not_the_weight_alone() -> None:
    # 0.9 on a base of 0.30 moves less than 0.8 on a base of 0.75.
    assert kept(make_hit("k#other", 10, "x" * 10), make_hit("k#strong", 10, "x" * 10)) == [("k#strong", 10)]


def test_a_short_match_inside_a_long_one_is_the_same_text() -> None:
    assert kept(make_hit("k#strong", 10, "x" * 60), make_hit("k#weak", 30, "x" * 5)) == [("k#strong", 10)]
    assert kept(make_hit("k#weak", 10, "x" * 60), make_hit("k#strong", 30, "x" * 5)) == [("k#strong", 30)]


def test_a_shared_word_at_the_edge_is_not_the_same_text() -> None:
    assert len(kept(make_hit("k#strong", 10, "x" * 20), make_hit("k#weak", 24, "x" * 20))) == 2
    assert len(kept(make_hit("k#strong", 10, "x" * 20), make_hit("k#weak", 30, "x" * 20))) == 2


def test_matches_of_one_rule_never_displace_each_other() -> None:
    assert kept(make_hit("k#weak", 10, "x" * 20), make_hit("k#weak", 12, "x" * 20)) == [("k#weak", 10), ("k#weak", 12)]


def test_a_displaced_rule_still_counts_where_it_stands_alone() -> None:
    hits = (make_hit("k#strong", 10, "x" * 20), make_hit("k#weak", 10, "x" * 20), make_hit("k#weak", 300, "x" * 20))
    assert kept(*hits) == [("k#strong", 10), ("k#weak", 300)]
    assert [mark.start for mark in marks(*hits).covered] == [10]


def test_overlap_is_found_across_long_distances() -> None:
    long = make_hit("k#strong", 0, "x" * 5000)
    assert kept(long, make_hit("k#weak", 4000, "x" * 10)) == [("k#strong", 0)]


def test_parts_lie_end_to_end_so_that_equal_offsets_do_not_meet() -> None:
    parts = [
        UnitPart("d p1:/a", (make_hit("k#strong", 10),), (HitCount("k#strong", 1),), 100),
        UnitPart("d p1:/a!/b", (make_hit("k#weak", 10),), (HitCount("k#weak", 2),), 50),
    ]
    found = collect(make_unit("/a", [], parts=parts), Knowledge(INDICATORS, RULES, Profile(), 100, {}))
    assert [(mark.start, mark.address) for mark in found.evidence] == [(10, "d p1:/a"), (110, "d p1:/a!/b")]
    assert found.size == 150
    assert found.counts == {"k#strong": 1, "k#weak": 2}


def test_weights_out_of_range_are_bounded() -> None:
    rules = {
        "k#w": make_rule("k#w", "control.debt_bondage", 7.0),
        "k#n": make_rule("k#n", "control.debt_bondage", -1.0),
    }
    strengths = {
        mark.rule.id: mark.strength for mark in marks(make_hit("k#w", 0), make_hit("k#n", 90), rules=rules).evidence
    }
    assert strengths == {"k#w": 0.99, "k#n": 0.0}
    factors = Profile(indicator_factor={"control.debt_bondage": 5.0})
    found = collect(make_unit("/a", [make_hit("k#w", 0)]), Knowledge(INDICATORS, rules, factors, 100, {}))
    assert found.evidence[0].base == 0.99
