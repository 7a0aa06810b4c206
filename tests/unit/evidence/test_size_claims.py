"""F04, C06: files and media that claim 2 ** 62 bytes: listed with what they claim, read by pieces, nothing allocated."""

from __future__ import annotations

import resource
import struct
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import apple_disks, tool_images, virtual_disks
from tests.support.apfs_image import ApfsImage, extent, inode, name
from tests.support.btrfs_image import NODE, signed, tree_blocks
from tests.support.btrfs_image import image as btrfs_image
from tests.support.erofs_image import ErofsImage
from tests.support.exfat_image import ExfatFolder, exfat_image
from tests.support.f2fs_image import F2fsImage
from tests.support.fat_image import fat_image
from tests.support.hfs_image import HfsImage
from tests.support.packed_images import packed_images
from tests.support.xfs_media import XfsMedia
from tests.support.yaffs_image import yaffs_image
from triage.errors import EvidenceError
from triage.evidence import open_evidence
from triage.evidence.free_runs import MOST, FreeRuns
from triage.evidence.pieces import ENOUGH_PIECES, LARGEST_PIECE, MAX_PIECES, PIECE, Pieces, piece_size
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.volume import Allocation
from triage.pipeline.overclaimed import MOST_HOLES, stored_parts

HUGE = 1 << 62
MIB = 1 << 20


def ext4(folder: Path) -> bytes:
    tree = tool_images.plant(folder / "tree", {"huge": b"h" * 9000, "small": b"s"})
    path = tool_images.ext_image(folder / "x.img", tree, "ext4", "-b", "1024")
    tool_images.ext_edit(path, f"sif huge size {HUGE}")
    return path.read_bytes()


def xfs(folder: Path) -> bytes:
    """Version 4, without checksums: inode ``big``."""
    media = XfsMedia("xfs-v4")
    found = []
    for place, sector in media.sectors.items():
        for at in (0, 256):
            if (
                sector[at : at + 2] == b"IN"
                and int.from_bytes(sector[at + 56 : at + 64], "big") > 8000
                and sector[at + 2] >> 4 == 8
            ):
                found.append(place + at)
    assert found
    media.write(found[0] + 56, HUGE.to_bytes(8, "big"))
    path = folder / "x.img"
    with path.open("wb") as file:
        file.truncate(media.size)
        for place, sector in media.sectors.items():
            file.seek(place)
            file.write(sector)
    return path.read_bytes()


def btrfs(_: Path) -> bytes:
    """Every inode item of a file that has more than 100,000 bytes."""
    data = bytearray(btrfs_image())
    changed = 0
    for place in tree_blocks(level=0):
        block = bytearray(data[place : place + NODE])
        count = struct.unpack_from("<I", block, 96)[0]
        for index in range(min(count, 120)):
            _, kind, _, at, length = struct.unpack_from("<QBQII", block, 101 + 25 * index)
            if kind == 1 and length == 160 and struct.unpack_from("<Q", block, 101 + at + 16)[0] > 100_000:
                struct.pack_into("<Q", block, 101 + at + 16, HUGE)
                changed += 1
        data[place : place + NODE] = signed(bytes(block))
    assert changed
    return bytes(data)


def ntfs(folder: Path) -> bytes:
    """Allocated, real and initialised size of a file whose data are not resident."""
    data = bytearray(tool_images.ntfs_image(folder / "x.img", {"huge": b"h" * 9000}, kib=2048).read_bytes())
    sizes = struct.pack("<QQQ", 12288, 9000, 9000)
    assert data.count(sizes) == 1
    at = data.index(sizes)
    data[at : at + 24] = struct.pack("<QQQ", HUGE, HUGE, 9000)
    return bytes(data)


def exfat(_: Path) -> bytes:
    return exfat_image(ExfatFolder({"huge": b"h" * 9000, "small": b"s"}, claims={"huge": HUGE}))


