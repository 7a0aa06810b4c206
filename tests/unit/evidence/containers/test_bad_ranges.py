"""The map of what could not be read: nothing twice, nothing lost, bounded."""

import itertools
import random

import pytest

from triage.evidence.containers import bad_ranges
from triage.evidence.containers.bad_ranges import BadMap, BadRange, BadRanges
from triage.model.problem import Reason


def bytes_of(found):
    return {at for part in found.bad_ranges() for at in range(part.offset, part.end)}


@pytest.mark.parametrize("seed", range(30))
def test_a_map_is_the_set_of_its_bytes(seed):
    """Whatever the order; what was new is told exactly, causes stay with who came first, ranges never touch."""
    chance = random.Random(seed)
    found, model = BadMap(), {}
    for _ in range(60):
        start = chance.randrange(200)
        end = start + chance.randrange(0, 30)
        cause = chance.choice("ab")
        fresh = {at for begin, stop in found.add(start, end, cause) for at in range(begin, stop)}
        assert fresh == {at for at in range(start, end) if at not in model}
        for at in range(start, end):
            model.setdefault(at, cause)
    ranges = found.bad_ranges()
    assert {at: part.cause for part in ranges for at in range(part.offset, part.end)} == model
    assert found.total == len(model)
    for before, after in itertools.pairwise(ranges):
        assert before.end < after.offset or (before.end == after.offset and before.cause != after.cause)
    for _ in range(50):
        start, length = chance.randrange(220), chance.randrange(40)
        inside = {at for part in found.overlapping(start, length) for at in range(part.offset, part.end)}
        assert inside == {at for at in model if start <= at < start + length}


def test_nothing_is_nothing():
    found = BadMap()
    assert not found
    assert found.add(5, 5, "x") == ()
    assert found.add(5, 3, "x") == ()
    assert not found
    assert found.overlapping(0, 1 << 62) == ()


def test_a_full_map_joins_ranges_and_loses_none(monkeypatch):
    """More good bytes are called bad then, never the other way round."""
    monkeypatch.setattr(bad_ranges, "MAX_KEPT", 8)
    found = BadMap()
    for number in range(100):
        found.add(number * 10, number * 10 + 1, "x")
    assert len(found.bad_ranges()) <= 9
    assert {number * 10 for number in range(100)} <= bytes_of(found)


def test_problems_go_into_a_map_that_is_shared():
    shared = BadMap()
    shared.add(0, 10, "known before")
    told = BadRanges("e", "s", shared)
    told.add(5, 20, Reason.UNREADABLE, "read error")
    assert shared.bad_ranges() == (BadRange(0, 10, "known before"), BadRange(10, 10, "read error"))
    (problem,) = told.take()
    assert problem.bytes_not_examined == 15
