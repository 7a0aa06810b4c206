"""One small image for each container; inside is a FAT of 360 KiB where the container holds a disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.image import FuzzImage
from tests.fuzz.mutation import content
from tests.fuzz.sparse import Sparse
from tests.support import apple_disks, virtual_disks
from tests.support.archives import Part, make_zip
from tests.support.ewf_writer import EwfWriter
from tests.support.fat_image import fat_image
from tests.support.logical import (
    MAP,
    STREAM,
    Ad1Writer,
    L01Writer,
    aff4_image_turtle,
    aff4_map,
    aff4_segments,
    aff4_stream_turtle,
    write_aff4,
)
from triage.evidence.keychain import Keychain, load_keychain

Maker = Callable[[Path], FuzzImage]
FILES = {f"a/f{number}.txt": content(f"f{number}", number * 2500) for number in range(1, 9)}
TREE = {"a.txt": content("a", 3000), "sub": {"b.bin": content("b", 20_000), "c": b"c"}, "empty": b""}
MEDIA = fat_image(FILES, kib=360).ljust(384 << 10, b"\0")
BLOCK = 65536
BLOCKS = {at // BLOCK: MEDIA[at : at + BLOCK] for at in range(0, len(MEDIA), BLOCK) if any(MEDIA[at : at + BLOCK])}
_CONTAINERS = "triage.evidence.containers."


def one(
    name: str,
    file: str,
    data: bytes,
    *,
    strict: bool = False,
    blind: tuple[str, ...] = (),
    keys: Keychain | None = None,
) -> FuzzImage:
    """An image of one file."""
    sums = tuple(_CONTAINERS + item for item in blind)
    return FuzzImage(name, {file: Sparse.of(data)}, keys or Keychain(), strict, sums).about(MEDIA)


def read(name: str, folder: Path, paths: list[Path], *, strict: bool = False, blind: tuple[str, ...] = ()) -> FuzzImage:
    """An image of files that were written."""
    files = {str(path.relative_to(folder)): Sparse.of_file(path) for path in paths}
    return FuzzImage(name, files, strict=strict, blind=tuple(_CONTAINERS + item for item in blind)).about(MEDIA)


def ewf(folder: Path) -> FuzzImage:
    writer = EwfWriter(
        MEDIA, sectors_per_chunk=8, chunks_per_segment=50, chunks_per_table=20, compress=lambda number: number % 3 > 0
    )
    sums = ("ewf_tables:zlib", "ewf:zlib", "ewf_media:zlib", "ewf_sections:zlib")
    return read("ewf", folder, writer.write(folder), strict=True, blind=sums)


def l01(folder: Path) -> FuzzImage:
    return read("l01", folder, [L01Writer(TREE).write(folder)])


def aff4(folder: Path) -> FuzzImage:
    import cramjam

    method = "http://code.google.com/p/snappy/"
    segments = aff4_segments(STREAM, MEDIA, lambda data: bytes(cramjam.snappy.compress_raw(data)), 4096, 32)
    segments |= aff4_map(MAP, [(0, len(MEDIA), 0, 0)], [STREAM])
    text = aff4_stream_turtle(STREAM, len(MEDIA), method, 4096, 32) + aff4_image_turtle(len(MEDIA))
    return read("aff4", folder, [write_aff4(folder / "d.aff4", text, segments)])


def ad1(folder: Path) -> FuzzImage:
    return read("ad1", folder, Ad1Writer({"[root]": TREE}).write(folder, segments=1))


def vhd(_: Path) -> FuzzImage:
    full = {number: (b"\xff" * 16, data) for number, data in BLOCKS.items()}
    return one("vhd", "x.vhd", virtual_disks.vhd(len(MEDIA), full, uuid.UUID(int=5)), blind=("vhd_header:checksum_of",))


def vhdx(_: Path) -> FuzzImage:
    data = virtual_disks.vhdx(virtual_disks.MB, {0: (6, MEDIA)}, uuid.UUID(int=9))
    return one("vhdx", "x.vhdx", bytes(data), blind=("vhdx_header:crc32c", "vhdx_log:crc32c"))


def vhdx_with_log(_: Path) -> FuzzImage:
    log = uuid.UUID(int=7)
    data = virtual_disks.vhdx(virtual_disks.MB, {0: (6, MEDIA)}, uuid.UUID(int=9), log=log)
    page = bytes(data[4 << 20 : (4 << 20) + 4096])
    entry = virtual_disks.vhdx_log_entry(log, 3, 0, {4 << 20: page, (4 << 20) + 512 * 1024: None}, len(data))
    data[virtual_disks.MB : virtual_disks.MB + len(entry)] = entry
    return one("vhdx-log", "x.vhdx", bytes(data), blind=("vhdx_header:crc32c", "vhdx_log:crc32c"))


def vdi(_: Path) -> FuzzImage:
    return one("vdi", "x.vdi", virtual_disks.vdi(len(MEDIA), dict(BLOCKS), uuid.UUID(int=5)))


def parallels(_: Path) -> FuzzImage:
    return one("parallels", "x.hds", virtual_disks.parallels(len(MEDIA), BLOCKS))


def cowd(_: Path) -> FuzzImage:
    grains = {at // 512: MEDIA[at : at + 512] for at in range(0, len(MEDIA), 512) if any(MEDIA[at : at + 512])}
    text = f'# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="vmfsSparse"\nRW {len(MEDIA) // 512} VMFSSPARSE "x-s.vmdk"\n'
    return FuzzImage(
        "vmdk-cowd", {"x.vmdk": Sparse.of(text.encode()), "x-s.vmdk": Sparse.of(virtual_disks.cowd(len(MEDIA), grains))}
    ).about(MEDIA)


def sesparse(_: Path) -> FuzzImage:
    grains = {at // 4096: MEDIA[at : at + 4096] for at in range(0, len(MEDIA), 4096) if any(MEDIA[at : at + 4096])}
    text = f'# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="seSparse"\nRW {len(MEDIA) // 512} SESPARSE "x-s.vmdk"\n'
    return FuzzImage(
        "vmdk-sesparse",
        {"x.vmdk": Sparse.of(text.encode()), "x-s.vmdk": Sparse.of(virtual_disks.sesparse(len(MEDIA), grains))},
    ).about(MEDIA)


def converted(name: str, file: str, *options: str) -> Maker:
    """By qemu-img."""

    def make(folder: Path) -> FuzzImage:
        if shutil.which("qemu-img") is None:
            raise FileNotFoundError("qemu-img")
        (folder / "m.dd").write_bytes(MEDIA)
        words = ["qemu-img", "convert", "-f", "raw", *options, str(folder / "m.dd"), str(folder / file)]
        subprocess.run(words, check=True, capture_output=True)
        return read(name, folder, [folder / file, *sorted(folder.glob("x-s*.vmdk"))])

    return make


def android(_: Path) -> FuzzImage:
    from tests.unit.evidence.containers.test_android_sparse import FILL, RAW, SKIP, image

    chunks: list[tuple[int, int, bytes]] = []
    for at in range(0, len(MEDIA), 16384):
        part = MEDIA[at : at + 16384]
        kind = (SKIP, 4, b"") if not any(part) else (RAW, 4, part)
        chunks.append(kind)
    chunks.append((FILL, 16, b"\xf6" * 4))
    return one("android-sparse", "x.simg", image(*chunks))


def asif(_: Path) -> FuzzImage:
    chunks = {number: (1, data) for number, data in BLOCKS.items()}
    return one("asif", "x.asif", bytes(apple_disks.asif(len(MEDIA), chunks)))


def sparse_image(_: Path) -> FuzzImage:
    bands = [(number, data) for number, data in sorted(BLOCKS.items(), reverse=True)]
    return one("apple-sparse", "x.sparseimage", apple_disks.sparse_image(len(MEDIA), bands, band=BLOCK))


def encrypted(_: Path) -> FuzzImage:
    return one("encrypted-dmg", "x.dmg", apple_disks.encrypted(MEDIA, b"secret"), keys=load_keychain(["secret"]))


def udif(_: Path) -> FuzzImage:
    kinds = (apple_disks.ZLIB, apple_disks.RAW, apple_disks.BZIP2, apple_disks.LZMA, apple_disks.ADC)
    return one("udif", "x.dmg", apple_disks.udif(MEDIA, kinds, 32768))


def udif_old(_: Path) -> FuzzImage:
    return one("udif-old", "x.dmg", apple_disks.udif(MEDIA, (apple_disks.ZLIB, apple_disks.ADC), 32768, old=True))


def sparse_bundle(folder: Path) -> FuzzImage:
    where = apple_disks.sparse_bundle(folder / "x.sparsebundle", len(MEDIA), BLOCKS, band=BLOCK)
    files = sorted(path for path in where.rglob("*") if path.is_file())
    made = read("sparse-bundle", folder, files)
    made.folder = True
    return made


def tar_bytes(style: int) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=style) as archive:
        for name, data in [*FILES.items(), ("long/" + "n" * 120, b"long"), ("б/в.txt", b"cyrillic")]:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000.5 if style == tarfile.PAX_FORMAT else 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "a/f1.txt"
        archive.addfile(link)
        hard = tarfile.TarInfo("hard")
        hard.type, hard.linkname = tarfile.LNKTYPE, "a/f1.txt"
        archive.addfile(hard)
    return raw.getvalue()


def tar(name: str, style: int, pack: Callable[[bytes], bytes] = bytes) -> Maker:
    return lambda _: one(name, f"{name}.tar", pack(tar_bytes(style)), blind=("tar_headers:has_checksum",))


def zipped(_: Path) -> FuzzImage:
    parts = [
        Part(name.encode(), data, method=8 if index % 3 else 0) for index, (name, data) in enumerate(FILES.items())
    ]
    return one("zip", "x.zip", make_zip(parts, comment=b"a comment"))


def split(_: Path) -> FuzzImage:
    third = len(MEDIA) // 3
    files = {f"x.{number + 1:03d}": Sparse.of(MEDIA[number * third : (number + 1) * third]) for number in range(3)}
    return FuzzImage("split", files).about(MEDIA)


def containers() -> Iterator[tuple[str, Maker]]:
    """Names and makers."""
    yield "ewf", ewf
    yield "l01", l01
    yield "aff4", aff4
    yield "ad1", ad1
    yield "qcow2", converted("qcow2", "x.qcow2", "-O", "qcow2", "-o", "cluster_size=4096")
    yield "qcow2-packed", converted("qcow2-packed", "x.qcow2", "-c", "-O", "qcow2", "-o", "extended_l2=off")
    yield "qcow1", converted("qcow1", "x.qcow", "-O", "qcow")
    yield "vmdk-sparse", converted("vmdk-sparse", "x.vmdk", "-O", "vmdk")
    yield "vmdk-stream", converted("vmdk-stream", "x.vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized")
    yield "vmdk-split", converted("vmdk-split", "x.vmdk", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse")
    yield "vmdk-cowd", cowd
    yield "vmdk-sesparse", sesparse
    yield "vhdx", vhdx
    yield "vhdx-log", vhdx_with_log
    yield "vhd", vhd
    yield "vdi", vdi
    yield "parallels", parallels
    yield "android-sparse", android
    yield "asif", asif
    yield "apple-sparse", sparse_image
    yield "encrypted-dmg", encrypted
    yield "udif", udif
    yield "udif-old", udif_old
    yield "sparse-bundle", sparse_bundle
    yield "tar-gnu", tar("tar-gnu", tarfile.GNU_FORMAT)
    yield "tar-pax", tar("tar-pax", tarfile.PAX_FORMAT)
    yield "tar-gz", tar("tar-gz", tarfile.GNU_FORMAT, gzip.compress)
    yield "tar-xz", tar("tar-xz", tarfile.GNU_FORMAT, lzma.compress)
    yield "tar-bz2", tar("tar-bz2", tarfile.GNU_FORMAT, bz2.compress)
    yield "zip", zipped
    yield "split", split
