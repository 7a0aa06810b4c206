"""Every exit code of the contract, from outside."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.fat_image import fat_image

QUICK = ("--workers", "2", "--quiet")


def test_0_complete_and_nothing_found(triage, quiet_stick):
    result = triage("scan", quiet_stick, "--case", "c", *QUICK)
    assert (result.returncode, result.stderr) == (0, b"")


def test_0_with_findings_when_nobody_asked(triage, stick):
    assert triage("scan", stick, "--case", "c", *QUICK).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [("scan",), ("scan", "x", "--no-such-option"), ("nonsense",), ("scan", "x", "--fail-on", "terrible")],
)
def test_2_usage(triage, arguments):
    result = triage(*arguments)
    assert result.returncode == 2
    assert result.stderr


def test_3_something_was_not_examined(triage, tmp_path, quiet_stick):
    big = tmp_path / "quiet" / "big.dd"
    big.write_bytes(fat_image({"big.bin": os.urandom(2 << 20)}, kib=4096))
    result = triage("scan", big, "--case", "c", "--max-whole", "1", "--format", "table", *QUICK)
    assert result.returncode == 3
    assert b"not examined" in result.stdout.lower()


@pytest.mark.parametrize("name", ["missing.dd", "empty.dd", "one.dd", "folder", "noise.dd", "fifo"])
def test_4_c01_c02_evidence_not_opened(triage, tmp_path, name):
    path = tmp_path / name
    if name == "empty.dd":
        path.write_bytes(b"")
    elif name == "one.dd":
        path.write_bytes(b"x")
    elif name == "folder":
        path.mkdir()
    elif name == "noise.dd":
        path.write_bytes(os.urandom(1 << 20))
    elif name == "fifo":
        os.mkfifo(path)
    result = triage("scan", path, "--case", "c", *QUICK, timeout=60)
    assert result.returncode == 4
    assert name.encode() in result.stderr
    assert not (tmp_path / "c" / "report.html").exists()


def test_4_an_e01_is_never_taken_as_raw(triage, tmp_path):
    path = tmp_path / "broken.E01"
    path.write_bytes(b"EVF\x09\x0d\x0a\xff\x00\x01\x01\x00\x00\x00" + bytes(5000))
    assert triage("scan", path, "--case", "c", *QUICK).returncode == 4


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("bad.yar", "rule a {\n condition:\n  nonsense }\n", b"bad.yar:3"),
        ("bad.toml", "[pack]\nid = 'x'\nwhat = 1\n", b"bad.toml:3"),
    ],
)
def test_5_rules_invalid_names_the_line(triage, stick, tmp_path, name, text, where):
    (tmp_path / name).write_text(text)
    result = triage("scan", stick, "--case", "c", "--rules", tmp_path / name, *QUICK)
    assert result.returncode == 5
    assert where in result.stderr
    assert not (tmp_path / "c").exists()


def test_5_a_missing_rule_path_is_never_no_rules(triage, stick, tmp_path):
    assert triage("scan", stick, "--case", "c", "--rules", tmp_path / "none", *QUICK).returncode == 5
    (tmp_path / "void").mkdir()
    assert triage("scan", stick, "--case", "c", "--rules", tmp_path / "void", *QUICK).returncode == 5


def test_6_output_not_written(triage, stick, tmp_path):
    (tmp_path / "file").write_text("x")
    assert triage("scan", stick, "--case", "file", *QUICK).returncode == 6
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "holiday.jpg").write_text("x")
    assert triage("scan", stick, "--case", "other", *QUICK).returncode == 6
    assert triage("scan", stick, "--case", stick, *QUICK).returncode == 6


def test_6_never_beside_the_evidence_by_itself(triage, stick, tmp_path):
    link = tmp_path / "stick.dd"
    os.link(stick, link)
    result = triage("scan", link, *QUICK)
    assert result.returncode == 6
    assert b"--case" in result.stderr
    assert not (tmp_path / "stick.triage").exists()


def test_10_findings_at_or_above(triage, stick, keyword_rules):
    assert triage("scan", stick, "--case", "c", "--fail-on", "low", *QUICK).returncode == 10
    assert triage("scan", stick, "--case", "c", "--fail-on", "never", *QUICK).returncode == 0


def test_13_both(triage, tmp_path):
    image = tmp_path / "both" / "both.dd"
    image.parent.mkdir()
    text = (
        b"passports stay in the office until your debt is paid. nobody leaves the house, the door is locked. help me\n"
    )
    image.write_bytes(fat_image({"a.txt": text, "big.bin": os.urandom(2 << 20)}, kib=4096))
    result = triage("scan", image, "--case", "c", "--max-whole", "1", "--fail-on", "low", *QUICK)
    assert result.returncode == 13


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_130_p01_interrupted_and_resumed_gives_the_same_findings(tmp_path, triage, cache, number):
    files = {f"f/{index}.txt": b"%d you owe the debt, no passport, locked in\n" % index * 40 for index in range(400)}
    image = tmp_path / "many" / "many.dd"
    image.parent.mkdir()
    image.write_bytes(fat_image(files, kib=8192))
    environment = {**os.environ, "TRIAGE_CACHE": str(cache)}
    command = [sys.executable, "-m", "triage", "scan", str(image), "--case", "c", *QUICK, "--format", "jsonl"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "c" / "case.db").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.4)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    if process.returncode != 0:  # else it was quicker than we are
        assert process.returncode == 130
        assert b"the same command continues it" in stderr
    resumed = triage("scan", image, "--case", "c", *QUICK, "--format", "jsonl")
    undisturbed = triage("scan", image, "--case", "d", *QUICK, "--format", "jsonl")
    assert resumed.returncode == undisturbed.returncode == 0
    assert resumed.stdout.splitlines()[:-1] == undisturbed.stdout.splitlines()[:-1]
