"""O07: an audit log that was edited, cut or reordered does not verify, and the first bad line is named."""

import json

import pytest

from triage.case.audit import GENESIS, AuditLog, verify_audit_log
from triage.errors import CaseError, OutputNotWritableError


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "audit.jsonl"
    audit = AuditLog(path)
    for number in range(5):
        audit.append("event", number=number)
    return path


def test_a_log_as_written_verifies(log):
    lines, head = verify_audit_log(log)
    assert lines == 5
    assert head == json.loads(log.read_bytes().splitlines()[-1])["digest"]


def test_appending_continues_the_chain(log):
    AuditLog(log).append("later")
    assert verify_audit_log(log)[0] == 6


def test_an_empty_log_has_the_first_digest(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"")
    assert verify_audit_log(path) == (0, GENESIS)


def _edited(lines):
    lines[2] = lines[2].replace(b'"number":2}', b'"number":7}')


def _cut(lines):
    del lines[2]


def _swapped(lines):
    lines[2], lines[3] = lines[3], lines[2]


def _garbage(lines):
    lines[2] = b"\xff not json"


@pytest.mark.parametrize("spoil", [_edited, _cut, _swapped, _garbage])
def test_o07_a_spoiled_line_is_named(log, spoil):
    lines = log.read_bytes().splitlines()
    spoil(lines)
    log.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(CaseError, match="line 3"):
        verify_audit_log(log)


def test_o07_a_log_cut_in_a_line_is_told(log):
    log.write_bytes(log.read_bytes()[:-10])
    with pytest.raises(CaseError, match="middle of a line"):
        verify_audit_log(log)


def test_o07_nothing_is_appended_to_a_broken_log(log):
    log.write_bytes(b"{}\n")
    with pytest.raises(CaseError):
        AuditLog(log)


def test_o05_a_log_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(OutputNotWritableError):
        AuditLog(tmp_path / "missing" / "audit.jsonl").append("event")
