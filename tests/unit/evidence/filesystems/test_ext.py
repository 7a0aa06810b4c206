"""Inode facts of ext from bytes: flags and time of deletion."""

import struct

import pytest

from triage.evidence.filesystems.ext import FLAG_ENCRYPTED, ExtFacts
from triage.model.stream import MemoryStream

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
    """Numbers outside, groups without a table, another file system, meta_bg, no super block."""
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
