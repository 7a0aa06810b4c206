"""Inode facts of ext from bytes: flags and time of deletion."""

import hashlib
import re
import struct
from pathlib import Path

import pytest

from tests.support.packed_images import walked
from tests.support.tool_images import ext_edit, ext_image, plant, run
from triage.errors import UnsupportedFormatError
from triage.evidence.filesystems import open_file_system
from triage.evidence.filesystems.ext import FLAG_ENCRYPTED, FLAG_INLINE, ExtFacts, has_scattered_descriptors
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

START = 4096


def image(*, incompatible: int = 0x10000, inode_size: int = 256, magic: int = 0xEF53, per_group: int = 16,
          shift: int = 0, descriptor_size: int = 0) -> MemoryStream:  # fmt: skip
    """Two groups of inodes; their tables are at blocks 10 and 40."""
    data = bytearray(START + 128 * 1024)
    block = bytearray(1024)
    struct.pack_into("<II", block, 20, 1, shift)
    struct.pack_into("<I", block, 40, per_group)
    struct.pack_into("<H", block, 56, magic)
    struct.pack_into("<I", block, 76, 1)
    struct.pack_into("<H", block, 88, inode_size)
    struct.pack_into("<I", block, 96, incompatible)
    struct.pack_into("<H", block, 254, descriptor_size)
    data[START + 1024 : START + 2048] = block
    size = descriptor_size or 32
    for group, table in enumerate((10, 40)):
        struct.pack_into("<I", data, START + 2048 + group * size + 8, table)
        for index in range(per_group):
            place = START + table * 1024 + index * inode_size
            number = group * per_group + index + 1
            struct.pack_into("<I", data, place + 20, 1_700_000_000 + number)
            struct.pack_into("<I", data, place + 32, FLAG_ENCRYPTED if number == 20 else 0)
    return MemoryStream(bytes(data))


@pytest.mark.parametrize(("incompatible", "descriptor_size"), [(0x10000, 0), (0x10080, 64)])
def test_inodes_of_every_group_are_found(incompatible: int, descriptor_size: int) -> None:
    """With short and with long group descriptors."""
    facts = ExtFacts(image(incompatible=incompatible, descriptor_size=descriptor_size), START)
    assert facts.has_encryption
    assert facts.deletion_time(1) == 1_700_000_001 * 10**9
    assert facts.deletion_time(20) == 1_700_000_020 * 10**9
    assert [number for number in range(33) if facts.flags(number)] == [20]


def test_nothing_is_told_of_what_is_not_there() -> None:
    """Numbers outside, groups without a table, another file system, meta_bg without groups, no super block."""
    facts = ExtFacts(image(), START)
    for inode in (-1, 0, 33, 2**40):
        assert facts.flags(inode) == 0
        assert facts.deletion_time(inode) is None
    for stream in (image(magic=0), image(per_group=0), image(shift=40), image(incompatible=0x10), MemoryStream(b"")):
        assert ExtFacts(stream, START).flags(20) == 0


def test_an_orphan_chain_is_no_time() -> None:
    """Small numbers in the field link inodes that were open when deleted."""
    data = bytearray(image().read_at(0, 1 << 20))
    struct.pack_into("<I", data, START + 10 * 1024 + 20, 12)
    assert ExtFacts(MemoryStream(bytes(data)), START).deletion_time(1) is None


def test_group_descriptors_among_the_groups(tmp_path: Path) -> None:
    """Inodes of every group are found with meta_bg; the library, which does not find them, is not asked."""
    tree = plant(tmp_path / "tree", {f"dir{number}/file": b"%d" % number for number in range(12)})
    options = ("-b", "1024", "-g", "256", "-N", "512", "-O", "meta_bg,^resize_inode,^has_journal,encrypt,^64bit")
    media = MemoryStream(ext_image(tmp_path / "x.img", tree, "ext4", *options, kib=32 * 1024).read_bytes())
    assert has_scattered_descriptors(media, 0)
    volume = Volume("p1", 0, media.size, Allocation.ALLOCATED, "bare", file_system="ext4")
    with pytest.raises(UnsupportedFormatError, match="meta_bg"):
        open_file_system(media, volume, "x.dd")
    number = 0
    for path in (f"/dir{place}/file" for place in range(12)):
        number = max(
            number, int(re.findall(r"Inode: (\d+)", run("debugfs", "-R", f"stat {path}", tmp_path / "x.img"))[0])
        )
    ext_edit(tmp_path / "x.img", f"set_inode_field <{number}> flags 0x80800")
    facts = ExtFacts(MemoryStream((tmp_path / "x.img").read_bytes()), 0)
    assert facts.flags(number) == 0x80800


def test_group_descriptors_in_one_place(tmp_path: Path) -> None:
    """Few groups, or no meta_bg: the library reads these."""
    tree = plant(tmp_path / "tree", {"a": b"a"})
    few = ext_image(tmp_path / "few.img", tree, "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode", kib=4096)
    assert not has_scattered_descriptors(MemoryStream(few.read_bytes()), 0)
    other = ext_image(tmp_path / "other.img", tree, "ext4", kib=4096)
    assert not has_scattered_descriptors(MemoryStream(other.read_bytes()), 0)
    for data in (b"", bytes(4096), image(incompatible=0x10).read_at(0, 1 << 20)):
        assert not has_scattered_descriptors(MemoryStream(data), 0)


def test_content_in_the_inode_through_both_libraries(tmp_path: Path) -> None:
    """Up to 60 bytes in the map of blocks, the rest in an attribute behind it; damaged, it is no content."""
    sizes = (1, 59, 60, 61, 100, 300, 700, 2000)
    files = {f"f{size}": hashlib.shake_128(b"%d" % size).digest(size) for size in sizes}
    tree = plant(tmp_path / "tree", files)
    image = ext_image(tmp_path / "x.img", tree, "ext4", "-O", "inline_data", "-I", "1024", kib=4096)
    media = MemoryStream(image.read_bytes())
    volume = Volume("p1", 0, media.size, Allocation.ALLOCATED, "bare", file_system="ext4")
    facts, inline = ExtFacts(media, 0), 0
    for reader in ("", "libfsext"):
        file_system = open_file_system(media, volume, "x.dd", reader)
        entries, _ = walked(file_system)
        for name, content in files.items():
            entry = entries[b"/" + name.encode()]
            assert file_system.read_whole(entry, 1 << 20) == content, (reader, name)
            if facts.flags(entry.meta_address) & FLAG_INLINE:
                inline += 1
                assert facts.inline_data(entry.meta_address, len(content)) == content
                assert facts.inline_data(entry.meta_address, 2000) is None
            else:
                assert facts.inline_data(entry.meta_address, 1) is None
    assert inline >= 2 * 7
