"""File systems that tools and recipes made, through the library itself."""

import hashlib
import re
import struct
from pathlib import Path

import pytest

from tests.support.fat_image import fat_image
from tests.support.tool_images import ext_edit, ext_image, ntfs_image, plant, run
from tests.support.walk_child import walk as walk_apart
from tests.support.yaffs_image import yaffs_image
from triage.errors import CorruptStructureError, EncryptedVolumeError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems import FILE_SYSTEMS, detect_file_system, open_file_system
from triage.evidence.interface import FileSystem
from triage.model.entry import Entry, EntryState, EntryType
from triage.model.problem import Problem
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume


def noise(size: int, seed: str = "x") -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)


def opened(data: bytes, *, start: int = 0, length: int | None = None) -> FileSystem:
    media = MemoryStream(data)
    volume = Volume("p1", start, len(data) - start if length is None else length, Allocation.ALLOCATED, "bare")
    return open_file_system(media, volume, "x.dd")


def entries_of(file_system: FileSystem) -> dict[bytes, Entry]:
    """By path, with ``:`` and the stream behind it."""
    found: dict[bytes, Entry] = {}
    for item in file_system.walk():
        assert not isinstance(item, Problem), item
        found[item.address.path + (b":" + item.address.stream if item.address.stream else b"")] = item
    return found


def by_runs(data: bytes, file_system: FileSystem, entry: Entry) -> bytes:
    """Content put together from the places that byte runs name."""
    runs = file_system.byte_runs(entry)
    return b"".join(
        data[run.image_offset : run.image_offset + run.length] if run.image_offset >= 0 else bytes(run.length)
        for run in runs
    )


FILES = {"letter.txt": b"wages kept", "folder/photo.bin": noise(9000), "gone.txt": b"deleted text", "empty": b""}


def test_fat_live_and_deleted() -> None:
    """Names, content, state, and where it lies; local time without a zone."""
    data = fat_image(FILES, deleted=("gone.txt",))
    file_system = opened(data)
    assert (file_system.name, file_system.block_size) == ("fat12", 512)
    found = entries_of(file_system)
    assert {path: entry.state for path, entry in found.items() if not entry.virtual} == {
        b"/letter.txt": EntryState.ALLOCATED,
        b"/folder": EntryState.ALLOCATED,
        b"/folder/photo.bin": EntryState.ALLOCATED,
        b"/gone.txt": EntryState.DELETED,
        b"/empty": EntryState.ALLOCATED,
    }
    for name, content in FILES.items():
        entry = found[b"/" + name.encode()]
        assert file_system.read_whole(entry, 1 << 20) == content
        assert by_runs(data, file_system, entry) == content
        assert not entry.times.zone_known
        assert not entry.owner
    photo = found[b"/folder/photo.bin"]
    assert photo.image_offset == data.index(noise(9000))
    assert file_system.read_whole(photo, 100) == noise(9000)[:100]
    assert file_system.open_entry(photo).read_at(8990, 999) == noise(9000)[8990:]
    assert {path for path, entry in found.items() if entry.virtual} == {
        b"/$MBR",
        b"/$FAT1",
        b"/$FAT2",
        b"/$OrphanFiles",
    }
    file_system.close()
    file_system.close()


@pytest.mark.parametrize("start", [512, 1000, 65536])
def test_a_volume_inside_the_media_is_bounded_by_it(start: int) -> None:
    """Offsets are of the image; what follows the volume is not looked at."""
    inner = fat_image(FILES, deleted=("gone.txt",))
    other = fat_image({"other.txt": noise(5000, "other")}, deleted=("other.txt",))
    data = bytes(start) + inner + other
    file_system = opened(data, start=start, length=len(inner))
    found = entries_of(file_system)
    assert not any(b"other" in path for path in found)
    photo = found[b"/folder/photo.bin"]
    assert photo.image_offset == data.index(noise(9000))
    assert by_runs(data, file_system, photo) == noise(9000)
    assert [run.image_offset - run.fs_offset for run in file_system.byte_runs(photo)] == [start]
    assert detect_file_system(MemoryStream(data), start, len(inner)) == ("fat12", 512)


