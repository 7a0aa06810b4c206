"""Evidence that is no disk: a folder, an archive of files."""

import json
import zipfile

import pytest

from tests.cli.conftest import FILES


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "evidence" / "phone"
    for name, data in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def summary_and_findings(result):
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return lines[-1]["summary"], [line for line in lines if "rank" in line]


def test_a_folder_is_examined_whole(triage, folder):
    """The same finding as on a disk, and nothing that only looks like a change."""
    result = triage("scan", folder, "--case", "c", "--quiet", "--format", "jsonl")
    assert (result.returncode, result.stderr) == (0, b"")
    summary, findings = summary_and_findings(result)
    assert findings[0]["address"].startswith("phone p1:/house/c")
    assert summary["problems"] == []


def test_an_archive_of_a_folder_gives_the_same(triage, folder, tmp_path):
    path = tmp_path / "evidence" / "phone.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    for evidence, case in ((folder, "a"), (path, "b")):
        assert triage("scan", evidence, "--case", case, "--quiet", "--format", "none").returncode == 0
    scores = []
    for case in ("a", "b"):
        _, findings = summary_and_findings(triage("report", case, "--format", "jsonl"))
        scores.append([(finding["score"], finding["path"], finding["hashes"]) for finding in findings])
    assert scores[0] == scores[1]


def test_an_empty_folder_is_refused(triage, tmp_path):
    """Nothing to examine is not nothing found."""
    (tmp_path / "evidence").mkdir()
    result = triage("scan", tmp_path / "evidence", "--case", "c", "--quiet")
    assert result.returncode == 4
    assert b"no file in it" in result.stderr
