"""The parts of the search: signs in blocks, patches, ranges, which of two stands, remains of tables, single formats."""

import random
import struct
import zlib

import pytest

from tests.support.disk_image import boot_record, gpt_disk, gpt_entry, mbr_entry, put
from tests.support.laid_media import MIB, LaidMedia
from tests.support.tool_images import plant, run
from triage.evidence.volumes import LostSearch, find_volumes
from triage.evidence.volumes.bare import Content
from triage.evidence.volumes.lost_found import Found, PatchedStream, Pieces, without
from triage.evidence.volumes.lost_resolve import cut, resolve
from triage.evidence.volumes.lost_signs import SIGNS, marked
from triage.evidence.volumes.lost_tables import Hint, hints_of_gpt, hints_of_record
from triage.model.address import Address
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation

NOTHING = Content()
RANGES = [(0, 1000 * MIB)]


def found(start, length, *, backup=False, kind="NTFS", spans=False):
    return Found(start, length, kind, ("ntfs",), "boot sector", start, (), backup, spans), NOTHING


def standing(*pairs, hints=None, ranges=RANGES):
    return [(one.start, one.length, one.is_backup) for one, _ in resolve(pairs, ranges, hints or {})]


def test_signs_are_found_in_every_sector_and_nowhere_else():
    """Against the plain way of looking, in noise and at every offset of the table."""
    block = bytearray(random.Random(1).randbytes(64 * 512 + 100))
    for sign in SIGNS:
        magic = sign.values[0].to_bytes(sign.width, "little")
        assert sign.offset + sign.width <= 512
        for sector in (0, 17, 63):
            put(block, sector * 512 + sign.offset, magic)
        put(block, 64 * 512, magic)  # a part of a sector
        values = [value.to_bytes(sign.width, "little") for value in sign.values]
        places = (sector * 512 + sign.offset for sector in range(64))
        plain = [place // 512 for place in places if bytes(block[place : place + sign.width]) in values]
        assert marked(bytes(block), sign.offset, sign.width, sign.values) == plain
        assert {0, 17, 63} <= set(plain)
    assert marked(b"", 0, 4, (1,)) == []


def test_patches_show_through_every_reading():
    data = bytes(range(200))
    stream = PatchedStream(MemoryStream(data), ((10, b"ABCDE"), (190, b"z" * 30)))
    whole = data[:10] + b"ABCDE" + data[15:190] + b"z" * 10
    assert stream.size == 200
    for start in range(0, 205, 3):
        for length in (1, 2, 4, 9, 50, 300):
            assert stream.read_at(start, length) == whole[start : start + length]


def test_ranges_without_what_is_owned():
    assert without([(0, 100)], [(10, 20), (15, 30), (90, 200)]) == [(0, 10), (30, 90)]
    assert without([(0, 100)], []) == [(0, 100)]
    assert without([(0, 100)], [(0, 100)]) == []
    assert without([(0, 10), (10, 20)], [(30, 40)]) == [(0, 20)]


def test_pieces_are_whole_or_nothing():
    pieces = Pieces(MemoryStream(b"abcdef"))
    assert pieces.get(2, 3) == b"cde"
    assert pieces.get(4, 3) == pieces.get(-1, 2) == pieces.get(0, 0) == b""


def test_what_lies_inside_another_is_dropped():
    assert standing(found(0, 100), found(10, 20), found(90, 10), found(90, 20)) == [(0, 100, False), (90, 20, False)]
    assert standing(found(0, 100), found(0, 100, kind="FAT16")) == [(0, 100, False)]
    assert standing(found(50, 10), found(0, 100, backup=True)) == [(50, 10, False)]  # on its first bytes


def test_a_copy_gives_way_to_a_beginning_that_is_there():
    """Where they overlap in part, and where the beginning stands on that of the copy; not where it lies inside."""
    assert standing(found(0, 10 * MIB), found(5 * MIB, 10 * MIB, backup=True)) == [(0, 10 * MIB, False)]
    assert standing(found(0, 10 * MIB), found(0, 12 * MIB, backup=True)) == [(0, 10 * MIB, False)]
    assert standing(found(5 * MIB, MIB), found(0, 12 * MIB, backup=True)) == [(0, 12 * MIB, True)]
    raid = found(0, 10 * MIB, kind="Linux RAID member", spans=True)
    assert standing(found(0, 9 * MIB), raid) == [(0, 10 * MIB, False)]


def test_open_ends():
    assert standing(found(0, 0), found(50, 10), found(80, 0)) == [
        (0, 50, False),
        (50, 10, False),
        (80, 1000 * MIB - 80, False),
    ]
    assert standing(found(55, 0), found(50, 10)) == [(50, 10, False)]
    assert standing(found(10, 0), hints={10: Hint(10, 30, "")}) == [(10, 30, False)]
    assert standing(found(10, 0), hints={10: Hint(10, 1 << 60, "")}, ranges=[(0, 20), (30, 40)]) == [(10, 10, False)]


def test_a_free_end_gives_way_to_what_begins_in_it():
    outer, inner, copy = found(0, 100), found(60, 30), found(70, 10, backup=True)
    assert [one.length for one, _ in cut([outer, inner, copy], {0: 50})] == [60, 30, 10]
    assert [one.length for one, _ in cut([outer, inner], {0: 61})] == [100, 30]


# --- remains of tables ------------------------------------------------------------------------------------------------
def test_hints_of_records():
    record = boot_record(mbr_entry(0x83, 63, 100), mbr_entry(0x05, 500, 100))
    assert hints_of_record(record, 5120) == [Hint(5120 + 63 * 512, 51200, "an extended boot record left at 5120")]
    assert [hint.start for hint in hints_of_record(record, 0)] == [63 * 512]
    three = boot_record(*[mbr_entry(0x83, 63 * n, 60) for n in (1, 2, 3)])
    assert hints_of_record(three, 5120) == []
    assert len(hints_of_record(three[:510] + b"\0\0", 0)) == 3
    assert hints_of_record(boot_record(mbr_entry(0x83, 63, 100, status=7)), 0) == []
    assert hints_of_record(boot_record(mbr_entry(0xEE, 1, 100)), 0) == []
    assert hints_of_record(b"\xff" * 512, 512) == hints_of_record(bytes(512), 0) == hints_of_record(b"", 0) == []


def test_hints_of_gpt_need_its_checksums():
    disk = gpt_disk([gpt_entry(2048, 4095), gpt_entry(4096, 4000)], 8192)
    last = 8191 * 512
    words = f"a GPT whose header is left at {last}"
    assert hints_of_gpt(Pieces(MemoryStream(bytes(disk))), last) == [Hint(MIB, MIB, words)]
    for place in (last + 20, last + 60, last - 31 * 512):
        broken = bytearray(disk)
        broken[place] ^= 1
        assert hints_of_gpt(Pieces(MemoryStream(bytes(broken))), last) == []
    moved = LaidMedia(len(disk) + 512, {512: bytes(disk)})
    assert hints_of_gpt(Pieces(moved), last + 512) == []  # its own place does not fit


# --- single formats ---------------------------------------------------------------------------------------------------
def swap():
    raw = bytearray(64 * 4096)
    put(raw, 1024, struct.pack("<II", 1, 63))
    put(raw, 4086, b"SWAPSPACE2")
    return bytes(raw)


def vmfs():
    raw = bytearray(3 * MIB)
    put(raw, MIB, b"\x0d\xd0\x01\xc0\x05\0\0\0")
    return bytes(raw)


def md():
    raw = bytearray(2 * MIB)
    head = bytearray(4096)
    put(head, 0, struct.pack("<II", 0xA92B4EFC, 1))
    put(head, 72, struct.pack("<iIQII", 1, 0, 2048, 0, 2))
    put(head, 128, struct.pack("<QQQ", 2048, 2048, 8))
    put(head, 216, struct.pack("<II", 0, 2))
    words = struct.unpack("<65I", bytes(head[:260]))
    put(head, 216, struct.pack("<I", sum(words) & 0xFFFFFFFF))
    put(raw, 4096, bytes(head))
    return bytes(raw)


def bitlocker():
    raw = bytearray(2 * MIB)
    put(raw, 0, b"\xeb\x58\x90-FVE-FS-")
    put(raw, 11, struct.pack("<HB", 512, 8))
    put(raw, 160, bytes.fromhex("3bd66749292ed84a8399f6a339e3d001") + struct.pack("<3Q", 0x40000, 0x60000, 0x80000))
    put(raw, 510, b"\x55\xaa")
    for place in (0x40000, 0x60000, 0x80000):
        put(raw, place, b"-FVE-FS-" + struct.pack("<HHHHQ", 16, 2, 4, 4, len(raw)))
    return bytes(raw)


def hfs():
    raw = bytearray(2 * MIB)
    head = bytearray(512)
    put(head, 0, b"H+\0\4")
    put(head, 40, struct.pack(">II", 4096, 512))
    put(head, 272, struct.pack(">QIIII", 16384, 0, 4, 8, 4))
    put(raw, 1024, head)
    put(raw, len(raw) - 1024, head)
    put(raw, 8 * 4096 + 8, b"\x01\0" + struct.pack(">H", 3))
    put(raw, 8 * 4096 + 32, struct.pack(">H", 4096))
    return bytes(raw)


def iso():
    raw = bytearray(400 * 2048)
    descriptor = bytearray(2048)
    put(descriptor, 0, b"\1CD001\1")
    put(descriptor, 80, struct.pack("<I", 400) + struct.pack(">I", 400))
    put(descriptor, 128, struct.pack("<H", 2048) + struct.pack(">H", 2048))
    record = (
        bytes((34, 0))
        + struct.pack("<I", 20)
        + struct.pack(">I", 20)
        + struct.pack("<I", 2048)
        + struct.pack(">I", 2048)
    )
    record = (record + bytes(7) + b"\2\0\0" + bytes(4) + b"\1\0").ljust(34, b"\0")
    put(descriptor, 156, record)
    put(raw, 32768, descriptor)
    put(raw, 17 * 2048, b"\xffCD001\1")
    put(raw, 20 * 2048, record)
    return bytes(raw)


def cramfs():
    head = bytearray(4096)
    put(head, 0, struct.pack("<IIII", 0x28CD3D45, 4096, 3, 0) + b"Compressed ROMFS")
    put(head, 64, struct.pack("<HHI", 0o40755, 0, 0))
    put(head, 32, struct.pack("<I", zlib.crc32(bytes(head))))
    return bytes(head)


def look(volume, start=3 * MIB, wiped=0):
    media = LaidMedia(start + len(volume) + 2 * MIB, {start: volume}, {start: wiped} if wiped else {})
    layout = find_volumes(media, "d.dd", lost=LostSearch())
    (one,) = (volume for volume in layout.volumes if volume.allocation is Allocation.ALLOCATED)
    return one


FORMATS = [
    (swap, "Linux swap", 4096 + 700),
    (md, "Linux software RAID member", 4096 + 20),
    (bitlocker, "BitLocker", 0x40001),
    (hfs, "hfs+", 8 * 4096 + 8),
    (iso, "iso9660", 20 * 2048 + 2),
    (cramfs, "cramfs", 70),
]


@pytest.mark.parametrize(("make", "words", "needed"), FORMATS)
def test_found_with_its_length(make, words, needed):
    """And not where a byte is wrong that only the format itself looks at."""
    volume = make()
    one = look(volume)
    assert one.name == "lost1"
    told = one.file_system or one.encryption or one.unsupported
    assert told.startswith(words)
    assert (one.image_offset, one.length) == (3 * MIB, len(volume))
    assert Address.parse(str(Address("d.dd", one.name, b"/a"))) == Address("d.dd", "lost1", b"/a")
    broken = bytearray(volume)
    if make is bitlocker:
        for place in (0x40000, 0x60000, 0x80000):
            broken[place] ^= 1
    elif make is swap:
        put(broken, 1024, bytes(4))
    else:
        broken[needed] ^= 1
    assert look(bytes(broken)).name == "p1"


def test_vmfs_is_named():
    one = look(vmfs())
    assert (one.name, one.image_offset, one.unsupported) == ("lost1", 3 * MIB, "VMFS")


def test_hfs_by_its_second_header():
    """Also where the partition ends some sectors behind the last block."""
    one = look(hfs(), wiped=2048)
    assert (one.name, one.image_offset, one.length, one.file_system) == ("lost1", 3 * MIB, 2 * MIB, "hfs+")
    assert "second header (at its end)" in one.description
    volume = bytearray(hfs() + bytes(3 * 512))
    put(volume, len(volume) - 1024, volume[1024:1536])
    put(volume, len(volume) - 1024 - 3 * 512, bytes(512))
    one = look(bytes(volume), wiped=2048)
    assert (one.name, one.image_offset, one.length) == ("lost1", 3 * MIB, len(volume))


@pytest.mark.parametrize("kind", ["squashfs", "erofs"])
def test_packed_file_systems(tmp_path, kind):
    tree = plant(tmp_path / "tree", {"cake.txt": b"apple cake" * 1000, "a/b.txt": b"b"})
    path = tmp_path / "v"
    if kind == "squashfs":
        run("mksquashfs", tree, path, "-quiet", "-noappend")
    else:
        run("mkfs.erofs", path, tree)
    one = look(path.read_bytes())
    assert (one.name, one.image_offset, one.file_system) == ("lost1", 3 * MIB, kind)
    assert abs(one.length - path.stat().st_size) < 4096
