"""File systems with planted files, made with the system's own tools and read by none of ours.

Mounting needs root; FAT is filled with mtools, which needs no rights. Deleted files are written and put on the disk
first, then removed in a second session, as people do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.planted.strings import Plan

MIB = 1 << 20
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
ENVIRONMENT = {**os.environ, "PATH": PATH, "MTOOLS_SKIP_CHECK": "1", "TZ": "UTC"}
LENGTH = 5000
"""Bytes of a planted file; the last data unit is never full."""
END = b"<end of %03d>"


@dataclass(frozen=True)
class Kind:
    """A file system and what makes it."""

    name: str
    mib: int
    make: tuple[str, ...]
    mount: tuple[str, ...] = ()
    type_byte: int = 0x83

    def missing(self) -> str:
        """Why it cannot be made here, empty where it can."""
        tools = [self.make[0], *(("mcopy", "mdel") if not self.mount else (self.mount[0],))]
        lost = [tool for tool in tools if shutil.which(tool, path=PATH) is None]
        if lost:
            return f"needs {', '.join(lost)}"
        return "needs root to mount" if self.mount and os.geteuid() else ""


MOUNT = ("mount", "-o", "loop")
KINDS = (
    Kind("fat12", 4, ("mkfs.vfat", "-F", "12", "-s", "4"), type_byte=0x01),
    Kind("fat16", 24, ("mkfs.vfat", "-F", "16", "-s", "4"), type_byte=0x06),
    Kind("fat32", 80, ("mkfs.vfat", "-F", "32", "-s", "2"), type_byte=0x0C),
    Kind("exfat", 16, ("mkfs.exfat",), ("mount.exfat-fuse",), type_byte=0x07),
    Kind("ntfs", 16, ("mkfs.ntfs", "-q", "-F", "-f", "-s", "512", "-c", "4096"),
         ("ntfs-3g", "-o", "streams_interface=windows,compression"), type_byte=0x07),
    Kind("ext2", 16, ("mke2fs", "-q", "-F", "-t", "ext2"), MOUNT),
    Kind("ext3", 16, ("mke2fs", "-q", "-F", "-t", "ext3"), MOUNT),
    Kind("ext4", 16, ("mke2fs", "-q", "-F", "-t", "ext4"), MOUNT),
    Kind("xfs", 300, ("mkfs.xfs", "-q", "-f"), MOUNT),
    Kind("btrfs", 128, ("mkfs.btrfs", "-q", "-f"), ("mount", "-o", "loop,nodatasum")),
)  # fmt: skip


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, env=ENVIRONMENT)


class Session:
    """One time that a file system is written to."""

    def __init__(self, kind: Kind, image: Path, folder: Path) -> None:
        self._kind = kind
        self._image = image
        self.folder = folder

    def put(self, files: dict[str, bytes]) -> None:
        if self._kind.mount:
            for name, data in files.items():
                with open(self.folder / name, "wb") as file:
                    file.write(data)
            return
        for name, data in files.items():
            (self.folder / name).write_bytes(data)
        run("mcopy", "-i", self._image, *(self.folder / name for name in files), "::/")

    def remove(self, names: list[str]) -> None:
        if self._kind.mount:
            for name in names:
                (self.folder / name).unlink()
        else:
            run("mdel", "-i", self._image, *(f"::/{name}" for name in names))


@contextlib.contextmanager
def session(kind: Kind, image: Path, scratch: Path) -> Iterator[Session]:
    """A file system that can be written to; what was written is on the disk afterwards."""
    folder = scratch / "mounted"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    device = image
    if kind.name == "exfat":  # its program takes no plain file
        found = subprocess.run(
            ["losetup", "-f", "--show", str(image)], check=True, capture_output=True, env=ENVIRONMENT
        )
        device = Path(found.stdout.decode().strip())
    try:
        if kind.mount:
            run(*kind.mount, device, folder)
        try:
            yield Session(kind, image, folder)
        finally:
            if kind.mount:
                os.sync()
                run("umount", folder)
    finally:
        if device != image:
            run("losetup", "-d", device)


def padded(front: bytes, text: bytes, index: int, length: int = LENGTH) -> bytes:
    """A file with a plant in it and a mark at its end."""
    end = END % index
    return (front + text).ljust(length - len(end), b".") + end


def fill(kind: Kind, image: Path, scratch: Path, plan: Plan) -> None:
    """Make a file system of all states that live in one."""
    image.write_bytes(b"")
    os.truncate(image, kind.mib * MIB)
    run(*kind.make, image)
    gone = {f"gone{index:02}.txt": padded(b"x" * 42, text, index) for index, text in plan.everywhere("deleted")}
    over = {f"over{index:02}.txt": padded(b"y" * 42, text, index)
            for index, text in plan.everywhere("deleted, name overwritten")}  # fmt: skip
    with session(kind, image, scratch) as first:
        first.put(over)
        first.put({f"live{index:02}.txt": padded(b"." * 38, text, index) for index, text in plan.everywhere("live")})
        first.put({f"tail{index:02}.txt": padded(b"", b"tail", 500 + index) for index in range(len(gone))})
        first.put(gone)
        first.put({f"odd{index:02}.txt": padded(b"," * 39, text, index)
                   for index, text in plan.everywhere("live, at an odd offset")})  # fmt: skip
        first.put({"large.bin": _large(plan)})
        if kind.name == "ntfs":
            _ntfs(first, plan)
    with session(kind, image, scratch) as second:
        second.remove(list(over))
    with session(kind, image, scratch) as third:
        third.put({f"next{index:02}.txt": b"" for index in range(len(over))})
    with session(kind, image, scratch) as fourth:
        fourth.remove(list(gone))


def _large(plan: Plan) -> bytes:
    """A file that is searched in several blocks, with a plant over each border."""
    data = bytearray(b"-" * (3 * MIB // 2 if len(plan.plants) else 0))
    for index, text in plan.everywhere("live, over the border of two blocks that are read"):
        if index < 2:
            place = (index + 1) * (MIB // 2) - 6
        else:
            place = MIB + 4096 + index * 200
        data[place : place + len(text)] = text
    return bytes(data)


def _ntfs(first: Session, plan: Plan) -> None:
    first.put({"streams.txt": b"the file itself"})
    first.put({f"streams.txt:s{index:02}": padded(b"s" * 12, text, index)
               for index, text in plan.everywhere("alternate data stream")})  # fmt: skip
    first.put({f"tiny{index:02}.txt": b"small " + text for index, text in plan.everywhere("resident in its record")})
    folder = first.folder / "packed"
    folder.mkdir()
    os.setxattr(folder, "system.ntfs_attrib_be", (0x800).to_bytes(4, "big"))
    first.put({f"packed/p{index:02}.txt": padded(b"compress me " * 1000, text, index, 60_000)
               for index, text in plan.everywhere("compressed")})  # fmt: skip
