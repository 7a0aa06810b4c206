"""Entries: what a name and its record are taken for."""

import pytest

from tests.support.fake_tsk import (
    DIRECTORY,
    FILE,
    LINK,
    FakeAttribute,
    FakeFile,
    FakeLibrary,
    FakeName,
    FakeRecord,
    FakeRun,
)
from triage.evidence.filesystems import tsk_entries
from triage.evidence.filesystems.tsk_attributes import BAD_CLUSTERS, EFS, LARGER, UNREADABLE_RUNS, AttributeReader
from triage.evidence.filesystems.tsk_entries import Described, EntryMaker
from triage.evidence.filesystems.tsk_metadata import MetadataReader
from triage.evidence.filesystems.tsk_times import OUT_OF_RANGE
from triage.model.entry import EntryState, EntryType
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

VOLUME = Volume("p2", 1 << 20, 1 << 20, Allocation.ALLOCATED, "mbr")
NON_RESIDENT, RESIDENT, ENCRYPTED, COMPRESSED = 3, 5, 16, 32


def describe(record: FakeRecord, name: FakeName, file_system: str = "ext4", *, path: bytes = b"/x") -> Described:
    library = FakeLibrary({2: FakeRecord(DIRECTORY), name.address: record}, flags=int(file_system == "ntfs"))
    media = MemoryStream(bytes(4096))
    maker = EntryMaker(
        library,
        file_system,
        VOLUME,
        "x.dd",
        AttributeReader(file_system, VOLUME, 512, is_mapped=True),
        MetadataReader(library, file_system, media, VOLUME),
    )
    return maker.describe(FakeFile(name.address, record, name), path, orphan=False)


@pytest.mark.parametrize(
    ("name_sequence", "sequence", "record_flags", "name_flags", "reused"),
    [
        (5, 5, 5, 1, False),  # in use
        (5, 6, 6, 2, False),  # deleted once: the number grew by one
        (5, 5, 6, 2, False),  # deleted by something that does not count
        (5, 5, 5, 2, False),  # renamed: the old name is left in the index
        (5, 6, 5, 2, True),  # the record is in use again
        (5, 7, 6, 2, True),  # in use again, and deleted again
        (5, 7, 5, 1, True),  # an index that is behind the table
        (0xFFFF, 1, 6, 2, False),  # the number skips zero
    ],
)
def test_f06_ntfs_sequence_numbers_decide_whose_content_it_is(
    name_sequence: int, sequence: int, record_flags: int, name_flags: int, reused: bool
) -> None:
    """F06: a record that was reused gives a name without content."""
    record = FakeRecord(
        FILE, 9, record_flags, sequence, attributes=[FakeAttribute(128, 3, size=9, flags=RESIDENT)], times=(0, 0, 0, 0)
    )
    name = FakeName(b"x", 30, name_flags, 5, name_sequence, loaded=name_sequence == sequence)
    entry = describe(record, name, "ntfs").entries[0]
    assert entry.reused is reused
    assert entry.size == (0 if reused else 9)
    assert (tsk_entries.REUSED in entry.caveats) is reused
    assert entry.state is (EntryState.ALLOCATED if name_flags == 1 else EntryState.DELETED)
    assert (tsk_entries.RENAMED in entry.caveats) is (name_flags == 2 and record_flags == 5 and not reused)


@pytest.mark.parametrize(("record_flags", "reused"), [(5, True), (6, False)])
def test_f06_elsewhere_a_deleted_name_of_a_used_record_is_reused(record_flags: int, reused: bool) -> None:
    """F06: without sequence numbers the record's own state decides."""
    record = FakeRecord(FILE, 9, record_flags, attributes=[FakeAttribute(size=9)])
    entry = describe(record, FakeName(b"x", 30, 2)).entries[0]
    assert entry.reused is reused
    assert entry.alloc_inode is (record_flags == 5)
    assert not entry.alloc_name
    if reused:
        assert entry.size == 0
        assert not entry.owner
        assert not entry.times.as_dict()


def test_a_name_without_any_record_is_kept() -> None:
    """ext leaves the names of deleted files without an inode number."""
    entry = describe(FakeRecord(), FakeName(b"x", 0, 2, loaded=False)).entries[0]
    assert (entry.size, entry.reused, entry.caveats) == (0, False, (tsk_entries.NO_RECORD,))
    assert entry.entry_type is EntryType.FILE


