"""F09: random bytes changed in valid file systems: problems or evidence errors, never a crash, never an endless walk.

Each mutation is walked and read in a process of its own, which is killed where listing a directory does not return;
the next try leaves that directory out.
"""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fat_image import fat_image
from tests.support.tool_images import ext_image, ntfs_image, plant
from tests.support.walk_child import walk
from tests.support.yaffs_image import yaffs_image

FILES = {
    **{f"a/f{number}.bin": hashlib.shake_128(bytes([number])).digest(number * 3000) for number in range(6)},
    **{f"a/b/g{number}.txt": b"text %d" % number for number in range(6)},
    "c/big.bin": hashlib.shake_128(b"big").digest(60_000),
}


def fat(_: Path) -> bytes:
    return fat_image(FILES, deleted=("a/f1.bin", "a/b/g1.txt"))


def yaffs(_: Path) -> bytes:
    return yaffs_image({"a.txt": b"hello", "b.bin": FILES["c/big.bin"], "gone": b"x"}, deleted=("gone",))


def ext(kind: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        return ext_image(folder / "x.img", plant(folder / "tree", FILES), kind, "-b", "1024", kib=1024).read_bytes()

    return make


def ntfs(folder: Path) -> bytes:
    files = {name.replace("/", "_"): data for name, data in FILES.items()}
    return ntfs_image(folder / "x.img", {**files, "c_big.bin:s": b"stream"}, kib=2048).read_bytes()


def spots(data: bytes) -> list[int]:
    """Bytes of sectors that hold structures rather than noise or nothing: where a change does something."""
    out: list[int] = []
    for start in range(0, len(data), 512):
        sector = data[start : start + 512]
        if 16 < sector.count(0) < 512:
            out += range(start, start + 512)
    return out


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "make", [fat, yaffs, ext("ext2"), ext("ext4"), ntfs], ids=["fat12", "yaffs2", "ext2", "ext4", "ntfs"]
)
def test_f09_mutations(make: Callable[[Path], bytes], seed: int, tmp_path: Path) -> None:
    """F09: seeds are kept; each changes forty bytes of structures."""
    data = bytearray(make(tmp_path))
    places = spots(bytes(data))
    chooser = random.Random(seed)
    for _ in range(40):
        data[chooser.choice(places)] = chooser.choice((0, 0xFF, 0x80, chooser.randrange(256)))
    image = tmp_path / "mutated.img"
    image.write_bytes(data)
    walked = walk(image, seconds=5)
    assert walked.result in ("ok", "none", "refused")
    assert len(walked.paths) < 100_000


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("make", [fat, yaffs, ext("ext4"), ntfs], ids=["fat12", "yaffs2", "ext4", "ntfs"])
def test_f09_truncated(make: Callable[[Path], bytes], cut: float, tmp_path: Path) -> None:
    """Cut short at any place."""
    data = make(tmp_path)
    image = tmp_path / "cut.img"
    image.write_bytes(data[: int(len(data) * cut)])
    assert walk(image, seconds=5).result in ("ok", "none", "refused")
