"""EROFS by our own reader.

``tests/data/erofs.tar.xz`` holds images of the folder that ``test_squashfs`` tells, made with mkfs.erofs 1.5:
``mkfs.erofs -T1700000000 --all-root OPTIONS erofs-NAME.img src`` with plain none; lz4 ``-zlz4hc``; big ``-zlz4hc -C16384``;
full ``-zlz4hc -Elegacy-compress``; tail ``-zlz4hc -C8192 -Eztailpacking``; chunks ``--chunksize=4096
-Eforce-chunk-indexes``; extended ``-Eforce-inode-extended,noinline_data``. What that tool does not write (LZMA, deflate,
zstd, fragments) is built here; a kernel read the same.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.support.erofs_image import DEFLATE, LZ4, LZMA, ZSTD, ErofsImage
from tests.support.packed_images import changed_bytes, contents, exercise, opened, packed_images, walked
from tests.unit.evidence.filesystems.test_squashfs import EXPECTED, FILES, FOLDERS, TEXT
from triage.errors import EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems import erofs
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream

IMAGES = packed_images("erofs.tar.xz")


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_everything_is_read(name: str) -> None:
    file_system = opened(erofs, IMAGES[name])
    entries, problems = walked(file_system)
    assert not problems
    files = {path: entry for path, entry in entries.items() if entry.entry_type is not EntryType.DIRECTORY}
    assert contents(file_system, files) == EXPECTED
    assert set(entries) - set(files) == FOLDERS
    assert all(entries[path].size == len(data) for path, data in FILES.items())
    assert entries[b"/deep/link"].entry_type is EntryType.SYMLINK
    assert entries[b"/deep/hard"].meta_address == entries[b"/small"].meta_address
    assert entries[b"/small"].times.mtime == 1_700_000_000 * 10**9
    assert entries[b"/small"].owner == "0"


@pytest.mark.parametrize("name", ["erofs-plain.img", "erofs-chunks.img", "erofs-extended.img"])
def test_what_is_not_compressed_has_its_places(name: str) -> None:
    image = IMAGES[name]
    file_system = opened(erofs, image)
    entries, _ = walked(file_system)
    for path in (b"/text", b"/noise", b"/small", b"/deep/link"):
        found = bytearray(entries[path].size)
        for run in file_system.byte_runs(entries[path]):
            found[run.file_offset : run.file_offset + run.length] = image[
                run.image_offset : run.image_offset + run.length
            ]
        assert bytes(found) == FILES[path], path


CUTS = (0, 5000, 12_288, 20_001)


def crafted(algorithm: int, *, fragment: bool = False) -> bytes:
    image = ErofsImage()
    ends = (*CUTS[1:], len(TEXT))
    heads = [(a, 1, image.cluster(algorithm, TEXT[a:b])) for a, b in zip(CUTS, ends, strict=True)]
    if not fragment:
        return image.finish({b"file": image.compressed(len(TEXT), heads, algorithm)})
    heads[-1] = (CUTS[-1], 1, 0)
    whole = b"pad" * 100 + TEXT[CUTS[-1] :] + b"whole file within"
    parts = [(0, 1, image.cluster(algorithm, whole[:4100])), (4100, 1, image.cluster(algorithm, whole[4100:]))]
    image.packed = image.compressed(len(whole), parts, algorithm)
    image.features |= 0x20
    names = {b"file": image.compressed(len(TEXT), heads, algorithm, advise=0x20, fragment=300)}
    names[b"within"] = image.inode(0o100644, 17, 1, struct.pack("<Q", 1 << 63 | len(whole) - 17))
    return image.finish(names)


@pytest.mark.parametrize("fragment", [False, True])
@pytest.mark.parametrize("algorithm", [LZ4, LZMA, DEFLATE, ZSTD])
def test_every_compression(algorithm: int, fragment: bool) -> None:
    file_system = opened(erofs, crafted(algorithm, fragment=fragment))
    entries, problems = walked(file_system)
    assert not problems
    stream = file_system.open_entry(entries[b"/file"])
    assert stream.read_at(0, 1 << 20) == TEXT
    assert stream.read_at(4990, 30) == TEXT[4990:5020]
    assert stream.read_at(len(TEXT) - 3, 100) == TEXT[-3:]
    if fragment:
        assert file_system.read_whole(entries[b"/within"], 100) == b"whole file within"


def test_extents_that_share_a_cluster_are_cut() -> None:
    image = ErofsImage()
    block = image.cluster(LZ4, TEXT[:9000])
    number = image.compressed(12_000, [(0, 1, block), (9000, 1, block)], LZ4)
    file_system = opened(erofs, image.finish({b"file": number}))
    entries, _ = walked(file_system)
    assert file_system.read_whole(entries[b"/file"], 1 << 20) == TEXT[:9000] + TEXT[:3000]


def test_a_broken_extent_costs_only_itself() -> None:
    image = ErofsImage()
    good, bad = image.cluster(ZSTD, TEXT[:8192]), image.blocks(b"\xff" * 4096)
    number = image.compressed(20_000, [(0, 1, good), (8192, 1, bad), (16_384, 0, image.blocks(TEXT[:4096]))], ZSTD)
    file_system = opened(erofs, image.finish({b"file": number}))
    entries, _ = walked(file_system)
    stream = file_system.open_entry(entries[b"/file"])
    with pytest.raises(ReadFailedError) as caught:
        stream.read_at(0, 20_000)
    assert caught.value.partial == TEXT[:8192]
    assert stream.read_at(16_384, 10_000) == TEXT[: 20_000 - 16_384]


def test_unknown_features_and_algorithms_are_named() -> None:
    image = bytearray(IMAGES["erofs-plain.img"])
    struct.pack_into("<I", image, 1024 + 80, 0x100)
    assert erofs.detect_file_system(MemoryStream(bytes(image)), 0, len(image)) == ("erofs", 0)
    with pytest.raises(UnsupportedFormatError, match="0x100"):
        opened(erofs, bytes(image))
    built = ErofsImage()
    number = built.compressed(5000, [(0, 1, built.blocks(b"x"))], 9)
    file_system = opened(erofs, built.finish({b"file": number}))
    entries, _ = walked(file_system)
    with pytest.raises(EvidenceError, match="compression 9"):
        file_system.read_whole(entries[b"/file"], 1 << 20)


def test_detects_only_its_own() -> None:
    image = IMAGES["erofs-plain.img"]
    assert erofs.detect_file_system(MemoryStream(image), 0, len(image)) == ("erofs", 4096)
    for other in (b"", bytes(5000), image[:1100], image[1:]):
        assert erofs.detect_file_system(MemoryStream(other), 0, len(other)) == ("", 0)


def test_lies_are_bounded() -> None:
    image = ErofsImage()
    huge = image.inode(0o100644, 1 << 62, 1, bytes(64))
    negative = image.inode(0o100644, 1 << 63, 0)
    chunks = image.inode(0o100644, 1 << 60, 4, bytes(32), union=0x20)
    far = image.inode(0o100644, 5000, 0, union=0xFFFFFFF0)
    device = image.inode(0o100644, 5000, 4, struct.pack("<HHIHHI", 0, 0, 1, 0, 3, 1), union=0x20)
    own = image.inode(0o100644, 100, 1, struct.pack("<Q", 1 << 63))
    names = {
        b"huge": huge,
        b"negative": negative,
        b"chunks": chunks,
        b"far": far,
        b"device": device,
        b"own": own,
        b"gone": 1 << 40,
    }
    file_system = opened(erofs, image.finish(names))
    entries, problems = walked(file_system)
    assert [problem.address for problem in problems] == ["x.img p1:/gone", "x.img p1:/negative"]
    for name in names:
        if name == b"negative":
            assert entries[b"/negative"].size == 0 and entries[b"/negative"].caveats
        else:
            with pytest.raises(EvidenceError):
                file_system.open_entry(entries[b"/" + name]).read_at(0, 8192)
    with pytest.raises(ReadFailedError) as caught:
        file_system.open_entry(entries[b"/device"]).read_at(0, 8192)
    assert len(caught.value.partial) == 4096 and "device 3" in caught.value.message


def test_cut_short_is_told() -> None:
    image = IMAGES["erofs-lz4.img"]
    _, problems = walked(opened(erofs, image[:-1]))
    assert any("cut short" in problem.hint for problem in problems)
    runs = list(opened(erofs, image + b"rest").unallocated())
    assert [(run.fs_offset, run.length) for run in runs] == [(len(image), 4)]


@pytest.mark.parametrize("seed", range(150))
def test_changed_bytes_give_only_our_errors(seed: int) -> None:
    names = sorted(IMAGES)
    exercise(erofs, changed_bytes(IMAGES[names[seed % len(names)]], seed))


@pytest.mark.parametrize("seed", range(60))
def test_changed_bytes_of_crafted_images_give_only_our_errors(seed: int) -> None:
    exercise(erofs, changed_bytes(crafted(seed % 4, fragment=bool(seed & 4)), seed))


@pytest.mark.skipif(not shutil.which("mkfs.erofs"), reason="mkfs.erofs is not installed")
@pytest.mark.parametrize(
    "options",
    [(), ("-zlz4",), ("-zlz4hc", "-C65536"), ("-zlz4hc", "-C65536", "-Eztailpacking"), ("-zlz4", "-Elegacy-compress")],
)
def test_what_the_tool_writes(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "source"
    (source / "many").mkdir(parents=True)
    rng = random.Random(4)
    for index in range(700):
        (source / "many" / f"a longer name {index:05}").write_bytes(rng.randbytes(rng.randrange(60)))
    words = [rng.randbytes(rng.randrange(2, 30)) for _ in range(300)]
    (source / "large").write_bytes(b"".join(rng.choice(words) for _ in range(100_000)))
    (source / "mixed").write_bytes(b"".join(rng.randbytes(50_000) + bytes(90_000) for _ in range(10)))
    target = tmp_path / "image"
    subprocess.run(["mkfs.erofs", *options, str(target), str(source)], check=True, capture_output=True)
    file_system = opened(erofs, target.read_bytes())
    entries, problems = walked(file_system)
    assert not problems
    expected = {b"/" + os.fsencode(path.relative_to(source)): path for path in source.rglob("*")}
    assert set(entries) == set(expected)
    for name, path in expected.items():
        if path.is_file():
            assert file_system.read_whole(entries[name], 1 << 30) == path.read_bytes()


def test_slack_is_what_lies_behind_a_plain_content_only() -> None:
    """An end among the inodes has other inodes behind it; what is compressed has no place of its own."""
    image = ErofsImage()
    plain = image.inode(0o100644, 5000, 0, union=image.blocks(b"p" * 5000 + b"left over"))
    tail = image.inode(0o100644, 4096 + 20, 2, b"t" * 20, union=image.blocks(b"t" * 4096))
    text = b"compressed " * 400
    packed = image.compressed(len(text), [(0, 1, image.cluster(LZ4, text))], LZ4)
    data = image.finish({b"plain": plain, b"tail": tail, b"packed": packed})
    file_system = opened(erofs, data)
    entries, problems = walked(file_system)
    assert not problems
    (slack,) = file_system.slack_runs(entries[b"/plain"])
    assert slack.length == 2 * 4096 - 5000
    assert data[slack.fs_offset : slack.fs_offset + 9] == b"left over"
    assert file_system.slack_runs(entries[b"/tail"]) == ()
    assert file_system.slack_runs(entries[b"/packed"]) == ()