def test_f10_a_cut_image_gives_what_is_left() -> None:
    """F10, C03: a read beyond the end is an error that has the bytes before it."""
    data = fat_image({"big.bin": noise(300_000)})
    cut = data.index(noise(300_000)) + 100_000 // 512 * 512
    file_system = opened(data[:cut])
    entry = entries_of(file_system)[b"/big.bin"]
    with pytest.raises(ReadFailedError) as caught:
        file_system.read_whole(entry, 1 << 20)
    assert caught.value.partial == noise(300_000)[: len(caught.value.partial)]
    assert len(caught.value.partial) == 100_000 // 512 * 512


def test_yaffs2_without_any_tool() -> None:
    """Flash of old telephones: live and deleted, no byte runs since pages have spare bytes between them."""
    files = {"a.txt": b"hello", "big.bin": noise(7680), "gone.txt": b"deleted text"}
    file_system = opened(yaffs_image(files, deleted=("gone.txt",)))
    assert file_system.name == "yaffs2"
    found = entries_of(file_system)
    assert file_system.read_whole(found[b"/a.txt"], 99) == b"hello"
    assert file_system.read_whole(found[b"/big.bin"], 9999) == noise(7680)
    assert file_system.byte_runs(found[b"/big.bin"]) == ()
    (gone,) = [entry for path, entry in found.items() if path.startswith(b"/gone.txt")]
    assert gone.state is EntryState.DELETED
    assert file_system.read_whole(gone, 99) == b"deleted text"
    assert {path for path, entry in found.items() if entry.virtual} == {b"/<unlinked>", b"/<deleted>", b"/$OrphanFiles"}


# --- ext ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["ext2", "ext3", "ext4"])
def test_ext_against_the_tools_of_the_library(tmp_path: Path, kind: str) -> None:
    """Names and addresses equal ``fls -r -p``; links, holes and hard links as they are."""
    tree = plant(tmp_path / "tree", {"a/one.txt": b"one", "a/b/two.bin": noise(70_000), "três/ü.txt": b"3"})
    with (tree / "sparse").open("wb") as sparse:
        sparse.write(noise(1000))
        sparse.seek(200_000)
        sparse.write(noise(5000))
    (tree / "link").symlink_to("a/one.txt")
    (tree / "hard").hardlink_to(tree / "a/one.txt")
    image = ext_image(tmp_path / "x.img", tree, kind, kib=4096)
    data = image.read_bytes()
    file_system = opened(data)
    assert file_system.name == kind
    found = entries_of(file_system)
    listed = re.findall(r"^\S+ (?:\* )?(\d+)(?:-\S+)?(?:\(realloc\))?:\t(.*)$", run("fls", "-r", "-p", image), re.M)
    assert sorted((int(number), "/" + name) for number, name in listed) == sorted(
        (entry.meta_address, path.decode()) for path, entry in found.items()
    )
    assert found[b"/link"].entry_type is EntryType.SYMLINK
    assert file_system.read_whole(found[b"/link"], 99) == b"a/one.txt"
    assert found[b"/hard"].meta_address == found[b"/a/one.txt"].meta_address
    content = (tree / "sparse").read_bytes()
    sparse_entry = found[b"/sparse"]
    assert file_system.read_whole(sparse_entry, 1 << 20) == content
    assert by_runs(data, file_system, sparse_entry) == content
    assert any(run.image_offset == -1 for run in file_system.byte_runs(sparse_entry))
    assert found[b"/a/b/two.bin"].owner.isdigit()


def test_ext_deleted_files_have_their_time_of_deletion(tmp_path: Path) -> None:
    """The library does not give it; the inode has it."""
    tree = plant(tmp_path / "tree", {"keep.txt": b"1", "gone.txt": noise(3000)})
    image = ext_image(tmp_path / "x.img", tree, "ext2")
    ext_edit(image, "rm /gone.txt")
    entry = entries_of(opened(image.read_bytes()))[b"/gone.txt"]
    assert entry.state is EntryState.DELETED
    assert entry.times.dtime is not None


def test_ext_encrypted_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    """F07 for fscrypt: ciphertext must not pass for a clean file."""
    tree = plant(tmp_path / "tree", {"secret.bin": noise(3000), "open.txt": b"open"})
    image = ext_image(tmp_path / "x.img", tree, "ext4", "-O", "encrypt")
    ext_edit(image, "set_inode_field /secret.bin flags 0x80800")
    file_system = opened(image.read_bytes())
    found = entries_of(file_system)
    assert any("fscrypt" in caveat for caveat in found[b"/secret.bin"].caveats)
    with pytest.raises(EncryptedVolumeError, match="fscrypt"):
        file_system.open_entry(found[b"/secret.bin"])
    assert not found[b"/open.txt"].caveats
    assert file_system.read_whole(found[b"/open.txt"], 9) == b"open"


