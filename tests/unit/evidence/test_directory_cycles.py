"""F01: a directory that holds itself or its parent, in every file system: descended once, told, the rest still there."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import tool_images
from tests.support.apfs_image import DIR, ApfsImage, inode, name
from tests.support.btrfs_image import NODE, signed, tree_blocks
from tests.support.btrfs_image import image as btrfs_image
from tests.support.erofs_image import ErofsImage
from tests.support.exfat_image import ExfatFolder, exfat_image
from tests.support.f2fs_image import F2fsImage
from tests.support.fat_image import fat_image
from tests.support.hfs_image import HfsImage
from tests.support.iso_image import IsoFolder, iso_image
from tests.support.packed_images import packed_images
from tests.unit.evidence.filesystems.test_cramfs_romfs import cramfs_image, cramfs_inode, romfs_image
from triage.evidence import open_evidence
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason

MAX_ENTRIES = 1500


def iso9660(_: Path) -> bytes:
    folder = IsoFolder({"KEPT.TXT": b"x"})
    root = IsoFolder({}, {"A": folder})
    folder.folders = {"SELF": folder, "UP": root}
    return iso_image(root)


def exfat(_: Path) -> bytes:
    folder = ExfatFolder({"kept.txt": b"x"})
    root = ExfatFolder({}, {"a": folder})
    folder.folders = {"self": folder, "up": root}
    return exfat_image(root)


def hfsplus(_: Path) -> bytes:
    image = HfsImage()
    folder = image.folder(2, "a")
    image.file(folder, "kept.txt", b"x")
    image.folder_record(folder, "self", folder)
    image.folder_record(folder, "up", 2)
    return image.finish()


def fat(_: Path) -> bytes:
    """The inner folder gets the cluster of the outer one."""
    data = bytearray(fat_image({"a/b/c.txt": b"y", "a/kept.txt": b"x"}))
    slots = [at for at in range(0, len(data) - 32, 32) if data[at + 11] == 0x10 and data[at] not in b". "]
    assert len(slots) == 2
    outer = next(at for at in slots if bytes(data[at : at + 1]) == b"A")
    for at in slots:
        data[at + 26 : at + 28] = data[outer + 26 : outer + 28]
    return bytes(data)


def ext(folder: Path) -> bytes:
    tree = tool_images.plant(folder / "tree", {"a/b/c.txt": b"y", "a/kept.txt": b"x"})
    path = tool_images.ext_image(folder / "x.img", tree, "ext2", "-b", "1024")
    tool_images.ext_edit(path, "ln a a/b/up", "ln a/b a/b/self", "ln . a/root")
    return path.read_bytes()


def ntfs(folder: Path) -> bytes:
    """A name in ``$Extend`` leads to the root, another one to ``$Extend`` itself."""
    data = bytearray(tool_images.ntfs_image(folder / "x.img", {"kept.txt": b"x"}, kib=2048).read_bytes())
    for word, number in (("$ObjId", 5), ("$Quota", 11)):
        text = word.encode("utf-16-le")
        places = [at for at in range(0, len(data) - 8, 8) if data[at + 82 : at + 82 + len(text)] == text]
        changed = 0
        for at in places:  # an index entry: reference, lengths, then the file name
            if (
                data[at + 16 : at + 22] == (11).to_bytes(6, "little")
                and int.from_bytes(data[at : at + 6], "little") >= 24
            ):
                data[at : at + 8] = struct.pack("<Q", number | number << 48)
                changed += 1
        assert changed
    return bytes(data)


def apfs(_: Path) -> bytes:
    image = ApfsImage(blocks=200)
    part = image.add_volume("v")
    part.records += [
        name(2, b"a", 200, 4),
        inode(200, DIR, parent=2),
        name(200, b"self", 200, 4),
        name(200, b"up", 2, 4),
    ]
    image.add_file(part, b"kept.txt", 300, b"x", parent=200)
    image.commit()
    return bytes(image.data)


def btrfs(_: Path) -> bytes:
    """``file1`` of ``home/a`` leads to the root of its subvolume."""
    data = bytearray(btrfs_image())
    changed = 0
    for place in tree_blocks(level=0):
        block = bytearray(data[place : place + NODE])
        at = block.find(b"file1")
        while at > 30:
            length, kind = struct.unpack_from("<H", block, at - 3)[0], block[at - 1]
            if length == 5 and kind == 1 and struct.unpack_from("<QBQ", block, at - 30)[1] == 1:
                struct.pack_into("<Q", block, at - 30, 256)
                block[at - 1] = 2
                changed += 1
            at = block.find(b"file1", at + 1)
        data[place : place + NODE] = signed(bytes(block))
    assert changed
    return bytes(data)


def f2fs(_: Path) -> bytes:
    image = F2fsImage()
    image.inode(5, size=1, name=b"kept.txt", addresses=tuple(image.data(b"x")))
    image.directory(4, [(b"self", 4, True), (b"up", 3, True), (b"kept.txt", 5, True)], name=b"a")
    image.directory(3, [(b"a", 4, True)])
    stream = image.finish()
    return stream.read_at(0, stream.size)


def erofs(_: Path) -> bytes:
    image = ErofsImage()
    kept = image.inode(0o100644, 1, 0, union=image.blocks(b"x"))
    folder = len(image.meta) // 32
    root = folder + 2
    listing = b""
    names = {b"self": (folder, 2), b"up": (root, 2), b"kept.txt": (kept, 1)}
    at = 12 * len(names)
    for text, (number, kind) in names.items():
        listing += struct.pack("<QHBB", number, at, kind, 0)
        at += len(text)
    listing += b"".join(names)
    assert image.inode(0o040755, len(listing), 0, union=image.blocks(listing)) == folder
    return image.finish({b"a": folder})


def squashfs(_: Path) -> bytes:
    """The folder ``deep`` leads to the root."""
    data = bytearray(packed_images("squashfs.tar.xz")["squashfs-stored.img"])
    root = struct.unpack_from("<Q", data, 32)[0] & 0xFFFF
    at = data.index(b"\x01\0\x03\0deep", 64) - 4
    number = struct.unpack_from("<h", data, at + 2)[0]
    struct.pack_into("<Hh", data, at, root, number + 40)  # the root is inode 41, the folder was inode 1
    return bytes(data)


def cramfs(_: Path) -> bytes:
    data = bytearray(cramfs_image())
    listing = 76
    data[listing : listing + 12] = cramfs_inode("<", 0o040755, 80, 8, listing)
    return bytes(data)


def romfs(_: Path) -> bytes:
    data = bytearray(romfs_image())
    place = data.index(b"folder\0") - 16
    struct.pack_into(">I", data, place + 4, 32)
    return bytes(data)


MAKERS = (iso9660, exfat, hfsplus, fat, ext, ntfs, apfs, btrfs, f2fs, erofs, squashfs, cramfs, romfs)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_directory_that_holds_itself_or_its_parent(make: Callable[[Path], bytes], tmp_path: Path) -> None:
    path = tmp_path / "x.dd"
    path.write_bytes(make(tmp_path))
    entries: list[Entry] = []
    problems: list[Problem] = []
    with open_evidence([path]) as evidence:
        for volume in evidence.volumes:
            if not volume.file_system:
                continue
            for item in evidence.file_system(volume.name).walk():
                (entries if isinstance(item, Entry) else problems).append(item)  # type: ignore[arg-type]
                assert len(entries) < MAX_ENTRIES
    assert any(problem.reason is Reason.LOOP for problem in problems), problems
    found = [entry.address.path.lower() for entry in entries]
    if make not in (squashfs, cramfs, romfs, btrfs):
        assert any(text.endswith(b"kept.txt") for text in found)
    assert len(found) > 3
