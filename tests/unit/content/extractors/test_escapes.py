r"""JSON: letters behind ``\uXXXX``, with the way back; linear on anything."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.text_map import byte_offset, check_map
from triage.content.extractors import extract
from triage.model.content import ContentType

JSON = ContentType("application/json", "JSON", "text")


def test_escaped_letters_are_text_and_lie_where_they_begin() -> None:
    data = json.dumps({"from": "anna", "text": "Пиши на Viber: долг 3000 😀", "n": ["x", 'работа\nтук "a"']}).encode()
    found = extract(JSON, data)
    assert [item.label for item in found] == ["strings"]
    assert found[0].text == 'Пиши на Viber: долг 3000 😀\nработа\nтук "a"'
    check_map(found[0], data)
    assert byte_offset(found[0], found[0].text.index("Viber")) == data.index(b"Viber")
    assert byte_offset(found[0], found[0].text.index("долг")) == data.index(b"\\u0434\\u043e\\u043b")


def test_bytes_of_letters_escaped_one_by_one() -> None:
    mojibake = json.dumps({"content": "долг 3000 €😀".encode().decode("latin-1")}).encode()
    assert extract(JSON, mojibake)[0].text == "долг 3000 €😀"
    honest = json.dumps(["café Ã"]).encode()
    assert extract(JSON, honest)[0].text == "café Ã"


def test_json_without_escaped_letters_says_no_more_than_its_bytes() -> None:
    for data in (b"", b"{}", b'{"a": "plain\\n\\u0041\\t\\"x\\""}', '{"a": "долг"}'.encode()):
        assert extract(JSON, data) == ()


def test_string_that_is_cut_is_still_text() -> None:
    assert extract(JSON, b'{"a": "\\u0416 cut')[0].text == "Ж cut"
    assert extract(JSON, b'{"a": "\\u0416 \\"q\\" cut\n "b\\u0416"}')[0].text == 'Ж "q" cut\nbЖ'


def test_hostile_length_is_no_matter() -> None:
    for unit in (b'"\\u0416', b'\\"', b"\\", b'"', b"\\u00d0", b"\\ud83d", b"\\u00f0\\u009f", b'"\\u0416\n'):
        data = b'"\\u0416 first"' + b'"\\u0416' + unit * (200_000 // len(unit)) + b'\n"needle \\u0416"'
        found = extract(JSON, data)
        assert "needle Ж" in found[0].text, unit


@settings(max_examples=300, deadline=None)
@given(st.recursive(st.text(max_size=12), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8),
       st.binary(max_size=20), st.integers(0, 400))  # fmt: skip
def test_any_bytes_give_segments(value: object, noise: bytes, cut: int) -> None:
    whole = json.dumps(value).encode()
    for data in (whole, whole[:cut] + noise, noise):
        for item in extract(JSON, data):
            check_map(item, data)
            item.text.encode("utf-8")