def test_f07_each_data_attribute_is_an_entry_and_indexes_are_none() -> None:
    """F07: default data first, then the streams in stored order, also on directories."""
    streams = [FakeAttribute(128, 10 + number, b"s%d" % number, 3, RESIDENT) for number in range(1000)]
    record = FakeRecord(
        DIRECTORY, 56, attributes=[FakeAttribute(144, 1, b"$I30", 56, RESIDENT), *streams], times=(0, 0, 0, 0)
    )
    made = describe(record, FakeName(b"x", 30), "ntfs")
    assert [entry.entry_type for entry in made.entries] == [EntryType.DIRECTORY] + [EntryType.FILE] * 1000
    assert [entry.address.stream for entry in made.entries[:3]] == [b"", b"s0", b"s1"]
    assert made.target == 30


def test_f07_a_file_without_unnamed_data_is_empty_not_broken() -> None:
    """F07: ``$Secure`` has only a named stream."""
    record = FakeRecord(FILE, 0, attributes=[FakeAttribute(128, 2, b"$SDS", 77)], times=(0, 0, 0, 0))
    entries = describe(record, FakeName(b"$Secure", 9), "ntfs").entries
    assert [(entry.address.stream, entry.size, entry.attribute_type) for entry in entries] == [
        (b"", 0, 0),
        (b"$SDS", 77, 128),
    ]


def test_f07_encrypted_attributes_say_so() -> None:
    """F07: EFS."""
    record = FakeRecord(
        FILE, 9, attributes=[FakeAttribute(128, 3, size=9, flags=NON_RESIDENT | ENCRYPTED)], times=(0, 0, 0, 0)
    )
    assert describe(record, FakeName(b"x", 30), "ntfs").entries[0].caveats == (EFS,)


def test_the_map_of_bad_clusters_is_no_content() -> None:
    """Its size is the volume's; nobody may read it for that many zeros."""
    record = FakeRecord(
        FILE, 0, attributes=[FakeAttribute(128, 2, size=0, flags=RESIDENT), FakeAttribute(128, 1, b"$Bad", 1 << 19)],
        times=(0, 0, 0, 0),
    )  # fmt: skip
    entries = describe(record, FakeName(b"$BadClus", 8), "ntfs").entries
    assert [entry.entry_type for entry in entries] == [EntryType.FILE, EntryType.OTHER]
    assert entries[1].caveats == (BAD_CLUSTERS,)


def test_hfs_resource_forks_and_extended_attributes_are_streams() -> None:
    """Where a file came from stands in an extended attribute."""
    record = FakeRecord(
        FILE, 5, attributes=[FakeAttribute(4352, 0, None, 5), FakeAttribute(4353, 1, b"RSRC", 0),
                             FakeAttribute(4353, 2, b"RSRC", 17), FakeAttribute(4354, 3, b"com.apple.x", 4, RESIDENT)],
    )  # fmt: skip
    entries = describe(record, FakeName(b"x", 30), "hfs+").entries
    assert [(entry.address.stream, entry.size) for entry in entries] == [(b"", 5), (b"rsrc", 17), (b"com.apple.x", 4)]


@pytest.mark.parametrize(
    ("size", "shown", "caveat"),
    [(-5, 0, "declared size is negative: -5"), (2**63 - 1, 2**63 - 1, LARGER), ((1 << 20) + 1, (1 << 20) + 1, LARGER)],
)
def test_f04_sizes_that_cannot_be(size: int, shown: int, caveat: str) -> None:
    """F04: told as declared, never negative."""
    entry = describe(FakeRecord(FILE, size, attributes=[FakeAttribute(size=size)]), FakeName(b"x", 30)).entries[0]
    assert entry.size == shown
    assert entry.caveats == (caveat,)


def test_image_offset_is_that_of_the_first_stored_run() -> None:
    """Holes have no place; neither have resident and compressed data."""
    runs = (FakeRun(0, 4, 0, 2), FakeRun(10, 2, 4))
    for flags, expected in ((NON_RESIDENT, (1 << 20) + 5120), (RESIDENT, -1), (NON_RESIDENT | COMPRESSED, -1)):
        record = FakeRecord(FILE, 3000, attributes=[FakeAttribute(size=3000, flags=flags, runs=runs)])
        assert describe(record, FakeName(b"x", 30)).entries[0].image_offset == expected


