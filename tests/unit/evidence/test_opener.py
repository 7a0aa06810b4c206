"""The whole stack: fail closed, name what is wrong, hand out file systems."""

import hashlib
import os
import random
from pathlib import Path

import pytest

from tests.support.disk_image import boot_record, ext_like, gpt_disk, gpt_entry, mbr_entry, put
from tests.support.ewf_writer import EwfWriter, table_data, volume_data
from tests.support.fat_image import fat_image
from triage.errors import (
    CorruptStructureError,
    EncryptedVolumeError,
    EvidenceError,
    SourceNotFoundError,
    UnsupportedFormatError,
)
from triage.evidence import VerifyResult, group_sources, open_evidence
from triage.model.address import Address
from triage.model.entry import Entry
from triage.model.problem import Reason

FAT = fat_image({"cake.txt": b"apple cake", "house/chat.txt": b"hello"})


def disk():
    """A FAT volume and a locked one behind an MBR."""
    locked = bytearray(40 * 512)
    locked[:8] = b"LUKS\xba\xbe\x00\x01"
    raw = bytearray(8 * 512 + len(FAT) + len(locked) + 512)
    put(raw, 0, boot_record(mbr_entry(0x06, 8, len(FAT) // 512), mbr_entry(0x83, 8 + len(FAT) // 512, 40)))
    put(raw, 8 * 512, FAT)
    put(raw, 8 * 512 + len(FAT), locked)
    return bytes(raw)


def test_raw_disk(tmp_path):
    """Source, volumes and problems of an ordinary image."""
    path = tmp_path / "disk.dd"
    path.write_bytes(disk())
    with open_evidence([path]) as evidence:
        source = evidence.source
        assert (source.name, source.container, source.size) == ("disk.dd", "raw", len(disk()))
        assert source.paths == (path,)
        assert source.stored_hashes == {}
        assert [v.name for v in evidence.volumes][:2] == ["p1", "p2"]
        assert evidence.volumes[0].file_system == "fat12"
        assert [p.reason for p in evidence.problems] == [Reason.ENCRYPTED, Reason.CORRUPT]
        assert evidence.read_problems() == ()
        assert evidence.check_unchanged() == ()
        assert evidence.media.read_at(8 * 512, 100) == FAT[:100]


def test_file_systems_are_handed_out_and_closed(tmp_path):
    """A readable volume gives its entries; the others say why not."""
    path = tmp_path / "disk.dd"
    path.write_bytes(disk())
    with open_evidence([path], name="laptop") as evidence:
        walked = evidence.file_system("p1").walk()
        assert b"/house/chat.txt" in {entry.address.path for entry in walked if isinstance(entry, Entry)}
        with pytest.raises(EncryptedVolumeError, match="LUKS1") as caught:
            evidence.file_system("p2")
        assert caught.value.address == "laptop p2:/"
        for volume in ("p0", "p3", "", "x"):
            with pytest.raises(UnsupportedFormatError, match="no such volume"):
                evidence.file_system(volume)
    evidence.close()


def test_ewf_disk_is_not_taken_for_raw(tmp_path):
    """An E01 opens as one, with what it says of itself, from any of its segments."""
    media = disk()[: len(disk()) // 512 * 512]
    paths = EwfWriter(media, sectors_per_chunk=64, chunks_per_segment=20).write(tmp_path, "laptop")
    assert len(paths) > 1
    (source,) = group_sources([paths[1]])
    with open_evidence(source) as evidence:
        assert (evidence.source.name, evidence.source.container) == ("laptop.E01", "ewf")
        assert evidence.source.size == len(media)
        assert evidence.source.details["examiner"] == "Ann"
        assert evidence.volumes[0].file_system == "fat12"
        assert evidence.source.paths == tuple(paths)


def test_ewf_without_anything_known_inside(tmp_path):
    """The container is certain, so it opens; that nothing is known in it is a Problem for all bytes."""
    media = b"some text " * 1024
    with open_evidence(EwfWriter(media).write(tmp_path)) as evidence:
        (volume,) = evidence.volumes
        assert (volume.name, volume.system, volume.file_system) == ("p1", "bare", "")
        assert [p.bytes_not_examined for p in evidence.problems] == [len(media)]
        with pytest.raises(UnsupportedFormatError, match="no recognised file system"):
            evidence.file_system("p1")


@pytest.mark.parametrize("content", [b"x", b"hello world " * 500, bytes(100_000), random.Random(1).randbytes(70_000)])
def test_c02_what_nothing_recognises_is_refused(tmp_path, content):
    """One byte, text, zeros, noise: never a raw image, unless told so."""
    path = tmp_path / "image.dd"
    path.write_bytes(content)
    with pytest.raises(UnsupportedFormatError, match=r"image\.dd") as caught:
        open_evidence([path])
    assert "--as-raw" in (caught.value.hint or "")
    with open_evidence([path], as_raw=True) as evidence:
        (volume,) = evidence.volumes
        assert (volume.name, volume.length, volume.file_system) == ("p1", len(content), "")
        assert [(p.reason, p.bytes_not_examined) for p in evidence.problems] == [(Reason.UNSUPPORTED, len(content))]


def test_c01_one_byte_says_so(tmp_path):
    """The size stands in the message."""
    path = tmp_path / "a.dd"
    path.write_bytes(b"x")
    with pytest.raises(UnsupportedFormatError, match="only 1 bytes"):
        open_evidence([path])


@pytest.mark.parametrize("as_raw", [False, True])
def test_c01_paths_that_are_no_image(tmp_path, as_raw):
    """Missing, empty, FIFO, device: which and why, without waiting, also when forced."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty.dd").touch()
    for path, error in [
        (tmp_path / "gone.dd", SourceNotFoundError),
        (tmp_path / "fifo", SourceNotFoundError),
        (Path("/dev/zero"), SourceNotFoundError),
        (tmp_path / "empty.dd", UnsupportedFormatError),
    ]:
        with pytest.raises(error, match=path.name):
            open_evidence([path], as_raw=as_raw)
    with pytest.raises(UnsupportedFormatError):
        open_evidence([])


def test_c01_hostile_file_names_are_shown_escaped(tmp_path):
    """The name of the image itself may be evidence."""
    path = tmp_path / "a\x1b[31m\u202e.dd"
    path.write_bytes(b"x")
    with pytest.raises(UnsupportedFormatError) as caught:
        open_evidence([path])
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)
    path.write_bytes(disk())
    with open_evidence([path]) as evidence:
        assert Address.parse(evidence.problems[0].address) == Address(path.name, "p2", b"/")


def test_c02_name_of_an_e01_without_its_bytes(tmp_path):
    """A damaged E01 is not read as raw; a raw disk under that name is, and told."""
    path = tmp_path / "laptop.E01"
    path.write_bytes(bytes(4096))
    with pytest.raises(UnsupportedFormatError, match="does not begin like one"):
        open_evidence([path])
    path.write_bytes(disk())
    with open_evidence([path]) as evidence:
        assert evidence.source.container == "raw"
        assert any(p.reason is Reason.MISMATCH and "name of an E01" in p.message for p in evidence.problems)


def test_c02_damaged_e01_is_refused_or_forced(tmp_path):
    """An E01 that cannot be opened is corrupt, never raw by itself; forced, its bytes are examined."""
    writer = EwfWriter(
        b"x" * 4096,
        volume=lambda raw: volume_data(0, 0, 0, 0),
        table=lambda kind, first, raw: table_data([]),
    )
    paths = writer.write(tmp_path)
    with pytest.raises(CorruptStructureError):
        open_evidence(paths)
    with open_evidence(paths, as_raw=True) as evidence:
        assert evidence.source.container == "raw"
        assert evidence.problems
    sound = EwfWriter(disk()[: len(disk()) // 512 * 512], sectors_per_chunk=64).write(tmp_path, "sound")
    with open_evidence(sound, as_raw=True) as evidence:
        assert evidence.source.container == "ewf"


def test_c03_split_set_with_a_gap(tmp_path):
    """The gap is a Problem with its bytes, the volumes around it are found."""
    raw = disk()
    size = 400_000
    for number, at in enumerate(range(0, len(raw), size), 1):
        (tmp_path / f"d.{number:03d}").write_bytes(raw[at : at + size])
    (tmp_path / "d.003").unlink()
    (source,) = group_sources([tmp_path / "d.001"])
    with open_evidence(source) as evidence:
        assert evidence.source.container == "split"
        assert evidence.source.size == len(raw)
        assert evidence.volumes[0].file_system == "fat12"
        missing = [p for p in evidence.problems if p.reason is Reason.TRUNCATED]
        assert [(p.address, p.bytes_not_examined) for p in missing] == [(f"d.001 p0:$gap@{2 * size}+{size}", size)]


def test_c03_later_segment_alone(tmp_path):
    """The hint says that it is a later segment."""
    (tmp_path / "d.003").write_bytes(b"data " * 200)
    with pytest.raises(UnsupportedFormatError) as caught:
        open_evidence(group_sources([tmp_path / "d.003"])[0])
    assert "first one is missing" in (caught.value.hint or "")


def test_c05_verify(tmp_path):
    """All digests in one pass; what the image states is compared."""
    media = disk()[: len(disk()) // 512 * 512]
    seen = []
    with open_evidence(EwfWriter(media, sectors_per_chunk=64).write(tmp_path)) as evidence:
        result = evidence.verify(lambda done, total: seen.append((done, total)))
    assert result.size == len(media)
    for name in ("md5", "sha1", "sha256"):
        assert result.computed[name] == hashlib.new(name, media).hexdigest()
    assert result.stored == {"md5": result.computed["md5"]}
    assert result.matches
    assert result.mismatched == ()
    assert seen[-1] == (len(media), len(media))


def test_c05_stored_digest_differs(tmp_path):
    """Another stored digest, or a damaged chunk, does not match; the damage is among the problems."""
    media = disk()[: len(disk()) // 512 * 512]
    with open_evidence(EwfWriter(media, store_md5=bytes(range(16))).write(tmp_path)) as evidence:
        assert evidence.verify().mismatched == ("md5",)
    damaged = EwfWriter(
        media, sectors_per_chunk=64, chunk=lambda number, raw: raw[:-1] + b"\x00" if number == 0 else raw
    )
    with open_evidence(damaged.write(tmp_path, "b")) as evidence:
        result = evidence.verify()
        assert not result.matches
        assert [p.reason for p in result.problems if p.stage == "evidence/ewf"] == [Reason.CORRUPT]


def test_verify_without_a_stored_digest(tmp_path):
    """Nothing stated is no mismatch."""
    path = tmp_path / "d.dd"
    path.write_bytes(disk())
    with open_evidence([path]) as evidence:
        result = evidence.verify()
    assert result.matches
    assert not result.stored
    assert VerifyResult(1, {"md5": "a"}, {"md5": "b", "other": "c"}).mismatched == ("md5",)


def test_c09_evidence_that_changes(tmp_path):
    """A file that was written to while it was open is named at the end."""
    path = tmp_path / "d.dd"
    path.write_bytes(disk())
    with open_evidence([path]) as evidence:
        os.utime(path, (1, 1))
        (problem,) = evidence.check_unchanged()
        assert "d.dd" in problem.message


def test_o08_reading_leaves_the_evidence_alone(tmp_path):
    """A read-only file in a read-only folder opens; bytes and times stay."""
    folder = tmp_path / "locked"
    folder.mkdir()
    path = folder / "d.dd"
    path.write_bytes(disk())
    os.utime(path, (1_000_000_000, 1_000_000_000))
    path.chmod(0o400)
    folder.chmod(0o500)
    before = path.stat()
    try:
        with open_evidence([path]) as evidence:
            evidence.verify()
            list(evidence.file_system("p1").walk())
        after = path.stat()
        assert sorted(os.listdir(folder)) == ["d.dd"]
    finally:
        folder.chmod(0o700)
    assert (after.st_mtime_ns, after.st_ctime_ns, after.st_size) == (
        before.st_mtime_ns,
        before.st_ctime_ns,
        before.st_size,
    )
    if hasattr(os, "O_NOATIME"):
        assert after.st_atime_ns == before.st_atime_ns


def test_c08_huge_sparse_image_opens_at_once(tmp_path):
    """Terabytes of holes with a small file system: found without reading the holes."""
    path = tmp_path / "d.dd"
    with path.open("wb") as file:
        file.write(boot_record(mbr_entry(0x06, 2048, len(FAT) // 512), mbr_entry(0x83, 100_000, 0xFFFF0000)))
        file.seek(2048 * 512)
        file.write(FAT)
        file.truncate(2 << 40)
    with open_evidence([path]) as evidence:
        assert evidence.volumes[0].file_system == "fat12"
        assert "zeros" in evidence.volumes[1].unsupported


def test_nothing_is_left_open(tmp_path):
    """Neither after an error nor after closing."""
    before = len(os.listdir("/proc/self/fd"))
    path = tmp_path / "d.dd"
    path.write_bytes(b"text " * 1000)
    with pytest.raises(UnsupportedFormatError):
        open_evidence([path])
    first, second = EwfWriter(b"x" * 8192, chunks_per_segment=4).write(tmp_path)
    second.unlink()
    os.mkfifo(second)
    with pytest.raises(SourceNotFoundError):
        open_evidence([first, second])
    path.write_bytes(disk())
    with open_evidence([path]) as evidence:
        evidence.file_system("p1")
    assert len(os.listdir("/proc/self/fd")) == before


def _mutations(sound, seed, rounds):
    chooser = random.Random(seed)
    interesting = [*range(0, 64), *range(430, 512), *range(512, 640), *range(1024, 1200)]
    for _ in range(rounds):
        damaged = bytearray(sound)
        for _ in range(chooser.choice((1, 2, 8, 40))):
            at = chooser.choice(interesting) if chooser.random() < 0.8 else chooser.randrange(len(damaged))
            damaged[at % len(damaged)] = chooser.choice(
                (0, 1, 5, 0x0F, 0x55, 0x7F, 0x80, 0xEE, 0xFF, chooser.randrange(256))
            )
        if chooser.random() < 0.05:
            del damaged[chooser.randrange(1, len(damaged)) :]
        yield bytes(damaged)


@pytest.mark.parametrize("kind", ["mbr", "gpt", "extended"])
def test_fuzz_flipped_bytes_only_raise_evidence_errors(tmp_path, kind):
    """Seeded damage to tables: an EvidenceError, or volumes that lie in the media and are told apart by name."""
    if kind == "mbr":
        sound = bytearray(disk()[: 600 * 512])
    elif kind == "gpt":
        sound = gpt_disk([gpt_entry(40, 49, "a"), gpt_entry(60, 79, "b")], 160)
        put(sound, 40 * 512, ext_like())
    else:
        sound = bytearray(200 * 512)
        put(sound, 0, boot_record(mbr_entry(0x05, 1, 150), mbr_entry(0x83, 160, 20)))
        put(sound, 512, boot_record(mbr_entry(0x83, 10, 20), mbr_entry(0x05, 1, 60)))
        put(sound, 1024, boot_record(mbr_entry(0x83, 40, 20)))
        put(sound, 160 * 512, ext_like())
    path = tmp_path / "d.dd"
    for damaged in _mutations(sound, f"20241124-{kind}", 250):
        path.write_bytes(damaged)
        try:
            evidence = open_evidence([path])
        except EvidenceError:
            continue
        with evidence:
            names = [v.name for v in evidence.volumes if v.name != "p0"]
            guesses = [name for name in names if name.startswith("lost")]  # where the table does not hold any more
            assert guesses == [f"lost{number}" for number in range(1, len(guesses) + 1)]
            named = [name for name in names if name not in guesses and name != "p0"]
            assert sorted(named, key=lambda name: int(name[1:])) == [f"p{number + 1}" for number in range(len(named))]
            for volume in evidence.volumes:
                assert 0 <= volume.image_offset < volume.image_offset + volume.length <= len(damaged)
            for problem in evidence.problems:
                assert problem.message == problem.message.strip()
                assert 0 <= problem.bytes_not_examined < 1 << 63
