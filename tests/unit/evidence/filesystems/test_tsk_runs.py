"""Byte runs: three offsets, holes, what was never written."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_tsk import FakeAttribute, FakeRun
from triage.evidence.filesystems.tsk_runs import map_runs
from triage.model.byte_run import ByteRun


def runs(size: int, *parts: FakeRun, flags: int = 3, initialised: int | None = None) -> list[tuple[int, int, int, int]]:
    found = map_runs(FakeAttribute(size=size, flags=flags, runs=parts), size, 512, 1000, initialised)
    return [(run.file_offset, run.fs_offset, run.image_offset, run.length) for run in found]


def test_offsets_are_of_file_file_system_and_image() -> None:
    """Clipped to the size; runs that follow each other are one."""
    assert runs(1500, FakeRun(4, 1, 0), FakeRun(5, 1, 1), FakeRun(9, 1, 2)) == [
        (0, 2048, 3048, 1024),
        (1024, 4608, 5608, 476),
    ]


def test_holes_have_no_place() -> None:
    """Sparse runs and fillers."""
    assert runs(2048, FakeRun(0, 1, 0, 2), FakeRun(0, 1, 1, 1), FakeRun(7, 2, 2)) == [
        (0, -1, -1, 1024),
        (1024, 3584, 4584, 1024),
    ]


def test_what_was_never_written_is_a_hole() -> None:
    """NTFS: clusters past the initialised size hold somebody else's old bytes."""
    assert runs(2048, FakeRun(8, 4, 0), initialised=700) == [(0, 4096, 5096, 700), (700, -1, -1, 1348)]
    assert runs(2048, FakeRun(8, 4, 0), initialised=0) == [(0, -1, -1, 2048)]
    assert runs(2048, FakeRun(8, 4, 0), initialised=9999) == [(0, 4096, 5096, 2048)]


def test_resident_compressed_and_encrypted_content_has_no_runs() -> None:
    """Its bytes are not on the disk as they are."""
    for flags in (5, 3 | 32, 3 | 16):
        assert runs(900, FakeRun(8, 4, 0), flags=flags) == []


def test_f04_hostile_runs_end() -> None:
    """F04: overlapping, huge and backward runs."""
    assert runs(2**62, FakeRun(8, 2**60, 0), FakeRun(9, 5, 1)) == [(0, 4096, 5096, 2**62)]
    assert runs(1024, FakeRun(8, 0, 0), FakeRun(9, 5, 5)) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6), st.booleans()), max_size=8), st.integers(0, 9000),
       st.none() | st.integers(0, 9000))  # fmt: skip
def test_runs_cover_without_overlap(parts: list[tuple[int, int, bool]], size: int, initialised: int | None) -> None:
    """Whatever the library says, runs ascend, do not overlap and end within the size."""
    position, made = 0, []
    for addr, length, hole in parts:
        made.append(FakeRun(addr, length, position, 2 if hole else 0))
        position += length
    found = map_runs(FakeAttribute(size=size, runs=tuple(made)), size, 512, 0, initialised)
    end = 0
    for run in found:
        assert isinstance(run, ByteRun)
        assert run.length > 0
        assert run.file_offset == end
        end = run.file_offset + run.length
        if initialised is not None and run.fs_offset >= 0:
            assert end <= initialised
    assert end == min(size, position * 512)
