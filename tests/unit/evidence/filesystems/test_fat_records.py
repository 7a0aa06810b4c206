"""FAT and exFAT: what The Sleuth Kit leaves out without a word is told, and nothing where nothing is amiss."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.support.exfat_image import ExfatFolder, exfat_image
from tests.support.fat_image import SECTOR, fat_image
from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems import open_file_system
from triage.evidence.filesystems.fat_records import FatRecords
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

FILES = {
    "a/b/deep.txt": b"d" * 5000,
    "a/x.txt": b"x",
    **{f"many/name {n}.txt": b"%d" % n for n in range(60)},
    "top.txt": b"t",
}


def walked(data: bytes) -> tuple[set[bytes], list[Problem]]:
    volume = Volume("p1", 0, len(data), Allocation.ALLOCATED, "bare")
    items = list(open_file_system(MemoryStream(data), volume, "x").walk())
    entries = {item.address.path for item in items if isinstance(item, Entry)}
    return entries, [item for item in items if isinstance(item, Problem)]


def exfat() -> bytes:
    inner = ExfatFolder({f"a longer name {number}.txt": b"z" * number * 500 for number in range(20)})
    return exfat_image(ExfatFolder({"top.txt": b"t" * 9000, "gone": b"g"}, {"folder": inner}, ("gone",)))


def slot_of(data: bytes, name: bytes) -> int:
    at = data.index(name)
    assert not at % 32
    return at


@pytest.mark.parametrize("data", [fat_image(FILES, deleted=("a/x.txt",)), exfat()], ids=["fat12", "exfat"])
def test_nothing_is_told_of_what_holds(data: bytes) -> None:
    entries, problems = walked(data)
    assert not problems and len(entries) > 15
    name = "exfat" if data[3:8] == b"EXFAT" else "fat12"
    found = [record for _, record in FatRecords(MemoryStream(data), name).records()]
    assert len(found) == (22 if name == "exfat" else len(FILES) - 1 + 3)
    assert all(record.sum_holds for record in found)


@pytest.mark.parametrize(("field", "value"), [(28, b"\xff\xff\xff\xff"), (26, b"\xff\x0e")], ids=["size", "cluster"])
def test_a_file_that_the_library_drops_is_told(field: int, value: bytes) -> None:
    data = bytearray(fat_image(FILES))
    at = slot_of(bytes(data), b"DEEP~0")
    data[at + field : at + field + len(value)] = value
    entries, problems = walked(bytes(data))
    if b"/a/b/deep.txt" in entries:
        pytest.skip("this library lists it")
    (problem,) = problems
    assert problem.reason is Reason.CORRUPT and "not listed" in problem.message and not problem.examined_anyway
    assert problem.address.startswith("x p1:/A~") and problem.bytes_not_examined > 0


def test_tables_that_differ_are_told() -> None:
    data = bytearray(fat_image(FILES))
    reserved, tables = struct.unpack_from("<HB", data, 14)
    (sectors,) = struct.unpack_from("<H", data, 22)
    assert tables == 2
    second = (reserved + sectors) * SECTOR
    data[second + 100] ^= 0xFF
    _, problems = walked(bytes(data))
    assert [(problem.reason, problem.examined_anyway) for problem in problems] == [(Reason.MISMATCH, False)]
    assert "differ in 1 bytes" in problems[0].message


def test_exfat_set_with_a_wrong_checksum_is_told() -> None:
    data = bytearray(exfat())
    at = data.index("a longer".encode("utf-16-le")) - 2 - 64
    data[at + 8] ^= 1  # a time
    _, problems = walked(bytes(data))
    assert ["checksum" in problem.message for problem in problems] == [True]
    assert problems[0].address == "x p1:/folder/a longer name 0.txt"


def test_names_without_content_are_told_once() -> None:
    """As on discovery volumes of BitLocker To Go: their form is not taken, and nothing is in them."""
    data = bytearray(fat_image({**{f"e{number}": b"" for number in range(5)}, "top.txt": b"t"}))
    for number in range(5):
        at = slot_of(bytes(data), b"E%d~%d" % (number, number))
        data[at : at + 11] = b"PAD 000%d NG" % number
    entries, problems = walked(bytes(data))
    if len(entries) > 8:
        pytest.skip("this library lists them")
    assert [problem.examined_anyway for problem in problems] == [True] and problems[0].message.startswith("5 names")


@pytest.mark.parametrize("head", [b"", bytes(512), b"\xff" * 512, bytes(11) + b"\0\2\0" + bytes(498)])
def test_what_is_no_boot_sector(head: bytes) -> None:
    for name in ("fat12", "fat16", "fat32", "exfat"):
        with pytest.raises(CorruptStructureError):
            FatRecords(MemoryStream(head), name)


@pytest.mark.parametrize("seed", range(60))
def test_mutants_give_typed_errors_and_end(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(exfat() if seed % 2 else fat_image(FILES))
    for _ in range(rng.choice((1, 4, 40))):
        at = rng.choice((rng.randrange(512), rng.randrange(len(data))))
        data[at] = rng.choice((0, 255, rng.randrange(256)))
    for name in ("fat12", "fat16", "fat32", "exfat"):
        try:
            records = FatRecords(MemoryStream(bytes(data)), name)
            assert records.differing() >= 0
            assert sum(1 for _ in records.records()) < 200_000
        except EvidenceError:
            continue


@pytest.mark.skipif(not shutil.which("mkfs.vfat") or not shutil.which("mcopy"), reason="needs mkfs.vfat and mcopy")
@pytest.mark.parametrize(("bits", "kib"), [("12", 1440), ("16", 20_480), ("32", 40_960)])
def test_what_the_tools_write(tmp_path: Path, bits: str, kib: int) -> None:
    image = tmp_path / "x.img"
    subprocess.run(["mkfs.vfat", "-C", "-F", bits, str(image), str(kib)], check=True, capture_output=True)
    tree = tmp_path / "tree" / "dir" / "inner with a long name"
    tree.mkdir(parents=True)
    for number in range(80):
        (tree / f"file number {number}.txt").write_bytes(b"x" * number * 100)
    subprocess.run(["mcopy", "-s", "-i", str(image), str(tmp_path / "tree" / "dir"), "::"], check=True)
    entries, problems = walked(image.read_bytes())
    assert not problems and len(entries) > 80
    assert sum(1 for _ in FatRecords(MemoryStream(image.read_bytes()), f"fat{bits}").records()) == 82
