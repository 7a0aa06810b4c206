"""Tables of what was examined: they add up whatever the state of the case, and never count what was not read."""

from dataclasses import replace
from pathlib import Path

import pytest

from triage.case import Case
from triage.case.accounted import MAX_SLACK
from triage.case.schema import NOT_APPLICABLE, OUT_OF_SCOPE, PENDING, WITHHELD
from triage.evidence import unowned
from triage.evidence.accounting import Accountant
from triage.evidence.free_runs import FreeRuns
from triage.model.address import Address
from triage.model.content import ContentFacts, ContentType
from triage.model.coverage import Part, Unexamined
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.result import EntryResult
from triage.model.volume import Allocation, EvidenceSource, Volume
from triage.ranking.assemble import SCHEMA
from triage.ranking.coverage import coverage_tables

SIZE = 1000
TEXT = ContentType("text/plain", "text", "signature")
SOURCE = EvidenceSource("a.dd", (Path("/evidence/a.dd"),), "raw", SIZE)
FILE = Entry(Address("a.dd", "p1", b"/a"), EntryType.FILE, 10, 100)
P1 = Volume("p1", 100, 800, Allocation.ALLOCATED, "mbr", file_system="ext4")
GAPS = (
    Volume("p0", 0, 100, Allocation.UNALLOCATED, "mbr"),
    Volume("p0", 0, 10, Allocation.METADATA, "mbr"),
    Volume("p0", 900, 100, Allocation.UNALLOCATED, "mbr"),
)


def make(tmp_path, *volumes, space=True):
    case = Case.create(tmp_path / "case")
    with case.transaction():
        case.add_evidence(SOURCE, [*volumes, *GAPS], ())
        case.set_meta("options", {"space": str(space).lower()})
    return case


def free_of(*runs):
    free = FreeRuns()
    for start, length in runs:
        free.add(start, length)
    return free


def list_files(case, volume_id, *found, free=(), status=PENDING, volume=P1, pieces=(), is_whole=True, known=True):
    """List entries, each with content and slack: ids follow the order."""
    accountant = Accountant((0, volume.length), volume.file_system)
    entries = []
    for content, slack in found:
        accountant.add(FILE, content, slack)
        entries.append((FILE, 0.5, "", status))
    for offset, length in pieces:
        place = Address("a.dd", "p1", space="unallocated", offset=offset, length=length)
        entry = replace(FILE, address=place, alloc_name=False, alloc_inode=False)
        accountant.add(entry)
        entries.append((entry, 0.5, "", status))
    books = accountant.finish(free_of(*free), volume.length, is_free_known=known, is_whole=is_whole)
    with case.transaction():
        case.add_walk(volume_id, entries, books.shares())
        case.end_walk(volume_id, books)


def examine(case, *ids, digest="d", problems=(), examined=True):
    facts = ContentFacts(10, "m", "s", digest, TEXT) if examined else None
    with case.transaction():
        case.record(
            [EntryResult(number, digest if examined else "", facts, TEXT, None, problems, examined) for number in ids]
        )


def tables(case):
    found = coverage_tables(case, 1, SOURCE)
    for table in found:
        assert table.size == sum(row.bytes for row in table.rows)
        for row in table.rows:
            assert row.bytes == row.examined + sum(row.not_examined.values()) + row.told_below
            assert row.bytes > 0 and row.examined >= 0 and all(count > 0 for count in row.not_examined.values())
    assert found[0].size == SIZE
    return found


def rows(case):
    return {row.part: row for row in tables(case)[0].rows}


def test_nothing_is_listed_yet(tmp_path):
    with make(tmp_path, P1) as case:
        found = rows(case)
    assert found[Part.UNKNOWN].not_examined == {Unexamined.WAITING: 800}
    assert found[Part.GAP].not_examined == {Unexamined.WAITING: 200}


def test_a_partial_case_counts_what_waits_and_a_finished_one_what_was_read(tmp_path):
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], [(50, 14)]), ([(64, 30)], []), free=[(400, 400)], pieces=[(400, 400)])
        assert rows(case)[Part.ALLOCATED].not_examined == {Unexamined.WAITING: 80}
        examine(case, 1)
        found = rows(case)
        assert found[Part.ALLOCATED].examined == 50
        assert found[Part.ALLOCATED].not_examined == {Unexamined.WAITING: 30}
        assert found[Part.SLACK].examined == 14
        assert found[Part.UNALLOCATED].not_examined == {Unexamined.WAITING: 400}
        examine(case, 2, 3, digest="e")
        found = rows(case)
    assert (found[Part.ALLOCATED].examined, found[Part.UNALLOCATED].examined) == (80, 400)
    assert found[Part.METADATA].not_examined == {Unexamined.STRUCTURE: 800 - 94 - 400}


