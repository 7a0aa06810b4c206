"""Quotations on page one: one line, safe, masked, bounded."""

import pytest

from triage.model.finding import ScoreLine
from triage.ranking.quote import QUOTE_LIMIT, mask, quote


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call +359 88 000 0141 now", "call +••• •• ••• •141 now"),
        ("acc 12345678901234", "acc •••••••••••234"),
        ("٠٨٨٠٠٠٠١٤١", "•••••••١٤١"),
        ("mail ana.k@example.com please", "mail a•••@example.com please"),
        ("owes 4500 since 2024-03-20", "owes 4500 since 2024-03-20"),
        ("on 20.03.2024 and 20240320", "on 20.03.2024 and 20240320"),
        ("room 12, 60 min $200", "room 12, 60 min $200"),
    ],
)
def test_numbers_and_addresses_are_masked_dates_and_sums_stay(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_a_quote_is_one_safe_line_with_the_match_in_it() -> None:
    line = ScoreLine(
        "hit", "g", 0.1, excerpt="a" * 200 + "\n\x1b[31mthey \u202ewon't\tleave " + "b" * 200, matched="they"
    )
    said = quote(line)
    assert "they" in said
    assert said.startswith("…")
    assert said.endswith("…")
    assert len(said) < QUOTE_LIMIT + 40
    assert not {"\n", "\x1b", "\t", "\u202e"} & set(said)


def test_a_long_match_is_cut_and_a_missing_excerpt_is_no_trouble() -> None:
    assert len(quote(ScoreLine("hit", "g", 0.1, excerpt="x" * 900, matched="x" * 500))) <= QUOTE_LIMIT + 2
    assert quote(ScoreLine("hit", "g", 0.1, matched="only this")) == "only this"
    assert quote(ScoreLine("hit", "g", 0.1)) == ""
    assert quote(ScoreLine("hit", "g", 0.1, excerpt="ab\udcffc", matched="b")) == "ab\\xed\\xb3\\xbfc"
