"""XFS against changed bytes, and of other makes than the fixtures."""

import os
import random
from pathlib import Path

import pytest

from tests.support.tool_images import run
from tests.support.xfs_media import XfsMedia, listing, open_xfs
from triage.errors import EvidenceError
from triage.evidence.filesystems import xfs
from triage.model.problem import Problem
from triage.model.volume import Allocation, Volume


# --- changed bytes ------------------------------------------------------------------------------------------------
def examine(media: XfsMedia) -> int:
    """List and read all of an image; how many entries there are."""
    if not xfs.detect_file_system(media, 0, media.size)[0]:
        return 0
    try:
        file_system = open_xfs(media)
    except EvidenceError:
        return 0
    entries = []
    for item in file_system.walk():
        if not isinstance(item, Problem):
            entries.append(item)
        assert len(entries) < 5000
    for entry in entries:
        try:
            stream = file_system.open_entry(entry)
            assert len(stream.read_at(0, 8192)) <= max(8192, entry.size)
            stream.read_at(max(0, entry.size - 10), 20)
            file_system.byte_runs(entry)
        except EvidenceError:
            pass
    try:
        for run_ in file_system.unallocated():
            assert run_.length > 0
    except EvidenceError:
        pass
    return len(entries)


@pytest.mark.parametrize("name", ["xfs-v5", "xfs-v4"])
@pytest.mark.parametrize("seed", range(60))
def test_f09_changed_bytes(name: str, seed: int) -> None:
    """Only typed errors, and what is read stays in proportion to the image."""
    chance = random.Random(seed)
    media = XfsMedia(name)
    places = sorted(media.sectors)
    for _ in range(chance.choice((1, 3, 30))):
        place = chance.choice(places) + chance.randrange(512)
        kind = chance.randrange(4)
        if kind == 0:
            media.write(place, chance.randbytes(chance.choice((1, 4))))
        elif kind == 1:
            media.write(place, b"\xff" * chance.choice((1, 2, 4, 8)))
        elif kind == 2:
            media.write(place, bytes([media.read_at(place, 1)[0] ^ (1 << chance.randrange(8))]))
        else:
            media.sectors[chance.choice(places)] = media.sectors[chance.choice(places)]
    examine(media)
    assert media.bytes_read < 200 << 20


# --- other makes --------------------------------------------------------------------------------------------------
MAKES = {
    "v5-64k": ("-b", "size=65536", "-n", "size=65536"),
    "v5-1k-dir8k": ("-b", "size=1024", "-n", "size=8192"),
    "v4-ftype": ("-m", "crc=0", "-n", "ftype=1"),
    "v4-dir4k": ("-m", "crc=0", "-b", "size=512", "-n", "size=4096", "-i", "size=256"),
    "v5-inode2k": ("-i", "size=2048"),
}


@pytest.mark.parametrize("make", MAKES)
def test_sizes_of_blocks_inodes_and_directories(make: str, tmp_path: Path) -> None:
    """Made by mkfs.xfs, which fills the file system itself."""
    source = tmp_path / "source"
    source.write_bytes(b"content of one file\n" * 500)
    lines = ["/", "0 0", "d--755 0 0"]
    for folder, count in (("few", 3), ("some", 40), ("many", 700)):
        lines.append(f"{folder} d--755 0 0")
        lines += [f"name-{at}-{'n' * (at % 30)} ---644 0 0 {source}" for at in range(count)]
        lines.append("$")
    (tmp_path / "proto").write_text("\n".join([*lines, "$"]) + "\n")
    image = tmp_path / "image"
    image.write_bytes(b"")
    os.truncate(image, 400 << 20)
    run("mkfs.xfs", "-q", "-f", *MAKES[make], "-p", tmp_path / "proto", image)
    with image.open("rb") as file:

        class File:
            size = 400 << 20

            def read_at(self, offset: int, length: int) -> bytes:
                return os.pread(file.fileno(), length, offset)

            def close(self) -> None:
                pass

        volume = Volume("p1", 0, File.size, Allocation.ALLOCATED, "bare")
        opened = xfs.open_file_system(File(), volume, "x.img")
        assert isinstance(opened, xfs.XfsFileSystem)
        entries, problems = listing(opened)
        assert problems == []
        assert len(entries) == 3 + 743
        for path in ("/few/name-1-n", "/many/name-699-" + "n" * 9):
            assert opened.read_whole(entries[path], 1 << 20) == source.read_bytes()


def test_groups_that_the_volume_does_not_hold_are_not_looked_for() -> None:
    """A superblock that claims four billion allocation groups."""
    media = XfsMedia("xfs-v5")
    groups = 0xFFFFFFFF
    blocks = int.from_bytes(media.read_at(84, 4), "big")
    media.write(8, (groups * blocks).to_bytes(8, "big"))
    media.write(88, groups.to_bytes(4, "big"))
    entries, problems = listing(open_xfs(media))
    assert "/hello.txt" in entries
    assert len(problems) == 2  # checksum of the superblock, size
    assert media.bytes_read < 50 << 20


def test_inode_tree_that_does_not_hold_is_told_once() -> None:
    media = XfsMedia("xfs-v5")
    media.write(2 * 512, b"gone")
    entries, problems = listing(open_xfs(media))
    assert [problem.message for problem in problems] == ["allocation group 0: header XAGI is not there"]
    assert entries["/hello.txt"].alloc_inode
