"""Where a reader refuses a file system, dies or does not return, another lists it, and what that means is told."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.small_systems import BIG, make
from triage.errors import EvidenceError
from triage.evidence import Keychain
from triage.evidence.filesystems import BYTES, COPIES, SECOND, open_file_system, second_reader
from triage.evidence.filesystems.free_ext import ExtLayout
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume
from triage.pipeline import listing_attempts
from triage.pipeline.listing_attempts import walk_volume
from triage.pipeline.messages import SourceRef
from triage.pipeline.walk import BEGUN, DIRECTORY, OPENED, Stopped, WalkRequest

BAD = 77
"""Directory in which the pretended library dies."""


def entry(name: bytes) -> Entry:
    return Entry(Address("e", "p1", b"/" + name), EntryType.FILE, 1, 5)


def reader_of(request: WalkRequest) -> str:
    return dict(request.source.readers).get("p1", "")


def _finish(connection, heartbeat, *names: bytes) -> None:
    heartbeat[OPENED] = 1
    connection.send([entry(name) for name in names])
    connection.send(None)
    connection.close()


def _refuse(connection, words: str = "refuses it: no") -> None:
    connection.send([])
    connection.send(Stopped(Reason.CORRUPT, words))
    connection.send(None)


def _enter(heartbeat, place: int) -> None:
    heartbeat[DIRECTORY], heartbeat[BEGUN], heartbeat[OPENED] = place, time.monotonic_ns(), 1


def usual_dies(request, connection, heartbeat):
    if reader_of(request):
        return _finish(connection, heartbeat, b"by-second")
    _enter(heartbeat, BAD)
    connection.send([entry(b"half")])
    os.kill(os.getpid(), signal.SIGSEGV)


def usual_hangs(request, connection, heartbeat):
    if reader_of(request):
        return _finish(connection, heartbeat, b"by-second")
    _enter(heartbeat, BAD)
    time.sleep(600)


def hangs_at_opening(request, connection, heartbeat):
    if reader_of(request) == "libfsntfs":
        return _finish(connection, heartbeat, b"by-second")
    if reader_of(request) == COPIES:
        return _refuse(connection)
    time.sleep(600)


def usual_refuses(request, connection, heartbeat):
    if reader_of(request) == COPIES:
        return _finish(connection, heartbeat, b"by-copies")
    _refuse(connection)


def gives_nothing(request, connection, heartbeat):
    if reader_of(request) == COPIES:
        return _finish(connection, heartbeat, b"by-copies")
    _enter(heartbeat, 0)
    connection.send([])
    connection.send(Stopped(Reason.CORRUPT, "gives no name of it", is_empty=not request.is_last))
    connection.send(None)


def bug_of_ours(request, connection, heartbeat):
    """What the real process sends of an error that is none of ours to raise."""
    _enter(heartbeat, BAD)
    if BAD in request.skip or reader_of(request):
        return _finish(connection, heartbeat, b"rest")
    connection.send(Stopped(Reason.CRASHED, "stopped: internal error: IndexError: x", is_death=True))
    connection.send(None)


def all_give_nothing(request, connection, heartbeat):
    if request.is_last:
        return _finish(connection, heartbeat, b"piece" if reader_of(request) == BYTES else b"by-number")
    _enter(heartbeat, 0)
    connection.send(Stopped(Reason.CORRUPT, "gives no name of it", is_empty=True))
    connection.send(None)


def all_refuse(request, connection, heartbeat):
    if reader_of(request) == BYTES:
        return _finish(connection, heartbeat, b"piece")
    _refuse(connection)


def both_die_in_a_directory(request, connection, heartbeat):
    _enter(heartbeat, BAD)
    if BAD in request.skip:
        return _finish(connection, heartbeat, b"rest")
    os.kill(os.getpid(), signal.SIGSEGV)


def second_refuses(request, connection, heartbeat):
    if reader_of(request):
        return _refuse(connection)
    both_die_in_a_directory(request, connection, heartbeat)


def always_dies(request, connection, heartbeat):
    connection.send([entry(b"kept")])
    time.sleep(0.05)
    _enter(heartbeat, 0)
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in_ever_new_places(request, connection, heartbeat):
    _enter(heartbeat, 1000 + len(request.skip))
    os._exit(3)


def encrypted(request, connection, heartbeat):
    connection.send([])
    connection.send(Stopped(Reason.ENCRYPTED, "stopped: needs a key", "give it", is_final=True))
    connection.send(None)


def walked(target, file_system: str = "ntfs", *, seconds: float = 60):
    volume = Volume("p1", 0, 1 << 20, Allocation.ALLOCATED, "bare", "", file_system)
    request = WalkRequest(SourceRef((Path("x"),), "e", True, Keychain()), volume, True)
    out, chosen = [], []
    for batch in walk_volume(request, seconds=seconds, on_restart=out.clear, chosen=chosen.append, target=target):
        out += batch
    names = [item.address.name for item in out if isinstance(item, Entry)]
    return names, [item for item in out if isinstance(item, Problem)], chosen


@pytest.fixture(autouse=True)
def installed() -> None:
    if any(unit.unavailable() for unit in SECOND):
        pytest.skip("needs the libyal readers")


@pytest.mark.parametrize(
    ("target", "reason", "words"),
    [(usual_dies, Reason.CRASHED, "died in the directory with metadata address 77 (signal 11)"),
     (usual_hangs, Reason.LOOP, "did not return within 8 s in the directory with metadata address 77"),
     (hangs_at_opening, Reason.LOOP, "did not return within 8 s when it opened the file system")],
)  # fmt: skip
def test_another_library_begins_again(target, reason, words) -> None:
    """Nothing of the first list is left, the reader is said once, and what it leaves out is told: not a clean result."""
    names, problems, chosen = walked(target, seconds=60 if reason is Reason.CRASHED else 8)
    assert names == [b"by-second"]
    assert chosen == ["libfsntfs"]
    assert len(problems) == 1
    told = problems[0]
    assert told.reason is reason and not told.examined_anyway and told.address == "e p1:/"
    assert words in told.message and told.message.startswith("The Sleuth Kit")
    assert "read with libfsntfs instead: deleted names are not listed" in told.message


@pytest.mark.parametrize("target", [usual_refuses, gives_nothing])
def test_copies_are_tried_first(target) -> None:
    """With its copies The Sleuth Kit leaves nothing out, so the run stays complete."""
    names, problems, chosen = walked(target)
    assert (names, chosen) == ([b"by-copies"], [COPIES])
    assert len(problems) == 1 and problems[0].examined_anyway
    assert "copies" in problems[0].message


def test_no_reader_opens_it() -> None:
    names, problems, chosen = walked(all_refuse)
    assert (names, chosen) == ([b"piece"], [BYTES])
    assert len(problems) == 1 and not problems[0].examined_anyway
    assert "libfsntfs refuses it" in problems[0].message and "searched as bytes" in problems[0].message


def test_a_file_system_that_nothing_stands_in_for() -> None:
    """Our own readers: refused means searched as bytes, a directory that kills is left out."""
    names, problems, chosen = walked(all_refuse, "xfs")
    assert (names, chosen) == ([b"piece"], [BYTES])
    assert "the reader of xfs refuses it" in problems[0].message
    names, problems, chosen = walked(both_die_in_a_directory, "xfs")
    assert (names, chosen) == ([b"rest"], [""])
    assert [problem.reason for problem in problems] == [Reason.CRASHED]
    assert "77" in problems[0].message and problems[0].address.endswith("inode 77")


def test_both_libraries_die_in_one_directory() -> None:
    """The second one goes on without it; both things are told."""
    names, problems, chosen = walked(both_die_in_a_directory)
    assert (names, chosen) == ([b"rest"], ["libfsntfs"])
    assert sorted(problem.address for problem in problems) == ["e p1:/", "e p1:/ inode 77"]


def test_the_second_refuses_what_the_first_opened() -> None:
    """Then the first goes on without the directory, and is not replaced by bytes."""
    names, problems, chosen = walked(second_refuses)
    assert (names, chosen) == ([b"rest"], [""])
    assert any("read again without what it stops at" in problem.message for problem in problems)
    assert not any(problem.examined_anyway for problem in problems)


def test_all_die_outside_directories() -> None:
    """What was listed before is kept, and it is told that it is not all."""
    names, problems, chosen = walked(always_dies)
    assert (names, chosen) == ([b"kept"], [""])
    assert any("again and again" in problem.message for problem in problems)


def test_restarts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_attempts, "MAX_RESTARTS", 4)
    names, problems, chosen = walked(dies_in_ever_new_places, "xfs")
    assert names == [] and chosen == [""]
    assert len(problems) == 5


def test_a_key_is_missing() -> None:
    """Other readers cannot help: told once, and what is encrypted is not searched as if it were text."""
    names, problems, chosen = walked(encrypted)
    assert (names, chosen) == ([], [""])
    assert [(problem.reason, problem.bytes_not_examined) for problem in problems] == [(Reason.ENCRYPTED, 1 << 20)]


def test_a_source_that_does_not_open(tmp_path: Path) -> None:
    """The real process: there is nothing to list, and that is told."""
    volume = Volume("p1", 0, 1 << 20, Allocation.ALLOCATED, "bare", "", "ntfs")
    request = WalkRequest(SourceRef((tmp_path / "none",), "e", True, Keychain()), volume, True)
    with pytest.raises(EvidenceError):
        request.source.open()
    out = [item for batch in walk_volume(request, seconds=30, on_restart=lambda: None) for item in batch]
    assert [item.message.startswith("listing stopped") for item in out if isinstance(item, Problem)] == [True]


def test_a_bug_of_ours_costs_no_more_than_a_death() -> None:
    names, problems, chosen = walked(bug_of_ours)
    assert (names, chosen) == ([b"rest"], ["libfsntfs"])
    assert "internal error: IndexError: x; read with libfsntfs" in problems[0].message
    names, problems, chosen = walked(bug_of_ours, "xfs")
    assert (names, chosen) == ([b"rest"], [""])
    assert [(problem.reason, problem.address) for problem in problems] == [(Reason.CRASHED, "e p1:/ inode 77")]


def test_no_reader_gives_a_name() -> None:
    """Files by number where the file system has numbers, else bytes: what is allocated is never left unread."""
    names, _, chosen = walked(all_give_nothing)
    assert (names, chosen) == ([b"by-number"], [""])
    names, problems, chosen = walked(all_give_nothing, "fat16")
    assert (names, chosen) == ([b"piece"], [BYTES])
    assert not any(problem.examined_anyway for problem in problems)


def test_every_file_system_of_the_sleuth_kit_that_libyal_knows() -> None:
    assert {name: second_reader(name) for name in ("ntfs", "ext2", "ext4", "fat12", "exfat", "hfs+", "ufs1", "xfs", "")} == {
        "ntfs": "libfsntfs", "ext2": "libfsext", "ext4": "libfsext", "fat12": "libfsfat", "exfat": "libfsfat",
        "hfs+": "libfshfs", "ufs1": "", "xfs": "", "": "",
    }  # fmt: skip


@pytest.mark.slow
def test_a_file_for_which_the_sleuth_kit_does_not_return(tmp_path: Path) -> None:
    """An inode of ext2 that claims 2**63 bytes: the library goes over every block of it; the other lists the volume.

    Found by mutation: one byte of the upper half of the size.
    """
    data = bytearray(make("ext2", tmp_path))
    stream = MemoryStream(bytes(data))
    volume = Volume("p1", 0, len(data), Allocation.ALLOCATED, "bare", "", "ext2")
    entries = [item for item in open_file_system(stream, volume, "e").walk() if isinstance(item, Entry)]
    number = next(item.meta_address for item in entries if item.address.name == b"big.bin")
    layout = ExtLayout(stream)
    group, index = divmod(number - 1, int.from_bytes(data[1064:1068], "little"))
    inode = layout.places(group)[2] * layout.block + index * int.from_bytes(data[1112:1114], "little")
    assert data[inode + 4 : inode + 8] == len(BIG).to_bytes(4, "little")
    data[inode + 108 : inode + 112] = b"\xff\xff\xff\x7f"
    path = tmp_path / "disk.dd"
    path.write_bytes(data)
    request = WalkRequest(SourceRef((path,), "e", False, Keychain()), volume, True)
    out, chosen = [], []
    for batch in walk_volume(request, seconds=10, on_restart=out.clear, chosen=chosen.append):
        out += batch
    assert chosen == ["libfsext"]
    names = {item.address.path for item in out if isinstance(item, Entry)}
    assert {b"/a/first.txt", b"/a/b/second.bin", b"/big.bin"} <= names
    told = [item for item in out if isinstance(item, Problem) and item.reason is Reason.LOOP]
    assert len(told) == 1 and "did not return within 10 s" in told[0].message and not told[0].examined_anyway
