r"""RTF: letters behind escapes, with the way back; linear on anything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.text_map import byte_offset, check_map
from triage.content.extractors import extract
from triage.model.content import ContentType, TextSegment

RTF = ContentType("application/rtf", "RTF document", "signature")


def text_of(data: bytes) -> str:
    found = extract(RTF, data)
    for item in found:
        check_map(item, data)
    return found[0].text if found else ""


def test_words_tables_and_skipped_destinations() -> None:
    data = (rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\colortbl;\red0;}{\*\generator Riched20;}{\info{\title Jobs}}"
            rb"\pard de{\b b}t\par a\cell b\cell\row{\pict 00ff00}{\*\unknown noise}\{x\}\~y}")  # fmt: skip
    assert text_of(data).split("\n") == ["Jobs", "debt", "a\tb\t", "{x} y"]
    found = extract(RTF, data)[0]
    assert byte_offset(found, found.text.index("debt")) == data.index(rb"de{\b b}")


def test_code_page_font_character_sets_and_unicode() -> None:
    cyrillic = b"".join(b"\\'%02x" % byte for byte in "работа".encode("cp1251"))
    data = rb"{\rtf1\ansi\ansicpg1251 " + cyrillic + rb"\par caf\u233?  \u-10179?\u-8704? x}"
    assert text_of(data) == "работа\ncafé  😀 x"
    found = extract(RTF, data)[0]
    assert byte_offset(found, 0) == data.index(b"\\'f0")
    by_font = rb"{\rtf1\ansi{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}{\f1 " + cyrillic + rb"}\f0 \'e9}"
    assert text_of(by_font) == "работаé"
    assert text_of(rb"{\rtf1\ansicpg932 \'93\'fa\'96\'7b}") == "日本"


def test_fallback_of_a_unicode_letter_is_left_out() -> None:
    assert text_of(rb"{\rtf1\uc1\u1076?\u1086\'ee\uc0\u1083\uc2\u1075??!}") == "долг!"


def test_binary_data_is_stepped_over() -> None:
    assert text_of(rb"{\rtf1 a\bin6 {{{}\b}"[:-1] + b"c}") == "ac"
    assert text_of(rb"{\rtf1 a\bin99999999 rest}") == "a"
    assert text_of(rb"{\rtf1 a\bin-5 b}") == "ab"


def test_any_nesting_and_hostile_length() -> None:
    assert text_of(b"{\\rtf1 " + b"{" * 200_000 + b"needle") == "needle"
    assert text_of(b"{\\rtf1 " + b"}" * 200_000 + b"needle") == "needle"
    for unit in (b"\\u1076?", b"\\'e0", b"\\", b"{\\fonttbl", b"\\bin1 x", b"\\f99999", b"\\*", b"\\u55357 "):
        extract(RTF, b"{\\rtf1 " + unit * (200_000 // len(unit)))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"{", b"}", b"\\u1076?", b"\\u-10179?", b"\\'e9", b"\\'", b"\\par ", b"word", b"\\", b"\\bin3 ", b"\\uc2",
                                 b"\\ansicpg932 ", b"\\fonttbl", b"\\f1\\fcharset204 ", b"\xe9", b"\r\n", b"\\*\\x "]), max_size=40), st.binary(max_size=40))  # fmt: skip
def test_any_bytes_give_segments(parts: list[bytes], noise: bytes) -> None:
    data = b"{\\rtf1" + b"".join(parts) + noise
    for item in extract(RTF, data):
        assert isinstance(item, TextSegment)
        check_map(item, data)
        item.text.encode("utf-8")


@pytest.mark.parametrize("data", [b"", b"{\\rtf1", b"{\\rtf1}", b"{\\rtf1{\\fonttbl word}}"])
def test_no_text_no_segment(data: bytes) -> None:
    assert extract(RTF, data) == ()
