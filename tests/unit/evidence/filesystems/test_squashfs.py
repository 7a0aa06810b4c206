"""SquashFS by our own reader.

``tests/data/squashfs.tar.xz`` holds images of one small folder, made with mksquashfs 4.5.1, for each COMP of gzip, lzo,
xz, lz4, zstd, lzma: ``mksquashfs src squashfs-COMP.img -comp COMP -b 4096 -noappend -all-root``; and
``squashfs-stored.img`` with ``-noI -noD -noF -noX -b 4096 -no-exports``. The folder is told by ``EXPECTED`` below:
``sparse`` has a hole of 20,000 bytes, ``deep/hard`` is a hard link to ``small``, ``noise`` does not pack.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.support.packed_images import changed_bytes, contents, exercise, opened, packed_images, walked
from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems import squashfs
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream

IMAGES = packed_images("squashfs.tar.xz")
TEXT = "".join(f"line {index} of a text that packs well\n" for index in range(700)).encode()
FILES = {
    b"/text": TEXT,
    b"/noise": random.Random(5).randbytes(1500),
    b"/small": b"small\n",
    b"/empty": b"",
    b"/deep/er/one": b"one\n",
    b"/deep/link": b"../text",
    b"/deep/hard": b"small\n",
    b"/sparse": bytes(20000) + b"end",
    b"/small:user.note": b"a note",
    b"/deep/hard:user.note": b"a note",
    b"/text:user.long": b"L" * 300,
    **{b"/many/name-%03d" % index: b"%d\n" % index for index in range(30)},
}
EXPECTED = {path: hashlib.md5(data).hexdigest() for path, data in FILES.items()}
FOLDERS = {b"/deep", b"/deep/er", b"/many"}


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_everything_is_read(name: str) -> None:
    file_system = opened(squashfs, IMAGES[name])
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


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_an_entry_opens_without_a_walk(name: str) -> None:
    entries, _ = walked(opened(squashfs, IMAGES[name]))
    for path in (b"/deep/er/one", b"/text", b"/small:user.note"):
        assert opened(squashfs, IMAGES[name]).read_whole(entries[path], 1 << 20) == FILES[path]


def test_stored_content_has_its_places() -> None:
    image = IMAGES["squashfs-stored.img"]
    file_system = opened(squashfs, image)
    entries, _ = walked(file_system)
    for path in (b"/text", b"/noise", b"/small", b"/sparse"):
        found = bytearray(entries[path].size)
        for run in file_system.byte_runs(entries[path]):
            found[run.file_offset : run.file_offset + run.length] = image[
                run.image_offset : run.image_offset + run.length
            ]
        assert bytes(found) == FILES[path], path
    packed = opened(squashfs, IMAGES["squashfs-zstd.img"])
    entries, _ = walked(packed)
    assert packed.byte_runs(entries[b"/text"]) == ()


def test_space_behind_the_file_system() -> None:
    image = IMAGES["squashfs-zstd.img"]
    (used,) = struct.unpack_from("<Q", image, 40)
    runs = list(opened(squashfs, image + b"old firmware").unallocated())
    assert [(run.fs_offset, run.length) for run in runs] == [(used, len(image) + 12 - used)]


def test_versions_before_4_are_named() -> None:
    for magic, order, version in ((b"hsqs", "<", 3), (b"sqsh", ">", 2), (b"sqsh", ">", 3), (b"hsqs", "<", 1)):
        head = bytearray(200)
        head[:4] = magic
        struct.pack_into(order + "H", head, 28, version)
        assert squashfs.detect_file_system(MemoryStream(bytes(head)), 0, 200) == ("squashfs", 0)
        with pytest.raises(UnsupportedFormatError, match=f"version {version}"):
            opened(squashfs, bytes(head))
    for other in (b"", b"hsqs", b"hsqs" + bytes(200), bytes(4096)):
        assert squashfs.detect_file_system(MemoryStream(other), 0, len(other)) == ("", 0)


def test_a_broken_block_costs_only_itself() -> None:
    image = bytearray(IMAGES["squashfs-gzip.img"])
    image[96 + 4 : 96 + 12] = bytes(8)  # the first block: the end of sparse
    file_system = opened(squashfs, bytes(image))
    entries, problems = walked(file_system)
    assert not problems
    good, bad = 0, []
    for path, data in FILES.items():
        try:
            good += file_system.read_whole(entries[path], 1 << 20) == data
        except ReadFailedError:
            bad.append(path)
    assert len(bad) == 1 and good == len(FILES) - 1
    with pytest.raises(ReadFailedError) as caught:
        file_system.open_entry(entries[bad[0]]).read_at(0, 1 << 20)
    assert bad == [b"/sparse"] and caught.value.partial == bytes(16384), "the holes before its only block"


def test_cut_short_is_told() -> None:
    image = IMAGES["squashfs-gzip.img"]
    with pytest.raises(EvidenceError):
        opened(squashfs, image[:1000])
    (used,) = struct.unpack_from("<Q", image, 40)
    _, problems = walked(opened(squashfs, image[: used - 1]))
    assert any("cut short" in problem.hint for problem in problems)


def test_lying_sizes_are_refused_before_they_cost() -> None:
    image = bytearray(IMAGES["squashfs-stored.img"])
    table = struct.unpack_from("<Q", image, 64)[0]
    position = table + 2
    while struct.unpack_from("<H", image, position)[0] != 2:  # the first basic file
        position += 4
    struct.pack_into("<I", image, position + 28, 0xFFFFFFFF)
    exercise(squashfs, bytes(image))


@pytest.mark.parametrize("seed", range(150))
def test_changed_bytes_give_only_our_errors(seed: int) -> None:
    names = sorted(IMAGES)
    exercise(squashfs, changed_bytes(IMAGES[names[seed % len(names)]], seed))


def test_an_inode_that_no_name_leads_to_is_listed() -> None:
    image = bytearray(IMAGES["squashfs-stored.img"])
    inodes, listings = struct.unpack_from("<2Q", image, 64)
    size = image.index(struct.pack("<H", 12 + 30 * 16 + 3), inodes, listings)
    struct.pack_into("<H", image, size, 12 + 29 * 16 + 3)
    head = image.index(b"name-000", listings) - 8 - 12
    assert struct.unpack_from("<I", image, head) == (29,)
    struct.pack_into("<I", image, head, 28)
    file_system = opened(squashfs, bytes(image))
    entries, problems = walked(file_system)
    assert not problems and b"/many/name-029" not in entries
    (orphan,) = [entry for entry in entries.values() if entry.orphan]
    assert file_system.read_whole(orphan, 100) == b"29\n"


@pytest.mark.skipif(not shutil.which("mksquashfs"), reason="mksquashfs is not installed")
@pytest.mark.parametrize(
    "options",
    [
        ("-comp", "xz", "-Xbcj", "x86"),
        ("-comp", "zstd", "-b", "1M"),
        ("-no-fragments",),
        ("-noI", "-always-use-fragments"),
    ],
)
def test_what_the_tool_writes(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "source"
    (source / "many").mkdir(parents=True)
    rng = random.Random(4)
    for index in range(1500):
        (source / "many" / f"a longer name {index:05}").write_bytes(rng.randbytes(rng.randrange(60)))
    (source / "large").write_bytes(b"".join(rng.randbytes(50_000) + bytes(90_000) for _ in range(20)))
    target = tmp_path / "image"
    subprocess.run(
        ["mksquashfs", str(source), str(target), "-quiet", "-no-progress", *options], check=True, capture_output=True
    )
    file_system = opened(squashfs, target.read_bytes())
    entries, problems = walked(file_system)
    assert not problems
    expected = {b"/" + os.fsencode(path.relative_to(source)): path for path in source.rglob("*")}
    assert set(entries) == set(expected)
    for name, path in expected.items():
        if path.is_file():
            assert file_system.read_whole(entries[name], 1 << 30) == path.read_bytes()


def test_no_listing_of_what_is_no_directory() -> None:
    file_system = opened(squashfs, IMAGES["squashfs-xz.img"])
    entries, _ = walked(file_system)
    with pytest.raises(CorruptStructureError):
        list(file_system._tree.names(entries[b"/text"].meta_address))  # type: ignore[attr-defined]
