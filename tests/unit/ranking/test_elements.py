"""Coverage of act, means and purpose, and the ceilings."""

import pytest

from tests.support.units import RULES, finding_of, make_hit, make_rule, make_unit, text_unit
from triage.model.finding import Finding, Priority
from triage.ranking import elements


def by_weights(*rules: tuple[str, float]) -> Finding:
    """The finding of one unit where each of these (indicator, weight) hits once."""
    known = {f"keywords/en#{n}": make_rule(f"keywords/en#{n}", name, weight) for n, (name, weight) in enumerate(rules)}
    hits = [make_hit(rule, 60 * n, f"words of rule {n}") for n, rule in enumerate(known)]
    return finding_of(make_unit("/a", hits), rules=known)


ACT, MEANS, PURPOSE = "recruit.false_job", "control.fines_quota", "exploit.labour_conditions"


def test_three_weak_hits_on_three_elements_outrank_ten_hits_on_one() -> None:
    three = by_weights((ACT, 0.3), (MEANS, 0.35), (PURPOSE, 0.3))
    assert three.elements == ("act", "means", "purpose")
    for indicators in (
        [ACT, "recruit.broker"],
        [MEANS],
        [PURPOSE, "exploit.third_party_mgmt"],
        ["finance.value_transfer"],
    ):
        ten = by_weights(*((indicators[n % len(indicators)], 0.6) for n in range(10)))
        assert three.score > ten.score


def test_even_ten_hits_on_an_indicator_that_may_stand_alone_do_not() -> None:
    three = by_weights((ACT, 0.3), (MEANS, 0.35), (PURPOSE, 0.3))
    ten = by_weights(*(("control.document_retention", 0.6) for _ in range(10)))
    assert three.score > ten.score


def test_each_element_multiplies() -> None:
    one = by_weights((MEANS, 0.4))
    two = by_weights((MEANS, 0.4), (ACT, 0.4))
    three = by_weights((MEANS, 0.4), (ACT, 0.4), (PURPOSE, 0.4))
    assert [len(finding.elements) for finding in (one, two, three)] == [1, 2, 3]
    assert two.score > 2 * one.score
    assert any("evidence x 1.50" in line.label for line in two.lines)
    assert any("evidence x 2.00" in line.label for line in three.lines)


@pytest.mark.parametrize(
    ("indicators", "ceiling", "name"),
    [
        (["finance.value_transfer", "anon.tooling", "identity.third_party_docs"], elements.OTHER_ALONE, "no element"),
        (["recruit.false_job", "recruit.broker"], elements.ONE_ELEMENT, "one element alone"),
        (["exploit.labour_conditions", "exploit.third_party_mgmt"], elements.ONE_ELEMENT, "one element alone"),
        (["exploit.sex_ad", "exploit.price_menu"], elements.ONE_ELEMENT, "advertising wording alone"),
        (["exploit.sex_ad", "exploit.price_menu", "move.rotation"], elements.ONE_ELEMENT, "advertising wording alone"),
        (["control.document_retention", "control.debt_bondage"], elements.ONE_ELEMENT_STRONG, "one element alone"),
        (["urgent.victim_distress"], elements.OTHER_STRONG, "no element"),
        (["recruit.broker", "exploit.third_party_mgmt"], elements.NO_MEANS, "no means"),
    ],
)
def test_ceilings(indicators: list[str], ceiling: float, name: str) -> None:
    full = by_weights(*((indicators[n % len(indicators)], 0.9) for n in range(40)))
    assert full.score <= ceiling
    assert full.damped_by == (name,)
    assert any(line.label.endswith(f"at most {ceiling:.2f}") for line in full.lines)


def test_without_a_second_element_single_ok_false_is_never_high_and_ads_are_low_or_medium() -> None:
    for indicator in ("recruit.false_job", "control.threat_violence", "exploit.sex_ad", "exploit.third_party_mgmt"):
        assert by_weights(*((indicator, 0.9) for _ in range(30))).priority in (Priority.LOW, Priority.MEDIUM)


def test_high_needs_two_elements_and_critical_a_means() -> None:
    strong = by_weights(*(("control.document_retention", 0.9) for _ in range(30)))
    assert strong.priority is Priority.MEDIUM
    no_means = by_weights(*((name, 0.9) for name in ("recruit.broker", "exploit.third_party_mgmt") for _ in range(15)))
    assert no_means.priority is Priority.HIGH
    both = by_weights(*((name, 0.9) for name in ("recruit.broker", "control.document_retention") for _ in range(15)))
    assert both.priority is Priority.CRITICAL
    assert both.damped_by == ()


def test_a_few_terms_do_not_make_critical() -> None:
    two = by_weights(("control.document_retention", 0.9), ("trade.person_sale", 0.9))
    assert two.priority is Priority.HIGH
    assert two.damped_by == ("few terms",)
    assert by_weights(("urgent.victim_distress", 0.99)).score <= 0.7


def test_the_ceiling_keeps_the_order_below_it() -> None:
    scores = [by_weights(*((ACT, 0.5) for _ in range(number))).score for number in range(1, 8)]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)


def test_weak_support_counts_in_proportion() -> None:
    weak = by_weights((MEANS, 0.6), (ACT, 0.1))
    full = by_weights((MEANS, 0.6), (ACT, 0.4))
    assert weak.elements == ("means",)
    assert full.elements == ("act", "means")
    assert weak.score < full.score


def test_elements_need_support_after_damping_of_terms() -> None:
    rules = {
        "keywords/en#1": make_rule("keywords/en#1", MEANS, 0.5),
        "keywords/en#2": make_rule("keywords/en#2", ACT, 0.5),
    }
    unit = make_unit("/a", [make_hit("keywords/en#1", 0), make_hit("keywords/en#2", 50)])
    assert finding_of(unit, rules=rules).elements == ("act", "means")
    common = finding_of(unit, rules=rules, frequency={"keywords/en#2": 900})
    assert common.elements == ("means",)
    assert "common on this device" in common.damped_by


def test_independent_advertising_on_one_page_stays_below_evidence() -> None:
    text = "new in town, on tour, 100% real pics, available 24/7, full service, 60 min $200, two girls available"
    finding = finding_of(text_unit("/ad.txt", text))
    assert finding.score <= elements.ONE_ELEMENT
    assert finding.damped_by == ("advertising wording alone",)
    assert all(RULES[line.rule].role == "evidence" for line in finding.lines if line.rule)
