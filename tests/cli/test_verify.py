"""``triage verify`` and damaged evidence, as a user has them."""

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from tests.support.ewf_writer import EwfWriter
from tests.support.fat_image import fat_image
from tests.support.planted import RULES

FILES = {
    "whole.txt": b"zzplanted whole".ljust(9000, b"."),
    "hurt.txt": (b"x" * 2048 + b"zzplanted hurt ").ljust(30_000, b"-"),
    "last.txt": b"zzplanted last",
}
CHUNK = 4096


def digests(data):
    return {name: hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256")}


@pytest.fixture
def media():
    data = fat_image(FILES)
    return data[: len(data) // CHUNK * CHUNK]


def verified(result):
    (found,) = json.loads(result.stdout)["evidence"]
    return found


def test_an_image_against_what_it_states(triage, tmp_path, media):
    EwfWriter(media, sectors_per_chunk=8).write(tmp_path)
    result = triage("verify", "image.E01")
    assert result.returncode == 0, result.stderr
    assert b"stated by the image: matches" in result.stdout
    assert f"chunks: {len(media) // CHUNK}, damaged or not there: 0".encode() in result.stdout


def test_another_digest_is_a_mismatch(triage, tmp_path, media):
    EwfWriter(media, sectors_per_chunk=8, store_md5=bytes(range(16))).write(tmp_path)
    result = triage("verify", "image.E01", "--format", "json")
    assert result.returncode == 4
    assert verified(result)["verdict"] == "mismatch"
    (tmp_path / "d.dd").write_bytes(media)
    assert triage("verify", "d.dd", "--sha256", "0" * 64).returncode == 4
    assert triage("verify", "d.dd", "--sha256", digests(media)["sha256"]).returncode == 0


@pytest.mark.parametrize("option", ["--md5", "--sha1", "--sha256", "--digest"])
def test_digests_on_the_command_line(triage, tmp_path, media, option):
    (tmp_path / "d.dd").write_bytes(media)
    value = digests(media).get(option[2:], hashlib.sha512(media).hexdigest())
    result = triage("verify", "d.dd", option, value.upper(), "--format", "json")
    assert result.returncode == 0
    (compared,) = verified(result)["comparisons"]
    assert compared["matches"]
    assert compared["source"] == option
    assert triage("verify", "d.dd", option, "12").returncode == 2
    assert triage("verify", "d.dd", "d.dd2", option, value).returncode == 2


def test_lists(triage, tmp_path, media):
    """A list speaks of files: of an E01 that is not its media. One that names no file of the image verifies nothing."""
    (tmp_path / "d.dd").write_bytes(media)
    (segment,) = EwfWriter(media, sectors_per_chunk=8).write(tmp_path)
    names = {"d.dd": media, "image.E01": segment.read_bytes()}
    (tmp_path / "sums").write_text("".join(f"{digests(data)['sha1']}  {name}\n" for name, data in names.items()))
    result = triage("verify", "d.dd", "image.E01", "--digest-file", "sums", "--format", "json")
    assert result.returncode == 0, result.stdout
    verdicts = {found["name"]: found["verdict"] for found in json.loads(result.stdout)["evidence"]}
    assert verdicts == {"d.dd": "match", "image.E01": "match"}
    (tmp_path / "other").write_text(f"{digests(media)['sha1']}  something-else.dd\n")
    result = triage("verify", "d.dd", "--digest-file", "other")
    assert result.returncode == 3
    assert b"names no file of this image" in result.stdout
    (tmp_path / "none").write_text("no digest\n")
    assert triage("verify", "d.dd", "--digest-file", "none").returncode == 4


def test_each_segment_of_a_split_image_is_compared(triage, tmp_path, media):
    parts = [media[at : at + 65_536] for at in range(0, len(media), 65_536)]
    lines = []
    for number, part in enumerate(parts, 1):
        (tmp_path / f"d.{number:03}").write_bytes(part)
        lines.append(f"{hashlib.md5(part).hexdigest()} *d.{number:03}")
    (tmp_path / "sums").write_text("\n".join(lines))
    result = triage("verify", "d.001", "--digest-file", "sums", "--md5", digests(media)["md5"], "--format", "json")
    assert result.returncode == 0, result.stdout
    assert len(verified(result)["comparisons"]) == len(parts) + 1
    (tmp_path / "d.002").write_bytes(b"\x01" * 65_536)
    result = triage("verify", "d.001", "--digest-file", "sums", "--format", "json")
    assert result.returncode == 4
    wrong = [compared["file"] for compared in verified(result)["comparisons"] if not compared["matches"]]
    assert wrong == ["d.002"]


def test_the_report_beside_the_image_counts(triage, tmp_path, media):
    (tmp_path / "d.dd").write_bytes(media)
    (tmp_path / "d.dd.txt").write_text(f" MD5 checksum:    {'0' * 32}\n")
    result = triage("verify", "d.dd")
    assert result.returncode == 4
    assert b"stated by d.dd.txt" in result.stdout
    assert triage("verify", "d.dd", "--no-beside").returncode == 0


def test_damaged_chunks_are_named(triage, tmp_path, media):
    EwfWriter(
        media, sectors_per_chunk=8, store_md5=b"", chunk=lambda number, raw: raw[:-3] if number in (3, 4, 9) else raw
    ).write(tmp_path)
    result = triage("verify", "image.E01", "--format", "json")
    assert result.returncode == 3
    found = verified(result)
    assert found["verdict"] == "incomplete"
    assert found["chunks"]["bad"] == [[3, 4], [9, 9]]
    assert found["bad_bytes"] == 3 * CHUNK


def test_what_does_not_open_does_not_stop_the_others(triage, tmp_path, media):
    (tmp_path / "d.dd").write_bytes(media)
    result = triage("verify", "nothing.E01", "d.dd", "--format", "json")
    assert result.returncode == 4
    assert b"nothing.E01" in result.stderr
    assert verified(result)["verdict"] == "no-digest"


def test_an_interrupt_says_so_and_verifies_nothing(tmp_path):
    with open(tmp_path / "big.dd", "wb") as file:
        file.truncate(64 << 30)
    here, there = os.openpty()
    # A test that runs in the background of a shell has interrupts ignored, and so would its children.
    words = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    words += "; from triage.cli.app import main; sys.argv = ['triage', 'verify', 'big.dd']; main()"
    command = [sys.executable, "-c", words]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=there)
    os.close(there)
    seen = b""
    while b"left" not in seen:  # the line of progress: it is reading
        seen += os.read(here, 1000)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    with contextlib.suppress(OSError):
        while piece := os.read(here, 1000):
            seen += piece
    os.close(here)
    assert process.returncode == 130
    assert out == b""
    assert b"MiB/s" in seen
    assert b"interrupted: big.dd was not read to its end" in seen
    assert b"Traceback" not in seen


def scan(triage, tmp_path, image):
    (tmp_path / "r.toml").write_text(RULES)
    result = triage(
        "scan", image, "--case", "c", "--rules", "r.toml", "--no-shipped-rules", "--quiet", "--format", "json"
    )
    return result, json.loads(result.stdout)


def problems_of(document, path):
    return [problem for problem in document["problems"] if problem["address"].endswith(path)]


def test_a_file_on_bad_chunks_says_which_bytes_are_missing(triage, tmp_path, media):
    """Found all the same is what lies beside; digests of what is not whole are not given."""
    place = media.index(b"zzplanted hurt")
    start = place - 2048
    bad = place // CHUNK + 1
    EwfWriter(
        media, sectors_per_chunk=8, store_md5=b"", chunk=lambda number, raw: raw[:-3] if number == bad else raw
    ).write(tmp_path)
    result, document = scan(triage, tmp_path, "image.E01")
    assert result.returncode == 3
    (problem,) = problems_of(document, "p1:/hurt.txt")
    begin = bad * CHUNK - start
    assert problem["bytes_not_examined"] == CHUNK
    assert f"bytes {begin} to {begin + CHUNK} (image bytes {bad * CHUNK} to {(bad + 1) * CHUNK})" in problem["message"]
    assert not problems_of(document, "p1:/whole.txt")
    assert not problems_of(document, "p1:/last.txt")
    found = {finding["path"]: finding for finding in document["findings"]}
    assert set(found) == {"p1:/whole.txt", "p1:/hurt.txt", "p1:/last.txt"}
    assert not any(found["p1:/hurt.txt"]["hashes"].values())
    assert found["p1:/whole.txt"]["hashes"]["md5"] == hashlib.md5(FILES["whole.txt"]).hexdigest()


def test_sectors_lost_when_the_image_was_made_are_no_clean_zeros(triage, tmp_path, media):
    """The acquiring program left zeros and said where; every file on them says so too."""
    place = media.index(b"zzplanted last") // 512
    EwfWriter(media, sectors_per_chunk=8, errors=((place, 1),)).write(tmp_path)
    result, document = scan(triage, tmp_path, "image.E01")
    assert result.returncode == 3
    (problem,) = problems_of(document, "p1:/last.txt")
    assert "14 of 14 bytes" in problem["message"]
    assert [finding["path"] for finding in document["findings"]] == ["p1:/hurt.txt", "p1:/whole.txt"]
    assert triage("info", "image.E01").returncode == 3
    result = triage("verify", "image.E01", "--format", "json")
    assert result.returncode == 3
    assert verified(result)["verdict"] == "match-incomplete"


def test_nothing_is_found_in_what_an_imaging_program_put_in_place(triage, tmp_path, media):
    """ddrescue can fill bad sectors with a text of the user's; its words are not the owner's."""
    place = media.index(b"zzplanted last") // 512 * 512
    (tmp_path / "d.dd").write_bytes(media)
    (tmp_path / "d.map").write_bytes(
        b"# Mapfile. Created by GNU ddrescue version 1.27\n0x0 + 1\n0x0 %#x +\n%#x 0x200 -\n%#x %#x +\n"
        % (place, place, place + 512, len(media) - place - 512)
    )
    result, document = scan(triage, tmp_path, "d.dd")
    assert result.returncode == 3
    assert [finding["path"] for finding in document["findings"]] == ["p1:/hurt.txt", "p1:/whole.txt"]
    (problem,) = problems_of(document, "p1:/last.txt")
    assert "bad sector" in problem["message"]
    with sqlite3.connect(tmp_path / "c" / "case.db") as case:
        assert case.execute("SELECT COUNT(*) FROM problems WHERE stage = 'evidence/raw'").fetchone() == (1,)
