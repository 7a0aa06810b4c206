"""Every variant that qemu-img writes, against what qemu-img reads; skipped where it is not installed."""

import hashlib
import random

import pytest

from tests.support.tool_images import run
from triage.evidence import open_evidence
from triage.evidence.containers import parallels, qcow, vdi, vhd, vhdx, vmdk

VARIANTS = {
    "qcow1": (qcow, "-O qcow"),
    "qcow2": (qcow, "-O qcow2 -o compat=0.10"),
    "qcow3": (qcow, "-O qcow2"),
    "qcow2-packed": (qcow, "-c -O qcow2 -o compat=0.10"),
    "qcow3-packed": (qcow, "-c -O qcow2"),
    "qcow3-zstd": (qcow, "-c -O qcow2 -o compression_type=zstd"),
    "qcow3-extended": (qcow, "-O qcow2 -o extended_l2=on"),
    "qcow3-extended-zstd": (qcow, "-c -O qcow2 -o extended_l2=on,compression_type=zstd"),
    "qcow3-512": (qcow, "-c -O qcow2 -o cluster_size=512"),
    "qcow3-2M": (qcow, "-c -O qcow2 -o cluster_size=2M"),
    "qcow3-metadata": (qcow, "-O qcow2 -o preallocation=metadata"),
    "qcow3-data": (qcow, "-O qcow2 -o data_file=clusters.data"),
    "qcow3-data-raw": (qcow, "-O qcow2 -o data_file=raw.data,data_file_raw=on"),
    "vmdk-sparse": (vmdk, "-O vmdk"),
    "vmdk-zeroed": (vmdk, "-O vmdk -o zeroed_grain=on"),
    "vmdk-flat": (vmdk, "-O vmdk -o subformat=monolithicFlat"),
    "vmdk-split": (vmdk, "-O vmdk -o subformat=twoGbMaxExtentSparse"),
    "vmdk-split-flat": (vmdk, "-O vmdk -o subformat=twoGbMaxExtentFlat"),
    "vmdk-stream": (vmdk, "-O vmdk -o subformat=streamOptimized"),
    "vhd-dynamic": (vhd, "-O vpc"),
    "vhd-exact": (vhd, "-O vpc -o force_size=on"),
    "vhd-fixed": (vhd, "-O vpc -o subformat=fixed,force_size=on"),
    "vhdx-dynamic": (vhdx, "-O vhdx"),
    "vhdx-fixed": (vhdx, "-O vhdx -o subformat=fixed"),
    "vhdx-1M": (vhdx, "-O vhdx -o block_size=1M"),
    "vdi-dynamic": (vdi, "-O vdi"),
    "vdi-static": (vdi, "-O vdi -o static=on"),
    "parallels": (parallels, "-O parallels"),
}


def source(path):
    """Random, text, holes and an odd size."""
    chance = random.Random(7)
    size = 5 * 1024 * 1024 + 1536
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in (
            (0, chance.randbytes(70_000)),
            (131_072, b"hello evidence " * 9000),
            (1 << 20, chance.randbytes(300_000)),
            (3 * (1 << 20) + 777, chance.randbytes(4096)),
            (size - 1000, chance.randbytes(1000)),
        ):
            file.seek(offset)
            file.write(data)
    return path.read_bytes()


def whole(stream, step=1 << 20):
    return b"".join(stream.read_at(offset, step) for offset in range(0, stream.size, step))


@pytest.mark.parametrize("variant", VARIANTS)
def test_variant(variant, tmp_path, monkeypatch):
    module, options = VARIANTS[variant]
    if "zstd" in variant:
        pytest.importorskip("zstandard")
    monkeypatch.chdir(tmp_path)
    data = source(tmp_path / "source.raw")
    image = tmp_path / "image.x"
    run("qemu-img", "convert", "-f", "raw", *options.split(), "source.raw", image.name)
    assert module.detect(image.read_bytes()[:4096], (image,))
    container = module.open_container((image,), "e")
    media = container.media
    seen = whole(media)
    assert seen[: len(data)] == data
    assert not seen[len(data) :].strip(b"\x00")
    assert media.size - len(data) < 16 * 63 * 512
    # Reads of odd sizes at odd places see the same, and what is no data range is zeros.
    chance = random.Random(variant)
    for _ in range(200):
        offset = chance.randrange(media.size)
        length = chance.choice((1, 511, 4096, 70_000))
        assert media.read_at(offset, length) == seen[offset : offset + length]
    rebuilt = bytearray(media.size)
    for offset, length in media.data_ranges(0, media.size):
        rebuilt[offset : offset + length] = seen[offset : offset + length]
    assert bytes(rebuilt) == seen
    assert container.read_problems() == ()
    container.close()


@pytest.mark.parametrize(("name", "module"), [("qcow2", qcow), ("vmdk", vmdk)])
def test_chain_of_three(name, module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source(tmp_path / "source.raw")
    run("qemu-img", "convert", "-f", "raw", "-O", name, "source.raw", "a")
    run("qemu-img", "create", "-f", name, "-F", name, "-b", "a", "b")
    run("qemu-io", "-f", name, "-c", "write -P 7 65000 100000", "-c", "write -z 1M 128k", "b")
    run("qemu-img", "create", "-f", name, "-F", name, "-b", "b", "c")
    run("qemu-io", "-f", name, "-c", "write -P 9 3000 5000", "-c", "write -P 8 5000000 3000", "c")
    run("qemu-img", "convert", "-O", "raw", "c", "c.raw")
    container = module.open_container((tmp_path / "c",), "e")
    assert [path.name for path in container.paths] == ["c", "b", "a"]
    assert hashlib.sha256(whole(container.media)).digest() == hashlib.sha256((tmp_path / "c.raw").read_bytes()).digest()
    container.close()


def test_raw_backing_is_not_looked_into(tmp_path, monkeypatch):
    """A guest may write a QCOW header into its raw disk; it must not be followed."""
    monkeypatch.chdir(tmp_path)
    run("qemu-img", "create", "-f", "qcow2", "inner", "1M")
    run("qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", "inner", "outer", "1M")
    container = qcow.open_container((tmp_path / "outer",), "e")
    assert container.media.read_at(0, 4) == b"QFI\xfb"
    container.close()


def test_internal_snapshots_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("qemu-img", "create", "-f", "qcow2", "image", "1M")
    run("qemu-img", "snapshot", "-c", "before the raid", "image")
    container = qcow.open_container((tmp_path / "image",), "e")
    (problem,) = container.problems
    assert "1 internal snapshots are not examined: before the raid (20" in problem.message
    container.close()


def test_through_the_opener(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source(tmp_path / "source.raw")
    run("mkfs.ext4", "-q", "-F", "source.raw")
    run("qemu-img", "convert", "-f", "raw", "-O", "vdi", "source.raw", "disk.vdi")
    with open_evidence([tmp_path / "disk.vdi"]) as evidence:
        assert evidence.source.container == "vdi"
        assert [volume.file_system for volume in evidence.volumes] == ["ext4"]
