"""File systems that The Sleuth Kit cannot read: read otherwise, found, shown, and never called whole."""

import contextlib
import json
import sqlite3

import pytest

from tests.support.planted import RULES
from tests.support.small_systems import first_damage, make, zeroed
from tests.support.tool_images import ext_image, ntfs_image, plant
from triage.case import Case, verify_audit_log

NAME = "letter.txt"
TEXT = b"the zzplanted word " * 100


def image(kind, folder):
    if kind == "ntfs":
        return ntfs_image(folder / "x.img", {NAME: TEXT, "other.txt": b"x" * 3000}).read_bytes()
    tree = plant(folder / "tree", {f"inner/{NAME}": TEXT, "other.txt": b"x" * 3000})
    return ext_image(folder / "x.img", tree, "ext4", "-b", "1024", kib=20_480).read_bytes()


def scan(triage, tmp_path, data):
    path, rules = tmp_path / "evidence" / "disk.dd", tmp_path / "planted.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    rules.write_text(RULES)
    result = triage("scan", path, "--case", "c", "--rules", rules, "--no-shipped-rules", "--quiet", "--format", "jsonl")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    with contextlib.closing(sqlite3.connect(tmp_path / "c" / "case.db")) as database:
        readers = json.loads(dict(database.execute("SELECT key, value FROM meta")).get("readers", "{}"))
    with Case.open(tmp_path / "c") as case:
        problems = case.problems()
    verify_audit_log(tmp_path / "c" / "audit.jsonl")
    return result, [line for line in lines if "rank" in line], problems, readers


@pytest.mark.parametrize("kind", ["ext4", "ntfs"])
def test_the_first_structures_are_gone(triage, tmp_path, kind):
    """Read with the copies: the file has its name, nothing is missing, and the report says what was done."""
    result, findings, problems, readers = scan(triage, tmp_path, first_damage(kind, image(kind, tmp_path)))
    assert findings and findings[0]["address"].endswith(NAME)
    assert readers == {"disk.dd": {"p1": "copies"}}
    assert any("copies" in problem.message for problem in problems)
    assert result.returncode in (0, 1), result.stderr  # nothing is missing, findings or not
    shown = triage("show", "c", "1")
    assert shown.returncode == 0 and b"zzplanted" in shown.stdout


def test_nothing_opens_it(triage, tmp_path):
    """A signature and nothing behind it: every byte is searched all the same, and the run is not complete."""
    data = image("ntfs", tmp_path)
    place = int.from_bytes(data[48:56], "little") * 4096
    mirror = int.from_bytes(data[56:64], "little") * 4096
    data = zeroed(zeroed(data, place, 32 * 1024), mirror, 4096)
    result, findings, problems, readers = scan(triage, tmp_path, data)
    assert readers == {"disk.dd": {"p1": "bytes"}}
    assert findings and "unallocated" in findings[0]["address"]
    told = [problem for problem in problems if "searched as bytes" in problem.message]
    assert len(told) == 1 and not told[0].examined_anyway
    assert result.returncode == 3
    shown = triage("show", "c", "1")
    assert shown.returncode == 0 and b"zzplanted" in shown.stdout


def test_another_library_reads_it(triage, tmp_path):
    """The Sleuth Kit is refused its first group descriptor; the other library lists, the workers read with it too."""
    pytest.importorskip("pyfsext")
    tree = plant(tmp_path / "tree", {f"inner/{NAME}": TEXT})
    data = ext_image(tmp_path / "x.img", tree, "ext4", "-O", "bigalloc", "-C", "16384", kib=32 * 1024).read_bytes()
    result, findings, problems, readers = scan(triage, tmp_path, data)
    assert readers == {"disk.dd": {"p1": "libfsext"}}
    assert findings and findings[0]["address"].endswith(f"/inner/{NAME}")
    told = [problem for problem in problems if "read with libfsext instead" in problem.message]
    assert len(told) == 1 and "The Sleuth Kit" in told[0].message and not told[0].examined_anyway
    assert result.returncode == 3
    again = triage("scan", tmp_path / "evidence" / "disk.dd", "--case", "c", "--rules", tmp_path / "planted.toml",
                   "--no-shipped-rules", "--quiet", "--format", "jsonl")  # fmt: skip
    assert again.returncode == 3
    shown = triage("show", "c", "1")
    assert shown.returncode == 0 and b"zzplanted" in shown.stdout


def test_info_says_so(triage, tmp_path):
    path = tmp_path / "x.dd"
    path.write_bytes(first_damage("hfs+", make("hfs+", tmp_path)))
    result = triage("info", path)
    assert b"hfs+" in result.stdout and b"damaged" in result.stdout + result.stderr
