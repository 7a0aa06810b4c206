"""The libraries that stand in for The Sleuth Kit list and read what it lists and reads."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.small_systems import KINDS, first_damage, make, zeroed
from tests.support.tool_images import ext_edit, ntfs_image
from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, ReadFailedError
from triage.evidence.filesystems import SECOND, libyal, open_file_system, second_reader
from triage.evidence.filesystems.libyal import LibyalFileSystem, LibyalTree
from triage.evidence.filesystems.libyal_io import LibyalStream, PaddedFile, said
from triage.evidence.filesystems.libyal_ntfs import EFS, NtfsTree
from triage.evidence.filesystems.tree import Node
from triage.evidence.interface import FileSystem
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

OWN = {b"$ALLOC_BITMAP", b"$UPCASE_TABLE", b"$Bad", b"$BadBlockFile"}
"""Names that only The Sleuth Kit makes."""


@pytest.fixture(autouse=True)
def installed() -> None:
    if any(unit.unavailable() for unit in SECOND):
        pytest.skip("needs the libyal readers")


def volume(data: bytes, kind: str, start: int = 0) -> Volume:
    return Volume("p1", start, len(data), Allocation.ALLOCATED, "bare", "", kind)


def second(data: bytes, kind: str) -> FileSystem:
    return open_file_system(MemoryStream(data), volume(data, kind), "e", second_reader(kind))


def live(system: FileSystem) -> dict[Any, Entry]:
    found = {}
    for item in system.walk():
        assert isinstance(item, Entry), item
        if item.state.value == "allocated" and not item.virtual and not OWN & {item.address.name, item.address.stream}:
            found[item.address.path, item.address.stream, item.meta_address] = item
    return found


def content(system: FileSystem, entry: Entry) -> bytes:
    return system.read_whole(entry, 1 << 24) if entry.entry_type is not EntryType.DIRECTORY else b""


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_entries(kind: str, tmp_path: Path) -> None:
    """Names, metadata addresses, types, sizes, times, owners, bytes, and where they lie; of live names."""
    data = make(kind, tmp_path)
    usual = open_file_system(MemoryStream(data), volume(data, kind), "e")
    other = second(data, kind)
    expected, found = live(usual), live(other)
    assert set(found) == set(expected)
    assert kind == "fat32" or len(found) >= 4
    for key, entry in expected.items():
        mine = found[key]
        assert mine.entry_type is entry.entry_type
        if entry.entry_type is not EntryType.FILE:
            continue
        times = replace(mine.times, crtime=None) if kind == "ext2" else mine.times  # which The Sleuth Kit leaves out
        assert (mine.size, times) == (entry.size, entry.times)
        assert entry.owner in ("", mine.owner)
        assert content(other, mine) == content(usual, entry)
        assert other.byte_runs(mine) == usual.byte_runs(entry)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_free_space(kind: str, tmp_path: Path) -> None:
    data = make(kind, tmp_path)
    usual = open_file_system(MemoryStream(data), volume(data, kind), "e")
    other = second(data, kind)
    assert [(run.fs_offset, run.length) for run in other.unallocated()] == [
        (run.fs_offset, run.length) for run in usual.unallocated()
    ]
    assert other.size == usual.size


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_that_the_other_library_listed(kind: str, tmp_path: Path) -> None:
    """Its metadata address and stream are enough, in a process that has listed nothing."""
    data = make(kind, tmp_path)
    usual = open_file_system(MemoryStream(data), volume(data, kind), "e")
    for entry in live(usual).values():
        if entry.entry_type is EntryType.FILE:
            fresh = second(data, kind)
            assert content(fresh, entry) == content(usual, entry)
            fresh.slack_runs(entry)
            fresh.extents(entry)
            fresh.close()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fat12"])
def test_through_the_copies(kind: str, tmp_path: Path) -> None:
    """The first structures are gone: the library reads the same through their copies."""
    data = make(kind, tmp_path)
    assert set(live(second(first_damage(kind, data), kind))) == set(live(second(data, kind)))


@pytest.mark.parametrize("kind", ["ext2", "ext4", "ntfs", "exfat", "hfs+", "fat12"])
def test_cut_short(kind: str, tmp_path: Path) -> None:
    """A library refuses a volume whose end is missing; what lies before it is listed, what lay there is told."""
    data = make(kind, tmp_path)
    system = second(data[: len(data) * 3 // 5], kind)
    entries = [item for item in system.walk() if isinstance(item, Entry) and item.entry_type is EntryType.FILE]
    assert entries
    for entry in entries:
        try:
            got = system.read_whole(entry, 1 << 24)
        except ReadFailedError:
            continue
        assert len(got) <= entry.size


def test_bytes_behind_the_end_are_no_content() -> None:
    """The library gets zeros for what is cut off; content made of them is not taken for content."""
    file = PaddedFile(MemoryStream(b"abc"), 10)
    assert file.get_size() == 10 and file.seek(0, 2) == 10
    file.seek(0)
    assert file.read(5) == b"abc\0\0" and file.reached and file.tell() == 5
    assert file.read() == bytes(5) and file.read(1) == b""
    data = SimpleNamespace(read_buffer_at_offset=lambda size, offset: (file.seek(0), file.read(size))[1])
    with pytest.raises(ReadFailedError):
        LibyalStream(data, file, 5).read_at(0, 5)
    assert LibyalStream(data, file, 3).read_at(0, 3) == b"abc"
    huge = PaddedFile(MemoryStream(b""), 1 << 62)
    with pytest.raises(OSError, match="too many"):
        huge.read(1 << 40)


def test_deleted_files_of_ntfs_are_found_by_number(tmp_path: Path) -> None:
    """A record that is no longer in use, and that no directory has, keeps its content."""
    data = bytearray(make("ntfs", tmp_path))
    number = next(key[2] for key in live(second(bytes(data), "ntfs")) if key[0] == b"/big.bin")
    place = int.from_bytes(data[48:56], "little") * 4096 + number * 1024
    assert data[place : place + 4] == b"FILE"
    data[place + 22] &= ~1
    root = int.from_bytes(data[48:56], "little") * 4096 + 5 * 1024
    at = data.find("big.bin".encode("utf-16-le"), root, root + 1024)
    if at < 0:
        at = next(
            i
            for i in range(0, len(data), 4096)
            if data[i : i + 4] == b"INDX" and "big.bin".encode("utf-16-le") in data[i : i + 4096]
        )
        at = data.index("big.bin".encode("utf-16-le"), at)
    data[at - 82 : at - 76] = (9999).to_bytes(6, "little")  # the name leads nowhere now
    items = list(second(bytes(data), "ntfs").walk())
    orphans = [item for item in items if isinstance(item, Entry) and item.orphan and item.meta_address == number]
    assert [(item.address.stream, item.alloc_inode, item.size) for item in orphans] == [
        (b"", False, 60_000), (b"hidden", False, 6)
    ]  # fmt: skip
    assert any(isinstance(item, Problem) for item in items)


def test_encrypted_content_is_refused() -> None:
    tree = NtfsTree.__new__(NtfsTree)
    with pytest.raises(EncryptedVolumeError):
        tree.content(Node(40, EntryType.FILE, 10, caveats=(EFS,)), 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"", bytes(4096), b"\xff" * 70_000], ids=["nothing", "zeros", "ones"])
def test_garbage_is_refused(kind: str, data: bytes) -> None:
    with pytest.raises(EvidenceError):
        list(second(data, kind).walk())


def test_no_reader_of_that_name(tmp_path: Path) -> None:
    data = make("fat12", tmp_path)
    for name in ("libfsntfs", "nobody"):
        with pytest.raises(EvidenceError):
            open_file_system(MemoryStream(data), volume(data, "fat12"), "e", name)


# --- a pretended library --------------------------------------------------------------------------------------------
class PretendedEntry:
    """A directory with as many names as wanted; names 3 and up of ``bad`` fail."""

    def __init__(self, number: int, count: int = 0, bad: int | None = None, size: int = 0) -> None:
        self.number, self.name, self.size = number, f"n{number}", size
        self.number_of_sub_file_entries, self.bad = count, bad

    def get_sub_file_entry(self, index: int) -> "PretendedEntry":
        if self.bad is not None and index >= self.bad:
            raise OSError("pyfsx_call: unable to read. libfsx_inner: index out of bounds. libfsx_outer: unable to read")
        return PretendedEntry(1000 + index)

    def get_number_of_extents(self) -> int:
        return 0


class PretendedTree(LibyalTree):
    """Over pretended entries by number."""

    root = 2

    def __init__(self, entries: dict[int, Any]) -> None:
        handle = SimpleNamespace(open_file_object=lambda file: None)
        super().__init__(MemoryStream(bytes(1000)), lambda: handle, "pretended")
        self.entries = entries

    def find(self, number: int) -> Any:
        found = self.entries.get(number)
        if isinstance(found, Exception):
            raise found
        return found

    def number_of(self, entry: Any) -> int:
        return int(entry.number)

    def describe(self, entry: Any, number: int) -> Node:
        kind = EntryType.DIRECTORY if entry.number_of_sub_file_entries else EntryType.FILE
        return Node(number, kind, entry.size)

    def free(self) -> tuple[tuple[int, int], ...]:
        return ((0, 10), (10, 10), (20, 0))


def pretended(entries: dict[int, Any]) -> list[Entry | Problem]:
    return list(LibyalFileSystem(PretendedTree(entries), volume(bytes(1000), "ext4"), "e").walk())


def test_ten_million_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that claims them is listed up to a bound, and the rest is told."""
    assert libyal.MAX_NAMES <= 10_000_000
    monkeypatch.setattr(libyal, "MAX_NAMES", 5_000)
    items = pretended({2: PretendedEntry(2, 10_000_000)})
    problems = [item for item in items if isinstance(item, Problem)]
    assert len(items) == 5_001
    assert [problem.reason for problem in problems] == [Reason.LIMIT]
    assert "10000000" in problems[0].message and not problems[0].examined_anyway


