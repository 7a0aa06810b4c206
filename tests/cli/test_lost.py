"""A disk whose partition table is gone: its volumes are found, listed and searched, and said to be guesses."""

import contextlib
import json
import sqlite3

import pytest

from tests.support.disk_image import boot_record, mbr_entry, put
from tests.support.fat_image import fat_image
from tests.support.luks_image import LuksImage
from tests.support.planted import RULES
from triage.case import Case
from triage.cli.exit_codes import ExitCode
from triage.evidence import LostSearch, open_evidence

MIB = 1 << 20
WORDS = {
    "first": b"zzplanted first".ljust(700, b"."),
    "second": b"zzplanted second".ljust(3000, b"."),
    "gone": b"zzplanted gone".ljust(3000, b"."),
    "gap": b"zzplanted gap",
}


def disk(table: bool, *more: bytes) -> tuple[bytes, dict[str, int]]:
    """Two FAT volumes with words in files, a word between them; the table wiped or not."""
    volumes = {
        MIB: fat_image({"first.txt": WORDS["first"]}),
        4 * MIB: fat_image({"house/second.txt": WORDS["second"], "gone.txt": WORDS["gone"]}, deleted=("gone.txt",)),
    }
    for number, volume in enumerate(more):
        volumes[(7 + number) * MIB] = volume
    raw = bytearray(9 * MIB)
    if table:
        put(raw, 0, boot_record(*[mbr_entry(0x06, start // 512, len(data) // 512) for start, data in volumes.items()]))
    for start, data in volumes.items():
        put(raw, start, data)
    put(raw, 3 * MIB + 99, WORDS["gap"])
    return bytes(raw), {name: raw.index(word) for name, word in WORDS.items()}


@pytest.fixture
def scan(triage, tmp_path):
    def run(raw: bytes, *options: str):
        image, rules = tmp_path / "evidence" / "disk.dd", tmp_path / "planted.toml"
        image.parent.mkdir(exist_ok=True)
        image.write_bytes(raw)
        rules.write_text(RULES)
        result = triage(
            *("scan", image, "--case", "c", "--rules", rules, "--no-shipped-rules", "--quiet", "--format", "jsonl"),
            *options,
        )
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return result, [line for line in lines if "rank" in line]

    return run


def places(tmp_path):
    """Offsets in the image of every hit in the case, by the runs of the entry that holds it."""
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "c" / "case.db")) as database,
        Case.open(tmp_path / "c") as case,
    ):
        ((number, _),) = case.evidence()
        known = LostSearch([volume for _, volume, _ in case.volumes(number)])
        with open_evidence([tmp_path / "evidence" / "disk.dd"], layers=False, lost=known) as evidence:
            rows = database.execute("SELECT entries.id, file_offset FROM hits JOIN entries USING (content)").fetchall()
            for entry_id, offset in rows:
                entry = case.entry(entry_id)
                for run in evidence.reader(entry.address.volume).byte_runs(entry):
                    if run.file_offset <= offset < run.file_offset + run.length:
                        yield run.image_offset + offset - run.file_offset


def test_words_are_found_as_with_the_table(scan, tmp_path, triage):
    """In files, deleted files and gaps; each once, where it lies; the guess is told and is no failure."""
    raw, expected = disk(table=False)
    result, findings = scan(raw)
    assert result.returncode == ExitCode.COMPLETE, result.stderr
    addresses = {finding["address"].split(" ", 1)[1] for finding in findings}
    assert {"lost1:/first.txt", "lost2:/house/second.txt", "lost2:/gone.txt"} <= addresses
    assert sorted(places(tmp_path)) == sorted(expected.values())
    report = json.loads(triage("report", "c", "--format", "json").stdout)
    volumes = {volume["name"]: volume for volume in report["evidence"][0]["volumes"]}
    assert volumes["lost1"]["system"] == "lost"
    assert volumes["lost1"]["description"].startswith("guess: found by search, no partition table names it")
    told = [problem for problem in report["problems"] if "is a guess" in problem["message"]]
    assert [problem["address"] for problem in told] == ["disk.dd lost1:/", "disk.dd lost2:/"]
    shown = triage("show", "c", findings[0]["id"])
    assert shown.returncode == ExitCode.COMPLETE
    assert b"zzplanted" in shown.stdout


def test_with_the_table_nothing_is_guessed(scan, tmp_path):
    raw, expected = disk(table=True)
    _, findings = scan(raw)
    assert not any("lost" in finding["address"].split(" ", 1)[1] for finding in findings)
    assert sorted(places(tmp_path)) == sorted(expected.values())


def test_the_key_of_a_lost_volume_given_later(scan, triage, tmp_path):
    """A locked volume without a table entry stays locked, told; the case goes on with the key."""
    locked = LuksImage().build(fat_image({"inner.txt": b"zzplanted inner"}, kib=360))
    raw, expected = disk(table=False)
    raw = raw[: 7 * MIB] + locked.ljust(2 * MIB, b"\0")
    result, findings = scan(raw)
    assert result.returncode == ExitCode.NOT_ALL_EXAMINED
    assert len(findings) == len(expected)
    result, findings = scan(raw, "--password", "correct horse")
    assert result.returncode == ExitCode.COMPLETE, result.stderr
    assert "lost3.luks1:/inner.txt" in {finding["address"].split(" ", 1)[1] for finding in findings}


def test_info_says_that_it_is_a_guess(triage, tmp_path):
    path = tmp_path / "disk.dd"
    path.write_bytes(disk(table=False)[0])
    result = triage("info", path)
    assert result.returncode == ExitCode.COMPLETE, result.stderr
    text = " ".join(result.stdout.decode().split())
    assert "lost1" in text
    assert "guess: found by search, no partition table names it" in text
    shown = json.loads(triage("info", path, "--format", "json").stdout)
    assert [volume["name"] for volume in shown["evidence"][0]["volumes"]][:2] == ["lost1", "lost2"]


def test_a_file_without_any_volume_is_refused_as_before(triage, tmp_path):
    path = tmp_path / "notes.dd"
    path.write_bytes(b"NTFS    and EXFAT    are words\n" * 100_000)
    result = triage("scan", path, "--case", "c", "--quiet")
    assert result.returncode == ExitCode.EVIDENCE_NOT_OPENED
    assert b"not recognised" in result.stderr
