"""exFAT times from a directory slot: with a zone they are UTC."""

import struct

import pytest

from triage.evidence.filesystems.exfat import ExfatFacts
from triage.model.stream import MemoryStream
from triage.model.times import Times

START, HEAP = 1024, 8
STAMP = (2024 - 1980) << 25 | 3 << 21 | 9 << 16 | 21 << 11 | 14 << 5 | 10  # 2024-03-09 21:14:20
SECONDS = 1_710_018_860


def facts(slot: bytes, *, shift: int = 9) -> ExfatFacts:
    data = bytearray(START + 16 * 512)
    data[START + 88 : START + 92] = HEAP.to_bytes(4, "little")
    data[START + 108] = shift
    place = START + HEAP * 512 + 2 * 32
    data[place : place + 32] = slot
    return ExfatFacts(MemoryStream(bytes(data)), START)


def slot(kind: int = 0x85, stamp: int = STAMP, zones: tuple[int, int, int] = (0x80, 0x80, 0x80),
         hundredths: int = 0) -> bytes:  # fmt: skip
    return struct.pack("<B7xIII5B7x", kind, stamp, stamp, stamp, hundredths, hundredths, *zones)


@pytest.mark.parametrize(("zone", "shift"), [(0x80, 0), (0x80 | 12, -3 * 3600), (0x80 | (128 - 32), 8 * 3600)])
@pytest.mark.parametrize("kind", [0x85, 0x05])
def test_zones_are_applied(zone: int, shift: int, kind: int) -> None:
    """Quarters of an hour, east positive; also of deleted files."""
    seconds = (SECONDS + shift) * 10**9
    found = facts(slot(kind, zones=(zone, zone, zone), hundredths=150)).times(5)
    assert found == Times(seconds + 1_500_000_000, seconds, None, seconds + 1_500_000_000)


@pytest.mark.parametrize(
    "bad", [slot(zones=(0x80, 0, 0x80)), slot(0xC0), slot(stamp=1), slot(hundredths=200), slot(stamp=STAMP | 31)]
)
def test_without_a_valid_zone_or_time_nothing_is_told(bad: bytes) -> None:
    """The library's local time then stands, marked so."""
    assert facts(bad).times(5) is None


def test_places_outside_tell_nothing() -> None:
    """Addresses of made-up files, a boot sector without sense, no volume."""
    good = facts(slot())
    assert good.times(5) is not None
    for address in (0, 2, 10**12):
        assert good.times(address) is None
    assert facts(slot(), shift=77).times(5) is None
    assert ExfatFacts(MemoryStream(b""), START).times(5) is None


def test_absent_stamps_are_absent() -> None:
    """Zero needs no zone."""
    assert facts(slot(stamp=0, zones=(0, 0, 0))).times(5) == Times()
