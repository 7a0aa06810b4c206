"""The stream over a block map: joining, filling, telling once, never without end."""

import pytest

from triage.errors import CorruptStructureError, ReadFailedError
from triage.evidence.containers.bad_ranges import MAX_LISTED, BadRanges
from triage.evidence.containers.entry_table import PAGE, EntryTable
from triage.evidence.containers.mapped_container import mapped
from triage.evidence.containers.mapped_stream import Kind, MappedStream, Piece, PlainMap, damaged, inherited, zeros
from triage.evidence.containers.sector_bits import SectorBits
from triage.model.problem import Reason
from triage.model.stream import MemoryStream


class Counting(MemoryStream):
    """Notes how it is read."""

    def __init__(self, data):
        super().__init__(data)
        self.reads = []

    def read_at(self, offset, length):
        self.reads.append((offset, length))
        return super().read_at(offset, length)


class Blocks:
    """Blocks of 16 bytes by a list of pieces."""

    def __init__(self, pieces, parent=None):
        self.size = 16 * len(pieces)
        self.parent = parent
        self._pieces = pieces
        self.unpacked = 0

    def piece(self, offset):
        piece = self._pieces[offset // 16]
        inside = offset % 16
        place = piece.place + inside if piece.kind is Kind.STORED else piece.place
        return piece._replace(length=piece.length - inside, place=place, skip=inside)

    def unpack(self, key):
        self.unpacked += 1
        if key < 0:
            raise ValueError("a chunk is damaged")
        return bytes([key]) * (16 if key < 200 else 5)


def stored(source, place):
    return Piece(Kind.STORED, 16, source, place)


def test_neighbours_are_read_at_once_and_strangers_are_not():
    source = Counting(bytes(range(64)))
    stream = MappedStream(
        Blocks([stored(source, 0), stored(source, 16), stored(source, 48), stored(source, 32)]), "e", "s"
    )
    assert stream.read_at(3, 61) == bytes(range(3, 32)) + bytes(range(48, 64)) + bytes(range(32, 48))
    assert source.reads == [(3, 29), (48, 16), (32, 16)]


def test_each_kind_gives_its_bytes():
    parent = MemoryStream(b"P" * 40)
    blocks = Blocks([zeros(16), inherited(16), Piece(Kind.PACKED, 16, place=7), inherited(16)], parent)
    stream = MappedStream(blocks, "e", "s")
    assert stream.read_at(0, 1000) == bytes(16) + b"P" * 16 + b"\x07" * 16 + bytes(16)
    assert stream.read_at(40, 3) == b"\x07" * 3
    assert blocks.unpacked == 1
    assert stream.read_at(64, 1) == stream.read_at(-1, 5) == stream.read_at(3, 0) == b""
    assert stream.take_problems() == ()


def test_without_parent_what_is_inherited_is_zeros():
    assert MappedStream(Blocks([inherited(16)]), "e", "s").read_at(0, 16) == bytes(16)


@pytest.mark.parametrize(
    ("piece", "kept", "reason", "words"),
    [
        (damaged(16, "no table"), b"", Reason.CORRUPT, "no table"),
        (Piece(Kind.PACKED, 16, place=-1), b"", Reason.CORRUPT, "a chunk is damaged"),
        (Piece(Kind.PACKED, 16, place=200), b"\xc8" * 5, Reason.CORRUPT, "holds only 5 bytes"),
        (stored(MemoryStream(b"ab"), 0), b"ab", Reason.TRUNCATED, "behind the end of the file"),
    ],
)
def test_damage_reads_as_zeros_and_is_told_once(piece, kept, reason, words):
    stream = MappedStream(Blocks([zeros(16), piece]), "e", "evidence/x")
    for _ in range(3):
        assert stream.read_at(0, 32) == (bytes(16) + kept).ljust(32, b"\x00")
    (problem,) = stream.take_problems()
    assert (problem.stage, problem.reason) == ("evidence/x", reason)
    assert words in problem.message
    assert problem.bytes_not_examined == 16 - len(kept)
    assert problem.address == f"e p0:$gap@{16 + len(kept)}+{16 - len(kept)}"
    assert stream.take_problems() == ()


def test_a_map_without_end_is_an_error_not_a_loop():
    class Endless(Blocks):
        def piece(self, offset):
            return zeros(0)

    with pytest.raises(ReadFailedError):
        MappedStream(Endless([zeros(16)]), "e", "s").read_at(0, 1)


def test_data_ranges_leave_out_holes_and_ask_the_sources():
    class Holes(MemoryStream):
        def data_ranges(self, offset, length):
            yield offset + 4, 2

    parent = Holes(b"x" * 80)
    blocks = Blocks(
        [zeros(16), stored(Holes(bytes(16)), 0), inherited(16), Piece(Kind.PACKED, 16), damaged(16, "w")], parent
    )
    assert list(MappedStream(blocks, "e", "s").data_ranges(0, 999)) == [(20, 2), (36, 2), (48, 16)]
    assert list(MappedStream(blocks, "e", "s").data_ranges(999, 5)) == []


@pytest.mark.parametrize("size", [0, -1, 1 << 53, 1 << 62])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(CorruptStructureError):
        mapped("x", PlainMap(MemoryStream(b""), size), "e", {})


def test_bad_ranges_tell_only_what_is_new():
    bad = BadRanges("e", "s")
    for start, end in ((10, 20), (30, 40), (15, 35), (0, 100), (50, 60)):
        bad.add(start, end, Reason.CORRUPT, "why")
    told = [problem.message.partition(" of the media")[0] for problem in bad.take()]
    assert told == ["bytes 10 to 20", "bytes 30 to 40", "bytes 20 to 30", "bytes 0 to 10", "bytes 40 to 100"]


def test_bad_ranges_are_bounded():
    bad = BadRanges("e", "s")
    for number in range(2 * MAX_LISTED):
        bad.add(number * 10, number * 10 + 1, Reason.CORRUPT, "why")
    problems = bad.take()
    assert len(problems) == MAX_LISTED + 1
    assert "more than" in problems[-1].message


def test_tables_are_read_by_pages_and_end_with_the_file():
    source = Counting(b"".join(number.to_bytes(4, "big") for number in range(PAGE + 10)) + b"\x00\x00")
    table = EntryTable(source, ">I")
    assert [table.get(0, index) for index in (0, 5, PAGE, PAGE + 9, PAGE + 10, 1 << 40)] == [
        0,
        5,
        PAGE,
        PAGE + 9,
        -1,
        -1,
    ]
    assert len(source.reads) == 3
    for base in range(0, 4000, 4):
        assert table.get(base, 1) == base // 4 + 1


@pytest.mark.parametrize(("low_first", "states"), [(False, "11110000"), (True, "00001111")])
def test_bits_are_counted_from_the_side_the_format_says(low_first, states):
    bits = SectorBits(MemoryStream(b"\xf0\xff"), low_first=low_first)
    assert "".join("1" if bits.run(0, 2, number)[0] else "0" for number in range(8)) == states
    assert bits.run(0, 2, 4)[1] == (12 if low_first else 4)
    assert bits.run(1, 2, 0) is None