def test_names_that_cannot_be_read() -> None:
    """Each is told up to a bound; a count that is a lie costs no more than that."""
    items = pretended({2: PretendedEntry(2, 1 << 31, bad=3)})
    assert sum(isinstance(item, Entry) for item in items) == 3
    problems = [item for item in items if isinstance(item, Problem)]
    assert len(problems) == libyal.MAX_FAILED + 1
    assert "index out of bounds" in problems[0].message


def test_a_directory_inside_itself() -> None:
    loop = PretendedEntry(2, 1)
    loop.get_sub_file_entry = lambda index: loop  # type: ignore[method-assign]
    items = pretended({2: loop})
    assert [item.reason for item in items if isinstance(item, Problem)] == [Reason.LOOP]
    assert len(items) < 5


def test_a_loop_of_ext_directories(tmp_path: Path) -> None:
    """A name that leads to a directory above it, made with the tool: listed once, told, under either library."""
    path = tmp_path / "x.img"
    path.write_bytes(make("ext4", tmp_path))
    ext_edit(path, "ln a a/b/loop", "ln / a/top")
    data = path.read_bytes()
    for reader in ("", "libfsext"):
        items = list(open_file_system(MemoryStream(data), volume(data, "ext4"), "e", reader).walk())
        told = [item for item in items if isinstance(item, Problem)]
        assert {item.reason for item in told} == {Reason.LOOP}, reader
        assert sum(isinstance(item, Entry) and item.address.name == b"second.bin" for item in items) == 1
        assert len(items) < 40


