"""The parts of the XFS reader by themselves: checksums, blocks of names, extents, log."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.xfs_media import XfsMedia
from triage.errors import CorruptStructureError, ReadFailedError
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.evidence.filesystems.xfs.checksum import crc32c, holds, wrong_rows
from triage.evidence.filesystems.xfs.dir_block import Record, parse_block, parse_short
from triage.evidence.filesystems.xfs.extents import Bad, DamagedStream, ExtentReader
from triage.evidence.filesystems.xfs.free_space import FreeMap
from triage.evidence.filesystems.xfs.inode import BTREE, EXTENTS
from triage.evidence.filesystems.xfs.log import log_note
from triage.evidence.filesystems.xfs.superblock import parse_superblock
from triage.model.stream import MemoryStream

V5 = XfsMedia("xfs-v5")
GEOMETRY = parse_superblock(V5.read_at(0, 512))


# --- checksum -----------------------------------------------------------------------------------------------------
def plain_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_checksum_of_the_standard() -> None:
    """RFC 3720, B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


@given(st.binary(max_size=700))
def test_checksum_of_any_length(data: bytes) -> None:
    assert crc32c(data) == plain_crc32c(data)


def test_checksum_in_larger_rows() -> None:
    data = random.Random(1).randbytes(5000)
    assert crc32c(data) == plain_crc32c(data)


@given(st.integers(1, 6), st.sets(st.integers(0, 5)), st.integers(0, 255))
def test_rows_with_wrong_checksums_are_named(rows: int, spoilt: set[int], value: int) -> None:
    parts = []
    for row in range(rows):
        body = bytearray(random.Random(row * 256 + value).randbytes(64))
        body[20:24] = bytes(4)
        body[20:24] = plain_crc32c(body).to_bytes(4, "little")
        assert holds(bytes(body), 20)
        if row in spoilt:
            body[row] ^= 1 + value % 255
        parts.append(bytes(body))
    assert wrong_rows(b"".join(parts), 64, 20) == {row for row in spoilt if row < rows}


# --- blocks of names ----------------------------------------------------------------------------------------------
def block_of(names: list[tuple[bytes, int]], size: int = 512, head: int = 64) -> bytearray:
    data = bytearray(head)
    for name, number in names:
        place = len(data)
        length = (len(name) + 19) & ~7
        data += (struct.pack(">QB", number, len(name)) + name + b"\1").ljust(length - 2, b"\0") + place.to_bytes(
            2, "big"
        )
    free = size - len(data)
    data += (b"\xff\xff" + free.to_bytes(2, "big")).ljust(free - 2, b"\0") + len(data).to_bytes(2, "big")
    return data


NAMES = [(b"first", 10), (b"second-name", 11), (b"third", 12)]


def free(data: bytearray, place: int, length: int) -> None:
    data[place : place + 4] = b"\xff\xff" + length.to_bytes(2, "big")
    data[place + length - 2 : place + length] = place.to_bytes(2, "big")


def test_names_of_a_block() -> None:
    found = parse_block(bytes(block_of(NAMES)), 64, 512, True, 9)
    assert found.live == [Record(name, number, 1) for name, number in NAMES]
    assert (found.deleted, found.errors) == ([], [])


def test_deleted_names_alone_and_joined_to_other_free_space() -> None:
    data = block_of(NAMES)
    free(data, 64, 24)
    found = parse_block(bytes(data), 64, 512, True, (5 << 32) | 9)
    assert found.deleted == [Record(b"first", (5 << 32) | 10, 1)]  # the upper half is that of the directory
    free(data, 64, 48)
    found = parse_block(bytes(data), 64, 512, True, 9)
    assert [one.name for one in found.deleted] == [b"first", b"second-name"]
    assert [one.name for one in found.live] == [b"third"]


def test_damage_costs_only_its_own_names() -> None:
    data = block_of(NAMES)
    data[88 + 8] = 200  # length of the second
    found = parse_block(bytes(data), 64, 512, True, 9)
    assert [one.name for one in found.live] == [b"first", b"third"]
    assert len(found.errors) == 1


def short_of(names: list[tuple[bytes, int]], count: int) -> bytes:
    body = b"".join(
        bytes([len(name)]) + (96 + 24 * at).to_bytes(2, "big") + name + b"\1" + number.to_bytes(4, "big")
        for at, (name, number) in enumerate(names)
    )
    return bytes([count, 0]) + (128).to_bytes(4, "big") + body


def test_short_form_with_a_deleted_name_behind() -> None:
    data = short_of(NAMES, 2).ljust(300, b"\0")
    size = len(short_of(NAMES[:2], 2))
    found = parse_short(data, size, True)
    assert [one.name for one in found.live] == [b"first", b"second-name"]
    assert found.deleted == [Record(b"third", 12, 1)]
    assert parse_short(data[:20], size, True).errors
    assert parse_short(b"", 6, True).errors


