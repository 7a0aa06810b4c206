"""ZIP archives of a file system."""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
import zipfile
import zlib

import pytest

from tests.support.archives import Part, deflate, make_zip
from tests.support.logical import contents, file_system, read, walk
from triage.errors import EncryptedVolumeError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.containers import zipfs
from triage.model.entry import EntryType
from triage.model.problem import Reason


def opened(tmp_path, data):
    path = tmp_path / "phone.zip"
    path.write_bytes(data)
    assert zipfs.detect(data[:4096], (path,))
    return zipfs.open_container((path,), "ev")


def built(*members, **options):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", **options) as out:
        for info, data, method in members:
            out.writestr(info, data, method)
    return raw.getvalue()


def test_every_method_that_is_read(tmp_path):
    noise = random.Random(1).randbytes(3000) * 50
    data = built(*((f"d/{method}", noise, method) for method in (0, 8, 12, 14)))
    container = opened(tmp_path, data)
    entries, problems = walk(container)
    assert not problems and list(entries) == [b"/d", b"/d/0", b"/d/8", b"/d/12", b"/d/14"]
    assert entries[b"/d"].virtual
    assert contents(container) == {f"/d/{method}".encode(): noise for method in (0, 8, 12, 14)}
    assert container.read_problems() == ()
    stream = file_system(container).open_entry(entries[b"/d/8"])
    for offset in (100_000, 5, 149_990, 0):
        assert stream.read_at(offset, 50) == noise[offset : offset + 50]
    (run,) = file_system(container).byte_runs(entries[b"/d/0"])
    assert data[run.image_offset : run.image_offset + run.length] == noise
    assert file_system(container).byte_runs(entries[b"/d/8"]) == ()
    container.close()


def test_zstandard_and_xz_members(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    import lzma

    text = b"many words " * 5000
    parts = [
        Part(b"z", text, 93, zstandard.ZstdCompressor().compress(text)),
        Part(b"x", text, 95, lzma.compress(text)),
        Part(b"p", text, 98, b"?"),
    ]
    container = opened(tmp_path, make_zip(parts))
    entries, _ = walk(container)
    assert read(container, entries[b"/z"]) == read(container, entries[b"/x"]) == text
    with pytest.raises(UnsupportedFormatError, match="PPMd"):
        read(container, entries[b"/p"])


def test_times_links_owners_and_folders(tmp_path):
    if not shutil.which("zip"):
        pytest.skip("needs zip")
    tree = tmp_path / "t"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "f").write_bytes(b"x" * 10)
    (tree / "l").symlink_to("sub/f")
    import os

    os.utime(tree / "sub" / "f", (1_500_000_000, 1_600_000_000))
    subprocess.run(["zip", "-qry", str(tmp_path / "a.zip"), "."], cwd=tree, check=True)
    container = opened(tmp_path, (tmp_path / "a.zip").read_bytes())
    entries, problems = walk(container)
    assert not problems
    entry = entries[b"/sub/f"]
    assert entry.times.as_dict() == {"mtime": "2020-09-13T12:26:40Z", "atime": "2017-07-14T02:40:00Z"}
    assert entry.owner == str(os.getuid())
    assert entries[b"/sub"].entry_type is EntryType.DIRECTORY and not entries[b"/sub"].virtual
    assert entries[b"/l"].entry_type is EntryType.SYMLINK and read(container, entries[b"/l"]) == b"sub/f"


def test_ntfs_times(tmp_path):
    ticks = [(second * 10_000_000) + 116_444_736_000_000_000 for second in (1, 2, 3)]
    extra = struct.pack("<HHIHHQQQ", 0x000A, 32, 0, 1, 24, *ticks)
    container = opened(tmp_path, make_zip([Part(b"a", b"1", extra=extra, local_extra=extra)]))
    times = walk(container)[0][b"/a"].times
    assert (times.mtime, times.atime, times.crtime) == (10**9, 2 * 10**9, 3 * 10**9)


def test_names_that_lead_out_come_twice_or_have_backslashes(tmp_path):
    """A03."""
    parts = [
        Part(name, bytes([65 + at])) for at, name in enumerate([b"/abs", b"../up", b"a\0b", b"x", b"x", b"w\\in\\dow"])
    ]
    container = opened(tmp_path, make_zip(parts))
    items = [item for item in file_system(container).walk() if not item.virtual]
    assert [item.address.path for item in items] == [b"/abs", b"/../up", b"/a\0b", b"/x", b"/x", b"/w/in/dow"]
    assert [read(container, item) for item in items] == [b"A", b"B", b"C", b"D", b"E", b"F"]
    assert items[4].caveats and items[1].caveats


