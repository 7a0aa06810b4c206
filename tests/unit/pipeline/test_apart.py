"""Opening in a process of its own: what kills that process, or keeps it for ever, costs what it was opening."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support import disk_image
from tests.support.fat_image import fat_image
from triage.errors import ProcessDiedError, UnsupportedFormatError
from triage.evidence import Keychain, LostSearch, native_calls, open_evidence
from triage.evidence.native_calls import WORDS, leave_out, native_call, watch
from triage.model.problem import Reason
from triage.pipeline import apart
from triage.pipeline.apart import ImageOpener, open_apart
from triage.pipeline.messages import SourceRef

FAT = fat_image({"a.txt": b"hello"}, kib=128)
FIRST, SECOND = (64 * 512, len(FAT)), (400 * 512, len(FAT))


@pytest.fixture
def disk(tmp_path: Path) -> SourceRef:
    image = bytearray(800 * 512)
    entries = [disk_image.mbr_entry(1, place // 512, length // 512) for place, length in (FIRST, SECOND)]
    disk_image.put(image, 0, disk_image.boot_record(*entries))
    for place, _ in (FIRST, SECOND):
        disk_image.put(image, place, FAT)
    path = tmp_path / "a.dd"
    path.write_bytes(image)
    return SourceRef((path,), "a.dd", False, Keychain())


# Bodies of the child: as the real one, but the library fails at one place.
def dying(connection, marker, source: SourceRef, searches: bool) -> None:
    _fail_at(FIRST, lambda: os.kill(os.getpid(), signal.SIGSEGV))
    apart._open_source(connection, marker, source, searches)


def hanging(connection, marker, source: SourceRef, searches: bool) -> None:
    _fail_at(SECOND, lambda: time.sleep(600))
    apart._open_source(connection, marker, source, searches)


def dying_elsewhere(connection, marker, source: SourceRef, searches: bool) -> None:
    os.kill(os.getpid(), signal.SIGABRT)


def failing(connection, marker, source: SourceRef, searches: bool) -> None:
    with apart._telling(connection):
        raise ZeroDivisionError("a bug")


def dying_on_images(connection, marker, source: SourceRef, known) -> None:
    connection.recv()
    os.kill(os.getpid(), signal.SIGSEGV)


def _fail_at(place: tuple[int, int], how) -> None:
    from triage.evidence.filesystems import tsk_library

    real = tsk_library.pytsk3.FS_Info

    def broken(image, **more):
        if image.place == place:
            how()
        return real(image, **more)

    tsk_library.pytsk3.FS_Info = broken


def test_what_opening_finds_is_what_it_finds_here(disk: SourceRef) -> None:
    found = open_apart(disk, searches=True)
    with open_evidence(disk.paths, name="a.dd", lost=LostSearch()) as evidence:
        assert (found.source, found.volumes, found.problems) == (evidence.source, evidence.volumes, evidence.problems)
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [(dying, FIRST, "died of signal 11"), (hanging, SECOND, "did not return within 2 seconds")],
)
def test_a_library_that_fails_costs_its_volume(
    disk: SourceRef, monkeypatch: pytest.MonkeyPatch, body, place: tuple[int, int], words: str
) -> None:
    monkeypatch.setattr(apart, "_open_source", body)
    monkeypatch.setattr(apart, "SECONDS", 2.0)
    found = open_apart(disk, searches=False)
    assert found.left_out == (place,)
    assert [(volume.image_offset, volume.length) for volume in found.volumes if volume.name != "p0"] == [FIRST, SECOND]
    (problem,) = [problem for problem in found.problems if problem.reason is Reason.CRASHED]
    assert words in problem.message and str(place[0]) in problem.message and problem.bytes_not_examined == place[1]
    assert not problem.examined_anyway
    monkeypatch.undo()
    again = open_apart(SourceRef(disk.paths, "a.dd", False, Keychain(), left_out=found.left_out), searches=False)
    assert again.volumes == found.volumes and again.left_out == found.left_out
    assert any(problem.reason is Reason.CRASHED for problem in again.problems)


@pytest.mark.parametrize(
    ("body", "words"), [(dying_elsewhere, "signal 6"), (failing, "internal error: ZeroDivisionError: a bug")]
)
def test_what_fails_elsewhere_is_told(disk: SourceRef, monkeypatch: pytest.MonkeyPatch, body, words: str) -> None:
    monkeypatch.setattr(apart, "_open_source", body)
    with pytest.raises(Exception, match=words) as caught:
        open_apart(disk, searches=False)
    assert isinstance(caught.value, ProcessDiedError) == (body is dying_elsewhere)


def test_errors_of_the_child_are_those_of_the_child(tmp_path: Path) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(range(256)) * 100)
    with pytest.raises(UnsupportedFormatError) as caught:
        open_apart(SourceRef((path,), "noise.bin", False, Keychain()), searches=False)
    assert "--as-raw" in (caught.value.hint or "")


def test_image_on_which_the_process_dies_costs_itself(disk: SourceRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_open_images", dying_on_images)
    with ImageOpener(disk) as opener:
        for _ in range(2):  # a new process for each
            with pytest.raises(ProcessDiedError, match="signal 11"):
                opener.open(None)  # type: ignore[arg-type]
        opener.close()


def test_a_call_is_marked_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_calls, "_Watch", type("_Watch", (), {"marker": None, "left_out": frozenset()}))
    marker = [0] * WORDS
    with native_call((5, 6)):
        assert marker == [0, 0, 0]
    watch(marker)
    with pytest.raises(ValueError, match="x"), native_call((1 << 70, 7)):
        assert marker[0] > 0 and marker[1:] == [(1 << 63) - 1, 7]
        raise ValueError("x")
    assert marker[0] == 0
    leave_out([(5, 6)])
    with pytest.raises(OSError, match="left out"), native_call((5, 6)):
        pytest.fail("it was called")
