"""A disk around a file system: gaps, what lies behind partitions, slack and free space, planted byte by byte."""

from __future__ import annotations

from pathlib import Path

from tests.planted.scanning import entries_of, scan
from tests.planted.strings import VARIANTS, Plan
from tests.planted.volumes import END, LENGTH, MIB, Kind, fill
from tests.support.disk_image import boot_record, mbr_entry, put
from tests.support.fat_image import fat_image
from tests.support.luks_image import LuksImage
from tests.support.lvm_image import EXTENT, group_text, linear, physical_volume, volume_text
from triage.model.entry import Entry

START = MIB
BEHIND = 64 << 10
GAP = 256 << 10
STEP = 300
PASSWORD = "correct horse"


def spread(disk: bytearray, plan: Plan, state: str, place: int) -> None:
    """Plants one behind the other."""
    for index, text in plan.everywhere(state):
        put(disk, place + index * STEP, text)


def disk_of(kind: Kind, scratch: Path, plan: Plan) -> Path:
    """A disk with one file system and a small one behind it."""
    image = scratch / "volume.img"
    fill(kind, image, scratch, plan)
    volume = image.read_bytes()
    small = fat_image({"neighbour.txt": b"nothing"}, kib=64)
    length = len(volume) + BEHIND
    second = START + length + GAP
    disk = bytearray(second + len(small) + GAP)
    disk[START : START + len(volume)] = volume
    disk[second : second + len(small)] = small
    entries = mbr_entry(kind.type_byte, START // 512, length // 512), mbr_entry(1, second // 512, len(small) // 512)
    put(disk, 0, boot_record(*entries))
    spread(disk, plan, "in front of the first partition", 40 * 512 + 6)
    spread(disk, plan, "volume slack", START + len(volume) + 1000)
    spread(disk, plan, "between partitions", START + length + 3000)
    spread(disk, plan, "behind the last partition", second + len(small) + 510)
    for index, text in plan.everywhere("file slack"):
        place = disk.find(END % (500 + index)) + len(END % (500 + index))
        put(disk, place + 8 + place % 2, text)
    path = scratch / "disk.dd"
    path.write_bytes(disk)
    _plant_free(disk, path, plan)
    path.write_bytes(disk)
    return path


def _plant_free(disk: bytearray, path: Path, plan: Plan) -> None:
    """In the largest stretch of free space, which is empty before, and over the border of two of its pieces."""
    listed = entries_of(scan(path, path.parent, name="before"))
    pieces = [entry for entry in listed if entry.address.volume == "p1" and entry.address.space == "unallocated"]
    empty = [piece for piece in pieces if piece.address.length >= STEP * len(VARIANTS) * 2 and _is_empty(disk, piece)]
    largest = max(empty, key=lambda piece: piece.address.length)
    spread(disk, plan, "unallocated", largest.image_offset + 5000)
    ends = {piece.address.offset for piece in pieces}
    borders = [piece for piece in empty if piece.address.offset + piece.address.length in ends and piece is not largest]
    if not borders:
        return
    for index, variant in enumerate(VARIANTS):
        if index >= len(borders):
            break
        text = plan.plant("unallocated, over the border of two pieces", variant)
        put(disk, borders[index].image_offset + borders[index].address.length - 6, text)


def _is_empty(disk: bytearray, piece: Entry) -> bool:
    start, length = piece.image_offset, piece.address.length
    return disk.count(0, start, start + length) == length


def fragmented(scratch: Path, plan: Plan) -> Path:
    """A FAT whose free clusters are every second one, so that each plant of a file lies in two places.

    Clusters have 2,048 bytes; the table is written by hand, since no tool fragments on demand.
    """
    state = "in a file, over the border of two fragments"
    cluster = 2048
    data = bytearray(b"-" * cluster * (len(VARIANTS) + 1))
    for index, text in plan.everywhere(state):
        place = (index + 1) * cluster - len(text) // 2 // 2 * 2
        data[place : place + len(text)] = text
    volume = bytearray(fat_image({"parts.bin": bytes(data)}))
    begin = volume.index(bytes(data))
    count = len(data) // cluster
    first = 2  # the file is the first one, so it begins in the first cluster
    chain = [first + 2 * index for index in range(count)]
    area = begin - (first - 2) * cluster
    put(volume, begin, bytes(len(data)))
    for index, number in enumerate(chain):
        put(volume, area + (number - 2) * cluster, bytes(data[index * cluster : (index + 1) * cluster]))
    sectors = int.from_bytes(volume[22:24], "little")
    for copy in range(volume[16]):
        table = int.from_bytes(volume[14:16], "little") * 512 + copy * sectors * 512
        for number in range(first, first + count):
            _set_fat12(volume, table, number, 0)
        for number, following in zip(chain, [*chain[1:], 0xFFF], strict=True):
            _set_fat12(volume, table, number, following)
    path = scratch / "disk.dd"
    path.write_bytes(volume)
    return path


def _set_fat12(volume: bytearray, table: int, number: int, value: int) -> None:
    place = table + number * 3 // 2
    word = int.from_bytes(volume[place : place + 2], "little")
    word = (word & 0x000F) | value << 4 if number % 2 else (word & 0xF000) | value
    put(volume, place, word.to_bytes(2, "little"))


def layers(scratch: Path, plan: Plan) -> Path:
    """A logical volume and an encrypted one, each with a file system, and extents that no logical volume has."""
    disk = bytearray(MIB)
    inside = _inner(plan, "a logical volume (LVM2)")
    count = -(-len(inside) // EXTENT) + 4
    used = -(-len(inside) // EXTENT)
    text = group_text(1, volume_text("root", 1, linear(0, used, "pv0", 2)), count=count)
    contents = {2 + index: inside[index * EXTENT : (index + 1) * EXTENT] for index in range(used)}
    free = bytearray(EXTENT * 2)
    spread(free, plan, "extents that no logical volume has", 100)
    contents |= {0: bytes(free[:EXTENT]), 1: bytes(free[EXTENT:])}
    lvm = physical_volume(0, text, count=count, extents=contents)
    luks = LuksImage(2, password=PASSWORD.encode()).build(_inner(plan, "an encrypted volume (LUKS2)"))
    first = len(disk)
    disk += lvm.ljust(-(-len(lvm) // 512) * 512, b"\0")
    second = len(disk)
    disk += luks
    put(disk, 0, boot_record(mbr_entry(0x8E, first // 512, (second - first) // 512),
                             mbr_entry(0x83, second // 512, len(luks) // 512)))  # fmt: skip
    path = scratch / "disk.dd"
    path.write_bytes(disk)
    return path


def _inner(plan: Plan, where: str) -> bytes:
    files = {f"live{index:02}.txt": b"." * 30 + text for index, text in plan.everywhere(f"live, in {where}")}
    gone = {f"gone{index:02}.txt": b"-" * 30 + text for index, text in plan.everywhere(f"deleted, in {where}")}
    volume = bytearray(fat_image({**files, **gone}, deleted=tuple(gone)))
    spread(volume, plan, f"unallocated, in {where}", len(volume) // 2 + 300)
    return bytes(volume.ljust(-(-len(volume) // EXTENT) * EXTENT, b"\0"))


__all__ = ["LENGTH", "PASSWORD", "disk_of", "fragmented", "layers"]