def test_copies_count_as_examined_and_are_told_once(tmp_path):
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], []), ([(100, 50)], []), ([(200, 50)], []))
        examine(case, 1, 2, 3)
        assert rows(case)[Part.ALLOCATED].examined == 150
        assert tables(case)[0].copies == 100


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.ENCRYPTED, Unexamined.ENCRYPTED),
        (Reason.LIMIT, Unexamined.LIMIT),
        (Reason.UNREADABLE, Unexamined.UNREADABLE),
        (Reason.CRASHED, Unexamined.FAILED),
        (Reason.CORRUPT, Unexamined.FAILED),
    ],
)
def test_what_was_given_up_is_told_by_reason_its_slack_too(tmp_path, reason, told):
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], [(50, 14)]))
        examine(case, 1, problems=(Problem("a.dd p1:/a", "x", reason, "no", "", 50),), examined=False)
        found = rows(case)
    assert found[Part.ALLOCATED].not_examined == {told: 50}
    assert found[Part.SLACK].not_examined == {told: 14}


def test_an_entry_on_which_workers_died_is_told_as_such(tmp_path):
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], []), ([(100, 50)], []))
        with case.transaction():
            case.close_entry(1, Reason.TIMEOUT)
            case.close_entry(2)
        assert rows(case)[Part.ALLOCATED].not_examined == {Unexamined.TIMEOUT: 50, Unexamined.FAILED: 50}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (OUT_OF_SCOPE, Unexamined.SCOPE),
        (WITHHELD, Unexamined.WITHHELD),
        (NOT_APPLICABLE, Unexamined.UNSEARCHED),
    ],
)
def test_what_was_left_out_on_purpose_is_told_as_such(tmp_path, status, told):
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], [(50, 10)]), status=status)
        found = rows(case)
    assert found[Part.ALLOCATED].not_examined == {told: 50}
    assert found[Part.SLACK].not_examined == {told: 10}


def test_bytes_of_an_examined_file_that_could_not_be_read_are_not_examined(tmp_path):
    lost = Problem("a.dd p1:/a", "evidence/read", Reason.UNREADABLE, "lost", "", 20)
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], []), ([(100, 50)], []))
        examine(case, 1, problems=(lost,))
        examine(case, 2, digest="e", problems=(replace(lost, bytes_not_examined=1 << 60),))
        row = rows(case)[Part.ALLOCATED]
    assert (row.examined, row.not_examined) == (30, {Unexamined.UNREADABLE: 70})


def test_a_content_in_which_keywords_could_not_be_searched_is_not_examined(tmp_path):
    failed = Problem("", "detectors/keywords", Reason.LIMIT, "memory exhausted", "", 50)
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], []), ([(100, 50)], []))
        with case.transaction():
            facts = ContentFacts(50, "m", "s", "d", TEXT, problems=(failed,))
            case.record([EntryResult(1, "d", facts, TEXT), EntryResult(2, "d", None, TEXT)])
        row = rows(case)[Part.ALLOCATED]
    assert (row.examined, row.not_examined) == (0, {Unexamined.UNREADABLE: 100})


def test_slack_beyond_the_limit_is_not_examined(tmp_path):
    assert MAX_SLACK == unowned.MAX_SLACK
    large = Volume("p1", 0, MAX_SLACK + 1000, Allocation.ALLOCATED, "bare", file_system="ntfs")
    with Case.create(tmp_path / "case") as case:
        with case.transaction():
            case.add_evidence(replace(SOURCE, size=large.length), [large], ())
        list_files(case, 1, ([(0, 10)], [(10, MAX_SLACK + 7)]), volume=large)
        examine(case, 1)
        (table,) = coverage_tables(case, 1, SOURCE)
    row = next(row for row in table.rows if row.part is Part.SLACK)
    assert (row.examined, row.not_examined) == (MAX_SLACK, {Unexamined.LIMIT: 7})