def test_members_that_only_their_own_header_tells_of(tmp_path):
    hidden = [Part(b"hidden", b"secret" * 90, listed=False), Part(b"flow", b"streamed" * 90, listed=False, flags=8)]
    data = make_zip([Part(b"a", b"1" * 99), *hidden, Part(b"b", b"2", flags=8)])
    container = opened(tmp_path, data)
    entries, problems = walk(container)
    assert contents(container) == {
        b"/a": b"1" * 99,
        b"/b": b"2",
        b"/hidden": b"secret" * 90,
        b"/flow": b"streamed" * 90,
    }
    assert entries[b"/hidden"].caveats == ("not in the directory of the archive",)
    assert [(p.reason, p.message) for p in problems] == [(Reason.MISMATCH, "2 members are not in the directory")]
    assert container.read_problems() == ()


@pytest.mark.parametrize("flags", [0, 8])
def test_archive_without_its_end(tmp_path, flags):
    parts = [Part(b"%d" % at, bytes([at]) * 2000, flags=flags) for at in range(5)]
    data = make_zip(parts, end=False)
    container = opened(tmp_path, data)
    assert contents(container) == {b"/%d" % at: bytes([at]) * 2000 for at in range(5)}
    assert walk(container)[1][0].reason is Reason.TRUNCATED
    container = opened(tmp_path, data[:-15])
    entries, _ = walk(container)
    assert read(container, entries[b"/3"]) == bytes([3]) * 2000


def test_data_in_front_of_the_archive_shifts_offsets(tmp_path):
    data = make_zip([Part(b"a", b"1"), Part(b"b", b"2")], prefix=b"PK\3\4" + bytes(500))
    container = opened(tmp_path, data)
    assert {b"/a": b"1", b"/b": b"2"}.items() <= contents(container).items()


def test_directory_and_header_that_differ(tmp_path):
    parts = [Part(b"nice.txt", b"x", local_name=b"evil.exe"), Part(b"m", b"y" * 50, 8, local_method=0)]
    container = opened(tmp_path, make_zip(parts))
    problems = walk(container)[1]
    assert ["name" in p.message or "method" in p.message for p in problems] == [True, True]
    assert all(p.reason is Reason.MISMATCH and p.examined_anyway for p in problems)


def test_wrong_checksum_is_told_and_the_bytes_are_given(tmp_path):
    container = opened(tmp_path, make_zip([Part(b"a", b"text" * 30, 8, crc=7), Part(b"b", b"text" * 30, 0, crc=7)]))
    assert set(contents(container).values()) == {b"text" * 30}
    told = container.read_problems()
    assert [(p.address, p.reason) for p in told] == [("ev p1:/a", Reason.CORRUPT), ("ev p1:/b", Reason.CORRUPT)]
    contents(container)
    assert container.read_problems() == ()  # each once


def test_sizes_that_lie(tmp_path):
    """A02: more than claimed is told, less fails with what there is."""
    long, short = b"l" * 5000, b"s" * 100
    parts = [Part(b"long", long, claimed_size=10), Part(b"short", short, claimed_size=90_000)]
    container = opened(tmp_path, make_zip(parts))
    entries, _ = walk(container)
    assert read(container, entries[b"/long"]) == long[:10]
    assert "more comes out" in container.read_problems()[0].message
    with pytest.raises(ReadFailedError) as failed:
        read(container, entries[b"/short"])
    assert failed.value.partial == short
    huge = Part(b"huge", b"x", claimed_size=0xFFFFFFFF, extra=struct.pack("<HHQ", 1, 8, (1 << 63) + 5))
    entry = walk(opened(tmp_path, make_zip([huge])))[0][b"/huge"]
    assert entry.size < 1 << 63


