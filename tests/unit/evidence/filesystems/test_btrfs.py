"""What is read of a Btrfs image, and that it is right."""

from __future__ import annotations

import struct

import pytest

from tests.support.btrfs_image import SUPER, TEXT, Patched, image, listing, opened, read
from triage.evidence.filesystems.btrfs import detect_file_system, free_space
from triage.model.entry import EntryState, EntryType


def test_is_detected_with_its_sector_size() -> None:
    assert detect_file_system(Patched(), 0, len(image())) == ("btrfs", 4096)
    assert detect_file_system(Patched(), 512, len(image()) - 512) == ("", 0)
    assert detect_file_system(Patched({SUPER + 64: b"_BHRfS_N"}), 0, len(image())) == ("", 0)
    assert detect_file_system(Patched({SUPER + 148: struct.pack("<I", 1 << 31)}), 0, len(image())) == ("", 0)
    assert detect_file_system(Patched(size=SUPER + 100), 0, len(image())) == ("", 0)
    assert detect_file_system(Patched(bad=(SUPER, SUPER + 1)), 0, len(image())) == ("", 0)


def test_lists_everything() -> None:
    entries, problems = listing(opened())
    assert problems == []
    here = {path for path, stream in entries if not stream and path.startswith(b"/home/")}
    wanted = {b"/home/" + name for name in (b"a", b"a/b", b"lzo", b"zlib", b"zstd", b"plain", b"inline", b"sparse", b"link",
                                            b"pipe", b"fallocated", b"last", b"inner", b"inner/file")}  # fmt: skip
    wanted |= {b"/home/a/file%d" % index for index in range(20) if index != 7}
    wanted |= {b"/home/a/b/" + b"hard link" * 8 + b"%d" % index for index in range(6)}
    assert here == wanted
    there = {
        path.removeprefix(b"/snapshot") for path, stream in entries if path.startswith(b"/snapshot/") and not stream
    }
    assert there == {path.removeprefix(b"/home") for path in wanted - {b"/home/last", b"/home/inner/file"}} | {
        b"/a/file7"
    }
    assert entries[b"/home/link", b""].entry_type is EntryType.SYMLINK
    assert entries[b"/home/pipe", b""].entry_type is EntryType.OTHER
    assert entries[b"/home/lzo", b""].owner == "0"
    times = entries[b"/home/lzo", b""].times
    assert times.mtime and times.crtime and times.crtime <= times.mtime


@pytest.mark.parametrize("name", ["lzo", "zlib", "zstd", "plain"])
def test_content_is_right_however_it_is_stored(name: str) -> None:
    file_system = opened()
    entry = listing(file_system)[0][b"/home/" + name.encode(), b""]
    assert read(file_system, entry) == TEXT
    stream = file_system.open_entry(entry)
    for offset, length in ((0, 1), (131071, 2), (131072, 131072), (len(TEXT) - 1, 10), (len(TEXT), 1), (2**62, 5)):
        assert stream.read_at(offset, length) == TEXT[offset : offset + length]
    assert stream.read_at(-1, 5) == b""


def test_runs_lead_to_the_bytes_of_plain_files_only() -> None:
    file_system = opened()
    entries, _ = listing(file_system)
    runs = file_system.byte_runs(entries[b"/home/plain", b""])
    assert b"".join(image()[run.image_offset : run.image_offset + run.length] for run in runs) == TEXT
    for name in (b"/home/lzo", b"/home/inline", b"/home/a", b"/home/link"):
        assert file_system.byte_runs(entries[name, b""]) == ()


def test_small_things_are_read() -> None:
    file_system = opened()
    entries, _ = listing(file_system)
    for path, content in (
        (b"/home/inline", b"inline content"), (b"/home/link", b"a/b"), (b"/home/inner/file", b"inner\n"),
        (b"/home/sparse", bytes(300000) + b"end"), (b"/home/fallocated", bytes(100000)), (b"/home/a/file19", b"19\n"),
        (b"/home/a", b""), (b"/home/a/b/" + b"hard link" * 8 + b"5", b"inline content"),
    ):  # fmt: skip
        assert read(file_system, entries[path, b""]) == content
    note = entries[b"/home/inline", b"user.note"]
    assert (note.size, read(file_system, note)) == (12, b"an attribute")


def test_numbers_are_the_same_at_every_opening() -> None:
    entries, _ = listing(opened())
    numbers = {entry.meta_address for entry in entries.values()}
    assert max(numbers) < 1 << 63
    for key in ((b"/home/plain", b""), (b"/snapshot/a/file7", b""), (b"/home/inline", b"user.note")):
        fresh = opened()  # not walked
        assert read(fresh, entries[key]) == read(opened(), entries[key]) != b""


def test_deleted_file_is_found_in_an_older_root() -> None:
    file_system = opened()
    gone = [entry for entry in listing(file_system)[0].values() if entry.state is EntryState.ORPHAN]
    assert [read(file_system, entry) for entry in gone] == [b"7\n"]
    assert "as /a/file7" in gone[0].caveats[0] and "generation" in gone[0].caveats[0]
    assert not gone[0].alloc_inode


def test_place_of_a_subvolume_in_a_snapshot_is_an_empty_directory() -> None:
    file_system = opened()
    entry = listing(file_system)[0][b"/snapshot/inner", b""]
    assert entry.entry_type is EntryType.DIRECTORY and "subvolume" in entry.caveats[0]
    assert read(file_system, entry) == b""


def test_free_space_is_free_and_told_alike_by_both_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    file_system = opened()
    free = list(file_system.unallocated())
    assert sum(run.length for run in free) > 40 << 20
    taken = [(SUPER, SUPER + 4096)]
    for entry in listing(file_system)[0].values():
        if entry.state is EntryState.ALLOCATED:
            taken += [(run.fs_offset, run.fs_offset + run.length) for run in file_system.byte_runs(entry)]
    position = 0
    for run in free:
        assert run.fs_offset >= position and run.length > 0
        position = run.fs_offset + run.length
        assert not [each for each in taken if each[0] < position and run.fs_offset < each[1]]
    assert position <= len(image())
    monkeypatch.setattr(free_space.FreeSpace, "_by_free_space_tree", lambda self, chunk: None)
    assert list(opened().unallocated()) == free
