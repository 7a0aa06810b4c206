"""Walking: every name once, in a fixed order, whatever the directories say."""

from typing import Any

import pytest

from tests.support.fake_tsk import DIRECTORY, FILE, MADE_UP, FakeAttribute, FakeLibrary, FakeName, FakeRecord
from triage.evidence.filesystems import tsk_walk
from triage.evidence.filesystems.tsk_attributes import AttributeReader
from triage.evidence.filesystems.tsk_entries import EntryMaker
from triage.evidence.filesystems.tsk_metadata import MetadataReader
from triage.evidence.filesystems.tsk_walk import Walker
from triage.evidence.tsk_image import TskImage
from triage.model.entry import Entry, EntryState, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

VOLUME = Volume("p1", 0, 1 << 20, Allocation.ALLOCATED, "bare")


def walk(
    library: FakeLibrary, name: str = "ext4", *, skip: frozenset[int] = frozenset(), entering: Any = None
) -> tuple[list[Entry], list[Problem]]:
    media = MemoryStream(bytes(4096))
    attributes = AttributeReader(name, VOLUME, 512, is_mapped=True)
    maker = EntryMaker(library, name, VOLUME, "x.dd", attributes, MetadataReader(library, name, media, VOLUME))
    walker = Walker(library, TskImage(media), maker, name, "x.dd", "p1", skip, entering)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for found in walker.run():
        if isinstance(found, Entry):
            entries.append(found)
        else:
            problems.append(found)
    return entries, problems


def paths(entries: list[Entry]) -> list[bytes]:
    return [entry.address.path for entry in entries]


def directory(*names: Any, **more: Any) -> FakeRecord:
    return FakeRecord(DIRECTORY, names=list(names), **more)


def data(size: int = 5) -> FakeRecord:
    return FakeRecord(FILE, size, attributes=[FakeAttribute(size=size)])


def test_own_entries_first_then_sub_directories_in_stored_order() -> None:
    """The order is fixed: a directory's names as stored, then what is below each."""
    library = FakeLibrary(
        {
            2: directory(FakeName(b"b", 20), FakeName(b"z.txt", 30), FakeName(b"a", 21)),
            20: directory(FakeName(b"deep", 22), FakeName(b"1", 31)),
            21: directory(FakeName(b"2", 32)),
            22: directory(FakeName(b"3", 33)),
            30: data(), 31: data(), 32: data(), 33: data(),
        }
    )  # fmt: skip
    entries, problems = walk(library)
    assert paths(entries) == [b"/b", b"/z.txt", b"/a", b"/b/deep", b"/b/1", b"/b/deep/3", b"/a/2"]
    assert not problems


def test_entering_is_told_before_each_directory_is_opened() -> None:
    """A supervisor knows which directory the library is busy with."""
    library = FakeLibrary({2: directory(FakeName(b"a", 20)), 20: directory()})
    told: list[tuple[int, bytes, list[int]]] = []
    walk(library, entering=lambda address, path: told.append((address, path, list(library.opened))))
    assert told == [(2, b"", []), (20, b"/a", [2])]


def test_orphans_come_last_and_are_marked() -> None:
    """``$OrphanFiles`` is listed after everything else, with what is below it."""
    library = FakeLibrary(
        {
            2: directory(FakeName(b"$OrphanFiles", 90), FakeName(b"a", 20)),
            90: FakeRecord(MADE_UP, names=[FakeName(b"OrphanFile-40", 40, flags=2), FakeName(b"dir", 41, flags=2)]),
            20: directory(FakeName(b"x", 30)), 30: data(), 40: FakeRecord(FILE, 3, flags=6),
            41: directory(FakeName(b"y", 42, flags=2), flags=6), 42: FakeRecord(FILE, 3, flags=6),
        }
    )  # fmt: skip
    entries, problems = walk(library)
    assert paths(entries)[-3:] == [b"/$OrphanFiles/OrphanFile-40", b"/$OrphanFiles/dir", b"/$OrphanFiles/dir/y"]
    assert [entry.state for entry in entries[-3:]] == [EntryState.ORPHAN] * 3
    assert [entry.address.path for entry in entries if entry.virtual] == [b"/$OrphanFiles"]
    assert not problems


