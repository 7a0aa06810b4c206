"""The same words at the top of every report, and the numbers behind them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.documents import INDICATORS, LAPTOP, empty_document, line, make_document, make_finding, problems
from triage.model.finding import Priority
from triage.model.problem import Reason
from triage.reporters.overview import (
    REASON_WORDS,
    exact_size,
    headline,
    human_size,
    next_step,
    not_examined,
    split_excerpt,
    state_text,
    strongest,
    why,
)


def test_every_reason_has_words() -> None:
    assert set(REASON_WORDS) == set(Reason)


def test_headline_names_the_urgent_finding_before_the_highest() -> None:
    calm = make_finding(1, path=b"/calm", lines=(line("x", 0.9),))
    urgent = make_finding(2, path=b"/urgent", urgency=2)
    document = make_document((calm, urgent))
    assert next_step(document).startswith(f"Read {urgent.id} first: it points to a person who may be at risk now")
    assert "1 critical" in headline(document)


def test_headline_never_calls_an_empty_result_clean() -> None:
    assert "no clearance" in headline(empty_document())
    assert "Everything listed was examined" in headline(empty_document())


def test_only_low_findings_are_said_to_be_low() -> None:
    low = make_finding(1, lines=(line("x", 0.05),))
    assert low.priority is Priority.INFO
    assert next_step(make_document((low,))).startswith("Nothing above low was found")


def test_partial_runs_say_so_and_how_to_go_on() -> None:
    text = state_text(make_document(state="partial", pending=1))
    assert text.startswith("PARTIAL, 1 entry waiting: run the same command again")
    assert "could not be examined" in text


def test_not_examined_counts_by_reason_biggest_first_and_leaves_recovered_out() -> None:
    missing = not_examined(make_document())
    assert [group.reason for group in missing.reasons] == [
        Reason.ENCRYPTED,
        Reason.LIMIT,
        Reason.UNSUPPORTED,
        Reason.TIMEOUT,
    ]
    assert missing.reasons[0].count == 2
    assert missing.reasons[0].biggest.address == f"{LAPTOP} p3"
    assert [problem.reason for problem in missing.recovered] == [Reason.CRASHED]
    assert missing.bytes == sum(p.bytes_not_examined for p in problems() if not p.examined_anyway)


def test_negative_byte_counts_do_not_lower_the_sum() -> None:
    odd = replace(problems()[0], bytes_not_examined=-5)
    assert not_examined(make_document(problems=(odd,))).bytes == 0


def test_why_sums_by_indicator_and_names_unknown_ones_by_identity() -> None:
    finding = make_finding(
        lines=(
            line("a", 0.2, indicator="control.debt_bondage"),
            line("b", 0.3, indicator="user.unknown"),
            line("c", 0.2, indicator="control.debt_bondage"),
            line("gloss only", 0.1),
            line("cap", -0.1, kind="adjustment"),
        )
    )
    assert why(finding, INDICATORS) == ("Debt ledger or debt bondage", "user.unknown", "gloss only")
    best = strongest(finding)
    assert best is not None
    assert best.label == "b"
    assert strongest(make_finding(lines=(line("only", 0.1, kind="adjustment"),))) is None


@pytest.mark.parametrize(
    ("excerpt", "matched", "parts"),
    [
        ("before match after", "match", ("before ", "match", " after")),
        ("aa x aa x aa x aa", "x", ("aa x aa ", "x", " aa x aa")),
        ("no such", "match", ("no such", "", "")),
        ("", "match", ("", "match", "")),
        ("all", "", ("all", "", "")),
        ("", "", ("", "", "")),
    ],
)
def test_excerpts_are_split_around_the_match_nearest_to_the_middle(
    excerpt: str, matched: str, parts: tuple[str, str, str]
) -> None:
    assert split_excerpt(excerpt, matched) == parts


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (2**63 - 1, "8.0 EiB"),
        (2**80, "1048576.0 EiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert human_size(count) == text


def test_exact_sizes_keep_the_byte() -> None:
    assert exact_size(1536) == "1.5 KiB (1,536 bytes)"
    assert exact_size(5) == "5 bytes"
