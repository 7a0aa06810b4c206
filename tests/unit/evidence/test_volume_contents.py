"""What stands in a volume: read, encrypted, not read, damaged, unknown."""

import random
import struct

import pytest

from tests.support.disk_image import boot_record, ext_like, mbr_entry, put
from tests.support.fat_image import fat_image
from triage.errors import ReadFailedError
from triage.evidence.volumes import find_volumes
from triage.evidence.volumes.bare import Prober
from triage.evidence.volumes.signatures import entropy
from triage.model.problem import Reason
from triage.model.stream import MemoryStream

SIZE = 4 << 20

ENCRYPTED = [
    (3, b"-FVE-FS-", "BitLocker"),
    (0, b"LUKS\xba\xbe\x00\x01", "LUKS1"),
    (0, b"LUKS\xba\xbe\x00\x02", "LUKS2"),
    (0x4000, b"SKUL\xba\xbe", "LUKS2 (second header)"),
]
UNREAD = [
    (32, b"NXSB", "APFS container"),
    (3, b"ReFS\x00\x00\x00\x00", "ReFS"),
    (0x8000, b"JFS1", "JFS"),
    (0x10034, b"ReIsEr2Fs", "ReiserFS"),
    (4086, b"SWAPSPACE2", "Linux swap"),
    (4096, b"\xfc\x4e\x2b\xa9", "Linux software RAID member"),
    (SIZE - 0x10000, b"\xfc\x4e\x2b\xa9", "Linux software RAID member"),
    (SIZE - 1024, b"Intel Raid ISM Cfg Sig. ", "Intel RAID member"),
    (SIZE - 512, b"\xde\x11\xde\x11", "DDF RAID member"),
    (SIZE - 4096 + 60, b"\x83\x74\x02\x6d", "DRBD"),
    (512, b"LABELONE" + bytes(16) + b"LVM2 001", "LVM2 physical volume"),
    (0x100000, b"\x0d\xd0\x01\xc0", "VMFS"),
    (512 + 32, b"1SFB", "BeFS"),
    (1024, b"\x02\x00\x00\x00\x00\x00\x34\x34", "NILFS2"),
    (1024, b"BD" + bytes(16) + b"\x01\x00" + struct.pack(">I", 4096), "HFS (classic)"),
    (1024, struct.pack("<HHHHHHIH", 100, 0, 1, 1, 10, 0, 0, 0x138F), "MINIX file system"),
    (1024, struct.pack(">HHHHHHIH", 100, 0, 1, 1, 10, 0, 0, 0x2478), "MINIX file system"),
    (16 * 2048, b"\x00BEA01".ljust(2048, b"\x00") + b"\x00NSR02", "UDF"),
]
DAMAGED = [
    (3, b"NTFS    ", "NTFS, damaged"),
    (3, b"EXFAT   ", "exFAT, damaged"),
    (1080, b"\x53\xef", "ext2, ext3 or ext4, damaged"),
    (1024, b"H+\x00\x04", "HFS+, damaged"),
    (0x8001, b"CD001", "ISO 9660, damaged"),
    (0, b"XFSB", "XFS, damaged"),
    (0x10040, b"_BHRfS_M", "btrfs, damaged"),
    (1024, b"\x10\x20\xf5\xf2", "F2FS, damaged"),
    (1024, b"\xe2\xe1\xf5\xe0", "EROFS, damaged"),
    (0, b"hsqs", "squashfs, damaged"),
    (0, b"\x45\x3d\xcd\x28", "cramfs, damaged"),
]


