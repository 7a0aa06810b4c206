"""One small file system of each kind that more than one library reads, with the same few files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.exfat_image import ExfatFolder, exfat_image
from tests.support.fat_image import fat_image
from tests.support.hfs_image import ROOT, HfsImage
from tests.support.tool_images import ext_image, ntfs_image, plant, run

BIG = hashlib.shake_128(b"big").digest(60_000)
FILES = {"a/first.txt": b"first", "a/b/second.bin": BIG[:5000], "big.bin": BIG, "empty": b""}
KINDS = ("ext2", "ext4", "ntfs", "fat12", "fat32", "exfat", "hfs+")


def make(kind: str, folder: Path) -> bytes:
    """The image of a kind; skips where its tool is not installed."""
    if kind.startswith("ext"):
        return ext_image(folder / "x.img", plant(folder / "tree", FILES), kind, "-b", "1024", kib=20_480).read_bytes()
    if kind == "ntfs":
        files = {name.replace("/", "_"): data for name, data in FILES.items()}
        return ntfs_image(folder / "x.img", {**files, "big.bin:hidden": b"stream"}).read_bytes()
    if kind == "fat12":
        return fat_image({name: data for name, data in FILES.items() if data}, deleted=("a/first.txt",))
    if kind == "fat32":
        path = folder / "x.img"
        path.write_bytes(bytes(40 << 20))
        run("mkfs.fat", "-F", "32", "-s", "1", path)
        return path.read_bytes()
    if kind == "exfat":
        inner = ExfatFolder({"second.bin": BIG[:5000]})
        return exfat_image(ExfatFolder({"big.bin": BIG, "empty": b"", "first.txt": b"first"}, {"b": inner}))
    image = HfsImage()
    a = image.folder(ROOT, "a")
    image.file(a, "first.txt", b"first")
    image.file(image.folder(a, "b"), "second.bin", BIG[:5000])
    image.file(ROOT, "big.bin", BIG)
    image.file(ROOT, "empty", b"")
    return image.finish()


def zeroed(data: bytes, start: int, length: int) -> bytes:
    """A copy with zeros in a place."""
    return data[:start] + bytes(length) + data[start + length :]


def mft_place(data: bytes) -> int:
    """Byte where the MFT of an NTFS with clusters of 4 KiB begins."""
    return int.from_bytes(data[48:56], "little") * 4096


def first_damage(kind: str, data: bytes) -> bytes:
    """A copy without its first structures, of which it keeps copies."""
    if kind == "ntfs":
        return zeroed(zeroed(data, mft_place(data), 4096), 0, 512)
    length = {"ext2": 8192, "ext4": 8192, "fat32": 512, "exfat": 12 * 512, "hfs+": 4096 - 1024}[kind]
    return zeroed(data, 1024 if kind == "hfs+" else 0, length)
