"""NTFS facts from bytes: exact times, owners, initialised sizes."""

import struct

import pytest

from tests.support.fake_tsk import FILE, FakeAttribute, FakeFile, FakeLibrary, FakeRecord
from triage.evidence.filesystems.ntfs import NtfsFacts
from triage.model.stream import MemoryStream
from triage.model.times import Times

EPOCH = 116_444_736_000_000_000
RECORD = 1024


def boot(code: int = -10) -> bytes:
    """A boot sector with records of 2 to the power of ``-code`` bytes."""
    sector = bytearray(512)
    sector[11:14] = struct.pack("<HB", 512, 8)
    sector[0x40:0x41] = struct.pack("<b", code)
    return bytes(sector)


def attribute(kind: int, name: str = "", *, resident: bool = False, start: int = 0, written: int = 0) -> bytes:
    encoded = name.encode("utf-16-le")
    length = (64 + len(encoded) + 7) // 8 * 8
    head = struct.pack("<IIBBHHH", kind, length, not resident, len(name), 64, 0, 1)
    return (head + struct.pack("<QQHH4xQQQ", start, 9, 0, 0, 4096, 4000, written) + encoded).ljust(length, b"\0")


def record(*attributes: bytes) -> bytes:
    """A FILE record with its fixups applied, as it lies on the disk."""
    body = b"".join(attributes) + b"\xff\xff\xff\xff"
    raw = bytearray(
        (b"FILE" + struct.pack("<HH", 48, 3) + bytes(12) + struct.pack("<H", 56)).ljust(56, b"\0") + body
    ).ljust(RECORD, b"\0")
    raw[48:50] = b"\x07\x00"
    for index in (1, 2):
        raw[48 + 2 * index : 50 + 2 * index] = raw[512 * index - 2 : 512 * index]
        raw[512 * index - 2 : 512 * index] = b"\x07\x00"
    return bytes(raw)


def facts(records: dict[int, bytes] | None = None, *, sds: bytes = b"", lists: dict[int, bytes] | None = None,
          code: int = -10) -> NtfsFacts:  # fmt: skip
    table = bytearray(RECORD * 64)
    for number, raw in (records or {}).items():
        table[number * RECORD : (number + 1) * RECORD] = raw
    files = {
        0: FakeRecord(FILE, data=bytes(table), attributes=[FakeAttribute(128, 1, None, len(table))]),
        9: FakeRecord(FILE, data=sds, attributes=[FakeAttribute(128, 2, b"$SDS", len(sds))]),
    }
    for number, entries in (lists or {}).items():
        files[number] = FakeRecord(FILE, data=entries, attributes=[FakeAttribute(32, 5, None, len(entries))])
    return NtfsFacts(FakeLibrary(files, flags=1), MemoryStream(boot(code)), 0)


def standard(times: tuple[int, int, int, int], attributes: int = 0, security: int = 0, length: int = 72) -> bytes:
    crtime, mtime, ctime, atime = times
    return struct.pack("<QQQQI16xI", crtime, mtime, ctime, atime, attributes, security).ljust(72, b"\0")[:length]


def read(si: bytes, sds: bytes = b"") -> tuple[Times, str, int]:
    return facts(sds=sds).standard(FakeFile(30, FakeRecord(FILE, data=si), None), 0)


def test_f08_times_keep_their_100_ns_and_their_century() -> None:
    """F08: 1601 to year 60056; zero is absent."""
    times, _, attributes = read(standard((EPOCH + 1, 2**64 - 1, 1, 0), 0x20))
    assert times == Times(mtime=(2**64 - 1 - EPOCH) * 100, atime=None, ctime=(1 - EPOCH) * 100, crtime=100)
    assert attributes == 0x20
    assert times.as_dict()["ctime"].startswith("1601-01-01")


@pytest.mark.parametrize("length", [0, 10, 35])
def test_short_standard_information_tells_nothing(length: int) -> None:
    """No exception on what is too short."""
    assert read(standard((EPOCH, EPOCH, EPOCH, EPOCH), length=length)) == (Times(), "", 0)


def sds(*entries: tuple[int, bytes], start: int = 0) -> bytes:
    out = b""
    for security, descriptor in entries:
        size = 20 + len(descriptor)
        out += (struct.pack("<IIQI", 7, security, start + len(out), size) + descriptor).ljust(
            (size + 15) // 16 * 16, b"\0"
        )
    return out


