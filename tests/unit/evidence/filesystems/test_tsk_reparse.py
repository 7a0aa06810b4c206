"""Files of NTFS with reparse points, from the image to content and problems."""

import struct

import pytest

from tests.support.ntfs_corners import PACKED, PLAIN, content, image, words
from tests.support.packed_images import opened, walked
from triage.errors import EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems import tsk, tsk_reparse
from triage.evidence.filesystems.ntfs_reparse import Kind, parse_reparse
from triage.evidence.filesystems.tsk import TskFileSystem
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem


def walked_image(data: bytes) -> tuple[TskFileSystem, dict[bytes, Entry], list[Problem]]:
    file_system = opened(tsk, data)
    assert isinstance(file_system, TskFileSystem)
    return file_system, *walked(file_system)


@pytest.fixture(scope="module")
def whole() -> tuple[TskFileSystem, dict[bytes, Entry], list[Problem]]:
    return walked_image(image())


def test_compressed_files_give_their_content(whole: tuple[TskFileSystem, dict[bytes, Entry], list[Problem]]) -> None:
    """Logical size and real bytes, whole and in parts; the compressed stream is told and not examined again."""
    file_system, entries, _ = whole
    for name in PACKED:
        entry, stream = entries[f"/{name}".encode()], entries[f"/{name}:WofCompressedData".encode()]
        plain = content(name)
        assert (entry.entry_type, entry.size) == (EntryType.FILE, len(plain))
        assert file_system.read_whole(entry, 1 << 20) == plain
        assert file_system.read_whole(entry, 100) == plain[:100]
        assert file_system.open_entry(entry).read_at(len(plain) - 50, 99) == plain[-50:]
        assert entry.caveats[0].startswith("compressed by the Windows Overlay Filter")
        assert stream.entry_type is EntryType.OTHER
        assert stream.caveats[-1] == tsk_reparse.PACKED
        # Offsets of the content are no offsets of the image; those of the compressed bytes are.
        assert file_system.byte_runs(entry) == ()
        runs = file_system.byte_runs(stream)
        assert entry.image_offset == stream.image_offset == (runs[0].image_offset if runs else -1)
        stored = b"".join(image()[run.image_offset : run.image_offset + run.length] for run in runs)
        assert stored == (file_system.read_whole(stream, 1 << 20) if runs else b"")
        assert bool(runs) is (stream.size > 700), "small ones lie in the record"


def test_files_compressed_or_not_by_ntfs_itself(whole: tuple[TskFileSystem, dict[bytes, Entry], list[Problem]]) -> None:
    """LZNT1 with holes, a cloud file whose content is here, plain bytes."""
    file_system, entries, _ = whole
    for name in PLAIN:
        assert file_system.read_whole(entries[f"/{name}".encode()], 1 << 20) == content(name)


def test_bytes_that_the_filter_hides_are_slack(whole: tuple[TskFileSystem, dict[bytes, Entry], list[Problem]]) -> None:
    """Unnamed data that stay behind a compressed stream are no content, and are searched all the same."""
    file_system, entries, _ = whole
    entry = entries[b"/wofresidue"]
    assert file_system.read_whole(entry, 9999) == words(2000, "residue")
    slack = b"".join(image()[run.image_offset :][: run.length] for run in file_system.slack_runs(entry))
    assert words(2000, "residue") in slack
    packed = entries[b"/lzx.bin:WofCompressedData"]
    runs = file_system.slack_runs(entries[b"/lzx.bin"])
    assert [run.length for run in runs] == [-packed.size % 4096]
    assert [run.file_offset for run in file_system.slack_runs(entry)] == [0]
    extents = file_system.extents(entries[b"/lzx.bin"])
    assert extents.content == tuple((run.fs_offset, run.length) for run in file_system.byte_runs(packed))
    assert extents.slack == tuple((run.fs_offset, run.length) for run in runs)


@pytest.mark.parametrize(
    ("name", "words_of_it"),
    [("wim.dll", "WIM image"), ("dedup.vhd", "chunk store"), ("nostream.exe", "stream is missing"),
     ("newalg.exe", "algorithm 9"), ("odd.bin", "0x80001234")],
)  # fmt: skip
def test_r2_content_that_is_elsewhere_is_refused_with_the_reason(
    whole: tuple[TskFileSystem, dict[bytes, Entry], list[Problem]], name: str, words_of_it: str
) -> None:
    """Never zeros that look like a clean file."""
    file_system, entries, _ = whole
    entry = entries[f"/{name}".encode()]
    assert entry.entry_type is EntryType.FILE
    assert any(words_of_it in caveat for caveat in entry.caveats)
    with pytest.raises(UnsupportedFormatError, match=words_of_it):
        file_system.read_whole(entry, 100)