def fat(_: Path) -> bytes:
    """As much as FAT can say."""
    data = bytearray(fat_image({"huge": b"h" * 9000, "small": b"s"}))
    at = data.index(struct.pack("<I", 9000))
    data[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(data)


def hfsplus(_: Path) -> bytes:
    image = HfsImage()
    image.file(2, "huge", b"h" * 9000, claim=HUGE)
    image.file(2, "small", b"s")
    return image.finish()


def apfs(_: Path) -> bytes:
    image = ApfsImage(blocks=200)
    part = image.add_volume("v")
    block = image.write(b"h" * 9000)
    part.records += [name(2, b"huge", 300), inode(300, 0o100644, parent=2, size=HUGE), extent(300, 0, 12288, block)]
    image.add_file(part, b"small", 301, b"s")
    image.commit()
    return bytes(image.data)


def f2fs(_: Path) -> bytes:
    image = F2fsImage()
    image.inode(4, size=HUGE, name=b"huge", addresses=tuple(image.data(b"h" * 9000)))
    image.inode(5, size=1, name=b"small", addresses=tuple(image.data(b"s")))
    image.directory(3, [(b"huge", 4, True), (b"small", 5, True)])
    stream = image.finish()
    return stream.read_at(0, stream.size)


def erofs(_: Path) -> bytes:
    image = ErofsImage()
    huge = image.inode(0o100644, HUGE, 0, union=image.blocks(b"h" * 9000))
    return image.finish({b"huge": huge, b"small": image.inode(0o100644, 1, 0, union=image.blocks(b"s"))})


def squashfs(_: Path) -> bytes:
    """The file ``noise``: 1500 bytes that are not packed."""
    data = bytearray(packed_images("squashfs.tar.xz")["squashfs-stored.img"])
    places = [at for at in range(len(data) - 4) if data[at : at + 4] == struct.pack("<I", 1500)]
    for at in places:
        data[at : at + 4] = b"\xff\xff\xff\x7f"
    assert places
    return bytes(data)


def yaffs2(_: Path) -> bytes:
    data = bytearray(yaffs_image({"huge": b"h" * 9000}))
    for at in range(len(data) - 4):
        if data[at : at + 4] == struct.pack("<I", 9000):
            data[at : at + 4] = b"\xff\xff\xff\x7f"
    return bytes(data)


MAKERS = (ext4, xfs, btrfs, ntfs, exfat, fat, hfsplus, apfs, f2fs, erofs, squashfs, yaffs2)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_file_that_claims_more_than_there_is(make: Callable[[Path], bytes], tmp_path: Path) -> None:
    """It is listed; reading it gives pieces or errors; what asks for its places gets few."""
    path = tmp_path / "x.dd"
    path.write_bytes(make(tmp_path))
    seen = 0
    problems: list[Problem] = []
    with open_evidence([path]) as evidence:
        for volume in evidence.volumes:
            if not volume.file_system:
                continue
            reader = evidence.reader(volume.name)
            assert reader.file_system is not None
            items = list(reader.file_system.walk())
            problems += [item for item in items if isinstance(item, Problem)]
            entries = [item for item in items if isinstance(item, Entry)]
            for entry in entries:
                if entry.size < 0x7FFFFFFF or entry.virtual:
                    continue
                seen += 1
                tracemalloc.start()
                read_everywhere(reader, entry)
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                assert peak < 64 * MIB
                parts = stored_parts(entry, reader)
                if entry.size > MOST_HOLES:
                    assert parts is not None and sum(length for _, length in parts) <= max(path.stat().st_size, MIB)
            if entries and make not in (btrfs, xfs, ntfs, squashfs, yaffs2):
                small = next(entry for entry in entries if entry.address.path.endswith(b"small"))
                assert reader.read_whole(small, MIB) == b"s"
    # FAT, exFAT: The Sleuth Kit leaves the file out, which is told. Of the others a reader may refuse the record.
    if make in (fat, exfat):
        assert any("not listed" in problem.message and "huge" in problem.address.lower() for problem in problems)
    assert seen or make in (fat, exfat, ntfs, yaffs2, squashfs)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20


def read_everywhere(reader, entry: Entry) -> None:
    def quiet(step: Callable[[], object]) -> object:
        try:
            return step()
        except EvidenceError:
            return None

    first = quiet(lambda: reader.read_whole(entry, MIB))
    assert first is None or len(first) <= MIB  # type: ignore[arg-type]
    stream = quiet(lambda: reader.open_entry(entry))
    for offset in (0, 9000, entry.size // 2, entry.size - 4096, entry.size, entry.size + 10):
        data = quiet(lambda offset=offset: stream.read_at(offset, 4096))  # type: ignore[misc,union-attr]
        assert data is None or len(data) <= 4096  # type: ignore[arg-type]
    runs = quiet(lambda: reader.byte_runs(entry)) or ()
    assert len(runs) < 100_000  # type: ignore[arg-type]
    quiet(lambda: reader.slack(entry))
    quiet(lambda: reader.file_system.extents(entry))


# --- media ----------------------------------------------------------------------------------------------------------
def test_media_that_claim_more_than_any_disk(tmp_path: Path) -> None:
    """A disk image of some KiB that claims 32 TiB: what is free in it is listed in pieces."""
    media = fat_image({"a.txt": b"x"}, kib=128).ljust(256 << 10, b"\0")
    raw = bytearray(apple_disks.udif(media, (apple_disks.ZLIB,), 65536))
    struct.pack_into(">Q", raw, len(raw) - 512 + 492, (1 << 45) // 512)
    path = tmp_path / "x.dmg"
    path.write_bytes(raw)
    with open_evidence([path]) as evidence:
        assert evidence.media.size == 1 << 45
        count = 0
        told: list[Problem] = []
        for volume in evidence.volumes:
            if volume.allocation is Allocation.METADATA or volume.file_system:
                continue
            for item in evidence.reader(volume.name).space.entries():
                if isinstance(item, Problem):
                    told.append(item)
                else:
                    count += 1
                if count > 2000:
                    break
        assert not told or told[0].reason is Reason.LIMIT


def test_pieces_grow_with_the_space_and_end() -> None:
    assert piece_size(0) == piece_size(ENOUGH_PIECES * PIECE) == PIECE
    assert piece_size(ENOUGH_PIECES * PIECE + 1) == 2 * PIECE
    assert piece_size(HUGE) == LARGEST_PIECE
    pieces = Pieces([(0, HUGE, False)], HUGE, 0)
    last = None
    count = 0
    for last in pieces:  # noqa: B007
        count += 1
    assert count == MAX_PIECES and last is not None
    assert pieces.stopped == last.end == MAX_PIECES * LARGEST_PIECE


def test_pieces_are_cut_where_something_is_owned_and_where_the_file_system_ends() -> None:
    found = [*Pieces([(0, 10, False), (20, 5, False), (30, 10, True), (100, 50, False)], 75, 120)]
    assert found == [(0, 25, 15), (30, 120, 30), (120, 150, 30)]
    whole = Pieces([(5, 3 * PIECE, False)], 3 * PIECE, 0)
    assert [span.size for span in whole] == [PIECE] * 3 and whole.stopped == -1


def test_free_runs_behind_all_places_are_cut() -> None:
    runs = FreeRuns()
    runs.add(10, 1 << 70)
    assert (runs.ends[0], runs.size) == (MOST, MOST - 10)
    runs.add(1 << 80, 5)
    assert len(runs) == 1
    other = FreeRuns()
    other.add(1 << 64, 1)
    assert len(other) == 0


@pytest.mark.parametrize("size", [HUGE, 1 << 63])
def test_a_disk_of_two_to_the_sixty_two_bytes_is_refused(tmp_path: Path, size: int) -> None:
    """VHDX states 64 bits of size."""
    path = tmp_path / "x.vhdx"
    path.write_bytes(virtual_disks.vhdx(size, {}, uuid.UUID(int=9)))
    with pytest.raises(EvidenceError):
        open_evidence([path])
