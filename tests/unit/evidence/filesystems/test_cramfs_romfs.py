"""cramfs and romfs by our own readers, over images that the test builds."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from tests.support.packed_images import changed_bytes, exercise, opened, walked
from triage.errors import EvidenceError, ReadFailedError
from triage.evidence.filesystems import cramfs, romfs
from triage.model.entry import EntryType
from triage.model.stream import MemoryStream

TEXT = b"a line of text that packs\n" * 400


def cramfs_inode(order: str, mode: int, size: int, name: int, place: int) -> bytes:
    if order == "<":
        return struct.pack("<HHII", mode, 5, size, name // 4 | place // 4 << 6)
    return struct.pack(">HHII", mode, 5, size << 8, name // 4 << 26 | place // 4)


def cramfs_image(order: str = "<", flags: int = 3, *, start: int = 0, extended: bool = False) -> bytes:
    """Root with a folder, a file in it, a link and a file whose second block is a hole."""
    body = bytearray()
    base = start + 76

    def add(data: bytes) -> int:
        place = base + len(body)
        body.extend(data + bytes(-len(data) % 4))
        return place

    listing = base
    body += bytes(4 * (12 + 8))
    packed = [zlib.compress(TEXT[at : at + 4096]) for at in range(0, len(TEXT), 4096)]
    place = base + len(body)
    count = len(packed)
    if extended:
        far = add(struct.pack(order + "H", len(packed[0])) + packed[0])
        stored = add(TEXT[4096:8192])
        place = base + len(body)
        end = place + 4 * count + len(packed[2])
        direct = [1 << 30 | far // 4, 3 << 30 | stored // 4, end]
        # the third block begins where the second, a direct one, ends
        pointers = [direct[0], direct[1], 3 << 30 | add(TEXT[8192:].ljust(4096, b"\0")) // 4]
        place = add(struct.pack(f"{order}{count}I", *pointers))
    else:
        ends = [place + 4 * count + sum(map(len, packed[: index + 1])) for index in range(count)]
        add(struct.pack(f"{order}{count}I", *ends) + b"".join(packed))
    hole = base + len(body)
    part = zlib.compress(b"x" * 4096)
    ends = [hole + 12 + len(part)] * 2 + [hole + 12 + 2 * len(part)]
    add(struct.pack(f"{order}3I", *ends) + part + part)
    target = base + len(body)
    link = zlib.compress(b"d/text")
    add(struct.pack(order + "I", target + 4 + len(link)) + link)
    inner = add(cramfs_inode(order, 0o100644, len(TEXT), 8, place) + b"text\0\0\0\0")
    entries = [
        (b"d", 0o040755, 20, inner),
        (b"hole", 0o100644, 12288, hole),
        (b"link", 0o120777, 6, target),
        (b"pipe", 0o010644, 0, 0),
    ]
    at = listing - base
    for name, mode, size, where in entries:
        body[at : at + 20] = cramfs_inode(order, mode, size, 8, where) + name.ljust(8, b"\0")
        at += 20
    size = start + 76 + len(body)
    flags |= 0x800 * extended | 0x400 * bool(start)
    head = (
        struct.pack(order + "4I", 0x28CD3D45, size, flags, 0)
        + b"Compressed ROMFS"
        + bytes(16)
        + b"name".ljust(16, b"\0")
    )
    return bytes(start) + head + cramfs_inode(order, 0o040755, 80, 0, listing) + bytes(body)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("start", [0, 512])
@pytest.mark.parametrize("extended", [False, True])
def test_cramfs(order: str, start: int, extended: bool) -> None:
    image = cramfs_image(order, start=start, extended=extended)
    assert cramfs.detect_file_system(MemoryStream(image), 0, len(image)) == ("cramfs", 4096)
    file_system = opened(cramfs, image + b"behind")
    entries, problems = walked(file_system)
    assert not problems
    assert list(entries) == [b"/d", b"/hole", b"/link", b"/pipe", b"/d/text"]
    assert file_system.read_whole(entries[b"/d/text"], 1 << 20) == TEXT
    assert file_system.read_whole(entries[b"/hole"], 1 << 20) == b"x" * 4096 + bytes(4096) + b"x" * 4096
    assert file_system.read_whole(entries[b"/link"], 1 << 20) == b"d/text"
    assert entries[b"/pipe"].entry_type is EntryType.OTHER
    assert entries[b"/hole"].owner == "5"
    assert [(run.fs_offset, run.length) for run in file_system.unallocated()] == [(len(image), 6)]


def test_cramfs_cut_short_and_broken() -> None:
    image = cramfs_image()
    _, problems = walked(opened(cramfs, image[:-2]))
    assert any("cut short" in problem.hint for problem in problems)
    place = image.index(zlib.compress(TEXT[4096:8192]))
    file_system = opened(cramfs, image[: place + 2] + b"\xff" * 8 + image[place + 10 :])
    entries, _ = walked(file_system)
    with pytest.raises(ReadFailedError) as caught:
        file_system.read_whole(entries[b"/d/text"], 1 << 20)
    assert caught.value.partial == TEXT[:4096]


@pytest.mark.skipif(not shutil.which("mkfs.cramfs"), reason="mkfs.cramfs is not installed")
@pytest.mark.parametrize("options", [(), ("-N", "big"), ("-p",)])
def test_cramfs_of_the_tool(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "text").write_bytes(TEXT)
    (source / "noise").write_bytes(os.urandom(20_000))
    (source / "zeros").write_bytes(bytes(20_000))
    target = tmp_path / "image"
    subprocess.run(["mkfs.cramfs", *options, str(source), str(target)], check=True, capture_output=True)
    file_system = opened(cramfs, target.read_bytes())
    entries, problems = walked(file_system)
    assert not problems
    for path in source.rglob("*"):
        if path.is_file():
            assert (
                file_system.read_whole(entries[b"/" + os.fsencode(path.relative_to(source))], 1 << 30)
                == path.read_bytes()
            )


def romfs_image() -> bytes:
    """Root with a folder, a file in it, a link, and a hard link to the file."""
    parts = bytearray(b"-rom1fs-" + bytes(8) + b"label".ljust(16, b"\0"))

    def header(name: bytes, kind: int, special: int = 0, data: bytes = b"") -> int:
        place = len(parts)
        parts.extend(
            struct.pack(">IIII", kind, special, len(data), 0) + name.ljust(len(name) // 16 * 16 + 16, b"\0") + data
        )
        parts.extend(bytes(-len(parts) % 16))
        return place

    def chain(*places: int) -> None:
        for place, following in zip(places, (*places[1:], 0), strict=True):
            kind = struct.unpack_from(">I", parts, place)[0] & 15
            struct.pack_into(">I", parts, place, following | kind)

    root = header(b".", 1, 32)
    up = header(b"..", 0, 32)
    folder = header(b"folder", 1)
    link = header(b"link", 3, data=b"folder/file")
    inner = header(b".", 0, folder)
    outer = header(b"..", 0, root)
    file = header(b"a file with a longer name", 2 | 8, data=TEXT)
    device = header(b"null", 5, 0x10003)
    hard = header(b"hard", 0, file)
    chain(root, up, folder, link, hard)
    chain(inner, outer, file, device)
    struct.pack_into(">I", parts, folder + 4, inner)
    struct.pack_into(">I", parts, 8, len(parts))
    return bytes(parts)


def test_romfs() -> None:
    image = romfs_image()
    assert romfs.detect_file_system(MemoryStream(image), 0, len(image)) == ("romfs", 16)
    file_system = opened(romfs, image + bytes(1024))
    entries, problems = walked(file_system)
    assert not problems
    path = b"/folder/a file with a longer name"
    assert list(entries) == [b"/folder", b"/link", b"/hard", path, b"/folder/null"]
    assert entries[b"/hard"].meta_address == entries[path].meta_address
    assert file_system.read_whole(entries[b"/hard"], 1 << 20) == TEXT
    assert file_system.read_whole(entries[b"/link"], 1 << 20) == b"folder/file"
    (run,) = file_system.byte_runs(entries[path])
    assert image[run.image_offset : run.image_offset + run.length] == TEXT
    assert [(run.fs_offset, run.length) for run in file_system.unallocated()] == [(len(image), 1024)]


def test_romfs_chain_that_leads_back() -> None:
    image = bytearray(romfs_image())
    struct.pack_into(">I", image, image.index(b"hard\0") - 16, 32)
    entries, problems = walked(opened(romfs, bytes(image)))
    assert b"/hard" in entries and any("leads back" in problem.message for problem in problems)


@pytest.mark.parametrize("head", [b"", b"-rom1fs-", b"-rom1fs-" + bytes(100), b"\x45\x3d\xcd\x28" + bytes(2000)])
def test_detect_only_their_own(head: bytes) -> None:
    for reader in (cramfs, romfs):
        assert reader.detect_file_system(MemoryStream(head), 0, len(head)) == ("", 0)
        with pytest.raises(EvidenceError):
            opened(reader, head)


@pytest.mark.parametrize("seed", range(120))
def test_changed_bytes_give_only_our_errors(seed: int) -> None:
    exercise(cramfs, changed_bytes(cramfs_image("<>"[seed % 2], extended=bool(seed & 2)), seed))
    exercise(romfs, changed_bytes(romfs_image(), seed))
