"""Formats that are not read are refused by name, before anything is taken for a raw image."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile

import pytest

from tests.support.disk_image import boot_record, ext_like, mbr_entry, put
from triage.errors import UnsupportedFormatError
from triage.evidence import open_evidence
from triage.evidence.containers.foreign import FOREIGN, find_foreign
from triage.model.stream import MemoryStream


def disk():
    """A raw disk that is recognised: one partition with something known in it."""
    raw = bytearray(64 * 512)
    put(raw, 0, boot_record(mbr_entry(0x83, 8, 16)))
    put(raw, 8 * 512, ext_like())
    return raw


def vhd_footer(kind):
    return (b"conectix" + bytes(52) + struct.pack(">I", kind)).ljust(512, b"\x00")


def zipped(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"some content")
    return out.getvalue()


def tarred():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("disk.dd")
        member.size = 512
        archive.addfile(member, io.BytesIO(bytes(512)))
    return out.getvalue()


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda foreign: f"{foreign.name}-{foreign.offset}")
def test_c02_every_signature_is_refused_even_on_a_readable_disk(tmp_path, foreign):
    """The signature wins over the partition table behind it; the message names the format and what to try."""
    raw = disk()
    put(raw, foreign.offset if foreign.offset >= 0 else len(raw) + foreign.offset, foreign.magic)
    path = tmp_path / "image.dd"
    path.write_bytes(raw)
    with pytest.raises(UnsupportedFormatError) as caught:
        open_evidence([path])
    assert foreign.name in str(caught.value)
    assert caught.value.hint == foreign.hint


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (gzip.compress(disk()), "gzip data"),
        (lzma.compress(disk()), "xz data"),
        (bz2.compress(disk()), "bzip2 data"),
        (bz2.compress(b""), "bzip2 data"),
        (zipped("disk.dd"), "zip archive"),
        (zipped("container.description", "information.turtle"), "AFF4 image"),
        (tarred(), "tar archive"),
        (vhd_footer(3) + bytes(4096), "dynamic VHD virtual disk"),
        (bytes(disk()) + vhd_footer(3), "dynamic VHD virtual disk"),
        (bytes(disk()) + vhd_footer(4), "differencing VHD virtual disk, incomplete without its parent"),
    ],
)
def test_c02_archives_and_virtual_disks(raw, name):
    """Formats that need more than one look at a magic."""
    found = find_foreign(MemoryStream(raw))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "raw",
    [
        bytes(disk()),
        bytes(disk()) + vhd_footer(2),
        bytes(257) + b"ustar" + bytes(300),
        tarred()[:100] + b"changed" + tarred()[107:],
        b"BZh and more text",
        b"",
        b"Q",
        b"\x00" * 5000,
    ],
)
def test_raw_disks_are_not_mistaken(raw):
    """A fixed VHD is a raw disk with a footer; a magic by chance is none."""
    assert find_foreign(MemoryStream(raw)) is None


def test_forced_as_raw(tmp_path):
    """``as_raw`` examines the bytes of a format that is not read; what is in them is not hidden."""
    path = tmp_path / "image.qcow2"
    path.write_bytes(b"QFI\xfb" + bytes(range(256)) * 20)
    with open_evidence([path], as_raw=True) as evidence:
        assert evidence.source.container == "raw"
        (volume,) = evidence.volumes
        assert (volume.name, volume.file_system, volume.length) == ("p1", "", evidence.media.size)
        assert sum(problem.bytes_not_examined for problem in evidence.problems) == evidence.media.size
