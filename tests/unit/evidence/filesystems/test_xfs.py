"""XFS as the kernel and mkfs made it: names, content, times, attributes, deleted files, free space."""

import hashlib

import pytest

from tests.support.xfs_media import XfsMedia, listing, open_xfs
from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems import xfs
from triage.model.entry import Entry, EntryState, EntryType
from triage.model.problem import Problem, Reason

V5 = open_xfs(XfsMedia("xfs-v5"))
V5_ENTRIES, V5_PROBLEMS = listing(V5)
V4 = open_xfs(XfsMedia("xfs-v4"))
V4_ENTRIES, V4_PROBLEMS = listing(V4)
BLOCK = 4096
INODE_131 = 131 * 512
"""Place of ``/hello.txt``."""


def text(number: int, size: int) -> bytes:
    return (b"%d line of a document\n" % number * (size // 20 + 1))[:size]


def content(path: str) -> bytes:
    return V5.read_whole(V5_ENTRIES[path], 1 << 20)


def changed(*changes: tuple[int, bytes]) -> tuple[dict[str, Entry], list[Problem]]:
    media = XfsMedia("xfs-v5")
    for offset, data in changes:
        media.write(offset, data)
    return listing(open_xfs(media))


# --- what is there ------------------------------------------------------------------------------------------------
def test_images_that_hold_give_no_problems() -> None:
    assert V5_PROBLEMS == []
    assert V4_PROBLEMS == []


@pytest.mark.parametrize(("media", "block"), [(XfsMedia("xfs-v5"), 4096), (XfsMedia("xfs-v4"), 512)])
def test_detection_by_superblock(media: XfsMedia, block: int) -> None:
    assert xfs.detect_file_system(media, 0, media.size) == ("xfs", block)
    assert xfs.detect_file_system(media, 512, media.size - 512) == ("", 0)
    assert xfs.detect_file_system(media, 0, 100) == ("", 0)
    media.write(121, b"\x0c")  # a sector size that is not that of the field beside it
    assert xfs.detect_file_system(media, 0, media.size) == ("", 0)


def test_every_form_of_directory_is_listed_whole() -> None:
    for folder, count in (("block", 12), ("leaf", 100)):
        names = [path for path, entry in V5_ENTRIES.items() if path.startswith(f"/{folder}/") and entry.alloc_name]
        assert len(names) == count
    assert {path for path in V5_ENTRIES if path.startswith("/short-form/")} == {"/short-form/a", "/short-form/z"}
    for folder, count in (("short-form", 3), ("block", 12), ("leaf", 40)):
        assert sum(path.startswith(f"/{folder}/") for path in V4_ENTRIES) == count
    assert len(V4_ENTRIES) == 4 + 3 + 55


def test_hard_links_lead_to_one_inode() -> None:
    links = [entry for path, entry in V5_ENTRIES.items() if path.startswith(("/block/link-", "/leaf/entry-"))]
    assert len(links) == 112
    assert {entry.meta_address for entry in links} == {V5_ENTRIES["/hello.txt"].meta_address} == {131}


def test_types_sizes_owner_and_times() -> None:
    hello = V5_ENTRIES["/hello.txt"]
    assert (hello.entry_type, hello.size, hello.owner, hello.caveats) == (EntryType.FILE, 5, "1000", ())
    assert hello.times.atime == 4_000_000_000_123456789  # after 2038
    assert hello.times.mtime == -1_500_000_000  # before 1970
    assert hello.times.crtime is not None
    assert V5_ENTRIES["/fifo"].entry_type is EntryType.OTHER
    assert V5_ENTRIES["/block"].entry_type is EntryType.DIRECTORY
    assert V4_ENTRIES["/hello"].owner == "10"
    assert V4_ENTRIES["/hello"].times.crtime is None
    for entry in V5_ENTRIES.values():
        assert entry.state is not EntryState.ALLOCATED or entry.alloc_inode


def test_symbolic_links() -> None:
    assert content("/short") == b"hello.txt"
    assert content("/long") == b"t" * 900
    assert V4.read_whole(V4_ENTRIES["/long"], 1 << 20) == b"t" * 700
    assert V5_ENTRIES["/long"].entry_type is EntryType.SYMLINK


def test_content_and_runs() -> None:
    assert content("/hello.txt") == b"hello"
    big = V4_ENTRIES["/big"]
    data = V4.read_whole(big, 1 << 20)
    assert data == text(2, 20000)
    media = XfsMedia("xfs-v4")
    runs = V4.byte_runs(big)
    assert sum(run.length for run in runs) == 20000
    assert b"".join(media.read_at(run.image_offset, run.length) for run in runs) == data


def test_tree_of_extents_and_holes() -> None:
    data = content("/fragmented")
    assert data == b"".join((bytes([65 + k % 26]) if k % 2 == 0 else b"\0") * BLOCK for k in range(60))
    assert len(V5.byte_runs(V5_ENTRIES["/fragmented"])) == 30


def test_sparse_file_reads_zeros_between() -> None:
    stream = V5.open_entry(V5_ENTRIES["/sparse"])
    assert stream.size == (1 << 33) + 3
    assert stream.read_at(0, 8) == b"begin\0\0\0"
    assert stream.read_at((1 << 33) - 2, 100) == b"\0\0end"


def test_unwritten_extents_read_as_zeros_and_are_told() -> None:
    assert content("/unwritten") == bytes(16384) + b"A" * 4096 + bytes(65536 - 20480)
    (caveat,) = V5_ENTRIES["/unwritten"].caveats
    assert caveat.startswith("61440 bytes of it were set aside")


def test_extended_attributes_of_users_are_entries() -> None:
    assert content("/attributes:user.small") == b"short value"
    assert content("/attributes:user.leaf") == b"leaf value " * 50
    assert content("/attributes:user.remote") == b"remote value " * 1000
    assert content("/inline-attribute:user.origin") == b"https://example.org/"
    assert not any("trusted" in path for path in V5_ENTRIES)


# --- what was there -----------------------------------------------------------------------------------------------
def test_deleted_name_with_its_content() -> None:
    entry = V5_ENTRIES["/block/deleted.doc"]
    assert (entry.state, entry.alloc_inode, entry.reused) == (EntryState.DELETED, False, False)
    assert entry.size == 12288  # the size is gone: to the end of the last block
    assert content("/block/deleted.doc")[:9000] == text(4, 9000)
    assert any("still free" in caveat for caveat in entry.caveats)


def test_name_that_moved_away_does_not_claim_the_content() -> None:
    entry = V5_ENTRIES["/block/renamed"]
    assert entry.meta_address == V5_ENTRIES["/moved"].meta_address
    assert entry.reused
    assert not V5_ENTRIES["/moved"].reused


def test_removed_tree_has_its_names_again() -> None:
    """The chunk of inodes was given back; the directory in it still names what it held."""
    files = {path.rpartition("/")[2]: entry for path, entry in V5_ENTRIES.items() if "/report-" in path}
    assert len(files) == 70
    for number in range(70):
        entry = files[f"report-{number}.txt"]
        data = V5.read_whole(entry, 1 << 20)
        assert data[: 20 + number * 70] == text(100 + number, 20 + number * 70)
        assert entry.state is EntryState.DELETED


def test_nameless_free_inodes_are_orphans() -> None:
    orphans = {path: entry for path, entry in V5_ENTRIES.items() if entry.orphan}
    assert set(orphans) == {f"/$OrphanFiles/OrphanFile-{number}" for number in (136, 142, 655491)}
    assert content("/$OrphanFiles/OrphanFile-136")[:3000] == text(2, 3000)
    data = content("/$OrphanFiles/OrphanFile-142")  # the root of its tree still stands in the inode
    assert data[: 2 * BLOCK] == b"A" * BLOCK + bytes(BLOCK)
    assert hashlib.md5(data).digest() == hashlib.md5(content("/fragmented")[: len(data)]).digest()


# --- space --------------------------------------------------------------------------------------------------------
def test_free_space_is_that_of_the_headers() -> None:
    """60322 and 483191 blocks, as xfs_db counts them."""
    assert sum(run.length for run in V5.unallocated()) == 60322 * 4096
    assert sum(run.length for run in V4.unallocated()) == 483191 * 512
    end = 0
    for run in V5.unallocated():
        assert run.fs_offset >= end
        assert run.image_offset == run.fs_offset
        end = run.fs_offset + run.length


def test_free_space_that_differs_from_its_header_is_told() -> None:
    media = XfsMedia("xfs-v5")
    media.write(512 + 52, (7).to_bytes(4, "big"))
    found = []
    with pytest.raises(CorruptStructureError, match="7 by its header"):
        found.extend(open_xfs(media).unallocated())
    assert sum(run.length for run in found) > 0


# --- what does not hold -------------------------------------------------------------------------------------------
def test_wrong_checksum_of_an_inode_is_a_caveat() -> None:
    entries, _ = changed((INODE_131 + 8, b"\0\0\0\x05"))
    assert entries["/hello.txt"].owner == "5"
    assert "the checksum of its inode is wrong" in entries["/hello.txt"].caveats
    assert entries["/short"].caveats == ()


def test_log_in_use_is_told() -> None:
    media = XfsMedia("xfs-v5")
    geometry = open_xfs(media)._xfs._geometry
    place = geometry.block_offset(geometry.log_start) + 512 + 9
    media.write(place, b"\x01")
    _, problems = listing(open_xfs(media))
    assert [(problem.reason, problem.examined_anyway) for problem in problems] == [(Reason.MISMATCH, True)]
    assert "not unmounted" in problems[0].message


def test_volume_cut_short() -> None:
    whole = XfsMedia("xfs-v5")
    entries, problems = listing(open_xfs(XfsMedia("xfs-v5", whole.size // 2)))
    assert problems[0].reason is Reason.TRUNCATED
    assert problems[0].bytes_not_examined == whole.size // 2
    assert "/hello.txt" in entries
    assert any(problem.reason is Reason.UNREADABLE for problem in problems)


def test_directory_that_holds_its_parent_is_entered_once() -> None:
    """F01: a name in the short form made to lead to the root."""
    media = XfsMedia("xfs-v5")
    number = V5_ENTRIES["/short-form"].meta_address
    place = number * 512 + 176 + 6 + 3 + 1
    assert media.read_at(place, 1) == b"\x01"
    media.write(place + 1, (128).to_bytes(4, "big"))
    entries, problems = listing(open_xfs(media))
    assert entries["/short-form/a"].entry_type is EntryType.DIRECTORY
    assert [problem.reason for problem in problems] == [Reason.CORRUPT, Reason.LOOP]
    assert problems[0].message == f"the checksum of its inode is wrong: inode {number}"


def test_lost_directory_leaves_its_files_as_orphans() -> None:
    media = XfsMedia("xfs-v5")
    media.write(V5_ENTRIES["/short-form"].meta_address * 512 + 176, b"\0")
    entries, problems = listing(open_xfs(media))
    assert "/short-form/a" not in entries or not entries["/short-form/a"].alloc_name
    found = [one for one in entries.values() if one.meta_address == V5_ENTRIES["/short-form/a"].meta_address]
    assert any(one.alloc_inode and not one.reused for one in found)
    assert len(problems) <= 1


def test_size_beyond_all_bounds() -> None:
    """F04."""
    entries, _ = changed((INODE_131 + 56, b"\xff" * 8))
    assert entries["/hello.txt"].size == BLOCK
    assert any("impossible" in caveat for caveat in entries["/hello.txt"].caveats)
    media = XfsMedia("xfs-v5")
    media.write(INODE_131 + 56, b"\x7f" + b"\xff" * 7)
    file_system = open_xfs(media)
    entries, _ = listing(file_system)
    stream = file_system.open_entry(entries["/hello.txt"])
    assert stream.size == (1 << 63) - 1
    assert stream.read_at(0, 6) == b"hello\0"
    assert stream.read_at(1 << 62, 10) == bytes(10)


def test_extent_outside_of_the_file_system() -> None:
    media = XfsMedia("xfs-v5")
    media.write(INODE_131 + 176 + 8, b"\xff" * 6)
    file_system = open_xfs(media)
    entries, _ = listing(file_system)
    assert any("outside" in caveat for caveat in entries["/hello.txt"].caveats)
    with pytest.raises(EvidenceError, match="outside"):
        file_system.read_whole(entries["/hello.txt"], 10)


def test_directories_of_version_1_are_refused() -> None:
    media = XfsMedia("xfs-v4")
    versions = int.from_bytes(media.read_at(100, 2), "big")
    media.write(100, (versions & ~0x2000).to_bytes(2, "big"))
    assert xfs.detect_file_system(media, 0, media.size) == ("xfs", 512)
    with pytest.raises(UnsupportedFormatError, match="version 1"):
        open_xfs(media)
