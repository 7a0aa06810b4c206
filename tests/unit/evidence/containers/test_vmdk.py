"""VMDK: extents, parents and lies; what qemu writes is compared in its own test."""

import struct
import zlib

import pytest

from tests.support.virtual_disks import MB, cowd, pattern, sesparse
from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers import vmdk
from triage.evidence.containers.vmdk_descriptor import parse_descriptor
from triage.model.problem import Reason
from triage.model.stream import MemoryStream


def text(*extents, cid="12345678", parent="ffffffff", hint=""):
    lines = ["# Disk DescriptorFile", "version=1", f"CID={cid}", f"parentCID={parent}", 'createType="x"']
    lines += [f'parentFileNameHint="{hint}"'] if hint else []
    return "\n".join([*lines, *extents, ""]).encode()


@pytest.fixture
def place(tmp_path):
    def write(**files):
        for name, data in files.items():
            (tmp_path / name.replace("_", ".")).write_bytes(data)
        return vmdk.open_container((tmp_path / "disk.vmdk",), "e")

    return write


def test_extents_follow_one_another(place):
    container = place(
        disk_vmdk=text('RW 8 FLAT "a.flat" 2', "RW 4 ZERO", 'RW 12288 VMFSSPARSE "b.cowd"', 'RW 8 VMFS "a.flat"'),
        a_flat=pattern(5120),
        b_cowd=cowd(6 * MB, {0: b"A" * 512, 5000: b"B" * 512}),
    )
    media = container.media
    sparse = bytearray(6 * MB)
    sparse[:512], sparse[5000 * 512 : 5001 * 512] = b"A" * 512, b"B" * 512
    assert media.size == 4096 + 2048 + 6 * MB + 4096
    data = media.read_at(0, media.size)
    assert data[:4096] == pattern(5120)[1024:5120]
    assert data[4096 : 4096 + 2048] == bytes(2048)
    assert data[6144 : 6144 + 6 * MB] == bytes(sparse)
    assert data[6144 + 6 * MB :] == pattern(5120)[:4096]
    assert [path.name for path in container.paths] == ["disk.vmdk", "a.flat", "b.cowd"]
    container.close()


def test_space_efficient_extent(place):
    container = place(
        disk_vmdk=text('RW 12288 SESPARSE "s.sp"'),
        s_sp=sesparse(6 * MB, {0: b"A" * 4096, 2: None, 700: b"B" * 4096}),
    )
    data = container.media.read_at(0, 6 * MB)
    assert data[:4096] == b"A" * 4096
    assert data[700 * 4096 : 701 * 4096] == b"B" * 4096
    assert not data[4096 : 700 * 4096].strip(b"\x00")
    container.close()


def test_snapshot_on_a_parent_and_a_parent_written_later(place):
    files = {
        "disk_vmdk": text('RW 16 VMFSSPARSE "d.cowd"', parent="aaaa0001", hint="/vmfs/volumes/x/base.vmdk"),
        "d_cowd": cowd(8192, {1: b"N" * 512}),
        "base_vmdk": text('RW 16 FLAT "base.flat"', cid="aaaa0001"),
        "base_flat": b"P" * 8192,
    }
    container = place(**files)
    assert container.media.read_at(0, 2000) == b"P" * 512 + b"N" * 512 + b"P" * 976
    assert container.problems == ()
    container.close()
    container = place(**{**files, "base_vmdk": text('RW 16 FLAT "base.flat"', cid="bbbb0001")})
    (problem,) = container.problems
    assert problem.reason is Reason.MISMATCH
    assert "bbbb0001" in problem.message
    container.close()


