"""QCOW headers that lie; the readings themselves are compared with qemu-img in their own test."""

import struct
import zlib

import pytest

from triage.errors import CorruptStructureError, EncryptedVolumeError, UnsupportedFormatError
from triage.evidence.containers import qcow
from triage.model.stream import MemoryStream

CLUSTER = 65536


def header(version=3, **values):
    """A header as bytes; values replace fields."""
    fields = {
        "backing": 0, "backing_size": 0, "bits": 16, "size": 1 << 20, "crypt": 0, "l1_size": 1, "l1": CLUSTER,
        "snapshots": 0, "snapshot_offset": 0, "incompatible": 0, "length": 112, "method": 0, **values,
    }  # fmt: skip
    raw = struct.pack(
        ">4sIQIIQIIQ", b"QFI\xfb", version, fields["backing"], fields["backing_size"], fields["bits"], fields["size"],
        fields["crypt"], fields["l1_size"], fields["l1"],
    )  # fmt: skip
    raw += struct.pack(">QIIQ", 0, 0, fields["snapshots"], fields["snapshot_offset"])
    return raw + struct.pack(">QQQIIB", fields["incompatible"], 0, 0, 4, fields["length"], fields["method"])


def image(entries, clusters=b"", **values):
    """Header, first table, second table, clusters from 3 on."""
    raw = header(**values).ljust(CLUSTER, b"\x00")
    raw += struct.pack(">Q", 2 * CLUSTER | 1 << 63).ljust(CLUSTER, b"\x00")
    return raw + struct.pack(f">{len(entries)}Q", *entries).ljust(CLUSTER, b"\x00") + clusters


def opened(data):
    return qcow.open_stream(MemoryStream(data), "e")


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"version": 4}, UnsupportedFormatError, "version 4"),
        ({"version": 0}, UnsupportedFormatError, "version 0"),
        ({"bits": 8}, CorruptStructureError, r"2\^8"),
        ({"bits": 63}, CorruptStructureError, r"2\^63"),
        ({"size": 1 << 62}, CorruptStructureError, "a table of 1 entries"),
        ({"l1_size": 0xFFFFFFFF}, CorruptStructureError, "a table of"),
        ({"l1_size": 0}, CorruptStructureError, "a table of 0"),
        ({"size": 0}, CorruptStructureError, "impossible size"),
        ({"crypt": 1}, EncryptedVolumeError, "AES"),
        ({"crypt": 2}, EncryptedVolumeError, "LUKS"),
        ({"incompatible": 1 << 5}, UnsupportedFormatError, "features 0x20"),
        ({"incompatible": 1 << 3, "method": 7}, UnsupportedFormatError, "method 7"),
        ({"incompatible": 1 << 2}, UnsupportedFormatError, "external data file"),
        ({"incompatible": 1 << 4, "bits": 9}, CorruptStructureError, "subclusters"),
        ({"length": 1 << 20}, CorruptStructureError, "header of"),
        ({"backing": 200, "backing_size": 5000}, CorruptStructureError, "backing file"),
        ({"backing": 1 << 60, "backing_size": 5}, CorruptStructureError, "backing file"),
        ({"snapshots": 1 << 30}, CorruptStructureError, "internal snapshots"),
    ],
)
def test_headers_that_lie(values, error, words):
    with pytest.raises(error, match=words):
        opened(image([], **values))


def test_header_cut_short():
    for length in range(4, 48):
        with pytest.raises(CorruptStructureError):
            opened(header()[:length])


def test_backing_file_that_is_not_there_is_named():
    data = bytearray(image([], backing=300, backing_size=12))
    data[300:312] = b"/vm/base.img"
    with pytest.raises(UnsupportedFormatError, match=r"/vm/base\.img"):
        opened(bytes(data))


def test_entries_that_lie_are_told_and_read_as_zeros():
    packed = zlib.compress(b"x" * CLUSTER)[2:-4]
    where = 3 * CLUSTER
    entries = [
        where | 1 << 63,
        1 << 62 | where,
        1,
        1 << 62 | (1 << 40),
        1 << 50,
        1 << 62 | (where + 1),
    ]
    container = opened(image(entries, packed.ljust(CLUSTER, b"\xaa")))
    media = container.media
    assert media.read_at(CLUSTER, CLUSTER) == b"x" * CLUSTER
    assert media.read_at(2 * CLUSTER, CLUSTER) == bytes(CLUSTER)
    assert container.read_problems() == ()
    assert media.read_at(3 * CLUSTER, 3 * CLUSTER) == bytes(3 * CLUSTER)
    assert sum(problem.bytes_not_examined for problem in container.read_problems()) == 3 * CLUSTER


def test_tables_behind_the_end_are_told():
    for data in (header().ljust(CLUSTER, b"\x00"), image([])[: 2 * CLUSTER]):
        container = opened(data)
        assert container.media.read_at(0, 1 << 20) == bytes(1 << 20)
        assert sum(problem.bytes_not_examined for problem in container.read_problems()) == 1 << 20


def test_table_that_points_at_itself_ends():
    data = header().ljust(CLUSTER, b"\x00") + struct.pack(">Q", CLUSTER | 1 << 63).ljust(CLUSTER, b"\x00")
    assert len(opened(data).media.read_at(0, 1 << 20)) == 1 << 20


def test_a_bomb_does_not_grow():
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = machine.compress(bytes(64 << 20)) + machine.flush()
    entry = 1 << 62 | (len(packed) // 512) << 54 | 3 * CLUSTER
    container = opened(image([entry], packed))
    assert container.media.read_at(0, CLUSTER) == bytes(CLUSTER)


def test_corrupt_flag_is_told():
    assert "marked as damaged" in opened(image([], incompatible=2)).problems[0].message


def test_sixteen_tebibytes_of_nothing_cost_little():
    size = 16 << 40
    spans = size >> 29
    raw = header(size=size, l1_size=spans).ljust(CLUSTER, b"\x00") + bytes(spans * 8)
    media = opened(raw).media
    assert list(media.data_ranges(0, size)) == []
    assert media.read_at(size - 10, 100) == bytes(10)
