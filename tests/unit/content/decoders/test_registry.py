"""The registry of decoders, the budget, and what nothing opens."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import pytest

import triage.content.decoders as room
from tests.support.archives import HERE, open_once
from triage.content.decoders import DECODERS, Budget, decode
from triage.content.decoders.unread import MIMES
from triage.content.identify import identify
from triage.content.kinds import KINDS
from triage.model.content import ContentType
from triage.model.problem import Reason

SHARED = {"__init__", "interface", "zip_structure", "zip_methods", "unread"}


def test_every_decoder_is_a_module_with_a_test() -> None:
    folder = Path(room.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - SHARED == {unit.name for unit in DECODERS}
    for unit in DECODERS:
        assert callable(importlib.import_module(unit.module).decode)
        assert (Path(__file__).parent / f"test_{unit.name}.py").exists()
        assert unit.summary


def test_every_type_is_known_and_opened_once() -> None:
    known = {kind.mime for kind in KINDS.values()}
    opened = [mime for unit in DECODERS for mime in unit.mimes]
    assert len(set(opened)) == len(opened)
    assert set(opened) <= known and known >= MIMES
    assert not set(opened) & MIMES
    assert all(unit.documents <= unit.mimes for unit in DECODERS)


def test_plain_content_has_no_decoder() -> None:
    for data in (b"words and words\n", b"\xff\xd8\xff\xe0" + bytes(99), b""):
        assert decode(identify(data, len(data), b"x"), data, HERE, Budget()) is None


@pytest.mark.parametrize("mime", sorted(MIMES))
def test_what_is_not_opened_is_told(mime: str) -> None:
    for data in (b"x" * 100, b""):
        found = list(decode(ContentType(mime, "thing", "signature"), data, HERE, Budget()) or ())
        assert [item.reason for item in found] in ([Reason.ENCRYPTED], [Reason.UNSUPPORTED])
        assert found[0].bytes_not_examined == len(data)


@pytest.mark.parametrize("unit", DECODERS, ids=[unit.name for unit in DECODERS])
def test_empty_truncated_and_random_bytes_raise_nothing(unit: room.Decoder) -> None:
    turn = random.Random(unit.name)
    for data in (b"", b"\0", b"P", turn.randbytes(100), turn.randbytes(5000), bytes(2000), b"\xff" * 2000):
        for mime in unit.mimes:
            items = list(decode(ContentType(mime, "x", "signature"), data, HERE, Budget()) or ())
            assert all(item is not None for item in items)


def test_spent_budget_is_told_at_once() -> None:
    budget = Budget(remaining_bytes=0, source_bytes=1)
    data = b"\x1f\x8b\x08" + bytes(50)
    members, problems = open_once(data, budget)
    assert members == [] and [item.reason for item in problems] == [Reason.LIMIT]


def test_budget_is_set_by_the_outermost_container() -> None:
    budget = Budget(free_bytes=100, max_ratio=2.0)
    budget.enter(1000)
    assert budget.remaining_bytes == 2000
    budget.enter(10**9)
    assert budget.remaining_bytes == 2000
    budget.spend(1500)
    assert (budget.remaining_bytes, budget.allowance(10**6)) == (500, 500)
    assert budget.further(0, 499)(10**6) == 1
    budget.spend(600)
    assert budget.is_spent and budget.allowance(10**6) == 0 and "bytes" in budget.spent_words
