"""Bytes of deleted files out of scope stay apart from the free space around them."""

from types import SimpleNamespace

import pytest

from triage.errors import EvidenceError
from triage.evidence.pieces import PIECE
from triage.evidence.unowned import Space, VolumeReader
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.scope import Privileged, Scope, Selection
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume
from triage.pipeline.scope_match import OVERWRITTEN
from triage.pipeline.scope_space import Bounds

SIZE = 3 << 20
FREE = ((0, 100_000), (200_000, SIZE - 200_000))
SCOPE = Scope("w", exclude=Selection(paths=("/law/**",)))


class Media(MemoryStream):
    """Writes down what is read."""

    def __init__(self, data):
        super().__init__(data)
        self.reads = []

    def read_at(self, offset, length):
        self.reads.append((offset, offset + length))
        return super().read_at(offset, length)


def volume(runs):
    """A reader of a volume in which deleted files lie at ``runs``; and its media."""
    media = Media(b"x" * SIZE)
    place = Volume("p1", 0, SIZE, Allocation.ALLOCATED, "bare", file_system="fat16", block_size=512)

    def byte_runs(entry):
        found = runs[entry.address.path]
        if isinstance(found, Exception):
            raise found
        return tuple(ByteRun(0, start, start, length) for start, length in found)

    files = SimpleNamespace(
        name="fat16", block_size=512, size=SIZE, byte_runs=byte_runs, close=lambda: None,
        unallocated=lambda: iter([ByteRun(0, start, start, length) for start, length in FREE]),
    )  # fmt: skip
    return VolumeReader(files, Space(media, place, "x.dd", files)), media


def deleted(path, size=1000):
    return Entry(Address("x.dd", "p1", path), EntryType.FILE, size, 1, alloc_name=False)


def touched(reads, low, high):
    return [span for span in reads if span[0] < high and span[1] > low]


def test_a_piece_ends_in_front_of_a_deleted_file_that_is_out_of_scope():
    start = 200_000 + PIECE  # right behind the first piece of the second run, give or take the first run
    reader, media = volume({b"/law/a": [(start, 5000)]})
    bounds = Bounds(SCOPE, reader, inside=False)
    bounds.entry(deleted(b"/law/a"))
    pieces = [bounds.piece(item) for item in reader.space.entries([(start, 5120)])]
    assert len(pieces) > 2 and not any(OVERWRITTEN in piece.caveats for piece in pieces)
    for piece in pieces:
        reader.read_whole(piece, 1 << 30)
    assert touched(media.reads, start, start + 5120) == []
    own = sum(reader.space.owned_length(piece) for piece in pieces)
    assert own == sum(length for _, length in FREE) - 5120  # and nothing else is lost


def test_without_the_bounds_the_overlap_would_read_it():
    start = 200_000 + PIECE
    reader, media = volume({})
    for piece in reader.space.entries([(start, 5120)]):
        reader.read_whole(piece, 1 << 30)
    assert touched(media.reads, start, start + 5120)


def test_carving_sees_zeros_where_a_deleted_file_out_of_scope_lies():
    reader, media = volume({b"/law/a": [(50_000, 5000)], b"/law/b": [(99_900, 100), (300_032, 10)]})
    bounds = Bounds(SCOPE, reader, inside=False)
    for path in (b"/law/a", b"/law/b"):
        bounds.entry(deleted(path))
    stream = bounds.stream(reader.space.stream())
    data = b"".join(stream.read_at(offset, 7777) for offset in range(0, stream.size, 7777))
    assert len(data) == stream.size == reader.space.stream().size
    assert data.count(0) == 5120 + 100 + 512
    assert data[50_000:55_120] == bytes(5120) and data[49_999] == data[55_120] == ord("x")
    assert touched(media.reads, 50_000, 55_120) == touched(media.reads, 300_032, 300_544) == []


def test_a_carved_file_that_reaches_into_one_out_of_scope_is_left_out():
    reader, _ = volume({b"/law/a": [(50_000, 5000)]})
    bounds = Bounds(SCOPE, reader, inside=False)
    bounds.entry(deleted(b"/law/a"))
    assert OVERWRITTEN in bounds.piece(reader.space.carved(49_000, 3000, "jpg")).caveats
    assert OVERWRITTEN not in bounds.piece(reader.space.carved(1000, 3000, "jpg")).caveats


@pytest.mark.parametrize("at", [99_500, 150_000])
def test_a_deleted_file_whose_bytes_another_file_has_is_marked(at):
    reader, _ = volume({b"/a": [(at, 1000)], b"/b": [(1000, 1000)]})
    bounds = Bounds(SCOPE, reader, inside=False)
    assert OVERWRITTEN in bounds.entry(deleted(b"/a")).caveats
    assert OVERWRITTEN not in bounds.entry(deleted(b"/b")).caveats
    live = Entry(Address("x.dd", "p1", b"/a"), EntryType.FILE, 1000, 1)
    assert bounds.entry(live) is live


def test_a_deleted_file_withheld_by_its_name_is_kept_apart_too():
    reader, media = volume({b"/Dr_Weber/a": [(50_000, 5000)]})
    bounds = Bounds(Scope("w", privileged=Privileged(("Dr. Weber",))), reader, inside=False)
    bounds.entry(deleted(b"/Dr_Weber/a"))
    bounds.stream(reader.space.stream()).read_at(0, 100_000)
    assert touched(media.reads, 50_000, 55_000) == []


def test_runs_that_cannot_be_told_change_nothing():
    reader, _ = volume({b"/law/a": EvidenceError("x")})
    bounds = Bounds(SCOPE, reader, inside=False)
    entry = deleted(b"/law/a")
    assert bounds.entry(entry) is entry
    assert bounds.stream(reader.space.stream()).read_at(0, 10) == b"x" * 10
