"""Volumes whose partition entry is gone: found again, said to be guesses, and nothing else taken for one."""

import random

import pytest

from tests.support.disk_image import boot_record, gpt_disk, gpt_entry, mbr_entry, put
from tests.support.fat_image import fat_image
from tests.support.laid_media import MIB, LaidMedia
from tests.support.luks_image import LuksImage
from tests.support.lvm_image import group_text, linear, physical_volume, volume_text
from triage.errors import ReadFailedError
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.stack import Stack
from triage.evidence.volumes import LostSearch, find_volumes, lost
from triage.model.address import Address
from triage.model.problem import Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation

FAT = fat_image({"cake.txt": b"apple cake", "house/chat.txt": b"hello"})
OTHER = fat_image({"other.txt": b"something else"}, kib=720)
GUESS = "guess: found by search, no partition table names it"


def searched(media, **how):
    return find_volumes(media, "d.dd", lost=LostSearch(**how))


def allocated(layout):
    return {v.name: (v.image_offset, v.length, v.file_system) for v in layout.volumes
            if v.allocation is Allocation.ALLOCATED}  # fmt: skip


def gaps(layout):
    return [(v.image_offset, v.length) for v in layout.volumes if v.allocation is Allocation.UNALLOCATED]


def names(layout, media, volume):
    stack = Stack(media, layout, "d.dd", Keychain())
    file_system = stack.file_system(volume)
    return {entry.address.path for entry in file_system.walk() if hasattr(entry, "address")}


def test_volumes_without_a_table():
    """Each is found where it lies, what is between them are gaps, and the report says that it is a guess."""
    media = LaidMedia(8 * MIB, {63 * 512: FAT, 4 * MIB + 512: OTHER})
    layout = searched(media)
    assert allocated(layout) == {"lost1": (63 * 512, len(FAT), "fat12"), "lost2": (4 * MIB + 512, len(OTHER), "fat12")}
    assert gaps(layout) == [
        (0, 63 * 512),
        (63 * 512 + len(FAT), 4 * MIB + 512 - 63 * 512 - len(FAT)),
        (4 * MIB + 512 + len(OTHER), 4 * MIB - 512 - len(OTHER)),
    ]
    assert layout.is_recognised
    assert all(v.system == "lost" and v.description.startswith(GUESS) for v in layout.volumes[:2])
    assert [(p.address, p.reason, p.examined_anyway) for p in layout.problems] == [
        ("d.dd lost1:/", Reason.MISMATCH, True),
        ("d.dd lost2:/", Reason.MISMATCH, True),
    ]
    assert "is a guess" in layout.problems[0].message
    assert f"FAT12 by its boot sector at {63 * 512}, {len(FAT)} bytes" in layout.problems[0].message
    assert b"/house/chat.txt" in names(layout, media, "lost1")


def test_nothing_is_searched_unless_asked_for():
    media = LaidMedia(8 * MIB, {MIB: FAT})
    assert list(allocated(find_volumes(media, "d.dd"))) == ["p1"]
    assert not find_volumes(media, "d.dd").is_recognised