def test_larger_size_of_the_local_header_counts(tmp_path):
    data = bytearray(make_zip([Part(b"a", b"content" * 9)]))
    at = data.rfind(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<I", 3)
    container = opened(tmp_path, bytes(data))
    assert contents(container) == {b"/a": b"content" * 9}


def test_encrypted_members_are_named_one_by_one(tmp_path):
    """A04; the flag alone is no proof."""
    aes = struct.pack("<HHHBBBH", 0x9901, 7, 2, 0x41, 0x45, 3, 8)
    parts = [
        Part(b"crypt", b"s" * 100, 8, flags=1, packed=random.Random(2).randbytes(80)),
        Part(b"aes", b"s" * 100, 99, flags=1, packed=bytes(90), extra=aes, local_extra=aes, crc=0),
        Part(b"lie", b"open" * 30, 8, flags=1),
        Part(b"open", b"o"),
    ]
    container = opened(tmp_path, make_zip(parts))
    entries, _ = walk(container)
    assert entries[b"/crypt"].caveats == entries[b"/aes"].caveats == ("encrypted",)
    with pytest.raises(EncryptedVolumeError, match="ZipCrypto"):
        read(container, entries[b"/crypt"])
    with pytest.raises(EncryptedVolumeError, match="AES-256"):
        read(container, entries[b"/aes"])
    assert read(container, entries[b"/lie"]) == b"open" * 30 and read(container, entries[b"/open"]) == b"o"


def test_zip64(tmp_path):
    """Sizes, offset and end record of 64 bits, written by hand so that nothing large is needed."""
    content = b"wide" * 100
    packed = deflate(content)
    wide = struct.pack("<HHQQ", 1, 16, len(content), len(packed))
    none = 0xFFFFFFFF
    body = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 0, 8, 0, 0, zlib.crc32(content), none, none, 1, len(wide))
    body += b"w" + wide + packed
    wide = struct.pack("<HHQQQ", 1, 24, len(content), len(packed), 0)
    central = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 45, 45, 0, 8, 0, 0, zlib.crc32(content), none, none, 1,
                          len(wide), 0, 0, 0, 0, none) + b"w" + wide  # fmt: skip
    at = len(body) + len(central)
    end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(central), len(body))
    end += struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    end += struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, none, none, 0)
    container = opened(tmp_path, body + central + end)
    assert contents(container) == {b"/w": content}
    assert walk(container)[1] == []


def test_part_of_a_split_archive_is_refused_by_name(tmp_path):
    data = bytearray(make_zip([Part(b"a", b"1")]))
    data[-18:-16] = struct.pack("<H", 2)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    zipfs.open_container((path,), "ev").close()  # all is there: the number is wrong
    at = data.rfind(b"PK\1\2")
    data[at + 42 : at + 46] = struct.pack("<I", 99_999)
    path.write_bytes(data)
    with pytest.raises(UnsupportedFormatError, match="split over 3 files"):
        zipfs.open_container((path,), "ev")


def test_damage_in_the_middle_of_a_member_is_decoded_once(tmp_path):
    noise = random.Random(4).randbytes(3 << 20)
    packed = bytearray(deflate(noise, 1))
    packed[len(packed) // 2 : len(packed) // 2 + 8] = b"\xff" * 8
    container = opened(tmp_path, make_zip([Part(b"a", noise, packed=bytes(packed[: len(packed) * 3 // 4]))]))
    stream = file_system(container).open_entry(walk(container)[0][b"/a"])
    good = 0
    for offset in range(0, len(noise), 65536):
        try:
            good += stream.read_at(offset, 65536) == noise[offset : offset + 65536]
        except ReadFailedError as error:
            assert len(error.partial) < 65536
    assert good >= 20


def test_bomb_gives_only_what_is_asked_for(tmp_path):
    """A01."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    part = Part(b"bomb", b"", packed=packed, claimed_size=64 << 20, crc=0)
    container = opened(tmp_path, make_zip([part]))
    stream = file_system(container).open_entry(walk(container)[0][b"/bomb"])
    assert stream.read_at(10, 100) == bytes(100)


def test_mutations_raise_only_our_errors(tmp_path):
    sample = make_zip(
        [Part(b"d/%d" % at, b"text %d" % at * 80, at % 2 * 8, flags=at // 4 * 8) for at in range(8)]
        + [Part(b"hidden", b"h" * 90, listed=False)],
        comment=b"a comment",
    )
    path = tmp_path / "m.zip"
    for seed in range(300):
        rng = random.Random(seed)
        data = bytearray(sample)
        for _ in range(rng.choice([1, 3, 20])):
            at = rng.randrange(len(data))
            data[at : at + 4] = rng.choice([rng.randbytes(4), b"\xff" * 4, bytes(4), b"PK\3\4", b"PK\5\6"])
        path.write_bytes(data[: rng.randrange(1, len(data))] if rng.random() < 0.2 else data)
        try:
            container = zipfs.open_container((path,), "ev")
        except EvidenceError:
            continue
        entries = walk(container)[0]
        assert len(entries) < 100
        for entry in entries.values():
            assert 0 <= entry.size < 1 << 63
            try:
                file_system(container).read_whole(entry, 100_000)
            except EvidenceError:
                pass
        container.close()
