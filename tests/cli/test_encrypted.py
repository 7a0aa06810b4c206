"""Encrypted evidence as its user meets it: named, opened later with a key, and the key never written down."""

import json

import pytest

from tests.cli.conftest import FILES
from tests.support.fat_image import fat_image
from tests.support.luks_image import LuksImage

PASSWORD = "correct horse"


@pytest.fixture
def locked(tmp_path):
    path = tmp_path / "evidence" / "locked.dd"
    path.parent.mkdir()
    path.write_bytes(LuksImage().build(fat_image(FILES)))
    return path


def scan(triage, path, *options):
    return triage("scan", path, "--case", "c", "--quiet", "--format", "jsonl", *options)


def findings(result):
    return [line for line in map(json.loads, result.stdout.splitlines()) if "rank" in line]


def test_v03_no_key_wrong_key_right_key_and_on_again(triage, tmp_path, locked):
    """Each run is the same command on the same case; what is missing is told each time."""
    closed = scan(triage, locked)
    assert (closed.returncode, findings(closed)) == (3, [])
    (problem,) = json.loads(closed.stdout.splitlines()[-1])["summary"]["problems"]
    assert problem["reason"] == "encrypted"
    assert "no key was given" in problem["message"]

    wrong = scan(triage, locked, "--password", "wrong horse")
    assert (wrong.returncode, findings(wrong)) == (3, [])
    assert b"tried: password 1" in wrong.stdout

    words = tmp_path / "words.txt"
    words.write_text(f"wrong horse\n{PASSWORD}\n")
    opened = scan(triage, locked, "--password-file", words)
    assert opened.returncode == 0, opened.stderr
    assert findings(opened)[0]["path"].startswith("p1.luks1:/house/c")
    assert json.loads(opened.stdout.splitlines()[-1])["summary"]["problems"] == []

    again = scan(triage, locked)
    assert again.returncode == 4
    assert b"the same passwords" in again.stderr


def test_v03_the_password_stands_nowhere(triage, tmp_path, locked):
    """Not in the case, the log, the reports or the terminal; that it was tried and fitted does."""
    result = scan(triage, locked, "--password", PASSWORD)
    assert result.returncode == 0, result.stderr
    for path in (tmp_path / "c").rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    assert PASSWORD.encode() not in result.stdout + result.stderr
    tried = [line for line in (tmp_path / "c" / "audit.jsonl").read_text().splitlines() if '"key-tried"' in line]
    assert len(tried) == 1
    assert json.loads(tried[0])["details"]["opened"] is True


def test_show_opens_it_again_with_the_key(triage, locked):
    found = findings(scan(triage, locked, "--password", PASSWORD))[0]
    shown = triage("show", "c", found["id"], "--password", PASSWORD)
    assert shown.returncode == 0
    assert b"the evidence does not open" not in shown.stdout + shown.stderr
    closed = triage("show", "c", found["id"])
    assert b"the evidence does not open" in closed.stdout + closed.stderr
