"""Files as streams: one file, several files, holes, files that change."""

import os

import pytest

from triage.errors import ReadFailedError, SourceNotFoundError, UnsupportedFormatError
from triage.evidence.containers import raw, segment_file, split
from triage.model.problem import Reason
from triage.model.stream import Stream


def pattern(length, seed=0):
    return bytes((index * 7 + index // 251 + seed) & 0xFF for index in range(length))


def write(folder, parts, names):
    paths = []
    for name, data in zip(names, parts, strict=True):
        (folder / name).write_bytes(data)
        paths.append(folder / name)
    return tuple(paths)


def test_raw_reads_any_range(tmp_path):
    """Fewer bytes only at the end, none outside."""
    data = pattern(10_000)
    container = raw.open_container(write(tmp_path, [data], ["a.dd"]), "a.dd")
    media = container.media
    assert isinstance(media, Stream)
    assert media.size == 10_000
    for offset, length in [(0, 10), (9_990, 100), (5, 9_000), (10_000, 1), (-1, 5), (3, 0), (0, 1 << 40)]:
        expected = data[offset : offset + length] if offset >= 0 else b""
        assert media.read_at(offset, length) == expected
    container.close()
    container.close()
    with pytest.raises(ReadFailedError, match="closed"):
        media.read_at(0, 1)


def test_c09_a_file_that_shrinks_is_an_error_not_an_end(tmp_path):
    """Bytes that were there at opening and are not any more raise, and the change is told."""
    (path,) = write(tmp_path, [pattern(5_000)], ["a.dd"])
    container = raw.open_container((path,), "a.dd")
    assert container.changed() == ()
    os.truncate(path, 1_000)
    with pytest.raises(ReadFailedError, match="shorter"):
        container.media.read_at(0, 5_000)
    assert container.changed() == (path,)
    path.unlink()
    assert container.changed() == (path,)
    container.close()


def test_c08_holes_are_skipped_by_extent(tmp_path):
    """A sparse file of 16 TiB: what is stored is found without reading the rest."""
    path = tmp_path / "a.dd"
    size = 16 << 40
    with path.open("wb") as file:
        try:
            file.truncate(size)
        except OSError:
            size = 1 << 40
            file.truncate(size)
        file.seek(size // 2)
        file.write(pattern(1 << 20))
    container = raw.open_container((path,), "a.dd")
    ranges = list(container.media.data_ranges(0, size))
    assert sum(length for _, length in ranges) < 4 << 20
    assert all(begin <= size // 2 < begin + length for begin, length in ranges)
    assert container.media.read_at(size // 2 - 2, 4) == bytes(2) + pattern(2)
    container.close()


def test_split_is_the_parts_one_behind_the_other(tmp_path):
    """Every range, also across several parts."""
    data = pattern(1_000)
    parts = [data[:300], data[300:600], data[600:900], data[900:]]
    container = split.open_container(write(tmp_path, parts, ["a.001", "a.002", "a.003", "a.004"]), "a.001")
    assert container.problems == ()
    assert container.media.size == 1_000
    for offset in range(0, 1_000, 37):
        for length in (1, 299, 301, 1_000):
            assert container.media.read_at(offset, length) == data[offset : offset + length]
    assert container.media.read_at(1_000, 5) == b""
    container.close()


def test_c03_missing_segment_is_a_hole_with_its_range(tmp_path):
    """``.001`` and ``.003``: what follows keeps its place, the gap is named with its bytes."""
    data = pattern(1_000)
    paths = write(tmp_path, [data[:400], data[800:]], ["a.001", "a.003"])
    container = split.open_container(paths, "a.001")
    assert container.media.read_at(0, 1_000) == data[:400] + bytes(400) + data[800:]
    (problem,) = container.problems
    assert problem.reason is Reason.TRUNCATED
    assert problem.bytes_not_examined == 400
    assert problem.address == "a.001 p0:$gap@400+400"
    assert "a.001 and a.003" in problem.message
    assert list(container.media.data_ranges(0, 1_000)) == [(0, 400), (800, 200)]
    container.close()


def test_c03_missing_first_segment(tmp_path):
    """A set that begins with ``.002`` has a hole in front."""
    paths = write(tmp_path, [pattern(100), pattern(100)], ["a.002", "a.003"])
    container = split.open_container(paths, "a.002")
    assert container.media.size == 300
    assert container.media.read_at(0, 100) == bytes(100)
    assert container.problems[0].bytes_not_examined == 100
    container.close()


def test_c03_numbering_from_zero_and_by_letters(tmp_path):
    """``.000`` first, or ``.aa`` first: nothing is missing."""
    for names in (["a.000", "a.001"], ["b.aa", "b.ab"]):
        container = split.open_container(write(tmp_path, [pattern(100), pattern(50)], names), "x")
        assert container.problems == ()
        assert container.media.size == 150
        container.close()


def test_c03_short_segment_in_the_middle(tmp_path):
    """A middle part shorter than the others is told: what follows may be out of place."""
    paths = write(tmp_path, [pattern(100), pattern(60), pattern(10)], ["a.001", "a.002", "a.003"])
    container = split.open_container(paths, "a.001")
    (problem,) = container.problems
    assert problem.reason is Reason.TRUNCATED
    assert "a.002" in problem.message
    container.close()


def test_c03_doubled_segment(tmp_path):
    """Two files for one number: the first is used, the other is named."""
    paths = write(tmp_path, [b"1" * 100, b"2" * 100, b"3" * 100], ["a.aa", "a.ab", "A.AB"])
    container = split.open_container(paths, "a.aa")
    assert container.media.size == 200
    assert "A.AB is not" in container.problems[0].message
    container.close()


def test_many_segments_share_few_descriptors(tmp_path):
    """A set of more segments than files may be open reads from first to last and back."""
    count = segment_file.MAX_OPEN * 2
    names = [f"a.{number:03d}" for number in range(1, count + 1)]
    paths = write(tmp_path, [bytes([number & 0xFF]) * 10 for number in range(count)], names)
    before = len(os.listdir("/proc/self/fd"))
    container = split.open_container(paths, "a.001")
    data = container.media.read_at(0, count * 10)
    assert data == b"".join(bytes([number & 0xFF]) * 10 for number in range(count))
    assert container.media.read_at(5, 10) == bytes(5) + b"\x01" * 5
    assert len(os.listdir("/proc/self/fd")) - before <= segment_file.MAX_OPEN + 1
    container.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_segment_replaced_while_put_away_is_refused(tmp_path):
    """A file opened again must still be the same one."""
    (path,) = write(tmp_path, [pattern(100)], ["a.dd"])
    file = segment_file.SegmentFile(path)
    file.put_away()
    path.unlink()
    path.write_bytes(pattern(100))
    with pytest.raises(ReadFailedError, match="changed"):
        file.read_at(0, 10)


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "socket", "device", "empty", "bundle", "nul"])
def test_c01_only_regular_files(tmp_path, kind):
    """Each says which file and why, and none is waited on."""
    path = tmp_path / "a.dd"
    error, words = SourceNotFoundError, "not an image"
    if kind == "missing":
        words = "no such file"
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(tmp_path)
            server.bind("a.dd")
    elif kind == "device":
        from pathlib import Path

        path = Path("/dev/null")
    elif kind == "empty":
        path.touch()
        error, words = UnsupportedFormatError, "empty"
    elif kind == "bundle":
        path = tmp_path / "a.sparsebundle"
        path.mkdir()
        error, words = UnsupportedFormatError, "virtual disk"
    else:
        path = tmp_path / "a\x00.dd"
        words = "cannot be read"
    with pytest.raises(error, match=words) as caught:
        raw.open_container((path,), "x")
    assert "\x00" not in str(caught.value)


def test_c01_unreadable_file(tmp_path):
    """No right to read is no missing file."""
    path = tmp_path / "a.dd"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(SourceNotFoundError, match="permission"):
        raw.open_container((path,), "x")
