"""Free bytes in a row: every byte of it is the free byte that its position says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.errors import ReadFailedError
from triage.evidence import free_runs
from triage.evidence.free_runs import FreeRuns, FreeStream, joined
from triage.model.stream import MemoryStream

SIZE = 64
flags = st.lists(st.booleans(), min_size=SIZE, max_size=SIZE)


def runs_of(is_free: list[bool]) -> FreeRuns:
    runs = FreeRuns()
    for offset, free in enumerate(is_free):
        if free:
            runs.add(offset, 1)
    return runs


@given(flags, st.integers(0, SIZE), st.integers(0, SIZE))
def test_stream_holds_the_free_bytes_in_order(is_free, offset, length):
    runs = runs_of(is_free)
    places = [place for place, free in enumerate(is_free) if free]
    stream = FreeStream(MemoryStream(bytes(range(SIZE))), runs)
    assert stream.size == runs.size == len(places)
    assert stream.read_at(offset, length) == bytes(places[offset : offset + length])
    assert [runs.place(position) for position in range(len(places))] == places
    assert [runs.before(place) for place in range(SIZE + 1)] == [sum(is_free[:place]) for place in range(SIZE + 1)]


@given(flags, st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, 9)), max_size=5))
def test_without_leaves_what_is_free_and_not_owned(is_free, owned):
    taken = {place for start, length in owned for place in range(start, start + length)}
    left = [
        place for start, length, _ in runs_of(is_free).without(joined(owned)) for place in range(start, start + length)
    ]
    assert left == [place for place, free in enumerate(is_free) if free and place not in taken]


def test_runs_out_of_order_are_left_out_and_too_many_are_told(monkeypatch):
    runs = FreeRuns()
    runs.add(10, 5)
    runs.add(3, 4)
    runs.add(12, 9)
    runs.add(20, 0)
    assert list(runs.take(0, 99)) == [(10, 5)]
    monkeypatch.setattr(free_runs, "MAX_RUNS", 1)
    with pytest.raises(Exception, match="more than 1 runs"):
        runs.add(20, 1)


def test_what_lies_behind_the_end_of_the_volume_is_told_with_what_was_read():
    runs = FreeRuns()
    runs.add(0, 2)
    runs.add(6, 4)
    with pytest.raises(ReadFailedError) as caught:
        FreeStream(MemoryStream(b"abcdefgh"), runs).read_at(0, 6)
    assert caught.value.partial == b"abgh"