@pytest.mark.parametrize(
    ("descriptor", "error", "words"),
    [
        (text('RW 16 FLAT "gone.flat"'), UnsupportedFormatError, "extent that the image asks for.*gone.flat"),
        (text('RW 16 FLAT "/etc/passwd"'), UnsupportedFormatError, "/etc/passwd"),
        (text('RW 16 FLAT "../outside"'), UnsupportedFormatError, "outside"),
        (text('RW 16 VMFSRDM "raw.flat"'), UnsupportedFormatError, "VMFSRDM"),
        (text('RW 16 SPARSE "disk.vmdk"'), CorruptStructureError, "comes back"),
        (text('RW 16 SPARSE "raw.flat"'), CorruptStructureError, "does not begin like one"),
        (text('RW 999999999999999999 FLAT "raw.flat"'), CorruptStructureError, "impossible size"),
        (text(), CorruptStructureError, "without an extent"),
        (text('RW 16 FLAT "raw.flat"', parent="1", hint="gone.vmdk"), UnsupportedFormatError, "gone.vmdk"),
        (text('RW 16 FLAT "raw.flat"', parent="1"), UnsupportedFormatError, "does not name its parent"),
        (text('RW 16 FLAT "raw.flat"', parent="1", hint="disk.vmdk"), CorruptStructureError, "comes back"),
    ],
)
def test_descriptors_that_cannot_be_followed(place, tmp_path, descriptor, error, words):
    (tmp_path.parent / "outside").write_bytes(b"x" * 8192)
    with pytest.raises(error, match=words):
        place(disk_vmdk=descriptor, raw_flat=bytes(8192))


def test_an_extent_alone_is_refused_and_its_descriptor_named(place, tmp_path):
    (tmp_path / "real.vmdk").write_bytes(text('RW 16 VMFSSPARSE "disk.vmdk"'))
    with pytest.raises(UnsupportedFormatError, match="only a part of a disk") as caught:
        place(disk_vmdk=cowd(8192, {}))
    assert "real.vmdk" in caught.value.hint


def test_an_extent_shorter_than_stated_is_told(place):
    container = place(disk_vmdk=text('RW 16 FLAT "a.flat"'), a_flat=b"P" * 5000)
    assert container.media.read_at(0, 8192) == b"P" * 5000 + bytes(3192)
    (problem,) = container.read_problems()
    assert (problem.reason, problem.bytes_not_examined) == (Reason.TRUNCATED, 3192)
    container.close()
    with pytest.raises(CorruptStructureError, match="asks for"):
        place(disk_vmdk=text('RW 16 VMFSSPARSE "a.flat"'), a_flat=cowd(4096, {}))


def hosted(flags=1, capacity=16, grain=8, entries=512, directory=3, method=0, descriptor=1):
    raw = struct.pack("<4sIIQQQQIQQQB", b"KDMV", 1, flags, capacity, grain, descriptor, 1, entries, 0, directory, 3, 0)
    raw += b"\n \r\n" + struct.pack("<H", method)
    return (
        raw.ljust(512, b"\x00")
        + text('RW 16 SPARSE "x"').ljust(1024, b"\x00")
        + struct.pack("<I", 4).ljust(512, b"\x00")
    )


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"grain": 0}, CorruptStructureError),
        ({"grain": 3}, CorruptStructureError),
        ({"grain": 1 << 40}, CorruptStructureError),
        ({"entries": 0}, CorruptStructureError),
        ({"entries": 0xFFFFFFFF}, CorruptStructureError),
        ({"capacity": 0}, CorruptStructureError),
        ({"capacity": 1 << 60}, CorruptStructureError),
        ({"directory": 0xFFFFFFFFFFFFFFFF}, CorruptStructureError),
        ({"flags": 1 << 16, "method": 9}, UnsupportedFormatError),
        ({"descriptor": 0}, UnsupportedFormatError),
        ({"descriptor": 1 << 50}, UnsupportedFormatError),
    ],
)
def test_headers_that_lie(values, error):
    with pytest.raises(error):
        vmdk.open_stream(MemoryStream(hosted(**values)), "e")


def test_damaged_grains_are_told():
    good = zlib.compress(b"g" * 4096)
    table = struct.pack("<4I", 8, 9, 1 << 30, 0).ljust(2048, b"\x00")
    grains = struct.pack("<QI", 0, len(good)) + good
    grains = grains.ljust(512, b"\x00") + struct.pack("<QI", 0, 200) + b"\xff" * 200
    data = hosted(flags=1 << 16, capacity=24, method=1) + table + grains
    container = vmdk.open_stream(MemoryStream(data), "e")
    assert container.media.read_at(0, 12288) == b"g" * 4096 + bytes(8192)
    assert [problem.bytes_not_examined for problem in container.read_problems()] == [4096, 4096]


def test_descriptor_of_many_lines_is_linear():
    parsed = parse_descriptor(text(*['RW 1 FLAT "x' + "y" * 3000 for _ in range(300)]))
    assert parsed.extents == () or parsed.extents[0].name == ""