def test_cloud_placeholders_are_told_once(whole: tuple[TskFileSystem, dict[bytes, Entry], list[Problem]]) -> None:
    """What is not in the evidence does not make a run incomplete; what is there in part does."""
    file_system, entries, problems = whole
    assert entries[b"/cloud.docx"].entry_type is EntryType.OTHER
    assert tsk_reparse.ABSENT in entries[b"/cloud.docx"].caveats[0]
    absent, partly = problems
    assert absent.examined_anyway
    assert "1 (123456 bytes)" in absent.message
    assert "cloud.docx" in absent.hint
    assert not partly.examined_anyway
    assert "partly.docx" in partly.hint
    assert file_system.read_whole(entries[b"/partly.docx"], 1 << 20) == (bytes(8192) + words(4096, "part")).ljust(
        50_000, b"\0"
    )
    assert entries[b"/hydrated.txt"].entry_type is EntryType.FILE
    assert walked(file_system)[1] == problems


def test_links_say_where_they_lead(whole: tuple[TskFileSystem, dict[bytes, Entry], list[Problem]]) -> None:
    """Never followed; one with bytes of its own is a file."""
    file_system, entries, _ = whole
    shown = {name: entries[name].caveats for name in (b"/link", b"/junction", b"/lxlink")}
    assert shown == {
        b"/link": ("link to C:/Users/All\\xe2\\x80\\xaeUsers",),
        b"/junction": ("link to /??/D:/hidden",),
        b"/lxlink": ("link to /etc/passwd",),
    }
    assert {entries[name].entry_type for name in shown} == {EntryType.SYMLINK}
    assert entries[b"/linkdata"].entry_type is EntryType.FILE
    assert file_system.read_whole(entries[b"/linkdata"], 99) == b"data behind a link"
    assert file_system.read_whole(entries[b"/onedrive/in.txt"], 99) == b"inside"
    assert entries[b"/alias.exe"].caveats == ("alias of a packaged program",)


def test_a_damaged_compressed_file_is_told() -> None:
    """Its chunk table points nowhere: an error that names the chunk, and the rest of the volume is read."""
    data = bytearray(image())
    _, entries, _ = walked_image(bytes(data))
    place = entries[b"/lzx.bin"].image_offset
    data[place : place + 4] = b"\xff\xff\xff\xff"
    file_system, entries, _ = walked_image(bytes(data))
    with pytest.raises(ReadFailedError, match="chunk 0"):
        file_system.read_whole(entries[b"/lzx.bin"], 1 << 20)
    assert file_system.read_whole(entries[b"/lzx32k"], 1 << 20) == content("lzx32k")


@pytest.mark.parametrize("seed", range(30))
def test_f09_changed_records_and_streams(seed: int) -> None:
    """Bytes changed in MFT and compressed streams: typed errors, bounded reads, other files as they were."""
    import random

    rng = random.Random(seed)
    data = bytearray(image())
    for _ in range(rng.choice((1, 5, 30))):
        place = rng.choice((0x4000 + 64 * 1024 + rng.randrange(24 * 1024), 0x200000 + rng.randrange(0xD000)))
        data[place] = rng.randrange(256)
    try:
        file_system, entries, _ = walked_image(bytes(data))
    except EvidenceError:
        return
    for entry in entries.values():
        try:
            assert len(file_system.read_whole(entry, 1 << 20)) <= 1 << 20
            file_system.byte_runs(entry)
            file_system.slack_runs(entry)
        except EvidenceError:
            pass


# --- the reparse data ---------------------------------------------------------------------------------------------------
def reparse(tag: int, data: bytes = b"") -> bytes:
    return struct.pack("<IHH", tag, len(data), 0) + data


@pytest.mark.parametrize(
    ("tag", "kind"),
    [(0xA000000C, Kind.LINK), (0xA0000003, Kind.LINK), (0xA000001D, Kind.LINK), (0x80000017, Kind.OVERLAY),
     (0x9000001A, Kind.CLOUD), (0x9000F01A, Kind.CLOUD), (0x80000021, Kind.CLOUD), (0x80000013, Kind.ELSEWHERE),
     (0x9001001A, Kind.ELSEWHERE), (0, Kind.ELSEWHERE), (0x8000001B, Kind.OTHER)],
)  # fmt: skip
def test_what_a_tag_means(tag: int, kind: Kind) -> None:
    """Every tag means something; unknown ones that the content may be elsewhere. Any length of data will do."""
    for data in (b"", bytes(4), bytes(16), b"\xff" * 40, bytes(20_000)):
        found = parse_reparse(reparse(tag, data))
        assert found is not None
        assert (found.tag, found.kind) == (tag, kind)
        assert found.text or kind is Kind.LINK
    assert parse_reparse(reparse(tag)[:3]) is None


def test_n02_targets_are_escaped_and_bounded() -> None:
    """A target is a name like any other."""
    target = ("\x1b[31m" + "x" * 20_000).encode("utf-16-le")
    names = struct.pack("<HHHHI", 0, 0, 0, 60_000, 0) + target
    found = parse_reparse(reparse(0xA000000C, names))
    assert found is not None
    assert found.text.startswith("link to \\x1b[31mxxx")
    assert len(found.text) < 600
