"""One small image for each file system."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.image import FuzzImage
from tests.fuzz.mutation import content
from tests.fuzz.sparse import Sparse
from tests.support import tool_images
from tests.support.btrfs_image import image as btrfs_image
from tests.support.exfat_image import ExfatFolder, exfat_image
from tests.support.f2fs_image import F2fsImage
from tests.support.fat_image import fat_image
from tests.support.hfs_image import HfsImage
from tests.support.iso_image import IsoFolder, iso_image
from tests.support.packed_images import packed_images
from tests.support.xfs_media import XfsMedia
from tests.support.yaffs_image import yaffs_image
from tests.unit.evidence.filesystems.test_cramfs_romfs import cramfs_image, romfs_image

Maker = Callable[[Path], FuzzImage]

FILES = {
    **{f"a/f{number}.bin": content(f"f{number}", number * 3000) for number in range(6)},
    **{f"a/b/g{number}.txt": content(f"g{number}", 30) for number in range(6)},
    **{f"many/name number {number} that is long.txt": content(f"m{number}", 100) for number in range(40)},
    "c/big.bin": content("big", 60_000),
    "top.txt": content("top", 700),
}
GENERAL = {f"F{number}.TXT": content(f"f{number}", number * 1500) for number in range(8)}
XFS = "triage.evidence.filesystems.xfs.checksum:holds"
BTRFS = "triage.evidence.filesystems.btrfs.checksum:holds"


def raw(name: str, data: bytes | Sparse, *, strict: bool = False, blind: tuple[str, ...] = ()) -> FuzzImage:
    """An image without a container."""
    return FuzzImage(name, {"x.dd": data if isinstance(data, Sparse) else Sparse.of(data)}, strict=strict, blind=blind)


def fat12(_: Path) -> FuzzImage:
    return raw("fat12", fat_image(FILES, deleted=("a/f1.bin", "a/b/g1.txt", "many/name number 3 that is long.txt")))


def yaffs2(_: Path) -> FuzzImage:
    files = {"a.txt": content("a", 30), "b.bin": content("b", 9000), "gone": b"x"}
    return raw("yaffs2", yaffs_image(files, deleted=("gone",)))


def ext(kind: str, *options: str) -> Maker:
    def make(folder: Path) -> FuzzImage:
        tree = tool_images.plant(folder / "tree", FILES)
        (tree / "link").symlink_to("c/big.bin")
        path = tool_images.ext_image(folder / "x.img", tree, kind, *options, kib=2048)
        tool_images.ext_edit(path, "rm a/f3.bin", "rm a/b/g2.txt", "ln c/big.bin a/again")
        return raw(kind, Sparse.of_file(path))

    return make


def ntfs(folder: Path) -> FuzzImage:
    files = {name.replace("/", "_")[:60]: data for name, data in FILES.items() if "many" not in name}
    files |= {f"name {number}": content("n", 90) for number in range(30)}
    path = tool_images.ntfs_image(folder / "x.img", {**files, "c_big.bin:s": content("s", 800)}, kib=2048)
    return raw("ntfs", Sparse.of_file(path))


def iso9660(_: Path) -> FuzzImage:
    deep = IsoFolder({"DEEP.TXT": content("deep", 900)})
    root = IsoFolder({"TOP.TXT": content("top", 5000), "EMPTY": b""}, {"A": IsoFolder(dict(GENERAL), {"B": deep})})
    return raw("iso9660", iso_image(root))


def exfat(_: Path) -> FuzzImage:
    inner = ExfatFolder({f"a file {number} with a name": content(f"e{number}", number * 700) for number in range(12)})
    root = ExfatFolder(
        {"top.txt": content("top", 9000), "gone.txt": content("gone", 3000)}, {"folder": inner}, ("gone.txt",)
    )
    return raw("exfat", exfat_image(root))


def hfsplus(_: Path) -> FuzzImage:
    image = HfsImage(leaf_room=1500)
    folder = image.folder(2, "folder")
    inner = image.folder(folder, "inner")
    for number in range(8):
        image.file(folder if number % 2 else inner, f"file {number}", content(f"h{number}", number * 1500))
    image.file(2, "top", content("top", 100))
    return raw("hfs+", image.finish())


def xfs(name: str) -> Maker:
    def make(_: Path) -> FuzzImage:
        media = XfsMedia(name)
        data = Sparse(media.size)
        for place, sector in media.sectors.items():
            data.put(place, sector)
        return raw(name, data, strict=name == "xfs-v5", blind=(XFS,) if name == "xfs-v5" else ())

    return make


def btrfs(_: Path) -> FuzzImage:
    return raw("btrfs", btrfs_image(), strict=True, blind=(BTRFS,))


def f2fs(_: Path) -> FuzzImage:
    image = F2fsImage()
    names = []
    for number, (name, data) in enumerate(FILES.items(), 10):
        short = name.encode().split(b"/")[-1]
        image.inode(number, size=len(data), name=short, addresses=tuple(image.data(data)))
        names.append((short, number, True))
    far = [image.data(content(f"far{index}", 4096))[0] for index in range(30)]
    direct = image.words(100, 101, far[:20])
    image.inode(101, size=(923 + 20) * 4096, name=b"far", addresses=tuple(far[20:]), nodes=(100,))
    image.inode(102, size=40, name=b"inline", inline=0x2 | 0x8, area=content("inline", 40))
    image.inode(103, mode=0o120777, size=5, name=b"link", inline=0x2 | 0x8, area=b"inlin")
    image.directory(104, [(b"below", 102, True)], name=b"sub")
    names += [(b"far", 101, True), (b"inline", 102, True), (b"link", 103, True), (b"sub", 104, True)]
    assert direct
    image.directory(3, names[:60])
    stream = image.finish()
    data = Sparse(stream.size)
    for number, block in stream.blocks.items():
        data.put(number * 4096, block)
    layout = "triage.evidence.filesystems.f2fs.layout:_holds"
    return raw("f2fs", data, blind=(layout,))


def packed(tar: str, name: str) -> Maker:
    def make(_: Path) -> FuzzImage:
        return raw(name.removesuffix(".img"), packed_images(tar)[name])

    return make


def cramfs(order: str) -> Maker:
    return lambda _: raw("cramfs", cramfs_image(order, extended=order == ">"))


def romfs(_: Path) -> FuzzImage:
    return raw("romfs", romfs_image())


def by_tool(name: str, *command: str, kib: int) -> Maker:
    """An image that a tool fills from a folder: ``{tree}`` and ``{image}`` stand for the paths."""

    def make(folder: Path) -> FuzzImage:
        if shutil.which(command[0]) is None:
            raise FileNotFoundError(command[0])
        tree = tool_images.plant(folder / "tree", FILES)
        path = folder / "x.img"
        if kib:
            path.write_bytes(b"")
            with path.open("r+b") as file:
                file.truncate(kib << 10)
        words = [word.format(tree=tree, image=path) for word in command]
        subprocess.run(words, check=True, capture_output=True)
        return raw(name, Sparse.of_file(path))

    return make


def file_systems() -> Iterator[tuple[str, Maker]]:
    """Names and makers; a maker raises ``FileNotFoundError`` or skips where a tool is absent."""
    yield "fat12", fat12
    yield "yaffs2", yaffs2
    yield "ext2", ext("ext2", "-b", "1024")
    yield "ext3", ext("ext3", "-b", "1024", "-O", "^dir_index")
    yield "ext4", ext("ext4", "-b", "1024", "-O", "inline_data,metadata_csum", "-I", "256")
    yield "ntfs", ntfs
    yield "iso9660", iso9660
    yield "exfat", exfat
    yield "hfs+", hfsplus
    yield "xfs-v4", xfs("xfs-v4")
    yield "xfs-v5", xfs("xfs-v5")
    yield "btrfs", btrfs
    yield "f2fs", f2fs
    for tar in ("squashfs", "erofs"):
        for name in sorted(packed_images(f"{tar}.tar.xz")):
            yield name.removesuffix(".img"), packed(f"{tar}.tar.xz", name)
    yield "cramfs-le", cramfs("<")
    yield "cramfs-be", cramfs(">")
    yield "romfs", romfs
