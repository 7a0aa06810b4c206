"""Addresses print, parse and compare, whatever a name holds."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triage.model.address import CARVED, Address, carved_path, escape_name, unescape_name

names = st.binary(min_size=1, max_size=24).filter(lambda raw: b"/" not in raw and b"\0" not in raw)
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: b"/" + b"/".join(parts))
members = st.lists(st.binary(min_size=1, max_size=16), max_size=3).map(tuple)


@given(paths, st.one_of(st.just(b""), names), members, st.booleans(), st.text(min_size=1, max_size=12))
@example(b"/a!/b", b"", (b"x!/y", b"!"), False, "laptop.E01")
@example(b"/a:b", b"c:d", (b"../e:f",), True, "my image p2:x.dd")
@example(b"/x$slack", b"", (), False, "a")
@example(b"/x$slack", b"", (), True, "a")
@example(b"/\xff\xfe\x1b[2J\xe2\x80\xae", b"", (), False, "a")
@example(b"/end ", b" ", (b" ",), False, "a ")
def test_text_form_round_trips(path, stream, inner, slack, evidence):
    evidence = evidence.replace("/", "_").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    address = Address(evidence, "p2", path, stream, inner, "slack" if slack else "")
    if " p2:/" in f" {evidence} " or " p2:$" in f" {evidence} ":
        return
    assert Address.parse(str(address)) == address


@given(st.binary(max_size=64))
def test_names_escape_to_printable_text_and_back(raw):
    shown = escape_name(raw)
    assert unescape_name(shown) == raw
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in shown)


@pytest.mark.parametrize("space", ["unallocated", "gap", "volume_slack"])
def test_space_round_trips(space):
    address = Address("a.dd", "p0", space=space, offset=4096, length=65536)
    assert str(address) == f"a.dd p0:${space}@4096+65536"
    assert Address.parse(str(address)) == address


@given(st.integers(0, 1 << 50), st.integers(1, 1 << 50), st.from_regex(r"[a-z0-9-]{1,16}", fullmatch=True), members)
@example(0, 1, "slack", (b"$slack",))
@example(7, 1, "sqlite-wal", ())
def test_carved_files_and_what_they_hold_round_trip(offset, length, extension, inner):
    path = carved_path(offset, extension)
    address = Address("a.dd", "p0", path, members=inner, space=CARVED, offset=offset, length=length)
    assert str(address).startswith(f"a.dd p0:$carved@{offset}+{length}.{extension}")
    assert Address.parse(str(address)) == address
    assert not address.is_bare_space
    assert Address("a.dd", "p0", path, space=CARVED, offset=offset).name == f"carved-{offset}.{extension}".encode()


@pytest.mark.parametrize("text", ["", "a.dd", "p2:/x", "a.dd p2:x", "a.dd /x"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="not an address"):
        Address.parse(text)


def test_name_is_the_innermost_component():
    assert Address("a", "p1", b"/x/y.zip").name == b"y.zip"
    assert Address("a", "p1", b"/x/y.zip").child(b"in/z.txt").name == b"z.txt"


def test_text_form_is_readable_where_names_are_ordinary():
    address = Address("laptop.E01", "p2", "/Users/Иван/a.zip".encode()).child("внутри/list.txt".encode())
    assert str(address) == "laptop.E01 p2:/Users/Иван/a.zip!/внутри/list.txt"
