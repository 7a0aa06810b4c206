"""The order of the work, and that nothing is lost or done twice."""

from hypothesis import given
from hypothesis import strategies as st

from triage.case.reading import PendingEntry
from triage.pipeline.queue import BATCH_BYTES, BATCH_ENTRIES, WorkQueue, work_order

entries = st.lists(
    st.builds(
        PendingEntry,
        id=st.integers(1, 10**6),
        volume=st.integers(1, 3),
        size=st.sampled_from([1, 2, 3, 5000, 1 << 20, 1 << 25]),
        value=st.floats(0, 1),
        image_offset=st.integers(-1, 1 << 40),
        attempts=st.just(0),
    ),
    unique_by=lambda entry: entry.id,
    max_size=300,
)


@given(entries, st.integers(1, 4), st.randoms())
def test_every_entry_is_handed_out_once(pending, workers, random):
    queue = WorkQueue(pending, workers)
    taken = []
    while queue:
        taken.extend(queue.take(random.randrange(workers)))
    assert sorted(entry.id for entry in taken) == sorted(entry.id for entry in pending)
    assert not queue.take(0)


@given(entries)
def test_one_worker_works_in_order_of_value_then_position(pending):
    queue = WorkQueue(pending, 1)
    taken = []
    while queue:
        taken.extend(queue.take(0))
    assert taken == sorted(pending, key=work_order)


def entry(number, size=10, value=0.5, position=0):
    return PendingEntry(number, 1, size, value, position, 0)


def test_value_goes_before_position():
    queue = WorkQueue([entry(1, 1, 0.1, 0), entry(2, 2, 0.95, 9000)], 1)
    assert [item.id for item in queue.take(0)] == [2, 1]


def test_copies_meet_in_one_worker():
    queue = WorkQueue([entry(number, size=7 if number % 2 else number * 100) for number in range(1, 400)], 2)
    first, second = [], []
    for _ in range(3):
        first += queue.take(0)
        second += queue.take(1)
    with_copies = [sum(item.size == 7 for item in taken) for taken in (first, second)]
    assert sorted(map(bool, with_copies)) == [False, True]


def test_a_worker_without_work_takes_over_what_waits_for_another():
    queue = WorkQueue([entry(number) for number in range(1, 200)], 2)
    queue.take(0)
    assert len(queue.take(1)) > 0


def test_a_batch_is_bounded_by_count_and_bytes():
    assert len(WorkQueue([entry(number) for number in range(500)], 1).take(0)) == BATCH_ENTRIES
    big = WorkQueue([entry(number, BATCH_BYTES + number) for number in range(5)], 1)
    assert len(big.take(0)) == 1


def test_what_a_dead_worker_left_comes_next():
    queue = WorkQueue([entry(number, number) for number in range(1, 200)], 1)
    lost = queue.take(0)
    queue.put_back(lost)
    assert queue.take(0) == lost