def descriptor(*parts: int, owner: int = 20, revision: int = 1) -> bytes:
    sid = struct.pack("<BB", revision, len(parts)) + (5).to_bytes(6, "big") + struct.pack(f"<{len(parts)}I", *parts)
    return struct.pack("<BBHIIII", 1, 0, 0x8004, owner, 0, 0, 0) + sid


def test_owner_is_a_sid() -> None:
    """The security id of the file leads to the owner in ``$Secure:$SDS``."""
    stored = sds((0x100, descriptor(18)), (0x101, descriptor(21, 1, 2, 3, 1001)))
    si = standard((EPOCH, EPOCH, EPOCH, EPOCH), security=0x101)
    assert read(si, stored)[1] == "S-1-5-21-1-2-3-1001"
    assert read(standard((EPOCH,) * 4, security=0x100), stored)[1] == "S-1-5-18"
    assert read(standard((EPOCH,) * 4, security=0x999), stored)[1] == ""
    assert read(standard((EPOCH,) * 4, security=0x101, length=48), stored)[1] == ""


def test_descriptors_go_on_behind_the_copies() -> None:
    """Every 256 KiB of descriptors is followed by 256 KiB of copies."""
    first = sds((0x100, descriptor(18))).ljust(0x80000, b"\0")
    stored = first + sds((0x200, descriptor(32, 544)), start=0x80000)
    assert read(standard((EPOCH,) * 4, security=0x200), stored)[1] == "S-1-5-32-544"


@pytest.mark.parametrize(
    "bad", [b"", b"\xff" * 100, descriptor(18, owner=0), descriptor(18, owner=9999), descriptor(18, revision=9),
            descriptor(18)[:-2]],
)  # fmt: skip
def test_broken_descriptors_give_no_owner(bad: bytes) -> None:
    """And do not keep others from being read."""
    stored = sds((0x100, bad), (0x101, descriptor(18)))
    assert read(standard((EPOCH,) * 4, security=0x100), stored)[1] == ""
    assert read(standard((EPOCH,) * 4, security=0x101), stored)[1] == "S-1-5-18"


def test_initialised_size_by_name() -> None:
    """Of the unnamed data and of a stream."""
    found = facts(
        {30: record(attribute(16, resident=True), attribute(128, written=77), attribute(128, "s", written=5))}
    )
    assert found.initialised_size(30, b"") == 77
    assert found.initialised_size(30, b"s") == 5
    assert found.initialised_size(30, b"t") is None
    assert found.initialised_size(31, b"") is None
    assert found.initialised_size(9999, b"") is None
    assert found.initialised_size(30, b"\xff") is None


def test_initialised_size_of_resident_data_is_none() -> None:
    """Resident data are all there."""
    assert facts({30: record(attribute(128, resident=True, written=77))}).initialised_size(30, b"") is None


def test_initialised_size_through_an_attribute_list() -> None:
    """A file in many pieces: the list names the record of the first."""
    name = "s".encode("utf-16-le")
    entries = b""
    for first, target, stream in ((9, 41, b""), (0, 40, b""), (0, 41, name)):
        entries += struct.pack("<IHBBQQH", 128, 32, len(stream) // 2, 26, first, target | 1 << 48, 3) + stream.ljust(
            6, b"\0"
        )
    found = facts(
        {30: record(attribute(32, resident=True)), 40: record(attribute(128, written=123)),
         41: record(attribute(128, start=9, written=0), attribute(128, "s", written=8))},
        lists={30: entries},
    )  # fmt: skip
    assert found.initialised_size(30, b"") == 123
    assert found.initialised_size(30, b"s") == 8
    assert found.initialised_size(30, b"t") is None


@pytest.mark.parametrize("code", [0, 127, -1, -40])
def test_a_boot_sector_without_sense_tells_nothing(code: int) -> None:
    """Records of no possible size are not read."""
    assert facts({30: record(attribute(128, written=77))}, code=code).initialised_size(30, b"") is None


def test_a_torn_record_is_not_used() -> None:
    """Fixups that point outside, attributes without end."""
    good = record(attribute(128, written=77))
    for place, value in ((6, b"\xff\xff"), (4, b"\xff\xff"), (0, b"BAAD"), (20, b"\xff\xff"), (60, b"\0\0\0\0")):
        bad = bytearray(good)
        bad[place : place + len(value)] = value
        assert facts({30: bytes(bad)}).initialised_size(30, b"") is None
