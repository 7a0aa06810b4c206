"""Free space by the allocation maps, against the tools of the file systems and against maps made here."""

import hashlib
import os
import random
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.support.fat_image import CLUSTER, fat_image
from tests.support.tool_images import ext_image, ntfs_image, plant, run
from triage.errors import EvidenceError, ReadFailedError
from triage.evidence.filesystems import open_file_system
from triage.evidence.filesystems.free_bits import complement, free_bits, joined, without
from triage.evidence.filesystems.free_ext import ExtLayout, ext
from triage.evidence.filesystems.free_maps import exfat, fat, fat_entries, hfs_start
from triage.evidence.filesystems.free_ufs import ufs
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

FILES = {f"d/f{number}.bin": hashlib.shake_128(bytes([number])).digest(number * 2500 + 1) for number in range(12)}


def free_of(data: bytes, kind: str, *, base: int = 0) -> list[tuple[int, int]]:
    volume = Volume("p1", base, len(data) - base, Allocation.ALLOCATED, "mbr", file_system=kind)
    system = open_file_system(MemoryStream(data), volume, "x")
    runs = list(system.unallocated())  # type: ignore[attr-defined]
    assert [run.image_offset - run.fs_offset for run in runs] == [base] * len(runs)
    assert [run.file_offset for run in runs] == [sum(one.length for one in runs[:n]) for n in range(len(runs))]
    return [(run.fs_offset, run.length) for run in runs]


