"""Map files of ddrescue and the text of FTK Imager: taken where they are right line by line, else left alone."""

import os

import pytest

from tests.support.fat_image import fat_image
from triage.evidence import open_evidence
from triage.evidence.containers.rescue_map import find_rescue_map, parse_ftk, parse_mapfile

MAP = b"""# Mapfile. Created by GNU ddrescue version 1.27
# Command line: ddrescue -d /dev/sdb d.dd d.map
# current_pos  current_status  current_pass
0x00168000     +               1
#      pos        size  status
0x00000000  0x00005600  +
0x00005600  0x00000200  -
0x00005800  0x00000400  *
0x00005C00  0x00000400  /
0x00006000  0x00001000  ?
0x00007000  0x00161000  +
"""
OLD = b"# Rescue Logfile. Created by GNU ddrescue version 1.11\n0x0 +\n0x0 0x200 +\n0x200 0x200 -\n"
FTK = b"""Created By AccessData FTK Imager 4.7.1.2

[Computed Hashes]
 MD5 checksum:    79054025255fb1a26e4bc422aef54eb4

ATTENTION:
The following sector(s) on the source drive could not be read:
\t43 through 44
\t100
The contents of these sectors were replaced with zeros in the image.
"""


def test_every_state_but_finished_is_bad(tmp_path):
    found = parse_mapfile(tmp_path, MAP)
    assert [(part.offset, part.length) for part in found.ranges] == [
        (0x5600, 0x200), (0x5800, 0x400), (0x5C00, 0x400), (0x6000, 0x1000),
    ]  # fmt: skip
    assert found.size == 0x168000
    assert len({part.cause for part in found.ranges}) == 4
    assert parse_mapfile(tmp_path, OLD).ranges[0].length == 0x200


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a log of something else\n0x0 0x10 -\n",
        MAP.replace(b"0x00005600  0x00000200  -", b"0x00005600  0x00000200  !"),
        MAP.replace(b"0x00168000     +               1", b"hello"),
        MAP + b"trailing words\n",
        MAP.replace(b"0x00000200", b"0x" + b"f" * 400),
        MAP.replace(b"0x00000200", b"-512"),
    ],
)
def test_what_is_no_map_is_left_alone(tmp_path, data):
    assert parse_mapfile(tmp_path, data) is None


def test_sectors_of_ftk(tmp_path):
    found = parse_ftk(tmp_path, FTK)
    assert [(part.offset, part.length) for part in found.ranges] == [(43 * 512, 1024), (51200, 512)]
    assert parse_ftk(tmp_path, FTK.replace(b"could not be read", b"was fine")) is None
    assert parse_ftk(tmp_path, FTK.replace(b"43 through 44", b"44 through 43")).ranges[0].offset == 51200


@pytest.mark.parametrize("name", ["d.dd.map", "d.mapfile", "d.log", "d.dd.LOG", "d.dd.txt"])
def test_it_is_found_beside_the_image(tmp_path, name):
    image = tmp_path / "d.dd"
    image.write_bytes(fat_image({"a.txt": b"a" * 60_000}))
    (tmp_path / name).write_bytes(FTK if name.endswith("txt") else MAP)
    with open_evidence([image]) as evidence:
        assert evidence.source.details["rescue_map"] == name
        assert evidence.bad_ranges()
        told = [problem for problem in evidence.problems if problem.stage == "evidence/raw"]
    assert sum(problem.bytes_not_examined for problem in told) == (1536 if name.endswith("txt") else 0x1A00)


def test_a_map_that_is_about_another_size(tmp_path):
    """It counts, and the difference is told; ranges behind the end are cut."""
    image = tmp_path / "d.dd"
    image.write_bytes(fat_image({"a.txt": b"a"}))
    end = image.stat().st_size
    (tmp_path / "d.map").write_bytes(MAP + b"%#x 0x100000 -\n%#x 0x100 -\n" % (end - 512, 1 << 63))
    with open_evidence([image]) as evidence:
        assert any("the image has" in problem.message for problem in evidence.problems)
        assert max(part.end for part in evidence.bad_ranges()) == end


@pytest.mark.parametrize("kind", ["fifo", "folder", "empty", "link to nothing"])
def test_what_is_no_file_is_passed_over(tmp_path, kind):
    """A FIFO beside the image must not stop the program."""
    path = tmp_path / "d.dd.map"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    else:
        path.symlink_to("nowhere")
    assert find_rescue_map(tmp_path / "d.dd") is None
