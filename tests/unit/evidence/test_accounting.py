"""Every byte of a volume is of one part, whatever entries and allocation map claim."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.errors import CorruptStructureError
from triage.evidence.accounting import MAX_FILE, Accountant, FileAccountant, Layer
from triage.evidence.free_runs import FreeRuns
from triage.evidence.intervals import MOST
from triage.evidence.part_map import bytes_by_part, unpack_map
from triage.model.address import Address
from triage.model.coverage import PARTS, Part, shared_beginnings
from triage.model.entry import Entry, EntryType
from triage.model.volume import Allocation, Volume

SIZE = 120
FILE = Entry(Address("x", "p1", b"/a"), EntryType.FILE, 10, 100)
GONE = replace(FILE, alloc_name=False, alloc_inode=False)
OPEN = replace(FILE, alloc_name=False, orphan=True)
SYSTEM = replace(FILE, address=Address("x", "p1", b"/$MFT"), meta_address=0)
OF = {Layer.LIVE: FILE, Layer.SYSTEM: SYSTEM, Layer.OPEN: OPEN, Layer.DELETED: GONE}
EVERY = frozenset(range(SIZE))

runs = st.lists(st.tuples(st.integers(0, SIZE + 20), st.integers(0, 40)), max_size=4)
files = st.lists(st.tuples(st.sampled_from(sorted(OF)), runs, runs), max_size=8)


def piece(space, offset, length):
    return replace(GONE, address=Address("x", "p1", space=space, offset=offset, length=length))


def free_of(pairs):
    free = FreeRuns()
    for start, length in sorted(pairs):
        free.add(start, length)
    return free


def bytes_of(pairs):
    return {byte for start, length in pairs for byte in range(start, start + length)}


def expected(entries, free, used, window, is_free_known):
    """The part of each byte by the rule, byte by byte."""
    free_bytes = {byte for start, end in zip(free.starts, free.ends, strict=True) for byte in range(start, end)}
    claims = {layer: set() for layer in Layer}
    for layer, content, slack in entries:
        claims[layer] |= bytes_of(content)
        claims[Layer.DELETED_SLACK if layer is Layer.DELETED else Layer.SLACK] |= bytes_of(slack)
    if is_free_known:
        claims[Layer.DELETED] &= free_bytes
        claims[Layer.DELETED_SLACK] &= free_bytes
    claims[Layer.FREE] = {byte for byte in free_bytes if byte < used}
    claims[Layer.BEHIND] = {byte for byte in free_bytes if byte >= used}
    parts = [
        Part.ALLOCATED,
        Part.METADATA,
        Part.DELETED,
        Part.DELETED,
        Part.SLACK,
        Part.SLACK,
        Part.UNALLOCATED,
        Part.SLACK,
    ]
    out = {}
    for layer, part in zip(Layer, parts, strict=False):
        for byte in claims[layer]:
            if window[0] <= byte < window[1]:
                out.setdefault(byte, part)
    rest = Part.METADATA if is_free_known else Part.UNKNOWN
    return {byte: out.get(byte, rest) for byte in range(*window)}


@settings(max_examples=300)
@given(files, runs, st.integers(0, SIZE), st.integers(0, SIZE), st.booleans())
def test_rows_sum_to_the_volume_and_no_byte_is_answered_for_twice(entries, free_runs, used, shared, is_free_known):
    free = free_of(free_runs)
    window = (shared, SIZE)
    accountant = Accountant(window, "ntfs")
    for layer, content, slack in entries:
        accountant.add(OF[layer], content, slack)
    pieces = [piece("unallocated", start, length) for start, length in free_runs]
    for each in pieces:
        accountant.add(each)
    books = accountant.finish(free, used, is_free_known=is_free_known, is_whole=True)
    truth = expected(entries, free, used, window, is_free_known)
    counted = {part: sum(found is part for found in truth.values()) for part in PARTS}
    assert books.totals == {part: count for part, count in counted.items() if count}
    assert sum(books.totals.values()) == SIZE - shared
    shares = list(books.shares())
    assert len(shares) == len(entries) + len(pieces)
    disk = {part: sum(count for code, count, _ in shares if PARTS[code] is part) for part in PARTS}
    assert disk[Part.ALLOCATED] == counted[Part.ALLOCATED]
    assert disk[Part.DELETED] == counted[Part.DELETED]
    assert disk[Part.UNALLOCATED] <= counted[Part.UNALLOCATED]
    assert disk[Part.METADATA] <= counted[Part.METADATA]
    assert sum(slack for *_, slack in shares) <= counted[Part.SLACK]
    for (_, content, slack), (_, count, behind) in zip(entries, shares, strict=False):
        assert 0 <= count <= len(bytes_of(content)) and 0 <= behind <= len(bytes_of(slack))
    rest, where = unpack_map(books.kept)
    assert rest is (Part.METADATA if is_free_known else Part.UNKNOWN)
    for part, found in where.items():
        inside = {byte for start, end in found for byte in range(start, end)}
        assert inside <= {byte for byte, at in truth.items() if at is part}
    everywhere = bytes_by_part(books.kept, None, [(shared, SIZE)]) if shared < SIZE else {}
    assert everywhere == books.totals


def test_shared_blocks_count_once_and_for_the_first():
    accountant = Accountant((0, SIZE), "btrfs")
    for _ in range(3):
        accountant.add(FILE, [(10, 30)])
    accountant.add(FILE, [(20, 40)])
    books = accountant.finish(free_of([]), SIZE, is_free_known=True, is_whole=True)
    assert [count for _, count, _ in books.shares()] == [30, 0, 0, 20]
    assert books.totals == {Part.ALLOCATED: 50, Part.METADATA: SIZE - 50}


def test_a_deleted_file_has_only_what_is_free_and_an_open_one_keeps_its_blocks():
    accountant = Accountant((0, SIZE), "ext4")
    accountant.add(FILE, [(0, 20)])
    accountant.add(GONE, [(10, 40)])
    accountant.add(OPEN, [(60, 10)])
    books = accountant.finish(free_of([(30, 10)]), SIZE, is_free_known=True, is_whole=True)
    assert [count for _, count, _ in books.shares()] == [20, 10, 10]
    assert books.totals == {Part.ALLOCATED: 20, Part.DELETED: 20, Part.METADATA: 80}


def test_carved_files_are_part_of_the_space_that_they_lie_in():
    accountant = Accountant((0, SIZE), "ext4")
    accountant.add(piece("carved", 10, 20))
    accountant.add(piece("unallocated", 30, 40))
    accountant.add(piece("carved", 105, 10))
    accountant.add(piece("volume_slack", 100, 5))
    books = accountant.finish(free_of([(0, 80), (100, 20)]), 100, is_free_known=True, is_whole=True)
    assert books.totals == {Part.UNALLOCATED: 80, Part.SLACK: 20, Part.METADATA: 20}
    assert [(PARTS[code], count) for code, count, _ in books.shares()] == [
        (Part.UNALLOCATED, 20),
        (Part.UNALLOCATED, 40),
        (Part.SLACK, 10),
        (Part.SLACK, 5),
    ]


def test_where_free_space_cannot_be_told_what_is_left_is_not_called_metadata():
    accountant = Accountant((0, SIZE), "yaffs2")
    accountant.add(FILE, [(0, 20)])
    books = accountant.finish(free_of([]), SIZE, is_free_known=False, is_whole=True)
    assert books.totals == {Part.ALLOCATED: 20, Part.UNKNOWN: 100}
    assert not books.is_whole


def test_own_files_of_ntfs_are_metadata_and_files_of_others_with_such_numbers_are_not():
    for name, part in (("ntfs", Part.METADATA), ("hfs+", Part.METADATA), ("fat16", Part.ALLOCATED)):
        accountant = Accountant((0, SIZE), name)
        accountant.add(SYSTEM, [(0, 20)])
        books = accountant.finish(free_of([(20, 100)]), SIZE, is_free_known=True, is_whole=True)
        assert books.totals[part] == 20
        assert [(PARTS[code], count) for code, count, _ in books.shares()] == [(part, 20)]


@pytest.mark.parametrize(("is_gap", "part"), [(True, Part.GAP), (False, Part.UNKNOWN)])
def test_gaps_and_volumes_without_a_file_system_are_of_one_part(is_gap, part):
    accountant = Accountant((1000, 1000 + SIZE), "", is_gap=is_gap)
    accountant.add(piece("gap" if is_gap else "unallocated", 1000, 100))
    books = accountant.finish(free_of([(0, SIZE)]), 0, is_free_known=True, is_whole=True)
    assert books.totals == {part: SIZE}
    assert list(books.shares()) == [(PARTS.index(part), 100, 0)]


def test_a_volume_in_a_pool_has_the_blocks_that_it_has_wherever_they_lie():
    accountant = Accountant((0, 50), "apfs")
    accountant.add(FILE, [(1 << 40, 20)], [((1 << 40) + 20, 12)])
    accountant.add(GONE, [(1 << 41, 8)])
    books = accountant.finish(free_of([]), 0, is_free_known=True, is_whole=True, is_pool=True)
    assert books.totals == {Part.ALLOCATED: 20, Part.DELETED: 8, Part.SLACK: 12, Part.METADATA: 10}


def test_free_space_of_a_pool_is_free_wherever_it_lies():
    accountant = Accountant((0, 50), "free space")
    accountant.add(piece("unallocated", 1000, 40))
    accountant.add(piece("carved", 1040, 10))
    books = accountant.finish(free_of([(1000, 50)]), 0, is_free_known=True, is_whole=True, is_pool=True)
    assert books.totals == {Part.UNALLOCATED: 50}
    assert [count for _, count, _ in books.shares()] == [40, 10]


def test_impossible_places_do_no_harm():
    accountant = Accountant((0, SIZE), "ext4")
    accountant.add(FILE, [(-5, 10), (1 << 70, 5), (MOST - 1, 1 << 70), (0, 1 << 70), (3, -4), (SIZE, 10)])
    books = accountant.finish(free_of([]), SIZE, is_free_known=True, is_whole=True)
    assert books.totals == {Part.ALLOCATED: SIZE}


def test_evidence_without_a_disk_is_the_sum_of_its_files():
    accountant = FileAccountant()
    for entry in (
        FILE,
        replace(FILE, size=1 << 62),
        replace(GONE, size=7),
        replace(FILE, entry_type=EntryType.DIRECTORY),
        replace(FILE, virtual=True),
        replace(FILE, size=-3),
    ):
        accountant.add(entry)
    books = accountant.finish(is_whole=True)
    assert books.totals == {Part.ALLOCATED: 10 + MAX_FILE, Part.DELETED: 7}
    assert [count for _, count, _ in books.shares()] == [10, MAX_FILE, 7, 0, 0, 0]


def test_hostile_sizes_of_many_files_stay_summable():
    accountant = FileAccountant()
    for _ in range(5000):
        accountant.add(replace(FILE, size=MAX_FILE))
    assert sum(accountant.finish(is_whole=True).totals.values()) <= MOST


@pytest.mark.parametrize("kept", [b"", b"x", b"\x78\x01\x03\x00\x00\x00\x00\x01"])
def test_a_map_that_does_not_hold_is_told(kept):
    with pytest.raises(CorruptStructureError):
        unpack_map(kept)


volumes = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 60)), max_size=8)


@given(volumes)
def test_what_overlapping_partitions_account_for_is_their_union(pairs):
    found = [
        (number, Volume(f"p{number + 1}", start, length, Allocation.ALLOCATED, "mbr"))
        for number, (start, length) in enumerate(pairs)
    ]
    shared = shared_beginnings(found)
    own = [
        byte
        for number, volume in found
        for byte in range(volume.image_offset + shared[number], volume.image_offset + volume.length)
    ]
    assert len(own) == len(set(own))
    assert set(own) == bytes_of(pairs)


def test_volumes_that_layers_open_share_nothing_and_tables_inside_them_are_apart():
    def volume(name, offset, length, parent=""):
        return Volume(name, offset, length, Allocation.ALLOCATED, "x", parent=parent)

    found = [
        volume("p1", 0, 100),
        volume("p1.lv1", 0, 50, "p1"),
        volume("p1.lv2", 0, 50, "p1"),
        volume("p1.lv2.p1", 0, 20, "p1.lv2"),
        volume("p1.lv2.p2", 10, 20, "p1.lv2"),
        volume("p2", 50, 100),
    ]
    assert shared_beginnings(enumerate(found)) == {0: 0, 3: 0, 4: 10, 5: 50}