def bit_by_bit(data: bytes, count: int, high_first: bool, free: int) -> list[int]:
    out = []
    for unit in range(count):
        byte = data[unit // 8] if unit // 8 < len(data) else (0 if free == 0 else 0xFF)
        bit = byte >> (7 - unit % 8 if high_first else unit % 8) & 1
        out += [unit] if bit == free else []
    return out


@pytest.mark.parametrize("high_first", [False, True])
@pytest.mark.parametrize("free", [0, 1])
def test_bits_as_one_by_one(high_first: bool, free: int) -> None:
    chooser = random.Random(5)
    for _ in range(200):
        data = bytes(chooser.choice((0, 0xFF, chooser.randrange(256))) for _ in range(chooser.randrange(40)))
        count = chooser.randrange(0, len(data) * 8 + 12)
        runs = list(joined(free_bits(data, count, high_first=high_first, free=free)))
        assert [unit for start, length in runs for unit in range(start, start + length)] == bit_by_bit(
            data, count, high_first, free
        )


def test_bits_over_several_pieces() -> None:
    data = bytearray(b"\xff" * (600 << 10))
    for unit in (0, (256 << 13) - 1, 256 << 13, (600 << 13) - 1):
        data[unit // 8] &= ~(1 << unit % 8)
    assert list(joined(free_bits(bytes(data), 600 << 13))) == [(0, 1), ((256 << 13) - 1, 2), ((600 << 13) - 1, 1)]


def test_runs_without_others() -> None:
    chooser = random.Random(7)
    for _ in range(300):
        runs = list(joined(sorted((chooser.randrange(60), chooser.randrange(9)) for _ in range(5))))
        used = list(joined(sorted((chooser.randrange(60), chooser.randrange(9)) for _ in range(5))))
        taken = {unit for start, length in used for unit in range(start, start + length)}
        expected = [u for start, length in runs for u in range(start, start + length) if u not in taken]
        assert [u for start, length in without(runs, used) for u in range(start, start + length)] == expected
        expected = [unit for unit in range(50) if unit not in taken]
        assert [u for start, length in complement(used, 50) for u in range(start, start + length)] == expected


def test_fat12_entries() -> None:
    values = [0, 0xFFF, 0xABC, 0x123, 5]
    packed = bytearray()
    for low, high in ((0, 0xFFF), (0xABC, 0x123), (5, 0)):
        packed += bytes((low & 0xFF, low >> 8 | (high & 0xF) << 4, high >> 4))
    assert fat_entries(bytes(packed), 12, 5).tolist() == values
    assert fat_entries(bytes(packed[:8]), 12, 5).tolist() == values
    assert fat_entries(b"\0\0\0\xf0\1\0\0\x10", 32, 2).tolist() == [0, 1]
    assert fat_entries(b"\0\0\1\0", 16, 2).dtype == np.dtype("<u2")


def test_fat12_free_is_what_no_file_has() -> None:
    data = fat_image({"a.txt": b"A" * 5000, "gone.txt": b"B" * 5000, "c.txt": b"C"}, deleted=("gone.txt",))
    free = free_of(data, "fat12")
    where = data.index(b"B" * 5000)
    assert free[0] == (where, 3 * CLUSTER)
    last = data.index(b"C" * 1 + bytes(100)) + CLUSTER
    assert free[1] == (last, len(data) - last)
    assert len(free) == 2


def test_image_offsets_count_from_the_media() -> None:
    data = fat_image({"a.txt": b"A" * 50})
    assert free_of(bytes(4096) + data, "fat12", base=4096) == free_of(data, "fat12")


def test_a_fat_that_cannot_be_read_counts_as_free_and_says_so() -> None:
    data = fat_image({"a.txt": b"A" * 5000})

    class Torn(MemoryStream):
        def read_at(self, offset: int, length: int) -> bytes:
            if offset == 512:
                raise ReadFailedError("torn", partial=b"")
            return super().read_at(offset, length)

    runs = []
    with pytest.raises(ReadFailedError, match="FAT cannot be read"):
        for run_ in fat(Torn(data), None):
            runs.append(run_)
    assert sum(length for _, length in runs) >= len(data) - 40_000


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ext2", ("-b", "1024")),
        ("ext3", ("-b", "2048")),
        ("ext4", ("-b", "1024")),
        ("ext4", ("-b", "4096", "-O", "^flex_bg")),
        ("ext4", ("-b", "1024", "-O", "64bit,metadata_csum,flex_bg", "-g", "1024")),
        ("ext4", ("-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "512")),
        ("ext4", ("-b", "1024", "-O", "sparse_super2,^resize_inode", "-g", "1024")),
        ("ext4", ("-b", "1024", "-O", "bigalloc", "-C", "8192")),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else value,
)
def test_ext_as_dumpe2fs_lists(tmp_path: Path, kind: str, options: tuple[str, ...]) -> None:
    image = ext_image(tmp_path / "x.img", plant(tmp_path / "tree", FILES), kind, *options, kib=32 * 1024)
    text = run("dumpe2fs", image)
    block = int(re.search(r"Block size: +(\d+)", text)[1])  # type: ignore[index]
    ratio = 8 if "bigalloc" in options else 1  # the tool names the first block of a cluster
    expected: list[tuple[int, int]] = []
    for line in re.findall(r"^  Free blocks: (.*)$", text, re.M):
        for part in filter(None, line.split(", ")):
            low, _, high = part.partition("-")
            expected.append((int(low), int(high or low) - int(low) + ratio))
    found = [(start // block, length // block) for start, length in joined(ext(MemoryStream(image.read_bytes()), None))]
    assert found == list(joined(expected))


def test_ext_block_bitmap_outside_counts_as_free(tmp_path: Path) -> None:
    image = ext_image(tmp_path / "x.img", plant(tmp_path / "tree", FILES), "ext2", "-b", "1024", kib=1024)
    data = bytearray(image.read_bytes())
    struct.pack_into("<I", data, 2048, 0x7FFFFFFF)
    runs = []
    with pytest.raises(ReadFailedError, match="block bitmaps of 1 groups"):
        for run_ in ext(MemoryStream(bytes(data)), None):
            runs.append(run_)
    assert runs == [(1024, len(data) - 1024)]


def test_ext_hostile_group_counts_are_bounded(tmp_path: Path) -> None:
    image = ext_image(tmp_path / "x.img", plant(tmp_path / "tree", {"a": b"a"}), "ext2", "-b", "1024", kib=512)
    data = bytearray(image.read_bytes())
    struct.pack_into("<I", data, 1024 + 4, 0xFFFFFFFF)
    assert ExtLayout(MemoryStream(bytes(data))).groups == 1
    struct.pack_into("<I", data, 1024 + 32, 1)
    with pytest.raises(EvidenceError, match="makes no sense"):
        ExtLayout(MemoryStream(bytes(data)))


def test_ntfs_free_as_the_tool_counts(tmp_path: Path) -> None:
    image = ntfs_image(tmp_path / "n.img", {"a.bin": FILES["d/f9.bin"], "b.txt": b"small"})
    free = free_of(image.read_bytes(), "ntfs")
    text = run("ntfsinfo", "-m", image)
    assert sum(length for _, length in free) == int(re.search(r"Free Clusters: +(\d+)", text)[1]) * 4096  # type: ignore[index]
    assert all(start % 4096 == 0 and length % 4096 == 0 for start, length in free)


def test_exfat_free_as_the_tool_made_it(tmp_path: Path) -> None:
    image = tmp_path / "e.img"
    image.write_bytes(b"")
    os.truncate(image, 4 << 20)
    run("mkfs.exfat", image)
    data = image.read_bytes()
    runs = list(joined(exfat(MemoryStream(data), None)))
    assert runs == [(start, length) for start, length in joined(free_of(data, "exfat"))]
    heap = struct.unpack_from("<I", data, 88)[0] * 512
    assert heap < runs[0][0] < len(data) and runs[-1][0] + runs[-1][1] == len(data)


def test_hfs_wrapper_is_stepped_over() -> None:
    block = bytearray(4096)
    block[1024:1026] = b"BD"
    struct.pack_into(">I", block, 1024 + 20, 4096)
    struct.pack_into(">H", block, 1024 + 28, 10)
    block[1024 + 124 : 1024 + 126] = b"H+"
    struct.pack_into(">H", block, 1024 + 126, 3)
    assert hfs_start(MemoryStream(bytes(block))) == 10 * 512 + 3 * 4096
    assert hfs_start(MemoryStream(bytes(4096))) == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0x011954, 0x19540119])
def test_ufs_cylinder_groups(order: str, magic: int) -> None:
    """Two groups of 64 fragments of 1 KiB; the second group of one variant does not hold."""
    image = bytearray(256 << 10)
    place = 8192 if magic == 0x011954 else 65536
    struct.pack_into(order + "i", image, place + 12, 40)
    struct.pack_into(order + "3i", image, place + 44, 2, 8192, 1024)
    struct.pack_into(order + "i", image, place + 188, 100)
    struct.pack_into(order + "I", image, place + 36, 200 if magic == 0x011954 else 0)
    struct.pack_into(order + "q", image, place + 1080, 200 if magic == 0x19540119 else 0)
    struct.pack_into(order + "I", image, place + 1372, magic)
    for group in range(2):
        cg = (group * 100 + 40) * 1024
        struct.pack_into(order + "I4xI", image, cg + 4, 0x090255, group)
        struct.pack_into(order + "I", image, cg + 96, 168)
        image[cg + 168] = 0b11 << 2
    assert list(ufs(MemoryStream(bytes(image)), None)) == [(2048, 2048), (102 * 1024, 2048)]
    struct.pack_into(order + "I", image, 140 * 1024 + 4, 0)
    runs = []
    with pytest.raises(ReadFailedError, match="1 cylinder groups"):
        for run_ in ufs(MemoryStream(bytes(image)), None):
            runs.append(run_)
    assert runs == [(2048, 2048), (100 * 1024, 100 * 1024)]


@pytest.mark.parametrize("seed", range(3))
def test_f09_mutated_maps(seed: int, tmp_path: Path) -> None:
    """Only typed errors, runs ascending and inside the volume."""
    chooser = random.Random(seed)
    fats = fat_image(FILES)
    exts = ext_image(tmp_path / "x.img", plant(tmp_path / "t", FILES), "ext4", "-b", "1024", kib=1024).read_bytes()
    for reader, whole, places in ((fat, fats, 4096), (ext, exts, 8192), (exfat, fats, 512), (ufs, exts, 4096)):
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(12):
                data[chooser.randrange(places)] = chooser.choice((0, 0xFF, 0x80, chooser.randrange(256)))
            stream = MemoryStream(bytes(data[: chooser.choice((len(data), len(data) // 2, 3000))]))
            reached = 0
            try:
                for start, length in joined(reader(stream, None)):
                    assert start >= reached
                    reached = start + length
                assert reached <= max(stream.size, 0)
            except (EvidenceError, struct.error):  # the caller translates the latter
                pass
