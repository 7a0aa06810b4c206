"""Every key and value of a TOML file has its line and column."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.ruleset.toml_positions import TomlPositions

TEXT = '''\
# comment with "quotes" and [brackets]
top = 1
dotted . "quoted key" = 2   # x = 3

[pack]
  id = "a"
list = [ "one", # first
  'two', ["three"] ]
inline = { a = 1, "b.c" = [ 2 ], d = {} }
long = """
[not a table]
key = "no" \\""" still
"""
raw = \'\'\'
'it''s\'\'\'
when = 1979-05-27 07:32:00
[[term]]
x = 1
[[term]]
x = "two"
[term.sub]
y = 1
[[term.deep]]
z = 1
[[term.deep]]
z = 2
'''


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("top",), (2, 1), (2, 7)),
        (("dotted", "quoted key"), (3, 1), (3, 25)),
        (("pack",), (5, 1), (5, 1)),
        (("pack", "id"), (6, 3), (6, 8)),
        (("pack", "list", 0), (7, 10), (7, 10)),
        (("pack", "list", 1), (8, 3), (8, 3)),
        (("pack", "list", 2, 0), (8, 11), (8, 11)),
        (("pack", "inline", "a"), (9, 12), (9, 16)),
        (("pack", "inline", "b.c", 0), (9, 29), (9, 29)),
        (("pack", "inline", "b.c"), (9, 19), (9, 27)),
        (("pack", "inline", "d"), (9, 34), (9, 38)),
        (("pack", "raw"), (14, 1), (14, 7)),
        (("pack", "when"), (16, 1), (16, 8)),
        (("term", 0), (17, 1), (17, 1)),
        (("term", 1, "x"), (20, 1), (20, 5)),
        (("term", 1, "sub", "y"), (22, 1), (22, 5)),
        (("term", 1, "deep", 0, "z"), (24, 1), (24, 5)),
        (("term", 1, "deep", 1, "z"), (26, 1), (26, 5)),
    ],
)
def test_places(path: tuple[str | int, ...], key: tuple[int, int], value: tuple[int, int]) -> None:
    positions = TomlPositions(TEXT)
    assert positions.key(path) == key
    assert positions.value(path) == value


def test_absent_key_gives_its_table() -> None:
    assert TomlPositions(TEXT).key(("term", 1, "nothing", "below")) == (19, 1)


def test_inside_is_exact_for_a_literal_string() -> None:
    positions = TomlPositions("a = 'x(y'\nb = \"x\\u0028y\"\n")
    assert positions.inside(("a",), 1) == (1, 7)
    assert positions.inside(("b",), 1) == (2, 5)


def test_crlf_and_characters_beyond_ascii() -> None:
    positions = TomlPositions("# é\r\n'schlüssel' = 'ж'\r\nb = 2\r\n")
    assert positions.value(("schlüssel",)) == (2, 15)
    assert positions.key(("b",)) == (3, 1)


_SCALARS = st.one_of(st.integers(-9, 9), st.booleans(), st.text(st.characters(codec="utf-8"), max_size=6))
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def _dump(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" if c in '"\\' or not c.isprintable() else c for c in value) + '"'
    if isinstance(value, list):
        return "[\n# [no\n" + ",".join(map(_dump, value)) + " ]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_dump(key)} = {_dump(each)}" for key, each in value.items()) + " }"
    return str(value)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    return [(path, value), *(each for key, inner in items for each in _paths(inner, (*path, key)))]


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), _VALUES, max_size=4))
def test_every_value_begins_where_it_is_said_to(document: dict[str, Any]) -> None:
    text = "".join(f"{_dump(key)} = {_dump(value)}\n" for key, value in document.items())
    assert tomllib.loads(text) == document
    positions = TomlPositions(text)
    lines = text.split("\n")
    for path, value in _paths(document)[1:]:
        line, column = positions.value(path)
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        assert rest.startswith(_dump(value)), path