def test_a_deleted_partition_beside_one_that_is_there():
    """Its gap is split; the volume of the table keeps its name."""
    disk = bytearray(8 * MIB)
    put(disk, 0, boot_record(mbr_entry(0x06, 2048, len(OTHER) // 512)))
    put(disk, MIB, OTHER)
    put(disk, 4 * MIB, FAT)
    layout = searched(MemoryStream(bytes(disk)))
    assert allocated(layout) == {"p1": (MIB, len(OTHER), "fat12"), "lost1": (4 * MIB, len(FAT), "fat12")}
    end, behind = MIB + len(OTHER), 4 * MIB + len(FAT)
    assert gaps(layout) == [(0, MIB), (end, 4 * MIB - end), (behind, 8 * MIB - behind)]
    assert [v.name for v in layout.volumes] == ["p1", "lost1", "p0", "p0", "p0", "p0"]


def test_what_alignment_leaves_is_not_read():
    """The first MiB before a partition, and the sectors behind the last one, are no place for a volume."""
    small = fat_image({"a": b"b"}, kib=160)
    media = LaidMedia(2 * MIB + 100 * 512, {0: boot_record(mbr_entry(0x06, 2048, 2048)), MIB: FAT, 64 * 512: small})
    assert list(allocated(searched(media))) == ["p1"]


def test_a_table_without_partitions():
    """A protective record is left of a GPT: the disk has no partition, and what was in them is found."""
    disk = gpt_disk([gpt_entry(2048, 2048 + len(FAT) // 512 - 1)], 16384)
    put(disk, MIB, FAT)
    put(disk, 512, bytes(33 * 512))
    put(disk, len(disk) - 33 * 512, bytes(33 * 512))
    layout = searched(MemoryStream(bytes(disk)))
    assert allocated(layout) == {"lost1": (MIB, len(FAT), "fat12")}
    assert all(problem.examined_anyway for problem in layout.problems)
    bare = bytearray(disk)
    put(bare, MIB, bytes(len(FAT)))
    problems = searched(MemoryStream(bytes(bare))).problems
    assert [p.reason for p in problems] == [Reason.UNSUPPORTED]  # nothing found: it is told as before


def test_a_partition_that_begins_elsewhere_than_the_table_says():
    """A partition in which nothing is known gives way; what is left of it is a gap, no byte twice."""
    disk = bytearray(8 * MIB)
    put(disk, 0, boot_record(mbr_entry(0x06, 2048, len(OTHER) // 512), mbr_entry(0x83, 4096, 12288)))
    put(disk, MIB, OTHER)
    put(disk, 2 * MIB + 5 * 512, FAT)
    put(disk, 2 * MIB, b"something" * 50)
    layout = searched(MemoryStream(bytes(disk)))
    start = 2 * MIB + 5 * 512
    assert allocated(layout) == {"p1": (MIB, len(OTHER), "fat12"), "lost1": (start, len(FAT), "fat12")}
    told = [(v.name, v.image_offset, v.length) for v in layout.volumes if v.is_opened]
    assert told == [("p2", 2 * MIB, 6 * MIB)]
    assert layout.volumes[1].description.startswith("guess: found by search in p2, which nothing known begins; FAT12")
    assert "nothing known begins p2" in layout.problems[0].message
    assert searched(MemoryStream(bytes(disk)), known=layout.volumes).volumes == layout.volumes
    assert sum(length for _, length, _ in allocated(layout).values()) + sum(n for _, n in gaps(layout)) == len(disk)
    assert all(problem.examined_anyway for problem in layout.problems)


# --- what must not be taken -------------------------------------------------------------------------------------------
def decoys():
    """Magic numbers of everything at their places, in noise."""
    noise = bytearray(random.Random(7).randbytes(4 * MIB))
    chooser = random.Random(8)
    magics = [(3, b"NTFS    "), (3, b"EXFAT   "), (3, b"-FVE-FS-"), (0, b"LUKS\xba\xbe\0\1"), (0, b"LABELONE"), (0, b"XFSB"),
              (0, b"\xfc\x4e\x2b\xa9\1\0\0\0"), (0, b"\x10\x20\xf5\xf2"), (0, b"hsqs"), (0, b"\xe2\xe1\xf5\xe0"),
              (0, b"H+\0\4"), (0, b"\1CD001\1"), (32, b"NXSB"), (56, b"\x53\xef"), (64, b"_BHRfS_M"),
              (348, b"\x19\x01\x54\x19"), (348, b"\0\1\x19\x54"), (502, b"SWAPSPACE2"), (0, b"\x45\x3d\xcd\x28"),
              (8, b"\1\0\x10\0"), (0, b"EFI PART")]  # fmt: skip
    for _ in range(3000):
        sector = chooser.randrange(len(noise) // 512) * 512
        offset, magic = chooser.choice(magics)
        put(noise, sector + offset, magic)
        if chooser.random() < 0.5:
            put(noise, sector + 510, b"\x55\xaa")
        if chooser.random() < 0.3:
            noise[sector] = 0xEB
    return bytes(noise)


def test_magic_numbers_in_noise_are_no_volumes():
    layout = searched(MemoryStream(decoys()))
    assert list(allocated(layout)) == ["p1"]
    assert not layout.is_recognised


def test_a_text_about_file_systems_is_no_volume():
    line = b"\xebX\x90NTFS    is what stands at byte 3, EXFAT   there too, LUKS at 0, NXSB at 32. ".ljust(512, b".")
    text = (line[:510] + b"\x55\xaa") * 4096
    assert list(allocated(searched(MemoryStream(text)))) == ["p1"]


@pytest.mark.parametrize("part", [FAT[:512], FAT[:4096], FAT[: len(FAT) // 64 // 512 * 512]])
def test_a_copy_of_a_boot_sector_is_no_volume(part):
    """Boot sectors are kept in files; without the tables behind it one says nothing."""
    media = LaidMedia(4 * MIB, {MIB: part[:512] + b"x" * (len(part) - 512) if len(part) > 512 else part})
    assert list(allocated(searched(media))) == ["p1"]


def test_an_image_in_a_file_of_a_volume_is_the_files():
    """Neither of a volume in the table nor of a lost one."""
    inner = fat_image({"inner.txt": b"x"}, kib=360)
    outer = fat_image({"stick.img": inner, "cake.txt": b"apple cake"})
    assert inner[:512] in outer
    layout = searched(LaidMedia(8 * MIB, {3 * MIB: outer}))
    assert allocated(layout) == {"lost1": (3 * MIB, len(outer), "fat12")}
    disk = bytearray(8 * MIB)
    put(disk, 0, boot_record(mbr_entry(0x06, 2048, len(outer) // 512)))
    put(disk, MIB, outer)
    assert list(allocated(searched(MemoryStream(bytes(disk))))) == ["p1"]


def test_remains_that_reach_into_a_volume_are_told_and_not_opened():
    """An old file system whose beginning lies in a gap, and over which a newer partition was made."""
    disk = bytearray(8 * MIB)
    old = fat_image({"old.txt": b"old"}, kib=4096)
    put(disk, 3 * MIB, old)
    put(disk, 0, boot_record(mbr_entry(0x06, 5 * 2048, len(OTHER) // 512)))
    put(disk, 5 * MIB, OTHER)
    layout = searched(MemoryStream(bytes(disk)))
    assert list(allocated(layout)) == ["p1"]
    (problem,) = layout.problems
    assert problem.examined_anyway
    assert "remains of an earlier volume (FAT12" in problem.message


# --- lengths ----------------------------------------------------------------------------------------------------------
def test_media_that_are_cut_short():
    """The volume is read as far as it goes; what lacks is told and counts."""
    media = LaidMedia(MIB + 500 * 512, {MIB: FAT})
    layout = searched(media)
    assert allocated(layout) == {"lost1": (MIB, 500 * 512, "fat12")}
    problem = next(problem for problem in layout.problems if problem.reason is Reason.TRUNCATED)
    assert problem.bytes_not_examined == len(FAT) - 500 * 512
    assert not problem.examined_anyway


def test_formats_that_state_no_length_go_to_the_next_volume_or_the_end():
    head = LuksImage(version=1).header()
    layout = searched(LaidMedia(8 * MIB, {MIB: head, 4 * MIB: LuksImage().header(), 6 * MIB: FAT}))
    assert allocated(layout) == {
        "lost1": (MIB, 3 * MIB, ""),
        "lost2": (4 * MIB, 2 * MIB, ""),
        "lost3": (6 * MIB, len(FAT), "fat12"),
    }
    assert [v.encryption for v in layout.volumes[:3]] == ["LUKS1", "LUKS2", ""]
    assert [p.reason for p in layout.problems if not p.examined_anyway] == [Reason.ENCRYPTED] * 2
    assert [p.bytes_not_examined for p in layout.problems if not p.examined_anyway] == [3 * MIB, 2 * MIB]


def test_what_is_left_of_a_table_says_the_length():
    """An extended boot record names the volume; so does a master boot record whose signature is gone."""
    head = LuksImage(version=1).header()
    extended = boot_record(mbr_entry(0x83, 63, 4096))
    layout = searched(LaidMedia(8 * MIB, {MIB - 63 * 512: extended, MIB: head}))
    assert allocated(layout) == {"lost1": (MIB, 2 * MIB, "")}
    assert f"an extended boot record left at {MIB - 63 * 512} names it too" in layout.volumes[0].description
    damaged = boot_record(mbr_entry(0x83, 2048, 6144))[:510] + b"\0\0"
    layout = searched(LaidMedia(8 * MIB, {0: damaged, MIB: head}))
    assert allocated(layout) == {"lost1": (MIB, 3 * MIB, "")}
    gpt = gpt_disk([gpt_entry(2048, 2048 + 8191)], 16384)
    layout = searched(LaidMedia(8 * MIB + 512, {0: bytes(gpt), MIB: head}, {0: 512 * 34}))
    assert allocated(layout) == {"lost1": (MIB, 4 * MIB, "")}
    assert "a GPT whose header is left at" in layout.volumes[0].description


def test_a_volume_that_states_more_than_its_partition_had():
    """Another one begins in its free end: it ends there."""
    large = fat_image({"a.txt": b"a"}, kib=4 * 1024)
    layout = searched(LaidMedia(8 * MIB, {MIB: large, 3 * MIB: OTHER, 5 * MIB + 512: FAT}))
    assert allocated(layout) == {
        "lost1": (MIB, 2 * MIB, "fat12"),
        "lost2": (3 * MIB, len(OTHER), "fat12"),
        "lost3": (5 * MIB + 512, len(FAT), "fat12"),
    }


# --- layers -----------------------------------------------------------------------------------------------------------
def test_layers_in_a_lost_volume_open_and_have_addresses():
    keys = Keychain((Secret(SecretKind.PASSWORD, 1, b"correct horse"),))
    media = LaidMedia(8 * MIB, {MIB: LuksImage().build(FAT)})
    stack = Stack(media, searched(media), "d.dd", keys, LostSearch())
    volumes, problems = stack.expand()
    assert [v.name for v in volumes] == ["lost1", "lost1.luks1", "p0"]
    assert volumes[0].is_opened
    assert all(problem.examined_anyway for problem in problems)
    entry = next(e for e in stack.file_system("lost1.luks1").walk() if e.address.path == b"/cake.txt")
    assert Address.parse(str(entry.address)) == entry.address


def test_a_lost_volume_in_a_layer():
    """A logical volume with a disk in it whose table is gone."""
    text = group_text(1, volume_text("disk", 1, linear(0, 320, "pv0", 0)), count=320)
    spread = {30 + at // 8192: FAT[at : at + 8192] for at in range(0, len(FAT), 8192)}
    media = LaidMedia(4 * MIB, {MIB: bytes(physical_volume(0, text, count=320, extents=spread))})
    layout = searched(media)
    stack = Stack(media, layout, "d.dd", Keychain(), LostSearch())
    volumes, _ = stack.expand()
    assert [v.name for v in volumes][:3] == ["lost1", "lost1.lv1", "lost1.lv1.lost1"]
    assert volumes[2].image_offset == 30 * 8192
    again = Stack(media, searched(media, known=volumes), "d.dd", Keychain(), LostSearch(volumes))
    paths = {e.address.path for e in again.file_system("lost1.lv1.lost1").walk() if hasattr(e, "address")}
    assert b"/cake.txt" in paths


def test_guesses_stand_behind_what_a_table_names():
    disk = bytearray(8 * MIB)
    put(disk, 0, boot_record(mbr_entry(0x06, 4 * 2048, len(OTHER) // 512)))
    put(disk, 4 * MIB, OTHER)
    put(disk, MIB, FAT)
    media = MemoryStream(bytes(disk))
    volumes, _ = Stack(media, searched(media), "d.dd", Keychain()).expand()
    assert [v.name for v in volumes][:2] == ["p1", "lost1"]


# --- how far, and again -----------------------------------------------------------------------------------------------
def test_known_volumes_are_not_searched_for_again(monkeypatch):
    media = LaidMedia(64 * MIB, {MIB: FAT, 40 * MIB: OTHER})
    first = searched(media)
    monkeypatch.setattr(lost._Search, "run", None)
    media.bytes_read = 0
    again = searched(media, known=first.volumes)
    assert again.volumes == first.volumes
    assert media.bytes_read < 2 * MIB
    assert list(allocated(searched(media, known=()))) == ["p1"]


def test_a_bound_is_told():
    """What was searched is taken, the rest is told; a scan has no bound."""
    media = LaidMedia(64 * MIB, {MIB: FAT, 40 * MIB: OTHER})
    layout = searched(media, limit=8 * MIB)
    assert allocated(layout) == {"lost1": (MIB, len(FAT), "fat12")}
    limit = next(problem for problem in layout.problems if problem.reason is Reason.LIMIT)
    assert f"of {64 * MIB} bytes" in limit.message
    assert limit.examined_anyway
    assert "triage scan" in limit.hint
    assert len(allocated(searched(media, limit=64 * MIB))) == 2
    assert not any(problem.reason is Reason.LIMIT for problem in searched(media, limit=64 * MIB).problems)


def test_progress_ends_with_all():
    seen = []
    searched(LaidMedia(30 * MIB, {20 * MIB: FAT}), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (30 * MIB, 30 * MIB)
    assert seen == sorted(seen)
    assert len(seen) > 3


def test_too_many_lookalikes_end_the_search_and_are_told(monkeypatch):
    monkeypatch.setattr(lost, "MAX_READ", 64 << 10)
    layout = searched(MemoryStream(decoys()))
    (limit,) = (problem for problem in layout.problems if problem.reason is Reason.LIMIT)
    assert not limit.examined_anyway
    assert "look like the beginning of a volume" in limit.message


def test_found_volumes_are_not_read_whole(monkeypatch):
    """Media full of one volume cost a few blocks; what belongs to nothing is read once."""
    monkeypatch.setattr(lost, "PIECE", MIB // 4)
    full = fat_image({"a.txt": b"a" * 7_700_000}, kib=7800)
    media = LaidMedia(9 * MIB, {MIB // 2: full})
    found = lost.search(media, [(0, media.size)], LostSearch()).volumes
    assert [(volume.start, volume.length) for volume in found] == [(MIB // 2, len(full))]
    assert media.bytes_read < 3 * MIB
    empty = LaidMedia(100 * MIB, {})
    assert lost.search(empty, [(0, empty.size)], LostSearch()).volumes == []
    assert empty.bytes_read == empty.size


def test_sectors_that_cannot_be_read_do_not_stop_the_search():
    class Bad(LaidMedia):
        def read_at(self, offset, length):
            if offset < 2 * MIB + 512 and offset + length > 2 * MIB:
                raise ReadFailedError("bad sector", partial=b"")
            return super().read_at(offset, length)

    assert allocated(searched(Bad(8 * MIB, {MIB // 2: FAT, 4 * MIB: OTHER}))) == {
        "lost1": (MIB // 2, len(FAT), "fat12"),
        "lost2": (4 * MIB, len(OTHER), "fat12"),
    }


def test_mutations_end_and_stay_inside_the_media():
    """Bytes changed at random in headers: no crash, nothing beyond the media, no two allocated volumes the same."""
    chooser = random.Random(3)
    samples = [FAT, LuksImage(version=1).header(), LuksImage().header(), bytes(physical_volume(0))]
    for _ in range(150):
        raw = bytearray(chooser.choice(samples))
        for _ in range(chooser.randrange(1, 8)):
            raw[chooser.randrange(min(len(raw), 1024))] = chooser.choice(
                (0, 1, 0x7F, 0x80, 0xFF, chooser.randrange(256))
            )
        layout = searched(LaidMedia(3 * MIB, {MIB: bytes(raw)}))
        places = list(allocated(layout).values())
        assert all(start >= 0 and start + length <= 3 * MIB for start, length, _ in places)
        assert len({place[:2] for place in places}) == len(places)
