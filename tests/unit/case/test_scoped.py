"""What a scope left out stands in the case: by reason, by address, and never in the way of what may be shown."""

from dataclasses import replace

import pytest

from triage.case import Case
from triage.case.schema import PENDING
from triage.case.scoped import WITHHELD, as_told
from triage.model.address import Address
from triage.model.content import Child, ContentFacts, ContentType
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.result import EntryResult, SlackResult
from triage.model.scope import LeftOut, ScopeReason
from triage.model.volume import Allocation, EvidenceSource, Volume
from triage.ranking.withheld import unnamed

TYPE = ContentType("text/plain", "text", "text")
FACTS = ContentFacts(5, "", "", "a" * 64, TYPE)
HIDDEN = ContentFacts(7, "", "", "b" * 64, TYPE, is_withheld=True)


def entry(path, **changes):
    return Entry(Address("x.dd", "p1", path), EntryType.FILE, 10, 1, **changes)


@pytest.fixture
def case(tmp_path):
    """Four entries: in scope, the same path deleted and out of it, out by time, withheld by name."""
    with Case.create(tmp_path / "c") as made:
        with made.transaction():
            source = EvidenceSource("x.dd", (tmp_path / "x.dd",), "raw", 1000)
            made.add_evidence(source, [Volume("p1", 0, 1000, Allocation.ALLOCATED, "bare", file_system="ntfs")], [])
            entries = [entry(b"/a", alloc_name=False), entry(b"/a"), entry(b"/b"), entry(b"/Dr Weber/c")]
            made.add_walk(1, [(item, 0.5, "", PENDING) for item in entries])
            made.mark_scope(1, ["excluded-path", "", "time", WITHHELD])
            record = {"name": "W", "authority": "", "digest": "0" * 64, "rules": [], "show_path": False}
            made.set_meta("scope", record)
        yield made


def record(case, result):
    with case.transaction():
        case.record([result])


def test_entries_are_counted_by_reason(case):
    report = case.scope_report()
    assert report.entries == (LeftOut(ScopeReason.EXCLUDED_PATH, 1, 10), LeftOut(ScopeReason.TIME, 1, 10))
    assert report.examined == 1 and report.withheld.entries == 1
    assert case.left_out_of(1) == (2, 20) and [item.id for item in case.pending()] == [2]


def test_an_address_is_shown_where_one_entry_at_it_may_be(case):
    assert [number for number, _ in case.shown_entries("x.dd p1:/a")] == [2]
    assert case.fate("p1:/a") == "" and case.fate("p1:/b") == "time" and case.fate("p1:/Dr Weber/c") == WITHHELD
    assert case.fate("p1:/nothing") == ""


def test_reasons_marked_must_be_those_of_all_entries(case):
    with pytest.raises(ValueError, match="zip"), case.transaction():
        case.mark_scope(1, ["time"])


def test_contents_withheld_and_left_out_are_kept(case):
    children = (Child(b"letter.txt", HIDDEN), Child(b"other", FACTS))
    left = (LeftOut(ScopeReason.EXCLUDED_PATH, 3, 30),)
    record(case, EntryResult(2, "c" * 64, replace(FACTS, sha256="c" * 64, children=children, left_out=left), TYPE))
    report = case.scope_report()
    assert report.members == left
    assert report.withheld.entries == 2 and not any("letter" in address for address in report.withheld.addresses)
    assert as_told(case.withheld(), show_path=True).addresses == ("x.dd p1:/Dr Weber/c", "x.dd p1:/a!/letter.txt")


def test_a_withheld_content_withholds_its_entry_and_its_slack_by_itself(case):
    slack = SlackResult(10, 5, -1, "d" * 64, replace(HIDDEN, sha256="d" * 64), TYPE)
    record(case, EntryResult(2, FACTS.sha256, FACTS, TYPE, slack=slack))
    assert {str(address) for address, _, _ in case.withheld()} == {"x.dd p1:/Dr Weber/c", "x.dd p1:/a$slack"}
    assert case.scope_report().examined == 1


def test_an_entry_out_by_its_first_bytes_is_settled(case):
    record(case, EntryResult(2, "", None, None, examined=False, out_of_scope=ScopeReason.TYPE_BY_CONTENT))
    report = case.scope_report()
    assert report.heads_read == 1 and report.examined == 0 and not case.pending()


def test_problems_do_not_name_what_is_withheld(case):
    problems = [
        Problem("x.dd p1:/Dr Weber/c", "s", Reason.CORRUPT, "the letter c is broken", "look at c"),
        Problem("x.dd p1:/Dr Weber/c!/inner", "s", Reason.CORRUPT, "inner is broken"),
        Problem("x.dd p1:/a", "s", Reason.CORRUPT, "broken"),
    ]
    told = unnamed(problems, case.withheld(), case.scope_report())
    assert len(told) == 2 and not any("Weber" in str(problem) or "letter" in str(problem) for problem in told)
    assert any(problem.address == "x.dd p1:/a" for problem in told)


def test_a_case_without_a_scope_has_no_report(tmp_path):
    with Case.create(tmp_path / "d") as plain:
        assert plain.scope_report() is None and plain.volumes_left_out() == set() and plain.withheld() == []
