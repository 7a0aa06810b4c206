"""A Btrfs image made by mkfs.btrfs 6.2 and Linux 6.18, and ways to damage it.

``tests/data/btrfs.xz`` (48 MiB) was made so, as root::

    mkfs.btrfs --mixed -n 4096 -L small btrfs.img; mount -o loop,compress-force=lzo,noatime,nodiscard btrfs.img M
    subvolume M/home with a/file0 ... a/file19, lzo (text of 7,500 lines), inline, sparse, link, pipe, user.note, and 6
    hard links in a/b; lzo copied with --reflink=never to zstd, zlib, plain under these mount options;
    fallocate -l 100000 M/home/fallocated;
    subvolume M/home/inner; snapshot of M/home as M/snapshot; then a/file7 removed, last written, sync, umount
"""

from __future__ import annotations

import lzma
import struct
from functools import cache
from pathlib import Path

from triage.errors import ReadFailedError
from triage.evidence.filesystems.btrfs import BtrfsFileSystem, checksum, open_file_system
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.volume import Allocation, Volume

DATA = Path(__file__).parents[1] / "data" / "btrfs.xz"
SUPER = 0x10000
NODE = 4096
TEXT = b"".join(b"line %d of a text\n" % (index % 97) for index in range(7500))


@cache
def image() -> bytes:
    return lzma.decompress(DATA.read_bytes())


class Patched:
    """The image with some places replaced, cut short, or not readable."""

    def __init__(self, patches: dict[int, bytes] | None = None, size: int = 0, bad: tuple[int, int] = (0, 0)) -> None:
        self.patches = patches or {}
        self.size = size or len(image())
        self.bad = bad

    def read_at(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        if offset < self.bad[1] and offset + length > self.bad[0]:
            raise ReadFailedError(f"bad sector at {self.bad[0]}")
        data = bytearray(image()[offset : offset + length])
        for place, patch in self.patches.items():
            start, end = max(place, offset), min(place + len(patch), offset + length)
            if start < end:
                data[start - offset : end - offset] = patch[start - place : end - place]
        return bytes(data)

    def close(self) -> None:
        pass


def signed(block: bytes) -> bytes:
    """A block with the right checksum."""
    return checksum.digest(checksum.CRC32C, block[32:]) + block[4:]


def tree_blocks(owner: int | None = None, level: int | None = None) -> list[int]:
    """Places of tree blocks, of all generations."""
    data, found = image(), []
    fsid = data[SUPER + 32 : SUPER + 48]
    for place in range(0, len(data), NODE):
        if place == SUPER or data[place + 32 : place + 48] != fsid:
            continue
        belongs, _count, found_level = struct.unpack_from("<QIB", data, place + 88)
        if owner in (None, belongs) and level in (None, found_level):
            found.append(place)
    return found


def opened(media: Patched | None = None) -> BtrfsFileSystem:
    media = media or Patched()
    return open_file_system(media, Volume("p1", 0, media.size, Allocation.ALLOCATED, "bare"), "evidence")


def listing(file_system: BtrfsFileSystem) -> tuple[dict[tuple[bytes, bytes], Entry], list[Problem]]:
    entries: dict[tuple[bytes, bytes], Entry] = {}
    problems: list[Problem] = []
    for found in file_system.walk():
        if isinstance(found, Problem):
            problems.append(found)
        else:
            entries[found.address.path, found.address.stream] = found
    return entries, problems


def read(file_system: BtrfsFileSystem, entry: Entry) -> bytes:
    return file_system.read_whole(entry, 1 << 30)