def test_a_tree_of_ntfs_index_blocks_that_leads_to_itself(tmp_path: Path) -> None:
    """Every pointer to a block of an index made to lead to the first block: bounded, by either library."""
    data = bytearray(
        ntfs_image(tmp_path / "x.img", {f"a file with a long name {n:03}.txt": b"x" for n in range(80)}).read_bytes()
    )
    blocks = [at for at in range(0, len(data), 4096) if data[at : at + 4] == b"INDX"]
    assert len(blocks) > 1
    for at in blocks:  # what was a leaf has a child now: itself
        node = at + 24
        data[node + 12] |= 1
        entry = node + int.from_bytes(data[node : node + 4], "little")
        data[entry + 12] |= 1
    for reader in ("", "libfsntfs"):
        try:
            items = list(open_file_system(MemoryStream(bytes(data)), volume(bytes(data), "ntfs"), "e", reader).walk())
        except EvidenceError:
            continue
        assert len(items) < 2000


@pytest.mark.parametrize("error", [OSError("x"), ValueError("x"), MemoryError(), OverflowError(), SystemError("x")])
def test_errors_of_a_library_are_ours(error: Exception) -> None:
    tree = PretendedTree({3: error})
    with pytest.raises(CorruptStructureError):
        tree.node(3)
    with pytest.raises(CorruptStructureError):
        tree.node(4)


def test_sizes_beyond_all_bounds() -> None:
    """What a case cannot store, and what the volume cannot hold: cut and told."""
    node = PretendedTree({3: PretendedEntry(3, size=1 << 64)}).node(3)
    assert node.size == (1 << 63) - 1 and node.caveats == (libyal.LARGER,)
    assert PretendedTree({3: PretendedEntry(3, size=1000)}).node(3).caveats == ()


def test_free_runs_are_joined() -> None:
    assert list(PretendedTree({}).free_runs()) == [(0, 20)]


def test_a_stream_that_is_not_there(tmp_path: Path) -> None:
    data = make("ntfs", tmp_path)
    system = second(data, "ntfs")
    entry = next(entry for entry in live(system).values() if entry.address.stream == b"hidden")
    with pytest.raises(ReadFailedError):
        system.open_entry(replace(entry, address=replace(entry.address, stream=b"other")))


def test_what_a_library_says_is_shown_safely() -> None:
    text = said(OSError("pyfs_x: unable. libfsx_inner: bad \x1b[31m name\u202e. libfsx_outer: unable to"))
    assert text.startswith("bad ") and text.isprintable()
    assert said(ValueError()) == "ValueError"
    assert len(said(OSError("x" * 10_000))) <= 300


def test_media_that_cannot_be_read(tmp_path: Path) -> None:
    """The reason is the medium, not the file system."""
    data = zeroed(make("ext4", tmp_path), 0, 0)

    class Failing(MemoryStream):
        def read_at(self, offset: int, length: int) -> bytes:
            if offset + length > 4096:
                raise ReadFailedError("bad sector")
            return super().read_at(offset, length)

    with pytest.raises(ReadFailedError, match="bad sector"):
        open_file_system(Failing(data), volume(data, "ext4"), "e", "libfsext")