def volume_with(offset, magic, size=SIZE):
    raw = bytearray(random.Random(5).choices(b"text of no kind ", k=4096) * (size // 4096))
    raw[:0x30000] = bytes(0x30000)
    put(raw, offset, magic)
    return bytes(raw)


def on_disk(volume):
    """The volume as first partition at sector 8 of a disk."""
    disk = bytearray(8 * 512 + len(volume) + 4096)
    put(disk, 0, boot_record(mbr_entry(0x83, 8, len(volume) // 512)))
    put(disk, 8 * 512, volume)
    return bytes(disk)


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize(("offset", "magic", "name"), ENCRYPTED)
def test_v03_encryption_is_named(offset, magic, name, bare):
    """Method, size and place in the Problem; the image counts as recognised."""
    volume = volume_with(offset, magic)
    found = find_volumes(MemoryStream(volume if bare else on_disk(volume)), "d.dd")
    assert found.is_recognised
    assert found.volumes[0].encryption == name
    assert not found.volumes[0].file_system
    (problem,) = [problem for problem in found.problems if problem.reason is Reason.ENCRYPTED]
    assert problem.address == "d.dd p1:/"
    assert problem.bytes_not_examined == SIZE
    assert name in problem.message
    assert str(SIZE) in problem.message
    assert "password" in problem.hint


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize(("offset", "magic", "name"), UNREAD)
def test_v03_what_is_not_read_is_named(offset, magic, name, bare):
    """Volume managers and file systems of other kinds."""
    volume = volume_with(offset, magic)
    found = find_volumes(MemoryStream(volume if bare else on_disk(volume)), "d.dd")
    assert found.is_recognised
    assert (found.volumes[0].unsupported, found.volumes[0].encryption) == (name, "")
    (problem,) = [problem for problem in found.problems if problem.address == "d.dd p1:/"]
    assert (problem.reason, problem.bytes_not_examined) == (Reason.UNSUPPORTED, SIZE)
    assert problem.hint


@pytest.mark.parametrize(("offset", "magic", "name"), DAMAGED)
def test_v02_damaged_file_system_is_not_unknown(offset, magic, name):
    """A signature without a structure behind it is a damaged file system, not something unrecognised."""
    found = find_volumes(MemoryStream(volume_with(offset, magic)), "d.dd")
    assert found.is_recognised
    (problem,) = found.problems
    assert problem.reason is Reason.CORRUPT
    assert name in problem.message


def test_v02_damaged_fat():
    """FAT has no magic: its boot sector is judged by its fields."""
    raw = bytearray(fat_image({"a.txt": b"x"}))
    raw[19:21] = raw[32:36][:2] = b"\x05\x00"
    raw[22:24] = b"\xff\xff"
    found = find_volumes(MemoryStream(bytes(raw)), "d.dd")
    assert found.volumes[0].unsupported == "FAT, damaged"


def test_bitlocker_to_go_is_encrypted_and_its_reader_volume_is_read():
    """The FAT volume in front stays readable; the encryption is told all the same."""
    raw = bytearray(fat_image({"a.txt": b"x"}))
    put(raw, 3, b"MSWIN4.1")
    put(raw, 424, bytes.fromhex("3bd66749292ed84a8399f6a339e3d001"))
    found = find_volumes(MemoryStream(bytes(raw)), "d.dd")
    assert (found.volumes[0].encryption, found.volumes[0].file_system) == ("BitLocker To Go", "fat12")
    assert [problem.reason for problem in found.problems] == [Reason.ENCRYPTED]


def test_zfs_needs_more_than_one_uberblock():
    """One number by chance is no file system."""
    for count, expected in ((1, False), (3, True)):
        raw = bytearray(volume_with(0, b""))
        for index in range(count):
            put(raw, (128 << 10) + 1024 * index, struct.pack("<Q", 0x00BAB10C))
        found = find_volumes(MemoryStream(bytes(raw)), "d.dd")
        assert ("ZFS" in found.volumes[0].unsupported) is expected


def test_readable_file_system_wins_over_remains_behind_it():
    """A FAT volume with an old btrfs superblock further in: read, and the remains are told."""
    raw = bytearray(fat_image({"a.txt": b"x"}))
    put(raw, 0x10040, b"_BHRfS_M")
    found = find_volumes(MemoryStream(bytes(raw)), "d.dd")
    assert found.volumes[0].file_system == "fat12"
    (problem,) = found.problems
    assert (problem.reason, problem.examined_anyway) == (Reason.MISMATCH, True)
    assert "btrfs" in problem.message


def test_v04_entropy_is_a_measure_not_a_statement():
    """Random data get their bits for each byte and a maybe."""
    found = find_volumes(MemoryStream(random.Random(1).randbytes(1 << 20)), "d.dd")
    assert not found.is_recognised
    words = found.volumes[0].unsupported
    assert "may be encrypted or compressed" in words
    assert "bits per byte" in words
    assert found.volumes[0].encryption == ""
    assert found.problems[0].reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("data", "low", "high", "zeros"),
    [
        (bytes(10_000), 0.0, 0.0, True),
        (b"", 0.0, 0.0, True),
        (b"ab" * 5_000, 1.0, 1.0, False),
        (bytes(range(256)) * 100, 7.99, 8.0, False),
        (random.Random(1).randbytes(1 << 16) + bytes(1 << 20), 7.9, 8.0, False),
    ],
)
def test_entropy(data, low, high, zeros):
    """Known measures; a volume whose beginning is random counts as such."""
    bits, all_zero = entropy(MemoryStream(data), 0, len(data))
    assert low - 1e-9 <= bits <= high + 1e-9
    assert all_zero is zeros


def test_empty_partition_is_no_problem_but_empty_media_are():
    """A partition of zeros has nothing to examine; media of zeros are told."""
    disk = bytearray(on_disk(ext_like(8192)))
    put(disk, 0, boot_record(mbr_entry(0x83, 8, 16), mbr_entry(0x83, 24, 8)))
    found = find_volumes(MemoryStream(bytes(disk)), "d.dd")
    assert found.volumes[1].description == "Linux (0x83), all zeros"
    assert not found.volumes[1].unsupported
    assert [problem.address for problem in found.problems] == ["d.dd p1:/"]
    found = find_volumes(MemoryStream(bytes(100_000)), "d.dd")
    assert not found.is_recognised
    assert [(p.bytes_not_examined, p.reason) for p in found.problems] == [(100_000, Reason.UNSUPPORTED)]


def test_r1_a_volume_that_cannot_be_read_costs_only_itself():
    """A read error in one partition is a Problem of that partition."""

    class Bad(MemoryStream):
        def read_at(self, offset, length):
            if offset < 100_000 < offset + length or 90_000 <= offset < 200_000:
                raise ReadFailedError("bad medium", hint="cable")
            return super().read_at(offset, length)

    disk = bytearray(400_000)
    put(disk, 0, boot_record(mbr_entry(0x83, 8, 16), mbr_entry(0x83, 180, 100), mbr_entry(0x83, 500, 16)))
    put(disk, 8 * 512, ext_like())
    put(disk, 500 * 512, ext_like())
    media = Bad(bytes(disk))
    assert Prober(media).look(180 * 512, 51_200).is_unreadable
    with pytest.raises(ReadFailedError):
        media.read_at(99_999, 10)
    # The look at the whole media reads past the bad place as well; it must not decide alone.
    found = find_volumes(media, "d.dd")
    assert [v.name for v in found.volumes if v.name != "p0"] == ["p1", "p2", "p3"]
    assert [p.reason for p in found.problems if p.address == "d.dd p2:/"] == [Reason.UNREADABLE]


def test_r1_a_bad_sector_in_a_table_does_not_hide_the_rest():
    """An extended record that cannot be read: the primary partitions stay, the place is named."""

    class Bad(MemoryStream):
        def read_at(self, offset, length):
            if offset <= 100 * 512 < offset + length and length < 1 << 16:
                raise ReadFailedError("bad medium", hint="cable")
            return super().read_at(offset, length)

    disk = bytearray(400_000)
    put(disk, 0, boot_record(mbr_entry(0x83, 8, 16), mbr_entry(0x05, 100, 200)))
    put(disk, 8 * 512, ext_like())
    found = find_volumes(Bad(bytes(disk)), "d.dd")
    assert [v.name for v in found.volumes if v.name != "p0"] == ["p1"]
    assert any(p.reason is Reason.UNREADABLE and "51200" in p.message for p in found.problems)


def test_nothing_readable_at_all():
    """Media that give no byte are not recognised, and nothing is raised."""

    class Bad(MemoryStream):
        def read_at(self, offset, length):
            raise ReadFailedError("bad medium")

    found = find_volumes(Bad(bytes(100_000)), "d.dd")
    assert not found.is_recognised
    assert Reason.UNREADABLE in {problem.reason for problem in found.problems}


def test_short_media():
    """Media of a few bytes are unknown, and nothing else."""
    for size in (1, 2, 511, 512, 513, 1024, 2048):
        found = find_volumes(MemoryStream(b"\x01" * size), "d.dd")
        assert not found.is_recognised
