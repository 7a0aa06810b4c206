"""AccessData logical images."""

from __future__ import annotations

import random
import struct

import pytest

from tests.support.logical import Ad1Writer, contents, file_system, read, walk
from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, ReadFailedError
from triage.evidence.containers import ad1
from triage.model.entry import EntryType
from triage.model.problem import Reason

NOISE = random.Random(1).randbytes(200_000)
TREE = {
    "[root]": {
        "a.txt": b"alpha" * 500,
        "empty": b"",
        "sub": {"b.bin": NOISE, "Проба": b"unicode"},
        "sl/ash": b"slash",
    },
    "second": {},
}
WANTED = {
    b"/[root]/a.txt": b"alpha" * 500,
    b"/[root]/empty": b"",
    b"/[root]/sub/b.bin": NOISE,
    "/[root]/sub/Проба".encode(): b"unicode",
    b"/[root]/sl_ash": b"slash",
}


def opened(paths):
    assert ad1.detect(paths[0].read_bytes()[:4096], (paths[0],))
    return ad1.open_container((paths[0],), "ev")


@pytest.mark.parametrize("chunk_size", [512, 65536])
def test_files_folders_times_and_digests(tmp_path, chunk_size):
    container = opened(Ad1Writer(TREE, chunk_size=chunk_size).write(tmp_path))
    entries, problems = walk(container)
    assert not problems
    assert contents(container) == WANTED and container.read_problems() == ()
    entry = entries[b"/[root]/a.txt"]
    assert entry.times.as_dict() == {
        "atime": "2024-01-02T03:04:05.500000Z",
        "crtime": "2024-01-02T03:04:06Z",
        "mtime": "2024-01-02T03:04:07Z",
    }
    assert entries[b"/second"].entry_type is EntryType.DIRECTORY
    assert entries[b"/[root]/sl_ash"].caveats
    stream = file_system(container).open_entry(entries[b"/[root]/sub/b.bin"])
    for offset in (150_000, 3, 199_990, 511, 0):
        assert stream.read_at(offset, 1000) == NOISE[offset : offset + 1000]
    assert container.details["source"] == "Source"
    container.close()
    container.close()


def test_folder_of_the_source_stands_in_front(tmp_path):
    container = opened(Ad1Writer({"f": b"x"}, source=b"E:\\AD1\\in").write(tmp_path))
    assert list(walk(container)[0]) == [b"/E:", b"/E:/AD1", b"/E:/AD1/in", b"/E:/AD1/in/f"]


def test_segments_are_found_beside_the_first(tmp_path):
    paths = Ad1Writer(TREE).write(tmp_path, segments=4)
    assert len(paths) == 4
    container = opened(paths)
    assert contents(container) == WANTED and len(container.paths) == 4
    paths[1].unlink()  # C03: what is there is read, what is not is told
    container = opened(paths)
    entries, problems = walk(container)
    assert problems[0].reason is Reason.TRUNCATED and "number 2" in problems[0].message
    assert problems[0].bytes_not_examined > 60_000
    failed = 0
    for path, entry in entries.items():
        if entry.entry_type is EntryType.FILE:
            try:
                assert read(container, entry) == WANTED[path]
            except ReadFailedError:
                failed += 1
    assert failed
    with pytest.raises(CorruptStructureError, match="first one is missing"):
        paths[0].unlink()
        ad1.open_container((paths[2],), "ev")


def test_digest_that_is_not_that_of_the_bytes_is_told(tmp_path):
    writer = Ad1Writer({"f": b"content"})
    at = writer.body.index(b"040f06fd774092478d450774f5ba30c5da78acc8")  # its SHA-1
    writer.body[at] ^= 1
    container = opened(writer.write(tmp_path))
    assert contents(container) == {b"/f": b"content"}
    assert container.read_problems()[0].reason is Reason.CORRUPT


def test_items_and_attributes_that_point_at_themselves(tmp_path):
    """F01."""
    writer = Ad1Writer({"a": {"b": b"x"}, "c": b"y"})
    at = writer.body.index(b"a", writer.body.index(b"\5\0\0\0\1\0\0\0")) - 48
    writer.body[at : at + 8] = struct.pack("<Q", at)
    container = opened(writer.write(tmp_path))
    entries, problems = walk(container)
    assert set(entries) == {b"/a", b"/a/b"} and problems[0].reason is Reason.LOOP
    writer = Ad1Writer({"a": b"x"})
    place = writer.attributes([(5, 9, b"20240102T030407")])
    writer.body[place : place + 8] = struct.pack("<Q", place)
    at = struct.unpack_from("<Q", writer.body, 0x24)[0]
    writer.body[at + 16 : at + 24] = struct.pack("<Q", place)
    entries, problems = walk(opened(writer.write(tmp_path)))
    assert set(entries) == {b"/a"} and "does not end" in problems[0].message


def test_file_that_claims_more_than_its_table(tmp_path):
    """C06."""
    writer = Ad1Writer({"a": b"x" * 100})
    at = struct.unpack_from("<Q", writer.body, 0x24)[0]
    for size in (1 << 40, 1 << 61):
        writer.body[at + 32 : at + 40] = struct.pack("<Q", size)
        container = opened(writer.write(tmp_path))
        with pytest.raises(ReadFailedError):
            file_system(container).read_whole(walk(container)[0][b"/a"], 1000)
    writer.body[at + 32 : at + 40] = b"\xff" * 8
    entries, problems = walk(opened(writer.write(tmp_path)))
    assert not entries and problems[0].reason is Reason.CORRUPT


def test_encrypted_and_strange_files_are_refused(tmp_path):
    path = tmp_path / "a.ad1"
    path.write_bytes(b"ADCRYPT\0" + bytes(1000))
    with pytest.raises(EncryptedVolumeError):
        ad1.open_container((path,), "ev")
    path.write_bytes(b"ADSEGMENTEDFILE\0" + bytes(1000))
    with pytest.raises(CorruptStructureError):
        ad1.open_container((path,), "ev")
    path.write_bytes(b"anything")
    assert not ad1.detect(b"anything", (path,))


def test_mutations_raise_only_our_errors(tmp_path):
    sample = Ad1Writer({"d": {"a": b"alpha" * 100, "b": b"beta" * 300}, "c": b"x"}).write(tmp_path)[0].read_bytes()
    path = tmp_path / "m.ad1"
    for seed in range(300):
        rng = random.Random(seed)
        data = bytearray(sample)
        for _ in range(rng.choice([1, 3, 20])):
            at = rng.randrange(512, len(data))
            data[at : at + 8] = rng.choice([rng.randbytes(8), b"\xff" * 8, bytes(8), struct.pack("<Q", at - 512)])
        path.write_bytes(data[: rng.randrange(1, len(data))] if rng.random() < 0.2 else data)
        try:
            container = ad1.open_container((path,), "ev")
        except EvidenceError:
            continue
        entries = walk(container)[0]
        assert len(entries) < 1000
        for entry in entries.values():
            assert 0 <= entry.size < 1 << 63 and entry.meta_address < 1 << 63
            try:
                file_system(container).read_whole(entry, 100_000)
            except EvidenceError:
                pass
        container.close()
