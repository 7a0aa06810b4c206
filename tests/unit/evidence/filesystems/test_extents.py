"""Where files have bytes on the disk, in whatever form: inside the volume, apart from free space, also when compressed."""

import os

import pytest

from tests.support import btrfs_image, xfs_media
from tests.support.packed_images import opened, packed_images, walked
from tests.support.tool_images import ext_image, ntfs_image, plant
from triage.evidence.filesystems import erofs, squashfs
from triage.evidence.filesystems.tsk import open_file_system
from triage.evidence.interface import Extents
from triage.model.entry import Entry, EntryType
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

SQUASHED, ERODED = packed_images("squashfs.tar.xz"), packed_images("erofs.tar.xz")


def files(entries):
    return [entry for entry in entries if entry.entry_type is EntryType.FILE and not entry.virtual and entry.size > 0]


def check(file_system, entries, size):
    """Extents lie in the volume, touch no free space, and have all bytes that lie as they are."""
    free = [(run.fs_offset, run.fs_offset + run.length) for run in file_system.unallocated()]
    for entry in files(entries):
        found = file_system.extents(entry)
        places = [*found.content, *found.slack]
        assert all(start >= 0 and length > 0 and start + length <= size for start, length in places), entry
        if entry.alloc_name and entry.alloc_inode and not entry.orphan:
            touched = [(a, b) for a, b in free for start, length in places if a < start + length and start < b]
            assert not touched, entry
        plain = sum(run.length for run in file_system.byte_runs(entry) if run.fs_offset >= 0)
        if plain:
            assert sum(length for _, length in found.content) == plain, entry
    return {entry.address.path: file_system.extents(entry) for entry in files(entries) if not entry.address.stream}


@pytest.mark.parametrize("name", sorted(SQUASHED))
def test_squashfs_compressed_blocks_have_places(name):
    file_system = opened(squashfs, SQUASHED[name])
    found = check(file_system, walked(file_system)[0].values(), len(SQUASHED[name]))
    stored = sum(length for _, length in found[b"/text"].content)
    whole = 24_390
    assert stored == whole if "stored" in name else 0 < stored < whole / 2
    assert sum(length for _, length in found[b"/sparse"].content) <= 4096


@pytest.mark.parametrize("name", sorted(ERODED))
def test_erofs_packed_extents_have_places(name):
    file_system = opened(erofs, ERODED[name])
    found = check(file_system, walked(file_system)[0].values(), len(ERODED[name]))
    assert any(extents.content for extents in found.values())


def test_btrfs_compressed_extents_have_places():
    file_system = btrfs_image.opened()
    entries = btrfs_image.listing(file_system)[0].values()
    check(file_system, entries, len(btrfs_image.image()))
    packed = [
        entry for entry in files(entries) if not file_system.byte_runs(entry) and file_system.extents(entry).content
    ]
    assert packed
    assert all(sum(length for _, length in file_system.extents(entry).content) < entry.size for entry in packed)


def test_xfs_files_have_places():
    media = xfs_media.XfsMedia("xfs-v5")
    file_system = xfs_media.open_xfs(media)
    assert check(file_system, xfs_media.listing(file_system)[0].values(), media.size)


def tsk_files(path):
    data = path.read_bytes()
    volume = Volume("p1", 0, len(data), Allocation.ALLOCATED, "bare")
    file_system = open_file_system(MemoryStream(data), volume, "x")
    entries = [item for item in file_system.walk() if isinstance(item, Entry)]
    return check(file_system, entries, len(data)), file_system.block_size


def test_holes_have_no_bytes_and_slack_is_what_is_behind(tmp_path):
    tree = plant(tmp_path / "tree", {"full": b"x" * 5000, "holes": b"begin"})
    os.truncate(tree / "holes", 300_000)
    found, block = tsk_files(ext_image(tmp_path / "e.img", tree))
    full = found[b"/full"]
    assert sum(length for _, length in full.content) == 5000
    assert sum(length for _, length in full.slack) == -5000 % block
    assert sum(length for _, length in found[b"/holes"].content) == block


def test_resident_contents_have_no_bytes_of_their_own(tmp_path):
    found, _ = tsk_files(ntfs_image(tmp_path / "n.img", {"small": b"resident", "large": b"x" * 10_000}))
    assert found[b"/small"] == Extents()
    assert sum(length for _, length in found[b"/large"].content) == 10_000
    assert sum(length for _, length in found[b"/large"].slack) == 3 * 4096 - 10_000
