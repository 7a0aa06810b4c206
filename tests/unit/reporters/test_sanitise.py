"""One function family makes what hides or moves text visible, and bounds width."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.reporters.sanitise import (
    MAX_MARKS,
    cell_width,
    cut,
    elide_end,
    elide_middle,
    one_line,
    safe_line,
    visible,
)

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("C:\\Users", "C:\\Users"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\u009b31m"),
        ("a\rb\nc\0", "a\\x0db\\x0ac\\x00"),
        ("\u202egpj", "\\u202egpj"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("bad\udcff\ud800", "bad\\xff\\ud800"),
        ("\U000e0041tag", "\\U000e0041tag"),
        ("\u3164\u00ad\u2028", "\\u3164\\u00ad\\u2028"),
        ("\ue000", "\\ue000"),
        ("жена 女 امرأة é", "жена 女 امرأة é"),
        ("👩‍👧", "👩\\u200d👧"),
    ],
)
def test_n01_n02_hidden_characters_become_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_multiline_keeps_line_feeds_and_tabs_only() -> None:
    assert visible("a\r\nb\tc\rd\x1b", multiline=True) == "a\nb\tc\\x0dd\\x1b"
    assert visible("а\r\nб\tв\rг", multiline=True) == "а\nб\tв\\x0dг"


def test_one_line_joins_blanks_and_keeps_the_rest_visible() -> None:
    assert one_line("  a \r\n\t b\u2028c\x07 ") == "a b c\\x07"


def test_n02_piles_of_marks_are_bounded_and_real_scripts_untouched() -> None:
    pile = visible("e" + "\u0301" * 50)
    assert pile.count("\u0301") == MAX_MARKS
    assert pile.count("\\u0301") == 50 - MAX_MARKS
    for text in ("ที่นี่", "שָׁלוֹם", "မြန်မာ", "Việt Nam", "क्षत्रिय"):
        assert visible(unicodedata.normalize("NFD", text)) == unicodedata.normalize("NFD", text)


@given(ANY_TEXT)
def test_property_any_text_renders_printable_and_encodes(text: str) -> None:
    for shown in (visible(text), one_line(text), safe_line(text)):
        shown.encode("utf-8")
        assert not any(
            unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for character in shown
        )


@given(ANY_TEXT, st.integers(0, 60))
def test_property_elided_text_fits_its_width(text: str, width: int) -> None:
    shown = visible(text)
    assert cell_width(elide_middle(shown, width)) <= max(width, 0)
    assert cell_width(elide_end(shown, width)) <= max(width, 0)


def test_elision_keeps_both_ends_and_counts_wide_characters_twice() -> None:
    assert elide_middle("p2:/Users/Greg/file.txt", 15) == "p2:/Us…file.txt"
    assert elide_end("abcdef", 4) == "abc…"
    assert elide_end("名单名单", 5) == "名单…"
    assert cell_width("名e\u0301") == 3
    assert elide_middle("short", 10) == "short"


def test_elision_does_not_leave_a_mark_without_its_base() -> None:
    assert elide_middle("x" * 20 + "e\u0301", 3) == "x…e\u0301"
    for width in range(3, 12):
        tail = elide_middle("x" * 20 + "e\u0301" * 5, width).partition("…")[2]
        assert not tail.startswith("\u0301")


def test_a_name_of_64_kib_becomes_a_bounded_line() -> None:
    assert len(safe_line("A" * 65536)) < 4100
    assert cut("abcdef", 3) == "abc… [3 more characters]"
