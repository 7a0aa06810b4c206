"""Every byte once: words planted in every state are found where they lie, and nowhere else."""

import contextlib
import json
import sqlite3

from tests.support.disk_image import boot_record, mbr_entry, put
from tests.support.fat_image import fat_image
from tests.support.planted import RULES, planted
from triage.case import Case
from triage.evidence import open_evidence


def disk_with_everything():
    """A disk with words in a file, a deleted file, free clusters, slack, a gap, and behind the file system."""
    files = {
        "live.txt": planted("live").ljust(700, b"."),
        "gone.txt": planted("gone").ljust(3000, b"."),
        "wide.txt": planted("wide", "utf-16-le"),
    }
    fat = bytearray(fat_image(files, deleted=("gone.txt",)))
    places = {"live": fat.index(planted("live")), "gone": fat.index(planted("gone"))}
    places["wide"] = fat.index(planted("wide", "utf-16-le"))
    places["slack"] = places["live"] + 900  # the file ends after 700 of 2,048 bytes
    put(fat, places["slack"], planted("slack"))
    places["free"] = 600_000
    put(fat, places["free"], planted("free", "utf-16-be"))
    first_free = next(at for at in range(places["wide"], len(fat), 512) if not any(fat[at : at + 2048])) // 2048 * 2048
    border = (1 << 20) + first_free - 5
    places["border"] = border
    put(fat, border, planted("border"))
    start = 64 * 512
    tail = 16 * 512
    disk = bytearray(start + len(fat) + tail + 100 * 512)
    put(disk, 0, boot_record(mbr_entry(0x06, 64, (len(fat) + tail) // 512)))
    put(disk, start, bytes(fat))
    out = {name: start + place for name, place in places.items()}
    for name, place in [("before", 30 * 512 + 7), ("behind", start + len(fat) + 700), ("end", len(disk) - 3000)]:
        put(disk, place, planted(name))
        out[name] = place
    return bytes(disk), out


def scan(triage, tmp_path, disk, *options):
    image, rules = tmp_path / "evidence" / "disk.dd", tmp_path / "planted.toml"
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(disk)
    rules.write_text(RULES)
    result = triage(
        "scan", image, "--case", "c", "--rules", rules, "--no-shipped-rules", "--quiet", "--format", "jsonl", *options
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result, [line for line in lines if "rank" in line]


def test_planted_words_are_found_once_each_where_they_lie(triage, tmp_path):
    """In every state and encoding; the offset in the finding, taken through its place, is the offset in the image."""
    disk, places = disk_with_everything()
    result, findings = scan(triage, tmp_path, disk)
    assert result.returncode in (0, 3), result.stderr
    states = {finding["address"].split(" ", 1)[1]: finding["state"] for finding in findings}
    assert states["p1:/live.txt$slack"] == "slack"
    assert states["p1:/gone.txt"] == "deleted"
    assert {"unallocated", "allocated"} <= set(states.values())
    assert sorted(_places(tmp_path)) == sorted(places.values())


def _places(tmp_path):
    """Offsets in the image of every hit in the case, by the runs of the entry that holds it."""
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "c" / "case.db")) as database,
        Case.open(tmp_path / "c") as case,
        open_evidence([tmp_path / "evidence" / "disk.dd"]) as evidence,
    ):
        rows = database.execute("SELECT entries.id, file_offset FROM hits JOIN entries USING (content)").fetchall()
        for number, offset in rows:
            entry = case.entry(number)
            for run in evidence.reader(entry.address.volume).byte_runs(entry):
                if run.file_offset <= offset < run.file_offset + run.length:
                    yield run.image_offset + offset - run.file_offset


def test_without_space_only_names_are_searched(triage, tmp_path):
    disk, _ = disk_with_everything()
    _, findings = scan(triage, tmp_path, disk, "--no-space")
    assert {finding["state"] for finding in findings} <= {"allocated", "deleted", "orphan"}
    assert len(findings) == 3


def test_show_opens_space_again(triage, tmp_path):
    """The hex view of a hit in unallocated space shows the word."""
    disk, _ = disk_with_everything()
    _, findings = scan(triage, tmp_path, disk)
    slack = next(finding for finding in findings if finding["state"] == "slack")
    shown = triage("show", "c", slack["id"])
    assert b"zzplanted slack" in shown.stdout.replace(b"\n", b"") or b"zzplanted" in shown.stdout