@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
def test_any_bytes_as_names(data: bytes, size: int, typed: bool) -> None:
    parse_short(data, size, typed)
    parse_block(data, 0, len(data), typed, 9)


# --- extents ------------------------------------------------------------------------------------------------------
def extent(start: int, block: int, count: int, unwritten: int = 0) -> bytes:
    return struct.pack(">QQ", unwritten << 63 | start << 9 | block >> 43, (block & (1 << 43) - 1) << 21 | count)


def reader(media: XfsMedia = V5) -> ExtentReader:
    return ExtentReader(Blocks(media, GEOMETRY))


def test_extents_that_touch_become_one_run() -> None:
    found = reader().fork(EXTENTS, extent(0, 50, 2) + extent(2, 52, 3) + extent(9, 60, 1), 3, 1)
    assert [(run.file_offset, run.fs_offset, run.length) for run in found.runs] == [
        (0, 50 * 4096, 5 * 4096),
        (9 * 4096, 60 * 4096, 4096),
    ]
    assert reader().is_plain(extent(0, 50, 2) + extent(2, 52, 3), 2)


@pytest.mark.parametrize(
    "second", [extent(1, 60, 1), extent(5, 60, 0), extent(5, 1 << 51, 1), extent(5, GEOMETRY.ag_blocks - 1, 2)]
)
def test_extents_that_do_not_hold_cost_only_themselves(second: bytes) -> None:
    data = extent(0, 50, 2) + second + extent(9, 60, 1)
    assert not reader().is_plain(data, 3)
    found = reader().fork(EXTENTS, data, 3, 1)
    assert [run.file_offset for run in found.runs] == [0, 9 * 4096]
    assert len(found.bad) == 1


def test_more_extents_than_fit_are_bad_behind_the_last() -> None:
    found = reader().fork(EXTENTS, extent(0, 50, 2), 1 << 40, 1)
    assert len(found.runs) == 1
    assert found.bad[0].start == 2 * 4096


def tree_root(*pointers: int) -> bytes:
    count = len(pointers)
    keys = struct.pack(f">{count}Q", *range(count))
    return (struct.pack(">HH", 1, count) + keys + struct.pack(f">{count}Q", *pointers)).ljust(4 + 16 * count, b"\0")


def test_tree_whose_blocks_come_again_ends() -> None:
    media = XfsMedia("xfs-v5")
    block = struct.pack(">4sHHQQ", b"BMA3", 0, 1, 0, 0).ljust(72, b"\0") + extent(0, 50, 1)
    media.write(200 * 4096, block)
    found = reader(media).fork(BTREE, tree_root(200, 200, 201), 3, 7)
    assert len(found.runs) == 1
    assert ["again" in part.message for part in found.bad] == [True, False]
    assert found.notes  # its checksum is wrong
    assert not reader(media).fork(BTREE, tree_root(200), 1, 7, strict=True).runs  # of another owner
    with pytest.raises(CorruptStructureError):
        reader(media).fork(BTREE, bytes(64), 1, 7)


def test_reading_stops_at_the_part_that_cannot_be_placed() -> None:
    stream = DamagedStream(RunStream(MemoryStream(b"a" * 100), (), 100), [Bad(40, 60, "gone")])
    assert stream.read_at(0, 40) == bytes(40)
    assert stream.read_at(60, 100) == bytes(40)
    with pytest.raises(ReadFailedError, match="gone") as caught:
        stream.read_at(30, 50)
    assert caught.value.partial == bytes(10)


def test_free_bytes_of_a_range() -> None:
    free_map = FreeMap([(10, 5), (20, 10)])
    assert [free_map.free_bytes(*one) for one in ((0, 10), (0, 12), (14, 7), (12, 100), (30, 9))] == [0, 2, 2, 13, 0]
    assert FreeMap([]).free_bytes(0, 10) == 0


# --- log ----------------------------------------------------------------------------------------------------------
def test_log_that_went_round() -> None:
    media = XfsMedia("xfs-v5")
    start = GEOMETRY.block_offset(GEOMETRY.log_start)
    count = GEOMETRY.log_blocks * GEOMETRY.block_size // 512
    record = media.read_at(start, 512)
    body = media.read_at(start + 512, 512)
    for place in range(count):
        cycle = 5 if place < 40 else 4
        media.sectors[start + place * 512] = cycle.to_bytes(4, "big") + bytes(508)
    media.write(start + 38 * 512, record[:4] + (5).to_bytes(4, "big") + record[8:])
    media.write(start + 39 * 512, (5).to_bytes(4, "big") + body[4:])
    assert log_note(Blocks(media, GEOMETRY)) == ""
    media.write(start + 40 * 512, (5).to_bytes(4, "big"))  # something was written behind the mark of the unmount
    assert "not unmounted" in log_note(Blocks(media, GEOMETRY))