def test_f02_f04_a_size_that_makes_the_library_spin(tmp_path: Path) -> None:
    """F02, F04: listing never returns; killed, the rest of the directory is found by number."""
    tree = plant(tmp_path / "tree", {"docs/a.txt": b"a", "docs/evil": b"x" * 2000, "docs/z.txt": b"z", "other": b"o"})
    image = ext_image(tmp_path / "x.img", tree, "ext2", "-b", "1024", kib=512)
    number = entries_of(opened(image.read_bytes()))[b"/docs/evil"].meta_address
    ext_edit(image, "set_inode_field /docs/evil size 0x3fffffffffffff00")
    walked = walk_apart(image, seconds=4)
    assert walked.skipped[1:] == [number]
    assert "b'/other'" in walked.paths
    assert sum("/$unlisted/" in path for path in walked.paths) == 2
    assert ["loop", "listing the directory did not return; it was left out"] in walked.problems


@pytest.mark.parametrize("size", ["0x7fffffffffffffff", "0xffffffffffffffff", "0x10000000000"])
def test_f04_sizes_of_extent_files(tmp_path: Path, size: str) -> None:
    """F04: 2^63-1, negative, 1 TiB with nothing stored."""
    tree = plant(tmp_path / "tree", {"evil": b"x" * 2000})
    image = ext_image(tmp_path / "x.img", tree, "ext4")
    ext_edit(image, f"set_inode_field /evil size {size}")
    walked = walk_apart(image)
    assert "b'/evil'" in walked.paths
    assert walked.result == "ok"


# --- NTFS -----------------------------------------------------------------------------------------------------------
NTFS_FILES = {
    "plain.txt": b"resident",
    "big.bin": noise(50_000),
    "big.bin:stream": b"in a stream",
    "c.bin": noise(9000),
}


def data_attribute(data: bytearray, record: int) -> int:
    """Place of the unnamed ``$DATA`` in an MFT record of an image with the MFT at cluster 4."""
    start = int.from_bytes(data[48:56], "little") * 4096 + record * 1024
    place = start + int.from_bytes(data[start + 20 : start + 22], "little")
    while data[place : place + 4] != b"\x80\0\0\0" or data[place + 9]:
        place += int.from_bytes(data[place + 4 : place + 8], "little")
    return place


def test_ntfs_against_the_tools_of_the_library(tmp_path: Path) -> None:
    """Streams are entries; metafiles are there; indexes are not."""
    image = ntfs_image(tmp_path / "x.img", NTFS_FILES)
    data = image.read_bytes()
    file_system = opened(data)
    found = entries_of(file_system)
    for name, content in NTFS_FILES.items():
        assert file_system.read_whole(found[b"/" + name.encode()], 1 << 20) == content
    assert by_runs(data, file_system, found[b"/big.bin"]) == noise(50_000)
    assert file_system.byte_runs(found[b"/plain.txt"]) == ()
    assert found[b"/$BadClus:$Bad"].entry_type is EntryType.OTHER
    assert not any(file_system.open_entry(found[b"/$BadClus:$Bad"]).read_at(0, 4096))
    listed = set()
    for line in run("fls", "-r", "-p", image).splitlines():
        address, _, name = line.partition(":\t")
        kind = re.search(r"-(\d+)-\d+$", address)
        if kind is None or (kind[1] in ("128", "144") and ":$" not in name) or kind[1] == "128":
            listed.add("/" + name)
    ours = {path.decode() for path, entry in found.items()}
    assert listed <= ours
    assert ours - listed <= {"/$Secure", "/$Extend/$ObjId", "/$Extend/$Quota", "/$Extend/$Reparse"}
    assert found[b"/plain.txt"].times.zone_known


