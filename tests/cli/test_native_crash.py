"""A library that dies or never returns on some bytes costs these bytes: the run goes on, names them, and is not clean.

The program gets a library that kills its process at a place, by a module that Python imports before all others.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.support import disk_image
from tests.support.fat_image import fat_image

FIRST, SECOND = 64, 3200
CAKE = b"Apple cake: 3 eggs, 200 g flour\n"
FILES = {"poison.bin": b"x" * 5000, **{f"f{number}.txt": b"%d " % number + CAKE for number in range(5)}}

BROKEN = """
import os, signal, time
import pytsk3

_open = pytsk3.FS_Info

class Library:
    def __init__(self, found): self._found = found
    def __getattr__(self, name): return getattr(self._found, name)
    def open_meta(self, number):
        file = self._found.open_meta(number)
        if file.info.meta.size == 5000 and {when!r} == "listing":
            os.kill(os.getpid(), signal.SIGSEGV)
        return file

def FS_Info(image, **more):
    if {when!r} == "opening" and getattr(image, "place", (0, 0))[0] == {place}:
        os.kill(os.getpid(), signal.SIGSEGV)
    return Library(_open(image, **more))

if {when!r} != "never":
    pytsk3.FS_Info = FS_Info
"""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Two partitions with a FAT each."""
    image = bytearray(6400 * 512)
    fat = fat_image(FILES)
    entries = [disk_image.mbr_entry(1, first, len(fat) // 512) for first in (FIRST, SECOND)]
    disk_image.put(image, 0, disk_image.boot_record(*entries))
    for first in (FIRST, SECOND):
        disk_image.put(image, first * 512, fat)
    path = tmp_path / "disk.dd"
    path.write_bytes(image)
    return path


def scan(triage, disk: Path, rules: Path, when: str):
    site = disk.parent / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BROKEN.format(when=when, place=FIRST * 512))
    paths = os.pathsep.join([str(site), str(Path(__file__).parents[2])])
    options = (
        "--rules",
        rules,
        "--case",
        "c",
        "--format",
        "jsonl",
        "--workers",
        "1",
        "--quiet",
        "--no-space",
        "--no-shipped-rules",
    )
    result = triage("scan", disk, *options, PYTHONPATH=paths)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result, lines[:-1], lines[-1]["summary"] if lines else {}


def found_in(found: list[dict]) -> set[str]:
    paths = {finding["path"] for finding in found}
    return paths | {re.sub(r"^\S+ ", "", other) for finding in found for other in finding["also_at"]}


def test_the_harness_itself(triage, disk: Path, keyword_rules: Path) -> None:
    result, found, _ = scan(triage, disk, keyword_rules, "never")
    assert result.returncode == 0, result.stderr
    assert {f"p{volume}:/f{number}.txt" for volume in (1, 2) for number in range(5)} <= found_in(found)


@pytest.mark.parametrize("when", ["opening", "listing"])
def test_a_crash_costs_only_what_it_died_on(triage, disk: Path, keyword_rules: Path, when: str) -> None:
    result, found, summary = scan(triage, disk, keyword_rules, when)
    assert result.returncode == 3, result.stderr
    assert {f"p2:/f{number}.txt" for number in range(5)} <= found_in(found)
    if when == "listing":  # another library stands in
        assert {f"p1:/f{number}.txt" for number in range(5)} <= found_in(found)
    problems = [problem for problem in summary["problems"] if problem["reason"] == "crashed"]
    assert problems
    told = " ".join(problem["address"] + " " + problem["message"] for problem in problems)
    assert "signal 11" in told
    assert (str(FIRST * 512) if when == "opening" else "disk.dd p1:/") in told
    assert b"Everything listed was examined" not in result.stderr + result.stdout
