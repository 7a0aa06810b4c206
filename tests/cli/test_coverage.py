"""Every byte of an image in one row of the coverage, and the rows add up to its size: made images, the whole program."""

import json
import os

import pytest

from tests.cli.test_space import disk_with_everything
from tests.support.disk_image import boot_record, mbr_entry, put
from tests.support.fat_image import fat_image
from tests.support.luks_image import LuksImage
from tests.support.planted import RULES
from tests.support.tool_images import ext_edit, ext_image, ntfs_image, plant, run

PASSWORD = "correct horse"


@pytest.fixture
def coverage(triage, tmp_path):
    """Scans and gives the tables of the source, the one of the source first."""

    def scan(path, *options, code=(0, 3)):
        rules = tmp_path / "planted.toml"
        rules.write_text(RULES)
        result = triage(
            "scan",
            path,
            "--case",
            "c",
            "--rules",
            rules,
            "--no-shipped-rules",
            "--quiet",
            "--format",
            "jsonl",
            *options,
        )
        assert result.returncode in code, result.stderr
        (source,) = json.loads(result.stdout.splitlines()[-1])["summary"]["evidence"]
        for table in source["coverage"]:
            for row in table["rows"]:
                missed = sum(part["bytes"] for part in row["not_examined"])
                assert row["bytes"] == row["examined"] + missed + row["told_below"]
            assert table["size"] == sum(row["bytes"] for row in table["rows"])
            assert table["examined"] == sum(row["examined"] for row in table["rows"])
        if source["coverage"][0]["basis"] == "media":
            assert source["coverage"][0]["size"] == source["size"]
        return source["coverage"]

    return scan


def rows(table):
    return {row["part"]: row for row in table["rows"]}


def missed(row):
    return {part["reason"]: part["bytes"] for part in row["not_examined"]}


def write(tmp_path, data, name="disk.dd"):
    path = tmp_path / "evidence" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_disk_with_files_deleted_files_slack_and_gaps(coverage, triage, tmp_path):
    disk, _ = disk_with_everything()
    table, *others = coverage(write(tmp_path, disk))
    found = rows(table)
    assert not others
    assert found["allocated"]["bytes"] == 700 + len("zzplanted wide".encode("utf-16-le"))
    assert found["deleted"]["bytes"] == 3000
    assert found["gaps"]["bytes"] == 64 * 512 + 100 * 512
    tail = 16 * 512  # behind the file system
    slack = 2048 - 700 + 2048 - 28 + 4096 - 3000
    assert found["slack"]["bytes"] == tail + slack
    assert {part for part, row in found.items() if row["examined"] == row["bytes"]} == set(found) - {"metadata"}
    assert missed(found["metadata"]) == {"structure": found["metadata"]["bytes"]}
    shown = triage("report", "c")
    assert b"Coverage" in shown.stdout and b"gaps, tables" in shown.stdout


def test_without_space_nothing_of_it_counts_as_examined(coverage, tmp_path):
    disk, _ = disk_with_everything()
    (table,) = coverage(write(tmp_path, disk), "--no-space")
    found = rows(table)
    assert found["allocated"]["examined"] == found["allocated"]["bytes"]
    assert found["deleted"]["examined"] == 3000
    for part in ("slack", "unallocated", "gaps"):
        assert missed(found[part]) == {"space_off": found[part]["bytes"]}


def test_ext4_free_blocks_are_those_that_its_own_tool_counts(coverage, tmp_path):
    tree = plant(tmp_path / "tree", {"a.txt": b"x" * 5000, "b/c.bin": b"y" * 70_000, "gone.txt": b"z" * 9000})
    (tree / "holes").write_bytes(b"begin")
    os.truncate(tree / "holes", 300_000)
    os.link(tree / "a.txt", tree / "second name.txt")
    image = ext_image(tmp_path / "e.img", tree)
    ext_edit(image, "rm gone.txt")
    head = dict(line.split(":", 1) for line in run("dumpe2fs", "-h", image).splitlines() if line.count(":") == 1)
    block = int(head["Block size"])
    free = int(head["Free blocks"]) * block
    (table,) = coverage(image)
    found = rows(table)
    behind = free - found["unallocated"]["bytes"] - found.get("deleted", {"bytes": 0})["bytes"]
    assert 0 <= behind < block  # the last block of the deleted file
    assert found["allocated"]["bytes"] == 5000 + 70_000 + block  # the linked file once, of the one with holes a block
    assert found["unallocated"]["examined"] == found["unallocated"]["bytes"]


def test_ntfs_resident_files_lie_in_the_metadata(coverage, tmp_path):
    image = ntfs_image(tmp_path / "n.img", {"small.txt": b"resident", "large.txt": b"x" * 10_000})
    (table,) = coverage(image)
    found = rows(table)
    assert found["allocated"]["bytes"] == 10_000
    assert found["metadata"]["examined"] > 0  # $MFT and the other files of the file system
    assert found["unallocated"]["bytes"] % 4096 == 0
    assert found["unallocated"]["examined"] == found["unallocated"]["bytes"]


def test_an_encrypted_volume_is_a_row_and_with_its_key_a_table_of_its_own(coverage, tmp_path):
    inner = fat_image({"a.txt": b"secret"})
    locked = LuksImage().build(inner)
    locked += bytes(-len(locked) % 512)
    disk = bytearray(64 * 512 + len(locked) + 512)
    put(disk, 0, boot_record(mbr_entry(0x83, 64, len(locked) // 512)))
    put(disk, 64 * 512, locked)
    image = write(tmp_path, bytes(disk))
    (table,) = coverage(image)
    found = rows(table)
    assert missed(found["encrypted"]) == {"encrypted": len(locked)}
    assert found["gaps"]["bytes"] == 65 * 512
    table, inside = coverage(image, "--password", PASSWORD)  # the same case goes on
    assert rows(table)["opened"]["told_below"] == len(locked)
    assert inside["volume"] == "p1.luks1"
    assert rows(inside)["allocated"] == {
        "part": "allocated",
        "bytes": 6,
        "examined": 6,
        "not_examined": [],
        "told_below": 0,
    }


def test_a_missing_segment_is_unreadable_and_the_sum_is_that_of_the_whole(coverage, tmp_path):
    image = fat_image({"a.txt": b"x" * 100_000})
    part = 256 << 10
    for number in range(0, len(image), part):
        if number != 2 * part:
            write(tmp_path, image[number : number + part], f"d.{number // part + 1:03}")
    (table,) = coverage(tmp_path / "evidence" / "d.001")
    found = rows(table)
    assert table["size"] == len(image)
    assert missed(found["unreadable"]) == {"unreadable": part}
    assert found["allocated"]["examined"] == 100_000


def test_an_image_that_ends_early_has_only_what_is_there(coverage, tmp_path):
    disk, _ = disk_with_everything()
    (table,) = coverage(write(tmp_path, disk[: 64 * 512 + 300_000]), code=(3,))
    assert table["size"] == 64 * 512 + 300_000
    assert rows(table)["gaps"]["bytes"] == 64 * 512


def test_a_folder_has_the_sizes_of_its_files(coverage, tmp_path):
    folder = plant(tmp_path / "evidence", {"a.txt": b"x" * 100, "b/c.txt": b"y" * 23, "empty": b""})
    (table,) = coverage(folder)
    assert table["basis"] == "files"
    assert rows(table) == {
        "allocated": {"part": "allocated", "bytes": 123, "examined": 123, "not_examined": [], "told_below": 0}
    }
