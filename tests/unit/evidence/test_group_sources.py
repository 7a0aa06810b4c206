"""Which files make one source, by their names."""

import os

import pytest

from tests.support.ewf_writer import SIGNATURE
from triage.evidence import group_sources


def make(folder, *names, data=b"x"):
    for name in names:
        (folder / name).write_bytes(data)
    return [folder / name for name in names]


def names(groups):
    return [[path.name for path in group] for group in groups]


@pytest.mark.parametrize(
    "given",
    [
        ["a.E01", "a.E02", "a.E03"],
        ["a.001", "a.002", "a.003"],
        ["a.000", "a.001", "a.002"],
        ["a.raw.000", "a.raw.001"],
        ["a.dd.aa", "a.dd.ab", "a.dd.ac"],
        ["a.s01", "a.s02"],
        ["a.Ex01", "a.Ex02"],
        ["a.00001", "a.00002"],
        ["A.e01", "a.E02"],
    ],
)
def test_c03_any_segment_stands_for_the_whole_set(tmp_path, given):
    """Each segment named alone, and all of them named together, give the same one source."""
    paths = make(tmp_path, *given)
    assert names(group_sources(paths)) == [given]
    assert names(group_sources(reversed(paths))) == [given]
    for path in paths:
        assert names(group_sources([path])) == [given]


def test_after_e99_comes_eaa(tmp_path):
    """The letters go on where the digits end, and need the signature to count."""
    given = [f"a.E{number:02d}" for number in range(1, 100)] + ["a.EAA", "a.EAB", "a.FAA"]
    paths = make(tmp_path, *given, data=SIGNATURE + bytes(8))
    assert names(group_sources([paths[0]])) == [given]
    assert names(group_sources([paths[-1]])) == [given]


def test_other_files_beside_a_set_stay_outside(tmp_path):
    """Suffixes of three letters are segments by name only; without the signature they are not."""
    make(tmp_path, "a.E01", "a.E02", data=SIGNATURE)
    make(tmp_path, "a.iso", "a.log", "a.txt", "b.E01", "a.001")
    assert names(group_sources([tmp_path / "a.E01"])) == [["a.E01", "a.E02"]]
    assert names(group_sources([tmp_path / "a.iso"])) == [["a.iso"]]
    assert names(group_sources([tmp_path / "a.001"])) == [["a.001"]]


@pytest.mark.parametrize("name", ["x.dd", "x.gz", "x.py", "x.2024", "plain", ".hidden", "x.", "x.999999"])
def test_a_file_that_is_no_segment_is_a_source_of_its_own(tmp_path, name):
    """Ordinary names do not pull in their neighbours."""
    make(tmp_path, name, "x.raw", "x.aa1", "x.img")
    assert names(group_sources([tmp_path / name])) == [[name]]


def test_letters_stop_at_a_wide_gap(tmp_path):
    """``.gz`` beside ``.aa`` and ``.ab`` is no segment; a small gap is one that is missing."""
    make(tmp_path, "x.aa", "x.ab", "x.ad", "x.gz")
    assert names(group_sources([tmp_path / "x.aa"])) == [["x.aa", "x.ab", "x.ad"]]
    assert names(group_sources([tmp_path / "x.gz"])) == [["x.gz"]]


def test_several_sources_in_the_order_named(tmp_path):
    """A set counts where its first file was named; a file named twice counts once."""
    make(tmp_path, "b.dd", "a.E01", "a.E02", "c.dd")
    given = [tmp_path / name for name in ("b.dd", "a.E02", "a.E01", "c.dd", "b.dd")]
    assert names(group_sources(given)) == [["b.dd"], ["a.E01", "a.E02"], ["c.dd"]]


def test_c03_doubled_segments_stay_in_the_set(tmp_path):
    """Two names that differ by case only: the one written like the named file comes first."""
    make(tmp_path, "a.E01", "a.E02", "A.e02")
    assert names(group_sources([tmp_path / "a.E01"])) == [["a.E01", "a.E02", "A.e02"]]


def test_c01_what_cannot_be_read_is_left_for_the_opener(tmp_path):
    """Missing files, folders and FIFOs become sources, without touching them."""
    os.mkfifo(tmp_path / "a.E01")
    (tmp_path / "folder").mkdir()
    given = [tmp_path / "a.E01", tmp_path / "folder", tmp_path / "gone" / "x.E02"]
    assert group_sources(given) == [(path,) for path in given]


def test_a_fifo_beside_a_set_is_not_waited_on(tmp_path):
    """A FIFO with the name of a lettered segment is looked at, not opened."""
    make(tmp_path, "a.E01", data=SIGNATURE)
    os.mkfifo(tmp_path / "a.EAA")
    assert names(group_sources([tmp_path / "a.E01"])) == [["a.E01"]]
