"""MBR, GPT, APM, BSD and Sun tables: sound, damaged, contradicting."""

import struct

import pytest

from tests.support.disk_image import (
    apm_disk,
    boot_record,
    bsd_label,
    ext_like,
    gpt_disk,
    gpt_entry,
    mbr_entry,
    put,
)
from tests.support.fat_image import fat_image
from triage.evidence.volumes import find_volumes, mbr
from triage.model.problem import Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation

S = 512


def layout(disk, sector_size=512):
    return find_volumes(MemoryStream(bytes(disk)), "d.dd", sector_size)


def places(found):
    return [(v.name, v.image_offset // S, v.length // S) for v in found.volumes if v.name != "p0"]


def gaps(found):
    return [(v.image_offset // S, v.length // S) for v in found.volumes if v.allocation is Allocation.UNALLOCATED]


def reasons(found, *, real=True):
    return {problem.reason for problem in found.problems if not (real and problem.reason is Reason.UNSUPPORTED)}


def mbr_disk(*entries, sectors=256, fill=()):
    disk = bytearray(sectors * S)
    put(disk, 0, boot_record(*entries))
    for sector in fill:
        put(disk, sector * S, ext_like())
    return disk


def test_mbr_in_table_order_with_gaps():
    """Numbers follow the table, not the disk; what lies between is ``p0``."""
    found = layout(mbr_disk(mbr_entry(0x83, 100, 50), mbr_entry(0x07, 10, 20, status=0x80), fill=(100, 10)))
    assert found.is_recognised
    assert places(found) == [("p1", 100, 50), ("p2", 10, 20)]
    assert gaps(found) == [(0, 10), (30, 70), (150, 106)]
    assert [v.description for v in found.volumes[:2]] == ["Linux (0x83)", "NTFS / exFAT (0x07)"]
    metadata = [v for v in found.volumes if v.allocation is Allocation.METADATA]
    assert [(v.name, v.image_offset, v.length) for v in metadata] == [("p0", 0, 512)]
    assert reasons(found) == set()


def test_mbr_extended_chain():
    """Logical partitions come after the primary ones, links count from the first record of the chain."""
    disk = mbr_disk(mbr_entry(0x05, 50, 150), mbr_entry(0x83, 10, 20), fill=(10, 60, 110))
    put(disk, 50 * S, boot_record(mbr_entry(0x83, 10, 30), mbr_entry(0x05, 50, 60)))
    put(disk, 100 * S, boot_record(mbr_entry(0x83, 10, 40)))
    found = layout(disk)
    assert places(found) == [("p1", 10, 20), ("p2", 60, 30), ("p3", 110, 40)]
    assert reasons(found) == set()


@pytest.mark.parametrize("back_to", [0, 50])
def test_v01_extended_chain_that_loops(back_to):
    """Each record is seen once; the loop is told."""
    disk = mbr_disk(mbr_entry(0x05, 50, 150), fill=(60, 110))
    put(disk, 50 * S, boot_record(mbr_entry(0x83, 10, 30), mbr_entry(0x05, 50, 60)))
    put(disk, 100 * S, boot_record(mbr_entry(0x83, 10, 40), mbr_entry(0x05, back_to, 60)))
    found = layout(disk)
    assert places(found) == [("p1", 60, 30), ("p2", 110, 40)]
    assert Reason.LOOP in reasons(found)


def test_v01_ten_thousand_extended_partitions():
    """A chain of 10,000 records: each partition once, no recursion."""
    count = 10_000
    disk = bytearray((2 * count + 20) * S)
    put(disk, 0, boot_record(mbr_entry(0x0F, 2, 2 * count)))
    for index in range(count):
        here = 2 + 2 * index
        link = [mbr_entry(0x05, 2 * (index + 1), 2)] if index + 1 < count else []
        put(disk, here * S, boot_record(mbr_entry(0x83, 1, 1), *link))
    table = mbr.read_mbr(MemoryStream(bytes(disk)), 512)
    assert table is not None
    starts = [part.start for part in table.allocated]
    assert len(starts) == len(set(starts)) == mbr.MAX_PARTS // 2 if count * 2 > mbr.MAX_PARTS else count
    assert {remark.reason for remark in table.remarks} <= {Reason.LIMIT}


def test_v01_beyond_the_end_zero_length_and_cut():
    """What the media have is read; the rest is named with its bytes."""
    found = layout(
        mbr_disk(
            mbr_entry(0x83, 10, 20),
            mbr_entry(0x83, 200, 100),
            mbr_entry(0x83, 1000, 5),
            mbr_entry(0x83, 50, 0),
            fill=(10, 200),
        )
    )
    assert places(found) == [("p1", 10, 20), ("p2", 200, 56)]
    missing = {p.bytes_not_examined for p in found.problems if p.reason is Reason.TRUNCATED}
    assert missing == {44 * S, 5 * S}
    assert any("length 0" in problem.message for problem in found.problems)


def test_v01_overlap_is_told_and_both_are_read():
    """Two volumes that share sectors; the same place twice counts once."""
    found = layout(mbr_disk(mbr_entry(0x83, 10, 50), mbr_entry(0x83, 40, 50), mbr_entry(0x83, 10, 50), fill=(10, 40)))
    assert places(found) == [("p1", 10, 50), ("p2", 40, 50)]
    assert gaps(found) == [(0, 10), (90, 166)]
    (problem,) = [problem for problem in found.problems if "overlap" in problem.message]
    assert problem.examined_anyway
    assert f"{20 * S} bytes" in problem.message


def test_mbr_with_sectors_of_4096():
    """The sector size under which the partitions hold something is the right one."""
    disk = bytearray(4096 * 64)
    put(disk, 0, boot_record(mbr_entry(0x83, 4, 8), mbr_entry(0x83, 20, 8)))
    put(disk, 4 * 4096, ext_like())
    put(disk, 20 * 4096, ext_like())
    for stated in (512, 4096):
        found = layout(disk, stated)
        assert [(v.image_offset, v.length) for v in found.volumes[:2]] == [(4 * 4096, 8 * 4096), (20 * 4096, 8 * 4096)]


def test_v02_boot_sector_is_no_table():
    """A FAT boot sector ends in 55 AA as well: the file system is bare."""
    found = layout(fat_image({"a.txt": b"x"}))
    assert [(v.name, v.system, v.file_system) for v in found.volumes] == [("p1", "bare", "fat12")]
    assert found.problems == ()


def test_v02_boot_code_that_reads_like_entries():
    """A FAT volume with text where a table would be stays bare; nothing is claimed beyond its end."""
    raw = bytearray(fat_image({"a.txt": b"x"}))
    put(raw, 446, b"Remove disks or other media. Press any key to restart......"[:64])
    found = layout(raw)
    assert [(v.name, v.system, v.file_system) for v in found.volumes] == [("p1", "bare", "fat12")]
    assert found.problems == ()


def test_v02_boot_code_with_an_entry_at_zero():
    """Entries that make no sense beside one that begins at 0: the file system found there proves no table."""
    raw = bytearray(fat_image({"a.txt": b"x"}))
    put(raw, 446, mbr_entry(0x76, 0, 2000) + mbr_entry(0x78, 5, 2000, status=0x78))
    found = layout(raw)
    assert [(v.name, v.system, v.length) for v in found.volumes] == [("p1", "bare", len(raw))]
    assert found.problems == ()


def test_v02_old_file_system_under_a_table():
    """A table whose partitions hold something wins; the remains at 0 are told."""
    disk = mbr_disk(mbr_entry(0x83, 10, 50), fill=(10,))
    put(disk, 1024, b"\xe2\xe1\xf5\xe0")
    found = layout(disk)
    assert places(found) == [("p1", 10, 50)]
    assert any("earlier use" in problem.message for problem in found.problems)


def test_v02_no_table_at_all():
    """Nothing at 0 and no table: one volume that is not recognised."""
    found = layout(bytearray(b"hello world " * 1000))
    assert not found.is_recognised
    assert [(v.name, v.system) for v in found.volumes] == [("p1", "bare")]
    assert [p.bytes_not_examined for p in found.problems] == [12_000]


def test_table_without_a_partition_in_the_media():
    """The start of a disk only: a certain table, and a Problem for everything."""
    found = layout(apm_disk([(100, 5000, b"Apple_HFS")], 8))
    assert found.is_recognised
    assert places(found) == []
    assert any(p.reason is Reason.UNSUPPORTED and p.bytes_not_examined == 8 * S for p in found.problems)


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_gpt(sector_size):
    """Partitions with their names, both sector sizes, whatever the container says."""
    disk = gpt_disk([gpt_entry(40, 49, "Daten \u202eevil"), gpt_entry(60, 79)], 200, sector_size=sector_size)
    put(disk, 40 * sector_size, ext_like())
    found = layout(disk)
    assert [(v.name, v.image_offset, v.length) for v in found.volumes[:2]] == [
        ("p1", 40 * sector_size, 10 * sector_size),
        ("p2", 60 * sector_size, 20 * sector_size),
    ]
    assert found.volumes[0].description == "Linux filesystem: Daten \\xe2\\x80\\xaeevil"
    assert found.volumes[0].system == "gpt"
    assert reasons(found) == set()
    assert "all zeros" in found.volumes[1].description


def test_v02_first_gpt_damaged():
    """The second one at the end is used, and told."""
    disk = gpt_disk([gpt_entry(40, 49)], 200)
    for at in (S + 16, S + 60, 2 * S + 40):
        damaged = bytearray(disk)
        damaged[at] ^= 0xFF
        found = layout(damaged)
        assert places(found) == [("p1", 40, 10)]
        assert any("second one at the end is used" in p.message and p.examined_anyway for p in found.problems)
    wiped = bytearray(disk)
    put(wiped, S, bytes(33 * S))
    assert places(layout(wiped)) == [("p1", 40, 10)]


def test_v02_second_gpt_damaged_or_cut_off():
    """The first one holds; an image that ends before the second one is shorter than the disk was."""
    disk = gpt_disk([gpt_entry(40, 49)], 200)
    damaged = bytearray(disk)
    damaged[199 * S + 20] ^= 0xFF
    assert any("second GPT" in p.message and p.examined_anyway for p in layout(damaged).problems)
    found = layout(disk[: 100 * S])
    assert places(found) == [("p1", 40, 10)]
    assert [p.bytes_not_examined for p in found.problems if p.reason is Reason.TRUNCATED] == [100 * S]


def test_v02_both_gpt_hold_and_differ():
    """Both readings are shown."""
    found = layout(gpt_disk([gpt_entry(40, 49)], 200, backup=[gpt_entry(40, 49), gpt_entry(80, 99)]))
    assert places(found) == [("p1", 40, 10), ("p2", 80, 20)]
    assert "second GPT only" in found.volumes[1].description
    assert Reason.MISMATCH in reasons(found)


def test_v02_both_gpt_damaged():
    """Used as it stands, with a Problem that nothing holds it."""
    disk = gpt_disk([gpt_entry(40, 49)], 200)
    disk[S + 16] ^= 0xFF
    disk[199 * S + 16] ^= 0xFF
    put(disk, 40 * S, ext_like())
    found = layout(disk)
    assert places(found) == [("p1", 40, 10)]
    assert Reason.CORRUPT in reasons(found)


@pytest.mark.parametrize("protected", [True, False])
def test_v02_mbr_and_gpt_disagree(protected):
    """A partition that stands in the MBR only is listed after those of the GPT."""
    disk = gpt_disk([gpt_entry(40, 49)], 200)
    entries = [mbr_entry(0x83, 100, 20)] + ([mbr_entry(0xEE, 1, 90)] if protected else [])
    put(disk, 0, boot_record(*entries))
    found = layout(disk)
    assert places(found) == [("p1", 40, 10), ("p2", 100, 20)]
    assert "MBR only" in found.volumes[1].description
    (problem,) = [p for p in found.problems if p.reason is Reason.MISMATCH]
    assert ("does not mark" in problem.message) is not protected


def test_v02_protective_mbr_without_gpt():
    """Nothing but the protection is no partition."""
    disk = mbr_disk(mbr_entry(0xEE, 1, 255))
    found = layout(disk)
    assert not any(v.file_system for v in found.volumes)
    assert found.problems


def test_gpt_with_hostile_numbers():
    """Counts and sizes that would need gigabytes are refused; negative lengths are told."""
    disk = gpt_disk([gpt_entry(40, 49), gpt_entry(60, 50), gpt_entry(1 << 62, (1 << 63) - 1)], 200)
    found = layout(disk)
    assert places(found) == [("p1", 40, 10)]
    assert any("length 0 or less" in p.message for p in found.problems)
    assert any(p.reason is Reason.TRUNCATED for p in found.problems)
    for field, value in ((80, 0xFFFFFFFF), (84, 0xFFFFFFFF), (84, 1), (12, 0xFFFFFFFF), (72, 1 << 31)):
        damaged = bytearray(disk)
        for lba in (1, 199):
            damaged[lba * S + field : lba * S + field + 4] = struct.pack("<I", value)
        layout(damaged)


@pytest.mark.parametrize("block_size", [512, 2048])
def test_apm(block_size):
    """Map and drivers are metadata, free space is none."""
    parts = [(64, 10, b"Apple_Driver43"), (80, 20, b"Apple_HFS"), (100, 20, b"Apple_Free")]
    found = layout(apm_disk(parts, 160, block_size=block_size))
    (volume,) = [v for v in found.volumes if v.name != "p0"]
    assert (volume.image_offset, volume.length, volume.system) == (80 * block_size, 20 * block_size, "apm")
    assert volume.description.startswith("Apple_HFS: name")


def test_apm_that_counts_too_many():
    """A count without end stops where the entries do."""
    disk = apm_disk([(80, 20, b"Apple_HFS")], 160)
    disk[S + 4 : S + 8] = b"\xff\xff\xff\xff"
    found = layout(disk)
    assert places(found) == [("p1", 80, 20)]
    assert Reason.LIMIT in reasons(found)


def test_bsd_label_on_a_disk():
    """Entry ``c`` is the whole disk and no volume."""
    disk = bytearray(200 * S)
    put(disk, S, bsd_label([(50, 16, 7), (20, 66, 1), (200, 0, 0)]))
    put(disk, 16 * S, ext_like())
    found = layout(disk)
    assert places(found) == [("p1", 16, 50), ("p2", 66, 20)]
    assert found.volumes[0].system == "bsd"
    assert found.volumes[0].description == "a: 4.2BSD"


@pytest.mark.parametrize("absolute", [True, False])
def test_bsd_label_inside_a_partition(absolute):
    """A FreeBSD slice is replaced by what its label divides it into, entries counted from disk or slice."""
    disk = mbr_disk(mbr_entry(0xA5, 40, 160), mbr_entry(0x83, 10, 20), sectors=256, fill=(10, 60))
    shift = 40 if absolute else 0
    put(disk, 41 * S, bsd_label([(50, 20 + shift, 7), (30, 70 + shift, 1), (160, shift, 0)]))
    found = layout(disk)
    assert places(found) == [("p1", 60, 50), ("p2", 110, 30), ("p3", 10, 20)]
    assert found.volumes[0].description == "FreeBSD (0xa5), a: 4.2BSD"


def test_sun_label():
    """Through the library; slice 2 covers the disk and is no volume."""
    disk = bytearray(64 * 32 * S)
    label = bytearray(512)
    struct.pack_into(">I", label, 128, 1)
    struct.pack_into(">H", label, 140, 8)
    struct.pack_into(">I", label, 188, 0x600DDEEE)
    for index, (tag, cylinder, blocks) in enumerate([(2, 1, 640), (0, 0, 0), (5, 0, 2048), (8, 21, 320)]):
        struct.pack_into(">HH", label, 142 + 4 * index, tag, 0)
        struct.pack_into(">II", label, 444 + 8 * index, cylinder, blocks)
    struct.pack_into(">H", label, 420, 5400)
    struct.pack_into(">HHHHHHH", label, 422, 64, 0, 0, 1, 64, 2, 2)
    struct.pack_into(">HH", label, 436, 2, 16)
    struct.pack_into(">H", label, 508, 0xDABE)
    checksum = 0
    for (word,) in struct.iter_unpack(">H", bytes(label[:510])):
        checksum ^= word
    struct.pack_into(">H", label, 510, checksum)
    put(disk, 0, label)
    put(disk, 32 * S, ext_like())
    found = layout(disk)
    assert found.is_recognised
    assert [(v.system, v.image_offset // S, v.length // S) for v in found.volumes if v.name != "p0"] == [
        ("sun", 32, 640),
        ("sun", 21 * 32, 320),
    ]
