"""Space: every free byte is in one piece, and pieces open again from their address alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.pieces import PIECE
from triage.evidence.unowned import OVERLAP, Space, VolumeReader
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryState, EntryType
from triage.model.problem import Problem
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

BASE = 7 * 512


class Free:
    """A file system of which only the free space is asked."""

    name, block_size = "x", 512

    def __init__(self, runs, size=0, error=None):
        self.runs, self.size, self.error = runs, size, error

    def unallocated(self):
        position = 0
        for start, length in self.runs:
            yield ByteRun(position, start, BASE + start, length)
            position += length
        if self.error:
            raise self.error

    def slack_runs(self, entry):
        return (ByteRun(0, 100, BASE + 100, 12),) if entry.size == 500 else ()


class Sparse:
    """A large volume whose bytes are told by their place."""

    def __init__(self, size):
        self.size = size

    def read_at(self, offset, length):
        return bytes((at >> 12) & 0xFF for at in range(offset, min(offset + length, self.size)))

    def close(self):
        return


def space_of(runs, length, **options):
    volume = Volume("p1", BASE, length, Allocation.ALLOCATED, "mbr")
    return Space(Sparse(length), volume, "x.dd", Free(runs, **options))


run_lists = st.lists(st.tuples(st.integers(1, 400_000), st.integers(1, 3 * PIECE)), min_size=1, max_size=8).map(
    lambda steps: [(sum(a + b for a, b in steps[:n]) + steps[n][0], steps[n][1]) for n in range(len(steps))]
)


@settings(max_examples=60, deadline=None)
@given(run_lists, st.lists(st.tuples(st.integers(0, 9 * PIECE), st.integers(1, 200_000)), max_size=6))
def test_every_free_byte_is_in_one_piece(runs, owned):
    """Owned parts of the pieces are the free bytes that nobody else claims, each once, in order."""
    size = runs[-1][0] + runs[-1][1] + 10
    space = space_of(runs, size)
    position = 0
    covered = 0
    for entry in space.entries(owned):
        assert entry.state is EntryState.UNALLOCATED
        mine = space.owned_length(entry)
        assert 0 < mine <= PIECE
        assert mine <= entry.size <= mine + OVERLAP
        assert entry.address.offset >= position
        position = entry.address.offset + entry.address.length
        covered += mine
        for run in space.runs(entry):
            begin, end = run.fs_offset, run.fs_offset + min(run.length, max(0, mine - run.file_offset))
            assert not any(start < end and start + length > begin for start, length in owned if begin < end)
        again = space_of(runs, size)
        assert again.runs(entry) == space.runs(entry)
        assert sum(run.length for run in space.runs(entry)) == entry.size
    free = sum(length for _, length in runs)
    taken = _overlap(runs, owned)
    assert covered == free - taken


def _overlap(runs, owned):
    joined = []
    for start, length in sorted(owned):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], start + length)
        else:
            joined.append([start, start + length])
    return sum(
        max(0, min(start + length, stop) - max(start, begin)) for start, length in runs for begin, stop in joined
    )


def test_a_piece_goes_on_into_the_free_bytes_behind_it():
    """So a word across a border is whole in the piece in which it begins."""
    space = space_of([(4096, PIECE + 5000)], 2 * PIECE)
    first, second = space.entries()
    assert (first.address.offset, first.address.length, first.size) == (4096, PIECE, PIECE + 5000)
    assert (second.address.offset, second.size) == (4096 + PIECE, 5000)
    assert space.open(first).read_at(PIECE, 10) == space.open(second).read_at(0, 10)


def test_what_cannot_be_told_is_told():
    """Free space up to the damage is searched; the rest is a Problem, never silence."""
    space = space_of([(0, 4096)], 1 << 20, error=CorruptStructureError("bitmap gone"))
    found = list(space.entries())
    assert [item.size for item in found if isinstance(item, Entry)] == [4096]
    (problem,) = [item for item in found if isinstance(item, Problem)]
    assert "bitmap gone" in problem.message


def test_gaps_and_ends_of_volumes():
    """A gap counts from the beginning of the image, the end of a volume from that of the volume."""
    media = MemoryStream(bytes(range(256)) * 64)
    gap = Volume("p0", 1000, 500, Allocation.UNALLOCATED, "mbr")
    (entry,) = Space(media, gap, "x.dd", None).entries()
    assert str(entry.address) == "x.dd p0:$gap@1000+500"
    whole = Volume("p0", 0, 0, Allocation.UNALLOCATED, "")
    assert Space(media, whole, "x.dd", None).open(entry).read_at(0, 3) == media.read_at(1000, 3)
    entries = list(space_of([], 10_000, size=9_000).entries())
    assert [str(one.address) for one in entries] == ["x.dd p1:$volume_slack@9000+1000"]
    assert entries[0].image_offset == BASE + 9000


def test_slack_of_a_file():
    """Only where a byte is not zero; it opens again with the size of its file."""
    volume = Volume("p1", BASE, 4096, Allocation.ALLOCATED, "mbr")
    file_system = Free([])
    owner = Entry(Address("x.dd", "p1", b"/a.txt"), EntryType.FILE, 500, 5)
    empty = VolumeReader(file_system, Space(MemoryStream(bytes(4096)), volume, "x.dd", file_system))
    assert empty.slack(owner) is None
    reader = VolumeReader(file_system, Space(MemoryStream(b"\x01" * 4096), volume, "x.dd", file_system))
    entry, data, left = reader.slack(owner)
    assert left == 0
    assert (data, entry.state, str(entry.address)) == (b"\x01" * 12, EntryState.SLACK, "x.dd p1:/a.txt$slack")
    assert reader.open_entry(entry).read_at(0, 100) == data
    with pytest.raises(UnsupportedFormatError):
        reader.space.runs(replace(entry, address=replace(entry.address, space="")))
