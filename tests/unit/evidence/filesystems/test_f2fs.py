"""F2FS by our own reader, over images that the test builds block by block."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

import cramjam
import pytest
import zstandard

from tests.support.f2fs_image import CHECKPOINT, MAIN, NODES, SEGMENT, F2fsImage, SparseBlocks
from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, ReadFailedError
from triage.evidence.filesystems import f2fs
from triage.evidence.filesystems.f2fs.layout import f2fs_crc
from triage.evidence.filesystems.tree import TreeFileSystem
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.stream import MemoryStream, Stream
from triage.model.volume import Allocation, Volume

EXTRA, FLEXIBLE, CRTIME = 0x8, 0x40, 0x100


def opened(stream: Stream, parent: str = "") -> TreeFileSystem:
    volume = Volume("p1", 0, stream.size, Allocation.ALLOCATED, "bare", parent=parent)
    found = f2fs.open_file_system(stream, volume, "x.img")
    assert isinstance(found, TreeFileSystem)
    return found


def walked(file_system: TreeFileSystem) -> tuple[dict[bytes, Entry], list[Problem]]:
    entries: dict[bytes, Entry] = {}
    problems: list[Problem] = []
    for item in file_system.walk():
        if isinstance(item, Problem):
            problems.append(item)
        else:
            entries[item.address.path + (b":" + item.address.stream if item.address.stream else b"")] = item
    return entries, problems


def small(image: F2fsImage, *names: tuple[bytes, int]) -> SparseBlocks:
    image.directory(3, [(b".", 3, True), (b"..", 3, True), *((name, number, True) for name, number in names)])
    return image.finish()


def test_detects_only_its_own() -> None:
    stream = small(F2fsImage())
    assert f2fs.detect_file_system(stream, 0, stream.size) == ("f2fs", 4096)
    assert f2fs.detect_file_system(MemoryStream(b""), 0, 0) == ("", 0)
    assert f2fs.detect_file_system(MemoryStream(bytes(9000)), 0, 9000) == ("", 0)
    assert f2fs.detect_file_system(stream, 4096, stream.size - 4096)[0] == "f2fs", "the second superblock"
    assert f2fs.detect_file_system(stream, 512, 1 << 20) == ("", 0)


def test_second_superblock_serves_where_the_first_is_gone() -> None:
    stream = small(F2fsImage(), (b"a", 4))
    stream.put(0, b"")
    assert f2fs.detect_file_system(stream, 0, stream.size) == ("f2fs", 4096)


@pytest.mark.parametrize("block_size", [4096, 16384])
@pytest.mark.parametrize("compact", [False, True])
def test_every_kind_of_block_pointer(block_size: int, compact: bool) -> None:
    image = F2fsImage(block_size)
    image.compact = compact
    words, inner = (block_size - 360 - 44) // 4, (block_size - 24) // 4
    parts = [random.Random(part).randbytes(block_size) for part in range(6)]
    places = [image.data(part)[0] for part in parts]
    first_double = words + 2 * inner + 2 * inner * inner
    image.words(10, 5, [0, places[1]])  # direct, block words + 1
    image.words(11, 5, [0] * (inner - 1) + [places[2]])  # second direct, its last
    image.words(13, 5, [places[3]])
    image.words(12, 5, [0, 13])  # indirect: block words + 3 * inner
    image.words(16, 5, [0, 0, places[5]])
    image.words(15, 5, [0, 16])
    image.words(14, 5, [15])
    size = (first_double + inner + 3) * block_size - 7
    image.inode(5, size=size, addresses=(places[0],), nodes=(10, 11, 12, 0, 14), name=b"big")
    image.journal = {5: image.nat[5]}
    file_system = opened(small(image, (b"big", 5)))
    entries, problems = walked(file_system)
    assert not problems
    assert entries[b"/big"].size == size
    runs = [
        (run.file_offset // block_size, run.fs_offset // block_size) for run in file_system.byte_runs(entries[b"/big"])
    ]
    expected = [0, words + 1, words + 2 * inner - 1, words + 3 * inner, first_double + inner + 2]
    assert runs == list(zip(expected, [places[0], places[1], places[2], places[3], places[5]], strict=True))
    stream = file_system.open_entry(entries[b"/big"])
    assert stream.read_at((words + 1) * block_size - 5, block_size + 10) == bytes(5) + parts[1] + bytes(5)
    assert stream.read_at(size - block_size + 7, block_size) == parts[5][: block_size - 7]


def test_inline_data_and_inline_directory_and_link() -> None:
    image = F2fsImage(features=EXTRA | CRTIME)
    extra = struct.pack("<HHIIQI", 24, 0, 0, 0, 777, 5)
    image.inode(5, size=5, inline=0x02 | 0x20, area=b"hello", extra=extra, name=b"f")
    image.inode(6, mode=0o120777, size=3, inline=0x02, area=b"f/g", name=b"l")
    length = 4 * (923 - 50 - 1)
    area = image.dentries([(b"n" * 200, 5, True), (b"short", 6, True), ("\u00e9".encode(), 6, True)], length)
    image.inode(4, mode=0o040755, size=length, inline=0x04, area=area, name=b"d")
    entries, problems = walked(file_system := opened(small(image, (b"d", 4))))
    assert not problems
    assert list(entries) == [b"/d", b"/d/" + b"n" * 200, b"/d/short", "/d/\u00e9".encode()]
    found = entries[b"/d/" + b"n" * 200]
    assert file_system.read_whole(found, 100) == b"hello"
    assert found.times.crtime == 777_000_000_005
    assert (found.times.atime, found.times.ctime, found.times.mtime) == (
        100_000_000_001,
        200_000_000_002,
        300_000_000_003,
    )
    assert found.owner == "1000"
    assert file_system.read_whole(entries[b"/d/short"], 100) == b"f/g"
    assert file_system.byte_runs(found) == ()


def test_attributes_go_on_from_the_inode_into_their_node() -> None:
    image = F2fsImage()

    def attribute(index: int, name: bytes, value: bytes) -> bytes:
        raw = struct.pack("<BBH", index, len(name), len(value)) + name + value
        return raw + bytes(-len(raw) % 4)

    first = (
        struct.pack("<II", 0xF2F52011, 1)
        + bytes(16)
        + attribute(1, b"note", b"v" * 30)
        + attribute(6, b"selinux", b"ctx")
    )
    inline = first + attribute(1, b"long", b"x" * 500)
    image.node(9, 5, inline[200:])
    image.inode(5, size=0, inline=0x01, xattr=inline[:200], xattr_node=9)
    entries, problems = walked(file_system := opened(small(image, (b"f", 5))))
    assert not problems
    assert [path for path in entries if b":" in path] == [b"/f:user.note", b"/f:user.long"]
    assert file_system.read_whole(entries[b"/f:user.note"], 100) == b"v" * 30
    assert file_system.read_whole(entries[b"/f:user.long"], 1000) == b"x" * 500


@pytest.mark.parametrize("algorithm", [0, 1, 2, 3])
def test_compressed_clusters(algorithm: int) -> None:
    image = F2fsImage(features=EXTRA | 0x2000)
    content = b"it was written here a thousand times\n" * 440  # almost four blocks
    whole = content.ljust(16384, b"\0")
    packed = {
        0: lzo_literals(whole[:40]) + lzo_copies(whole),
        1: bytes(cramjam.lz4.compress_block(whole, store_size=False)),
        2: zstandard.compress(whole),
        3: b"\x11\x01" + lzo_literals(whole[:40]) + lzo_copies(whole),
    }[algorithm]
    blocks = image.data(struct.pack("<II", len(packed), f2fs_crc(packed)) + bytes(16) + packed)
    plain = image.data(b"plain".ljust(4096 * 2, b"."))
    extra = struct.pack("<HHIIQIQBBH", 36, 0, 0, 0, 0, 0, 1, algorithm, 2, 1)
    addresses = (0xFFFFFFFE, *blocks, *([0] * (3 - len(blocks))), *plain)
    image.inode(5, size=16384 + 4096 * 4 + 5, inline=0x20, flags=4, extra=extra, addresses=addresses)
    entries, problems = walked(file_system := opened(small(image, (b"f", 5))))
    assert not problems
    found = file_system.read_whole(entries[b"/f"], 1 << 20)
    assert found == whole + b"plain".ljust(8192, b".") + bytes(8192 + 5)
    assert file_system.byte_runs(entries[b"/f"]) == ()


def lzo_literals(data: bytes) -> bytes:
    """An LZO stream that begins with literals."""
    return bytes([17 + len(data)]) + data


def lzo_copies(whole: bytes) -> bytes:
    """Copies from 37 back up to the zeros, then zeros, then the end mark."""
    text = whole.rstrip(b"\0")
    out = copy(len(text) - 40, 37)
    zeros = len(whole) - len(text)
    out = out[:-2] + struct.pack("<H", (36 << 2) | 1) + b"\0"
    return out + copy(zeros - 1, 1) + b"\x11\0\0"


def copy(length: int, distance: int) -> bytes:
    """A match of a length over 33."""
    full, rest = divmod(length - 33 - 1, 255)
    return b"\x20" + bytes(full) + bytes([rest + 1]) + struct.pack("<H", (distance - 1) << 2)


def test_broken_cluster_costs_only_itself() -> None:
    image = F2fsImage(features=EXTRA)
    plain = image.data(b"good" * 4096)
    bad = image.data(struct.pack("<II", 4000, 0) + bytes(16) + b"\xff" * 4000)
    extra = struct.pack("<HHIIQIQBBH", 36, 0, 0, 0, 0, 0, 1, 1, 2, 0)
    image.inode(5, size=32768, inline=0x20, flags=4, extra=extra, addresses=(*plain, 0xFFFFFFFE, *bad))
    entries, _ = walked(file_system := opened(small(image, (b"f", 5))))
    stream = file_system.open_entry(entries[b"/f"])
    assert stream.read_at(0, 16384) == b"good" * 4096
    with pytest.raises(ReadFailedError) as caught:
        stream.read_at(0, 32768)
    assert caught.value.partial == b"good" * 4096


def test_encrypted_names_and_content() -> None:
    image = F2fsImage()
    image.inode(6, size=100, advise=4, addresses=tuple(image.data(b"c" * 100)))
    image.directory(5, [(b"\x01/\x00\xff" * 4, 6, True)], advise=4)
    entries, problems = walked(file_system := opened(small(image, (b"d", 5))))
    assert not problems
    assert list(entries) == [b"/d", b"/d/AS8A_wEvAP8BLwD_AS8A_w"]
    assert any("encrypted" in caveat for caveat in entries[b"/d"].caveats)
    with pytest.raises(EncryptedVolumeError):
        file_system.open_entry(entries[b"/d/AS8A_wEvAP8BLwD_AS8A_w"])


def test_deleted_names_and_inodes() -> None:
    image = F2fsImage()
    body = [os.urandom(3 * 4096) for _ in range(3)]
    places = [image.data(part) for part in body]
    image.words(20, 5, places[0][1:])
    image.inode(5, size=923 * 4096 + 8192, addresses=(places[0][0],), nodes=(20,), name=b"gone.jpg")
    image.inode(6, size=12288, addresses=tuple(places[1]), name=b"no name left", parent=77)
    image.inode(7, size=12288, addresses=tuple(places[2]), name=b"new")
    image.directory(3, [(b"gone.jpg", 5, False), (b"new", 7, True), (b"old", 7, False), (b"never", 99, False)])
    for number in (5, 6, 20):
        image.forget(number)
    for place in (*places[0], *places[1]):
        image.used.discard(place)
    entries, problems = walked(file_system := opened(image.finish()))
    assert not problems
    gone = entries[b"/gone.jpg"]
    assert (gone.alloc_name, gone.alloc_inode, gone.reused) == (False, False, False)
    stream = file_system.open_entry(gone)
    assert stream.read_at(0, 4096) == body[0][:4096]
    assert stream.read_at(923 * 4096, 8192) == body[0][4096:]
    old = entries[b"/old"]
    assert (old.alloc_name, old.reused, old.size) == (False, True, 0)
    orphan = entries[b"/$OrphanFiles/OrphanFile-6"]
    assert orphan.orphan and file_system.read_whole(orphan, 1 << 20) == body[1]
    assert b"/never" not in entries and b"/$OrphanFiles/OrphanFile-5" not in entries
    free = {
        start // 4096 + index
        for run in file_system.unallocated()
        for start in [run.fs_offset]
        for index in range(run.length // 4096)
    }
    assert free == set(range(MAIN, MAIN + 16 * SEGMENT)) - image.used


def test_what_was_synced_after_the_checkpoint_counts() -> None:
    image = F2fsImage()
    old, new = image.data(b"old"), image.data(b"new")
    image.inode(5, size=3, addresses=tuple(old), name=b"a")
    image.directory(3, [(b"a", 5, True)])
    place = image._next["node"]
    stream = image.finish()
    fsync, dentry = 2, 4
    image.node_at(
        place, 5, 5, image.body(size=3, addresses=tuple(new), name=b"a"), flags=fsync, live=False, following=place + 1
    )
    image.node_at(
        place + 1,
        6,
        6,
        image.body(size=3, addresses=tuple(new), name=b"born"),
        flags=fsync | dentry,
        live=False,
        following=place + 2,
    )
    image.node_at(place + 2, 7, 7, image.body(size=3, name=b"unsynced"), live=False, following=place)
    entries, problems = walked(file_system := opened(stream))
    assert not problems
    assert list(entries) == [b"/a", b"/born"]
    assert file_system.read_whole(entries[b"/a"], 10) == b"new"
    assert file_system.read_whole(entries[b"/born"], 10) == b"new"


def test_no_checkpoint_holds_is_told() -> None:
    image = F2fsImage()
    stream = small(image, (b"a", 4))
    block = bytearray(stream.blocks[CHECKPOINT])
    block[300] ^= 1
    stream.put(CHECKPOINT, bytes(block))
    stream.put(CHECKPOINT + SEGMENT, bytes(block))
    _, problems = walked(opened(stream))
    assert any("checksum" in problem.message for problem in problems)


def test_loops_and_lies_are_bounded() -> None:
    image = F2fsImage()
    image.words(10, 5, [10] * 1018)  # an indirect node that leads to itself
    image.inode(5, size=(1 << 62) + 1, nodes=(0, 0, 10, 0, 10), name=b"loop")
    image.inode(6, size=1 << 63, name=b"negative")
    image.inode(7, size=9000, inline=2, area=b"x")
    image.inode(8, size=8192, addresses=(MAIN, 5))
    image.directory(9, [(b"up", 3, True), (b"self", 9, True)])
    file_system = opened(
        small(image, (b"loop", 5), (b"neg", 6), (b"inl", 7), (b"out", 8), (b"d", 9), (b"x", 55), (b"y", 1 << 31))
    )
    entries, problems = walked(file_system)
    assert {problem.reason.value for problem in problems} == {"loop", "corrupt"}
    stream = file_system.open_entry(entries[b"/loop"])
    assert stream.read_at(0, 10) == bytes(10)
    with pytest.raises(ReadFailedError):
        stream.read_at(1 << 61, 10)
    assert entries[b"/neg"].size == 0 and entries[b"/neg"].caveats
    with pytest.raises(ReadFailedError):
        file_system.read_whole(entries[b"/inl"], 1 << 20)
    with pytest.raises(ReadFailedError) as caught:
        file_system.read_whole(entries[b"/out"], 1 << 20)
    assert len(caught.value.partial) == 4096
    assert entries[b"/x"].alloc_inode is False and entries[b"/y"].alloc_inode is False


def test_places_in_a_volume_inside_a_layer_are_unknown() -> None:
    image = F2fsImage()
    image.inode(5, size=3, addresses=tuple(image.data(b"abc")))
    stream = small(image, (b"f", 5))
    for parent, expected in (("", MAIN * 4096), ("p1", -1)):
        file_system = opened(stream, parent)
        entries, _ = walked(file_system)
        assert file_system.byte_runs(entries[b"/f"])[0].image_offset == expected


def mutated(seed: int) -> SparseBlocks:
    """A small image with some bytes changed where structures lie."""
    image = F2fsImage(features=EXTRA | 0x2000)
    extra = struct.pack("<HHIIQIQBBH", 36, 0, 0, 0, 0, 0, 1, 1 + seed % 3, 2, 1)
    packed = bytes(cramjam.lz4.compress_block(b"abc" * 5000, store_size=False))
    blocks = image.data(struct.pack("<II", len(packed), 0) + bytes(16) + packed)
    image.words(10, 5, image.data(b"z" * 9000))
    image.inode(5, size=924 * 4096, addresses=tuple(image.data(b"y" * 9000)), nodes=(10, 0, 0, 0, 0), name=b"f")
    image.inode(6, size=16384, inline=0x20, flags=4, extra=extra, addresses=(0xFFFFFFFE, *blocks))
    image.inode(7, size=5, inline=2, area=b"hello", name=b"i")
    image.inode(8, size=0, name=b"deleted")
    image.directory(4, [(b"i", 7, True), (b"deleted", 8, False)])
    image.directory(3, [(b"f", 5, True), (b"c", 6, True), (b"d", 4, True)])
    image.forget(8)
    stream = image.finish()
    rng = random.Random(seed)
    keys = sorted(stream.blocks)
    for _ in range(rng.choice((1, 2, 8, 40))):
        key = rng.choice(keys)
        block = bytearray(stream.blocks[key])
        used = [place for place in range(0, len(block), 4) if any(block[place : place + 4])] or [0]
        place = (
            min(len(block) - 4, rng.choice(used) + rng.randrange(4))
            if rng.random() < 0.8
            else rng.randrange(len(block) - 4)
        )
        if rng.random() < 0.5:
            block[place] ^= 1 << rng.randrange(8)
        else:
            block[place : place + 4] = rng.choice(
                (bytes(4), b"\xff" * 4, rng.randbytes(4), struct.pack("<I", MAIN + rng.randrange(9000)))
            )
        stream.blocks[key] = bytes(block)
    return stream


@pytest.mark.parametrize("seed", range(150))
def test_changed_bytes_give_only_our_errors(seed: int) -> None:
    exercise(mutated(seed))


def exercise(stream: Stream) -> None:
    try:
        file_system = opened(stream)
    except EvidenceError:
        return
    for item in file_system.walk():
        if isinstance(item, Problem):
            continue
        try:
            found = file_system.open_entry(item)
            found.read_at(0, 1 << 20)
            found.read_at(max(0, item.size - 5000), 5000)
        except EvidenceError:
            pass
        try:
            file_system.byte_runs(item)
        except EvidenceError:
            pass
    try:
        for _ in file_system.unallocated():
            pass
    except EvidenceError:
        pass


@pytest.mark.skipif(not shutil.which("sload.f2fs"), reason="sload.f2fs is not installed")
@pytest.mark.parametrize(
    "options", [(), ("-O", "extra_attr,inode_checksum,inode_crtime"), ("-i",), ("-O", "extra_attr,ro")]
)
def test_what_the_tools_write(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "source"
    (source / "many" / "deep").mkdir(parents=True)
    rng = random.Random(3)
    for index in range(400):
        (source / "many" / f"name {index:04} {'x' * (index % 90)}").write_bytes(
            rng.randbytes(rng.choice((0, 10, 3000, 5000)))
        )
    (source / "large").write_bytes(rng.randbytes(8_500_000))
    (source / "many" / "deep" / "link").symlink_to("../somewhere")
    target = tmp_path / "image"
    with target.open("wb") as file:
        file.truncate(128 << 20)
    for command in (["mkfs.f2fs", "-q", *options, str(target)], ["sload.f2fs", "-f", str(source), str(target)]):
        subprocess.run(command, check=True, capture_output=True)
    entries, problems = walked(file_system := opened(MemoryStream(target.read_bytes())))
    assert not problems
    names = {b"/" + os.fsencode(path.relative_to(source)): path for path in source.rglob("*")}
    assert set(entries) == set(names)
    for name, path in names.items():
        if path.is_symlink():
            assert file_system.read_whole(entries[name], 999) == os.fsencode(path.readlink())
        elif path.is_file():
            found = file_system.read_whole(entries[name], 1 << 30)
            assert hashlib.md5(found).digest() == hashlib.md5(path.read_bytes()).digest()


def test_a_directory_area_too_small_for_a_name_is_an_error() -> None:
    from triage.evidence.filesystems.f2fs.directory import entries_of

    found = list(entries_of(bytes(10)))
    assert len(found) == 1 and isinstance(found[0], CorruptStructureError)
    assert NODES == 8
