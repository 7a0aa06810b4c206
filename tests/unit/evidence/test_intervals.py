"""Sets of byte ranges behave like sets of bytes."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triage.evidence.intervals import MOST, Intervals, parted

ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(-3, 20)), max_size=12)


def arrays(pairs):
    starts = np.array([start for start, _ in pairs], dtype=np.int64)
    return starts, starts + np.array([length for _, length in pairs], dtype=np.int64)


def set_of(pairs):
    return {byte for start, length in pairs for byte in range(start, start + length)}


def made(pairs):
    return Intervals.of(*arrays(pairs))


def bytes_of(intervals):
    found = [byte for start, end in intervals for byte in range(start, end)]
    assert len(found) == len(set(found)) == intervals.total
    edges = [edge for pair in intervals for edge in pair]
    assert all(low < high for low, high in pairwise(edges)), "ascending, none touching"
    return set(found)


@given(ranges, ranges)
def test_union_common_part_and_difference_are_those_of_sets(one, other):
    left, right = made(one), made(other)
    assert bytes_of(left) == set_of(one)
    assert bytes_of(left.join(right)) == set_of(one) | set_of(other)
    assert bytes_of(left.both(right)) == set_of(one) & set_of(other)
    assert bytes_of(left.without(right)) == set_of(one) - set_of(other)


@given(ranges, ranges)
def test_measuring_counts_the_bytes_in_each_range(one, asked):
    found = made(one).measure(*arrays(asked))
    assert found.tolist() == [len(set_of(one) & set_of([pair])) for pair in asked]


@given(ranges)
def test_cut_ranges_share_no_byte_and_lose_none(pairs):
    starts, ends = parted(*arrays(pairs))
    cut = [set(range(start, end)) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    assert sum(map(len, cut)) == len(set().union(*cut, set())) == len(set_of(pairs))
    assert all(part <= set_of([pair]) for part, pair in zip(cut, pairs, strict=True))


def test_of_equal_ranges_the_first_has_the_bytes():
    starts, ends = parted(*arrays([(5, 10), (5, 10), (0, 6)]))
    assert np.maximum(ends - starts, 0).tolist() == [9, 0, 6]


def test_the_largest_offsets_do_not_overflow():
    whole = Intervals.one(0, MOST)
    assert whole.total == MOST
    assert whole.without(Intervals.one(10, MOST)).total == 10
    assert whole.measure(*arrays([(MOST - 5, 5)])).tolist() == [5]
