"""Entries of a volume while it is listed: their number does not show in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from triage.errors import OutputNotWritableError
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.pipeline import spool
from triage.pipeline.spool import BATCH, Spool

NASTY = (
    b"/" + b"n" * 65536,
    b"/nul\0x",
    b"/new\nline",
    b"/\x1b[31m",
    "/\u202ertl".encode(),
    b"/\xff\xfe\xed\xa0\x80",
    b"/",
)


def entry(number: int) -> Entry:
    name = NASTY[number % len(NASTY)] if number < 20 else b"/%d" % number
    return Entry(Address("e", "p1", name), EntryType.FILE, number, number)


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 50 + BATCH - 1, 50 + BATCH, 50 + 3 * BATCH + 7])
def test_entries_come_back_in_order_as_often_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 50)
    kept = Spool(tmp_path)
    for number in range(count):
        kept.append(entry(number))
    wanted = [entry(number) for number in range(count)]
    assert len(kept) == count and list(kept) == list(kept) == wanted
    assert len(kept._recent) <= max(49, BATCH)
    kept.append(entry(count))  # and goes on after it was read
    assert list(kept) == [*wanted, entry(count)]
    assert not list(tmp_path.iterdir())  # the file has no name: nothing is left when the run is killed
    kept.clear()
    assert len(kept) == 0 and list(kept) == []
    kept.append(entry(3))
    assert list(kept) == [entry(3)]
    kept.close()
    kept.close()


def test_two_readers_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 10)
    kept = Spool(tmp_path)
    for number in range(3 * BATCH):
        kept.append(entry(number))
    assert all(left == right for left, right in zip(kept, kept, strict=True))
    kept.close()


def test_a_place_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 1)
    with pytest.raises(OutputNotWritableError, match="cannot be kept"):
        Spool(tmp_path / "gone").append(entry(1))
