"""Where evidence stands together."""

import random
from itertools import pairwise

from tests.support.units import INDICATORS, make_hit, make_rule, make_unit
from triage.model.rules import Profile
from triage.ranking.marks import Knowledge, Mark, collect
from triage.ranking.passages import CANDIDATES, WINDOW, candidate_passages, window_for

RULES = {f"k#{n}": make_rule(f"k#{n}", name, 0.5) for n, name in enumerate(sorted(INDICATORS))}
RULES["yara/x#y"] = make_rule("yara/x#y", "recruit.broker", 0.5, detector="yara")


def marks_at(*places: tuple[str, int]) -> tuple[Mark, ...]:
    """Evidence marks of these rules at these offsets."""
    unit = make_unit("/a", [make_hit(rule, offset) for rule, offset in places], size=1 << 24)
    return collect(unit, Knowledge(INDICATORS, RULES, Profile(), 100, {})).evidence


def test_a_small_unit_is_one_passage() -> None:
    marks = marks_at(("k#0", 0), ("k#1", 8000))
    (passage,) = candidate_passages(marks, WINDOW, 2 * WINDOW)
    assert passage.marks == marks
    assert candidate_passages((), WINDOW, 100) == ()


def test_the_dense_stretch_comes_first() -> None:
    scattered = [("k#0", 100_000 * n) for n in range(1, 9)]
    dense = [(f"k#{n}", 450_000 + 300 * n) for n in range(6)]
    passages = candidate_passages(marks_at(*scattered, *dense), WINDOW, 1 << 24)
    assert passages[0].start == 450_000
    assert {mark.rule.id for mark in passages[0].marks} == {f"k#{n}" for n in range(6)}


def test_passages_do_not_overlap_and_are_bounded_in_number() -> None:
    rng = random.Random(3)
    marks = marks_at(*((f"k#{rng.randrange(16)}", rng.randrange(1 << 24)) for _ in range(3000)))
    passages = candidate_passages(marks, WINDOW, 1 << 24)
    assert len(passages) == CANDIDATES
    starts = sorted(passage.start for passage in passages)
    assert all(later - earlier >= WINDOW for earlier, later in pairwise(starts))
    assert all(passage.start <= mark.start < passage.end for passage in passages for mark in passage.marks)


def test_the_sliding_sums_equal_a_count_from_nothing() -> None:
    """Adding and removing must leave no rest: the first window equals the best found by trying each alone."""
    rng = random.Random(5)
    for _ in range(20):
        marks = marks_at(*((f"k#{rng.randrange(16)}", rng.randrange(100_000)) for _ in range(60)))
        first = candidate_passages(marks, WINDOW, 1 << 24)[0]
        alone = {
            mark.start: candidate_passages(
                tuple(m for m in marks if mark.start <= m.start < mark.start + WINDOW), WINDOW, 1 << 24
            )[0]
            for mark in marks
        }
        assert first.marks == alone[first.start].marks


def test_rules_on_the_whole_content_are_in_every_passage() -> None:
    passages = candidate_passages(marks_at(("k#0", 0), ("k#1", 900_000), ("yara/x#y", 500_000)), WINDOW, 1 << 24)
    assert len(passages) == 2
    assert all(any(mark.rule.id == "yara/x#y" for mark in passage.marks) for passage in passages)
    (only,) = candidate_passages(marks_at(("yara/x#y", 500_000)), WINDOW, 1 << 24)
    assert [mark.rule.id for mark in only.marks] == ["yara/x#y"]


def test_windows_grow_with_what_surrounds_the_words() -> None:
    assert window_for("text", "text/plain") < window_for("database", "application/vnd.sqlite3")
    assert (
        window_for("database", "application/vnd.sqlite3")
        < window_for("text", "text/html")
        == window_for("document", "")
    )


def test_what_has_left_the_window_counts_no_longer() -> None:
    """Three different rules on one page beat one rule behind a long trail of others."""
    trail = [(f"k#{n}", 10_000 * n) for n in range(10)]
    page = [("k#1", 300_000), ("k#6", 300_300), ("k#11", 300_600)]
    late = [("k#2", 900_000)]
    passages = candidate_passages(marks_at(*trail, *page, *late), WINDOW, 1 << 24)
    assert passages[0].start == 300_000
    assert len(passages[1].marks) == 1
