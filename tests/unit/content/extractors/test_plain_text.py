"""Plain text: only what the search of raw bytes does not cover."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.text_map import byte_offset, check_map
from triage.content.extractors import extract
from triage.content.identify import identify
from triage.model.content import ContentType

TEXT = ContentType("text/plain", "plain text", "text")


def test_utf32_with_its_mark() -> None:
    for codec, mark in (("utf-32-le", b"\xff\xfe\0\0"), ("utf-32-be", b"\0\0\xfe\xff")):
        data = mark + "долг 3000 😀".encode(codec)
        found = extract(identify(data, len(data), b"a.txt"), data)
        assert [item.text for item in found] == ["долг 3000 😀"]
        assert found[0].encoding == codec
        assert byte_offset(found[0], 5) == 4 + 20
        check_map(found[0], data)


def test_other_encodings_are_searched_as_they_are() -> None:
    for data in (
        "долг".encode(),
        "долг".encode("utf-16"),
        "долг".encode("cp1251"),
        b"",
        b"\xff\xfe\0\0",
        b"\xff\xfe\0\0a",
    ):
        assert extract(TEXT, data) == ()


@given(st.binary(max_size=100))
def test_any_bytes_give_segments(noise: bytes) -> None:
    data = b"\xff\xfe\0\0" + noise
    for item in extract(TEXT, data):
        assert len(item.text) == len(noise) // 4
        item.text.encode("utf-8", "surrogatepass")
