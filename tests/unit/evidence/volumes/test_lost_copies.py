"""Volumes whose beginning is overwritten: found by their later copies and read with these in its place."""

import os
from pathlib import Path

import pytest

from tests.support import btrfs_image
from tests.support.apfs_image import ApfsImage
from tests.support.f2fs_image import F2fsImage
from tests.support.laid_media import MIB, LaidMedia
from tests.support.tool_images import ext_image, ntfs_image, plant, run
from tests.support.xfs_media import XfsMedia
from triage.evidence.keychain import Keychain
from triage.evidence.stack import Stack
from triage.evidence.volumes import LostSearch, find_volumes
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation

START = 3 * MIB
FILES = {"cake.txt": b"apple cake " * 100, "house/chat.txt": b"hello"}


def file_of(path: Path, *command: str, kib: int) -> bytes:
    path.write_bytes(b"")
    os.truncate(path, kib * 1024)
    run(*command, path)
    return path.read_bytes()


def ext4(tmp_path):
    return ext_image(tmp_path / "v", plant(tmp_path / "tree", FILES), kib=40 * 1024).read_bytes()


def ext3(tmp_path):
    return ext_image(tmp_path / "v", plant(tmp_path / "tree", FILES), "ext3", kib=20 * 1024).read_bytes()


def ntfs(tmp_path):
    return ntfs_image(tmp_path / "v", {"cake.txt": b"apple cake"}).read_bytes()


def fat32(tmp_path):
    data = file_of(tmp_path / "v", "mkfs.fat", "-F32", kib=34 * 1024)
    run("mcopy", "-i", tmp_path / "v", plant(tmp_path / "tree", FILES) / "cake.txt", "::")
    return (tmp_path / "v").read_bytes() if data else b""


def exfat(tmp_path):
    return file_of(tmp_path / "v", "mkfs.exfat", kib=8 * 1024)


def lay(volume, wiped):
    size = volume.size if not isinstance(volume, bytes) else len(volume)
    return LaidMedia(START + size + 2 * MIB, {START: volume}, {START: wiped}), size


def listed(media, layout, name="lost1"):
    stack = Stack(media, layout, "d.dd", Keychain())
    return sorted(str(item) for item in stack.file_system(name).walk())


def only(layout):
    (found,) = (volume for volume in layout.volumes if volume.allocation is Allocation.ALLOCATED)
    return found


CASES = [
    (ntfs, 512, "ntfs", "second boot sector (at its end)"),
    (ntfs, 8192, "ntfs", "second boot sector (at its end)"),
    (fat32, 512, "fat32", "second boot sector (sector 6)"),
    (fat32, 1536, "fat32", "second boot sector (sector 6)"),
    (exfat, 512, "exfat", "second boot sector (sector 12)"),
    (exfat, 4096, "exfat", "second boot sector (sector 12)"),
    (ext4, 2048, "ext4", "superblock of block group 1"),
    (ext4, 8192, "ext4", "superblock of block group 1"),
    (ext3, 8192, "ext3", "superblock of block group 1"),
]


@pytest.mark.parametrize(("make", "wiped", "kind", "by"), CASES)
def test_made_by_tools(tmp_path, make, wiped, kind, by):
    """The same entries as with the beginning in place, also by a process that is told of the volume."""
    data = make(tmp_path)
    media, size = lay(data, 0)
    whole = find_volumes(media, "d.dd", lost=LostSearch())
    assert (only(whole).image_offset, only(whole).length, only(whole).file_system) == (START, size, kind)
    assert not whole.patches
    media, size = lay(data, wiped)
    layout = find_volumes(media, "d.dd", lost=LostSearch())
    assert (only(layout).image_offset, only(layout).length, only(layout).file_system) == (START, size, kind)
    assert f" by its {by} at " in only(layout).description
    assert listed(media, layout) == listed(lay(data, 0)[0], whole)
    again = find_volumes(media, "d.dd", lost=LostSearch(layout.volumes))
    assert again.volumes == layout.volumes
    assert listed(media, again) == listed(media, layout)


