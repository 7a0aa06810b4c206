"""Parts of the Btrfs reader by themselves: checksums, LZO, chunks, trees; and images by mkfs.btrfs where it is."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.btrfs import checksum, compression, detect_file_system, items, open_file_system
from triage.evidence.filesystems.btrfs.blocks import Block, Key
from triage.evidence.filesystems.btrfs.chunks import (
    RAID0,
    RAID1,
    RAID5,
    RAID6,
    RAID10,
    Chunk,
    ChunkMap,
    parse_chunk,
)
from triage.evidence.filesystems.btrfs.search import HIGHEST, LOWEST, Searcher
from triage.evidence.filesystems.btrfs.superblock import Pointer
from triage.evidence.filesystems.lzo import decompress_lzo1x
from triage.model.entry import Entry, EntryType
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

STRIP = 65536


# --- checksums --------------------------------------------------------------------------------------------------------
def test_checksums_of_known_texts() -> None:
    assert checksum.crc32c(b"123456789") == 0xE3069283
    assert checksum.crc32c(b"") == 0
    assert checksum.xxhash64(b"") == 0xEF46DB3751D8E999
    assert checksum.xxhash64(b"abc") == 0x44BC2CF5AD770999


def test_checksums_are_alike_with_and_without_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(3)
    texts = [generator.randbytes(length) for length in (1, 3, 4, 7, 8, 31, 32, 33, 63, 4064, 16352, 65504)]
    fast = [checksum.crc32c(text) for text in texts]
    halves = [checksum._low_half_by_zstd(text) for text in texts]
    monkeypatch.setattr(checksum, "_module", lambda name: None)
    assert [checksum.crc32c(text) for text in texts] == fast
    for text, half in zip(texts, halves, strict=True):
        assert half in (None, checksum.digest(checksum.XXHASH64, text)[:4])


@pytest.mark.parametrize("kind", range(4))
def test_checksum_that_does_not_hold_is_seen(kind: int) -> None:
    data = bytes(range(256)) * 16
    stored = checksum.digest(kind, data).ljust(32, b"\0")
    assert checksum.holds(kind, stored, data)
    assert not checksum.holds(kind, stored, data[:-1] + b"x")
    assert not checksum.holds(kind, bytes([stored[0] ^ 1]) + stored[1:], data)
    assert not checksum.is_known(4)


# --- LZO and other methods --------------------------------------------------------------------------------------------
def test_lzo_literals_and_overlapping_copies() -> None:
    assert decompress_lzo1x(b"\x17abcdef\x11\0\0", 6) == b"abcdef"
    assert decompress_lzo1x(b"\x15abcd" + b"\x2a\x04\x00" + b"\x11\0\0", 100) == b"abcd" + b"cd" * 6  # 12 bytes, 2 back
    long = b"\x00\x00\x05" + bytes(range(256)) + bytes(22)
    assert decompress_lzo1x(long + b"\x11\0\0", 1000) == bytes(range(256)) + bytes(22)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\x17abc",
        b"\x17abcdef",
        b"\x15abcd\x2a\xff\xff\x11\0\0",
        b"\x20",
        b"\0" * 5000,
        b"\x15abcd\x20" + b"\0" * 300,
    ],
)
def test_lzo_that_does_not_hold(stream: bytes) -> None:
    with pytest.raises(CorruptStructureError):
        decompress_lzo1x(stream, 1 << 20)


def test_lzo_never_gives_more_than_allowed() -> None:
    bomb = b"\x15abcd\x20" + b"\0" * 4000 + b"\xff\x04\x00\x11\0\0"
    with pytest.raises(CorruptStructureError, match="more than 4096"):
        decompress_lzo1x(bomb, 4096)
    with pytest.raises(CorruptStructureError, match="more than 3"):
        decompress_lzo1x(b"\x17abcdef\x11\0\0", 3)


def test_lzo_of_random_bytes_gives_typed_errors_only() -> None:
    generator = random.Random(9)
    for _ in range(3000):
        try:
            assert len(decompress_lzo1x(generator.randbytes(generator.randrange(1, 60)), 4096)) <= 4096
        except CorruptStructureError:
            continue


def test_compressed_extents_are_bounded() -> None:
    packed = zlib.compress(bytes(1 << 20))
    whole = zlib.compress(bytes(131072))
    assert compression.decode(compression.ZLIB, whole + bytes(100), 131072, 4096) == bytes(131072)
    for method, data, size in (
        (compression.ZLIB, b"not zlib", 4096),
        (compression.ZLIB, zlib.compress(b"short"), 8192),
        (compression.LZO, b"\xff\xff\xff\x7f" + bytes(100), 4096),
        (compression.LZO, struct.pack("<II", 12, 0) + bytes(8), 4096),
        (compression.LZO, struct.pack("<II", 12, 1 << 30) + bytes(8), 4096),
        (compression.LZO, b"", 4096),
        (compression.ZSTD, b"not zstd", 4096),
        (compression.ZLIB, packed, 1 << 62),
        (compression.ZLIB, packed, 131072),  # it holds more than the extent has
    ):
        with pytest.raises(CorruptStructureError):
            compression.decode(method, data, size, 4096)
    with pytest.raises(UnsupportedFormatError):
        compression.decode(9, b"", 1, 4096)


# --- chunks -----------------------------------------------------------------------------------------------------------
def chunk(kind: int, stripes: int, rows: int, sub: int = 1) -> Chunk:
    plain = Chunk(1 << 30, STRIP, kind, STRIP, tuple((number + 1, 1 << 20) for number in range(stripes)), sub)
    return Chunk(1 << 30, rows * plain.columns * STRIP, kind, STRIP, plain.stripes, sub)


@pytest.mark.parametrize(("kind", "stripes", "sub", "copies", "columns"), [
    (0, 1, 1, 1, 1), (RAID0, 3, 1, 1, 3), (RAID1, 2, 1, 2, 1), (RAID10, 6, 2, 2, 3), (RAID5, 4, 1, 1, 3), (RAID6, 5, 1, 1, 3),
])  # fmt: skip
def test_each_byte_of_a_chunk_has_its_own_place(kind: int, stripes: int, sub: int, copies: int, columns: int) -> None:
    each = chunk(kind, stripes, 7, sub)
    assert (each.copies, each.columns) == (copies, columns)
    for copy in range(copies):
        places = {each.locate(offset, copy)[:2] for offset in range(0, each.length, STRIP)}
        assert len(places) == each.length // STRIP
        assert all(stripe < stripes and offset < each.on_device for stripe, offset in places)


def test_parity_turns_from_row_to_row() -> None:
    each = chunk(RAID5, 3, 3)
    assert [each.locate(number * STRIP, 0)[0] for number in range(6)] == [0, 1, 1, 2, 2, 0]


@pytest.mark.parametrize(("kind", "stripes", "sub"), [(0, 1, 1), (RAID0, 3, 1), (RAID10, 4, 2), (RAID1, 2, 1)])
def test_ranges_on_stripes_are_those_of_the_bytes(kind: int, stripes: int, sub: int) -> None:
    each = chunk(kind, stripes, 9, sub)
    generator = random.Random(stripes)
    for _ in range(60):
        start = generator.randrange(each.length) & ~4095
        length = generator.randrange(4096, each.length - start + 4096) & ~4095
        length = min(length, each.length - start)
        told = [(stripe, at + inside) for stripe in range(stripes) for at, size in each.on_stripe(stripe, start, length)
                for inside in range(0, size, 4096)]  # fmt: skip
        wanted = [each.locate(offset, copy)[:2] for copy in range(each.copies)
                  for offset in range(start, start + length, 4096)]  # fmt: skip
        assert sorted(told) == sorted(wanted)


def item(length: int, strip: int, kind: int, count: int, sub: int, stripes: int) -> bytes:
    head = struct.pack("<QQQQIIIHH", length, 2, strip, kind, 4096, 4096, 4096, count, sub)
    return head + b"".join(struct.pack("<QQ16s", number + 1, 4096, b"") for number in range(stripes))


@pytest.mark.parametrize("data", [
    b"", item(1 << 20, STRIP, 1, 2, 0, 1), item(1 << 20, STRIP, 1, 0, 0, 1), item(0, STRIP, 1, 1, 0, 1),
    item((1 << 64) - 1, STRIP, 1, 1, 0, 1), item(1 << 20, 0, RAID0, 2, 0, 2), item(1 << 20, 3, RAID0, 2, 0, 2),
    item(1 << 20, STRIP, RAID10, 3, 2, 3), item(1 << 20, STRIP, RAID5, 1, 0, 1), item(1 << 20, STRIP, RAID6, 2, 0, 2),
    item(1 << 20, STRIP, 1, 65535, 0, 1),
])  # fmt: skip
def test_chunk_that_does_not_hold(data: bytes) -> None:
    with pytest.raises(CorruptStructureError):
        parse_chunk(1 << 20, data)


def test_missing_devices_are_named_and_have_no_place() -> None:
    chunks = ChunkMap({1: 0, 3: 1 << 40})
    chunks.add(chunk(RAID0, 3, 2))
    assert chunks.missing() == [2]
    places = [piece.place for piece in chunks.pieces(1 << 30, 3 * STRIP, 0)]
    assert places == [1 << 20, -1, (1 << 40) + (1 << 20)]
    for outside in (0, (1 << 30) - 1, (1 << 30) + 6 * STRIP):
        with pytest.raises(CorruptStructureError):
            chunks.at(outside)


# --- trees ------------------------------------------------------------------------------------------------------------
class Blocks:
    """Blocks by address, counted as they are read."""

    def __init__(self, *blocks: Block) -> None:
        self.blocks = {block.logical: block for block in blocks}
        self.count = 0

    def read(self, logical: int, generation: int, level: int) -> Block:
        self.count += 1
        block = self.blocks[logical]
        if block.level != level:
            raise CorruptStructureError("level")
        return block


def leaf(logical: int, *numbers: int) -> Block:
    keys: list[Key] = [(number, 1, 0) for number in numbers]
    return Block(logical, 0, 1, keys, bytes(100), [(0, 1)] * len(keys))


def node(logical: int, level: int, *children: tuple[int, int]) -> Block:
    keys: list[Key] = [(number, 1, 0) for number, _ in children]
    return Block(logical, level, 1, keys, b"", [(child, 1) for _, child in children])


def searcher(*blocks: Block) -> tuple[Searcher, Blocks]:
    made = Blocks(*blocks)
    return Searcher(made), made  # type: ignore[arg-type]


def test_search_finds_what_is_there() -> None:
    tree, _ = searcher(node(1, 1, (10, 2), (20, 3)), leaf(2, 10, 15), leaf(3, 20, 25))
    root = Pointer(1, 1, 1)
    found = [each[0][0] for each in tree.items(root, LOWEST, HIGHEST) if not isinstance(each, EvidenceError)]
    assert found == [10, 15, 20, 25]
    assert tree.find(root, (15, 1, 0)) and tree.find(root, (25, 1, 0))
    for absent in (5, 12, 17, 22, 30):
        assert tree.find(root, (absent, 1, 0)) is None
    assert tree.last_at_most(root, (19, 1, 0)) == (15, 1, 0)
    assert tree.last_at_most(root, (9, 1, 0)) is None


def test_blocks_that_many_pointers_lead_to_cost_no_more_than_once() -> None:
    wide = [node(level, level, *((key, level - 1) for key in range(100, 600))) for level in range(7, 0, -1)]
    tree, blocks = searcher(*wide, Block(0, 0, 1, [(100, 1, 0)], bytes(10), [(0, 1)]))
    found = list(tree.slices(Pointer(7, 1, 7), LOWEST, HIGHEST))
    assert len([each for each in found if not isinstance(each, EvidenceError)]) <= 1
    assert any(isinstance(each, CorruptStructureError) for each in found)
    assert blocks.count < 5000


def test_empty_and_alien_leaves_are_errors() -> None:
    for bad in (leaf(2), leaf(2, 5), leaf(2, 30)):
        tree, _ = searcher(node(1, 1, (10, 2), (20, 3)), bad, leaf(3, 20))
        found = list(tree.items(Pointer(1, 1, 1), LOWEST, HIGHEST))
        assert isinstance(found[0], CorruptStructureError) and not isinstance(found[1], EvidenceError)
    tree, _ = searcher(leaf(1))
    assert list(tree.items(Pointer(1, 1, 0), LOWEST, HIGHEST)) == []


def test_items_that_are_cut_short_are_errors() -> None:
    for parse in (items.parse_inode, items.parse_root_ref, lambda data: items.parse_root(5, data),
                  lambda data: items.parse_extent(0, data), lambda data: list(items.parse_names(data))):  # fmt: skip
        for length in (1, 9, 20):
            with pytest.raises(CorruptStructureError):
                parse(b"\xff" * length)
    assert list(items.parse_links((256, items.INODE_REF, 5), b"\xff" * 12)) == []


# --- images by the format's own tool ----------------------------------------------------------------------------------
@pytest.mark.skipif(not shutil.which("mkfs.btrfs"), reason="mkfs.btrfs is not here")
@pytest.mark.parametrize(
    ("digest", "size"), [("crc32c", 16384), ("xxhash", 4096), ("sha256", 65536), ("blake2", 32768)]
)
def test_images_of_every_checksum_and_node_size(tmp_path: Path, digest: str, size: int) -> None:
    source = tmp_path / "source"
    (source / "many").mkdir(parents=True)
    wanted = {b"/large": random.Random(size).randbytes(700_000), b"/small": b"small", b"/empty": b""}
    wanted |= {b"/many/file %d" % index: b"%d" % index for index in range(400)}
    for name, content in wanted.items():
        (source / name[1:].decode()).write_bytes(content)
    image = tmp_path / "image"
    image.write_bytes(b"")
    with image.open("r+b") as file:
        file.truncate(128 << 20)
    command = ["mkfs.btrfs", "-q", "--csum", digest, "-n", str(size), "--rootdir", str(source), str(image)]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"mkfs.btrfs: {made.stderr.decode(errors='replace')[:200]}")
    media = MemoryStream(image.read_bytes())
    assert detect_file_system(media, 0, media.size)[0] == "btrfs"
    file_system = open_file_system(media, Volume("p1", 0, media.size, Allocation.ALLOCATED, "bare"), "evidence")
    found = list(file_system.walk())
    entries = [each for each in found if isinstance(each, Entry)]
    assert len(entries) == len(found)  # no problem: all checksums hold
    files = {
        each.address.path: file_system.read_whole(each, 1 << 20)
        for each in entries
        if each.entry_type is EntryType.FILE
    }
    assert files == wanted