def test_f07_efs_is_refused_with_the_reason(tmp_path: Path) -> None:
    """F07: the attribute's flag says that it is encrypted."""
    image = ntfs_image(tmp_path / "x.img", NTFS_FILES)
    number = entries_of(opened(image.read_bytes()))[b"/big.bin"].meta_address
    data = bytearray(image.read_bytes())
    place = data_attribute(data, number)
    data[place + 12 : place + 14] = (0x4000).to_bytes(2, "little")
    file_system = opened(bytes(data))
    found = entries_of(file_system)
    assert found[b"/big.bin"].caveats[0].startswith("encrypted by EFS")
    with pytest.raises(EncryptedVolumeError, match="EFS"):
        file_system.read_whole(found[b"/big.bin"], 1 << 20)
    assert file_system.byte_runs(found[b"/big.bin"]) == ()
    assert file_system.read_whole(found[b"/big.bin:stream"], 99) == b"in a stream"


@pytest.mark.parametrize("written", [0, 1000, 4096, 49_999])
def test_f04_what_was_never_written_is_zeros(tmp_path: Path, written: int) -> None:
    """F04: old bytes behind the initialised size are not the file's."""
    image = ntfs_image(tmp_path / "x.img", NTFS_FILES)
    number = entries_of(opened(image.read_bytes()))[b"/big.bin"].meta_address
    data = bytearray(image.read_bytes())
    place = data_attribute(data, number)
    struct.pack_into("<Q", data, place + 56, written)
    file_system = opened(bytes(data))
    entry = entries_of(file_system)[b"/big.bin"]
    expected = noise(50_000)[:written] + bytes(50_000 - written)
    assert file_system.read_whole(entry, 1 << 20) == expected
    assert by_runs(bytes(data), file_system, entry) == expected


# --- opening --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("data", [b"", b"\0", bytes(511), bytes(70_000), noise(70_000), b"\x55\xaa" * 40_000])
def test_detect_says_nothing_of_what_is_no_file_system(data: bytes) -> None:
    """Never raises."""
    assert detect_file_system(MemoryStream(data), 0, len(data)) == ("", 0)
    assert detect_file_system(MemoryStream(data), 10**9, 4096) == ("", 0)
    assert detect_file_system(MemoryStream(data), -512, 4096) == ("", 0)


@pytest.mark.parametrize("length", [0, 1, 62, 511, 512, 700, 3000])
def test_detect_on_the_first_bytes_of_a_file_system(length: int) -> None:
    """Truncated at any place: a name or nothing, no exception."""
    data = fat_image(FILES)[:length]
    assert detect_file_system(MemoryStream(data), 0, len(data))[0] in ("", "fat12")


def test_opening_nothing_and_opening_what_is_no_longer_there() -> None:
    """A volume without, and one whose file system was seen and is broken."""
    media = MemoryStream(bytes(1 << 20))
    volume = Volume("p1", 0, 1 << 20, Allocation.ALLOCATED, "bare")
    with pytest.raises(UnsupportedFormatError):
        open_file_system(media, volume, "x.dd")
    for name in ("ntfs", "ext4", "fat32", "exfat", "hfs+", "iso9660", "ufs2", "yaffs2"):
        with pytest.raises(CorruptStructureError, match=name.replace("+", r"\+")):
            open_file_system(media, Volume("p1", 0, 1 << 20, Allocation.ALLOCATED, "gpt", file_system=name), "x.dd")
    with pytest.raises(UnsupportedFormatError, match="zfs"):
        open_file_system(media, Volume("p1", 0, 1 << 20, Allocation.ALLOCATED, "gpt", file_system="zfs"), "x.dd")


def test_media_that_cannot_be_read_are_a_read_failure() -> None:
    """Not an unknown file system."""

    class Broken:
        size = 1 << 20

        def read_at(self, offset: int, length: int) -> bytes:
            raise ReadFailedError("cable pulled")

        def close(self) -> None: ...

    assert detect_file_system(Broken(), 0, 1 << 20) == ("", 0)
    with pytest.raises(ReadFailedError, match="cable pulled"):
        open_file_system(Broken(), Volume("p1", 0, 1 << 20, Allocation.ALLOCATED, "bare"), "x.dd")


def test_every_reader_is_available_and_says_what_it_reads() -> None:
    """The registry is what ``triage formats`` shows."""
    for unit in FILE_SYSTEMS:
        assert unit.unavailable() == ""
        assert unit.file_systems
        assert unit.summary


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a silent skip."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    media = MemoryStream(bytes(4096))
    assert detect_file_system(media, 0, 4096) == ("", 0)
    with pytest.raises(UnsupportedFormatError, match="needs pytsk3"):
        open_file_system(media, Volume("p1", 0, 4096, Allocation.ALLOCATED, "bare", file_system="ntfs"), "x.dd")
