"""What a finding further up has said already steps back, and says whose words it repeats."""

from tests.support.units import CONVERSATION, ranked, text_unit
from triage.model.finding import ScoreLine
from triage.ranking.repeated import FLOOR, NAME, STEP, wording


def test_copies_in_other_words_step_back_one_after_the_other() -> None:
    findings = ranked(*(text_unit(f"/{name}.txt", f"{name}\n{CONVERSATION}") for name in "abc"))
    first, second, third = findings
    assert NAME not in first.damped_by
    assert NAME in second.damped_by
    assert abs(second.score / first.score - STEP) < 0.02
    assert abs(third.score / first.score - STEP**2) < 0.02
    assert any(first.id in line.label for line in second.lines)


def test_the_lines_still_add_up_and_the_band_follows() -> None:
    for finding in ranked(*(text_unit(f"/{number}.txt", CONVERSATION) for number in range(9))):
        assert abs(sum(line.contribution for line in finding.lines) - finding.score) < 1e-6
        assert finding.rank == 1 or finding.damped_by
    assert finding.score > 0.9 * FLOOR * ranked(text_unit("/0.txt", CONVERSATION))[0].score


def test_what_is_new_beside_it_keeps_its_worth() -> None:
    known = text_unit("/a.txt", CONVERSATION)
    more = text_unit("/b.txt", "she owes\n" + "x" * 40 + "\n[12:03] V: I keep the passports, all of them")
    alone = ranked(more)[0].score
    beside = next(finding for finding in ranked(known, more) if finding.path == "p1:/b.txt")
    assert STEP * alone < beside.score < alone


def test_numbers_and_neighbouring_lines_do_not_make_it_new() -> None:
    def line(excerpt: str, matched: str) -> ScoreLine:
        return ScoreLine("hit", "", 0.1, excerpt=excerpt, matched=matched)

    one = wording(line("Monday\nshe owes 4500 to the boss\nfine", "owes 4500"))
    assert one == wording(line("another day\nShe owes 300 to the boss.\nbye", "owes 300"))
    assert one == wording(line("<p>x</p><p>she owes 1 to the boss</p>", "owes 1"))
    assert one != wording(line("he owes 4500 to the bank\n", "owes 4500"))


def test_a_match_without_letters_is_no_wording() -> None:
    for matched in ("", "12:30", "\u2708"):
        assert wording(ScoreLine("hit", "", 0.1, excerpt=f"at {matched} sharp", matched=matched)) == ""