def test_without_space_its_parts_are_told_and_not_examined(tmp_path):
    with make(tmp_path, P1, space=False) as case:
        list_files(case, 1, ([(0, 50)], [(50, 14)]), free=[(400, 400)])
        examine(case, 1)
        found = rows(case)
    assert found[Part.ALLOCATED].examined == 50
    for part, count in ((Part.SLACK, 14), (Part.UNALLOCATED, 400), (Part.GAP, 200)):
        assert found[part].not_examined == {Unexamined.SPACE_OFF: count}


def test_a_volume_that_could_not_be_listed_whole_says_so(tmp_path):
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], []), is_whole=False)
        assert rows(case)[Part.METADATA].not_examined == {Unexamined.UNLISTED: 750}
    with make(tmp_path / "b", P1) as case:
        list_files(case, 1, ([(0, 50)], []), known=False)
        assert rows(case)[Part.UNKNOWN].not_examined == {Unexamined.FAILED: 750}
    with make(tmp_path / "c", P1) as case:
        with case.transaction():
            case.end_walk(1)
        assert rows(case)[Part.UNKNOWN].not_examined == {Unexamined.FAILED: 800}


def test_encrypted_opened_and_unknown_volumes_have_rows_of_their_own(tmp_path):
    base = replace(P1, length=200, file_system="")
    volumes = (
        replace(base, encryption="LUKS2"),
        replace(base, name="p2", image_offset=300, is_opened=True),
        replace(base, name="p3", image_offset=500, length=400, unsupported="ZFS"),
        replace(base, name="p2.lv1", image_offset=0, length=150, parent="p2", file_system="ext4"),
    )
    with make(tmp_path, *volumes) as case:
        found = tables(case)
        source = {row.part: row for row in found[0].rows}
    assert source[Part.ENCRYPTED].not_examined == {Unexamined.ENCRYPTED: 200}
    assert source[Part.OPENED].told_below == 200
    assert source[Part.UNKNOWN].bytes == 400
    assert [(table.volume, table.size) for table in found] == [("", SIZE), ("p2.lv1", 150)]


def test_a_table_inside_a_layer_is_told_by_its_partitions(tmp_path):
    volumes = (
        replace(P1, is_opened=True, file_system=""),
        Volume("p1.luks1", 0, 700, Allocation.ALLOCATED, "luks", parent="p1", is_opened=True),
        Volume("p1.luks1.p1", 50, 600, Allocation.ALLOCATED, "mbr", parent="p1.luks1", file_system="ext4"),
        Volume("p1.luks1.p0", 0, 50, Allocation.UNALLOCATED, "mbr", parent="p1.luks1"),
        Volume("p1.luks1.p0", 650, 50, Allocation.UNALLOCATED, "mbr", parent="p1.luks1"),
    )
    with make(tmp_path, *volumes) as case:
        _, inner = tables(case)
    assert (inner.volume, inner.size) == ("p1.luks1", 700)
    assert {row.part: row.bytes for row in inner.rows} == {Part.UNKNOWN: 600, Part.GAP: 100}


def damage(start, end, *, reason=Reason.CORRUPT, stage="evidence/ewf", lost=None):
    address = str(Address("a.dd", "p0", space="gap", offset=start, length=end - start))
    return Problem(address, stage, reason, "bad", "", end - start if lost is None else lost)


def test_what_the_image_does_not_have_is_a_row_and_is_taken_from_what_it_would_have_been(tmp_path):
    with make(tmp_path, P1) as case:
        list_files(case, 1, ([(0, 50)], []), free=[(400, 400)], pieces=[(400, 400)])
        examine(case, 1)
        examine(case, 2, digest="e")
        with case.transaction():
            for problem in (
                damage(90, 130),  # 10 of the gap, 30 of the file
                damage(120, 160),  # 20 more of it, then 10 of metadata
                damage(880, 920),  # 20 free, 20 of the gap
                damage(0, SIZE, lost=0),  # speaks of the whole and has no number of bytes
                damage(500, 600, reason=Reason.MISMATCH),
                replace(damage(300, 320), examined_anyway=True),
            ):
                case.add_problem(problem)
        found = rows(case)
    assert found[Part.UNREADABLE].not_examined == {Unexamined.UNREADABLE: 110}
    assert Part.ALLOCATED not in found
    assert found[Part.UNALLOCATED].examined == 380
    assert found[Part.METADATA].bytes == 350 - 10
    assert found[Part.GAP].bytes == 170


def test_schema_has_a_version_of_its_own():
    assert SCHEMA == "1.1"
