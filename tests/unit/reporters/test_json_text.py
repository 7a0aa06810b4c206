"""JSON that every parser reads back, whatever the text."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.reporters.json_text import dumps, escape_text, number, unescape_text

ANY_TEXT = st.text(st.characters(codec=None))


@given(ANY_TEXT)
def test_property_escaped_text_has_no_surrogate_and_comes_back(text: str) -> None:
    escaped = escape_text(text)
    escaped.encode("utf-8")
    assert unescape_text(escaped) == text


@given(ANY_TEXT)
def test_property_any_value_comes_back_exactly(text: str) -> None:
    written = dumps({"a": [{"b/c": text}], "n": 1})
    written.encode("utf-8")
    assert "\n" not in written
    value = json.loads(written)
    back = value["a"][0]["b/c"]
    if "escaped" in value:
        assert value["escaped"] == ["/a/0/b~1c"]
        back = unescape_text(back)
    assert back == text


def test_o03_bytes_that_are_not_utf8_are_escaped_and_listed() -> None:
    assert dumps({"x": "a\udcff\\"}) == '{"x":"a\\\\xff\\\\x5c","escaped":["/x"]}'
    assert dumps({"x": "\ud800"}) == '{"x":"\\\\ud800","escaped":["/x"]}'
    assert dumps({"x": "a\\"}) == '{"x":"a\\\\"}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_o03_nan_and_infinity_never(value: float) -> None:
    assert dumps({"x": value, "y": [value]}) == '{"x":null,"y":[null]}'
    assert number(value) is None


def test_o03_large_integers_stay_exact() -> None:
    assert json.loads(dumps({"x": 2**63, "y": -(2**70)})) == {"x": 2**63, "y": -(2**70)}


def test_o03_hidden_characters_are_json_escapes() -> None:
    text = "\x7f\x9b\u202e\u2028\u2029\u200b\ufeff\u3164\U000e0041"
    written = dumps({"x": text})
    assert written.isascii()
    assert json.loads(written) == {"x": text}


def test_numbers_have_six_decimals_and_no_negative_zero() -> None:
    assert dumps({"x": 0.1 + 0.2, "y": -0.0, "z": -1e-9}) == '{"x":0.3,"y":0.0,"z":0.0}'


def test_keys_keep_their_order() -> None:
    assert dumps({"b": 1, "a": 2}) == '{"b":1,"a":2}'
