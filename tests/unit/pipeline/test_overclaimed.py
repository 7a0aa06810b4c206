"""Files that declare more than their volume can hold."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from triage.errors import ReadFailedError
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.content import Coverage, Detection
from triage.model.entry import Entry, EntryType
from triage.model.hit import Hit, HitCount
from triage.model.stream import MemoryStream
from triage.pipeline.overclaimed import (
    MAX_GAP,
    MOST_HOLES,
    WITHOUT_RUNS,
    PartStream,
    joined,
    moved,
    overclaimed_problem,
    stored_parts,
)

HUGE = 1 << 62


def entry(size: int = HUGE) -> Entry:
    return Entry(Address("e", "p1", b"/a"), EntryType.FILE, size, 5)


def reader(*runs: tuple[int, int, int], room: int = 1 << 30):
    found = tuple(ByteRun(offset, place, -1, length) for offset, place, length in runs)
    return SimpleNamespace(space=SimpleNamespace(room=room), byte_runs=lambda _: found)


@pytest.mark.parametrize("size", [0, 1 << 30, MOST_HOLES])
def test_files_that_can_be_are_none(size: int) -> None:
    assert stored_parts(entry(size), reader((0, 0, 10))) is None


def test_where_nothing_is_known_of_the_room_there_is_no_limit() -> None:
    assert stored_parts(entry(), reader((0, 0, 10), room=0)) is None


def test_neighbours_are_one_part_and_holes_are_none() -> None:
    far = HUGE - 4096
    found = stored_parts(entry(), reader((0, 8192, 4096), (4096, -1, 1 << 40), (MAX_GAP + 4096, 0, 10), (far, 0, 8192)))
    assert found == [(0, MAX_GAP + 4106), (far, 4096)]


def test_runs_that_lie_over_one_another_are_bounded_by_the_room() -> None:
    room = 1 << 30
    runs = [(number << 40, 0, room // 2) for number in range(1000)]
    found = stored_parts(entry(), reader(*runs, room=room))
    assert found is not None and sum(length for _, length in found) == room


def test_what_has_no_runs_is_read_from_its_beginning() -> None:
    assert stored_parts(entry(), reader(room=1 << 40)) == [(0, WITHOUT_RUNS)]
    failing = reader(room=1 << 20)
    failing.byte_runs = lambda _: (_ for _ in ()).throw(ReadFailedError("x"))
    assert stored_parts(entry(), failing) == [(0, 1 << 20)]
    assert stored_parts(entry(), reader((0, -1, HUGE))) == []


def test_a_part_is_a_stream_that_says_that_it_goes_on() -> None:
    beats: list[int] = []
    part = PartStream(MemoryStream(bytes(range(100))), 10, 20, lambda: beats.append(1))
    assert part.size == 20 and part.read_at(5, 100) == bytes(range(15, 30)) and part.read_at(20, 5) == b""
    assert part.read_at(-1, 5) == b"" and len(beats) == 3


def test_hits_keep_their_place_and_are_counted_together() -> None:
    one = Detection((Hit("r", 3, 2),), (HitCount("r", 1),), (), Coverage("keywords", 1, 10))
    two = Detection((Hit("r", 4, 2),), (HitCount("r", 5, at_least=True),), (), Coverage("keywords", 1, 20))
    found = joined([moved(one, 0), moved(two, HUGE - 100)])
    assert [hit.file_offset for hit in found.hits] == [3, HUGE - 96]
    assert found.counts == (HitCount("r", 6, at_least=True),)
    assert found.coverage == Coverage("keywords", 1, 30)
    assert joined([]).hits == ()


def test_it_is_told() -> None:
    problem = overclaimed_problem("e p1:/a", entry(), [(0, 10), (20, 5)], 1000)
    assert str(HUGE) in problem.message and " 15 " in problem.message and not problem.examined_anyway