def test_attributes_that_cannot_be_read_leave_the_declared_size() -> None:
    """Then reading says why, instead of an empty file."""
    entry = describe(FakeRecord(FILE, 5120, attributes=OSError("bad extent")), FakeName(b"x", 30)).entries[0]
    assert (entry.size, entry.attribute_type, entry.caveats) == (5120, 0, (UNREADABLE_RUNS,))


def test_symbolic_links_are_links() -> None:
    """Never followed; their size is that of the target's path."""
    made = describe(FakeRecord(LINK, 4, link=b"/etc", attributes=[FakeAttribute(size=4)]), FakeName(b"x", 30))
    assert [(entry.entry_type, entry.size) for entry in made.entries] == [(EntryType.SYMLINK, 4)]
    assert made.target == -1


@pytest.mark.parametrize(("tag", "kind"), [(0xA000000C, EntryType.SYMLINK), (0xA0000003, EntryType.SYMLINK),
                                           (0x80000017, EntryType.FILE)])  # fmt: skip
def test_f07_reparse_points(tag: int, kind: EntryType) -> None:
    """F07: links and junctions are links, other reparse points say what they are."""

    class Reparse(FakeFile):
        def read_random(self, offset: int, length: int, attribute: int = 1, identity: int = -1) -> bytes:
            return (
                tag.to_bytes(4, "little") if attribute == 192 else bytes(32) + (0x400).to_bytes(4, "little") + bytes(36)
            )

    record = FakeRecord(
        FILE,
        0,
        attributes=[FakeAttribute(16, 0, size=72), FakeAttribute(128, 2, flags=RESIDENT), FakeAttribute(192, 4)],
    )
    library = FakeLibrary({2: FakeRecord(DIRECTORY), 30: record}, flags=1)
    media = MemoryStream(bytes(4096))
    maker = EntryMaker(
        library, "ntfs", VOLUME, "x.dd", AttributeReader("ntfs", VOLUME, 512, is_mapped=True),
        MetadataReader(library, "ntfs", media, VOLUME),
    )  # fmt: skip
    entry = maker.describe(Reparse(30, record, FakeName(b"x", 30)), b"/x", orphan=False).entries[0]
    assert entry.entry_type is kind
    assert bool(entry.caveats) is (kind is EntryType.FILE)


def test_a_record_that_says_socket_but_has_data_is_examined() -> None:
    """A wrong type must not hide content."""
    record = FakeRecord(8, 1024, attributes=[FakeAttribute(size=1024, runs=(FakeRun(21, 2),))])
    entry = describe(record, FakeName(b"x", 30)).entries[0]
    assert entry.entry_type is EntryType.FILE
    assert entry.caveats == (tsk_entries.ODD_TYPE,)
    assert describe(FakeRecord(8, 0), FakeName(b"x", 30)).entries[0].entry_type is EntryType.OTHER


def test_volume_labels_of_fat_are_virtual() -> None:
    """The library makes a file of the label."""
    label = FakeName(b"USB (Volume Label Entry)", 3)
    assert describe(FakeRecord(FILE), label, "fat16", path=b"/USB (Volume Label Entry)").entries[0].virtual
    assert not describe(FakeRecord(FILE), label, "ext4", path=b"/USB (Volume Label Entry)").entries[0].virtual


@pytest.mark.parametrize("seconds", [-(2**31), 4_102_444_800, 2**62])
def test_f08_impossible_times_are_flagged_and_kept(seconds: int) -> None:
    """F08: before 1970, after 2099, or far outside: kept as stored, no exception."""
    entry = describe(FakeRecord(FILE, times=(seconds, 0, 0, 0)), FakeName(b"x", 30)).entries[0]
    assert entry.times.mtime == seconds * 1_000_000_000
    assert entry.caveats == (OUT_OF_RANGE,)
    entry.times.as_dict()


def test_owner_is_the_user_number_where_there_is_one() -> None:
    """FAT has none."""
    assert describe(FakeRecord(FILE), FakeName(b"x", 30)).entries[0].owner == "1000"
    assert describe(FakeRecord(FILE), FakeName(b"x", 30), "fat32").entries[0].owner == ""
