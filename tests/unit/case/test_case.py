"""The case keeps facts once, resumes, refuses what it does not know, and shows the best name of a content."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from triage.case import Case
from triage.case.schema import PENDING
from triage.errors import CaseError, CaseLockedError, CaseVersionError, OutputNotWritableError
from triage.model.address import Address
from triage.model.content import Child, ContentFacts, ContentType, Coverage, Detection
from triage.model.entry import Entry, EntryType
from triage.model.hit import Hit, HitCount
from triage.model.problem import Problem, Reason
from triage.model.result import EntryResult
from triage.model.times import Times
from triage.model.volume import Allocation, EvidenceSource, Volume

TEXT = ContentType("text/plain", "text", "signature", True)


def entry(path, **changes):
    base = Entry(Address("a.dd", "p1", path), EntryType.FILE, 10, 5, times=Times(mtime=7))
    return replace(base, **changes)


def facts(digest="d" * 64, hits=("r#1",), **changes):
    base = ContentFacts(
        size=10,
        md5="m",
        sha1="s",
        sha256=digest,
        content_type=TEXT,
        hits=tuple(Hit(rule, 3, 4, "utf-8", "word", "before", "after") for rule in hits),
        counts=tuple(HitCount(rule, 2) for rule in hits),
        coverage=(Coverage("keywords", 1, 10),),
    )
    return replace(base, **changes)


@pytest.fixture
def case(tmp_path):
    with Case.create(tmp_path / "case") as made:
        with made.transaction():
            source = EvidenceSource("a.dd", (Path("/evidence/a.dd"),), "raw", 1000)
            made.add_evidence(source, [Volume("p1", 0, 1000, Allocation.ALLOCATED, "bare", file_system="ext4")], ())
        yield made


def fill(case, *entries):
    with case.transaction():
        case.add_walk(1, [(item, 0.5, "user content", PENDING) for item in entries])
        case.end_walk(1)


def record(case, *results):
    with case.transaction():
        case.record(results)


def test_a_content_with_two_names_is_one_unit_under_its_allocated_name(case):
    fill(case, entry(b"/deleted.txt", alloc_name=False), entry(b"/kept.txt"))
    record(case, EntryResult(1, "d" * 64, facts(), TEXT), EntryResult(2, "d" * 64, None, TEXT))
    (unit,) = case.units()
    assert unit.entry.address.path == b"/kept.txt"
    assert unit.also_at == ("a.dd p1:/deleted.txt",)
    assert [(hit.rule, hit.file_offset) for hit in unit.parts[0].hits] == [("r#1", 3)]
    assert case.coverage() == (Coverage("keywords", 1, 10),)
    assert not case.pending()


def test_the_same_content_from_two_workers_counts_once(case):
    fill(case, entry(b"/1"), entry(b"/2"))
    record(case, EntryResult(2, "d" * 64, facts(), TEXT), EntryResult(1, "d" * 64, facts(), TEXT))
    assert case.unit_count == 1
    assert case.rule_frequency() == {"r#1": 1}
    assert case.coverage() == (Coverage("keywords", 1, 10),)


def test_the_order_of_results_does_not_change_the_type_shown(case):
    other = ContentType("text/csv", "CSV", "text", False)
    fill(case, entry(b"/1"), entry(b"/2"))
    record(case, EntryResult(2, "d" * 64, facts(content_type=other), other), EntryResult(1, "d" * 64, None, TEXT))
    (unit,) = case.units()
    assert unit.content_type == TEXT


def test_a_copy_whose_facts_never_arrived_stays_pending(case):
    fill(case, entry(b"/1"))
    record(case, EntryResult(1, "e" * 64, None, TEXT))
    assert [waiting.id for waiting in case.pending()] == [1]


def test_members_have_addresses_inside_and_parts_rank_with_their_document(case):
    part = Child(b"word/document.xml", facts("p" * 64, ("r#2",)), part_of_document=True)
    member = Child(b"letter.docx", facts("l" * 64, (), children=(part,)))
    fill(case, entry(b"/a.zip"))
    record(case, EntryResult(1, "z" * 64, facts("z" * 64, (), children=(member,)), TEXT))
    (unit,) = case.units()
    assert str(unit.entry.address) == "a.dd p1:/a.zip!/letter.docx"
    assert unit.kind == "document"
    assert [piece.address for piece in unit.parts] == ["a.dd p1:/a.zip!/letter.docx!/word/document.xml"]


def test_containers_that_hold_each_other_end(case):
    fill(case, entry(b"/quine"))
    record(case, EntryResult(1, "q" * 64, facts("q" * 64), TEXT))
    with case.transaction():
        case._connection.execute("INSERT INTO children VALUES (1, 0, ?, 1, 1, NULL)", (b"again",))
    assert len(list(case.units())) == 1


def test_hits_of_a_name_belong_to_its_unit(case):
    named = Detection((Hit("yara/n#R", 0, 0),), (HitCount("yara/n#R", 1),), (), Coverage("yara"))
    fill(case, entry(b"/1"))
    record(case, EntryResult(1, "d" * 64, facts(hits=()), TEXT, named))
    (unit,) = case.units()
    assert [hit.rule for hit in unit.parts[0].hits] == ["yara/n#R"]


def test_problems_of_a_content_are_shown_under_its_best_name(case):
    inner = Problem("!/x", "content/decode", Reason.CORRUPT, "broken")
    fill(case, entry(b"/b", alloc_name=False), entry(b"/a"))
    record(case, EntryResult(1, "d" * 64, facts(problems=(inner,)), TEXT), EntryResult(2, "d" * 64, None, TEXT))
    assert [problem.address for problem in case.problems()] == ["a.dd p1:/a!/x"]


def test_any_bytes_in_names_and_texts_are_kept(case):
    raw = b"/\xff\xfe\x00\x1b" + "\udc80".encode("utf-8", "surrogatepass")
    hit = Hit("r#1", 0, 1, "utf-8", "\ud800", "\udcff", "\x00")
    fill(case, entry(raw, size=2**63, meta_address=2**64, times=Times(mtime=2**70)))
    record(case, EntryResult(1, "d" * 64, facts(hits=(), counts=(HitCount("r#1", 1),)), TEXT))
    record(case, EntryResult(1, "e" * 64, replace(facts("e" * 64), hits=(hit,)), TEXT))
    (unit,) = list(case.units())[:1]
    assert unit.entry.address.path == raw
    assert Address.parse(str(unit.entry.address)) == unit.entry.address


def test_a_failed_transaction_leaves_nothing(case):
    fill(case, entry(b"/1"))
    with pytest.raises(RuntimeError), case.transaction():
        case.record([EntryResult(1, "d" * 64, facts(), TEXT)])
        raise RuntimeError
    assert case.unit_count == 0
    assert case.pending()


def test_p03_a_second_run_is_refused_and_told_who_holds_the_case(case):
    with pytest.raises(CaseLockedError, match=r'"pid": \d+'):
        Case.create(case.folder)


@pytest.mark.parametrize(
    ("version", "advice"),
    [("99", "newer version"), ("2", "scan the evidence again into a new folder"), ("x", "version of the program")],
)
def test_p03_a_case_of_another_version_is_refused_and_says_what_to_do(tmp_path, version, advice):
    Case.create(tmp_path / "case").close()
    connection = sqlite3.connect(tmp_path / "case" / "case.db")
    connection.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (version,))
    connection.commit()
    connection.close()
    with pytest.raises(CaseVersionError, match=version) as caught:
        Case.open(tmp_path / "case")
    assert advice in str(caught.value.hint)
    with pytest.raises(CaseVersionError):
        Case.create(tmp_path / "case")


def test_p03_a_case_that_moved_opens(tmp_path):
    Case.create(tmp_path / "case").close()
    (tmp_path / "case").rename(tmp_path / "moved")
    Case.open(tmp_path / "moved").close()


def test_o04_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(OutputNotWritableError, match="not a case"):
        Case.create(tmp_path)


def test_o04_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OutputNotWritableError, match="symbolic link"):
        Case.create(tmp_path / "link")


def test_what_is_no_case_does_not_open(tmp_path):
    with pytest.raises(CaseError, match="not a case"):
        Case.open(tmp_path)


def test_a_damaged_database_is_told(tmp_path):
    folder = tmp_path / "case"
    Case.create(folder).close()
    (folder / "case.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(CaseError):
        Case.open(folder)