def test_ext4_without_its_root_directory(tmp_path):
    """The first MiB is gone: a copy whose checksum fits is proof enough, and what is left is listed."""
    data = ext4(tmp_path)
    media, _ = lay(data, MIB)
    layout = find_volumes(media, "d.dd", lost=LostSearch())
    assert (only(layout).image_offset, only(layout).length, only(layout).file_system) == (START, len(data), "ext4")
    broken = bytearray(data)
    copies = [at for at in range(MIB, len(data), 1024) if data[at + 56 : at + 58] == b"\x53\xef"]
    assert copies
    for at in copies:
        broken[at + 200] ^= 1
    media, _ = lay(bytes(broken), MIB)
    assert only(find_volumes(media, "d.dd", lost=LostSearch())).name == "p1"


@pytest.mark.parametrize("name", ["xfs-v4", "xfs-v5"])
def test_xfs(name):
    """By a later allocation group; the copy lacks what was written to the first superblock only."""
    media, size = lay(XfsMedia(name), 0)
    whole = find_volumes(media, "d.dd", lost=LostSearch())
    assert (only(whole).image_offset, only(whole).length, only(whole).file_system) == (START, size, "xfs")
    media, size = lay(XfsMedia(name), 512)
    layout = find_volumes(media, "d.dd", lost=LostSearch())
    assert (only(layout).image_offset, only(layout).length, only(layout).file_system) == (START, size, "xfs")
    assert "superblock of allocation group 1" in only(layout).description
    assert listed(media, layout) == listed(lay(XfsMedia(name), 0)[0], whole)


def test_btrfs():
    """The copy at 64 MiB, with noise where the first superblock was."""
    data = btrfs_image.image()
    if len(data) < 65 * MIB:
        place = 0x4000000
        copy = bytearray(data[0x10000:0x11000])
        copy[48:56] = place.to_bytes(8, "little")
        volume = LaidMedia(place + 4096, {0: data, place: btrfs_image.signed(bytes(copy))})
    else:
        volume = MemoryStream(data)
    media = LaidMedia(START + volume.size, {START: volume, START + 0x10000: b"noise" * 800})
    layout = find_volumes(media, "d.dd", lost=LostSearch())
    assert (only(layout).image_offset, only(layout).file_system) == (START, "btrfs")
    assert "superblock at 67108864" in only(layout).description
    assert layout.patches
    assert [item for item in listed(media, layout) if "Entry" in item]


def test_f2fs():
    """By the second superblock, one block behind the first."""
    image = F2fsImage()
    image.directory(3, [(b".", 3, True), (b"..", 3, True)])
    stream = image.finish()
    superblock = stream.read_at(1024, 3072)
    for wiped in (0, 4096):
        media = LaidMedia(
            START + stream.size, {START: stream, START + 4096 + 1024: superblock}, {START: wiped} if wiped else {}
        )
        layout = find_volumes(media, "d.dd", lost=LostSearch())
        assert (only(layout).image_offset, only(layout).file_system) == (START, "f2fs")
        assert ("second superblock" in only(layout).description) is bool(wiped)
        assert bool(layout.patches) is bool(wiped)


def test_apfs():
    """By the superblock of a checkpoint; the container opens with it in block 0."""
    image = ApfsImage()
    image.commit()
    data = bytes(image.data)
    for wiped in (0, 4096):
        media, size = lay(data, wiped)
        layout = find_volumes(media, "d.dd", lost=LostSearch())
        assert (only(layout).image_offset, only(layout).unsupported) == (START, "APFS container")
        assert only(layout).length <= size
        volumes, problems = Stack(media, layout, "d.dd", Keychain()).expand()
        assert any(volume.name == "lost1" and volume.is_opened for volume in volumes)
        assert all(problem.examined_anyway for problem in problems)
