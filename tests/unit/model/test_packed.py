"""Data that crosses between processes: it arrives as it left."""

from __future__ import annotations

import pickle
from dataclasses import fields, is_dataclass

import pytest

from triage.model import content, entry, hit, problem, result, times
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.hit import Hit
from triage.model.packed import Packed
from triage.model.times import Times
from triage.pipeline import messages

PACKED = [
    kind
    for module in (content, entry, hit, problem, result, times, messages)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Packed) and kind is not Packed
]


@pytest.mark.parametrize("kind", PACKED, ids=lambda kind: kind.__name__)
def test_the_fields_are_those_that_the_constructor_takes_in_order(kind: type) -> None:
    assert is_dataclass(kind)
    assert len(fields(kind)) > 1
    assert all(field.init and not field.kw_only for field in fields(kind))
    values = tuple(range(len(fields(kind))))
    again = pickle.loads(pickle.dumps(kind(*values)))
    assert tuple(getattr(again, field.name) for field in fields(kind)) == values


def test_nested_data_arrives_equal() -> None:
    address = Address("a.E01", "p2", b"/\xff/x", members=(b"1", b"2"), space="slack", offset=3)
    before = Entry(address, EntryType.SYMLINK, 5, 7, times=Times(mtime=1, zone_known=False), caveats=("a",))
    after = pickle.loads(pickle.dumps(before))
    assert after == before
    assert type(after.entry_type) is EntryType
    assert hash(after.address) == hash(address)


def test_what_arrives_is_frozen() -> None:
    after = pickle.loads(pickle.dumps(Hit("r", 1, 2)))
    with pytest.raises(AttributeError):
        after.rule = "other"