def test_f01_a_directory_that_contains_itself_and_its_parent_is_listed_once() -> None:
    """F01: loops end, and are told, but nothing is missing."""
    library = FakeLibrary(
        {2: directory(FakeName(b"a", 20), FakeName(b"me", 2)), 20: directory(FakeName(b"up", 2), FakeName(b"a", 20))}
    )
    entries, problems = walk(library)
    assert paths(entries) == [b"/a", b"/me", b"/a/up", b"/a/a"]
    assert [problem.reason for problem in problems] == [Reason.LOOP] * 3
    assert all(problem.examined_anyway for problem in problems)
    assert {problem.message for problem in problems} == {
        "the directory is inside itself: its entries are under p1:/",
        "the directory is inside itself: its entries are under p1:/a",
    }


def test_f01_directories_reached_again_without_end_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten names for one directory are not ten Problems when there are millions."""
    monkeypatch.setattr(tsk_walk, "MAX_REPEATS", 3)
    library = FakeLibrary({2: directory(*(FakeName(b"n%d" % number, 20) for number in range(10))), 20: directory()})
    _, problems = walk(library)
    assert len(problems) == 4
    assert problems[-1].message == "9 directories were reached again, 3 of them are told"


def test_f02_a_skipped_directory_is_a_problem_and_its_files_are_found_by_number() -> None:
    """F02: what listing cannot reach is listed by its metadata address, in the tree below lost directories as well."""
    library = FakeLibrary(
        {
            2: directory(FakeName(b"bad", 20), FakeName(b"good", 30)), 20: directory(FakeName(b"x", 31)), 30: data(),
            31: data(), 40: directory(FakeName(b"named", 41)), 41: data(), 50: FakeRecord(FILE, 9, flags=6),
        }
    )  # fmt: skip
    entries, problems = walk(library, skip=frozenset({20}))
    assert 20 not in library.opened
    assert paths(entries) == [b"/bad", b"/good", b"/$unlisted/40", b"/$unlisted/40/named", b"/$unlisted/31"]
    assert entries[-1].caveats
    assert entries[-1].orphan
    (problem,) = problems
    assert problem.reason is Reason.LOOP
    assert problem.address == "x.dd p1:/bad"
    assert not problem.examined_anyway


def test_f02_a_record_that_hangs_by_number_can_be_skipped_too() -> None:
    """Each record looked at by number is announced and can be left out."""
    library = FakeLibrary({2: directory(FakeName(b"bad", 20)), 20: directory(), 31: data(), 32: data()})
    told: list[tuple[int, bytes]] = []
    entries, _ = walk(library, skip=frozenset({20, 31}), entering=lambda *what: told.append(what))
    assert (32, b"/$unlisted") in told
    assert (31, b"/$unlisted") not in told
    assert paths(entries) == [b"/bad", b"/$unlisted/32"]


def test_a_name_of_a_reused_record_does_not_hide_the_record_from_the_search_by_number() -> None:
    """The record belongs to a file of the lost directory, not to the old name."""
    library = FakeLibrary(
        {2: directory(FakeName(b"old", 31, flags=2), FakeName(b"bad", 20)), 20: directory(), 31: data()}
    )
    entries, _ = walk(library, skip=frozenset({20}))
    assert [(entry.address.path, entry.reused) for entry in entries] == [
        (b"/old", True), (b"/bad", False), (b"/$unlisted/31", False),
    ]  # fmt: skip


def test_a_directory_that_does_not_open_costs_only_itself() -> None:
    """R1: the rest is listed as without it."""
    broken = directory(open_error=OSError("Directory_Con: (tsk3.cpp:517) Unable to open: \x1b[31mred"))
    library = FakeLibrary({2: directory(FakeName(b"a", 20), FakeName(b"b", 21)), 20: broken, 21: directory()})
    entries, problems = walk(library)
    assert paths(entries) == [b"/a", b"/b"]
    (problem,) = problems
    assert problem.reason is Reason.CORRUPT
    assert problem.message == "the directory cannot be listed: Unable to open: \\x1b[31mred"


def test_a_name_that_cannot_be_read_costs_only_itself() -> None:
    """Names behind a broken one are still listed."""
    library = FakeLibrary(
        {2: directory(FakeName(b"a", 30), OSError("bad"), FakeName(b"b", 31)), 30: data(), 31: data()}
    )
    entries, problems = walk(library)
    assert paths(entries) == [b"/a", b"/b"]
    assert [problem.message for problem in problems] == ["name 2 of the directory cannot be read: bad"]


def test_f03_four_thousand_levels_need_no_recursion() -> None:
    """F03: depth costs memory for one path, not the stack."""
    records = {number: directory(FakeName(b"d", number + 1)) for number in range(2, 4002)}
    records[4002] = directory(FakeName(b"bottom", 5000))
    records[5000] = data()
    entries, problems = walk(FakeLibrary(records))
    assert entries[-1].address.path == b"/d" * 4000 + b"/bottom"
    assert not problems


def test_f03_a_path_beyond_the_limit_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the path, and what lies below is found by number."""
    monkeypatch.setattr(tsk_walk, "MAX_PATH", 8)
    library = FakeLibrary({2: directory(FakeName(b"123456789", 20)), 20: directory(FakeName(b"x", 30)), 30: data()})
    entries, problems = walk(library)
    assert paths(entries) == [b"/123456789", b"/$unlisted/30"]
    assert [problem.reason for problem in problems] == [Reason.LIMIT]


