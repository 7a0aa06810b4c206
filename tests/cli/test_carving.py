"""Files carved from space: found like any file, once, with a way back to the byte."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import zipfile

from tests.cli.test_space import scan
from tests.support.disk_image import boot_record, mbr_entry, put
from tests.support.fat_image import fat_image
from tests.support.planted import planted
from triage.case import Case

START = 64 * 512


def mail(word: str) -> bytes:
    head = "Return-Path: <a@example.org>\r\nFrom: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n"
    head += "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
    return head.encode() + planted(word) + b"\r\n" + b"regards\r\n" * 40


def archive(word: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("deep/list.txt", planted(word) + b" and more " * 200)
    return out.getvalue()


def database(word: str, path) -> bytes:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE message (body TEXT)")
    connection.executemany("INSERT INTO message VALUES (?)", [(f"line {n}",) for n in range(2000)])
    connection.execute("INSERT INTO message VALUES (?)", (planted(word).decode(),))
    connection.commit()
    connection.close()
    return path.read_bytes()


def disk_with(files, **kept) -> bytes:
    """A partitioned disk whose file system has bytes at places of its own."""
    fat = bytearray(fat_image(kept or {"a.txt": b"nothing"}))
    for place, data in files.items():
        put(fat, place, data)
    disk = bytearray(START + len(fat))
    put(disk, 0, boot_record(mbr_entry(0x06, 64, len(fat) // 512)))
    put(disk, START, bytes(fat))
    return bytes(disk)


def test_carved_files_are_opened_and_each_word_is_told_once(triage, tmp_path):
    zipped, stored, letter = archive("zipped"), database("stored", tmp_path / "x.db"), mail("mailed")
    places = {200 * 1024: zipped, 400 * 1024: stored, 1000 * 1024: letter, 1200 * 1024: planted("loose")}
    _, findings = scan(triage, tmp_path, disk_with(places))
    found = {finding["address"].partition(" ")[2]: finding for finding in findings}
    size = {place: len(data) for place, data in places.items()}
    assert set(found) == {
        f"p1:$carved@{200 * 1024}+{size[200 * 1024]}.zip!/deep/list.txt",
        next(address for address in found if ".sqlite!/message#" in address),
        f"p1:$carved@{1000 * 1024}+{size[1000 * 1024]}.eml",
        next(address for address in found if address.startswith("p1:$unallocated@")),
    }
    carved = found[f"p1:$carved@{1000 * 1024}+{size[1000 * 1024]}.eml"]
    assert carved["hashes"]["sha256"] == hashlib.sha256(letter).hexdigest()
    assert carved["state"] == "unallocated"
    assert any("carved: mail" in caveat for caveat in carved["caveats"])
    row = next(address for address in found if ".sqlite!/" in address)
    assert row.startswith(f"p1:$carved@{400 * 1024}+{size[400 * 1024]}.sqlite!/")


def test_show_names_the_bytes_of_a_carved_file(triage, tmp_path):
    letter = mail("mailed")
    _, (finding,) = scan(triage, tmp_path, disk_with({1000 * 1024: letter}))
    shown = triage("show", "c", finding["address"]).stdout.decode()
    place = START + 1000 * 1024
    assert f"skip={place} count={len(letter)} status=none | sha256sum" in shown
    assert hashlib.sha256(letter).hexdigest() in shown


def test_a_file_longer_than_a_piece_is_one_entry(triage, tmp_path):
    """It begins in one piece of space and ends in another; words in it are not told of these too."""
    image = tmp_path / "big.db"
    connection = sqlite3.connect(image)
    connection.execute("CREATE TABLE message (body BLOB)")
    connection.executemany("INSERT INTO message VALUES (?)", [(bytes([n % 251]) * 3000,) for n in range(700)])
    connection.execute("INSERT INTO message VALUES (?)", (planted("far"),))
    connection.commit()
    connection.close()
    data = image.read_bytes()
    assert len(data) > 2 << 20
    disk = bytearray(8 << 20)
    fat = fat_image({"a.txt": b"x"}, kib=6000)
    put(disk, START, fat)
    put(disk, 0, boot_record(mbr_entry(0x06, 64, len(fat) // 512)))
    put(disk, START + (1 << 20) - 4096, data)
    _, findings = scan(triage, tmp_path, bytes(disk))
    (finding,) = findings
    assert finding["path"].startswith(f"p1:$carved@{(1 << 20) - 4096}+{len(data)}.sqlite!/message#")


def test_what_a_deleted_name_still_claims_is_not_carved_again(triage, tmp_path):
    fat = fat_image({"old.eml": mail("claimed")}, deleted=("old.eml",))
    disk = bytearray(START + len(fat))
    put(disk, 0, boot_record(mbr_entry(0x06, 64, len(fat) // 512)))
    put(disk, START, fat)
    _, findings = scan(triage, tmp_path, bytes(disk))
    assert [finding["path"] for finding in findings] == ["p1:/old.eml"]


def test_carved_from_a_gap(triage, tmp_path):
    disk = bytearray(disk_with({}))
    put(disk, 20 * 512, mail("gap"))
    _, findings = scan(triage, tmp_path, bytes(disk))
    assert [finding["path"] for finding in findings] == [f"p0:$carved@{20 * 512}+{len(mail('gap'))}.eml"]


def test_no_space_carves_nothing(triage, tmp_path):
    _, findings = scan(triage, tmp_path, disk_with({1000 * 1024: mail("mailed")}), "--no-space")
    assert findings == []
    with Case.open(tmp_path / "c") as case:
        assert case.find_entries(f"p1:$carved@{1000 * 1024}+{len(mail('mailed'))}.eml") == []
