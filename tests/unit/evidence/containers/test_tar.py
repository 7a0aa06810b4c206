"""tar archives of a file system, plain and compressed as a whole."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import subprocess
import tarfile

import pytest

from tests.support.logical import contents, file_system, read, walk
from triage.errors import EvidenceError, ReadFailedError
from triage.evidence.containers import tar
from triage.model.entry import EntryType
from triage.model.problem import Reason


def member(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def archive(*members, style=tarfile.GNU_FORMAT):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=style) as out:
        for info, data in members:
            out.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def opened(tmp_path, data, name="phone.tar"):
    path = tmp_path / name
    path.write_bytes(data)
    assert tar.detect(data[:4096], (path,))
    return tar.open_container((path,), "ev")


SAMPLE = [
    member("data/", type=tarfile.DIRTYPE, mtime=5),
    member("data/a.txt", b"alpha" * 300, mtime=1_600_000_000, uid=1000, uname="ann"),
    member("data/" + "n" * 90 + "/" + "m" * 120, b"long"),
    member("data/link", type=tarfile.SYMTYPE, linkname="a.txt"),
    member("data/hard", type=tarfile.LNKTYPE, linkname="data/a.txt"),
    member("data/pipe", type=tarfile.FIFOTYPE),
    member("data/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("data/empty"),
]


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress, lambda d: lzma.compress(d, lzma.FORMAT_ALONE)]
)
def test_every_kind_of_member_in_every_packing(tmp_path, style, pack):
    with opened_as(tmp_path, pack(archive(*SAMPLE, style=style))) as container:
        entries, problems = walk(container)
        assert not problems
        assert list(entries)[:2] == [b"/data", b"/data/a.txt"]
        entry = entries[b"/data/a.txt"]
        assert (entry.size, entry.times.as_dict(), entry.owner) == (
            1500,
            {"mtime": "2020-09-13T12:26:40Z"},
            "1000 (ann)",
        )
        assert entries[b"/data/link"].entry_type is EntryType.SYMLINK
        assert entries[b"/data/pipe"].entry_type is entries[b"/data/null"].entry_type is EntryType.OTHER
        assert entries[b"/data/null"].caveats == ("character device 1,3",)
        assert entries[b"/data/hard"].meta_address == entry.meta_address
        assert entries[b"/data/" + b"n" * 90].virtual and not entries[b"/data"].virtual
        assert contents(container) == {
            b"/data/a.txt": b"alpha" * 300,
            b"/data/" + b"n" * 90 + b"/" + b"m" * 120: b"long",
            b"/data/link": b"a.txt",
            b"/data/hard": b"alpha" * 300,
            b"/data/empty": b"",
        }


class opened_as:  # noqa: N801
    def __init__(self, tmp_path, data):
        self.container = opened(tmp_path, data)

    def __enter__(self):
        return self.container

    def __exit__(self, *_):
        self.container.close()
        self.container.close()


def test_plain_members_tell_where_their_bytes_lie(tmp_path):
    data = archive(*SAMPLE)
    with opened_as(tmp_path, data) as container:
        entries, _ = walk(container)
        (run,) = file_system(container).byte_runs(entries[b"/data/a.txt"])
        assert data[run.image_offset : run.image_offset + run.length] == b"alpha" * 300
        assert container.media.read_at(0, len(data) + 5) == data


def test_names_that_lead_out_and_names_that_come_twice(tmp_path):
    """A03: nothing is dropped, nothing is merged."""
    data = archive(
        member("/etc/passwd", b"1"),
        member("../../x", b"2"),
        member("a", b"3"),
        member("./a", b"4"),
        member("a//b/", b"5"),
    )
    with opened_as(tmp_path, data) as container:
        items = [item for item in file_system(container).walk() if not item.virtual]
        assert [item.address.path for item in items] == [b"/etc/passwd", b"/../../x", b"/a", b"/a", b"/a/b"]
        assert [read(container, item) for item in items[:4]] == [b"1", b"2", b"3", b"4"]
        assert items[1].caveats == ("its stored name leads out of the archive",)
        assert items[3].caveats == ("another member in front of it has the same name",)


@pytest.mark.parametrize("style", ["--format=gnu", "--format=oldgnu", "--format=posix", "--format=posix --sparse-version=0.0",
                                   "--format=posix --sparse-version=0.1"])  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_sparse_members_have_their_holes(tmp_path, style, packed):
    if not shutil.which("tar"):
        pytest.skip("needs GNU tar")
    source = tmp_path / "hole"
    with source.open("wb") as out:
        for at in range(12):
            out.seek(at * 300_000 + 1000 * at)
            out.write(bytes([at + 1]) * 5000)
        out.truncate(4_500_000)
    want = source.read_bytes()
    subprocess.run(
        ["tar", *style.split(), "-S", "-C", str(tmp_path), "-cf", str(tmp_path / "s.tar"), "hole"], check=True
    )
    data = (tmp_path / "s.tar").read_bytes()
    assert len(data) < 1_000_000
    with opened_as(tmp_path, gzip.compress(data) if packed else data) as container:
        entries, problems = walk(container)
        assert not problems
        assert read(container, entries[b"/hole"]) == want
        stream = file_system(container).open_entry(entries[b"/hole"])
        assert stream.read_at(300_990, 60) == want[300_990:301_050]


def test_extended_attributes_of_users_are_streams(tmp_path):
    info, data = member("f", b"x")
    info.pax_headers = {"SCHILY.xattr.user.note": "hello", "SCHILY.xattr.security.selinux": "no"}
    with opened_as(tmp_path, archive((info, data), style=tarfile.PAX_FORMAT)) as container:
        entries, _ = walk(container)
        assert set(entries) == {b"/f", b"/f:user.note"}
        assert read(container, entries[b"/f:user.note"]) == b"hello"


def test_truncated_archive_gives_what_came_before(tmp_path):
    """A05."""
    data = archive(member("a", b"first"), member("b", b"B" * 5000))
    with opened_as(tmp_path, data[: 512 + 512 + 512 + 1000]) as container:
        entries, problems = walk(container)
        assert [(p.reason, p.bytes_not_examined) for p in problems] == [(Reason.TRUNCATED, 4000)]
        assert read(container, entries[b"/a"]) == b"first"
        with pytest.raises(ReadFailedError) as failed:
            read(container, entries[b"/b"])
        assert failed.value.partial == b"B" * 1000


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_truncated_packing_gives_what_came_before(tmp_path, pack):
    noise = random.Random(1).randbytes(900_000)
    data = pack(archive(member("a", noise), member("b", noise[::-1])))
    with opened_as(tmp_path, data[: int(len(data) * 0.8)]) as container:
        entries, problems = walk(container)
        assert [p.reason for p in problems] == [Reason.TRUNCATED]
        assert b"break off" in problems[0].message.encode()
        if pack is not bz2.compress:
            assert read(container, entries[b"/a"]) == noise


def test_damaged_header_costs_only_its_member(tmp_path):
    data = bytearray(archive(member("a", b"1"), member("b", b"2"), member("c", b"3")))
    data[1024 + 150] ^= 0xFF
    with opened_as(tmp_path, bytes(data)) as container:
        entries, problems = walk(container)
        assert set(entries) == {b"/a", b"/c"}
        assert [(p.reason, p.bytes_not_examined) for p in problems] == [(Reason.CORRUPT, 1024)]
    data[150] ^= 0xFF  # the very first: still known by its mark
    with opened_as(tmp_path, bytes(data)) as container:
        assert set(walk(container)[0]) == {b"/c"}


def test_old_folders_that_state_a_size_and_store_none(tmp_path):
    data = bytearray(archive(member("d/", type=tarfile.DIRTYPE), member("f", b"x")))
    data[124:136] = b"00000000777\0"
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    with opened_as(tmp_path, bytes(data)) as container:
        assert set(walk(container)[0]) == {b"/d", b"/f"}


def test_archives_one_behind_the_other(tmp_path):
    data = archive(member("a", b"1")) + archive(member("b", b"2"))
    with opened_as(tmp_path, data) as container:
        assert contents(container) == {b"/a": b"1", b"/b": b"2"}


def test_hard_link_to_nothing_is_told(tmp_path):
    with opened_as(tmp_path, archive(member("h", type=tarfile.LNKTYPE, linkname="gone"))) as container:
        entries, problems = walk(container)
        assert entries[b"/h"].caveats and problems[0].reason is Reason.MISMATCH


def test_negative_size_and_endless_extensions_end(tmp_path):
    """A05."""
    first = archive(member("a", b"1"))[:1024]
    header = bytearray(archive(member("b"))[:512])
    header[124:136] = b"\xff" * 12
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:512]))
    with opened_as(tmp_path, first + bytes(header) + archive(member("c", b"3"))) as container:
        entries, problems = walk(container)
        assert set(entries) == {b"/a", b"/c"} and problems[0].reason is Reason.CORRUPT
    long = bytearray(archive(member("x" * 200, b""))[:1024])
    with opened_as(tmp_path, first + bytes(long) * 200 + archive(member("c", b"3"))) as container:
        entries, _ = walk(container)
        assert set(entries) == {b"/a", b"/" + b"x" * 200}  # the last long name is that of the member behind it


def test_what_is_no_tar_is_not_claimed(tmp_path):
    for data in (
        b"x" * 5000,
        bytes(5000),
        gzip.compress(b"no tar" * 100),
        b"\x1f\x8b" + bytes(100),
        b"BZh9" + bytes(99),
    ):
        path = tmp_path / "x"
        path.write_bytes(data)
        assert not tar.detect(data[:4096], (path,))
        with pytest.raises(EvidenceError):
            tar.open_container((path,), "ev")


def test_number_that_leads_nowhere_is_refused(tmp_path):
    with opened_as(tmp_path, archive(member("a", b"1"))) as container:
        entry = walk(container)[0][b"/a"]
        for number in (1, 3, 9, 1 << 60):
            with pytest.raises(EvidenceError):
                read(container, type(entry)(entry.address, entry.entry_type, 1, number))


def test_zstandard(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(archive(*SAMPLE))
    with opened_as(tmp_path, packed) as container:
        assert contents(container)[b"/data/a.txt"] == b"alpha" * 300
    noise = random.Random(1).randbytes(900_000)
    packed = zstandard.ZstdCompressor().compress(archive(member("a", noise), member("b", noise[::-1])))
    with opened_as(tmp_path, packed[: int(len(packed) * 0.8)]) as container:
        entries, problems = walk(container)
        assert [problem.reason for problem in problems] == [Reason.TRUNCATED]
        assert read(container, entries[b"/a"]) == noise
        with pytest.raises(ReadFailedError):
            read(container, entries[b"/b"])


@pytest.mark.parametrize("seed", range(150))
def test_mutated_archives_raise_only_our_errors(tmp_path, seed):
    """F09 for archives: typed errors or an answer, nothing else."""
    rng = random.Random(seed)
    data = bytearray(archive(*SAMPLE, style=rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])))
    for _ in range(rng.choice([1, 4, 30])):
        at = rng.randrange(len(data))
        data[at : at + 4] = rng.choice([rng.randbytes(4), b"\xff" * 4, bytes(4), b"7777"])
    raw = bytes(data)[: rng.randrange(512, len(data))] if rng.random() < 0.2 else bytes(data)
    path = tmp_path / "m.tar"
    path.write_bytes(raw)
    try:
        container = tar.open_container((path,), "ev")
    except EvidenceError:
        return
    for entry in walk(container)[0].values():
        assert 0 <= entry.size < 1 << 63 and entry.meta_address < 1 << 63
        try:
            file_system(container).read_whole(entry, 100_000)
        except EvidenceError:
            pass
    container.close()


def test_file_that_changes_is_told(tmp_path):
    with opened_as(tmp_path, archive(*SAMPLE)) as container:
        assert container.changed() == ()
        os.utime(container.paths[0], (1, 1))
        assert container.changed() == container.paths


def adding_up_to_nothing():
    """A superblock of XFS with a checksum field without digits, whose bytes add up to 0 as signed numbers."""
    block = bytearray(512)
    block[:8] = b"XFSB\x00\x00\x10\x00"
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    at = 160
    while total:
        step = min(128, total)
        block[at], total, at = 256 - step, total - step, at + 1
    return bytes(block)


def test_a_file_system_is_not_taken_for_a_tar_archive(tmp_path):
    """An empty checksum proves nothing, nor does the mark in a boot sector."""
    boot = bytearray(512)
    boot[0], boot[257:262], boot[510:512] = 0xEB, b"ustar", b"\x55\xaa"
    for head in (adding_up_to_nothing(), bytes(boot)):
        assert not tar.detect(head.ljust(4096, b"\0"), (tmp_path / "a.img",))
