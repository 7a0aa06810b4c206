"""Times: absent ones, and independence of this machine's zone."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from triage.evidence.filesystems.tsk_times import TimeReader, is_out_of_range
from triage.model.times import Times

WINTER, SUMMER = 1_642_971_616, 1_658_000_000


def meta(mtime: int = 0, atime: int = 0, ctime: int = 0, crtime: int = 0, nano: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        mtime=mtime, atime=atime, ctime=ctime, crtime=crtime,
        mtime_nano=nano, atime_nano=0, ctime_nano=0, crtime_nano=0,
    )  # fmt: skip


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_zero_is_absent_but_in_ext_it_may_be_1970() -> None:
    """F08: 1970 is kept where the record has any other time."""
    assert TimeReader("fat16").read(meta(mtime=WINTER)) == Times(mtime=WINTER * 10**9, zone_known=False)
    assert TimeReader("ext4").read(meta()) == Times()
    assert TimeReader("ext4").read(meta(atime=WINTER, nano=7)) == Times(mtime=7, atime=WINTER * 10**9, ctime=0)


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("name", ["fat12", "fat16", "fat32", "exfat", "iso9660"])
@pytest.mark.parametrize("stored", [WINTER, SUMMER])
def test_r9_local_times_do_not_depend_on_our_zone(name: str, stored: int) -> None:
    """R9: the library makes them with ``mktime`` and no summer time."""
    made = int(time.mktime((*time.gmtime(stored)[:8], 0)))
    assert made != stored
    read = TimeReader(name).read(meta(mtime=made))
    assert read.mtime == stored * 10**9
    assert not read.zone_known


@pytest.mark.usefixtures("berlin")
def test_times_that_are_utc_stay() -> None:
    """Only local times are shifted."""
    assert TimeReader("ext4").read(meta(mtime=SUMMER)).mtime == SUMMER * 10**9


def test_range() -> None:
    """Before 1970 and after 2099."""
    assert not is_out_of_range(Times())
    assert not is_out_of_range(Times(mtime=0, atime=4_102_444_799 * 10**9))
    assert is_out_of_range(Times(crtime=-1))
    assert is_out_of_range(Times(mtime=0, ctime=4_102_444_800 * 10**9))
