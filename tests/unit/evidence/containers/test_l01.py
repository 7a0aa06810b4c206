"""Logical evidence files of EnCase. The files are written here; libewf, which reads them, is no code of ours."""

from __future__ import annotations

import random

import pytest

from tests.support.logical import L01Writer, contents, file_system, read, walk
from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.containers import l01
from triage.model.entry import EntryType

pytest.importorskip("pyewf", reason="libewf is not installed")

NOISE = random.Random(1).randbytes(100_000)
TREE = {"top.txt": b"hello", "dir": {"a.bin": NOISE, "sub": {"б.txt": b"deep"}, "empty": b""}}


def test_files_folders_times_and_digests(tmp_path):
    path = L01Writer(TREE).write(tmp_path)
    assert l01.detect(path.read_bytes()[:4096], (path,))
    container = l01.open_container((path,), "ev")
    entries, problems = walk(container)
    assert not problems
    assert list(entries) == [
        b"/top.txt", b"/dir", b"/dir/a.bin", b"/dir/sub", "/dir/sub/б.txt".encode(), b"/dir/empty"
    ]  # fmt: skip
    assert entries[b"/dir"].entry_type is EntryType.DIRECTORY
    assert entries[b"/top.txt"].times.as_dict() == {
        "mtime": "2020-09-13T12:26:42Z",
        "atime": "2020-09-13T12:26:41Z",
        "ctime": "2020-09-13T12:26:43Z",
        "crtime": "2020-09-13T12:26:40Z",
    }
    assert contents(container) == {
        b"/top.txt": b"hello",
        b"/dir/a.bin": NOISE,
        "/dir/sub/б.txt".encode(): b"deep",
        b"/dir/empty": b"",
    }
    assert container.read_problems() == ()
    assert container.media.read_at(0, 1 << 20) == path.read_bytes()
    container.close()
    container.close()


def test_a_worker_finds_a_file_again_without_a_walk(tmp_path):
    path = L01Writer(TREE).write(tmp_path)
    entries, _ = walk(l01.open_container((path,), "ev"))
    container = l01.open_container((path,), "ev")
    assert read(container, entries["/dir/sub/б.txt".encode()]) == b"deep"
    assert read(container, entries[b"/dir/a.bin"]) == NOISE
    stream = file_system(container).open_entry(entries[b"/dir/a.bin"])
    assert stream.read_at(99_990, 100) == NOISE[-10:] and stream.read_at(5, 3) == NOISE[5:8]
    for number in (0, 1, 999):
        with pytest.raises(EvidenceError):
            read(container, type(entries[b"/dir"])(entries[b"/dir"].address, EntryType.FILE, 1, number))


def test_what_libewf_refuses_is_our_error(tmp_path):
    path = tmp_path / "a.L01"
    for magic in l01.SIGNATURES:
        path.write_bytes(magic + bytes(5000))
        assert l01.detect(magic + bytes(100), (path,))
        with pytest.raises(CorruptStructureError):
            l01.open_container((path,), "ev")
    assert not l01.detect(b"EVF\x09\x0d\x0a\xff\x00", (path,))
