"""A folder of this machine as evidence."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest

from tests.support.logical import contents, file_system, read, walk
from triage.errors import EvidenceError, ReadFailedError, SourceNotFoundError
from triage.evidence.containers import directory
from triage.model.entry import EntryType
from triage.model.problem import Reason


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "export"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"alpha" * 1000)
    os.utime(root / "a.txt", ns=(1_500_000_000_000_000_001, 1_600_000_000_123_456_789))
    (root / "sub" / "empty").touch()
    (root / "sub" / "deep" / "b").write_bytes(b"b")
    os.link(root / "a.txt", root / "sub" / "hard")
    (root / "link").symlink_to("/etc/passwd")
    (root / "out").symlink_to("..")
    os.mkfifo(root / "pipe")
    with open(os.fsencode(root) + b"/bad\xff\nname", "wb") as out:
        out.write(b"odd")
    return root


def opened(root):
    assert directory.detect(b"", (root,))
    return directory.open_container((root,), "ev")


def test_everything_below_the_folder(tree):
    container = opened(tree)
    entries, problems = walk(container)
    assert not problems
    assert list(entries) == [
        b"/a.txt", b"/bad\xff\nname", b"/link", b"/out", b"/pipe", b"/sub",
        b"/sub/deep", b"/sub/empty", b"/sub/hard", b"/sub/deep/b",
    ]  # fmt: skip
    entry, facts = entries[b"/a.txt"], (tree / "a.txt").stat()
    assert (entry.size, entry.meta_address, entry.owner) == (5000, facts.st_ino, str(facts.st_uid))
    assert (entry.times.mtime, entry.times.atime) == (1_600_000_000_123_456_789, 1_500_000_000_000_000_001)
    assert entries[b"/sub/hard"].meta_address == entry.meta_address
    assert entries[b"/pipe"].entry_type is EntryType.OTHER and entries[b"/pipe"].caveats == ("FIFO",)
    assert contents(container) == {
        b"/a.txt": b"alpha" * 1000,
        b"/bad\xff\nname": b"odd",
        b"/link": b"/etc/passwd",
        b"/out": b"..",
        b"/sub/empty": b"",
        b"/sub/hard": b"alpha" * 1000,
        b"/sub/deep/b": b"b",
    }
    assert container.changed() == () and container.read_problems() == () and container.media.size == 0
    container.close()
    container.close()


def test_reading_leaves_the_access_time_alone(tree):
    if os.geteuid() != (tree / "a.txt").stat().st_uid:
        pytest.skip("needs to own the files")
    contents(opened(tree))
    assert (tree / "a.txt").stat().st_atime_ns == 1_500_000_000_000_000_001


def test_special_files_are_never_opened(tree):
    """C01: opening a pipe would wait for ever."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "s"))
        container = opened(tree)
        entries, _ = walk(container)
        assert entries[b"/s"].caveats == ("socket",)
        for name in (b"/s", b"/pipe"):
            assert read(container, entries[name]) == b""
            with pytest.raises(EvidenceError):
                read(container, replace(entries[name], entry_type=EntryType.FILE, size=5))


def test_links_are_not_followed_even_in_the_middle_of_a_path(tree):
    """What was a folder when it was listed may be a link when it is read."""
    container = opened(tree)
    entry = walk(container)[0][b"/sub/deep/b"]
    (tree / "sub" / "deep" / "b").unlink()
    (tree / "sub" / "deep").rmdir()
    (tree / "secret").mkdir()
    (tree / "secret" / "b").write_bytes(b"!")
    (tree / "sub" / "deep").symlink_to(tree / "secret")
    with pytest.raises(ReadFailedError):
        read(container, entry)
    link = walk(container)[0][b"/link"]
    with pytest.raises(ReadFailedError):
        read(container, replace(link, entry_type=EntryType.FILE, size=100))


def test_files_that_change_shrink_or_vanish(tree):
    """C09."""
    container = opened(tree)
    entries, _ = walk(container)
    (tree / "a.txt").write_bytes(b"x" * 100)
    with pytest.raises(ReadFailedError) as failed:
        read(container, entries[b"/a.txt"])
    assert failed.value.partial == b"x" * 100
    assert container.read_problems()[0].reason is Reason.MISMATCH
    (tree / "sub" / "empty").write_bytes(b"grown")
    assert read(container, entries[b"/sub/empty"]) == b""
    assert "5 bytes, 0 were listed" in container.read_problems()[0].message
    (tree / "sub" / "deep" / "b").unlink()
    with pytest.raises(ReadFailedError, match="no such file"):
        read(container, entries[b"/sub/deep/b"])


def test_folder_that_vanishes_while_it_is_listed(tree):
    items = file_system(opened(tree)).walk(
        entering=lambda number, path: (
            (tree / "sub" / "deep" / "b").unlink() or (tree / "sub" / "deep").rmdir() if path == b"/sub/deep" else None
        )
    )
    problems = [item for item in items if hasattr(item, "reason")]
    assert [problem.reason for problem in problems] == [Reason.UNREADABLE]


def test_extended_attributes_of_users(tree):
    try:
        os.setxattr(tree / "a.txt", "user.note", b"hello")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    container = opened(tree)
    entries, _ = walk(container)
    assert entries[b"/a.txt:user.note"].size == 5
    assert read(container, entries[b"/a.txt:user.note"]) == b"hello"


def test_holes_are_told(tree):
    with (tree / "hole").open("wb") as out:
        out.seek(40_000_000)
        out.write(b"end")
    container = opened(tree)
    stream = file_system(container).open_entry(walk(container)[0][b"/hole"])
    ranges = list(stream.data_ranges(0, stream.size))
    assert sum(length for _, length in ranges) < 1_000_000 or ranges == [(0, stream.size)]
    assert stream.read_at(39_999_999, 10) == b"\0end"
    stream.close()
    stream.close()


def test_deep_folders_beyond_what_a_path_may_have(tmp_path):
    """F03: a path longer than the system takes in one piece."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=here)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    descriptor = os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(descriptor, b"bottom")
    os.close(descriptor)
    os.close(here)
    container = opened(tmp_path)
    entries, problems = walk(container)
    assert not problems
    assert read(container, entries[(b"/" + b"d" * 100) * 60 + b"/f"]) == b"bottom"


def test_skip_leaves_a_folder_out(tree):
    number = (tree / "sub").stat().st_ino
    items = list(file_system(opened(tree)).walk(skip=frozenset({number})))
    assert [item.reason for item in items if hasattr(item, "reason")] == [Reason.LOOP]
    assert not [item for item in items if not hasattr(item, "reason") and item.address.path.startswith(b"/sub/")]


def test_what_is_no_folder(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    for path in (tmp_path / "f", tmp_path / "gone", tmp_path / "nul\0"):
        assert not directory.detect(b"", (path,))
        with pytest.raises(SourceNotFoundError):
            directory.open_container((path,), "ev")
    container = opened(tmp_path)
    entry = walk(container)[0][b"/f"]
    container.close()
    with pytest.raises(ReadFailedError):
        read(container, entry)