def test_n02_dots_are_left_out_but_not_what_hides_behind_them() -> None:
    """``..`` to a directory that nothing else leads to is listed; a file named ``.`` is an entry."""
    library = FakeLibrary(
        {
            2: directory(FakeName(b".", 2), FakeName(b"..", 2), FakeName(b"a", 20)),
            20: directory(FakeName(b".", 20), FakeName(b"..", 25), FakeName(b".", 30)),
            25: directory(FakeName(b"hidden", 31)), 30: data(), 31: data(),
        }
    )  # fmt: skip
    entries, problems = walk(library)
    assert paths(entries) == [b"/a", b"/a/.", b"/a/../hidden"]
    assert entries[1].entry_type is EntryType.FILE
    assert not problems


def test_n03_any_bytes_are_kept_as_names() -> None:
    """N01, N03: control characters, broken UTF-8, an empty name, a slash: all are data."""
    names = [b"\xff\xfe", b"a\x1b]0;x\x07", "e\u0301".encode(), "\u202e".encode(), b"a/b", b"", b"CON", b" "]
    library = FakeLibrary({2: directory(*(FakeName(name, 30) for name in names)), 30: data()})
    entries, _ = walk(library)
    assert paths(entries) == [b"/" + name for name in names]
    assert all(str(entry.address).isprintable() for entry in entries)


def test_a_deleted_directory_is_listed_and_a_reused_one_is_not() -> None:
    """Deleted directories are descended into, unless the record is another's now."""
    library = FakeLibrary(
        {
            2: directory(FakeName(b"gone", 20, flags=2), FakeName(b"reused", 21, flags=2), FakeName(b"now", 21)),
            20: directory(FakeName(b"x", 30, flags=2), flags=6), 21: directory(FakeName(b"y", 31)),
            30: FakeRecord(FILE, 1, flags=6), 31: data(),
        }
    )  # fmt: skip
    entries, problems = walk(library)
    assert paths(entries) == [b"/gone", b"/reused", b"/now", b"/gone/x", b"/now/y"]
    assert not problems


def test_a_directory_known_only_by_an_old_name_is_still_listed() -> None:
    """NTFS: a stale name of a living directory is used only where nothing better leads to it."""
    old = FakeName(b"old", 20, flags=2, sequence=4)
    with_name = {
        2: directory(old, FakeName(b"new", 20, sequence=4)),
        20: directory(FakeName(b"x", 30, sequence=0), sequence=4), 30: data(),
    }  # fmt: skip
    entries, problems = walk(FakeLibrary(with_name, flags=1), "ntfs")
    assert paths(entries) == [b"/old", b"/new", b"/new/x"]
    assert not problems
    without = {**with_name, 2: directory(old)}
    entries, problems = walk(FakeLibrary(without, flags=1), "ntfs")
    assert paths(entries) == [b"/old", b"/old/x"]
    assert not problems


def test_f05_fat_directories_on_the_same_clusters_end() -> None:
    """F05: each slot has its own address, so addresses alone do not stop a directory full of itself."""
    slots = [FakeName(b"d%d" % number, 100 + number) for number in range(40)]
    records = {100 + number: FakeRecord(DIRECTORY, names=slots) for number in range(40)}
    records[2] = directory(FakeName(b"top", 50))
    records[50] = FakeRecord(DIRECTORY, names=slots)
    entries, problems = walk(FakeLibrary(records), "fat16")
    assert len(entries) == 1 + 40 * tsk_walk.MAX_ALIASES
    assert any("lie on these clusters" in problem.message for problem in problems)
    assert all(problem.examined_anyway for problem in problems)


def test_streams_of_the_ntfs_root_are_entries() -> None:
    """Nothing names the root, and data can hang on it."""
    root = directory(attributes=[FakeAttribute(128, 7, b"hidden", 4, flags=5)])
    library = FakeLibrary({2: root}, flags=1)
    entries, _ = walk(library, "ntfs")
    assert [str(entry.address) for entry in entries] == ["x.dd p1:/:hidden"]
    assert entries[0].entry_type is EntryType.FILE
